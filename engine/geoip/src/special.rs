//! Addresses whose answer no file may give: private, reserved, or another address in disguise.
//!
//! The ranges are constants from the IANA special-purpose address registries (RFC 6890 and its successors), so that a
//! build cannot place a private address on the map.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frostwatch_detect::place::NoPlace;

use NoPlace::{Private, Reserved};

/// What an address is before any file is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Ask the IPv4 table.
    V4(u32),
    /// Ask the IPv6 table.
    V6(u128),
    /// No file knows better.
    Nowhere(NoPlace),
}

/// First address, prefix length, why it has no place. Sorted by address; none overlaps another.
const V4: [(Ipv4Addr, u32, NoPlace); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8, Reserved),           // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8, Private),       // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10, Private),    // shared by carriers, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8, Private),      // loopback, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16, Private),   // link-local, RFC 3927
    (Ipv4Addr::new(172, 16, 0, 0), 12, Private),    // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reserved),    // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reserved),    // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reserved),  // 6to4 relays, withdrawn by RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16, Private),   // RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reserved),   // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reserved), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reserved),  // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reserved),     // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reserved),     // class E and broadcast, RFC 1112
];

/// The same for IPv6. What lies outside of `2000::/3` and is not named here is unassigned and so reserved.
const V6: [(Ipv6Addr, u32, NoPlace); 8] = [
    (Ipv6Addr::LOCALHOST, 128, Private),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Private), // local translation, RFC 8215
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Reserved),   // protocol assignments, benchmarks, RFC 2928, 5180
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reserved), // documentation, RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reserved),   // documentation, RFC 9637
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Private),     // unique local, RFC 4193
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Private),    // link-local, RFC 4291
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Private),    // site-local, withdrawn by RFC 3879
];

/// For each first octet: does any special IPv4 range lie there? Most addresses need no more than this one look.
const SPECIAL_OCTETS: [bool; 256] = special_octets();

/// `2000::/3`, the only IPv6 space that is handed out (RFC 4291).
const GLOBAL_UNICAST: (u128, u32) = (0x2000 << 112, 3);
const MAPPED: (u128, u32) = (0xffff << 32, 96);
const TRANSLATED: (u128, u32) = (0x0064_ff9b << 96, 96);
const SIX_TO_FOUR: (u128, u32) = (0x2002 << 112, 16);
const TEREDO: (u128, u32) = (0x2001_0000 << 96, 32);

/// What this address is. Mapped, translated (RFC 6052), 6to4 (RFC 3056) and Teredo (RFC 4380) addresses are the IPv4
/// address they carry; for Teredo that is the client's, not the server's, which is what a file's alias would answer.
pub(crate) fn scope(address: IpAddr) -> Scope {
    match address {
        IpAddr::V4(v4) => scope_v4(v4.to_bits()),
        IpAddr::V6(v6) => scope_v6(v6.to_bits()),
    }
}

/// Is any part of this IPv6 network answered by a file? Networks for which it is false need not be kept.
pub(crate) fn kept_v6(start: u128, end: u128) -> bool {
    let (base, prefix) = GLOBAL_UNICAST;
    let inside = |(range, bits): (u128, u32)| within_v6(start, range, bits) && within_v6(end, range, bits);
    end >= base && start >> (128 - prefix) <= base >> (128 - prefix) && !inside(SIX_TO_FOUR) && !inside(TEREDO)
}

/// Is every address from the first to the last, which share a prefix, special? Addresses of IPv4 are mapped into IPv6;
/// those that carry one are never asked for as such.
pub(crate) fn is_all_special(first: u128, last: u128) -> bool {
    let (base, prefix) = GLOBAL_UNICAST;
    let inside = |range: u128, bits: u32| within_v6(first, range, bits) && within_v6(last, range, bits);
    if inside(MAPPED.0, MAPPED.1) {
        return V4.iter().any(|(range, bits, _)| inside(range.to_ipv6_mapped().to_bits(), bits + 96));
    }
    let is_unassigned = last < base || first > base | u128::MAX >> prefix;
    is_unassigned
        || [SIX_TO_FOUR, TEREDO].iter().any(|(range, bits)| inside(*range, *bits))
        || V6.iter().any(|(range, bits, _)| inside(range.to_bits(), *bits))
}

fn scope_v4(bits: u32) -> Scope {
    let [octet, ..] = bits.to_be_bytes();
    if !SPECIAL_OCTETS[usize::from(octet)] {
        return Scope::V4(bits);
    }
    let hit = V4.iter().find(|(base, prefix, _)| (bits ^ base.to_bits()) >> (32 - prefix) == 0);
    hit.map_or(Scope::V4(bits), |(_, _, why)| Scope::Nowhere(*why))
}

fn scope_v6(bits: u128) -> Scope {
    let within = |(base, prefix): (u128, u32)| within_v6(bits, base, prefix);
    if within(MAPPED) || within(TRANSLATED) {
        return scope_v4(bits as u32);
    }
    if within(SIX_TO_FOUR) {
        return scope_v4((bits >> 80) as u32);
    }
    if within(TEREDO) {
        return scope_v4(!(bits as u32));
    }
    let hit = V6.iter().find(|(base, prefix, _)| within_v6(bits, base.to_bits(), *prefix));
    match hit {
        Some((_, _, why)) => Scope::Nowhere(*why),
        None if within(GLOBAL_UNICAST) => Scope::V6(bits),
        None => Scope::Nowhere(Reserved),
    }
}

const fn special_octets() -> [bool; 256] {
    let mut octets = [false; 256];
    let mut row = 0;
    while row < V4.len() {
        let (base, prefix, _) = V4[row];
        let first = base.to_bits() >> 24;
        let mut octet = first;
        while octet <= first | (0xff_u32 >> if prefix < 8 { prefix } else { 8 }) {
            octets[octet as usize] = true;
            octet += 1;
        }
        row += 1;
    }
    octets
}

const fn within_v6(bits: u128, base: u128, prefix: u32) -> bool {
    (bits ^ base) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[(&str, Scope)]) {
        for (text, expected) in rows {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(scope(address), *expected, "{text}");
        }
    }

    fn v4(text: &str) -> Scope {
        Scope::V4(text.parse::<Ipv4Addr>().unwrap().to_bits())
    }

    fn v6(text: &str) -> Scope {
        Scope::V6(text.parse::<Ipv6Addr>().unwrap().to_bits())
    }

    #[test]
    fn every_special_ipv4_range_ends_where_its_registry_says() {
        for (base, prefix, why) in V4 {
            let last = base.to_bits() | (u32::MAX >> prefix);
            assert_eq!(scope_v4(base.to_bits()), Scope::Nowhere(why), "{base}/{prefix}");
            assert_eq!(scope_v4(last), Scope::Nowhere(why), "end of {base}/{prefix}");
        }
        check(&[
            ("1.0.0.0", v4("1.0.0.0")),
            ("9.255.255.255", v4("9.255.255.255")),
            ("11.0.0.0", v4("11.0.0.0")),
            ("100.63.255.255", v4("100.63.255.255")),
            ("100.128.0.0", v4("100.128.0.0")),
            ("126.255.255.255", v4("126.255.255.255")),
            ("128.0.0.0", v4("128.0.0.0")),
            ("169.253.255.255", v4("169.253.255.255")),
            ("172.15.255.255", v4("172.15.255.255")),
            ("172.32.0.0", v4("172.32.0.0")),
            ("192.0.1.0", v4("192.0.1.0")),
            ("192.167.255.255", v4("192.167.255.255")),
            ("198.17.255.255", v4("198.17.255.255")),
            ("198.20.0.0", v4("198.20.0.0")),
            ("203.0.112.255", v4("203.0.112.255")),
            ("223.255.255.255", v4("223.255.255.255")),
            ("255.255.255.255", Scope::Nowhere(Reserved)),
        ]);
    }

    #[test]
    fn special_ipv6_addresses_have_no_place() {
        check(&[
            ("::", Scope::Nowhere(Reserved)),
            ("::1", Scope::Nowhere(Private)),
            ("::2", Scope::Nowhere(Reserved)),
            ("::11.2.3.4", Scope::Nowhere(Reserved)),
            ("64:ff9b:1::1", Scope::Nowhere(Private)),
            ("100::1", Scope::Nowhere(Reserved)),
            ("2001:2::1", Scope::Nowhere(Reserved)),
            ("2001:1ff:ffff::1", Scope::Nowhere(Reserved)),
            ("2001:200::", v6("2001:200::")),
            ("2001:db8::1", Scope::Nowhere(Reserved)),
            ("2001:db9::1", v6("2001:db9::1")),
            ("3fff:fff::1", Scope::Nowhere(Reserved)),
            ("3fff:1000::1", v6("3fff:1000::1")),
            ("4000::", Scope::Nowhere(Reserved)),
            ("5f00::1", Scope::Nowhere(Reserved)),
            ("fbff::1", Scope::Nowhere(Reserved)),
            ("fc00::", Scope::Nowhere(Private)),
            ("fdff::1", Scope::Nowhere(Private)),
            ("fe80::1", Scope::Nowhere(Private)),
            ("fec0::1", Scope::Nowhere(Private)),
            ("ff02::1", Scope::Nowhere(Reserved)),
            ("2e00::1", v6("2e00::1")),
        ]);
    }

    #[test]
    fn an_address_that_carries_an_ipv4_address_is_that_address() {
        check(&[
            ("::ffff:11.2.3.4", v4("11.2.3.4")),
            ("::ffff:10.2.3.4", Scope::Nowhere(Private)),
            ("64:ff9b::11.2.3.4", v4("11.2.3.4")),
            ("2002:b02:304::1", v4("11.2.3.4")),
            ("2002:a02:304::1", Scope::Nowhere(Private)),
            // Teredo: the server 192.0.2.45 stands in front, the client 11.2.3.4 inverted at the end.
            ("2001:0:c000:22d:8000:63bf:f4fd:fcfb", v4("11.2.3.4")),
        ]);
    }

    #[test]
    fn networks_that_no_lookup_reaches_are_not_kept() {
        let kept = |text: &str, prefix: u32| {
            let start = text.parse::<Ipv6Addr>().unwrap().to_bits();
            kept_v6(start, start | u128::MAX.checked_shr(prefix).unwrap_or(0))
        };
        for (text, prefix, expected) in [
            ("::", 0, true),
            ("::", 1, true),
            ("::", 3, false),
            ("::ffff:0:0", 96, false),
            ("2000::", 3, true),
            ("2002::", 16, false),
            ("2002:b00::", 24, false),
            ("2001::", 32, false),
            ("2001:200::", 23, true),
            ("2e00::", 16, true),
            ("4000::", 2, false),
            ("8000::", 1, false),
        ] {
            assert_eq!(kept(text, prefix), expected, "{text}/{prefix}");
        }
    }
}
