//! Taking and giving back partitions.

use frostwatch_runtime::board::{PartitionStatus, Phase};
use frostwatch_runtime::ports::Tasks;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::Worker;
use super::plan::{Lost, Note, Plan, plan, when_lost};
use crate::client::{Rebalanced, TopicPartition};
use crate::fault::KafkaFault;
use crate::group::{self, Committed, Due, list_of};

/// A partition this worker owns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    pub(super) status: PartitionStatus,
    /// Records were taken since the last batch.
    pub(super) touched: bool,
    /// There is something to commit.
    pub(super) dirty: bool,
    /// The task knows that its past is behind it.
    pub(super) told_live: bool,
    /// Stands in its outputs and beside its offsets.
    pub(super) epoch: u32,
}

impl Owned {
    fn new(plan: Plan, low: i64, high: i64, committed: Option<i64>) -> Self {
        let phase = if plan.silent_until > low { Phase::Restoring } else { Phase::Live };
        let status = PartitionStatus {
            phase,
            position: plan.start.unwrap_or(low),
            restore_until: plan.silent_until,
            committed: committed.unwrap_or(-1),
            end: high,
            newest_event: -1,
            keys: 0,
        };
        Self { status, touched: true, dirty: false, told_live: false, epoch: 0 }
    }

    /// Moves past a record. Is it one whose outputs flow?
    pub(super) fn advance(&mut self, offset: i64) -> bool {
        let live = offset >= self.status.restore_until;
        self.status.position = offset + 1;
        self.touched = true;
        self.dirty |= live;
        self.settle();
        live
    }

    /// Takes the client's position, which also moves past what it does not hand out: the marks of transactions.
    pub(super) fn reach(&mut self, position: i64) {
        if position > self.status.position {
            self.status.position = position;
            self.touched = true;
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.status.position >= self.status.restore_until {
            self.status.phase = Phase::Live;
        }
    }
}

impl<T: Tasks> Worker<'_, T> {
    /// Serves what the group decided. Called between batches only: no output is pending.
    pub(super) fn serve_rebalances(&mut self) -> Result<(), KafkaFault> {
        for event in self.consumer.context().take_rebalanced() {
            self.counts.rebalances += 1;
            match event {
                Rebalanced::Assigned(partitions) => self.take_over(&partitions)?,
                Rebalanced::Revoked { partitions, lost } => self.give_back(&partitions, lost)?,
            }
        }
        Ok(())
    }

    /// Says what it means that the broker no longer holds a position. Where only the past that is run again has lost its
    /// oldest part, a new start runs what is left: librdkafka does not reliably fetch a partition again that is taken anew
    /// right after such an error.
    pub(super) fn position_lost(&self, code: RDKafkaErrorCode) -> Result<(), KafkaFault> {
        for (index, owned) in self.owned.iter().enumerate() {
            let Some(owned) = owned else { continue };
            let partition = index as i32;
            let (low, high) = group::ends(&self.consumer, &self.topic, partition)?;
            let committed = owned.status.restore_until;
            match when_lost(owned.status.position, committed, low, high) {
                Lost::Nothing => {}
                Lost::PartOfThePast => {
                    return Err(KafkaFault::PastDeleted { topic: self.topic.clone(), partition, low, committed });
                }
                Lost::Unread => return Err(self.out_of_range(partition, owned.status.position, low, high)),
            }
        }
        Err(KafkaFault::Consumer(KafkaError::MessageConsumption(code)))
    }

    fn take_over(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaFault> {
        let mut starts = TopicPartitionList::with_capacity(partitions.len());
        if !partitions.is_empty() {
            let now = group::partition_counts(&self.consumer, &[&self.topic])?;
            self.check_count(self.partition_count, now.first().copied().unwrap_or_default())?;
        }
        for Committed { partition, offset, note, .. } in group::committed(&self.consumer, partitions)? {
            let note = Note::read(&note);
            if let Some(built_on) = note.as_ref().and_then(|note| note.partitions) {
                self.check_count(built_on, self.partition_count)?;
            }
            let (low, high) = group::ends(&self.consumer, &self.topic, partition)?;
            let plan =
                plan(offset, low, high).map_err(|committed| self.out_of_range(partition, committed, low, high))?;
            let start = plan.start.map_or(Offset::Beginning, Offset::Offset);
            starts.add_partition_offset(&self.topic, partition, start).map_err(KafkaFault::Consumer)?;
            let owned = self.in_epoch(Owned::new(plan, low, high, offset), partition, note)?;
            self.open(partition, owned);
        }
        group::assign(&self.consumer, &starts).map_err(KafkaFault::Consumer)
    }

    /// Goes on in the epoch of the last commit, or begins the next where the past is now run under other versions.
    fn in_epoch(&self, mut owned: Owned, partition: i32, note: Option<Note>) -> Result<Owned, KafkaFault> {
        let versions = self.shared.versions;
        let Some(note) = note else { return Ok(owned) };
        let changes = note.changes(&versions.named);
        owned.epoch = note.epoch;
        if changes.is_empty() {
            return Ok(owned);
        }
        if !versions.accept_change {
            return Err(KafkaFault::Changed {
                topic: self.topic.clone(),
                partition,
                group: self.group.clone(),
                changes,
                epoch: note.epoch,
            });
        }
        owned.epoch = note.epoch.saturating_add(1);
        tracing::warn!(partition, changes, epoch = owned.epoch, "the past is run again under other versions");
        // Committed even if no record comes: else the next start would be asked again.
        owned.dirty = true;
        Ok(owned)
    }

    fn open(&mut self, partition: i32, owned: Owned) {
        let index = partition as usize;
        if self.owned.len() <= index {
            self.owned.resize(index + 1, None);
        }
        if let Some(slot) = self.owned.get_mut(index) {
            *slot = Some(owned);
        }
        tracing::info!(
            partition,
            restore_until = owned.status.restore_until,
            end = owned.status.end,
            "partition taken"
        );
        self.tasks.open(partition, owned.epoch);
        self.queue.attach(&self.topic, partition);
        self.shared.board.set(partition, owned.status);
    }

    fn give_back(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), KafkaFault> {
        if lost {
            self.counts.lost += partitions.len() as u64;
        } else {
            self.commit(Due::Now)?;
        }
        for (_, partition) in partitions {
            if let Some(slot) = self.owned.get_mut(*partition as usize)
                && slot.take().is_some()
            {
                tracing::info!(partition, lost, "partition given back");
                self.tasks.close(*partition);
                self.shared.board.remove(*partition);
            }
        }
        match group::unassign(&self.consumer, &list_of(partitions)) {
            // Partitions that were lost may be gone from the client already.
            Err(error) if !lost => Err(KafkaFault::Consumer(error)),
            _ => Ok(()),
        }
    }

    fn check_count(&self, built_on: i32, now: i32) -> Result<(), KafkaFault> {
        if built_on == now {
            return Ok(());
        }
        Err(KafkaFault::PartitionCount { topic: self.topic.clone(), group: self.group.clone(), built_on, now })
    }

    fn out_of_range(&self, partition: i32, committed: i64, low: i64, high: i64) -> KafkaFault {
        KafkaFault::OutOfRange { topic: self.topic.clone(), partition, group: self.group.clone(), committed, low, high }
    }
}
