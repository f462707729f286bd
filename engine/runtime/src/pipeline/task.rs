//! A task: one input partition, its keys, and what became of its records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use frostwatch_detect::key::{LateReason, Verdict};
use frostwatch_detect::keys::Keys;
use frostwatch_detect::place::Locate;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::sent::{Change, ChangeKind};
use frostwatch_detect::time::{Millis, SECOND};
use frostwatch_rulebook::CompiledRules;
use frostwatch_wire::activity::decode::{Activity, decode, key_of};

use super::{admit, render};
use crate::board::PartitionStatus;
use crate::ports::{Channel, InputRecord, OutputRecord, Tasks};

/// What all tasks share and none changes.
pub struct Shared {
    /// Rules and limits.
    pub plan: Plan,
    /// Scopes and exceptions of the same rules.
    pub rules: CompiledRules,
    /// Where addresses are.
    pub locate: Arc<dyn Locate>,
    /// Stands in every output.
    pub epoch: u32,
    /// Version of the engine, for the delivery part of alerts.
    pub build: &'static str,
    /// What became of the records of all tasks, brought up to date once a batch.
    pub totals: Mutex<Counters>,
}

/// What became of records. `received` is the sum of `scored`, `duplicates`, `late`, `over_cap` and `rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records taken in.
    pub received: u64,
    /// Seen by the detectors.
    pub scored: u64,
    /// Copies of records that were there already.
    pub duplicates: u64,
    /// Among them copies whose content differs.
    pub conflicts: u64,
    /// Behind their key's horizon.
    pub late: u64,
    /// Behind the horizon because their key is over its cap.
    pub over_cap: u64,
    /// Not readable, or ahead of their stamp.
    pub rejected: u64,
    /// Records without a stamp, over which the skew limit was not applied.
    pub unstamped: u64,
    /// Exceptions of events that found no place: more than four rules excepted the same event.
    pub exceptions_dropped: u64,
    /// Alerts opened.
    pub opened: u64,
    /// Alerts brought up to date.
    pub updated: u64,
    /// Alerts and suppressed findings taken back.
    pub retracted: u64,
    /// Suppressed findings, new or brought up to date.
    pub suppressed: u64,
}

impl Counters {
    /// Adds another task's counters.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.all_mut().into_iter().zip(other.all()) {
            *mine += theirs;
        }
    }

    /// What has come since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = *self;
        for (mine, theirs) in rest.all_mut().into_iter().zip(earlier.all()) {
            *mine -= theirs;
        }
        rest
    }

    /// Every counter with its name in metrics.
    pub const fn named(&self) -> [(&'static str, u64); 13] {
        [
            ("received", self.received),
            ("scored", self.scored),
            ("duplicate", self.duplicates),
            ("conflict", self.conflicts),
            ("late", self.late),
            ("over_cap", self.over_cap),
            ("rejected", self.rejected),
            ("unstamped", self.unstamped),
            ("exceptions_dropped", self.exceptions_dropped),
            ("opened", self.opened),
            ("updated", self.updated),
            ("retracted", self.retracted),
            ("suppressed", self.suppressed),
        ]
    }

    fn all(&self) -> [u64; 13] {
        self.named().map(|(_, value)| value)
    }

    const fn all_mut(&mut self) -> [&mut u64; 13] {
        [
            &mut self.received,
            &mut self.scored,
            &mut self.duplicates,
            &mut self.conflicts,
            &mut self.late,
            &mut self.over_cap,
            &mut self.rejected,
            &mut self.unstamped,
            &mut self.exceptions_dropped,
            &mut self.opened,
            &mut self.updated,
            &mut self.retracted,
            &mut self.suppressed,
        ]
    }

    /// Nothing was lost: every record received is counted once.
    pub const fn is_conserved(&self) -> bool {
        self.received == self.scored + self.duplicates + self.late + self.over_cap + self.rejected
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Scored => self.scored += 1,
            Verdict::Duplicate => self.duplicates += 1,
            Verdict::Conflict => {
                self.duplicates += 1;
                self.conflicts += 1;
            }
            Verdict::Late(LateReason::OverCap) => self.over_cap += 1,
            Verdict::Late(_) => self.late += 1,
        }
    }

    fn count_change(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Opened => self.opened += 1,
            ChangeKind::Updated => self.updated += 1,
            ChangeKind::Retracted => self.retracted += 1,
            ChangeKind::Suppressed => self.suppressed += 1,
        }
    }
}

/// One input partition.
pub struct Task {
    shared: Arc<Shared>,
    partition: i32,
    keys: Keys,
    counters: Counters,
    changes: Vec<Change>,
    newest_event: Millis,
}

impl Task {
    /// A task with no state.
    pub fn new(shared: Arc<Shared>, partition: i32) -> Self {
        Self {
            shared,
            partition,
            keys: Keys::default(),
            counters: Counters::default(),
            changes: Vec::new(),
            newest_event: -1,
        }
    }

    /// Takes the next record and pushes what follows from it.
    pub fn record(&mut self, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        self.counters.received += 1;
        let activity = match decode(record.value) {
            Ok(activity) => activity,
            Err(reject) => return self.reject("unreadable", reject.to_string(), record, out),
        };
        if let Some(message) = self.ahead(&activity, record) {
            return self.reject("ahead_of_stamp", message, record, out);
        }
        let derived;
        let key = match record.key.map(std::str::from_utf8) {
            Some(Ok(key)) if key.contains('|') => key,
            Some(_) => {
                let message = "key: not `instance|user` in UTF-8".to_owned();
                return self.reject("key", message, record, out);
            }
            None => {
                derived = key_of(&activity);
                &derived
            }
        };
        self.score(&activity, key, record, out);
    }

    /// What became of the records so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The keys.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Hash of the state: see [`Keys::state_hash`].
    pub fn state_hash(&self) -> u128 {
        self.keys.state_hash(&self.shared.plan)
    }

    /// Time of the newest event seen, −1 when none was.
    pub const fn newest_event(&self) -> Millis {
        self.newest_event
    }

    fn score(&mut self, activity: &Activity<'_>, key: &str, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        let shared = Arc::clone(&self.shared);
        let user = key.split_once('|').map_or(key, |(_, user)| user);
        let (event, dropped) =
            admit::admit(activity, user, record.stamp, &shared.plan, &shared.rules, shared.locate.as_ref());
        self.counters.exceptions_dropped += u64::from(dropped);
        self.changes.clear();
        let verdict = self.keys.accept(key, &event, &shared.plan, &mut self.changes);
        self.counters.count(verdict);
        if let Verdict::Late(reason) = verdict {
            let message = format!("late: {}", reason.as_str());
            out.push(render::original(Channel::Late, reason.as_str(), message, self.partition, record));
            return;
        }
        self.newest_event = self.newest_event.max(event.time);
        let (plan, partition) = (&shared.plan, self.partition);
        let found = render::Found { plan, key, partition, record, epoch: shared.epoch, build: shared.build };
        for change in &self.changes {
            self.counters.count_change(change);
            out.extend(render::change(change, &found));
        }
    }

    /// Is the event further ahead of its stamp than clocks may be?
    fn ahead(&mut self, activity: &Activity<'_>, record: &InputRecord<'_>) -> Option<String> {
        let Some(stamp) = record.stamp else {
            self.counters.unstamped += 1;
            return None;
        };
        let skew = self.shared.plan.lateness.skew;
        (activity.time - stamp > skew).then(|| {
            let ahead = (activity.time - stamp) / SECOND;
            format!("time: {ahead} s ahead of the record's stamp, at most {} s are allowed", skew / SECOND)
        })
    }

    fn reject(&mut self, code: &'static str, message: String, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        self.counters.rejected += 1;
        out.push(render::original(Channel::Rejected, code, message, self.partition, record));
    }
}

/// The tasks of one worker.
pub struct TaskSet {
    shared: Arc<Shared>,
    tasks: BTreeMap<i32, Task>,
    closed: Counters,
    /// What of the counters is in the totals already.
    told: Counters,
}

impl TaskSet {
    /// No partition yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: BTreeMap::new(), closed: Counters::default(), told: Counters::default() }
    }

    /// What became of all records, of closed partitions too.
    pub fn counters(&self) -> Counters {
        let mut sum = self.closed;
        self.tasks.values().for_each(|task| sum.add(task.counters()));
        sum
    }

    /// The open tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (i32, &Task)> {
        self.tasks.iter().map(|(partition, task)| (*partition, task))
    }
}

impl Tasks for TaskSet {
    fn open(&mut self, partition: i32) {
        self.tasks.insert(partition, Task::new(Arc::clone(&self.shared), partition));
    }

    fn close(&mut self, partition: i32) {
        if let Some(task) = self.tasks.remove(&partition) {
            self.closed.add(task.counters());
        }
    }

    fn record(&mut self, partition: i32, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.record(record, out);
        }
    }

    fn batch_done(&mut self, _partition: i32) {
        let now = self.counters();
        if let Ok(mut totals) = self.shared.totals.lock() {
            totals.add(&now.since(&self.told));
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
