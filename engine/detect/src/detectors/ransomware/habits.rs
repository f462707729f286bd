//! What a technical account is used to do with files: jobs that encrypt or rewrite them every night.

use serde::{Deserialize, Serialize};

use crate::files::Extension;
use crate::time::{DAY, Millis};

/// Habits of one account that are kept; the one not seen for longest gives way.
pub(super) const HABITS_MAX: usize = 8;

/// A habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    /// The extension that files get; none: files under their own names.
    mark: Extension,
    /// The last day on which it was so, counted from the epoch.
    day: i64,
    /// On how many days before that.
    days_before: u16,
}

/// Habits, the one seen last at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habits {
    list: Vec<Habit>,
}

impl Habits {
    /// On how many days before today it was so; a habit not seen for `forget_days` is forgotten.
    pub(super) fn days(&self, mark: Extension, now: Millis, forget_days: u32) -> u32 {
        let today = now.div_euclid(DAY);
        let known = self.list.iter().find(|habit| habit.mark == mark);
        let known = known.filter(|habit| today - habit.day <= i64::from(forget_days));
        known.map_or(0, |habit| u32::from(habit.days_before) + u32::from(habit.day < today))
    }

    /// It is so today.
    pub(super) fn note(&mut self, mark: Extension, now: Millis, forget_days: u32) {
        let today = now.div_euclid(DAY);
        let known = self.list.iter().position(|habit| habit.mark == mark).map(|index| self.list.remove(index));
        let known = known.filter(|habit| today - habit.day <= i64::from(forget_days));
        let days_before = known.map_or(0, |habit| habit.days_before.saturating_add(u16::from(habit.day < today)));
        if self.list.len() == HABITS_MAX {
            self.list.remove(0);
        }
        self.list.push(Habit { mark, day: today, days_before });
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_counts_the_days_before_and_is_forgotten() {
        let mut habits = Habits::default();
        let mark = Extension::of("enc");
        for day in 0..4 {
            assert_eq!(habits.days(mark, day * DAY, 30), day as u32);
            habits.note(mark, day * DAY, 30);
            habits.note(mark, day * DAY + 1, 30);
            assert_eq!(habits.days(mark, day * DAY + 2, 30), day as u32, "today does not count");
        }
        assert_eq!((habits.days(mark, 33 * DAY, 30), habits.days(mark, 34 * DAY, 30)), (4, 0));
        assert_eq!(habits.days(Extension::EMPTY, 4 * DAY, 30), 0);
    }

    #[test]
    fn one_habit_over_the_limit_drops_the_one_not_seen_for_longest() {
        let mut habits = Habits::default();
        for number in 0..=HABITS_MAX {
            habits.note(Extension::of(&format!("x{number}")), 0, 30);
        }
        assert_eq!(habits.list.len(), HABITS_MAX);
        assert_eq!((habits.days(Extension::of("x0"), DAY, 30), habits.days(Extension::of("x1"), DAY, 30)), (0, 1));
    }
}
