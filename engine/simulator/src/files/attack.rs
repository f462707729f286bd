//! Attacks on files: with a program on the victim's own computer in the victim's session, or with a program's stolen key.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device};
use crate::attacks::{AttackKind, Draft, Planned, plan_kinds, seek, suits};
use crate::behaviour::plan_day;
use crate::chance::{Chance, Purpose, pick, stream};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::{Company, ConfigError};
use crate::people::AccountKind;

use super::work::handles_files;
use super::{Extension, FileDeed, FilePlan, NewName, some_files};

/// How much an attack makes useless, by classes: a little more than a busy person changes in a day, twice that, and all that
/// can be reached. The least and most files of a fast attack and of a slow one.
const AMOUNTS: [(&str, [(u32, u32); 2]); 3] =
    [("small", [(17, 22), (17, 22)]), ("medium", [(28, 44), (28, 44)]), ("large", [(80, 300), (80, 120)])];
/// Whose account it is, by turns.
const VICTIMS: [Victim; 4] = [Victim::Person, Victim::Busy, Victim::Person, Victim::Technical];
/// Of a hundred attacks with a program's key, so many that write what programs for encryption write.
const TOOLS: u32 = 35;
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

/// Whose account it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// Somebody who now and then deletes or replaces a file.
    Person,
    /// Somebody who handles many, or the same ones every day.
    Busy,
    /// A program.
    Technical,
}

impl Victim {
    const fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Busy => "busy person",
            Self::Technical => "technical account",
        }
    }

    fn is(self, company: &Company, account: u32, day: u32) -> bool {
        let person = &company.people[account as usize];
        match self {
            Self::Person => suits(company, account, day) && !handles_files(company, account),
            Self::Busy => suits(company, account, day) && handles_files(company, account),
            Self::Technical => matches!(person.kind, AccountKind::Service | AccountKind::Integration),
        }
    }
}

pub(super) fn plan(company: &Company, plan: FilePlan, attacked: &mut BTreeSet<u32>) -> Result<Planned, ConfigError> {
    let kinds =
        [(AttackKind::Ransomware, plan.fast, "ransomware"), (AttackKind::SlowRansomware, plan.slow, "slow_ransomware")];
    plan_kinds(company, &kinds, |kind, number| {
        let victim = VICTIMS[number as usize % VICTIMS.len()];
        // A small company has few programs and few who handle files.
        find(company, kind, number, victim, attacked).or_else(|| find(company, kind, number, Victim::Person, attacked))
    })
}

/// Draws victims and days until one is at work.
fn find(
    company: &Company,
    kind: AttackKind,
    number: u32,
    victim: Victim,
    attacked: &mut BTreeSet<u32>,
) -> Option<Draft> {
    let chance = stream(company.config.seed, Purpose::FileAttack, kind as u32, number);
    seek(company, chance, attacked, |drawn, chance| {
        let (account, day) = (drawn.account, drawn.day);
        if !victim.is(company, account, day) {
            return None;
        }
        let moment = match victim {
            Victim::Technical => any_moment(company, account, day, chance),
            Victim::Person | Victim::Busy => desk_moment(company, account, day, chance),
        };
        moment.map(|moment| draft(kind, number, victim, &moment, chance))
    })
}

fn any_moment(company: &Company, account: u32, day: u32, chance: &mut Chance) -> Option<Action> {
    let mut actions = Vec::new();
    plan_day(company.day_context(), account, &company.people[account as usize], i64::from(day), &mut actions);
    pick(chance, &actions).cloned()
}

/// Something that the account does on that day in a session at a laptop.
pub(super) fn desk_moment(company: &Company, account: u32, day: u32, chance: &mut Chance) -> Option<Action> {
    let person = &company.people[account as usize];
    let mut actions = Vec::new();
    plan_day(company.day_context(), account, person, i64::from(day), &mut actions);
    actions.retain(|action| action.client.device == Device::Laptop && action.client.session != 0);
    pick(chance, &actions).cloned()
}

fn draft(kind: AttackKind, number: u32, victim: Victim, moment: &Action, chance: &mut Chance) -> Draft {
    let slow = kind == AttackKind::SlowRansomware;
    // So that each victim meets each way.
    let way = match if slow { number / VICTIMS.len() as u32 % 2 } else { number % 3 } {
        0 => Way::Rename,
        1 => Way::Swap,
        _ => Way::Overwrite,
    };
    let extension = extension(victim, chance);
    let to = if chance.random_bool(0.75) { NewName::Behind(extension) } else { NewName::Instead(extension) };
    let audited = chance.random_bool(0.5);
    let note = chance.random_bool(if slow { 0.4 } else { 0.6 }).then(|| NOTES[chance.random_range(0..NOTES.len())]);
    let (amount, [of_fast, of_slow]) = AMOUNTS[chance.random_range(0..AMOUNTS.len())];
    let (least, most) = if slow { of_slow } else { of_fast };
    let count = i64::from(chance.random_range(least..=most));
    let begin = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
    let step = if slow {
        chance.random_range(SLOW_HOURS.0..=SLOW_HOURS.1) * HOUR_MS / count
    } else {
        chance.random_range(300..3_000)
    };
    // The slow ones keep no beat.
    let off = |chance: &mut Chance| if slow { chance.random_range(0..step / 2) } else { 0 };
    let times: Vec<i64> = (0..count).map(|n| begin + n * step + off(chance)).collect();
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
    Draft { kind, actions, note, also_expected: Vec::new(), classes: vec![amount, victim.word()] }
}

fn deeds(way: Way, file: u32, to: NewName, audited: bool) -> Vec<FileDeed> {
    let put = |name| FileDeed::Put { file, name, content_type: NO_TYPE };
    match way {
        Way::Rename => vec![FileDeed::Rename { file, to, audited }],
        Way::Swap => vec![put(to), FileDeed::Delete { file, audited }],
        Way::Overwrite => vec![FileDeed::Delete { file, audited }, put(NewName::Same)],
    }
}

/// A third are in everybody's lists, a third are words, a third are letters; some that have a program's key write what such a
/// program might.
fn extension(victim: Victim, chance: &mut Chance) -> Extension {
    if victim == Victim::Technical && chance.random_range(0..100) < TOOLS {
        return Extension::new("gpg");
    }
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
