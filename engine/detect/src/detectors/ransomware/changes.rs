//! The files that a user changed of late, each once, and what they say together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Params;
use super::mark::{Look, Mark};
use super::seen::Seen;
use crate::caps::Caps;
use crate::event::Event;
use crate::files::{Extension, FileFacts, Signs, is_sure};
use crate::model::Action;
use crate::time::{Millis, SECOND};

/// Files of one user that are told apart, so that counts stand still there; beyond, those that mean nothing alone are
/// forgotten first, and then the one changed first.
pub(super) const CHANGES_MAX: usize = 256;

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    /// It came, and as far as is known in no other's place.
    Came,
    /// It went, and as far as is known nothing came in its place.
    Went,
    /// It was renamed or changed.
    Changed,
    /// It came in place of one that went.
    Replaced,
    /// The same, under the same name.
    Overwritten,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct File {
    time: Millis,
    /// Hash of the object, or of the name where that is not told.
    object: u64,
    deed: Deed,
    /// An exception covers it.
    covered: bool,
    facts: FileFacts,
}

impl File {
    const fn is_change(&self) -> bool {
        !matches!(self.deed, Deed::Came)
    }

    /// Did it go, and nothing came in its place?
    fn is_gone(&self) -> bool {
        self.deed == Deed::Went && !self.facts.signs.has(Signs::CHANGED)
    }

    fn has_new_extension(&self) -> bool {
        self.is_change() && self.facts.signs.has(Signs::CHANGED)
    }

    /// Does its media type contradict its name? Where the extension is known to be new that has been said already.
    fn is_of_other_type(&self) -> bool {
        let signs = self.facts.signs;
        let overwritten = matches!(self.deed, Deed::Overwritten) && signs.has(Signs::GENERIC);
        self.is_change() && !signs.has(Signs::CHANGED) && (signs.has(Signs::MISMATCH) || overwritten)
    }

    /// What its owner may be used to.
    const fn mark(&self) -> Mark {
        Mark::of(self.facts.extension, self.facts.signs, matches!(self.deed, Deed::Overwritten))
    }

    /// The same, whether it took another's place or not.
    const fn own_mark(&self) -> Mark {
        Mark::of(self.facts.extension, self.facts.signs, true)
    }

    /// The same as [`File::mark`], if its owner did that to it: what only came harms nothing, and makes no habit.
    const fn habit(&self) -> Option<Mark> {
        let mark = self.mark();
        if self.is_change() && !mark.is_plain() { Some(mark) } else { None }
    }

    /// Does it mean something alone? A plain deletion and an upload do not.
    fn is_grave(&self) -> bool {
        self.facts.note != 0 || self.is_change() && self.facts.is_odd()
    }

    /// Did one take the other's place? By the name and another extension, or by the same name.
    fn takes_place_of(&self, gone: &Self) -> Option<Deed> {
        let (new, old) = (&self.facts, &gone.facts);
        let is_named = old.name != 0 && new.name != 0;
        let other = new.signs.has(Signs::UNUSUAL) && (new.stem == old.name || new.stem == old.stem);
        if !is_named || self.object == gone.object {
            None
        } else if new.name == old.name {
            Some(Deed::Overwritten)
        } else {
            other.then_some(Deed::Replaced)
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// It is more than a deletion, or another change of a file, that means nothing alone.
    pub(super) is_sign: bool,
    /// One more file was changed.
    pub(super) is_new: bool,
    /// One more file was changed so that it has this mark.
    pub(super) marked: Option<Mark>,
    /// The mark that the file has, or would have in another's place.
    pub(super) mark: Mark,
}

/// Files, in the order in which each was changed first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes {
    files: VecDeque<File>,
    /// When files that gave way were changed: those that mean nothing alone, and the others.
    gave_way: [Option<Span>; 2],
}

/// Files from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Span {
    files: u32,
    first: Millis,
    last: Millis,
}

impl Changes {
    /// Forgets what is older than `length` before `now`.
    pub(super) fn expire(&mut self, now: Millis, length: Millis) {
        while self.files.pop_front_if(|file| file.time <= now - length).is_some() {}
        for span in &mut self.gave_way {
            *span = span.filter(|span| span.last > now - length);
        }
    }

    /// How many files it tells apart.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Takes the next change in order.
    pub(super) fn push(&mut self, event: &Event, facts: &FileFacts, covered: bool, caps: &mut Caps) -> Pushed {
        let object = if event.object == 0 { u64::from(facts.name) } else { event.object };
        let deed = match event.action {
            Action::Upload => Deed::Came,
            Action::Delete => Deed::Went,
            _ => Deed::Changed,
        };
        let file = File { time: event.time, object, deed, covered, facts: *facts };
        if let Some(index) = self.files.iter().rposition(|known| known.object == object && object != 0) {
            return self.merge(index, &file);
        }
        let replaces = self.files.iter().rposition(|known| match (file.deed, known.deed) {
            (Deed::Came, Deed::Went) => file.takes_place_of(known).is_some(),
            (Deed::Went, Deed::Came) => known.takes_place_of(&file).is_some(),
            _ => false,
        });
        if let Some(index) = replaces {
            return self.pair(index, file);
        }
        self.add(file, caps);
        Pushed { is_sign: facts.is_odd(), is_new: file.is_change(), marked: file.habit(), mark: file.own_mark() }
    }

    /// Whoever deletes or attaches plain files by the hundred must not push out what was done to others.
    fn add(&mut self, file: File, caps: &mut Caps) {
        if self.files.len() == CHANGES_MAX {
            caps.window_objects += 1;
            let plain = self.files.iter().position(|known| !known.is_grave());
            let gone = match plain {
                None if !file.is_grave() => Some(file),
                _ => self.files.remove(plain.unwrap_or(0)),
            };
            if let Some(gone) = gone.filter(File::is_change) {
                let span = &mut self.gave_way[usize::from(gone.is_grave())];
                let known = span.unwrap_or(Span { files: 0, first: gone.time, last: gone.time });
                let (first, last) = (known.first.min(gone.time), known.last.max(gone.time));
                *span = Some(Span { files: known.files.saturating_add(1), first, last });
            }
            if plain.is_none() && !file.is_grave() {
                return;
            }
        }
        self.files.push_back(file);
    }

    /// What is told of a file again is added to what is known of it.
    fn merge(&mut self, index: usize, file: &File) -> Pushed {
        let Some(known) = self.files.get_mut(index) else { return Pushed::default() };
        if known.deed == Deed::Came && file.deed == Deed::Went {
            // Whoever takes back what they attached has harmed nothing.
            self.files.remove(index);
            return Pushed::default();
        }
        let (was_change, had) = (known.is_change(), known.habit());
        // The platform itself touches a new row; only a name that changes makes more of it.
        if known.deed == Deed::Came && file.facts.signs.has(Signs::CHANGED) {
            known.deed = Deed::Changed;
        }
        known.covered &= file.covered;
        let (facts, new) = (&mut known.facts, &file.facts);
        let signs = facts.signs.with(new.signs);
        let is_more = signs != facts.signs;
        facts.signs = signs;
        if new.signs.has(Signs::UNUSUAL) || facts.extension.is_empty() {
            facts.extension = new.extension;
        }
        for (known, new) in [(&mut facts.name, new.name), (&mut facts.stem, new.stem), (&mut facts.record, new.record)]
        {
            *known = if new == 0 { *known } else { new };
        }
        facts.note = if facts.note == 0 { new.note } else { facts.note };
        let marked = known.habit().filter(|mark| had != Some(*mark));
        Pushed { is_sign: is_more, is_new: known.is_change() && !was_change, marked, mark: known.own_mark() }
    }

    /// One of the two came in place of the other: both are one file, at the place of the first.
    fn pair(&mut self, index: usize, file: File) -> Pushed {
        let Some(known) = self.files.get_mut(index) else { return Pushed::default() };
        let is_new = !known.is_change();
        let (new, gone) = if file.deed == Deed::Came { (file, *known) } else { (*known, file) };
        let deed = new.takes_place_of(&gone).unwrap_or(Deed::Replaced);
        let mut facts = new.facts;
        if deed == Deed::Replaced {
            facts.signs = facts.signs.with(Signs::CHANGED);
        }
        *known = File { time: known.time, object: new.object, deed, covered: new.covered && gone.covered, facts };
        Pushed { is_sign: true, is_new, marked: known.habit(), mark: known.own_mark() }
    }

    /// What the files say together at this time: all where what is covered counts, and of those whose mark is `usual` no more
    /// than that they were changed.
    pub(super) fn look(&self, params: &Params, now: Millis, covered: bool, usual: impl Fn(Mark) -> bool) -> Seen {
        let begin = now - Millis::from(params.window_secs) * SECOND;
        let mut seen = Seen::default();
        let (mut changed, mut came, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let (mut known, mut shared) = (Vec::new(), Vec::new());
        let mut gone = 0;
        for file in self.files.iter().filter(|file| covered || !file.covered) {
            let (is_recent, signs) = (file.time > begin, file.facts.signs);
            if file.is_change() {
                seen.rate += u32::from(is_recent);
                records.extend((file.facts.record != 0).then_some(file.facts.record));
            }
            gone += u32::from(file.is_gone() && is_recent);
            note(params, &mut seen, file.facts.note);
            if usual(file.mark()) {
                continue;
            }
            let extension = file.facts.extension;
            if file.has_new_extension() {
                changed.push(extension);
                known.extend(signs.has(Signs::KNOWN).then_some(extension));
                shared.extend(signs.has(Signs::SHARED).then_some(extension));
            } else if file.deed == Deed::Came && is_recent && signs.has(Signs::UNUSUAL) {
                came.push(extension);
            }
            seen.types += u32::from(file.is_of_other_type());
            seen.random += u32::from(file.is_change() && signs.has(Signs::RANDOM));
        }
        records.sort_unstable();
        records.dedup();
        seen.records = records.len() as u32;
        (seen.extension, seen.churn) = gravest(params, &mut changed, &mut came, gone);
        let count = |list: &[Extension]| list.len() as u32;
        let else_of = |list: &[Extension]| list.iter().filter(|known| **known != seen.extension).count() as u32;
        (seen.known, seen.known_else) = (count(&known), else_of(&known));
        (seen.shared, seen.shared_else) = (count(&shared), else_of(&shared));
        let replaced = changed.iter().filter(|known| **known == seen.extension).count() as u32;
        self.harm(params, begin, (covered, seen.churn.saturating_sub(replaced)), usual, &mut seen);
        seen
    }

    /// Which files were harmed, and since when: those that mean something alone, and all of the short window where their number
    /// is a sign or some came in place of others; where nothing means anything alone, all that were changed. Usual ones were not,
    /// unless there are no others. `matched` are those that went and in whose place others came, though no name tells which is
    /// which.
    fn harm(
        &self,
        params: &Params,
        begin: Millis,
        (covered, matched): (bool, u32),
        usual: impl Fn(Mark) -> bool,
        seen: &mut Seen,
    ) {
        let changed = || self.files.iter().filter(|file| file.is_change() && (covered || !file.covered));
        let is_usual = |file: &File| usual(file.mark());
        let all_usual = changed().all(is_usual);
        let harmed = || changed().filter(|file| all_usual || !is_usual(file));
        let has_some = harmed().any(File::is_grave);
        let is_fast = seen.rate >= params.changes_min || matched > 0;
        for file in harmed().filter(|file| !has_some || file.is_grave() || is_fast && file.time > begin) {
            seen.files += 1;
            seen.deleted += u32::from(file.is_gone());
            seen.since = seen.since.into_iter().chain([file.time]).min();
        }
        // Of those that gave way no more is known than how many and when; rather too early than too late.
        let [plain, grave] = self.gave_way;
        let plain = plain.filter(|span| !has_some || is_fast && span.last > begin);
        seen.deleted = seen.deleted.saturating_add(plain.map_or(0, |span| span.files)).saturating_sub(matched);
        for Span { files, first, .. } in plain.into_iter().chain(grave) {
            seen.files = seen.files.saturating_add(files);
            seen.since = seen.since.into_iter().chain([first]).min();
        }
    }

    /// The marks of its files. What came is among them: it may stand for what went.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.files.iter().map(File::mark).filter(|mark| !mark.is_plain()).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// How many files with this mark there are.
    pub(super) fn count(&self, mark: Mark) -> u32 {
        self.files.iter().filter(|file| file.mark() == mark).count() as u32
    }

    /// Has one of its files this mark and one of these signs?
    pub(super) fn has(&self, mark: Mark, signs: Signs) -> bool {
        self.files.iter().any(|file| file.mark() == mark && file.facts.signs.has_any(signs))
    }

    /// Does nothing but what the organisation's own programs may write speak for this mark: an extension that no list knows, or
    /// that nobody told what it is?
    pub(super) fn is_unknown(&self, mark: Mark) -> bool {
        let named = Signs::KNOWN.with(Signs::SHARED);
        matches!(mark.look, Look::Untyped) || matches!(mark.look, Look::Unusual) && !self.has(mark, named)
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.files.clone_from(&other.files);
        self.gave_way = other.gave_way;
    }
}

/// Of several notes the rarest is told of, the first among equals.
fn note(params: &Params, seen: &mut Seen, number: u8) {
    if number == 0 {
        return;
    }
    let is_rarer = || params.people_with_note(number) < params.people_with_note(seen.note);
    let is_first = seen.note == 0 || is_sure(number) && (seen.notes == 0 || is_rarer());
    seen.note = if is_first { number } else { seen.note };
    if is_sure(number) {
        seen.notes += 1;
    } else {
        seen.guides += 1;
    }
}

/// Of the extensions that files enough got the one that weighs most, else the one that most files got, the first in order among
/// equals. Files that came with it, while as many others of the
/// same minutes went, count as well, though no name tells which is which.
fn gravest(params: &Params, changed: &mut [Extension], came: &mut [Extension], gone: u32) -> (Extension, u32) {
    changed.sort_unstable();
    came.sort_unstable();
    let count = |list: &[Extension], extension: Extension| {
        (list.partition_point(|known| *known <= extension) - list.partition_point(|known| *known < extension)) as u32
    };
    let weight = |extension: Extension, files: u32| {
        (if files >= params.extension_min { params.churn_points(extension) } else { 0 }, files)
    };
    let mut most = (Extension::EMPTY, 0);
    let mut last = None;
    for extension in changed.iter().chain(came.iter()) {
        if last == Some(*extension) {
            continue;
        }
        last = Some(*extension);
        let files = count(changed, *extension) + count(came, *extension).min(gone);
        let (now, before) = (weight(*extension, files), weight(most.0, most.1));
        if now > before || now == before && *extension < most.0 {
            most = (*extension, files);
        }
    }
    most
}
