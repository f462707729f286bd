//! What is written of a partition so that whoever takes it over goes on where it stands: records of its keys, and one
//! record of its progress. Both lie in the log of state, under the partition's own number.

use std::collections::BTreeMap;

use frostwatch_detect::time::Millis;
use serde::{Deserialize, Serialize};

pub use frostwatch_detect::keys::{Room, StateFault};

/// Key of the record of progress. Keys of users contain a `|`.
pub const PROGRESS_KEY: &[u8] = b"#progress";
/// Schema of the record of progress.
pub const PROGRESS_SCHEMA: &str = "progress.v1";
/// Longest record of progress that is read, bytes.
pub const PROGRESS_BYTES_MAX: usize = 64 << 10;

/// A record for the log of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    /// The partition of the input it is about, and of the log it goes to.
    pub partition: i32,
    /// Record key.
    pub key: Vec<u8>,
    /// Bytes; `None` deletes what was written under the key.
    pub value: Option<Vec<u8>>,
}

/// What became of a partition's records since its first: it goes on over restarts and moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Counts by the names they have in metrics. `received` is the sum of `scored`, `duplicate`, `late`, `over_cap` and
    /// `rejected`.
    #[serde(default)]
    pub records: BTreeMap<String, u64>,
    /// Newest event time seen, −1 when none was.
    pub newest_event: Millis,
}

impl Default for Account {
    fn default() -> Self {
        Self { records: BTreeMap::new(), newest_event: -1 }
    }
}

/// A record of the input by which it is known again: another topic of the same name has another one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landmark {
    /// Its offset.
    pub offset: i64,
    /// Its stamp.
    pub stamp: Option<Millis>,
}

/// How far a partition has come. It is written with every commit, in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// [`PROGRESS_SCHEMA`].
    pub schema: String,
    /// The next record to score; what is below has been, and its outputs are sent.
    pub offset: i64,
    /// The first record that some key's record does not have in it: from here on the input is run again in silence.
    pub low_water: i64,
    /// Nothing is in the records of keys: all that is retained is run again in silence.
    #[serde(default)]
    pub rebuild: bool,
    /// Stands in every output.
    pub epoch: u32,
    /// Partitions of the input.
    pub partitions: i32,
    /// What the outputs depend on beside the log, by name.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The last record below `offset`.
    #[serde(default)]
    pub last: Option<Landmark>,
    /// Records whose partition is not the one of their key.
    #[serde(default)]
    pub misrouted: u64,
    /// What became of records.
    #[serde(default)]
    pub account: Account,
}

impl Progress {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and texts always have a JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record of progress.
    pub fn read(bytes: &[u8]) -> Result<Self, StateFault> {
        if bytes.len() > PROGRESS_BYTES_MAX {
            return Err(StateFault::Broken("its progress is longer than 64 KiB"));
        }
        let progress: Self = serde_json::from_slice(bytes).map_err(|_| StateFault::Broken("its progress"))?;
        if progress.schema == PROGRESS_SCHEMA {
            Ok(progress)
        } else {
            Err(StateFault::Broken("its progress is of another schema; a newer program wrote it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_back_and_what_is_none_is_a_fault() {
        let progress = Progress {
            schema: PROGRESS_SCHEMA.to_owned(),
            offset: 41,
            low_water: 7,
            rebuild: false,
            epoch: 2,
            partitions: 12,
            versions: BTreeMap::from([("rules".to_owned(), "a\"b".to_owned())]),
            last: Some(Landmark { offset: 39, stamp: Some(5) }),
            misrouted: 1,
            account: Account { records: BTreeMap::from([("scored".to_owned(), 3)]), newest_event: 9 },
        };
        assert_eq!(Progress::read(&progress.to_bytes()), Ok(progress.clone()));
        let other = Progress { schema: "progress.v2".to_owned(), ..progress };
        for bytes in [other.to_bytes(), b"{}".to_vec(), Vec::new(), vec![b' '; PROGRESS_BYTES_MAX + 1]] {
            assert!(matches!(Progress::read(&bytes), Err(StateFault::Broken(_))), "{}", bytes.len());
        }
    }
}
