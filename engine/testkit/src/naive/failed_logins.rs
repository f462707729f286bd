//! More than 10 failures of a user in one of the day's five-minute slots.

use std::collections::BTreeMap;

use frostwatch_detect::model::{Action, Outcome};
use frostwatch_wire::activity::decode::Activity;

const FAILURES_MAX: u32 = 10;
const SLOT_MS: i64 = 5 * 60 * 1_000;

/// The slot each user is in, and the failures in it.
#[derive(Debug, Default)]
pub(super) struct Script {
    slots: BTreeMap<String, (i64, u32)>,
}

impl Script {
    /// Is this the failure that crosses the limit of its slot?
    pub(super) fn observe(&mut self, activity: &Activity<'_>, key: &str) -> bool {
        let is_sign_in = matches!(activity.action, Action::Login | Action::MfaChallenge);
        if !is_sign_in || activity.outcome != Outcome::Failure {
            return false;
        }
        let slot = activity.time.div_euclid(SLOT_MS);
        let (last, count) = self.slots.entry(key.to_owned()).or_insert((slot, 0));
        if *last != slot {
            (*last, *count) = (slot, 0);
        }
        *count += 1;
        *count == FAILURES_MAX + 1
    }
}
