//! A key's machine for one lane: the session join and the state of every rule, stepped over events in order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::caps::Caps;
use crate::catalogue::State;
use crate::context::{Context, Subject};
use crate::event::{Event, OwnedOrder};
use crate::finding::Finding;
use crate::model::Outcome;
use crate::plan::{LaneKind, Plan};
use crate::sessions::Sessions;
use crate::time::Millis;

/// The state of one lane at one point of its history. It knows nothing of lateness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// First and last event since the key began, or began anew.
    span: Option<(Millis, Millis)>,
    /// Has anything succeeded since then?
    succeeded: bool,
    sessions: Sessions,
    states: Vec<RuleState>,
}

/// The state of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// The rule's key.
    #[serde(with = "postcard::fixint::le")]
    pub key: u64,
    /// Time of the first event it took: learning begins there, so a rule that is added later learns first.
    pub since: Option<Millis>,
    /// The detector's state.
    pub state: State,
}

/// What surrounds a step.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Rules and limits.
    pub plan: &'a Plan,
    /// Which lane this is.
    pub lane: LaneKind,
    /// Whose history it is.
    pub subject: Subject<'a>,
}

impl Machine {
    /// A machine that has seen nothing.
    pub fn new(plan: &Plan, lane: LaneKind) -> Self {
        let states = plan.lane_rules(lane).map(|rule| RuleState {
            key: rule.key,
            since: None,
            state: State::of(&rule.rule.params),
        });
        Self { span: None, succeeded: false, sessions: Sessions::default(), states: states.collect() }
    }

    /// Brings the states into the plan's order: a rule that is new begins empty, one that is gone leaves.
    #[must_use]
    pub fn aligned(mut self, plan: &Plan, lane: LaneKind) -> Self {
        let same = self.states.len() == plan.lane_rules(lane).len()
            && self.states.iter().zip(plan.lane_rules(lane)).all(|(state, rule)| state.key == rule.key);
        if !same {
            let mut old = std::mem::take(&mut self.states);
            self.states = Self::new(plan, lane).states;
            for state in &mut self.states {
                if let Some(index) = old.iter().position(|known| known.key == state.key) {
                    *state = old.swap_remove(index);
                }
            }
        }
        self
    }

    /// Has nothing been seen, or is the gap up to `now` so long that the next event begins a new history?
    pub fn is_over(&self, now: Millis, plan: &Plan) -> bool {
        let keep = plan.kept(self.succeeded);
        self.span.is_none_or(|(_, last)| now - last > keep)
    }

    /// Takes the next event in order; what the rules say is pushed.
    pub fn step(&mut self, event: &Event, around: Surroundings<'_>, said: &mut Vec<Arc<Finding>>, caps: &mut Caps) {
        let plan = around.plan;
        if around.lane == LaneKind::Activity && event.outcome != Outcome::Success {
            return;
        }
        if self.is_over(event.time, plan) {
            *self = Self::new(plan, around.lane);
        }
        self.succeeded |= event.outcome == Outcome::Success;
        let first_time = self.span.map_or(event.time, |(first, _)| first);
        self.span = Some((first_time, event.time));
        let origin = match around.lane {
            LaneKind::Activity => self.sessions.join(event, plan, caps),
            LaneKind::Authentication => crate::sessions::Origin::direct(event),
        };
        for (rule, known) in plan.lane_rules(around.lane).zip(&mut self.states) {
            if origin.rules & rule.bit == 0 || !known.state.wants(event) {
                continue;
            }
            let subject = around.subject;
            let first_time = *known.since.get_or_insert(event.time);
            let exception = plan.exception_of(rule, &origin.exceptions, event.time);
            let origin = &origin;
            let mut context = Context { event, origin, exception, first_time, rule, plan, subject, said, caps };
            known.state.step(&rule.rule.params, &mut context);
        }
    }

    /// Does the rule hold an incident with this opener?
    pub fn holds(&self, rule: u64, opener: &OwnedOrder) -> bool {
        let state = self.states.iter().find(|state| state.key == rule);
        state.is_some_and(|state| state.state.incidents().iter().any(|incident| incident.opener == *opener))
    }

    /// What stands of the incident that took the place of another of the same cause with this opener.
    pub fn heir(&self, rule: u64, held: bool, dedup: u128, opener: &OwnedOrder) -> Option<&Arc<Finding>> {
        let state = self.states.iter().find(|state| state.key == rule)?;
        let mut incidents = state.state.incidents().iter();
        let took = incidents.find(|incident| {
            let same = incident.said.as_ref().is_some_and(|said| said.dedup == dedup);
            same && incident.held == held && incident.opener < *opener && opener.time <= incident.last
        });
        took.and_then(|incident| incident.said.as_ref())
    }

    /// Pushes what the incidents that are held said last.
    pub fn standing(&self, out: &mut Vec<Arc<Finding>>) {
        for state in &self.states {
            out.extend(state.state.incidents().iter().filter_map(|incident| incident.said.clone()));
        }
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        (self.span, self.succeeded) = (other.span, other.succeeded);
        self.sessions.copy_from(&other.sessions);
        self.states.truncate(other.states.len());
        let have = self.states.len();
        for (mine, theirs) in self.states.iter_mut().zip(&other.states) {
            (mine.key, mine.since) = (theirs.key, theirs.since);
            mine.state.copy_from(&theirs.state);
        }
        self.states.extend(other.states.iter().skip(have).cloned());
    }
}
