//! The parameters of `unusual_download`.

use serde::{Deserialize, Serialize};

use super::{MEASURES, amounts};
use crate::baseline::Weighing;
use crate::detectors::{bounded, is_nothing};
use crate::event::Quantity;

/// Parameters of `unusual_download`. A floor of 0 is off; at least one of the first three must be on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Length of the sliding window, seconds.
    pub window_secs: u32,
    /// Fewer different objects than this in the window are never unusual. 0: objects are not asked.
    pub objects_floor: u32,
    /// Fewer rows than this in the window are never unusual. 0: rows are not asked.
    pub rows_floor: u64,
    /// Fewer bytes than this in the window are never unusual. 0: bytes are not asked.
    pub bytes_floor: u64,
    /// An amount is unusual for the hour when so much or more has a smaller probability than this.
    pub tail_max: f64,
    /// Objects a week of a user of whom nothing is known.
    pub prior_objects_per_week: f64,
    /// What is assumed of such a user weighs as much as this many weeks of watching, weeks.
    pub prior_weeks: f64,
    /// What was learned of an hour weighs half as much after this time, weeks.
    pub half_life_weeks: u32,
    /// Up to so many times the most in such a window on the last 28 days of activity is usual.
    pub peak_times: f64,
    /// Working days before and after the beginning of a month that are measured by the last such days too, days. 0: none.
    pub turn_days: u32,
    /// Event time from a user's first download in which findings are only recorded, days.
    pub learning_days: u32,
    /// A rise has at least so many days above the usual, days. 0: none is looked for.
    pub slow_days_min: u32,
    /// A day up to so many spreads above the usual one counts for nothing, spreads.
    pub slow_slack: f64,
    /// A rise is told when its days, each without its slack, have come to so much, spreads.
    pub slow_sum_max: f64,
    /// And so many objects more than usual. 0: objects are not asked.
    pub slow_objects_floor: u32,
    /// Or so many rows. 0: rows are not asked.
    pub slow_rows_floor: u64,
    /// Or so many bytes. 0: bytes are not asked.
    pub slow_bytes_floor: u64,
    /// More work than usual explains up to so many times the usual downloads of a day. 1: it explains nothing.
    pub work_times_max: f64,
    /// What was said of at least so many colleagues holds back what they do too, and makes graver what is far more. It is of
    /// an hour: another `window_secs` is not measured by it. 0: colleagues are not asked.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub peers_min: u32,
    /// While a user is learned, what comes to so many times what would be told of anybody of whom nothing is known is told all the
    /// same; of programs it is not. 0: nothing is.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub learning_times_max: u32,
    /// Count an object once within the window, however often it is fetched. Otherwise each fetch counts, and what is said of
    /// objects here is of fetches. A rule that changes it should take a new id: what was learned counts the other way.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub unique_objects: bool,
}

const fn yes() -> bool {
    true
}

/// By reference: serde asks so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_so(value: &bool) -> bool {
    *value
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "window_secs", self.window_secs, 60, 86_400);
        bounded(&mut faults, "objects_floor", self.objects_floor, 0, 100_000);
        bounded(&mut faults, "tail_max", self.tail_max, 0.0, 0.1);
        bounded(&mut faults, "prior_objects_per_week", self.prior_objects_per_week, 0.01, 100_000.0);
        bounded(&mut faults, "prior_weeks", self.prior_weeks, 0.1, 100.0);
        bounded(&mut faults, "half_life_weeks", self.half_life_weeks, 1, 100);
        bounded(&mut faults, "peak_times", self.peak_times, 1.0, 100.0);
        bounded(&mut faults, "turn_days", self.turn_days, 0, 10);
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "slow_days_min", self.slow_days_min, 0, 15);
        bounded(&mut faults, "slow_slack", self.slow_slack, 0.0, 10.0);
        bounded(&mut faults, "slow_sum_max", self.slow_sum_max, 1.0, 100.0);
        bounded(&mut faults, "slow_objects_floor", self.slow_objects_floor, 0, 100_000);
        bounded(&mut faults, "work_times_max", self.work_times_max, 1.0, 10.0);
        bounded(&mut faults, "peers_min", self.peers_min, 0, 100_000);
        bounded(&mut faults, "learning_times_max", self.learning_times_max, 0, 1_000);
        if !self.unique_objects && self.peers_min > 0 {
            let fault = "what colleagues do is known in different objects: with `unique_objects: false` set it to 0";
            faults.push(("peers_min", fault.to_owned()));
        }
        if self.floors().into_iter().all(|floor| floor <= 0.0) {
            faults.push(("objects_floor", "all three floors are off: the rule could never fire".to_owned()));
        }
        faults
    }

    pub(super) const fn floors(&self) -> [f64; MEASURES] {
        [self.objects_floor as f64, self.rows_floor as f64, self.bytes_floor as f64]
    }

    pub(super) const fn slow_floors(&self) -> [f64; MEASURES] {
        [self.slow_objects_floor as f64, self.slow_rows_floor as f64, self.slow_bytes_floor as f64]
    }

    /// How amounts are weighed.
    pub(super) const fn weighing(&self) -> Weighing {
        Weighing {
            window_secs: self.window_secs,
            prior_per_week: self.prior_objects_per_week,
            prior_weeks: self.prior_weeks,
            half_life_weeks: self.half_life_weeks,
        }
    }

    /// Which measures are at a part of their floors.
    pub(super) fn reached(&self, window: Quantity, part: f64) -> [bool; MEASURES] {
        let (floors, amounts) = (self.floors(), amounts(window));
        std::array::from_fn(|measure| floors[measure] > 0.0 && amounts[measure] >= part * floors[measure])
    }
}
