//! The networks that only a confounded company uses: data centres of a cloud proxy, and lines with two faces.

use crate::chance::{Purpose, stream};

use super::super::places::{CityId, distance_km, parse_cities};
use super::super::{CITIES_CSV, NetworkKind, WorldError};
use super::{FIRST_ASN, Listing, Site, TABLE_SEED, Writer};

/// Cities with a data centre of the cloud proxy.
const PROXIES: [&str; 18] = [
    "Stockholm/SE",
    "London/GB",
    "Manchester/GB",
    "Amsterdam/NL",
    "Frankfurt/DE",
    "Paris/FR",
    "Zurich/CH",
    "Warsaw/PL",
    "Washington/US",
    "New York/US",
    "Chicago/US",
    "Dallas/US",
    "San Francisco/US",
    "Toronto/CA",
    "Sao Paulo/BR",
    "Mumbai/IN",
    "Singapore/SG",
    "Sydney/AU",
];
/// First number of the systems in this table: far above those of the other.
const FIRST_CONFOUNDING_ASN: u32 = FIRST_ASN + 10_000;
/// First IPv6 block of this table, likewise.
const FIRST_V6: u16 = 0x4000;
/// The other face of a line is listed at least this far away.
const OTHER_FACE_KM_MIN: f64 = 600.0;
/// Of every so many lines, one has its other face in another country: a tunnel broker's, or a carrier's headquarters.
const ABROAD_ONE_IN: usize = 4;

/// Writes the table of networks that only a confounded company uses; deterministic.
pub fn confounding_networks_table() -> Result<String, WorldError> {
    let cities = parse_cities(CITIES_CSV)?;
    let mut writer = Writer::new(&cities);
    writer.chance = stream(TABLE_SEED, Purpose::Confounders, 0, 0);
    writer.asn_next = FIRST_CONFOUNDING_ASN;
    writer.v6_next = FIRST_V6;
    writer.listed_sites(&PROXIES, Site::new(NetworkKind::Proxy, "Skyshield Proxy", 21, 23), false);
    writer.two_faced_lines();
    Ok(writer.text)
}

impl Writer<'_> {
    /// A carrier a city, whose IPv6 addresses are listed far from its IPv4 addresses.
    fn two_faced_lines(&mut self) {
        for index in 0..self.cities.len() {
            let city = CityId(index as u16);
            let name = self.city(city).name.clone();
            let site = Site::new(NetworkKind::TwoFaced, "Sixline", 6, 18);
            let asn = self.next_asn();
            self.network(site, &name, asn, city, false);
            let other = self.other_face(city, index % ABROAD_ONE_IN == 0);
            let offset_km = 8.0;
            let listing = Listing { city: other, offset_km, bearing_deg: 0.0, radius_km: 50 };
            self.listed_network(site, &name, asn, (city, listing), true);
        }
    }

    /// The nearest city beyond the least distance: at home if there is one and it may be, else abroad.
    fn other_face(&self, id: CityId, abroad: bool) -> CityId {
        let home = self.city(id);
        let mut far: Vec<(bool, u64, usize)> = self
            .cities
            .iter()
            .enumerate()
            .map(|(index, city)| ((city.country == home.country) == abroad, distance_km(home, city) as u64, index))
            .filter(|(_, km, _)| *km as f64 >= OTHER_FACE_KM_MIN)
            .collect();
        far.sort_unstable();
        far.first().map_or(id, |(_, _, index)| CityId(*index as u16))
    }
}
