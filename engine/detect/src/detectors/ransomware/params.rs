//! The parameters of `ransomware`.

use serde::{Deserialize, Serialize};

use super::changes::CHANGES_MAX;
use super::seen::CHURN_POINTS;
use crate::detectors::bounded;
use crate::files::{Extension, is_known, is_note, is_sure, note_words};

/// Extensions that a rule calls usual, at most.
const USUAL_MAX: usize = 64;
/// Extensions, and names of notes, of which a rule says who writes them, at most.
pub const SEEN_MAX: usize = 256;
/// People that are told apart there, at most.
pub const PEOPLE_MAX: u32 = 1_000;

/// Parameters of `ransomware`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Files changed, replaced or deleted within the window that are a sign.
    pub changes_min: u32,
    /// Length of the sliding window of the rate, seconds.
    pub window_secs: u32,
    /// Length of the sliding window of all other signs, seconds.
    pub slow_window_secs: u32,
    /// Files with the same new extension that are a sign.
    pub extension_min: u32,
    /// Files whose media type or bytes contradict their name that are a sign.
    pub content_min: u32,
    /// Records whose files were changed that are a sign.
    pub records_min: u32,
    /// So many points of signs raise the alert.
    pub score_min: u32,
    /// What only an extension speaks for that no list of ransomware has, or a media type that nobody told, is held back for so
    /// many days from the first activity of a user on. 0: nothing is.
    pub learning_days: u32,
    /// What an account did to files on this many different days before is its habit.
    pub usual_days_min: u32,
    /// A habit not seen for this long is forgotten, days.
    pub usual_forget_days: u32,
    /// Extensions that are usual in the organisation, in lower case without the dot.
    pub usual_extensions: Vec<String>,
    /// What so many people of the organisation write weighs nothing, what fewer write so much less. 0: nothing was measured.
    #[serde(default)]
    pub usual_people: u32,
    /// By extension how many people wrote it, as `frostwatch usual-files` measures it.
    #[serde(default)]
    pub seen_extensions: Vec<Written>,
    /// The same by the words in names of notes.
    #[serde(default)]
    pub seen_notes: Vec<Written>,
}

/// How many people of the organisation write something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// An extension in lower case without its dot, or the words in the name of a note.
    pub name: String,
    /// People who write it.
    pub people: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let is_fit = |text: &&String| !text.is_empty() && !text.contains('.') && **text == text.to_lowercase();
        let is_unfit = |text: &&String| !is_fit(text);
        let files_max = CHANGES_MAX as u32;
        bounded(&mut faults, "changes_min", self.changes_min, 2, files_max);
        // The long window is never the shorter one, and what makes a habit is never forgotten before it is one.
        bounded(&mut faults, "window_secs", self.window_secs, 1, 3_600);
        bounded(&mut faults, "slow_window_secs", self.slow_window_secs, 3_600, 604_800);
        bounded(&mut faults, "extension_min", self.extension_min, 2, files_max);
        bounded(&mut faults, "content_min", self.content_min, 1, files_max);
        bounded(&mut faults, "records_min", self.records_min, 2, files_max);
        bounded(&mut faults, "score_min", self.score_min, 1, 200);
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "usual_days_min", self.usual_days_min, 1, 30);
        bounded(&mut faults, "usual_forget_days", self.usual_forget_days, 30, 365);
        bounded(&mut faults, "usual_people", self.usual_people, 0, PEOPLE_MAX);
        for (name, seen) in [("seen_extensions", &self.seen_extensions), ("seen_notes", &self.seen_notes)] {
            if seen.len() > SEEN_MAX {
                faults.push((name, format!("more than {SEEN_MAX}")));
            }
            if !seen.is_empty() && self.usual_people == 0 {
                faults.push((name, "needs `usual_people`: how many make it usual".to_owned()));
            }
            if let Some(Written { name: text, people }) = seen.iter().find(|one| one.people > PEOPLE_MAX) {
                faults.push((name, format!("'{text}': {people} is more than {PEOPLE_MAX}")));
            }
        }
        if let Some(text) = self.seen_extensions.iter().map(|one| &one.name).find(is_unfit) {
            faults.push(("seen_extensions", format!("'{text}' is no extension in lower case without its dot")));
        }
        if let Some(text) = self.seen_notes.iter().map(|one| &one.name).find(|text| !is_note(text)) {
            faults.push(("seen_notes", format!("'{text}' is no name of a note that is known")));
        }
        if self.usual_extensions.len() > USUAL_MAX {
            faults.push(("usual_extensions", format!("more than {USUAL_MAX}")));
        }
        if let Some(text) = self.usual_extensions.iter().find(|text| !is_fit(text)) {
            faults.push(("usual_extensions", format!("'{text}' is no extension in lower case without its dot")));
        }
        faults
    }

    /// How many people of the organisation are known to write files with this extension.
    pub(super) fn people_with(&self, extension: Extension) -> u32 {
        // What only ransomware writes is usual nowhere, and what is written in signs that are not kept may be anything.
        if extension.is_empty() || is_known(extension.as_str()) || extension.as_str().contains('?') {
            return 0;
        }
        let known = self.seen_extensions.iter().find(|known| Extension::of(&known.name) == extension);
        known.map_or(0, |known| known.people)
    }

    /// The same of files with a name like a note that is no guide for all one can tell.
    pub(super) fn people_with_note(&self, note: u8) -> u32 {
        if !is_sure(note) {
            return 0;
        }
        self.seen_notes.iter().find(|known| known.name == note_words(note)).map_or(0, |known| known.people)
    }

    /// What it weighs that many files got this extension.
    pub(super) fn churn_points(&self, extension: Extension) -> u32 {
        self.weighed(CHURN_POINTS, self.people_with(extension))
    }

    /// What is left of points of something that so many people write.
    pub(super) const fn weighed(&self, points: u32, people: u32) -> u32 {
        if self.usual_people == 0 {
            return points;
        }
        points * self.usual_people.saturating_sub(people) / self.usual_people
    }

    pub(super) fn is_usual(&self, extension: Extension) -> bool {
        self.usual_extensions.iter().any(|text| Extension::of(text) == extension)
    }

    #[cfg(test)]
    pub(super) fn of_tests() -> Self {
        Self {
            changes_min: 20,
            window_secs: 600,
            slow_window_secs: 86_400,
            extension_min: 16,
            content_min: 6,
            records_min: 6,
            score_min: 60,
            learning_days: 7,
            usual_days_min: 5,
            usual_forget_days: 30,
            usual_extensions: Vec::new(),
            usual_people: 0,
            seen_extensions: Vec::new(),
            seen_notes: Vec::new(),
        }
    }
}
