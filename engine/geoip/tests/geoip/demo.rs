//! The committed databases of the demo.

use std::net::IpAddr;
use std::path::Path;

use frostwatch_detect::place::{Locate as _, Point};
use frostwatch_geoip::demo;
use frostwatch_simulator::world::listed_networks;
use frostwatch_testkit::mmdb::demo_files;

#[test]
fn the_committed_files_are_what_the_table_of_networks_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, bytes) in demo_files().unwrap() {
        let committed = std::fs::read(root.join(&path)).unwrap();
        assert!(committed == bytes, "{} is out of date: write it again", path.display());
    }
}

#[test]
fn the_demo_answers_for_every_listed_network_at_both_of_its_ends() {
    let (table, networks) = (demo().unwrap(), listed_networks().unwrap());
    assert_eq!(table.warnings(), []);
    assert!(networks.len() > 100);
    for (number, listed) in networks.iter().enumerate() {
        let inner = networks.iter().enumerate().any(|(other, narrow)| {
            other != number && listed.network.contains(&narrow.network) && listed.network != narrow.network
        });
        if inner {
            continue;
        }
        for address in [listed.network.network(), listed.network.broadcast()] {
            check(&table, address, listed);
        }
    }
}

#[track_caller]
fn check(table: &frostwatch_geoip::GeoTable, address: IpAddr, listed: &frostwatch_simulator::world::ListedNetwork) {
    let location = table.locate(address);
    let place = location.place.unwrap();
    assert_eq!(place.country.as_str(), listed.country, "{address}");
    assert_eq!(place.city.as_str(), listed.city, "{address}");
    assert_eq!(place.radius_km, listed.radius_km, "{address}");
    assert_eq!(location.carrier.asn, listed.asn, "{address}");
    assert_eq!(location.carrier.organisation.as_str(), listed.org, "{address}");
    let (found, point) = (place.point.unwrap(), Point::from_degrees(listed.latitude, listed.longitude).unwrap());
    let apart = (found.lat_e4 - point.lat_e4).abs().max((found.lon_e4 - point.lon_e4).abs());
    assert!(apart <= 1, "{address}: {found:?} instead of {point:?}");
}
