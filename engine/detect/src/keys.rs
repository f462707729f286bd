//! The keys of one task. Active keys are ready to be rewound; keys that have been idle for longer than anything can be
//! late are kept as bytes, in the encoding of the state but for names, which are numbers in those that were packed here.

mod ahead;
mod arena;
mod checkpoint;
mod index;
mod squeeze;
mod stored;

pub use ahead::EXPECTED_MAX;
pub use checkpoint::{Room, Written};
pub use stored::StateFault;
#[cfg(feature = "fuzzing")]
pub use stored::{Again, written_again};

use std::collections::VecDeque;

use crate::context::Subject;
use crate::event::Event;
use crate::hash::{hash64, hash128};
use crate::key::{Key, Scratch, Verdict};
use crate::lane::ACTION_SPAN;
use crate::plans::{Plans, VersionSet};
use crate::sent::Change;
use crate::time::{MINUTE, Millis};
use arena::{Arena, Piece};
use index::Index;
use squeeze::{Look, Squeezer};

/// Stamps this far behind the clock of the task are forgiven before an idle key is packed, milliseconds: logs whose
/// stamps run back a little lose nothing.
const PACK_MARGIN: Millis = ACTION_SPAN + 10 * MINUTE;
/// The clock of a task is the lowest of this many stamps, so that one wild stamp does not pack every key.
const CLOCK_STAMPS: usize = 16;
/// Slots looked at for eviction after each record.
const EVICT_STEP: usize = 1;
/// Keys looked at for packing after each record: a record wakes one at most.
const PACK_STEP: usize = 8;
/// After so many records one is packed that was restored with its events: there may be a million of them at once, each a
/// few times the work of a record, and a recovery should not wait for them.
const RESTORED_EVERY: u32 = 8;

/// The keys of one task.
#[derive(Debug, Default)]
pub struct Keys {
    index: Index,
    slots: Vec<Slot>,
    /// Names of keys, and those that are packed.
    arena: Arena,
    free: Vec<u32>,
    scratch: Scratch,
    clock: Clock,
    /// Active keys with the time from which they are idle as far as was known, by the task's clock.
    due: VecDeque<(Millis, u32)>,
    /// Keys restored with their events, of which nobody has asked yet whether they are idle.
    restored: VecDeque<u32>,
    /// Records since that was asked of one.
    since_restored: u32,
    cursor: usize,
    bytes: Vec<u8>,
    squeezed: Vec<u8>,
    squeezer: Squeezer,
    counters: KeyCounters,
    log: checkpoint::Log,
}

/// What happened to keys, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounters {
    /// Keys packed into bytes.
    pub packed: u64,
    /// Keys unpacked again.
    pub unpacked: u64,
    /// Keys let go after their retention.
    pub evicted: u64,
    /// Packed keys that could not be read: a fault of ours; the key began anew.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
struct Slot {
    name: Option<Piece>,
    newest_stamp: Option<Millis>,
    /// See [`Key::keep`].
    keep: Millis,
    /// It has changed since it was written.
    dirty: bool,
    body: Body,
}

#[derive(Debug, Default)]
enum Body {
    #[default]
    Free,
    Idle(Piece),
    Active(Box<Key>),
}

/// The clock of a task: the lowest of the last [`CLOCK_STAMPS`] stamps.
#[derive(Debug)]
struct Clock {
    stamps: [Millis; CLOCK_STAMPS],
    next: usize,
}

impl Default for Clock {
    fn default() -> Self {
        Self { stamps: [Millis::MIN; CLOCK_STAMPS], next: 0 }
    }
}

impl Clock {
    fn tick(&mut self, stamp: Millis) -> Millis {
        self.stamps[self.next] = stamp;
        self.next = (self.next + 1) % CLOCK_STAMPS;
        self.now()
    }

    fn now(&self) -> Millis {
        self.stamps.iter().copied().fold(Millis::MAX, Millis::min)
    }
}

impl Keys {
    /// Takes a record's event under its key and pushes what must be sent because of it.
    pub fn accept(&mut self, name: &str, event: &Event, plans: &Plans, changes: &mut Vec<Change>) -> Verdict {
        let at = self.slot_of(name);
        self.accept_at(at, name, event, plans, changes)
    }

    fn accept_at(&mut self, at: u32, name: &str, event: &Event, plans: &Plans, changes: &mut Vec<Change>) -> Verdict {
        self.unpack(at, name, plans);
        let slot = &mut self.slots[at as usize];
        let Body::Active(key) = &mut slot.body else { return Verdict::Scored };
        let verdict = key.accept(event, Subject { key: name }, plans, &mut self.scratch, changes);
        slot.newest_stamp = key.newest_stamp();
        slot.keep = key.keep();
        if let Some(stamp) = event.stamp {
            let clock = self.clock.tick(stamp);
            self.pack_idle(clock, plans);
            self.evict(clock);
        }
        verdict
    }

    /// Keys with state.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Is there no key?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory for names, for keys that are packed, and for the table of both, bytes; keys that are awake come beside.
    pub fn packed_bytes(&self) -> usize {
        self.arena.asked_bytes() + self.slots.capacity() * size_of::<Slot>()
    }

    /// Keys ready to be rewound.
    pub fn active(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.body, Body::Active(_))).count()
    }

    /// What happened to keys, since the start.
    pub const fn counters(&self) -> KeyCounters {
        self.counters
    }

    /// Detector runs, early settlements and forgotten findings, since the start.
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// A number that two runs over the same history share, whatever the order of arrival, the packing of keys and the
    /// partitions: the sum over keys of the hash of their machines after all events. Keys that at the stamp `now` begin
    /// anew with their next record are left out, since they may have been let go or not.
    pub fn state_hash(&self, plans: &Plans, now: Millis) -> u128 {
        let over = |slot: &&Slot| slot.newest_stamp.is_some_and(|stamp| now.saturating_sub(stamp) > slot.keep);
        let kept = self.slots.iter().filter(|slot| !over(slot));
        kept.fold(0_u128, |sum, slot| sum.wrapping_add(self.hash(slot, plans)))
    }

    /// The versions that some key refers to. It reads every key, and is asked only when all bytes are taken.
    pub fn versions(&self, plans: &Plans) -> VersionSet {
        let mut found = VersionSet::default();
        for slot in &self.slots {
            match &slot.body {
                Body::Free => {}
                Body::Active(key) => key.versions(&mut found),
                Body::Idle(_) => drop(self.thawed(slot, plans).map(|key| key.versions(&mut found))),
            }
        }
        found
    }

    fn slot_of(&mut self, name: &str) -> u32 {
        let hash = hash64(name.as_bytes());
        if let Some(at) = self.find_hashed(hash, name) {
            return at;
        }
        let slot = Slot { name: Some(self.arena.put(name.as_bytes())), ..Slot::default() };
        let at = if let Some(at) = self.free.pop() {
            self.slots[at as usize] = slot;
            at
        } else {
            self.slots.push(slot);
            self.slots.len() as u32 - 1
        };
        self.index.insert(hash, at);
        at
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.find_hashed(hash64(name.as_bytes()), name)
    }

    fn find_hashed(&self, hash: u64, name: &str) -> Option<u32> {
        self.index
            .find(hash, |at| self.slots.get(at as usize).is_some_and(|slot| self.name_of(slot) == name.as_bytes()))
    }

    fn unpack(&mut self, at: u32, name: &str, plans: &Plans) {
        let slot = &mut self.slots[at as usize];
        let mut waits = false;
        let key = match &slot.body {
            Body::Active(_) => return,
            Body::Free => Key::default(),
            Body::Idle(bytes) => {
                waits = holds_events(self.arena.get(bytes));
                self.counters.unpacked += 1;
                let subject = Subject { key: name };
                let restored = self.squeezer.restore(self.arena.get(bytes), &mut self.bytes);
                self.arena.free(bytes);
                let thawed = restored.and_then(|()| stored::thaw(&self.bytes, plans, subject, &mut self.scratch));
                thawed.unwrap_or_else(|| {
                    self.counters.unreadable += 1;
                    Key::default()
                })
            }
        };
        slot.body = Body::Active(Box::new(key));
        if !waits {
            self.due.push_back((self.clock.now(), at));
        }
    }

    /// Packs keys that have been idle for long. That cannot be seen from outside: a record that comes after such a gap
    /// finds a key that has settled in any case.
    fn pack_idle(&mut self, clock: Millis, plans: &Plans) {
        let idle = |since: Millis| clock.saturating_sub(since) > plans.window_max() + PACK_MARGIN;
        for _ in 0..PACK_STEP {
            let Some((_, at)) = self.due.pop_front_if(|(since, _)| idle(*since)) else { break };
            self.expect_packing();
            self.pack_if(at, idle, clock, plans);
        }
        self.since_restored = self.since_restored.saturating_add(1);
        if self.since_restored >= RESTORED_EVERY
            && let Some(at) = self.restored.pop_front()
        {
            self.since_restored = 0;
            self.pack_if(at, idle, clock, plans);
        }
    }

    /// Packs a key if it is idle, else asks again later.
    fn pack_if(&mut self, at: u32, idle: impl Fn(Millis) -> bool, clock: Millis, plans: &Plans) {
        let slot = &self.slots[at as usize];
        match slot.newest_stamp {
            _ if !self.waits_for_packing(slot) => {}
            Some(newest) if idle(newest) => self.pack(at, plans),
            // A stamp ahead of the clock may be wild: it is asked again, and nothing waits behind it.
            newest => self.due.push_back((newest.map_or(clock, |newest| newest.min(clock)), at)),
        }
    }

    fn pack(&mut self, at: u32, plans: &Plans) {
        let at = at as usize;
        let key = match std::mem::take(&mut self.slots[at].body) {
            Body::Free => return,
            Body::Active(key) => key,
            Body::Idle(kept) => {
                let Some(key) = self.thaw(&self.slots[at], &kept, plans) else {
                    // It stays as it is: whoever asks for it finds that it cannot be read.
                    self.slots[at].body = Body::Idle(kept);
                    return;
                };
                self.arena.free(&kept);
                Box::new(key)
            }
        };
        if stored::freeze(&key, &mut self.bytes).is_err() {
            self.counters.unreadable += 1;
        }
        key.leave(&mut self.scratch);
        self.squeezer.squeeze(Look::Numbers, &self.bytes, &mut self.squeezed);
        self.slots[at].body = Body::Idle(self.arena.put(&self.squeezed));
        self.counters.packed += 1;
    }

    /// Lets go of keys whose retention is over. That cannot be seen from outside: the key begins anew in any case.
    fn evict(&mut self, clock: Millis) {
        for _ in 0..EVICT_STEP {
            self.cursor = if self.cursor + 1 < self.slots.len() { self.cursor + 1 } else { 0 };
            let Some(slot) = self.slots.get_mut(self.cursor) else { return };
            let keep = slot.keep.saturating_add(PACK_MARGIN);
            if matches!(slot.body, Body::Idle(_))
                && slot.newest_stamp.is_some_and(|stamp| clock.saturating_sub(stamp) > keep)
            {
                self.remove(self.cursor as u32);
                self.counters.evicted += 1;
            }
        }
    }

    fn remove(&mut self, at: u32) {
        let Slot { name, body, .. } = std::mem::take(&mut self.slots[at as usize]);
        if let Body::Idle(kept) = &body {
            self.arena.free(kept);
        }
        let Some(name) = name else { return };
        let bytes = self.arena.get(&name);
        self.index.remove(hash64(bytes), at);
        self.free.push(at);
        self.log.gone(at, || String::from_utf8_lossy(bytes).into());
        self.arena.free(&name);
    }

    /// Does it hold events that can be let go once it is idle?
    fn waits_for_packing(&self, slot: &Slot) -> bool {
        match &slot.body {
            Body::Free => false,
            Body::Active(_) => true,
            Body::Idle(kept) => holds_events(self.arena.get(kept)),
        }
    }

    fn name_of(&self, slot: &Slot) -> &[u8] {
        slot.name.as_ref().map_or(&[], |name| self.arena.get(name))
    }

    fn hash(&self, slot: &Slot, plans: &Plans) -> u128 {
        let name = self.name_of(slot).to_vec();
        let key = match &slot.body {
            Body::Free => return 0,
            Body::Active(key) => key.canonical(name),
            Body::Idle(_) => match self.thawed(slot, plans) {
                Some(key) => key.canonical(name),
                None => return 0,
            },
        };
        key.map_or(0, |bytes| hash128(&bytes))
    }

    /// A copy of a key that is kept as bytes.
    fn thawed(&self, slot: &Slot, plans: &Plans) -> Option<Key> {
        let Body::Idle(kept) = &slot.body else { return None };
        self.thaw(slot, kept, plans)
    }

    fn thaw(&self, slot: &Slot, kept: &Piece, plans: &Plans) -> Option<Key> {
        let subject = Subject { key: std::str::from_utf8(self.name_of(slot)).unwrap_or_default() };
        let mut bytes = Vec::new();
        self.squeezer.restore(self.arena.get(kept), &mut bytes)?;
        stored::thaw(&bytes, plans, subject, &mut Scratch::default())
    }
}

/// Do kept bytes hold events that late ones may still join? What was packed here never does.
fn holds_events(kept: &[u8]) -> bool {
    squeeze::as_it_is(kept).is_some_and(stored::is_whole)
}
