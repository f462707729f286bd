//! Bytes to an activity, against reading the same bytes into `serde_json::Value` and into nothing at all.
//!
//! `cargo bench -p frostwatch-benches --bench decode -- [--quick]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the first surprise")]

use std::hint::black_box;

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::{Batch, Config, Traffic};
use frostwatch_wire::activity::decode::decode;

fn main() {
    let arguments = Arguments::of_process();
    let events = arguments.number("--events", 20_000, 200_000);
    let passes = arguments.number("--passes", 3, 15);
    let mut traffic = Traffic::new(Config::quiet(1_000));
    let mut batch = Batch::default();
    traffic.fill(&mut batch, traffic.calls());
    traffic.fill(&mut batch, events);
    println!("{} records of {} bytes, best of {passes} passes", batch.len(), batch.value_bytes_mean());
    let ours = best(passes, &batch, |bytes| {
        black_box(decode(bytes).unwrap());
    });
    let value = best(passes, &batch, |bytes| {
        black_box(serde_json::from_slice::<serde_json::Value>(bytes).unwrap());
    });
    let skipped = best(passes, &batch, |bytes| {
        black_box(serde_json::from_slice::<&serde_json::value::RawValue>(bytes).unwrap());
    });
    println!(
        "decode {ours:.0} ns; Value {value:.0} ns ({:.2} of ours); passed over unread {skipped:.0} ns",
        value / ours
    );
}

/// The best of several passes: the machine's other work only ever adds.
fn best(passes: usize, batch: &Batch, read: impl Fn(&[u8])) -> f64 {
    let pass = || timed(|| batch.records().for_each(|record| read(record.value))).1;
    (0..passes).map(|_| ns_each(pass(), batch.len())).fold(f64::INFINITY, f64::min)
}
