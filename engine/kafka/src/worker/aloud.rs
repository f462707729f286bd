//! A past that is run again aloud: it was scored under another ruling, which is not at hand.
//!
//! Before it is run, what was sent about it is read back from the topics of alerts and suppressions. While it is run,
//! what the tasks push is collected. When it is behind, that and what takes back is sent in the transaction that says so.
//! Where it is too much for one transaction, or there are none, a progress that calls the partition unsettled goes with
//! the first part or before it: a crash between the parts makes the next owner run it again aloud under the next epoch,
//! whatever its ruling, and take back what the parts said.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use frostwatch_detect::time::{HOUR, Millis};
use frostwatch_runtime::checkpoint::{PROGRESS_KEY, Progress, RecordedTurn, StateRecord};
use frostwatch_runtime::ports::{Channel, OutputRecord, Tasks, TooManySent};

use super::Worker;
use super::assignment::Owned;
use super::take_over::RESTORE_STEP;
use super::timing::now;
use crate::changelog::StateReader;
use crate::fault::KafkaFault;
use crate::settings::Delivery;

/// Outputs are stamped by the clocks of processes or of the alerts' brokers, and activity by those of its own: an output is
/// never stamped further than this before the record it comes of.
const CLOCKS_APART_MAX: Millis = HOUR;
/// How long reading back may take: topics of alerts are small beside activity. Below `max.poll.interval.ms`, within which
/// a member must join when others come or go.
const READ_BACK_MAX: Duration = Duration::from_mins(4);

/// A partition's past that is run again aloud.
#[derive(Clone, Debug)]
pub(super) struct Aloud {
    /// What says that it is not all sent.
    unsettled: Progress,
    out: Vec<OutputRecord>,
    bytes: usize,
    /// A part of it goes with the next commit.
    pub(super) goes: bool,
}

impl Aloud {
    /// A past whose outputs are sent under the epoch above that of its progress.
    pub(super) fn new(progress: &Progress) -> Self {
        let unsettled = Progress { epoch: progress.epoch.saturating_add(1), unsettled: true, ..progress.clone() };
        Self { unsettled, out: Vec::new(), bytes: 0, goes: false }
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.unsettled.epoch
    }

    /// The offsets that are run again.
    pub(super) const fn span(&self) -> Range<i64> {
        self.unsettled.low_water..self.unsettled.offset
    }

    /// Takes what a record made. A late or rejected one was sent, and names no revision by which a repeat is known.
    pub(super) fn take(&mut self, outputs: &mut Vec<OutputRecord>) {
        outputs.retain(|output| matches!(output.channel, Channel::Alerts | Channel::Suppressions));
        self.bytes += outputs.iter().map(bytes_of).sum::<usize>();
        self.out.append(outputs);
    }

    /// The turns within the span are those of a ruling under which nothing of it stands any more.
    pub(super) fn void_turns(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let task = &self.unsettled.task;
        let within = task.turns.iter().filter(|turn| turn.offset > self.unsettled.low_water);
        within.filter_map(|turn| {
            let named = task.ruling_of(turn.version)?.named.clone();
            Some(RecordedTurn { offset: turn.offset, named }.key())
        })
    }

    fn record(&self, partition: i32) -> StateRecord {
        StateRecord { partition, key: PROGRESS_KEY.to_vec(), value: Some(self.unsettled.to_bytes()) }
    }
}

fn bytes_of(output: &OutputRecord) -> usize {
    output.key.len() + output.value.len()
}

impl<T: Tasks> Worker<'_, T> {
    /// Reads back what was sent about the pasts of these partitions; `false`: the worker is to stop.
    pub(super) fn read_back(&mut self, mut spans: BTreeMap<i32, Range<i64>>) -> Result<bool, KafkaFault> {
        // Where nothing is left to be run there is no record whose stamp says from when on.
        spans.retain(|_, span| !span.is_empty());
        if spans.is_empty() {
            return Ok(true);
        }
        let begun = Instant::now();
        let until = begun + READ_BACK_MAX;
        let mut first: BTreeMap<i32, Option<Millis>> = BTreeMap::new();
        let firsts: Vec<_> = spans.iter().map(|(partition, span)| (*partition, span.start..span.start + 1)).collect();
        let mut reader = StateReader::open_at(self.settings, &self.topic, &firsts)?;
        let mut note_stamp = |record: &crate::fetch::RecordView<'_>| {
            first.insert(record.partition, record.stamp);
            Ok(())
        };
        while !reader.read(RESTORE_STEP, &mut note_stamp)? {
            if !self.goes_on(until)? {
                return Ok(false);
            }
        }
        let stamps = spans.keys().map(|partition| first.get(partition).copied().flatten());
        let since = sent_since(stamps, now());
        let mut records = 0_u64;
        for channel in [Channel::Alerts, Channel::Suppressions] {
            let topic = self.settings.topics.channel(channel);
            let mut reader = StateReader::open_since(self.settings, &topic, since)?;
            loop {
                let tasks = &mut self.tasks;
                let done = reader.read(RESTORE_STEP, &mut |record| {
                    records += 1;
                    let noted = tasks.sent_before(channel, record.key.unwrap_or_default(), record.value);
                    noted.map_err(|TooManySent { max }| KafkaFault::TooManySent { topic: topic.clone(), max })
                })?;
                if done {
                    break;
                }
                if !self.goes_on(until)? {
                    return Ok(false);
                }
            }
        }
        tracing::info!(records, ?since, took = ?begun.elapsed(), "read back what was sent");
        Ok(true)
    }

    /// The group is told that the member lives; `false`: the worker is to stop.
    fn goes_on(&mut self, until: Instant) -> Result<bool, KafkaFault> {
        if Instant::now() > until {
            return Err(KafkaFault::ReadBack { secs: READ_BACK_MAX.as_secs() });
        }
        self.serve_events(Duration::ZERO)?;
        Ok(!self.shared.is_stopping())
    }

    /// Says before anything is sent that the pasts of partitions are unsettled, where outputs go before their progress.
    pub(super) fn unsettle_before(&mut self) -> Result<(), KafkaFault> {
        if self.settings.delivery == Delivery::AtLeastOnce {
            for (partition, owned) in self.owned.iter().enumerate() {
                let aloud = owned.as_ref().and_then(|owned| owned.aloud.as_ref());
                self.state_out.extend(aloud.map(|aloud| aloud.record(partition as i32)));
            }
            self.publish_until(None)?;
        }
        Ok(())
    }

    /// Sends a part of a past that has grown too large for one transaction, which takes as much as one of a batch.
    pub(super) fn send_parts(&mut self) {
        let part_bytes = self.batch.output_bytes;
        for (partition, owned) in self.owned.iter_mut().enumerate() {
            let Some(aloud) = owned.as_mut().and_then(|owned| owned.aloud.as_mut()) else { continue };
            if aloud.bytes >= part_bytes {
                self.state_out.push(aloud.record(partition as i32));
                self.out_bytes += std::mem::take(&mut aloud.bytes);
                self.out.append(&mut aloud.out);
                aloud.goes = true;
            }
        }
    }

    /// The past of a partition is behind it: what was made of it flows, and what takes back.
    pub(super) fn settle(&mut self, partition: i32) {
        let owned = self.owned.get_mut(partition as usize).and_then(Option::as_mut);
        let Some(Aloud { unsettled, mut out, .. }) = owned.and_then(|owned: &mut Owned| owned.aloud.take()) else {
            return;
        };
        let found = out.len();
        self.tasks.settle(partition, &mut out);
        let (epoch, settled) = (unsettled.epoch, out.len() - found);
        tracing::warn!(partition, epoch, found, settled, "the past was run again aloud");
        self.out_bytes += out.iter().map(bytes_of).sum::<usize>();
        self.out.append(&mut out);
    }
}

/// From when on outputs of records that begin with these stamps were sent; `None`: all must be looked at.
fn sent_since(stamps: impl Iterator<Item = Option<Millis>>, now: Millis) -> Option<Millis> {
    let mut earliest = Millis::MAX;
    for stamp in stamps {
        earliest = earliest.min(stamp?);
    }
    // A stamp ahead of the clock is not one of the clock.
    (earliest <= now).then(|| (earliest - CLOCKS_APART_MAX).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_looked_for_from_an_hour_before_the_first_record_on() {
        let now = 100 * HOUR;
        for (stamps, since) in [
            (vec![Some(50 * HOUR)], Some(49 * HOUR)),
            (vec![Some(50 * HOUR), Some(40 * HOUR)], Some(39 * HOUR)),
            (vec![Some(HOUR / 2)], Some(0)),
            (vec![Some(50 * HOUR), None], None),
            (vec![Some(now + 1)], None),
            (vec![], None),
        ] {
            assert_eq!(sent_since(stamps.iter().copied(), now), since, "{stamps:?}");
        }
    }
}
