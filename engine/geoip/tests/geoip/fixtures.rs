//! Files made on the spot, in each shape that is out there.

use std::net::IpAddr;

use frostwatch_detect::place::{Locate as _, Location};
use frostwatch_geoip::{GeoError, GeoLimits, GeoSource, GeoTable, Role};
use frostwatch_testkit::mmdb::{Meta, Value, Writer};

pub(crate) const BUILT_AT_SECS: u64 = 1_780_000_000;

/// A row: network, country, city, latitude, longitude, radius in km.
pub(crate) type Row = (&'static str, &'static str, &'static str, f64, f64, u16);

pub(crate) const V4_ROWS: [Row; 6] = [
    ("11.0.0.0/8", "SE", "Stockholm", 59.3294, 18.0687, 50),
    ("11.2.0.0/16", "SE", "Malmö", 55.6059, 13.0007, 20),
    ("11.2.3.4/32", "DK", "Copenhagen", 55.6759, 12.5655, 5),
    ("22.0.0.0/9", "NG", "Lagos", 6.4541, 3.3947, 100),
    ("22.128.0.0/9", "NG", "Lagos", 6.4541, 3.3947, 100),
    ("33.1.0.0/20", "US", "Denver", 39.7392, -104.9847, 1000),
];

pub(crate) const V6_ROWS: [Row; 3] = [
    ("2e00::/20", "DE", "Berlin", 52.5244, 13.4105, 200),
    ("2e00:10::/32", "PT", "Lisbon", 38.7169, -9.1399, 20),
    ("2e00:10:0:1:8000::/65", "PT", "Porto", 41.1496, -8.611, 10),
];

/// A carrier row: network, number, organisation.
pub(crate) const CARRIER_ROWS: [(&str, u32, &str); 3] = [
    ("11.0.0.0/15", 64_496, "Norrsken Bredband"),
    ("11.2.0.0/15", 64_497, "Öresund Mobil"),
    ("2e00::/16", 64_498, "Alster Net"),
];

pub(crate) fn meta(database_type: &str, ip_version: u16, record_bits: u16) -> Meta {
    Meta {
        database_type: database_type.to_owned(),
        description: "fixture".to_owned(),
        ip_version,
        record_bits,
        build_epoch: BUILT_AT_SECS,
        aliases: true,
    }
}

pub(crate) fn network(text: &str) -> (IpAddr, u8) {
    let (address, prefix) = text.split_once('/').unwrap();
    (address.parse().unwrap(), prefix.parse().unwrap())
}

/// A file of these records.
pub(crate) fn file(meta: Meta, records: &[(&str, Value)]) -> Vec<u8> {
    let mut writer = Writer::new(meta);
    for (text, value) in records {
        let (address, prefix) = network(text);
        writer.insert(address, prefix, value).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn nested(row: &Row) -> Value {
    let (_, country, city, lat, lon, radius_km) = *row;
    Value::map([
        ("city", Value::map([("names", Value::map([("de", Value::text("?")), ("en", Value::text(city))]))])),
        ("country", Value::map([("geoname_id", Value::U32(7)), ("iso_code", Value::text(country))])),
        (
            "location",
            Value::map([
                ("accuracy_radius", Value::U16(radius_km)),
                ("latitude", Value::Double(lat)),
                ("longitude", Value::Double(lon)),
            ]),
        ),
        ("subdivisions", Value::List(vec![Value::map([("iso_code", Value::text("X"))])])),
    ])
}

pub(crate) fn flat(row: &Row, number: fn(f64) -> Value) -> Value {
    let (_, country, city, lat, lon, _) = *row;
    Value::map([
        ("city", Value::text(city)),
        ("country_code", Value::text(country)),
        ("latitude", number(lat)),
        ("longitude", number(lon)),
        ("postcode", Value::text("")),
        ("state1", Value::text("?")),
        ("state2", Value::text("")),
    ])
}

pub(crate) fn carrier(number: u32, organisation: &str) -> Value {
    Value::map([
        ("autonomous_system_number", Value::U32(number)),
        ("autonomous_system_organization", Value::text(organisation)),
    ])
}

fn rows(rows: &[Row], value: impl Fn(&Row) -> Value) -> Vec<(&'static str, Value)> {
    rows.iter().map(|row| (row.0, value(row))).collect()
}

/// Both families in one file, as `MaxMind` gives them.
pub(crate) fn nested_city() -> Vec<u8> {
    let all: Vec<Row> = V4_ROWS.into_iter().chain(V6_ROWS).collect();
    file(meta("GeoLite2-City", 6, 28), &rows(&all, nested))
}

pub(crate) fn flat_v4(number: fn(f64) -> Value) -> Vec<u8> {
    file(meta("city ipv4", 4, 24), &rows(&V4_ROWS, |row| flat(row, number)))
}

pub(crate) fn flat_v6(number: fn(f64) -> Value) -> Vec<u8> {
    file(Meta { aliases: false, ..meta("city ipv6", 6, 32) }, &rows(&V6_ROWS, |row| flat(row, number)))
}

pub(crate) fn asn() -> Vec<u8> {
    let records: Vec<_> = CARRIER_ROWS.iter().map(|(network, asn, name)| (*network, carrier(*asn, name))).collect();
    file(meta("GeoLite2-ASN", 6, 24), &records)
}

pub(crate) fn load(files: &[(Role, &str, &[u8])]) -> Result<GeoTable, GeoError> {
    load_within(files, GeoLimits::default())
}

pub(crate) fn load_within(files: &[(Role, &str, &[u8])], limits: GeoLimits) -> Result<GeoTable, GeoError> {
    let sources: Vec<_> = files.iter().map(|&(role, name, bytes)| GeoSource { role, name, bytes }).collect();
    GeoTable::from_bytes(&sources, limits)
}

pub(crate) fn ask(table: &GeoTable, address: &str) -> Location {
    table.locate(address.parse().unwrap())
}

/// An answer in one line: country, city, coordinates, radius, carrier.
pub(crate) fn line(location: Location) -> String {
    let place = match location.place {
        Err(why) => why.as_str().to_owned(),
        Ok(place) => {
            let point = place.point.map_or_else(|| "-".to_owned(), |p| format!("{},{}", p.lat_e4, p.lon_e4));
            format!("{} {} {} r{}", place.country, place.city.as_str(), point, place.radius_km)
        }
    };
    format!("{place} / {} {}", location.carrier.asn, location.carrier.organisation.as_str())
}

/// A file with sides of 28 bits, bent: its nodes lead to the next one on both sides, and all of them to one.
pub(crate) fn bent(sound: &[u8]) -> Vec<Vec<u8>> {
    let nodes = maxminddb::Reader::from_source(sound).unwrap().metadata().node_count as usize;
    let to = |target: usize| {
        let mut bytes = sound.to_vec();
        for node in 0..nodes {
            // 3 bytes, a shared byte of two halves, 3 bytes.
            let next = if target == 0 { (node + 1).min(nodes) } else { target };
            let low = &next.to_be_bytes()[5..];
            bytes[node * 7..node * 7 + 3].copy_from_slice(low);
            bytes[node * 7 + 3] = 0;
            bytes[node * 7 + 4..node * 7 + 7].copy_from_slice(low);
        }
        bytes
    };
    [0, 1, nodes - 1].map(to).into()
}
