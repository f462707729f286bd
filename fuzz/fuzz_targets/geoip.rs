//! `GeoIP` files: refused, or a table that answers everywhere, the same each time. The first byte says what the file is for.
#![no_main]

use frostwatch_detect::place::Locate as _;
use frostwatch_fuzz::bounded;
use frostwatch_geoip::{GeoError, GeoLimits, GeoSource, GeoTable, Role};
use libfuzzer_sys::fuzz_target;

/// Small, so that what a small file can ask for is bounded too.
const LIMITS: GeoLimits =
    GeoLimits { file_bytes_max: 1 << 20, networks_max: 20_000, records_max: 4_096, names_max: 4_096 };
const ADDRESSES: [&str; 8] =
    ["0.0.0.0", "11.2.3.4", "127.0.0.1", "255.255.255.255", "::", "2e00:10::1", "::ffff:11.2.3.4", "ffff::"];

fn loaded(bytes: &[u8]) -> Result<GeoTable, GeoError> {
    let (role, bytes) = match bytes {
        [choice, bytes @ ..] if choice & 1 == 1 => (Role::Carrier, bytes),
        bytes => (Role::Place, bytes.get(1..).unwrap_or_default()),
    };
    GeoTable::from_bytes(&[GeoSource { role, name: "fuzz.mmdb", bytes }], LIMITS)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = bounded((64 << 20) + 64 * bytes.len(), || loaded(bytes)) else { return };
    let footprint = table.footprint();
    assert!(footprint.locations <= LIMITS.records_max + 1, "{footprint:?}");
    let again = loaded(bytes).expect("accepted before");
    for address in ADDRESSES {
        let address = address.parse().expect("an address");
        assert_eq!(format!("{:?}", table.locate(address)), format!("{:?}", again.locate(address)));
    }
    assert_eq!(table.build(), again.build());
});
