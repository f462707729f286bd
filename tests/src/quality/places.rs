//! Where addresses are listed: as the simulated world says, or as wrong as free files are.

use std::sync::Arc;

use anyhow::Context as _;
use frostwatch_detect::place::Locate;
use frostwatch_geoip::{GeoLimits, GeoSource, GeoTable, Role};
use frostwatch_simulator::world::{ListedNetwork, NetworkKind, World};
use frostwatch_testkit::chance::Chance;
use frostwatch_testkit::mmdb::files_of;

/// Of a thousand networks of a free file, so many are listed in another country.
const OTHER_COUNTRY: u64 = 55;
/// Median and upper part of the error of a free file, km: about 42 in a hundred are further off than 500 km.
const ERRORS_KM: [(u64, f64, f64); 4] =
    [(300, 5.0, 60.0), (500, 60.0, 268.0), (575, 268.0, 500.0), (1_000, 500.0, 1_500.0)];
/// Kilometres of a degree of latitude.
const DEGREE_KM: f64 = 111.2;

/// How networks are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// With the errors and radii of the simulated world, which are those of a good file.
    Good,
    /// As in free files: further off, now and then in another country, and without radii.
    Free,
}

/// The table of places of a simulated world.
pub fn places(world: &World, listing: Listing) -> anyhow::Result<Arc<dyn Locate>> {
    let mut networks = world.listed_networks();
    if listing == Listing::Free {
        let places = networks.clone();
        let mut chance = Chance::new(7);
        networks.iter_mut().for_each(|network| misplace(network, &places, &mut chance));
    }
    let [city, asn] = files_of(networks)?;
    let city = GeoSource { role: Role::Place, name: "city.mmdb", bytes: &city };
    let asn = GeoSource { role: Role::Carrier, name: "asn.mmdb", bytes: &asn };
    let table = GeoTable::from_bytes(&[city, asn], GeoLimits::default()).context("the simulated world's places")?;
    Ok(Arc::new(table))
}

/// Moves a listing as far as free files are off, and takes its radius away.
fn misplace(network: &mut ListedNetwork, places: &[ListedNetwork], chance: &mut Chance) {
    network.radius_km = 0;
    if network.kind != NetworkKind::Corporate && chance.within(0..1_000) < OTHER_COUNTRY {
        let other = &places[chance.within(0..places.len() as u64) as usize];
        network.country.clone_from(&other.country);
        network.city.clone_from(&other.city);
        (network.latitude, network.longitude) = (other.latitude, other.longitude);
        return;
    }
    let drawn = chance.within(0..1_000);
    let (_, least, most) = ERRORS_KM.into_iter().find(|(below, ..)| drawn < *below).unwrap_or(ERRORS_KM[3]);
    let km = least + (most - least) * chance.share();
    let angle = chance.share() * std::f64::consts::TAU;
    let shrink = network.latitude.to_radians().cos().max(0.2);
    network.latitude = (network.latitude + km / DEGREE_KM * angle.sin()).clamp(-89.0, 89.0);
    network.longitude = (network.longitude + km / DEGREE_KM / shrink * angle.cos()).clamp(-179.9, 179.9);
}
