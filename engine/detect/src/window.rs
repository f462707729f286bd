//! A sliding window over event time with running sums. Adding and expiring cost the same whatever the window's length
//! and however many events it holds.
//!
//! Events of one time are one slot, which loses nothing: they come and go together, and `ServiceNow`'s clock has whole
//! seconds. Only a window with more than [`WINDOW_SLOTS_MAX`] times in it puts neighbours together, and then what stands
//! together leaves with its oldest: a window never says more than there was.

mod objects;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::caps::Caps;
use crate::event::Quantity;
use crate::finding::{EVIDENCE_MAX, Trace};
use crate::time::Millis;
use objects::Objects;

/// Different times a window holds one by one; beyond, the older half is put together.
pub const WINDOW_SLOTS_MAX: usize = 1_024;
/// Slots that the older half of a full window is put together into at most, by time.
const COARSE_SLOTS: i64 = 256;
/// Slots after that, at most.
const SLOTS_TOGETHER: usize = WINDOW_SLOTS_MAX * 3 / 4 + 1;
/// Objects a window tells apart; beyond, the one fetched longest ago counts again when it is fetched again.
pub const WINDOW_OBJECTS_MAX: usize = 1_024;

/// Events of the last `length`, newest at the back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    slots: VecDeque<Slot>,
    sums: Tally,
    /// The newest events, as evidence.
    traces: VecDeque<Kept>,
    /// Objects that count once, by the last time they were fetched.
    objects: Objects,
}

/// What events carried together, and what of that an exception covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Of all events.
    pub all: Quantity,
    /// Of those that an exception covers.
    pub covered: Quantity,
    /// How many events: all, and covered.
    pub events: [u32; 2],
}

impl Tally {
    const fn count(self, covered: bool) -> u32 {
        if covered { self.events[0] } else { self.events[0] - self.events[1] }
    }

    /// What counts for an event: of all if it is covered itself, else only of those that are not.
    pub const fn counted(self, covered: bool) -> Quantity {
        if covered { self.all } else { self.all.minus(self.covered) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    trace: Trace,
    covered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Slot {
    time: Millis,
    carried: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Fetched {
    time: Millis,
    object: u64,
    objects: u32,
    covered: bool,
}

/// An event on its way into a window.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The event as evidence.
    pub trace: Trace,
    /// What it carried.
    pub carried: Quantity,
    /// An exception covers it.
    pub covered: bool,
    /// The object that counts once, hashed; 0: what is carried always counts.
    pub object: u64,
}

/// An event on its way into a window that keeps no evidence.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// When it happened.
    pub time: Millis,
    /// What it carried.
    pub carried: Quantity,
    /// An exception covers it.
    pub covered: bool,
    /// See [`Counted::object`].
    pub object: u64,
}

impl Window {
    /// Forgets what is older than `length` before `now`: an event exactly `length` old is outside.
    pub fn expire(&mut self, now: Millis, length: Millis, caps: &mut Caps) {
        self.expire_beyond(now, length, 0, caps);
    }

    /// The same of a window of whose end another length is asked for: times that are no older than that stay apart as long as
    /// others can be put together.
    pub fn expire_beyond(&mut self, now: Millis, length: Millis, apart: Millis, caps: &mut Caps) {
        while let Some(oldest) = self.slots.pop_front_if(|slot| slot.time <= now - length) {
            self.sums = self.sums.minus(oldest.carried);
        }
        while self.traces.pop_front_if(|kept| kept.trace.time <= now - length).is_some() {}
        while self.objects.pop_if(|fetched| fetched.time <= now - length).is_some() {}
        if self.slots.len() >= WINDOW_SLOTS_MAX {
            caps.window_slots += 1;
            let width = (length / COARSE_SLOTS).max(1);
            self.put_together(width, now - apart);
            if self.slots.len() > SLOTS_TOGETHER {
                self.put_together((apart / COARSE_SLOTS).max(1), Millis::MAX);
            }
            // Times that lie so that neither width puts enough together.
            while self.slots.len() > SLOTS_TOGETHER {
                self.put_pairs_together();
            }
        }
    }

    /// Adds the next event in order. An earlier event of an object that counts once no longer counts as an object, but
    /// what it carried was carried.
    pub fn push(&mut self, event: Counted, caps: &mut Caps) {
        let Counted { trace, carried, covered, object } = event;
        self.take(Taken { time: trace.time, carried, covered, object }, caps);
        if self.traces.len() == EVIDENCE_MAX {
            self.traces.pop_front();
        }
        self.traces.push_back(Kept { trace, covered });
    }

    /// The same without evidence, which is most of what a window weighs.
    pub fn take(&mut self, event: Taken, caps: &mut Caps) {
        let Taken { time, carried, covered, object } = event;
        if object != 0 {
            self.fetch(Fetched { time, object, objects: carried.objects, covered }, caps);
        }
        self.count(time, carried, covered);
    }

    /// Counts the next event in order, of which another window keeps the evidence.
    pub fn count(&mut self, time: Millis, carried: Quantity, covered: bool) {
        let of_covered = if covered { carried } else { Quantity::default() };
        let carried = Tally { all: carried, covered: of_covered, events: [1, u32::from(covered)] };
        self.sums = self.sums.plus(carried);
        match self.slots.back_mut().filter(|slot| slot.time == time) {
            Some(slot) => slot.carried = slot.carried.plus(carried),
            None => self.slots.push_back(Slot { time, carried }),
        }
    }

    /// Forgets the events whose evidence answers to `gone`, where it has that of all: each an event that carried so much and
    /// is no object that counts once.
    pub fn forget(&mut self, carried: Quantity, gone: impl Fn(&Trace) -> bool) {
        if self.sums.events[0] as usize > self.traces.len() || !self.traces.iter().any(|kept| gone(&kept.trace)) {
            return;
        }
        self.traces.retain(|kept| !gone(&kept.trace));
        (self.slots, self.sums) = (VecDeque::new(), Tally::default());
        for index in 0..self.traces.len() {
            let (time, covered) = (self.traces[index].trace.time, self.traces[index].covered);
            self.count(time, carried, covered);
        }
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What the events in the window carried together.
    pub const fn sums(&self) -> Tally {
        self.sums
    }

    /// How many events that count there are.
    pub const fn events(&self, covered: bool) -> u32 {
        self.sums.count(covered)
    }

    /// Time of the oldest event that counts.
    pub fn first(&self, covered: bool) -> Option<Millis> {
        self.first_after(Millis::MIN, covered)
    }

    /// The same after a time.
    pub fn first_after(&self, time: Millis, covered: bool) -> Option<Millis> {
        let counts = |slot: &&Slot| slot.time > time && slot.carried.count(covered) > 0;
        self.slots.iter().find(counts).map(|slot| slot.time)
    }

    /// What was carried after a time, as far as it counts, and how many events there were.
    pub fn since(&self, time: Millis, covered: bool) -> (Quantity, u32) {
        let newer = self.slots.iter().rev().take_while(|slot| slot.time > time).map(|slot| slot.carried);
        let sum = newer.fold(Tally::default(), Tally::plus);
        (sum.counted(covered), sum.count(covered))
    }

    /// The newest events that count, oldest first, of the last [`EVIDENCE_MAX`].
    pub fn traces(&self, covered: bool) -> impl Iterator<Item = &Trace> {
        self.traces.iter().filter(move |kept| covered || !kept.covered).map(|kept| &kept.trace)
    }

    /// How many times and objects it keeps apart.
    pub fn weight(&self) -> usize {
        self.slots.len() + self.objects.len()
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        self.slots.clone_from(&other.slots);
        self.sums = other.sums;
        self.traces.clone_from(&other.traces);
        self.objects.copy_from(&other.objects);
    }

    fn fetch(&mut self, now: Fetched, caps: &mut Caps) {
        if let Some(earlier) = self.objects.take(now.object) {
            self.uncount(&earlier);
        } else if self.objects.len() == WINDOW_OBJECTS_MAX {
            caps.window_objects += 1;
            self.objects.pop_if(|_| true);
        }
        self.objects.push(now);
    }

    /// Takes back that a fetch counted as objects.
    fn uncount(&mut self, earlier: &Fetched) {
        let objects = Quantity { objects: earlier.objects, ..Quantity::default() };
        let of_covered = if earlier.covered { objects } else { Quantity::default() };
        let tally = Tally { all: objects, covered: of_covered, events: [0; 2] };
        // The slot that holds it is the last one that does not begin after it.
        let after = self.slots.partition_point(|slot| slot.time <= earlier.time);
        if let Some(slot) = after.checked_sub(1).and_then(|index| self.slots.get_mut(index)) {
            slot.carried = slot.carried.minus(tally);
            self.sums = self.sums.minus(tally);
        }
    }

    /// Puts every two neighbours of the older half together.
    fn put_pairs_together(&mut self) {
        let mut merged: VecDeque<Slot> = VecDeque::with_capacity(WINDOW_SLOTS_MAX);
        let half = self.slots.len() / 2;
        for (index, slot) in self.slots.drain(..).enumerate() {
            match merged.back_mut() {
                Some(last) if index < half && index % 2 == 1 => last.carried = last.carried.plus(slot.carried),
                _ => merged.push_back(slot),
            }
        }
        self.slots = merged;
    }

    /// Puts together what of the older half is no newer than that.
    fn put_together(&mut self, width: Millis, newest: Millis) {
        let mut merged: VecDeque<Slot> = VecDeque::with_capacity(WINDOW_SLOTS_MAX);
        for (index, slot) in self.slots.drain(..).enumerate() {
            let old = index < WINDOW_SLOTS_MAX / 2 && slot.time <= newest;
            match merged.back_mut() {
                Some(last) if old && last.time.div_euclid(width) == slot.time.div_euclid(width) => {
                    last.carried = last.carried.plus(slot.carried);
                }
                _ => merged.push_back(slot),
            }
        }
        self.slots = merged;
    }
}

impl Tally {
    const fn plus(self, other: Self) -> Self {
        let events = [self.events[0] + other.events[0], self.events[1] + other.events[1]];
        Self { all: self.all.plus(other.all), covered: self.covered.plus(other.covered), events }
    }

    const fn minus(self, other: Self) -> Self {
        let events = [self.events[0].saturating_sub(other.events[0]), self.events[1].saturating_sub(other.events[1])];
        Self { all: self.all.minus(other.all), covered: self.covered.minus(other.covered), events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::finding::Concerned;
    use crate::model::{Action, Outcome};

    fn counted(time: Millis, object: u64) -> Counted {
        let trace = Trace {
            time,
            id: EventId::new("x"),
            action: Action::Download,
            outcome: Outcome::Success,
            address: None,
            session: 0,
            device: None,
            about: Concerned::default(),
        };
        Counted { trace, carried: Quantity { objects: 1, rows: 3, bytes: 7 }, covered: false, object }
    }

    /// What is counted in the window after every event, beside what there truly was.
    fn check(times: impl Iterator<Item = Millis>, length: Millis, slack: i64) {
        let times: Vec<Millis> = times.collect();
        let mut window = Window::default();
        for (index, now) in times.iter().enumerate() {
            window.expire(*now, length, &mut Caps::default());
            window.push(counted(*now, 0), &mut Caps::default());
            let within = |length: Millis| times[..=index].iter().filter(|time| **time > now - length).count() as u32;
            let sums = window.sums().counted(false);
            assert!(sums.objects <= within(length) && sums.objects >= within(length - slack), "{index}: {sums:?}");
            assert_eq!((sums.rows, sums.bytes), (3 * u64::from(sums.objects), 7 * u64::from(sums.objects)));
            assert!(window.slots.len() <= WINDOW_SLOTS_MAX);
        }
    }

    #[test]
    fn whole_seconds_are_counted_exactly_at_any_rate() {
        check((0..6_000).map(|index| index / 20 * 1_000), 60_000, 0);
        check((0..3_000).map(|index| index * 100), 60_000, 0);
    }

    #[test]
    fn more_times_than_slots_are_counted_a_little_short_and_never_over() {
        check((0..6_000).map(|index| index * 10), 60_000, 60_000 / COARSE_SLOTS);
        check((0..5_000).map(|index| index * index / 40), 600_000, 600_000 / COARSE_SLOTS);
    }

    #[test]
    fn the_end_of_a_long_window_is_counted_as_a_short_window_of_its_own_counts_it() {
        let (long, short) = (24 * 3_600_000, 600_000);
        let trickle = || (0..900).map(|nth| nth * 60_000);
        let burst = (0..1_000).map(|nth| 54_000_000 + nth * 590);
        let crowd = (0..4_000).map(|nth| 54_000_000 + nth * 150);
        // Neither width puts anything of these together.
        let sparse = (0..256).map(|nth| nth * 337_500).chain((0..257).map(|nth| 86_400_000 + nth * 2_344));
        let dense = (0..3_000).map(|nth| 87_010_000 + nth);
        // In the end faster than the slots of the long window tell apart, faster than those of the short one, and all of a sudden.
        for (times, slack) in [
            (trickle().chain(burst).collect::<Vec<Millis>>(), 0),
            (trickle().chain(crowd).collect(), 120_000),
            (sparse.chain(dense).collect(), 300_000),
        ] {
            let mut window = Window::default();
            for (index, now) in times.iter().enumerate() {
                window.expire_beyond(*now, long, short, &mut Caps::default());
                window.push(counted(*now, 0), &mut Caps::default());
                let within =
                    |length: Millis| times[..=index].iter().filter(|time| **time > now - length).count() as u32;
                let (seen, _) = window.since(now - short, false);
                assert!(seen.objects <= within(short) && seen.objects >= within(short - slack), "{index}: {seen:?}");
                assert!(window.slots.len() <= WINDOW_SLOTS_MAX);
            }
        }
    }

    #[test]
    fn an_object_that_counts_once_counts_at_its_last_fetch() {
        let mut window = Window::default();
        for (now, object, objects, rows) in
            [(0, 1, 1, 3), (10, 2, 2, 6), (20, 1, 2, 9), (20, 1, 2, 12), (65, 3, 3, 12), (75, 4, 3, 12), (81, 5, 3, 9)]
        {
            window.expire(now * 1_000, 60_000, &mut Caps::default());
            window.push(counted(now * 1_000, object), &mut Caps::default());
            let sums = window.sums().counted(false);
            assert_eq!((sums.objects, sums.rows), (objects, rows), "at {now}");
        }
    }

    #[test]
    fn what_came_since_a_time_is_newer_than_it_and_counts_as_it_does_in_all() {
        let mut window = Window::default();
        for (now, covered) in [(0, false), (10, false), (10, true), (20, false), (30, true)] {
            window.push(Counted { covered, ..counted(now, 0) }, &mut Caps::default());
        }
        for (since, all, told) in [(-1, 5, 3), (0, 4, 2), (10, 2, 1), (20, 1, 0), (30, 0, 0)] {
            let seen = [true, false].map(|covered| window.since(since, covered));
            assert_eq!(seen.map(|(carried, events)| (carried.objects, events)), [(all, all), (told, told)], "{since}");
        }
    }

    #[test]
    fn what_is_forgotten_counts_no_more_unless_its_evidence_is_gone() {
        let one = Quantity { objects: 1, rows: 3, bytes: 7 };
        for (events, left) in [(4, 2), (EVIDENCE_MAX as i64, EVIDENCE_MAX as u32 / 2), (51, 51)] {
            let mut window = Window::default();
            (0..events).for_each(|now| window.push(counted(now, 0), &mut Caps::default()));
            window.forget(one, |trace| trace.time % 2 == 0);
            assert_eq!((window.sums().counted(false).objects, window.events(false)), (left, left));
            window.expire(events, 1, &mut Caps::default());
            assert_eq!(window.sums().counted(false).objects, 0, "what is left leaves with its time");
        }
    }

    #[test]
    fn what_is_covered_counts_for_what_is_covered_only() {
        let mut window = Window::default();
        window.push(counted(0, 0), &mut Caps::default());
        window.push(Counted { covered: true, ..counted(1, 0) }, &mut Caps::default());
        assert_eq!((window.sums().counted(false).objects, window.sums().counted(true).objects), (1, 2));
    }
}
