//! The key of a program in other hands: pages of rows within an hour, or some more each day.

use rand::RngExt;

use crate::action::{Action, Deed};
use crate::chance::{Chance, pick};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::company::Company;
use crate::people::AccountKind;

use super::usual::{Before, Of, ROWS_LEAST};
use super::{AttackKind, Draft, HISTORY_DAYS, PULL_MIN, SLOW_DAYS, Scouting, amount_of};

/// Rows of a page.
const PAGE_ROWS: f64 = 10_000.0;
/// Bytes of a row.
const ROW_BYTES: u64 = 550;
/// More within an hour would be no slow exfiltration, rows.
const SLOW_HOUR_ROWS_MAX: f64 = 40_000.0;
const DAY_HOURS: f64 = 24.0;

/// Is this one done with the key of a program?
pub(in crate::attacks) const fn is_on_program(kind: AttackKind, number: u32) -> bool {
    matches!(kind, AttackKind::UnusualDownload | AttackKind::SlowExfiltration) && number % 7 == 6
}

/// A program with a history of jobs. Other programs never carry anything off, and nothing is promised of the first weeks in
/// which an account does.
pub(in crate::attacks) fn suits(company: &Company, account: u32, day: u32) -> bool {
    let person = &company.people[account as usize];
    person.kind == AccountKind::Service && person.first_day + HISTORY_DAYS <= day
}

/// Pages of rows within an hour, more than in the busiest one before or at an hour of the day at which the program never
/// does anything.
pub(in crate::attacks) fn unusual_download_of_program(
    scouting: &Scouting<'_>,
    number: u32,
    chance: &mut Chance,
) -> Option<Draft> {
    let before = Before::new(scouting);
    let (amount, client) = (amount_of(number), pick(chance, &scouting.days)?.client);
    let first_epoch_day = scouting.company.config.start_ms.div_euclid(DAY_MS);
    let midnight_ms = (first_epoch_day + i64::from(scouting.day)) * DAY_MS;
    let start_ms = midnight_ms + chance.random_range(0..23 * HOUR_MS);
    let span_ms = chance.random_range(PULL_MIN.0..=PULL_MIN.1) * MINUTE_MS;
    let is_asleep = before.is_never_active(start_ms, start_ms + span_ms);
    let least = if is_asleep { ROWS_LEAST } else { before.least_in_hour(Of::Rows, ROWS_LEAST) };
    let rows = libm::ceil(amount.times() * least);
    let table = chance.random_range(0..6);
    let pages = libm::ceil(rows / PAGE_ROWS) as u32;
    let deeds: Vec<Deed> = (0..pages).map(|page| page_of(table, page, PAGE_ROWS)).collect();
    let actions = super::pull(scouting, (start_ms, span_ms), client, &deeds, chance);
    let note = format!(
        "{pages} pages of {PAGE_ROWS} rows within {} minutes by a program; {} times what is told at least",
        span_ms / MINUTE_MS,
        amount.times()
    );
    let (kind, also_expected) = (AttackKind::UnusualDownload, Vec::new());
    Some(Draft { kind, actions, note, also_expected, classes: vec![amount.word()] })
}

/// Some rows more on each of some days, evenly over the day.
pub(in crate::attacks) fn slow_exfiltration_of_program(
    scouting: &Scouting<'_>,
    number: u32,
    chance: &mut Chance,
) -> Option<Draft> {
    let days = chance.random_range(SLOW_DAYS.0..=SLOW_DAYS.1);
    let usual = Before::new(scouting).usual_day(Of::Rows)?;
    let (amount, client) = (amount_of(number), pick(chance, &scouting.days)?.client);
    let rows_a_day = libm::ceil(amount.times() * usual.least_more(days));
    let last_day = scouting.day as usize + days;
    if rows_a_day / DAY_HOURS > SLOW_HOUR_ROWS_MAX || last_day + 1 >= scouting.company.config.days as usize {
        return None;
    }
    let first_epoch_day = scouting.company.config.start_ms.div_euclid(DAY_MS);
    let table = chance.random_range(0..6);
    // A page an hour, and more where that would be too long a page.
    let pages = libm::ceil(rows_a_day / PAGE_ROWS).max(DAY_HOURS);
    let mut actions: Vec<Action> = Vec::new();
    for day in scouting.day as usize..last_day {
        let midnight_ms = (first_epoch_day + day as i64) * DAY_MS;
        let rows = rows_a_day / pages * chance.random_range(0.9..1.1);
        let deeds: Vec<Deed> = (0..pages as u32).map(|page| page_of(table, page, rows)).collect();
        actions.extend(super::pull(scouting, (midnight_ms, DAY_MS), client, &deeds, chance));
    }
    let note = format!(
        "{rows_a_day} rows more on {days} days by a program, beside the usual {} a day; {} times what is told at least",
        usual.median,
        amount.times()
    );
    let (kind, also_expected) = (AttackKind::SlowExfiltration, Vec::new());
    Some(Draft { kind, actions, note, also_expected, classes: vec![amount.word()] })
}

fn page_of(table: u8, page: u32, rows: f64) -> Deed {
    let rows = rows as u32;
    Deed::RestRead { table, rows, offset: page * rows, bytes: u64::from(rows) * ROW_BYTES }
}
