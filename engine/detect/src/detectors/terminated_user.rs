//! Activity of an account after its person has left, or after it was switched off.
//!
//! # Finds
//! Any successful activity later than `grace_minutes` after a `user_terminate` (from its `effective_at`) or, with
//! `disabled_counts`, a `user_disable` that is a record of this account: sign-ins, sessions and tokens that live on,
//! integrations and jobs that run under the name. And, when the record is told days late, that the account was active
//! after the day from which it counts.
//!
//! # Why
//! ATT&CK T1078 (Valid Accounts): an account that is left over is used by who left or by whoever found its password. The
//! leaving is a record among the account's own, so a replay knows of it where the engine did.
//! The severity is raised by a step when somebody signs in anew, when something is carried out, and for a privileged
//! account: a session that lives on is told apart from a return. The newest `user_terminate` counts, so one with a later
//! `effective_at` postpones; a `user_disable` that comes again moves nothing. A `user_enable` or `user_create` ends that the
//! account was off, and a leaving if it counts from later than that was told: a return, a re-hire, a leaving that was
//! called off. A row of `sys_user` that says "on" counts from when the account was made, so it ends no leaving.
//!
//! # Blind spots
//! Accounts whose leaving no record tells. Of the time before a record that is told late only days are known, up to 64 of
//! them, and of the last activity its time. An account that was forgotten since (no activity for the time users are
//! kept) is a new one. Records under another name of the same person.
//!
//! # Parameters
//! See [`Params`]. `suppression.quiet` of the rule closes the incident. `grace` holds back what happens within
//! `grace_minutes`, with a record: sessions end and handovers are finished in them.
//!
//! # References
//! The reference product's policy "activity performed by terminated user", with its benign cases: disabled for a while,
//! deleted and registered again.

use serde::{Deserialize, Serialize};

use super::{Detector, bounded, counted, named, who};
use crate::context::{Block, Context, Explanation, Raise};
use crate::event::Event;
use crate::finding::Measure;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{Action, Outcome};
use crate::plan::LaneKind;
use crate::rule::Layer;
use crate::time::{MINUTE, Millis, day_of, spoken, to_the_minute};

const SIGNED_IN: &str = "somebody signed in anew";
const CARRIED_OUT: &str = "something was carried out";
const PRIVILEGED: &str = "the account is privileged";

/// Parameters of `terminated_user`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Activity this soon after the time that counts is held back, minutes.
    pub grace_minutes: u32,
    /// An account that is switched off counts like one whose person has left.
    pub disabled_counts: bool,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "grace_minutes", self.grace_minutes, 0, 30 * 24 * 60);
        faults
    }

    fn grace(&self) -> Millis {
        Millis::from(self.grace_minutes) * MINUTE
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    ended: Option<Ended>,
    active: Active,
    incidents: Incidents,
}

/// The account is one that nobody should use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Ended {
    /// The person has left; `false`: it is switched off.
    is_left: bool,
    /// From when it counts.
    from: Millis,
    /// When it was told.
    told: Millis,
}

/// When the account was active: the last time, and the days before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Active {
    last: Option<Millis>,
    /// A bit for each day: the lowest is that of `last`.
    days: u64,
}

impl Active {
    fn note(&mut self, now: Millis) {
        let days = self.last.map_or(0, |last| i64::from(day_of(now)) - i64::from(day_of(last)));
        self.days = if days < 64 { self.days << days } else { 0 } | 1;
        self.last = Some(now);
    }

    /// On how many days after that of `from` it was active, as far as they are known, and the last time if that is later.
    fn after(&self, from: Millis) -> Option<(u32, Millis)> {
        let last = self.last.filter(|last| *last > from)?;
        let days = i64::from(day_of(last)) - i64::from(day_of(from));
        let known = if days < 64 { self.days & ((1 << days) - 1) } else { self.days };
        // The day itself counts where nothing later does.
        Some((known.count_ones().max(1), last))
    }
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ASKS_STATUS: bool = true;

    const SUPPRESSIONS: &'static [&'static str] = &["grace"];

    fn wants(event: &Event) -> bool {
        // A logout ends what was; a new name is what others did.
        event.outcome == Outcome::Success && !matches!(event.action, Action::Logout | Action::UserRename)
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let status = event.counts_from();
        match (event.action, status) {
            (Action::UserTerminate, Some(from)) => {
                self.ended = Some(Ended { is_left: true, from, told: event.time });
                self.look_back(params, context);
            }
            (Action::UserDisable, Some(from)) => {
                if self.ended.is_none() && params.disabled_counts {
                    self.ended = Some(Ended { is_left: false, from, told: event.time });
                    self.look_back(params, context);
                }
            }
            (Action::UserEnable | Action::UserCreate, Some(from)) => {
                self.ended = self.ended.filter(|ended| ended.is_left && from <= ended.told);
            }
            _ => {
                self.active.note(event.time);
                self.active(params, context);
            }
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn copy_from(&mut self, other: &Self) {
        (self.ended, self.active) = (other.ended, other.active);
        self.incidents.copy_from(&other.incidents);
    }
}

impl State {
    /// The account is active though nobody should use it.
    fn active(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let Some(ended) = self.ended.filter(|ended| event.time > ended.from) else { return };
        let grace = (event.time <= ended.from + params.grace()).then(|| Block {
            layer: Layer::System,
            by: "grace",
            reason: format!(
                "{} after the account {}, within the {} in which sessions end",
                spoken(event.time - ended.from),
                ended.word(),
                spoken(params.grace()),
            ),
            measures: vec![Measure::new("grace_minutes", f64::from(params.grace_minutes), "min")],
        });
        let blocker = context.blocker(grace.into_iter().collect());
        let incident = self.incidents.touch(cause(), blocker.is_some(), context);
        incident.add(context.trace(), event.test);
        let is_sign_in = matches!(event.action, Action::Login | Action::SessionStart);
        let mut aggravations = Vec::from_iter(event.privileged.then_some(PRIVILEGED));
        aggravations.extend(is_sign_in.then_some(SIGNED_IN));
        aggravations.extend(event.action.is_download().then_some(CARRIED_OUT));
        let user = context.subject.user();
        let raise = Raise { blocker, aggravations, fresh: false };
        context.raise(incident, raise, |incident| Words { user, ended, before: None }.explain(params, incident));
    }

    /// Was it, before that was told?
    fn look_back(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(ended) = self.ended else { return };
        let Some(before) = self.active.after(ended.from + params.grace()) else { return };
        let event = context.event;
        let blocker = context.blocker(Vec::new());
        let incident = self.incidents.touch(cause(), blocker.is_some(), context);
        incident.add(context.trace(), event.test);
        incident.first = incident.first.min(before.1);
        let aggravations = Vec::from_iter(event.privileged.then_some(PRIVILEGED));
        let user = context.subject.user();
        let raise = Raise { blocker, aggravations, fresh: true };
        context
            .raise(incident, raise, |incident| Words { user, ended, before: Some(before) }.explain(params, incident));
    }
}

impl Ended {
    const fn word(&self) -> &'static str {
        if self.is_left { "was terminated" } else { "was disabled" }
    }
}

fn cause() -> u64 {
    hash64(b"ended")
}

struct Words<'a> {
    user: &'a str,
    ended: Ended,
    /// What was found when it was told: days of activity, and the last time.
    before: Option<(u32, Millis)>,
}

impl Words<'_> {
    fn explain(&self, params: &Params, incident: &Incident) -> Explanation {
        let ended = self.ended;
        let late = ended.told - ended.from;
        let told = if late > MINUTE { format!(", told {} later", spoken(late)) } else { String::new() };
        let what = match self.before {
            Some((days, last)) => format!(
                "had been active since on {}, last at {} UTC",
                counted(u64::from(days), "day", "days"),
                to_the_minute(last)
            ),
            None => format!(
                "has been active since: {} {} UTC, {}",
                counted(incident.count, "event", "events"),
                match (to_the_minute(incident.first), to_the_minute(incident.last)) {
                    (first, last) if first == last => format!("at {first}"),
                    (first, last) => format!("from {first} to {last}"),
                },
                from(incident),
            ),
        };
        let mut observed = vec![
            Measure::new("events", incident.count as f64, "events"),
            Measure::new("after", ((incident.last - ended.from) / MINUTE) as f64, "min"),
        ];
        if let Some((days, _)) = self.before {
            observed.push(Measure::new("days_active", f64::from(days), "days"));
        }
        Explanation {
            summary: format!(
                "{} {} at {} UTC{told}, and {what}.",
                who(self.user),
                ended.word(),
                to_the_minute(ended.from),
            ),
            observed,
            baseline: Vec::new(),
            threshold: vec![Measure::new("grace_minutes", f64::from(params.grace_minutes), "min")],
            counterfactual: format!(
                "It would not have fired if the account had been enabled again before {} UTC, or if that had counted from \
                 {} UTC or later.",
                to_the_minute(incident.first),
                to_the_minute(self.before.map_or(incident.last, |(_, last)| last) - params.grace()),
            ),
        }
    }
}

fn from(incident: &Incident) -> String {
    match incident.evidence.addresses().as_slice() {
        [] => "from an address that the source does not give".to_owned(),
        [only] => format!("from {} ({})", only.address, named(only.location.place.ok())),
        [first, rest @ ..] => format!("from {} addresses, first {}", rest.len() + 1, first.address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    #[test]
    fn days_of_activity_are_those_after_the_day_that_counts() {
        let mut active = Active::default();
        let noon = |day: i64| day * DAY + DAY / 2;
        for day in [0, 1, 3, 3, 10] {
            active.note(noon(day));
        }
        for (from, wanted) in [
            (noon(0), Some((3, noon(10)))),
            (noon(1), Some((2, noon(10)))),
            (noon(9), Some((1, noon(10)))),
            (noon(10) - 1, Some((1, noon(10)))),
            (noon(10), None),
            (noon(-100), Some((4, noon(10)))),
        ] {
            assert_eq!(active.after(from), wanted, "{from}");
        }
        active.note(noon(74));
        assert_eq!(active.after(noon(5)), Some((1, noon(74))), "what is 64 days old is forgotten");
        active.note(noon(75));
        assert_eq!(active.after(noon(5)), Some((2, noon(75))));
    }
}
