//! What an account is used to do with files: documents that its program signs, jobs that encrypt or rewrite them every night.

use serde::{Deserialize, Serialize};

use crate::files::Extension;
use crate::time::{DAY, Millis};

/// Habits of one account that are kept; the one not seen for longest gives way.
pub(super) const HABITS_MAX: usize = 8;
/// A habit explains up to so many times as many files as on any day before.
pub(super) const HABIT_TIMES_MAX: u32 = 4;

/// A habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    /// The extension that files have; none: files under their own names.
    mark: Extension,
    /// The last day on which it was so, counted from the epoch.
    day: i64,
    /// The most files at a time that day.
    files: u16,
    /// On how many days before that, and the most files on one of these.
    before: Before,
}

/// What was before today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// On how many days.
    pub(super) days: u16,
    /// The most files at a time.
    pub(super) files: u16,
}

impl Habit {
    fn before(&self, today: i64) -> Before {
        if self.day < today {
            Before { days: self.before.days.saturating_add(1), files: self.before.files.max(self.files) }
        } else {
            self.before
        }
    }
}

/// Habits, the one seen last at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habits {
    list: Vec<Habit>,
}

impl Habits {
    /// What was so before today; a habit not seen for `forget_days` is forgotten.
    pub(super) fn before(&self, mark: Extension, now: Millis, forget_days: u32) -> Before {
        let today = now.div_euclid(DAY);
        let known = self.list.iter().find(|habit| habit.mark == mark);
        let known = known.filter(|habit| today - habit.day <= i64::from(forget_days));
        known.map_or(Before::default(), |habit| habit.before(today))
    }

    /// It is so today, with so many files.
    pub(super) fn note(&mut self, mark: Extension, files: u32, now: Millis, forget_days: u32) {
        let before = self.before(mark, now, forget_days);
        let day = now.div_euclid(DAY);
        let known = self.list.iter().position(|habit| habit.mark == mark).map(|index| self.list.remove(index));
        let files = u16::try_from(files).unwrap_or(u16::MAX);
        let files = known.filter(|habit| habit.day == day).map_or(files, |habit| habit.files.max(files));
        if self.list.len() == HABITS_MAX {
            self.list.remove(0);
        }
        self.list.push(Habit { mark, day, files, before });
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(days: u16, files: u16) -> Before {
        Before { days, files }
    }

    #[test]
    fn a_habit_counts_the_days_before_and_is_forgotten() {
        let mut habits = Habits::default();
        let mark = Extension::of("enc");
        for day in 0..4 {
            let known = before(day as u16, if day == 0 { 0 } else { 8 });
            assert_eq!(habits.before(mark, day * DAY, 30), known);
            habits.note(mark, 8, day * DAY, 30);
            habits.note(mark, 5, day * DAY + 1, 30);
            assert_eq!(habits.before(mark, day * DAY + 2, 30), known, "today does not count");
        }
        assert_eq!(habits.before(mark, 33 * DAY, 30), before(4, 8));
        assert_eq!(habits.before(mark, 34 * DAY, 30), Before::default());
        assert_eq!(habits.before(Extension::EMPTY, 4 * DAY, 30), Before::default());
    }

    #[test]
    fn one_habit_over_the_limit_drops_the_one_not_seen_for_longest() {
        let mut habits = Habits::default();
        for number in 0..=HABITS_MAX {
            habits.note(Extension::of(&format!("x{number}")), 1, 0, 30);
        }
        assert_eq!(habits.list.len(), HABITS_MAX);
        assert_eq!(habits.before(Extension::of("x0"), DAY, 30), Before::default());
        assert_eq!(habits.before(Extension::of("x1"), DAY, 30), before(1, 1));
    }
}
