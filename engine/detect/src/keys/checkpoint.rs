//! The rolling checkpoint: which keys have changed since they were written, and the keys that a log of state brings
//! back.
//!
//! A record of a key says up to which offset of the input it stands for. Keys are written in the order in which they
//! changed first, a bounded number at a time, so that neither every event costs a record nor all keys are written in one
//! burst. Whoever takes the keys over reads the records and runs the input again from the oldest change that was not
//! written; what is below a key's own offset is in it already and is passed over.

use std::collections::VecDeque;

use super::squeeze::{self, Look};
use super::stored::{self, Header, StateFault};
use super::{Body, Keys, holds_events};
use crate::context::Subject;
use crate::event::Event;
use crate::key::Verdict;
use crate::plans::Plans;
use crate::sent::Change;

/// What is to be written of the state of keys, as far as the keys know it.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Is the state written at all? Else nothing is remembered for it.
    kept: bool,
    /// Keys that have changed, with the offset of the first record that changed them since they were written.
    dirty: VecDeque<(i64, u32)>,
    /// Keys that were let go and whose records must go, with the offset at which they were.
    gone: VecDeque<(i64, Box<str>)>,
    /// The offset up to which a restored key is, by slot, until all of them are passed.
    restored: Vec<i64>,
    /// The highest of them.
    restored_until: i64,
    /// The offset of the last record.
    offset: i64,
}

/// How much may be written at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Keys.
    pub keys: usize,
    /// Bytes of their records; the last may exceed it.
    pub bytes: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Keys, those let go included.
    pub keys: usize,
    /// Bytes of their records.
    pub bytes: usize,
}

impl Log {
    /// A slot is free again.
    pub(super) fn gone(&mut self, at: u32, name: impl FnOnce() -> Box<str>) {
        if let Some(offset) = self.restored.get_mut(at as usize) {
            *offset = i64::MIN;
        }
        if self.kept {
            self.gone.push_back((self.offset, name()));
        }
    }
}

impl Keys {
    /// Takes the event of the record at `offset`, as [`Keys::accept`] does, and remembers what it changed for
    /// [`Keys::write`]. `None`: the key was restored from a record that has it in it already.
    pub fn accept_logged(
        &mut self,
        name: &str,
        offset: i64,
        event: &Event,
        plans: &Plans,
        changes: &mut Vec<Change>,
    ) -> Option<Verdict> {
        (self.log.kept, self.log.offset) = (true, offset);
        if !self.log.restored.is_empty() && offset >= self.log.restored_until {
            self.log.restored = Vec::new();
        }
        let at = self.slot_of(name);
        if self.log.restored.get(at as usize).is_some_and(|restored| offset < *restored) {
            return None;
        }
        let verdict = self.accept_at(at, name, event, plans, changes);
        if let Some(slot) = self.slots.get_mut(at as usize)
            && has_changed(verdict, &slot.body)
            && !std::mem::replace(&mut slot.dirty, true)
        {
            self.log.dirty.push_back((offset, at));
        }
        Some(verdict)
    }

    /// The offset of the first record that a reader of what was written must run again; `position` where there is none.
    pub fn low_water(&self, position: i64) -> i64 {
        self.log.dirty.front().map_or(position, |(offset, _)| *offset)
    }

    /// Keys that have changed since they were written.
    pub fn unwritten(&self) -> usize {
        self.log.dirty.len()
    }

    /// Writes the keys that changed first, as they are at `position`, the offset of the next record: those that changed
    /// before `below`, and no more than there is room for. Of a key that was let go the record is deleted (`None`). Records
    /// have this format, see [`crate::plan::Named::state_format`].
    pub fn write(
        &mut self,
        format: u8,
        position: i64,
        below: i64,
        room: Room,
        write: &mut dyn FnMut(&str, Option<&[u8]>),
    ) -> Written {
        let mut written = Written::default();
        while written.keys < room.keys && written.bytes < room.bytes {
            let Some((_, at)) = self.log.dirty.pop_front_if(|(offset, _)| *offset < below) else { break };
            let Some(slot) = self.slots.get_mut(at as usize) else { continue };
            if !std::mem::take(&mut slot.dirty) {
                continue;
            }
            let header = (format, Header { offset: position, newest_stamp: slot.newest_stamp, keep: slot.keep });
            let done = match &slot.body {
                Body::Free => continue,
                Body::Active(key) => stored::write_active(header, key, &mut self.bytes),
                // What cannot be restored is empty, and refused.
                Body::Idle(kept) => {
                    let _refused = self.squeezer.restore(self.arena.get(kept), &mut self.squeezed);
                    stored::write_idle(header, &self.squeezed, &mut self.bytes)
                }
            };
            if done.is_err() {
                self.counters.unreadable += 1;
                continue;
            }
            written.keys += 1;
            written.bytes += self.bytes.len();
            let name = slot.name.as_ref().map_or(&[][..], |name| self.arena.get(name));
            write(std::str::from_utf8(name).unwrap_or_default(), Some(&self.bytes));
        }
        self.write_gone(position, room, &mut written, write);
        written
    }

    /// Deletes the records of keys that were let go, once no record that such a key took is run again: without its record it
    /// would begin anew in the midst of them. A key of that name that has begun since has a record of its own.
    fn write_gone(
        &mut self,
        position: i64,
        room: Room,
        written: &mut Written,
        write: &mut dyn FnMut(&str, Option<&[u8]>),
    ) {
        let low_water = self.low_water(position);
        while written.keys < room.keys {
            let Some((_, name)) = self.log.gone.pop_front_if(|(offset, _)| *offset < low_water) else { return };
            if self.find(&name).is_none() {
                written.keys += 1;
                write(&name, None);
            }
        }
    }

    /// Takes over a key from its record, or lets it go where that was deleted. The last record of a key counts.
    pub fn restore(&mut self, name: &str, record: Option<&[u8]>) -> Result<(), StateFault> {
        self.log.kept = true;
        let Some(record) = record else {
            if let Some(at) = self.find(name) {
                self.remove(at);
                self.log.gone.pop_back();
            }
            return Ok(());
        };
        let header = stored::read(record, &mut self.bytes)?;
        let at = self.slot_of(name) as usize;
        let Some(slot) = self.slots.get_mut(at) else { return Ok(()) };
        (slot.newest_stamp, slot.keep) = (header.newest_stamp, header.keep);
        let waited = match &slot.body {
            Body::Active(_) => true,
            Body::Idle(kept) => holds_events(self.arena.get(kept)),
            Body::Free => false,
        };
        if let Body::Idle(kept) = &slot.body {
            self.arena.free(kept);
        }
        let is_whole = stored::is_whole(&self.bytes);
        if is_whole {
            // [`holds_events`] knows it by that: squeezed it would never settle.
            squeeze::keep(&self.bytes, &mut self.squeezed);
        } else {
            self.squeezer.squeeze(Look::Texts, &self.bytes, &mut self.squeezed);
        }
        slot.body = Body::Idle(self.arena.put(&self.squeezed));
        if !waited && is_whole {
            self.restored.push_back(at as u32);
        }
        if self.log.restored.len() <= at {
            self.log.restored.resize(at + 1, i64::MIN);
        }
        self.log.restored[at] = header.offset;
        self.log.restored_until = self.log.restored_until.max(header.offset);
        Ok(())
    }

    /// The offset up to which the record of a restored key has the input in it, until all of them are passed;
    /// [`i64::MIN`] where it had none.
    pub fn restored_until(&self, name: &str) -> i64 {
        let at = self.find(name);
        at.and_then(|at| self.log.restored.get(at as usize)).copied().unwrap_or(i64::MIN)
    }

    /// What stands of a key's findings with these ids, as it was sent last. What the machine no longer says is left out.
    pub fn standing(&self, name: &str, ids: &[u128], plans: &Plans) -> Vec<Change> {
        let Some(slot) = self.find(name).and_then(|at| self.slots.get(at as usize)) else { return Vec::new() };
        let subject = Subject { key: name };
        match &slot.body {
            Body::Free => Vec::new(),
            Body::Active(key) => key.standing(ids, plans, subject),
            Body::Idle(_) => self.thawed(slot, plans).map_or_else(Vec::new, |key| key.standing(ids, plans, subject)),
        }
    }
}

/// Must the key be written? A late record leaves a trace only where something was found of it or of one before.
fn has_changed(verdict: Verdict, body: &Body) -> bool {
    match verdict {
        Verdict::Scored | Verdict::Conflict => true,
        Verdict::Duplicate => false,
        Verdict::Late(_) => matches!(body, Body::Active(key) if key.has_late()),
    }
}
