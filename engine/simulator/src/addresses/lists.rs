//! The lists that the company has: exits of Tor, tunnels and hosters, machines of bad repute, and what is known to be harmless.

use std::fmt::Write as _;
use std::net::IpAddr;

use rand::RngExt;

use crate::chance::{Chance, Purpose, mix_wide, pick, stream};
use crate::clock::{DAY_MS, HOUR_MS, Rfc3339, TableTime};
use crate::company::Company;
use crate::world::{CityId, NetworkId, NetworkKind};

use super::AddressList;

/// Exits of Tor over the run, and before it, for each ten days; each lives 3 to 30 days.
const RELAYS: usize = 25;
const RELAY_DAYS: (i64, i64) = (3, 30);
/// How far lists of whole networks are to be trusted: of tunnels, of the proxy that the company has bought, of relays that
/// devices of a maker use, as others call them and as the maker does, of hosters.
const TUNNELS: u8 = 80;
const PROXIES: u8 = 60;
const RELAYED: u8 = 55;
const PUBLISHED: u8 = 90;
const HOSTERS: u8 = 90;
/// Where in a cloud's network the relay's part begins, and its prefix: hosts 8,192 to 9,215.
const RELAY_FIRST_HOST: u64 = 8_192;
const RELAY_PREFIX: u8 = 22;
/// Addresses of the company's offices that a list takes for a scanner's.
const OFFICES_LISTED: usize = 3;

/// An exit of Tor.
#[derive(Clone, Copy)]
pub(super) struct Relay {
    pub(super) ip: IpAddr,
    pub(super) place: (CityId, NetworkId),
    /// When it was seen first, and known last.
    pub(super) seen_ms: (i64, i64),
}

/// What a list says of an address or a network.
pub(crate) struct Entry {
    pub(crate) network: String,
    pub(crate) category: &'static str,
    pub(crate) confidence: u8,
    pub(crate) tag: &'static str,
    /// From when to when; `None`: always.
    pub(crate) valid_ms: Option<(i64, i64)>,
}

/// All lists before they are written.
pub(super) struct Book {
    relays: Vec<Relay>,
    reputation: Vec<Entry>,
}

impl Book {
    /// The exits there are, and offices that are listed by mistake.
    pub(super) fn new(company: &Company) -> Self {
        let mut chance = stream(company.config.seed, Purpose::AddressLists, 0, 0);
        let (start_ms, days) = (company.config.start_ms, i64::from(company.config.days));
        let hosters = company.world.access_of_kind(NetworkKind::Hosting);
        let count = RELAYS * (days as usize / 10 + 3);
        let relay = |_| {
            let (city, access) = pick(&mut chance, &hosters).copied()?;
            let from_ms = start_ms + chance.random_range(-30 * DAY_MS..days * DAY_MS);
            let until_ms = from_ms + chance.random_range(RELAY_DAYS.0 * DAY_MS..RELAY_DAYS.1 * DAY_MS);
            let ip = company.world.any_host(access.v4, &mut chance);
            Some(Relay { ip, place: (city, access.v4), seen_ms: (from_ms, until_ms) })
        };
        let relays = (0..count).filter_map(relay).collect();
        let offices = company.world.access_of_kind(NetworkKind::Corporate);
        let listed = |(_, access): &(CityId, crate::world::Access)| Entry {
            network: company.world.host(access.v4, 0).to_string(),
            category: "scanner",
            confidence: 70,
            tag: "port scan",
            valid_ms: None,
        };
        let reputation = offices.iter().take(OFFICES_LISTED).map(listed).collect();
        Self { relays, reputation }
    }

    /// An exit that is known at this time.
    pub(super) fn exit_at(&self, time_ms: i64, chance: &mut Chance) -> Option<Relay> {
        let alive: Vec<Relay> = self
            .relays
            .iter()
            .filter(|relay| relay.seen_ms.0 <= time_ms && time_ms <= relay.seen_ms.1)
            .copied()
            .collect();
        pick(chance, &alive).copied()
    }

    pub(super) fn add_relay(&mut self, relay: Relay) {
        self.relays.push(relay);
    }

    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.reputation.extend(entries);
    }

    /// The files.
    pub(super) fn lists(&self, company: &Company) -> Vec<AddressList> {
        let own: Vec<String> = company.world.corporate_ranges().iter().map(ToString::to_string).collect();
        vec![
            AddressList {
                name: "tor_exits",
                format: "tor_exit",
                category: None,
                confidence: Some(95),
                text: self.exits(),
            },
            of_entries("networks", &whole_networks(company)),
            of_entries("reputation", &self.reputation),
            AddressList {
                name: "ours",
                format: "plain",
                category: Some("known_good"),
                confidence: Some(100),
                text: own.join("\n"),
            },
        ]
    }

    /// As the Tor Project publishes exits.
    fn exits(&self) -> String {
        let mut text = String::new();
        for (number, relay) in self.relays.iter().enumerate() {
            let (seen_ms, last_ms) = relay.seen_ms;
            let (high, low) = (mix_wide(0x74_6f72, number as u64), number as u32);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "ExitNode {high:032X}{low:08X}\nPublished {}\nLastStatus {}\nExitAddress {} {}\n",
                TableTime(seen_ms - HOUR_MS),
                TableTime(last_ms),
                relay.ip,
                TableTime(seen_ms),
            );
        }
        text
    }
}

pub(crate) fn of_entries(name: &'static str, entries: &[Entry]) -> AddressList {
    let mut text = "network,category,confidence,tag,valid_from,valid_until\n".to_owned();
    for Entry { network, category, confidence, tag, valid_ms } in entries {
        let (from, until) = valid_ms
            .map_or_else(Default::default, |(from, until)| (Rfc3339(from).to_string(), Rfc3339(until).to_string()));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{network},{category},{confidence},{tag},{from},{until}");
    }
    AddressList { name, format: "csv", category: None, confidence: None, text }
}

/// What is known of networks as a whole.
fn whole_networks(company: &Company) -> Vec<Entry> {
    let of_kind = |kind, category, confidence, tag| {
        let networks = company.world.networks().iter().filter(move |network| network.kind == kind);
        networks.map(move |network| Entry {
            network: network.prefix.to_string(),
            category,
            confidence,
            tag,
            valid_ms: None,
        })
    };
    let mut entries: Vec<Entry> = of_kind(NetworkKind::Vpn, "vpn", TUNNELS, "rented tunnel").collect();
    entries.extend(of_kind(NetworkKind::Proxy, "proxy", PROXIES, "cloud proxy"));
    entries.extend(of_kind(NetworkKind::Hosting, "hosting", HOSTERS, "servers"));
    // The relay of a maker of phones lets its customers out at a cloud, in a part of its own.
    let clouds = company.world.access_of_kind(NetworkKind::Cloud);
    for (category, confidence) in [("proxy", RELAYED), ("private_relay", PUBLISHED)] {
        entries.extend(clouds.iter().map(|(_, access)| Entry {
            network: format!("{}/{RELAY_PREFIX}", relay_base(company, access.v4)),
            category,
            confidence,
            tag: "private relay",
            valid_ms: None,
        }));
    }
    entries
}

/// The first address of the part of a cloud that is a relay's.
fn relay_base(company: &Company, cloud: NetworkId) -> IpAddr {
    company.world.host(cloud, RELAY_FIRST_HOST - 1)
}

/// A host of the relay in a cloud.
pub(super) fn relay_host(company: &Company, cloud: NetworkId, chance: &mut Chance) -> IpAddr {
    company.world.host(cloud, RELAY_FIRST_HOST + chance.random_range(0..1_000))
}
