//! What is counted by something else than its user comes to the same, however the records lie in partitions, whichever of these is
//! read first, and if some copies are written twice.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/nowhere.rs"]
mod nowhere;

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::hash::hash64;
use frostwatch_detect::time::{HOUR, Lateness, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_rulebook::{Rulebook, policy_templates};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks};
use frostwatch_wire::alert::canonical;
use nowhere::Nowhere;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const START: Millis = 1_772_442_000_000;
/// From an event to its stamp at most.
const DELAY_MAX: Millis = 30 * MINUTE;
/// How far behind another a partition is read at most: with the delay less than the lateness.
const BEHIND_MAX: Millis = 20 * MINUTE;

struct Record {
    stamp: Millis,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Three policies: accounts that fail at an address, roles that are given to an account, tables of which much is deleted.
fn ruling() -> Arc<Ruling> {
    let (_, spray) = policy_templates().iter().find(|(file, _)| *file == "password_spray.yaml").unwrap();
    let spray = spray.replace("enabled: false", "enabled: true").replace("events_min: 10", "events_min: 5");
    let own = |id: &str, action: &str, rest: &str| {
        let (before, after) = spray.split_once("    where:").unwrap();
        let (_, after) = after.split_once("severity:").unwrap();
        let filter = format!("    where: {{ all: [{{ field: action, in: [{action}] }}] }}\n{rest}\n");
        format!("{before}{filter}severity:{after}").replace("id: password_spray", &format!("id: {id}"))
    };
    let many = "    events_min: 6\n    window_secs: 1800";
    let texts = [
        ("password_spray.yaml", spray.clone()),
        ("roles.yaml", own("roles", "role_grant", "    per: target.name")),
        ("tables.yaml", own("tables", "delete", &format!("    per: object.table\n{many}\n    distinct: user.name"))),
    ];
    let texts: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
    let book = Rulebook::parse(&texts, None).unwrap();
    Arc::new(Ruling::new(book, Arc::new(Nowhere::new("")), Lateness::DEFAULT))
}

/// Six hours of a company, in the order of its stamps.
fn history(chance: &mut ChaCha8Rng) -> Vec<Record> {
    let mut records: Vec<Record> = (0..600)
        .map(|number| {
            let time = START + chance.random_range(0..6 * HOUR / SECOND) * SECOND;
            let user = format!("user-{}", chance.random_range(0..12));
            let (action, outcome) = match chance.random_range(0..4) {
                0 | 1 => ("login", "failure"),
                2 => ("delete", "success"),
                _ => ("role_grant", "success"),
            };
            let value = json!({
                "schema": "activity.v1", "id": format!("id-{number}"), "time": rfc3339(time), "instance": "acme",
                "user": { "name": user }, "action": action, "outcome": outcome, "source": { "producer": "test" },
                "client": { "ip": format!("198.51.100.{}", chance.random_range(0..6)) },
                "target": { "name": format!("Target-{}", chance.random_range(0..3)) },
                "object": { "table": format!("table_{}", chance.random_range(0..3)), "id": number.to_string() },
            });
            let stamp = time + chance.random_range(0..DELAY_MAX);
            Record { stamp, key: format!("acme|{user}").into_bytes(), value: value.to_string().into_bytes() }
        })
        .collect();
    records.sort_by_key(|record| record.stamp);
    records
}

/// The logs of a topic, and how far each is read.
struct Topic {
    logs: Vec<Vec<Record>>,
    read: Vec<usize>,
    tasks: TaskSet,
    last: BTreeMap<String, Value>,
}

impl Topic {
    fn new(partitions: usize, ruling: &Arc<Ruling>) -> Self {
        let shared = Arc::new(Shared::new(0, Origin::default(), "test"));
        let mut tasks = TaskSet::new(shared, Arc::new(CurrentRuling::new(Arc::clone(ruling))));
        for partition in 0..partitions {
            tasks.open(partition as i32);
            tasks.restored(partition as i32);
        }
        let logs = (0..partitions).map(|_| Vec::new()).collect();
        Self { logs, read: vec![0; partitions], tasks, last: BTreeMap::new() }
    }

    fn append(&mut self, record: Record) {
        let partition = hash64(&record.key) as usize % self.logs.len();
        self.logs[partition].push(record);
    }

    /// Reads the next record of a partition at this time, and appends the copies that it leads to; some of them twice.
    fn step(&mut self, partition: usize, now: Millis, chance: &mut ChaCha8Rng) -> bool {
        let offset = self.read[partition];
        let Some(Record { stamp, key, value }) = self.logs[partition].get(offset) else { return false };
        let mut out: Vec<OutputRecord> = Vec::new();
        let record = InputRecord { offset: offset as i64, stamp: Some(*stamp), key: Some(key), value };
        self.tasks.record(partition as i32, &record, &mut out);
        self.read[partition] += 1;
        for OutputRecord { channel, key, value, .. } in out {
            if channel == Channel::Activity {
                for _ in 0..if chance.random_bool(0.2) { 2 } else { 1 } {
                    self.append(Record { stamp: now, key: key.clone(), value: value.clone() });
                }
            } else {
                let alert: Value = serde_json::from_slice(&value).unwrap();
                self.last.insert(alert["id"].as_str().unwrap().to_owned(), alert);
            }
        }
        true
    }

    /// Reads whatever lags so far behind.
    fn catch_up(&mut self, now: Millis, behind: Millis, chance: &mut ChaCha8Rng) {
        while let Some(lagging) = (0..self.logs.len()).find(|partition| {
            self.logs[*partition].get(self.read[*partition]).is_some_and(|next| next.stamp <= now - behind)
        }) {
            self.step(lagging, now, chance);
        }
    }
}

fn left(partitions: usize, ruling: &Arc<Ruling>, seed: u64) -> BTreeMap<String, Value> {
    let records = history(&mut ChaCha8Rng::seed_from_u64(7));
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut topic = Topic::new(partitions, ruling);
    let mut now = START;
    for record in records {
        now = record.stamp;
        topic.append(record);
        for _ in 0..chance.random_range(0..3) {
            let partition = chance.random_range(0..partitions);
            topic.step(partition, now, &mut chance);
        }
        topic.catch_up(now, BEHIND_MAX, &mut chance);
    }
    topic.catch_up(now, 0, &mut chance);
    let counters = topic.tasks.counters();
    assert_eq!((counters.late, counters.rejected, counters.over_cap), (0, 0, 0));
    assert_eq!(counters.copied, 600, "each record has one thing that it is counted by");
    topic.last.into_iter().filter_map(|(id, alert)| Some((id, canonical(alert)?))).collect()
}

#[test]
fn counts_by_something_else_than_the_user_depend_on_no_partition_and_no_pace() {
    let ruling = ruling();
    let usual = left(1, &ruling, 0);
    let mut rules: Vec<&str> = usual.values().map(|alert| alert["rule"]["id"].as_str().unwrap()).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules, ["password_spray", "roles", "tables"]);
    for alert in usual.values() {
        assert_eq!(alert["entities"][0]["type"], "counted", "{alert}");
        assert_eq!(alert["entities"][1]["type"], "user", "{alert}");
        let events = alert["evidence"]["events"].as_array().unwrap();
        assert!(events.iter().all(|event| event["user"].as_str().unwrap().starts_with("user-")), "{alert}");
    }
    for (partitions, seed) in [(1, 1), (2, 2), (3, 3), (5, 4), (16, 5)] {
        assert_eq!(left(partitions, &ruling, seed), usual, "{partitions} partitions");
    }
}

#[test]
fn nobodys_name_is_the_key_of_an_entity_and_no_copy_lies_elsewhere() {
    let record = |counted: Option<(&str, &str)>| {
        let mut value = json!({
            "schema": "activity.v1", "id": "a", "time": rfc3339(START), "instance": "acme", "user": { "name": "ana" },
            "action": "login", "outcome": "failure", "source": { "producer": "test" },
        });
        if let Some((by, of)) = counted {
            value["entity"] = json!({ "by": by, "value": of, "key": "acme|ana" });
        }
        value.to_string().into_bytes()
    };
    for (key, counted, is_taken) in [
        ("acme|ana", None, true),
        ("acme||client.ip|192.0.2.1", Some(("client.ip", "192.0.2.1")), true),
        ("acme||client.ip|192.0.2.1", None, false),
        ("acme|ana", Some(("client.ip", "192.0.2.1")), false),
        ("acme||client.ip|192.0.2.1", Some(("client.ip", "192.0.2.2")), false),
        ("acme||object.id|192.0.2.1", Some(("client.ip", "192.0.2.1")), false),
        // What a newer program counts by is kept and asked nothing.
        ("acme||place.country|SE", Some(("place.country", "SE")), true),
    ] {
        let mut topic = Topic::new(1, &ruling());
        let value = record(counted);
        let record = InputRecord { offset: 0, stamp: Some(START), key: Some(key.as_bytes()), value: &value };
        topic.tasks.record(0, &record, &mut Vec::new());
        assert_eq!(topic.tasks.counters().rejected == 0, is_taken, "{key} {counted:?}");
    }
}
