//! Small texts with a meaning: lengths of time, instants, networks. Each failure says what would be right.

use chrono::{DateTime, NaiveDate, NaiveTime};
use frostwatch_detect::rule::Network;
use frostwatch_detect::time::Millis;

use crate::fault::shortened;

/// Seconds of `90s`, `5m`, `24h` or `7d`.
pub(crate) fn length_secs(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{}` is not a length of time: a whole number and s, m, h or d, e.g. `5m`", shortened(text));
    let unit = text.chars().last().ok_or_else(wrong)?;
    let secs: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = text.strip_suffix(unit).unwrap_or("");
    if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse::<u32>().ok().and_then(|count| count.checked_mul(secs)).ok_or_else(wrong)
}

/// The instant of `2027-03-31` (its first, UTC) or of an RFC 3339 date-time.
pub(crate) fn instant(text: &str) -> Result<Millis, String> {
    let day = || {
        let canonical = text.len() == "2027-03-31".len();
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| canonical)?;
        Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
    };
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()).or_else(day).ok_or_else(|| {
        format!(
            "`{}` is not a day or an instant: write `2027-03-31` (ends as that day begins, UTC) or `2027-03-31T12:00:00Z`",
            shortened(text)
        )
    })
}

/// The range of `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`.
pub(crate) fn network(text: &str) -> Result<Network, String> {
    Network::parse(text).map_err(|fault| format!("`{}` {fault}", shortened(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_strict() {
        for (text, secs) in [("1s", 1), ("5m", 300), ("24h", 86_400), ("7d", 604_800), ("49710d", 4_294_944_000)] {
            assert_eq!(length_secs(text), Ok(secs), "{text}");
        }
        for text in ["", "5", "m", "05m", "0s", "5 m", "5M", "-5m", "1h30m", "1.5h", "49711d", "٥m", "5µ"] {
            assert!(length_secs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_are_days_or_full_date_times() {
        for (text, millis) in [
            ("2026-01-01", 1_767_225_600_000),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01T01:00:00.250+01:00", 1_767_225_600_250),
        ] {
            assert_eq!(instant(text), Ok(millis), "{text}");
        }
        for text in ["", "2026-1-1", "2026-02-30", "01.02.2026", "2026-01-01T00:00:00", "tomorrow", "2026-01-01 "] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
