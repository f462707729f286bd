//! What is usual for a user at this hour of the week: events that were counted, hour by hour, and half forgotten after some
//! weeks. Detectors count failed sign-ins or what was carried off; it is the same question.
//!
//! Hours are those of UTC. Where clocks change, all of a user's habits move by an hour at once, so what was usual an hour
//! before or after is usual now. A window that slides lies in more hours than it is long, so what is usual in all of them
//! together is usual in it. And what is usual at this hour on any day is usual today: a job of every night is known after
//! some nights and not only after as many weeks.

mod tail;

use serde::{Deserialize, Serialize};

pub(crate) use self::tail::Belief;
use crate::time::{HOUR, Millis, SECOND};

/// Hours of a week.
const WEEK_HOURS: u32 = 7 * DAY_HOURS;
const DAY_HOURS: u32 = 24;
/// The hours over which a week's events of a user of whom nothing is known are spread: those of work.
const WORK_HOURS: f64 = 40.0;
/// What was counted so shortly before the window, or in it, may be part of what is judged now: it does not count yet.
const FRESH_HOURS: u32 = DAY_HOURS / 2;
/// An hour that weighs less than half an event says nothing and is forgotten.
const WEIGHT_MIN: f64 = 0.5;
/// How far clocks move when they change.
const SHIFTS: [i32; 3] = [-1, 0, 1];

/// What counts together, what is assumed of somebody of whom nothing is known, and how fast what was learned is forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weighing {
    /// Length of the sliding window in which events are compared with what is usual, seconds.
    pub(crate) window_secs: u32,
    /// Events a week of a user of whom nothing is known.
    pub(crate) prior_per_week: f64,
    /// What is assumed of such a user weighs as much as this many weeks of watching, weeks.
    pub(crate) prior_weeks: f64,
    /// What was learned weighs half as much after this time, weeks.
    pub(crate) half_life_weeks: u32,
}

/// Hours of the week in which something was counted, at most one entry for each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hours(Vec<Hour>);

/// An hour of the week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Hour {
    /// The last one in which something was counted, itself counted from the epoch.
    last: u32,
    /// Events in it, as far as they count.
    count: u16,
    /// Events in those before it, as they weigh in it.
    weight: f32,
    /// In how many weeks there were any.
    weeks: u16,
}

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usual {
    pub(crate) belief: Belief,
    /// Days before this one on which something was counted at this hour.
    pub(crate) days: u32,
}

impl Usual {
    /// What is usual for somebody of whom nothing is known.
    pub(crate) fn prior(weighing: &Weighing) -> Belief {
        let weeks = weighing.prior_weeks;
        let in_window = weighing.prior_per_week * f64::from(weighing.window_secs) / 3_600.0 / WORK_HOURS;
        Belief { events: in_window * weeks, windows: weeks }
    }
}

impl Hours {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is usual in the window that ends now, for a user who is watched since that hour. What was counted in the
    /// window and half a day before it is left out, so nothing that is judged speaks for itself.
    pub(crate) fn usual(&self, weighing: &Weighing, now: Millis, since_hour: u32) -> Usual {
        let prior = Usual::prior(weighing);
        let half_life = f64::from(weighing.half_life_weeks);
        let (at, first) = (hour_of(now), hour_of(now - Millis::from(weighing.window_secs) * SECOND + 1));
        // A window of a day lies in 25 hours, of which the first and the last are one hour of the day.
        let reach = (at - first + 1).min(DAY_HOURS);
        let (mut of_week, mut of_day) = ([0.0; SHIFTS.len()], [0.0; SHIFTS.len()]);
        let mut days = [0_u32; DAY_HOURS as usize];
        for hour in &self.0 {
            let (weight, weeks) = hour.before(at, reach + FRESH_HOURS, half_life);
            for ((shift, of_week), of_day) in SHIFTS.into_iter().zip(&mut of_week).zip(&mut of_day) {
                let back = i64::from(at) - i64::from(hour.last) + i64::from(shift);
                *of_week += if back.rem_euclid(i64::from(WEEK_HOURS)) < i64::from(reach) { weight } else { 0.0 };
                *of_day += if back.rem_euclid(i64::from(DAY_HOURS)) < i64::from(reach) { weight } else { 0.0 };
            }
            let back = (i64::from(at) - i64::from(hour.last) + 1).rem_euclid(i64::from(DAY_HOURS));
            if back < i64::from(reach) + 2 {
                days[back as usize] += u32::from(weeks);
            }
        }
        let watched = watched_weeks(at.saturating_sub(since_hour), half_life);
        let most = |sums: [f64; SHIFTS.len()]| sums.into_iter().fold(0.0, f64::max);
        let belief = |events, weeks| Belief { events: prior.events + events, windows: prior.windows + weeks };
        let (of_week, of_day) = (belief(most(of_week), watched), belief(most(of_day), 7.0 * watched));
        let belief = if of_day.expected() > of_week.expected() { of_day } else { of_week };
        Usual { belief, days: days.into_iter().max().unwrap_or(0) }
    }

    /// Events that were counted in this hour.
    pub(crate) fn counted(&self, now: Millis) -> u32 {
        let at = hour_of(now);
        self.0.iter().find(|hour| hour.last == at).map_or(0, |hour| u32::from(hour.count))
    }

    /// Counts events, up to `most` in this hour.
    pub(crate) fn learn(&mut self, half_life_weeks: u32, now: Millis, events: u16, most: u16) {
        let at = hour_of(now);
        let of_week = at % WEEK_HOURS;
        let place = self.0.binary_search_by_key(&of_week, |hour| hour.last % WEEK_HOURS);
        let index = place.unwrap_or_else(|index| {
            self.0.insert(index, Hour { last: at, count: 0, weight: 0.0, weeks: 1 });
            index
        });
        let hour = &mut self.0[index];
        if hour.last != at {
            let weight = hour.weight_at(at, f64::from(half_life_weeks));
            *hour = Hour { last: at, count: 0, weight: weight as f32, weeks: hour.weeks.saturating_add(1) };
        }
        hour.count = hour.count.saturating_add(events).min(most.max(hour.count));
    }

    /// Forgets the hours that say nothing any more.
    pub(crate) fn forget(&mut self, half_life_weeks: u32, now: Millis) {
        let (at, half_life) = (hour_of(now), f64::from(half_life_weeks));
        self.0.retain(|hour| hour.weight_at(at, half_life) >= WEIGHT_MIN);
    }

    /// Copies without giving memory back.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

impl Hour {
    /// Its weight now, and in how many weeks something was counted in it, without what is fresh.
    fn before(&self, at: u32, fresh_hours: u32, half_life: f64) -> (f64, u16) {
        if at.saturating_sub(self.last) < fresh_hours {
            (f64::from(self.weight), self.weeks.saturating_sub(1))
        } else {
            (self.weight_at(at, half_life), self.weeks)
        }
    }

    fn weight_at(&self, at: u32, half_life: f64) -> f64 {
        // To the nearest week: an hour that clocks have moved is still one week ago.
        let weeks = at.saturating_sub(self.last).saturating_add(WEEK_HOURS / 2) / WEEK_HOURS;
        (f64::from(self.weight) + f64::from(self.count)) * libm::exp2(-f64::from(weeks) / half_life)
    }
}

/// The hour of a time, counted from the epoch; before it, 0.
pub(crate) const fn hour_of(time: Millis) -> u32 {
    let hour = time.div_euclid(HOUR);
    if hour < 0 { 0 } else { hour as u32 }
}

/// How many weeks of watching weigh as the events in them do: the weeks of all time together weigh about one and a half
/// half-lives.
fn watched_weeks(hours: u32, half_life: f64) -> f64 {
    let weeks = f64::from(hours) / f64::from(WEEK_HOURS);
    half_life / std::f64::consts::LN_2 * -libm::expm1(-weeks / half_life * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    /// Monday, 5 January 2026, 02:00 UTC.
    const START: Millis = 1_767_578_400_000;

    const WEIGHING: Weighing =
        Weighing { window_secs: 3_600, prior_per_week: 2.0, prior_weeks: 0.5, half_life_weeks: 4 };

    /// What is learned of so many events at each of these times.
    fn learned(times: impl IntoIterator<Item = Millis>, events: u16) -> Hours {
        let mut hours = Hours::default();
        for time in times {
            hours.forget(4, time);
            hours.learn(4, time, events, u16::MAX);
        }
        hours
    }

    fn check(hours: &Hours, now: Millis, expected: f64, days: u32) {
        let usual = hours.usual(&WEIGHING, now, hour_of(START));
        let seen = usual.belief.expected();
        // Nights are half forgotten by whole weeks, what was watched by the hour: that is near enough.
        assert!((seen - expected).abs() <= expected / 20.0, "{seen} instead of {expected}");
        assert_eq!(usual.days, days);
    }

    #[test]
    fn what_is_not_known_is_as_for_anybody() {
        check(&Hours::default(), START, 0.05, 0);
        // The prior and a week that was watched in which nothing happened.
        check(&Hours::default(), START + 7 * DAY, 0.025 / 1.417, 0);
    }

    #[test]
    fn a_job_of_every_night_is_known_after_some_nights_whatever_the_day_of_the_week() {
        let hours = learned((0..5).map(|night| START + night * DAY), 30);
        // Five nights of 30, the first two a week ago, over those that were watched and the half of the prior.
        check(&hours, START + 5 * DAY, 27.0, 5);
    }

    #[test]
    fn clocks_that_change_move_what_is_usual_by_an_hour_and_not_by_two() {
        let hours = learned((0..5).map(|night| START + night * DAY), 30);
        for shift in [-HOUR, 0, HOUR] {
            check(&hours, START + 5 * DAY + shift, 27.0, 5);
        }
        // A window that slides lies in two hours, so what was usual in the hour before it ends is in it.
        check(&hours, START + 5 * DAY + 2 * HOUR, 26.6, 5);
        check(&hours, START + 5 * DAY + 3 * HOUR, 0.0213, 0);
        check(&hours, START + 5 * DAY - 2 * HOUR, 0.0213, 0);
    }

    #[test]
    fn what_is_judged_does_not_speak_for_itself() {
        let hours = learned([START + 20 * DAY], 40);
        let at = |time| hours.usual(&WEIGHING, time, hour_of(START)).belief.expected();
        assert!(at(START + 20 * DAY) < 0.01 && at(START + 20 * DAY + HOUR) < 0.01);
        assert!(at(START + 21 * DAY) > 1.0);
    }

    #[test]
    fn old_weeks_are_forgotten_by_halves_and_light_hours_altogether() {
        let hours = learned([START], 8);
        let weight = |weeks: i64| hours.0[0].weight_at(hour_of(START + weeks * 7 * DAY), 4.0);
        assert!((weight(0) - 8.0).abs() < 1e-9 && (weight(4) - 4.0).abs() < 1e-9 && (weight(16) - 0.5).abs() < 1e-9);
        for (weeks, kept) in [(16, true), (17, false)] {
            let mut hours = hours.clone();
            hours.forget(4, START + weeks * 7 * DAY);
            assert_eq!(!hours.is_empty(), kept, "{weeks}");
        }
    }

    #[test]
    fn an_hour_takes_no_more_than_it_may_and_a_week_has_168() {
        let mut hours = Hours::default();
        (0..100).for_each(|_| hours.learn(4, START, 1, 5));
        assert_eq!(hours.0[0].count, 5);
        let all = learned((0..400).map(|hour| START + hour * HOUR), 1);
        assert_eq!(all.0.len(), WEEK_HOURS as usize);
        assert!(postcard::to_stdvec(&all).unwrap().len() < 1_700);
    }

    #[test]
    fn what_happens_now_and_then_costs_a_few_bytes() {
        // Twice a week, at 60 different hours, for half a year.
        let hours = learned((0..52).map(|n| START + n * 84 * HOUR + n * 7 % 60 * HOUR), 1);
        let bytes = postcard::to_stdvec(&hours).unwrap().len();
        assert!(bytes < 120, "{bytes}");
    }

    #[test]
    fn a_window_of_a_day_asks_for_all_its_hours() {
        let hours = learned((0..24).map(|hour| START + hour * HOUR), 2);
        let of_a_day = Weighing { window_secs: 86_400, ..WEIGHING };
        let usual = hours.usual(&of_a_day, START + 4 * DAY, hour_of(START));
        assert!((40.0..50.0).contains(&(usual.belief.events - 0.6)), "{usual:?}");
    }
}
