//! Activity of one user at two places that nobody can travel between in the time.

use serde::{Deserialize, Serialize};

use super::bounded;

/// Parameters of `impossible_travel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Fastest plausible travel, km/h.
    pub speed_kmh_max: u32,
    /// Distances whose lower bound is under this are never reported, km.
    pub distance_km_min: u32,
    /// How many accuracy radii of each end the distance is shortened by (1 sensitive, 2 quiet).
    pub radius_factor: f64,
    /// Radius to assume where the `GeoIP` file gives none, km.
    pub radius_missing_km: u16,
    /// Added to the time between the two, for clocks that disagree, seconds.
    pub clock_pad_secs: u32,
    /// Activity further apart than this is not compared, seconds.
    pub lookback_secs: u32,
    /// Event time from a user's first activity in which findings are only recorded, days.
    pub learning_days: u32,
    /// A network the user was on for this many different days is familiar.
    pub familiar_days: u32,
    /// A familiar network not used for this long is forgotten, days.
    pub familiar_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "speed_kmh_max", self.speed_kmh_max, 100, 100_000);
        bounded(&mut faults, "distance_km_min", self.distance_km_min, 0, 20_000);
        bounded(&mut faults, "radius_factor", self.radius_factor, 0.0, 10.0);
        bounded(&mut faults, "radius_missing_km", self.radius_missing_km, 0, 5_000);
        bounded(&mut faults, "clock_pad_secs", self.clock_pad_secs, 1, 3_600);
        bounded(&mut faults, "lookback_secs", self.lookback_secs, 60, 604_800);
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "familiar_days", self.familiar_days, 1, 90);
        bounded(&mut faults, "familiar_forget_days", self.familiar_forget_days, 1, 365);
        faults
    }
}
