//! Random sets of rules, and histories in which they are switched.

use std::borrow::Cow;
use std::sync::Arc;

use arrayvec::ArrayVec;
use frostwatch_detect::catalogue::Params;
use frostwatch_detect::condition::{FlagField, ListField, NumberField, Record, TextField, WordField, word_of};
use frostwatch_detect::detectors::activity_policy::Distinct;
use frostwatch_detect::event::{Address, Event};
use frostwatch_detect::listed::Listed;
use frostwatch_detect::model::AccountKind;
use frostwatch_detect::place::Country;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::plans::{Plans, VersionSet};
use frostwatch_detect::profile::{Apart, Readmission, Readmit};
use frostwatch_detect::rule::{Exception, Rule, Scope, Selector, Sensitivity, Severity};
use proptest::prelude::*;

use crate::world::{plan, rules};

pub(crate) fn plan_of(rules: Vec<Rule>, number: usize) -> Plan {
    let Plan { lateness, geo, networks, .. } = plan();
    // Every third but the first is without lists.
    let plan = Plan::new(rules, number.to_string(), lateness, geo).with_networks(networks).with_lists(number % 3 != 2);
    let scopes = plan.rules.iter().map(|rule| (rule.bit, rule.rule.scope.clone())).collect();
    plan.with_readmission(Arc::new(Scopes(scopes)))
}

/// Whom the rules of a plan take, by their bits.
#[derive(Debug)]
struct Scopes(Vec<(u128, Scope)>);

impl Readmit for Scopes {
    fn readmit(&self, event: &Event, _user: &str, groups: &[Box<str>]) -> Readmission {
        let all = self.0.iter().fold(0, |all, (bit, _)| all | bit);
        let takes = |scope: &&(u128, Scope)| takes(&scope.1, event, groups);
        let rules = self.0.iter().filter(takes).fold(event.rules & !all, |bits, (bit, _)| bits | bit);
        // Some are covered because of their groups.
        let mut exceptions = event.exceptions.clone();
        exceptions.retain(|index| *index % 2 == 0 || groups.len() != 2);
        Readmission { rules, exceptions, exceptions_dropped: 0 }
    }
}

fn takes(scope: &Scope, event: &Event, groups: &[Box<str>]) -> bool {
    let country = event.location.place.ok().map(|place| place.country);
    let selects = |selector: &Selector| {
        let is_there = country.is_some_and(|country| selector.countries.contains(&country));
        (selector.countries.is_empty() || is_there)
            && (selector.kinds.is_empty() || selector.kinds.contains(&event.kind))
            && (selector.groups.is_empty()
                || groups.iter().any(|group| selector.groups.iter().any(|name| **name == **group)))
    };
    (scope.include.is_empty() || scope.include.iter().any(selects)) && !scope.exclude.iter().any(selects)
}

/// An edit of a rule in few numbers: what is there of it, and what it says.
fn edited(mut rule: Rule, [what, how]: [u8; 2]) -> Option<Rule> {
    let selector = |countries: &[&str]| Selector {
        countries: countries.iter().filter_map(|code| Country::new(code)).collect(),
        ..Selector::default()
    };
    match what % 10 {
        0 => return None,
        1 => rule.id.push('2'),
        2 => rule.exceptions.clear(),
        3 => rule.scope = Scope { include: vec![selector(&["SE", "NG"])], ..Scope::default() },
        4 => rule.scope = Scope { exclude: vec![selector(&["NG"])], ..Scope::default() },
        6 => {
            let groups = vec!["finance".to_owned()];
            rule.scope = Scope { include: vec![Selector { groups, ..Selector::default() }], ..Scope::default() };
        }
        7 => {
            let of_group = Selector { groups: vec!["temp".to_owned()], ..Selector::default() };
            let of_kind = Selector { kinds: vec![AccountKind::Service], ..selector(&["SE"]) };
            rule.scope = Scope { exclude: vec![of_group, of_kind], ..Scope::default() };
        }
        5 => rule.exceptions.insert(0, Exception { id: "other".into(), ..rule.exceptions[0].clone() }),
        _ => {}
    }
    match how % 7 {
        0 => rule.severity = Severity::High,
        1 => rule.quiet_secs *= 3,
        2 => rule.sensitivity = Sensitivity::Low,
        3 => match &mut rule.params {
            Params::ActivityPolicy(params) => {
                (params.events_min, params.window_secs, params.distinct) = match params.events_min {
                    Some(_) => (None, None, None),
                    None => (Some(2), Some(300), Some(Distinct::Session)),
                };
                (params.slow_events_min, params.slow_window_secs) = (None, None);
            }
            Params::AnonymousIp(params) => (params.usual_days_min, params.confidence_min) = (2, 80),
            Params::SuspiciousIp(params) => (params.usual_days_min, params.confidence_sure) = (2, 20),
            Params::FailedLogins(params) => (params.failures_max, params.window_secs) = (2, 120),
            Params::ImpossibleTravel(params) => (params.familiar_days, params.speed_kmh_max) = (1, 300),
            Params::Incident(params) => (params.policies_min, params.score_min) = (3, 60),
            Params::InfrequentCountry(params) => (params.half_life_days, params.learning_days) = (5, 1),
            Params::MassDownload(params) => (params.objects_max, params.unique_objects) = (2, false),
            Params::NewDevice(params) => (params.failures_min, params.within_secs) = (3, 3_600),
            Params::Ransomware(params) => (params.changes_min, params.learning_days) = (2, 0),
            Params::TerminatedUser(params) => (params.grace_minutes, params.disabled_counts) = (90, false),
            Params::UnusualDownload(params) => {
                (params.objects_floor, params.half_life_weeks) = (2, 2);
                (params.unique_objects, params.peers_min) = (false, 0);
            }
        },
        4 => rule.off = rule.params.suppressions().iter().map(|name| (*name).to_owned()).collect(),
        _ => {}
    }
    Some(rule)
}

/// Random rule sets, the shipped one first.
pub(crate) fn plan_sets() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(any::<[[u8; 2]; 18]>(), 1..5).prop_map(|edits| {
        let some = edits.into_iter().map(|of_rules| {
            let mut edited_rules: Vec<Rule> =
                rules().into_iter().zip(of_rules).filter_map(|(rule, edit)| edited(rule, edit)).collect();
            edited_rules.sort_by(|a, b| a.id.cmp(&b.id));
            edited_rules
        });
        let all = std::iter::once(rules()).chain(some);
        all.enumerate().map(|(number, rules)| plan_of(rules, number)).collect()
    })
}

/// The event as it arrives under a plan: who asks about places does so here, and every exception covers the same.
pub(crate) fn arrived(mut event: Event, version: u8, plan: &Plan) -> Event {
    event.effective = event.effective.filter(|_| plan.keeps_status());
    event.apart = event.apart.filter(|apart| match **apart {
        Apart::File(_) => plan.keeps_files(),
        Apart::Statement(_) | Apart::Parties(_) => plan.keeps_status(),
    });
    let taking = plan.rules.iter().filter(|rule| takes(&rule.rule.scope, &event, &[]));
    event.rules = taking.fold(0, |bits, rule| bits | rule.bit) | answers(&event, plan);
    let is_covered = !event.exceptions.is_empty();
    let covering = (0..plan.exceptions.len() as u16).rev().filter(|index| is_covered && index % 3 != 1);
    event.exceptions = covering.take(ArrayVec::<u16, 4>::new().capacity()).collect();
    event.version = version;
    if plan.state_format() < 2 || plan.named().lists.is_empty() {
        event.location.listed = Listed::NONE;
        event.later = None;
    }
    event
}

/// What the record says of what rules ask.
fn answers(event: &Event, plan: &Plan) -> u128 {
    let asking = plan.rules.iter().filter_map(|rule| Some((rule.conditions.as_ref()?, rule.shifts.answers?)));
    asking.fold(0, |answers, (conditions, shift)| answers | conditions.ask(&OfEvent(event)) << shift)
}

/// What an event has of its record.
struct OfEvent<'a>(&'a Event);

impl Record for OfEvent<'_> {
    fn words(&self, field: WordField) -> Option<u64> {
        match field {
            WordField::Action => Some(word_of(self.0.action as usize)),
            WordField::Outcome => Some(word_of(self.0.outcome as usize)),
            WordField::Channel => Some(word_of(self.0.channel as usize)),
            _ => None,
        }
    }

    fn text(&self, _: TextField) -> Option<&str> {
        None
    }

    fn texts(&self, _: ListField) -> Option<&[Cow<'_, str>]> {
        None
    }

    fn number(&self, _: NumberField) -> Option<u64> {
        None
    }

    fn flag(&self, _: FlagField) -> Option<bool> {
        None
    }

    fn address(&self) -> Option<Address> {
        None
    }
}

/// The records as they arrive, with switches before some of them, and the plans by then.
pub(crate) fn history(events: Vec<Event>, sets: &[Plan], switches: &[(usize, usize)]) -> (Vec<Event>, Plans) {
    let mut plans = Plans::new(Arc::new(sets[0].clone()));
    let (count, mut arriving) = (events.len(), Vec::new());
    for (index, event) in events.into_iter().enumerate() {
        for (_, set) in switches.iter().filter(|(at, _)| at % count == index) {
            plans.switch(Arc::new(sets[set % sets.len()].clone()), VersionSet::default).unwrap();
        }
        arriving.push(arrived(event, plans.version(), plans.current()));
    }
    (arriving, plans)
}

pub(crate) fn switches() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..160, 0_usize..5), 0..8)
}
