//! What a user carried off on the last days of activity, in eight bytes a day, and whether it has risen for days.
//!
//! Amounts are kept as logarithms, eight steps to a doubling, so a day costs the same for whoever carries off three files
//! and for whoever carries off three million rows; what is read back is off by five in a hundred at most.

mod past;

use std::sync::LazyLock;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use super::{BYTES, MEASURES, OBJECTS, Params, amounts};
use crate::event::Quantity;
use crate::time::{DAY, HOUR, Millis, day_of};

/// Days of activity that are remembered: somewhat more than five weeks of work.
pub(super) const DAYS_MAX: usize = 28;
/// A day on which nothing was carried off and less than this was done is none of activity: a look at the phone.
const WORK_MIN: u32 = 10;
/// Days by which a usual day is known, at least.
const REFERENCE_MIN: usize = 8;
/// The newest days, in which a rise is looked for and which say nothing of what is usual; fewer where there would be less
/// than [`REFERENCE_MIN`] others.
const SPAN_MAX: usize = 15;
/// A single day counts as so many usual ones at most: one large export is no rise.
const DAY_TIMES_MAX: f64 = 3.0;
/// The newest days say nothing of the most that is usual within the window, but for what was told or learned of them: or
/// whoever takes half as much more each day would be excused by the day before. Of fewer than twice as many days, the newer half.
const FRESH_DAYS: usize = 5;
/// What so few days leave open of the usual one, in standard errors of their mean, is no rise: a day is above it with so
/// much more. Without it whoever was known by eight days that happened to be quiet was told for being as usual.
const STANDARD_ERRORS: f64 = 1.5;
/// The least spread of a usual day, as a part of it.
const SPREAD_MIN: f64 = 0.15;
/// A day with less than this part of the usual work is the rest of a working day that falls into the next one in UTC, or a
/// look at the phone: it says nothing of what is usual, nor that a rise is over.
const FRAGMENT: f64 = 0.3;
/// After so many days of activity the hours of the day at which the user was active before are forgotten.
const AWAKE_DAYS: u8 = 14;
/// Days of activity after which it is known at which hours of the day a user is never active.
const AWAKE_KNOWN_MIN: usize = 8;
/// Steps of a logarithm to a doubling.
const STEPS: f64 = 8.0;
/// The largest logarithm.
const CODE_MAX: u8 = u8::MAX - 1;

/// What the logarithms stand for, exact for 0.
static VALUES: LazyLock<[f64; 256]> =
    LazyLock::new(|| std::array::from_fn(|code| libm::exp2(code as f64 / STEPS) - 1.0));

/// The last days of activity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Days {
    past: Past,
    /// The last day of `past`, counted from the epoch.
    last: i32,
    today: Today,
    awake: Awake,
    /// Days on which a window reached its floor and was judged usual, a bit each, the newest past one lowest.
    judged: [u32; MEASURES],
    /// Days that excuse what comes next however new they are: so much was told that it reached a floor, or they were learned.
    excusing: [u32; MEASURES],
}

/// Days that are over, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
struct Past(Vec<Day>);

/// A day that is over, each amount as [`code`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Day {
    /// Objects, rows, KiB, see [`Today::steady`].
    carried: [u8; MEASURES],
    /// The most of each within the window.
    peak: [u8; MEASURES],
    /// What was done beside downloads.
    work: u8,
    /// Days since the one before.
    gap: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Today {
    day: i32,
    carried: Quantity,
    /// The most within the window that was not told, and as much of all as is usual later.
    most: Quantity,
    peak: Quantity,
    /// What alerts of an hour have told of it.
    told: Quantity,
    /// The user is still being learned: habits are taken as they are.
    is_learned: bool,
    work: u32,
    /// Hours of the day with activity, a bit each.
    hours: u32,
}

/// Hours of the day with activity, of the days since they were last forgotten and of those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Awake {
    now: u32,
    before: u32,
    days: u8,
}

/// A rise over days.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rise {
    /// Objects, rows or bytes.
    pub(super) measure: usize,
    /// Its first day, counted from the epoch.
    pub(super) since: i32,
    /// Days of activity since then, today among them.
    pub(super) days: u32,
    /// Of these, those above what is usual and its slack.
    pub(super) days_above: u32,
    /// What was carried off on them.
    pub(super) carried: f64,
    /// What would have been usual.
    pub(super) expected: f64,
    /// What is more than that.
    pub(super) excess: f64,
    /// Of a usual day, and its spread.
    pub(super) usual: f64,
    pub(super) spread: f64,
    /// Days by which that is known.
    pub(super) reference: u32,
    /// What so few leave open of it, in spreads.
    pub(super) open: f64,
    /// What days were above the usual and its slack, in spreads, added up; twice the limit at most.
    pub(super) sum: f64,
    /// How many times the usual work was done on them, 1 at least.
    pub(super) work_times: f64,
    /// What was carried off on each of its days, today's so far.
    pub(super) each: ArrayVec<(i32, f64), SPAN_MAX>,
}

/// A usual day of one measure.
#[derive(Clone, Copy, Debug)]
struct Usual {
    mean: f64,
    spread: f64,
    work: f64,
    /// Less work than this makes a fragment of a day.
    fragment: f64,
    /// Days by which that is known: so many of the oldest, of which some say something.
    reference: usize,
    known: usize,
    /// What was judged usual within the window counts too.
    with_judged: bool,
}

/// What a download adds to its day.
#[derive(Clone, Copy)]
pub(super) struct Carried {
    /// Objects that were in the window before left out.
    pub(super) fresh: Quantity,
    /// What the window holds now.
    pub(super) in_window: Quantity,
    /// What an alert of an hour says with it, while there is one.
    pub(super) told: Option<Quantity>,
    /// No more of the window than this is usual later.
    pub(super) most: [f64; MEASURES],
    /// The user is still being learned.
    pub(super) is_learned: bool,
}

impl Days {
    /// Takes note of activity: of a day that is over only what is needed stays.
    pub(super) fn pass(&mut self, params: &Params, now: Millis) {
        let day = day_of(now);
        if self.today.day != day {
            self.close(params);
            self.today = Today { day, ..Today::default() };
        }
        self.today.hours |= 1 << hour_of_day(now);
    }

    /// Something else than a download was done.
    pub(super) const fn work(&mut self) {
        self.today.work = self.today.work.saturating_add(1);
    }

    /// Something was carried off.
    pub(super) fn carry(&mut self, carried: Carried) {
        let Carried { fresh, in_window, told, most, is_learned } = carried;
        let today = &mut self.today;
        today.is_learned |= is_learned;
        today.carried = today.carried.plus(fresh);
        match told {
            // What was judged before, in the same hour, is told with it.
            Some(told) if told != Quantity::default() => {
                (today.told, today.most) = (today.told.plus(told), Quantity::default());
            }
            Some(_) => {}
            None => today.most = super::most(today.most, in_window),
        }
        today.peak = super::most(today.peak, super::at_most(in_window, most));
    }

    /// The most of each within the window on any day before this one, of the newest only what was told or learned.
    pub(super) fn peaks(&self) -> [f64; MEASURES] {
        let mut most = [0; MEASURES];
        let settled = self.settled();
        for (index, day) in self.past.0.iter().enumerate() {
            for (measure, most) in most.iter_mut().enumerate() {
                if index < settled || self.has(self.excusing, measure, index) {
                    *most = day.peak[measure].max(*most);
                }
            }
        }
        std::array::from_fn(|measure| amount(measure, most[measure]))
    }

    /// Days that say what is the most within the window.
    pub(super) fn settled(&self) -> usize {
        self.known() - FRESH_DAYS.min(self.known() / 2)
    }

    /// Is the bit of a past day set?
    fn has(&self, bits: [u32; MEASURES], measure: usize, index: usize) -> bool {
        bits[measure] >> (self.known() - 1 - index) & 1 == 1
    }

    /// Days of activity before this one, of those that are remembered.
    pub(super) const fn known(&self) -> usize {
        self.past.0.len()
    }

    /// Is this an hour of the day at which the user was active on none of the last weeks, nor in the hours beside it?
    pub(super) fn is_asleep(&self, now: Millis) -> bool {
        let hour = hour_of_day(now);
        let near = 1_u32 << ((hour + 23) % 24) | 1 << hour | 1 << ((hour + 1) % 24);
        self.known() >= AWAKE_KNOWN_MIN && (self.awake.now | self.awake.before) & near == 0
    }

    /// A rise that goes on today, of the first measure that has one. What more work than usual explains counts for nothing,
    /// if `by_work`.
    pub(super) fn rise(&self, params: &Params, by_work: bool) -> Option<Rise> {
        (0..MEASURES).find_map(|measure| self.rise_of(params, measure, by_work))
    }

    /// Page's cumulative sum over the newest days: what each is above the usual and a slack, in spreads, never below 0.
    fn rise_of(&self, params: &Params, measure: usize, by_work: bool) -> Option<Rise> {
        let floor = params.slow_floors()[measure];
        if floor <= 0.0 || params.slow_days_min == 0 {
            return None;
        }
        let usual = self.usual(params, measure)?;
        let span = self.past.0.get(usual.reference..)?;
        let later: i32 = span.iter().skip(1).map(|day| i32::from(day.gap)).sum();
        let mut day_number = self.last - later;
        let mut rise =
            Rise { measure, usual: usual.mean, spread: usual.spread, reference: usual.known as u32, ..Rise::default() };
        // Of today it is not known how much is still to be done.
        let times = |work: f64, least: f64| {
            let is_known = by_work && usual.work > 0.0;
            if is_known { (work / usual.work).clamp(least, params.work_times_max) } else { 1.0 }
        };
        for (index, day) in span.iter().enumerate() {
            day_number += if index == 0 { 0 } else { i32::from(day.gap) };
            let (work, carried) = (value(day.work), self.carried(measure, usual.reference + index, usual.with_judged));
            if work >= usual.fragment || carried >= usual.mean {
                rise.add(params, carried, times(work, 1.0 / params.work_times_max), day_number);
            }
        }
        let today = &self.today;
        let judged = if usual.with_judged { today.judged(params)[measure] } else { 0.0 };
        let carried = amounts(today.steady(params))[measure] + judged;
        let is_above = rise.add(params, carried, times(f64::from(today.work), 1.0), today.day);
        let is_told = is_above
            && rise.sum >= params.slow_sum_max
            && rise.days_above >= params.slow_days_min
            && rise.excess >= floor;
        is_told.then_some(rise)
    }

    /// What was carried off on a past day little by little, and, if `with_judged`, what was judged usual within the window.
    fn carried(&self, measure: usize, index: usize, with_judged: bool) -> f64 {
        let Some(day) = self.past.0.get(index) else { return 0.0 };
        let is_judged = with_judged && self.has(self.judged, measure, index);
        amount(measure, day.carried[measure]) + if is_judged { amount(measure, day.peak[measure]) } else { 0.0 }
    }

    /// How many times the usual work was done on the busiest day of a rise, 1 at least.
    pub(super) fn work_times(&self, params: &Params, rise: &Rise) -> f64 {
        let Some(usual) = self.usual(params, rise.measure).filter(|usual| usual.work > 0.0) else { return 1.0 };
        let days = (rise.days as usize).saturating_sub(1).min(self.past.0.len());
        let before = self.past.0.iter().rev().take(days).map(|day| value(day.work));
        let most = before.fold(f64::from(self.today.work), f64::max);
        (most / usual.work).clamp(1.0, params.work_times_max)
    }

    /// What is usual on a day, by those before the newest.
    fn usual(&self, params: &Params, measure: usize) -> Option<Usual> {
        let days = self.past.0.len() + 1;
        let reference = days.saturating_sub(SPAN_MAX).max(REFERENCE_MIN);
        let past = self.past.0.get(..reference)?;
        let with_judged = self.counts_judged(params, measure, reference);
        let fragment = FRAGMENT * median(past.iter().map(|day| value(day.work)));
        let known = || (0..reference).filter(|index| value(past[*index].work) >= fragment);
        let number = known().count() as f64;
        if number < 2.0 {
            return None;
        }
        let (unit, of) = (unit(measure), |index| self.carried(measure, index, with_judged));
        let most = DAY_TIMES_MAX * median(known().map(of)).max(unit);
        let (mut sum, mut squares, mut work) = (0.0, 0.0, 0.0);
        for index in known() {
            let carried = of(index).min(most);
            (sum, squares, work) = (sum + carried, squares + carried * carried, work + value(past[index].work));
        }
        let mean = sum / number;
        let deviation = libm::sqrt((squares - number * mean * mean).max(0.0) / (number - 1.0));
        // What comes one by one varies at least as rare events do.
        let of_chance = libm::sqrt(mean / unit) * unit;
        let spread = deviation.max(of_chance).max(SPREAD_MIN * mean).max(unit);
        let (work, known) = (work / number, number as usize);
        Some(Usual { mean, spread, work, fragment, reference, known, with_judged })
    }

    /// A window that was judged usual on some days is the hour's business; on two of three days, and on as many as make a
    /// rise, it is theirs.
    fn counts_judged(&self, params: &Params, measure: usize, reference: usize) -> bool {
        let span = self.known().saturating_sub(reference);
        let newest = self.judged[measure] & ((1_u32 << span) - 1);
        let days = newest.count_ones() + u32::from(self.today.judged(params)[measure] > 0.0);
        days >= params.slow_days_min.max((2 * (span as u32 + 1)).div_ceil(3))
    }

    /// The day that is over becomes a past one, if there was activity.
    fn close(&mut self, params: &Params) {
        let Today { day, carried, peak, work, hours, told, .. } = self.today;
        if carried == Quantity::default() && work < WORK_MIN {
            return;
        }
        if self.past.0.len() >= DAYS_MAX {
            self.past.0.remove(0);
        }
        let gap = day.saturating_sub(self.last).clamp(0, i32::from(u8::MAX)) as u8;
        let steady = self.today.steady(params);
        let (is_judged, is_told) = (self.today.judged(params), params.reached(told, 1.0));
        let is_learned = self.today.is_learned;
        for measure in 0..MEASURES {
            self.judged[measure] = self.judged[measure] << 1 | u32::from(is_judged[measure] > 0.0);
            self.excusing[measure] = self.excusing[measure] << 1 | u32::from(is_told[measure] || is_learned);
        }
        self.past.0.push(Day { carried: codes(steady), peak: codes(peak), work: code(u64::from(work)), gap });
        self.last = day;
        self.awake.take(hours);
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.past.0.clone_from(&other.past.0);
        (self.last, self.today, self.awake) = (other.last, other.today, other.awake);
        (self.judged, self.excusing) = (other.judged, other.excusing);
    }
}

impl Today {
    /// What was carried off little by little: what was told is left out, and what was judged within the window.
    fn steady(&self, params: &Params) -> Quantity {
        self.carried.minus(self.told).minus(self.over_floors(params))
    }

    /// What reached a floor within the window and was not told.
    fn judged(&self, params: &Params) -> [f64; MEASURES] {
        amounts(self.over_floors(params))
    }

    fn over_floors(&self, params: &Params) -> Quantity {
        let (most, [objects, rows, bytes]) = (self.most, params.reached(self.most, 1.0));
        let so = |is: bool, amount: u64| if is { amount } else { 0 };
        Quantity {
            objects: so(objects, most.objects.into()) as u32,
            rows: so(rows, most.rows),
            bytes: so(bytes, most.bytes),
        }
    }
}

impl Rise {
    /// Takes the next day; is it above the usual and its slack?
    fn add(&mut self, params: &Params, carried: f64, work_times: f64, day: i32) -> bool {
        let expected = self.usual * work_times;
        let counted = carried.min(DAY_TIMES_MAX * expected.max(unit(self.measure)));
        self.open = STANDARD_ERRORS / libm::sqrt(f64::from(self.reference.max(1)));
        let above = (counted - expected) / self.spread - params.slow_slack - self.open;
        if self.sum <= 0.0 {
            (self.since, self.days, self.days_above, self.work_times) = (day, 0, 0, 1.0);
            (self.carried, self.expected, self.excess) = (0.0, 0.0, 0.0);
            self.each.clear();
        }
        if self.each.is_full() {
            self.each.remove(0);
        }
        self.each.push((day, carried));
        self.sum = (self.sum + above).clamp(0.0, 2.0 * params.slow_sum_max);
        self.days += 1;
        self.days_above += u32::from(above > 0.0);
        self.work_times = self.work_times.max(work_times);
        self.carried += carried;
        self.expected += expected;
        // A day counts for the sum as some usual ones at most, and for the floor as what it is: or whose usual day is far
        // below the floor could never reach it.
        self.excess += carried - expected;
        above > 0.0
    }
}

impl Awake {
    /// Takes note of a day.
    const fn take(&mut self, hours: u32) {
        self.now |= hours;
        self.days += 1;
        if self.days >= AWAKE_DAYS {
            (self.before, self.now, self.days) = (self.now, 0, 0);
        }
    }
}

/// An amount as its logarithm, 8 steps to a doubling; what is larger than all of them is the largest.
pub(super) fn code(amount: u64) -> u8 {
    libm::round(STEPS * libm::log2(amount as f64 + 1.0)).clamp(0.0, f64::from(CODE_MAX)) as u8
}

/// Objects, rows and KiB, never too few.
pub(super) fn codes(carried: Quantity) -> [u8; MEASURES] {
    [code(u64::from(carried.objects)), code(carried.rows), code(carried.bytes.div_ceil(1_024))]
}

/// The median of at most [`DAYS_MAX`] days; 0 of none.
fn median(days: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: ArrayVec<f64, DAYS_MAX> = days.take(DAYS_MAX).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// What a logarithm of this measure stands for.
pub(super) fn amount(measure: usize, code: u8) -> f64 {
    value(code) * if measure == BYTES { 1_024.0 } else { 1.0 }
}

fn value(code: u8) -> f64 {
    VALUES[usize::from(code)]
}

/// What comes at once: an object, some rows, a file.
const fn unit(measure: usize) -> f64 {
    match measure {
        OBJECTS => 1.0,
        BYTES => 1_048_576.0,
        _ => 100.0,
    }
}

const fn hour_of_day(time: Millis) -> u32 {
    (time.rem_euclid(DAY) / HOUR) as u32
}

#[cfg(test)]
mod tests;
