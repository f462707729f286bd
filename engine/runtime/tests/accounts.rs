//! From rows of ServiceNow to an alert by what a row of `sys_user` says of the account, over a change of owners.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/left.rs"]
mod left;
#[path = "support/nowhere.rs"]
mod nowhere;

use std::sync::Arc;

use frostwatch_detect::time::{DAY, HOUR, Lateness, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::checkpoint::Resumed;
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks};
use frostwatch_wire::normalise::config::NormaliseConfig;
use frostwatch_wire::normalise::{Normalised, Normaliser};
use left::{Left, PARTITION};
use nowhere::Nowhere;
use serde_json::{Value, json};

const START: Millis = 1_772_442_000_000;
/// Failed sign-ins of a burst: one more than the shipped rule allows.
const FAILURES: i64 = 11;

/// The shipped rule about failed sign-ins, for one group.
fn tasks() -> TaskSet {
    let (file, shipped) = default_rules()[2];
    let text = shipped.replace("  include: []", "  include: [{ groups: [finance] }]");
    let book = Rulebook::parse(&[(file, &text)], None).unwrap();
    let locate = Nowhere::new("");
    let ruling = Arc::new(Ruling::new(book, Arc::new(locate), Lateness::DEFAULT));
    TaskSet::new(Arc::new(Shared::new(0, Origin::default(), "test")), Arc::new(CurrentRuling::new(ruling)))
}

/// As rows have times.
fn written(time: Millis) -> String {
    rfc3339(time).replace('T', " ").chars().take(19).collect()
}

fn account(time: Millis, revision: u32, columns: &Value) -> Value {
    let mut row = json!({
        "sys_id": "5137153cc611227c000bbd1bd8cd2005", "user_name": "Ana.Lind", "active": "true",
        "sys_mod_count": revision.to_string(), "sys_created_on": "2024-01-15 08:00:00", "sys_updated_on": written(time),
    });
    for (name, value) in columns.as_object().unwrap() {
        row[name] = value.clone();
    }
    row
}

fn failures(from: Millis) -> impl Iterator<Item = (Millis, Value)> {
    (0..FAILURES).map(move |number| {
        let time = from + number * SECOND;
        let row = json!({
            "sys_id": format!("{time:032x}"), "name": "login.failed", "parm1": "ana.lind", "parm2": "198.51.100.7",
            "sys_created_on": written(time), "sys_created_by": "guest",
        });
        (time, row)
    })
}

/// The records of rows, each stamped a second after the time given with it.
fn records(rows: &[(Millis, Value)]) -> Vec<(Millis, String, Vec<u8>)> {
    let normaliser = Normaliser::new(NormaliseConfig::for_instance("acme")).unwrap();
    let mut records = Vec::new();
    for (time, row) in rows {
        normaliser.line(&serde_json::to_vec(row).unwrap(), &mut |made| {
            let value = made.to_bytes().unwrap();
            let Normalised::Activity { key, .. } = made else { unreachable!("it has bytes") };
            records.push((time + SECOND, key, value));
        });
    }
    records
}

fn take(
    tasks: &mut TaskSet,
    offset: usize,
    (stamp, key, value): &(Millis, String, Vec<u8>),
    out: &mut Vec<OutputRecord>,
) {
    let record = InputRecord { offset: offset as i64, stamp: Some(*stamp), key: Some(key.as_bytes()), value };
    tasks.record(PARTITION, &record, out);
}

/// The alerts that are opened, as the user and the time of their first event.
fn opened(out: &[OutputRecord]) -> Vec<(Value, Value)> {
    let bodies = out.iter().map(|record| serde_json::from_slice::<Value>(&record.value).unwrap());
    let of_change = bodies.filter(|body| body["change"] == "opened");
    of_change.map(|body| (body["entities"][0].clone(), body["first_event_time"].clone())).collect()
}

#[test]
fn what_a_row_says_of_an_account_decides_whom_rules_watch_from_then_on() {
    let finance = json!({
        "name": "Ana Lind", "email": "ana.lind@acme.test", "groups": "Finance,Staff",
        "department": { "value": "221f3db5c6112284009f4becd3039cc9", "display_value": "Finance" },
    });
    let mut rows: Vec<(Millis, Value)> = failures(START).collect();
    // A table that is read for the first time: the row was changed long before, and newer activity is known.
    rows.push((START + HOUR, account(START - 30 * DAY, 7, &finance)));
    rows.extend(failures(START + 2 * HOUR));
    rows.push((START + 4 * HOUR, account(START + 4 * HOUR, 8, &json!({ "groups": "Staff" }))));
    rows.extend(failures(START + 6 * HOUR));
    let records = records(&rows);
    assert_eq!(records.len(), 3 * FAILURES as usize + 4, "a row of an account says that it is on, and who it is");

    let mut alone = tasks();
    alone.open(PARTITION);
    alone.restored(PARTITION);
    let mut wanted = Vec::new();
    records.iter().enumerate().for_each(|(offset, record)| take(&mut alone, offset, record, &mut wanted));
    let user = json!({
        "type": "user", "name": "ana.lind", "instance": "acme", "display_name": "Ana Lind",
        "email": "ana.lind@acme.test", "department": "Finance",
    });
    assert_eq!(opened(&wanted), [(user, rfc3339(START + 2 * HOUR).into())]);

    // An owner for every record: what one has heard, the next one knows.
    let (mut left, mut sent) = (Left::nothing(), Vec::new());
    for (offset, record) in records.iter().enumerate() {
        let mut tasks = tasks();
        assert_eq!(left.hand_over(&mut tasks), Resumed::Same);
        let (low_water, mut silent) = (left.progress.low_water as usize, Vec::new());
        (low_water..offset).for_each(|at| take(&mut tasks, at, &records[at], &mut silent));
        tasks.restored(PARTITION);
        take(&mut tasks, offset, record, &mut sent);
        left.commit(&mut tasks, offset as i64 + 1);
    }
    assert!(sent == wanted, "{:?} is not {:?}", opened(&sent), opened(&wanted));
}

#[test]
fn a_row_that_comes_first_or_late_is_heard_and_makes_nothing_else_late() {
    let finance = json!({ "groups": "finance" });
    let old = account(START - 200 * DAY, 7, &finance);
    let first: Vec<(Millis, Value)> = [(START, old)].into_iter().chain(failures(START + HOUR)).collect();
    // After an outage all of it is stamped at once, in the order in which it happened.
    let stamp = START + 5 * HOUR;
    let row = account(START + 10 * MINUTE, 7, &finance);
    let backlog = failures(START).take(1).chain([(0, row)]).chain(failures(START + 20 * MINUTE));
    let backlog: Vec<(Millis, Value)> = backlog.map(|(_, row)| (stamp, row)).collect();
    for (rows, wanted) in [(first, START + HOUR), (backlog, START + 20 * MINUTE)] {
        let (mut tasks, mut out) = (tasks(), Vec::new());
        tasks.open(PARTITION);
        tasks.restored(PARTITION);
        records(&rows).iter().enumerate().for_each(|(offset, record)| take(&mut tasks, offset, record, &mut out));
        let times: Vec<Value> = opened(&out).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times, [rfc3339(wanted)]);
        assert!(out.iter().all(|record| record.channel != Channel::Late));
    }
}
