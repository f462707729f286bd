//! Alerts of one user that belong together: one story, with a risk score.
//!
//! # Finds
//! Alerts of one user of which something happened within the quiet time of the rule after something of another: failed
//! sign-ins, a success from a new place, a mass download. Told once alerts of `policies_min` rules add to their risk score and
//! it reaches `score_min`; told anew with every one that joins, changes or is taken back. The alerts themselves stay as they
//! are, and are named in `parts`: whoever counts alerts or events leaves records of the policy `incident` out, by the header
//! `policy`.
//!
//! # Why
//! A stolen account shows in several weak signs, and each alone looks like the many that were harmless. Together they are
//! an intrusion in its order. The score is 100 × (1 − the product of (1 − risk score of an alert / 100)) over the strongest
//! alert of each rule, which adds up independent chances (noisy-or; J. Pearl, Probabilistic Reasoning in Intelligent Systems,
//! 1988). Two alerts that are about the same (how somebody got in, from where they work, what they do; a policy of one's own
//! may be about anything) and name mostly the same events (at least half of those that either names) are one sign, and the
//! weaker adds nothing. A policy of one's own that says what it is about (`about`) tells what a detector about the same has told
//! once more, and adds nothing: there one event of both is enough, or one of its kind among those that either has too many to name.
//!
//! # Blind spots
//! Steps further apart than the quiet time; what was done under several accounts, since a story is of one user; alerts that
//! something held back. Of an alert with more than 50 events those in the middle are taken to lie close together, and what
//! happened after it was last told is not known here.
//!
//! # Parameters
//! See [`Params`]. How long the user must be quiet before another story begins is `suppression.quiet` of the rule. It has no
//! sensitivity, scope or exceptions of its own: those of the policies decide which alerts there are.
//!
//! # References
//! Risk-based alerting as in Splunk Enterprise Security; incidents of Microsoft Defender XDR.

use serde::{Deserialize, Serialize};

use super::{Detector, bounded};
use crate::context::Context;
use crate::event::Event;
use crate::incident::Incidents;
use crate::plan::LaneKind;

/// Parameters of `incident`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Alerts of so many different rules make an incident.
    pub policies_min: u32,
    /// Below this risk score it is not told.
    pub score_min: u8,
    /// From this risk score on the severity is a step higher than that of its gravest alert.
    pub score_grave: u8,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "policies_min", self.policies_min, 2, 10);
        bounded(&mut faults, "score_min", self.score_min, 0, 100);
        bounded(&mut faults, "score_grave", self.score_grave, 0, 100);
        faults
    }
}

/// It reads alerts and no events, so it keeps nothing here: see [`crate::stories`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    incidents: Incidents,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const READS_ALERTS: bool = true;

    fn wants(_event: &Event) -> bool {
        false
    }

    fn step(&mut self, _params: &Params, _context: &mut Context<'_>) {}

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn copy_from(&mut self, other: &Self) {
        self.incidents.copy_from(&other.incidents);
    }
}
