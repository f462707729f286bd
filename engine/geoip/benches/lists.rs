//! What lists of addresses cost: to lay out, to keep in memory, and to ask.
//!
//! `cargo bench -p frostwatch-geoip --bench lists`: two million made-up networks of both families in four lists, one with
//! times.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the first surprise")]

#[path = "support/clock.rs"]
mod clock;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use frostwatch_detect::event::Address;
use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{List, Listing, Lists, ListsFootprint, host_bits};
use frostwatch_detect::names::Name;
use frostwatch_detect::time::{DAY, Millis};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use clock::timed;

const NETWORKS: usize = 2_000_000;
const LOOKUPS: usize = 2_000_000;
const REPEATS: usize = 5;
/// An event time within those of the list that has times.
const NOW: Millis = 500 * DAY;

fn main() {
    let lists = made_up();
    let mut laid_out: Option<Arc<Lists>> = None;
    let ns = timed(|| laid_out = Lists::new(lists).unwrap());
    let lists = laid_out.unwrap();
    let ListsFootprint { v4_ranges, v6_ranges, spans, bytes } = lists.footprint();
    let ranges = v4_ranges + v6_ranges;
    println!(
        "{NETWORKS} networks laid out in {:.2} s of CPU: {v4_ranges} + {v6_ranges} ranges, {spans} spans of time, {:.1} \
         MiB, {:.1} bytes a range",
        ns as f64 / 1e9,
        bytes as f64 / f64::from(1 << 20),
        bytes as f64 / ranges as f64,
    );
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let v4: Vec<IpAddr> = (0..LOOKUPS).map(|_| random_v4(&mut chance).into()).collect();
    let v6: Vec<IpAddr> = (0..LOOKUPS).map(|_| random_v6(&mut chance).into()).collect();
    let few: Vec<IpAddr> = (0..LOOKUPS).map(|_| v4[chance.random_range(0..1_000)]).collect();
    for (what, addresses) in [("IPv4 random", &v4), ("IPv4, 1,000 addresses", &few), ("IPv6 random", &v6)] {
        let addresses: Vec<Address> = addresses.iter().filter_map(|ip| Address::new(*ip)).collect();
        let listed = addresses.iter().filter(|address| !lists.of(**address, NOW).is_empty()).count();
        let pass = || {
            for address in &addresses {
                black_box(lists.of(black_box(*address), NOW));
            }
        };
        let best = (0..REPEATS).map(|_| timed(pass));
        println!(
            "{what}: {:.0} ns a look-up ({:.0} % are listed)",
            best.min().unwrap() as f64 / addresses.len() as f64,
            listed as f64 * 100.0 / addresses.len() as f64
        );
    }
}

fn made_up() -> Vec<List> {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let kinds = [
        ("tunnels", Category::Vpn, 60, false),
        ("bots", Category::Botnet, 80, false),
        ("clouds", Category::Hosting, 30, false),
        ("exits", Category::Tor, 95, true),
    ];
    let lists = kinds.map(|(name, category, confidence, has_times)| {
        let entries = (0..NETWORKS / kinds.len()).map(|index| {
            let (first, prefix) = if index % 4 == 0 {
                (random_v6(&mut chance).to_bits(), chance.random_range(32..=64))
            } else {
                (random_v4(&mut chance).to_ipv6_mapped().to_bits(), 96 + chance.random_range(20..=32))
            };
            let day = Millis::from(chance.random_range(0_i32..1_000)) * DAY;
            let (from, until) = if has_times { (day, day + 30 * DAY) } else { (Listing::ALWAYS, Listing::FOREVER) };
            let first = first & !host_bits(prefix);
            Listing { first, prefix, category, confidence, tag: Name::EMPTY, from, until }
        });
        List { name: name.to_owned(), entries: entries.collect() }
    });
    lists.into()
}

fn random_v4(chance: &mut ChaCha8Rng) -> Ipv4Addr {
    chance.random_range(0x0b00_0000_u32..0xd000_0000).into()
}

fn random_v6(chance: &mut ChaCha8Rng) -> Ipv6Addr {
    Ipv6Addr::from_bits((0x2e00 << 112) | u128::from(chance.next_u32()) << 80 | u128::from(chance.next_u64()))
}
