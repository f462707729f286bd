//! The pure core, bytes to alerts, on one core: against reading the same bytes into `serde_json::Value`, over numbers of
//! users, over shares of events out of order, and allocation by allocation.
//!
//! `cargo bench -p frostwatch-benches --bench core -- [--quick] [--events N] [--users-max N] [--culprits] [--only users|order] [--policies N] [--first-four]`
//!
//! With policies it compares an event under so many of one's own that never fit with one under none, in turn; with
//! `--first-four` one under the first four rules alone with one under all that ship and a list of addresses, and one under the
//! templates too, over records that have what all of them read: devices, files, profiles, listed addresses.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and stops at the first surprise")]

use std::hint::black_box;
use std::time::Duration;

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::{Batch, Config, Traffic};
use frostwatch_benches::{allocations, engine};
use frostwatch_runtime::pipeline::Task;
use frostwatch_runtime::ports::{InputRecord, OutputRecord};

/// Records made at a time; making them is not timed.
const BATCH: usize = 4_096;
/// Minutes of the day that pass before anything is measured: idle keys are packed after 75 minutes, held back events
/// come for 50.
const WARM_MINUTES: usize = 90;
/// Events of a user in a day: three sessions of a sign-in and twenty deeds.
const EVENTS_PER_DAY: usize = 63;
/// Of every so many batches one is also read into `Value`.
const VALUE_EVERY: usize = 4;
/// Shares of events held back, in percent, that give about 5, 17, 20 and 50 % out of order.
const HELD_BACK: [f64; 5] = [0.0, 5.5, 19.0, 22.5, 56.0];

/// Turns that runs are measured in when they are compared.
const ROUNDS: usize = 9;

struct Run {
    traffic: Traffic,
    task: Task,
    batch: Batch,
    out: Vec<OutputRecord>,
}

#[derive(Default)]
struct Times {
    events: usize,
    core: Duration,
    /// Events also read into `Value`, and how long the core and that took over them.
    compared: usize,
    compared_core: Duration,
    value: Duration,
    steps: u64,
    alerts: u64,
}

fn main() {
    let arguments = Arguments::of_process();
    let events = arguments.number("--events", 100_000, 2_000_000);
    let users_max = arguments.number("--users-max", 20_000, 1_000_000);
    let culprits = arguments.has("--culprits");
    let policies = arguments.number("--policies", 0, 0);
    if policies > 0 {
        return compare_policies(policies, events, users_max.min(20_000));
    }
    if arguments.has("--first-four") {
        return compare_first_four(events, users_max.min(20_000));
    }
    println!("held back | out of order | users | bytes | events/s | CPU s per million | ÷ Value | steps | alerts");
    if !arguments.has("--only-order") {
        for users in [1_000, 100_000, 1_000_000].into_iter().filter(|users| *users <= users_max.max(1_000)) {
            let config = polled(users);
            Run::new(config).report(config, events);
        }
    }
    if arguments.has("--only-users") {
        return;
    }
    let mut in_order = None;
    for held_back_percent in HELD_BACK {
        let config = Config { held_back_percent, ..Config::quiet(users_max.min(100_000)) };
        let mut run = Run::new(config);
        let cost = run.report(config, events / 2);
        println!("  cost of an event ÷ in order: {:.2}", cost / *in_order.get_or_insert(cost));
        run.count_allocations(events / 8, culprits);
    }
}

/// What policies that never fit cost an event.
fn compare_policies(policies: usize, events: usize, users: u32) {
    let tasks = [engine::task(), engine::task_of_policies(policies, true), engine::task_of_policies(policies, false)];
    let [none, by_action, each] = compared(tasks, polled(users), events);
    println!(
        "ns an event, median of {ROUNDS}: {none:.0}; with {policies} policies that ask after a deletion {by_action:.0} \
         ({:.3} times), with {policies} that ask every record {each:.0} ({:.3} times)",
        by_action / none,
        each / none,
    );
}

/// What all rules cost an event beside the first four.
fn compare_first_four(events: usize, users: u32) {
    let config = Config { full: true, ..polled(users) };
    let [four, all, templates] = compared(engine::first_four_all_and_templates(), config, events);
    println!(
        "ns an event, median of {ROUNDS}: {four:.0} with the first four rules, {all:.0} with all ({:.3} times), {templates:.0} with \
         the templates switched on too ({:.3} times)",
        all / four,
        templates / four,
    );
}

/// What polled sources give: 17 % out of order, 1 % alerts.
const fn polled(users: u32) -> Config {
    Config { held_back_percent: 19.0, exports_permille: 10, ..Config::quiet(users) }
}

/// Nanoseconds an event takes each task, the median over turns.
fn compared<const N: usize>(tasks: [Task; N], config: Config, events: usize) -> [f64; N] {
    let mut runs = tasks.map(|task| Run::of(config, task));
    let mut all: [Vec<f64>; N] = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (run, each) in runs.iter_mut().zip(&mut all) {
            let times = run.measure(events / ROUNDS, usize::MAX);
            each.push(ns_each(times.core, times.events));
        }
    }
    all.map(|mut each| {
        each.sort_by(f64::total_cmp);
        each[ROUNDS / 2]
    })
}

impl Run {
    fn new(config: Config) -> Self {
        Self::of(config, engine::task())
    }

    fn of(config: Config, task: Task) -> Self {
        let mut run = Self { traffic: Traffic::new(config), task, batch: Batch::default(), out: Vec::new() };
        let warm = config.users as usize * EVENTS_PER_DAY * WARM_MINUTES / (24 * 60);
        run.measure(run.traffic.calls() + warm.max(20_000), usize::MAX);
        run.traffic.out_of_order_share();
        run
    }

    /// Prints a line and gives the cost of an event as a share of reading it into `Value`.
    fn report(&mut self, config: Config, events: usize) -> f64 {
        let times = self.measure(events, VALUE_EVERY);
        let value_ns = ns_each(times.value, times.compared);
        let compared_ns = ns_each(times.compared_core, times.compared);
        println!(
            "{:>6.1} % | {:>5.1} % | {:>8} | {} | {:>8.0} | {:.2} | {:.2} (Value {value_ns:.0} ns) | {:.2} | {:.2} %",
            config.held_back_percent,
            self.traffic.out_of_order_share() * 100.0,
            config.users,
            self.batch.value_bytes_mean(),
            times.events as f64 / times.core.as_secs_f64(),
            ns_each(times.core, times.events) / 1_000.0,
            value_ns / compared_ns,
            times.steps as f64 / times.events as f64,
            times.alerts as f64 * 100.0 / times.events as f64,
        );
        assert!(self.task.counters().is_conserved(), "records were lost");
        assert_eq!(self.task.counters().rejected, 0, "made traffic must be readable");
        assert_eq!(self.task.counters().late, 0, "nothing is held back for longer than the lateness");
        ns_each(times.core, times.events) / value_ns
    }

    fn measure(&mut self, events: usize, value_every: usize) -> Times {
        let (steps, alerts) = (self.task.keys().scratch().steps, self.task.counters().opened);
        let mut times = Times::default();
        let mut batches = 0;
        while times.events < events {
            self.traffic.fill(&mut self.batch, BATCH.min(events - times.events));
            let ((), core) = timed(|| feed(&mut self.task, &self.batch, &mut self.out));
            times.events += self.batch.len();
            times.core += core;
            batches += 1;
            if value_every != usize::MAX && batches % value_every == 0 {
                times.compared += self.batch.len();
                times.compared_core += core;
                times.value += timed(|| read_into_values(&self.batch)).1;
            }
        }
        times.steps = self.task.keys().scratch().steps - steps;
        times.alerts = self.task.counters().opened - alerts;
        times
    }

    /// Counts allocations by what happened at the event: nothing but scoring, or a key waking up or going to sleep.
    fn count_allocations(&mut self, events: usize, culprits: bool) {
        let (mut plain, mut plain_calls, mut clean, mut turning, mut turning_calls) = (0_u64, 0, 0_u64, 0_u64, 0);
        for _ in 0..events.div_ceil(BATCH) {
            self.traffic.fill(&mut self.batch, BATCH);
            for record in self.batch.records() {
                let (before, keys) = (self.task.keys().counters(), self.task.keys().len());
                let calls = allocations::calls();
                allocations::count();
                self.task.record(&record, &mut self.out);
                allocations::rest();
                let made = allocations::calls() - calls;
                if self.task.keys().counters() == before && self.task.keys().len() == keys && self.out.is_empty() {
                    (plain, plain_calls, clean) = (plain + 1, plain_calls + made, clean + u64::from(made == 0));
                } else {
                    (turning, turning_calls) = (turning + 1, turning_calls + made);
                }
                self.out.clear();
            }
        }
        println!(
            "  allocations: {:.3} an event without alert ({:.1} % of events make none); {:.1} at the {:.1} % of events \
             at which a key is packed or unpacked",
            plain_calls as f64 / plain as f64,
            clean as f64 * 100.0 / plain as f64,
            turning_calls as f64 / turning.max(1) as f64,
            turning as f64 * 100.0 / (plain + turning) as f64,
        );
        if culprits {
            self.name_culprits();
        }
    }

    /// Says where the allocations of some events come from.
    fn name_culprits(&mut self) {
        self.traffic.fill(&mut self.batch, BATCH / 2);
        allocations::count();
        for record in self.batch.records() {
            allocations::trapped(|| self.task.record(&record, &mut self.out));
        }
        allocations::rest();
        self.out.clear();
        for (chain, times) in allocations::culprits().iter().take(25) {
            println!("    {times:>6} in {} events: {chain}", self.batch.len());
        }
    }
}

/// As a worker does: the records of a batch, which it has at once.
fn feed(task: &mut Task, batch: &Batch, out: &mut Vec<OutputRecord>) {
    let records: Vec<InputRecord<'_>> = batch.records().collect();
    task.records(&records, out);
    black_box(&mut *out).clear();
}

fn read_into_values(batch: &Batch) {
    for record in batch.records() {
        black_box(serde_json::from_slice::<serde_json::Value>(record.value).unwrap());
    }
}
