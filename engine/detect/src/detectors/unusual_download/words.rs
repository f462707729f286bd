//! What an alert about downloads that are unusual for their user says.

use super::days::Rise;
use super::group::Colleagues;
use super::hour::{EXPLANATIONS, Limits};
use super::told::Volume;
use super::{ASLEEP, BYTES, MEASURES, OBJECTS, Params, amounts};
use crate::context::{Block, Explanation};
use crate::detectors::{counted, from_where, grouped, sized, who};
use crate::event::Quantity;
use crate::finding::{Kind, Measure};
use crate::incident::Incident;
use crate::rule::Layer;
use crate::time::{DAY, Millis, SECOND, clock, date, spoken, to_the_minute};

/// Mechanism that holds back a rise that more work explains.
const MORE_WORK: &str = "more_work";

/// What colleagues do, for the words: where it is known, and where it would have excused.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) known: Option<Colleagues<'a>>,
    pub(super) excusing: Option<Colleagues<'a>>,
}

/// Of something that was told of an hour.
pub(super) fn of_hour(
    params: &Params,
    user: &str,
    incident: &Incident,
    volume: Volume,
    beside: Beside<'_>,
) -> Explanation {
    let Volume { carried, peak, limits, .. } = volume;
    let reached = params.reached(peak, 1.0);
    let is_over = |measure: &usize| reached[*measure] && amounts(peak)[*measure] > limits.passing[*measure];
    // What is held back is over nothing.
    let is_usual = !(0..MEASURES).any(|measure| is_over(&measure));
    let over = || (0..MEASURES).filter(move |measure| is_over(measure) || is_usual && reached[*measure]);
    let all = |word: &str, of: &dyn Fn(usize) -> String| over().map(of).collect::<Vec<_>>().join(word);
    let of_colleagues = beside.known.iter().flat_map(Colleagues::measures);
    let names = Names::of(params);
    Explanation {
        summary: format!(
            "{} {} {} {}, {}: {}.{}",
            who(user),
            if params.unique_objects { "downloaded" } else { "made" },
            all_of(params, carried),
            span(incident),
            from_where(incident),
            all("; ", &|measure| limit(params, &limits, peak, measure)),
            beside.known.map(|colleagues| colleagues.sentence(over())).unwrap_or_default(),
        ),
        observed: vec![
            Measure::new(names.all, f64::from(carried.objects), names.unit),
            Measure::new("rows", carried.rows as f64, "rows"),
            Measure::new("bytes", carried.bytes as f64, "bytes"),
            Measure::new(names.in_window, f64::from(peak.objects), names.unit),
            Measure::new("rows_in_window", peak.rows as f64, "rows"),
            Measure::new("bytes_in_window", peak.bytes as f64, "bytes"),
        ],
        baseline: usual_measures(params, &limits).into_iter().chain(of_colleagues).collect(),
        threshold: vec![
            Measure::new("objects_floor", f64::from(params.objects_floor), names.unit),
            Measure::new("rows_floor", params.rows_floor as f64, "rows"),
            Measure::new("bytes_floor", params.bytes_floor as f64, "bytes"),
            Measure::new("peak_times", params.peak_times, "times"),
            Measure::new("tail_max", params.tail_max, "probability"),
            Measure::new("window_secs", f64::from(params.window_secs), "s"),
        ],
        counterfactual: format!(
            "It would not have fired with at most {} within {}, nor had the user's own most before been {}{}{}.",
            all(" and ", &|measure| said(params, measure, limits.passing[measure])),
            within(params),
            all(" and ", &|measure| said(
                params,
                measure,
                libm::ceil(amounts(peak)[measure] / explaining(params, &limits))
            )),
            if limits.times > 0.0 { "" } else { " and the user active at this hour of other days" },
            beside
                .excusing
                .map(|colleagues| colleagues.condition((0..MEASURES).filter(|at| reached[*at])))
                .unwrap_or_default(),
        ),
        kind: Some(Box::new(Kind::new("hour", &[]))),
    }
}

/// So many times the user's own most would have explained it, at this hour or, where none does, at others.
fn explaining(params: &Params, limits: &Limits) -> f64 {
    if limits.times > 0.0 { limits.times } else { params.peak_times }
}

/// One measure beside what would have passed, and whether that is the user's habit or the rule's floor.
fn limit(params: &Params, limits: &Limits, peak: Quantity, measure: usize) -> String {
    let (times, passing, most) = (limits.times, limits.passing[measure], limits.peaks[measure]);
    let (floor, turn) = (params.floors()[measure], limits.turn[measure]);
    let days = counted(u64::from(limits.days), "day", "days");
    let known = match limits.days {
        0 => "nothing is known of the user yet".to_owned(),
        _ => format!("the user's own most on {days} before: {}", said(params, measure, most)),
    };
    let limit = if passing > limits.own(params, measure) {
        format!(
            "where the rule tells from {} on of anybody who is still learned ({known})",
            said(params, measure, passing + 1.0)
        )
    } else if passing >= floor && turn > most {
        format!(
            "where up to {} are usual: {times} times the most at the last turn of a month",
            said(params, measure, passing)
        )
    } else if passing >= floor {
        let most = said(params, measure, most);
        let times = if times > 1.0 { format!("{times} times ") } else { String::new() };
        format!(
            "where up to {} are usual: {times}the user's own most on {days} before, {most}",
            said(params, measure, passing)
        )
    } else {
        format!("where the rule tells from {} on ({known})", said(params, measure, floor))
    };
    let asleep = if limits.is_asleep { format!("{ASLEEP}, ") } else { String::new() };
    format!("{} within {}, {asleep}{limit}", said(params, measure, amounts(peak)[measure]), within(params))
}

/// All that was carried off, without what there was none of.
fn all_of(params: &Params, carried: Quantity) -> String {
    let others = (OBJECTS + 1..MEASURES).filter(|measure| amounts(carried)[*measure] > 0.0);
    let others: Vec<String> = others.map(|measure| said(params, measure, amounts(carried)[measure])).collect();
    let objects = said(params, OBJECTS, carried.objects.into());
    if others.is_empty() { objects } else { format!("{objects} ({})", others.join(", ")) }
}

/// From when to when: both with their dates, where these differ.
fn span(incident: &Incident) -> String {
    let (first, last) = (incident.first, incident.last);
    let length = spoken((last - first).max(SECOND));
    if to_the_minute(first) == to_the_minute(last) {
        return format!("at {} UTC", to_the_minute(first));
    }
    let until = if date(first) == date(last) { clock(last) } else { to_the_minute(last) };
    format!("in {length}, from {} to {until} UTC", to_the_minute(first))
}

/// Of a rise over days.
pub(super) fn of_days(params: &Params, user: &str, incident: &Incident, rise: &Rise) -> Explanation {
    let Rise { measure, days, days_above, carried, expected, usual, spread, .. } = *rise;
    let floor = params.slow_floors()[measure];
    let busy = if rise.work_times > 1.05 {
        format!("; more work, on one day {:.1} times the usual, is taken off", rise.work_times)
    } else {
        String::new()
    };
    let each: Vec<String> = rise.each.iter().map(|(day, carried)| of_day(measure, *day, *carried)).collect();
    let unit = [Names::of(params).unit, "rows", "bytes"][measure];
    Explanation {
        summary: format!(
            "{} {} {} in {} from {} to {} UTC, where {} would be usual ({} a day, by {} before): more than usual \
             on {days_above} of these days{busy}. Day by day: {}, the last so far. The last download was {}.",
            who(user),
            if measure == OBJECTS && !params.unique_objects { "made" } else { "carried off" },
            said(params, measure, carried),
            counted(u64::from(days), "day of activity", "days of activity"),
            date(Millis::from(rise.since) * DAY),
            date(incident.last),
            said(params, measure, expected),
            said(params, measure, usual),
            counted(u64::from(rise.reference), "day", "days"),
            each.join(", "),
            from_where(incident),
        ),
        observed: vec![
            Measure::new("carried", rounded(carried), unit),
            Measure::new("days", f64::from(days), "days"),
            Measure::new("days_above", f64::from(days_above), "days"),
            Measure::new("slow_sum", rounded(rise.sum), "spreads"),
            Measure::new("work_times", rounded(rise.work_times), "times"),
        ],
        baseline: vec![
            Measure::new("expected", rounded(expected), unit),
            Measure::new("usual_day", rounded(usual), unit),
            Measure::new("usual_spread", rounded(spread), unit),
            Measure::new("reference_days", f64::from(rise.reference), "days"),
        ],
        threshold: vec![
            Measure::new("slow_sum_max", params.slow_sum_max, "spreads"),
            Measure::new("slow_slack", rounded(params.slow_slack + rise.open), "spreads"),
            Measure::new("slow_days_min", f64::from(params.slow_days_min), "days"),
            Measure::new(["slow_objects_floor", "slow_rows_floor", "slow_bytes_floor"][measure], floor, unit),
        ],
        counterfactual: format!(
            "It would not have fired with {} on these days, with a slow_sum_max above {}, or with a slow_days_min above \
             {days_above}.",
            said(params, measure, (carried - rise.excess + floor - 1.0).max(0.0)),
            rounded(rise.sum),
        ),
        kind: Some(Box::new(Kind::new("days", &[]))),
    }
}

/// What was carried off on a day of a rise.
fn of_day(measure: usize, day: i32, carried: f64) -> String {
    let amount = match measure {
        BYTES => sized(carried as u64),
        _ => grouped(libm::round(carried) as u64),
    };
    format!("{} {amount}", date(Millis::from(day) * DAY))
}

/// Holds back what is usual for the user, by its place among the explanations.
pub(super) fn usual(params: &Params, limits: &Limits, by: usize, now: Quantity) -> Block {
    let reached = |amounts: [f64; MEASURES]| {
        let all = (0..MEASURES).filter(|measure| limits.reached[*measure]);
        all.map(|measure| said(params, measure, amounts[measure])).collect::<Vec<_>>().join(", ")
    };
    let (now, within) = (reached(amounts(now)), within(params));
    let name = EXPLANATIONS.get(by).copied().unwrap_or("usual_peak");
    let reason = match name {
        "usual_hour" => format!(
            "{now} within {within} are usual for the user at this hour of the week: {} is to be expected, in {} or what \
             weighs as much",
            rounded(limits.expected),
            Names::of(params).unit
        ),
        "month_turn" => format!(
            "{now} within {within} are no more than {} times what was carried off at the last turn of a month: {}",
            limits.times,
            reached(limits.turn)
        ),
        _ => format!(
            "{now} within {within} are no more than {} times the most in such a time on {} of activity before: {}",
            limits.times,
            counted(u64::from(limits.days), "day", "days"),
            reached(limits.peaks)
        ),
    };
    Block { layer: Layer::User, by: name, reason, measures: usual_measures(params, limits) }
}

/// Holds back a rise on days on which the user did more of everything.
pub(super) fn more_work(params: &Params, rise: &Rise, work_times: f64) -> Block {
    Block {
        layer: Layer::User,
        by: MORE_WORK,
        reason: format!(
            "the user did up to {work_times:.1} times the usual work on these {} days, which explains the rise",
            rise.days
        ),
        measures: vec![
            Measure::new("work_times", rounded(work_times), "times"),
            Measure::new("work_times_max", params.work_times_max, "times"),
        ],
    }
}

fn usual_measures(params: &Params, limits: &Limits) -> Vec<Measure> {
    let names = Names::of(params);
    vec![
        Measure::new(names.peak, rounded(limits.peaks[OBJECTS]), names.unit),
        Measure::new("peak_rows", rounded(limits.peaks[1]), "rows"),
        Measure::new("peak_bytes", rounded(limits.peaks[BYTES]), "bytes"),
        Measure::new("expected_at_hour", rounded(limits.expected), names.unit),
        Measure::new("tail_probability", rounded(limits.tail), "probability"),
        Measure::new("known_days", f64::from(limits.days), "days"),
    ]
}

/// What measures of what is counted are called.
struct Names {
    unit: &'static str,
    all: &'static str,
    in_window: &'static str,
    peak: &'static str,
}

impl Names {
    /// Different objects are counted, or how often one was fetched.
    const fn of(params: &Params) -> Self {
        if params.unique_objects {
            Self { unit: "objects", all: "objects", in_window: "objects_in_window", peak: "peak_objects" }
        } else {
            Self { unit: "fetches", all: "fetches", in_window: "fetches_in_window", peak: "peak_fetches" }
        }
    }
}

/// An amount with its unit.
fn said(params: &Params, measure: usize, amount: f64) -> String {
    if measure == OBJECTS && !params.unique_objects {
        return counted(libm::round(amount.max(0.0)) as u64, "fetch", "fetches");
    }
    in_objects(measure, amount)
}

/// The same, where different objects are counted.
pub(super) fn in_objects(measure: usize, amount: f64) -> String {
    let whole = libm::round(amount.max(0.0)) as u64;
    match measure {
        OBJECTS => counted(whole, "object", "objects"),
        BYTES => sized(whole),
        _ if whole == 1 => "1 row".to_owned(),
        _ => format!("{} rows", grouped(whole)),
    }
}

pub(super) fn within(params: &Params) -> String {
    match params.window_secs {
        3_600 => "an hour".to_owned(),
        secs => spoken(Millis::from(secs) * SECOND),
    }
}

/// Two significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}
