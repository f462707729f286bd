//! Lists of addresses in the life of a partition: switched between two records, kept with its state, and made again from
//! what was kept by whoever takes it over.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/left.rs"]
mod left;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{List, Listing, Lists};
use frostwatch_detect::names::Name;
use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};
use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::checkpoint::{Resumed, Room};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks, Turned};
use left::Left;
use serde_json::{Value, json};

const STAMP: i64 = 1_767_225_600_000;

struct Nowhere(GeoBuild);

impl Locate for Nowhere {
    fn locate(&self, address: IpAddr) -> Location {
        let is_private = matches!(address, IpAddr::V4(v4) if v4.is_private());
        Location { place: Err(if is_private { NoPlace::Private } else { NoPlace::Unknown }), carrier: Carrier::NONE }
    }

    fn build(&self) -> &GeoBuild {
        &self.0
    }
}

/// A list of what hosts of `11.0.0.0/24` that end in these numbers are.
fn list(name: &str, category: Category, hosts: &[u8]) -> List {
    let entry = |host: &u8| Listing {
        first: 0xffff_0b00_0000 + u128::from(*host),
        prefix: 128,
        category,
        confidence: 90,
        tag: Name::new("exit"),
        from: Listing::ALWAYS,
        until: Listing::FOREVER,
    };
    List { name: name.to_owned(), entries: hosts.iter().map(entry).collect() }
}

/// A list of exits of Tor.
fn exits(hosts: &[u8]) -> Option<Arc<Lists>> {
    Lists::new(vec![list("exits", Category::Tor, hosts)]).unwrap()
}

/// The same, and a list of machines of a botnet.
fn exits_and_bots(exits: &[u8], bots: &[u8]) -> Option<Arc<Lists>> {
    Lists::new(vec![list("exits", Category::Tor, exits), list("bots", Category::Botnet, bots)]).unwrap()
}

fn ruling(lists: Option<Arc<Lists>>) -> Arc<Ruling> {
    let locate = Nowhere(GeoBuild { kind: "none".to_owned(), built_at_secs: 0, digest: String::new() });
    let book = Rulebook::parse(default_rules(), None).unwrap();
    Arc::new(Ruling::new(book, Arc::new(locate), Lateness::DEFAULT).with_lists(lists))
}

fn tasks_under(ruling: &Arc<Ruling>) -> (TaskSet, Arc<CurrentRuling>) {
    let current = Arc::new(CurrentRuling::new(Arc::clone(ruling)));
    let shared = Shared::new(0, Origin::default(), "test");
    (TaskSet::new(Arc::new(shared), Arc::clone(&current)), current)
}

/// Activity of seven users from nine addresses, some of it late, some too late, and some of that a copy.
fn take(tasks: &mut TaskSet, number: i64, out: &mut Vec<OutputRecord>) {
    let (user, host) = (number % 7, number * 5 % 9);
    let (id, late) = match number {
        _ if number % 11 == 0 => (number, 600),
        _ if number % 91 == 0 => (number - 91, 10_800),
        _ if number % 4 == 0 => (number, 10_800),
        _ => (number, 0),
    };
    let value = json!({
        "schema": "activity.v1", "id": id.to_string(), "time": rfc3339(STAMP + 60_000 * number - 1_000 * late),
        "instance": "acme", "user": { "name": format!("u{user}") }, "action": "view", "outcome": "success",
        "client": { "ip": format!("11.0.0.{host}") }, "source": { "producer": "test" },
    });
    let (key, value) = (format!("acme|u{user}"), value.to_string());
    let stamp = Some(STAMP + 60_000 * number);
    tasks.record(3, &InputRecord { offset: number, stamp, key: Some(key.as_bytes()), value: value.as_bytes() }, out);
}

/// Whoever takes over what was left.
fn taken_over(left: &Left, ruling: &Arc<Ruling>) -> (TaskSet, Arc<CurrentRuling>, Resumed) {
    let (mut tasks, current) = tasks_under(ruling);
    let resumed = left.hand_over(&mut tasks);
    (tasks, current, resumed)
}

fn told(out: &[OutputRecord]) -> Vec<Value> {
    let alerts = out.iter().filter(|record| matches!(record.channel, Channel::Alerts | Channel::Suppressions));
    alerts.map(|record| serde_json::from_slice(&record.value).unwrap()).collect()
}

/// What readers are left with: of each alert the last that was said of it, those that were taken back left out.
fn standing(out: &[OutputRecord]) -> Vec<Value> {
    let last: BTreeMap<String, Value> = told(out).into_iter().map(|alert| (alert["id"].to_string(), alert)).collect();
    last.into_values().filter(|alert| alert["change"] != "retracted").collect()
}

#[test]
fn whoever_takes_over_sends_the_same_whatever_lists_it_has() {
    const RECORDS: i64 = 400;
    let rulings = [
        ruling(exits(&[1, 2, 3])),
        ruling(exits_and_bots(&[3, 4], &[0, 5])),
        ruling(None),
        ruling(exits_and_bots(&[1, 7], &[2, 5, 8])),
    ];
    let (mut left, mut sent, mut turns) = (Left::nothing(), Vec::new(), Vec::new());
    for (owner, dies_at) in [90, 130, 250, 251, 370, RECORDS].into_iter().enumerate() {
        let (mut tasks, _, resumed) = taken_over(&left, &rulings[owner % 4]);
        assert_eq!(resumed, Resumed::Same, "owner {owner}");
        let (offset, low_water) = (left.progress.offset, left.progress.low_water);
        let mut silent = Vec::new();
        (low_water..offset).for_each(|number| take(&mut tasks, number, &mut silent));
        tasks.restored(3);
        let mut turned = (tasks.turn(3, offset) != Turned::No || offset == 0).then_some((offset, owner % 4));
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
    let (mut alone, current) = tasks_under(&rulings[0]);
    let mut wanted = Vec::new();
    alone.open(3);
    alone.restored(3);
    for number in 0..RECORDS {
        if let Some((offset, ruling)) = turns.iter().find(|(offset, _)| *offset == number) {
            current.set(Arc::clone(&rulings[*ruling]));
            assert!(*offset == 0 || alone.turn(3, *offset) != Turned::No);
        }
        take(&mut alone, number, &mut wanted);
    }
    assert!(turns.len() >= 5 && told(&sent).len() > 30, "{} turns, {} told", turns.len(), told(&sent).len());
    assert!(sent == wanted);
    let policies: BTreeSet<String> = told(&sent).iter().map(|alert| alert["policy"].to_string()).collect();
    assert!(policies.contains("\"anonymous_ip\""), "{policies:?}");
    let afterwards = told(&sent).iter().filter(|alert| alert.to_string().contains("did not say so then")).count();
    assert!(afterwards > 3, "what lists said after a switch was told: {afterwards}");
    let late: Vec<Value> = told(&sent).into_iter().filter(|alert| alert["late"] == json!(true)).collect();
    let counts: Vec<Option<u64>> = late.iter().map(|alert| alert["count"].as_u64()).collect();
    assert!(late.len() > 10 && counts.contains(&Some(5)), "what came too late was checked too: {counts:?}");
}

#[test]
fn what_newer_lists_say_of_where_a_user_was_is_told_at_the_next_event_whatever_comes_late() {
    let one = |tasks: &mut TaskSet, (number, minute): (i64, i64), host: u8, out: &mut Vec<OutputRecord>| {
        let value = json!({
            "schema": "activity.v1", "id": number.to_string(), "time": rfc3339(STAMP + 60_000 * minute),
            "instance": "acme", "user": { "name": "ana" }, "action": "view", "outcome": "success",
            "client": { "ip": format!("11.0.0.{host}") }, "source": { "producer": "test" },
        });
        let (value, stamp) = (value.to_string(), Some(STAMP + 60_000 * number));
        tasks.record(3, &InputRecord { offset: number, stamp, key: Some(b"acme|ana"), value: value.as_bytes() }, out);
    };
    // Each is host 9 at some time before minute 30, when lists come that call it a botnet's, and the last record is another host.
    for (before, after) in [
        (vec![(0, 0, 9)], vec![(40, 40, 1)]),
        (vec![(0, 0, 9), (10, 10, 1)], vec![(40, 40, 1)]),
        (vec![(0, 0, 9), (10, 10, 1)], vec![(40, 40, 1), (41, 5, 1)]),
        (vec![(10, 10, 1), (11, 0, 9)], vec![(40, 35, 1)]),
    ] {
        let (mut tasks, current) = tasks_under(&ruling(exits(&[5])));
        tasks.open(3);
        let mut out = Vec::new();
        before.into_iter().for_each(|(number, minute, host)| one(&mut tasks, (number, minute), host, &mut out));
        assert!(told(&out).is_empty(), "not listed yet");
        let newer = exits_and_bots(&[5], &[9]);
        current.set(ruling(newer.clone()));
        assert!(matches!(tasks.turn(3, 30), Turned::To { .. }));
        after.into_iter().for_each(|(number, minute, host)| one(&mut tasks, (number, minute), host, &mut out));
        let stand = standing(&out);
        let alert = &stand[0];
        assert_eq!(
            (stand.len(), &alert["policy"], &alert["count"]),
            (1, &json!("suspicious_ip"), &json!(1)),
            "{alert}"
        );
        assert!(
            alert["evidence"].to_string().contains("11.0.0.9") && !alert["evidence"].to_string().contains("11.0.0.1\""),
            "{alert}"
        );
        assert!(alert["summary"].as_str().unwrap().contains("which did not say so then"), "{alert}");
        let bots = newer.unwrap().builds()[0].digest.to_string();
        assert!(alert["versions"]["lists"].to_string().contains(&bots), "{alert}");
    }
}

/// Minute, host, and which row of one action it is: the second says more.
type Row = (i64, u8, u8);

#[test]
fn what_newer_lists_say_is_told_at_the_first_event_after_it_in_whatever_order_they_come() {
    let found = |rows: &[Row]| {
        let (mut tasks, current) = tasks_under(&ruling(exits(&[5])));
        tasks.open(3);
        let mut out = Vec::new();
        for (number, (minute, host, row)) in (0..).zip(std::iter::once(&(0, 9, 0)).chain(rows)) {
            if number == 1 {
                current.set(ruling(exits_and_bots(&[5], &[9])));
                assert!(matches!(tasks.turn(3, 1), Turned::To { .. }));
            }
            let mut value = json!({
                "schema": "activity.v1", "id": format!("{minute}-{row}"), "time": rfc3339(STAMP + 60_000 * minute),
                "instance": "acme", "user": { "name": "ana" }, "action": "view", "outcome": "success",
                "client": { "ip": format!("11.0.0.{host}") }, "source": { "producer": "test" },
            });
            if *row > 0 {
                value["action_key"] = json!(format!("of {minute}"));
            }
            if *row > 1 {
                value["client"]["user_agent"] = json!("Firefox");
                value["object"] = json!({ "kind": "record", "table": "incident", "id": "a".repeat(32) });
            }
            let (value, stamp) = (value.to_string(), Some(STAMP + 60_000 * 50 + number));
            let key = Some(&b"acme|ana"[..]);
            tasks.record(3, &InputRecord { offset: number, stamp, key, value: value.as_bytes() }, &mut out);
        }
        let ids = standing(&out).into_iter().map(|alert| (alert["id"].to_string(), alert["count"].to_string()));
        ids.collect::<BTreeSet<_>>()
    };
    for rows in [
        vec![(10, 1, 0), (5, 1, 0)],
        vec![(10, 1, 1), (10, 1, 2)],
        vec![(10, 1, 2), (20, 1, 0), (10, 1, 1)],
        vec![(20, 1, 0), (10, 1, 0), (2, 9, 0)],
    ] {
        let mut turned = rows.clone();
        turned.reverse();
        let [one, other] = [found(&rows), found(&turned)];
        assert_eq!(one.len(), 1, "{rows:?}");
        assert_eq!(one, other, "{rows:?}");
    }
}

#[test]
fn an_alert_names_the_lists_it_was_found_with_and_each_record_the_ones_it_arrived_under() {
    let lists = [exits(&[5]), exits(&[5, 6])];
    let (mut tasks, current) = tasks_under(&ruling(lists[0].clone()));
    tasks.open(3);
    let mut out = Vec::new();
    // Host 5 is the address of the first record; of the second it is host 6 by the lists that come after it.
    let one = |tasks: &mut TaskSet, number: i64, host: u8, out: &mut Vec<OutputRecord>| {
        let value = json!({
            "schema": "activity.v1", "id": number.to_string(), "time": rfc3339(STAMP + 1_000 * number),
            "instance": "acme", "user": { "name": "ana" }, "action": "view", "outcome": "success",
            "client": { "ip": format!("11.0.0.{host}") }, "source": { "producer": "test" },
        });
        let (value, stamp) = (value.to_string(), Some(STAMP + 1_000 * number));
        tasks.record(3, &InputRecord { offset: number, stamp, key: Some(b"acme|ana"), value: value.as_bytes() }, out);
    };
    one(&mut tasks, 0, 6, &mut out);
    assert!(told(&out).is_empty(), "not listed yet");
    one(&mut tasks, 10, 5, &mut out);
    current.set(ruling(lists[1].clone()));
    assert!(matches!(tasks.turn(3, 20), Turned::To { .. }));
    assert_eq!(tasks.turn(3, 20), Turned::No, "the same content is no switch");
    one(&mut tasks, 20, 6, &mut out);
    // A late event makes all run again: the first record stays under the lists it arrived under.
    one(&mut tasks, 5, 1, &mut out);
    let told = told(&out);
    let digests = |alert: &Value| {
        let versions = alert["versions"]["lists"].as_array().unwrap().clone();
        versions.iter().map(|version| version["digest"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let of = |lists: &Option<Arc<Lists>>| lists.as_ref().unwrap().builds()[0].digest.to_string();
    assert_eq!(told.iter().map(|alert| alert["count"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(digests(&told[0]), [of(&lists[0])].into());
    assert_eq!(digests(&told[1]), lists.iter().map(of).collect());
    let tags: Vec<&Value> = told[0]["entities"].as_array().unwrap().iter().filter_map(|it| it.get("tags")).collect();
    assert_eq!(tags, [&json!(["tor"])]);
}

#[test]
fn lists_that_change_more_often_than_records_come_do_not_pile_up() {
    let (mut tasks, current) = tasks_under(&ruling(exits(&[1])));
    tasks.open(3);
    let (mut left, mut out) = (Left::nothing(), Vec::new());
    for number in 0..39 {
        current.set(ruling(exits(&[1, 2 + number as u8])));
        assert!(matches!(tasks.turn(3, number), Turned::To { .. }));
        take(&mut tasks, number, &mut out);
        // Nothing of it is 40 records old.
        left.commit(&mut tasks, number + 1);
        assert!(left.progress.task.turns.len() <= 32, "{number}: {}", left.progress.task.turns.len());
    }
    assert!(left.progress.low_water > 0 && left.progress.low_water < 39);
}

#[test]
fn who_goes_on_without_the_lists_that_nobody_kept_switches() {
    let (mut tasks, _) = tasks_under(&ruling(exits(&[1])));
    tasks.open(3);
    let (mut left, mut out) = (Left::nothing(), Vec::new());
    (0..10).for_each(|number| take(&mut tasks, number, &mut out));
    // Nothing is to be run again.
    tasks.checkpoint(3, 10, i64::MAX, Room { keys: 100, bytes: usize::MAX }, &mut Vec::new());
    left.commit(&mut tasks, 10);
    left.contents.clear();
    let (mut next, _, resumed) = taken_over(&left, &ruling(None));
    assert_eq!(resumed, Resumed::Same);
    next.restored(3);
    assert!(matches!(next.turn(3, 10), Turned::To { named } if named.lists.is_empty()));
    assert_eq!(next.turn(3, 10), Turned::No);
}

#[test]
fn of_private_addresses_in_a_wide_network_no_list_knows_anything() {
    let wide = Listing {
        first: 0xffff_ac00_0000,
        prefix: 104,
        category: Category::Tor,
        confidence: 90,
        tag: Name::EMPTY,
        from: Listing::ALWAYS,
        until: Listing::FOREVER,
    };
    let lists = Lists::new(vec![List { name: "wide".to_owned(), entries: vec![wide] }]).unwrap();
    for (ip, alerts) in [("172.16.0.1", 0), ("172.31.255.255", 0), ("172.15.255.255", 1), ("172.32.0.0", 1)] {
        let (mut tasks, _) = tasks_under(&ruling(lists.clone()));
        tasks.open(3);
        let value = json!({
            "schema": "activity.v1", "id": "1", "time": rfc3339(STAMP), "instance": "acme", "user": { "name": "ana" },
            "action": "view", "outcome": "success", "client": { "ip": ip }, "source": { "producer": "test" },
        });
        let (value, mut out) = (value.to_string(), Vec::new());
        let record = InputRecord { offset: 0, stamp: Some(STAMP), key: Some(b"acme|ana"), value: value.as_bytes() };
        tasks.record(3, &record, &mut out);
        assert_eq!(told(&out).len(), alerts, "{ip}");
    }
}

#[test]
fn any_number_of_lists_is_one_ruling_beside_none() {
    let (mut tasks, current) = tasks_under(&ruling(None));
    tasks.open(3);
    let mut out = Vec::new();
    for number in 0..300_i64 {
        current.set(ruling(exits(&[(number % 200) as u8, (number / 200 + 201) as u8])));
        assert!(matches!(tasks.turn(3, number), Turned::To { .. }), "{number}");
        take(&mut tasks, number, &mut out);
    }
    let progress = tasks.progress(3, 299);
    assert_eq!((progress.rulings.len(), progress.turns.len()), (2, 1));
    let named = progress.named().unwrap();
    assert_eq!(named.lists, current.get().named().lists);
    assert!(tasks.content(3, &named.lists).is_some());
}

#[test]
fn lists_that_are_not_kept_are_a_ruling_that_is_not_at_hand() {
    let mut left = Left::nothing();
    let (mut tasks, _, _) = taken_over(&left, &ruling(exits(&[1])));
    tasks.restored(3);
    let mut out = Vec::new();
    (0..30).for_each(|number| take(&mut tasks, number, &mut out));
    left.commit(&mut tasks, 30);
    let (was, is) = (ruling(exits(&[1])).named().lists, ruling(exits(&[2])).named().lists);
    left.contents.clear();
    let (_, _, resumed) = taken_over(&left, &ruling(exits(&[2])));
    assert_eq!(resumed, Resumed::Other { changes: format!("lists {was} → {is}") });
    let (_, _, resumed) = taken_over(&left, &ruling(None));
    assert_eq!(resumed, Resumed::Other { changes: format!("lists {was} → none") });
    assert_eq!(taken_over(&left, &ruling(exits(&[1]))).2, Resumed::Same);
}

#[test]
fn a_format_of_state_that_was_used_keeps_its_lists_whatever_is_said_later() {
    let newer = || ruling(exits(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
    let older = Arc::new(Ruling::clone(&newer()).with_state_format(1));
    let outputs = [None, Some(older)].map(|switched_to| {
        let (mut tasks, current) = tasks_under(&newer());
        tasks.open(3);
        let mut out = Vec::new();
        (0..30).for_each(|number| take(&mut tasks, number, &mut out));
        switched_to.into_iter().for_each(|ruling| current.set(ruling));
        assert_eq!(tasks.turn(3, 30), Turned::No);
        (30..60).for_each(|number| take(&mut tasks, number, &mut out));
        out
    });
    assert!(told(&outputs[0]).len() > 3 && outputs[0] == outputs[1]);
}

#[test]
fn a_format_of_state_without_room_for_lists_does_without_them() {
    let older = |lists| Arc::new(Ruling::clone(&ruling(lists)).with_state_format(1));
    assert_eq!(older(exits(&[1])).named(), older(None).named());
    let (mut tasks, _) = tasks_under(&older(exits(&[0, 1, 2, 3, 4, 5, 6, 7, 8])));
    tasks.open(3);
    let mut out = Vec::new();
    (0..60).for_each(|number| take(&mut tasks, number, &mut out));
    assert!(told(&out).iter().all(|alert| alert["policy"] != "anonymous_ip"));
    let mut written = Vec::new();
    tasks.checkpoint(3, 60, i64::MAX, Room { keys: 99, bytes: usize::MAX }, &mut written);
    assert!(written.iter().all(|record| record.value.as_ref().unwrap()[0] == 1));
}
