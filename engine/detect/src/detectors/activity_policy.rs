//! Activity that an organisation's own rule describes: one that fits, or many within a time.
//!
//! # Finds
//! What `where` describes, a filter over the fields of an activity and over what is known of its address, done by one user at
//! least `events_min` times within `window_secs`, or more slowly `slow_events_min` times within `slow_window_secs`; with
//! `per` so often at one address, to one object, in the whole instance, whoever did it. Without these each activity that fits
//! is told, as one alert until there has been none for `suppression.quiet`; but for sign-ins also what came too late to be put
//! in order. The rule that ships is one example, many deletions; rules of one's own stand beside it, each with its id, its
//! state and everything else that a rule has. How a filter is written, which fields there are and how policies of the
//! reference product are carried over: [policies.md](../policies.md).
//!
//! # Why
//! What is worth an alert in one organisation is daily work in another: a table that nobody should export, a role that nobody
//! should grant at night, a client that nobody uses. Such rules need no learning and say exactly what they say. The shipped
//! one is ATT&CK T1485 (Data Destruction): records deleted one after the other by somebody who leaves, or by a stolen
//! account, in a hurry or a page now and then. A clearing that a change has announced is an exception with a begin and an end.
//!
//! # Blind spots
//! What the record does not carry: a test of an absent field is unknown, its negation too, and what is unknown does not fit.
//! Of activity that failed only sign-ins are kept, so only a filter for sign-ins alone counts failures. Without
//! `events_min` activity that goes on without a break of the quiet time, however thin, is one finding; with it a pace that stays
//! over a limit is one as well, and what somebody else adds to it later is an update. What stays below both limits: as shipped
//! 100 deletions in ten minutes and 200 in eight hours. Within an announced time everything that the exception covers. Audited rows of
//! `ServiceNow` carry neither address nor session: what asks for address, network or place is unknown for them. With `per` only what
//! a record says itself is asked, neither its session's address nor what was said of the account.
//!
//! # Parameters
//! See [`Params`]. Nothing is learned and nothing holds a finding back but exceptions; severity is the rule's own.
//!
//! # References
//! The reference product's activity policies: filters, a minimum of repeated activities within a time, and the option to
//! count an object once.

mod words;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use super::{About, Detector};
use crate::condition::{Condition, Conditions};
use crate::context::{Context, Raise};
use crate::entity::Per;
use crate::event::{Event, Quantity};
use crate::hash::{hash64, hash64_some};
use crate::incident::{Incident, Incidents, on_ladder};
use crate::plan::LaneKind;
use crate::time::{Millis, SECOND};
use crate::window::{Counted, WINDOW_OBJECTS_MAX, Window};
use words::{Told, explain};

/// Where each is told, an alert is brought up to date at each of so many: the third grant of a role may be the one that matters.
const EACH_MAX: u64 = 20;
/// Fewest events that are counted together: a single one needs no window.
const EVENTS_MIN: u32 = 2;
/// Most events that are counted together.
const EVENTS_MAX: u32 = 100_000;
/// Most different things that are counted together: a window tells no more of them apart.
const DISTINCT_MAX: u32 = 1_000;
const _: () = assert!(DISTINCT_MAX as usize <= WINDOW_OBJECTS_MAX);

/// Limits of a rule at most: of what is fast, and of what is slow.
const LIMITS: usize = 2;

/// Parameters of `activity_policy`. `events_min` and `window_secs` stand there together or not at all, and so do the two of
/// what is slow; these and `distinct` need the first two.
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
    /// So many within the longer window raise the alert too, however slowly. Left out: only the shorter one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_events_min: Option<u32>,
    /// Length of the longer sliding window, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_window_secs: Option<u32>,
    /// Count what is the same here once within the window: `object.id`, `client.ip`, `session`, `client.device.id` or
    /// `client.user_agent`, `target.name`, and with `per` also `user.name`. What lacks it is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
    /// Count by this, whoever did it: `user.name`, `client.ip`, `client.device.id`, `client.user_agent`, `target.name`,
    /// `object.id`, `object.table` or `instance`. What lacks it is not counted.
    #[serde(default)]
    pub per: Per,
    /// What it tells, as an incident weighs it: how somebody got in (`entry`), from where they work (`whereabouts`), what they do
    /// (`deeds`) or whether they may be there at all (`account`). Beside the alert of a detector about the same, of the same
    /// events in part, it is no other sign. Left out: anything, and a sign of its own unless both name mostly the same events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
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
        for (name, events) in [("events_min", self.events_min), ("slow_events_min", self.slow_events_min)] {
            if let Some(events) = events {
                super::bounded(&mut faults, name, events, EVENTS_MIN, events_max);
            }
        }
        for (name, secs) in [("window_secs", self.window_secs), ("slow_window_secs", self.slow_window_secs)] {
            if let Some(secs) = secs {
                super::bounded(&mut faults, name, secs, 1, 86_400);
            }
        }
        match (self.events_min, self.window_secs) {
            (Some(_), None) => faults.push(("events_min", "needs `window_secs`, in which they are counted".to_owned())),
            (None, Some(_)) => faults.push(("window_secs", "needs `events_min`, how many are too many".to_owned())),
            (None, None) if self.distinct.is_some() => {
                faults.push(("distinct", "needs `events_min` and `window_secs`".to_owned()));
            }
            _ => {}
        }
        self.faults_of_slow(&mut faults);
        if self.distinct.is_some_and(|distinct| distinct.is_same_in(self.per)) {
            let per = self.per.as_str();
            faults.push(("distinct", format!("{per} is always the same where `per` counts by it")));
        }
        faults
    }

    fn faults_of_slow(&self, faults: &mut Vec<(&'static str, String)>) {
        let (events, secs) = match (self.slow_events_min, self.slow_window_secs) {
            (None, None) => return,
            (Some(events), Some(secs)) => (events, secs),
            (Some(_), None) => {
                return faults
                    .push(("slow_events_min", "needs `slow_window_secs`, in which they are counted".to_owned()));
            }
            (None, Some(_)) => {
                return faults.push(("slow_window_secs", "needs `slow_events_min`, how many are too many".to_owned()));
            }
        };
        let Some((fast_events, fast_secs)) = self.events_min.zip(self.window_secs) else {
            return faults
                .push(("slow_events_min", "needs `events_min` and `window_secs`, of what is fast".to_owned()));
        };
        for (name, slow, of, fast) in [
            ("slow_events_min", events, "events_min", fast_events),
            ("slow_window_secs", secs, "window_secs", fast_secs),
        ] {
            if slow <= fast {
                faults.push((name, format!("{slow} is not more than `{of}`, {fast}")));
            }
        }
    }

    /// How many within how long, of the shorter window first; none: each is told.
    fn limits(&self) -> ArrayVec<Limit, LIMITS> {
        let fast = self.events_min.zip(self.window_secs);
        let slow = self.slow_events_min.zip(self.slow_window_secs);
        fast.into_iter().chain(slow).map(|(min, secs)| Limit { min, secs }).collect()
    }
}

/// So many within a time are too many.
#[derive(Clone, Copy, Debug)]
struct Limit {
    min: u32,
    secs: u32,
}

impl Limit {
    const fn length(self) -> Millis {
        self.secs as Millis * SECOND
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    /// How far each limit was gone over since the incident was raised: of the one that is told, of the one held back.
    reached: [[Reached; LIMITS]; 2],
    incidents: Incidents,
}

/// How far a limit was gone over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Reached {
    /// The most that its window held.
    peak: u32,
    /// When it held too many for the last time.
    last: Option<Millis>,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Anything;

    fn about(params: &Params) -> About {
        params.about.unwrap_or(Self::ABOUT)
    }

    const CHECKS_LATE: bool = true;

    const OPTIONAL: &'static [&'static str] = &["about", "per", "slow_events_min", "slow_window_secs"];

    /// Those that tell each activity; what is counted needs its order.
    fn checks_late(params: &Params) -> bool {
        params.limits().is_empty() && Self::lane(params) == LaneKind::Activity
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
        params.limits().last().map_or(0, |longest| longest.secs)
    }

    fn wants(_: &Event) -> bool {
        true
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let blocker = context.blocker(Vec::new());
        let held = blocker.is_some();
        let limits = params.limits();
        let Some(counts) = self.count(params.distinct, &limits, held, context) else { return };
        // What is fast is told before that it is also much over a longer time.
        let mut all_over =
            limits.iter().zip(&counts).filter(|(limit, now)| **now >= limit.min).map(|(limit, _)| *limit);
        let (over, longest_over) = (all_over.clone().next(), all_over.next_back());
        let is_below = over.is_none() && !limits.is_empty();
        let (cause, at, quiet) = (hash64(b"activity"), context.event.time, context.quiet());
        let live = self.incidents.live(cause, held, at, quiet).filter(|incident| incident.is_raised());
        let before = live.map(|incident| incident.last);
        // What lies below is no part of a finding, or a trickle would keep it open for the next burst to drown in.
        if is_below && before.is_some() {
            return;
        }
        let incident = self.incidents.touch(cause, held, context);
        if is_below {
            return;
        }
        let reached = &mut self.reached[usize::from(held)];
        if before.is_none() {
            *reached = Default::default();
        }
        let fresh = if let Some(limits_over) = over.zip(longest_over) {
            let (window, reached) = (&self.window, &*reached);
            Grown { window, reached, limits: &limits, over: limits_over, before, held }.take(incident, context)
        } else {
            incident.add(context.trace(), context.event.test);
            !held && incident.count <= EACH_MAX
        };
        for (reached, (limit, now)) in reached.iter_mut().zip(limits.iter().zip(counts)) {
            reached.peak = reached.peak.max(now);
            reached.last = if now >= limit.min { Some(at) } else { reached.last };
        }
        let told = Told {
            user: context.subject.user(),
            rule: &context.rule.rule.id,
            filter: context.rule.conditions.as_ref().map_or("", Conditions::words),
            actions: context.rule.conditions.as_ref().map_or(0, Conditions::actions),
            peaks: reached.map(|reached| reached.peak),
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
        self.reached = other.reached;
    }
}

/// What makes a finding of many grow.
struct Grown<'a> {
    window: &'a Window,
    reached: &'a [Reached; LIMITS],
    limits: &'a [Limit],
    /// The shortest limit that is gone over, and the longest.
    over: (Limit, Limit),
    /// The last event of the finding so far, where it goes on.
    before: Option<Millis>,
    held: bool,
}

impl Grown<'_> {
    /// Takes into the finding what the window holds of it. Is that to be told at once?
    fn take(&self, incident: &mut Incident, context: &Context<'_>) -> bool {
        let Self { window, before, held, over: (limit, longest), .. } = *self;
        let at = context.event.time;
        let begin = at - longest.length();
        // Of a finding that goes on what came since, be it that it was below meanwhile: then it is another burst.
        let since = before.unwrap_or(begin);
        let (was_test, known) = (incident.test, incident.count);
        let (_, events) = window.since(since, held);
        let count = known + u64::from(events);
        let traces = window.traces(held).filter(|trace| trace.time > since);
        traces.for_each(|trace| incident.add(trace.clone(), false));
        // What happened at the time of the one before is not among them.
        if since == at {
            incident.add(context.trace(), false);
        }
        incident.count = incident.count.max(count);
        // What was slow began before what was fast, and is part of it from when it is too much itself.
        let is_longer = self.limits.first().is_some_and(|fast| fast.secs < longest.secs);
        let becomes_slow = before.is_some() && is_longer && self.reached[LIMITS - 1].last.is_none();
        let mut was_more = false;
        if before.is_none() || becomes_slow {
            let in_window = u64::from(window.since(begin, held).1);
            was_more = in_window > incident.count;
            incident.count = incident.count.max(in_window);
            let first = window.first_after(begin, held).unwrap_or(at);
            incident.first = if before.is_none() { first } else { first.min(incident.first) };
        }
        // Which of the others were tests is not kept: what raises it decides, and then each.
        let is_test = context.event.test;
        incident.test = if before.is_none() { is_test } else { was_test && is_test && events <= 1 && !was_more };
        // A burst that is another one, or the first of what was slow; not each time that a steady pace goes over the limit
        // again.
        let is_burst = self.limits.first().is_some_and(|fast| {
            fast.secs == limit.secs && self.reached[0].last.is_none_or(|last| at - last >= fast.length())
        });
        let is_slow_alone = becomes_slow && limit.secs == longest.secs;
        // A step of the ladder may lie between.
        let is_due = (known + 1..incident.count).any(on_ladder);
        before.is_some() && (!held && (is_burst || is_slow_alone) || is_due)
    }
}

impl State {
    /// How many each window holds with this one; `None`: it lacks what is counted.
    fn count(
        &mut self,
        distinct: Option<Distinct>,
        limits: &[Limit],
        held: bool,
        context: &mut Context<'_>,
    ) -> Option<ArrayVec<u32, LIMITS>> {
        let Some(longest) = limits.last() else { return Some(ArrayVec::new()) };
        let object = distinct.map(|distinct| distinct.of(context));
        if object == Some(0) {
            return None;
        }
        let at = context.event.time;
        let shortest = limits.first().map_or(0, |limit| limit.length());
        self.window.expire_beyond(at, longest.length(), shortest, context.caps);
        let carried = Quantity { objects: 1, ..Quantity::default() };
        let object = object.unwrap_or(0);
        self.window.push(Counted { trace: context.trace(), carried, covered: held, object }, context.caps);
        // The shorter window is the end of the longer one: what counts once counts at its last time.
        let all = self.window.sums().counted(held).objects;
        // Where there are too few in all there are in the shorter one, whatever their number.
        let within = |limit: &Limit| {
            let is_all = limit.secs == longest.secs || all < limit.min;
            if is_all { all } else { self.window.since(at - limit.length(), held).0.objects }
        };
        Some(limits.iter().map(within).collect())
    }
}
