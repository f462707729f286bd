//! The end of a batch: outputs, then offsets. What is sent and what is committed is gathered before, so that both can
//! become one transaction.

use frostwatch_runtime::ports::{Channel, OutputRecord, Tasks};
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use super::plan::Note;
use super::{Refused, Worker, is_live};
use crate::fault::KafkaFault;
use crate::fetch::{RecordView, known_ends};
use crate::group::Due;
use crate::outbox::Outgoing;

impl<T: Tasks> Worker<'_, T> {
    /// Delivers the batch's outputs, commits its offsets, tells the tasks and the board.
    pub(super) fn finish_batch(&mut self) -> Result<(), KafkaFault> {
        self.deliver()?;
        self.commit(Due::Later)?;
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
            Some(true) => {
                self.counts.commits += 1;
                for owned in self.owned.iter_mut().flatten() {
                    if std::mem::take(&mut owned.dirty) {
                        owned.status.committed = owned.status.position;
                    }
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), KafkaFault> {
        let (out, channels, shared) = (&self.out, &self.channels, self.shared);
        let delivered =
            self.outbox.deliver(out.len(), |index| outgoing(out, channels, index), || shared.is_stopping())?;
        for index in &delivered.refused {
            if let Some(record) = out.get(*index) {
                (shared.on_refused)(&Refused { topic: topic_of(channels, record.channel), record });
                tracing::error!(
                    channel = record.channel.as_str(),
                    bytes = record.value.len(),
                    "output refused for its size"
                );
            }
        }
        self.counts.refused += delivered.refused.len() as u64;
        self.counts.resent += u64::from(delivered.rounds > 1);
        for (index, record) in out.iter().enumerate() {
            if delivered.refused.binary_search(&index).is_err() {
                self.counts.add_produced(record.channel, 1);
            }
        }
        self.out.clear();
        self.out_bytes = 0;
        Ok(())
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
