//! Many downloads by one user in a short time.
//!
//! # Finds
//! More than `objects_max` objects, `rows_max` rows or `bytes_max` bytes carried out by one user within `window_secs`:
//! files fetched one by one, lists exported, archives, tables read in bulk. Each counts what it carries.
//!
//! # Why
//! ATT&CK T1530 (Data from Cloud Storage) and T1119 (Automated Collection). The alert is raised at the object that
//! crosses the limit (the 51st of "more than 50") and brought up to date at 100, 200, 500 … downloads and when another
//! limit is crossed too.
//!
//! # Blind spots
//! Slow collection below the limits, and what is much for one user and not for all: [unusual download](unusual_download.md)
//! measures each user by themselves, and this one, which needs nothing to be known, says what would be too much for anybody.
//! Exports whose size and rows the source does not give count as one object; accounts that the rule's scope leaves out.
//!
//! # Parameters
//! See [`Params`].
//!
//! # References
//! The reference product's template "mass download by a single user": more than 50 in 1 minute, with its option to
//! count an object once.

use serde::{Deserialize, Serialize};

use super::{Detector, bounded, counted, from_where, grouped, sized, who};
use crate::context::{Context, Explanation, Raise};
use crate::event::{Event, Quantity};
use crate::finding::Measure;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::Outcome;
use crate::plan::LaneKind;
use crate::time::{Millis, SECOND, clock, spoken};
use crate::window::{Counted, Window};

/// Parameters of `mass_download`. A limit of 0 is off; at least one must be on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Objects allowed within the window; one more raises the alert. 0: off.
    pub objects_max: u32,
    /// Rows allowed within the window. 0: off.
    pub rows_max: u64,
    /// Bytes allowed within the window. 0: off.
    pub bytes_max: u64,
    /// Length of the sliding window, seconds.
    pub window_secs: u32,
    /// Count an object once within the window, however often it is fetched.
    pub unique_objects: bool,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "objects_max", self.objects_max, 0, 100_000);
        bounded(&mut faults, "window_secs", self.window_secs, 1, 86_400);
        if self.objects_max == 0 && self.rows_max == 0 && self.bytes_max == 0 {
            faults.push(("objects_max", "all three limits are off: the rule could never fire".to_owned()));
        }
        faults
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    /// Of the incident that is told, and of the one held back.
    volumes: [Volume; 2],
    incidents: Incidents,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Volume {
    /// What the raised incident carried out so far.
    carried: Quantity,
    /// The most that the window held since the incident was raised.
    peak: Quantity,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    fn window_secs(params: &Params) -> u32 {
        params.window_secs
    }

    fn wants(event: &Event) -> bool {
        event.action.is_download() && event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        self.window.expire(event.time, Millis::from(params.window_secs) * SECOND, context.caps);
        let blocker = context.blocker(Vec::new());
        let covered = blocker.is_some();
        let carried = Quantity { objects: event.quantity.objects.max(1), ..event.quantity };
        let object = if params.unique_objects { event.object } else { 0 };
        self.window.push(Counted { trace: context.trace(), carried, covered, object }, context.caps);
        let now = self.window.sums().counted(covered);
        let incident = self.incidents.touch(hash64(b"volume"), covered, context);
        let volume = &mut self.volumes[usize::from(covered)];
        let fresh = if incident.is_raised() {
            incident.add(context.trace(), event.test);
            let crossed_before = crossed(params, volume.peak);
            *volume = Volume { carried: volume.carried.plus(carried), peak: most(volume.peak, now) };
            crossed(params, volume.peak) != crossed_before
        } else if crossed(params, now) == [false; 3] {
            return;
        } else {
            self.window.traces(covered).for_each(|trace| incident.add(trace.clone(), false));
            incident.count = incident.count.max(u64::from(self.window.events(covered)));
            incident.test = event.test;
            incident.first = self.window.first(covered).unwrap_or(event.time);
            *volume = Volume { carried: now, peak: now };
            false
        };
        let aggravations = if event.account.privileged { vec!["the account is privileged"] } else { Vec::new() };
        let user = context.subject.user().to_owned();
        let volume = *volume;
        context.raise(incident, Raise { blocker, aggravations, fresh }, |incident| {
            explain(params, &user, incident, volume)
        });
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn weight(&self) -> usize {
        self.window.weight()
    }

    fn copy_from(&mut self, other: &Self) {
        self.window.copy_from(&other.window);
        self.incidents.copy_from(&other.incidents);
        self.volumes = other.volumes;
    }
}

/// Which limits a window is over: objects, rows, bytes.
const fn crossed(params: &Params, window: Quantity) -> [bool; 3] {
    [
        params.objects_max != 0 && window.objects > params.objects_max,
        params.rows_max != 0 && window.rows > params.rows_max,
        params.bytes_max != 0 && window.bytes > params.bytes_max,
    ]
}

fn most(a: Quantity, b: Quantity) -> Quantity {
    Quantity { objects: a.objects.max(b.objects), rows: a.rows.max(b.rows), bytes: a.bytes.max(b.bytes) }
}

fn explain(params: &Params, user: &str, incident: &Incident, volume: Volume) -> Explanation {
    let Volume { carried, peak } = volume;
    let window = spoken(Millis::from(params.window_secs) * SECOND);
    let [objects, rows, bytes] = crossed(params, peak);
    let mut limits = Vec::new();
    if objects {
        let limit = grouped(u64::from(params.objects_max));
        limits.push(format!("{} in {window}, limit {limit}", counted(u64::from(peak.objects), "object", "objects")));
    }
    if rows {
        limits.push(format!("{} in {window}, limit {}", counted(peak.rows, "row", "rows"), grouped(params.rows_max)));
    }
    if bytes {
        limits.push(format!("{} in {window}, limit {}", sized(peak.bytes), sized(params.bytes_max)));
    }
    let from = from_where(incident);
    let span = (incident.last - incident.first).max(SECOND);
    Explanation {
        summary: format!(
            "{} downloaded {} ({}, {}) in {} from {} UTC on, {from}: {}.",
            who(user),
            counted(u64::from(carried.objects), "object", "objects"),
            counted(carried.rows, "row", "rows"),
            sized(carried.bytes),
            spoken(span),
            clock(incident.first),
            limits.join("; "),
        ),
        observed: vec![
            Measure::new("objects", f64::from(carried.objects), "objects"),
            Measure::new("rows", carried.rows as f64, "rows"),
            Measure::new("bytes", carried.bytes as f64, "bytes"),
            Measure::new("objects_in_window", f64::from(peak.objects), "objects"),
            Measure::new("rows_in_window", peak.rows as f64, "rows"),
            Measure::new("bytes_in_window", peak.bytes as f64, "bytes"),
        ],
        baseline: Vec::new(),
        threshold: vec![
            Measure::new("objects_max", f64::from(params.objects_max), "objects"),
            Measure::new("rows_max", params.rows_max as f64, "rows"),
            Measure::new("bytes_max", params.bytes_max as f64, "bytes"),
            Measure::new("window_secs", f64::from(params.window_secs), "s"),
        ],
        counterfactual: format!(
            "It would not have fired with objects_max of {} or more, rows_max of {} or more and bytes_max of {} or more.",
            peak.objects, peak.rows, peak.bytes
        ),
        kind: None,
    }
}
