//! Attacks by what is usual for the victim: more than that within an hour, or a little more day after day.
//!
//! What is usual is what the victim truly does in the weeks before, and amounts are multiples of the least that is promised
//! to be told: a theft that is hardly more than that is as frequent as one of five times as much. Some victims carry off
//! much anyway, and some are programs.

mod program;
mod usual;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, ExportFormat, FILE_COUNT, RECORD_COUNT};
use crate::chance::{Chance, pick};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use super::{Amount, AttackKind, BUSY_DAY_ACTIONS, Draft, Scouting};
use usual::{BYTES_LEAST, Before, OBJECTS_LEAST, Of, ROWS_LEAST};

pub(super) use program::{
    is_on_program, slow_exfiltration_of_program, suits as suits_program, unusual_download_of_program,
};

/// The victim has been at work for so many days.
const HISTORY_DAYS: u32 = 31;
/// Minutes over which an hour's pull is spread, least and most.
const PULL_MIN: (i64, i64) = (20, 55);
/// Rows of a full export.
const EXPORT_ROWS: f64 = 10_000.0;
/// Bytes of an archive, at most.
const ARCHIVE_BYTES: f64 = 150e6;
/// Working days of a slow exfiltration, least and most.
const SLOW_DAYS: (usize, usize) = (5, 15);
/// Whoever carries off less on a usual day has no usual day.
const DAY_FILES_MIN: f64 = 5.0;
/// Whoever had so many objects in one hour carries off much anyway.
const HEAVY_OBJECTS: f64 = 20.0;

/// Is this one done to somebody who carries off much anyway?
pub(super) const fn is_on_heavy(number: u32) -> bool {
    number % 7 == 4
}

/// How much more than is told at least: by turns.
const fn amount_of(number: u32) -> Amount {
    match number % 3 {
        0 => Amount::Little,
        1 => Amount::Twice,
        _ => Amount::Much,
    }
}

/// Somebody with a history; only reports and shared screens come to much within an hour.
fn may_be(scouting: &Scouting<'_>, is_heavy: bool) -> bool {
    let habits = &scouting.person.habits;
    let is_known = scouting.person.first_day + HISTORY_DAYS <= scouting.day;
    is_known && (!is_heavy || habits.month_end || habits.kiosk)
}

/// More than is told at least, by turns at the desk, at night, in archives, in exports.
pub(super) fn unusual_download(
    scouting: &Scouting<'_>,
    number: u32,
    is_heavy: bool,
    chance: &mut Chance,
) -> Option<Draft> {
    if !may_be(scouting, is_heavy) {
        return None;
    }
    let before = Before::new(scouting);
    let busiest = before.busiest_hour(Of::Objects);
    if is_heavy && busiest < HEAVY_OBJECTS {
        return None;
    }
    let amount = amount_of(number);
    let times = amount.times();
    let moment = &scouting.days[*pick(chance, &scouting.desk)?];
    let start_ms = moment.time_ms + chance.random_range(SECOND_MS..20 * SECOND_MS);
    let span_ms = chance.random_range(PULL_MIN.0..=PULL_MIN.1) * MINUTE_MS;
    let span = (start_ms, span_ms);
    let minutes = span_ms / MINUTE_MS;
    let of_objects = libm::ceil(times * before.least_in_hour(Of::Objects, OBJECTS_LEAST));
    let (actions, note) = match number % 4 {
        0 => {
            let deeds = attachments(of_objects as u32, chance);
            let note =
                format!("{of_objects} attachments within {minutes} minutes, {busiest} in the busiest hour before");
            (pull(scouting, span, moment.client, &deeds, chance), note)
        }
        1 => {
            let files = libm::ceil(times * OBJECTS_LEAST) as u32;
            let actions = at_night(scouting, files, span_ms, chance);
            if !before.is_never_active(actions.first()?.time_ms, actions.last()?.time_ms) {
                return None;
            }
            (actions, format!("{files} attachments at night, from home"))
        }
        2 => {
            let deeds = archives(times * BYTES_LEAST, chance);
            let note = format!("{} archives within {minutes} minutes", deeds.len());
            (pull(scouting, span, moment.client, &deeds, chance), note)
        }
        _ => {
            let rows = libm::ceil(times * before.least_in_hour(Of::Rows, ROWS_LEAST));
            let deeds = exports(rows, chance);
            let note = format!("{} exports of {rows} rows within {minutes} minutes", deeds.len());
            (pull(scouting, span, moment.client, &deeds, chance), note)
        }
    };
    let note = format!("{note}; {} times what is told at least", amount.times());
    let fits = actions.last().is_some_and(|action| action.time_ms < scouting.company.end_ms());
    let (kind, also_expected) = (AttackKind::UnusualDownload, Vec::new());
    fits.then_some(Draft { kind, actions, note, also_expected, classes: vec![amount.word()] })
}

/// Some files more on each of some working days, beside the victim's own work.
pub(super) fn slow_exfiltration(
    scouting: &Scouting<'_>,
    number: u32,
    is_heavy: bool,
    chance: &mut Chance,
) -> Option<Draft> {
    if !may_be(scouting, is_heavy) {
        return None;
    }
    let wanted = chance.random_range(SLOW_DAYS.0..=SLOW_DAYS.1);
    let before = Before::new(scouting);
    let usual = before.usual_day(Of::Objects)?;
    let is_light = is_heavy && before.busiest_hour(Of::Objects) < HEAVY_OBJECTS;
    if usual.median < DAY_FILES_MIN || is_light {
        return None;
    }
    let amount = amount_of(number);
    let more_a_day = amount.times() * usual.least_more(wanted);
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
        let more = libm::ceil(more_a_day * chance.random_range(0.9..1.1)) as u32;
        for _ in 0..more {
            let moment = &of_day.days[*pick(chance, &of_day.desk)?];
            let at = moment.time_ms + chance.random_range(2 * SECOND_MS..40 * SECOND_MS);
            let file = chance.random_range(0..FILE_COUNT);
            actions.push(scouting.action(at, moment.client, Deed::Download { file }, chance));
        }
        (days, taken) = (days + 1, taken + more);
    }
    actions.sort_by_key(|action| action.time_ms);
    let (from_ms, to_ms) = (actions.first()?.time_ms, actions.last()?.time_ms);
    let travels =
        scouting.person.trips.iter().any(|trip| !trip.commute && trip.out_ms < to_ms && from_ms < trip.home_ms);
    if days < wanted || travels {
        return None;
    }
    let times = amount.times();
    let note = format!(
        "{taken} attachments more on {days} working days, beside the usual {} a day; {times} times what is told at least",
        usual.median
    );
    let (kind, also_expected) = (AttackKind::SlowExfiltration, Vec::new());
    Some(Draft { kind, actions, note, also_expected, classes: vec![amount.word()] })
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

/// As many archives as it takes. Rows do not say how many files are in one, so they are told by their bytes, of which nobody
/// carries off so many in an hour.
fn archives(bytes: f64, chance: &mut Chance) -> Vec<Deed> {
    let count = libm::ceil(bytes / ARCHIVE_BYTES);
    let of_one = libm::ceil(bytes / count) as u64;
    let archive = |_| {
        let objects = chance.random_range(60..90_u32);
        Deed::Zip { table: 0, record: chance.random_range(0..RECORD_COUNT), objects, bytes: of_one }
    };
    (0..count as u32).map(archive).collect()
}

fn exports(rows: f64, chance: &mut Chance) -> Vec<Deed> {
    let table = chance.random_range(0..5);
    let export = |n: u32| Deed::Export {
        table,
        format: ExportFormat::Csv,
        rows: EXPORT_ROWS as u32,
        first_row: n * 410,
        bytes: 5_200_000 + u64::from(n) * 90_000,
    };
    (0..libm::ceil(rows / EXPORT_ROWS) as u32).map(export).collect()
}
