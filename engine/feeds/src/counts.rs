//! What is counted of feeds, for whoever shows metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is counted of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListCounts {
    /// Fetches by what became of them.
    pub fetches: BTreeMap<&'static str, u64>,
    /// When the server last said what holds, milliseconds since the epoch; 0: never.
    pub succeeded_at: i64,
    /// When a fetch last failed, was refused or was held back; 0: never since the start.
    pub failed_at: i64,
    /// Bytes of answers, all together.
    pub bytes: u64,
    /// Entries of the list as it was fetched last.
    pub entries: usize,
    /// How long the last fetch took, milliseconds, with its waits.
    pub took_ms: i64,
    /// The interval of the configuration, seconds.
    pub interval_secs: u64,
}

/// What is counted of all lists.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<String, ListCounts>>);

impl Counts {
    /// By the names of the lists.
    pub fn read(&self) -> BTreeMap<String, ListCounts> {
        self.lock().clone()
    }

    pub(crate) fn change(&self, list: &str, change: impl FnOnce(&mut ListCounts)) {
        change(self.lock().entry(list.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ListCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
