//! The flattened table against `maxminddb`'s walk through the tree, on the same addresses.
//!
//! `cargo bench -p frostwatch-geoip --bench lookup [-- CITY.mmdb... [--asn ASN.mmdb]]`; without files a table of
//! 200,000 made-up networks stands in.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the first surprise")]

#[path = "support/clock.rs"]
mod clock;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use frostwatch_detect::place::Locate as _;
use frostwatch_geoip::{GeoFiles, GeoLimits, GeoTable};
use frostwatch_testkit::mmdb::{Meta, Value, Writer};
use maxminddb::{PathElement, Reader};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use clock::timed;

const LOOKUPS: usize = 2_000_000;
const REPEATS: usize = 5;

fn main() {
    let (mut files, mut next_is_asn) = (GeoFiles::default(), false);
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        match argument.as_str() {
            "--asn" => next_is_asn = true,
            path if next_is_asn => files.asn.push(PathBuf::from(path)),
            path => files.city.push(PathBuf::from(path)),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    if files.city.is_empty() {
        let path = dir.path().join("made-up.mmdb");
        std::fs::write(&path, made_up()).unwrap();
        files.city.push(path);
    }
    let before = resident_mib();
    let mut loaded = None;
    let load_ns = timed(|| loaded = Some(GeoTable::open(&files, GeoLimits::default()).unwrap()));
    let table = loaded.unwrap();
    let foot = table.footprint();
    println!("{:?}; {} warnings", table.build(), table.warnings().len());
    println!(
        "load {:.2} s of CPU, {:.1} MiB table ({} + {} ranges, {} locations), resident {:.0} MiB more",
        load_ns as f64 / 1e9,
        foot.bytes as f64 / f64::from(1 << 20),
        foot.v4_ranges,
        foot.v6_ranges,
        foot.locations,
        resident_mib() - before,
    );
    let readers: Vec<_> = files.city.iter().map(|path| Reader::open_readfile(path).unwrap()).collect();
    let (mut v4_done, mut v6_done) = (false, false);
    for reader in &readers {
        let has_v4 = table.locate(first_v4()).place.is_ok() || reader.metadata().ip_version == 4;
        if !v4_done && has_v4 {
            v4_done = true;
            compare("IPv4 random", &table, reader, &random_v4());
            compare("IPv4 skewed", &table, reader, &skewed(&random_v4()));
        }
        if !v6_done && reader.metadata().ip_version == 6 {
            v6_done = true;
            compare("IPv6 random", &table, reader, &random_v6(reader));
            compare("IPv6 skewed", &table, reader, &skewed(&random_v6(reader)));
        }
    }
}

fn first_v4() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(11, 0, 0, 0))
}

fn compare(what: &str, table: &GeoTable, reader: &Reader<Vec<u8>>, addresses: &[IpAddr]) {
    let hits = addresses.iter().filter(|address| table.locate(**address).place.is_ok()).count();
    let flat = per_lookup(addresses, |address| {
        black_box(table.locate(address));
    });
    let walk = per_lookup(addresses, |address| {
        black_box(reader.lookup(address).unwrap().has_data());
    });
    let fields = per_lookup(addresses, |address| {
        let found = reader.lookup(address).unwrap();
        black_box(found.decode_path::<&str>(&[PathElement::Key("city")]).ok());
        black_box(found.decode_path::<f32>(&[PathElement::Key("latitude")]).ok());
        black_box(found.decode_path::<f32>(&[PathElement::Key("longitude")]).ok());
    });
    println!(
        "{what}: flattened {flat:.0} ns, walk alone {walk:.0} ns, walk and three fields {fields:.0} ns per lookup \
         ({:.0} % have a place)",
        hits as f64 * 100.0 / addresses.len() as f64
    );
}

/// The best of several passes: the machine's other work only ever adds.
fn per_lookup(addresses: &[IpAddr], mut lookup: impl FnMut(IpAddr)) -> f64 {
    let pass = |lookup: &mut dyn FnMut(IpAddr)| timed(|| addresses.iter().for_each(|address| lookup(*address)));
    let best = (0..REPEATS).map(|_| pass(&mut lookup)).min().unwrap();
    best as f64 / addresses.len() as f64
}

/// What the system says this process holds, in MiB; 0 where it does not say.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn random_v4() -> Vec<IpAddr> {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    (0..LOOKUPS).map(|_| IpAddr::from(chance.random_range(0x0100_0000_u32..0xe000_0000).to_be_bytes())).collect()
}

/// Addresses inside of the file's networks: random ones would nearly all be empty space.
fn random_v6(reader: &Reader<Vec<u8>>) -> Vec<IpAddr> {
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let mut networks = Vec::new();
    for leaf in reader.networks(maxminddb::WithinOptions::default()).unwrap() {
        let network = leaf.unwrap().network().unwrap();
        if let IpAddr::V6(first) = network.ip() {
            networks.push((first.to_bits(), u128::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0)));
        }
    }
    let inside = |_| {
        let (first, mask) = networks[chance.random_range(0..networks.len())];
        IpAddr::V6(Ipv6Addr::from_bits(first | (chance.random::<u128>() & mask)))
    };
    (0..LOOKUPS).map(inside).collect()
}

/// A company's traffic: 1,000 addresses make 95 % of it, the rest is spread.
fn skewed(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    let pick = |spread: &IpAddr| {
        if chance.random_range(0..100) < 95 { addresses[chance.random_range(0..1_000)] } else { *spread }
    };
    addresses.iter().map(pick).collect()
}

fn made_up() -> Vec<u8> {
    let mut chance = ChaCha8Rng::seed_from_u64(4);
    let meta = Meta {
        database_type: "made up".to_owned(),
        description: "made up".to_owned(),
        ip_version: 6,
        record_bits: 28,
        build_epoch: 1_780_000_000,
        aliases: true,
    };
    let mut writer = Writer::new(meta);
    for number in 0..200_000_u32 {
        let value = Value::map([
            ("city", Value::text(format!("City {}", number % 20_000))),
            ("country_code", Value::text("SE")),
            ("latitude", Value::Float(chance.random_range(-60.0..60.0))),
            ("longitude", Value::Float(chance.random_range(-180.0..180.0))),
        ]);
        let bits = chance.random_range(0x0b00_0000_u32..0xd000_0000) & 0xffff_fc00;
        writer.insert(Ipv4Addr::from_bits(bits).into(), 22, &value).unwrap();
        let bits = (0x2e00 << 112) | (u128::from(chance.next_u32()) << 80);
        writer.insert(Ipv6Addr::from_bits(bits).into(), 48, &value).unwrap();
    }
    writer.finish().unwrap()
}
