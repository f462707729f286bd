//! The tasks of a worker: what they count, under which epoch they speak, and what stands beside their records.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_rulebook::{CompiledRules, Rulebook, default_rules};
use frostwatch_runtime::checkpoint::{Account, Room};
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

/// Record `number` of a log with failed sign-ins of a few users, copies, late ones and some that cannot be read.
fn rough(number: i64) -> (Vec<u8>, Vec<u8>, i64) {
    let user = format!("user-{}", number % 7);
    let stamp = STAMP + 1_000 * number;
    let time = if number % 29 == 0 { stamp - 7_200_000 } else { stamp };
    let id = if number % 11 == 0 { number - 7 } else { number };
    let value = if number % 23 == 0 {
        b"{".to_vec()
    } else {
        format!(
            r#"{{"schema":"activity.v1","id":"{id}","time":"{}","instance":"acme","user":{{"name":"{user}"}},"action":"login","outcome":"failure","source":{{"producer":"test"}}}}"#,
            rfc3339(time)
        )
        .into_bytes()
    };
    (format!("acme|{user}").into_bytes(), value, stamp)
}

fn take(tasks: &mut TaskSet, number: i64, out: &mut Vec<OutputRecord>) {
    let (key, value, stamp) = rough(number);
    tasks.record(3, &InputRecord { offset: number, stamp: Some(stamp), key: Some(&key), value: &value }, out);
}

#[test]
fn whoever_takes_over_sends_the_same_and_counts_on() {
    const RECORDS: i64 = 600;
    let (mut alone, mut wanted) = (tasks(), Vec::new());
    alone.open(3);
    alone.restored(3);
    (0..RECORDS).for_each(|number| take(&mut alone, number, &mut wanted));

    let (mut sent, mut state) = (Vec::new(), BTreeMap::new());
    let (mut offset, mut low_water, mut account) = (0, 0, Account::default());
    // Each owner commits every 20 records, writes what changed 40 records ago, and dies with ten records uncommitted.
    for dies_at in [90, 130, 350, 351, 590, RECORDS] {
        let mut tasks = tasks();
        tasks.open(3);
        state.iter().for_each(|(key, value): (&Vec<u8>, &Vec<u8>)| tasks.restore(3, key, Some(value)).unwrap());
        tasks.resume(3, 0, &account);
        let mut silent = Vec::new();
        (low_water..offset).for_each(|number| take(&mut tasks, number, &mut silent));
        tasks.restored(3);
        let mut pending = Vec::new();
        for number in offset..dies_at {
            take(&mut tasks, number, &mut pending);
            let position = number + 1;
            if position % 20 == 0 || position == RECORDS {
                let mut written = Vec::new();
                let room = Room { keys: 100, bytes: usize::MAX };
                low_water = tasks.checkpoint(3, position, position - 40, room, &mut written);
                written.into_iter().for_each(|record| drop(state.insert(record.key, record.value.unwrap())));
                (offset, account) = (position, tasks.account(3));
                sent.append(&mut pending);
            }
        }
    }
    assert!(sent.len() > 50, "{}", sent.len());
    assert_eq!(sent.len(), wanted.len());
    assert!(sent == wanted);
    assert_eq!(account, alone.account(3));
    let counted = |name: &str| account.records.get(name).copied().unwrap_or_default();
    let ends = ["scored", "duplicate", "late", "over_cap", "rejected"].map(counted);
    assert_eq!(ends.iter().sum::<u64>(), RECORDS as u64, "{account:?}");
    assert_eq!(counted("received"), RECORDS as u64);
    assert!(ends[1] > 0 && ends[2] > 0 && ends[4] > 0, "{account:?}");
}
