//! Activity that an organisation's own rule describes: one that fits, or many within a time.
//!
//! # Finds
//! What `where` describes, a filter over the fields of an activity and over what is known of its address, done by one user at
//! least `events_min` times within `window_secs`; with `per` so often at one address, to one object, in the whole instance,
//! whoever did it. Without these two each activity that fits is told, as one alert until there
//! has been none for `suppression.quiet`; but for sign-ins also what came too late to be put in order. The rule that ships is
//! one example, many deletions; rules of one's own stand beside it, each with its id, its state and everything else that a
//! rule has. How a filter is written, which fields there are and how policies of the reference product are carried over:
//! [policies.md](../policies.md).
//!
//! # Why
//! What is worth an alert in one organisation is daily work in another: a table that nobody should export, a role that nobody
//! should grant at night, a client that nobody uses. Such rules need no learning and say exactly what they say. The shipped
//! one is ATT&CK T1485 (Data Destruction): records deleted one after the other by somebody who leaves, or by a stolen
//! account.
//!
//! # Blind spots
//! What the record does not carry: a test of an absent field is unknown, its negation too, and what is unknown does not fit.
//! Of activity that failed only sign-ins are kept, so only a filter for sign-ins alone counts failures. Without
//! `events_min` activity that goes on without a break of the quiet time, however thin, is one finding. Audited rows of
//! `ServiceNow` carry neither address nor session: what asks for address, network or place is unknown for them. With `per` only what
//! a record says itself is asked, neither its session's address nor what was said of the account.
//!
//! # Parameters
//! See [`Params`]. Nothing is learned and nothing holds a finding back but exceptions; severity is the rule's own.
//!
//! # References
//! The reference product's activity policies: filters, a minimum of repeated activities within a time, and the option to
//! count an object once.

use serde::{Deserialize, Serialize};

use super::{About, Detector, counted, from_where, grouped, who};
use crate::condition::{Condition, Conditions};
use crate::context::{Context, Explanation, Raise};
use crate::entity::{Per, entity};
use crate::event::{Event, Quantity};
use crate::finding::Measure;
use crate::hash::{hash64, hash64_some};
use crate::incident::{Incident, Incidents};
use crate::model::Action;
use crate::plan::LaneKind;
use crate::time::{Millis, SECOND, clock, day_of, spoken, to_the_minute};
use crate::window::{Counted, WINDOW_OBJECTS_MAX, Window};

/// Kinds of activity that a summary names at most.
const KINDS_MAX: usize = 4;
/// Others that a summary names at most.
const OTHERS_MAX: usize = 5;
/// Where each is told, an alert is brought up to date at each of so many: the third grant of a role may be the one that matters.
const EACH_MAX: u64 = 20;
/// Fewest events that are counted together: a single one needs no window.
const EVENTS_MIN: u32 = 2;
/// Most events that are counted together.
const EVENTS_MAX: u32 = 100_000;
/// Most different things that are counted together: a window tells no more of them apart.
const DISTINCT_MAX: u32 = 1_000;
const _: () = assert!(DISTINCT_MAX as usize <= WINDOW_OBJECTS_MAX);

/// Parameters of `activity_policy`. `events_min` and `window_secs` stand there together or not at all; `distinct` needs
/// both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What an activity must be to count: [a filter](../policies.md).
    pub r#where: Condition,
    /// So many within the window raise the alert. Left out: each that fits is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_min: Option<u32>,
    /// Length of the sliding window, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_secs: Option<u32>,
    /// Count what is the same here once within the window: `object.id`, `client.ip`, `session`, `client.device.id` or
    /// `client.user_agent`, `target.name`, and with `per` also `user.name`. What lacks it is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
    /// Count by this, whoever did it: `user.name`, `client.ip`, `client.device.id`, `client.user_agent`, `target.name`,
    /// `object.id`, `object.table` or `instance`. What lacks it is not counted.
    #[serde(default)]
    pub per: Per,
}

/// What is counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distinct {
    /// An object, by its table and id.
    #[serde(rename = "object.id")]
    Object,
    /// An address, the session's if the record has none.
    #[serde(rename = "client.ip")]
    Address,
    /// A session.
    #[serde(rename = "session")]
    Session,
    /// A device.
    #[serde(rename = "client.device.id")]
    Device,
    /// A browser or program.
    #[serde(rename = "client.user_agent")]
    Agent,
    /// An account that something is aimed at.
    #[serde(rename = "target.name")]
    Target,
    /// A user, where the count is not of one.
    #[serde(rename = "user.name")]
    User,
}

impl Distinct {
    /// Hash of what stands there; 0: nothing.
    fn of(self, context: &Context<'_>) -> u64 {
        let event = context.event;
        let hash = |name: Option<&str>| name.map_or(0, |name| hash64_some(name.as_bytes()));
        match self {
            Self::Object => event.object,
            Self::Address => context.origin.for_place().map_or(0, |seen| seen.address.hash64()),
            Self::Session => event.session,
            Self::Device => event.device,
            Self::Agent => event.agent,
            Self::Target => hash(event.parties().and_then(|parties| parties.target.as_deref())),
            Self::User => hash(event.parties().and_then(|parties| parties.user.as_deref())),
        }
    }

    /// Does everything that is counted by this have the same there?
    const fn is_same_in(self, per: Per) -> bool {
        matches!(
            (self, per),
            (Self::Object, Per::Object)
                | (Self::Address, Per::Address)
                | (Self::Device, Per::Device)
                | (Self::Agent, Per::Agent)
                | (Self::Target, Per::Target)
                | (Self::User, Per::User)
        )
    }

    const fn many(self) -> &'static str {
        match self {
            Self::Object => "different objects",
            Self::Address => "different addresses",
            Self::Session => "different sessions",
            Self::Device => "different devices",
            Self::Agent => "different browsers or programs",
            Self::Target => "different accounts",
            Self::User => "different users",
        }
    }
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if let Some(fault) = self.r#where.compile().err().and_then(|faults| faults.into_iter().next()) {
            let at = if fault.path.is_empty() { String::new() } else { format!("{}: ", fault.path) };
            faults.push(("where", format!("{at}{}", fault.message)));
        }
        let events_max = if self.distinct.is_some() { DISTINCT_MAX } else { EVENTS_MAX };
        if let Some(events) = self.events_min {
            super::bounded(&mut faults, "events_min", events, EVENTS_MIN, events_max);
        }
        if let Some(secs) = self.window_secs {
            super::bounded(&mut faults, "window_secs", secs, 1, 86_400);
        }
        match (self.events_min, self.window_secs) {
            (Some(_), None) => faults.push(("events_min", "needs `window_secs`, in which they are counted".to_owned())),
            (None, Some(_)) => faults.push(("window_secs", "needs `events_min`, how many are too many".to_owned())),
            (None, None) if self.distinct.is_some() => {
                faults.push(("distinct", "needs `events_min` and `window_secs`".to_owned()));
            }
            _ => {}
        }
        if self.distinct.is_some_and(|distinct| distinct.is_same_in(self.per)) {
            let per = self.per.as_str();
            faults.push(("distinct", format!("{per} is always the same where `per` counts by it")));
        }
        faults
    }

    /// How many within how many seconds, unless each is told.
    fn repeated(&self) -> Option<(u32, u32)> {
        self.events_min.zip(self.window_secs)
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    /// The most that the window held since the incident was raised: of the one that is told, of the one held back.
    peaks: [u32; 2],
    incidents: Incidents,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Anything;

    const CHECKS_LATE: bool = true;

    const OPTIONAL: &'static [&'static str] = &["per"];

    /// Those that tell each activity; what is counted needs its order.
    fn checks_late(params: &Params) -> bool {
        params.repeated().is_none() && Self::lane(params) == LaneKind::Activity
    }

    fn lane(params: &Params) -> LaneKind {
        let is_of_sign_ins = params.r#where.compile().is_ok_and(|conditions| conditions.is_of_sign_ins());
        if is_of_sign_ins { LaneKind::Authentication } else { LaneKind::Activity }
    }

    fn condition(params: &Params) -> Option<&Condition> {
        Some(&params.r#where)
    }

    fn per(params: &Params) -> Option<Per> {
        (params.per != Per::User).then_some(params.per)
    }

    fn window_secs(params: &Params) -> u32 {
        params.window_secs.unwrap_or(0)
    }

    fn wants(_: &Event) -> bool {
        true
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let blocker = context.blocker(Vec::new());
        let held = blocker.is_some();
        let (min, now) = match params.repeated() {
            Some((min, secs)) => match self.count(params.distinct, secs, held, context) {
                Some(now) => (min, now),
                None => return,
            },
            None => (1, 1),
        };
        let (cause, at, quiet) = (hash64(b"activity"), context.event.time, context.quiet());
        let live = self.incidents.live(cause, held, at, quiet).filter(|incident| incident.is_raised());
        let before = live.map(|incident| incident.last);
        // What lies below is no part of a finding, or a trickle would keep it open for the next burst to drown in.
        if now < min && before.is_some() {
            return;
        }
        let incident = self.incidents.touch(cause, held, context);
        if now < min {
            return;
        }
        let peak = &mut self.peaks[usize::from(held)];
        *peak = if before.is_some() { now.max(*peak) } else { now };
        let fresh = if let Some((_, secs)) = params.repeated() {
            // Of a finding that goes on what came since, be it that it was below meanwhile: then it is another burst.
            let since = before.unwrap_or(Millis::MIN);
            let (was_test, (_, events)) = (incident.test, self.window.since(since, held));
            let count = incident.count + u64::from(events);
            let traces = self.window.traces(held).filter(|trace| trace.time > since);
            traces.for_each(|trace| incident.add(trace.clone(), false));
            // What happened at the time of the one before is not among them.
            if since == at {
                incident.add(context.trace(), false);
            }
            incident.count = incident.count.max(count);
            if before.is_none() {
                incident.first = self.window.first(held).unwrap_or(at);
            }
            // Which of the others were tests is not kept: what raises it decides, and then each.
            let is_test = context.event.test;
            incident.test = if before.is_none() { is_test } else { was_test && is_test && events <= 1 };
            // Not each time that a steady pace goes over the limit again.
            !held && before.is_some_and(|before| at - before >= Millis::from(secs) * SECOND)
        } else {
            incident.add(context.trace(), context.event.test);
            !held && incident.count <= EACH_MAX
        };
        let told = Told {
            user: context.subject.user(),
            rule: &context.rule.rule.id,
            filter: context.rule.conditions.as_ref().map_or("", Conditions::words),
            actions: context.rule.conditions.as_ref().map_or(0, Conditions::actions),
            peak: *peak,
            late: context.late,
        };
        context
            .raise(incident, Raise { blocker, fresh, ..Raise::default() }, |incident| explain(params, &told, incident));
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn weight(&self) -> usize {
        self.window.weight()
    }

    fn copy_from(&mut self, other: &Self) {
        self.window.copy_from(&other.window);
        self.incidents.copy_from(&other.incidents);
        self.peaks = other.peaks;
    }
}

impl State {
    /// How many the window holds with this one; `None`: it lacks what is counted.
    fn count(&mut self, distinct: Option<Distinct>, secs: u32, held: bool, context: &mut Context<'_>) -> Option<u32> {
        let object = distinct.map(|distinct| distinct.of(context));
        if object == Some(0) {
            return None;
        }
        self.window.expire(context.event.time, Millis::from(secs) * SECOND, context.caps);
        let carried = Quantity { objects: 1, ..Quantity::default() };
        let object = object.unwrap_or(0);
        self.window.push(Counted { trace: context.trace(), carried, covered: held, object }, context.caps);
        Some(self.window.sums().counted(held).objects)
    }
}

/// What an explanation is made of.
struct Told<'a> {
    user: &'a str,
    rule: &'a str,
    filter: &'a str,
    actions: u64,
    peak: u32,
    /// It came too late to be put in order.
    late: bool,
}

fn explain(params: &Params, told: &Told<'_>, incident: &Incident) -> Explanation {
    let Told { user, rule, filter, actions, peak, late } = told;
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
    let Some((min, secs)) = params.repeated() else {
        return Explanation {
            summary: format!("{}: {what}. The policy {rule} tells each.", who(user)),
            observed,
            counterfactual: "It would not have fired had any condition of the policy not held.".to_owned(),
            ..Explanation::default()
        };
    };
    let window = spoken(Millis::from(secs) * SECOND);
    let noun = params.distinct.map_or(many, Distinct::many);
    let limit = grouped(u64::from(min - 1));
    observed.push(Measure::new("events_in_window", f64::from(*peak), params.distinct.map_or("events", Distinct::many)));
    Explanation {
        summary: format!(
            "{}: {what}: {} {noun} in {window}, the policy {rule} allows {limit}.",
            who(user),
            grouped(u64::from(*peak)),
        ),
        observed,
        baseline: Vec::new(),
        threshold: vec![
            Measure::new("events_min", f64::from(min), "events"),
            Measure::new("window_secs", f64::from(secs), "s"),
        ],
        counterfactual: format!(
            "It would not have fired with events_min of {} or more, nor had any condition of the policy not held.",
            peak.saturating_add(1)
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
