//! Files of lists of addresses: refused with faults that have lines, or lists that answer everywhere the same, also when
//! they are made again from what is kept of them. The first byte says how the file is written.
#![no_main]

use std::collections::BTreeMap;

use frostwatch_detect::event::Address;
use frostwatch_detect::lists::Lists;
use frostwatch_fuzz::bounded;
use frostwatch_geoip::lists::{Decoded, Format, ListConfig, ListFault, ListsLimits, decode};
use libfuzzer_sys::fuzz_target;

/// Small, so that what a small file can ask for is bounded too.
const LIMITS: ListsLimits = ListsLimits {
    file_bytes_max: 1 << 20,
    lines_max: 20_000,
    line_bytes_max: 1_024,
    entries_max: 10_000,
    tags_max: 64,
};
const ADDRESSES: [&str; 7] =
    ["0.0.0.0", "11.2.3.4", "255.255.255.255", "2e00:10::1", "::ffff:11.2.3.4", "::1", "ffff::"];
const TIMES: [i64; 4] = [i64::MIN, 0, 1_772_442_000_000, i64::MAX];

/// By the first byte.
const FORMATS: [Format; 7] =
    [Format::Plain, Format::Csv, Format::TorExit, Format::Mmdb, Format::Stix, Format::Misp, Format::MispWarninglist];

fn decoded(bytes: &[u8]) -> Result<Decoded, Vec<ListFault>> {
    let (choice, bytes) = bytes.split_first().map_or((0, bytes), |(choice, bytes)| (*choice, bytes));
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let mut config: ListConfig =
        serde_json::from_str(r#"{"name":"fuzz","path":"fuzz","format":"plain","category":"vpn","confidence":50}"#)
            .expect("a configuration");
    config.format = format;
    decode(&config, bytes, LIMITS)
}

fuzz_target!(|bytes: &[u8]| {
    let decoded = match bounded((64 << 20) + 64 * bytes.len(), || decoded(bytes)) {
        Ok(decoded) => decoded,
        Err(faults) => return assert!(!faults.is_empty() && faults.len() <= 51),
    };
    assert!(decoded.list.entries.len() <= LIMITS.entries_max);
    let lists = Lists::new(vec![decoded.list]).expect("within the limits").expect("one list");
    let digest = lists.digest().to_string();
    let names: Vec<String> = lists.kept().names().collect();
    let parts = names.iter().map(|name| (name.as_str(), lists.kept().part(name).expect("its own")));
    let contents: BTreeMap<&str, &[u8]> =
        parts.chain([(digest.as_str(), lists.kept().manifest().as_bytes())]).collect();
    let again = Lists::recalled(lists.digest(), &contents).expect("room").expect("made again");
    assert_eq!(again.builds(), lists.builds());
    for address in ADDRESSES.iter().filter_map(|address| Address::new(address.parse().expect("an address"))) {
        for at in TIMES {
            assert_eq!(lists.of(address, at), again.of(address, at), "{address} at {at}");
        }
    }
});
