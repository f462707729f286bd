//! A sliding window over event time with running sums. Adding and expiring cost the same whatever the window's length
//! and however many events it holds.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::Quantity;
use crate::finding::Trace;
use crate::time::Millis;

/// Events a window holds one by one; beyond, the two oldest become one.
pub const WINDOW_ENTRIES_MAX: usize = 1_024;

/// Events of the last `length`, newest at the back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    entries: VecDeque<Entry>,
    sums: Quantity,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    trace: Trace,
    object: u64,
    carried: Quantity,
}

impl Window {
    /// Forgets what is older than `length` before `now`: an event exactly `length` old is outside.
    pub fn expire(&mut self, now: Millis, length: Millis) {
        while let Some(oldest) = self.entries.front()
            && oldest.trace.time <= now - length
        {
            let carried = oldest.carried;
            self.entries.pop_front();
            self.sums = minus(self.sums, carried);
        }
    }

    /// Adds the next event in order.
    pub fn push(&mut self, trace: Trace, object: u64, carried: Quantity) {
        if self.entries.len() == WINDOW_ENTRIES_MAX {
            self.merge_oldest();
        }
        self.sums = self.sums.plus(carried);
        self.entries.push_back(Entry { trace, object, carried });
    }

    /// Adds the next event in order, of an object that counts once: an earlier event of the object no longer counts as
    /// an object, but what it carried was carried.
    pub fn push_unique(&mut self, trace: Trace, object: u64, carried: Quantity) {
        let earlier = self.entries.iter_mut().rev().find(|entry| entry.object == object && entry.carried.objects > 0);
        if let Some(earlier) = earlier {
            self.sums.objects = self.sums.objects.saturating_sub(earlier.carried.objects);
            earlier.carried.objects = 0;
        }
        self.push(trace, object, carried);
    }

    /// What the events in the window carried together.
    pub const fn sums(&self) -> Quantity {
        self.sums
    }

    /// The events, oldest first.
    pub fn traces(&self) -> impl DoubleEndedIterator<Item = &Trace> {
        self.entries.iter().map(|entry| &entry.trace)
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        self.entries.clone_from(&other.entries);
        self.sums = other.sums;
    }

    /// The oldest passes what it carried to the next, so that the sums stay right until the next one leaves.
    fn merge_oldest(&mut self) {
        let Some(oldest) = self.entries.pop_front() else { return };
        match self.entries.front_mut() {
            Some(next) => next.carried = next.carried.plus(oldest.carried),
            None => self.sums = minus(self.sums, oldest.carried),
        }
    }
}

const fn minus(a: Quantity, b: Quantity) -> Quantity {
    Quantity {
        objects: a.objects.saturating_sub(b.objects),
        rows: a.rows.saturating_sub(b.rows),
        bytes: a.bytes.saturating_sub(b.bytes),
    }
}
