//! What the loops count, for metrics and for tests of conservation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use frostwatch_runtime::histogram::Histogram;
use frostwatch_runtime::ports::Channel;

/// Counts of a process since it began. Every loop adds its own once a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken from the activity topic, those re-run in silence included.
    pub consumed: u64,
    /// Of them, records re-run in silence.
    pub silent: u64,
    /// Of the consumed, records without a key.
    pub keyless: u64,
    /// Of the consumed, records whose key belongs to another partition.
    pub misrouted: u64,
    /// Outputs acknowledged, by [`Channel`] in its order.
    pub produced: [u64; Channel::ALL.len()],
    /// Outputs the broker refused for their size.
    pub refused: u64,
    /// Batches whose outputs were sent more than once.
    pub resent: u64,
    /// Commits of offsets.
    pub commits: u64,
    /// Commits that failed and were tried again with the next batch.
    pub commits_failed: u64,
    /// Assignments and revocations by the group.
    pub rebalances: u64,
    /// Partitions lost: another member may have owned them before they were given back.
    pub lost: u64,
    /// Records of state read when partitions were taken.
    pub state_restored: u64,
    /// Records of state written.
    pub state_written: u64,
    /// Partitions that turned to another ruling.
    pub turns: u64,
}

impl Counts {
    /// Outputs acknowledged on a channel.
    pub fn produced_on(&self, channel: Channel) -> u64 {
        self.produced.get(slot(channel)).copied().unwrap_or_default()
    }

    pub(crate) fn add_produced(&mut self, channel: Channel, count: u64) {
        if let Some(of_channel) = self.produced.get_mut(slot(channel)) {
            *of_channel += count;
        }
    }

    fn as_array(&self) -> [u64; COUNTERS] {
        let mut all = [0; COUNTERS];
        let single = [
            self.consumed,
            self.silent,
            self.keyless,
            self.misrouted,
            self.refused,
            self.resent,
            self.commits,
            self.commits_failed,
            self.rebalances,
            self.lost,
            self.state_restored,
            self.state_written,
            self.turns,
        ];
        for (to, from) in all.iter_mut().zip(single.into_iter().chain(self.produced)) {
            *to = from;
        }
        all
    }

    fn from_array(all: [u64; COUNTERS]) -> Self {
        let [
            consumed,
            silent,
            keyless,
            misrouted,
            refused,
            resent,
            commits,
            commits_failed,
            rebalances,
            lost,
            state_restored,
            state_written,
            turns,
            produced @ ..,
        ] = all;
        Self {
            consumed,
            silent,
            keyless,
            misrouted,
            produced,
            refused,
            resent,
            commits,
            commits_failed,
            rebalances,
            lost,
            state_restored,
            state_written,
            turns,
        }
    }
}

const COUNTERS: usize = 13 + Channel::ALL.len();

/// Upper bounds of the times from stamp to commit, milliseconds: a backlog may be days old.
const ALERT_BOUNDS_MS: &[u64] =
    &[5, 10, 20, 50, 100, 150, 200, 500, 1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 3_600_000, 86_400_000];
/// Upper bounds of the times of commits, milliseconds.
const COMMIT_BOUNDS_MS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 15_000, 60_000];
/// Upper bounds of the times from assignment to alerts, milliseconds.
const RESTORE_BOUNDS_MS: &[u64] =
    &[50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 900_000, 3_600_000];

/// How long things took. Every loop adds its own once a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timings {
    /// From the stamp of the record that led to an alert or a suppressed finding to the commit of that.
    pub alert_delay: Histogram,
    /// From the end of a batch until it is committed.
    pub commit: Histogram,
    /// From the assignment of a partition until alerts flow: its state is read, its tail is run again.
    pub restore: Histogram,
    /// How long brokers took to answer a producer, mean over the last seconds, microseconds, by the broker's id, as the worker
    /// saw it that said so last.
    pub round_trips: BTreeMap<i32, i64>,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            alert_delay: Histogram::new(ALERT_BOUNDS_MS),
            commit: Histogram::new(COMMIT_BOUNDS_MS),
            restore: Histogram::new(RESTORE_BOUNDS_MS),
            round_trips: BTreeMap::new(),
        }
    }
}

/// [`Counts`] and [`Timings`] that many workers add to and anybody reads.
#[derive(Debug, Default)]
pub struct Counters {
    all: [AtomicU64; COUNTERS],
    timings: Mutex<Timings>,
}

impl Counters {
    /// The counts now.
    pub fn read(&self) -> Counts {
        Counts::from_array(std::array::from_fn(|index| {
            self.all.get(index).map_or(0, |counter| counter.load(Ordering::Relaxed))
        }))
    }

    /// The times now.
    pub fn timings(&self) -> Timings {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what a worker timed since its last call, and begins again at zero.
    pub(crate) fn fold_timings(&self, timings: &mut Timings) {
        let mut all = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        all.alert_delay.take(&mut timings.alert_delay);
        all.commit.take(&mut timings.commit);
        all.restore.take(&mut timings.restore);
        if !timings.round_trips.is_empty() {
            all.round_trips = std::mem::take(&mut timings.round_trips);
        }
    }

    /// Adds what a worker counted since its last call, and begins again at zero.
    pub(crate) fn fold(&self, counts: &mut Counts) {
        for (counter, count) in self.all.iter().zip(counts.as_array()) {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        *counts = Counts::default();
    }
}

fn slot(channel: Channel) -> usize {
    Channel::ALL.iter().position(|other| *other == channel).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_fold_each_in_its_place() {
        let mut one = Counts::from_array(std::array::from_fn(|index| index as u64 + 1));
        let wanted = Counts::from_array(std::array::from_fn(|index| 2 * (index as u64 + 1)));
        let counters = Counters::default();
        counters.fold(&mut one.clone());
        counters.fold(&mut one);
        assert_eq!(counters.read(), wanted);
        assert_eq!(one, Counts::default());
    }

    #[test]
    fn channels_do_not_share_a_place() {
        let mut counts = Counts::default();
        for (index, channel) in Channel::ALL.into_iter().enumerate() {
            counts.add_produced(channel, index as u64 + 1);
        }
        assert_eq!(counts.produced, [1, 2, 3, 4, 5]);
        assert_eq!(counts.produced_on(Channel::Late), 3);
    }
}
