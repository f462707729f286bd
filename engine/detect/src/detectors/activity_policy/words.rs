//! What an alert of an activity policy says.

use crate::context::Explanation;
use crate::detectors::{counted, from_where, grouped, who};
use crate::entity::{Per, entity};
use crate::finding::Measure;
use crate::incident::Incident;
use crate::model::Action;
use crate::time::{clock, day_of, spoken, to_the_minute};

use super::{Distinct, LIMITS, Params};

/// Kinds of activity that a summary names at most.
const KINDS_MAX: usize = 4;
/// Others that a summary names at most.
const OTHERS_MAX: usize = 5;
/// What each is called.
const LIMIT_NAMES: [LimitName; LIMITS] = [
    LimitName { observed: "events_in_window", events: "events_min", window: "window_secs" },
    LimitName { observed: "events_in_slow_window", events: "slow_events_min", window: "slow_window_secs" },
];

/// What a limit is called in an alert.
struct LimitName {
    observed: &'static str,
    events: &'static str,
    window: &'static str,
}

/// What an explanation is made of.
pub(super) struct Told<'a> {
    pub(super) user: &'a str,
    pub(super) rule: &'a str,
    pub(super) filter: &'a str,
    pub(super) actions: u64,
    /// The most that each window held.
    pub(super) peaks: [u32; LIMITS],
    /// It came too late to be put in order.
    pub(super) late: bool,
}

pub(super) fn explain(params: &Params, told: &Told<'_>, incident: &Incident) -> Explanation {
    let Told { user, rule, filter, actions, peaks, late } = told;
    let (one, many) = nouns(*actions);
    let count = counted(incident.count, one, many);
    let from = match entity(user) {
        Some((Per::Address, _)) => String::new(),
        _ => format!(", {}", from_where(incident)),
    };
    // A story may go on for weeks, and what came too late may be of any day.
    let is_of_today = !late && day_of(incident.first) == day_of(incident.last);
    let begin = if is_of_today { clock(incident.first) } else { to_the_minute(incident.first) };
    let when = if incident.count == 1 { format!("at {begin} UTC") } else { format!("from {begin} UTC on") };
    let others = others(user, incident);
    let what = format!("{count}{} {when}{from}{others}, where {filter}", kinds(*actions, incident));
    let mut observed = vec![Measure::new("events", incident.count as f64, "events")];
    let limits = params.limits();
    let noun = params.distinct.map_or(many, Distinct::many);
    let names = LIMIT_NAMES.iter().zip(&limits).zip(peaks);
    let over: Vec<_> = names.clone().filter(|((_, limit), peak)| **peak >= limit.min).collect();
    let Some(((_, limit), peak)) = over.first() else {
        return Explanation {
            summary: format!("{}: {what}. The policy {rule} tells each.", who(user)),
            observed,
            counterfactual: "It would not have fired had any condition of the policy not held.".to_owned(),
            ..Explanation::default()
        };
    };
    let window = spoken(limit.length());
    let unit = params.distinct.map_or("events", Distinct::many);
    observed.extend(names.clone().map(|((name, _), peak)| Measure::new(name.observed, f64::from(*peak), unit)));
    let threshold = names.flat_map(|((name, limit), _)| {
        [
            Measure::new(name.events, f64::from(limit.min), "events"),
            Measure::new(name.window, f64::from(limit.secs), "s"),
        ]
    });
    let higher = over.iter().map(|((name, _), peak)| format!("{} of {}", name.events, peak.saturating_add(1)));
    Explanation {
        summary: format!(
            "{}: {what}: {} {noun} in {window}, the policy {rule} allows {}.",
            who(user),
            grouped(u64::from(**peak)),
            grouped(u64::from(limit.min - 1)),
        ),
        observed,
        baseline: Vec::new(),
        threshold: threshold.collect(),
        counterfactual: format!(
            "It would not have fired with {} or more, nor had any condition of the policy not held.",
            higher.collect::<Vec<_>>().join(" and ")
        ),
        kind: None,
    }
}

/// What was done, where the filter leaves that open: the first kinds among the evidence.
fn kinds(actions: u64, incident: &Incident) -> String {
    if actions.is_power_of_two() || is_of_sign_ins(actions) {
        return String::new();
    }
    format!(" ({})", first_of(incident.evidence.iter().map(|trace| trace.action.as_str()), KINDS_MAX))
}

/// Who did it, where the count is not of a user, or at whom it was aimed: the first among the evidence.
fn others(user: &str, incident: &Incident) -> String {
    let named = first_of(incident.evidence.iter().filter_map(|trace| trace.about.other.as_deref()), OTHERS_MAX);
    let by = if entity(user).is_some() { "by" } else { "aimed at" };
    if named.is_empty() { named } else { format!(", {by} {named}") }
}

/// The first of these, each once, and whether there are more.
fn first_of<'a>(all: impl Iterator<Item = &'a str>, most: usize) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    let more = if seen.len() > most { ", …" } else { "" };
    seen.truncate(most);
    format!("{}{more}", seen.join(", "))
}

/// Can nothing but sign-ins and second factors fulfil it?
const fn is_of_sign_ins(actions: u64) -> bool {
    actions != 0 && actions & !(1 << Action::Login as u64 | 1 << Action::MfaChallenge as u64) == 0
}

/// What to call activities of these kinds, one and many.
fn nouns(actions: u64) -> (&'static str, &'static str) {
    if is_of_sign_ins(actions) {
        return ("sign-in", "sign-ins");
    }
    let only = Action::ALL.iter().find(|action| actions == 1 << **action as u64);
    match only {
        Some(Action::View) => ("view", "views"),
        Some(Action::Search) => ("search", "searches"),
        Some(Action::Download) => ("download", "downloads"),
        Some(Action::Export) => ("export", "exports"),
        Some(Action::BulkRead) => ("bulk read", "bulk reads"),
        Some(Action::Upload) => ("upload", "uploads"),
        Some(Action::Update) => ("update", "updates"),
        Some(Action::Rename) => ("renaming", "renamings"),
        Some(Action::Delete) => ("deletion", "deletions"),
        Some(Action::Share) => ("share", "shares"),
        Some(Action::EmailSend) => ("mail", "mails"),
        Some(Action::Create) => ("creation", "creations"),
        Some(Action::RoleGrant) => ("grant of a role", "grants of roles"),
        Some(Action::ConfigChange) => ("change of a setting", "changes of settings"),
        Some(Action::ScriptRun) => ("run of a script", "runs of scripts"),
        Some(Action::ImpersonateStart) => ("impersonation", "impersonations"),
        _ => ("activity", "activities"),
    }
}
