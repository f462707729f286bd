//! Event time and stamps, and the limits of lateness.

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// Milliseconds of a second.
pub const SECOND: Millis = 1_000;
/// Milliseconds of a minute.
pub const MINUTE: Millis = 60 * SECOND;
/// Milliseconds of an hour.
pub const HOUR: Millis = 60 * MINUTE;
/// Milliseconds of a day.
pub const DAY: Millis = 24 * HOUR;

/// The day of a time, counted from the epoch.
pub const fn day_of(time: Millis) -> i32 {
    time.div_euclid(DAY) as i32
}

/// RFC 3339 with milliseconds when there are any, `Z`.
pub fn rfc3339(time: Millis) -> String {
    let format = if time.rem_euclid(SECOND) == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    at(time).to_rfc3339_opts(format, true)
}

/// Hours and minutes, UTC.
pub fn clock(time: Millis) -> String {
    at(time).format("%H:%M").to_string()
}

/// The day, hours and minutes, UTC: `2026-03-02 09:12`.
pub fn to_the_minute(time: Millis) -> String {
    at(time).format("%Y-%m-%d %H:%M").to_string()
}

/// The day, UTC: `2026-03-02`.
pub fn date(time: Millis) -> String {
    at(time).format("%Y-%m-%d").to_string()
}

/// A length of time as people say it: `41 min`, `3 h 20 min`, `12 s`, `9 days`.
pub fn spoken(length: Millis) -> String {
    let secs = length / SECOND;
    match secs {
        i64::MIN..=119 => format!("{secs} s"),
        120..=7_199 => format!("{} min", secs / 60),
        7_200..=172_799 if secs % 3_600 >= 60 => {
            format!("{} h {} min", secs / 3_600, secs % 3_600 / 60)
        }
        7_200..=172_799 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}

fn at(time: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time).unwrap_or(DateTime::UNIX_EPOCH)
}

/// How late is normal. One set for a deployment: it decides which records are late, so it stands in every alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// A record delivered within this of its event time is never late.
    pub lateness: Millis,
    /// An event further ahead of its stamp than this is rejected.
    pub skew: Millis,
}

impl Lateness {
    /// 60 minutes late, 5 minutes ahead.
    pub const DEFAULT: Self = Self { lateness: HOUR, skew: 5 * MINUTE };

    /// How far behind its key's newest event an event may be: lateness + skew.
    pub const fn window(self) -> Millis {
        self.lateness + self.skew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_people_and_machines_read_them() {
        assert_eq!(rfc3339(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_600_120), "2026-01-01T00:00:00.120Z");
        assert_eq!(clock(1_767_225_600_000 + 9 * HOUR + 12 * MINUTE), "09:12");
        assert_eq!(to_the_minute(1_767_225_600_000 + 9 * HOUR), "2026-01-01 09:00");
        for (length, text) in [
            (41 * MINUTE, "41 min"),
            (90 * SECOND, "90 s"),
            (200 * MINUTE, "3 h 20 min"),
            (9 * DAY, "9 days"),
            (2 * HOUR, "2 h"),
        ] {
            assert_eq!(spoken(length), text);
        }
    }
}
