//! Many downloads by one user in a short time.

use serde::{Deserialize, Serialize};

use super::bounded;

/// Parameters of `mass_download`. A limit of 0 is off; at least one must be on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Objects allowed within the window; one more raises the alert. 0: off.
    pub objects_max: u32,
    /// Rows allowed within the window. 0: off.
    pub rows_max: u64,
    /// Bytes allowed within the window. 0: off.
    pub bytes_max: u64,
    /// Length of the sliding window, seconds.
    pub window_secs: u32,
    /// Count an object once within the window, however often it is fetched.
    pub unique_objects: bool,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "objects_max", self.objects_max, 0, 100_000);
        bounded(&mut faults, "window_secs", self.window_secs, 1, 86_400);
        if self.objects_max == 0 && self.rows_max == 0 && self.bytes_max == 0 {
            faults.push(("objects_max", "all three limits are off: the rule could never fire".to_owned()));
        }
        faults
    }
}
