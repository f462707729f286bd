//! What an alert about a country says.

use super::{Params, counted, named, who};
use crate::context::Explanation;
use crate::finding::{Measure, SeenAddress};
use crate::place::{Country, Place};
use crate::time::{Millis, clock};

/// What the words are made of.
pub(super) struct Words {
    pub(super) user: String,
    pub(super) usual: Vec<(Country, f64)>,
    pub(super) days_known: i64,
    pub(super) place: Place,
    pub(super) seen: SeenAddress,
    pub(super) weight: f64,
}

impl Words {
    pub(super) fn explain(&self, params: &Params, first: Millis, count: u64) -> Explanation {
        let usual: Vec<&str> = self.usual.iter().map(|(country, _)| country.as_str()).collect();
        let usual = if usual.is_empty() { "none".to_owned() } else { usual.join(", ") };
        let weight = libm::round(self.weight * 100.0) / 100.0;
        let country = self.place.country;
        let mut baseline = vec![
            Measure::new("weight", weight, "days of use, decayed"),
            Measure::new("known_days", self.days_known as f64, "days"),
        ];
        baseline.extend(self.usual.iter().map(|(country, weight)| Measure {
            name: format!("weight_{country}").into(),
            value: libm::round(weight * 100.0) / 100.0,
            unit: "days of use, decayed".into(),
        }));
        Explanation {
            summary: format!(
                "{} worked from {} at {} UTC ({}), a country {} known to be the user's; usual: {usual}.",
                who(&self.user),
                named(Some(self.place)),
                clock(first),
                self.seen.address,
                if weight > 0.0 { "no longer" } else { "not" },
            ),
            observed: vec![Measure::new("events", count as f64, "events")],
            baseline,
            threshold: vec![
                Measure::new("known_weight_min", params.known_weight_min, "days of use, decayed"),
                Measure::new("half_life_days", f64::from(params.half_life_days), "days"),
                Measure::new("learning_days", f64::from(params.learning_days), "days"),
            ],
            counterfactual: format!(
                "It would not have fired if the user had worked from {country} on {} within the last {}.",
                counted(1, "day", "days"),
                counted(u64::from(params.half_life_days), "day", "days"),
            ),
            kind: None,
        }
    }
}
