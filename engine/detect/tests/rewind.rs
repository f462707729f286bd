//! The promise of rewind: whatever the order of arrival within the lateness, the final findings and the state are those
//! of the same events in order; and the changes sent are a function of the key's records alone.

#[path = "rewind/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::event::Event;
use frostwatch_detect::finding::Finding;
use frostwatch_detect::key::{LateReason, Verdict};
use frostwatch_detect::keys::Keys;
use frostwatch_detect::lane::LANE_EVENTS_MAX;
use frostwatch_detect::model::{Action, Outcome};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::sent::{Change, ChangeKind};
use frostwatch_detect::time::{DAY, HOUR, MINUTE, SECOND};
use proptest::prelude::*;
use world::{START, Sketch, events, plan, sketches};

const NAME: &str = "acme|ana.lind";

/// What readers of the two topics are left with: the last record of each id, retracted ones left out.
#[derive(Debug, Default, PartialEq)]
struct Readers {
    alerts: BTreeMap<u128, Arc<Finding>>,
    suppressed: BTreeMap<u128, Arc<Finding>>,
    revisions: BTreeMap<u128, u32>,
}

impl Readers {
    fn read(&mut self, change: &Change) {
        let last = self.revisions.insert(change.id, change.revision).unwrap_or(0);
        assert_eq!(change.revision, last + 1, "every revision once, in order: {change:?}");
        let topic = if change.suppression { &mut self.suppressed } else { &mut self.alerts };
        match (&change.finding, change.kind) {
            (Some(finding), ChangeKind::Opened) => assert!(topic.insert(change.id, Arc::clone(finding)).is_none()),
            (Some(finding), ChangeKind::Updated) => assert!(topic.insert(change.id, Arc::clone(finding)).is_some()),
            (Some(finding), _) => drop(topic.insert(change.id, Arc::clone(finding))),
            (None, _) => assert!(topic.remove(&change.id).is_some(), "only what was sent is taken back"),
        }
    }
}

struct Run {
    readers: Readers,
    hash: u128,
    verdicts: Vec<Verdict>,
    changes: Vec<Change>,
    steps: u64,
}

fn run(events: &[Event], plan: &Plan) -> Run {
    let mut keys = Keys::default();
    let (mut readers, mut changes, mut verdicts) = (Readers::default(), Vec::new(), Vec::new());
    for event in events {
        let before = changes.len();
        verdicts.push(keys.accept(NAME, event, plan, &mut changes));
        changes[before..].iter().for_each(|change| readers.read(change));
    }
    let hash = keys.state_hash(plan);
    Run { readers, hash, verdicts, changes, steps: keys.scratch().steps }
}

/// The same final findings without revisions.
fn assert_same(left: &Run, right: &Run) {
    same_findings(&left.readers.alerts, &right.readers.alerts);
    same_findings(&left.readers.suppressed, &right.readers.suppressed);
    assert!(left.hash == right.hash, "the states differ");
}

/// Says in one line where two sets of findings differ first.
fn same_findings(left: &BTreeMap<u128, Arc<Finding>>, right: &BTreeMap<u128, Arc<Finding>>) {
    for id in left.keys().chain(right.keys()) {
        let (left, right) = (left.get(id), right.get(id));
        let short = |finding: Option<&Arc<Finding>>| {
            finding.map(|finding| format!("{} [{} events, at {:?}]", finding.summary, finding.count, finding.at))
        };
        assert!(left == right, "{:?} is not {:?}", short(left), short(right));
    }
}

fn in_order(events: &[Event]) -> Vec<Event> {
    let mut sorted = events.to_vec();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    // In order means delivered at once: the stamp is the event time.
    sorted.iter_mut().for_each(|event| event.stamp = Some(event.time));
    sorted
}

fn by_stamp(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.stamp);
    events
}

/// Cases of each property: few in everyday runs, `FROSTWATCH_PROPERTY_CASES` for a long one.
fn cases() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "the number of cases is the test runner's to choose")]
    let cases = std::env::var("FROSTWATCH_PROPERTY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_order_within_the_lateness_gives_the_findings_of_the_events_in_order(sketches in sketches(1..160)) {
        let plan = plan();
        let delivered = by_stamp(events(&sketches));
        let late = run(&delivered, &plan);
        prop_assert!(!late.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Late(_))), "a record stamped within the lateness is never late");
        let plain = run(&in_order(&delivered), &plan);
        assert_same(&late, &plain);
    }

    #[test]
    fn what_is_sent_is_a_function_of_the_records_alone(sketches in sketches(1..120)) {
        let plan = plan();
        let delivered = by_stamp(events(&sketches));
        let alone = run(&delivered, &plan);
        // The same records between those of other keys, packed and unpacked at other moments.
        let mut keys = Keys::default();
        let mut changes = Vec::new();
        let mut beat = 0;
        for event in &delivered {
            let mut scrap = Vec::new();
            while START + beat * 5 * MINUTE < event.stamp.unwrap_or(0) {
                keys.accept("acme|somebody.else", &view(beat * 300, beat * 300, beat as u32), &plan, &mut scrap);
                beat += 1;
            }
            keys.accept(NAME, event, &plan, &mut changes);
        }
        prop_assert!(alone.changes == changes, "{} and {} changes", alone.changes.len(), changes.len());
        prop_assert_eq!(keys.counters().unreadable, 0);
    }

    #[test]
    fn repeated_and_conflicting_copies_change_nothing_in_the_end(sketches in sketches(1..80), repeats in prop::collection::vec((0_usize..80, 0_i64..50, any::<bool>()), 0..20)) {
        let plan = plan();
        let originals = events(&sketches);
        let mut all = originals.clone();
        for (index, delay_minutes, conflict) in repeats {
            let mut copy = originals[index % originals.len()].clone();
            // A copy within what is left of the lateness; a conflicting one has the larger hash and loses in any order.
            copy.stamp = copy.stamp.map(|stamp| stamp.max(copy.time + delay_minutes * MINUTE));
            if conflict {
                copy.content = copy.content.saturating_add(1);
                copy.outcome = if copy.outcome == Outcome::Success { Outcome::Failure } else { Outcome::Success };
            }
            all.push(copy);
        }
        let with = run(&by_stamp(all), &plan);
        let without = run(&by_stamp(originals), &plan);
        same_findings(&with.readers.alerts, &without.readers.alerts);
        same_findings(&with.readers.suppressed, &without.readers.suppressed);
    }
}

fn view(second: i64, stamp: i64, number: u32) -> Event {
    Sketch { number, ..Sketch::view(second, stamp) }.event()
}

#[test]
fn the_horizon_is_exact_to_the_millisecond() {
    let plan = plan();
    let window = plan.lateness.window();
    for (behind, late) in [(window, false), (window + 1, true)] {
        let newest = view(10_000, 10_000, 1);
        let mut straggler = view(10_000, 10_000, 2);
        straggler.time -= behind;
        let verdicts = run(&[newest, straggler], &plan).verdicts;
        assert_eq!(verdicts[1] == Verdict::Late(LateReason::Horizon), late, "{behind}");
    }
}

#[test]
fn an_idle_key_settles() {
    let plan = plan();
    let window = plan.lateness.window() / SECOND;
    for (stamp, expected) in [(window, Verdict::Scored), (window + 1, Verdict::Late(LateReason::Idle))] {
        let verdicts = run(&[view(0, 0, 1), view(-5, stamp, 2)], &plan).verdicts;
        assert_eq!(verdicts[1], expected, "{stamp}");
    }
    // A newer event wakes the key; what is older than the sleep stays late.
    let verdicts =
        run(&[view(0, 0, 1), view(60, window + 10, 2), view(-5, window + 11, 3), view(30, window + 11, 4)], &plan)
            .verdicts;
    assert_eq!(verdicts[1..], [Verdict::Scored, Verdict::Late(LateReason::Idle), Verdict::Scored]);
}

#[test]
fn at_the_cap_nothing_settles_early_and_one_more_settles_the_oldest() {
    let plan = plan();
    let cap = LANE_EVENTS_MAX as i64;
    let mut flood: Vec<Event> = (0..cap).map(|index| view(index / 4 + 10, 2_000, index as u32)).collect();
    flood.push(view(9, 2_000, 900_000));
    let at_cap = run(&flood[..flood.len() - 1], &plan);
    assert!(at_cap.verdicts.iter().all(|verdict| *verdict == Verdict::Scored));
    let over = run(&flood, &plan);
    assert_eq!(over.verdicts.last(), Some(&Verdict::Scored));
    flood.push(view(9, 2_000, 900_001));
    assert_eq!(run(&flood, &plan).verdicts.last(), Some(&Verdict::Late(LateReason::OverCap)));
}

#[test]
fn a_flood_of_failures_does_not_push_real_activity_over_the_horizon() {
    let plan = plan();
    let mut flood: Vec<Event> = (0..2 * LANE_EVENTS_MAX as i64)
        .map(|index| {
            let sketch = Sketch { number: index as u32, ..Sketch::view(1_000 + index / 8, 3_000) };
            Event { action: Action::Login, outcome: Outcome::Failure, ..sketch.event() }
        })
        .collect();
    flood.push(view(20, 3_001, 900_000));
    assert_eq!(run(&flood, &plan).verdicts.last(), Some(&Verdict::Scored));
}

#[test]
fn a_name_that_never_succeeds_begins_anew_after_the_lateness() {
    let plan = plan();
    let failure = |second: i64, number: u32| Event {
        action: Action::Login,
        outcome: Outcome::Failure,
        ..Sketch { number, ..Sketch::view(second, second) }.event()
    };
    let mut keys = Keys::default();
    let mut changes = Vec::new();
    keys.accept(NAME, &failure(0, 1), &plan, &mut changes);
    let other = 4 * HOUR / SECOND;
    for step in 0..200 {
        keys.accept("acme|busy", &view(other + step, other + step, step as u32), &plan, &mut changes);
    }
    assert_eq!((keys.len(), keys.counters().evicted), (1, 1));
}

#[test]
fn the_worst_order_costs_no_more_than_the_cap_allows() {
    let plan = plan();
    // Every event arrives before all others that are held.
    let events: Vec<Event> = (0..6_000_i64).map(|index| view(3_600 - index / 2, 7_200, index as u32)).collect();
    let worst = run(&events, &plan);
    let bound = events.len() as u64 * LANE_EVENTS_MAX as u64;
    assert!(worst.steps < bound, "{} steps", worst.steps);
    let plain = run(&in_order(&events), &plan);
    assert!(plain.steps <= 2 * events.len() as u64, "in order an event costs a step: {}", plain.steps);
}

#[test]
fn a_gap_over_the_retention_begins_a_new_history() {
    let plan = plan();
    let second = 91 * DAY / SECOND;
    let old = view(0, 0, 1);
    let new = view(second, second, 2);
    let both = run(&[old, new.clone()], &plan);
    let alone = run(&[new], &plan);
    assert_eq!(both.hash, alone.hash);
}
