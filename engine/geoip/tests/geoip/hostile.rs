//! Damaged and hostile files: an answer or an error, never a panic and never a loop.

use std::net::{IpAddr, Ipv6Addr};

use frostwatch_detect::place::{Locate as _, NoPlace};
use frostwatch_geoip::{GeoError, GeoTable, Role};
use frostwatch_testkit::mmdb::Value;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::fixtures::*;

/// Loads what may be damaged; a table that comes out must still answer everywhere.
fn survive(role: Role, bytes: &[u8]) -> Result<(), GeoError> {
    let files = match role {
        Role::Place => vec![(role, "damaged", bytes)],
        Role::Carrier => unreachable!("only city files are damaged here"),
    };
    let table = load(&files)?;
    for address in ["0.0.0.0", "11.2.3.4", "255.255.255.255", "::", "2e00:10::1", "3fff:ffff::", "ffff::"] {
        ask(&table, address);
    }
    Ok(())
}

#[test]
fn no_truncation_is_accepted_or_panics() {
    for bytes in [nested_city(), flat_v4(|degrees| Value::text(degrees.to_string())), flat_v6(Value::Double)] {
        for length in (0..bytes.len()).step_by(37) {
            assert!(survive(Role::Place, &bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn random_bit_flips_never_panic() {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let sound = [nested_city(), flat_v4(|degrees| Value::text(degrees.to_string()))];
    let mut refused = 0;
    for case in 0..2_000 {
        let mut bytes = sound[case % sound.len()].clone();
        for _ in 0..chance.random_range(1..16) {
            let at = chance.random_range(0..bytes.len());
            bytes[at] ^= 1 << chance.random_range(0..8);
        }
        refused += usize::from(survive(Role::Place, &bytes).is_err());
    }
    assert!(refused > 200, "only {refused} of 2000 damaged files were refused");
}

/// A tree of nodes that all lead to the next one on both sides has 2^depth leaves.
#[test]
fn a_tree_bent_back_on_itself_is_refused_soon() {
    let sound = nested_city();
    for bytes in bent(&sound) {
        let error = load(&[(Role::Place, "bent", &bytes)]).unwrap_err();
        assert!(matches!(error, GeoError::Damaged { .. } | GeoError::NoNetworks { .. }), "{error}");
    }
}

#[test]
fn values_nested_too_deep_are_refused() {
    let mut deep = Value::Map(Vec::new());
    for _ in 0..2_000 {
        deep = Value::map([("names", deep)]);
    }
    let inner = Value::map([("country", deep.clone())]);
    let skipped = Value::map([("country_code", Value::text("SE")), ("other", deep)]);
    for value in [inner, skipped] {
        let bytes = file(meta("deep", 6, 32), &[("11.0.0.0/8", value)]);
        let error = load(&[(Role::Place, "deep", &bytes)]).unwrap_err();
        assert!(matches!(error, GeoError::Damaged { .. }), "{error}");
    }
}

/// The flattened table against the walk through the tree, at the ends of every network and at random.
#[test]
fn flattening_changes_no_answer() {
    let mut chance = ChaCha8Rng::seed_from_u64(11);
    let mut records = Vec::new();
    let texts: Vec<String> = (0..3_000).map(|number| random_network(&mut chance, number)).collect();
    for text in &texts {
        let city: &'static str = ["Ystad", "Kiruna", "Umeå", "Gävle"][chance.random_range(0..4)];
        let row: Row = ("", "SE", city, f64::from(chance.random_range(1..60)), 15.0, 10);
        records.push((text.as_str(), nested(&row)));
    }
    records.sort_by_key(|(text, _)| network(text).1);
    let bytes = file(meta("random", 6, 28), &records);
    let table = load(&[(Role::Place, "random", &bytes)]).unwrap();
    let reader = maxminddb::Reader::from_source(bytes.as_slice()).unwrap();
    let mut compared = 0;
    for text in &texts {
        for address in around(text) {
            compared += usize::from(same(&table, &reader, address));
        }
    }
    for _ in 0..20_000 {
        let upper = 0x2e00 << 112;
        same(&table, &reader, Ipv6Addr::from_bits(upper | (chance.random::<u128>() >> 20)).into());
        same(&table, &reader, IpAddr::from(chance.next_u32().to_be_bytes()));
    }
    assert!(compared > 5_000, "only {compared} addresses had a place");
}

fn random_network(chance: &mut ChaCha8Rng, number: usize) -> String {
    if number.is_multiple_of(2) {
        let prefix = chance.random_range(9..=32);
        let bits = (chance.next_u32() & 0x00ff_ffff | 0x0b00_0000) & (u32::MAX << (32 - prefix));
        return format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(bits));
    }
    let prefix: u32 = chance.random_range(17..=128);
    let bits = ((0x2e00 << 112) | (chance.random::<u128>() >> 16)) & (u128::MAX << (128 - prefix));
    format!("{}/{prefix}", Ipv6Addr::from_bits(bits))
}

/// First and last address of a network and their neighbours.
fn around(text: &str) -> Vec<IpAddr> {
    let (address, prefix) = network(text);
    match address {
        IpAddr::V4(v4) => {
            let (first, last) = (v4.to_bits(), v4.to_bits() | u32::MAX.checked_shr(prefix.into()).unwrap_or(0));
            [first - 1, first, last, last + 1].map(|bits| IpAddr::from(bits.to_be_bytes())).to_vec()
        }
        IpAddr::V6(v6) => {
            let (first, last) = (v6.to_bits(), v6.to_bits() | u128::MAX.checked_shr(prefix.into()).unwrap_or(0));
            [first - 1, first, last, last + 1].map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))).to_vec()
        }
    }
}

/// Compares one address; true if it has a place.
#[track_caller]
fn same(table: &GeoTable, reader: &maxminddb::Reader<&[u8]>, address: IpAddr) -> bool {
    let found = reader.lookup(address).unwrap();
    let city: Option<String> = found
        .decode_path(&[
            maxminddb::PathElement::Key("city"),
            maxminddb::PathElement::Key("names"),
            maxminddb::PathElement::Key("en"),
        ])
        .unwrap();
    match table.locate(address).place {
        Ok(place) => {
            assert_eq!(Some(place.city.as_str()), city.as_deref(), "{address}");
            true
        }
        Err(NoPlace::Unknown) => {
            assert_eq!(city, None, "{address}");
            false
        }
        Err(NoPlace::Private | NoPlace::Reserved) => false,
    }
}
