//! Rewind: one lane of a key, its recent events in order, and machines at points of that order.
//!
//! Detectors run over events in order; here an event that arrives late is put where it belongs and the machine runs
//! again from the nearest snapshot before it.

mod pool;
mod stored;

pub use pool::Pool;
pub(crate) use stored::{StoredLane, StoredLaneRef};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::caps::Caps;
use crate::event::{Event, OwnedOrder};
use crate::finding::Finding;
use crate::machine::{Machine, Surroundings};
use crate::near;
use crate::plans::VersionSet;
use crate::time::{Millis, SECOND};
use pool::Buffers;

/// Events a lane holds at most. Above it the oldest settle early, and stragglers before them are late.
pub const LANE_EVENTS_MAX: usize = 4_096;
/// Records with one action key within this of the first of them are one action.
pub const ACTION_SPAN: Millis = 30 * SECOND;
/// Events between two snapshots.
const SNAPSHOT_EVERY: usize = 32;
/// So much of a machine's weight is copied in the time of a step: a heavy one is copied less often.
const WEIGHT_PER_STEP: usize = 16;
/// Snapshots a lane holds at most; they thin out with age.
const SNAPSHOTS_MAX: usize = 8;
/// Events that settle together at least: settling costs a step each.
const SETTLE_BATCH: usize = 32;
/// Ids compared at a time in the search for duplicates: enough for the processor to compare several at once.
const IDS_AT_ONCE: usize = 32;

/// A lane.
#[derive(Debug)]
pub struct Lane {
    lists: Buffers,
    /// The machine before the recent events.
    base: Box<Machine>,
    /// The order of the last event in `base`.
    base_order: Option<OwnedOrder>,
    /// The machine after the recent events.
    live: Box<Machine>,
    /// Events up to here settled early because of the cap.
    capped_until: Option<OwnedOrder>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    event: Event,
    /// Time of the first record of its action.
    group: Millis,
    /// Another record of the action is richer; the machine does not see this one.
    shadow: bool,
    /// The record of the action that counts has settled: this one can only be its shadow.
    spent: bool,
}

#[derive(Debug)]
struct Snapshot {
    /// The machine is as before `recent[index]`.
    index: usize,
    machine: Box<Machine>,
}

/// What a change of the order made the machine do.
#[derive(Debug, Default)]
pub struct Rerun {
    /// What is changed: `None` when one event was added at the end, else the span after this event (after everything
    /// settled when there is none).
    pub span: Option<Option<OwnedOrder>>,
    /// Steps taken.
    pub steps: usize,
}

/// What the machine says: over the changed span, and what stood before it.
#[derive(Debug, Default)]
pub struct Said {
    /// Said over the span, in order.
    pub now: Vec<Arc<Finding>>,
    /// What the incidents open before the span had said last.
    pub before: Vec<Arc<Finding>>,
    /// Said before the span while running up to it: known already.
    scrap: Vec<Arc<Finding>>,
    /// Caps met, since the start.
    pub caps: Caps,
}

impl Said {
    /// Makes room for the next change.
    pub fn clear(&mut self) {
        self.now.clear();
        self.before.clear();
    }
}

impl Lane {
    /// A lane that has seen nothing.
    pub fn new(pool: &mut Pool) -> Self {
        Self::settled(Machine::default(), None, pool)
    }

    /// A lane whose past is settled up to the event `last`.
    pub fn settled(machine: Machine, last: Option<OwnedOrder>, pool: &mut Pool) -> Self {
        // The machine that changes is the one whose lists have grown before, so that they need not grow again.
        let live = pool.copy_of(&machine);
        Self { lists: pool.buffers(), base: Box::new(machine), base_order: last, live, capped_until: None }
    }

    /// Leaves the lane's memory for others.
    pub fn leave(self, pool: &mut Pool) {
        pool.give(self.live);
        pool.give_buffers(self.lists);
    }

    /// Brings near what the next event needs, in steps each of which needs what the one before has brought: the first the
    /// lane itself.
    pub fn bring(&self, step: usize) {
        match step {
            0 => self.bring_lists(),
            1 => self.live.bring(),
            _ => self.live.bring_rest(),
        }
    }

    fn bring_lists(&self) {
        near::bring(&*self.live);
        self.bring_ids();
        // An event that comes in order goes behind the last one.
        if let Some(last) = self.lists.recent.back() {
            near::bring(last);
            near::bring_next(last);
        }
    }

    /// Brings near what the search for duplicates needs.
    pub fn bring_ids(&self) {
        let (front, back) = self.lists.ids.as_slices();
        near::bring(front);
        near::bring(back);
    }

    /// The order of the last event.
    pub fn last_order(&self) -> Option<OwnedOrder> {
        self.order_before(self.lists.recent.len())
    }

    /// The machine after all events.
    pub fn live(&self) -> &Machine {
        &self.live
    }

    /// Events held.
    pub fn len(&self) -> usize {
        self.lists.recent.len()
    }

    /// Is nothing held?
    pub fn is_empty(&self) -> bool {
        self.lists.recent.is_empty()
    }

    /// Does the event belong to what settled early? One that comes after all others never does. Of an action, part of
    /// which has settled, nothing more is taken: it would count twice.
    pub fn is_over_cap(&self, event: &Event) -> bool {
        let Some(until) = &self.capped_until else { return false };
        let order = event.order();
        let in_order = self.last_order().is_none_or(|last| order > last.as_order());
        let settled = order <= until.as_order();
        let of_settled_action = event.action_key != 0 && event.time - until.time <= ACTION_SPAN;
        !in_order && (settled || of_settled_action)
    }

    /// Was a record of the event's action taken, as far as that is known: is one held, or did the action settle early?
    pub fn has_action_of(&self, event: &Event) -> bool {
        let Event { action_key, time, .. } = *event;
        if action_key == 0 {
            return false;
        }
        let is_near = |at: Millis| (time - at).abs() <= ACTION_SPAN;
        let settled = self.capped_until.as_ref().is_some_and(|until| time > until.time && is_near(until.time));
        // A flood beyond the cap asks at every event, and few of those held are near.
        let first = self.lists.recent.partition_point(|held| held.event.time < time - ACTION_SPAN);
        let mut near = self.lists.recent.iter().skip(first).take_while(|held| is_near(held.event.time));
        settled || near.any(|held| held.event.action_key == action_key)
    }

    /// The held event with this id.
    pub fn find(&self, event: &Event) -> Option<&Event> {
        self.index_of(event).map(|index| &self.lists.recent[index].event)
    }

    /// How many of the held events say who the account is.
    pub fn statements(&self) -> usize {
        self.lists.recent.iter().filter(|held| held.event.statement().is_some()).count()
    }

    /// Adds the versions that events and machines refer to.
    pub fn versions(&self, found: &mut VersionSet) {
        self.lists.recent.iter().for_each(|held| found.insert(held.event.version));
        self.lists.snapshots.iter().for_each(|snapshot| snapshot.machine.versions(found));
        self.base.versions(found);
        self.live.versions(found);
    }

    /// Can what was said at `at` about the incident with this opener no longer change? So it is when both are settled
    /// and the settled machine does not hold the incident.
    pub fn is_settled(&self, rule: u64, opener: &OwnedOrder, at: &OwnedOrder) -> bool {
        let settled = self.base_order.as_ref().is_some_and(|base| opener <= base && at <= base);
        settled && !self.base.holds(rule, opener) && !self.live.holds(rule, opener)
    }

    /// Takes out the copy of the event that is held, if there is one, puts the event where it belongs, if the lane is
    /// to take it in, and runs the machine over what follows.
    pub fn replace(
        &mut self,
        event: &Event,
        take_in: bool,
        around: Surroundings<'_>,
        pool: &mut Pool,
        said: &mut Said,
    ) -> Option<Rerun> {
        let removed = self.take_out(event);
        let inserted = take_in.then(|| self.put_in(event.clone(), pool));
        let from = removed.into_iter().chain(inserted).min()?;
        if removed.is_none() && from + 1 == self.lists.recent.len() {
            return Some(self.append(around, pool, said));
        }
        Some(self.rerun(from, around, pool, said))
    }

    /// Returns the first index at which the machine sees something else.
    fn put_in(&mut self, event: Event, pool: &mut Pool) -> usize {
        let at = self.place_of(&event);
        let (time, action) = (event.time, event.action_key);
        if self.lists.recent.len() == self.lists.recent.capacity() {
            pool.make_room(&mut self.lists);
        }
        self.lists.ids.insert(at, event.id.hash64());
        self.lists.recent.insert(at, Held { group: event.time, shadow: false, spent: false, event });
        if action == 0 { at } else { self.regroup(action, at, time).min(at) }
    }

    /// Returns the first index at which the machine sees something else.
    fn take_out(&mut self, event: &Event) -> Option<usize> {
        let at = self.index_of(event)?;
        let removed = self.lists.recent.remove(at)?;
        self.lists.ids.remove(at);
        let action = removed.event.action_key;
        Some(if action == 0 { at } else { at.min(self.regroup(action, at, removed.event.time)) })
    }

    /// Lets go of events older than `horizon`, in batches, and of the oldest above the cap. Returns how many settled
    /// early.
    pub fn settle(&mut self, horizon: Millis, around: Surroundings<'_>, pool: &mut Pool, said: &mut Said) -> usize {
        // Asked first of the one event that decides: a search would fetch five.
        if self.lists.recent.get(SETTLE_BATCH - 1).is_some_and(|held| held.event.time < horizon) {
            let due = self.lists.recent.partition_point(|held| held.event.time < horizon);
            self.settle_first(due, around, pool, said);
        }
        let over = self.lists.recent.len().saturating_sub(LANE_EVENTS_MAX);
        if over > 0 {
            self.settle_first(over, around, pool, said);
            self.capped_until.clone_from(&self.base_order);
        }
        over
    }

    /// Lets go of all events: nothing older than the newest can come any more.
    pub fn settle_all(&mut self, pool: &mut Pool) {
        if let Some(last) = self.lists.recent.back() {
            self.base_order = Some(last.event.order().to_owned());
        }
        self.lists.recent.clear();
        self.lists.ids.clear();
        self.capped_until = None;
        self.base.copy_from(&self.live);
        self.lists.snapshots.drain(..).for_each(|snapshot| pool.give(snapshot.machine));
    }

    fn index_of(&self, event: &Event) -> Option<usize> {
        let hash = event.id.hash64();
        let (front, back) = self.lists.ids.as_slices();
        // Nearly always the answer is no, and no loop that may stop at every id is as fast as one that may not.
        if !holds(front, hash) && !holds(back, hash) {
            return None;
        }
        let mut found = self.lists.ids.iter().enumerate().filter(|(_, id)| **id == hash).map(|(index, _)| index);
        found.find(|index| self.lists.recent[*index].event.id == event.id)
    }

    fn place_of(&self, event: &Event) -> usize {
        match self.lists.recent.back() {
            Some(last) if last.event.order() > event.order() => {
                self.lists.recent.partition_point(|held| held.event.order() < event.order())
            }
            _ => self.lists.recent.len(),
        }
    }

    fn append(&mut self, around: Surroundings<'_>, pool: &mut Pool, said: &mut Said) -> Rerun {
        let at = self.lists.recent.len() - 1;
        self.snapshot_if_due(at, pool);
        let held = &self.lists.recent[at];
        if !held.shadow {
            self.live.step(&held.event, around, &mut said.now, &mut said.caps);
        }
        Rerun { span: None, steps: 1 }
    }

    fn rerun(&mut self, from: usize, around: Surroundings<'_>, pool: &mut Pool, said: &mut Said) -> Rerun {
        while let Some(last) = self.lists.snapshots.pop_if(|snapshot| snapshot.index > from) {
            pool.give(last.machine);
        }
        let start = self.lists.snapshots.last().map_or(0, |snapshot| snapshot.index);
        self.live.copy_from(self.lists.snapshots.last().map_or(&self.base, |snapshot| &snapshot.machine));
        for at in start..from {
            let held = &self.lists.recent[at];
            if !held.shadow {
                self.live.step(&held.event, around, &mut said.scrap, &mut said.caps);
            }
        }
        said.scrap.clear();
        self.live.standing(&mut said.before);
        for at in from..self.lists.recent.len() {
            self.snapshot_if_due(at, pool);
            let held = &self.lists.recent[at];
            if !held.shadow {
                self.live.step(&held.event, around, &mut said.now, &mut said.caps);
            }
        }
        Rerun { span: Some(self.order_before(from)), steps: self.lists.recent.len() - start }
    }

    fn order_before(&self, index: usize) -> Option<OwnedOrder> {
        match index.checked_sub(1).and_then(|before| self.lists.recent.get(before)) {
            Some(held) => Some(held.event.order().to_owned()),
            None => self.base_order.clone(),
        }
    }

    fn snapshot_if_due(&mut self, at: usize, pool: &mut Pool) {
        let due = self.lists.snapshots.last().map_or(0, |snapshot| snapshot.index) + SNAPSHOT_EVERY;
        if at < due || at < due + self.live.weight() / WEIGHT_PER_STEP {
            return;
        }
        if self.lists.snapshots.len() == SNAPSHOTS_MAX {
            self.thin(at, pool);
        }
        let machine = pool.copy_of(&self.live);
        self.lists.snapshots.push(Snapshot { index: at, machine });
    }

    /// Takes out the snapshot whose loss costs least: the widest gap it leaves, measured against its age, is smallest.
    fn thin(&mut self, end: usize, pool: &mut Pool) {
        let cost = |at: usize| {
            let before = at.checked_sub(1).map_or(0, |before| self.lists.snapshots[before].index);
            let after = self.lists.snapshots.get(at + 1).map_or(end, |snapshot| snapshot.index);
            // gap / age as a fraction over a common scale; age is at least one.
            ((after - before) << 20) / (end - self.lists.snapshots[at].index).max(1)
        };
        let cheapest = (0..self.lists.snapshots.len()).min_by_key(|at| cost(*at)).unwrap_or(0);
        pool.give(self.lists.snapshots.remove(cheapest).machine);
    }

    fn settle_first(&mut self, count: usize, around: Surroundings<'_>, pool: &mut Pool, said: &mut Said) {
        let mut start = 0;
        while self.lists.snapshots.first().is_some_and(|snapshot| snapshot.index <= count) {
            let snapshot = self.lists.snapshots.remove(0);
            start = snapshot.index;
            pool.give(std::mem::replace(&mut self.base, snapshot.machine));
        }
        for held in self.lists.recent.iter().take(count).skip(start).filter(|held| !held.shadow) {
            self.base.step(&held.event, around, &mut said.scrap, &mut said.caps);
        }
        said.scrap.clear();
        if let Some(last) = count.checked_sub(1).and_then(|last| self.lists.recent.get(last)) {
            self.base_order = Some(last.event.order().to_owned());
        }
        self.spend(count);
        self.lists.recent.drain(..count);
        self.lists.ids.drain(..count);
        for snapshot in &mut self.lists.snapshots {
            snapshot.index -= count;
        }
    }

    /// Notes in the records that are left which of their actions were counted by one of the first `count` records.
    fn spend(&mut self, count: usize) {
        let Some(next) = self.lists.recent.get(count).map(|held| held.event.time) else { return };
        for at in (0..count).rev() {
            let held = &self.lists.recent[at];
            if next - held.event.time > ACTION_SPAN {
                break;
            }
            let (action, group) = (held.event.action_key, held.group);
            if action == 0 || held.shadow && !held.spent {
                continue;
            }
            let rest = self.lists.recent.range_mut(count..).take_while(|other| other.event.time - group <= ACTION_SPAN);
            for other in rest.filter(|other| other.event.action_key == action && other.group == group) {
                other.spent = true;
            }
        }
    }

    /// Finds the actions anew from the changed place on: within a key, records with one action key belong to the
    /// earliest that is not yet [`ACTION_SPAN`] back. Returns the first index at which the machine sees something else.
    fn regroup(&mut self, action: u64, at: usize, time: Millis) -> usize {
        let before = self.lists.recent.iter().take(at).rev().take_while(|held| time - held.event.time <= ACTION_SPAN);
        let mut group = before.filter(|held| held.event.action_key == action).map(|held| held.group).next();
        let first_group = group.unwrap_or(time);
        let mut reach = time + ACTION_SPAN;
        let mut end = at;
        for held in self.lists.recent.iter_mut().skip(at) {
            if held.event.time > reach {
                break;
            }
            end += 1;
            if held.event.action_key != action {
                continue;
            }
            reach = reach.max(held.group + ACTION_SPAN);
            let start = match group {
                Some(start) if held.event.time - start <= ACTION_SPAN => start,
                _ => held.event.time,
            };
            group = Some(start);
            held.group = start;
            reach = reach.max(start + ACTION_SPAN);
        }
        let begin = self.lists.recent.partition_point(|held| held.event.time < first_group);
        self.mark_shadows(action, begin, end)
    }

    /// In each action the richest record counts, of equals the first; none where the one that counted has settled.
    fn mark_shadows(&mut self, action: u64, begin: usize, end: usize) -> usize {
        let mut changed = usize::MAX;
        let mut at = begin;
        while at < end {
            let held = &self.lists.recent[at];
            if held.event.action_key != action {
                at += 1;
                continue;
            }
            let group = held.group;
            let mut best = at;
            let mut spent = false;
            let mut next = end;
            for index in at..end {
                let other = &self.lists.recent[index];
                if other.event.action_key != action {
                    continue;
                }
                if other.group != group {
                    next = index;
                    break;
                }
                spent |= other.spent;
                if other.event.richness > self.lists.recent[best].event.richness {
                    best = index;
                }
            }
            for index in at..next {
                let other = &mut self.lists.recent[index];
                let shadow = spent || index != best;
                if other.event.action_key != action {
                    continue;
                }
                other.spent = spent;
                if other.shadow != shadow {
                    other.shadow = shadow;
                    changed = changed.min(index);
                }
            }
            at = next;
        }
        changed
    }
}

#[expect(clippy::needless_bitwise_bool, reason = "without branches several ids are compared at once")]
fn holds(ids: &[u64], hash: u64) -> bool {
    ids.chunks(IDS_AT_ONCE).any(|some| some.iter().fold(false, |found, id| found | (*id == hash)))
}
