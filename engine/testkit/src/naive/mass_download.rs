//! More than 50 download records of a user in one minute of the clock.

use std::collections::BTreeMap;

use frostwatch_detect::model::Action;
use frostwatch_wire::activity::decode::Activity;

const RECORDS_MAX: u32 = 50;
const SLOT_MS: i64 = 60 * 1_000;

/// The minute each user is in, and the downloads in it.
#[derive(Debug, Default)]
pub(super) struct Script {
    slots: BTreeMap<String, (i64, u32)>,
}

impl Script {
    /// Is this the record that crosses the limit of its minute?
    pub(super) fn observe(&mut self, activity: &Activity<'_>, key: &str) -> bool {
        if !matches!(activity.action, Action::Download | Action::Export | Action::BulkRead) {
            return false;
        }
        let slot = activity.time.div_euclid(SLOT_MS);
        let (last, count) = self.slots.entry(key.to_owned()).or_insert((slot, 0));
        if *last != slot {
            (*last, *count) = (slot, 0);
        }
        *count += 1;
        *count == RECORDS_MAX + 1
    }
}
