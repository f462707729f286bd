//! Calendar arithmetic in UTC; no clock is read anywhere in this crate.

use std::fmt::{self, Display, Formatter};

/// Milliseconds of a second.
pub(crate) const SECOND_MS: i64 = 1_000;
/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// A time as ServiceNow's Table API prints it: `YYYY-MM-DD HH:MM:SS`, UTC, whole seconds.
pub(crate) struct TableTime(pub(crate) i64);

/// A time as RFC 3339 prints it, UTC, with milliseconds.
pub(crate) struct Rfc3339(pub(crate) i64);

impl Display for TableTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_date(self.0.div_euclid(DAY_MS));
        let second = self.0.rem_euclid(DAY_MS) / SECOND_MS;
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}")
    }
}

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_date(self.0.div_euclid(DAY_MS));
        let of_day = self.0.rem_euclid(DAY_MS);
        let (second, ms) = (of_day / SECOND_MS, of_day % SECOND_MS);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
    }
}

/// Day of the week of a day counted from the epoch, Monday = 0; the epoch was a Thursday.
pub(crate) fn weekday(epoch_day: i64) -> u8 {
    (epoch_day + 3).rem_euclid(7) as u8
}

/// Year, month and day of a day counted from the epoch, proleptic Gregorian.
///
/// Counts from 1 March of year 0, where a 400-year era has 146,097 days and the leap day ends the year.
pub(crate) fn civil_date(epoch_day: i64) -> (i64, i64, i64) {
    let days = epoch_day + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_as_the_table_api_and_as_rfc_3339() {
        let check = |ms: i64, table: &str, rfc: &str| {
            assert_eq!(TableTime(ms).to_string(), table);
            assert_eq!(Rfc3339(ms).to_string(), rfc);
        };
        check(0, "1970-01-01 00:00:00", "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29 00:00:00", "2000-02-29T00:00:00.000Z");
        check(1_767_225_600_123, "2026-01-01 00:00:00", "2026-01-01T00:00:00.123Z");
        check(4_107_542_399_999, "2100-02-28 23:59:59", "2100-02-28T23:59:59.999Z");
        check(-1, "1969-12-31 23:59:59", "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_week_begins_on_monday() {
        assert_eq!(weekday(0), 3);
        assert_eq!(weekday(20_454), 3, "2026-01-01 was a Thursday");
        assert_eq!(weekday(20_458), 0, "2026-01-05 was a Monday");
        assert_eq!(weekday(-1), 2);
    }
}
