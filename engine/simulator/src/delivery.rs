//! Brings rows to the broker as a poller would: late, out of order, sometimes very late, sometimes twice.
//!
//! Time passes in slots: the actions of a slot are turned into rows, their stamps are drawn, and everything whose
//! stamp cannot be overtaken any more is handed out. Memory holds the actions of two days and the rows of an hour.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::action::Action;
use crate::activity;
use crate::behaviour::plan_day;
use crate::chance::mix;
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::Company;
use crate::confounders::Confounders;
use crate::raw::{self, RawRow, Scene};

/// No first copy of a row arrives later than this after its event.
pub const MAX_DELAY_MS: i64 = 50 * MINUTE_MS;
/// No second copy of a row arrives later than this after its event.
pub const MAX_DUPLICATE_DELAY_MS: i64 = 55 * MINUTE_MS;
/// One row in this many is delayed beyond the next poll.
const DELAYED_ONE_IN: u64 = 100;
/// One row in this many arrives twice.
const DUPLICATE_ONE_IN: u64 = 200;
/// One polled page in this many is published twice: the first time its acknowledgement was lost.
const RETRIED_ONE_IN: u64 = 20;
/// A poller that is out comes back after this long.
const OUTAGE_MS: i64 = 30 * MINUTE_MS;
/// Length of a slot.
const SLOT_MS: i64 = 10 * MINUTE_MS;
/// The rows of a page are published within this time.
const PAGE_MS: i64 = 4 * SECOND_MS;
/// A local day begins at most this long before the same day in UTC.
const DAY_LEAD_MS: i64 = 15 * HOUR_MS;

/// A record as it arrives at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// When the broker takes it, milliseconds since the epoch.
    pub stamp_ms: i64,
    /// `instance|user` in lower case; placeholders `instance|@ip`.
    pub key: String,
    /// The table the row is from; `activity` for activity records.
    pub table: &'static str,
    /// The name the record is about.
    pub user: String,
    /// The record, JSON.
    #[serde(rename = "value", serialize_with = "as_json")]
    pub row: String,
    /// When it happened, milliseconds since the epoch: known to the simulation only.
    #[serde(skip)]
    pub event_ms: i64,
    /// Whether it is a second copy: known to the simulation only.
    #[serde(skip)]
    pub duplicate: bool,
    /// The attack it belongs to, a position in [`Company::labels`]: known to the simulation only.
    #[serde(skip)]
    pub label: Option<u32>,
}

/// What the deliveries carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Raw rows of ServiceNow's tables.
    Raw,
    /// Activity records.
    Activity,
}

/// Deliveries in order of their stamps.
#[derive(Debug)]
pub struct Deliveries<'a> {
    company: &'a Company,
    form: Form,
    actions: Actions<'a>,
    pending: Vec<Pending>,
    ready: std::vec::IntoIter<Pending>,
    next_number: u64,
    scratch: Vec<RawRow>,
}

/// All actions of the run, slot by slot.
#[derive(Debug)]
pub(crate) struct Actions<'a> {
    company: &'a Company,
    slot: i64,
    next_day: i64,
    slots: BTreeMap<i64, Vec<Action>>,
    scratch: Vec<Action>,
}

/// A delivery that waits for its stamp; the number breaks ties.
#[derive(Debug)]
struct Pending {
    number: u64,
    delivery: Delivery,
}

/// When a table is polled.
struct Polling {
    interval_ms: i64,
    phase_ms: i64,
}

impl<'a> Deliveries<'a> {
    pub(crate) fn new(company: &'a Company, form: Form) -> Self {
        Self {
            company,
            form,
            actions: Actions::new(company),
            pending: Vec::new(),
            ready: Vec::new().into_iter(),
            next_number: 0,
            scratch: Vec::new(),
        }
    }

    /// Fills `ready` from the next slot; `false` at the end.
    fn advance(&mut self) -> bool {
        let (actions, slot_end_ms) = match self.actions.next_slot() {
            Some((slot_start_ms, actions)) => (actions, slot_start_ms + SLOT_MS),
            None if self.pending.is_empty() => return false,
            None => (Vec::new(), i64::MAX),
        };
        for action in &actions {
            self.post(action);
        }
        // What stays behind is stamped after the slot, as is everything that comes from later slots.
        let mut due: Vec<Pending> = self.pending.extract_if(.., |p| p.delivery.stamp_ms < slot_end_ms).collect();
        due.sort_unstable_by_key(|pending| (pending.delivery.stamp_ms, pending.number));
        self.ready = due.into_iter();
        true
    }

    /// Turns an action into rows and gives each its stamps.
    fn post(&mut self, action: &Action) {
        let person = &self.company.people[action.account as usize];
        let subject = raw::subject(action, person);
        let instance = self.company.config.instance.as_str();
        let people = &self.company.people;
        let scene = Scene { action, person, people, instance, subject: &subject };
        let mut rows = std::mem::take(&mut self.scratch);
        match self.form {
            Form::Raw => raw::write_rows(&scene, &mut rows),
            Form::Activity => activity::write_records(&scene, &mut rows),
        }
        let key = activity::key(&scene);
        for row in rows.drain(..) {
            let chance = mix(row.sys_id as u64, self.company.config.seed);
            let stamp_ms = first_stamp(&row, chance, self.company.config.confounders);
            let delivery = Delivery {
                stamp_ms,
                key: key.clone(),
                table: row.table,
                user: subject.to_string(),
                row: row.json,
                event_ms: row.created_ms,
                duplicate: false,
                label: action.label,
            };
            let seen_twice = mix(chance, 2).is_multiple_of(DUPLICATE_ONE_IN);
            if seen_twice || is_retried(row.table, stamp_ms, self.company.config.seed) {
                let again_ms = if seen_twice {
                    second_stamp(row.table, row.created_ms, stamp_ms, chance)
                } else {
                    stamp_ms + PAGE_MS + page_ms(chance, 9)
                };
                let copy = Delivery { stamp_ms: again_ms, duplicate: true, ..delivery.clone() };
                self.push(copy);
            }
            self.push(delivery);
        }
        self.scratch = rows;
    }

    fn push(&mut self, delivery: Delivery) {
        let number = self.next_number;
        self.next_number += 1;
        self.pending.push(Pending { number, delivery });
    }
}

impl Iterator for Deliveries<'_> {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(pending) = self.ready.next() {
                return Some(pending.delivery);
            }
            if !self.advance() {
                return None;
            }
        }
    }
}

impl<'a> Actions<'a> {
    pub(crate) fn new(company: &'a Company) -> Self {
        let mut slots: BTreeMap<i64, Vec<Action>> = BTreeMap::new();
        for action in &company.attack_actions {
            slots.entry(action.time_ms.div_euclid(SLOT_MS)).or_default().push(action.clone());
        }
        let slot = company.config.start_ms.div_euclid(SLOT_MS);
        // The day before has not ended yet in the far west.
        Self { company, slot, next_day: -1, slots, scratch: Vec::new() }
    }

    /// Start of the slot and its actions in order of time; `None` at the end of the run.
    pub(crate) fn next_slot(&mut self) -> Option<(i64, Vec<Action>)> {
        let start_ms = self.slot * SLOT_MS;
        if start_ms >= self.company.end_ms() {
            return None;
        }
        while self.company.config.start_ms + self.next_day * DAY_MS - DAY_LEAD_MS < start_ms + SLOT_MS {
            self.plan(self.next_day);
            self.next_day += 1;
        }
        let mut actions = self.slots.remove(&self.slot).unwrap_or_default();
        actions.sort_unstable_by_key(|action| (action.time_ms, action.account, action.id));
        self.slot += 1;
        Some((start_ms, actions))
    }

    fn plan(&mut self, day: i64) {
        let company = self.company;
        let span = company.config.start_ms..company.end_ms();
        let mut actions = std::mem::take(&mut self.scratch);
        for (account, person) in company.people.iter().enumerate() {
            plan_day(company.day_context(), account as u32, person, day, &mut actions);
            for action in
                actions.drain(..).filter(|action| span.contains(&action.time_ms) && !company.is_absent(action))
            {
                self.slots.entry(action.time_ms.div_euclid(SLOT_MS)).or_default().push(action);
            }
        }
        self.scratch = actions;
    }
}

/// The first poll after the row has settled; one in a hundred waits for a much later one, and more where rows are late.
fn first_stamp(row: &RawRow, chance: u64, confounders: Option<Confounders>) -> i64 {
    let late_rows = confounders.map_or(0, |shares| u64::from(shares.late_rows));
    let settle_ms = 2 * SECOND_MS + (mix(chance, 3) % 28_000) as i64;
    let delayed = mix(chance, 4).is_multiple_of(DELAYED_ONE_IN) || mix(chance, 10) % 1_000 < late_rows;
    let extra_ms = if delayed { 2 * MINUTE_MS + (mix(chance, 5) % 2_460_000) as i64 } else { 0 };
    let poll_ms = next_poll(row.table, row.created_ms + settle_ms + extra_ms);
    let poll_ms = if late_rows > 0 { after_outage(row.table, poll_ms) } else { poll_ms };
    (poll_ms + page_ms(chance, 6)).min(row.created_ms + MAX_DELAY_MS)
}

/// The first poll that happens: once a day, at a time of each table's own, nothing is polled for half an hour.
fn after_outage(table: &str, poll_ms: i64) -> i64 {
    let day = poll_ms.div_euclid(DAY_MS);
    let salt = table.len() as u64;
    let from_ms = day * DAY_MS + (mix(day as u64, salt) % (DAY_MS - OUTAGE_MS) as u64) as i64;
    if (from_ms..from_ms + OUTAGE_MS).contains(&poll_ms) { next_poll(table, from_ms + OUTAGE_MS) } else { poll_ms }
}

/// A poll whose window overlaps the first one's.
fn second_stamp(table: &str, event_ms: i64, first_ms: i64, chance: u64) -> i64 {
    let again_ms = next_poll(table, first_ms + (mix(chance, 7) % 600_000) as i64) + page_ms(chance, 8);
    again_ms.max(first_ms + 1).min(event_ms + MAX_DUPLICATE_DELAY_MS)
}

/// Rows of one poll are published within some seconds, in no order.
fn page_ms(chance: u64, salt: u64) -> i64 {
    (mix(chance, salt) % PAGE_MS as u64) as i64
}

/// Whether the page that was published at this time is published once more.
fn is_retried(table: &str, stamp_ms: i64, seed: u64) -> bool {
    let Polling { interval_ms, phase_ms } = polling(table);
    let page = (stamp_ms - phase_ms).div_euclid(interval_ms) as u64;
    mix(mix(page, interval_ms as u64), seed).is_multiple_of(RETRIED_ONE_IN)
}

fn next_poll(table: &str, time_ms: i64) -> i64 {
    let Polling { interval_ms, phase_ms } = polling(table);
    (time_ms - phase_ms).div_euclid(interval_ms) * interval_ms + interval_ms + phase_ms
}

fn polling(table: &str) -> Polling {
    let (minutes, phase_secs) = match table {
        "sysevent" => (1, 7),
        "syslog_transaction" => (2, 31),
        "sys_audit" | "sys_audit_delete" => (4, 53),
        "sys_attachment" => (5, 11),
        // A producer that publishes by itself does not poll; it gathers for a few seconds.
        _ => return Polling { interval_ms: 5 * SECOND_MS, phase_ms: 0 },
    };
    Polling { interval_ms: minutes * MINUTE_MS, phase_ms: phase_secs * SECOND_MS }
}

fn as_json<S: Serializer>(row: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let value: &RawValue = serde_json::from_str(row).map_err(serde::ser::Error::custom)?;
    value.serialize(serializer)
}

#[cfg(test)]
mod tests;
