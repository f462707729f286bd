//! What a quick script does for each detector: the yardstick. A stream on which a script gives no more false alerts than
//! the engine is too easy, and a test that a script passes proves nothing about the engine.
//!
//! The scripts take activity as it arrives, know nothing of lateness, duplicates or actions in several rows, and share
//! no code with the detectors.

mod failed_logins;
mod impossible_travel;
mod infrequent_country;
mod mass_download;

use std::sync::Arc;

use frostwatch_detect::place::Locate;
use frostwatch_wire::activity::decode::Activity;

/// Something that a script would have reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NaiveFinding {
    /// The detector whose work it tries to do.
    pub policy: &'static str,
    /// The activity key: instance and user.
    pub user: String,
    /// Event time of the activity that led to it, milliseconds since the epoch.
    pub time: i64,
}

/// The four scripts over one stream.
pub struct Naive {
    locate: Arc<dyn Locate>,
    failed_logins: failed_logins::Script,
    impossible_travel: impossible_travel::Script,
    infrequent_country: infrequent_country::Script,
    mass_download: mass_download::Script,
}

impl Naive {
    /// Scripts that have seen nothing and look addresses up here.
    pub fn new(locate: Arc<dyn Locate>) -> Self {
        Self {
            locate,
            failed_logins: failed_logins::Script::default(),
            impossible_travel: impossible_travel::Script::default(),
            infrequent_country: infrequent_country::Script::default(),
            mass_download: mass_download::Script::default(),
        }
    }

    /// Takes the next activity in the order of arrival, under its key (`instance|user`), and says what the scripts
    /// report at it, in alphabetical order.
    pub fn observe(&mut self, activity: &Activity<'_>, key: &str) -> Vec<NaiveFinding> {
        let place = activity.ip.and_then(|ip| self.locate.locate(ip).place.ok());
        let found = [
            ("failed_logins", self.failed_logins.observe(activity, key)),
            ("impossible_travel", place.is_some_and(|place| self.impossible_travel.observe(activity, key, place))),
            ("infrequent_country", place.is_some_and(|place| self.infrequent_country.observe(activity, key, place))),
            ("mass_download", self.mass_download.observe(activity, key)),
        ];
        found
            .into_iter()
            .filter(|(_, is_found)| *is_found)
            .map(|(policy, _)| NaiveFinding { policy, user: key.to_owned(), time: activity.time })
            .collect()
    }
}
