//! A crash before a change of GeoIP files, rules or program, on Apache Kafka: the past that is run again aloud, and what a
//! reader of committed records is left with.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use frostwatch_detect::catalogue::SEMANTICS_VERSION;
use frostwatch_detect::place::Locate;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::time::{DAY, Lateness, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_geoip::NoGeo;
use frostwatch_kafka::settings::BatchSettings;
use frostwatch_kafka::{Counters, KafkaFault, KafkaSettings, Pulse, Shared, run_worker};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{self, CurrentRuling, Origin, Ruling, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, Tasks as _};
use frostwatch_testkit::broker::{Broker, unique_name};
use frostwatch_testkit::mmdb::{Meta, Value as Field, Writer, demo_files};
use serde_json::{Value, json};
use support::group::{Group, Membership, PARTITIONS, wait_for};
use support::judge::{finals, recorded, revisions, same, values};

mod support;

/// An address in Stockholm and one in Tokyo, by the demo's files.
const HOME: &str = "11.0.0.10";
const AWAY: &str = "11.40.192.10";

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as Millis
}

/// A sign-in as a record of activity: key and value.
fn sign_in(user: usize, at: Millis, outcome: &str, address: &str) -> (String, String) {
    let time = rfc3339(at);
    let value = json!({
        "schema": "activity.v1", "id": format!("{user}-{at}"), "time": time, "instance": "acme",
        "user": { "name": format!("user-{user}") }, "action": "login", "outcome": outcome,
        "client": { "ip": address, "ip_source": "direct" }, "source": { "producer": "test" },
    });
    (format!("acme|user-{user}"), value.to_string())
}

/// What a user does: a jump over the globe after a week at home, then failed sign-ins, none, some or many.
fn deeds(user: usize, begin: Millis) -> Vec<(String, String)> {
    let jump = begin + 8 * DAY;
    let mut deeds = vec![
        sign_in(user, begin, "success", HOME),
        sign_in(user, jump, "success", HOME),
        sign_in(user, jump + 20 * MINUTE, "success", AWAY),
    ];
    let failures = [0, 8, 14][user % 3];
    deeds.extend((0..failures).map(|n| sign_in(user, jump + 30 * MINUTE + n * 10 * SECOND, "failure", AWAY)));
    deeds
}

/// Rules and places of a company: the shipped ones and the demo's cities, or stricter ones and a map without them.
fn set_up(folder: &Path, is_new: bool) {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    for (file, text) in default_rules() {
        let name = Path::new(file).file_name().unwrap();
        let text = if is_new {
            text.replace("failures_max: 10", "failures_max: 6").replace("version: 2\n", "version: 3\n")
        } else {
            (*text).to_owned()
        };
        std::fs::write(rules.join(name), text).unwrap();
    }
    let city = if is_new { empty_map() } else { demo_files().unwrap().remove(0).1 };
    // In place of the old one at once, as whoever replaces a file that is read should.
    std::fs::write(folder.join("city.new"), city).unwrap();
    std::fs::rename(folder.join("city.new"), folder.join("city.mmdb")).unwrap();
    let config = json!({ "schema": "config.v1", "rules": "rules", "geoip": { "city": ["city.mmdb"] }, "workers": 1 });
    if !is_new {
        std::fs::write(folder.join("frostwatch.yaml"), config.to_string()).unwrap();
    }
}

/// A map on which nothing of the demo lies.
fn empty_map() -> Vec<u8> {
    let meta = Meta {
        database_type: "Frostwatch-Demo-City".to_owned(),
        description: "Nowhere".to_owned(),
        ip_version: 6,
        record_bits: 24,
        build_epoch: 1_767_312_000,
        aliases: true,
    };
    let mut writer = Writer::new(meta);
    let country = Field::map([("country", Field::map([("iso_code", Field::text("SE"))]))]);
    writer.insert("203.0.113.0".parse().unwrap(), 24, &country).unwrap();
    writer.finish().unwrap()
}

fn publish(group: &Group, users: std::ops::Range<usize>, begin: Millis) {
    let mut producer = group.producer();
    for (key, value) in users.flat_map(|user| deeds(user, begin)) {
        producer.send(key.as_bytes(), value.as_bytes(), None).unwrap();
    }
    producer.flush().unwrap();
}

fn of_policy<'a>(alerts: &'a BTreeMap<String, Value>, policy: &str) -> Vec<&'a str> {
    alerts.iter().filter(|(_, alert)| alert["policy"] == policy).map(|(id, _)| id.as_str()).collect()
}

#[test]
fn after_a_crash_under_files_that_are_gone_what_they_said_is_taken_back_and_said_anew() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), false);
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("aloud"));
    let begin = now() - 20 * DAY;
    let engine = group.join();
    publish(&group, 0..40, begin);
    wait_for("the first part is consumed", || group.is_consumed());
    // The files are replaced under the running process, which turns between two records.
    set_up(folder.path(), true);
    engine.signal("HUP");
    wait_for("all partitions have turned", || engine.count("ruling_turned") >= PARTITIONS);
    publish(&group, 40..60, begin);
    wait_for("the second part is consumed", || group.is_consumed());
    engine.kill();
    let before = finals(&recorded(&group.record("alerts")));
    let jumps = of_policy(&before, "impossible_travel");
    assert!(jumps.len() >= 35, "{jumps:?}");

    // The former files are gone.
    let (code, said) = group.ended(&["run"]);
    assert_ne!(code, Some(0), "{said}");
    for part in ["frostwatch run --accept-change", "geoip", "epoch 1", "takes back"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let engine = group.join_as(&Membership { accept_change: true, ..Membership::default() });
    wait_for("all partitions are live", || engine.live_partitions() == PARTITIONS);
    publish(&group, 60..70, begin);
    wait_for("the last part is consumed", || group.is_consumed());
    assert!(engine.stop().success());
    check_left(&group, folder.path(), &jumps);
    // It is not asked again.
    let engine = group.join();
    wait_for("all partitions are live", || engine.live_partitions() == PARTITIONS);
    assert!(engine.stop().success());
}

/// What a reader of committed records is left with.
fn check_left(group: &Group, folder: &Path, gone: &[&str]) {
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes));
    let (alerts, all) = (finals(&sent[0]), sent.concat());
    assert!(gone.iter().all(|id| !alerts.contains_key(*id)), "what the former map said is taken back");
    let is_taken_back = |alert: &&Value| {
        (alert["change"].as_str(), alert["epoch"].as_u64(), alert["revision"].as_u64())
            == (Some("retracted"), Some(1), Some(0))
    };
    let taken_back: Vec<&Value> = sent[0].iter().filter(is_taken_back).collect();
    assert!(gone.iter().all(|id| taken_back.iter().any(|alert| alert["id"] == **id)), "{}", taken_back.len());
    let unsound = taken_back.iter().find(|alert| !alert["summary"].as_str().unwrap().starts_with("Withdrawn: "));
    assert_eq!(unsound, None);
    // Those with eight failures are found by the present rules only.
    assert!(of_policy(&alerts, "failed_logins").len() > 40, "{}", alerts.len());
    // Id, epoch and revision name one record.
    assert_eq!(revisions(&all).len(), all.len());
    // The recording begins with the switch where it lies now, so a replay says what was said last.
    let log = folder.join("activity.jsonl");
    std::fs::write(&log, group.record("activity")).unwrap();
    let log = log.to_str().unwrap();
    let replayed = values(&group.frostwatch(&["replay", log, "--final"]));
    same("alerts", &alerts, &finals(&replayed));
    let replayed = values(&group.frostwatch(&["replay", log, "--final", "--suppressed"]));
    same("alerts and suppressed findings", &finals(&all), &finals(&replayed));
}

/// How many things the programs find before they die.
static LIVES: AtomicI64 = AtomicI64::new(i64::MAX);

fn mortal_clock() -> Millis {
    assert!(LIVES.fetch_sub(1, Ordering::SeqCst) > 0, "told to die");
    now()
}

fn lives(count: i64) {
    LIVES.store(count, Ordering::SeqCst);
}

/// The same rules and places under two versions of the program, of which the second finds otherwise.
fn programs() -> [Arc<Ruling>; 2] {
    let book = |edit: &str| {
        let (file, text) = default_rules()[2];
        Rulebook::parse(&[(file, &text.replace("failures_max: 10", edit))], None).unwrap()
    };
    let locate: Arc<dyn Locate> = Arc::new(NoGeo::default());
    let first = Ruling::new(book("failures_max: 10"), Arc::clone(&locate), Lateness::DEFAULT);
    let hash = first.plan.rules_hash.clone();
    let mut plan = Plan::new(book("failures_max: 9").rules, hash, Lateness::DEFAULT, locate.build().clone());
    plan.semantics += 1;
    let mut second = Ruling::new(book("failures_max: 10"), locate, Lateness::DEFAULT);
    second.plan = Arc::new(plan);
    [first, second].map(Arc::new)
}

fn tasks_of(ruling: &Arc<Ruling>, settings: &KafkaSettings) -> TaskSet {
    let origin = Origin {
        group: Some(settings.group.clone()),
        topic: Some(settings.topics.activity()),
        clock: Some(mortal_clock),
    };
    let shared = pipeline::Shared::new(0, origin, "test");
    TaskSet::new(Arc::new(shared), Arc::new(CurrentRuling::new(Arc::clone(ruling))))
}

/// A worker of a program on a thread of its own.
struct Program {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), KafkaFault>>,
}

impl Program {
    fn start(ruling: &Arc<Ruling>, settings: &KafkaSettings, accept_change: bool) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (tasks, settings, stops) = (tasks_of(ruling, settings), settings.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let shared = Shared {
                stop: &stops,
                board: &Board::default(),
                counters: &Counters::default(),
                pulse: &Pulse::default(),
                accept_change,
                on_refused: &|_| {},
            };
            run_worker(&settings, 0, tasks, shared)
        });
        Self { stop, thread }
    }

    /// Waits until it has consumed all.
    fn consumed(self, group: &Group) -> Self {
        wait_for("all is consumed, or it ended", || self.thread.is_finished() || group.is_consumed());
        assert!(!self.thread.is_finished(), "{:?}", self.thread.join());
        self
    }

    fn ended(self) -> std::thread::Result<Result<(), KafkaFault>> {
        wait_for("the program ends", || self.thread.is_finished());
        self.thread.join()
    }
}

/// The last records of alerts are those that one program finds alone.
fn check_finals(group: &Group, ruling: &Arc<Ruling>, users: std::ops::Range<usize>, begin: Millis) {
    let sent = recorded(&group.record("alerts"));
    assert_eq!(revisions(&sent).len(), sent.len());
    let (mut alone, mut out) = (tasks_of(ruling, group.settings()), Vec::new());
    alone.open(0);
    for (offset, (key, value)) in (0_i64..).zip(users.flat_map(|user| deeds(user, begin))) {
        let record = InputRecord { offset, stamp: None, key: Some(key.as_bytes()), value: value.as_bytes() };
        alone.record(0, &record, &mut out);
    }
    out.retain(|record| record.channel == Channel::Alerts);
    let wanted: Vec<Value> = out.iter().map(|record| serde_json::from_slice(&record.value).unwrap()).collect();
    assert!(wanted.len() >= 15, "{}", wanted.len());
    same("alerts", &finals(&sent), &finals(&wanted));
}

fn epochs(group: &Group) -> BTreeSet<u64> {
    recorded(&group.record("alerts")).iter().map(|alert| alert["epoch"].as_u64().unwrap()).collect()
}

#[test]
fn after_a_crash_another_program_takes_back_what_it_does_not_find() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path(), false);
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("program"));
    let settings = group.settings();
    let [first, second] = programs();
    let begin = now() - 20 * DAY;
    let program = Program::start(&first, settings, false);
    publish(&group, 0..30, begin);
    let program = program.consumed(&group);
    lives(0);
    publish(&group, 30..60, begin);
    assert!(program.ended().is_err(), "it panicked");
    lives(i64::MAX);

    let refused = Program::start(&second, settings, false).ended().unwrap().unwrap_err();
    assert!(matches!(refused, KafkaFault::Changed { epoch: 0, .. }), "{refused}");
    let said = refused.to_string();
    let changed = format!("semantics {SEMANTICS_VERSION} → {}", SEMANTICS_VERSION + 1);
    assert!(said.contains(&changed) && said.contains("--accept-change"), "{said}");
    // What it finds is too much for one transaction, and it dies between two of them.
    let mut small = settings.clone();
    small.batch = BatchSettings { records: 10, output_bytes: 1_000, ..small.batch };
    lives(8);
    assert!(Program::start(&second, &small, true).ended().is_err(), "it panicked");
    lives(i64::MAX);
    assert_eq!(epochs(&group), BTreeSet::from([0, 1]));

    // The former program takes back what the other one had sent by then. Some partitions were run again to their end.
    let program = Program::start(&first, settings, true).consumed(&group);
    check_finals(&group, &first, 0..60, begin);
    assert_eq!(epochs(&group), BTreeSet::from([0, 1, 2]));
    lives(0);
    publish(&group, 60..90, begin);
    assert!(program.ended().is_err(), "it panicked");
    lives(i64::MAX);

    let program = Program::start(&second, &small, true).consumed(&group);
    program.stop.store(true, Ordering::SeqCst);
    program.ended().unwrap().unwrap();
    check_finals(&group, &second, 0..90, begin);
    assert_eq!(epochs(&group), BTreeSet::from([0, 1, 2, 3]));
}
