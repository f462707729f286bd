//! The tasks of a worker: what they count, under which epoch they speak, and what stands beside their records.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_rulebook::{CompiledRules, Rulebook, default_rules};
use frostwatch_runtime::checkpoint::Account;
use frostwatch_runtime::pipeline::{Origin, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks};

const STAMP: i64 = 1_767_225_600_000;

/// No address has a place.
struct Nowhere(GeoBuild);

impl Locate for Nowhere {
    fn locate(&self, _address: IpAddr) -> Location {
        Location { place: Err(NoPlace::Unknown), carrier: Carrier::NONE }
    }

    fn build(&self) -> &GeoBuild {
        &self.0
    }
}

fn tasks() -> TaskSet {
    let book = Rulebook::parse(default_rules(), None).unwrap();
    let rules = CompiledRules::new(&book);
    let locate = Arc::new(Nowhere(GeoBuild { kind: "none".to_owned(), built_at_secs: 0, digest: String::new() }));
    let plan = Plan::new(0, book.rules, book.hash, Lateness::DEFAULT, locate.build().clone());
    TaskSet::new(Arc::new(Shared {
        plan,
        rules,
        locate,
        epoch: 0,
        origin: Origin::default(),
        build: "test",
        totals: Mutex::default(),
    }))
}

/// Hands a failed sign-in to partition 3.
fn fail(tasks: &mut TaskSet, number: i64, out: &mut Vec<OutputRecord>) {
    let stamp = STAMP + 1_000 * number;
    let value = format!(
        r#"{{"schema":"activity.v1","id":"{number}","time":"{}","instance":"acme","user":{{"name":"ana"}},"action":"login","outcome":"failure","source":{{"producer":"test"}}}}"#,
        rfc3339(stamp)
    );
    let record = InputRecord { offset: number, stamp: Some(stamp), key: Some(b"acme|ana"), value: value.as_bytes() };
    tasks.record(3, &record, out);
}

#[test]
fn what_is_run_again_in_silence_is_not_counted_again() {
    let (mut tasks, mut out) = (tasks(), Vec::new());
    tasks.open(3);
    (0..30).for_each(|number| fail(&mut tasks, number, &mut out));
    assert!(out.iter().any(|record| record.channel == Channel::Alerts), "the past has findings");
    assert_eq!(tasks.counters().received, 0);
    tasks.restored(3);
    assert_eq!((tasks.counters().received, tasks.counters().opened), (0, 0));
    fail(&mut tasks, 30, &mut out);
    let counters = tasks.counters();
    assert_eq!((counters.received, counters.scored, counters.opened), (1, 1, 0));
    assert!(counters.is_conserved());
    tasks.close(3);
    assert_eq!(tasks.counters(), counters, "what a closed partition counted stays");

    tasks.open(3);
    (0..30).for_each(|number| fail(&mut tasks, number, &mut out));
    tasks.close(3);
    assert_eq!(tasks.counters(), counters, "a past given back in the midst of it was never counted");
}

#[test]
fn a_partition_speaks_in_the_epoch_it_was_opened_in() {
    let (mut tasks, mut out) = (tasks(), Vec::new());
    tasks.open(3);
    tasks.resume(3, 7, &Account::default());
    tasks.restored(3);
    (0..30).for_each(|number| fail(&mut tasks, number, &mut out));
    let alert = out.iter().find(|record| record.channel == Channel::Alerts).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&alert.value).unwrap();
    assert_eq!(body["epoch"], 7);
    let id = alert.headers.iter().find(|(name, _)| *name == "ce_id").unwrap();
    assert!(String::from_utf8_lossy(&id.1).contains("-7-"), "{id:?}");
}

#[test]
fn an_unreadable_record_names_its_place_once() {
    let (mut tasks, mut out) = (tasks(), Vec::new());
    tasks.open(3);
    let record = InputRecord { offset: 41, stamp: Some(STAMP), key: Some(b"acme|ana"), value: b"{" };
    tasks.record(3, &record, &mut out);
    let [rejected] = &out[..] else { panic!("{out:?}") };
    let names: BTreeSet<&str> = rejected.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), rejected.headers.len(), "{:?}", rejected.headers);
    for (name, wanted) in [("__connect.errors.partition", "3"), ("__connect.errors.offset", "41")] {
        let (_, value) = rejected.headers.iter().find(|(header, _)| *header == name).unwrap();
        assert_eq!(value, wanted.as_bytes());
    }
    assert!(!names.contains("__connect.errors.topic"), "the edge knows the topic, and says it");
}
