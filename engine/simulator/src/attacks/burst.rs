//! Attacks by number: guessed passwords, bulk downloads.

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, ExportFormat, FILE_COUNT, RECORD_COUNT, Refusal};
use crate::chance::{Chance, pick};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::world::NetworkKind;

use super::far::{guessing_city, rummage};
use super::{AttackKind, Draft, Lair, Scouting};

/// Failures of a burst, least and most.
const FAILURES: (u32, u32) = (12, 200);
/// Failures of a burst that goes over the full hour, least and most: few enough to be spread over two quiet halves.
const HOURLY_FAILURES: (u32, u32) = (12, 18);
/// A burst lasts at most this long.
const BURST_MS: i64 = 4 * MINUTE_MS;
/// Attachments of a bulk download, least and most.
const ATTACHMENTS: (u32, u32) = (55, 400);
/// Within this time all attachments are downloaded.
const DOWNLOAD_MS: i64 = 57 * SECOND_MS;

/// Many failures within minutes; every second burst ends with the right password.
pub(super) fn failed_logins(scouting: &Scouting<'_>, number: u32, chance: &mut Chance) -> Option<Draft> {
    let city = guessing_city(scouting, chance)?;
    let moment = &scouting.days[*pick(chance, &scouting.desk)?];
    let start_ms = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
    let succeeds = number % 2 == 1;
    let hourly = number.is_multiple_of(6);
    let stuffing = scouting.is_confounded() && number % 4 >= 2;
    let failures = match number % 3 {
        0 if hourly => chance.random_range(HOURLY_FAILURES.0..=HOURLY_FAILURES.1),
        0 => chance.random_range(FAILURES.0..40),
        1 => chance.random_range(40..100),
        _ => chance.random_range(100..=FAILURES.1),
    };
    let client = scouting.attacker(city, 0, Lair::Anywhere, chance)?;
    let step_ms = (BURST_MS / i64::from(failures)).min(12 * SECOND_MS);
    let half_ms = i64::from(failures) * step_ms / 2;
    // A job of every full hour, on a clock that is a little fast.
    let start_ms = if hourly { (start_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS - half_ms } else { start_ms };
    let mut actions: Vec<Action> = Vec::new();
    for n in 0..i64::from(failures) {
        let at = start_ms + n * step_ms + chance.random_range(0..step_ms / 2);
        let client = if stuffing { elsewhere(scouting, client, chance)? } else { client };
        actions.push(scouting.action(at, client, Deed::LoginFailed { refusal: Refusal::BadPassword }, chance));
    }
    let mut also_expected = Vec::new();
    if succeeds {
        let success_ms = start_ms + i64::from(failures) * step_ms + 5 * SECOND_MS;
        also_expected = scouting.consequences(city, success_ms, success_ms)?;
        let client = Client { session: chance.random(), ..client };
        actions.extend(rummage(scouting, success_ms, client, (4, true), chance));
    }
    let end = if succeeds { "then the right one" } else { "all of them wrong" };
    let place = if stuffing { "many addresses".to_owned() } else { scouting.company.world.city(city).key() };
    let note = format!("{failures} wrong passwords from {place}, {end}");
    let classes = guessing_classes(stuffing, succeeds).to_vec();
    Some(Draft { kind: AttackKind::FailedLogins, actions, note, also_expected, classes })
}

/// From where passwords are guessed, and how that ends.
pub(super) const fn guessing_classes(has_many: bool, succeeds: bool) -> [&'static str; 2] {
    let place = if has_many { "many addresses" } else { "one address" };
    [place, if succeeds { "the right one at last" } else { "in vain" }]
}

/// The same client at another address, of a server or a home line anywhere.
pub(super) fn elsewhere(scouting: &Scouting<'_>, client: Client, chance: &mut Chance) -> Option<Client> {
    let world = &scouting.company.world;
    let kind = if chance.random_bool(0.5) { NetworkKind::Hosting } else { NetworkKind::Fixed };
    let (body, access) = *pick(chance, &world.access_of_kind(kind))?;
    Some(Client { ip: world.any_host(access.v4, chance), network: access.v4, body, ..client })
}

/// The owner, or whoever sits there, carries data off: attachments, exports, an archive, REST pages by turns.
pub(super) fn mass_download(scouting: &Scouting<'_>, number: u32, chance: &mut Chance) -> Option<Draft> {
    let moment = &scouting.days[*pick(chance, &scouting.desk)?];
    let start_ms = moment.time_ms + chance.random_range(SECOND_MS..20 * SECOND_MS);
    let client = moment.client;
    let (deeds, step_ms, note) = match number % 4 {
        0 => attachments(chance),
        1 => exports(chance),
        2 => archive(chance),
        _ => rest_pages(chance),
    };
    let client =
        if number % 4 == 3 { Client { device: Device::Script, browser: 0, session: 0, ..client } } else { client };
    let actions = deeds
        .into_iter()
        .enumerate()
        .map(|(n, deed)| scouting.action(start_ms + n as i64 * step_ms, client, deed, chance))
        .collect();
    Some(Draft { kind: AttackKind::MassDownload, actions, note, also_expected: Vec::new(), classes: Vec::new() })
}

/// Distinct attachments, one after another within a minute.
fn attachments(chance: &mut Chance) -> (Vec<Deed>, i64, String) {
    let count = chance.random_range(ATTACHMENTS.0..=ATTACHMENTS.1);
    let first = chance.random_range(0..FILE_COUNT);
    let deeds = (0..count).map(|n| Deed::Download { file: (first + n * 7) % FILE_COUNT }).collect();
    (deeds, DOWNLOAD_MS / i64::from(count), format!("{count} attachments within a minute"))
}

/// Full exports with a moving query, one every few seconds.
fn exports(chance: &mut Chance) -> (Vec<Deed>, i64, String) {
    let count = chance.random_range(6..11_u32);
    let table = chance.random_range(0..5);
    let export = |n: u32| Deed::Export {
        table,
        format: ExportFormat::Csv,
        rows: 10_000,
        first_row: n * 350,
        bytes: 28_000_000 + u64::from(n) * 310_000,
    };
    let note = format!("{count} exports of 10,000 rows each within a minute");
    ((0..count).map(export).collect(), 5 * SECOND_MS, note)
}

/// All attachments of a record in one archive.
fn archive(chance: &mut Chance) -> (Vec<Deed>, i64, String) {
    let objects = chance.random_range(300..900_u32);
    let bytes = u64::from(objects) * chance.random_range(1_500_000..2_500_000_u64);
    let record = chance.random_range(0..RECORD_COUNT);
    let note = format!("one archive of {objects} files, {} MB", bytes / 1_000_000);
    (vec![Deed::Zip { table: 0, record, objects, bytes }], SECOND_MS, note)
}

/// Whole tables, page by page, with a program.
fn rest_pages(chance: &mut Chance) -> (Vec<Deed>, i64, String) {
    let count = chance.random_range(12..25_u32);
    let page = |n: u32| Deed::RestRead { table: 7, rows: 10_000, offset: n * 10_000, bytes: 9_500_000 };
    let note = format!("{count} REST pages of 10,000 rows within a minute");
    ((0..count).map(page).collect(), 2 * SECOND_MS, note)
}
