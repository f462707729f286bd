//! What an organisation says of networks: its own, tunnels, hosters; and what is usual there. Looked up only when a
//! detector asks.

use serde::{Deserialize, Serialize};

use crate::finding::SeenAddress;
use crate::hash::hash64;
use crate::place::Country;
use crate::rule::Network;

/// What a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// The organisation's own.
    Corporate,
    /// Where tunnels of the organisation or of its people end.
    Vpn,
    /// Where a service that stands between people and the net ends.
    Proxy,
    /// A hoster.
    CloudProvider,
    /// From where the organisation's systems are administered.
    Administrative,
    /// Of bad repute.
    Risky,
}

impl Tag {
    /// Every tag, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Corporate, Self::Vpn, Self::Proxy, Self::CloudProvider, Self::Administrative, Self::Risky];

    /// The word as it stands in files and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Corporate => "corporate",
            Self::Vpn => "vpn",
            Self::Proxy => "proxy",
            Self::CloudProvider => "cloud_provider",
            Self::Administrative => "administrative",
            Self::Risky => "risky",
        }
    }

    /// Does the place of such a network say nothing of its users?
    pub const fn is_egress(self) -> bool {
        matches!(self, Self::Vpn | Self::Proxy)
    }

    /// Why an alert from such a network is graver.
    pub const fn aggravation(self) -> Option<&'static str> {
        match self {
            Self::CloudProvider => Some("from a hosting provider"),
            Self::Risky => Some("from a network of bad repute"),
            Self::Corporate | Self::Vpn | Self::Proxy | Self::Administrative => None,
        }
    }
}

/// Networks of one sort under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// What they are.
    pub tag: Tag,
    /// What people call them.
    pub name: String,
    /// Ranges of addresses.
    pub networks: Vec<Network>,
    /// Autonomous systems.
    pub asns: Vec<u32>,
}

/// Networks with their tags, and what is usual in the organisation. No two entries share an address or a system; an
/// address that lies in a range is what the range says, whatever its system is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    entries: Vec<Tagged>,
    /// In order, apart from each other, each with its entry.
    ranges: Vec<(Network, u16)>,
    /// In order, each with its entry.
    asns: Vec<(u32, u16)>,
    usual_countries: Vec<Country>,
    usual_asns: Vec<u32>,
}

/// Two entries that claim the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The first by its place.
    pub first: usize,
    /// The other.
    pub second: usize,
}

impl Networks {
    /// Lays out entries (at most 65,536) for looking up, and what is usual.
    ///
    /// # Errors
    /// Two entries that share an address or a system.
    pub fn new(entries: Vec<Tagged>, mut countries: Vec<Country>, mut asns: Vec<u32>) -> Result<Self, Overlap> {
        let (mut ranges, mut systems) = (Vec::new(), Vec::new());
        for (index, entry) in (0_u16..).zip(&entries) {
            ranges.extend(entry.networks.iter().map(|network| (*network, index)));
            systems.extend(entry.asns.iter().map(|asn| (*asn, index)));
        }
        ranges.sort_unstable_by_key(|(network, index)| (network.first, network.last, *index));
        let mut apart: Vec<(Network, u16)> = Vec::with_capacity(ranges.len());
        for (network, index) in ranges {
            match apart.last_mut() {
                Some((last, of)) if network.first <= last.last => {
                    overlap(*of, index)?;
                    last.last = last.last.max(network.last);
                }
                _ => apart.push((network, index)),
            }
        }
        systems.sort_unstable();
        for pair in systems.windows(2) {
            if let [(a, first), (b, second)] = pair
                && a == b
            {
                overlap(*first, *second)?;
            }
        }
        countries.sort_unstable();
        asns.sort_unstable();
        Ok(Self { entries, ranges: apart, asns: systems, usual_countries: countries, usual_asns: asns })
    }

    /// The entries as they were given.
    pub fn entries(&self) -> &[Tagged] {
        &self.entries
    }

    /// The countries that are usual in the organisation, in order.
    pub fn usual_countries(&self) -> &[Country] {
        &self.usual_countries
    }

    /// The autonomous systems that are usual in the organisation, in order.
    pub fn usual_asns(&self) -> &[u32] {
        &self.usual_asns
    }

    /// Does it say nothing?
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.usual_countries.is_empty() && self.usual_asns.is_empty()
    }

    /// The entry of an address, by its range or else by its autonomous system.
    pub fn tagged(&self, seen: &SeenAddress) -> Option<&Tagged> {
        let bits = seen.address.bits();
        let after = self.ranges.partition_point(|(network, _)| network.first <= bits);
        let range = after.checked_sub(1).and_then(|index| self.ranges.get(index));
        let by_range = range.filter(|(network, _)| network.contains(bits)).map(|(_, index)| *index);
        let by_asn = || {
            let asn = seen.location.carrier.asn;
            let at = self.asns.binary_search_by_key(&asn, |(known, _)| *known).ok()?;
            (asn != 0).then(|| self.asns.get(at).map(|(_, index)| *index)).flatten()
        };
        self.entries.get(usize::from(by_range.or_else(by_asn)?))
    }

    /// What is usual in the organisation of where an address is, in words.
    pub fn usual(&self, seen: &SeenAddress) -> Option<String> {
        let asn = seen.location.carrier.asn;
        let country = seen.location.place.ok().map(|place| place.country);
        if let Some(country) = country.filter(|country| self.usual_countries.binary_search(country).is_ok()) {
            return Some(format!("{country} is a usual country in the organisation"));
        }
        let known = asn != 0 && self.usual_asns.binary_search(&asn).is_ok();
        known.then(|| format!("AS{asn} is a usual network in the organisation"))
    }
}

fn overlap(first: u16, second: u16) -> Result<(), Overlap> {
    let (first, second) = (usize::from(first.min(second)), usize::from(first.max(second)));
    if first == second { Ok(()) } else { Err(Overlap { first, second }) }
}

/// The same block of addresses is the same network where no carrier is known: bits of IPv4 and of IPv6 that differ in it.
const BLOCK_BITS: (u32, u32) = (8, 80);
/// `::ffff:0:0/96`, where IPv4 addresses lie.
const MAPPED: u128 = 0xffff;

/// A network as it is known again: a carrier, or a block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, PartialOrd, Ord)]
pub(crate) struct NetworkId(u64);

impl NetworkId {
    /// The carrier's, or the block of addresses where none is known.
    pub(crate) fn of_carrier(seen: &SeenAddress) -> Self {
        match seen.location.carrier.asn {
            0 => Self::of_block(seen),
            asn => Self(u64::from(asn)),
        }
    }

    /// The block of addresses: a /24 of IPv4, a /48 of IPv6.
    pub(crate) fn of_block(seen: &SeenAddress) -> Self {
        let bits = seen.address.bits();
        let host = if bits >> 32 == MAPPED { BLOCK_BITS.0 } else { BLOCK_BITS.1 };
        // A number of a carrier has no bit beyond the 32nd.
        Self(hash64(&(bits >> host).to_le_bytes()) | 1 << 63)
    }

    /// The last 32 bits of it: enough to know one of few again.
    pub(crate) const fn short(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Address, EventLocation};
    use crate::place::Carrier;

    fn entry(tag: Tag, networks: &[(u128, u128)], asns: &[u32]) -> Tagged {
        let networks = networks.iter().map(|(first, last)| Network { first: *first, last: *last }).collect();
        Tagged { tag, name: tag.as_str().into(), networks, asns: asns.to_vec() }
    }

    fn seen(bits: u128, asn: u32) -> SeenAddress {
        let ip = std::net::Ipv6Addr::from_bits(bits).into();
        let carrier = Carrier { asn, ..Carrier::NONE };
        SeenAddress { address: Address::new(ip).unwrap(), location: EventLocation { carrier, ..EventLocation::NONE } }
    }

    #[test]
    fn a_range_is_found_at_its_edges_and_outranks_the_system() {
        let entries =
            vec![entry(Tag::Vpn, &[(100, 200), (300, 300), (150, 160)], &[7]), entry(Tag::Risky, &[(201, 299)], &[9])];
        let networks = Networks::new(entries, Vec::new(), Vec::new()).unwrap();
        let tag = |bits, asn| networks.tagged(&seen(bits, asn)).map(|entry| entry.tag);
        for (bits, asn, expected) in [
            (99, 0, None),
            (100, 0, Some(Tag::Vpn)),
            (160, 9, Some(Tag::Vpn)),
            (200, 0, Some(Tag::Vpn)),
            (201, 7, Some(Tag::Risky)),
            (300, 0, Some(Tag::Vpn)),
            (301, 0, None),
            (301, 7, Some(Tag::Vpn)),
            (1, 9, Some(Tag::Risky)),
            (u128::MAX, 8, None),
        ] {
            assert_eq!(tag(bits, asn), expected, "{bits} of AS{asn}");
        }
        assert_eq!(Networks::default().tagged(&seen(5, 0)), None);
    }

    #[test]
    fn no_two_entries_share_anything() {
        let new = |a: &[(u128, u128)], a_asn: &[u32], b: &[(u128, u128)], b_asn: &[u32]| {
            let entries = vec![entry(Tag::Vpn, a, a_asn), entry(Tag::Risky, b, b_asn)];
            Networks::new(entries, Vec::new(), Vec::new()).map(|_| ())
        };
        let clash = Err(Overlap { first: 0, second: 1 });
        assert_eq!(new(&[(1, 9)], &[1], &[(10, 20)], &[2]), Ok(()));
        assert_eq!(new(&[(1, 10)], &[], &[(10, 20)], &[]), clash);
        assert_eq!(new(&[(12, 13)], &[], &[(10, 20)], &[]), clash);
        assert_eq!(new(&[], &[4, 4], &[], &[5]), Ok(()), "within one entry it does no harm");
        assert_eq!(new(&[], &[4], &[], &[4]), clash);
    }
}
