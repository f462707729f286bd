//! What an account is used to do with files: documents that its program signs, jobs that encrypt or rewrite them every night.

use serde::{Deserialize, Serialize};

use super::Params;
use super::mark::Mark;
use crate::time::{DAY, Millis};

/// Habits of one account that are kept; the one not seen for longest gives way.
pub(super) const HABITS_MAX: usize = 16;
/// A habit explains up to so many times as many files in a day as on any day before.
pub(super) const HABIT_TIMES_MAX: u32 = 4;
/// What is a habit grows to so many times as many files with each day at most, so that one day of harm does not cover the next.
const GROWTH_TIMES_MAX: u32 = 2;

/// A habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    /// What the files look like.
    mark: Mark,
    /// The last day on which it was so, counted from the epoch.
    day: i64,
    /// Files that day, each counted when it was changed first.
    files: u32,
    /// On how many days before that, and the most files on one of these.
    before: Before,
}

/// What was before today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// On how many days.
    pub(super) days: u16,
    /// The most files on one of these.
    pub(super) files: u32,
}

impl Habit {
    fn before(&self, params: &Params, today: i64) -> Before {
        let Before { days, files } = self.before;
        if self.day >= today {
            return self.before;
        }
        let is_habit = u32::from(days) >= params.usual_days_min;
        let of_day = if is_habit { self.files.min(files.saturating_mul(GROWTH_TIMES_MAX)) } else { self.files };
        Before { days: days.saturating_add(1), files: files.max(of_day) }
    }
}

/// Habits, the one seen last at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habits {
    list: Vec<Habit>,
}

impl Habits {
    /// What was so before today; a habit not seen for `usual_forget_days` is forgotten.
    pub(super) fn before(&self, params: &Params, mark: Mark, now: Millis) -> Before {
        let today = now.div_euclid(DAY);
        let known = self.list.iter().find(|habit| habit.mark == mark);
        let known = known.filter(|habit| today - habit.day <= i64::from(params.usual_forget_days));
        known.map_or(Before::default(), |habit| habit.before(params, today))
    }

    /// Files of today, however many.
    pub(super) fn today(&self, mark: Mark, now: Millis) -> u32 {
        let today = now.div_euclid(DAY);
        self.list.iter().find(|habit| habit.mark == mark && habit.day == today).map_or(0, |habit| habit.files)
    }

    /// One more file is so today.
    pub(super) fn note(&mut self, params: &Params, mark: Mark, now: Millis) {
        let (before, files) = (self.before(params, mark, now), self.today(mark, now).saturating_add(1));
        self.list.retain(|habit| habit.mark != mark);
        if self.list.len() == HABITS_MAX {
            self.list.remove(0);
        }
        self.list.push(Habit { mark, day: now.div_euclid(DAY), files, before });
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::Look;
    use super::*;
    use crate::files::Extension;

    fn params() -> Params {
        Params { usual_days_min: 5, usual_forget_days: 30, ..Params::of_tests() }
    }

    fn mark(extension: &str) -> Mark {
        Mark { look: Look::Unusual, extension: Extension::of(extension) }
    }

    fn note(habits: &mut Habits, extension: &str, files: u32, day: i64) {
        (0..files).for_each(|n| habits.note(&params(), mark(extension), day * DAY + i64::from(n)));
    }

    fn before(habits: &Habits, extension: &str, day: i64) -> (u16, u32) {
        let Before { days, files } = habits.before(&params(), mark(extension), day * DAY + DAY / 2);
        (days, files)
    }

    #[test]
    fn a_habit_counts_the_days_before_and_is_forgotten() {
        let mut habits = Habits::default();
        for day in 0..4 {
            let known = (day as u16, if day == 0 { 0 } else { 8 });
            assert_eq!(before(&habits, "enc", day), known);
            note(&mut habits, "enc", 8, day);
            assert_eq!(before(&habits, "enc", day), known, "today does not count");
            assert_eq!(habits.today(mark("enc"), day * DAY), 8);
        }
        assert_eq!(before(&habits, "enc", 33), (4, 8));
        assert_eq!(before(&habits, "enc", 34), (0, 0));
        let other = Mark { look: Look::Untyped, ..mark("enc") };
        assert_eq!(habits.before(&params(), other, 4 * DAY), Before::default(), "another look is another habit");
    }

    #[test]
    fn what_is_a_habit_counts_beyond_any_window_and_grows_to_twice_a_day() {
        let mut habits = Habits::default();
        (0..5).for_each(|day| note(&mut habits, "enc", 300, day));
        assert_eq!(before(&habits, "enc", 5), (5, 300), "no count stands still");
        note(&mut habits, "enc", 1_500, 5);
        assert_eq!(before(&habits, "enc", 6), (6, 600));
        note(&mut habits, "enc", 700, 6);
        assert_eq!(before(&habits, "enc", 7), (7, 700));
    }

    #[test]
    fn one_habit_over_the_limit_drops_the_one_not_seen_for_longest() {
        let mut habits = Habits::default();
        (0..=HABITS_MAX).for_each(|number| note(&mut habits, &format!("x{number}"), 1, 0));
        assert_eq!(habits.list.len(), HABITS_MAX);
        assert_eq!((before(&habits, "x0", 1), before(&habits, "x1", 1)), ((0, 0), (1, 1)));
    }
}
