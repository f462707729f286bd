//! Rough days on Apache Kafka: records out of order, twice and late, while processes come, go, are killed and stopped,
//! the broker restarts and connections break. What a reader of committed records sees is what a replay of the log says,
//! each record of it once.
//!
//! `FROSTWATCH_SOAK_RECORDS`, `_KILLS`, `_FREEZES`, `_RESTARTS`, `_WIRE`, `_EXPULSIONS` and `_SEED` make it longer and other;
//! `cargo xtask soak` sets them. Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required`
//! makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use frostwatch_detect::catalogue::STATE_FORMAT;
use frostwatch_detect::time::rfc3339;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_runtime::ports::Channel;
use frostwatch_testkit::broker::{Broker, Settings, proxied_port, unique_name};
use frostwatch_testkit::chance::Chance;
use frostwatch_testkit::proxy::Proxy;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::json;
use support::fleet::{EXPELLED_RECORDS, Fault, Fleet, PROCESSES_MAX};
use support::group::{Group, PARTITIONS};
use support::judge::{finals, recorded, repeats, revisions, same, values};
use support::log::{Log, Mixture};

mod support;

/// Records published at the very end, to a process that has seen nothing but its start.
const LAST_RECORDS: usize = 2_000;
/// How long the group may be at a standstill before a fault comes anyway.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the group may take to catch up when it is left in peace, and for each thousand records beside.
const CATCH_UP: Duration = Duration::from_mins(2);
const CATCH_UP_PER_THOUSAND: Duration = Duration::from_millis(500);

/// How long and how rough.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    records: u64,
    kills: u64,
    freezes: u64,
    restarts: u64,
    wire: u64,
    expulsions: u64,
}

impl Plan {
    fn of_environment() -> Self {
        let number = |name: &str, default| {
            let text = std::env::var(format!("FROSTWATCH_SOAK_{name}")).ok();
            text.filter(|text| !text.is_empty()).map_or(default, |text| text.parse().unwrap())
        };
        Self {
            seed: number("SEED", 1),
            records: number("RECORDS", 100_000),
            kills: number("KILLS", 5),
            freezes: number("FREEZES", 1),
            restarts: number("RESTARTS", 1),
            wire: number("WIRE", 6),
            expulsions: number("EXPULSIONS", 0),
        }
    }

    /// The faults in the order of chance.
    fn faults(&self, chance: &mut Chance) -> Vec<Fault> {
        let counts = [
            (Fault::Kill, self.kills),
            (Fault::Freeze, self.freezes),
            (Fault::Broker, self.restarts),
            (Fault::Wire, self.wire),
            (Fault::Expel, self.expulsions),
        ];
        let mut faults: Vec<Fault> =
            counts.into_iter().flat_map(|(fault, count)| (0..count).map(move |_| fault)).collect();
        for index in (1..faults.len()).rev() {
            faults.swap(index, chance.within(0..index as u64 + 1) as usize);
        }
        faults
    }

    fn catch_up(&self) -> Duration {
        CATCH_UP + CATCH_UP_PER_THOUSAND * (self.records / 1_000) as u32
    }
}

/// Processes wanted after this share of the faults: 1 → 2 → 4 → 1.
fn processes(done: usize, all: usize) -> usize {
    match done * 100 / all.max(1) {
        15..40 => 2,
        40..85 => PROCESSES_MAX,
        _ => 1,
    }
}

#[test]
fn alerts_are_those_of_a_replay_whatever_happens_to_processes_broker_and_wire() {
    let plan = Plan::of_environment();
    let proxy = Proxy::listen(plan.seed).unwrap();
    let settings = Settings { proxy_port: proxy.port(), ..Settings::default() };
    let Some(broker) = Broker::own(&settings).unwrap() else { return };
    proxy.forward_to(proxied_port(broker.port().unwrap()));
    let begun = Instant::now();
    let mut folder = tempfile::tempdir().unwrap();
    // Whoever looks for the cause of a failure needs the log and what the processes said.
    folder.disable_cleanup(true);
    let all = plan.records + 2 * EXPELLED_RECORDS * plan.expulsions + LAST_RECORDS as u64;
    let mut log = Log::simulate(folder.path(), plan.seed, all);
    let group = group_of(&broker, folder.path());
    let mut producer = group.producer();
    let mut fleet = Fleet::new(&group, &broker, &proxy, folder.path(), plan.seed);

    rough_days(&plan, &mut fleet, &group, &mut log, &mut producer);
    proxy.pass();
    fleet.resize(1);
    fleet.wait_for("all activity is consumed", plan.catch_up(), |_| group.is_consumed());
    let ran = begun.elapsed();
    every_record_is_counted_once(&plan, &mut fleet, &group, &mut log, &mut producer);
    fleet.wait_for("all transactions have ended", CATCH_UP, |_| group.is_settled());

    let verdict = judged(&group, folder.path(), log.mixture);
    summary(&plan, &fleet, log.mixture, &verdict, ran);
    folder.disable_cleanup(false);
}

fn group_of(broker: &Broker, folder: &Path) -> Group {
    let name = unique_name("chaos");
    // Stamps are those of the simulated days, or nothing would be late; the others are made as always.
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
    let activity = format!("{name}.activity.v1");
    let topic = NewTopic::new(&activity, PARTITIONS as i32, TopicReplication::Fixed(1))
        .set("message.timestamp.type", "CreateTime")
        .set("retention.ms", "7776000000");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let consumer = json!({ "session.timeout.ms": 3000, "heartbeat.interval.ms": 300, "socket.timeout.ms": 10000 });
    Group::create_with(folder, broker.bootstrap(), &name, &consumer)
}

fn rough_days(plan: &Plan, fleet: &mut Fleet<'_>, group: &Group, log: &mut Log, producer: &mut TopicProducer<'static>) {
    let mut chance = Chance::new(plan.seed ^ 0xc4a0);
    let faults = plan.faults(&mut chance);
    let share = plan.records / (faults.len() as u64 + 1);
    publish(log, producer, share);
    for (done, fault) in faults.iter().enumerate() {
        fleet.resize(processes(done, faults.len()));
        let before = group.committed().unwrap_or_default();
        publish(log, producer, share);
        // In the midst of the work, wherever that is.
        let until = before + chance.within(0..share.max(1));
        fleet.waited_for(PATIENCE, |_| group.committed().is_some_and(|committed| committed >= until));
        let (committed, published) = (group.committed(), log.mixture.records);
        say(&format!("{} {done}: {fault:?} at {committed:?} of {published}", time_of_day()));
        fleet.suffer(*fault, &mut |count| {
            publish(log, producer, count);
            producer.flush().unwrap();
        });
        producer.flush().unwrap();
        // Sometimes the next fault comes before the group has found itself again, sometimes after it caught up.
        if chance.one_in(3) {
            fleet.wait_for("the group catches up", plan.catch_up(), |_| group.is_consumed());
        }
    }
}

/// A process that has only restored what the others left counts each further record once, as what became of it.
fn every_record_is_counted_once(
    plan: &Plan,
    fleet: &mut Fleet<'_>,
    group: &Group,
    log: &mut Log,
    producer: &mut TopicProducer<'static>,
) {
    fleet.resize(0);
    let exits = fleet.tally.exits.clone();
    fleet.resize(1);
    fleet.wait_for("all partitions are live again", plan.catch_up(), |fleet| fleet.holds_all());
    publish(log, producer, LAST_RECORDS as u64);
    producer.flush().unwrap();
    fleet.wait_for("the last records are consumed", plan.catch_up(), |_| group.is_consumed());
    let counted = |outcome: &str| fleet.sum(&format!("frostwatch_records_total{{outcome=\"{outcome}\"}}"));
    let outcomes = ["scored", "duplicate", "late", "over_cap", "rejected"].map(counted);
    assert_eq!(outcomes.iter().sum::<u64>(), LAST_RECORDS as u64, "{outcomes:?}");
    assert_eq!(counted("received"), LAST_RECORDS as u64);
    fleet.resize(0);
    assert_eq!(fleet.tally.exits, exits, "left in peace, nobody ends by himself");
}

fn publish(log: &mut Log, producer: &mut TopicProducer<'static>, count: u64) {
    let mut published = 0;
    for record in log.by_ref().take(count as usize) {
        producer.send(record.key.as_bytes(), record.value.as_bytes(), Some(record.stamp)).unwrap();
        published += 1;
    }
    assert_eq!(published, count, "the simulated days are long enough");
}

/// What came out.
struct Verdict {
    alerts: usize,
    suppressions: usize,
    findings: usize,
    repeats: usize,
    late: usize,
    rejected: usize,
    policies: BTreeSet<String>,
}

fn judged(group: &Group, folder: &Path, mixture: Mixture) -> Verdict {
    let file = folder.join("activity.jsonl");
    group.frostwatch_into(&file, &["record", &group.activity()]);
    let replayed_file = folder.join("replayed.jsonl");
    let told = group.frostwatch_into(&replayed_file, &["replay", file.to_str().unwrap(), "--suppressed"]);
    let replayed = values(&std::fs::read(&replayed_file).unwrap());
    let [alerts, suppressions] = ["alerts", "suppressions"].map(|purpose| {
        let lines = group.record(purpose);
        std::fs::write(folder.join(format!("{purpose}.jsonl")), &lines).unwrap();
        recorded(&lines)
    });
    let all = [alerts.clone(), suppressions.clone()].concat();

    let repeated = repeats(&all);
    if let Some((first, times)) = repeated.first_key_value() {
        // Who committed what, and when.
        group.frostwatch_into(&folder.join("offsets.jsonl"), &["record", "__consumer_offsets"]);
        panic!(
            "{} of {} revisions came again, such as {first:?}, {times} times: {}",
            repeated.len(),
            all.len(),
            folder.display()
        );
    }
    same("canonical bodies", &finals(&all), &finals(&replayed));
    same("revisions", &revisions(&all), &revisions(&replayed));

    let [late, rejected] = [Channel::Late, Channel::Rejected].map(|channel| originals(group, channel));
    let count = |of: &str| counted(&told, of);
    assert_eq!(late as u64, count("late") + count("over the cap"), "{told}");
    assert_eq!(rejected as u64, count("rejected"), "{told}");
    assert_eq!(count("records"), mixture.records, "all that was published was recorded and replayed: {told}");
    let outcomes = ["scored", "duplicates", "late", "over the cap", "rejected"];
    assert_eq!(outcomes.into_iter().map(count).sum::<u64>(), mixture.records, "{told}");
    assert_eq!(rejected as u64, mixture.unreadable, "{told}");
    let policies: BTreeSet<String> = all.iter().map(|alert| alert["policy"].as_str().unwrap().to_owned()).collect();
    assert!(policies.len() >= 4, "every detector of the first format had something to find: {policies:?}");
    // A new process tells that it goes over to the present format, and a replay goes with it.
    let switched = std::fs::read_to_string(&file).unwrap().contains(&format!("\"state_format\":{STATE_FORMAT}"));
    assert!(switched, "no partition has gone over to the present format of state");
    let findings = finals(&all).len();
    let (alerts, suppressions) = (alerts.len(), suppressions.len());
    Verdict { alerts, suppressions, findings, repeats: repeated.len(), late, rejected, policies }
}

/// Originals on a topic, each of which came once.
fn originals(group: &Group, channel: Channel) -> usize {
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (headers, _) in group.read(channel) {
        let header = |name: &str| headers.get(&format!("__connect.errors.{name}")).cloned().unwrap();
        *places.entry((header("partition"), header("offset"))).or_default() += 1;
    }
    let again: Vec<_> = places.iter().filter(|(_, count)| **count > 1).collect();
    assert!(again.is_empty(), "{channel:?}: records came again: {again:?}");
    places.len()
}

/// A number of the summary of a replay: `… 12 late, …`.
fn counted(told: &str, of: &str) -> u64 {
    let line = told.lines().find(|line| line.contains(" scored, ")).unwrap();
    let part = line.split([':', ',', ';']).find_map(|part| part.trim().strip_suffix(&format!(" {of}")));
    part.unwrap_or_else(|| panic!("no '{of}' in {line}")).trim().parse().unwrap()
}

fn summary(plan: &Plan, fleet: &Fleet<'_>, mixture: Mixture, verdict: &Verdict, ran: Duration) {
    let out_of_order = mixture.out_of_order as f64 * 100.0 / mixture.records as f64;
    let exits: u64 = fleet.tally.exits.values().sum();
    let tally = &fleet.tally;
    let rows = [
        ("seed", plan.seed.to_string()),
        ("records", mixture.records.to_string()),
        ("out of order, %", format!("{out_of_order:.1}")),
        ("copies", mixture.copies.to_string()),
        ("late", verdict.late.to_string()),
        ("rejected", verdict.rejected.to_string()),
        ("attack bursts", mixture.bursts.to_string()),
        ("kills", tally.kills.to_string()),
        ("freezes", tally.freezes.to_string()),
        ("  woken in a commit", tally.woken_in_commit.to_string()),
        ("broker restarts", tally.broker_restarts.to_string()),
        ("wire faults", plan.wire.to_string()),
        ("expulsions", tally.expulsions.to_string()),
        ("connections broken", tally.connections_met.to_string()),
        ("processes ended by themselves", exits.to_string()),
        ("alert records", verdict.alerts.to_string()),
        ("suppression records", verdict.suppressions.to_string()),
        ("findings, final", verdict.findings.to_string()),
        ("detectors", verdict.policies.len().to_string()),
        ("revisions that came again", verdict.repeats.to_string()),
        ("seconds under faults", ran.as_secs().to_string()),
    ];
    say("");
    rows.iter().for_each(|(name, value)| say(&format!("{name:<32}{value:>12}")));
    tally.exits.iter().for_each(|(reason, count)| say(&format!("ended {count} times: {reason}")));
}

/// As the logs of the processes have it.
fn time_of_day() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    rfc3339(now.as_millis() as i64)
}

/// Past libtest's capture: a long run is looked at while it runs, and its figures are the result.
fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}
