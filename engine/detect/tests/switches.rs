//! The promise of switches: what is sent is a function of the key's records and of the plan that each arrived under,
//! and the final findings are those of the same events in order, each under its own plan.
#![allow(clippy::unwrap_used, reason = "the lints spare only functions marked as tests")]

#[path = "rewind/readers.rs"]
mod readers;
#[path = "rewind/rulings.rs"]
mod rulings;
#[path = "rewind/world.rs"]
mod world;

use std::sync::Arc;

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::event::Event;
use frostwatch_detect::finding::Finding;
use frostwatch_detect::key::{LateReason, Verdict};
use frostwatch_detect::keys::Keys;
use frostwatch_detect::machine::PARKED_MAX;
use frostwatch_detect::plan::{LaneKind, Plan};
use frostwatch_detect::plans::{Plans, VersionSet};
use frostwatch_detect::rule::{Rule, Scope, Selector, Severity};
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{DAY, MINUTE, Millis, SECOND};
use proptest::prelude::*;
use readers::{NAME, Run, assert_same, by_stamp, in_order, run};
use rulings::{arrived, history, plan_of, plan_sets, switches};
use world::{START, Sketch, cases, events, plan, plans, rules, sketches};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn in_any_order_of_arrival_each_event_is_found_under_its_own_plan(sketches in sketches(1..160), sets in plan_sets(), at in switches()) {
        let (arriving, plans) = history(by_stamp(events(&sketches)), &sets, &at);
        let late = run(&arriving, &plans);
        prop_assert!(!late.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Late(_))));
        assert_same(&late, &run(&in_order(&arriving), &plans));
    }

    #[test]
    fn what_is_sent_depends_on_no_other_key_and_no_packing(
        sketches in sketches(1..120),
        sets in plan_sets(),
        at in switches(),
        lateness in any::<[u8; 5]>(),
    ) {
        // Here the lateness changes too.
        let sets: Vec<Plan> = sets.into_iter().zip(lateness).map(|(mut plan, minutes)| {
            plan.lateness.lateness = Millis::from(minutes) * MINUTE;
            plan
        }).collect();
        let (arriving, plans) = history(by_stamp(events(&sketches)), &sets, &at);
        let alone = run(&arriving, &plans);
        let (mut keys, mut changes, mut beat) = (Keys::default(), Vec::new(), 0);
        for event in &arriving {
            let mut scrap = Vec::new();
            while START + beat * 5 * MINUTE < event.stamp.unwrap_or(0) {
                let other = view(beat * 300, beat * 300, beat as u32);
                keys.accept("acme|somebody.else", &arrived(other, event.version, plans.of(event.version)), &plans, &mut scrap);
                beat += 1;
            }
            keys.accept(NAME, event, &plans, &mut changes);
        }
        prop_assert!(alone.changes == changes, "{} and {} changes", alone.changes.len(), changes.len());
        prop_assert_eq!(keys.counters().unreadable, 0);
    }

    #[test]
    fn plans_that_no_key_refers_to_are_never_asked_for(sketches in sketches(1..120), sets in plan_sets(), at in switches(), half in 0_usize..120) {
        let (arriving, plans) = history(by_stamp(events(&sketches)), &sets, &at);
        let (first, second) = arriving.split_at(half % arriving.len());
        let (mut keys, mut changes) = (Keys::default(), Vec::new());
        for event in first {
            keys.accept(NAME, event, &plans, &mut changes);
        }
        let mut used = keys.versions(&plans);
        second.iter().for_each(|event| used.insert(event.version));
        used.insert(plans.version());
        let known = plans.iter().filter(|(version, _)| used.contains(*version));
        let fewer = Plans::restored(known.map(|(version, plan)| (version, Arc::clone(plan))), plans.version()).unwrap();
        let before = changes.len();
        for event in second {
            keys.accept(NAME, event, &fewer, &mut changes);
        }
        prop_assert!(changes == run(&arriving, &plans).changes);
        prop_assert!(changes[before..].iter().all(|change| used.contains(change.version)), "what is told can be put into words");
    }

    #[test]
    fn a_switch_that_changes_no_rule_changes_nothing(sketches in sketches(1..120), at in 0_usize..120) {
        let sets = [plan(), plan_of(rules(), 1)];
        let (arriving, plans) = history(by_stamp(events(&sketches)), &sets, &[(at, 1)]);
        let (same, one) = history(by_stamp(events(&sketches)), &sets[..1], &[(at, 0)]);
        prop_assert_eq!(one.iter().count(), 1, "an equal plan has the byte that it had");
        let (with, without) = (run(&arriving, &plans), run(&same, &one));
        prop_assert_eq!(with.hash, without.hash);
        // Only what says which rules it was found under differs.
        let plain = |run: &Run| -> Vec<Change> { run.changes.iter().map(unversioned).collect() };
        prop_assert!(plain(&with) == plain(&without));
    }

    #[test]
    fn bytes_of_plans_are_named_nowhere_in_what_is_compared(sketches in sketches(1..80), sets in plan_sets(), at in switches()) {
        let (arriving, plans) = history(by_stamp(events(&sketches)), &sets, &at);
        let moved = Plans::restored(plans.iter().map(|(version, plan)| (version + 100, Arc::clone(plan))), plans.version() + 100).unwrap();
        let others: Vec<Event> = arriving.iter().map(|event| Event { version: event.version + 100, ..event.clone() }).collect();
        let (left, right) = (run(&arriving, &plans), run(&others, &moved));
        prop_assert_eq!(left.hash, right.hash);
        let plain = |run: &Run| -> Vec<Change> { run.changes.iter().map(unversioned).collect() };
        prop_assert!(plain(&left) == plain(&right));
    }
}

#[test]
fn a_detector_that_an_older_format_has_no_room_for_is_off_under_it() {
    let count = |format: u8| {
        let plan = plan().with_state_format(format);
        LaneKind::ALL.map(|lane| plan.lane_rules(lane).map(|rule| rule.rule.id.clone()).collect::<Vec<_>>())
    };
    let [before, now] = [1, 2].map(count);
    let newer: Vec<&String> = now[0].iter().filter(|id| !before[0].contains(id)).collect();
    assert_eq!(
        newer,
        [
            "activity_policy",
            "anonymous_ip",
            "policy_abroad",
            "policy_many_users",
            "ransomware",
            "suspicious_ip",
            "terminated_user",
            "unusual_download",
        ]
    );
    assert!(before[0].iter().all(|id| now[0].contains(id)));
    let newer: Vec<&String> = now[1].iter().filter(|id| !before[1].contains(id)).collect();
    assert_eq!(
        (newer.as_slice(), before[1].len()),
        ([&"new_device".to_owned(), &"policy_guesses".to_owned()].as_slice(), 1)
    );
}

fn unversioned(change: &Change) -> Change {
    let finding = change.finding.as_ref().map(|finding| Arc::new(Finding { version: 0, ..Finding::clone(finding) }));
    Change { version: 0, finding, ..change.clone() }
}

fn view(second: i64, stamp: i64, number: u32) -> Event {
    Sketch { number, ..Sketch::view(second, stamp) }.event()
}

fn minutes(event: i64, stamp: i64, number: u32) -> Event {
    view(event * 60, stamp * 60, number)
}

/// The verdicts over events that arrive under two plans whose lateness is so many minutes, with 5 of skew.
#[track_caller]
fn check_lateness(lateness: [i64; 2], arriving: &[(u8, Event)], wanted: &[Verdict]) {
    let sets = lateness.map(|minutes| {
        let mut plan = plan_of(rules(), minutes as usize);
        plan.lateness.lateness = minutes * MINUTE;
        Arc::new(plan)
    });
    let plans = Plans::restored([0, 1].map(|version| (version, Arc::clone(&sets[usize::from(version)]))), 1).unwrap();
    let arriving: Vec<Event> =
        arriving.iter().map(|(version, event)| Event { version: *version, ..event.clone() }).collect();
    assert_eq!(run(&arriving, &plans).verdicts, wanted);
    // The same with a key that has been packed meanwhile, if it can be.
    let (mut keys, mut verdicts, mut scrap) = (Keys::default(), Vec::new(), Vec::new());
    for event in &arriving {
        let (now, number) = (event.stamp.unwrap() / SECOND - START / SECOND, 1_000);
        for beat in 0..40 {
            keys.accept("acme|somebody.else", &view(now, now, number + beat), &plans, &mut scrap);
        }
        verdicts.push(keys.accept(NAME, event, &plans, &mut scrap));
    }
    assert_eq!(verdicts, wanted);
}

#[test]
fn another_lateness_holds_from_the_next_record_of_a_key_on() {
    let (scored, late, idle) = (Verdict::Scored, Verdict::Late(LateReason::Horizon), Verdict::Late(LateReason::Idle));
    let at = |version, event, number| (version, minutes(event, 100, number));
    // A shorter one holds at once.
    check_lateness([60, 10], &[at(0, 100, 1), at(1, 85, 2), at(1, 84, 3)], &[scored, scored, late]);
    check_lateness([60, 10], &[at(0, 100, 1), at(0, 35, 2), at(1, 36, 3)], &[scored, scored, late]);
    // A longer one does not bring back what has settled.
    check_lateness([10, 60], &[at(0, 100, 1), at(1, 85, 2), at(1, 84, 3)], &[scored, scored, late]);
    let later = (1, minutes(200, 200, 4));
    let back = |event, number| (1, minutes(event, 200, number));
    check_lateness(
        [10, 60],
        &[at(0, 100, 1), later.clone(), back(135, 5), back(134, 6)],
        &[scored, scored, scored, late],
    );
    // Who slept through the switch slept under the old one.
    check_lateness([10, 60], &[at(0, 100, 1), (1, minutes(99, 115, 2))], &[scored, scored]);
    check_lateness([10, 60], &[at(0, 100, 1), (1, minutes(99, 116, 2))], &[scored, idle]);
    check_lateness([60, 10], &[at(0, 100, 1), (1, minutes(99, 165, 2))], &[scored, scored]);
    check_lateness([60, 10], &[at(0, 100, 1), (1, minutes(99, 166, 2))], &[scored, idle]);
}

/// What a user in Seattle is told who has been known in Malmö for a week, when the rule was gone for a while: the first
/// event without it comes at `gone`, the first with it again at `back`.
fn told_after_a_gap(gone: Millis, back: Millis) -> usize {
    let without: Vec<Rule> = rules().into_iter().filter(|rule| rule.id != "infrequent_country").collect();
    let plans = Plans::restored([(0, Arc::new(plan())), (1, Arc::new(plan_of(without, 1)))], 0).unwrap();
    let day = DAY / SECOND;
    let mut arriving: Vec<Event> = (0..8).map(|index| view(index * day, index * day, index as u32)).collect();
    let seattle = Sketch { place: 2, object: 1, session: 2, ..Sketch::view(8 * day, 8 * day) }.event();
    let at = |offset: Millis, version, number: u32, event: &Event| {
        let time = event.time + offset;
        let id = frostwatch_detect::event::EventId::new(&format!("late-{number}"));
        Event { time, stamp: Some(time), id, version, ..event.clone() }
    };
    let malmo = view(8 * day, 8 * day, 100);
    arriving.extend([at(gone, 1, 1, &malmo), at(back, 0, 2, &seattle)]);
    let country = plans.of(0).rules.iter().find(|rule| rule.rule.id == "infrequent_country").unwrap().key;
    run(&arriving, &plans).readers.alerts.values().filter(|finding| finding.rule == country).count()
}

#[test]
fn a_rule_that_is_gone_keeps_its_state_for_as_long_as_its_events_may_be_late() {
    let window = plan().lateness.window();
    let hours = 12 * 60 * MINUTE;
    assert_eq!(told_after_a_gap(hours - window, hours), 1, "Malmö is still known, Seattle is not");
    assert_eq!(told_after_a_gap(hours - window - 1, hours), 0, "it begins anew, and its first country says nothing");
}

#[test]
fn states_of_rules_that_are_gone_are_kept_up_to_their_limit() {
    let set = |name: &str, count: usize| -> Vec<Rule> {
        let country = rules().into_iter().find(|rule| rule.id == "infrequent_country").unwrap();
        (0..count).map(|index| Rule { id: format!("{name}{index:03}"), ..country.clone() }).collect()
    };
    for (others, forgotten) in [(0, 0), (1, 1), (5, 5)] {
        let sets = [set("a", PARKED_MAX), set("b", others), Vec::new()];
        let plans =
            sets.into_iter().enumerate().map(|(version, rules)| (version as u8, Arc::new(plan_of(rules, version))));
        let plans = Plans::restored(plans, 2).unwrap();
        let arriving = (0..3).map(|index| Event { version: index, ..view(i64::from(index), 10, u32::from(index)) });
        let (mut keys, mut changes) = (Keys::default(), Vec::new());
        for event in arriving {
            keys.accept(NAME, &event, &plans, &mut changes);
        }
        assert_eq!(keys.scratch().caps().parked_rules, forgotten, "{others}");
    }
}

/// How many downloads without an address a rule counts in a session whose address was in Lagos, when the session began
/// under the first of these scopes and goes on under the second, among other rules.
fn counted(scopes: [Scope; 2]) -> u64 {
    let with = |scope: Scope, before: bool| {
        let mut rules = rules();
        rules.iter_mut().find(|rule| rule.id == "mass_download").unwrap().scope = scope;
        if before {
            rules.insert(0, Rule { id: "another".into(), ..rules[3].clone() });
        }
        rules
    };
    let [then, now] = scopes;
    let plans = [plan_of(with(then, false), 0), plan_of(with(now, true), 1)].map(Arc::new);
    let plans = Plans::restored([0, 1].map(|version| (version, Arc::clone(&plans[usize::from(version)]))), 1).unwrap();
    let start = Sketch { number: 1, place: 1, object: 1, ..Sketch::view(0, 0) }.event();
    let mut arriving = vec![arrived(start, 0, plans.of(0))];
    for index in 0..20_u8 {
        let second = i64::from(index) + 1;
        let of =
            Sketch { number: u32::from(index) + 2, what: 3, place: 4, object: index, ..Sketch::view(second, second) };
        arriving.push(arrived(of.event(), 1, plans.of(1)));
    }
    let run = run(&arriving, &plans);
    let downloads = plans.current().rules.iter().find(|rule| rule.rule.id == "mass_download").unwrap();
    let mut of_rule = run.readers.alerts.values().filter(|finding| finding.rule == downloads.key);
    of_rule.next().map_or(0, |finding| finding.count)
}

#[test]
fn an_address_that_a_session_gave_under_other_rules_goes_on_answering() {
    let country = |code: &str| {
        let countries = vec![frostwatch_detect::place::Country::new(code).unwrap()];
        vec![Selector { countries, ..Selector::default() }]
    };
    let all = Scope::default;
    let only = |code| Scope { include: country(code), ..all() };
    let but = |code| Scope { exclude: country(code), ..all() };
    for (then, now, wanted) in [
        (all(), all(), 20),
        (only("NG"), only("NG"), 20),
        (only("SE"), only("SE"), 0),
        (but("NG"), but("NG"), 0),
        // Whether it lies in the place that is asked about now is not known: it is as that of a record without address.
        (all(), only("NG"), 0),
        (all(), but("NG"), 20),
        // What is no longer asked needs no answer.
        (only("SE"), all(), 20),
        // The answer stands until the session gives an address anew.
        (only("SE"), only("NG"), 0),
        (only("NG"), only("SE"), 20),
    ] {
        assert_eq!(counted([then.clone(), now.clone()]), wanted, "{then:?} and then {now:?}");
    }
}

/// A user's week in Malmö, a long sleep among other users' records, and then a day in Lagos under another plan.
fn after_a_change_of_plan(change: impl Fn(&mut Vec<Rule>)) -> Vec<String> {
    let (mut plans, mut rules) = (plans(), rules());
    change(&mut rules);
    let mut keys = Keys::default();
    let mut changes = Vec::new();
    let day = DAY / SECOND;
    for index in 0..8 {
        keys.accept(NAME, &view(index * day, index * day, index as u32), &plans, &mut changes);
    }
    for index in 0..100 {
        let second = 8 * day + index;
        keys.accept("acme|busy", &view(second, second, index as u32), &plans, &mut changes);
    }
    assert_eq!((keys.counters().packed, changes.len()), (1, 0));
    let lagos = Sketch { number: 50, place: 1, object: 1, ..Sketch::view(9 * day, 9 * day) };
    let version = plans.switch(Arc::new(plan_of(rules, 1)), VersionSet::default).unwrap();
    keys.accept(NAME, &Event { version, ..lagos.event() }, &plans, &mut changes);
    let name = |change: &Change| plans.of(change.version).rule(change.rule).map(|rule| rule.rule.id.clone());
    // What lists and a policy say of Lagos is another matter, and so is all of it together.
    let others = ["anonymous_ip", "incident", "policy_abroad"];
    changes.iter().filter_map(name).filter(|id| !others.contains(&id.as_str())).collect()
}

#[test]
fn edits_that_keep_the_rule_keep_what_it_learned() {
    let country = |rules: &[Rule]| rules.iter().position(|rule| rule.id == "infrequent_country").unwrap();
    assert_eq!(after_a_change_of_plan(|_| {}), ["infrequent_country"], "Malmö is known and Lagos is not");
    assert_eq!(
        after_a_change_of_plan(|rules| {
            let index = country(rules);
            rules[index].severity = Severity::High;
            rules[index].quiet_secs *= 2;
            let Params::InfrequentCountry(params) = &mut rules[index].params else { panic!("another detector") };
            params.half_life_days = 30;
        }),
        ["infrequent_country"],
        "severity, quiet time and parameters"
    );
    assert_eq!(
        after_a_change_of_plan(|rules| rules.retain(|rule| rule.id != "failed_logins")),
        ["infrequent_country"],
        "another rule that goes"
    );
    assert_eq!(
        after_a_change_of_plan(|rules| {
            let mut other = rules[country(rules)].clone();
            other.id = "another_country".into();
            rules.insert(0, other);
        }),
        ["infrequent_country"],
        "another rule that comes begins empty, and its first country says nothing"
    );
    let renamed = |rules: &mut Vec<Rule>| {
        let index = country(rules);
        rules[index].id = "renamed".into();
    };
    assert_eq!(after_a_change_of_plan(renamed), Vec::<String>::new(), "another id is another rule");
}
