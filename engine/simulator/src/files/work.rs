//! What harmless people and programs do to files.

use rand::RngExt;

use crate::action::{Action, FILE_COUNT, file};
use crate::behaviour::plan_day;
use crate::chance::{Chance, Purpose, mix, stream};
use crate::clock::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::company::Company;
use crate::misleading::{FileWork, Misleading, Misleads};
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

/// All that is done, and what of it looks like an attack.
pub(super) struct Work<'a> {
    company: &'a Company,
    pub(super) actions: Vec<Action>,
    /// By whose account.
    pub(super) misleading: Vec<(u32, Misleading)>,
}

impl Work<'_> {
    fn note(&mut self, account: u32, what: FileWork, (from_ms, to_ms): (i64, i64)) {
        let user = self.company.people[account as usize].name.clone();
        self.misleading.push((account, Misleading { user, harmless: Misleads::Files(what), from_ms, to_ms }));
    }

    /// Notes what was done from this action on.
    fn note_from(&mut self, account: u32, what: FileWork, position: usize) {
        let done = &self.actions[position..];
        if let (Some(first), Some(last)) = (done.first(), done.last()) {
            self.note(account, what, (first.time_ms, last.time_ms));
        }
    }
}

impl Role {
    const fn work(self) -> FileWork {
        match self {
            Self::Signer => FileWork::SignsDocuments,
            Self::Clerk => FileWork::KeepsFilesInOrder,
            Self::Uploader => FileWork::UploadsReports,
        }
    }
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
pub(super) fn plan(company: &Company) -> Work<'_> {
    let mut work = Work { company, actions: Vec::new(), misleading: Vec::new() };
    let (start_ms, end_ms) = (company.config.start_ms, company.end_ms());
    let mut programs = 0;
    for (account, person) in company.people.iter().enumerate() {
        let account = account as u32;
        let is_program = person.kind == AccountKind::Service;
        let habit = match role_of(company, account).filter(|_| person.is_human()) {
            Some(role) => Some(role.work()),
            None => program_of(programs).filter(|_| is_program).map(|(work, ..)| work),
        };
        if let Some(habit) = habit {
            work.note(account, habit, (start_ms + i64::from(person.first_day) * DAY_MS, end_ms));
        }
        for day in person.first_day..company.config.days {
            let mut chance = stream(company.config.seed, Purpose::FileWork, account, day);
            if person.is_human() {
                day_of_person(account, day, &mut chance, &mut work);
            } else if is_program {
                night_of_program((account, programs), day, &mut chance, &mut work);
            }
        }
        programs += u32::from(is_program);
    }
    work.actions.retain(|action| (start_ms..end_ms).contains(&action.time_ms));
    work.misleading.retain(|(_, misleading)| (start_ms..end_ms).contains(&misleading.from_ms));
    work.misleading.iter_mut().for_each(|(_, misleading)| misleading.to_ms = misleading.to_ms.min(end_ms));
    work
}

fn day_of_person(account: u32, day: u32, chance: &mut Chance, out: &mut Work<'_>) {
    let company = out.company;
    let role = role_of(company, account);
    let drawn = chance.random_range(0..1_000);
    let bulk = chance.random_range(0..1_000);
    let bulk = bulk_of(bulk);
    if drawn >= DELETES + NEW_VERSIONS && bulk.is_none() && role.is_none() {
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
    let begins = deeds.len();
    if let Some(bulk) = bulk {
        step_ms = (SECOND_MS, 6 * SECOND_MS);
        deeds.extend(bulk_work(bulk, chance));
    }
    let mut at = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
    let mut position = out.actions.len();
    for (number, deeds) in deeds.into_iter().enumerate() {
        if number == begins {
            position = out.actions.len();
        }
        for deed in deeds {
            out.actions.push(act(at, account, moment.client, deed, chance));
            if matches!(deed, FileDeed::Text { .. }) {
                out.note(account, FileWork::AttachesGuide, (at, at));
            }
            at += 700;
        }
        at += chance.random_range(step_ms.0..step_ms.1);
    }
    if let Some(bulk) = bulk {
        out.note_from(account, bulk, position);
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

/// What is done in bulk on a day, by a number below a thousand that was drawn.
fn bulk_of(drawn: u32) -> Option<FileWork> {
    let works = [
        (BULK_RENAMES, FileWork::RenamesFiles),
        (MARKS, FileWork::MarksFiles),
        (CONVERSIONS, FileWork::ConvertsImages),
        (CLEAN_UPS, FileWork::CleansUpFiles),
    ];
    let mut below = 0;
    works.into_iter().find_map(|(share, work)| {
        below += share;
        (drawn < below).then_some(work)
    })
}

fn bulk_work(work: FileWork, chance: &mut Chance) -> Vec<Vec<FileDeed>> {
    let count = chance.random_range(30..160);
    let files = some_files(chance, count);
    let audited = chance.random_bool(0.5);
    let each = |file: u32| match work {
        FileWork::RenamesFiles => vec![FileDeed::Rename { file, to: NewName::Before, audited }],
        FileWork::MarksFiles => {
            vec![FileDeed::Rename { file, to: NewName::Behind(Extension::new("done")), audited }]
        }
        FileWork::ConvertsImages => replaced(file, NewName::Instead(Extension::new("webp")), IMAGE),
        _ => vec![FileDeed::Delete { file, audited }],
    };
    files.into_iter().map(each).collect()
}

/// The first program archives once a week, the second encrypts every night with a known program, the third with one of the
/// organisation's own, the fourth marks what it has imported.
fn program_of(number: u32) -> Option<(FileWork, &'static str, &'static str)> {
    match number {
        0 => Some((FileWork::ArchivesWeekly, "zip", PACKED)),
        1 => Some((FileWork::EncryptsNightly, "gpg", NO_TYPE)),
        2 => Some((FileWork::EncryptsInItsOwnWay, "vltx", NO_TYPE)),
        3 => Some((FileWork::MarksImports, "imported", NO_TYPE)),
        _ => None,
    }
}

fn night_of_program((account, number): (u32, u32), day: u32, chance: &mut Chance, out: &mut Work<'_>) {
    let company = out.company;
    let Some((work, extension, content_type)) = program_of(number) else { return };
    if work == FileWork::ArchivesWeekly && day % 7 != 5 {
        return;
    }
    let name = NewName::Behind(Extension::new(extension));
    let mut nightly = Vec::new();
    plan_day(company.day_context(), account, &company.people[account as usize], i64::from(day), &mut nightly);
    let Some(moment) = nightly.first() else { return };
    let mut at = moment.time_ms + 10 * MINUTE_MS;
    let count = chance.random_range(25..90);
    for file in some_files(chance, count) {
        let deeds = match work {
            FileWork::MarksImports => vec![FileDeed::Rename { file, to: name, audited: true }],
            _ => replaced(file, name, content_type),
        };
        for deed in deeds {
            out.actions.push(act(at, account, moment.client, deed, chance));
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
