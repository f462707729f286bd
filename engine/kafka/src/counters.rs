//! What the loops count, for metrics and for tests of conservation.

use std::sync::atomic::{AtomicU64, Ordering};

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
        }
    }
}

const COUNTERS: usize = 12 + Channel::ALL.len();

/// [`Counts`] that many workers add to and anybody reads.
#[derive(Debug, Default)]
pub struct Counters {
    all: [AtomicU64; COUNTERS],
}

impl Counters {
    /// The counts now.
    pub fn read(&self) -> Counts {
        Counts::from_array(std::array::from_fn(|index| {
            self.all.get(index).map_or(0, |counter| counter.load(Ordering::Relaxed))
        }))
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
        assert_eq!(counts.produced, [1, 2, 3, 4]);
        assert_eq!(counts.produced_on(Channel::Late), 3);
    }
}
