//! The end of a batch: outputs, state and offsets, in one transaction or one after the other.

use std::time::{Duration, Instant};

use frostwatch_runtime::checkpoint::{PROGRESS_KEY, PROGRESS_SCHEMA, Progress, Room, StateRecord};
use frostwatch_runtime::ports::{Channel, OutputRecord, Tasks};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::{EVENTS_WAIT, Refused, Sender, Worker, is_live};
use crate::fault::KafkaFault;
use crate::fetch::{RecordView, is_member, known_ends};
use crate::group::{self, Due};
use crate::note::Note;
use crate::outbox::{Delivered, Outgoing};
use crate::transaction::Undone;

/// Between two attempts at a transaction.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// State written with one commit at most. As many keys as a batch has records, so that what changes is written as fast as
/// it changes.
const STATE_BYTES_MAX: usize = 32 << 20;

impl<T: Tasks> Worker<'_, T> {
    /// Delivers the batch's outputs and a slice of state, commits its offsets, tells the tasks and the board.
    pub(super) fn finish_batch(&mut self) -> Result<(), KafkaFault> {
        self.collect_state();
        self.publish_until(None)?;
        self.pass_marks()?;
        for index in 0..self.owned.len() {
            let Some(owned) = self.owned.get_mut(index).and_then(Option::as_mut) else { continue };
            if !std::mem::take(&mut owned.touched) {
                continue;
            }
            let partition = index as i32;
            if is_live(owned.status.phase) && !std::mem::replace(&mut owned.told_live, true) {
                self.tasks.restored(partition);
            }
            if let Some((_, end)) = known_ends(&self.consumer, &self.topic, partition) {
                owned.status.end = owned.status.end.max(end);
            }
            self.tasks.batch_done(partition);
            self.tasks.describe(partition, &mut owned.status);
            self.shared.board.set(partition, owned.status);
        }
        self.counters_folded();
        Ok(())
    }

    /// Collects the state that is due with this commit: of keys that changed longest ago, so that no more than the tail
    /// would have to be run again, and the progress of every partition that has any.
    fn collect_state(&mut self) {
        let tail = self.settings.state.tail_records as i64;
        let mut room = Room { keys: self.batch.records, bytes: STATE_BYTES_MAX };
        for index in 0..self.owned.len() {
            let Some(owned) = self.owned.get(index).and_then(Option::as_ref) else { continue };
            if owned.dirty && is_live(owned.status.phase) {
                room = self.collect_of(index as i32, owned.status.position - tail, room);
            }
        }
    }

    /// Collects what is not written yet of partitions that go. Is there anything to commit?
    pub(super) fn collect_leaving(&mut self, leaving: &[i32]) -> bool {
        let mut room = Room { keys: self.batch.records, bytes: STATE_BYTES_MAX };
        for partition in leaving {
            let Some(owned) = self.owned.get_mut(*partition as usize).and_then(Option::as_mut) else { continue };
            if !is_live(owned.status.phase) || owned.last.is_none() {
                continue;
            }
            if !std::mem::replace(&mut owned.told_live, true) {
                self.tasks.restored(*partition);
            }
            if !owned.is_written {
                owned.dirty = true;
                room = self.collect_of(*partition, i64::MAX, room);
            }
        }
        !self.state_out.is_empty()
    }

    fn collect_of(&mut self, partition: i32, below: i64, room: Room) -> Room {
        let Some(owned) = self.owned.get_mut(partition as usize).and_then(Option::as_mut) else { return room };
        let (first, position) = (self.state_out.len(), owned.status.position);
        let low_water = self.tasks.checkpoint(partition, position, below, room, &mut self.state_out);
        owned.is_written = low_water == position;
        let written = self.state_out.get(first..).unwrap_or_default();
        let bytes: usize =
            written.iter().map(|record| record.key.len() + record.value.as_ref().map_or(0, Vec::len)).sum();
        let room = Room { keys: room.keys.saturating_sub(written.len()), bytes: room.bytes.saturating_sub(bytes) };
        let progress = Progress {
            schema: PROGRESS_SCHEMA.to_owned(),
            offset: position,
            low_water,
            rebuild: false,
            epoch: owned.epoch,
            partitions: self.partition_count,
            versions: self.shared.versions.named.clone(),
            last: owned.last,
            misrouted: owned.misrouted,
            account: self.tasks.account(partition),
        };
        self.state_out.push(StateRecord { partition, key: PROGRESS_KEY.to_vec(), value: Some(progress.to_bytes()) });
        room
    }

    /// Partitions that are run again may end in marks of transactions, of which no record tells.
    fn pass_marks(&mut self) -> Result<(), KafkaFault> {
        if self.owned.iter().flatten().all(|owned| is_live(owned.status.phase)) {
            return Ok(());
        }
        for elem in self.consumer.position().map_err(KafkaFault::Consumer)?.elements() {
            if let Offset::Offset(position) = elem.offset()
                && let Some(owned) = self.owned.get_mut(elem.partition() as usize).and_then(Option::as_mut)
            {
                owned.reach(position);
            }
        }
        Ok(())
    }

    /// Counts new outputs' bytes and tells the topic of the originals of late and rejected records, as Kafka Connect does;
    /// partition and offset the task has told.
    pub(super) fn note_outputs(&mut self, first: usize, source: &RecordView<'_>) {
        for output in self.out.iter_mut().skip(first) {
            self.out_bytes += output.key.len() + output.value.len();
            if matches!(output.channel, Channel::Late | Channel::Rejected) {
                output.headers.push(("__connect.errors.topic", source.topic.as_bytes().to_vec()));
            }
        }
    }

    /// Delivers what is collected and commits. `until`: the partitions go, and nobody waits for longer; `false` if it was
    /// not committed by then.
    pub(super) fn publish_until(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        if self.out.is_empty() && self.state_out.is_empty() {
            return Ok(true);
        }
        if matches!(self.sender, Sender::Transactions(_)) {
            return self.transact(until);
        }
        // State follows outputs, and offsets follow state: what a record of state has in it was sent.
        if !self.out.is_empty() {
            self.deliver_plain(0, self.out.len())?;
        }
        self.deliver_plain(self.out.len(), self.state_out.len())?;
        self.clear_out();
        let due = if until.is_some() { Due::Now } else { Due::Later };
        let offsets = self.offsets_to_commit()?;
        match self.commits.commit(&self.consumer, &offsets, due)? {
            None => {}
            Some(false) => self.counts.commits_failed += 1,
            Some(true) => self.note_committed(),
        }
        Ok(true)
    }

    /// Delivers `count` of what is collected, outputs before state, from the one at `first` on.
    fn deliver_plain(&mut self, first: usize, count: usize) -> Result<(), KafkaFault> {
        let (collected, shared) =
            (Collected::of(&self.out, &self.state_out, &self.channels, &self.changelog), self.shared);
        let Sender::Plain(outbox) = &mut self.sender else { return Ok(()) };
        let record = |index: usize| collected.outgoing(first + index);
        let mut delivered = outbox.deliver(count, record, || shared.is_stopping())?;
        delivered.refused.iter_mut().for_each(|index| *index += first);
        self.delivered(&delivered, first..first + count)
    }

    /// Sends outputs and offsets as one transaction, again until it commits. What was collected for partitions that the
    /// group has given to others is dropped: whoever has them now makes it anew.
    fn transact(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            if self.consumer.assignment_lost() {
                tracing::warn!(outputs = self.out.len(), "partitions lost before their outputs were committed");
                self.clear_out();
                return Ok(false);
            }
            attempts += 1;
            let code = match self.attempt()? {
                Attempt::Committed(delivered) => {
                    self.counts.resent += u64::from(attempts > 1);
                    self.delivered(&delivered, 0..self.out.len() + self.state_out.len())?;
                    self.clear_out();
                    self.note_committed();
                    return Ok(true);
                }
                Attempt::Undone(code) => code,
            };
            self.counts.commits_failed += 1;
            let failed_for = begun.elapsed();
            tracing::warn!(%code, attempts, ?failed_for, "transaction not committed");
            if failed_for > self.uncommitted_max || is_refusal_of_transactions(code) {
                return Err(KafkaFault::Transaction { attempts, secs: failed_for.as_secs(), code });
            }
            if until.is_some_and(|until| Instant::now() > until) {
                self.clear_out();
                return Ok(false);
            }
            // A member that is to join the group again does so while it is polled.
            let again_at = Instant::now() + RETRY_WAIT;
            while Instant::now() < again_at {
                self.serve_events(EVENTS_WAIT)?;
            }
        }
    }

    fn attempt(&mut self) -> Result<Attempt, KafkaFault> {
        if !is_member(&self.consumer) {
            return Ok(Attempt::Undone(RDKafkaErrorCode::UnknownMemberId));
        }
        let offsets = self.offsets_to_commit()?;
        let (collected, shared) =
            (Collected::of(&self.out, &self.state_out, &self.channels, &self.changelog), self.shared);
        let Sender::Transactions(transactions) = &mut self.sender else { return Err(KafkaFault::GaveUp) };
        let (count, record) = (collected.len(), |index| collected.outgoing(index));
        match transactions.commit(&self.consumer, &offsets, count, record, || shared.is_stopping()) {
            Ok(delivered) => Ok(Attempt::Committed(delivered)),
            Err(Undone::Aborted(code)) => Ok(Attempt::Undone(code)),
            Err(Undone::Fault(fault)) => Err(fault),
            Err(Undone::Unknown(code)) => {
                tracing::warn!(%code, "outcome of a transaction unknown: a new producer asks for it");
                transactions.renew()?;
                let committed = self.is_committed(&offsets)?;
                Ok(if committed { Attempt::Committed(Delivered::default()) } else { Attempt::Undone(code) })
            }
        }
    }

    /// Do the group's stable offsets say that a transaction with these committed?
    fn is_committed(&self, offsets: &TopicPartitionList) -> Result<bool, KafkaFault> {
        let wanted: Vec<(i32, Offset)> =
            offsets.elements().iter().map(|elem| (elem.partition(), elem.offset())).collect();
        let partitions: Vec<_> = wanted.iter().map(|(partition, _)| (self.topic.clone(), *partition)).collect();
        let found = group::committed(&self.consumer, &partitions)?;
        Ok(wanted.iter().all(|(partition, offset)| {
            let known = found.iter().find(|known| known.partition == *partition).and_then(|known| known.offset);
            known.is_some_and(|known| Offset::Offset(known) == *offset)
        }))
    }

    fn note_committed(&mut self) {
        self.counts.commits += 1;
        for owned in self.owned.iter_mut().flatten() {
            if is_live(owned.status.phase) && std::mem::take(&mut owned.dirty) {
                owned.status.committed = owned.status.position;
            }
        }
    }

    /// Tells of what was refused among those collected at `sent`, and counts the rest. State is never left out.
    fn delivered(&mut self, delivered: &Delivered, sent: std::ops::Range<usize>) -> Result<(), KafkaFault> {
        for index in &delivered.refused {
            let Some(record) = self.out.get(*index) else {
                let refused = index.checked_sub(self.out.len()).and_then(|index| self.state_out.get(index));
                let bytes = refused.and_then(|record| record.value.as_ref()).map_or(0, Vec::len);
                return Err(KafkaFault::StateRefused { topic: self.changelog.clone(), bytes });
            };
            (self.shared.on_refused)(&Refused { topic: topic_of(&self.channels, record.channel), record });
            tracing::error!(
                channel = record.channel.as_str(),
                bytes = record.value.len(),
                "output refused for its size"
            );
        }
        self.counts.refused += delivered.refused.len() as u64;
        self.counts.resent += u64::from(delivered.rounds > 1);
        self.counts.state_written += sent.end.saturating_sub(sent.start.max(self.out.len())) as u64;
        for index in sent {
            if let Some(record) = self.out.get(index)
                && delivered.refused.binary_search(&index).is_err()
            {
                self.counts.add_produced(record.channel, 1);
            }
        }
        Ok(())
    }

    fn clear_out(&mut self) {
        self.out.clear();
        self.out_bytes = 0;
        self.state_out.clear();
    }

    fn offsets_to_commit(&self) -> Result<TopicPartitionList, KafkaFault> {
        let mut offsets = TopicPartitionList::new();
        for (partition, owned) in self.owned.iter().enumerate() {
            let Some(owned) = owned else { continue };
            if owned.dirty && is_live(owned.status.phase) {
                let mut elem = offsets.add_partition(&self.topic, partition as i32);
                elem.set_offset(Offset::Offset(owned.status.position)).map_err(KafkaFault::Consumer)?;
                elem.set_metadata(Note { epoch: owned.epoch, partitions: self.partition_count }.written());
            }
        }
        Ok(offsets)
    }
}

/// How an attempt at a transaction ended.
enum Attempt {
    Committed(Delivered),
    /// It has no effect and may be tried again.
    Undone(RDKafkaErrorCode),
}

/// Will no transaction ever commit?
const fn is_refusal_of_transactions(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::UnsupportedFeature
    )
}

/// What is to be sent, outputs before state.
#[derive(Clone, Copy)]
struct Collected<'a> {
    out: &'a [OutputRecord],
    state: &'a [StateRecord],
    channels: &'a [String; Channel::ALL.len()],
    changelog: &'a str,
}

impl<'a> Collected<'a> {
    const fn of(
        out: &'a [OutputRecord],
        state: &'a [StateRecord],
        channels: &'a [String; Channel::ALL.len()],
        changelog: &'a str,
    ) -> Self {
        Self { out, state, channels, changelog }
    }

    const fn len(&self) -> usize {
        self.out.len() + self.state.len()
    }

    fn outgoing(&self, index: usize) -> Outgoing<'a> {
        if let Some(record) = self.out.get(index) {
            return Outgoing {
                topic: topic_of(self.channels, record.channel),
                partition: None,
                key: Some(&record.key),
                value: Some(&record.value),
                headers: &record.headers,
                stamp: None,
            };
        }
        let record = &self.state[index - self.out.len()];
        Outgoing {
            topic: self.changelog,
            partition: Some(record.partition),
            key: Some(&record.key),
            value: record.value.as_deref(),
            headers: &[],
            stamp: None,
        }
    }
}

fn topic_of(channels: &[String; Channel::ALL.len()], channel: Channel) -> &str {
    match channel {
        Channel::Alerts => &channels[0],
        Channel::Suppressions => &channels[1],
        Channel::Late => &channels[2],
        Channel::Rejected => &channels[3],
    }
}
