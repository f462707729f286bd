//! The demo's two databases, written from the simulator's readable table.

use std::path::PathBuf;

use frostwatch_simulator::world::{ListedNetwork, WorldError, listed_networks};
use thiserror::Error;

use super::{Meta, MmdbError, Value, Writer};

/// Build time of the demo's files: fixed (2026-01-01T00:00:00Z), so that the same table gives the same bytes.
pub const DEMO_BUILD_EPOCH: u64 = 1_767_225_600;
/// Bits of a side of a node: the demo's files have far fewer than 2^24 nodes and bytes.
const RECORD_BITS: u16 = 24;

/// Why the demo's databases cannot be written.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The table is wrong.
    #[error("the table of networks cannot be read: {0}")]
    Table(#[from] WorldError),
    /// A row does not fit into the format.
    #[error("the table of networks cannot be written as mmdb: {0}")]
    Mmdb(#[from] MmdbError),
}

/// The demo's databases: path from the root of the repository, and bytes.
pub fn demo_files() -> Result<Vec<(PathBuf, Vec<u8>)>, DemoError> {
    let [city, asn] = files_of(listed_networks()?)?;
    let path = |name: &str| PathBuf::from("engine/geoip/data").join(name);
    Ok(vec![(path("demo-city.mmdb"), city), (path("demo-asn.mmdb"), asn)])
}

/// Databases that list networks of a simulated world: of places, and of carriers.
pub fn files_of(mut networks: Vec<ListedNetwork>) -> Result<[Vec<u8>; 2], DemoError> {
    // Wide networks first: what comes later wins where they overlap.
    networks.sort_by_key(|listed| (listed.network.prefix_len(), listed.network));
    let city = write("Frostwatch-Demo-City", "Real cities, invented networks", &networks, place)?;
    let asn = write("Frostwatch-Demo-ASN", "Invented operators", &networks, carrier)?;
    Ok([city, asn])
}

fn write(
    database_type: &str,
    description: &str,
    networks: &[ListedNetwork],
    value: fn(&ListedNetwork) -> Value,
) -> Result<Vec<u8>, MmdbError> {
    let mut writer = Writer::new(Meta {
        database_type: database_type.to_owned(),
        description: description.to_owned(),
        ip_version: 6,
        record_bits: RECORD_BITS,
        build_epoch: DEMO_BUILD_EPOCH,
        aliases: true,
    });
    for listed in networks {
        writer.insert(listed.network.network(), listed.network.prefix_len(), &value(listed))?;
    }
    writer.finish()
}

fn place(listed: &ListedNetwork) -> Value {
    Value::map([
        ("city", Value::map([("names", Value::map([("en", Value::text(&listed.city))]))])),
        ("country", Value::map([("iso_code", Value::text(&listed.country))])),
        (
            "location",
            Value::map([
                ("accuracy_radius", Value::U16(listed.radius_km)),
                ("latitude", Value::Double(rounded(listed.latitude))),
                ("longitude", Value::Double(rounded(listed.longitude))),
            ]),
        ),
    ])
}

/// Four decimals, as in `MaxMind`'s files.
fn rounded(degrees: f64) -> f64 {
    (degrees * 10_000.0).round() / 10_000.0
}

fn carrier(listed: &ListedNetwork) -> Value {
    Value::map([
        ("autonomous_system_number", Value::U32(listed.asn)),
        ("autonomous_system_organization", Value::text(&listed.org)),
    ])
}
