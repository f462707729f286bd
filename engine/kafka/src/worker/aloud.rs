//! A past that is run again aloud: it was scored under another ruling, which is not at hand.
//!
//! Before it is run, what was sent about it is read back from the topics of alerts and suppressions. While it is run,
//! what the tasks push is collected. When it is behind, that and what takes back is sent in the transaction that says so.
//! Where it is too much for one transaction, it goes in parts of at most `kafka.batch.output_bytes`; with each of them but
//! the last, or where there are no transactions before all of it, goes a progress that calls the partition unsettled: a crash between the parts makes the next owner run it again aloud under the next epoch,
//! whatever its ruling, and take back what the parts said.

use std::collections::BTreeMap;
use std::mem::take;
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
    /// That it is not all sent is written, where outputs go before their progress.
    is_announced: bool,
}

/// What is left to be sent of a past, when the rest of the batch is.
pub(super) struct Parts {
    partition: i32,
    aloud: Aloud,
    /// The past is behind: the last part goes with what says so.
    is_settled: bool,
}

/// A part that goes by itself: the progress of its partition, and the offset that stands already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Aloud {
    /// A past whose outputs are sent under the epoch above that of its progress.
    pub(super) fn new(progress: &Progress) -> Self {
        let unsettled = Progress { epoch: progress.epoch.saturating_add(1), unsettled: true, ..progress.clone() };
        Self { unsettled, out: Vec::new(), bytes: 0, is_announced: false }
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.unsettled.epoch
    }

    /// The offsets that are run again.
    pub(super) const fn span(&self) -> Range<i64> {
        self.unsettled.low_water..self.unsettled.offset
    }

    /// Takes what a record made. A late or rejected one was sent, and names no revision by which a repeat is known.
    /// Returns its bytes.
    pub(super) fn take(&mut self, outputs: &mut Vec<OutputRecord>) -> usize {
        // A copy that was made before is a duplicate where it arrives.
        let flows = [Channel::Alerts, Channel::Suppressions, Channel::Activity];
        outputs.retain(|output| flows.contains(&output.channel));
        let bytes = outputs.iter().map(bytes_of).sum::<usize>();
        self.bytes += bytes;
        self.out.append(outputs);
        bytes
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

/// Takes from the front what fits in `bytes_max`, one output at least.
fn next_part(out: &mut Vec<OutputRecord>, bytes_max: usize) -> Vec<OutputRecord> {
    let mut bytes = 0;
    let fits = |output: &&OutputRecord| {
        bytes += bytes_of(output);
        bytes <= bytes_max
    };
    let count = out.iter().take_while(fits).count().max(1).min(out.len());
    let rest = out.split_off(count);
    std::mem::replace(out, rest)
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
        check_in_time(Instant::now(), until)?;
        self.serve_events(Duration::ZERO)?;
        Ok(!self.shared.is_stopping())
    }

    /// Says before anything is sent that the pasts of partitions are unsettled, where outputs go before their progress. Called
    /// when nothing is pending. `false`: it could not be written, since the group has given the partitions to others; until
    /// they are given back nothing may be sent.
    pub(super) fn unsettle_before(&mut self) -> Result<bool, KafkaFault> {
        if self.settings.delivery != Delivery::AtLeastOnce {
            return Ok(true);
        }
        for (partition, owned) in self.owned.iter().enumerate() {
            let aloud = owned.as_ref().and_then(|owned| owned.aloud.as_ref());
            let aloud = aloud.filter(|aloud| !aloud.is_announced);
            self.state_out.extend(aloud.map(|aloud| aloud.record(partition as i32)));
        }
        let is_written = self.publish_until(None)?;
        if is_written {
            self.owned
                .iter_mut()
                .flatten()
                .flat_map(|owned| &mut owned.aloud)
                .for_each(|aloud| aloud.is_announced = true);
        }
        Ok(is_written)
    }

    /// May what was made of the partition's past be sent?
    pub(super) fn may_be_told(&self, partition: i32) -> bool {
        let owned = self.owned.get(partition as usize).and_then(Option::as_ref);
        let aloud = owned.and_then(|owned| owned.aloud.as_ref());
        self.settings.delivery != Delivery::AtLeastOnce || aloud.is_none_or(|aloud| aloud.is_announced)
    }

    /// What was made of a past and has grown too large for one transaction goes with this batch.
    pub(super) fn collect_parts(&mut self) {
        let part_bytes = self.batch.output_bytes;
        for (partition, owned) in self.owned.iter_mut().enumerate() {
            let Some(aloud) = owned.as_mut().and_then(|owned| owned.aloud.as_mut()) else { continue };
            if aloud.bytes >= part_bytes {
                let (out, bytes) = (take(&mut aloud.out), take(&mut aloud.bytes));
                let aloud = Aloud { out, bytes, ..aloud.clone() };
                self.parts.push(Parts { partition: partition as i32, aloud, is_settled: false });
            }
        }
    }

    /// Sends what is left of pasts, each part by itself; the last part of one that is behind is put before what is collected.
    /// `false`: it was not committed, and nothing is left to be sent.
    pub(super) fn send_parts(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        if self.parts.is_empty() {
            return Ok(true);
        }
        let (out, state, contents) = (take(&mut self.out), take(&mut self.state_out), take(&mut self.content_out));
        let (stopwatch, mut last) = (take(&mut self.stopwatch), Vec::new());
        for Parts { partition, mut aloud, is_settled } in take(&mut self.parts) {
            while !aloud.out.is_empty() {
                let part = next_part(&mut aloud.out, self.batch.output_bytes);
                if aloud.out.is_empty() && is_settled {
                    last.extend(part);
                    break;
                }
                self.out = part;
                self.state_out.push(aloud.record(partition));
                self.part = Some(Part { partition, offset: aloud.span().end });
                let is_sent = self.publish(until);
                self.part = None;
                if !is_sent? || until.is_some_and(|until| Instant::now() > until) {
                    self.clear_out();
                    return Ok(false);
                }
            }
        }
        last.extend(out);
        (self.out, self.state_out, self.content_out, self.stopwatch) = (last, state, contents, stopwatch);
        Ok(true)
    }

    /// The past of a partition is behind it: what was made of it flows, and what takes back.
    pub(super) fn settle(&mut self, partition: i32) {
        let owned = self.owned.get_mut(partition as usize).and_then(Option::as_mut);
        let Some(mut aloud) = owned.and_then(|owned: &mut Owned| owned.aloud.take()) else { return };
        let found = aloud.out.len();
        self.tasks.settle(partition, &mut aloud.out);
        let (epoch, settled) = (aloud.epoch(), aloud.out.len() - found);
        tracing::warn!(partition, epoch, found, settled, "the past was run again aloud");
        self.out_bytes += aloud.out.iter().map(bytes_of).sum::<usize>();
        self.parts.push(Parts { partition, aloud, is_settled: true });
    }
}

fn check_in_time(now: Instant, until: Instant) -> Result<(), KafkaFault> {
    if now > until { Err(KafkaFault::ReadBack { secs: READ_BACK_MAX.as_secs() }) } else { Ok(()) }
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
    fn parts_hold_what_fits_in_order_and_one_output_at_least() {
        let output = |bytes: usize| OutputRecord {
            channel: Channel::Alerts,
            key: vec![0; 1],
            value: vec![0; bytes - 1],
            headers: Vec::new(),
            stamp: None,
        };
        for (sizes, wanted) in [
            (&[][..], &[][..]),
            (&[10], &[&[10][..]][..]),
            (&[4, 6, 1], &[&[4, 6], &[1]]),
            (&[4, 7, 1], &[&[4], &[7, 1]]),
            (&[11, 11, 2], &[&[11], &[11], &[2]]),
        ] {
            let mut out: Vec<OutputRecord> = sizes.iter().map(|bytes| output(*bytes)).collect();
            let mut parts = Vec::new();
            while !out.is_empty() {
                parts.push(next_part(&mut out, 10).iter().map(bytes_of).collect::<Vec<_>>());
            }
            assert_eq!(parts, wanted, "{sizes:?}");
        }
    }

    #[test]
    fn reading_back_ends_after_its_limit() {
        let until = Instant::now();
        assert!(check_in_time(until, until).is_ok());
        let over = check_in_time(until + Duration::from_nanos(1), until);
        assert!(matches!(over, Err(KafkaFault::ReadBack { secs: 240 })), "{over:?}");
    }

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
