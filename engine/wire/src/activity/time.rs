//! An instant in UTC as activity.v1 writes it: RFC 3339, kept as milliseconds.

use std::borrow::Cow;
use std::fmt;

use chrono::{Datelike, NaiveDate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::TIME_PATTERN;

const MS_PER_SEC: i64 = 1_000;
const MS_PER_MINUTE: i64 = 60 * MS_PER_SEC;
const MS_PER_HOUR: i64 = 60 * MS_PER_MINUTE;
const MS_PER_DAY: i64 = 24 * MS_PER_HOUR;
/// 0000-01-01T00:00:00Z, the first instant that four digits of year can write.
const FIRST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the last one.
const LAST_MS: i64 = 253_402_300_799_999;

/// Milliseconds since 1970-01-01T00:00:00Z, inside the years 0000 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(i64);

/// Why a text is no [`UtcTime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATime;

impl UtcTime {
    /// The instant `ms` milliseconds after the epoch, if it has a four-digit year.
    pub fn from_ms(ms: i64) -> Option<Self> {
        (FIRST_MS..=LAST_MS).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    pub fn ms(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 in UTC (`2026-03-02T08:14:09Z`, fraction up to nanoseconds, `Z` or `+00:00`).
    /// What is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        let stem = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).ok_or(NotATime)?;
        let (whole, fraction) = match stem.split_once('.') {
            Some((whole, fraction)) => (whole, fraction_ms(fraction).ok_or(NotATime)?),
            None => (stem, 0),
        };
        Self::from_parts(whole, b'T').map(|at| Self(at.0 + fraction))
    }

    /// Reads the nineteen characters `YYYY-MM-DD HH:MM:SS` of ServiceNow, which are UTC, with
    /// `separator` between date and time.
    pub fn from_parts(text: &str, separator: u8) -> Result<Self, NotATime> {
        let bytes: &[u8; 19] = text.as_bytes().try_into().map_err(|_| NotATime)?;
        let signs = [(4, b'-'), (7, b'-'), (10, separator), (13, b':'), (16, b':')];
        if signs.iter().any(|&(at, sign)| bytes.get(at) != Some(&sign)) {
            return Err(NotATime);
        }
        let part = |from: usize, to: usize| digits(bytes.get(from..to)?);
        let day = || {
            let date = NaiveDate::from_ymd_opt(part(0, 4)?.try_into().ok()?, part(5, 7)?, part(8, 10)?)?;
            date.and_hms_opt(part(11, 13)?, part(14, 16)?, part(17, 19)?)
        };
        day().map(|at| Self(at.and_utc().timestamp_millis())).ok_or(NotATime)
    }
}

/// Decimal digits only; at most nine of them, so that the sum fits.
fn digits(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 9 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(bytes.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn fraction_ms(fraction: &str) -> Option<i64> {
    digits(fraction.as_bytes())?;
    let first = fraction.as_bytes().iter().chain(b"00").take(3);
    Some(first.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(MS_PER_DAY);
        let rest = self.0.rem_euclid(MS_PER_DAY);
        let date = i32::try_from(days).ok().and_then(NaiveDate::from_epoch_days).ok_or(fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year(),
            date.month(),
            date.day(),
            rest / MS_PER_HOUR,
            rest % MS_PER_HOUR / MS_PER_MINUTE,
            rest % MS_PER_MINUTE / MS_PER_SEC,
        )?;
        match rest % MS_PER_SEC {
            0 => f.write_str("Z"),
            ms => write!(f, ".{ms:03}Z"),
        }
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time in RFC 3339, UTC")
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for UtcTime {
    fn schema_name() -> Cow<'static, str> {
        "UtcTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": TIME_PATTERN,
            "description": "RFC 3339 in UTC. Finer than a millisecond is cut off.",
            "examples": ["2026-03-02T08:14:09Z", "2026-03-02T08:14:09.125Z"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let got = UtcTime::parse(text).ok().map(|at| at.to_string());
        assert_eq!(got.as_deref(), expect, "{text}");
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, expect) in [
            ("2026-03-02T08:14:09Z", "2026-03-02T08:14:09Z"),
            ("2026-03-02T08:14:09+00:00", "2026-03-02T08:14:09Z"),
            ("2026-03-02T08:14:09.5Z", "2026-03-02T08:14:09.500Z"),
            ("2026-03-02T08:14:09.123999999Z", "2026-03-02T08:14:09.123Z"),
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            check(text, Some(expect));
        }
    }

    #[test]
    fn what_is_no_time_in_utc_is_refused() {
        for text in [
            "",
            "2026-03-02",
            "2026-03-02 08:14:09Z",
            "2026-03-02T08:14:09",
            "2026-03-02T08:14:09+01:00",
            "2026-03-02t08:14:09z",
            "2026-02-29T08:14:09Z",
            "2026-13-02T08:14:09Z",
            "2026-03-02T24:00:00Z",
            "2026-03-02T08:14:60Z",
            "2026-03-02T08:14:09.Z",
            "2026-03-02T08:14:09.1234567890Z",
            "+026-03-02T08:14:09Z",
            "2026-03-0²T08:14:0Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn milliseconds_outside_four_digit_years_are_refused() {
        assert_eq!(UtcTime::from_ms(LAST_MS).map(UtcTime::ms), Some(LAST_MS));
        assert_eq!(UtcTime::from_ms(LAST_MS + 1), None);
        assert_eq!(UtcTime::from_ms(FIRST_MS).map(UtcTime::ms), Some(FIRST_MS));
        assert_eq!(UtcTime::from_ms(FIRST_MS - 1), None);
    }
}
