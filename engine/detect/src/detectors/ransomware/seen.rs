//! What the files of a user say together, and what that weighs.

use serde::{Deserialize, Serialize};

use super::Params;
use crate::files::Extension;
use crate::time::Millis;

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
/// Of a note that speaks of files that somebody locked.
pub(super) const NOTE_POINTS: u32 = 50;
/// Of a file that is called as guides are, too.
pub(super) const GUIDE_POINTS: u32 = 10;
/// See [`RATE_POINTS`].
pub(super) const TYPE_POINTS: u32 = 40;
/// See [`RATE_POINTS`].
pub(super) const ENTROPY_POINTS: u32 = 40;
/// Signs that must be there, whatever they weigh.
pub(super) const SIGNS_MIN: u32 = 2;

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
    /// Of these two, files with another extension than most got: what [`Seen::churn`] does not say already.
    pub(super) known_else: u32,
    /// See [`Seen::known_else`].
    pub(super) shared_else: u32,
    /// Notes.
    pub(super) notes: u32,
    /// Files that are called as guides are, too.
    pub(super) guides: u32,
    /// Which, of the first: [`crate::files::note_words`].
    pub(super) note: u8,
    /// Files whose type contradicts their name.
    pub(super) types: u32,
    /// Files whose bytes look random.
    pub(super) random: u32,
    /// Records that the changed files hang on.
    pub(super) records: u32,
    /// Files that were harmed, as far as this can be told.
    pub(super) files: u32,
    /// Of these, such as were deleted and nothing came in their place.
    pub(super) deleted: u32,
    /// When the first of these was changed; nothing was harmed before.
    pub(super) since: Option<Millis>,
}

/// A sign: what was seen, from how much on it counts, and what it then weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign {
    pub(super) names: [&'static str; 3],
    pub(super) seen: u32,
    pub(super) min: u32,
    pub(super) points: u32,
    /// It says what no other sign says.
    apart: bool,
}

impl Sign {
    pub(super) const fn is_there(&self) -> bool {
        self.seen >= self.min && self.points > 0 && self.apart
    }
}

impl Seen {
    /// Its signs. Of the two sorts of extension of ransomware one counts, and of the two sorts of notes; an extension that many
    /// files got is one sign, whatever it is called.
    pub(super) fn signs(&self, params: &Params) -> [Sign; 7] {
        let (known, known_points) =
            if self.known >= KNOWN_MIN { (self.known, KNOWN_POINTS) } else { (self.shared, SHARED_POINTS) };
        let (notes, notes_points) =
            if self.notes > 0 { (self.notes, NOTE_POINTS) } else { (self.guides, GUIDE_POINTS) };
        let known_else = if self.known >= KNOWN_MIN { self.known_else } else { self.shared_else };
        let notes_points = params.weighed(notes_points, params.people_with_note(self.note));
        let churn_points = params.churn_points(self.extension);
        let apart = self.churn < params.extension_min || known_else >= KNOWN_MIN;
        let sign = |names, seen, min, points| Sign { names, seen, min, points, apart: true };
        let known = sign(["files_with_known_extension", "known_min", "known_points"], known, KNOWN_MIN, known_points);
        [
            sign(["files_in_window", "changes_min", "changes_points"], self.rate, params.changes_min, RATE_POINTS),
            sign(
                ["files_with_new_extension", "extension_min", "extension_points"],
                self.churn,
                params.extension_min,
                churn_points,
            ),
            Sign { apart, ..known },
            sign(["notes", "notes_min", "notes_points"], notes, 1, notes_points),
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

    /// Does something say that content was made unreadable, and not just that files went?
    pub(super) fn encrypts(&self, params: &Params) -> bool {
        let known = self.known >= KNOWN_MIN || self.shared >= KNOWN_MIN;
        let content = self.types >= params.content_min || self.random >= params.content_min;
        self.churn >= params.extension_min || known || content
    }

    /// The same without what a sign counts.
    pub(super) fn without(mut self, sign: &str) -> Self {
        match sign {
            "files_in_window" => self.rate = 0,
            "files_with_new_extension" => self.churn = 0,
            "files_with_known_extension" => {
                (self.known, self.shared, self.known_else, self.shared_else) = (0, 0, 0, 0);
            }
            "notes" => (self.notes, self.guides) = (0, 0),
            "files_of_other_type" => self.types = 0,
            "files_of_random_bytes" => self.random = 0,
            _ => self.records = 0,
        }
        self
    }

    /// The most of both, with the extension and the note of the later one, and what is gone for good by now.
    pub(super) fn most(&self, now: &Self) -> Self {
        Self {
            rate: self.rate.max(now.rate),
            churn: self.churn.max(now.churn),
            extension: if now.extension.is_empty() { self.extension } else { now.extension },
            known: self.known.max(now.known),
            shared: self.shared.max(now.shared),
            known_else: self.known_else.max(now.known_else),
            shared_else: self.shared_else.max(now.shared_else),
            notes: self.notes.max(now.notes),
            guides: self.guides.max(now.guides),
            note: if self.notes > 0 || now.note == 0 { self.note } else { now.note },
            types: self.types.max(now.types),
            random: self.random.max(now.random),
            records: self.records.max(now.records),
            files: self.files.max(now.files),
            deleted: now.deleted,
            since: self.since.into_iter().chain(now.since).min(),
        }
    }
}
