//! Small texts with a meaning: lengths of time, instants, networks. Each failure says what would be right.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime};
use frostwatch_detect::rule::Network;
use frostwatch_detect::time::Millis;

use crate::fault::shortened;

/// Bits between an IPv4 address and its place in IPv6 (`::ffff:0:0/96`).
const MAPPED_BITS: u32 = 96;

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
    let wrong = || {
        format!("`{}` is not a network: write `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`", shortened(text))
    };
    let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| wrong());
    if let Some((base, bits)) = text.split_once('/') {
        return block(address(base)?, bits).ok_or_else(wrong)?;
    }
    let Some((first, last)) = text.split_once('-') else {
        let only = mapped(address(text)?);
        return Ok(Network { first: only, last: only });
    };
    let (first, last) = (address(first)?, address(last)?);
    if first.is_ipv4() != last.is_ipv4() {
        return Err(format!("`{}` mixes IPv4 and IPv6", shortened(text)));
    }
    let range = Network { first: mapped(first), last: mapped(last) };
    if range.first > range.last {
        return Err(format!("`{}` ends before it begins", shortened(text)));
    }
    Ok(range)
}

/// The address in IPv6, IPv4 mapped.
pub(crate) fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// `None`: the prefix is no number of bits; an error: bits are set beyond it.
fn block(base: IpAddr, bits: &str) -> Option<Result<Network, String>> {
    let (offset, most) = if base.is_ipv4() { (MAPPED_BITS, 32) } else { (0, 128) };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u32 = bits.parse().ok().filter(|bits| digits && *bits <= most)?;
    let host = u128::MAX.checked_shr(offset + bits).unwrap_or(0);
    let first = mapped(base);
    if first & host != 0 {
        let right = u128::to_be_bytes(first & !host);
        let right = IpAddr::from(right).to_canonical();
        return Some(Err(format!("`{base}/{bits}` has bits beyond its prefix; the network is `{right}/{bits}`")));
    }
    Some(Ok(Network { first, last: first | host }))
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

    #[test]
    fn networks_are_blocks_addresses_or_ranges() {
        let v4 = |text: &str| mapped(text.parse().unwrap());
        for (text, first, last) in [
            ("10.0.0.0/8", v4("10.0.0.0"), v4("10.255.255.255")),
            ("0.0.0.0/0", v4("0.0.0.0"), v4("255.255.255.255")),
            ("192.0.2.7", v4("192.0.2.7"), v4("192.0.2.7")),
            ("192.0.2.7/32", v4("192.0.2.7"), v4("192.0.2.7")),
            ("192.0.2.1 - 192.0.2.9", v4("192.0.2.1"), v4("192.0.2.9")),
            ("::/0", 0, u128::MAX),
            ("2001:db8::/127", v4("2001:db8::"), v4("2001:db8::1")),
        ] {
            assert_eq!(network(text), Ok(Network { first, last }), "{text}");
        }
        for (text, says) in [
            ("10.0.0.0/33", "not a network"),
            ("10.0.0.0/+8", "not a network"),
            ("10.0.0/8", "not a network"),
            ("office", "not a network"),
            ("", "not a network"),
            ("10.1.0.0/8", "the network is `10.0.0.0/8`"),
            ("192.0.2.9-192.0.2.1", "ends before it begins"),
            ("192.0.2.9-2001:db8::", "mixes"),
        ] {
            assert!(network(text).unwrap_err().contains(says), "{text}");
        }
    }
}
