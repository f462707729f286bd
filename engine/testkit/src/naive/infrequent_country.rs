//! A country in which the user has no record of the last 30 days, once the user has been known for 7.

use std::collections::BTreeMap;

use frostwatch_detect::place::{Country, Place};
use frostwatch_wire::activity::decode::Activity;

const DAY_MS: i64 = 86_400_000;
const LEARNING_DAYS: i64 = 7;
const SEEN_DAYS: i64 = 30;

/// When each user was first seen, and last seen in each country.
#[derive(Debug, Default)]
pub(super) struct Script {
    users: BTreeMap<String, (i64, BTreeMap<Country, i64>)>,
}

impl Script {
    /// Is the country new to the user?
    pub(super) fn observe(&mut self, activity: &Activity<'_>, key: &str, place: Place) -> bool {
        let now = activity.time;
        let (first, seen) = self.users.entry(key.to_owned()).or_insert_with(|| (now, BTreeMap::new()));
        let is_known = seen.insert(place.country, now).is_some_and(|last| now - last <= SEEN_DAYS * DAY_MS);
        !is_known && now - *first >= LEARNING_DAYS * DAY_MS
    }
}
