//! To be written: what one user does that this finds, in one sentence.
//!
//! # Finds
//! More than `events_max` exports by one user without a quiet time between. To be written: what it should find.
//!
//! # Why
//! To be written: the ATT&CK technique, and what tells it from ordinary work.
//!
//! # Blind spots
//! To be written: what it cannot see.
//!
//! # Parameters
//! See [`Params`].
//!
//! # References
//! To be written: where the thresholds come from.

use serde::{Deserialize, Serialize};

use super::{Detector, bounded, counted, who};
use crate::context::{Context, Explanation, Raise};
use crate::event::Event;
use crate::finding::Measure;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{Action, Outcome};
use crate::plan::LaneKind;
use crate::time::clock;

/// Parameters of `new_detector`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Events allowed in one incident; one more raises the alert.
    pub events_max: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "events_max", self.events_max, 1, 100_000);
        faults
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    incidents: Incidents,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    fn wants(event: &Event) -> bool {
        event.action == Action::Export && event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let blocker = context.blocker(Vec::new());
        let incident = self.incidents.touch(hash64(b"events"), blocker.is_some(), context);
        incident.add(context.trace(), context.event.test);
        if incident.count <= u64::from(params.events_max) {
            return;
        }
        let aggravations =
            if context.event.account.privileged { vec!["the account is privileged"] } else { Vec::new() };
        let user = context.subject.user().to_owned();
        let raise = Raise { blocker, aggravations, fresh: false };
        context.raise(incident, raise, |incident| explain(params, &user, incident));
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn copy_from(&mut self, other: &Self) {
        self.incidents.copy_from(&other.incidents);
    }
}

fn explain(params: &Params, user: &str, incident: &Incident) -> Explanation {
    let limit = params.events_max;
    Explanation {
        summary: format!(
            "{} did {} from {} UTC on, limit {limit}.",
            who(user),
            counted(incident.count, "export", "exports"),
            clock(incident.first),
        ),
        observed: vec![Measure::new("events", incident.count as f64, "events")],
        baseline: Vec::new(),
        threshold: vec![Measure::new("events_max", f64::from(limit), "events")],
        counterfactual: format!("It would not have fired with events_max of {} or more.", incident.count),
        // A policy that tells kinds apart names them here and on its page.
        kind: None,
    }
}
