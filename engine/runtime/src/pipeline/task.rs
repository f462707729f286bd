//! A task: one input partition, its keys, and what became of its records.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use frostwatch_detect::context::Subject;
use frostwatch_detect::entity::Per;
use frostwatch_detect::key::Verdict;
use frostwatch_detect::keys::{EXPECTED_MAX, Keys};
use frostwatch_detect::plans::{NoVersionLeft, Plans, VersionSet};
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{Millis, SECOND, rfc3339};
use frostwatch_wire::activity::decode::{Activity, decode, key_of};
use frostwatch_wire::alert::Delivery;

use super::admit::Admitted;
use super::aloud::{Aloud, Marks};
use super::copies::Source;
use super::counters::{Counters, Findings, Totals};
use super::known_lists::{HeldLists, KnownLists};
use super::ruling::Ruling;
use super::{admit, copies, render};
use crate::checkpoint::{Contents, Progress, Resumed, RulingRecord, TaskProgress, Turn};
use crate::ports::{Channel, InputRecord, OutputRecord, TooManySent};

const UNREADABLE: &str = "unreadable";
const STAMP: &str = "stamp";
const AHEAD_OF_STAMP: &str = "ahead_of_stamp";
const KEY: &str = "key";

/// Why a record may not be scored: the codes under which it is kept.
pub const REJECTIONS: [&str; 4] = [UNREADABLE, STAMP, AHEAD_OF_STAMP, KEY];

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
    /// Lists that some task has, so that what many partitions recall is laid out once.
    pub(super) lists: HeldLists,
}

impl Shared {
    /// What tasks of an epoch share, from where their records come and for whom: see the fields.
    pub fn new(epoch: u32, origin: Origin, build: &'static str) -> Self {
        Self { epoch, origin, build, totals: Mutex::default(), lists: HeldLists::default() }
    }
}

/// Where records come from. Nothing but the delivery part of alerts depends on it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The engine's consumer group; `None` for a replay.
    pub group: Option<String>,
    /// The activity topic; `None` for a file.
    pub topic: Option<String>,
    /// The time at which an alert is found; `None` for a replay, whose records are the same whenever it runs.
    pub clock: Option<fn() -> Millis>,
}

/// Turns of a partition that are kept before what changed under the first of them is due to be written.
const TURNS_KEPT_MAX: usize = 32;

/// One input partition.
pub struct Task {
    shared: Arc<Shared>,
    pub(super) ruling: Arc<Ruling>,
    plans: Plans,
    partition: i32,
    pub(super) epoch: u32,
    pub(super) keys: Keys,
    counters: Counters,
    pub(super) findings: Findings,
    changes: Vec<Change>,
    pub(super) newest_event: Millis,
    newest_stamp: Millis,
    /// What changes is remembered, to be written to the log of state.
    is_logged: bool,
    /// Which ruling holds from where on, since the first record that must be run again.
    pub(super) turns: Vec<Turn>,
    /// Rulings that hold from later records on, which are run again.
    pub(super) ahead: VecDeque<(i64, Arc<Ruling>)>,
    /// Texts of the rules of its rulings, by their hash.
    pub(super) contents: BTreeMap<String, Arc<str>>,
    /// The lists of its turns and of the present ruling.
    pub(super) lists: KnownLists,
    /// What is run again aloud.
    pub(super) aloud: Option<Aloud>,
}

impl Task {
    /// A task with no state.
    pub fn new(shared: Arc<Shared>, ruling: Arc<Ruling>, partition: i32) -> Self {
        Self {
            contents: [ruling.named_content()].into(),
            lists: KnownLists::of(&ruling, &shared.lists),
            epoch: shared.epoch,
            shared,
            plans: Plans::new(Arc::clone(&ruling.plan)),
            ruling,
            partition,
            keys: Keys::default(),
            counters: Counters::default(),
            findings: Findings::default(),
            changes: Vec::new(),
            newest_event: -1,
            newest_stamp: Millis::MIN,
            is_logged: false,
            turns: Vec::new(),
            ahead: VecDeque::new(),
            aloud: None,
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
    pub(super) fn resume(&mut self, progress: &Progress, contents: &Contents) -> Resumed {
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
        self.lists.recall(turns, contents, &self.shared.lists);
        let known = &self.lists;
        let turned = |turn: &Turn| stands_for(turn.version).recalled_with(known.get(turn.lists));
        self.ruling = turned(first);
        self.ahead = turns.iter().skip(1).map(|turn| (turn.offset, turned(turn))).collect();
        self.turns.clone_from(turns);
        let is_lost = |turn: &&Turn| {
            let record = progress.task.ruling_of(turn.version);
            recalled.get(&turn.version).is_none_or(Option::is_none)
                || record.is_none_or(|record| !own.scores_as(record))
                || !turn.lists.is_none() && known.get(turn.lists).is_none()
        };
        // Under a turn at the end nothing was scored yet.
        let lost = turns.iter().filter(|turn| turn.offset < progress.offset).find(is_lost);
        match lost.filter(|_| progress.low_water < progress.offset) {
            Some(turn) if let Some(why) = self.lists.refused(turn.lists) => Resumed::NoRoom { why: why.to_owned() },
            Some(turn) => {
                let named = progress.task.named_at(*turn);
                let changes = named.map(|named| named.changes(&own.named())).unwrap_or_default();
                let unreadable =
                    || "the text of its rules or lists is not kept, or not readable by this program".to_owned();
                Resumed::Other { changes: if changes.is_empty() { unreadable() } else { changes } }
            }
            None => Resumed::Same,
        }
    }

    /// Turns to a ruling before the record at `position`, if another one holds. A format of state that was used once is not
    /// left for an older one, which has no room for what is remembered by now.
    pub(super) fn turn(&mut self, position: i64, ruling: &Arc<Ruling>) -> Result<bool, NoVersionLeft> {
        self.pass_turns(position);
        // Lists that are not at hand any more are missing from the ruling, and leaving them is a switch.
        let is_whole = self.turns.last().is_none_or(|turn| turn.lists == self.ruling.lists_digest());
        if is_whole && Arc::ptr_eq(&self.ruling, ruling) {
            return Ok(false);
        }
        let state_format = self.ruling.plan.state_format().max(ruling.plan.state_format());
        let is_in_format = state_format == ruling.plan.state_format();
        if is_whole && self.ruling.named() == ruling.named_in(state_format) {
            // The same by name, and the one whose places are at hand.
            if is_in_format {
                self.ruling = Arc::clone(ruling);
            }
            return Ok(false);
        }
        let raise = || Arc::new(Ruling::clone(ruling).with_state_format(state_format));
        let kept = if is_in_format { Arc::clone(ruling) } else { raise() };
        if self.turns.is_empty() {
            self.turns.push(self.turn_at(0));
        }
        self.switch(kept)?;
        self.turns.retain(|turn| turn.offset < position);
        self.turns.push(self.turn_at(position));
        Ok(true)
    }

    /// The turn to the present ruling from an offset on.
    fn turn_at(&self, offset: i64) -> Turn {
        Turn { offset, version: self.plans.version(), lists: self.ruling.lists_digest() }
    }

    /// Passes the turns that lie before or at the record at `offset`.
    fn pass_turns(&mut self, offset: i64) {
        while let Some((_, ruling)) = self.ahead.pop_front_if(|(turn, _)| *turn <= offset) {
            // It was switched to before: its plan has a byte.
            let _known = self.switch(ruling);
        }
    }

    /// Keys that changed before this offset are due to be written, however lately they changed: every turn since the first
    /// record that must be run again is kept with its lists, and where few records come those of lists would pile up.
    pub(super) fn due_below(&self) -> i64 {
        let first_kept = self.turns.len().checked_sub(TURNS_KEPT_MAX).and_then(|index| self.turns.get(index));
        first_kept.map_or(i64::MIN, |turn| turn.offset)
    }

    pub(super) fn progress(&mut self, low_water: i64) -> (Vec<RulingRecord>, Vec<Turn>) {
        if self.turns.is_empty() {
            self.turns.push(self.turn_at(0));
        }
        let holds = self.turns.iter().rposition(|turn| turn.offset <= low_water).unwrap_or(0);
        self.turns.drain(..holds);
        self.lists.keep_only(&self.turns, &self.ruling);
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
        self.lists.add(&ruling, &self.shared.lists);
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
            Err(reject) => return self.reject(UNREADABLE, &reject.to_string(), record, out),
        };
        if let Some(stamp) = record.stamp.filter(|stamp| !STAMPS.contains(stamp)) {
            let message = format!("stamp: {stamp} ms is not a time between 1970 and 9999");
            return self.reject(STAMP, &message, record, out);
        }
        if let Some(message) = self.ahead(&activity, record) {
            return self.reject(AHEAD_OF_STAMP, &message, record, out);
        }
        self.newest_stamp = self.newest_stamp.max(record.stamp.unwrap_or(Millis::MIN));
        let derived;
        let key = match record.key.map(std::str::from_utf8) {
            Some(Ok(key)) if key.contains('|') => key,
            Some(_) => {
                return self.reject(KEY, "key: not `instance|user` in UTF-8", record, out);
            }
            None => {
                derived = key_of(&activity);
                &derived
            }
        };
        let says =
            activity.counted.as_deref().and_then(|counted| Some((Per::from_word(&counted.by)?, &*counted.value)));
        if (Subject { key }).entity() != says {
            return self.reject(KEY, "key: not that of what `entity` says", record, out);
        }
        self.score(&activity, key, record, out);
    }

    /// The same where the task has all keys and no topic brings back what is written to it: copies are taken at once, and not
    /// pushed.
    pub fn record_alone(&mut self, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        let first = out.len();
        self.record(record, out);
        let copies: Vec<OutputRecord> = out.extract_if(first.., |output| output.channel == Channel::Activity).collect();
        for OutputRecord { key, value, .. } in &copies {
            self.record(&InputRecord { key: Some(key), value, ..*record }, out);
        }
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
    pub(super) fn expect(&self, records: &[InputRecord<'_>]) {
        self.keys.expect(records.iter().filter_map(|record| record.key.and_then(|key| std::str::from_utf8(key).ok())));
    }

    /// What became of the records so far.
    pub fn counters(&self) -> Counters {
        self.counters.with_keys(&self.keys)
    }

    /// What the detectors said so far.
    pub const fn findings(&self) -> &Findings {
        &self.findings
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
        let Admitted { event, rules, exceptions_dropped: dropped } =
            admit::admit(activity, key, record.stamp, &self.ruling, self.plans.version());
        self.counters.copied += copies::of(activity, (&event, rules), &Source { key, record }, &self.ruling.plan, out);
        self.counters.exceptions_dropped += u64::from(dropped);
        self.plans.look_in(self.ruling.lists.as_ref());
        self.changes.clear();
        if let Some(aloud) = &mut self.aloud {
            aloud.ask(key, &self.keys, &self.plans);
        }
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
        } else {
            self.newest_event = self.newest_event.max(event.time);
        }
        let (plans, partition) = (&self.plans, self.partition);
        let Shared { ref origin, build, .. } = *self.shared;
        let (event_time, epoch) = (activity.time, self.epoch);
        if let Some(stamp) = record.stamp.filter(|_| !self.changes.is_empty()) {
            self.findings.delivery_delay.observe(u64::try_from(stamp - event_time).unwrap_or_default());
        }
        let found = render::Found { plans, key, partition, record, event_time, epoch, origin, build };
        for change in &self.changes {
            self.counters.count_change(change);
            if let Some(rule) = plans.of(change.version).rule(change.rule) {
                self.findings.count(&rule.rule.id, change);
            }
            let rendered = render::change(change, &found);
            if let Some(aloud) = self.aloud.as_mut().filter(|_| rendered.is_some()) {
                aloud.found(change);
            }
            out.extend(rendered);
        }
    }

    /// Notes what was sent because of a record at `offset`, unless the key was restored from a record that has it in it:
    /// that stands as it was sent.
    pub(super) fn sent_before(
        &mut self,
        channel: Channel,
        key: &[u8],
        offset: i64,
        value: &[u8],
    ) -> Result<(), TooManySent> {
        let Some(aloud) = self.aloud.as_mut().filter(|aloud| aloud.covers(offset)) else { return Ok(()) };
        match std::str::from_utf8(key) {
            Ok(key) if offset >= self.keys.restored_until(key) => aloud.note(channel, key, value),
            _ => Ok(()),
        }
    }

    /// What was run again aloud is behind.
    pub(super) fn settle(&mut self, out: &mut Vec<OutputRecord>) {
        let Some(aloud) = self.aloud.take() else { return };
        let Shared { ref origin, build, .. } = *self.shared;
        let delivery = || Delivery {
            group: origin.group.clone(),
            topic: origin.topic.clone(),
            partition: self.partition,
            detected_at: origin.clock.map(|clock| rfc3339(clock())),
            engine: build.to_owned(),
            ..Delivery::default()
        };
        aloud.settle(&self.keys, &self.plans, &Marks { epoch: self.epoch, delivery: &delivery }, out);
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
        *self.findings.rejected.entry(code).or_default() += 1;
        out.push(render::original(Channel::Rejected, code, message, self.partition, record));
    }
}
