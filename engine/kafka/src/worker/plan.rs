//! Where a newly assigned partition begins: from what the log of state says, what the group committed and what the topic
//! holds. Where these do not agree nothing is guessed: it is refused, with the command that chooses.

use frostwatch_runtime::checkpoint::{Landmark, Progress};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// First offset to read; `None` is the earliest there is.
    pub(super) start: Option<i64>,
    /// Records below are re-run in silence.
    pub(super) silent_until: i64,
    /// The record that must be found in the input: the last one that was scored.
    pub(super) landmark: Option<Landmark>,
}

/// What is known of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// From the log of state.
    pub(super) progress: Option<&'a Progress>,
    /// The group's offset.
    pub(super) committed: Option<i64>,
    /// The engine has committed it.
    pub(super) is_ours: bool,
    /// Offsets follow outputs, so a crash before the first commit leaves a state without one of ours.
    pub(super) follows: bool,
    /// First offset the topic holds.
    pub(super) low: i64,
    /// Offset after the last one it holds.
    pub(super) high: i64,
}

/// Why nothing is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The offset from which to go on is not held.
    OutOfRange(i64),
    /// The engine has committed an offset beyond what was read of the state: the state was read before that commit ended.
    StateBehind,
    /// The group's offset is not where the state is: it was set by hand, has expired or was deleted.
    Moved,
    /// The engine has committed an offset, and of its state there is nothing.
    StateGone,
    /// Records that must be run again are not held any more.
    TailGone,
}

/// Plans a partition.
pub(super) fn plan(known: &Known<'_>) -> Result<Plan, Refusal> {
    let Known { progress, committed, is_ours, follows, low, high } = *known;
    let Some(progress) = progress else {
        return match committed {
            Some(_) if is_ours => Err(Refusal::StateGone),
            committed => from_offset(committed, low, high),
        };
    };
    // With offsets that follow outputs a crash leaves the group's behind; it is never ahead.
    let agrees = match committed {
        Some(committed) => committed == progress.offset || is_ours && committed < progress.offset,
        None => follows,
    };
    if !agrees {
        // One of ours is only committed with the progress, or after it.
        let is_behind = is_ours && progress.offset >= 0 && committed.is_some_and(|it| it > progress.offset);
        return Err(if is_behind { Refusal::StateBehind } else { Refusal::Moved });
    }
    let offset = progress.offset;
    if offset < low || offset > high {
        return Err(Refusal::OutOfRange(offset));
    }
    let landmark = progress.last.filter(|last| last.offset >= low);
    if progress.rebuild {
        return Ok(Plan { start: None, silent_until: offset, landmark });
    }
    if progress.low_water < low {
        return Err(Refusal::TailGone);
    }
    let start = landmark.map_or(progress.low_water, |last| last.offset.min(progress.low_water));
    Ok(Plan { start: Some(start), silent_until: offset, landmark })
}

/// Nothing was ever written here. A group without offsets scores all that is held; where somebody has set them, what lies
/// before is history to learn from in silence.
const fn from_offset(committed: Option<i64>, low: i64, high: i64) -> Result<Plan, Refusal> {
    let landmark = None;
    match committed {
        None => Ok(Plan { start: None, silent_until: low, landmark }),
        Some(offset) if offset < low || offset > high => Err(Refusal::OutOfRange(offset)),
        // Nothing before it is left to be run again.
        Some(offset) if offset == low => Ok(Plan { start: Some(offset), silent_until: offset, landmark }),
        Some(offset) => Ok(Plan { start: None, silent_until: offset, landmark }),
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

#[cfg(test)]
mod tests;
