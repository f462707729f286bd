//! What a user costs to remember: asleep, over a working day's mixture, and awake; by the allocator's count of bytes
//! asked for and by what the system says is resident.
//!
//! `cargo bench -p frostwatch-benches --bench memory -- [--quick] [--users N] [--first-four]`
#![allow(clippy::print_stdout, reason = "a bench prints")]

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::measure::resident_bytes;
use frostwatch_benches::traffic::{Batch, Config, Traffic};
use frostwatch_benches::{allocations, engine};
use frostwatch_runtime::pipeline::Task;

const BATCH: usize = 4_096;
/// Events of a user in a day, as in the traffic.
const EVENTS_PER_DAY: usize = 63;

struct Run {
    traffic: Traffic,
    task: Task,
    batch: Batch,
    live: i64,
    resident: i64,
    delivered: usize,
}

fn main() {
    let arguments = Arguments::of_process();
    let users = arguments.number("--users", 20_000, 1_000_000);
    println!("{users} users | awake | bytes a user asked for | resident bytes a user, of these free in the allocator");
    let task = if arguments.has("--first-four") { engine::task_of_first_four() } else { engine::task_of_all() };
    let mut run = Run::new(users, task);
    // The few events beyond the calls move the clock on, so that the last callers go to sleep too: at each event up to
    // eight are put to sleep.
    run.deliver(run.traffic.calls() + 200 + users as usize / 50);
    run.report("asleep, after two events from two networks");
    run.deliver(users as usize * EVENTS_PER_DAY * 2 / 24);
    run.report("two hours of a working day later");
    run.deliver(users as usize * EVENTS_PER_DAY * 2 / 24);
    run.report("four hours of a working day later");
}

impl Run {
    fn new(users: u32, task: Task) -> Self {
        let config = Config { held_back_percent: 19.0, full: true, ..Config::quiet(users) };
        let (mut traffic, mut batch) = (Traffic::new(config), Batch::default());
        // The buffers take their size before anything is counted.
        Traffic::new(Config::quiet(1_000)).fill(&mut batch, BATCH);
        traffic.fill(&mut batch, 0);
        allocations::count();
        allocations::rest();
        Self { traffic, task, batch, live: allocations::live_bytes(), resident: resident_bytes(), delivered: 0 }
    }

    fn deliver(&mut self, events: usize) {
        let end = self.delivered + events;
        let mut out = Vec::new();
        while self.delivered < end {
            self.traffic.fill(&mut self.batch, BATCH.min(end - self.delivered));
            self.delivered += self.batch.len();
            allocations::count();
            for record in self.batch.records() {
                self.task.record(&record, &mut out);
            }
            out.clear();
            allocations::rest();
        }
    }

    fn report(&self, when: &str) {
        let keys = self.task.keys();
        let each = |bytes: i64| bytes as f64 / keys.len() as f64;
        let (live, held) = (allocations::live_bytes() - self.live, resident_bytes());
        // What keys that were awake have left, and keys that wake up will use again.
        allocations::give_back();
        let resident = held - self.resident;
        println!(
            "{when}: {} users | {:.1} % | {:.0} | {:.0}, {:.0} | {} events",
            keys.len(),
            keys.active() as f64 * 100.0 / keys.len() as f64,
            each(live),
            each(resident),
            each(held - resident_bytes()),
            self.delivered,
        );
    }
}
