//! Taking partitions: their state is read while the partitions that are held go on, and when it is there they begin. The
//! client waits that long with its next rebalance.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use frostwatch_runtime::board::PartitionStatus;
use frostwatch_runtime::checkpoint::{Contents, PROGRESS_KEY, Progress, Resumed, is_turn_key};
use frostwatch_runtime::ports::{Tasks, Turned};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::Worker;
use super::assignment::{Owned, Past};
use super::plan::{Known, Refusal, plan};
use crate::changelog::{StateReader, find_contents};
use crate::client::TopicPartition;
use crate::fault::KafkaFault;
use crate::fetch::member_id;
use crate::group::{self, Committed};
use crate::note::Note;
use crate::settings::Delivery;

/// How long state is read between two batches of the partitions that are held.
pub(super) const RESTORE_STEP: Duration = Duration::from_millis(50);
/// How long no text of rules and lists may come while they are read.
const CONTENTS_WAIT: Duration = Duration::from_mins(1);
/// How often state is read before it is taken for what there is, though the group's offset is beyond it.
const READINGS_MAX: u32 = 5;

/// Partitions whose state is being read.
pub(super) struct TakeOver {
    partitions: Vec<TopicPartition>,
    reader: StateReader,
    progress: BTreeMap<i32, Progress>,
    records: u64,
    begun: Instant,
    /// Which reading this is, from 1.
    readings: u32,
}

impl TakeOver {
    /// The partitions.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.partitions.iter().map(|(_, partition)| *partition)
    }
}

/// A partition whose state is there.
struct Begun {
    partition: i32,
    owned: Owned,
    /// Where to read.
    start: Offset,
}

/// Why a partition does not begin.
enum Unbegun {
    /// What was read of its state is older than the group's offset, which is the engine's own: the former owner's last commit
    /// ended after it was read.
    ReadTooEarly,
    /// There is no use in reading again.
    Fault(KafkaFault),
}

impl From<KafkaFault> for Unbegun {
    fn from(fault: KafkaFault) -> Self {
        Self::Fault(fault)
    }
}

impl<T: Tasks> Worker<'_, T> {
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
            return self.finish_take_over(take_over);
        }
        self.take_over = Some(take_over);
        Ok(())
    }

    pub(super) fn begin_take_over(&mut self, partitions: Vec<TopicPartition>) -> Result<(), KafkaFault> {
        if partitions.is_empty() {
            return group::assign(&self.consumer, &TopicPartitionList::new()).map_err(KafkaFault::Consumer);
        }
        let now = group::partition_counts(&self.consumer, &[&self.topic])?;
        self.check_count(self.partition_count, now.first().copied().unwrap_or_default())?;
        self.read_state(partitions, 1)
    }

    fn read_state(&mut self, partitions: Vec<TopicPartition>, readings: u32) -> Result<(), KafkaFault> {
        let numbers: Vec<i32> = partitions.iter().map(|(_, partition)| *partition).collect();
        let reader = StateReader::open(self.settings, &self.changelog, &numbers)?;
        for partition in numbers {
            self.tasks.open(partition);
            self.shared.board.set(partition, PartitionStatus { end: -1, committed: -1, ..PartitionStatus::default() });
        }
        let (progress, begun) = (BTreeMap::new(), Instant::now());
        self.take_over = Some(TakeOver { partitions, reader, progress, records: 0, begun, readings });
        Ok(())
    }

    fn finish_take_over(&mut self, take_over: TakeOver) -> Result<(), KafkaFault> {
        let TakeOver { ref partitions, ref progress, records, begun, readings, .. } = take_over;
        tracing::info!(records, took = ?begun.elapsed(), partitions = partitions.len(), readings, "state read");
        self.counts.state_restored += records;
        // Read while the group took the partitions away again, it would be older than what their owner committed since.
        if !self.is_same_member()? {
            return self.decline(Some(take_over));
        }
        let (since, contents) = (begun, self.wanted_contents(progress)?);
        let mut begun = Vec::with_capacity(partitions.len());
        for committed in group::committed(&self.consumer, partitions)? {
            self.shared.pulse.beat(self.number);
            match self.begin(&committed, progress.get(&committed.partition), &contents, readings) {
                Ok(one) => begun.push(one),
                Err(Unbegun::Fault(fault)) => return Err(fault),
                Err(Unbegun::ReadTooEarly) => {
                    tracing::warn!(
                        partition = committed.partition,
                        readings,
                        "state is older than offsets: read again"
                    );
                    take_over.partitions().for_each(|partition| self.tasks.close(partition));
                    return self.read_state(take_over.partitions, readings + 1);
                }
            }
        }
        let aloud = |one: &Begun| Some((one.partition, one.owned.aloud.as_ref()?.span()));
        if !self.read_back(begun.iter().filter_map(aloud).collect())? || !self.is_same_member()? {
            return self.decline(Some(take_over));
        }
        let mut starts = TopicPartitionList::with_capacity(begun.len());
        for Begun { partition, mut owned, start } in begun {
            owned.awaited = Some(since);
            self.open(partition, owned);
            starts.add_partition_offset(&self.topic, partition, start).map_err(KafkaFault::Consumer)?;
        }
        group::assign(&self.consumer, &starts).map_err(KafkaFault::Consumer)?;
        Ok(())
    }

    /// Does the group know the member as the one to whom it gave the partitions? `false`: it was put out meanwhile.
    fn is_same_member(&self) -> Result<bool, KafkaFault> {
        match member_id(&self.consumer) {
            now if now == self.member => Ok(true),
            None => Ok(false),
            Some(_) => Err(KafkaFault::Forgotten { group: self.group.clone() }),
        }
    }

    /// Begins a partition whose state is there.
    fn begin(
        &mut self,
        committed: &Committed,
        progress: Option<&Progress>,
        contents: &Contents,
        readings: u32,
    ) -> Result<Begun, Unbegun> {
        let Committed { partition, offset, ref note, .. } = *committed;
        let note = Note::read(note);
        let built_on = progress.map(|progress| progress.partitions).or(note.as_ref().map(|note| note.partitions));
        self.check_count(built_on.unwrap_or(self.partition_count), self.partition_count)?;
        let (low, high) = group::ends(&self.consumer, &self.topic, partition)?;
        let follows = self.settings.delivery == Delivery::AtLeastOnce;
        let known = Known { progress, committed: offset, is_ours: note.is_some(), follows, low, high };
        let plan = match plan(&known) {
            Ok(plan) => plan,
            Err(Refusal::StateBehind | Refusal::StateGone) if readings < READINGS_MAX => {
                return Err(Unbegun::ReadTooEarly);
            }
            Err(refusal) => return Err(self.refused(refusal, partition, &known).into()),
        };
        let mut owned = Owned::new(plan, low, high, progress, offset);
        if let Some(progress) = progress {
            self.resume(&mut owned, partition, progress, contents)?;
        }
        Ok(Begun { partition, owned, start: plan.start.map_or(Offset::Beginning, Offset::Offset) })
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
        if let Resumed::NoRoom { why } = resumed {
            let (topic, group) = (self.topic.clone(), self.group.clone());
            return Err(KafkaFault::NoRoom { topic, partition, group, why });
        }
        if let Resumed::Other { changes } = resumed {
            let tail = progress.offset - progress.low_water;
            if !self.shared.accept_change {
                let (topic, group) = (self.topic.clone(), self.group.clone());
                return Err(KafkaFault::Changed { topic, partition, group, changes, epoch: progress.epoch, tail });
            }
            if let Turned::Refused { why } = self.tasks.turn_early(partition, progress.low_water) {
                let (topic, group) = (self.topic.clone(), self.group.clone());
                return Err(KafkaFault::NotTurned { topic, partition, group, why });
            }
            owned.run_aloud(progress);
            owned.past = Past::AheadUnderAnother;
            tracing::warn!(
                partition,
                changes,
                tail,
                epoch = owned.epoch,
                "the past is run again aloud, under another ruling"
            );
        } else if progress.unsettled {
            owned.run_aloud(progress);
            tracing::warn!(partition, epoch = owned.epoch, "the past is run again aloud: that was broken off before");
        }
        if let Some(aloud) = &owned.aloud {
            self.tasks.aloud(partition, aloud.span());
        }
        self.tasks.set_epoch(partition, owned.epoch);
        Ok(())
    }

    /// Reads the texts of rules and lists that are wanted for the partitions: the manifests of lists name their parts.
    fn wanted_contents(&self, progress: &BTreeMap<i32, Progress>) -> Result<Contents, KafkaFault> {
        let wanted = progress.iter().flat_map(|(partition, progress)| self.tasks.wanted(*partition, progress));
        let mut contents = self.contents(&wanted.collect())?;
        let parts = |(partition, progress): (&i32, &Progress)| self.tasks.wanted_parts(*partition, progress, &contents);
        let parts: BTreeSet<String> = progress.iter().flat_map(parts).collect();
        contents.extend(self.contents(&parts)?);
        Ok(contents)
    }

    fn contents(&self, wanted: &BTreeSet<String>) -> Result<Contents, KafkaFault> {
        if wanted.is_empty() {
            return Ok(Contents::new());
        }
        // What is read, and since when nothing is.
        let since = Cell::new((0, Instant::now()));
        find_contents(self.settings, &self.consumer, wanted, |read| {
            self.shared.pulse.beat(self.number);
            let (before, at) = since.get();
            if read != before {
                since.set((read, Instant::now()));
            } else if at.elapsed() > CONTENTS_WAIT {
                let question = "the texts of rules and lists";
                return Err(KafkaFault::NoAnswer { question, source: KafkaError::Canceled });
            }
            Ok(())
        })
    }

    /// Lets go of partitions whose state is being read: the group takes them back.
    pub(super) fn drop_take_over(&mut self) {
        let take_over = self.take_over.take();
        self.forget(take_over.as_ref());
    }

    /// Lets go of them and answers the group, which had given them. Unanswered, the client would wait for the answer, give
    /// nothing back, and not join again.
    pub(super) fn decline_take_over(&mut self) -> Result<(), KafkaFault> {
        let take_over = self.take_over.take();
        self.decline(take_over)
    }

    fn decline(&mut self, take_over: Option<TakeOver>) -> Result<(), KafkaFault> {
        let Some(take_over) = take_over else { return Ok(()) };
        self.forget(Some(&take_over));
        group::assign(&self.consumer, &TopicPartitionList::new()).map_err(KafkaFault::Consumer)
    }

    fn forget(&mut self, take_over: Option<&TakeOver>) {
        for partition in take_over.into_iter().flat_map(TakeOver::partitions) {
            self.tasks.close(partition);
            self.shared.board.remove(partition);
        }
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
        let state = progress.map_or(-1, |progress| progress.offset);
        match refusal {
            Refusal::OutOfRange(offset) => self.out_of_range(partition, offset, known.low, known.high),
            Refusal::StateBehind => {
                KafkaFault::StateBehind { topic, partition, group, committed: committed.unwrap_or(-1), state }
            }
            Refusal::Moved => KafkaFault::OffsetsMoved {
                topic,
                partition,
                group,
                committed: committed.map_or("none".to_owned(), |offset| offset.to_string()),
                state,
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
}
