//! A range of addresses, and how it is written.

use std::fmt;
use std::net::IpAddr;

/// Bits between an IPv4 address and its place in IPv6 (`::ffff:0:0/96`).
const MAPPED_BITS: u32 = 96;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// First address, IPv4 mapped into IPv6.
    pub first: u128,
    /// Last address, likewise.
    pub last: u128,
}

/// Why a text is no range of addresses, as what follows the text in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// It cannot be read.
    Unreadable,
    /// It mixes the families.
    Mixed,
    /// It ends before it begins.
    Backwards,
    /// It has bits beyond its prefix; the network as it would be right.
    BeyondPrefix(String),
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => {
                f.write_str("is not a network: write `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`")
            }
            Self::Mixed => f.write_str("mixes IPv4 and IPv6"),
            Self::Backwards => f.write_str("ends before it begins"),
            Self::BeyondPrefix(right) => write!(f, "has bits beyond its prefix; the network is `{right}`"),
        }
    }
}

impl std::error::Error for NetworkFault {}

impl Network {
    /// The range of `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, NetworkFault> {
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| NetworkFault::Unreadable);
        if let Some((base, bits)) = text.split_once('/') {
            return block(address(base)?, bits);
        }
        let Some((first, last)) = text.split_once('-') else {
            let only = mapped(address(text)?);
            return Ok(Self { first: only, last: only });
        };
        let (first, last) = (address(first)?, address(last)?);
        if first.is_ipv4() != last.is_ipv4() {
            return Err(NetworkFault::Mixed);
        }
        let range = Self { first: mapped(first), last: mapped(last) };
        if range.first > range.last { Err(NetworkFault::Backwards) } else { Ok(range) }
    }

    /// Is the address (IPv4 mapped into IPv6) inside?
    pub const fn contains(&self, address: u128) -> bool {
        self.first <= address && address <= self.last
    }
}

/// The address in IPv6, IPv4 mapped.
pub fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn block(base: IpAddr, bits: &str) -> Result<Network, NetworkFault> {
    let (offset, most) = if base.is_ipv4() { (MAPPED_BITS, 32) } else { (0, 128) };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: Option<u32> = bits.parse().ok().filter(|bits| digits && *bits <= most);
    let host = u128::MAX.checked_shr(offset + prefix.ok_or(NetworkFault::Unreadable)?).unwrap_or(0);
    let first = mapped(base);
    if first & host != 0 {
        let right = IpAddr::from(u128::to_be_bytes(first & !host)).to_canonical();
        return Err(NetworkFault::BeyondPrefix(format!("{right}/{bits}")));
    }
    Ok(Network { first, last: first | host })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Network::parse(text), Ok(Network { first, last }), "{text}");
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
            assert!(Network::parse(text).unwrap_err().to_string().contains(says), "{text}");
        }
    }
}
