//! The tasks of one worker, behind the port.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use frostwatch_detect::keys::{Room, StateFault};
use frostwatch_detect::lists::content::parts_of;

use super::aloud::{self, Aloud};
use super::counters::{Counters, Findings};
use super::ruling::{CurrentRuling, Ruling};
use super::task::{Shared, Task};
use crate::board::PartitionStatus;
use crate::checkpoint::{Account, Contents, Progress, Resumed, StateRecord, TaskProgress};
use crate::ports::{Channel, InputRecord, OutputRecord, Tasks, TooManySent, Turned};

/// The tasks of one worker.
pub struct TaskSet {
    shared: Arc<Shared>,
    /// What partitions that are opened begin under, and all turn to.
    current: Arc<CurrentRuling>,
    tasks: BTreeMap<i32, Task>,
    /// Partitions whose past is behind them, with what they had counted by then: it has been counted before.
    restored: BTreeMap<i32, Counters>,
    /// What partitions had counted before they were opened here.
    before: BTreeMap<i32, Counters>,
    closed: Counters,
    /// What of the counters is in the totals already.
    told: Counters,
    /// What the detectors said and is not in the totals yet.
    findings: Findings,
    /// The ruling that could not be turned to, so that it is told once.
    refused: Option<Arc<Ruling>>,
}

impl TaskSet {
    /// No partition yet.
    pub fn new(shared: Arc<Shared>, current: Arc<CurrentRuling>) -> Self {
        Self {
            shared,
            current,
            tasks: BTreeMap::new(),
            restored: BTreeMap::new(),
            before: BTreeMap::new(),
            closed: Counters::default(),
            told: Counters::default(),
            findings: Findings::default(),
            refused: None,
        }
    }

    /// What became of all records, of closed partitions too, but for those run again in silence.
    pub fn counters(&self) -> Counters {
        let mut sum = self.closed;
        let live = self.tasks.iter().filter_map(|(partition, task)| Some((task, self.restored.get(partition)?)));
        live.for_each(|(task, before)| sum.add(&task.counters().since(before)));
        sum
    }

    /// The open tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (i32, &Task)> {
        self.tasks.iter().map(|(partition, task)| (*partition, task))
    }
}

impl Tasks for TaskSet {
    fn open(&mut self, partition: i32) {
        self.tasks.insert(partition, Task::new(Arc::clone(&self.shared), self.current.get(), partition).logged());
    }

    fn restore(&mut self, partition: i32, key: &[u8], record: Option<&[u8]>) -> Result<(), StateFault> {
        let Some(task) = self.tasks.get_mut(&partition) else { return Ok(()) };
        let name = std::str::from_utf8(key).map_err(|_| StateFault::Broken("its key is not text"))?;
        task.keys.restore(name, record)
    }

    fn wanted(&self, partition: i32, progress: &Progress) -> Vec<String> {
        let Some(task) = self.tasks.get(&partition) else { return Vec::new() };
        let rules = progress.task.rulings.iter().map(|record| record.named.rules.clone());
        let lists = task.lists.missing(&progress.task.turns).map(|lists| lists.to_string());
        let wanted: BTreeSet<String> =
            rules.filter(|rules| *rules != task.ruling.plan.rules_hash).chain(lists).collect();
        wanted.into_iter().collect()
    }

    fn wanted_parts(&self, partition: i32, progress: &Progress, contents: &Contents) -> Vec<String> {
        let Some(task) = self.tasks.get(&partition) else { return Vec::new() };
        let missing = task.lists.missing(&progress.task.turns).map(|lists| lists.to_string());
        let manifests = missing.filter_map(|lists| contents.get(&lists));
        manifests.flat_map(|manifest| parts_of(manifest)).collect()
    }

    fn resume(&mut self, partition: i32, progress: &Progress, contents: &Contents) -> Resumed {
        let Some(task) = self.tasks.get_mut(&partition) else { return Resumed::Same };
        let mut before = Counters::default();
        progress.task.account.records.iter().for_each(|(name, count)| before.set(name, *count));
        self.before.insert(partition, before);
        task.resume(progress, contents)
    }

    fn set_epoch(&mut self, partition: i32, epoch: u32) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.epoch = epoch;
        }
    }

    fn turn(&mut self, partition: i32, position: i64) -> Turned {
        let Some(task) = self.tasks.get_mut(&partition) else { return Turned::No };
        let current = self.current.get();
        match task.turn(position, &current) {
            // That of the partition: it may keep a newer format of state than is asked for.
            Ok(true) => Turned::To { named: task.ruling.named() },
            Err(fault) if self.refused.as_ref().is_none_or(|refused| !Arc::ptr_eq(refused, &current)) => {
                self.refused = Some(current);
                Turned::Refused { why: fault.to_string() }
            }
            Ok(false) | Err(_) => Turned::No,
        }
    }

    fn turn_early(&mut self, partition: i32, first: i64) -> Turned {
        let Some(task) = self.tasks.get_mut(&partition) else { return Turned::No };
        task.ahead.clear();
        task.turns.retain(|turn| turn.offset <= first);
        let current = self.current.get();
        match task.turn(first, &current) {
            Ok(true) => Turned::To { named: task.ruling.named() },
            Ok(false) => Turned::No,
            Err(fault) => Turned::Refused { why: fault.to_string() },
        }
    }

    fn aloud(&mut self, partition: i32, span: Range<i64>) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.aloud = Some(Aloud::new(span, aloud::SENT_BEFORE_MAX));
        }
    }

    fn sent_before(&mut self, channel: Channel, key: &[u8], value: &[u8]) -> Result<(), TooManySent> {
        let origin = &self.shared.origin;
        // What names no group was sent by a program that did not write it.
        let is_ours = |place: &aloud::Place| {
            place.topic == origin.topic && (place.group.is_none() || place.group == origin.group)
        };
        let place = aloud::place_of(value).filter(is_ours);
        let task = place.and_then(|place| Some((self.tasks.get_mut(&place.partition)?, place.offset)));
        task.map_or(Ok(()), |(task, offset)| task.sent_before(channel, key, offset, value))
    }

    fn settle(&mut self, partition: i32, out: &mut Vec<OutputRecord>) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.settle(out);
        }
    }

    fn close(&mut self, partition: i32) {
        self.before.remove(&partition);
        if let (Some(mut task), Some(before)) = (self.tasks.remove(&partition), self.restored.remove(&partition)) {
            self.closed.add(&task.counters().since(&before));
            self.findings.take(&mut task.findings);
        }
    }

    fn restored(&mut self, partition: i32) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.findings = Findings::default();
            self.restored.insert(partition, task.counters());
        }
    }

    fn expect(&self, partition: i32, records: &[InputRecord<'_>]) {
        self.tasks.get(&partition).into_iter().for_each(|task| task.expect(records));
    }

    fn record(&mut self, partition: i32, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.record(record, out);
        }
    }

    fn checkpoint(&mut self, partition: i32, position: i64, below: i64, room: Room, out: &mut Vec<StateRecord>) -> i64 {
        let Some(task) = self.tasks.get_mut(&partition) else { return position };
        let format = task.plans().current().state_format();
        let below = below.max(task.due_below());
        task.keys.write(format, position, below, room, &mut |name, record| {
            let (key, value) = (name.as_bytes().to_vec(), record.map(<[u8]>::to_vec));
            out.push(StateRecord { partition, key, value });
        });
        task.keys.low_water(position)
    }

    fn progress(&mut self, partition: i32, low_water: i64) -> TaskProgress {
        let Some(task) = self.tasks.get_mut(&partition) else { return TaskProgress::default() };
        let (rulings, turns) = task.progress(low_water);
        let mut counters = self.before.get(&partition).copied().unwrap_or_default();
        if let Some(before) = self.restored.get(&partition) {
            counters.add(&task.counters().since(before));
        }
        let counted = counters.named().filter(|(_, count)| *count > 0);
        let records = counted.map(|(name, count)| (name.to_owned(), count)).collect();
        TaskProgress { account: Account { records, newest_event: task.newest_event }, rulings, turns }
    }

    fn content(&self, partition: i32, name: &str) -> Option<Vec<u8>> {
        let task = self.tasks.get(&partition)?;
        let rules = task.contents.get(name).map(|text| text.as_bytes());
        rules.or_else(|| task.lists.content(name)).map(<[u8]>::to_vec)
    }

    fn parts(&self, partition: i32, lists: &str) -> Vec<String> {
        self.tasks.get(&partition).map(|task| task.lists.parts(lists)).unwrap_or_default()
    }

    fn batch_done(&mut self, _partition: i32) {
        let now = self.counters();
        let live = self.tasks.iter_mut().filter(|(partition, _)| self.restored.contains_key(partition));
        for (_, task) in live {
            self.findings.take(&mut task.findings);
        }
        if let Ok(mut totals) = self.shared.totals.lock() {
            totals.counters.add(&now.since(&self.told));
            totals.findings.take(&mut self.findings);
        }
        self.told = now;
    }

    fn describe(&self, partition: i32, status: &mut PartitionStatus) {
        if let Some(task) = self.tasks.get(&partition) {
            status.newest_event = task.newest_event();
            status.keys = task.keys().len() as u64;
            status.packed_bytes = task.keys().packed_bytes() as u64;
        }
    }
}
