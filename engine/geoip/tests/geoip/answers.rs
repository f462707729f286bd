//! What sound files answer.

use frostwatch_detect::place::{Locate as _, NoPlace};
use frostwatch_geoip::{Family, GeoFiles, GeoLimits, GeoTable, GeoWarning, NoGeo, Role};
use frostwatch_testkit::mmdb::{Meta, Value};

use crate::fixtures::*;

#[track_caller]
fn check(table: &GeoTable, rows: &[(&str, &str)]) {
    for (address, expected) in rows {
        assert_eq!(line(ask(table, address)), *expected, "{address}");
    }
}

#[test]
fn a_nested_file_answers_for_both_families_and_for_ipv4_in_disguise() {
    let table = load(&[(Role::Place, "city", &nested_city())]).unwrap();
    check(
        &table,
        &[
            ("11.0.0.0", "SE Stockholm 593294,180687 r50 / 0 "),
            ("11.1.255.255", "SE Stockholm 593294,180687 r50 / 0 "),
            ("11.2.0.0", "SE Malmö 556059,130007 r20 / 0 "),
            ("11.2.3.3", "SE Malmö 556059,130007 r20 / 0 "),
            ("11.2.3.4", "DK Copenhagen 556759,125655 r5 / 0 "),
            ("11.2.3.5", "SE Malmö 556059,130007 r20 / 0 "),
            ("11.2.255.255", "SE Malmö 556059,130007 r20 / 0 "),
            ("11.3.0.0", "SE Stockholm 593294,180687 r50 / 0 "),
            ("11.255.255.255", "SE Stockholm 593294,180687 r50 / 0 "),
            ("12.0.0.0", "unknown / 0 "),
            ("22.200.1.1", "NG Lagos 64541,33947 r100 / 0 "),
            ("33.1.15.255", "US Denver 397392,-1049847 r1000 / 0 "),
            ("33.1.16.0", "unknown / 0 "),
            ("223.255.255.255", "unknown / 0 "),
            ("::ffff:11.2.3.4", "DK Copenhagen 556759,125655 r5 / 0 "),
            ("2002:b02:304::1", "DK Copenhagen 556759,125655 r5 / 0 "),
            ("2dff:ffff::", "unknown / 0 "),
            ("2e00::", "DE Berlin 525244,134105 r200 / 0 "),
            ("2e00:10::", "PT Lisbon 387169,-91399 r20 / 0 "),
            ("2e00:10:0:1:7fff:ffff:ffff:ffff", "PT Lisbon 387169,-91399 r20 / 0 "),
            ("2e00:10:0:1:8000::", "PT Porto 411496,-86110 r10 / 0 "),
            ("2e00:10:0:1:ffff:ffff:ffff:ffff", "PT Porto 411496,-86110 r10 / 0 "),
            ("2e00:10:0:2::", "PT Lisbon 387169,-91399 r20 / 0 "),
            ("2e00:11::", "DE Berlin 525244,134105 r200 / 0 "),
            ("2e00:1000::", "unknown / 0 "),
            ("10.1.1.1", "private / 0 "),
            ("::1", "private / 0 "),
            ("198.51.100.7", "reserved / 0 "),
        ],
    );
    assert_eq!(table.warnings(), []);
    assert_eq!(table.build().kind, "GeoLite2-City");
    assert_eq!(table.build().built_at_secs, BUILT_AT_SECS as i64);
}

#[test]
fn flat_files_answer_the_same_place_whether_their_numbers_are_numbers_or_texts() {
    let numbers: [fn(f64) -> Value; 3] =
        [Value::Double, |degrees| Value::Float(degrees as f32), |degrees| Value::text(format!("{degrees}"))];
    for number in numbers {
        let (v4, v6) = (flat_v4(number), flat_v6(number));
        let table = load(&[(Role::Place, "four", &v4), (Role::Place, "six", &v6)]).unwrap();
        check(
            &table,
            &[
                ("11.2.3.4", "DK Copenhagen 556759,125655 r0 / 0 "),
                ("11.2.3.5", "SE Malmö 556059,130007 r0 / 0 "),
                ("2e00:10::1", "PT Lisbon 387169,-91399 r0 / 0 "),
                ("::ffff:11.2.3.4", "DK Copenhagen 556759,125655 r0 / 0 "),
            ],
        );
        assert_eq!(table.build().kind, "city ipv4 + city ipv6");
    }
}

#[test]
fn an_asn_file_adds_the_carrier_where_it_knows_one() {
    let table = load(&[(Role::Place, "city", &nested_city()), (Role::Carrier, "asn", &asn())]).unwrap();
    check(
        &table,
        &[
            ("11.0.0.1", "SE Stockholm 593294,180687 r50 / 64496 Norrsken Bredband"),
            ("11.2.3.4", "DK Copenhagen 556759,125655 r5 / 64497 Öresund Mobil"),
            ("11.3.255.255", "SE Stockholm 593294,180687 r50 / 64497 Öresund Mobil"),
            ("11.4.0.0", "SE Stockholm 593294,180687 r50 / 0 "),
            ("22.0.0.1", "NG Lagos 64541,33947 r100 / 0 "),
            ("2e00:10::1", "PT Lisbon 387169,-91399 r20 / 64498 Alster Net"),
            ("2e00:ffff::1", "unknown / 64498 Alster Net"),
        ],
    );
}

#[test]
fn records_of_other_vendors_and_sparse_ones_are_understood() {
    let records = [
        ("11.0.0.0/16", Value::map([("country", Value::map([("iso_code", Value::text("se"))]))])),
        ("11.1.0.0/16", Value::map([("country", Value::text("DE")), ("asn", Value::text("AS64500"))])),
        ("11.2.0.0/16", Value::map([("country_code", Value::text("")), ("city", Value::text("Nowhere"))])),
        ("11.3.0.0/16", Value::map::<&str>([])),
        ("11.4.0.0/16", Value::map([("country_code", Value::text("ZZ")), ("latitude", Value::text(""))])),
        (
            "11.5.0.0/16",
            Value::map([
                ("country_code", Value::text("FR")),
                ("latitude", Value::I32(0)),
                ("longitude", Value::Double(0.0)),
            ]),
        ),
        (
            "11.6.0.0/16",
            Value::map([
                ("country", Value::map([("iso_code", Value::text("NO"))])),
                ("traits", carrier(64_501, "Fjord Drift")),
            ]),
        ),
        (
            "11.7.0.0/16",
            Value::map([
                ("country_code", Value::text("IS")),
                ("city", Value::text("Reyk\u{1b}[31mjavík")),
                ("lat", Value::text("64.1355")),
                ("lng", Value::text("-21.8954")),
            ]),
        ),
    ];
    let bytes = file(meta("mixed", 6, 24), &records);
    check(
        &load(&[(Role::Place, "mixed", &bytes)]).unwrap(),
        &[
            ("11.0.0.1", "SE  - r0 / 0 "),
            ("11.1.0.1", "DE  - r0 / 64500 "),
            ("11.2.0.1", "unknown / 0 "),
            ("11.3.0.1", "unknown / 0 "),
            ("11.4.0.1", "unknown / 0 "),
            ("11.5.0.1", "FR  - r0 / 0 "),
            ("11.6.0.1", "NO  - r0 / 64501 Fjord Drift"),
            ("11.7.0.1", "IS Reyk [31mjavík 641355,-218954 r0 / 0 "),
        ],
    );
}

#[test]
fn what_a_set_of_files_cannot_tell_is_said() {
    let country = file(
        meta("GeoLite2-Country", 6, 24),
        &[
            ("11.0.0.0/8", Value::map([("country", Value::map([("iso_code", Value::text("SE"))]))])),
            ("2e00::/16", Value::map([("country", Value::map([("iso_code", Value::text("DE"))]))])),
        ],
    );
    let (v4, v6) = (flat_v4(Value::Double), flat_v6(Value::Double));
    let no = |role, family| GeoWarning::NoFamily { role, family };
    let radius = |file: &str| GeoWarning::NoRadius { file: file.to_owned() };
    let asn_v4 = file(meta("asn", 4, 24), &[("11.0.0.0/8", carrier(1, "One"))]);
    for (files, expected) in [
        (vec![(Role::Place, "c", &country)], vec![GeoWarning::NoPoints { file: "c".to_owned() }]),
        (vec![(Role::Place, "4", &v4)], vec![radius("4"), no(Role::Place, Family::V6)]),
        (vec![(Role::Place, "6", &v6)], vec![radius("6"), no(Role::Place, Family::V4)]),
        (vec![(Role::Place, "4", &v4), (Role::Place, "6", &v6)], vec![radius("4"), radius("6")]),
        (
            vec![(Role::Place, "c", &country), (Role::Carrier, "a", &asn_v4)],
            vec![GeoWarning::NoPoints { file: "c".to_owned() }, no(Role::Carrier, Family::V6)],
        ),
    ] {
        let files: Vec<_> = files.into_iter().map(|(role, name, bytes)| (role, name, bytes.as_slice())).collect();
        let table = load(&files).unwrap();
        assert_eq!(table.warnings(), expected);
    }
}

#[test]
fn the_build_names_its_bytes_and_its_oldest_file() {
    let city = nested_city();
    let newer =
        file(Meta { build_epoch: 4_102_444_800, ..meta("future", 6, 24) }, &[("11.0.0.0/8", carrier(1, "One"))]);
    let table = load(&[(Role::Place, "city", &city), (Role::Carrier, "asn", &newer)]).unwrap();
    assert_eq!(table.build().built_at_secs, BUILT_AT_SECS as i64);
    assert_eq!(table.build().digest.len(), 16);
    assert_eq!(table.build(), load(&[(Role::Place, "x", &city), (Role::Carrier, "y", &newer)]).unwrap().build());
    assert_ne!(table.build().digest, load(&[(Role::Place, "city", &city)]).unwrap().build().digest);
    // SHA-256 of nothing, which everyone can look up.
    assert_eq!(NoGeo::new().build().digest, "e3b0c44298fc1c14");
}

#[test]
fn without_files_public_addresses_are_unknown_and_private_ones_still_private() {
    let none = NoGeo::new();
    for (address, why) in
        [("11.2.3.4", NoPlace::Unknown), ("192.168.1.1", NoPlace::Private), ("ff02::1", NoPlace::Reserved)]
    {
        assert_eq!(none.locate(address.parse().unwrap()).place, Err(why), "{address}");
    }
}

#[test]
fn aliases_of_the_ipv4_tree_are_not_expanded() {
    let (with, without) = (nested_city(), {
        let all: Vec<_> = V4_ROWS.iter().chain(&V6_ROWS).map(|row| (row.0, nested(row))).collect();
        file(Meta { aliases: false, ..meta("GeoLite2-City", 6, 28) }, &all)
    });
    let (with, without) = (load(&[(Role::Place, "a", &with)]).unwrap(), load(&[(Role::Place, "b", &without)]).unwrap());
    assert_eq!(with.footprint(), without.footprint());
}

#[test]
fn files_on_disk_are_read_and_missing_ones_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("city.mmdb");
    std::fs::write(&path, nested_city()).unwrap();
    let files = GeoFiles { city: vec![path.clone()], asn: Vec::new() };
    let table = GeoTable::open(&files, GeoLimits::default()).unwrap();
    assert_eq!(line(ask(&table, "11.2.3.4")), "DK Copenhagen 556759,125655 r5 / 0 ");
    let missing = GeoFiles { city: vec![dir.path().join("no.mmdb")], asn: Vec::new() };
    let error = GeoTable::open(&missing, GeoLimits::default()).unwrap_err().to_string();
    assert!(error.contains("no.mmdb") && error.contains("path and permissions"), "{error}");
}
