//! Records deleted by the hundred, and a walk through other people's accounts.

use rand::RngExt;

use crate::action::{Client, Deed, Device, RECORD_COUNT};
use crate::attacks::Draft;
use crate::chance::{Chance, log_uniform};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};

use super::{AdminDeed, Plot, Stage, densest};

/// How many records a fast attack deletes, by classes: a page of a list and some more, several pages, whole tables.
const AMOUNTS: [(&str, (u32, u32)); 3] = [("small", (115, 140)), ("medium", (200, 320)), ("large", (500, 1_200))];
/// Records of a page of a list.
const PAGE: u32 = 100;
/// From one page to the next, of somebody in a hurry and of somebody who is not.
const PAGES_MS: (i64, i64) = (5 * SECOND_MS, 25 * SECOND_MS);
const PAGES_SLOW_MS: (i64, i64) = (15 * MINUTE_MS, 90 * MINUTE_MS);
/// Batches of a slow attack, how many records each has, and how far they are apart.
const BATCHES: (u32, u32) = (3, 7);
const BATCH: (u32, u32) = (110, 260);
const BATCHES_MS: (i64, i64) = (90 * MINUTE_MS, 14 * HOUR_MS);
/// From one record to the next of somebody who takes them one by one, any order of magnitude alike.
const STEP_MS: (i64, i64) = (2 * SECOND_MS, 60 * SECOND_MS);
/// Accounts of a walk: of a fast one, of a slow one, and how far these are apart.
const WALK: (u32, u32) = (4, 15);
const WALK_FEW: u32 = 3;
const WALK_SLOW: (u32, u32) = (4, 10);
const WALK_MS: (i64, i64) = (20 * SECOND_MS, 3 * MINUTE_MS);
const WALK_SLOW_MS: (i64, i64) = (15 * MINUTE_MS, 5 * HOUR_MS);

/// Records are deleted page by page, by a script, or one by one over REST; or now and then over hours.
pub(super) fn deletion(plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let Stage { at, client, mut actions } = plot.stage(chance)?;
    let table = chance.random_range(0..10);
    let (times, rest, how, amount) =
        if plot.is_slow { slow_times(plot, at, chance) } else { fast_times(plot, at, chance) };
    // A person's account, and a program that has its password or token.
    let client = if rest { Client { device: Device::Script, browser: 1, session: 0, ..client } } else { client };
    if rest {
        actions.clear();
    }
    let first = chance.random_range(0..RECORD_COUNT);
    for (nth, time_ms) in (0..).zip(&times) {
        if !rest && nth % PAGE == 0 {
            actions.push(plot.act(time_ms - SECOND_MS, client, Deed::List { table }, chance));
        }
        let record = (first + nth * 7) % RECORD_COUNT;
        actions.push(plot.admin(*time_ms, client, AdminDeed::Delete { table, record, rest }, chance));
    }
    let most = densest(&times, 10 * MINUTE_MS);
    let hours = (times.last()? - at) as f64 / HOUR_MS as f64;
    let note = format!("{} records deleted {how} over {hours:.2} h, at most {most} within ten minutes", times.len());
    plot.draft(actions, note, amount)
}

/// When each record goes, whether over REST, how, and the class.
fn fast_times(plot: Plot<'_>, at: i64, chance: &mut Chance) -> (Vec<i64>, bool, &'static str, &'static str) {
    let (amount, (least, most)) = AMOUNTS[chance.random_range(0..AMOUNTS.len())];
    let count = chance.random_range(least..=most);
    let mut times = Vec::new();
    let mut at = at;
    match plot.number / 2 % 3 {
        0 => {
            for nth in 0..count {
                at += if nth > 0 && nth % PAGE == 0 { chance.random_range(PAGES_MS.0..PAGES_MS.1) } else { 25 };
                times.push(at);
            }
            (times, false, "page by page", amount)
        }
        1 => {
            let step = chance.random_range(2..15);
            (step_by(at, count, step), false, "by a script", amount)
        }
        _ => {
            let step = chance.random_range(150..1_200);
            (step_by(at, count, step), true, "one by one over REST", amount)
        }
    }
}

fn slow_times(plot: Plot<'_>, at: i64, chance: &mut Chance) -> (Vec<i64>, bool, &'static str, &'static str) {
    let mut times = Vec::new();
    let mut at = at;
    match plot.number % 4 {
        0 | 2 => {
            for _ in 0..chance.random_range(BATCHES.0..=BATCHES.1) {
                let count = chance.random_range(BATCH.0..=BATCH.1);
                times.extend(step_by(at, count, chance.random_range(20..900)));
                at += log_uniform(chance, BATCHES_MS);
            }
            (times, false, "in batches", "in batches")
        }
        1 => {
            let step = log_uniform(chance, STEP_MS);
            for _ in 0..chance.random_range(150..700) {
                times.push(at);
                at += step * chance.random_range(60..140) / 100;
            }
            let is_dense = densest(&times, 10 * MINUTE_MS) > PAGE as usize;
            let class = if is_dense {
                "steadily, over a hundred in ten minutes"
            } else {
                "steadily, never a hundred in ten minutes"
            };
            (times, true, "one by one over REST", class)
        }
        _ => {
            for _ in 0..chance.random_range(3..10) {
                times.extend(step_by(at, PAGE, 25));
                at += chance.random_range(PAGES_SLOW_MS.0..PAGES_SLOW_MS.1);
            }
            (times, false, "a page at a time", "a page at a time")
        }
    }
}

fn step_by(at: i64, count: u32, step_ms: i64) -> Vec<i64> {
    (0..i64::from(count)).map(|nth| at + nth * step_ms).collect()
}

/// Whoever may impersonate walks through accounts, within minutes or one now and then.
pub(super) fn impersonation(plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let Stage { at, client, mut actions } = plot.stage(chance)?;
    let (least, most) = if plot.is_slow { WALK_SLOW } else { WALK };
    let is_few = !plot.is_slow && plot.number % 4 >= 2;
    let count = if is_few { WALK_FEW } else { chance.random_range(least..=most) };
    let step = log_uniform(chance, if plot.is_slow { WALK_SLOW_MS } else { WALK_MS });
    let (mut at, mut starts) = (at, Vec::new());
    for _ in 0..count {
        let whom = plot.somebody(chance);
        starts.push(at);
        actions.push(plot.admin(at, client, AdminDeed::Impersonate { whom, starts: true }, chance));
        let until = at + step.min(20 * MINUTE_MS) * chance.random_range(30..80) / 100;
        actions.push(plot.admin(until, client, AdminDeed::Impersonate { whom, starts: false }, chance));
        at += step * chance.random_range(80..140) / 100;
    }
    let most = densest(&starts, HOUR_MS);
    let class = match (plot.is_slow, most) {
        (false, ..=3) => "three accounts",
        (false, _) => "more accounts",
        (true, ..3) => "never three within the hour",
        (true, _) => "three within an hour",
    };
    let hours = (at - starts.first()?) as f64 / HOUR_MS as f64;
    let note = format!("acted as {count} others over {hours:.1} h, as {most} of them within an hour");
    plot.draft(actions, note, class)
}
