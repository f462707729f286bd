//! Where the key of a name is: an open table of slots by 32 bits of the name's hash.
//!
//! One place of memory answers nearly every question, and it can be asked for ahead of time, which is why it is not a
//! `hashbrown` table: that has its marks and its numbers in two places and hides both. It grows without the names.

use crate::near;

/// No slot.
const NONE: u32 = u32::MAX;
/// Entries at the start, a power of two.
const ENTRIES_MIN: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// A power of two of them; an entry lies at its mark's place or behind it, with no gap between.
    entries: Box<[Entry]>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The low bits of the hash.
    mark: u32,
    slot: u32,
}

impl Entry {
    const EMPTY: Self = Self { mark: 0, slot: NONE };
}

impl Index {
    /// Asks for the memory in which the hash is looked for.
    pub(super) fn bring(&self, hash: u64) {
        if let Some(entry) = self.entries.get(self.place(hash as u32)) {
            near::bring(entry);
        }
    }

    /// The slot with this hash of which `is_it` is true.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.position(hash, is_it).and_then(|at| self.entries.get(at)).map(|entry| entry.slot)
    }

    /// Adds a slot that is not there.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        // Three quarters full at most: beyond, runs of entries grow long.
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(Entry { mark: hash as u32, slot });
    }

    /// Takes out a slot.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let Some(mut gap) = self.position(hash, |known| known == slot) else { return };
        self.len -= 1;
        let mask = self.entries.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry.slot == NONE {
                break;
            }
            // It may move into the gap if its own place is not behind that.
            if (at.wrapping_sub(self.place(entry.mark)) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = Entry::EMPTY;
    }

    const fn place(&self, mark: u32) -> usize {
        mark as usize & self.entries.len().wrapping_sub(1)
    }

    fn position(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        let mark = hash as u32;
        let mut at = self.place(mark);
        loop {
            let entry = self.entries.get(at)?;
            if entry.slot == NONE {
                return None;
            }
            if entry.mark == mark && is_it(entry.slot) {
                return Some(at);
            }
            at = (at + 1) & (self.entries.len() - 1);
        }
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.entries.len() - 1;
        let mut at = self.place(entry.mark);
        while self.entries[at].slot != NONE {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry;
    }

    fn grow(&mut self) {
        let larger = vec![Entry::EMPTY; (self.entries.len() * 2).max(ENTRIES_MIN)].into_boxed_slice();
        let smaller = std::mem::replace(&mut self.entries, larger);
        smaller.iter().filter(|entry| entry.slot != NONE).for_each(|entry| self.put(*entry));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::hash::hash64;

    /// A thousand names of few hashes come and go beside a map of the standard library.
    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out() {
        let (mut index, mut known) = (Index::default(), HashMap::new());
        for step in 0_u32..20_000 {
            let name = hash64(&step.to_le_bytes()) as u32 % 1_000;
            // Every name has the place of many others.
            let hash = u64::from(name % 97) << 3 | u64::from(name % 2) << 31;
            if let Some(slot) = known.remove(&name) {
                index.remove(hash, slot);
            } else {
                known.insert(name, step);
                index.insert(hash, step);
            }
            if step % 100 == 0 {
                for name in 0..1_000 {
                    let hash = u64::from(name % 97) << 3 | u64::from(name % 2) << 31;
                    let slot = known.get(&name).copied();
                    assert_eq!(index.find(hash, |found| Some(found) == slot), slot, "{name} after {step}");
                }
            }
        }
        assert_eq!(index.len, known.len());
        assert!(Index::default().find(7, |_| true).is_none());
    }
}
