//! Writes the table of invented networks from the table of cities: the committed file is this function's output.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use rand::RngExt;

use crate::chance::{Chance, Purpose, log_normal, stream};

use super::places::{City, CityId, displaced, distance_km, distance_to_km, parse_cities};
use super::{CITIES_CSV, NetworkKind, WorldError};

mod confounding;

pub use confounding::confounding_networks_table;

/// Chance seed of the committed table; another number is another internet.
const TABLE_SEED: u64 = 20_260_101;
/// First number of the autonomous systems for private use (RFC 6996).
const FIRST_ASN: u32 = 4_200_000_000;
/// Cities with an office of the company.
const OFFICES: [&str; 10] = [
    "Stockholm/SE",
    "London/GB",
    "Frankfurt/DE",
    "New York/US",
    "San Francisco/US",
    "Toronto/CA",
    "Sao Paulo/BR",
    "Bengaluru/IN",
    "Singapore/SG",
    "Sydney/AU",
];
/// Cities with an egress of the company's VPN.
const VPN_EGRESSES: [&str; 3] = ["Amsterdam/NL", "Washington/US", "Singapore/SG"];
/// Cities with exits of consumer VPNs.
const VPN_EXITS: [&str; 24] = [
    "Amsterdam/NL",
    "London/GB",
    "Frankfurt/DE",
    "Paris/FR",
    "Zurich/CH",
    "Stockholm/SE",
    "Oslo/NO",
    "Helsinki/FI",
    "Warsaw/PL",
    "Bucharest/RO",
    "Madrid/ES",
    "Milan/IT",
    "New York/US",
    "Miami/US",
    "Los Angeles/US",
    "Chicago/US",
    "Toronto/CA",
    "Sao Paulo/BR",
    "Tokyo/JP",
    "Singapore/SG",
    "Hong Kong/HK",
    "Sydney/AU",
    "Johannesburg/ZA",
    "Mumbai/IN",
];
/// Cities with rented servers.
const HOSTING: [&str; 26] = [
    "Amsterdam/NL",
    "Rotterdam/NL",
    "Frankfurt/DE",
    "Paris/FR",
    "London/GB",
    "Helsinki/FI",
    "Warsaw/PL",
    "Kyiv/UA",
    "Moscow/RU",
    "Saint Petersburg/RU",
    "Sofia/BG",
    "Istanbul/TR",
    "Dallas/US",
    "Los Angeles/US",
    "Seattle/US",
    "Miami/US",
    "Montreal/CA",
    "Sao Paulo/BR",
    "Lagos/NG",
    "Johannesburg/ZA",
    "Hong Kong/HK",
    "Singapore/SG",
    "Ho Chi Minh City/VN",
    "Jakarta/ID",
    "Tehran/IR",
    "Tokyo/JP",
];
/// Cities with a region of a public cloud.
const CLOUD: [&str; 10] = [
    "Dublin/IE",
    "Frankfurt/DE",
    "Stockholm/SE",
    "Washington/US",
    "Dallas/US",
    "San Francisco/US",
    "Sao Paulo/BR",
    "Mumbai/IN",
    "Singapore/SG",
    "Sydney/AU",
];
/// Share of fixed networks that a database puts into the wrong city.
const WRONG_CITY_SHARE: f64 = 0.03;
/// Share of networks whose listed radius holds the true place.
const HONEST_RADIUS_SHARE: f64 = 0.67;

/// Writes the table of networks; deterministic.
pub fn networks_table() -> Result<String, WorldError> {
    let cities = parse_cities(CITIES_CSV)?;
    let mut writer = Writer::new(&cities);
    writer.fixed_lines();
    writer.mobile_carriers();
    writer.listed_sites(&OFFICES, Site::new(NetworkKind::Corporate, "Nordvik Office", 26, 22), true);
    writer.listed_sites(&VPN_EGRESSES, Site::new(NetworkKind::CorporateVpn, "Nordvik VPN", 33, 24), false);
    writer.listed_sites(&VPN_EXITS, Site::new(NetworkKind::Vpn, "Hidefox VPN", 28, 22), false);
    writer.listed_sites(&HOSTING, Site::new(NetworkKind::Hosting, "Rackmoor", 29, 20), true);
    writer.listed_sites(&CLOUD, Site::new(NetworkKind::Cloud, "Cumulo Cloud", 30, 18), true);
    Ok(writer.text)
}

/// The kind that a word of the table names.
pub(super) fn kind_of(word: &str) -> Option<NetworkKind> {
    KIND_WORDS.iter().find(|(_, w)| *w == word).map(|(kind, _)| *kind)
}

const KIND_WORDS: [(NetworkKind, &str); 9] = [
    (NetworkKind::Fixed, "fixed"),
    (NetworkKind::Mobile, "mobile"),
    (NetworkKind::Corporate, "corporate"),
    (NetworkKind::CorporateVpn, "corporate_vpn"),
    (NetworkKind::Vpn, "vpn"),
    (NetworkKind::Hosting, "hosting"),
    (NetworkKind::Cloud, "cloud"),
    (NetworkKind::Proxy, "proxy"),
    (NetworkKind::TwoFaced, "two_faced"),
];

/// A run of networks of one operator at named cities.
#[derive(Clone, Copy)]
struct Site {
    kind: NetworkKind,
    org: &'static str,
    first_octet: u8,
    prefix_len: u8,
}

impl Site {
    fn new(kind: NetworkKind, org: &'static str, first_octet: u8, prefix_len: u8) -> Self {
        Self { kind, org, first_octet, prefix_len }
    }
}

/// Where a database lists a network.
struct Listing {
    city: CityId,
    offset_km: f64,
    bearing_deg: f64,
    radius_km: u16,
}

struct Writer<'a> {
    cities: &'a [City],
    chance: Chance,
    text: String,
    /// Next free block per first octet.
    v4_next: [u32; 256],
    v6_next: u16,
    asn_next: u32,
}

impl<'a> Writer<'a> {
    fn new(cities: &'a [City]) -> Self {
        Self {
            cities,
            chance: stream(TABLE_SEED, Purpose::Networks, 0, 0),
            text: "network,asn,org,kind,true_city,listed_city,listed_offset_km,listed_bearing_deg,radius_km\n"
                .to_owned(),
            v4_next: [0; 256],
            v6_next: 0,
            asn_next: FIRST_ASN,
        }
    }

    /// Two carriers of fixed lines a city, the first with IPv6.
    fn fixed_lines(&mut self) {
        for index in 0..self.cities.len() {
            let city = CityId(index as u16);
            let name = self.city(city).name.clone();
            let site = |org, octet| Site { kind: NetworkKind::Fixed, org, first_octet: octet, prefix_len: 18 };
            let asn = self.next_asn();
            self.network(site("Fibernet", 11), &name, asn, city, false);
            self.network(site("Fibernet", 11), &name, asn, city, true);
            let asn = self.next_asn();
            self.network(site("Cable", 55), &name, asn, city, false);
        }
    }

    /// One or two national carriers a country, each with a pool of addresses a city.
    fn mobile_carriers(&mut self) {
        let mut countries: Vec<String> = self.cities.iter().map(|city| city.country.clone()).collect();
        countries.dedup();
        countries.sort();
        countries.dedup();
        for country in countries {
            let carriers = if self.cities.iter().filter(|c| c.country == country).count() > 1 { 2 } else { 1 };
            for org in ["Tellus Mobile", "Vento Mobile"].into_iter().take(carriers) {
                let asn = self.next_asn();
                for index in 0..self.cities.len() {
                    if self.cities[index].country == country {
                        let site = Site { kind: NetworkKind::Mobile, org, first_octet: 22, prefix_len: 20 };
                        self.network(site, &country, asn, CityId(index as u16), false);
                        self.network(site, &country, asn, CityId(index as u16), true);
                    }
                }
            }
        }
    }

    fn listed_sites(&mut self, keys: &[&str], site: Site, with_v6: bool) {
        let asn = self.next_asn();
        for key in keys {
            let found = self.cities.iter().position(|city| city.key() == *key);
            let Some(index) = found else { continue };
            let name = self.cities[index].name.clone();
            self.network(site, &name, asn, CityId(index as u16), false);
            if with_v6 {
                self.network(site, &name, asn, CityId(index as u16), true);
            }
        }
    }

    fn network(&mut self, site: Site, suffix: &str, asn: u32, true_city: CityId, v6: bool) {
        let listing = if site.kind == NetworkKind::Mobile {
            self.mobile_listing(true_city)
        } else {
            self.fixed_listing(true_city, site.kind == NetworkKind::Fixed)
        };
        self.listed_network(site, suffix, asn, (true_city, listing), v6);
    }

    /// Writes a network that is listed as given.
    fn listed_network(
        &mut self,
        site: Site,
        suffix: &str,
        asn: u32,
        (true_city, listing): (CityId, Listing),
        v6: bool,
    ) {
        let prefix = if v6 { self.next_v6() } else { self.next_v4(site.first_octet, site.prefix_len) };
        let kind = KIND_WORDS.iter().find(|(kind, _)| *kind == site.kind).map_or("", |(_, word)| word);
        let (true_key, listed_key) = (self.city(true_city).key(), self.city(listing.city).key());
        let Listing { offset_km, bearing_deg, radius_km, .. } = listing;
        let org = site.org;
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.text,
            "{prefix},{asn},{org} {suffix},{kind},{true_key},{listed_key},{offset_km:.1},{bearing_deg:.0},{radius_km}"
        );
    }

    /// Fixed lines: median error 10 km, radius 5 to 50, a few in the wrong city nearby.
    fn fixed_listing(&mut self, true_city: CityId, may_be_wrong: bool) -> Listing {
        let wrong = self.chance.random_bool(WRONG_CITY_SHARE) && may_be_wrong;
        let city = if wrong { self.near_compatriot(true_city) } else { true_city };
        let offset_km = log_normal(&mut self.chance, 10.0, 0.9).clamp(0.3, 90.0);
        self.listing(true_city, city, offset_km, (5.0, 50.0))
    }

    /// Mobile carriers: median error 190 km, radius 100 to 500, often the name of another city of the country.
    fn mobile_listing(&mut self, true_city: CityId) -> Listing {
        let error_km = log_normal(&mut self.chance, 190.0, 0.9).clamp(2.0, 800.0);
        let home = self.city(true_city);
        let fits = |city: &City| {
            let apart = distance_km(home, city);
            city.country == home.country && apart > error_km / 1.6 && apart < error_km * 1.6
        };
        let other = self.cities.iter().position(fits);
        match other {
            Some(index) => {
                let offset_km = log_normal(&mut self.chance, 8.0, 0.7).clamp(0.3, 40.0);
                self.listing(true_city, CityId(index as u16), offset_km, (100.0, 500.0))
            }
            None => self.listing(true_city, true_city, error_km, (100.0, 500.0)),
        }
    }

    /// Adds direction and radius to a listed point.
    fn listing(&mut self, true_city: CityId, city: CityId, offset_km: f64, radius_km: (f64, f64)) -> Listing {
        let bearing_deg = f64::from(self.chance.random_range(0..360_u16));
        let offset_km = (offset_km * 10.0).round() / 10.0;
        let (latitude, longitude) = displaced(self.city(city), offset_km, bearing_deg);
        let error_km = distance_to_km(self.city(true_city), latitude, longitude);
        let factor = if self.chance.random_bool(HONEST_RADIUS_SHARE) {
            self.chance.random_range(1.02..2.0)
        } else {
            self.chance.random_range(0.35..0.95)
        };
        let radius_km = (error_km * factor).clamp(radius_km.0, radius_km.1).ceil() as u16;
        Listing { city, offset_km, bearing_deg, radius_km }
    }

    /// One of the three nearest other cities of the same country, or the city itself.
    fn near_compatriot(&mut self, id: CityId) -> CityId {
        let home = self.city(id);
        let mut others: Vec<(u64, usize)> = self
            .cities
            .iter()
            .enumerate()
            .filter(|(index, city)| city.country == home.country && *index != usize::from(id.0))
            .map(|(index, city)| (distance_km(home, city) as u64, index))
            .collect();
        others.sort_unstable();
        others.truncate(3);
        if others.is_empty() {
            return id;
        }
        let chosen = self.chance.random_range(0..others.len());
        CityId(others[chosen].1 as u16)
    }

    fn city(&self, id: CityId) -> &'a City {
        &self.cities[usize::from(id.0)]
    }

    fn next_asn(&mut self) -> u32 {
        self.asn_next += 1;
        self.asn_next
    }

    fn next_v4(&mut self, first_octet: u8, prefix_len: u8) -> String {
        let next = &mut self.v4_next[usize::from(first_octet)];
        let base = (u32::from(first_octet) << 24) | (*next << (32 - prefix_len));
        *next += 1;
        format!("{}/{prefix_len}", Ipv4Addr::from(base))
    }

    fn next_v6(&mut self) -> String {
        self.v6_next += 1;
        format!("{}/32", Ipv6Addr::new(0x2e00, self.v6_next, 0, 0, 0, 0, 0, 0))
    }
}
