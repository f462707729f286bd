//! The end of a batch: outputs and offsets, in one transaction or one after the other.

use std::time::{Duration, Instant};

use frostwatch_runtime::ports::{Channel, OutputRecord, Tasks};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::plan::Note;
use super::{Refused, Sender, Worker, is_live};
use crate::fault::KafkaFault;
use crate::fetch::{RecordView, is_member, known_ends};
use crate::group::{self, Due};
use crate::outbox::{Delivered, Outgoing};
use crate::transaction::Undone;

/// Between two attempts at a transaction.
const RETRY_WAIT: Duration = Duration::from_millis(100);

impl<T: Tasks> Worker<'_, T> {
    /// Delivers the batch's outputs, commits its offsets, tells the tasks and the board.
    pub(super) fn finish_batch(&mut self) -> Result<(), KafkaFault> {
        if self.out.is_empty() {
            self.commit(Due::Later)?;
        } else {
            self.publish()?;
        }
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

    /// Commits what live partitions have taken, if the group still counts them ours.
    pub(super) fn commit(&mut self, due: Due) -> Result<(), KafkaFault> {
        let offsets = self.offsets_to_commit()?;
        match self.commits.commit(&self.consumer, &offsets, due)? {
            None => {}
            Some(false) => self.counts.commits_failed += 1,
            Some(true) => self.note_committed(),
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), KafkaFault> {
        let (out, channels, shared) = (&self.out, &self.channels, self.shared);
        match &mut self.sender {
            Sender::Transactions(_) => self.transact(),
            Sender::Plain(outbox) => {
                let delivered =
                    outbox.deliver(out.len(), |index| outgoing(out, channels, index), || shared.is_stopping())?;
                self.delivered(&delivered);
                self.commit(Due::Later)
            }
        }
    }

    /// Sends outputs and offsets as one transaction, again until it commits. What was collected for partitions that the
    /// group has given to others is dropped: whoever has them now makes it anew.
    fn transact(&mut self) -> Result<(), KafkaFault> {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            if self.consumer.assignment_lost() {
                tracing::warn!(outputs = self.out.len(), "partitions lost before their outputs were committed");
                self.clear_out();
                return Ok(());
            }
            attempts += 1;
            let code = match self.attempt()? {
                Attempt::Committed(delivered) => {
                    self.counts.resent += u64::from(attempts > 1);
                    self.delivered(&delivered);
                    self.note_committed();
                    return Ok(());
                }
                Attempt::Undone(code) => code,
            };
            self.counts.commits_failed += 1;
            let failed_for = begun.elapsed();
            tracing::warn!(%code, attempts, ?failed_for, "transaction not committed");
            if failed_for > self.uncommitted_max || is_refusal_of_transactions(code) {
                return Err(KafkaFault::Transaction { attempts, secs: failed_for.as_secs(), code });
            }
            // A member that is to join the group again does so while it is polled.
            let again_at = Instant::now() + RETRY_WAIT;
            while Instant::now() < again_at {
                self.serve_events()?;
            }
        }
    }

    fn attempt(&mut self) -> Result<Attempt, KafkaFault> {
        if !is_member(&self.consumer) {
            return Ok(Attempt::Undone(RDKafkaErrorCode::UnknownMemberId));
        }
        let offsets = self.offsets_to_commit()?;
        let (out, channels, shared) = (&self.out, &self.channels, self.shared);
        let Sender::Transactions(transactions) = &mut self.sender else { return Err(KafkaFault::GaveUp) };
        let record = |index| outgoing(out, channels, index);
        match transactions.commit(&self.consumer, &offsets, out.len(), record, || shared.is_stopping()) {
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

    /// Tells of what was refused, counts the rest and makes room.
    fn delivered(&mut self, delivered: &Delivered) {
        for index in &delivered.refused {
            if let Some(record) = self.out.get(*index) {
                (self.shared.on_refused)(&Refused { topic: topic_of(&self.channels, record.channel), record });
                tracing::error!(
                    channel = record.channel.as_str(),
                    bytes = record.value.len(),
                    "output refused for its size"
                );
            }
        }
        self.counts.refused += delivered.refused.len() as u64;
        self.counts.resent += u64::from(delivered.rounds > 1);
        for (index, record) in self.out.iter().enumerate() {
            if delivered.refused.binary_search(&index).is_err() {
                self.counts.add_produced(record.channel, 1);
            }
        }
        self.clear_out();
    }

    fn clear_out(&mut self) {
        self.out.clear();
        self.out_bytes = 0;
    }

    fn offsets_to_commit(&self) -> Result<TopicPartitionList, KafkaFault> {
        let mut offsets = TopicPartitionList::new();
        for (partition, owned) in self.owned.iter().enumerate() {
            let Some(owned) = owned else { continue };
            if owned.dirty && is_live(owned.status.phase) {
                let mut elem = offsets.add_partition(&self.topic, partition as i32);
                elem.set_offset(Offset::Offset(owned.status.position)).map_err(KafkaFault::Consumer)?;
                elem.set_metadata(Note::written(self.partition_count, owned.epoch, &self.shared.versions.named));
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

fn outgoing<'a>(out: &'a [OutputRecord], channels: &'a [String; Channel::ALL.len()], index: usize) -> Outgoing<'a> {
    let record = &out[index];
    Outgoing {
        topic: topic_of(channels, record.channel),
        key: Some(&record.key),
        value: Some(&record.value),
        headers: &record.headers,
        stamp: None,
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
