//! How long records take from the broker's stamp to what came of them, and batches to go out.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use frostwatch_detect::time::Millis;
use frostwatch_runtime::ports::{Channel, OutputRecord};

use crate::client::RoundTrips;
use crate::counters::{Counters, Timings};

/// What a worker times, for metrics: nothing that is sent depends on it.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// Stamps of the records that led to what is collected.
    stamps: Vec<Millis>,
    timings: Timings,
}

impl Stopwatch {
    /// A record with this stamp led to these outputs.
    pub(super) fn found(&mut self, stamp: Option<Millis>, outputs: &[OutputRecord]) {
        let said = outputs.iter().filter(|output| matches!(output.channel, Channel::Alerts | Channel::Suppressions));
        self.stamps.extend(said.filter_map(|_| stamp));
    }

    /// What was collected can be seen by its readers.
    pub(super) fn seen(&mut self) {
        if self.stamps.is_empty() {
            return;
        }
        let now = now();
        for stamp in self.stamps.drain(..) {
            self.timings.alert_delay.observe(u64::try_from(now - stamp).unwrap_or_default());
        }
    }

    /// What was collected was dropped.
    pub(super) fn dropped(&mut self) {
        self.stamps.clear();
    }

    /// A batch that ended at `since` is committed.
    pub(super) fn committed(&mut self, since: Instant) {
        self.timings.commit.observe(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
    }

    /// Alerts flow of a partition that was assigned at `since`.
    pub(super) fn restored(&mut self, since: Instant) {
        self.timings.restore.observe(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
    }

    /// What a producer's statistics said, if they have come.
    pub(super) fn note_round_trips(&mut self, mut told: RoundTrips) {
        self.timings.round_trips.append(&mut told);
    }

    /// Adds what was timed to that of the process.
    pub(super) fn fold(&mut self, counters: &Counters) {
        counters.fold_timings(&mut self.timings);
    }
}

/// Milliseconds since the epoch.
pub(super) fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as Millis)
}
