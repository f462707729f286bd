//! Multiple failed login attempts of one user.
//!
//! # Finds
//! More than `failures_max` failed sign-ins or second factors of one user within `window_secs`: guessing at one account,
//! stuffing of leaked passwords, and a success that follows.
//!
//! # Why
//! ATT&CK T1110 (Brute Force). The alert is raised at the failure that crosses the limit (the 11th of "more than 10"),
//! brought up to date at 20, 50, 100 … failures, and raised in severity when a sign-in succeeds soon after.
//!
//! # Blind spots
//! Guessing slower than the limit; one password tried over many accounts (that is a question about the network, not
//! about a user); failures that the identity provider keeps to itself.
//!
//! # Parameters
//! See [`Params`]. `suppression.quiet` of the rule closes the burst.
//!
//! # References
//! The reference product's template "multiple failed user sign-in attempts": more than 10 in 5 minutes. Herley and
//! Schechter, "Distinguishing Attacks from Legitimate Authentication Traffic at Scale", NDSS 2019.

use serde::{Deserialize, Serialize};

use super::{Detector, bounded, counted, grouped, who};
use crate::context::{Context, Explanation, Raise};
use crate::event::{Event, Quantity};
use crate::finding::Measure;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::Outcome;
use crate::plan::LaneKind;
use crate::time::{Millis, SECOND, clock, spoken};
use crate::window::{Counted, Window};

const SUCCEEDED_AFTER: &str = "a sign-in succeeded after the failures";

/// Parameters of `failed_logins`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Failures allowed within the window; one more raises the alert.
    pub failures_max: u32,
    /// Length of the sliding window, seconds.
    pub window_secs: u32,
    /// A success this soon after the last failure of a burst raises the severity, seconds.
    pub success_within_secs: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "failures_max", self.failures_max, 1, 1_000);
        bounded(&mut faults, "window_secs", self.window_secs, 1, 86_400);
        bounded(&mut faults, "success_within_secs", self.success_within_secs, 0, 86_400);
        faults
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    /// The most failures the window held since the incident was raised: of the one that is told, of the one held back.
    peaks: [u32; 2],
    incidents: Incidents,
    succeeded_at: Option<Millis>,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Authentication;

    fn window_secs(params: &Params) -> u32 {
        params.window_secs.max(params.success_within_secs)
    }

    fn wants(event: &Event) -> bool {
        event.action.is_authentication()
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        self.window.expire(event.time, Millis::from(params.window_secs) * SECOND, context.caps);
        match event.outcome {
            Outcome::Failure => self.failure(params, context),
            Outcome::Success => self.success(params, context),
            Outcome::Unknown => {}
        }
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
        (self.peaks, self.succeeded_at) = (other.peaks, other.succeeded_at);
    }
}

impl State {
    fn failure(&mut self, params: &Params, context: &mut Context<'_>) {
        let blocker = context.blocker(Vec::new());
        let covered = blocker.is_some();
        let carried = Quantity { objects: 1, ..Quantity::default() };
        self.window.push(Counted { trace: context.trace(), carried, covered, object: 0 }, context.caps);
        let incident = self.incidents.touch(cause(), covered, context);
        let in_window = self.window.sums().counted(covered).objects;
        let peak = &mut self.peaks[usize::from(covered)];
        if incident.is_raised() {
            incident.add(context.trace(), context.event.test);
            *peak = in_window.max(*peak);
        } else if in_window > params.failures_max {
            incident.first = self.window.first(covered).unwrap_or(context.event.time);
            self.window.traces(covered).for_each(|trace| incident.add(trace.clone(), false));
            incident.count = u64::from(in_window);
            incident.test |= context.event.test;
            *peak = in_window;
        } else {
            return;
        }
        let mut aggravations = Vec::from_iter(privileged(context));
        // A sign-in stands before the failures of its second, but a clock of whole seconds cannot say that it came first.
        aggravations.extend((self.succeeded_at == Some(context.event.time)).then_some(SUCCEEDED_AFTER));
        let raise = Raise { blocker, aggravations, fresh: false };
        let words = Words {
            user: context.subject.user().to_owned(),
            succeeded: self.succeeded_at.filter(|at| *at >= incident.first),
            peak: *peak,
        };
        context.raise(incident, raise, |incident| words.explain(params, incident));
    }

    fn success(&mut self, params: &Params, context: &mut Context<'_>) {
        let now = context.event.time;
        self.succeeded_at = Some(now);
        let within = Millis::from(params.success_within_secs) * SECOND;
        let blocker = context.blocker(Vec::new());
        let covered = blocker.is_some();
        let Some(incident) = self.incidents.live(cause(), covered, now, within) else { return };
        if !incident.is_raised() {
            return;
        }
        incident.add(context.trace(), context.event.test);
        incident.count -= 1;
        let words = Words {
            user: context.subject.user().to_owned(),
            succeeded: Some(now),
            peak: self.peaks[usize::from(covered)],
        };
        let raise = Raise { blocker, aggravations: vec![SUCCEEDED_AFTER], fresh: false };
        context.raise(incident, raise, |incident| words.explain(params, incident));
    }
}

fn cause() -> u64 {
    hash64(b"burst")
}

fn privileged(context: &Context<'_>) -> Option<&'static str> {
    context.event.privileged.then_some("the account is privileged")
}

struct Words {
    user: String,
    succeeded: Option<Millis>,
    peak: u32,
}

impl Words {
    fn explain(&self, params: &Params, incident: &Incident) -> Explanation {
        let addresses = incident.evidence.addresses();
        let from = match addresses.as_slice() {
            [] => "from an address that the source does not give".to_owned(),
            [only] => format!("from {} ({})", only.address, super::named(only.location.place.ok())),
            many => format!("from {} addresses, first {}", many.len(), many[0].address),
        };
        let span = (incident.last - incident.first).max(SECOND);
        let end = match self.succeeded {
            Some(at) => format!("; a sign-in succeeded at {}", clock(at)),
            None => "; none succeeded so far".to_owned(),
        };
        let limit = u64::from(params.failures_max);
        Explanation {
            summary: format!(
                "{} failed to sign in {} in {} from {} UTC on, {from}, limit {} in {}{end}.",
                who(&self.user),
                counted(incident.count, "time", "times"),
                spoken(span),
                clock(incident.first),
                grouped(limit),
                spoken(Millis::from(params.window_secs) * SECOND),
            ),
            observed: vec![
                Measure::new("failures", incident.count as f64, "events"),
                Measure::new("failures_in_window", f64::from(self.peak), "events"),
                Measure::new("span", (span / SECOND) as f64, "s"),
                Measure::new("addresses", addresses.len() as f64, "addresses"),
            ],
            baseline: Vec::new(),
            threshold: vec![
                Measure::new("failures_max", f64::from(params.failures_max), "events"),
                Measure::new("window_secs", f64::from(params.window_secs), "s"),
            ],
            counterfactual: format!(
                "It would not have fired with failures_max of {} or more, or with failures further apart than {} in {}.",
                self.peak,
                grouped(limit),
                spoken(Millis::from(params.window_secs) * SECOND),
            ),
        }
    }
}
