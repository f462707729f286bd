//! However the users of one stream are spread over partitions, these over workers, and the records over batches: readers
//! are left with the same alerts, and the state is the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_kafka::partition_of;
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks as _};
use frostwatch_simulator::{Company, CompanyConfig, Delivery};
use frostwatch_wire::alert::canonical;
use serde_json::Value;

/// A Monday.
const START_MS: i64 = 1_767_571_200_000;
/// Records of one user within a few minutes, more than a key may hold.
const FLOOD: usize = 6_000;

/// A company, and one of its users who floods.
fn stream() -> Vec<Delivery> {
    let company = Company::new(CompanyConfig::new(7, 40, 15, START_MS)).unwrap();
    let mut stream: Vec<Delivery> = company.activity().collect();
    let at = stream.len() / 2;
    let row =
        stream.iter().take(at).rev().find(|one| one.row.contains("\"record.view\"")).unwrap_or(&stream[at]).clone();
    let id = |row: &str| serde_json::from_str::<Value>(row).unwrap()["id"].as_str().unwrap().to_owned();
    let known = id(&row.row);
    let flood =
        (0..FLOOD).map(|number| Delivery { row: row.row.replace(&known, &format!("flood-{number}")), ..row.clone() });
    stream.splice(at..at, flood);
    stream
}

/// What readers are left with, and the hash of all state.
fn left(
    stream: &[Delivery],
    rules: &Arc<Ruling>,
    (partitions, workers, batch): (i32, usize, usize),
) -> (BTreeMap<String, Value>, u128) {
    let mut sets: Vec<TaskSet> = (0..workers)
        .map(|_| {
            let shared = Shared::new(0, Origin::default(), "test");
            TaskSet::new(Arc::new(shared), Arc::new(CurrentRuling::new(Arc::clone(rules))))
        })
        .collect();
    let mut logs: BTreeMap<i32, Vec<InputRecord<'_>>> = BTreeMap::new();
    for delivery in stream {
        let log = logs.entry(partition_of(delivery.key.as_bytes(), partitions)).or_default();
        let (offset, stamp) = (log.len() as i64, Some(delivery.stamp_ms));
        let (key, value) = (Some(delivery.key.as_bytes()), delivery.row.as_bytes());
        log.push(InputRecord { offset, stamp, key, value });
    }
    let mut out: Vec<OutputRecord> = Vec::new();
    for (partition, log) in &logs {
        let tasks = &mut sets[*partition as usize % workers];
        tasks.open(*partition);
        tasks.restored(*partition);
        for records in log.chunks(batch) {
            tasks.expect(*partition, records);
            records.iter().for_each(|record| tasks.record(*partition, record, &mut out));
            tasks.batch_done(*partition);
        }
    }
    let mut left = BTreeMap::new();
    for record in out.iter().filter(|record| matches!(record.channel, Channel::Alerts | Channel::Suppressions)) {
        let alert: Value = serde_json::from_slice(&record.value).unwrap();
        let name = format!("{} {}", record.channel.as_str(), alert["id"].as_str().unwrap());
        left.insert(name, canonical(alert).unwrap_or_default());
    }
    left.retain(|_, body| !body.is_null());
    let now = stream.iter().map(|delivery| delivery.stamp_ms).max().unwrap();
    let early: u64 = sets.iter().flat_map(TaskSet::tasks).map(|(_, task)| task.counters().settled_early).sum();
    assert!(early > 0, "the flood is over the cap");
    let hashes = sets.iter().flat_map(TaskSet::tasks).map(|(_, task)| task.state_hash(now));
    (left, hashes.fold(0, u128::wrapping_add))
}

#[test]
fn partitions_workers_and_batches_change_no_final_alert_and_no_state() {
    let locate: Arc<dyn Locate> = Arc::new(frostwatch_geoip::demo().unwrap());
    let rules = Arc::new(Ruling::new(Rulebook::parse(default_rules(), None).unwrap(), locate, Lateness::DEFAULT));
    let stream = stream();
    let wanted = left(&stream, &rules, (1, 1, 1));
    assert!(wanted.0.len() > 20, "{} findings", wanted.0.len());
    for spread in [(12, 1, 1), (12, 4, 10_000), (1, 1, 10_000), (5, 3, 17)] {
        let found = left(&stream, &rules, spread);
        assert_eq!(found.0, wanted.0, "{spread:?}");
        assert_eq!(found.1, wanted.1, "{spread:?}: the state");
    }
}
