//! Where a newly assigned partition begins, from what the group committed and what the topic holds.

/// Written beside every committed offset: the number of partitions the state was built on.
const NOTE: &str = "frostwatch partitions=";

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

/// The note for a commit.
pub(super) fn note(partition_count: i32) -> String {
    format!("{NOTE}{partition_count}")
}

/// The number of partitions a note tells of; offsets set by other tools have none.
pub(super) fn noted(note: &str) -> Option<i32> {
    note.strip_prefix(NOTE)?.parse().ok()
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
    fn a_note_is_read_back_and_foreign_ones_are_ignored() {
        assert_eq!(noted(&note(48)), Some(48));
        assert_eq!(noted(""), None);
        assert_eq!(noted("flink"), None);
    }
}
