//! Activity from a country where this user is not, or no longer, known to be.

use serde::{Deserialize, Serialize};

use super::bounded;

/// Parameters of `infrequent_country`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Event time from a user's first activity in which findings are only recorded and countries are learned, days.
    pub learning_days: u32,
    /// A country's weight halves in this time, days; each day of use adds one.
    pub half_life_days: u32,
    /// A country is known while its weight is at least this.
    pub known_weight_min: f64,
    /// A country that raised an alert is learned after use on this many further days, in other sessions.
    pub learn_after_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "half_life_days", self.half_life_days, 1, 365);
        bounded(&mut faults, "known_weight_min", self.known_weight_min, 0.01, 100.0);
        bounded(&mut faults, "learn_after_days", self.learn_after_days, 1, 90);
        faults
    }
}
