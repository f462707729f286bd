//! What the writer writes is what `maxminddb`, a reader that knows nothing of it, reads and verifies.

use std::collections::BTreeMap;
use std::net::IpAddr;

use frostwatch_testkit::mmdb::{Meta, MmdbError, Value, Writer, demo_files};
use maxminddb::Reader;
use serde::Deserialize;

fn meta(ip_version: u16, record_bits: u16) -> Meta {
    Meta {
        database_type: "test".to_owned(),
        description: "test".to_owned(),
        ip_version,
        record_bits,
        build_epoch: 1_767_225_600,
        aliases: true,
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct Everything {
    text: String,
    double: f64,
    float: f32,
    small: u16,
    middle: u32,
    large: u64,
    below: i32,
    yes: bool,
    list: Vec<String>,
    map: BTreeMap<String, u16>,
}

fn everything(length: usize) -> (Value, Everything) {
    let text = "ä".repeat(length);
    let value = Value::map([
        ("text", Value::text(&text)),
        ("double", Value::Double(-104.9847)),
        ("float", Value::Float(0.5)),
        ("small", Value::U16(0)),
        ("middle", Value::U32(length as u32)),
        ("large", Value::U64(u64::MAX)),
        ("below", Value::I32(-7)),
        ("yes", Value::Bool(true)),
        ("list", Value::List(vec![Value::text("same words"), Value::text("same words")])),
        ("map", Value::map([("key", Value::U16(u16::MAX))])),
    ]);
    let expected = Everything {
        text,
        double: -104.9847,
        float: 0.5,
        small: 0,
        middle: length as u32,
        large: u64::MAX,
        below: -7,
        yes: true,
        list: vec!["same words".to_owned(); 2],
        map: BTreeMap::from([("key".to_owned(), u16::MAX)]),
    };
    (value, expected)
}

#[test]
fn every_kind_of_value_comes_back_at_every_record_size() {
    // Lengths in bytes around the steps of the size field (29, 285, 65,821) and, summed, of the pointers.
    let lengths = [0, 1, 14, 15, 142, 143, 1_000, 32_910, 32_911, 300_000];
    for (ip_version, bits) in [(4, 24), (4, 28), (4, 32), (6, 24), (6, 28), (6, 32)] {
        let mut writer = Writer::new(meta(ip_version, bits));
        for (number, length) in lengths.into_iter().enumerate() {
            let address = IpAddr::from([11, number as u8, 0, 0]);
            writer.insert(address, 16, &everything(length).0).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let reader = Reader::from_source(bytes.as_slice()).unwrap();
        reader.verify().unwrap();
        for (number, length) in lengths.into_iter().enumerate() {
            let found = reader.lookup(IpAddr::from([11, number as u8, 255, 255])).unwrap();
            assert_eq!(found.decode().unwrap(), Some(everything(length).1), "{ip_version} {bits} {length}");
        }
        assert!(!reader.lookup(IpAddr::from([12, 0, 0, 0])).unwrap().has_data());
    }
}

#[test]
fn a_later_network_wins_and_leaves_the_rest_of_an_earlier_one() {
    let mut writer = Writer::new(meta(6, 28));
    for (address, prefix, word) in
        [("11.0.0.0", 8, "wide"), ("11.2.3.4", 32, "one"), ("2e00::", 16, "six"), ("2e00::", 128, "first")]
    {
        writer.insert(address.parse().unwrap(), prefix, &Value::text(word)).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let reader = Reader::from_source(bytes.as_slice()).unwrap();
    reader.verify().unwrap();
    for (address, expected) in [
        ("11.2.3.3", Some("wide")),
        ("11.2.3.4", Some("one")),
        ("11.2.3.5", Some("wide")),
        ("::ffff:11.2.3.4", Some("one")),
        ("2002:b02:304::", Some("one")),
        ("2e00::", Some("first")),
        ("2e00::1", Some("six")),
        ("2e01::1", None),
    ] {
        let found = reader.lookup(address.parse().unwrap()).unwrap();
        assert_eq!(found.decode::<&str>().unwrap(), expected, "{address}");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let insert = |version, address: &str, prefix| {
        Writer::new(meta(version, 24)).insert(address.parse().unwrap(), prefix, &Value::U16(1))
    };
    let bad = |address: &str, prefix| Err(MmdbError::BadNetwork(address.parse().unwrap(), prefix));
    assert_eq!(insert(4, "11.0.0.1", 31), bad("11.0.0.1", 31));
    assert_eq!(insert(4, "11.0.0.0", 33), bad("11.0.0.0", 33));
    assert_eq!(insert(6, "2e00::1", 127), bad("2e00::1", 127));
    assert_eq!(insert(6, "2e00::", 0), bad("2e00::", 0));
    assert_eq!(insert(4, "2e00::", 16), Err(MmdbError::WrongFamily("2e00::".parse().unwrap())));
    assert_eq!(Writer::new(meta(4, 25)).finish(), Err(MmdbError::RecordBits(25)));
    let mut large = Writer::new(meta(4, 24));
    large.insert(IpAddr::from([11, 0, 0, 0]), 8, &Value::text("x".repeat(16_843_036))).unwrap();
    assert_eq!(large.finish(), Err(MmdbError::RecordBits(24)));
    let mut long = Writer::new(meta(4, 32));
    let value = Value::text("x".repeat(16_843_037));
    assert_eq!(long.insert(IpAddr::from([11, 0, 0, 0]), 8, &value), Err(MmdbError::TooLong(16_843_037)));
}

#[test]
fn the_demo_files_are_sound_small_and_the_same_each_time() {
    let files = demo_files().unwrap();
    for (path, bytes) in &files {
        Reader::from_source(bytes.as_slice()).unwrap().verify().unwrap();
        assert!(bytes.len() < 150_000, "{} has {} bytes", path.display(), bytes.len());
    }
    assert_eq!(files, demo_files().unwrap());
}
