//! The engine on a real broker, in one run: what an event costs, how soon an alert is seen, how long state takes to
//! come back, and what the broker sees of it all. The program runs as a process beside this one, and its time is the
//! process's alone; broker and bench share the machine with it, so rates are told as ratios.
//!
//! `cargo bench -p frostwatch-benches --bench broker -- [--quick] [--only throughput,latency,seen,restore,takeover]
//! [--users N,…] [--events N] [--warm-minutes N] [--tail-records N] [--partitions N] [--seconds N] [--rate N] [--swift-rate N] [--linger N] [--restore-users N,…] [--copies N] [--kills N]
//! [--binary FILE]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints, reads the clock and stops at the first surprise"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use frostwatch_benches::arguments::Arguments;
use frostwatch_benches::measure::Process;
use frostwatch_benches::rig::{
    Bare, Deployment, Engine, Latency, Mode, Prepared, Rig, Stamps, Written, bare, wait_for, written,
};
use frostwatch_benches::traffic::{Config, Traffic};

/// Minutes of the day that pass before anything is measured, as in the bench of the core.
const WARM_MINUTES: usize = 90;
/// Events of a user in a day, as in the traffic.
const EVENTS_PER_DAY: usize = 63;
/// Records behind those that are measured, so that what is fetched ahead is like what was.
const MARGIN: usize = 100_000;
/// Users where their number does not matter.
const USERS_FEW: u32 = 20_000;
/// Records a second of half a load where throughput was not measured.
const RATE_UNMEASURED: f64 = 30_000.0;
/// Records a second in the mode of low latency, at most.
const SWIFT_RATE: f64 = 10_000.0;
/// What of a latency run is not counted: the first commits find cold caches.
const SETTLE: Duration = Duration::from_secs(2);
/// Shortest wait for members of a group that went silent that the rows are told for.
const SESSION_TIMEOUT_MS: u64 = 6_000;

fn main() {
    let arguments = Arguments::of_process();
    let binary = arguments.list("--binary").and_then(|words| words.first().map(PathBuf::from));
    let Some(rig) = Rig::start(binary) else { return };
    let bench = Bench { rig: &rig, arguments: &arguments };
    let mut loaded = None;
    if bench.wants("throughput") || bench.wants("takeover") {
        loaded = bench.throughput();
    }
    let rate = arguments.number("--rate", 0.0, 0.0);
    let measured = loaded.as_ref().map_or(RATE_UNMEASURED, |loaded| loaded.rate / 2.0);
    let rate = if rate > 0.0 { rate } else { measured };
    if bench.wants("takeover")
        && let Some(loaded) = &mut loaded
    {
        bench.takeover(loaded, rate);
    }
    drop(loaded);
    if bench.wants("latency") {
        bench.latency(rate);
    }
    if bench.wants("seen") {
        bench.seen(rate);
    }
    if bench.wants("restore") {
        bench.restore();
    }
}

struct Bench<'a> {
    rig: &'a Rig,
    arguments: &'a Arguments,
}

/// Topics with the most users, and where their traffic stands.
struct Loaded<'a> {
    deployment: Deployment<'a>,
    traffic: Traffic,
    mode: Mode,
    users: u32,
    /// Records a second of a process that has all of the broker.
    rate: f64,
}

/// What happened between two looks at a process.
#[derive(Clone, Copy, Debug)]
struct Window {
    events: u64,
    alerts: u64,
    wall: Duration,
    cpu: Duration,
    broker: Duration,
}

impl Window {
    fn rate(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }

    fn broker_per_million(&self) -> f64 {
        self.broker.as_secs_f64() * 1e6 / self.events as f64
    }
}

/// A process and its broker at one time.
struct Look {
    at: Instant,
    process: Process,
    broker: Process,
    events: u64,
    alerts: u64,
}

impl Look {
    fn until(&self, end: &Self) -> Window {
        Window {
            events: end.events - self.events,
            alerts: end.alerts - self.alerts,
            wall: end.at - self.at,
            cpu: end.process.cpu.saturating_sub(self.process.cpu),
            broker: end.broker.cpu.saturating_sub(self.broker.cpu),
        }
    }
}

impl<'a> Bench<'a> {
    fn wants(&self, section: &str) -> bool {
        self.arguments.list("--only").is_none_or(|only| only.contains(&section))
    }

    fn partitions(&self) -> i32 {
        self.arguments.number("--partitions", 1, 1)
    }

    /// What ships, but for the producer's linger where another one is asked for.
    fn ships(&self) -> Mode {
        let linger_ms = Mode::default().linger_ms;
        Mode { linger_ms: self.arguments.number("--linger", linger_ms, linger_ms), ..Mode::default() }
    }

    fn look(&self, engine: &Engine, events: u64) -> Look {
        let (process, broker) = (engine.process(), self.rig.broker());
        Look { at: Instant::now(), process, broker, events, alerts: engine.outputs("alerts") }
    }

    /// P1, P2, P4, P10 and the bytes of state.
    fn throughput(&self) -> Option<Loaded<'a>> {
        println!("\nusers | reader | events/s | CPU s per million | broker's | ÷ bare, rate | alerts");
        let mut loaded: Option<Loaded<'a>> = None;
        let mut few = None;
        let mut all = self.arguments.numbers("--users", &[USERS_FEW], &[10_000, USERS_FEW, 1_000_000]);
        all.sort_unstable();
        for users in all {
            let (next, exactly_once) = self.throughput_of(users);
            let few = *few.get_or_insert((users, exactly_once.cpu_per_million()));
            println!(
                "  P10 cost of an event, {users} ÷ {} users: {:.2} (CPU)",
                few.0,
                exactly_once.cpu_per_million() / few.1
            );
            loaded = Some(next);
        }
        loaded
    }

    fn throughput_of(&self, users: u32) -> (Loaded<'a>, Window) {
        let events = self.arguments.number("--events", 200_000, 1_000_000);
        let config = Config { held_back_percent: 19.0, exports_permille: 10, ..Config::quiet(users) };
        let mut traffic = Traffic::new(config);
        let partitions = self.partitions();
        let minutes = self.arguments.number("--warm-minutes", WARM_MINUTES, WARM_MINUTES);
        let warm = traffic.calls() + (users as usize * EVENTS_PER_DAY * minutes / (24 * 60)).max(MARGIN);
        let deployment = self.rig.deploy(&format!("load-{users}"), partitions, Stamps::Source);
        deployment.publish(&mut traffic, warm);
        traffic.out_of_order_share();
        deployment.publish(&mut traffic, events + MARGIN);
        let out_of_order = traffic.out_of_order_share() * 100.0;
        let bare = bare(&deployment, (warm / partitions as usize) as i64, events as u64);
        report_bare(users, &bare);
        // As it ships, but for runs that are shorter than its tail: state is written while it is measured.
        let tail_records =
            (warm / partitions as usize).min(self.arguments.number("--tail-records", 1_000_000, 1_000_000));
        let mode = Mode { tail_records, session_timeout_ms: SESSION_TIMEOUT_MS, ..self.ships() };
        let exactly_once = self.drain(&deployment, "exactly-once", users, &mode, warm, events);
        report(users, "exactly once", &exactly_once, &bare);
        let at_least_once = self.drain(&deployment, "at-least-once", users, &mode.at_least_once(), warm, events);
        report(users, "at least once", &at_least_once, &bare);
        println!(
            "  {users} users: P1 {:.2} s; P2 {:.2}; P4 exactly once ÷ at least once {:.2} (rate), {:.2} (CPU); bytes {}, \
             out of order {out_of_order:.1} %, tail {tail_records}",
            exactly_once.cpu_per_million(),
            exactly_once.rate() / (bare.events as f64 / bare.wall.as_secs_f64()),
            exactly_once.rate() / at_least_once.rate(),
            at_least_once.cpu_per_million() / exactly_once.cpu_per_million(),
            bare.bytes / bare.events.max(1),
        );
        report_state(&written(&deployment, &format!("exactly-once-{users}")), (warm + events + MARGIN) as u64);
        (Loaded { deployment, traffic, mode, users, rate: exactly_once.rate() }, exactly_once)
    }

    /// Lets a group read all there is, and measures the last part of it.
    fn drain(&self, on: &Deployment<'_>, group: &str, users: u32, mode: &Mode, warm: usize, events: usize) -> Window {
        let mut engine = on.run(&format!("{group}-{users}"), mode);
        let begun = engine.wait_consumed(warm as u64);
        let begun = self.look(&engine, begun);
        let ended = engine.wait_consumed((warm + events) as u64);
        let ended = self.look(&engine, ended);
        engine.wait_consumed((warm + events + MARGIN) as u64);
        engine.stop();
        begun.until(&ended)
    }

    /// P5 and P6.
    fn latency(&self, rate: f64) {
        println!("\nlatency | events/s | alerts | p50 | p99 | max, ms from the broker's stamp to a committed reader");
        let ships = self.ships();
        self.latency_of("exactly once, commit every 100 ms (P5)", "steady", &ships, rate);
        let quick = Mode { batch_ms: 1, linger_ms: 0, ..ships.at_least_once() };
        // A batch of a millisecond holds what a core scores in it, so it is no mode for load.
        let rate = rate.min(self.arguments.number("--swift-rate", SWIFT_RATE, SWIFT_RATE));
        self.latency_of("at least once, batch 1 ms, no linger (P6)", "swift", &quick, rate);
    }

    fn latency_of(&self, what: &str, name: &str, mode: &Mode, rate: f64) {
        let seconds = self.arguments.number("--seconds", 5, 20);
        let (deployment, mut traffic) = self.steady(name, self.partitions());
        let mut engine = deployment.run(name, mode);
        let before = engine.wait_consumed(traffic.calls() as u64 + MARGIN as u64);
        let alerts = deployment.watch();
        let (begun, first) = (Instant::now(), self.look(&engine, before));
        let run = SETTLE + Duration::from_secs(seconds);
        let sent = deployment.publish_paced(&mut traffic, rate, |elapsed| elapsed < run);
        let last = engine.count("consumed");
        let window = first.until(&self.look(&engine, last));
        let behind = (before + sent as u64).saturating_sub(last);
        engine.wait_consumed(before + sent as u64);
        let latency = Latency::of(&alerts.stop(), begun + SETTLE);
        println!(
            "{what} | {rate:.0} | {} | {} | {} | {} | {:.2} CPU s per million, broker's {:.2}; {behind} events behind at the end",
            latency.alerts,
            latency.p50,
            latency.p99,
            latency.max,
            window.cpu_per_million(),
            window.broker_per_million(),
        );
        engine.stop();
    }

    /// Topics with few users, past their first calls, stamped by the broker.
    fn steady(&self, name: &str, partitions: i32) -> (Deployment<'a>, Traffic) {
        let config = Config { held_back_percent: 19.0, exports_permille: 10, ..Config::quiet(USERS_FEW) };
        let mut traffic = Traffic::new(config);
        let deployment = self.rig.deploy(name, partitions, Stamps::Broker);
        deployment.publish(&mut traffic, USERS_FEW as usize * 2 + MARGIN);
        (deployment, traffic)
    }

    /// What a broker sees of a process.
    fn seen(&self, rate: f64) {
        const PARTITIONS: i32 = 6;
        println!("\nworkers | connections | threads | transactions/s | marks/s | records/s written");
        let seconds = self.arguments.number("--seconds", 5, 20);
        for workers in [1, 2] {
            let name = format!("seen-{workers}");
            let (deployment, mut traffic) = self.steady(&name, PARTITIONS);
            // A short tail, so that state is written too.
            let mode = Mode { workers, tail_records: MARGIN / 10, ..self.ships() };
            let mut engine = deployment.run(&name, &mode);
            let before = engine.wait_consumed(traffic.calls() as u64 + MARGIN as u64);
            let topics = topics_written(&deployment, &name);
            let from: Vec<Vec<i64>> = topics.iter().map(|topic| deployment.ends(topic)).collect();
            let commits = engine.count("commit");
            let begun = Instant::now();
            let sent = deployment.publish_paced(&mut traffic, rate, |elapsed| elapsed < Duration::from_secs(seconds));
            let (connections, threads) = (engine.connections(), engine.process().threads);
            engine.wait_consumed(before + sent as u64);
            let (secs, commits) = (begun.elapsed().as_secs_f64(), engine.count("commit") - commits);
            engine.stop();
            let (mut offsets, mut records) = (0, 0);
            for (topic, from) in topics.iter().zip(&from) {
                offsets += deployment.ends(topic).iter().sum::<i64>() - from.iter().sum::<i64>();
                records += deployment.records_since(topic, from);
            }
            println!(
                "{workers} | {connections} | {threads} | {:.1} | {:.1} in its topics, {:.1} in the group's offsets | {:.0}",
                commits as f64 / secs,
                (offsets as u64).saturating_sub(records) as f64 / secs,
                commits as f64 / secs,
                records as f64 / secs,
            );
        }
    }

    /// P8: from the start of a process until its partitions are live.
    fn restore(&self) {
        println!(
            "\nusers | awake | bytes a user | on disk | log of state | start → live | more than with an empty log | resident bytes a user"
        );
        let copies = self.arguments.number("--copies", 3, 3);
        let sizes = self.arguments.numbers("--restore-users", &[20_000], &[100_000, 1_000_000]);
        let mut empty = None;
        for users in sizes {
            for minutes in [0, WARM_MINUTES] {
                let prepared = Prepared::new(users, minutes);
                self.restore_of(&prepared, minutes, copies, &mut empty);
            }
        }
    }

    fn restore_of(&self, prepared: &Prepared, minutes: usize, copies: u32, empty: &mut Option<(Duration, i64)>) {
        let users = prepared.users;
        let name = format!("restore-{users}-{minutes}");
        let deployment = self.rig.deploy(&name, self.partitions(), Stamps::Broker);
        let mode = Mode::default();
        let (empty_took, empty_bytes) = *empty.get_or_insert_with(|| {
            // Twice, since the first start of all pays for cold caches.
            let start = |group: &str| {
                let mut engine = deployment.run(group, &mode);
                let took = engine.wait_live(deployment.partitions());
                (took, engine.process().resident_bytes)
            };
            start("restore-nothing").min(start("restore-nothing-again"))
        });
        prepared.write(&deployment, &name, copies);
        for what in ["as written", "compacted"] {
            if what == "compacted" {
                deployment.compact(&name, true);
                deployment.wait_compacted(&name);
            }
            let on_disk = deployment.state_on_disk(&name);
            let mut engine = deployment.run(&name, &mode);
            let took = engine.wait_live(deployment.partitions());
            // A partition is live before its first batch tells of its users.
            wait_for("all users are there", || (engine.users() == u64::from(users)).then_some(()));
            let bytes = engine.process().resident_bytes;
            engine.stop();
            println!(
                "{users} | {:.0} % | {} | {:.0} MB | {what}, {copies} times | {:.2} s | + {:.2} s | {}",
                prepared.awake_percent,
                prepared.bytes_mean,
                on_disk as f64 / 1e6,
                took.as_secs_f64(),
                took.as_secs_f64() - empty_took.as_secs_f64(),
                (bytes - empty_bytes) / i64::from(users),
            );
        }
    }

    /// P9: what a reader of alerts sees of a process that is killed.
    fn takeover(&self, loaded: &mut Loaded<'_>, rate: f64) {
        let Loaded { deployment, traffic, mode, users, .. } = loaded;
        let group = format!("exactly-once-{users}");
        println!(
            "\ntakeover, {users} users, {rate:.0} events/s, session timeout {SESSION_TIMEOUT_MS} ms | noticed | live | alerts seen again, s after the kill"
        );
        let mut owner = deployment.run(&group, mode);
        owner.wait_live(deployment.partitions());
        for _ in 0..self.arguments.number("--kills", 1, 2) {
            let mut heir = deployment.run(&group, mode);
            wait_for("the heir has joined", || {
                (owner.count("rebalance") > 0 && heir.count("rebalance") > 0).then_some(())
            });
            let alerts = deployment.watch();
            let mut watched = Takeover::default();
            let run = Duration::from_secs(self.arguments.number("--seconds", 5, 20));
            deployment.publish_paced(traffic, rate, |elapsed| watched.step(elapsed, run, &mut owner, &mut heir));
            let seen = alerts.stop();
            let killed = watched.killed.unwrap();
            // Nothing that the dead process sent comes so late.
            let again = seen.iter().map(|seen| seen.at).find(|at| *at > watched.noticed.unwrap_or(killed));
            let after = |at: Option<Instant>| at.map_or(f64::NAN, |at| (at - killed).as_secs_f64());
            let (noticed, live, again) = (after(watched.noticed), after(watched.live), after(again));
            println!("kill | {noticed:.2} | {live:.2} | {again:.2} | {:.2} s from noticing to alerts", again - noticed);
            owner = heir;
        }
        owner.stop();
    }
}

/// A kill and what follows, watched while records are published.
#[derive(Default)]
struct Takeover {
    killed: Option<Instant>,
    noticed: Option<Instant>,
    live: Option<Instant>,
}

impl Takeover {
    /// Kills the owner after `run` and looks at the heir; `false` some seconds after it is live.
    fn step(&mut self, elapsed: Duration, run: Duration, owner: &mut Engine, heir: &mut Engine) -> bool {
        const WATCHED: Duration = Duration::from_secs(2);
        let now = Instant::now();
        if elapsed < run {
            return true;
        }
        if self.killed.is_none() {
            owner.kill();
            self.killed = Some(Instant::now());
            return true;
        }
        if self.noticed.is_none() {
            let held: u64 = ["assigned", "restoring", "live"].iter().map(|phase| heir.partitions(phase)).sum();
            self.noticed = (held > 0).then(Instant::now);
        } else if self.live.is_none() {
            heir.check();
            self.live = (heir.partitions("live") > 0).then(Instant::now);
        }
        self.live.is_none_or(|live| now.saturating_duration_since(live) < WATCHED)
    }
}

/// Topics that a group writes.
fn topics_written(deployment: &Deployment<'_>, group: &str) -> Vec<String> {
    let settings = deployment.settings(group);
    let outputs = frostwatch_runtime::ports::Channel::ALL.map(|channel| settings.topics.channel(channel));
    outputs.into_iter().chain([settings.changelog()]).collect()
}

fn report_bare(users: u32, bare: &Bare) {
    let rate = bare.events as f64 / bare.wall.as_secs_f64();
    let cpu = bare.cpu.as_secs_f64() * 1e6 / bare.events as f64;
    println!("{users} | bare | {rate:.0} | {cpu:.2} | | 1 |");
}

fn report(users: u32, what: &str, window: &Window, bare: &Bare) {
    println!(
        "{users} | {what} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} %",
        window.rate(),
        window.cpu_per_million(),
        window.broker_per_million(),
        window.rate() / (bare.events as f64 / bare.wall.as_secs_f64()),
        window.alerts as f64 * 100.0 / window.events as f64,
    );
}

fn report_state(written: &Written, events: u64) {
    let mean = |(users, bytes): (u64, u64)| bytes / users.max(1);
    println!(
        "  log of state: {:.3} records an event of {} bytes; {} users asleep of {} bytes, {} awake of {} bytes; \
         {} records of progress of {} bytes",
        written.records as f64 / events as f64,
        mean((written.records, written.bytes)),
        written.asleep.0,
        mean(written.asleep),
        written.awake.0,
        mean(written.awake),
        written.progress,
        mean((written.progress, written.progress_bytes)),
    );
}
