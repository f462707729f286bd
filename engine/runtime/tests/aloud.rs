//! The promise of a re-run aloud: after it the last record of every finding says what it would have said had each key
//! been under the former ruling up to what its record holds, and under the present one from there on.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/nowhere.rs"]
mod nowhere;

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::time::{HOUR, Lateness, MINUTE, SECOND, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::checkpoint::{Contents, Progress, Resumed, Room};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks, Turned};
use frostwatch_testkit::chance::Chance;
use frostwatch_wire::alert::canonical;
use nowhere::Nowhere;
use serde_json::Value;

const STAMP: i64 = 1_767_225_600_000;
const PARTITION: i32 = 3;
const USERS: u64 = 5;

/// A ruling of one rule, under a build and a semantics version of its own.
fn ruling(digest: &str, semantics: u32, edits: &[(&str, &str)]) -> Arc<Ruling> {
    let (file, shipped) = default_rules()[2];
    let text = edits.iter().fold(shipped.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let locate = Nowhere::new(digest);
    let book = Rulebook::parse(&[(file, &text)], None).unwrap();
    let mut ruling = Ruling::new(book, Arc::new(locate), Lateness::DEFAULT);
    Arc::get_mut(&mut ruling.plan).unwrap().semantics = semantics;
    Arc::new(ruling)
}

/// Rulings that differ in what they find, in what they hold back and in how they say it; no two can be run as another.
fn rulings() -> Vec<Arc<Ruling>> {
    let exception =
        "exceptions: [{id: e, reason: r, owner: o, expires: 2027-01-01, covers: {users: [user-1, user-2]}}]";
    vec![
        ruling("a", 1, &[("failures_max: 10", "failures_max: 5")]),
        ruling("b", 1, &[("failures_max: 10", "failures_max: 7")]),
        ruling("c", 1, &[("failures_max: 10", "failures_max: 5"), ("exceptions: []", exception)]),
        ruling("a", 2, &[("failures_max: 10", "failures_max: 5"), ("severity: medium", "severity: high")]),
        ruling("d", 1, &[("enabled: true", "enabled: false")]),
        ruling("e", 1, &[("failures_max: 10", "failures_max: 4"), ("quiet: 5m", "quiet: 9m")]),
    ]
}

/// Which ruling holds for a key from which offset on.
type Turns = BTreeMap<Vec<u8>, Vec<(i64, Arc<Ruling>)>>;
/// A record of the log: key, value, stamp.
type Logged = (Vec<u8>, Vec<u8>, i64);

/// Bursts of failed sign-ins with quiet times between, some of them late, some twice, some that succeed.
fn log(chance: &mut Chance, records: u64) -> Vec<Logged> {
    let mut now = STAMP;
    let mut log: Vec<Logged> = Vec::new();
    for number in 0..records {
        now += match chance.within(0..120) {
            // What was sent has settled and is forgotten.
            0 => 3 * HOUR,
            1..4 => 7 * MINUTE,
            _ => chance.within(1..20) as i64 * SECOND,
        };
        let late = if chance.one_in(5) { chance.within(0..900) as i64 * SECOND } else { 0 };
        let user = format!("user-{}", chance.within(0..USERS));
        let outcome = if chance.one_in(9) { "success" } else { "failure" };
        let time = rfc3339(now - late);
        let value = format!(
            r#"{{"schema":"activity.v1","id":"{number}","time":"{time}","instance":"acme","user":{{"name":"{user}"}},"action":"login","outcome":"{outcome}","source":{{"producer":"test"}}}}"#
        );
        let record = (format!("acme|{user}").into_bytes(), value.into_bytes(), now);
        match log.last().filter(|_| chance.one_in(20)) {
            Some((key, value, _)) => log.push((key.clone(), value.clone(), now)),
            None => log.push(record),
        }
    }
    log
}

fn tasks_under(ruling: &Arc<Ruling>) -> (TaskSet, Arc<CurrentRuling>) {
    let origin = Origin { group: Some("engine".to_owned()), topic: Some("activity".to_owned()), clock: None };
    let shared = Arc::new(Shared::new(0, origin, "test"));
    let current = Arc::new(CurrentRuling::new(Arc::clone(ruling)));
    (TaskSet::new(shared, Arc::clone(&current)), current)
}

fn take(tasks: &mut TaskSet, log: &[Logged], offset: i64, out: &mut Vec<OutputRecord>) {
    let (key, value, stamp) = &log[offset as usize];
    tasks.record(PARTITION, &InputRecord { offset, stamp: Some(*stamp), key: Some(key), value }, out);
}

/// What lies in Kafka.
struct Broker {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Up to where the record of a key has the input in it.
    holds: BTreeMap<Vec<u8>, i64>,
    progress: Progress,
    contents: Contents,
    sent: Vec<OutputRecord>,
}

impl Broker {
    fn new() -> Self {
        let progress = Progress::new(4);
        let (state, holds) = (BTreeMap::new(), BTreeMap::new());
        Self { state, holds, progress, contents: Contents::new(), sent: Vec::new() }
    }

    /// One transaction: outputs, the keys that changed before `below`, progress.
    fn commit(&mut self, tasks: &mut TaskSet, position: i64, below: i64, epoch: u32, out: &mut Vec<OutputRecord>) {
        self.sent.append(out);
        let mut written = Vec::new();
        let low_water = tasks.checkpoint(PARTITION, position, below, Room { keys: 2, bytes: usize::MAX }, &mut written);
        for record in written {
            self.holds.insert(record.key.clone(), position);
            self.state.insert(record.key, record.value.unwrap());
        }
        let task = tasks.progress(PARTITION, low_water);
        for rules in task.rulings.iter().map(|ruling| &ruling.named.rules) {
            self.contents.extend(tasks.content(PARTITION, rules).map(|text| (rules.clone(), text)));
        }
        let progress = Progress { offset: position, low_water, epoch, unsettled: false, task, ..self.progress.clone() };
        self.progress = Progress::read(&progress.to_bytes()).unwrap();
    }

    fn restored(&self, ruling: &Arc<Ruling>) -> (TaskSet, Resumed) {
        let (mut tasks, _) = tasks_under(ruling);
        tasks.open(PARTITION);
        self.state.iter().for_each(|(key, value)| tasks.restore(PARTITION, key, Some(value)).unwrap());
        let resumed = tasks.resume(PARTITION, &self.progress, &self.contents);
        (tasks, resumed)
    }

    /// Takes over under another ruling and runs the tail again aloud; what is to be sent.
    fn aloud(&self, ruling: &Arc<Ruling>, log: &[Logged]) -> (TaskSet, bool, Vec<OutputRecord>) {
        let (mut tasks, resumed) = self.restored(ruling);
        let (first, end, epoch) = (self.progress.low_water, self.progress.offset, self.progress.epoch + 1);
        let is_other = matches!(resumed, Resumed::Other { .. });
        if is_other {
            tasks.turn_early(PARTITION, first);
        } else {
            assert!(self.progress.unsettled, "it must be run under another ruling");
        }
        tasks.aloud(PARTITION, first..end);
        tasks.set_epoch(PARTITION, epoch);
        for record in &self.sent {
            tasks.sent_before(record.channel, &record.key, &record.value).unwrap();
        }
        let mut out = Vec::new();
        (first..end).for_each(|offset| take(&mut tasks, log, offset, &mut out));
        out.retain(|record| matches!(record.channel, Channel::Alerts | Channel::Suppressions));
        tasks.settle(PARTITION, &mut out);
        tasks.restored(PARTITION);
        tasks.turn(PARTITION, end);
        (tasks, is_other, out)
    }
}

fn field(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap()
}

/// The canonical body of the last record of each finding, without those taken back. No record comes twice with other
/// bytes.
fn finals(sent: &[OutputRecord], channels: &[Channel]) -> BTreeMap<String, (Channel, Value)> {
    let mut last: BTreeMap<String, ((u64, u64), Channel, Value)> = BTreeMap::new();
    let mut bytes: BTreeMap<(String, u64, u64), &[u8]> = BTreeMap::new();
    for record in sent.iter().filter(|record| channels.contains(&record.channel)) {
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        let (id, at) = (value["id"].as_str().unwrap().to_owned(), (field(&value, "epoch"), field(&value, "revision")));
        if let Some(before) = bytes.insert((id.clone(), at.0, at.1), &record.value) {
            assert!(before == record.value, "{id} {at:?} twice");
        }
        if last.get(&id).is_none_or(|(known, ..)| *known <= at) {
            last.insert(id, (at, record.channel, value));
        }
    }
    let left = last.into_iter().filter_map(|(id, (_, channel, value))| Some((id, (channel, canonical(value)?))));
    left.collect()
}

/// What each key finds under the former ruling up to what its record holds, and under the present one from there on.
fn wanted(log: &[Logged], turns: &Turns, first: &Arc<Ruling>) -> Vec<OutputRecord> {
    let mut out = Vec::new();
    for user in 0..USERS {
        let name = format!("acme|user-{user}").into_bytes();
        let (mut tasks, current) = tasks_under(first);
        tasks.open(PARTITION);
        let mut left = turns.get(&name).into_iter().flatten().peekable();
        for (offset, _) in log.iter().enumerate().filter(|(_, (key, ..))| *key == name) {
            while let Some((_, ruling)) = left.next_if(|(from, _)| *from <= offset as i64) {
                current.set(Arc::clone(ruling));
                tasks.turn(PARTITION, offset as i64);
            }
            take(&mut tasks, log, offset as i64, &mut out);
        }
    }
    out
}

/// What happened, over all cases.
#[derive(Debug, Default)]
struct Met {
    taken_back: usize,
    told_again: usize,
    held_back: usize,
    broken_off: usize,
}

impl Met {
    fn count(&mut self, out: &[OutputRecord]) {
        let of_change = |change: &str| {
            let is_it = |record: &&OutputRecord| String::from_utf8_lossy(&record.value).contains(change);
            out.iter().filter(is_it).count()
        };
        self.taken_back += of_change("\"revision\":0,");
        self.told_again += of_change("\"updated\"");
        self.held_back += of_change("\"suppressed\"");
    }
}

fn run_case(seed: u64, met: &mut Met) {
    let mut chance = Chance::new(seed);
    let (log, rulings) = (log(&mut chance, 300), rulings());
    let end = log.len() as i64;
    let mut broker = Broker::new();
    let first = Arc::clone(&rulings[chance.within(0..rulings.len() as u64) as usize]);
    let (mut tasks, _) = broker.restored(&first);
    tasks.restored(PARTITION);
    let mut is_alive = true;
    let mut turns = Turns::new();
    let mut epoch = 0;
    loop {
        let (mut pending, from) = (Vec::new(), broker.progress.offset);
        let dies_at = if chance.one_in(3) { end } else { (from + chance.within(1..120) as i64).min(end) };
        for offset in (from..dies_at).take_while(|_| is_alive) {
            take(&mut tasks, &log, offset, &mut pending);
            if chance.one_in(9) || offset + 1 == end {
                let below = offset + 1 - chance.within(10..90) as i64;
                broker.commit(&mut tasks, offset + 1, below, epoch, &mut pending);
            }
        }
        if is_alive && broker.progress.offset == end {
            break;
        }
        is_alive = true;
        let next = Arc::clone(&rulings[chance.within(0..rulings.len() as u64) as usize]);
        let (low_water, at) = (broker.progress.low_water, broker.progress.offset);
        if let (mut silent, Resumed::Same) = broker.restored(&next)
            && !broker.progress.unsettled
        {
            // Nothing is run again under another ruling; it turns where the past ends.
            let mut nothing = Vec::new();
            (low_water..at).for_each(|offset| take(&mut silent, &log, offset, &mut nothing));
            silent.set_epoch(PARTITION, epoch);
            silent.restored(PARTITION);
            silent.turn(PARTITION, at);
            turn_keys(&mut turns, &next, |_| at);
            tasks = silent;
            continue;
        }
        let (mut loud, is_other, mut out) = broker.aloud(&next, &log);
        let raised = broker.progress.epoch + 1;
        let (_, _, again) = broker.aloud(&next, &log);
        assert!(out == again, "a repeat says the same");
        if chance.one_in(4) {
            // Only a part is sent, and the next owner has yet another ruling, or the former one.
            out.truncate(chance.within(0..out.len() as u64 + 1) as usize);
            broker.sent.append(&mut out);
            (broker.progress.epoch, broker.progress.unsettled) = (raised, true);
            met.broken_off += 1;
            is_alive = false;
            continue;
        }
        met.count(&out);
        let holds = |key: &[u8]| broker.holds.get(key).copied().unwrap_or(0).max(low_water);
        turn_keys(&mut turns, &next, |key| if is_other { holds(key) } else { at });
        broker.commit(&mut loud, at, at - 20, raised, &mut out);
        (tasks, epoch) = (loud, raised);
    }
    check(seed, &broker.sent, &wanted(&log, &turns, &first));
}

/// Each key turns to a ruling; what it turned to later than that is run again under this one.
fn turn_keys(turns: &mut Turns, ruling: &Arc<Ruling>, from: impl Fn(&[u8]) -> i64) {
    for user in 0..USERS {
        let key = format!("acme|user-{user}").into_bytes();
        let from = from(&key);
        let of_key = turns.entry(key).or_default();
        of_key.retain(|(turn, _)| *turn < from);
        of_key.push((from, Arc::clone(ruling)));
    }
}

#[track_caller]
fn check(seed: u64, sent: &[OutputRecord], wanted: &[OutputRecord]) {
    for channels in [&[Channel::Alerts][..], &[Channel::Suppressions], &[Channel::Alerts, Channel::Suppressions]] {
        let (found, wanted) = (finals(sent, channels), finals(wanted, channels));
        for (id, wanted) in &wanted {
            assert_eq!(found.get(id), Some(wanted), "seed {seed}, {channels:?}, {id}");
        }
        let extra: Vec<_> = found.iter().filter(|(id, _)| !wanted.contains_key(*id)).collect();
        assert!(extra.is_empty(), "seed {seed}, {channels:?}: {extra:?}");
    }
}

#[test]
fn after_a_re_run_aloud_the_last_records_are_what_the_present_ruling_finds() {
    #[expect(clippy::disallowed_methods, reason = "the number of cases is the test runner's to choose")]
    let cases = std::env::var("FROSTWATCH_PROPERTY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    let mut met = Met::default();
    (0..cases).for_each(|seed| run_case(seed, &mut met));
    let Met { taken_back, told_again, held_back, broken_off } = met;
    assert!([taken_back, told_again, held_back, broken_off].iter().all(|count| *count > 20), "{met:?}");
}

/// Bursts of failed sign-ins of one user, seven minutes apart.
fn bursts(count: i64) -> Vec<Logged> {
    let mut log = Vec::new();
    for burst in 0..count {
        for failure in 0..8 {
            let at = STAMP + burst * 8 * MINUTE + failure * 5 * SECOND;
            let time = rfc3339(at);
            let value = format!(
                r#"{{"schema":"activity.v1","id":"{at}","time":"{time}","instance":"acme","user":{{"name":"user-1"}},"action":"login","outcome":"failure","source":{{"producer":"test"}}}}"#
            );
            log.push((b"acme|user-1".to_vec(), value.into_bytes(), at));
        }
    }
    log
}

/// What a ruling sends of a log.
fn sent_under(ruling: &Arc<Ruling>, log: &[Logged]) -> Vec<OutputRecord> {
    let ((mut tasks, _), mut out) = (tasks_under(ruling), Vec::new());
    tasks.open(PARTITION);
    (0..log.len()).for_each(|offset| take(&mut tasks, log, offset as i64, &mut out));
    out
}

/// What settles the log when it is run again aloud under a ruling, after this was sent.
fn settled_under(ruling: &Arc<Ruling>, log: &[Logged], sent: &[OutputRecord]) -> Vec<Value> {
    let ((mut tasks, _), mut out) = (tasks_under(ruling), Vec::new());
    tasks.open(PARTITION);
    tasks.aloud(PARTITION, 0..log.len() as i64);
    tasks.set_epoch(PARTITION, 1);
    for record in sent {
        tasks.sent_before(record.channel, &record.key, &record.value).unwrap();
    }
    (0..log.len()).for_each(|offset| take(&mut tasks, log, offset as i64, &mut out));
    out.clear();
    tasks.settle(PARTITION, &mut out);
    out.iter().map(|record| serde_json::from_slice(&record.value).unwrap()).collect()
}

#[test]
fn what_is_found_elsewhere_of_the_same_cause_takes_the_place_of_what_is_taken_back() {
    let log = bursts(2);
    let two = ruling("a", 1, &[("failures_max: 10", "failures_max: 5")]);
    // A longer quiet time makes one incident of both bursts, which has the name of the first.
    let one = ruling("e", 1, &[("failures_max: 10", "failures_max: 5"), ("quiet: 5m", "quiet: 9m")]);
    let off = ruling("d", 1, &[("enabled: true", "enabled: false")]);
    let sent = sent_under(&two, &log);
    let first: Value = serde_json::from_slice(&sent[0].value).unwrap();
    let taken_back = settled_under(&one, &log, &sent);
    assert_eq!(taken_back.len(), 1, "{taken_back:?}");
    assert_eq!((&taken_back[0]["change"], &taken_back[0]["superseded_by"]), (&"retracted".into(), &first["id"]));
    assert!(taken_back[0]["summary"].as_str().unwrap().contains("another alert tells the story"), "{taken_back:?}");
    let taken_back = settled_under(&off, &log, &sent);
    assert_eq!(taken_back.len(), 2, "{taken_back:?}");
    assert!(taken_back.iter().all(|alert| alert.get("superseded_by").is_none_or(Value::is_null)), "{taken_back:?}");
}

#[test]
fn what_another_engine_has_sent_to_the_same_topic_is_not_taken_back() {
    let log = bursts(1);
    let ruled = ruling("a", 1, &[("failures_max: 10", "failures_max: 5")]);
    let off = ruling("d", 1, &[("enabled: true", "enabled: false")]);
    for (named, count) in [(r#""group":"engine","#, 1), (r#""group":"other","#, 0), ("", 1)] {
        let mut sent = sent_under(&ruled, &log);
        for record in &mut sent {
            let text = String::from_utf8(record.value.clone()).unwrap();
            assert!(text.contains(r#""group":"engine","#), "{text}");
            record.value = text.replace(r#""group":"engine","#, named).into_bytes();
        }
        assert_eq!(settled_under(&off, &log, &sent).len(), count, "{named}");
    }
}

#[test]
fn where_no_byte_is_left_neither_a_turn_nor_an_early_one_is_taken() {
    let known = |number: u32| ruling(&number.to_string(), 1, &[]);
    let (mut tasks, current) = tasks_under(&known(0));
    tasks.open(PARTITION);
    for number in 1..255 {
        current.set(known(number));
        assert!(matches!(tasks.turn(PARTITION, i64::from(number)), Turned::To { .. }), "{number}");
    }
    current.set(known(255));
    assert!(matches!(tasks.turn(PARTITION, 255), Turned::Refused { .. }));
    let Turned::Refused { why } = tasks.turn_early(PARTITION, 0) else { panic!("it turned") };
    assert!(why.contains("255"), "{why}");
    current.set(known(7));
    assert!(matches!(tasks.turn_early(PARTITION, 0), Turned::To { .. }), "a ruling that is known has its byte");
}

#[test]
fn a_broker_whose_clock_is_set_back_loses_nothing_within_the_skew_and_rejects_aloud_beyond_it() {
    let ruled = ruling("a", 1, &[("failures_max: 10", "failures_max: 5")]);
    let (log, half) = (bursts(2), bursts(1).len());
    let alerts = |sent: &[OutputRecord]| -> Vec<Value> {
        let of_alerts = sent.iter().filter(|record| record.channel == Channel::Alerts);
        of_alerts.filter_map(|record| canonical(serde_json::from_slice(&record.value).unwrap())).collect()
    };
    let wanted = alerts(&sent_under(&ruled, &log));
    for (back, rejected) in [(4 * MINUTE, 0), (20 * MINUTE, half)] {
        let mut log = log.clone();
        log.iter_mut().skip(half).for_each(|(.., stamp)| *stamp -= back);
        let sent = sent_under(&ruled, &log);
        let found = sent.iter().filter(|record| record.channel == Channel::Rejected).count();
        assert_eq!(found, rejected, "{back}");
        assert_eq!(alerts(&sent) == wanted, rejected == 0, "{back}");
    }
}
