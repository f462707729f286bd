//! Where and when clocks are an hour ahead of standard time.

use crate::clock::{civil_date, weekday};

use super::places::City;

/// Countries that change with the European Union.
const EUROPE: &str =
    "SE NO DK FI EE LV LT GB IE FR BE NL LU DE CH AT CZ SK HU PL ES PT IT GR BG RO RS HR SI BA AL UA MD CY";
/// Countries that change with the United States.
const NORTH_AMERICA: &str = "US CA";
/// Places of those countries that do not.
const STEADY_CITIES: [&str; 4] = ["Phoenix", "Honolulu", "Perth", "Brisbane"];

/// Whether a city has summer time on the afternoon of a day, by the rules of 2026.
pub(super) fn is_summer(city: &City, epoch_day: i64) -> bool {
    if STEADY_CITIES.contains(&city.name.as_str()) {
        return false;
    }
    let of = |countries: &str| countries.split(' ').any(|country| country == city.country);
    let (_, month, day) = civil_date(epoch_day);
    let first = epoch_day - day + 1;
    let today = (month, epoch_day);
    // The nth Sunday of the present month, counted from 1; the fifth stands for the last.
    let sunday = |nth: i64| nth_sunday(first, nth, civil_date(first + 31 - 1).1 == month);
    if of(EUROPE) {
        between(today, (3, sunday(5)), (10, sunday(5)))
    } else if of(NORTH_AMERICA) {
        between(today, (3, sunday(2)), (11, sunday(1)))
    } else if city.country == "AU" {
        !between(today, (4, sunday(1)), (10, sunday(1)))
    } else if city.country == "NZ" {
        !between(today, (4, sunday(1)), (9, sunday(5)))
    } else {
        false
    }
}

/// Between a change in one month and a change in a later one, each given by its day.
fn between((month, day): (i64, i64), from: (i64, i64), to: (i64, i64)) -> bool {
    let begun = month > from.0 || (month == from.0 && day >= from.1);
    let ended = month > to.0 || (month == to.0 && day >= to.1);
    begun && !ended
}

/// The nth Sunday of the month that begins on `first`; the fifth stands for the last.
fn nth_sunday(first: i64, nth: i64, long: bool) -> i64 {
    let first_sunday = first + i64::from(6 - weekday(first));
    let length = if long { 31 } else { 30 };
    let sunday = first_sunday + 7 * (nth - 1);
    if sunday < first + length { sunday } else { sunday - 7 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_change_on_the_sundays_of_2026() {
        let check = |name: &str, country: &str, month_day_summer: [(i64, bool); 4]| {
            let city = City {
                name: name.to_owned(),
                country: country.to_owned(),
                latitude: 0.0,
                longitude: 0.0,
                population: 1,
                utc_offset_minutes: 0,
            };
            for (epoch_day, summer) in month_day_summer {
                assert_eq!(is_summer(&city, epoch_day), summer, "{name} on {:?}", civil_date(epoch_day));
            }
        };
        let day = |month: i64, day: i64| -> i64 {
            (20_454..20_454 + 365).find(|d| civil_date(*d) == (2026, month, day)).expect("a day of 2026")
        };
        let days = |dates: [(i64, i64, bool); 4]| dates.map(|(m, d, summer)| (day(m, d), summer));
        check("Stockholm", "SE", days([(3, 28, false), (3, 29, true), (10, 24, true), (10, 25, false)]));
        check("New York", "US", days([(3, 7, false), (3, 8, true), (10, 31, true), (11, 1, false)]));
        check("Sydney", "AU", days([(4, 4, true), (4, 5, false), (10, 3, false), (10, 4, true)]));
        check("Auckland", "NZ", days([(4, 4, true), (4, 5, false), (9, 26, false), (9, 27, true)]));
        check("Phoenix", "US", days([(3, 9, false), (6, 1, false), (7, 1, false), (11, 2, false)]));
        check("Tokyo", "JP", days([(1, 1, false), (4, 1, false), (7, 1, false), (12, 1, false)]));
    }
}
