//! The promise of rewind: whatever the order of arrival within the lateness, the final findings and the state are those
//! of the same events in order; and the changes sent are a function of the key's records alone.

#[path = "rewind/readers.rs"]
mod readers;
#[path = "rewind/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::catalogue::{Params, STATE_FORMAT};
use frostwatch_detect::event::Event;
use frostwatch_detect::finding::Finding;
use frostwatch_detect::key::{LateReason, Verdict};
use frostwatch_detect::keys::Keys;
use frostwatch_detect::lane::{ACTION_SPAN, LANE_EVENTS_MAX};
use frostwatch_detect::model::{Action, Outcome};
use frostwatch_detect::plans::Plans;
use frostwatch_detect::profile::{Apart, Facts, Person, Statement};
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{DAY, HOUR, MINUTE, SECOND};
use proptest::prelude::*;
use readers::{NAME, assert_same, by_stamp, in_order, run, same_findings};
use world::{START, Sketch, cases, events, plan_without, plans, sketches};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_order_within_the_lateness_gives_the_findings_of_the_events_in_order(sketches in sketches(1..160)) {
        let plans = plans();
        let delivered = by_stamp(events(&sketches));
        let late = run(&delivered, &plans);
        prop_assert!(!late.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Late(_))), "a record stamped within the lateness is never late");
        let plain = run(&in_order(&delivered), &plans);
        assert_same(&late, &plain);
    }

    #[test]
    fn what_is_sent_is_a_function_of_the_records_alone(sketches in sketches(1..120)) {
        let plans = plans();
        let delivered = by_stamp(events(&sketches));
        let alone = run(&delivered, &plans);
        // The same records between those of other keys, packed and unpacked at other moments.
        let mut keys = Keys::default();
        let mut changes = Vec::new();
        let mut beat = 0;
        for event in &delivered {
            let mut scrap = Vec::new();
            while START + beat * 5 * MINUTE < event.stamp.unwrap_or(0) {
                keys.accept("acme|somebody.else", &view(beat * 300, beat * 300, beat as u32), &plans, &mut scrap);
                beat += 1;
            }
            keys.accept(NAME, event, &plans, &mut changes);
        }
        prop_assert!(alone.changes == changes, "{} and {} changes", alone.changes.len(), changes.len());
        prop_assert_eq!(keys.counters().unreadable, 0);
    }

    #[test]
    fn of_copies_the_one_with_the_smallest_hash_counts_in_any_order(sketches in sketches(1..80), repeats in prop::collection::vec((0_usize..80, 0_i64..50, -2_i64..3), 0..20)) {
        let plans = plans();
        let mut winners = events(&sketches);
        let mut all = winners.clone();
        for (index, delay_minutes, conflict) in repeats {
            let index = index % winners.len();
            let mut copy = all[index].clone();
            // A copy within what is left of the lateness.
            copy.stamp = copy.stamp.map(|stamp| stamp.max(copy.time + delay_minutes * MINUTE));
            if conflict != 0 {
                copy.content = copy.content.saturating_add_signed(conflict);
                copy.outcome = if conflict % 2 == 0 { Outcome::Success } else { Outcome::Failure };
            }
            if copy.content < winners[index].content {
                winners[index] = copy.clone();
            }
            all.push(copy);
        }
        let with = run(&by_stamp(all), &plans);
        prop_assert!(!with.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Late(_))));
        assert_same(&with, &run(&in_order(&winners), &plans));
    }

    #[test]
    fn keys_do_not_care_how_they_are_spread_over_tasks(sketches in sketches(1..120)) {
        let plans = plans();
        let delivered = by_stamp(events(&sketches));
        let name = |event: &Event| format!("acme|user-{}", event.content % 5);
        let now = delivered.iter().filter_map(|event| event.stamp).max().unwrap_or(0);
        let spread = |tasks: u64| {
            let mut keys: Vec<Keys> = (0..tasks).map(|_| Keys::default()).collect();
            let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
            for event in &delivered {
                let (name, task) = (name(event), event.content % 5 % tasks);
                keys[task as usize].accept(&name, event, &plans, changes.entry(name.clone()).or_default());
            }
            (changes, keys.iter().fold(0_u128, |sum, keys| sum.wrapping_add(keys.state_hash(&plans, now))))
        };
        let one = spread(1);
        prop_assert!(one == spread(3) && one == spread(5));
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn who_somebody_is_changes_nothing_that_is_found_but_whom_it_names(
        sketches in sketches(1..120),
        said in prop::collection::vec((0_i64..20 * 86_400, 0_i64..60), 0..20),
    ) {
        let plans = plans();
        // Somebody who has signed in before, or the first word of who it is would keep a name that is nobody's.
        let first = Event { action: Action::Login, ..view(-7_200, -7_200, 900_000) };
        let without: Vec<Event> = events(&sketches).into_iter().filter(|event| event.statement().is_none()).chain([first]).collect();
        let person = Facts { person: Person::new("Ana Lind", "", "Sales").map(Arc::new), ..Facts::default() };
        let told = said.iter().enumerate().map(|(index, (second, delay))| {
            let event = view(*second, second + delay * 60, 910_000 + index as u32);
            let apart = Apart::Statement(Statement { said_at: event.time, facts: person.clone() });
            Event { action: Action::UserProfile, apart: Some(Box::new(apart)), ..event }
        });
        let with: Vec<Event> = without.iter().cloned().chain(told).collect();
        let (with, without) = (run(&by_stamp(with), &plans), run(&by_stamp(without), &plans));
        let unnamed = |finding: &Arc<Finding>| {
            let mut finding = Finding::clone(finding);
            finding.beside.person = None;
            Arc::new(finding)
        };
        let all = |found: &BTreeMap<u128, Arc<Finding>>| found.iter().map(|(id, finding)| (*id, unnamed(finding))).collect();
        same_findings(&all(&with.readers.alerts), &all(&without.readers.alerts));
        same_findings(&all(&with.readers.suppressed), &all(&without.readers.suppressed));
    }
}

#[test]
fn a_name_that_somebody_knows_is_kept_though_it_never_succeeds() {
    let plans = plans();
    let said = Event {
        action: Action::UserProfile,
        apart: Some(Box::new(Apart::Statement(Statement {
            said_at: START,
            facts: Facts { privileged: Some(true), ..Facts::default() },
        }))),
        ..view(0, 0, 1)
    };
    let mut history = vec![said];
    let later = 40 * DAY / SECOND;
    history.extend((0..4).map(|index| failure(later + index, later + index, 2 + index as u32)));
    let found = run(&history, &plans).readers.alerts;
    let reasons: Vec<&str> = found.values().flat_map(|finding| &finding.severity_reasons).map(String::as_str).collect();
    assert_eq!(reasons, ["the account is privileged"]);
}

fn view(second: i64, stamp: i64, number: u32) -> Event {
    Sketch { number, ..Sketch::view(second, stamp) }.event()
}

#[test]
fn the_horizon_is_exact_to_the_millisecond() {
    let plans = plans();
    let window = plans.current().lateness.window();
    for (behind, late) in [(window, false), (window + 1, true)] {
        let newest = view(10_000, 10_000, 1);
        let mut straggler = view(10_000, 10_000, 2);
        straggler.time -= behind;
        let verdicts = run(&[newest, straggler], &plans).verdicts;
        assert_eq!(verdicts[1] == Verdict::Late(LateReason::Horizon), late, "{behind}");
    }
}

#[test]
fn an_idle_key_settles() {
    let plans = plans();
    let window = plans.current().lateness.window() / SECOND;
    for (stamp, expected) in [(window, Verdict::Scored), (window + 1, Verdict::Late(LateReason::Idle))] {
        let verdicts = run(&[view(0, 0, 1), view(-5, stamp, 2)], &plans).verdicts;
        assert_eq!(verdicts[1], expected, "{stamp}");
    }
    // A newer event wakes the key. What is older than the sleep stays late, once an action cannot span it.
    let span = ACTION_SPAN / SECOND;
    for (gap, old) in [(window + span, Verdict::Scored), (window + span + 1, Verdict::Late(LateReason::Idle))] {
        let woken = [view(0, 0, 1), view(60, gap, 2), view(-5, gap, 3), view(30, gap, 4)];
        assert_eq!(run(&woken, &plans).verdicts[1..], [Verdict::Scored, old, Verdict::Scored], "{gap}");
    }
}

#[test]
fn at_the_cap_nothing_settles_early_and_one_more_settles_the_oldest() {
    let plans = plans();
    let cap = LANE_EVENTS_MAX as i64;
    let mut flood: Vec<Event> = (0..cap).map(|index| view(index / 4 + 10, 2_000, index as u32)).collect();
    flood.push(view(9, 2_000, 900_000));
    let at_cap = run(&flood[..flood.len() - 1], &plans);
    assert!(at_cap.verdicts.iter().all(|verdict| *verdict == Verdict::Scored));
    let over = run(&flood, &plans);
    assert_eq!(over.verdicts.last(), Some(&Verdict::Scored));
    flood.push(view(9, 2_000, 900_001));
    assert_eq!(run(&flood, &plans).verdicts.last(), Some(&Verdict::Late(LateReason::OverCap)));
}

fn failure(second: i64, stamp: i64, number: u32) -> Event {
    Event { action: Action::Login, outcome: Outcome::Failure, ..view(second, stamp, number) }
}

#[test]
fn a_flood_of_failures_does_not_push_real_activity_over_the_horizon() {
    let plans = plans();
    let cap = LANE_EVENTS_MAX as i64;
    let mut flood: Vec<Event> = (0..2 * cap).map(|index| failure(1_000 + index / 8, 3_000, index as u32)).collect();
    flood.push(view(20, 3_001, 900_000));
    // A sign-in concerns both histories; the one that is not flooded takes it.
    flood.push(Event { action: Action::Login, ..view(1_100, 3_002, 900_001) });
    assert_eq!(run(&flood, &plans).verdicts[flood.len() - 2..], [Verdict::Scored, Verdict::Scored]);
    flood.push(failure(1_100, 3_003, 900_002));
    assert_eq!(run(&flood, &plans).verdicts.last(), Some(&Verdict::Late(LateReason::OverCap)));
}

#[test]
fn what_comes_in_order_is_never_over_the_cap() {
    let plans = plans();
    for per_second in [1, 200, 5_000] {
        let flood: Vec<Event> =
            (0..12_000_i64).map(|index| failure(index / per_second, index / per_second, index as u32)).collect();
        let run = run(&in_order(&flood), &plans);
        assert!(run.verdicts.iter().all(|verdict| *verdict == Verdict::Scored), "{per_second} a second");
        let finding = run.readers.alerts.values().next().unwrap();
        assert_eq!(finding.count, 10_000, "{per_second} a second: the last step of the ladder");
    }
}

#[test]
fn a_name_that_never_succeeds_begins_anew_after_the_lateness() {
    let plans = plans();
    let mut keys = Keys::default();
    let mut changes = Vec::new();
    keys.accept(NAME, &failure(0, 0, 1), &plans, &mut changes);
    let other = 4 * HOUR / SECOND;
    for step in 0..200 {
        keys.accept("acme|busy", &view(other + step, other + step, step as u32), &plans, &mut changes);
    }
    assert_eq!((keys.len(), keys.counters().evicted), (1, 1));
}

#[test]
fn the_worst_order_costs_no_more_than_the_cap_allows() {
    let plans = plans();
    // Every event arrives before all others that are held.
    let events: Vec<Event> = (0..6_000_i64).map(|index| view(3_600 - index / 2, 7_200, index as u32)).collect();
    let worst = run(&events, &plans);
    let bound = events.len() as u64 * LANE_EVENTS_MAX as u64;
    assert!(worst.steps < bound, "{} steps", worst.steps);
    let plain = run(&in_order(&events), &plans);
    assert!(plain.steps <= 2 * events.len() as u64, "in order an event costs a step: {}", plain.steps);
}

#[test]
fn a_gap_over_the_retention_begins_a_new_history() {
    let plans = plans();
    let second = 91 * DAY / SECOND;
    let old = view(0, 0, 1);
    let new = view(second, second, 2);
    let both = run(&[old, new.clone()], &plans);
    let alone = run(&[new], &plans);
    assert_eq!(both.hash, alone.hash);
}

#[test]
fn who_never_carries_anything_off_costs_nothing_for_it() {
    let without = Plans::new(Arc::new(plan_without(|params| matches!(params, Params::UnusualDownload(_)))));
    let views: Vec<Event> = (0..60).map(|index| view(index * 40, index * 40, index as u32)).collect();
    assert_eq!(run(&views, &plans()).hash, run(&views, &without).hash);
    let download = Event { action: Action::Download, ..view(2_400, 2_400, 60) };
    let some = [views, vec![download]].concat();
    assert_ne!(run(&some, &plans()).hash, run(&some, &without).hash);
}

#[test]
fn the_encoding_of_state_is_that_of_its_format() {
    let plans = plans();
    let history: Vec<Event> = (0..60_u8)
        .map(|index| {
            let second = i64::from(index) * 40;
            let (what, place) = (index % 11, index % 5);
            Sketch { number: u32::from(index), what, place, object: index % 4, ..Sketch::view(second, second) }.event()
        })
        .collect();
    let without = |gone: fn(&Params) -> bool| Plans::new(Arc::new(plan_without(gone)));
    let first = without(|params| {
        matches!(params, Params::ActivityPolicy(_) | Params::NewDevice(_) | Params::UnusualDownload(_))
    });
    let before = without(|params| matches!(params, Params::NewDevice(_) | Params::UnusualDownload(_)));
    // Another number here is another encoding: raise the format with it.
    let hashes = [&first, &before, &plans].map(|plans| format!("{:032x}", run(&history, plans).hash));
    let wanted =
        ["369d4cf57ff998e95786e37fb0620b4b", "5da6225ed3743bfa9a962131ef221a82", "675c274cc75fb71f39b90bf7a04e514d"];
    assert_eq!((STATE_FORMAT, hashes), (2, wanted.map(str::to_owned)));
}
