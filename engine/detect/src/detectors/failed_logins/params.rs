//! The parameters of `failed_logins`.

use serde::{Deserialize, Serialize};

use super::rhythm::INTERVALS_MAX;
use super::slow::{HOURS_MAX, WITHIN_HOURS_MAX};
use crate::baseline::Weighing;
use crate::detectors::bounded;
use crate::finding::ADDRESSES_MAX;

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
    /// Length of the sliding window in which failures are compared with what is usual for the user, seconds. 0: what is
    /// usual is neither learned nor asked.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub baseline_window_secs: u32,
    /// Fewer failures than this are never unusual.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub baseline_floor: u32,
    /// Failures are unusual when so many or more have a smaller probability than this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub baseline_tail_max: f64,
    /// Failures a week of a user of whom nothing is known.
    #[serde(default = "unit", skip_serializing_if = "is_unit")]
    pub prior_failures_per_week: f64,
    /// What is assumed of such a user weighs as much as this many weeks of watching, weeks.
    #[serde(default = "unit", skip_serializing_if = "is_unit")]
    pub prior_weeks: f64,
    /// What was learned weighs half as much after this time, weeks.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub half_life_weeks: u32,
    /// Failures over the limit are usual when so many or more have at least this probability.
    #[serde(default = "unit", skip_serializing_if = "is_unit")]
    pub usual_tail_min: f64,
    /// And when the user failed at this hour on at least so many days before, days.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub usual_days_min: u32,
    /// More failures than this within `baseline_window_secs` are never usual. 0: nothing is.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub usual_failures_max: u32,
    /// Intervals between failures that must be even for a client with an old password. 0: nothing looks like one.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub rhythm_intervals: u32,
    /// An even interval differs from the median by at most this, or by a fiftieth of it, seconds.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub rhythm_tolerance_secs: u32,
    /// Failures from so many networks look like stuffing, and not like guessing by one. 0: nothing does.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub stuffing_networks_min: u32,
    /// Failures from networks that are not the user's, in so many different hours, are slow guessing. 0: nothing is.
    #[serde(default, skip_serializing_if = "crate::detectors::is_nothing")]
    pub slow_hours_min: u32,
    /// Within so many hours.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub slow_within_hours: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "failures_max", self.failures_max, 1, 1_000);
        bounded(&mut faults, "window_secs", self.window_secs, 1, 86_400);
        bounded(&mut faults, "success_within_secs", self.success_within_secs, 0, 86_400);
        bounded(&mut faults, "baseline_window_secs", self.baseline_window_secs, 0, 86_400);
        bounded(&mut faults, "baseline_floor", self.baseline_floor, 1, 1_000);
        bounded(&mut faults, "baseline_tail_max", self.baseline_tail_max, 0.0, 0.1);
        bounded(&mut faults, "prior_failures_per_week", self.prior_failures_per_week, 0.01, 1_000.0);
        bounded(&mut faults, "prior_weeks", self.prior_weeks, 0.1, 100.0);
        bounded(&mut faults, "half_life_weeks", self.half_life_weeks, 1, 100);
        bounded(&mut faults, "usual_tail_min", self.usual_tail_min, 0.000_1, 1.0);
        bounded(&mut faults, "usual_days_min", self.usual_days_min, 1, 90);
        bounded(&mut faults, "usual_failures_max", self.usual_failures_max, 0, 5_000);
        bounded(&mut faults, "rhythm_intervals", self.rhythm_intervals, 0, INTERVALS_MAX as u32);
        bounded(&mut faults, "rhythm_tolerance_secs", self.rhythm_tolerance_secs, 0, 60);
        bounded(&mut faults, "stuffing_networks_min", self.stuffing_networks_min, 0, ADDRESSES_MAX as u32);
        bounded(&mut faults, "slow_hours_min", self.slow_hours_min, 0, HOURS_MAX as u32);
        bounded(&mut faults, "slow_within_hours", self.slow_within_hours, 1, WITHIN_HOURS_MAX);
        faults
    }

    /// Is what is usual for the user learned?
    pub(super) const fn has_baseline(&self) -> bool {
        self.baseline_window_secs > 0
    }

    /// How failures are weighed.
    pub(super) const fn weighing(&self) -> Weighing {
        Weighing {
            window_secs: self.baseline_window_secs,
            prior_per_week: self.prior_failures_per_week,
            prior_weeks: self.prior_weeks,
            half_life_weeks: self.half_life_weeks,
        }
    }

    /// The same without what the first format of state has no room for.
    pub(super) fn burst_only(&self) -> Self {
        Self {
            baseline_window_secs: 0,
            rhythm_intervals: 0,
            stuffing_networks_min: 0,
            slow_hours_min: 0,
            ..self.clone()
        }
    }

    /// Is more remembered than the shorter window?
    pub(super) const fn remembers(&self) -> bool {
        self.has_baseline() || self.rhythm_intervals > 0 || self.slow_hours_min > 0
    }
}

// Rules that were kept by content before there was a baseline do not name its parameters, and must keep their hash: what
// they leave out is the least that is allowed, and that is never written.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_one(value: &u32) -> bool {
    *value == one()
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(value: &f64) -> bool {
    value.to_bits() == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_unit(value: &f64) -> bool {
    value.to_bits() == unit().to_bits()
}

const fn unit() -> f64 {
    1.0
}
