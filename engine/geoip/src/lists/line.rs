//! The parts of a line: a network, a time.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, NaiveDateTime};
use frostwatch_detect::lists::host_bits;
use frostwatch_detect::time::Millis;

use crate::special;

/// Fewest leading bits of a network of IPv4: a list that names more than that names everybody.
const V4_PREFIX_MIN: u8 = 8;
/// The same of IPv6.
const V6_PREFIX_MIN: u8 = 16;
/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFault {
    /// Line, from 1; 0 when it is about the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

impl ListFault {
    /// What is wrong with a file that names nothing.
    const NAMES_NOTHING: &str = "names no address; is it the right file?";

    pub(super) fn names_nothing() -> Self {
        Self { line: 0, message: Self::NAMES_NOTHING.to_owned() }
    }

    /// Is it only that the file names nothing?
    pub fn is_of_empty(&self) -> bool {
        self.message == Self::NAMES_NOTHING
    }
}

impl fmt::Display for ListFault {
    /// As it stands behind the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, ": {}", self.message),
            line => write!(f, ":{line}: {}", self.message),
        }
    }
}

/// A network of a line.
pub(super) enum Network {
    /// First address, IPv4 mapped into IPv6, and prefix of 128 bits.
    Public(u128, u8),
    /// Private or reserved: no list has a say there.
    Special,
}

/// Reads an address or a network in CIDR notation.
pub(super) fn network(text: &str) -> Result<Network, String> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(format!("'{}' is no address and no network as 11.2.3.0/24", shown(text)));
    };
    let width = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(width), |prefix| prefix.parse::<u8>().ok().filter(|prefix| *prefix <= width));
    let Some(prefix) = prefix else {
        return Err(format!("'{}' has no prefix of 0 to {width} bits", shown(text)));
    };
    network_of(ip, prefix).ok_or_else(|| {
        let least = if ip.is_ipv4() { V4_PREFIX_MIN } else { V6_PREFIX_MIN };
        let wide = prefix < least;
        let why = if wide { format!("is wider than /{least}") } else { "has bits beyond its prefix".to_owned() };
        format!("'{}' {why}", shown(text))
    })
}

/// A network of this address and prefix; `None` where it is too wide or the address not its first.
pub(super) fn network_of(ip: IpAddr, prefix: u8) -> Option<Network> {
    let (first, bits, least) = match ip {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), prefix + 96, V4_PREFIX_MIN),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && prefix < 96 + V4_PREFIX_MIN => return None,
        IpAddr::V6(v6) => (v6.to_bits(), prefix, V6_PREFIX_MIN),
    };
    if prefix < least || first & host_bits(bits) != 0 {
        return None;
    }
    // Of one that is special in part, the addresses that are so are never asked for.
    let is_special = special::is_all_special(first, first | host_bits(bits));
    Some(if is_special { Network::Special } else { Network::Public(first, bits) })
}

/// Reads a time: RFC 3339, or without a zone, which is UTC then.
pub(super) fn time(text: &str) -> Option<Millis> {
    let zoned = DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    let plain = || {
        let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
        let read = |format: &&str| NaiveDateTime::parse_from_str(text, format).ok();
        formats.iter().find_map(read).map(|at| at.and_utc().timestamp_millis())
    };
    zoned.or_else(plain).filter(|at| *at >= 0)
}

/// A value as a message shows it.
pub(super) fn shown(text: &str) -> String {
    let clean = text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign });
    let mut shown: String = clean.clone().take(SHOWN_CHARS_MAX).collect();
    if clean.count() > SHOWN_CHARS_MAX {
        shown.push('…');
    }
    shown
}

/// Lines of a file with their numbers, from 1: without line ends and what surrounds them. A line that is no UTF-8 is
/// `None`.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, Option<&str>)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    (1..)
        .zip(bytes.split(|byte| *byte == b'\n'))
        .map(|(number, line)| (number, std::str::from_utf8(line).ok().map(str::trim)))
}
