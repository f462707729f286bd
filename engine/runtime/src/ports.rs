//! What an edge hands in and what it gets back. An edge owns connections, offsets and threads; it knows nothing of
//! detection. What lies behind these ports knows nothing of Kafka.

use std::ops::Range;

use frostwatch_detect::plan::Named;
use frostwatch_detect::time::Millis;

use crate::board::PartitionStatus;
use crate::checkpoint::{Contents, Progress, Resumed, Room, StateFault, StateRecord, TaskProgress};

/// A record of the input log, borrowed from the edge's buffer.
#[derive(Clone, Copy, Debug)]
pub struct InputRecord<'a> {
    /// Position in its partition.
    pub offset: i64,
    /// The log's time stamp; `None` for a plain file, over which the rules that need stamps are not applied.
    pub stamp: Option<Millis>,
    /// The record's key; `None` where the source has none and it is derived from the value.
    pub key: Option<&'a [u8]>,
    /// The bytes. A tombstone is empty.
    pub value: &'a [u8],
}

/// Where an output record goes. The edge maps these to topics or lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Alerts and their revisions.
    Alerts,
    /// Findings that something held back.
    Suppressions,
    /// Events behind their key's horizon, original bytes.
    Late,
    /// Records that could not be read, original bytes.
    Rejected,
    /// Copies of records under other keys, on the very topic that the engine reads.
    Activity,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Alerts, Self::Suppressions, Self::Late, Self::Rejected, Self::Activity];

    /// Those with a topic of their own.
    pub const OUTPUTS: [Self; 4] = [Self::Alerts, Self::Suppressions, Self::Late, Self::Rejected];

    /// The channel's name in configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Suppressions => "suppressions",
            Self::Late => "late",
            Self::Rejected => "rejected",
            Self::Activity => "activity",
        }
    }
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRecord {
    /// Where to.
    pub channel: Channel,
    /// Record key.
    pub key: Vec<u8>,
    /// Bytes.
    pub value: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// Its stamp, where the topic does not give one; `None`: the time at which it is sent.
    pub stamp: Option<Millis>,
}

/// The tasks of one worker: one per input partition, each owning the state of its keys.
///
/// What [`Tasks::record`] pushes is a function of the records of that partition since its beginning, in order, and of
/// nothing else. That is what lets a recovering worker restore keys, feed it the records that they do not have in them
/// and throw the outputs away.
pub trait Tasks {
    /// Begins a partition with no state.
    fn open(&mut self, partition: i32);

    /// Takes over a key of a partition that was just opened from its record in the log of state; `None` deletes it. Of a
    /// key the last record counts.
    fn restore(&mut self, _partition: i32, _key: &[u8], _record: Option<&[u8]>) -> Result<(), StateFault> {
        Ok(())
    }

    /// Names of the texts that [`Tasks::resume`] wants and that are not at hand: of rules by their hash, and manifests of
    /// lists.
    fn wanted(&self, _partition: i32, _progress: &Progress) -> Vec<String> {
        Vec::new()
    }

    /// Names of the parts of lists that [`Tasks::resume`] wants, as the manifests that were found say.
    fn wanted_parts(&self, _partition: i32, _progress: &Progress, _contents: &Contents) -> Vec<String> {
        Vec::new()
    }

    /// All keys are restored: goes on as the progress says, with the texts of rules that were wanted, as far as they were
    /// found.
    fn resume(&mut self, _partition: i32, _progress: &Progress, _contents: &Contents) -> Resumed {
        Resumed::Same
    }

    /// Sets the epoch, which is part of what names a revision: it is raised when the past is run again under other rulings
    /// than those its outputs were sent under.
    fn set_epoch(&mut self, _partition: i32, _epoch: u32) {}

    /// Turns to the ruling of the process, if another one holds, before the record at `position`.
    fn turn(&mut self, _partition: i32, _position: i64) -> Turned {
        Turned::No
    }

    /// What must be run again is run under the ruling of the process from its first record on. Where that is refused, what
    /// must be run again cannot be: the ruling it was scored under is not at hand.
    fn turn_early(&mut self, _partition: i32, _first: i64) -> Turned {
        Turned::No
    }

    /// What must be run again, the records at the offsets of `span`, is run again aloud: it was sent under another ruling,
    /// or only a part of what was found under the epoch before was sent. What is pushed of it flows, but for late and
    /// rejected records, which name no revision by which they are known again.
    fn aloud(&mut self, _partition: i32, _span: Range<i64>) {}

    /// Told of every record that lies on the channels of alerts and suppressions, of whatever partition and span, before
    /// the first record of a span that is run again aloud.
    fn sent_before(&mut self, _channel: Channel, _key: &[u8], _value: &[u8]) -> Result<(), TooManySent> {
        Ok(())
    }

    /// A span that was run again aloud is behind, and [`Tasks::restored`] comes next: pushes what makes what was sent
    /// before read as what is found now. Where nothing was run again aloud, nothing is pushed.
    fn settle(&mut self, _partition: i32, _out: &mut Vec<OutputRecord>) {}

    /// Forgets a partition and its state.
    fn close(&mut self, partition: i32);

    /// Told once after [`Tasks::resume`], when the past that is run again in silence is behind: what is counted from here
    /// on has not been counted before.
    fn restored(&mut self, _partition: i32) {}

    /// Says which records of a partition come next, a few at a time, so that what is known of their keys is brought near.
    /// Nothing that is pushed depends on it.
    fn expect(&self, _partition: i32, _records: &[InputRecord<'_>]) {}

    /// Takes the next record of an open partition and pushes what follows from it.
    fn record(&mut self, partition: i32, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>);

    /// Pushes records of keys that have changed, as they are before the record at `position`: those that changed first,
    /// before `below`, within the room. Returns the first offset that must be run again by who takes over what was
    /// written so far.
    fn checkpoint(
        &mut self,
        _partition: i32,
        position: i64,
        _below: i64,
        _room: Room,
        _out: &mut Vec<StateRecord>,
    ) -> i64 {
        position
    }

    /// What the task knows of the partition's progress, with what was written so far read from `low_water` on.
    fn progress(&mut self, _partition: i32, _low_water: i64) -> TaskProgress {
        TaskProgress::default()
    }

    /// The text with this name, of rules or a part of lists, if a ruling of the partition has it.
    fn content(&self, _partition: i32, _name: &str) -> Option<Vec<u8>> {
        None
    }

    /// The names of what is kept of lists with this digest.
    fn parts(&self, _partition: i32, _lists: &str) -> Vec<String> {
        Vec::new()
    }

    /// Called once after each batch of a partition: time for housekeeping that no output depends on.
    fn batch_done(&mut self, partition: i32);

    /// Fills in what only the task knows of a partition, before its line is written to the board: the newest event time
    /// and the number of keys.
    fn describe(&self, _partition: i32, _status: &mut PartitionStatus) {}
}

/// More was sent about a span than is compared with what is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySent {
    /// Findings that are noted at most.
    pub max: usize,
}

/// What became of a turn to the ruling of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It holds already.
    No,
    /// It holds from here on.
    To {
        /// What tells it from others.
        named: Named,
    },
    /// It cannot be turned to; what held goes on. Told once.
    Refused {
        /// Why.
        why: String,
    },
}

/// What became of one raw row on its way to the activity topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawOutcome {
    /// Activity to publish: key and bytes.
    Activity {
        /// Activity key.
        key: Vec<u8>,
        /// `activity.v1` JSON.
        value: Vec<u8>,
    },
    /// Counted and dropped: noise of the vendor or of the connector, or a row that must not be passed on.
    Dropped {
        /// Which rule dropped it; a bounded set of words.
        why: &'static str,
    },
    /// Not readable, wholly or in part: the original bytes go to the rejected topic. At most one for a record.
    Rejected {
        /// Where and what.
        reason: String,
    },
}

/// Makes activity of raw rows; behind it sits the normaliser.
pub trait RawRows {
    /// Takes one record of the raw topic for `table`; a record may hold several rows.
    fn rows(&mut self, table: &str, value: &[u8], out: &mut Vec<RawOutcome>);
}
