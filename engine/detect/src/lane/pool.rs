//! Memory of lanes of one kind, to be used again: a key that wakes up takes what one that fell asleep has left, so that
//! the hot path asks the allocator for nothing.
//!
//! Lists come in a few sizes and a lane moves to the next one when it is full. Were a list to grow in place it would be
//! handed on at the largest size that any of its lanes ever needed, and keys with two events would hold room for a
//! hundred.

use std::collections::VecDeque;

use super::{Held, Snapshot};
use crate::machine::Machine;

/// Machines kept for use again.
const POOL_MACHINES_MAX: usize = 1_024;
/// Lists of one size kept for use again.
const POOL_BUFFERS_MAX: usize = 64;
/// Sizes of lists, events. Longer lists grow as they need and are given back.
const ROOMS: [usize; 10] = [2, 4, 8, 16, 24, 32, 48, 64, 96, 128];

/// The pool.
#[derive(Debug, Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "a machine changes its owner without being copied")]
    machines: Vec<Box<Machine>>,
    /// By the size of their lists.
    buffers: [Vec<Buffers>; ROOMS.len()],
}

/// The lists of a lane.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) recent: VecDeque<Held>,
    /// Hashes of the ids of `recent`, close together for the search for duplicates.
    pub(super) ids: VecDeque<u64>,
    pub(super) snapshots: Vec<Snapshot>,
}

impl Pool {
    /// A machine that is a copy of another one.
    pub(super) fn copy_of(&mut self, machine: &Machine) -> Box<Machine> {
        let Some(mut copy) = self.machines.pop() else { return Box::new(machine.clone()) };
        copy.copy_from(machine);
        copy
    }

    /// Takes a machine that is needed no longer.
    pub(super) fn give(&mut self, machine: Box<Machine>) {
        if self.machines.len() < POOL_MACHINES_MAX {
            self.machines.push(machine);
        }
    }

    /// Empty lists of the smallest size.
    pub(super) fn buffers(&mut self) -> Buffers {
        self.of_room(0)
    }

    /// Makes room for one more event.
    pub(super) fn make_room(&mut self, full: &mut Buffers) {
        let Some(room) = ROOMS.iter().position(|room| *room > full.recent.len()) else { return };
        let mut larger = self.of_room(room);
        larger.recent.append(&mut full.recent);
        larger.ids.append(&mut full.ids);
        larger.snapshots.append(&mut full.snapshots);
        self.give_buffers(std::mem::replace(full, larger));
    }

    /// Takes lists that are needed no longer.
    pub(super) fn give_buffers(&mut self, mut buffers: Buffers) {
        buffers.recent.clear();
        buffers.ids.clear();
        buffers.snapshots.drain(..).for_each(|snapshot| self.give(snapshot.machine));
        let room = ROOMS.iter().position(|room| *room == buffers.recent.capacity());
        if let Some(kept) = room.and_then(|room| self.buffers.get_mut(room))
            && kept.len() < POOL_BUFFERS_MAX
        {
            kept.push(buffers);
        }
    }

    fn of_room(&mut self, index: usize) -> Buffers {
        let kept = self.buffers.get_mut(index).and_then(Vec::pop);
        kept.unwrap_or_else(|| {
            let room = ROOMS.get(index).copied().unwrap_or(0);
            let (recent, ids) = (VecDeque::with_capacity(room), VecDeque::with_capacity(room));
            Buffers { recent, ids, snapshots: Vec::new() }
        })
    }
}
