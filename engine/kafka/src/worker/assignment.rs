//! Taking and giving back partitions.
//!
//! What the group assigns is taken in two steps: its state is read while the partitions that are held go on, and when it
//! is there the partitions begin. The client waits that long with its next rebalance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use frostwatch_runtime::board::{PartitionStatus, Phase};
use frostwatch_runtime::checkpoint::{Contents, Landmark, PROGRESS_KEY, Progress, Resumed, is_turn_key};
use frostwatch_runtime::ports::Tasks;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::Worker;
use super::plan::{Known, Lost, Plan, Refusal, plan, when_lost};
use crate::changelog::StateReader;
use crate::client::{Rebalanced, TopicPartition};
use crate::fault::KafkaFault;
use crate::fetch::RecordView;
use crate::fetch::member_id;
use crate::group::{self, Committed, list_of};
use crate::note::Note;
use crate::settings::Delivery;

/// How long state is read between two batches of the partitions that are held.
const RESTORE_STEP: Duration = Duration::from_millis(50);
/// How long the texts of rules may take to be read.
const CONTENTS_WAIT: Duration = Duration::from_mins(1);
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

/// Partitions whose state is being read.
pub(super) struct TakeOver {
    partitions: Vec<TopicPartition>,
    reader: StateReader,
    progress: BTreeMap<i32, Progress>,
    records: u64,
    begun: Instant,
}

impl TakeOver {
    /// The partitions.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.partitions.iter().map(|(_, partition)| *partition)
    }
}

impl Owned {
    fn new(plan: Plan, low: i64, high: i64, progress: Option<&Progress>, committed: Option<i64>) -> Self {
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
        };
        Self {
            status,
            touched: true,
            dirty: false,
            past: if progress.is_some_and(|progress| progress.rebuild) { Past::AheadUnderAnother } else { Past::Ahead },
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

    /// Takes the client's position, which also moves past what it does not hand out: the marks of transactions.
    pub(super) fn reach(&mut self, position: i64) {
        if position > self.status.position && self.landmark.is_none() {
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
                    self.begin_take_over(partitions)?;
                }
                Rebalanced::Revoked { partitions, lost } => self.give_back(&partitions, lost)?,
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

    /// Reads on in the state of partitions that were assigned; when it is there, they begin.
    pub(super) fn serve_take_over(&mut self) -> Result<(), KafkaFault> {
        let Some(mut take_over) = self.take_over.take() else { return Ok(()) };
        let (tasks, changelog) = (&mut self.tasks, &self.changelog);
        let (progress, records) = (&mut take_over.progress, &mut take_over.records);
        let done = take_over.reader.read(RESTORE_STEP, &mut |record| {
            let (partition, key) = (record.partition, record.key.unwrap_or_default());
            let value = (!record.value.is_empty()).then_some(record.value);
            let taken = match value {
                Some(value) if key == PROGRESS_KEY => {
                    Progress::read(value).map(|read| drop(progress.insert(partition, read)))
                }
                None if key == PROGRESS_KEY => {
                    progress.remove(&partition);
                    Ok(())
                }
                _ if is_turn_key(key) => Ok(()),
                value => {
                    *records += 1;
                    tasks.restore(partition, key, value)
                }
            };
            let (topic, offset) = (changelog.clone(), record.offset);
            taken.map_err(|source| KafkaFault::State { topic, partition, offset, source })
        })?;
        if done {
            return self.finish_take_over(&take_over);
        }
        self.take_over = Some(take_over);
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

    fn begin_take_over(&mut self, partitions: Vec<TopicPartition>) -> Result<(), KafkaFault> {
        if partitions.is_empty() {
            return group::assign(&self.consumer, &TopicPartitionList::new()).map_err(KafkaFault::Consumer);
        }
        let now = group::partition_counts(&self.consumer, &[&self.topic])?;
        self.check_count(self.partition_count, now.first().copied().unwrap_or_default())?;
        let numbers: Vec<i32> = partitions.iter().map(|(_, partition)| *partition).collect();
        let reader = StateReader::open(self.settings, &self.changelog, &numbers)?;
        for partition in numbers {
            self.tasks.open(partition);
            self.shared.board.set(partition, PartitionStatus { end: -1, committed: -1, ..PartitionStatus::default() });
        }
        let begun = Instant::now();
        self.take_over = Some(TakeOver { partitions, reader, progress: BTreeMap::new(), records: 0, begun });
        Ok(())
    }

    fn finish_take_over(&mut self, take_over: &TakeOver) -> Result<(), KafkaFault> {
        let TakeOver { partitions, progress, records, begun, .. } = take_over;
        tracing::info!(records, took = ?begun.elapsed(), partitions = partitions.len(), "state read");
        self.counts.state_restored += records;
        // Read while the group took the partitions away again, it would be older than what their owner committed since.
        match member_id(&self.consumer) {
            now if now == self.member => {}
            // It was put out meanwhile, and can only join again when what it was given is answered.
            None => {
                partitions.iter().for_each(|(_, partition)| self.tasks.close(*partition));
                partitions.iter().for_each(|(_, partition)| self.shared.board.remove(*partition));
                return group::assign(&self.consumer, &TopicPartitionList::new()).map_err(KafkaFault::Consumer);
            }
            Some(_) => return Err(KafkaFault::Forgotten { group: self.group.clone() }),
        }
        let contents = self.read_contents(progress)?;
        let mut starts = TopicPartitionList::with_capacity(partitions.len());
        for committed in group::committed(&self.consumer, partitions)? {
            self.shared.pulse.beat(self.number);
            let start = self.begin(&committed, progress.get(&committed.partition), &contents)?;
            starts.add_partition_offset(&self.topic, committed.partition, start).map_err(KafkaFault::Consumer)?;
        }
        group::assign(&self.consumer, &starts).map_err(KafkaFault::Consumer)
    }

    /// Begins a partition whose state is there; returns where to read.
    fn begin(
        &mut self,
        committed: &Committed,
        progress: Option<&Progress>,
        contents: &Contents,
    ) -> Result<Offset, KafkaFault> {
        let Committed { partition, offset, ref note, .. } = *committed;
        let note = Note::read(note);
        let built_on = progress.map(|progress| progress.partitions).or(note.as_ref().map(|note| note.partitions));
        self.check_count(built_on.unwrap_or(self.partition_count), self.partition_count)?;
        let (low, high) = group::ends(&self.consumer, &self.topic, partition)?;
        let follows = self.settings.delivery == Delivery::AtLeastOnce;
        let known = Known { progress, committed: offset, is_ours: note.is_some(), follows, low, high };
        let plan = plan(&known).map_err(|refusal| self.refused(refusal, partition, &known))?;
        let mut owned = Owned::new(plan, low, high, progress, offset);
        if let Some(progress) = progress {
            self.resume(&mut owned, partition, progress, contents)?;
        }
        self.open(partition, owned);
        Ok(plan.start.map_or(Offset::Beginning, Offset::Offset))
    }

    /// Goes on under the rulings of the former owner; the own one is turned to when the past is behind.
    fn resume(
        &mut self,
        owned: &mut Owned,
        partition: i32,
        progress: &Progress,
        contents: &Contents,
    ) -> Result<(), KafkaFault> {
        let resumed = self.tasks.resume(partition, progress, contents);
        if let Resumed::Other { changes } = resumed {
            let tail = progress.offset - progress.low_water;
            if !self.shared.accept_change {
                let (topic, group) = (self.topic.clone(), self.group.clone());
                return Err(KafkaFault::Changed { topic, partition, group, changes, epoch: progress.epoch, tail });
            }
            owned.epoch = progress.epoch.saturating_add(1);
            // Committed even if no record comes: else the next start would be asked again.
            owned.dirty = true;
            self.tasks.turn_early(partition, progress.low_water);
            owned.past = Past::AheadUnderAnother;
            tracing::warn!(partition, changes, tail, epoch = owned.epoch, "the past is run again under another ruling");
        }
        self.tasks.set_epoch(partition, owned.epoch);
        Ok(())
    }

    /// Reads the texts of rules that are wanted for the partitions. The topic is small: one text for every set of rules
    /// there ever was.
    fn read_contents(&self, progress: &BTreeMap<i32, Progress>) -> Result<Contents, KafkaFault> {
        let wanted = progress.iter().flat_map(|(partition, progress)| self.tasks.wanted(*partition, progress));
        let wanted: BTreeSet<String> = wanted.collect();
        if wanted.is_empty() {
            return Ok(Contents::new());
        }
        let count = group::partition_counts(&self.consumer, &[&self.tables])?.first().copied().unwrap_or_default();
        let partitions: Vec<i32> = (0..count).collect();
        let mut reader = StateReader::open(self.settings, &self.tables, &partitions)?;
        let mut contents = Contents::new();
        let until = Instant::now() + CONTENTS_WAIT;
        let mut done = false;
        while !done {
            self.shared.pulse.beat(self.number);
            if Instant::now() > until {
                return Err(KafkaFault::NoAnswer { question: "the texts of rules", source: KafkaError::Canceled });
            }
            done = reader.read(RESTORE_STEP, &mut |record| {
                let name = record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
                if wanted.contains(name) {
                    contents.insert(name.to_owned(), record.value.to_vec());
                }
                Ok(())
            })?;
        }
        Ok(contents)
    }

    fn open(&mut self, partition: i32, owned: Owned) {
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

    /// Lets go of partitions whose state is being read: the group takes them back, or is being left.
    pub(super) fn drop_take_over(&mut self) {
        for partition in self.take_over.take().iter().flat_map(TakeOver::partitions) {
            self.tasks.close(partition);
            self.shared.board.remove(partition);
        }
    }

    fn give_back(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), KafkaFault> {
        self.drop_take_over();
        if lost {
            self.counts.lost += partitions.len() as u64;
        } else {
            self.hand_over(partitions)?;
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

    fn check_count(&self, built_on: i32, now: i32) -> Result<(), KafkaFault> {
        if built_on == now {
            return Ok(());
        }
        Err(KafkaFault::PartitionCount { topic: self.topic.clone(), group: self.group.clone(), built_on, now })
    }

    fn refused(&self, refusal: Refusal, partition: i32, known: &Known<'_>) -> KafkaFault {
        let (topic, group) = (self.topic.clone(), self.group.clone());
        let Known { progress, committed, low, .. } = *known;
        match refusal {
            Refusal::OutOfRange(offset) => self.out_of_range(partition, offset, known.low, known.high),
            Refusal::Moved => KafkaFault::OffsetsMoved {
                topic,
                partition,
                group,
                committed: committed.map_or("none".to_owned(), |offset| offset.to_string()),
                state: progress.map_or(-1, |progress| progress.offset),
            },
            Refusal::StateGone => KafkaFault::StateGone {
                topic,
                partition,
                group,
                changelog: self.changelog.clone(),
                committed: committed.unwrap_or(-1),
            },
            Refusal::TailGone => KafkaFault::TailGone {
                topic,
                partition,
                group,
                low_water: progress.map_or(-1, |progress| progress.low_water),
                low,
            },
        }
    }

    pub(super) fn recreated(&self, record: &RecordView<'_>) -> KafkaFault {
        let (topic, group) = (self.topic.clone(), self.group.clone());
        KafkaFault::Recreated { topic, partition: record.partition, group, offset: record.offset }
    }

    fn out_of_range(&self, partition: i32, committed: i64, low: i64, high: i64) -> KafkaFault {
        KafkaFault::OutOfRange { topic: self.topic.clone(), partition, group: self.group.clone(), committed, low, high }
    }
}
