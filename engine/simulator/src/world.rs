//! The true world: real cities, invented networks, and where a GeoIP database would list those networks.
//!
//! Two places belong to a network: where its users are (`true_city`) and where it is listed, which is wrong by
//! some kilometres for fixed lines, by hundreds for mobile carriers, and by a whole city now and then. The rest of
//! this crate moves people through true places only.

mod places;
mod summer;
mod tables;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::ParseIntError;

use ipnet::IpNet;
use rand::RngExt;
use serde::Serialize;
use thiserror::Error;

use crate::chance::Chance;
use crate::clock::{DAY_MS, MINUTE_MS};

pub use places::{City, CityId, distance_km};
pub use tables::{confounding_networks_table, networks_table};

/// The committed table of real cities.
const CITIES_CSV: &str = include_str!("../data/cities.csv");
/// The committed table of invented networks, as [`networks_table`] writes it.
const NETWORKS_CSV: &str = include_str!("../data/networks.csv");
/// The committed table of the networks that only a confounded company uses, as [`confounding_networks_table`] writes it.
const CONFOUNDING_NETWORKS_CSV: &str = include_str!("../data/confounding-networks.csv");

/// Position of a network in [`World::networks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub(crate) u16);

/// What a network is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Fixed lines of homes and hotels.
    Fixed,
    /// A mobile carrier; its users share addresses.
    Mobile,
    /// An office of the simulated company.
    Corporate,
    /// The egress of the company's own VPN.
    CorporateVpn,
    /// A consumer VPN's exit.
    Vpn,
    /// Rented servers.
    Hosting,
    /// A public cloud's region.
    Cloud,
    /// A data centre of a cloud proxy, through which companies send all their traffic.
    Proxy,
    /// Fixed lines whose IPv6 side is listed in another city, or another country, than its IPv4 side.
    TwoFaced,
}

/// A row of either table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{table} line {line}: {reason}")]
pub struct WorldError {
    /// Which table.
    pub table: &'static str,
    /// Line number, the heading is 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// An invented network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The addresses.
    pub prefix: IpNet,
    /// Autonomous system number, of the range for private use.
    pub asn: u32,
    /// Invented operator.
    pub org: String,
    /// Use.
    pub kind: NetworkKind,
    /// Where its users (or its servers) are.
    pub true_city: CityId,
    /// The city a GeoIP database names.
    pub listed_city: CityId,
    /// How far from the centre of the listed city the listed point lies, kilometres.
    pub listed_offset_km: f64,
    /// In which direction, degrees clockwise from north.
    pub listed_bearing_deg: f64,
    /// The listed accuracy radius, kilometres; holds the true place about two times in three.
    pub radius_km: u16,
}

/// A network as a GeoIP database would list it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedNetwork {
    /// The addresses.
    pub network: IpNet,
    /// Autonomous system number.
    pub asn: u32,
    /// Operator.
    pub org: String,
    /// Use.
    pub kind: NetworkKind,
    /// ISO 3166 country code.
    pub country: String,
    /// City name.
    pub city: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Accuracy radius, kilometres.
    pub radius_km: u16,
}

/// The IPv4 network of an operator in a city and, where it has one, its IPv6 twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// IPv4 side.
    pub(crate) v4: NetworkId,
    /// IPv6 side.
    pub(crate) v6: Option<NetworkId>,
}

/// Cities and networks.
#[derive(Debug, Clone)]
pub struct World {
    cities: Vec<City>,
    networks: Vec<Network>,
    access: BTreeMap<(NetworkKind, CityId), Vec<Access>>,
    summer_time: bool,
}

/// The committed networks as a GeoIP database would list them, in the order of the table.
pub fn listed_networks() -> Result<Vec<ListedNetwork>, WorldError> {
    Ok(World::load()?.listed_networks())
}

/// What the company's administrator knows: its own office and VPN ranges.
pub fn corporate_ranges() -> Result<Vec<IpNet>, WorldError> {
    Ok(World::load()?.corporate_ranges())
}

impl World {
    /// Reads the committed tables.
    pub fn load() -> Result<Self, WorldError> {
        Self::parse(CITIES_CSV, NETWORKS_CSV)
    }

    /// Reads the committed tables with the networks that only a confounded company uses.
    pub fn load_confounding() -> Result<Self, WorldError> {
        let (_, rows) = CONFOUNDING_NETWORKS_CSV.split_once('\n').unwrap_or_default();
        Self::parse(CITIES_CSV, &format!("{NETWORKS_CSV}{rows}"))
    }

    /// The same world with clocks that change twice a year where they do.
    #[must_use]
    pub(crate) fn with_summer_time(self, summer_time: bool) -> Self {
        Self { summer_time, ..self }
    }

    /// Local midnight that begins a day (counted from the epoch) in a city, milliseconds since the epoch; on a day on
    /// which the clocks change, as far before the afternoon as a clock on the wall would have it.
    pub(crate) fn midnight_ms(&self, id: CityId, epoch_day: i64) -> i64 {
        let city = self.city(id);
        let summer_minutes = if self.summer_time && summer::is_summer(city, epoch_day) { 60 } else { 0 };
        epoch_day * DAY_MS - (i64::from(city.utc_offset_minutes) + summer_minutes) * MINUTE_MS
    }

    /// Reads tables of the committed shape.
    pub fn parse(cities_csv: &str, networks_csv: &str) -> Result<Self, WorldError> {
        let cities = places::parse_cities(cities_csv)?;
        let networks = parse_networks(networks_csv, &cities)?;
        let mut access: BTreeMap<(NetworkKind, CityId), Vec<Access>> = BTreeMap::new();
        let mut v6_by_operator = BTreeMap::new();
        for (index, network) in networks.iter().enumerate() {
            if network.prefix.addr().is_ipv6() {
                v6_by_operator.insert((network.asn, network.kind, network.true_city), NetworkId(index as u16));
            }
        }
        for (index, network) in networks.iter().enumerate() {
            if network.prefix.addr().is_ipv4() {
                let v6 = v6_by_operator.get(&(network.asn, network.kind, network.true_city));
                let pair = Access { v4: NetworkId(index as u16), v6: v6.copied() };
                access.entry((network.kind, network.true_city)).or_default().push(pair);
            }
        }
        Ok(Self { cities, networks, access, summer_time: false })
    }

    /// All cities, in the order of the table.
    pub fn cities(&self) -> &[City] {
        &self.cities
    }

    /// All networks, in the order of the table.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The city behind an id of this world.
    pub fn city(&self, id: CityId) -> &City {
        &self.cities[usize::from(id.0)]
    }

    /// The network behind an id of this world.
    pub fn network(&self, id: NetworkId) -> &Network {
        &self.networks[usize::from(id.0)]
    }

    /// The network that holds an address.
    pub fn network_of(&self, address: IpAddr) -> Option<&Network> {
        self.networks.iter().find(|network| network.prefix.contains(&address))
    }

    /// Every network as a GeoIP database would list it.
    pub fn listed_networks(&self) -> Vec<ListedNetwork> {
        self.networks.iter().map(|network| self.listed(network)).collect()
    }

    /// The company's office and VPN ranges.
    pub fn corporate_ranges(&self) -> Vec<IpNet> {
        let own = [NetworkKind::Corporate, NetworkKind::CorporateVpn];
        self.networks.iter().filter(|n| own.contains(&n.kind)).map(|n| n.prefix).collect()
    }

    /// One network as a GeoIP database would list it.
    pub fn listed(&self, network: &Network) -> ListedNetwork {
        let city = self.city(network.listed_city);
        let (latitude, longitude) = places::displaced(city, network.listed_offset_km, network.listed_bearing_deg);
        ListedNetwork {
            network: network.prefix,
            asn: network.asn,
            org: network.org.clone(),
            kind: network.kind,
            country: city.country.clone(),
            city: city.name.clone(),
            latitude,
            longitude,
            radius_km: network.radius_km,
        }
    }

    /// Operators of a kind in a city.
    pub(crate) fn access(&self, kind: NetworkKind, city: CityId) -> &[Access] {
        self.access.get(&(kind, city)).map_or(&[], Vec::as_slice)
    }

    /// Every operator of a kind, wherever it is.
    pub(crate) fn access_of_kind(&self, kind: NetworkKind) -> Vec<(CityId, Access)> {
        let every = self.access.iter().filter(|((k, _), _)| *k == kind);
        every.flat_map(|((_, city), list)| list.iter().map(|access| (*city, *access))).collect()
    }

    /// Kilometres between two cities along the great circle.
    pub(crate) fn apart_km(&self, a: CityId, b: CityId) -> f64 {
        distance_km(self.city(a), self.city(b))
    }

    /// The host with the given number in a network; numbers beyond its size wrap, network and broadcast are skipped.
    pub(crate) fn host(&self, id: NetworkId, number: u64) -> IpAddr {
        match self.network(id).prefix {
            IpNet::V4(net) => {
                let hosts = (1_u64 << (32 - net.prefix_len())).saturating_sub(2).max(1);
                let base = u32::from(net.network());
                IpAddr::V4(Ipv4Addr::from(base + 1 + (number % hosts) as u32))
            }
            IpNet::V6(net) => {
                let free_bits = u32::from(128 - net.prefix_len());
                let mask = if free_bits >= 128 { u128::MAX } else { (1_u128 << free_bits) - 1 };
                let base = u128::from(net.network());
                IpAddr::V6(Ipv6Addr::from(base | (spread_v6(number) & mask)))
            }
        }
    }

    /// Any host of a network.
    pub(crate) fn any_host(&self, id: NetworkId, chance: &mut Chance) -> IpAddr {
        self.host(id, chance.random())
    }
}

/// Puts a host number into the subnet bits and gives the interface part its own bits, as privacy addresses look.
fn spread_v6(number: u64) -> u128 {
    let subnet = u128::from(number & 0xffff_ffff);
    let interface = u128::from(crate::chance::mix(number, 0x6970_7636) | 1);
    (subnet << 64) | interface
}

fn parse_networks(text: &str, cities: &[City]) -> Result<Vec<Network>, WorldError> {
    let by_key: BTreeMap<String, CityId> =
        cities.iter().enumerate().map(|(index, city)| (city.key(), CityId(index as u16))).collect();
    let mut networks = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let fault = |reason: String| WorldError { table: "networks.csv", line: index + 1, reason };
        let fields: Vec<&str> = line.split(',').collect();
        let [prefix, asn, org, kind, true_city, listed_city, offset, bearing, radius] = fields[..] else {
            return Err(fault(format!("{} fields where 9 belong", fields.len())));
        };
        let city = |key: &str| by_key.get(key).copied().ok_or_else(|| fault(format!("no city '{key}'")));
        let number = |text: &str| text.parse::<f64>().map_err(|e| fault(format!("'{text}': {e}")));
        let whole = |e: ParseIntError| fault(e.to_string());
        networks.push(Network {
            prefix: prefix.parse().map_err(|e| fault(format!("'{prefix}': {e}")))?,
            asn: asn.parse().map_err(whole)?,
            org: org.to_owned(),
            kind: tables::kind_of(kind).ok_or_else(|| fault(format!("no kind '{kind}'")))?,
            true_city: city(true_city)?,
            listed_city: city(listed_city)?,
            listed_offset_km: number(offset)?,
            listed_bearing_deg: number(bearing)?,
            radius_km: radius.parse().map_err(whole)?,
        });
    }
    Ok(networks)
}

#[cfg(test)]
mod tests;
