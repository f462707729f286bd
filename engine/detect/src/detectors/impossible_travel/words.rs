//! What is said of a jump.

use super::jump::Jump;
use super::{Params, ground, place_of};
use crate::context::Explanation;
use crate::detectors::{grouped, named, who};
use crate::finding::Measure;
use crate::incident::Incident;
use crate::radius::Radius;
use crate::time::{Millis, SECOND, clock, spoken};

pub(super) struct Words {
    pub(super) user: String,
    pub(super) aggravations: Vec<&'static str>,
}

impl Words {
    pub(super) fn explain(&self, params: &Params, jump: &Jump, incident: &Incident) -> Explanation {
        // Rounded to the side that claims less.
        let lower_km = libm::floor(jump.lower_km / 10.0) * 10.0;
        let speed_kmh = libm::floor(jump.speed_kmh / 10.0) * 10.0;
        let reasons = match self.aggravations.as_slice() {
            [] => String::new(),
            some => format!("; {}", some.join("; ")),
        };
        let hours_needed = jump.lower_km / f64::from(params.speed_kmh_max);
        let needed = spoken((hours_needed * 3_600.0) as Millis * SECOND);
        let (from, to) = (place_of(&jump.from.seen), place_of(&jump.to));
        Explanation {
            summary: format!(
                "{} worked from {} at {} and from {} at {} UTC: at least {} km in {}, at least {} km/h, limit {}{reasons}.",
                who(&self.user),
                named(from),
                clock(jump.from.time),
                named(to),
                clock(jump.from.time + jump.elapsed),
                grouped(lower_km as u64),
                spoken(jump.elapsed),
                grouped(speed_kmh as u64),
                grouped(u64::from(params.speed_kmh_max)),
            ),
            observed: vec![
                Measure::new("distance", libm::round(jump.distance_km), "km"),
                Measure::new("distance_at_least", lower_km, "km"),
                Measure::new("elapsed", (jump.elapsed / SECOND) as f64, "s"),
                Measure::new("speed_at_least", speed_kmh, "km/h"),
                Measure::new("jumps", incident.count as f64, "events"),
            ],
            baseline: [radius_measure("radius_from", jump.radii[0]), radius_measure("radius_to", jump.radii[1])]
                .into_iter()
                .chain(ground::measures(jump))
                .collect(),
            threshold: vec![
                Measure::new("speed_kmh_max", f64::from(params.speed_kmh_max), "km/h"),
                Measure::new("distance_km_min", f64::from(params.distance_km_min), "km"),
                Measure::new("radius_factor", params.radius_factor, "radii"),
            ],
            counterfactual: format!(
                "It would not have fired with speed_kmh_max of {} or more, or if {needed} or more had passed between the two.",
                libm::ceil(jump.speed_kmh / 10.0) * 10.0,
            ),
            kind: None,
        }
    }
}

/// Where the file does not say it, the unit does.
const fn radius_measure(name: &'static str, radius: Radius) -> Measure {
    Measure::new(name, radius.km as f64, if radius.estimated { "km, estimated" } else { "km" })
}
