//! What became of records, what the detectors said, and how often a limit was met.

use std::collections::BTreeMap;

use frostwatch_detect::finding::{Blocker, Status};
use frostwatch_detect::key::{LateReason, Verdict};
use frostwatch_detect::keys::Keys;
use frostwatch_detect::rule::Severity;
use frostwatch_detect::sent::{Change, ChangeKind};

use frostwatch_wire::alert::AlertChange;

use crate::histogram::Histogram;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)+) => {
        /// What became of records and how often limits were met. `received` is the sum of `scored`, `duplicates`,
        /// `late`, `over_cap` and `rejected`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)+
        }

        impl Counters {
            /// Every counter with its name in metrics.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($name, self.$field),)+].into_iter()
            }

            /// Sets the counter of this name, if there is one.
            pub(super) fn set(&mut self, name: &str, value: u64) {
                match name {
                    $($name => self.$field = value,)+
                    _ => {}
                }
            }

            /// Adds another task's counters.
            pub const fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }

            /// What has come since an earlier reading.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)+ }
            }
        }
    };
}

counters! {
    /// Records taken in.
    received = "received",
    /// Seen by the detectors.
    scored = "scored",
    /// Copies of records that were there already.
    duplicates = "duplicate",
    /// Among them copies whose content differs.
    conflicts = "conflict",
    /// Behind their key's horizon.
    late = "late",
    /// Behind the horizon because their key is over its cap.
    over_cap = "over_cap",
    /// Not readable, or ahead of their stamp.
    rejected = "rejected",
    /// Copies written under keys of what rules count by in place of the user.
    copied = "copied",
    /// Records without a stamp, over which the skew limit was not applied.
    unstamped = "unstamped",
    /// Exceptions of events that found no place: more than four rules excepted the same event.
    exceptions_dropped = "exceptions_dropped",
    /// Alerts opened.
    opened = "opened",
    /// Alerts brought up to date.
    updated = "updated",
    /// Alerts and suppressed findings taken back.
    retracted = "retracted",
    /// Suppressed findings, new or brought up to date.
    suppressed = "suppressed",
    /// Events that settled early because their key is over its cap.
    settled_early = "settled_early",
    /// Sign-ins of which one history took notice and the other, over its cap, did not.
    taken_in_part = "taken_in_part",
    /// What was sent and had to be forgotten, so that it can no longer be brought up to date.
    sent_forgotten = "sent_forgotten",
    /// Sessions, the least used, that a key had to forget.
    cap_sessions = "cap_sessions",
    /// Incidents, the quietest, that a key had to forget.
    cap_incidents = "cap_incidents",
    /// Networks that a key had to forget.
    cap_networks = "cap_networks",
    /// Countries that a key had to forget.
    cap_countries = "cap_countries",
    /// States of rules that were gone, put aside for longest, that a key had to forget.
    cap_parked_rules = "cap_parked_rules",
    /// Windows whose older half was put together.
    cap_window_slots = "cap_window_slots",
    /// Objects that a window no longer tells from others.
    cap_window_objects = "cap_window_objects",
    /// Announcements of what an account is to be, the furthest ahead, that a key had to forget.
    cap_announced = "cap_announced",
    /// Keys let go after their retention.
    evicted = "keys_evicted",
    /// Idle keys that could not be read again: a fault of ours.
    unreadable_keys = "keys_unreadable",
}

/// The counters of all tasks together.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What became of records.
    pub counters: Counters,
    /// What the detectors said.
    pub findings: Findings,
}

/// Counts by rule and a word: `suppressed` by what held back, `hidden` by the exception.
pub type ByRule = BTreeMap<(Box<str>, Box<str>), u64>;

/// Upper bounds of the times from event to stamp, milliseconds: polling takes seconds to minutes, connectors hours.
const DELIVERY_BOUNDS_MS: &[u64] = &[
    1_000, 2_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000,
    21_600_000, 86_400_000,
];

/// What the detectors said, by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Records about alerts, by rule, severity and what became of the alert.
    pub alerts: BTreeMap<(Box<str>, Severity, &'static str), u64>,
    /// Findings that were held back, by rule and by what did: each counts once, however often it is brought up to date.
    pub suppressed: ByRule,
    /// Records that cannot be scored, by the code under which they are kept.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Of findings held back, what exceptions hid, by rule and exception.
    pub hidden: ByRule,
    /// From the event to the stamp of the records that led to something.
    pub delivery_delay: Histogram,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            alerts: BTreeMap::new(),
            suppressed: ByRule::new(),
            rejected: BTreeMap::new(),
            hidden: ByRule::new(),
            delivery_delay: Histogram::new(DELIVERY_BOUNDS_MS),
        }
    }
}

impl Findings {
    /// Counts a change that a record led to.
    pub(super) fn count(&mut self, rule: &str, change: &Change) {
        if !change.suppression {
            let became = AlertChange::from(change.kind).as_str();
            *self.alerts.entry((rule.into(), change.severity, became)).or_default() += 1;
        } else if let Some(blocker) = held_back_by(change) {
            *self.suppressed.entry((rule.into(), (*blocker.by).into())).or_default() += 1;
            if let Some(exception) = &blocker.exception {
                *self.hidden.entry((rule.into(), exception.clone())).or_default() += 1;
            }
        }
    }

    /// Moves what others have counted here.
    pub(super) fn take(&mut self, other: &mut Self) {
        for (of, count) in std::mem::take(&mut other.alerts) {
            *self.alerts.entry(of).or_default() += count;
        }
        for (to, from) in [(&mut self.suppressed, &mut other.suppressed), (&mut self.hidden, &mut other.hidden)] {
            for (of, count) in std::mem::take(from) {
                *to.entry(of).or_default() += count;
            }
        }
        for (code, count) in std::mem::take(&mut other.rejected) {
            *self.rejected.entry(code).or_default() += count;
        }
        self.delivery_delay.take(&mut other.delivery_delay);
    }
}

impl Counters {
    /// Nothing was lost: every record received is counted once.
    pub const fn is_conserved(&self) -> bool {
        self.received == self.scored + self.duplicates + self.late + self.over_cap + self.rejected
    }

    pub(super) const fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Scored => self.scored += 1,
            Verdict::Duplicate => self.duplicates += 1,
            Verdict::Conflict => {
                self.duplicates += 1;
                self.conflicts += 1;
            }
            Verdict::Late(LateReason::OverCap) => self.over_cap += 1,
            Verdict::Late(_) => self.late += 1,
        }
    }

    pub(super) const fn count_change(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Opened => self.opened += 1,
            ChangeKind::Updated => self.updated += 1,
            ChangeKind::Retracted => self.retracted += 1,
            ChangeKind::Suppressed => self.suppressed += 1,
        }
    }

    /// With what the keys counted themselves.
    #[must_use]
    pub(super) fn with_keys(mut self, keys: &Keys) -> Self {
        let (scratch, of_keys) = (keys.scratch(), keys.counters());
        let caps = scratch.caps();
        self.settled_early = scratch.settled_early;
        self.taken_in_part = scratch.taken_in_part;
        self.sent_forgotten = scratch.sent_forgotten;
        self.cap_sessions = caps.sessions;
        self.cap_incidents = caps.incidents;
        self.cap_networks = caps.networks;
        self.cap_countries = caps.countries;
        self.cap_parked_rules = caps.parked_rules;
        self.cap_window_slots = caps.window_slots;
        self.cap_window_objects = caps.window_objects;
        self.cap_announced = caps.announced;
        self.exceptions_dropped += caps.exceptions;
        self.evicted = of_keys.evicted;
        self.unreadable_keys = of_keys.unreadable;
        self
    }
}

/// What held a finding back for the first time, if something did.
fn held_back_by(change: &Change) -> Option<&Blocker> {
    let first = change.kind == ChangeKind::Suppressed && change.revision == 1;
    match &change.finding.as_ref().filter(|_| first)?.status {
        Status::Suppressed(blocker) => Some(blocker),
        Status::Open => None,
    }
}
