//! How far off a place may be of which the `GeoIP` file does not say it.
//!
//! A record that names a city is as far off as the rule says; one of a mobile carrier twice as far, since its
//! addresses are handed out over whole regions; one without a city is the middle of its country, and everything in the
//! country is as near.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::place::{Carrier, Country, Place};

/// Radii of countries, with their source.
const COUNTRIES: &str = include_str!("../data/country_radius.csv");
/// How many times as far off as a city the place of a mobile carrier's address is ("Lost in the Prefix", arXiv 2605.21937: median
/// errors about 190 km, against 3 to 16 km of fixed lines).
const MOBILE_FACTOR: u16 = 2;
/// A country that is larger counts as this large, km: its people live in a part of it, and a thief in another part of the
/// world must not go unseen.
pub const COUNTRY_RADIUS_KM_MAX: u16 = 800;
/// A country that is not in the table counts as this large, km.
const COUNTRY_RADIUS_KM_UNKNOWN: u16 = 400;
/// A circle that holds the true place with 95 % is so many times as wide as one that does with 67 %, if errors are normal in both
/// directions.
const OF_95_IN_100: f64 = 1.64;
/// Words of the names of mobile carriers, in lower case.
const MOBILE_WORDS: [&str; 8] = ["mobile", "wireless", "cellular", "gsm", "lte", "mobil", "movil", "telefonia"];

static RADII: LazyLock<Vec<(Country, u16)>> = LazyLock::new(|| {
    let row = |line: &str| {
        let (country, radius) = line.split_once(',')?;
        Some((Country::new(country)?, radius.parse().ok()?))
    };
    let mut radii: Vec<(Country, u16)> = COUNTRIES.lines().filter_map(row).collect();
    radii.sort_unstable();
    radii
});

/// How far off a place may be, and whether the file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Radius {
    /// It holds the true place with about 67 %, km.
    pub km: u16,
    /// The file does not say it.
    pub estimated: bool,
}

impl Radius {
    /// So near to another a place may be the same, km: `least` is what counts as one place, and places that are known less
    /// exactly count up to `most`. Of two radii that a file gives it is how far their places are apart with 95 %.
    pub(crate) fn near_km(self, other: Self, (least, most): (u16, u16)) -> f64 {
        let (here, there) = (f64::from(self.km), f64::from(other.km));
        let are_given = !self.estimated && !other.estimated;
        let km = if are_given { OF_95_IN_100 * libm::hypot(here, there) } else { here.max(there) };
        km.clamp(f64::from(least), f64::from(most))
    }
}

/// The radius of a place; `city_km` is that of a city of which the file gives none.
pub fn radius(place: Place, carrier: Carrier, city_km: u16) -> Radius {
    if place.radius_km != 0 {
        return Radius { km: place.radius_km, estimated: false };
    }
    let km = match (is_centre(place), is_mobile(carrier)) {
        (true, _) => country_km(place.country).max(city_km),
        (false, true) => city_km.saturating_mul(MOBILE_FACTOR),
        (false, false) => city_km,
    };
    Radius { km, estimated: true }
}

/// Is it the middle of a country and no more? Two places of one country of which one is that are not apart.
pub const fn is_centre(place: Place) -> bool {
    place.radius_km == 0 && place.city.is_empty()
}

/// Is there a country with this code?
pub(crate) fn is_country(country: Country) -> bool {
    RADII.binary_search_by_key(&country, |(known, _)| *known).is_ok()
}

fn country_km(country: Country) -> u16 {
    let at = RADII.binary_search_by_key(&country, |(known, _)| *known);
    let km = at.ok().and_then(|at| RADII.get(at)).map_or(COUNTRY_RADIUS_KM_UNKNOWN, |(_, km)| *km);
    km.min(COUNTRY_RADIUS_KM_MAX)
}

/// Does its name say that it is a mobile carrier?
pub(crate) const fn is_mobile(carrier: Carrier) -> bool {
    carrier.organisation.is_of_mobile()
}

/// Is this the name of a mobile carrier?
pub(crate) fn is_name_of_mobile(name: &str) -> bool {
    let words = || name.split(|c: char| !c.is_alphanumeric());
    MOBILE_WORDS.iter().any(|mobile| words().any(|word| word.eq_ignore_ascii_case(mobile)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Name;
    use crate::place::Point;

    fn of(country: &str, city: &str, radius_km: u16, organisation: &str) -> Radius {
        let place = Place {
            country: Country::new(country).unwrap(),
            city: Name::new(city),
            point: Point::from_degrees(0.0, 0.0),
            radius_km,
        };
        radius(place, Carrier { asn: 1, organisation: Name::new(organisation) }, 100)
    }

    #[test]
    fn what_the_file_says_stands_and_the_rest_goes_by_what_the_record_tells() {
        for (place, km, estimated) in [
            (of("SE", "Malmo", 20, "Any Mobile"), 20, false),
            (of("SE", "", 5, ""), 5, false),
            (of("SE", "Malmo", 0, "Fibernet"), 100, true),
            (of("SE", "Malmo", 0, "Vento MOBILE SE"), 200, true),
            (of("SE", "Malmo", 0, "Automobile Club"), 100, true),
            (of("SE", "", 0, "Vento Mobile SE"), 379, true),
            (of("LU", "", 0, ""), 100, true),
            (of("US", "", 0, ""), COUNTRY_RADIUS_KM_MAX, true),
            (of("QZ", "", 0, ""), COUNTRY_RADIUS_KM_UNKNOWN, true),
        ] {
            assert_eq!(place, Radius { km, estimated });
        }
    }

    #[test]
    fn every_line_of_the_table_is_a_country() {
        let lines = COUNTRIES.lines().filter(|line| !line.starts_with('#')).count();
        assert!(lines >= 249);
        assert_eq!(RADII.len(), lines);
        assert!(RADII.is_sorted_by(|a, b| a.0 < b.0));
    }
}
