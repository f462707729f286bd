//! The objects in a window that count once, in the order of their last fetch, found at the same cost however many they
//! are.

use std::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Fetched;
use crate::time::Millis;

/// So many objects are found sooner by looking at each.
const LINEAR_MAX: usize = 32;
/// An entry without an object: objects are never 0.
const EMPTY: (u64, Millis) = (0, 0);

/// The objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    list: VecDeque<Fetched>,
    /// When each was fetched, by object, an open table of a power of two. It follows from the list, and is empty while that
    /// is short or was only copied.
    times: Vec<(u64, Millis)>,
}

impl Objects {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes out the object that was fetched longest ago, if it is one that has to go.
    pub(super) fn pop_if(&mut self, has_to_go: impl FnOnce(&Fetched) -> bool) -> Option<Fetched> {
        let gone = self.list.pop_front_if(|fetched| has_to_go(fetched))?;
        self.forget(gone.object);
        Some(gone)
    }

    /// Takes out the object.
    pub(super) fn take(&mut self, object: u64) -> Option<Fetched> {
        let index = if self.times.is_empty() {
            self.list.iter().rposition(|known| known.object == object)?
        } else {
            let (_, time) = *self.times.get(self.place_of(object)).filter(|entry| **entry != EMPTY)?;
            let first = self.list.partition_point(|known| known.time < time);
            first + self.list.iter().skip(first).position(|known| known.object == object)?
        };
        self.forget(object);
        self.list.remove(index)
    }

    /// Adds an object that is not there, fetched after all others.
    pub(super) fn push(&mut self, fetched: Fetched) {
        self.list.push_back(fetched);
        if self.list.len() <= LINEAR_MAX && self.times.is_empty() {
            return;
        }
        // Three quarters full at most, half full when it is new: it should lie in the nearest cache.
        if self.times.len() * 3 < self.list.len() * 4 {
            self.times.clear();
            self.times.resize((self.list.len() * 2).next_power_of_two(), EMPTY);
            for at in 0..self.list.len() {
                self.note(self.list[at]);
            }
        } else {
            self.note(fetched);
        }
    }

    /// Copies without giving memory back. Most copies are snapshots that nothing is added to: the table is made when
    /// something is.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
        self.times.clear();
    }

    /// The entry of the object, or the empty one where it would be.
    fn place_of(&self, object: u64) -> usize {
        let mask = self.times.len() - 1;
        let mut at = object as usize & mask;
        while self.times[at].0 != object && self.times[at] != EMPTY {
            at = (at + 1) & mask;
        }
        at
    }

    fn note(&mut self, fetched: Fetched) {
        let at = self.place_of(fetched.object);
        self.times[at] = (fetched.object, fetched.time);
    }

    fn forget(&mut self, object: u64) {
        if self.list.len() <= LINEAR_MAX / 2 {
            self.times.clear();
        }
        if self.times.is_empty() {
            return;
        }
        let mask = self.times.len() - 1;
        let mut gap = self.place_of(object);
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let entry = self.times[at];
            if entry == EMPTY {
                break;
            }
            // It may move into the gap if its own place is not behind that.
            let distance = |from: usize| at.wrapping_sub(from) & mask;
            if distance(entry.0 as usize) >= distance(gap) {
                self.times[gap] = entry;
                gap = at;
            }
        }
        self.times[gap] = EMPTY;
    }
}

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Serialize for Objects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut objects = Self::default();
        VecDeque::deserialize(deserializer)?.into_iter().for_each(|fetched| objects.push(fetched));
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Objects are fetched again and again, beside a plain list.
    #[test]
    fn objects_are_found_as_in_a_plain_list() {
        let (mut objects, mut plain) = (Objects::default(), VecDeque::<Fetched>::new());
        for step in 0..30_000_u64 {
            // Objects share places, and the number that is there goes up and down.
            let object = 1 + crate::hash::hash64(&step.to_le_bytes()) % 900 * 7 % 1_500 * 512;
            let fetched = Fetched { time: step as Millis / 3, object, objects: step as u32, covered: false };
            let index = plain.iter().rposition(|known| known.object == object);
            assert_eq!(objects.take(object), index.and_then(|index| plain.remove(index)), "{step}");
            objects.push(fetched);
            plain.push_back(fetched);
            let kept = if step / 2_000 % 2 == 0 { 1_000 } else { 40 };
            while plain.len() > kept {
                assert_eq!(objects.pop_if(|_| true), plain.pop_front());
            }
        }
        assert_eq!(objects.list, plain);
        let bytes = postcard::to_stdvec(&objects).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&plain).unwrap());
        assert_eq!(postcard::from_bytes::<Objects>(&bytes).unwrap(), objects);
    }
}
