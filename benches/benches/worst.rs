//! One key, a million events in the worst orders: within each hour at random, and each hour backwards. An hour holds as
//! many events as a lane can.
//!
//! `cargo bench -p frostwatch-benches --bench worst -- [--quick] [--events N]`
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::time::Duration;

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::{Hour, Hours};
use frostwatch_benches::{allocations, engine};

fn main() {
    let arguments = Arguments::of_process();
    let events = arguments.number("--events", 20_000, 1_000_000);
    println!("order | events | CPU s | µs an event | dearest hour, µs an event | steps an event | peak MiB | verdicts");
    let mut in_order = None;
    for order in [Hour::InOrder, Hour::AtRandom, Hour::Backwards] {
        let cost = run(order, events);
        println!("  ÷ in order: {:.1}", cost / *in_order.get_or_insert(cost));
    }
}

fn run(order: Hour, events: usize) -> f64 {
    let mut hours = Hours::new(order, 1);
    let (mut task, mut out) = (engine::task(), Vec::new());
    let (mut time, mut dearest, mut done) = (Duration::ZERO, 0.0_f64, 0);
    let live = allocations::live_bytes();
    allocations::reset_peak();
    while done < events {
        let batch = hours.next_hour(events - done);
        // Counting bytes costs a little; against what a step costs it is nothing.
        allocations::count();
        let ((), hour) = timed(|| batch.records().for_each(|record| task.record(&record, &mut out)));
        out.clear();
        allocations::rest();
        done += batch.len();
        time += hour;
        dearest = dearest.max(ns_each(hour, batch.len()));
    }
    let counters = task.counters();
    println!(
        "{order:?} | {done} | {:.1} | {:.2} | {:.2} | {:.1} | {:.1} | scored {}, over cap {}, late {}, settled early {}",
        time.as_secs_f64(),
        ns_each(time, done) / 1_000.0,
        dearest / 1_000.0,
        task.keys().scratch().steps as f64 / done as f64,
        (allocations::peak_bytes() - live) as f64 / f64::from(1 << 20),
        counters.scored,
        counters.over_cap,
        counters.late,
        task.keys().scratch().settled_early,
    );
    ns_each(time, done)
}
