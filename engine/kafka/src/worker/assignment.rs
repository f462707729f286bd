//! The partitions a worker owns, and giving them back.

use std::time::{Duration, Instant};

use frostwatch_runtime::board::{PartitionStatus, Phase};
use frostwatch_runtime::checkpoint::{Landmark, Progress};
use frostwatch_runtime::ports::Tasks;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Worker;
use super::aloud::Aloud;
use super::plan::{Lost, Plan, when_lost};
use crate::client::{Rebalanced, TopicPartition};
use crate::fault::KafkaFault;
use crate::fetch::RecordView;
use crate::fetch::member_id;
use crate::group::{self, list_of};
use crate::pulse::Step;

/// How long a rebalance may be kept waiting for state to be written; what is left is run again by the next owner.
const HAND_OVER_MAX: Duration = Duration::from_secs(5);

/// A partition this worker owns.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) status: PartitionStatus,
    /// Records were taken since the last batch.
    pub(super) touched: bool,
    /// There is something to commit.
    pub(super) dirty: bool,
    pub(super) past: Past,
    /// Since when alerts of it are waited for, until they flow.
    pub(super) awaited: Option<Instant>,
    /// Its past is run again aloud.
    pub(super) aloud: Option<Aloud>,
    /// Stands in its outputs.
    pub(super) epoch: u32,
    /// The last record taken.
    pub(super) last: Option<Landmark>,
    /// The record that must come, or the log is another one.
    landmark: Option<Landmark>,
    /// Records that belong to another partition, since the first.
    pub(super) misrouted: u64,
    /// How much of its state is in the log of state.
    pub(super) written: Written,
    /// Records below are read to know the log again, and are in every key's record.
    pub(super) fed_from: i64,
}

/// What a task knows of the part that is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// It is run again as it was scored.
    Ahead,
    /// It is run again under another ruling.
    AheadUnderAnother,
    /// It is behind, and the task has been told.
    Behind,
}

/// How much of a partition's state is in the log of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was never written.
    Nothing,
    /// The rest would be run again.
    Part,
    /// All.
    All,
}

impl Owned {
    pub(super) fn new(plan: Plan, low: i64, high: i64, progress: Option<&Progress>, committed: Option<i64>) -> Self {
        let position = plan.start.unwrap_or(low);
        let phase = if plan.silent_until > position { Phase::Restoring } else { Phase::Live };
        let status = PartitionStatus {
            phase,
            position,
            restore_until: plan.silent_until,
            committed: committed.unwrap_or(-1),
            end: high,
            newest_event: -1,
            keys: 0,
            packed_bytes: 0,
        };
        Self {
            status,
            touched: true,
            dirty: false,
            past: if progress.is_some_and(|progress| progress.rebuild) { Past::AheadUnderAnother } else { Past::Ahead },
            awaited: None,
            aloud: None,
            epoch: progress.map_or(0, |progress| progress.epoch),
            last: progress.and_then(|progress| progress.last),
            landmark: plan.landmark,
            misrouted: progress.map_or(0, |progress| progress.misrouted),
            fed_from: match progress {
                Some(progress) if !progress.rebuild => progress.low_water,
                _ => 0,
            },
            written: match progress {
                None => Written::Nothing,
                // Its turns begin anew.
                Some(progress) if progress.task.turns.is_empty() && !progress.rebuild => Written::Nothing,
                Some(progress) if progress.low_water == progress.offset => Written::All,
                Some(_) => Written::Part,
            },
        }
    }

    /// Is the record the one that must lie at its place?
    pub(super) fn recognise(&mut self, record: &RecordView<'_>) -> bool {
        let Some(landmark) = self.landmark.filter(|landmark| landmark.offset <= record.offset) else { return true };
        self.landmark = None;
        landmark == Landmark { offset: record.offset, stamp: record.stamp }
    }

    /// Moves past a record. Is it one whose outputs flow?
    pub(super) fn advance(&mut self, record: &RecordView<'_>) -> bool {
        let live = record.offset >= self.status.restore_until;
        self.status.position = record.offset + 1;
        self.touched = true;
        if live {
            self.dirty = true;
            if self.written == Written::All {
                self.written = Written::Part;
            }
            self.last = Some(Landmark { offset: record.offset, stamp: record.stamp });
        }
        self.settle();
        live
    }

    /// What was sent about the past is replaced: by what is found now, under the next epoch.
    pub(super) fn run_aloud(&mut self, progress: &Progress) {
        let aloud = Aloud::new(progress);
        self.epoch = aloud.epoch();
        self.aloud = Some(aloud);
        // Committed even if no record comes.
        self.dirty = true;
    }

    /// Takes the client's position, which also moves past what it does not hand out: the marks of transactions.
    pub(super) fn reach(&mut self, position: i64) {
        if position > self.status.position && self.landmark.is_none() {
            // Committing that it was passed leaves no mark there, so it ends.
            self.dirty |= self.status.phase == Phase::Live;
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
                // What comes while the worker leaves is not wanted, but the client waits for an answer.
                Rebalanced::Assigned(_) if self.shared.is_stopping() => {
                    group::assign(&self.consumer, &TopicPartitionList::new()).map_err(KafkaFault::Consumer)?;
                }
                Rebalanced::Assigned(partitions) => {
                    self.still_member()?;
                    self.member = member_id(&self.consumer);
                    self.comes_to(Step::TakeOver);
                    self.begin_take_over(partitions)?;
                }
                Rebalanced::Revoked { partitions, lost } => {
                    self.comes_to(Step::GiveBack);
                    self.give_back(&partitions, lost)?;
                }
            }
        }
        Ok(())
    }

    /// Does the group know the member under the name under which it was given what it owns? A static member whose request
    /// to join is answered with "unknown" joins under another name, and librdkafka (2.x) leaves it its partitions without a
    /// word; whoever had them in between went further, and what is committed from here would be sent again.
    pub(super) fn still_member(&self) -> Result<bool, KafkaFault> {
        let now = member_id(&self.consumer);
        let owns = self.owned.iter().any(Option::is_some);
        if owns && now.is_some() && now != self.member {
            return Err(KafkaFault::Forgotten { group: self.group.clone() });
        }
        Ok(now.is_some())
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

    pub(super) fn open(&mut self, partition: i32, owned: Owned) {
        let index = partition as usize;
        if self.owned.len() <= index {
            self.owned.resize_with(index + 1, || None);
        }
        let status = owned.status;
        if let Some(slot) = self.owned.get_mut(index) {
            *slot = Some(owned);
        }
        let (start, silent_until, end) = (status.position, status.restore_until, status.end);
        tracing::info!(partition, start, silent_until, end, "partition taken");
        self.queue.attach(&self.topic, partition);
        self.shared.board.set(partition, status);
    }

    fn give_back(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), KafkaFault> {
        self.drop_take_over();
        let handed_over = if lost {
            self.counts.lost += partitions.len() as u64;
            Ok(())
        } else {
            self.hand_over(partitions)
        };
        for (_, partition) in partitions {
            if let Some(slot) = self.owned.get_mut(*partition as usize)
                && slot.take().is_some()
            {
                tracing::info!(partition, lost, "partition given back");
                self.tasks.close(*partition);
                self.shared.board.remove(*partition);
            }
        }
        // Answered whatever came of it: the client waits for that for ever.
        let answered = group::unassign(&self.consumer, &list_of(partitions));
        handed_over?;
        match answered {
            // Partitions that were lost may be gone from the client already.
            Err(error) if !lost => Err(KafkaFault::Consumer(error)),
            _ => Ok(()),
        }
    }

    /// Writes what is not written yet of the state of partitions that go, so that their next owner need not run anything
    /// again.
    fn hand_over(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaFault> {
        if !self.still_member()? {
            return Ok(());
        }
        let leaving: Vec<i32> = partitions.iter().map(|(_, partition)| *partition).collect();
        let until = Instant::now() + HAND_OVER_MAX;
        while self.collect_leaving(&leaving) {
            if !self.publish_until(Some(until))? || Instant::now() > until {
                tracing::warn!(?leaving, "given back before all of their state was written");
                break;
            }
        }
        Ok(())
    }

    /// What the client's statistics say of the ends of partitions of which nothing comes: they lag behind all the same.
    pub(super) fn note_ends(&mut self) {
        for told in self.consumer.context().take_statistics().into_iter().filter(|told| told.topic == self.topic) {
            if let Some(owned) = self.owned.get_mut(told.partition as usize).and_then(Option::as_mut)
                && told.end > owned.status.end
            {
                owned.status.end = told.end;
                owned.touched = true;
            }
        }
    }

    pub(super) fn recreated(&self, record: &RecordView<'_>) -> KafkaFault {
        let (topic, group) = (self.topic.clone(), self.group.clone());
        KafkaFault::Recreated { topic, partition: record.partition, group, offset: record.offset }
    }

    pub(super) fn out_of_range(&self, partition: i32, committed: i64, low: i64, high: i64) -> KafkaFault {
        KafkaFault::OutOfRange { topic: self.topic.clone(), partition, group: self.group.clone(), committed, low, high }
    }
}
