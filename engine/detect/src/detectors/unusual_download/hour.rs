//! What a window is measured by: what is usual at the hour, the most on other days, the last turn of a month.

use serde::{Deserialize, Serialize};

use super::{MEASURES, Params, amounts};
use crate::baseline::Usual;
use crate::context::Context;
use crate::event::Quantity;
use crate::finding::Blocker;
use crate::model::AccountKind;

/// So many rows, and so many bytes, weigh as much as an object where what is usual at an hour is learned.
const WEIGHTS: [f64; MEASURES] = [1.0, 1_000.0, 4_194_304.0];

/// More than this in a window is told of nobody as somebody unknown.
const UNKNOWN_MAX: u32 = 10_000_000;

/// What may explain that much was carried off within a window, the weightiest first.
pub(super) const EXPLANATIONS: [&str; 3] = ["usual_hour", "usual_peak", "month_turn"];

/// Is the user ever active at this hour of the day?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Awake,
    /// A person who never is.
    Asleep,
    /// A program that never is, or somebody of whom nothing says that they are a person.
    Off,
}

impl Rest {
    /// So many times the most before explain what is carried off. People are early or late at times: their most explains as
    /// much, and no more than that. A program keeps its hours: what it does at others explains nothing.
    const fn times(self, params: &Params) -> f64 {
        match self {
            Self::Awake => params.peak_times,
            Self::Asleep => 1.0,
            Self::Off => 0.0,
        }
    }
}

/// What a download makes of the window.
pub(super) struct Verdict {
    /// An exception covers it.
    pub(super) exception: Option<Blocker>,
    /// What the window holds.
    pub(super) now: Quantity,
    /// What the download adds, objects that were in the window before left out.
    pub(super) fresh: Quantity,
    pub(super) limits: Limits,
}

/// What the window is measured by, for objects, rows and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// The most on one of the last days of activity.
    pub(super) peaks: [f64; MEASURES],
    /// The most at the last turn of a month, where this is one.
    pub(super) turn: [f64; MEASURES],
    /// What is expected at this hour of the week, in objects or what weighs as much.
    pub(super) expected: f64,
    /// The probability of so much or more, of what is least likely among what reached its floor.
    pub(super) tail: f64,
    /// What reached its floor.
    pub(super) reached: [bool; MEASURES],
    /// What each of [`EXPLANATIONS`] explains of it.
    pub(super) explained: [[bool; MEASURES]; EXPLANATIONS.len()],
    /// The most that would have passed, whatever the hour.
    pub(super) passing: [f64; MEASURES],
    /// The user is never active at this hour of the day.
    pub(super) is_asleep: bool,
    /// So many times the most before explain what the window holds.
    pub(super) times: f64,
    /// Days of activity that say what the most is, see [`super::days::Days::settled`].
    pub(super) days: u32,
}

impl Limits {
    pub(super) fn new(
        params: &Params,
        now: Quantity,
        usual: Usual,
        peaks: [f64; MEASURES],
        turn: [f64; MEASURES],
        rest: Rest,
        days: usize,
    ) -> Self {
        let (amounts, reached) = (amounts(now), params.reached(now, 1.0));
        let (is_asleep, times) = (rest != Rest::Awake, rest.times(params));
        let mut limits =
            Self { peaks, turn, expected: usual.belief.expected(), tail: 1.0, is_asleep, times, ..Self::default() };
        limits.days = days as u32;
        let shares = shares(peaks, turn);
        for measure in 0..MEASURES {
            let amount = amounts[measure];
            let (of_days, of_turn) = (limits.times * peaks[measure], limits.times * turn[measure]);
            limits.passing[measure] = limits.own(params, measure);
            if !reached[measure] {
                continue;
            }
            let tail = usual.belief.tail(libm::floor(amount / WEIGHTS[measure] / shares[measure]) as u32);
            limits.tail = limits.tail.min(tail);
            limits.reached[measure] = true;
            let is_of_hour = tail >= params.tail_max && rest != Rest::Off;
            let explained = [is_of_hour, amount <= of_days, amount <= of_turn];
            limits.explained.iter_mut().zip(explained).for_each(|(of_all, is)| of_all[measure] = is);
        }
        limits
    }

    /// Does a window hold more than would have passed?
    pub(super) fn is_passed_by(&self, params: &Params, now: Quantity) -> bool {
        let (amounts, reached) = (amounts(now), params.reached(now, 1.0));
        (0..MEASURES).any(|measure| reached[measure] && amounts[measure] > self.passing[measure])
    }

    /// The same for somebody who is still learned, where the window holds far more than would pass of anybody. Of a program it may
    /// be what it was made for.
    pub(super) fn of_unknown(mut self, params: &Params, context: &Context<'_>, now: Quantity) -> Option<Self> {
        let is_program = matches!(context.event.kind, AccountKind::Service | AccountKind::Integration);
        if params.learning_times_max == 0 || is_program || params.reached(now, 1.0) == [false; MEASURES] {
            return None;
        }
        context.learning(params.learning_days)?;
        let unknown = f64::from(Usual::prior(&params.weighing()).limit(1, UNKNOWN_MAX, params.tail_max)?);
        for (measure, floor) in params.floors().into_iter().enumerate() {
            let far = f64::from(params.learning_times_max) * floor.max(unknown * WEIGHTS[measure]);
            self.passing[measure] = self.passing[measure].max(far - 1.0);
        }
        self.is_passed_by(params, now).then_some(self)
    }

    /// What the user's own habits and the floors let pass.
    pub(super) fn own(&self, params: &Params, measure: usize) -> f64 {
        let most = libm::floor(self.times * self.peaks[measure].max(self.turn[measure]));
        most.max(params.floors()[measure] - 1.0).max(0.0)
    }

    /// The same where the rule lets none of what explains it count: then the floors are all that would have passed.
    pub(super) fn as_told(mut self, params: &Params, now: Quantity) -> Self {
        if !self.is_passed_by(params, now) {
            self.passing = params.floors().map(|floor| (floor - 1.0).max(0.0));
        }
        self
    }

    /// What explains all that reached its floor, by its place among [`EXPLANATIONS`], if only those that are taken count:
    /// one alone where there is one, else the last that has a part in it. `None`: something is unusual.
    pub(super) fn explained(&self, taken: [bool; EXPLANATIONS.len()]) -> Option<usize> {
        let reached = || (0..MEASURES).filter(|measure| self.reached[*measure]);
        let of_taken = || (0..EXPLANATIONS.len()).filter(|by| taken[*by]);
        let is_explained = |measure: usize| of_taken().any(|by| self.explained[by][measure]);
        if !reached().all(is_explained) {
            return None;
        }
        let alone = of_taken().find(|by| reached().all(|measure| self.explained[*by][measure]));
        let has_part = |by: &usize| reached().any(|measure| self.explained[*by][measure]);
        alone.or_else(|| of_taken().rfind(has_part))
    }
}

/// What each measure is of the weightiest, by the most of each: what is usual at an hour is learned of the weightiest alone, so
/// a nightly export of many rows must not make as many files usual. All 1 where no most is known.
fn shares(peaks: [f64; MEASURES], turn: [f64; MEASURES]) -> [f64; MEASURES] {
    let mut weights = WEIGHTS;
    for (measure, weight) in weights.iter_mut().enumerate() {
        *weight = peaks[measure].max(turn[measure]) / *weight;
    }
    let weightiest = weights.into_iter().fold(0.0, f64::max);
    if weightiest > 0.0 { weights.map(|weight| weight / weightiest) } else { [1.0; MEASURES] }
}

/// The weight of amounts: that of the weightiest.
pub(super) fn load(amounts: [f64; MEASURES]) -> f64 {
    amounts.into_iter().zip(WEIGHTS).map(|(amount, weight)| libm::floor(amount / weight)).fold(0.0, f64::max)
}
