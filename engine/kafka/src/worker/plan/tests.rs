use frostwatch_runtime::checkpoint::{PROGRESS_SCHEMA, TaskProgress};

use super::*;

fn progress(offset: i64, low_water: i64, last: Option<i64>) -> Progress {
    Progress {
        schema: PROGRESS_SCHEMA.to_owned(),
        offset,
        low_water,
        rebuild: false,
        unsettled: false,
        epoch: 0,
        partitions: 1,
        last: last.map(|offset| Landmark { offset, stamp: Some(1) }),
        misrouted: 0,
        task: TaskProgress::default(),
    }
}

#[track_caller]
fn check(
    progress: Option<&Progress>,
    committed: Option<i64>,
    is_ours: bool,
    ends: (i64, i64),
    wanted: Result<(Option<i64>, i64), Refusal>,
) {
    let (low, high) = ends;
    let known = Known { progress, committed, is_ours, follows: false, low, high };
    assert_eq!(plan(&known).map(|plan| (plan.start, plan.silent_until)), wanted);
}

#[test]
fn a_new_group_scores_all_that_is_held() {
    check(None, None, false, (0, 0), Ok((None, 0)));
    check(None, None, false, (7, 90), Ok((None, 7)));
}

#[test]
fn offsets_set_before_the_first_start_make_what_lies_before_history() {
    check(None, Some(50), false, (7, 90), Ok((None, 50)));
    check(None, Some(90), false, (7, 90), Ok((None, 90)));
    check(None, Some(7), false, (7, 90), Ok((Some(7), 7)));
    check(None, Some(90), false, (90, 90), Ok((Some(90), 90)));
    check(None, Some(6), false, (7, 90), Err(Refusal::OutOfRange(6)));
    check(None, Some(91), false, (7, 90), Err(Refusal::OutOfRange(91)));
}

#[test]
fn from_written_state_only_the_tail_is_run_again() {
    let tail = progress(50, 40, Some(49));
    check(Some(&tail), Some(50), true, (7, 90), Ok((Some(40), 50)));
    check(Some(&tail), Some(50), true, (40, 50), Ok((Some(40), 50)));
    // A graceful stop leaves none; the last record is read to know the log again.
    let none = progress(50, 50, Some(49));
    check(Some(&none), Some(50), true, (7, 90), Ok((Some(49), 50)));
    check(Some(&none), Some(50), true, (50, 50), Ok((Some(50), 50)));
    // The engine's own may be ahead of a state that was read too early; that of a tool is not guessed about.
    check(Some(&tail), Some(51), true, (7, 90), Err(Refusal::StateBehind));
    check(Some(&tail), Some(51), false, (7, 90), Err(Refusal::Moved));
    // Offsets that follow outputs may be behind after a crash, and only the engine's own.
    check(Some(&tail), Some(45), true, (7, 90), Ok((Some(40), 50)));
    let rebuild = Progress { rebuild: true, low_water: 0, ..tail };
    check(Some(&rebuild), Some(50), true, (7, 90), Ok((None, 50)));
}

#[test]
fn what_does_not_agree_is_refused() {
    let tail = progress(50, 40, Some(49));
    check(Some(&tail), None, false, (7, 90), Err(Refusal::Moved));
    check(Some(&tail), Some(45), false, (7, 90), Err(Refusal::Moved));
    check(Some(&tail), Some(50), true, (41, 90), Err(Refusal::TailGone));
    check(Some(&tail), Some(50), true, (51, 90), Err(Refusal::OutOfRange(50)));
    check(Some(&tail), Some(50), true, (7, 49), Err(Refusal::OutOfRange(50)));
    check(None, Some(50), true, (7, 90), Err(Refusal::StateGone));
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
