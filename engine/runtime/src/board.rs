//! The board of partitions: many readers (admin pages, metrics, readiness), rare writers (a worker, once a batch).

use dashmap::DashMap;
use frostwatch_detect::time::Millis;

/// What a partition is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Assigned; nothing read yet.
    #[default]
    Assigned,
    /// Its past is being re-run in silence.
    Restoring,
    /// Alerts flow.
    Live,
}

impl Phase {
    /// The word for people and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Restoring => "restoring",
            Self::Live => "live",
        }
    }
}

/// A partition as its worker last saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// What it is doing.
    pub phase: Phase,
    /// Next offset to read.
    pub position: i64,
    /// Offset up to which the past is re-run in silence.
    pub restore_until: i64,
    /// Last committed offset, −1 when there is none.
    pub committed: i64,
    /// End of the log when last asked, −1 when unknown.
    pub end: i64,
    /// Newest event time seen, −1 when none was.
    pub newest_event: Millis,
    /// Keys with state.
    pub keys: u64,
    /// Memory for their names and for those that are packed, bytes.
    pub packed_bytes: u64,
}

impl PartitionStatus {
    /// Records not yet read, when the end is known.
    pub const fn lag(&self) -> Option<i64> {
        if self.end < 0 { None } else { Some(if self.end > self.position { self.end - self.position } else { 0 }) }
    }

    /// Records of which nothing is committed yet, when both are known.
    pub const fn commit_lag(&self) -> Option<i64> {
        if self.end < 0 || self.committed < 0 {
            return None;
        }
        Some(if self.end > self.committed { self.end - self.committed } else { 0 })
    }
}

/// All partitions this process holds.
#[derive(Debug, Default)]
pub struct Board {
    partitions: DashMap<i32, PartitionStatus>,
}

impl Board {
    /// Writes a partition's line.
    pub fn set(&self, partition: i32, status: PartitionStatus) {
        self.partitions.insert(partition, status);
    }

    /// Takes a partition off.
    pub fn remove(&self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Every line, by partition.
    pub fn lines(&self) -> Vec<(i32, PartitionStatus)> {
        let mut lines: Vec<_> = self.partitions.iter().map(|entry| (*entry.key(), *entry.value())).collect();
        lines.sort_unstable_by_key(|(partition, _)| *partition);
        lines
    }

    /// Are all partitions live? A process that holds none is ready: the others hold them.
    pub fn is_ready(&self) -> bool {
        self.partitions.iter().all(|entry| entry.phase == Phase::Live)
    }
}
