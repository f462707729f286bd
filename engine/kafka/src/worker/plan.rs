//! Where a newly assigned partition begins, from what the group committed and what the topic holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a note of ours begins; JSON follows.
const NOTE: &str = "frostwatch ";

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// First offset to read; `None` is the earliest there is.
    pub(super) start: Option<i64>,
    /// Records below are re-run in silence.
    pub(super) silent_until: i64,
}

/// Plans a partition that holds `low..high`. `Err` if the committed offset lies outside.
pub(crate) const fn plan(committed: Option<i64>, low: i64, high: i64) -> Result<Plan, i64> {
    match committed {
        None => Ok(Plan { start: None, silent_until: low }),
        Some(offset) if offset < low || offset > high => Err(offset),
        // Nothing before it is left to be run again.
        Some(offset) if offset == low => Ok(Plan { start: Some(offset), silent_until: offset }),
        Some(offset) => Ok(Plan { start: None, silent_until: offset }),
    }
}

/// What is lost of a partition that the broker no longer holds as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The position is held.
    Nothing,
    /// Records that were scored before and are run again in silence.
    PartOfThePast,
    /// Records that were not scored yet, or the end of the log.
    Unread,
}

/// What is lost of a partition that holds `low..high`.
pub(super) const fn when_lost(position: i64, restore_until: i64, low: i64, high: i64) -> Lost {
    if position >= low && position <= high {
        Lost::Nothing
    } else if position < low && position < restore_until && restore_until >= low && restore_until <= high {
        Lost::PartOfThePast
    } else {
        Lost::Unread
    }
}

/// What is written beside every committed offset: what the state and the outputs before it were made under. Brokers take
/// 4 KiB (`offset.metadata.max.bytes`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Partitions of the topic.
    pub(super) partitions: Option<i32>,
    /// Epoch of the outputs.
    #[serde(default)]
    pub(super) epoch: u32,
    /// Versions by name.
    #[serde(default)]
    versions: BTreeMap<String, String>,
}

impl Note {
    /// The note for a commit.
    pub(super) fn written(partitions: i32, epoch: u32, versions: &BTreeMap<String, String>) -> String {
        let note = Self { partitions: Some(partitions), epoch, versions: versions.clone() };
        // Numbers and texts always have a JSON.
        format!("{NOTE}{}", serde_json::to_string(&note).unwrap_or_default())
    }

    /// Reads a note; offsets set by other tools have none. One that begins like ours and cannot be read tells of nothing,
    /// which is a change.
    pub(super) fn read(note: &str) -> Option<Self> {
        Some(serde_json::from_str(note.strip_prefix(NOTE)?).unwrap_or_default())
    }

    /// What differs now, in words; empty when nothing does.
    pub(super) fn changes(&self, now: &BTreeMap<String, String>) -> String {
        let mut names: Vec<&String> = self.versions.keys().chain(now.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let of =
            |versions: &BTreeMap<String, String>, name| versions.get(name).cloned().unwrap_or("unknown".to_owned());
        let changed = names.into_iter().filter(|name| self.versions.get(*name) != now.get(*name));
        let told: Vec<String> =
            changed.map(|name| format!("{name} {} → {}", of(&self.versions, name), of(now, name))).collect();
        told.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(committed: Option<i64>, low: i64, high: i64, wanted: Result<(Option<i64>, i64), i64>) {
        assert_eq!(plan(committed, low, high), wanted.map(|(start, silent_until)| Plan { start, silent_until }));
    }

    #[test]
    fn a_new_group_scores_all_that_is_held() {
        check(None, 0, 0, Ok((None, 0)));
        check(None, 7, 90, Ok((None, 7)));
    }

    #[test]
    fn what_was_committed_is_run_again_in_silence() {
        check(Some(50), 7, 90, Ok((None, 50)));
        check(Some(90), 7, 90, Ok((None, 90)));
        check(Some(7), 7, 90, Ok((Some(7), 7)));
        check(Some(90), 90, 90, Ok((Some(90), 90)));
    }

    #[test]
    fn an_offset_outside_is_refused() {
        check(Some(6), 7, 90, Err(6));
        check(Some(91), 7, 90, Err(91));
    }

    #[test]
    fn only_a_past_that_is_run_again_may_lose_its_oldest_part() {
        assert_eq!(when_lost(7, 50, 7, 90), Lost::Nothing);
        assert_eq!(when_lost(90, 50, 7, 90), Lost::Nothing);
        assert_eq!(when_lost(6, 50, 7, 90), Lost::PartOfThePast);
        assert_eq!(when_lost(6, 7, 7, 90), Lost::PartOfThePast);
        assert_eq!(when_lost(5, 6, 7, 90), Lost::Unread);
        assert_eq!(when_lost(60, 50, 70, 90), Lost::Unread);
        assert_eq!(when_lost(91, 50, 7, 90), Lost::Unread);
        assert_eq!(when_lost(6, 91, 7, 90), Lost::Unread);
    }

    fn versions(named: &[(&str, &str)]) -> BTreeMap<String, String> {
        named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_note_is_read_back_and_foreign_ones_are_ignored() {
        let now = versions(&[("rules", "aa"), ("geoip", "DB \"Lite\" 1")]);
        let note = Note::read(&Note::written(48, 3, &now)).unwrap();
        assert_eq!((note.partitions, note.epoch, note.changes(&now)), (Some(48), 3, String::new()));
        assert_eq!(Note::read(""), None);
        assert_eq!(Note::read("flink"), None);
    }

    #[test]
    fn what_changed_is_told_by_name_and_an_unreadable_note_is_a_change() {
        let note = Note::read(&Note::written(1, 0, &versions(&[("a", "1"), ("b", "1"), ("c", "1")]))).unwrap();
        let now = versions(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(note.changes(&now), "b 1 → 2, c 1 → unknown, d unknown → 1");
        let unreadable = Note::read("frostwatch from the future").unwrap();
        assert_eq!(
            (unreadable.partitions, unreadable.changes(&versions(&[("a", "1")]))),
            (None, "a unknown → 1".to_owned())
        );
    }
}
