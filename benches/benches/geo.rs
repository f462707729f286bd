//! A lookup through the port that the pipeline uses, over the addresses of the traffic.
//!
//! `cargo bench -p frostwatch-benches --bench geo -- [--quick]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the first surprise")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::engine;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::{Batch, Config, Traffic};
use frostwatch_detect::place::Locate;
use frostwatch_wire::activity::decode::decode;

fn main() {
    let arguments = Arguments::of_process();
    let events = arguments.number("--events", 20_000, 500_000);
    let passes = arguments.number("--passes", 3, 15);
    let table = engine::geo();
    println!("{:?}", table.footprint());
    let locate: Arc<dyn Locate> = Arc::new(table);
    let mut traffic = Traffic::new(Config::quiet(100_000));
    let mut batch = Batch::default();
    traffic.fill(&mut batch, traffic.calls());
    traffic.fill(&mut batch, events);
    let address = |bytes: &[u8]| decode(bytes).unwrap().ip;
    let addresses: Vec<IpAddr> = batch.records().filter_map(|record| address(record.value)).collect();
    let known = addresses.iter().filter(|address| locate.locate(**address).place.is_ok()).count();
    assert_eq!(known, addresses.len(), "every address of the traffic is in the table");
    let pass = || {
        let all = || {
            for address in &addresses {
                black_box(locate.locate(*address));
            }
        };
        timed(all).1
    };
    let best = (0..passes).map(|_| ns_each(pass(), addresses.len())).fold(f64::INFINITY, f64::min);
    let per_event = best * addresses.len() as f64 / batch.len() as f64;
    println!("{best:.1} ns a lookup, {per_event:.1} ns an event, {} addresses, best of {passes}", addresses.len());
}
