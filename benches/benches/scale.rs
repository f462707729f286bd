//! What an event costs with a hundred rules in place of those that ship, and how much more two shards do than one.
//!
//! `cargo bench -p frostwatch-benches --bench scale -- [--quick] [--events N] [--users N]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the clock and stops at the first surprise"
)]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::engine;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::{Batch, Config, Traffic};
use frostwatch_runtime::pipeline::Task;
use frostwatch_runtime::ports::InputRecord;

/// Records made at a time.
const BATCH: usize = 4_096;
/// Minutes of the day that pass before anything is measured, as in the bench of the core.
const WARM_MINUTES: usize = 90;
/// Events of a user in a day, as in the traffic.
const EVENTS_PER_DAY: usize = 63;
/// Rules of the larger set, and how many of them take the users of the traffic.
const RULES: (usize, usize) = (100, 10);
/// The sets take turns this often: what else the machine does falls on both.
const TURNS: usize = 10;

struct Run {
    traffic: Traffic,
    task: Task,
    batch: Batch,
    time: Duration,
    done: usize,
}

/// What one of several shards took for its events.
struct Shard {
    cpu: Duration,
    wall: Duration,
}

fn main() {
    let arguments = Arguments::of_process();
    let (users, events) = (arguments.number("--users", 5_000, 100_000), arguments.number("--events", 40_000, 600_000));
    println!("rules | of them for these users | users | ns of CPU an event");
    let mut runs = [(engine::shipped_rules(), None), (RULES.0, Some(RULES.1))].map(|(rules, matching)| {
        let task = matching.map_or_else(engine::task, |matching| engine::task_of_rules(rules, matching));
        (rules, matching.unwrap_or(rules), Run::new(users, 1, task))
    });
    for _ in 0..TURNS {
        runs.iter_mut().for_each(|(_, _, run)| run.measure(events / TURNS));
    }
    let costs = runs.map(|(rules, matching, run)| {
        let cost = ns_each(run.time, run.done);
        println!("{rules} | {matching} | {users} | {cost:.0}");
        cost
    });
    println!("  P11 {} rules ({} match) ÷ those that ship: {:.2}", RULES.0, RULES.1, costs[1] / costs[0]);
    println!("shards | users in all | events/s in all | ns of CPU an event");
    let rates = [1, 2].map(|shards| of_shards(shards, users, events));
    println!(
        "  P13 two shards ÷ one: {:.2} by the clock, {:.2} by CPU",
        rates[1].0 / rates[0].0,
        2.0 * rates[0].1 / rates[1].1
    );
}

/// Events a second by the clock and nanoseconds of CPU an event, where so many shards have the users between them.
fn of_shards(shards: u32, users: u32, events: usize) -> (f64, f64) {
    let (begin, each) = (Barrier::new(shards as usize), events / shards as usize);
    let taken: Vec<Shard> = thread::scope(|scope| {
        let begin = &begin;
        let run = move |seed| shard(Run::new(users / shards, u64::from(seed), engine::task()), each, begin);
        let threads: Vec<_> = (0..shards).map(|seed| scope.spawn(move || run(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let wall = taken.iter().map(|shard| shard.wall).max().unwrap_or_default();
    let rate = (each * shards as usize) as f64 / wall.as_secs_f64();
    let cost = ns_each(taken.iter().map(|shard| shard.cpu).sum(), each * shards as usize);
    println!("{shards} | {users} | {rate:.0} | {cost:.0}");
    (rate, cost)
}

/// Takes events that were made before, once all shards have theirs.
fn shard(mut run: Run, events: usize, begin: &Barrier) -> Shard {
    let mut batches = Vec::new();
    for _ in 0..events.div_ceil(BATCH) {
        let mut batch = Batch::default();
        run.traffic.fill(&mut batch, BATCH);
        batches.push(batch);
    }
    begin.wait();
    let begun = Instant::now();
    let ((), cpu) = timed(|| batches.iter().for_each(|batch| feed(&mut run.task, batch)));
    Shard { cpu, wall: begun.elapsed() }
}

impl Run {
    fn new(users: u32, seed: u64, task: Task) -> Self {
        let config = Config { seed, held_back_percent: 19.0, exports_permille: 10, ..Config::quiet(users) };
        let mut run =
            Self { traffic: Traffic::new(config), task, batch: Batch::default(), time: Duration::ZERO, done: 0 };
        let warm = users as usize * EVENTS_PER_DAY * WARM_MINUTES / (24 * 60);
        run.measure(run.traffic.calls() + warm.max(20_000));
        (run.time, run.done) = (Duration::ZERO, 0);
        run
    }

    fn measure(&mut self, events: usize) {
        for _ in 0..events.div_ceil(BATCH) {
            self.traffic.fill(&mut self.batch, BATCH);
            let ((), core) = timed(|| feed(&mut self.task, &self.batch));
            self.time += core;
            self.done += BATCH;
        }
    }
}

/// As a worker does: the records of a batch, which it has at once.
fn feed(task: &mut Task, batch: &Batch) {
    let records: Vec<InputRecord<'_>> = batch.records().collect();
    let mut out = Vec::new();
    task.records(&records, &mut out);
    black_box(&mut out).clear();
}
