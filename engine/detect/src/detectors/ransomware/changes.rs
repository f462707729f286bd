//! The files that a user changed of late, each once, and what they say together.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Params;
use crate::caps::Caps;
use crate::event::Event;
use crate::files::{Extension, FileFacts, Signs};
use crate::model::Action;
use crate::time::{Millis, SECOND};

/// Files of one user that are told apart; beyond, the one changed first is forgotten, so that counts stand still there.
pub(super) const CHANGES_MAX: usize = 256;
/// Files with an extension of known ransomware that are a sign.
pub(super) const KNOWN_MIN: u32 = 3;

/// What each sign weighs, in points.
pub(super) const RATE_POINTS: u32 = 20;
/// See [`RATE_POINTS`].
pub(super) const SPREAD_POINTS: u32 = 20;
/// See [`RATE_POINTS`].
pub(super) const CHURN_POINTS: u32 = 50;
/// Of an extension that nothing but ransomware writes.
pub(super) const KNOWN_POINTS: u32 = 40;
/// Of an extension that honest programs write too.
pub(super) const SHARED_POINTS: u32 = 10;
/// See [`RATE_POINTS`].
pub(super) const NOTE_POINTS: u32 = 50;
/// See [`RATE_POINTS`].
pub(super) const TYPE_POINTS: u32 = 40;
/// See [`RATE_POINTS`].
pub(super) const ENTROPY_POINTS: u32 = 40;
/// Signs that must be there, whatever they weigh.
pub(super) const SIGNS_MIN: u32 = 2;

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

    fn has_new_extension(&self) -> bool {
        self.is_change() && self.facts.signs.has(Signs::CHANGED)
    }

    /// Does its media type contradict its name? Where the extension is known to be new that has been said already.
    fn is_of_other_type(&self) -> bool {
        let signs = self.facts.signs;
        let overwritten = matches!(self.deed, Deed::Overwritten) && signs.has(Signs::GENERIC);
        self.is_change() && !signs.has(Signs::CHANGED) && (signs.has(Signs::MISMATCH) || overwritten)
    }

    /// What its owner may be used to: files that get this extension, or, without one, files under their own names.
    fn mark(&self) -> Extension {
        if self.facts.signs.has(Signs::UNUSUAL) { self.facts.extension } else { Extension::EMPTY }
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
    /// The mark of the file.
    pub(super) mark: Extension,
}

/// Files, in the order in which each was changed first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes {
    files: VecDeque<File>,
}

/// What the files of a user say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Files changed within the short window.
    pub(super) rate: u32,
    /// Files that got the same new extension within the long one.
    pub(super) churn: u32,
    /// Which.
    pub(super) extension: Extension,
    /// Files with an extension that only ransomware writes.
    pub(super) known: u32,
    /// With one that honest programs write too.
    pub(super) shared: u32,
    /// Notes.
    pub(super) notes: u32,
    /// Which, of the first: [`crate::files::note_words`].
    pub(super) note: u8,
    /// Files whose type contradicts their name.
    pub(super) types: u32,
    /// Files whose bytes look random.
    pub(super) random: u32,
    /// Records that the changed files hang on.
    pub(super) records: u32,
    /// Files changed within the long window.
    pub(super) files: u32,
}

/// A sign: what was seen, from how much on it counts, and what it then weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign {
    pub(super) names: [&'static str; 3],
    pub(super) seen: u32,
    pub(super) min: u32,
    pub(super) points: u32,
}

impl Sign {
    pub(super) const fn is_there(&self) -> bool {
        self.seen >= self.min
    }
}

impl Seen {
    /// Its signs. Of the two sorts of extension of ransomware one counts.
    pub(super) fn signs(&self, params: &Params) -> [Sign; 7] {
        let (known, known_points) =
            if self.known >= KNOWN_MIN { (self.known, KNOWN_POINTS) } else { (self.shared, SHARED_POINTS) };
        let sign = |names, seen, min, points| Sign { names, seen, min, points };
        [
            sign(["files_in_window", "changes_min", "changes_points"], self.rate, params.changes_min, RATE_POINTS),
            sign(
                ["files_with_new_extension", "extension_min", "extension_points"],
                self.churn,
                params.extension_min,
                CHURN_POINTS,
            ),
            sign(["files_with_known_extension", "known_min", "known_points"], known, KNOWN_MIN, known_points),
            sign(["notes", "notes_min", "notes_points"], self.notes, 1, NOTE_POINTS),
            sign(["files_of_other_type", "type_min", "type_points"], self.types, params.content_min, TYPE_POINTS),
            sign(
                ["files_of_random_bytes", "entropy_min", "entropy_points"],
                self.random,
                params.content_min,
                ENTROPY_POINTS,
            ),
            sign(["records", "records_min", "records_points"], self.records, params.records_min, SPREAD_POINTS),
        ]
    }

    /// What the signs that are there weigh together.
    pub(super) fn score(&self, params: &Params) -> u32 {
        self.signs(params).iter().filter(|sign| sign.is_there()).map(|sign| sign.points).sum()
    }

    /// The signs that are there, a bit each.
    pub(super) fn bits(&self, params: &Params) -> u8 {
        let signs = self.signs(params);
        signs.iter().enumerate().fold(0, |bits, (index, sign)| bits | u8::from(sign.is_there()) << index)
    }

    /// Is that enough?
    pub(super) fn suffices(&self, params: &Params) -> bool {
        self.bits(params).count_ones() >= SIGNS_MIN && self.score(params) >= params.score_min
    }

    /// The most of both, with the extension and the note of the later one.
    pub(super) fn most(&self, now: &Self) -> Self {
        Self {
            rate: self.rate.max(now.rate),
            churn: self.churn.max(now.churn),
            extension: if now.extension.is_empty() { self.extension } else { now.extension },
            known: self.known.max(now.known),
            shared: self.shared.max(now.shared),
            notes: self.notes.max(now.notes),
            note: if self.note == 0 { now.note } else { self.note },
            types: self.types.max(now.types),
            random: self.random.max(now.random),
            records: self.records.max(now.records),
            files: self.files.max(now.files),
        }
    }
}

impl Changes {
    /// Forgets what is older than `length` before `now`.
    pub(super) fn expire(&mut self, now: Millis, length: Millis) {
        while self.files.pop_front_if(|file| file.time <= now - length).is_some() {}
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
        Pushed { is_sign: facts.is_odd(), is_new: file.is_change(), mark: file.mark() }
    }

    fn add(&mut self, file: File, caps: &mut Caps) {
        if self.files.len() == CHANGES_MAX {
            caps.window_objects += 1;
            self.files.pop_front();
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
        let was_change = known.is_change();
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
        facts.note = facts.note.max(new.note);
        Pushed { is_sign: is_more, is_new: known.is_change() && !was_change, mark: known.mark() }
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
        Pushed { is_sign: true, is_new, mark: known.mark() }
    }

    /// What the files say together at this time: all where what is covered counts, and of those whose mark is `usual` no more
    /// than that they were changed.
    pub(super) fn look(&self, params: &Params, now: Millis, covered: bool, usual: impl Fn(Extension) -> bool) -> Seen {
        let begin = now - Millis::from(params.window_secs) * SECOND;
        let mut seen = Seen::default();
        let (mut changed, mut came, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let mut gone = 0;
        for file in self.files.iter().filter(|file| covered || !file.covered) {
            let is_recent = file.time > begin;
            if file.is_change() {
                seen.files += 1;
                seen.rate += u32::from(is_recent);
                records.extend((file.facts.record != 0).then_some(file.facts.record));
            }
            let is_gone = file.deed == Deed::Went && !file.facts.signs.has(Signs::CHANGED);
            gone += u32::from(is_gone && is_recent);
            if file.facts.note != 0 {
                seen.notes += 1;
                seen.note = if seen.note == 0 { file.facts.note } else { seen.note };
            }
            if usual(file.mark()) {
                continue;
            }
            let signs = file.facts.signs;
            if file.has_new_extension() {
                changed.push(file.facts.extension);
                seen.known += u32::from(signs.has(Signs::KNOWN));
                seen.shared += u32::from(signs.has(Signs::SHARED));
            } else if file.deed == Deed::Came && is_recent && signs.has(Signs::UNUSUAL) {
                came.push(file.facts.extension);
            }
            seen.types += u32::from(file.is_of_other_type());
            seen.random += u32::from(file.is_change() && signs.has(Signs::RANDOM));
        }
        records.sort_unstable();
        records.dedup();
        seen.records = records.len() as u32;
        (seen.extension, seen.churn) = most_frequent(&mut changed, &mut came, gone);
        seen
    }

    /// The marks of its files.
    pub(super) fn marks(&self) -> Vec<Extension> {
        let mut marks: Vec<Extension> = self.files.iter().filter(|file| file.is_change()).map(File::mark).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// How many files with this mark there are.
    pub(super) fn count(&self, mark: Extension) -> u32 {
        self.files.iter().filter(|file| file.mark() == mark).count() as u32
    }

    /// Has one of its files this mark and one of these signs?
    pub(super) fn has(&self, mark: Extension, signs: Signs) -> bool {
        self.files.iter().any(|file| file.mark() == mark && file.facts.signs.has_any(signs))
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.files.clone_from(&other.files);
    }
}

/// The extension that most files got, the first in order among equals. Files that came with it, while as many others of the
/// same minutes went, count as well, though no name tells which is which.
fn most_frequent(changed: &mut [Extension], came: &mut [Extension], gone: u32) -> (Extension, u32) {
    changed.sort_unstable();
    came.sort_unstable();
    let count = |list: &[Extension], extension: Extension| {
        (list.partition_point(|known| *known <= extension) - list.partition_point(|known| *known < extension)) as u32
    };
    let mut most = (Extension::EMPTY, 0);
    let mut last = None;
    for extension in changed.iter().chain(came.iter()) {
        if last == Some(*extension) {
            continue;
        }
        last = Some(*extension);
        let files = count(changed, *extension) + count(came, *extension).min(gone);
        if files > most.1 || files == most.1 && *extension < most.0 {
            most = (*extension, files);
        }
    }
    most
}
