//! Attacks on files: with a program on the victim's own computer, in the victim's session.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device};
use crate::attacks::{AttackKind, Draft, Planned, label, suits};
use crate::behaviour::plan_day;
use crate::chance::{Chance, Purpose, pick, stream};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::{Company, ConfigError, EARLIEST_ATTACK_DAY};

use super::{Extension, FileDeed, FilePlan, NewName, some_files};

/// Days are drawn this often before an attack is given up.
const TRIES_MAX: u32 = 4_000;
/// Files of a fast attack, least and most.
const FAST_FILES: (u32, u32) = (40, 300);
/// Files an hour of a slow one, least and most.
const SLOW_FILES: (u32, u32) = (3, 6);
/// Hours of a slow one, least and most.
const SLOW_HOURS: (i64, i64) = (8, 20);
/// Families whose extension is in everybody's lists, and words that say what they do.
const FAMILIES: [&str; 6] = ["lockbit", "ryk", "clop", "locky", "eking", "wncry"];
const WORDS: [&str; 5] = ["locked", "encrypted", "crypt", "enc0", "pay2k"];
const NOTES: [&str; 8] = [
    "HOW_TO_DECRYPT_FILES.txt",
    "RESTORE-YOUR-FILES.txt",
    "!!!READ_ME_TO_RESTORE!!!.html",
    "RECOVER-MY-FILES.txt",
    "README_NOW.txt",
    "ATTENTION.hta",
    "Decryption-Instructions.txt",
    "we have your data.txt",
];
/// What a program sends that does not know what it sends.
const NO_TYPE: &str = "application/octet-stream";

/// How it is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Rename,
    Swap,
    Overwrite,
}

pub(super) fn plan(company: &Company, plan: FilePlan, attacked: &mut BTreeSet<u32>) -> Result<Planned, ConfigError> {
    let mut drafts = Vec::new();
    let kinds =
        [(AttackKind::Ransomware, plan.fast, "ransomware"), (AttackKind::SlowRansomware, plan.slow, "slow_ransomware")];
    for (kind, count, word) in kinds {
        for number in 0..count {
            let draft = find(company, kind, number, attacked);
            drafts.push(draft.ok_or(ConfigError::NoVictim { kind: word, number })?);
        }
    }
    drafts.sort_by_key(|draft| draft.actions.first().map_or(0, |action| action.time_ms));
    let mut planned = Planned { labels: Vec::new(), actions: Vec::new() };
    for draft in drafts {
        // Behind the labels that are there.
        let position = (company.labels().len() + planned.labels.len()) as u32;
        planned.labels.push(label(company, &draft));
        planned.actions.extend(draft.actions.into_iter().map(|action| Action { label: Some(position), ..action }));
    }
    Ok(planned)
}

/// Draws victims and days until one is at a desk.
fn find(company: &Company, kind: AttackKind, number: u32, attacked: &mut BTreeSet<u32>) -> Option<Draft> {
    let mut chance = stream(company.config.seed, Purpose::FileAttack, kind as u32, number);
    for _ in 0..TRIES_MAX {
        let account = chance.random_range(0..company.people.len() as u32);
        let day = chance.random_range(EARLIEST_ATTACK_DAY..company.config.days - 2);
        if attacked.contains(&account) || !suits(company, account, day) {
            continue;
        }
        if let Some(moment) = desk_moment(company, account, day, &mut chance) {
            attacked.insert(account);
            return Some(draft(kind, number, &moment, &mut chance));
        }
    }
    None
}

/// Something that the account does on that day in a session at a laptop.
pub(super) fn desk_moment(company: &Company, account: u32, day: u32, chance: &mut Chance) -> Option<Action> {
    let person = &company.people[account as usize];
    let mut actions = Vec::new();
    plan_day(company.day_context(), account, person, i64::from(day), &mut actions);
    actions.retain(|action| action.client.device == Device::Laptop && action.client.session != 0);
    pick(chance, &actions).cloned()
}

fn draft(kind: AttackKind, number: u32, moment: &Action, chance: &mut Chance) -> Draft {
    let slow = kind == AttackKind::SlowRansomware;
    let way = match number % if slow { 2 } else { 3 } {
        0 => Way::Rename,
        1 => Way::Swap,
        _ => Way::Overwrite,
    };
    let extension = extension(chance);
    let to = if chance.random_bool(0.75) { NewName::Behind(extension) } else { NewName::Instead(extension) };
    let audited = chance.random_bool(0.5);
    let note = chance.random_bool(if slow { 0.4 } else { 0.6 }).then(|| NOTES[chance.random_range(0..NOTES.len())]);
    let mut times = Vec::new();
    let mut at = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
    if slow {
        let hours = chance.random_range(SLOW_HOURS.0..=SLOW_HOURS.1);
        let end = at + hours * HOUR_MS;
        while at < end {
            times.push(at);
            at += HOUR_MS / i64::from(chance.random_range(SLOW_FILES.0..=SLOW_FILES.1));
        }
    } else {
        let count = chance.random_range(FAST_FILES.0..=FAST_FILES.1);
        let step = chance.random_range(300..3_000);
        times.extend((0..i64::from(count)).map(|n| at + n * step));
    }
    let files = some_files(chance, times.len() as u32);
    let mut actions = Vec::new();
    for (nth, (at, file)) in times.iter().zip(&files).enumerate() {
        let mut deeds = deeds(way, *file, to, audited);
        if let Some(name) = note.filter(|_| nth % 12 == 0) {
            deeds.push(FileDeed::Text { file: *file, name });
        }
        for (part, deed) in deeds.into_iter().enumerate() {
            let at = at + part as i64 * 90;
            actions.push(act(at, moment.account, moment.client, deed, chance));
        }
    }
    let word = match way {
        Way::Rename => "renamed",
        Way::Swap => "uploaded anew and deleted",
        Way::Overwrite => "overwritten",
    };
    let left = note.map_or("no note".to_owned(), |note| format!("the note {note}"));
    let name = if way == Way::Overwrite { String::new() } else { format!(" to .{}", extension.as_str()) };
    let note = format!("{} files {word}{name}, {left}", times.len());
    Draft { kind, actions, note, also_expected: Vec::new() }
}

fn deeds(way: Way, file: u32, to: NewName, audited: bool) -> Vec<FileDeed> {
    let put = |name| FileDeed::Put { file, name, content_type: NO_TYPE };
    match way {
        Way::Rename => vec![FileDeed::Rename { file, to, audited }],
        Way::Swap => vec![put(to), FileDeed::Delete { file, audited }],
        Way::Overwrite => vec![FileDeed::Delete { file, audited }, put(NewName::Same)],
    }
}

/// A third are in everybody's lists, a third are words, a third are letters.
fn extension(chance: &mut Chance) -> Extension {
    match chance.random_range(0..3) {
        0 => Extension::new(FAMILIES[chance.random_range(0..FAMILIES.len())]),
        1 => Extension::new(WORDS[chance.random_range(0..WORDS.len())]),
        _ => {
            let length = chance.random_range(4..9);
            let text: String = (0..length).map(|_| char::from(b'a' + chance.random_range(0..26_u8))).collect();
            Extension::new(&text)
        }
    }
}

pub(super) fn act(time_ms: i64, account: u32, client: Client, deed: FileDeed, chance: &mut Chance) -> Action {
    Action { time_ms, account, id: chance.random(), client, deed: Deed::File(deed), label: None }
}
