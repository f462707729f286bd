//! What harmless people and programs do to files.

use rand::RngExt;

use crate::action::{Action, FILE_COUNT, file};
use crate::behaviour::plan_day;
use crate::chance::{Chance, Purpose, mix, stream};
use crate::clock::{MINUTE_MS, SECOND_MS};
use crate::company::Company;
use crate::people::AccountKind;

use super::attack::{act, desk_moment};
use super::{Extension, FileDeed, NewName, some_files};

/// Of a thousand working days of people, so many on which they delete a few files, and so many on which they attach a newer
/// version of one and delete the older.
const DELETES: u32 = 250;
const NEW_VERSIONS: u32 = 120;
/// Of a thousand working days of people, those with bulk work: a project renames, a script marks what is done, images are
/// converted, old files cleaned up.
const BULK_RENAMES: u32 = 4;
const MARKS: u32 = 2;
const CONVERSIONS: u32 = 3;
const CLEAN_UPS: u32 = 5;
/// Of a thousand people, those whose program signs some documents a day under an extension of its own; those who keep files in
/// order all day long; those whose script uploads the same reports anew each day, as what nobody knows.
const SIGNERS: u64 = 20;
const CLERKS: u64 = 60;
const UPLOADERS: u64 = 10;
/// Files that a clerk replaces and deletes in a day, least and most; that a script uploads.
const CLERK_FILES: (u32, u32) = (10, 35);
const UPLOADER_FILES: (u32, u32) = (15, 40);
/// Of a thousand days of a clerk, those on which a guide is attached whose name a blackmailer might have chosen.
const GUIDES: u32 = 40;
const GUIDE_NAMES: [&str; 4] =
    ["readme.txt", "Recovery-Instructions.txt", "how to restore a backup.html", "Please read me.txt"];
/// Which program marks what it has imported.
const IMPORTER: u32 = 3;
/// What files become there, one kind after the other.
const IMAGE: &str = "image/webp";
const PACKED: &str = "application/zip";
const REPORT: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const NO_TYPE: &str = "application/octet-stream";

/// Somebody's work with files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Signer,
    Clerk,
    Uploader,
}

fn role_of(company: &Company, account: u32) -> Option<Role> {
    match mix(u64::from(account), company.config.seed) % 1_000 {
        0..SIGNERS => Some(Role::Signer),
        SIGNERS..CLERKS_END => Some(Role::Clerk),
        CLERKS_END..UPLOADERS_END => Some(Role::Uploader),
        _ => None,
    }
}

const CLERKS_END: u64 = SIGNERS + CLERKS;
const UPLOADERS_END: u64 = CLERKS_END + UPLOADERS;

/// Does this person handle many files, or the same ones every day?
pub(super) fn handles_files(company: &Company, account: u32) -> bool {
    role_of(company, account).is_some()
}

/// All of it.
pub(super) fn plan(company: &Company) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut programs = 0;
    for (account, person) in company.people.iter().enumerate() {
        let account = account as u32;
        for day in person.first_day..company.config.days {
            let mut chance = stream(company.config.seed, Purpose::FileWork, account, day);
            if person.is_human() {
                day_of_person(company, account, day, &mut chance, &mut actions);
            } else if person.kind == AccountKind::Service {
                night_of_program(company, (account, programs), day, &mut chance, &mut actions);
            }
        }
        programs += u32::from(person.kind == AccountKind::Service);
    }
    let (start_ms, end_ms) = (company.config.start_ms, company.end_ms());
    actions.retain(|action| (start_ms..end_ms).contains(&action.time_ms));
    actions
}

fn day_of_person(company: &Company, account: u32, day: u32, chance: &mut Chance, out: &mut Vec<Action>) {
    let role = role_of(company, account);
    let drawn = chance.random_range(0..1_000);
    let bulk = chance.random_range(0..1_000);
    let bulks = [BULK_RENAMES, MARKS, CONVERSIONS, CLEAN_UPS];
    let has_bulk = bulk < bulks.iter().sum();
    if drawn >= DELETES + NEW_VERSIONS && !has_bulk && role.is_none() {
        return;
    }
    let Some(moment) = desk_moment(company, account, day, chance) else { return };
    let mut deeds: Vec<Vec<FileDeed>> = Vec::new();
    let mut step_ms = (20 * SECOND_MS, 4 * MINUTE_MS);
    if drawn < DELETES {
        let count = chance.random_range(1..4);
        deeds.extend(some_files(chance, count).into_iter().map(|file| vec![FileDeed::Delete { file, audited: true }]));
    } else if drawn < DELETES + NEW_VERSIONS {
        for file in some_files(chance, 1) {
            deeds.push(replaced(file, NewName::Same, of_file(file)));
        }
    }
    deeds.extend(role.map(|role| work_of(role, company, account, chance)).unwrap_or_default());
    if has_bulk {
        step_ms = (SECOND_MS, 6 * SECOND_MS);
        deeds.extend(bulk_work(bulk, chance));
    }
    let mut at = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
    for deeds in deeds {
        for deed in deeds {
            out.push(act(at, account, moment.client, deed, chance));
            at += 700;
        }
        at += chance.random_range(step_ms.0..step_ms.1);
    }
}

/// A day's work of somebody who handles files.
fn work_of(role: Role, company: &Company, account: u32, chance: &mut Chance) -> Vec<Vec<FileDeed>> {
    match role {
        Role::Signer => {
            let count = chance.random_range(1..6);
            let to = NewName::Behind(Extension::new("sgnx"));
            let rename = |file| vec![FileDeed::Rename { file, to, audited: true }];
            some_files(chance, count).into_iter().map(rename).collect()
        }
        Role::Clerk => {
            let count = chance.random_range(CLERK_FILES.0..=CLERK_FILES.1);
            let tidy = |file: u32| match file % 3 {
                0 => vec![FileDeed::Delete { file, audited: true }],
                _ => replaced(file, NewName::Same, of_file(file)),
            };
            let mut deeds: Vec<Vec<FileDeed>> = some_files(chance, count).into_iter().map(tidy).collect();
            if chance.random_range(0..1_000) < GUIDES {
                let (file, name) =
                    (chance.random_range(0..FILE_COUNT), GUIDE_NAMES[chance.random_range(0..GUIDE_NAMES.len())]);
                deeds.push(vec![FileDeed::Text { file, name }]);
            }
            deeds
        }
        Role::Uploader => {
            // The same ones every day.
            let mut own = stream(company.config.seed, Purpose::FileWork, account, u32::MAX);
            let count = own.random_range(UPLOADER_FILES.0..=UPLOADER_FILES.1);
            let is_report = |number: &u32| file(*number).content_type == REPORT;
            let reports = some_files(&mut own, count * 8).into_iter().filter(is_report);
            reports.take(count as usize).map(|file| replaced(file, NewName::Same, NO_TYPE)).collect()
        }
    }
}

fn bulk_work(drawn: u32, chance: &mut Chance) -> Vec<Vec<FileDeed>> {
    let count = chance.random_range(30..160);
    let files = some_files(chance, count);
    let audited = chance.random_bool(0.5);
    let each = |file: u32| {
        if drawn < BULK_RENAMES {
            vec![FileDeed::Rename { file, to: NewName::Before, audited }]
        } else if drawn < BULK_RENAMES + MARKS {
            vec![FileDeed::Rename { file, to: NewName::Behind(Extension::new("done")), audited }]
        } else if drawn < BULK_RENAMES + MARKS + CONVERSIONS {
            replaced(file, NewName::Instead(Extension::new("webp")), IMAGE)
        } else {
            vec![FileDeed::Delete { file, audited }]
        }
    };
    files.into_iter().map(each).collect()
}

/// The first program archives once a week, the second encrypts every night with a known program, the third with one of the
/// organisation's own, the fourth marks what it has imported.
fn night_of_program(
    company: &Company,
    (account, number): (u32, u32),
    day: u32,
    chance: &mut Chance,
    out: &mut Vec<Action>,
) {
    let (name, content_type) = match number {
        0 if day % 7 == 5 => (NewName::Behind(Extension::new("zip")), PACKED),
        1 => (NewName::Behind(Extension::new("gpg")), NO_TYPE),
        2 => (NewName::Behind(Extension::new("vltx")), NO_TYPE),
        IMPORTER => (NewName::Behind(Extension::new("imported")), NO_TYPE),
        _ => return,
    };
    let mut nightly = Vec::new();
    plan_day(company.day_context(), account, &company.people[account as usize], i64::from(day), &mut nightly);
    let Some(moment) = nightly.first() else { return };
    let mut at = moment.time_ms + 10 * MINUTE_MS;
    let count = chance.random_range(25..90);
    for file in some_files(chance, count) {
        let deeds = match number {
            IMPORTER => vec![FileDeed::Rename { file, to: name, audited: true }],
            _ => replaced(file, name, content_type),
        };
        for deed in deeds {
            out.push(act(at, account, moment.client, deed, chance));
            at += 400;
        }
        at += chance.random_range(500..3 * SECOND_MS);
    }
}

/// Another file in its place.
fn replaced(file: u32, name: NewName, content_type: &'static str) -> Vec<FileDeed> {
    vec![FileDeed::Put { file, name, content_type }, FileDeed::Delete { file, audited: true }]
}

/// The media type that a browser tells of a file.
fn of_file(number: u32) -> &'static str {
    file(number).content_type
}
