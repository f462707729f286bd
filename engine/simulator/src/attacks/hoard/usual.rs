//! What the victim carried off in the weeks before, and the least beside it that is promised to be told.

use std::collections::BTreeMap;

use crate::action::{Action, Deed};
use crate::behaviour::plan_day;
use crate::clock::{DAY_MS, HOUR_MS, weekday};

use super::super::Scouting;

/// Days before the attack by which it is known what is usual.
const USUAL_DAYS: u32 = 35;
/// Within an hour nothing below these is promised to be told, nor more than this many times the busiest hour before.
pub(super) const OBJECTS_LEAST: f64 = 20.0;
pub(super) const ROWS_LEAST: f64 = 50_000.0;
pub(super) const BYTES_LEAST: f64 = 268_435_456.0;
const HOUR_TIMES: f64 = 1.5;
/// Over days so much more in all is promised to be told, once the days are together so many spreads above the usual, each
/// without some.
const SLOW_OBJECTS_LEAST: f64 = 30.0;
const SLOW_ROWS_LEAST: f64 = 100_000.0;
const SLOW_SPREADS: f64 = 9.0;
const SLOW_SLACK: f64 = 1.3;
/// From the median distance to the median to the spread of a normal distribution.
const SPREAD_OF_DISTANCE: f64 = 1.48;
/// A usual day differs from the next one by this part of it, at least.
const SPREAD_MIN: f64 = 0.15;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Objects,
    Rows,
}

/// What the victim did before, in order: when, objects, rows.
pub(super) struct Before(Vec<(i64, [f64; 2])>);

/// A usual day.
pub(super) struct UsualDay {
    pub(super) median: f64,
    spread: f64,
    least: f64,
}

impl Before {
    pub(super) fn new(scouting: &Scouting<'_>) -> Self {
        let mut actions = Vec::new();
        let day = i64::from(scouting.day);
        for day in day - i64::from(USUAL_DAYS)..day {
            plan_day(scouting.company.day_context(), scouting.account, scouting.person, day, &mut actions);
        }
        actions.retain(|action| !action.is_strangers());
        actions.sort_unstable_by_key(|action| action.time_ms);
        Self(actions.iter().map(|action| (action.time_ms, carried(action))).collect())
    }

    /// The most within any sixty minutes.
    pub(super) fn busiest_hour(&self, of: Of) -> f64 {
        let (mut first, mut sum, mut most) = (0, 0.0, 0.0_f64);
        for (time_ms, carried) in &self.0 {
            sum += carried[of as usize];
            while self.0.get(first).is_some_and(|(old_ms, _)| *old_ms <= time_ms - HOUR_MS) {
                sum -= self.0.get(first).map_or(0.0, |(_, old)| old[of as usize]);
                first += 1;
            }
            most = most.max(sum);
        }
        most
    }

    /// The least within an hour of the working day that is promised to be told.
    pub(super) fn least_in_hour(&self, of: Of, floor: f64) -> f64 {
        floor.max(HOUR_TIMES * self.busiest_hour(of) + 1.0)
    }

    /// Was the victim never active at these hours of the day, nor in the hours beside them?
    pub(super) fn is_never_active(&self, from_ms: i64, to_ms: i64) -> bool {
        let (from, to) = (from_ms.div_euclid(HOUR_MS) - 1, to_ms.div_euclid(HOUR_MS) + 1);
        let hours: Vec<i64> = (from..=to).map(|hour| hour.rem_euclid(24)).collect();
        self.0.iter().all(|(time_ms, _)| !hours.contains(&time_ms.div_euclid(HOUR_MS).rem_euclid(24)))
    }

    /// What is carried off on a usual day of activity; of people on working days.
    pub(super) fn usual_day(&self, of: Of) -> Option<UsualDay> {
        let mut days: BTreeMap<i64, f64> = BTreeMap::new();
        for (time_ms, carried) in &self.0 {
            *days.entry(time_ms.div_euclid(DAY_MS)).or_default() += carried[of as usize];
        }
        let is_working = |day: i64| of == Of::Rows || weekday(day) < 5;
        let working: Vec<f64> = days.into_iter().filter(|(day, _)| is_working(*day)).map(|(_, all)| all).collect();
        let middle = median(working.clone())?;
        let distance = median(working.into_iter().map(|all| (all - middle).abs()).collect())?;
        let (least, of_chance) = match of {
            Of::Objects => (SLOW_OBJECTS_LEAST, libm::sqrt(middle)),
            Of::Rows => (SLOW_ROWS_LEAST, 0.0),
        };
        let spread = (SPREAD_OF_DISTANCE * distance).max(of_chance).max(SPREAD_MIN * middle);
        Some(UsualDay { median: middle, spread, least })
    }
}

impl UsualDay {
    /// The least more on each of so many days that is promised to be told.
    pub(super) fn least_more(&self, days: usize) -> f64 {
        let days = days.max(1) as f64;
        (self.least / days).max(self.spread * (SLOW_SLACK + SLOW_SPREADS / days))
    }
}

fn carried(action: &Action) -> [f64; 2] {
    match action.deed {
        Deed::Download { .. } => [1.0, 0.0],
        Deed::Export { rows, .. } | Deed::RestRead { rows, .. } => [1.0, f64::from(rows)],
        Deed::Zip { objects, .. } => [f64::from(objects), 0.0],
        _ => [0.0, 0.0],
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
