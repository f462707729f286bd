//! The tasks of a worker: what they count, under which epoch they speak, and what stands beside their records.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/left.rs"]
mod left;
#[path = "support/nowhere.rs"]
mod nowhere;

use std::collections::BTreeSet;
use std::sync::Arc;

use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::checkpoint::{Progress, Resumed, Room};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks, Turned};
use frostwatch_wire::activity::decode::decode;
use left::Left;
use nowhere::Nowhere;

const STAMP: i64 = 1_767_225_600_000;

fn tasks() -> TaskSet {
    tasks_under(shipped()).0
}

fn shipped() -> Arc<Ruling> {
    ruling(Rulebook::parse(default_rules(), None).unwrap())
}

fn tasks_under(ruling: Arc<Ruling>) -> (TaskSet, Arc<CurrentRuling>) {
    let current = Arc::new(CurrentRuling::new(ruling));
    (TaskSet::new(shared(), Arc::clone(&current)), current)
}

/// Switches the process, and partition 3 with it.
fn switch(tasks: &mut TaskSet, current: &CurrentRuling, position: i64, ruling: Arc<Ruling>) -> bool {
    current.set(ruling);
    matches!(tasks.turn(3, position), Turned::To { .. })
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared::new(0, Origin::default(), "test"))
}

fn ruling(book: Rulebook) -> Arc<Ruling> {
    let locate = Nowhere::new("");
    Arc::new(Ruling::new(book, Arc::new(locate), Lateness::DEFAULT))
}

/// Hands a failed sign-in to partition 3.
fn fail(tasks: &mut TaskSet, number: i64, out: &mut Vec<OutputRecord>) {
    record(tasks, number, &sign_in(number, "failure", "test"), out);
}

fn sign_in(number: i64, outcome: &str, producer: &str) -> String {
    let time = rfc3339(STAMP + 1_000 * number);
    format!(
        r#"{{"schema":"activity.v1","id":"{number}","time":"{time}","instance":"acme","user":{{"name":"ana"}},"action":"login","outcome":"{outcome}","source":{{"producer":"{producer}"}}}}"#
    )
}

fn record(tasks: &mut TaskSet, number: i64, value: &str, out: &mut Vec<OutputRecord>) {
    let stamp = Some(STAMP + 1_000 * number);
    let record = InputRecord { offset: number, stamp, key: Some(b"acme|ana"), value: value.as_bytes() };
    tasks.record(3, &record, out);
}

/// The shipped rule about failed sign-ins, edited, and no other.
fn edited(edits: &[(&str, &str)]) -> Arc<Ruling> {
    let (file, shipped) = default_rules()[2];
    let text = edits.iter().fold(shipped.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    ruling(Rulebook::parse(&[(file, &text)], None).unwrap())
}

/// What was written, as the change and the version of the rule.
fn written(out: &[OutputRecord]) -> Vec<(String, u64)> {
    let bodies = out.iter().map(|record| serde_json::from_slice::<serde_json::Value>(&record.value).unwrap());
    bodies
        .map(|body| (body["change"].as_str().unwrap().to_owned(), body["rule"]["version"].as_u64().unwrap()))
        .collect()
}

#[test]
fn what_is_found_speaks_in_the_words_of_the_rules_it_was_found_under() {
    let ((mut tasks, current), mut out) = (tasks_under(shipped()), Vec::new());
    tasks.open(3);
    (0..11).for_each(|number| fail(&mut tasks, number, &mut out));
    assert!(switch(&mut tasks, &current, 11, edited(&[("version: 2", "version: 3")])));
    (11..20).for_each(|number| fail(&mut tasks, number, &mut out));
    assert_eq!(written(&out), [("opened".to_owned(), 2), ("updated".to_owned(), 3)]);
}

#[test]
fn what_a_rule_that_is_gone_has_said_is_taken_back_in_its_own_words() {
    let ((mut tasks, current), mut out) = (tasks_under(shipped()), Vec::new());
    tasks.open(3);
    (0..11).for_each(|number| fail(&mut tasks, number, &mut out));
    assert!(switch(&mut tasks, &current, 11, edited(&[("enabled: true", "enabled: false")])));
    // One of the failures turns out to have been none.
    let content = |value: &str| decode(value.as_bytes()).unwrap().content;
    let before = content(&sign_in(4, "failure", "test"));
    let mut others = (0..100).map(|number| sign_in(4, "success", &format!("other-{number}")));
    let corrected = others.find(|value| content(value) < before).unwrap();
    record(&mut tasks, 4, &corrected, &mut out);
    assert_eq!(written(&out), [("opened".to_owned(), 2), ("retracted".to_owned(), 2)]);
}

#[test]
fn what_exceptions_hide_is_counted_under_the_rules_of_its_time() {
    let covering = |id: &str| {
        let day = "expires: 2027-01-01";
        let exception =
            |id: &str, user: &str| format!("{{id: {id}, reason: r, owner: o, {day}, covers: {{users: [{user}]}}}}");
        let text = format!("exceptions: [{}, {}]", exception("of_bo", "bo"), exception(id, "ana"));
        edited(&[("exceptions: []", &text)])
    };
    let ((mut tasks, current), mut out) = (tasks_under(shipped()), Vec::new());
    tasks.open(3);
    tasks.restored(3);
    for (number, id) in [(0, "one"), (1, "another"), (2, "one")] {
        assert!(switch(&mut tasks, &current, number * 10_000, covering(id)));
        (0..11).for_each(|failure| fail(&mut tasks, number * 10_000 + failure, &mut out));
    }
    let (_, task) = tasks.tasks().next().unwrap();
    let hidden: Vec<(&str, u64)> = task.findings().hidden.iter().map(|((_, id), count)| (&**id, *count)).collect();
    assert_eq!(hidden, [("another", 1), ("one", 2)]);
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
    tasks.set_epoch(3, 7);
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

/// Whoever takes over what was left.
fn taken_over(left: &Left, ruling: &Arc<Ruling>) -> (TaskSet, Resumed) {
    let (mut tasks, _) = tasks_under(Arc::clone(ruling));
    let resumed = left.hand_over(&mut tasks);
    (tasks, resumed)
}

#[test]
fn whoever_takes_over_sends_the_same_and_counts_on_whatever_rules_it_has() {
    const RECORDS: i64 = 600;
    let rulings =
        [edited(&[]), edited(&[("version: 2", "version: 3")]), edited(&[("failures_max: 10", "failures_max: 8")])];
    let (mut left, mut sent, mut turns) = (Left::nothing(), Vec::new(), Vec::new());
    // Each owner has other rules, commits every 20 records, and dies with some records uncommitted.
    for (owner, dies_at) in [90, 130, 350, 351, 590, RECORDS].into_iter().enumerate() {
        let ruling = &rulings[owner % 3];
        let (mut tasks, resumed) = taken_over(&left, ruling);
        assert_eq!(resumed, Resumed::Same);
        let (offset, low_water) = (left.progress.offset, left.progress.low_water);
        let mut silent = Vec::new();
        (low_water..offset).for_each(|number| take(&mut tasks, number, &mut silent));
        tasks.restored(3);
        let mut turned = (tasks.turn(3, offset) != Turned::No || offset == 0).then_some((offset, owner % 3));
        let mut pending = Vec::new();
        for number in offset..dies_at {
            take(&mut tasks, number, &mut pending);
            let position = number + 1;
            if position % 20 == 0 || position == RECORDS {
                left.commit(&mut tasks, position);
                turns.extend(turned.take());
                sent.append(&mut pending);
            }
        }
    }
    assert_eq!(turns.len(), 5, "the owner that died early had nothing committed: {turns:?}");

    let (mut alone, current) = tasks_under(Arc::clone(&rulings[0]));
    let mut wanted = Vec::new();
    alone.open(3);
    alone.restored(3);
    for number in 0..RECORDS {
        if let Some((offset, ruling)) = turns.iter().find(|(offset, _)| *offset == number) {
            switch(&mut alone, &current, *offset, Arc::clone(&rulings[*ruling]));
        }
        take(&mut alone, number, &mut wanted);
    }
    assert!(sent.len() > 50, "{}", sent.len());
    assert_eq!(sent.len(), wanted.len());
    assert!(sent == wanted);
    let account = &left.progress.task.account;
    assert_eq!(*account, alone.progress(3, RECORDS).account);
    let counted = |name: &str| account.records.get(name).copied().unwrap_or_default();
    let ends = ["scored", "duplicate", "late", "over_cap", "rejected"].map(counted);
    assert_eq!(ends.iter().sum::<u64>(), RECORDS as u64, "{account:?}");
    assert_eq!(counted("received"), RECORDS as u64);
    assert!(ends[1] > 0 && ends[2] > 0 && ends[4] > 0, "{account:?}");
}

#[test]
fn what_was_scored_under_a_build_that_is_not_at_hand_is_not_run_again_unasked() {
    let with_geo = |digest: &str| {
        let locate = Nowhere::new(digest);
        Arc::new(Ruling::new(Rulebook::parse(default_rules(), None).unwrap(), Arc::new(locate), Lateness::DEFAULT))
    };
    let mut left = Left::nothing();
    let (mut tasks, _) = taken_over(&left, &with_geo("old"));
    tasks.restored(3);
    let mut out = Vec::new();
    (0..30).for_each(|number| take(&mut tasks, number, &mut out));
    left.commit(&mut tasks, 30);
    let (_, resumed) = taken_over(&left, &with_geo("new"));
    assert_eq!(resumed, Resumed::Other { changes: "geoip old → new".to_owned() });
    // All is written after a graceful stop: nothing is to be run again, and the next owner turns where the last one ended.
    let mut written = Vec::new();
    tasks.checkpoint(3, 30, i64::MAX, Room { keys: 100, bytes: usize::MAX }, &mut written);
    written.into_iter().for_each(|record| drop(left.state.insert(record.key, record.value.unwrap())));
    left.progress = Progress { low_water: 30, task: tasks.progress(3, 30), ..left.progress };
    let (mut next, resumed) = taken_over(&left, &with_geo("new"));
    assert_eq!(resumed, Resumed::Same);
    assert!(matches!(next.turn(3, 30), Turned::To { named } if named.geoip == "new"));
}

#[test]
fn an_older_format_of_state_is_written_until_the_newer_one_was_used() {
    let in_format =
        |format: u8, edits: &[(&str, &str)]| Arc::new(Ruling::clone(&edited(edits)).with_state_format(format));
    let ((mut tasks, current), mut out) = (tasks_under(in_format(1, &[])), Vec::new());
    tasks.open(3);
    let mut formats = Vec::new();
    let rulings =
        [in_format(1, &[]), in_format(2, &[]), in_format(1, &[]), in_format(1, &[("version: 2", "version: 3")])];
    for (number, ruling) in (0..).zip(rulings) {
        let turned = switch(&mut tasks, &current, number, ruling);
        fail(&mut tasks, number, &mut out);
        let mut written = Vec::new();
        tasks.checkpoint(3, number + 1, i64::MAX, Room { keys: 9, bytes: usize::MAX }, &mut written);
        formats.push((turned, written[0].value.as_ref().unwrap()[0]));
    }
    assert_eq!(formats, [(false, 1), (true, 2), (false, 2), (true, 2)]);
    let names = serde_json::to_value(tasks.progress(3, 0).rulings).unwrap();
    assert_eq!(names[0]["named"].get("state_format"), None, "as it was before there was a second");
    assert_eq!(names[1]["named"]["state_format"], 2);
}
