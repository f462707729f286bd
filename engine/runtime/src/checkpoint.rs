//! What is written of a partition so that whoever takes it over goes on where it stands: records of its keys, and one
//! record of its progress. Both lie in the log of state, under the partition's own number.

use std::collections::BTreeMap;

use frostwatch_detect::lists::ListsDigest;
use frostwatch_detect::plan::Named;
use frostwatch_detect::time::Millis;
use serde::{Deserialize, Serialize};

pub use frostwatch_detect::keys::{Room, StateFault};

/// Key of the record of progress. Keys of users contain a `|`.
pub const PROGRESS_KEY: &[u8] = b"#progress";
/// How the key of a recorded turn begins; the offset follows. Such records stay: they say under which ruling each record
/// was scored, for as long as the log of state lives.
pub const TURN_KEY_PREFIX: &str = "#turn:";
/// Schema of the record of progress.
pub const PROGRESS_SCHEMA: &str = "progress.v1";
/// Longest record of progress that is read, bytes: 255 rulings and the turns of a tail have about a third of it.
pub const PROGRESS_BYTES_MAX: usize = 256 << 10;

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

/// A ruling by which it is known again, under the byte that records of keys carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulingRecord {
    /// The byte.
    pub version: u8,
    /// What tells it from others. Its rules are kept under their hash in the topic of tables.
    pub named: Named,
    /// The `GeoIP` build's own description of its type.
    pub geo_kind: String,
    /// When the `GeoIP` build was made, seconds since the epoch.
    pub geo_built_at_secs: i64,
}

/// From a record on another ruling holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The record's offset.
    pub offset: i64,
    /// The ruling's byte.
    pub version: u8,
    /// Digest of its lists of addresses, which no byte tells apart.
    #[serde(default, skip_serializing_if = "ListsDigest::is_none")]
    pub lists: ListsDigest,
}

/// A turn as it stays recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTurn {
    /// From this record on.
    pub offset: i64,
    /// What the ruling is known by.
    pub named: Named,
}

impl RecordedTurn {
    /// Its key.
    pub fn key(&self) -> Vec<u8> {
        format!("{TURN_KEY_PREFIX}{:020}", self.offset).into_bytes()
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Self, StateFault> {
        serde_json::from_slice(bytes).map_err(|_| StateFault::Broken("a recorded turn"))
    }
}

/// Is the key one of a turn?
pub fn is_turn_key(key: &[u8]) -> bool {
    key.starts_with(TURN_KEY_PREFIX.as_bytes()) && !key.contains(&b'|')
}

/// What a task knows of its partition's progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// What became of records.
    pub account: Account,
    /// Rulings that records of keys refer to, by byte.
    pub rulings: Vec<RulingRecord>,
    /// Which ruling holds from where on, since the first record that must be run again.
    pub turns: Vec<Turn>,
}

impl TaskProgress {
    /// What the ruling that holds is known by.
    pub fn named(&self) -> Option<Named> {
        self.turns.last().and_then(|turn| self.named_at(*turn))
    }

    /// What the ruling of a turn is known by.
    pub fn named_at(&self, turn: Turn) -> Option<Named> {
        let named = self.ruling_of(turn.version)?.named.clone();
        Some(Named { lists: turn.lists.to_string(), ..named })
    }

    /// The ruling of a byte.
    pub fn ruling_of(&self, version: u8) -> Option<&RulingRecord> {
        self.rulings.iter().find(|ruling| ruling.version == version)
    }
}

/// Texts of rules and lists by their hash.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// What a partition goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// What must be run again is run under the rulings that it was scored under.
    Same,
    /// It cannot be: a `GeoIP` build or the program it was scored under is not at hand.
    Other {
        /// What differs, in words.
        changes: String,
    },
    /// It cannot be in this process: what it was scored under is at hand and has no room beside what is held.
    NoRoom {
        /// Why, in words.
        why: String,
    },
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
    /// What is run again was run aloud under this epoch, and only a part of it may have been sent: whoever takes over runs
    /// it again aloud, under the next one.
    #[serde(default)]
    pub unsettled: bool,
    /// Stands in every output.
    pub epoch: u32,
    /// Partitions of the input.
    pub partitions: i32,
    /// The last record below `offset`.
    #[serde(default)]
    pub last: Option<Landmark>,
    /// Records whose partition is not the one of their key.
    #[serde(default)]
    pub misrouted: u64,
    /// What the task knows.
    #[serde(default)]
    pub task: TaskProgress,
}

impl Progress {
    /// Of a partition of a topic with so many of which nothing was scored yet.
    pub fn new(partitions: i32) -> Self {
        Self {
            schema: PROGRESS_SCHEMA.to_owned(),
            offset: 0,
            low_water: 0,
            rebuild: false,
            unsettled: false,
            epoch: 0,
            partitions,
            last: None,
            misrouted: 0,
            task: TaskProgress::default(),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and texts always have a JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record of progress.
    pub fn read(bytes: &[u8]) -> Result<Self, StateFault> {
        if bytes.len() > PROGRESS_BYTES_MAX {
            return Err(StateFault::Broken("its progress is longer than 256 KiB"));
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
            unsettled: true,
            epoch: 2,
            partitions: 12,
            last: Some(Landmark { offset: 39, stamp: Some(5) }),
            misrouted: 1,
            task: TaskProgress {
                account: Account { records: BTreeMap::from([("scored".to_owned(), 3)]), newest_event: 9 },
                rulings: vec![RulingRecord {
                    version: 4,
                    named: Named {
                        rules: "a\"b".to_owned(),
                        geoip: "c".to_owned(),
                        lateness_secs: 3_600,
                        skew_secs: 300,
                        semantics: 1,
                        state_format: 1,
                        lists: String::new(),
                    },
                    geo_kind: "Lite".to_owned(),
                    geo_built_at_secs: 7,
                }],
                turns: vec![Turn { offset: 7, version: 4, lists: ListsDigest(9) }],
            },
        };
        assert_eq!(Progress::read(&progress.to_bytes()), Ok(progress.clone()));
        let other = Progress { schema: "progress.v2".to_owned(), ..progress };
        for bytes in [other.to_bytes(), b"{}".to_vec(), Vec::new(), vec![b' '; PROGRESS_BYTES_MAX + 1]] {
            assert!(matches!(Progress::read(&bytes), Err(StateFault::Broken(_))), "{}", bytes.len());
        }
    }
}
