//! Small readings of untrusted text: addresses, times, ids, names; each bounded.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::activity::time::UtcTime;

/// Resolution of ServiceNow's clock, in milliseconds.
const SERVICENOW_PRECISION_MS: u32 = 1_000;
/// Whole numbers below are seconds since the epoch, from it milliseconds: 1973-03-03 in milliseconds.
const EPOCH_MS_MIN: i64 = 100_000_000_000;
/// Whole numbers from here are microseconds since the epoch.
const EPOCH_US_MIN: i64 = 100_000_000_000_000;
/// Longest text that can be an address with its port or zone, in bytes.
const ADDRESS_BYTES_MAX: usize = 128;

/// The longest start of `text` that has at most `bytes_max` bytes and ends at a character.
pub(super) fn clip(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// [`clip`] into an owned text, or nothing for an empty one.
pub(super) fn owned(text: &str, bytes_max: usize) -> Option<String> {
    (!text.is_empty()).then(|| clip(text, bytes_max).to_owned())
}

/// Lower case for comparison and keys.
pub(super) fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// A `sys_id`: 32 hexadecimal digits, in lower case.
pub(super) fn sys_id(text: &str) -> Option<String> {
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_ascii_lowercase())
}

/// An address as ServiceNow writes it: with spaces, a port, brackets, an IPv6 zone, or as the
/// first of a comma list. Private and reserved ones are addresses too; an IPv4 address inside
/// IPv6 is that IPv4 address.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    if text.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let first = text.split(',').next()?.trim();
    let bare = match first.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => first,
    };
    let bare = bare.split('%').next()?;
    let address = bare.parse::<IpAddr>().ok().or_else(|| {
        let (host, port) = bare.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    });
    let address = address.or_else(|| first.parse::<SocketAddr>().ok().map(|both| both.ip()));
    address.map(|address| address.to_canonical())
}

/// A time and its resolution in milliseconds: `YYYY-MM-DD HH:MM:SS` (UTC, one second), RFC 3339
/// in UTC, or a whole number of seconds, milliseconds or microseconds since the epoch, as
/// connectors write it.
pub(super) fn time(text: &str) -> Option<(UtcTime, u32)> {
    if let Ok(time) = UtcTime::from_parts(text, b' ') {
        return Some((time, SERVICENOW_PRECISION_MS));
    }
    if let Ok(time) = UtcTime::parse(text) {
        let precision = if text.contains('.') { 1 } else { SERVICENOW_PRECISION_MS };
        return Some((time, precision));
    }
    let number = text.parse::<i64>().ok().filter(|&number| number >= 0)?;
    let ms = match number {
        EPOCH_US_MIN.. => number / 1_000,
        EPOCH_MS_MIN.. => number,
        _ => number.checked_mul(1_000)?,
    };
    let precision = if ms % 1_000 == 0 { SERVICENOW_PRECISION_MS } else { 1 };
    UtcTime::from_ms(ms).map(|time| (time, precision))
}

/// A count or size: decimal digits, perhaps with thousands separators or a `.0` from a connector.
pub(super) fn count(text: &str) -> Option<u64> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let plain: Cow<'_, str> = if whole.contains(',') { whole.replace(',', "").into() } else { whole.into() };
    plain.parse().ok().filter(|&count| count <= crate::activity::COUNT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_dresses() {
        for (text, expect) in [
            ("203.0.113.24", Some("203.0.113.24")),
            (" 203.0.113.24 ", Some("203.0.113.24")),
            ("203.0.113.24:51812", Some("203.0.113.24")),
            ("203.0.113.24, 10.0.0.1", Some("203.0.113.24")),
            ("10.0.0.7", Some("10.0.0.7")),
            ("0:0:0:0:0:0:0:1%0", Some("::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[2001:db8::7]:443", Some("2001:db8::7")),
            ("[fe80::1%eth0]:443", Some("fe80::1")),
            ("2001:DB8::7", Some("2001:db8::7")),
            ("::ffff:198.51.100.7", Some("198.51.100.7")),
            ("", None),
            ("10.0.0", None),
            ("10.0.0.1:99999", None),
            ("https://203.0.113.24/", None),
            ("User does not exist", None),
        ] {
            assert_eq!(ip(text), expect.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_the_forms_of_connectors() {
        for (text, expect) in [
            ("2026-03-02 08:14:09", Some((1_772_439_249_000, 1_000))),
            ("2026-03-02T08:14:09Z", Some((1_772_439_249_000, 1_000))),
            ("2026-03-02T08:14:09.25Z", Some((1_772_439_249_250, 1))),
            ("1772439249", Some((1_772_439_249_000, 1_000))),
            ("1772439249250", Some((1_772_439_249_250, 1))),
            ("1772439249250000", Some((1_772_439_249_250, 1))),
            ("02.03.2026 08:14:09", None),
            ("2026-03-02 08:14", None),
            ("-5", None),
            ("9223372036854775807", None),
            ("", None),
        ] {
            let got = time(text).map(|(at, precision)| (at.ms(), precision));
            assert_eq!(got, expect, "{text}");
        }
    }

    #[test]
    fn a_clip_ends_at_a_character() {
        assert_eq!(clip("ångström", 1), "");
        assert_eq!(clip("ångström", 2), "å");
        assert_eq!(clip("ana", 3), "ana");
        assert_eq!(clip("ana", 2), "an");
    }

    #[test]
    fn counts_are_whole_and_bounded() {
        for (text, expect) in [
            ("482133", Some(482_133)),
            ("482,133", Some(482_133)),
            ("7.0", Some(7)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("9007199254740992", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(count(text), expect, "{text}");
        }
    }
}
