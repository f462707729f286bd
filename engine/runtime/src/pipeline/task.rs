//! A task: one input partition, its keys, and what became of its records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use frostwatch_detect::key::Verdict;
use frostwatch_detect::keys::{EXPECTED_MAX, Keys};
use frostwatch_detect::plans::{NoVersionLeft, Plans, VersionSet};
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{Millis, SECOND};
use frostwatch_wire::activity::decode::{Activity, decode, key_of};

use super::counters::{Counters, Hidden, Totals, hidden_by};
use super::ruling::{CurrentRuling, Ruling};
use super::{admit, render};
use crate::board::PartitionStatus;
use crate::checkpoint::{
    Account, Contents, Progress, Resumed, Room, RulingRecord, StateFault, StateRecord, TaskProgress, Turn,
};
use crate::ports::{Channel, InputRecord, OutputRecord, Tasks, Turned};

/// Stamps that can be reckoned with, milliseconds: 1970 to 9999, as event times have it.
const STAMPS: RangeInclusive<Millis> = 0..=253_402_300_799_999;

/// What all tasks share and nothing switches.
pub struct Shared {
    /// Epoch of tasks that were given none of their own; it stands in every output.
    pub epoch: u32,
    /// Where records come from, for the delivery part of alerts.
    pub origin: Origin,
    /// Version of the engine, for the same.
    pub build: &'static str,
    /// What became of the records of all tasks, brought up to date once a batch.
    pub totals: Mutex<Totals>,
}

/// Where records come from. Nothing but the delivery part of alerts depends on it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The activity topic; `None` for a file.
    pub topic: Option<String>,
    /// The time at which an alert is found; `None` for a replay, whose records are the same whenever it runs.
    pub clock: Option<fn() -> Millis>,
}

/// One input partition.
pub struct Task {
    shared: Arc<Shared>,
    ruling: Arc<Ruling>,
    plans: Plans,
    partition: i32,
    epoch: u32,
    keys: Keys,
    counters: Counters,
    hidden: Hidden,
    changes: Vec<Change>,
    newest_event: Millis,
    newest_stamp: Millis,
    /// What changes is remembered, to be written to the log of state.
    is_logged: bool,
    /// Which ruling holds from where on, since the first record that must be run again.
    turns: Vec<Turn>,
    /// Rulings that hold from later records on, which are run again.
    ahead: VecDeque<(i64, Arc<Ruling>)>,
    /// Texts of the rules of its rulings, by their hash.
    contents: BTreeMap<String, Arc<str>>,
}

impl Task {
    /// A task with no state.
    pub fn new(shared: Arc<Shared>, ruling: Arc<Ruling>, partition: i32) -> Self {
        Self {
            contents: [ruling.named_content()].into(),
            epoch: shared.epoch,
            shared,
            plans: Plans::new(Arc::clone(&ruling.plan)),
            ruling,
            partition,
            keys: Keys::default(),
            counters: Counters::default(),
            hidden: Hidden::new(),
            changes: Vec::new(),
            newest_event: -1,
            newest_stamp: Millis::MIN,
            is_logged: false,
            turns: Vec::new(),
            ahead: VecDeque::new(),
        }
    }

    /// The task, with what changes remembered for the log of state.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// Goes on as the progress of a former owner says. Keys that refer to a ruling whose rules are not at hand are run
    /// under the own one; records are not, unless that was chosen.
    fn resume(&mut self, progress: &Progress, contents: &Contents) -> Resumed {
        let TaskProgress { account, rulings, turns } = &progress.task;
        self.newest_event = account.newest_event;
        let own = Arc::clone(&self.ruling);
        let recalled: BTreeMap<u8, Option<Arc<Ruling>>> =
            rulings.iter().map(|record| (record.version, own.recalled(record, contents))).collect();
        let stands_for = |version: u8| Arc::clone(recalled.get(&version).and_then(Option::as_ref).unwrap_or(&own));
        let Some(first) = turns.first() else { return Resumed::Same };
        let plans = recalled.keys().map(|version| (*version, Arc::clone(&stands_for(*version).plan)));
        if let Some(plans) = Plans::restored(plans, first.version) {
            self.plans = plans;
        }
        self.contents.extend(recalled.values().flatten().map(|ruling| ruling.named_content()));
        self.ruling = stands_for(first.version);
        self.ahead = turns.iter().skip(1).map(|turn| (turn.offset, stands_for(turn.version))).collect();
        self.turns.clone_from(turns);
        // Under a turn at the end nothing was scored yet.
        let has_scored = |record: &&RulingRecord| {
            turns.iter().any(|turn| turn.version == record.version && turn.offset < progress.offset)
        };
        let is_lost = |record: &&RulingRecord| {
            recalled.get(&record.version).is_none_or(Option::is_none) || !own.scores_as(record)
        };
        let lost = rulings.iter().filter(has_scored).find(is_lost);
        match lost.filter(|_| progress.low_water < progress.offset) {
            Some(record) => {
                let changes = record.named.changes(&own.named());
                let unreadable = || "the text of its rules is not kept, or not readable by this program".to_owned();
                Resumed::Other { changes: if changes.is_empty() { unreadable() } else { changes } }
            }
            None => Resumed::Same,
        }
    }

    /// Turns to a ruling before the record at `position`, if another one holds.
    fn turn(&mut self, position: i64, ruling: &Arc<Ruling>) -> Result<bool, NoVersionLeft> {
        self.pass_turns(position);
        if Arc::ptr_eq(&self.ruling, ruling) || self.ruling.named() == ruling.named() {
            // The same by name, and the one whose places are at hand.
            self.ruling = Arc::clone(ruling);
            return Ok(false);
        }
        if self.turns.is_empty() {
            self.turns.push(Turn { offset: 0, version: self.plans.version() });
        }
        let version = self.switch(Arc::clone(ruling))?;
        self.turns.retain(|turn| turn.offset < position);
        self.turns.push(Turn { offset: position, version });
        Ok(true)
    }

    /// Passes the turns that lie before or at the record at `offset`.
    fn pass_turns(&mut self, offset: i64) {
        while let Some((_, ruling)) = self.ahead.pop_front_if(|(turn, _)| *turn <= offset) {
            // It was switched to before: its plan has a byte.
            let _known = self.switch(ruling);
        }
    }

    fn progress(&mut self, low_water: i64) -> (Vec<RulingRecord>, Vec<Turn>) {
        if self.turns.is_empty() {
            self.turns.push(Turn { offset: 0, version: self.plans.version() });
        }
        let holds = self.turns.iter().rposition(|turn| turn.offset <= low_water).unwrap_or(0);
        self.turns.drain(..holds);
        let rulings = self.plans.iter().map(|(version, plan)| Ruling::record(version, plan)).collect();
        (rulings, self.turns.clone())
    }

    /// Switches to another ruling: the records from here on arrive under it, and those before stay under theirs. Returns
    /// the byte that events and findings of the ruling carry. A refusal changes nothing.
    pub fn switch(&mut self, ruling: Arc<Ruling>) -> Result<u8, NoVersionLeft> {
        let (keys, before, is_logged) = (&self.keys, self.plans.clone(), self.is_logged);
        // What is written of keys may refer to plans to which what is in memory no longer does: there none is forgotten.
        let in_use = || if is_logged { VersionSet::ALL } else { keys.versions(&before) };
        let version = self.plans.switch(Arc::clone(&ruling.plan), in_use)?;
        self.contents.extend([ruling.named_content()]);
        self.ruling = ruling;
        Ok(version)
    }

    /// The plans that events and findings may refer to.
    pub const fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The ruling under which records arrive.
    pub const fn ruling(&self) -> &Arc<Ruling> {
        &self.ruling
    }

    /// Takes the next record and pushes what follows from it.
    pub fn record(&mut self, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        if !self.ahead.is_empty() {
            self.pass_turns(record.offset);
        }
        self.counters.received += 1;
        let activity = match decode(record.value) {
            Ok(activity) => activity,
            Err(reject) => return self.reject("unreadable", &reject.to_string(), record, out),
        };
        if let Some(stamp) = record.stamp.filter(|stamp| !STAMPS.contains(stamp)) {
            let message = format!("stamp: {stamp} ms is not a time between 1970 and 9999");
            return self.reject("stamp", &message, record, out);
        }
        if let Some(message) = self.ahead(&activity, record) {
            return self.reject("ahead_of_stamp", &message, record, out);
        }
        self.newest_stamp = self.newest_stamp.max(record.stamp.unwrap_or(Millis::MIN));
        let derived;
        let key = match record.key.map(std::str::from_utf8) {
            Some(Ok(key)) if key.contains('|') => key,
            Some(_) => {
                return self.reject("key", "key: not `instance|user` in UTF-8", record, out);
            }
            None => {
                derived = key_of(&activity);
                &derived
            }
        };
        self.score(&activity, key, record, out);
    }

    /// Takes the next records and pushes what follows from them: as one by one, but what is known of their keys is looked
    /// for together.
    pub fn records(&mut self, records: &[InputRecord<'_>], out: &mut Vec<OutputRecord>) {
        for chunk in records.chunks(EXPECTED_MAX) {
            self.expect(chunk);
            chunk.iter().for_each(|record| self.record(record, out));
        }
    }

    /// Says which records come next. What follows from them does not depend on it.
    fn expect(&self, records: &[InputRecord<'_>]) {
        self.keys.expect(records.iter().filter_map(|record| record.key.and_then(|key| std::str::from_utf8(key).ok())));
    }

    /// What became of the records so far.
    pub fn counters(&self) -> Counters {
        self.counters.with_keys(&self.keys)
    }

    /// Findings that exceptions hid so far.
    pub const fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// The keys.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Hash of the state at the stamp `now`: see [`Keys::state_hash`].
    pub fn state_hash(&self, now: Millis) -> u128 {
        self.keys.state_hash(&self.plans, now)
    }

    /// The newest stamp seen, [`Millis::MIN`] when none was.
    pub const fn newest_stamp(&self) -> Millis {
        self.newest_stamp
    }

    /// Time of the newest event seen, −1 when none was.
    pub const fn newest_event(&self) -> Millis {
        self.newest_event
    }

    fn score(&mut self, activity: &Activity<'_>, key: &str, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        let user = key.split_once('|').map_or(key, |(_, user)| user);
        let (event, dropped) = admit::admit(activity, user, record.stamp, &self.ruling, self.plans.version());
        self.counters.exceptions_dropped += u64::from(dropped);
        self.changes.clear();
        let verdict = if self.is_logged {
            self.keys.accept_logged(key, record.offset, &event, &self.plans, &mut self.changes)
        } else {
            Some(self.keys.accept(key, &event, &self.plans, &mut self.changes))
        };
        // A key that was restored from a record which has it in it.
        let Some(verdict) = verdict else { return self.counters.scored += 1 };
        self.counters.count(verdict);
        if let Verdict::Late(reason) = verdict {
            let message = format!("late: {}", reason.as_str());
            out.push(render::original(Channel::Late, reason.as_str(), &message, self.partition, record));
            return;
        }
        self.newest_event = self.newest_event.max(event.time);
        let (plans, partition) = (&self.plans, self.partition);
        let Shared { ref origin, build, .. } = *self.shared;
        let (event_time, epoch) = (activity.time, self.epoch);
        let found = render::Found { plans, key, partition, record, event_time, epoch, origin, build };
        for change in &self.changes {
            self.counters.count_change(change);
            if let Some(exception) = hidden_by(change)
                && let Some(rule) = plans.of(change.version).rule(change.rule)
            {
                *self.hidden.entry((rule.rule.id.as_str().into(), exception.into())).or_default() += 1;
            }
            out.extend(render::change(change, &found));
        }
    }

    /// Is the event further ahead of its stamp than clocks may be?
    fn ahead(&mut self, activity: &Activity<'_>, record: &InputRecord<'_>) -> Option<String> {
        let Some(stamp) = record.stamp else {
            self.counters.unstamped += 1;
            return None;
        };
        let skew = self.plans.current().lateness.skew;
        (activity.time - stamp > skew).then(|| {
            let ahead = (activity.time - stamp) / SECOND;
            format!("time: {ahead} s ahead of the record's stamp, at most {} s are allowed", skew / SECOND)
        })
    }

    fn reject(&mut self, code: &'static str, message: &str, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        self.counters.rejected += 1;
        out.push(render::original(Channel::Rejected, code, message, self.partition, record));
    }
}

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
    /// What exceptions hid and is not in the totals yet.
    hidden: Hidden,
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
            hidden: Hidden::new(),
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
        let wanted: BTreeSet<String> = rules.filter(|rules| *rules != task.ruling.plan.rules_hash).collect();
        wanted.into_iter().collect()
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
            Ok(true) => Turned::To { named: current.named() },
            Err(fault) if self.refused.as_ref().is_none_or(|refused| !Arc::ptr_eq(refused, &current)) => {
                self.refused = Some(current);
                Turned::Refused { why: fault.to_string() }
            }
            Ok(false) | Err(_) => Turned::No,
        }
    }

    fn turn_early(&mut self, partition: i32, first: i64) {
        let Some(task) = self.tasks.get_mut(&partition) else { return };
        task.ahead.clear();
        task.turns.retain(|turn| turn.offset <= first);
        // Where no byte is left it stays under what held before, as a turn later on does, and that one is told of.
        let _turned = task.turn(first, &self.current.get());
    }

    fn close(&mut self, partition: i32) {
        self.before.remove(&partition);
        if let (Some(task), Some(before)) = (self.tasks.remove(&partition), self.restored.remove(&partition)) {
            self.closed.add(&task.counters().since(&before));
            merge(&mut self.hidden, task.hidden);
        }
    }

    fn restored(&mut self, partition: i32) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.hidden.clear();
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
        task.keys.write(position, below, room, &mut |name, record| {
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

    fn content(&self, partition: i32, rules: &str) -> Option<Vec<u8>> {
        self.tasks.get(&partition)?.contents.get(rules).map(|text| text.as_bytes().to_vec())
    }

    fn batch_done(&mut self, _partition: i32) {
        let now = self.counters();
        let live = self.tasks.iter_mut().filter(|(partition, _)| self.restored.contains_key(partition));
        for (_, task) in live {
            merge(&mut self.hidden, std::mem::take(&mut task.hidden));
        }
        if let Ok(mut totals) = self.shared.totals.lock() {
            totals.counters.add(&now.since(&self.told));
            merge(&mut totals.hidden, std::mem::take(&mut self.hidden));
        }
        self.told = now;
    }

    fn describe(&self, partition: i32, status: &mut PartitionStatus) {
        if let Some(task) = self.tasks.get(&partition) {
            status.newest_event = task.newest_event();
            status.keys = task.keys().len() as u64;
        }
    }
}

fn merge(into: &mut Hidden, from: Hidden) {
    for (exception, count) in from {
        *into.entry(exception).or_default() += count;
    }
}
