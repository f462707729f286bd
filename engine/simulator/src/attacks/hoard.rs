//! Attacks by what is usual for the victim: several times as much within an hour, or a little more day after day.
//!
//! What is usual is what the victim truly does in the weeks before.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, ExportFormat, FILE_COUNT, RECORD_COUNT};
use crate::behaviour::plan_day;
use crate::chance::{Chance, pick};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, weekday};

use super::{AttackKind, BUSY_DAY_ACTIONS, Draft, Scouting};

/// The victim has been at work for so many days.
const HISTORY_DAYS: u32 = 22;
/// Days before the attack by which it is known what is usual.
const USUAL_DAYS: u32 = 14;
/// How many times the busiest hour, least and most.
const HOUR_TIMES: (f64, f64) = (2.0, 10.0);
/// Nobody bothers with less.
const FILES_MIN: u32 = 24;
/// More would not be slow enough to stay below fifty a minute.
const FILES_MAX: u32 = 600;
/// Minutes over which an hour's pull is spread, least and most.
const PULL_MIN: (i64, i64) = (20, 55);
/// Files taken at night, least and most.
const NIGHT_FILES: (u32, u32) = (24, 48);
/// Working days of a slow exfiltration, least and most.
const SLOW_DAYS: (usize, usize) = (5, 15);
/// How many times the usual day, least and most.
const DAY_TIMES: (f64, f64) = (1.5, 3.0);
/// Whoever carries off less on a usual day has no usual day.
const DAY_FILES_MIN: f64 = 5.0;

/// Several times the busiest hour by turns at the desk, at night, in archives, in exports.
pub(super) fn unusual_download(scouting: &Scouting<'_>, number: u32, chance: &mut Chance) -> Option<Draft> {
    if scouting.person.first_day + HISTORY_DAYS > scouting.day {
        return None;
    }
    let moment = &scouting.days[*pick(chance, &scouting.desk)?];
    let busiest = busiest_hour(scouting);
    let times = chance.random_range(HOUR_TIMES.0..HOUR_TIMES.1);
    let files = ((f64::from(busiest.max(3)) * times) as u32).clamp(FILES_MIN, FILES_MAX);
    let start_ms = moment.time_ms + chance.random_range(SECOND_MS..20 * SECOND_MS);
    let span_ms = chance.random_range(PULL_MIN.0..=PULL_MIN.1) * MINUTE_MS;
    let (actions, note) = match number % 4 {
        0 => {
            let note = format!(
                "{files} attachments within {} minutes, {busiest} in the busiest hour before",
                span_ms / MINUTE_MS
            );
            (pull(scouting, (start_ms, span_ms), moment.client, &attachments(files, chance), chance), note)
        }
        1 => {
            let files = chance.random_range(NIGHT_FILES.0..=NIGHT_FILES.1);
            (at_night(scouting, files, span_ms, chance), format!("{files} attachments at night, from home"))
        }
        2 => {
            let count = chance.random_range(4..8_u32);
            let note = format!("{count} archives within {} minutes", span_ms / MINUTE_MS);
            (pull(scouting, (start_ms, span_ms), moment.client, &archives(count, chance), chance), note)
        }
        _ => {
            let count = chance.random_range(6..10_u32);
            let note = format!("{count} exports of 10,000 rows within {} minutes", span_ms / MINUTE_MS);
            (pull(scouting, (start_ms, span_ms), moment.client, &exports(count, chance), chance), note)
        }
    };
    let end_ms = scouting.company.end_ms();
    let fits = actions.last().is_some_and(|action| action.time_ms < end_ms);
    fits.then(|| Draft { kind: AttackKind::UnusualDownload, actions, note, also_expected: Vec::new() })
}

/// Some files more on each of some working days, beside the victim's own work.
pub(super) fn slow_exfiltration(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<Draft> {
    let wanted = chance.random_range(SLOW_DAYS.0..=SLOW_DAYS.1);
    let level = chance.random_range(DAY_TIMES.0..DAY_TIMES.1);
    let usual = usual_day(scouting)?;
    if scouting.person.first_day + HISTORY_DAYS > scouting.day || usual < DAY_FILES_MIN {
        return None;
    }
    let mut actions: Vec<Action> = Vec::new();
    let (mut days, mut taken) = (0, 0);
    for day in scouting.day..scouting.company.config.days - 1 {
        if days == wanted {
            break;
        }
        let of_day = Scouting::new(scouting.company, scouting.account, day);
        if of_day.desk.len() < BUSY_DAY_ACTIONS {
            continue;
        }
        let times = (level * chance.random_range(0.9..1.1)).clamp(DAY_TIMES.0, DAY_TIMES.1);
        let more = libm::round((times - 1.0) * usual) as u32;
        for _ in 0..more {
            let moment = &of_day.days[*pick(chance, &of_day.desk)?];
            let at = moment.time_ms + chance.random_range(2 * SECOND_MS..40 * SECOND_MS);
            let file = chance.random_range(0..FILE_COUNT);
            actions.push(scouting.action(at, moment.client, Deed::Download { file }, chance));
        }
        (days, taken) = (days + 1, taken + more);
    }
    actions.sort_by_key(|action| action.time_ms);
    let last_ms = actions.last()?.time_ms;
    let (from_ms, to_ms) = (actions.first()?.time_ms, last_ms);
    let travels =
        scouting.person.trips.iter().any(|trip| !trip.commute && trip.out_ms < to_ms && from_ms < trip.home_ms);
    if days < wanted || travels {
        return None;
    }
    let note = format!("{taken} attachments more on {days} working days, {level:.1} times the usual {usual:.1} a day");
    Some(Draft { kind: AttackKind::SlowExfiltration, actions, note, also_expected: Vec::new() })
}

/// The deeds, evenly over a span.
fn pull(
    scouting: &Scouting<'_>,
    (start_ms, span_ms): (i64, i64),
    client: Client,
    deeds: &[Deed],
    chance: &mut Chance,
) -> Vec<Action> {
    let step_ms = (span_ms / deeds.len().max(1) as i64).max(SECOND_MS);
    let timed = deeds.iter().enumerate();
    timed
        .map(|(n, deed)| {
            let at = start_ms + n as i64 * step_ms + chance.random_range(0..step_ms / 2);
            scouting.action(at, client, *deed, chance)
        })
        .collect()
}

/// The owner signs in at home in the small hours.
fn at_night(scouting: &Scouting<'_>, files: u32, span_ms: i64, chance: &mut Chance) -> Vec<Action> {
    let (world, person) = (&scouting.company.world, scouting.person);
    let first_epoch_day = scouting.company.config.start_ms.div_euclid(DAY_MS);
    let midnight_ms = world.midnight_ms(person.home, first_epoch_day + i64::from(scouting.day));
    let start_ms = midnight_ms + HOUR_MS + chance.random_range(0..90) * MINUTE_MS;
    let network = person.home_line.v4;
    let client = Client {
        ip: world.host(network, person.line_number),
        network,
        body: person.home,
        device: Device::Laptop,
        browser: person.habits.laptop_browser,
        session: chance.random(),
    };
    let login = Deed::Login { sso: person.habits.sso, code_by_mail: false };
    let mut actions = vec![scouting.action(start_ms - MINUTE_MS, client, login, chance)];
    actions.extend(pull(scouting, (start_ms, span_ms), client, &attachments(files, chance), chance));
    actions
}

fn attachments(count: u32, chance: &mut Chance) -> Vec<Deed> {
    let first = chance.random_range(0..FILE_COUNT);
    (0..count).map(|n| Deed::Download { file: (first + n * 7) % FILE_COUNT }).collect()
}

fn archives(count: u32, chance: &mut Chance) -> Vec<Deed> {
    let mut archive = || {
        let objects = chance.random_range(60..90_u32);
        let bytes = u64::from(objects) * chance.random_range(1_500_000..2_500_000_u64);
        Deed::Zip { table: 0, record: chance.random_range(0..RECORD_COUNT), objects, bytes }
    };
    (0..count).map(|_| archive()).collect()
}

fn exports(count: u32, chance: &mut Chance) -> Vec<Deed> {
    let table = chance.random_range(0..5);
    let export = |n: u32| Deed::Export {
        table,
        format: ExportFormat::Csv,
        rows: 10_000,
        first_row: n * 410,
        bytes: 5_200_000 + u64::from(n) * 90_000,
    };
    (0..count).map(export).collect()
}

/// Objects that the victim carried off, by time, in the weeks before.
fn carried_before(scouting: &Scouting<'_>) -> Vec<(i64, u32)> {
    let mut actions = Vec::new();
    let day = i64::from(scouting.day);
    for day in day - i64::from(USUAL_DAYS)..day {
        plan_day(scouting.company.day_context(), scouting.account, scouting.person, day, &mut actions);
    }
    let objects = |action: &Action| match action.deed {
        Deed::Download { .. } | Deed::Export { .. } | Deed::RestRead { .. } => 1,
        Deed::Zip { objects, .. } => objects,
        _ => 0,
    };
    actions.iter().map(|action| (action.time_ms, objects(action))).filter(|(_, objects)| *objects > 0).collect()
}

/// The most objects in an hour of the clock.
fn busiest_hour(scouting: &Scouting<'_>) -> u32 {
    let mut hours: BTreeMap<i64, u32> = BTreeMap::new();
    for (time_ms, objects) in carried_before(scouting) {
        *hours.entry(time_ms.div_euclid(HOUR_MS)).or_default() += objects;
    }
    hours.into_values().max().unwrap_or(0)
}

/// Objects of a usual working day: the median.
fn usual_day(scouting: &Scouting<'_>) -> Option<f64> {
    let mut days: BTreeMap<i64, u32> = BTreeMap::new();
    for (time_ms, objects) in carried_before(scouting) {
        *days.entry(time_ms.div_euclid(DAY_MS)).or_default() += objects;
    }
    let mut working: Vec<u32> =
        days.into_iter().filter(|(day, _)| weekday(*day) < 5).map(|(_, objects)| objects).collect();
    working.sort_unstable();
    working.get(working.len() / 2).map(|objects| f64::from(*objects))
}
