//! What an event costs as the window of `mass_download` grows: one key, a download every 8.64 s in order, so that 86 s hold
//! ten of them, 5 min hold 35 and a day holds 10,000. The lane beneath holds the same events each time.
//!
//! `cargo bench -p frostwatch-benches --bench window -- [--quick] [--events N]`
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::time::Duration;

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::engine;
use frostwatch_benches::measure::{ns_each, timed};
use frostwatch_benches::traffic::Steady;
use frostwatch_detect::time::{DAY, Millis, SECOND};
use frostwatch_runtime::pipeline::Task;

/// Downloads that fill the longest window.
const FILL: usize = 10_000;
const PAUSE: Millis = DAY / FILL as Millis;
/// Ten downloads, five minutes, a day.
const WINDOWS_SECS: [i64; 3] = [86, 300, 86_400];
/// The windows take turns this often: what else the machine does falls on all.
const TURNS: usize = 10;

struct Run {
    window_secs: i64,
    task: Task,
    downloads: Steady,
    time: Duration,
    done: usize,
}

fn main() {
    let arguments = Arguments::of_process();
    let events = arguments.number("--events", 20_000, 400_000);
    println!("objects count once | window s | downloads in it | downloads | ns a download");
    for unique in [false, true] {
        let mut runs = WINDOWS_SECS.map(|window_secs| Run::new(window_secs, unique));
        for _ in 0..TURNS {
            runs.iter_mut().for_each(|run| run.measure(events / TURNS));
        }
        let [ten, five_minutes, day] = runs.map(|run| run.report(unique));
        println!("  24 h ÷ 5 min: {:.2}; 10,000 ÷ 10 in the window: {:.2}", day / five_minutes, day / ten);
    }
}

impl Run {
    fn new(window_secs: i64, unique: bool) -> Self {
        let task = engine::task_with(&[
            ("objects_max: 50", "objects_max: 100000"),
            ("rows_max: 50000", "rows_max: 0"),
            ("bytes_max: 268435456", "bytes_max: 0"),
            ("window_secs: 60", &format!("window_secs: {window_secs}")),
            ("unique_objects: false", &format!("unique_objects: {unique}")),
            ("quiet: 10m", "quiet: 24h"),
        ]);
        let downloads = Steady::new(PAUSE, 1);
        let mut run = Self { window_secs, task, downloads, time: Duration::ZERO, done: 0 };
        run.measure(FILL);
        (run.time, run.done) = (Duration::ZERO, 0);
        run
    }

    fn measure(&mut self, events: usize) {
        let (task, batch) = (&mut self.task, self.downloads.next(events));
        let mut out = Vec::new();
        let ((), time) = timed(|| batch.records().for_each(|record| task.record(&record, &mut out)));
        self.time += time;
        self.done += batch.len();
    }

    fn report(self, unique: bool) -> f64 {
        let Self { window_secs, task, time, done, .. } = self;
        let cost = ns_each(time, done);
        let within = (window_secs * SECOND - 1) / PAUSE + 1;
        println!("{unique} | {window_secs} | {within} | {done} | {cost:.0}");
        let counters = task.counters();
        assert_eq!((counters.opened, counters.late, counters.rejected), (0, 0, 0), "{counters:?}");
        cost
    }
}
