//! People who leave, return and are away as people do.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Client, Deed, Device, Status};
use crate::chance::{Chance, Purpose, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, weekday};

use super::{Ground, HarmlessKind, act, at_home, look, midnight_ms, minutes};

/// Of a thousand people over the run, by what they do.
const SHARES: [(HarmlessKind, u32); 7] = [
    (HarmlessKind::Leaver, 20),
    (HarmlessKind::LeaverByDay, 10),
    (HarmlessKind::LeaverPutOff, 10),
    (HarmlessKind::Rehired, 10),
    (HarmlessKind::RehiredToldLate, 5),
    (HarmlessKind::OnLeave, 15),
    (HarmlessKind::Job, 8),
];
/// A day of leaving is at least so many days after the begin, and before the end.
const FIRST_DAY: u32 = 6;
const LAST_DAYS: u32 = 4;

/// Adds them; nobody who was attacked.
pub(super) fn work(ground: &mut Ground<'_>, attacked: &BTreeSet<u32>) {
    for (salt, (kind, share)) in SHARES.into_iter().enumerate() {
        for account in ground.some(share, 100 + salt as u64, |account, _| !attacked.contains(&account)) {
            let mut chance = stream(ground.company.config.seed, Purpose::AddressWork, account, 1);
            leave(ground, kind, account, &mut chance);
        }
    }
}

/// A working day of the run, with days before and after it.
fn some_day(ground: &Ground<'_>, margin: u32, chance: &mut Chance) -> u32 {
    let last = ground.company.config.days.saturating_sub(LAST_DAYS + margin).max(FIRST_DAY + 1);
    let first_epoch_day = ground.company.config.start_ms.div_euclid(DAY_MS);
    let day = chance.random_range(FIRST_DAY..last);
    (0..7)
        .map(|more| day.saturating_sub(more))
        .find(|day| weekday(first_epoch_day + i64::from(*day)) < 5)
        .unwrap_or(day)
}

fn leave(ground: &mut Ground<'_>, kind: HarmlessKind, account: u32, chance: &mut Chance) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let day = some_day(ground, 5, chance);
    let evening = |day: u32, chance: &mut Chance| {
        midnight_ms(company, person, day) + minutes(chance.random_range(16 * 60 + 30..17 * 60 + 30))
    };
    let left_ms = evening(day, chance);
    let told = |at: i64, status, counts_from_ms, chance: &mut Chance| {
        let client = at_home(company, person, at, 0);
        act(at, account, client, Deed::Status { status, counts_from_ms }, chance)
    };
    let mut from_ms = left_ms;
    match kind {
        HarmlessKind::Leaver => {
            ground.actions.push(told(left_ms, Status::Terminated, left_ms, chance));
            ground.actions.push(told(left_ms + minutes(70), Status::Disabled, left_ms + minutes(70), chance));
            hand_over(ground, account, left_ms, chance);
        }
        HarmlessKind::LeaverByDay => {
            from_ms = left_ms.div_euclid(DAY_MS) * DAY_MS;
            ground.actions.push(told(left_ms + minutes(45), Status::Terminated, from_ms, chance));
        }
        HarmlessKind::LeaverPutOff => {
            let (ahead, later) = (day.saturating_sub(5), evening(day + 3, chance));
            let first_told_ms = midnight_ms(company, person, ahead) + 10 * HOUR_MS;
            ground.actions.push(told(first_told_ms, Status::Terminated, left_ms, chance));
            ground.actions.push(told(left_ms - 20 * HOUR_MS, Status::Terminated, later, chance));
            ground.absent(account, later, i64::MAX);
            ground.note(account, kind, (first_told_ms, later));
            return;
        }
        HarmlessKind::Rehired | HarmlessKind::RehiredToldLate | HarmlessKind::OnLeave => {
            let status = if kind == HarmlessKind::OnLeave { Status::Disabled } else { Status::Terminated };
            ground.actions.push(told(left_ms, status, left_ms, chance));
            let back = day + chance.random_range(3..9);
            let until = midnight_ms(company, person, back) + 6 * HOUR_MS;
            let late = kind == HarmlessKind::RehiredToldLate;
            // The working day begins at half past seven at the earliest.
            let told_ms = until + if late { chance.random_range(5 * HOUR_MS..9 * HOUR_MS) } else { 20 * MINUTE_MS };
            ground.actions.push(told(told_ms, Status::Enabled, until, chance));
            ground.absent(account, left_ms, until);
            ground.note(account, kind, (from_ms, told_ms));
            return;
        }
        _ => {
            ground.actions.push(told(left_ms, Status::Terminated, left_ms, chance));
            nightly_job(ground, account, chance);
        }
    }
    ground.absent(account, left_ms, i64::MAX);
    ground.note(account, kind, (from_ms, company.end_ms()));
}

/// Some last requests within the hour.
fn hand_over(ground: &mut Ground<'_>, account: u32, left_ms: i64, chance: &mut Chance) {
    let person = &ground.company.people[account as usize];
    let client = at_home(ground.company, person, left_ms, chance.random());
    let mut at = left_ms + minutes(chance.random_range(2..20));
    for _ in 0..chance.random_range(2..9) {
        let action = act(at, account, client, look(chance), chance);
        ground.actions.push(action);
        at += chance.random_range(20 * SECOND_MS..5 * MINUTE_MS);
        if at > left_ms + minutes(57) {
            break;
        }
    }
}

/// A program that signs in with the person's key every night, before and after.
fn nightly_job(ground: &mut Ground<'_>, account: u32, chance: &mut Chance) {
    let person = &ground.company.people[account as usize];
    let home = at_home(ground.company, person, 0, 0);
    let client = Client { device: Device::Script, browser: chance.random_range(0..4), ..home };
    let minute = chance.random_range(60..240);
    for day in 0..ground.company.config.days {
        let mut at =
            midnight_ms(ground.company, person, day) + minutes(minute) + chance.random_range(0..SECOND_MS * 30);
        for _ in 0..3 {
            let rows = chance.random_range(50..900);
            let deed = Deed::RestRead { table: 6, rows, offset: 0, bytes: u64::from(rows) * 700 };
            let action = act(at, account, client, deed, chance);
            ground.actions.push(action);
            at += chance.random_range(2 * SECOND_MS..20 * SECOND_MS);
        }
    }
}
