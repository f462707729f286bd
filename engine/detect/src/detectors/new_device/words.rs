//! What an alert says of a device.

use super::{Params, Risks};
use crate::context::Explanation;
use crate::detectors::{counted, named, who};
use crate::event::Event;
use crate::finding::{Measure, SeenAddress};
use crate::incident::Incident;
use crate::time::{Millis, SECOND, clock, spoken};

/// What an alert says.
pub(super) struct Words<'a> {
    pub(super) user: &'a str,
    pub(super) risks: Risks,
    pub(super) last_risk: Millis,
    /// Devices that are known.
    pub(super) others: usize,
    pub(super) days_on_network: u32,
    pub(super) params: &'a Params,
    pub(super) event: &'a Event,
    pub(super) seen: Option<SeenAddress>,
}

impl Words<'_> {
    pub(super) fn explain(&self, incident: &Incident) -> Explanation {
        let Self { user, risks, last_risk, others, days_on_network, params, event, seen } = *self;
        let since = event.time - last_risk;
        let from = seen.map_or_else(
            || "an address that the source does not give".to_owned(),
            |seen| format!("{} ({})", seen.address, named(seen.location.place.ok())),
        );
        Explanation {
            summary: format!(
                "{} signed in at {} UTC from {from} with a device not seen before, {}; {} known.",
                who(user),
                clock(event.time),
                risks.spoken(event.time),
                counted(others as u64, "other device is", "other devices are"),
            ),
            observed: vec![
                Measure::new("since_risk", (since / SECOND) as f64, "s"),
                Measure::new("events", incident.count as f64, "events"),
            ],
            baseline: vec![
                Measure::new("devices", others as f64, "devices"),
                Measure::new("days_on_network", f64::from(days_on_network), "days"),
            ],
            threshold: vec![
                Measure::new("within_secs", f64::from(params.within_secs), "s"),
                Measure::new(
                    "failures_min",
                    f64::from(risks.run.map_or(params.failures_min, |run| run.count)),
                    "failures",
                ),
                Measure::new("failures_within_secs", f64::from(params.failures_within_secs), "s"),
                Measure::new("confidence_min", f64::from(params.confidence_min), "of 100"),
                Measure::new("confidence_strange_min", f64::from(params.confidence_strange_min), "of 100"),
            ],
            counterfactual: format!(
                "It would not have fired for a device that the user had used within {} days, or more than {} after the \
                 last risky event.",
                params.device_forget_days,
                spoken(Millis::from(params.within_secs) * SECOND),
            ),
            kind: None,
        }
    }
}
