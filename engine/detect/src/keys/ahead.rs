//! Keys that will be asked for soon are brought near: what lies apart in memory is asked for in steps, each for all of
//! the keys, so that the waits of one step lie on top of each other.

use arrayvec::ArrayVec;

use super::{Body, Keys, Slot};
use crate::hash::hash64;
use crate::key::BRING_STEPS;
use crate::near;

/// Names that may be expected at a time: what they bring fits into the nearest cache but one, and a wait is shared by
/// enough of them.
pub const EXPECTED_MAX: usize = 16;

impl Keys {
    /// Says whose records come next, [`EXPECTED_MAX`] of them at most. What is found does not depend on it.
    pub fn expect<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let mut hashes = ArrayVec::<u64, EXPECTED_MAX>::new();
        for name in names.take(EXPECTED_MAX) {
            let hash = hash64(name.as_bytes());
            self.index.bring(hash);
            hashes.push(hash);
        }
        let mut expected = ArrayVec::<&Slot, EXPECTED_MAX>::new();
        for hash in hashes {
            // Another name with the same hash is brought in vain.
            let slot = self.index.find(hash, |_| true).and_then(|at| self.slots.get(at as usize));
            expected.extend(slot.inspect(|slot| near::bring(*slot)));
        }
        for step in 0..BRING_STEPS {
            expected.iter().for_each(|slot| self.bring(slot, step));
        }
    }

    /// Brings near what will be packed next: the further ahead, the less of it.
    pub(super) fn expect_packing(&self) {
        let due = |ahead: usize| self.due.get(ahead).and_then(|(_, at)| self.slots.get(*at as usize));
        due(BRING_STEPS).into_iter().for_each(near::bring);
        for step in 0..BRING_STEPS {
            due(BRING_STEPS - 1 - step).into_iter().for_each(|slot| self.bring(slot, step));
        }
    }

    fn bring(&self, slot: &Slot, step: usize) {
        match &slot.body {
            Body::Active(key) => key.bring(step),
            Body::Idle(kept) if step == 0 => near::bring(self.arena.get(kept)),
            _ => {}
        }
        if step == 0 {
            near::bring(self.name_of(slot));
        }
    }
}
