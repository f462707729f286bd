//! Wrong and broken files are refused with what, which and what to do.

use frostwatch_detect::place::Locate as _;
use frostwatch_geoip::{Fault, GeoError, GeoLimits, Role};
use frostwatch_testkit::mmdb::{Meta, Value};

use crate::fixtures::*;

/// The error must name the file, say all of `words` and blame the right one.
#[track_caller]
fn check(files: &[(Role, &str, &[u8])], limits: GeoLimits, fault: Fault, words: &[&str]) -> GeoError {
    let error = load_within(files, limits).unwrap_err();
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
    assert_eq!(error.fault(), fault, "{text}");
    error
}

fn check_city(bytes: &[u8], fault: Fault, words: &[&str]) -> GeoError {
    check(&[(Role::Place, "dir/some.mmdb", bytes)], GeoLimits::default(), fault, &[&["dir/some.mmdb"], words].concat())
}

#[test]
fn files_that_are_something_else_are_called_by_name() {
    for (bytes, fault, words) in [
        (&b""[..], Fault::File, "is empty"),
        (b"\x1f\x8b\x08\x00rest", Fault::Setup, "a gzip archive"),
        (b"PK\x03\x04rest", Fault::Setup, "a zip archive"),
        (b"<!doctype html>", Fault::Setup, "a web page"),
        (b"1.0.0.0,1.0.0.255,AU\n", Fault::Setup, "looks like text"),
        (b"\x00\x01\x02\x80\xff", Fault::File, "was cut off or is not an mmdb file"),
        (b"\x00\xab\xcd\xefMaxMind.com", Fault::File, "is damaged"),
    ] {
        check_city(bytes, fault, &[words]);
    }
    let city = nested_city();
    check_city(&city[..city.len() / 2], Fault::File, &["was cut off"]);
}

#[test]
fn files_about_something_else_are_refused_with_the_keys_they_have() {
    let anonymous = Value::map([("is_anonymous", Value::Bool(true)), ("is_tor_exit_node", Value::Bool(true))]);
    let bytes = file(meta("GeoIP2-Anonymous-IP", 6, 24), &[("11.0.0.0/8", anonymous)]);
    check_city(&bytes, Fault::Setup, &["GeoIP2-Anonymous-IP", "is_anonymous, is_tor_exit_node", "unknown shape"]);
    let scalar = file(meta("words", 6, 24), &[("11.0.0.0/8", Value::text("hello"))]);
    check_city(&scalar, Fault::Setup, &["unknown shape (not a map)"]);
    let none = file(meta("none", 6, 24), &[]);
    check_city(&none, Fault::File, &["holds no network"]);
    let unreachable = file(meta("tunnel", 6, 24), &[("fc00::/8", nested(&V4_ROWS[0]))]);
    check_city(&unreachable, Fault::File, &["holds no network"]);
}

#[test]
fn a_file_in_the_wrong_place_is_told_apart() {
    let (city, asn) = (nested_city(), asn());
    let limits = GeoLimits::default();
    check(&[(Role::Place, "a", &asn)], limits, Fault::Setup, &["a was named as city file", "holds ASN records"]);
    let both: [(Role, &str, &[u8]); 2] = [(Role::Place, "a", &city), (Role::Carrier, "b", &city)];
    check(&both, limits, Fault::Setup, &["b was named as ASN file", "holds city records"]);
    let twice: [(Role, &str, &[u8]); 2] = [(Role::Place, "a", &city), (Role::Place, "b", &city)];
    check(&twice, limits, Fault::Setup, &["a and b both hold IPv4 networks"]);
    check(&[], limits, Fault::Setup, &["no GeoIP city file"]);
    check(&[(Role::Carrier, "a", &asn)], limits, Fault::Setup, &["no GeoIP city file"]);
}

#[test]
fn values_that_cannot_be_are_refused_with_their_network() {
    let country = || ("country_code", Value::text("SE"));
    let at = |lat: Value, lon: Value| Value::map([country(), ("latitude", lat), ("longitude", lon)]);
    let radius = |radius: Value| Value::map([country(), ("accuracy_radius", radius)]);
    let asn = |asn: Value| Value::map([country(), ("asn", asn)]);
    for (value, words) in [
        (at(Value::Double(90.0001), Value::Double(0.0)), "coordinates 90.0001, 0"),
        (at(Value::Double(0.0), Value::Double(-180.0001)), "coordinates 0, -180.0001"),
        (at(Value::Double(f64::NAN), Value::Double(0.0)), "coordinates NaN"),
        (at(Value::Float(f32::INFINITY), Value::Double(0.0)), "coordinates inf"),
        (at(Value::text("nan"), Value::text("0")), "coordinates NaN"),
        (at(Value::text("north"), Value::text("0")), "latitude north"),
        (radius(Value::U32(20_039)), "accuracy_radius 20039"),
        (radius(Value::I32(-1)), "accuracy_radius -1"),
        (radius(Value::Double(f64::NAN)), "accuracy_radius NaN"),
        (asn(Value::U64(1 << 32)), "autonomous_system_number 4294967296"),
        (asn(Value::text("AS")), "autonomous_system_number AS"),
        (Value::map([("country_code", Value::text("SWE\n"))]), "country SWE\\n"),
    ] {
        let bytes = file(meta("bad", 6, 24), &[("11.2.0.0/16", value)]);
        check_city(&bytes, Fault::File, &[words, "for 11.2.0.0/16", "cannot be"]);
    }
    let edge = file(meta("edge", 6, 24), &[("11.2.0.0/16", radius(Value::U32(20_038)))]);
    assert!(load(&[(Role::Place, "edge", &edge)]).is_ok());
}

#[test]
fn a_file_is_built_between_2000_and_2100() {
    let built =
        |build_epoch: u64| file(Meta { build_epoch, ..meta("city", 6, 24) }, &[("11.0.0.0/8", nested(&V4_ROWS[0]))]);
    for wrong in [1 << 63, u64::MAX] {
        check_city(&built(wrong), Fault::File, &[&wrong.to_string(), "is damaged"]);
    }
    for wrong in [0, 1, 946_684_799, 4_102_444_801, 1_780_000_000_000, (1 << 63) - 1] {
        check_city(&built(wrong), Fault::File, &[&wrong.to_string(), "not between 2000 and 2100"]);
    }
    for right in [946_684_800, BUILT_AT_SECS, 4_102_444_800] {
        let table = load(&[(Role::Place, "city", &built(right))]).unwrap();
        assert_eq!(table.build().built_at_secs, right as i64);
    }
}

#[test]
fn at_least_half_of_the_records_say_what_the_file_is_for() {
    let silent = |number: usize| Value::map([("is_anonymous", Value::U32(number as u32))]);
    let of = |telling: usize, silent_records: usize, role: Role| {
        let networks: Vec<String> = (0..telling + silent_records).map(|n| format!("11.{n}.0.0/16")).collect();
        let record = |number: usize| match role {
            _ if number >= telling => silent(number),
            Role::Place => Value::map([("country_code", Value::text("SE")), ("city", Value::text(number.to_string()))]),
            Role::Carrier => carrier(64_496 + number as u32, "Norrsken"),
        };
        let records: Vec<(&str, Value)> =
            networks.iter().enumerate().map(|(number, network)| (network.as_str(), record(number))).collect();
        file(meta("mixed", 6, 24), &records)
    };
    let city = nested_city();
    let load_as = |role: Role, bytes: &[u8]| match role {
        Role::Place => load(&[(Role::Place, "x", bytes)]),
        Role::Carrier => load(&[(Role::Place, "city", &city), (Role::Carrier, "x", bytes)]),
    };
    for role in [Role::Place, Role::Carrier] {
        for (telling, silent_records, good) in
            [(1, 0, true), (1, 1, true), (1, 2, false), (1, 99, false), (10, 10, true), (10, 11, false)]
        {
            let result = load_as(role, &of(telling, silent_records, role));
            assert_eq!(result.is_ok(), good, "{role}: {telling} and {silent_records}");
            if let Err(error) = result {
                let words = format!("only {telling} of its {} different records", telling + silent_records);
                assert!(error.to_string().contains(&words), "{error}");
                assert_eq!(error.fault(), Fault::Setup);
            }
        }
    }
}

#[test]
fn each_limit_holds_at_its_edge() {
    let city = nested_city();
    let table = load(&[(Role::Place, "city", &city)]).unwrap();
    // Different records: one more is kept for "unknown". Names: seven cities and Porto.
    let (records, names) = (table.footprint().locations - 1, 8);
    let networks = leaves(&city);
    let fits =
        GeoLimits { file_bytes_max: city.len() as u64, networks_max: networks, records_max: records, names_max: names };
    assert!(load_within(&[(Role::Place, "city", &city)], fits).is_ok());
    for (limits, words) in [
        (GeoLimits { file_bytes_max: fits.file_bytes_max - 1, ..fits }, "bytes"),
        (GeoLimits { networks_max: networks - 1, ..fits }, "networks"),
        (GeoLimits { records_max: records - 1, ..fits }, "different records"),
        (GeoLimits { names_max: names - 1, ..fits }, "different names"),
    ] {
        check(&[(Role::Place, "city", &city)], limits, Fault::Limit, &["city", words, "Raise the limit"]);
    }
}

fn leaves(bytes: &[u8]) -> usize {
    let reader = maxminddb::Reader::from_source(bytes).unwrap();
    reader.networks(maxminddb::WithinOptions::default().include_networks_without_data()).unwrap().count()
}
