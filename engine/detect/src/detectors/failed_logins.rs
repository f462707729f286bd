//! Multiple failed login attempts of one user.

use serde::{Deserialize, Serialize};

use super::bounded;

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
