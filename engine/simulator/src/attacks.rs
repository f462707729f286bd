//! Attacks: what is injected, into whose account, and the labels that tell.
//!
//! An attack is planned against the victim's own days: the planner looks at what the victim truly does around a
//! moment and adds the attacker's actions. What a label says beyond its kind follows from true places and times.

mod burst;
mod far;
mod hoard;
mod scouting;
mod slow;

use std::collections::BTreeSet;

use rand::RngExt;
use serde::Serialize;

use crate::action::Action;
use crate::chance::{Chance, Purpose, stream};
use crate::clock::DAY_MS;
use crate::company::{Company, ConfigError, EARLIEST_ATTACK_DAY};
use crate::raw::{self, Scene};

use scouting::Scouting;

/// Days are drawn this often before an attack is given up.
const TRIES_MAX: u32 = 4_000;
/// A victim does at least this much on the day.
const BUSY_DAY_ACTIONS: usize = 25;
/// Faster than any aircraft from door to door.
const IMPOSSIBLE_KMH: f64 = 2_000.0;
/// What a person could have travelled without hurry.
const PLAUSIBLE_KMH: f64 = 500.0;
/// Closer places do not count as travel.
const FAR_KM: f64 = 2_500.0;

/// What an attack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// A session or password used far away while its owner is active.
    ImpossibleTravel,
    /// An account used from a country its owner never was in.
    InfrequentCountry,
    /// Passwords guessed in a burst.
    FailedLogins,
    /// Data carried off in bulk.
    MassDownload,
    /// Within an hour several times what the victim carries off in the busiest one.
    UnusualDownload,
    /// A little more than usual on each of many days.
    SlowExfiltration,
    /// Files made useless within minutes.
    Ransomware,
    /// Files made useless over a day.
    SlowRansomware,
    /// A stolen account used through an address that anybody can hide behind, within the hour.
    AnonymousAddress,
    /// The same with a few requests over days.
    SlowAnonymousAddress,
    /// A stolen account used from a machine of bad repute, within the hour.
    BadAddress,
    /// The same with a few requests over days.
    SlowBadAddress,
    /// An account that goes on after its person has left, or after it was switched off, within a day.
    TerminatedUse,
    /// The same with a request or two, days later or before anybody tells of the leaving.
    SlowTerminatedUse,
    /// An intruder's device soon after passwords were guessed, second factors declined, or a bad address.
    NewDevice,
    /// The same hours later.
    SlowNewDevice,
    /// Passwords guessed now and then over days.
    SlowFailedLogins,
    /// A session or password used far away now and then over days, while its owner works.
    SlowImpossibleTravel,
    /// An account used now and then over days from a country its owner never was in.
    SlowInfrequentCountry,
    /// Records deleted by the hundred within minutes.
    MassDeletion,
    /// The same in batches, page by page or one by one over hours.
    SlowMassDeletion,
    /// A walk through other people's accounts within the hour.
    Impersonation,
    /// The same with an account now and then.
    SlowImpersonation,
    /// A role that governs the instance given to an accomplice.
    PrivilegedGrant,
    /// The same over days, to an account that was made for it.
    SlowPrivilegedGrant,
    /// The instance administered from where nobody of the company works, within the hour.
    AdminFromOutside,
    /// The same with a deed a day.
    SlowAdminFromOutside,
    /// A stolen password used at an address that lists name.
    RiskySignIn,
    /// The same day after day, from another one each time.
    SlowRiskySignIn,
    /// A password or two tried on many accounts, minutes apart at most.
    PasswordSpray,
    /// The same over hours and days.
    SlowPasswordSpray,
}

/// How much an attack carries off, in multiples of the least that is promised to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// A fifth more.
    Little,
    /// Twice as much.
    Twice,
    /// Five times as much.
    Much,
}

impl Amount {
    /// As attacks are counted apart by it ([`Label::classes`]).
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Little => "1.2 times",
            Self::Twice => "2 times",
            Self::Much => "5 times",
        }
    }

    /// So many times the least.
    pub(crate) const fn times(self) -> f64 {
        match self {
            Self::Little => 1.2,
            Self::Twice => 2.0,
            Self::Much => 5.0,
        }
    }
}

/// How many attacks of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttackPlan {
    /// Impossible travel: by turns a session stolen abroad, a password used abroad, and one inside a large country.
    pub impossible_travel: u32,
    /// New countries at night.
    pub infrequent_country: u32,
    /// Bursts of failures: by turns without success over the full hour, with success after
    /// them, and long.
    pub failed_logins: u32,
    /// Bulk downloads: by turns attachments, exports, one archive, and REST pages.
    pub mass_download: u32,
    /// Unusual downloads: by turns attachments at the desk, attachments at night, archives, and exports.
    pub unusual_download: u32,
    /// Slow exfiltration over 5 to 15 working days.
    pub slow_exfiltration: u32,
    /// Guesses over days: from one address or many, by turns in vain.
    pub slow_failed_logins: u32,
    /// Requests from far away over days.
    pub slow_impossible_travel: u32,
    /// Requests from a new country over days.
    pub slow_infrequent_country: u32,
}

/// One injected attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// What it is.
    pub kind: AttackKind,
    /// The account it was done with.
    pub user: String,
    /// First action, milliseconds since the epoch.
    pub start_ms: i64,
    /// Last action, milliseconds since the epoch.
    pub end_ms: i64,
    /// Raw rows it makes, second copies not counted.
    pub rows: u32,
    /// Actions it consists of; activity records are one each, two for a login.
    pub actions: u32,
    /// One sentence on what happens.
    pub note: String,
    /// What else is truly the case: a new country, a speed no aircraft reaches.
    pub also_expected: Vec<AttackKind>,
    /// What it is counted apart by, where attacks of its kind differ: how much of it there is, and whose account it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<&'static str>,
}

/// Labels and the actions behind them.
pub(crate) struct Planned {
    pub(crate) labels: Vec<Label>,
    pub(crate) actions: Vec<Action>,
}

/// One attack before it is labelled.
pub(crate) struct Draft {
    pub(crate) kind: AttackKind,
    pub(crate) actions: Vec<Action>,
    pub(crate) note: String,
    pub(crate) also_expected: Vec<AttackKind>,
    pub(crate) classes: Vec<&'static str>,
}

/// Where an attacker of a far attack sits, and behind what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lair {
    /// At home or at a hoster, with a browser the victim does not use.
    Anywhere,
    /// At a hoster, likewise.
    Hoster,
    /// Anywhere, with the user agent copied from the victim's laptop.
    CopiedBrowser,
}

impl Default for AttackPlan {
    fn default() -> Self {
        Self { impossible_travel: 4, infrequent_country: 3, failed_logins: 4, mass_download: 4, ..Self::none() }
    }
}

impl AttackPlan {
    /// A company left in peace.
    pub fn none() -> Self {
        Self {
            impossible_travel: 0,
            infrequent_country: 0,
            failed_logins: 0,
            mass_download: 0,
            unusual_download: 0,
            slow_exfiltration: 0,
            slow_failed_logins: 0,
            slow_impossible_travel: 0,
            slow_infrequent_country: 0,
        }
    }

    /// Attacks of all kinds together.
    pub fn total(&self) -> u32 {
        self.kinds().into_iter().map(|(_, count, _)| count).sum()
    }

    fn kinds(self) -> [(AttackKind, u32, &'static str); 9] {
        [
            (AttackKind::ImpossibleTravel, self.impossible_travel, "impossible_travel"),
            (AttackKind::InfrequentCountry, self.infrequent_country, "infrequent_country"),
            (AttackKind::FailedLogins, self.failed_logins, "failed_logins"),
            (AttackKind::MassDownload, self.mass_download, "mass_download"),
            (AttackKind::UnusualDownload, self.unusual_download, "unusual_download"),
            (AttackKind::SlowExfiltration, self.slow_exfiltration, "slow_exfiltration"),
            (AttackKind::SlowFailedLogins, self.slow_failed_logins, "slow_failed_logins"),
            (AttackKind::SlowImpossibleTravel, self.slow_impossible_travel, "slow_impossible_travel"),
            (AttackKind::SlowInfrequentCountry, self.slow_infrequent_country, "slow_infrequent_country"),
        ]
    }
}

/// Plans every attack of the configuration; nobody is attacked twice.
pub(crate) fn plan_attacks(company: &Company) -> Result<Planned, ConfigError> {
    let mut attacked = BTreeSet::new();
    let kinds = company.config.attacks.kinds();
    plan_kinds(company, &kinds, |kind, number| find_attack(company, kind, number, &mut attacked))
}

/// Plans so many attacks of each kind as `find` finds them, and labels them in the order of their beginnings, behind the labels
/// that are there.
pub(crate) fn plan_kinds(
    company: &Company,
    kinds: &[(AttackKind, u32, &'static str)],
    mut find: impl FnMut(AttackKind, u32) -> Option<Draft>,
) -> Result<Planned, ConfigError> {
    let mut drafts = Vec::new();
    for (kind, count, word) in kinds {
        for number in 0..*count {
            let draft = find(*kind, number);
            drafts.push(draft.ok_or(ConfigError::NoVictim { kind: word, number })?);
        }
    }
    drafts.sort_by_key(|draft| draft.actions.first().map_or(0, |action| action.time_ms));
    let mut planned = Planned { labels: Vec::new(), actions: Vec::new() };
    for draft in drafts {
        let position = (company.labels().len() + planned.labels.len()) as u32;
        planned.labels.push(label(company, &draft));
        planned.actions.extend(draft.actions.into_iter().map(|a| Action { label: Some(position), ..a }));
    }
    Ok(planned)
}

/// A victim and a day that were drawn.
pub(crate) struct Drawn {
    pub(crate) account: u32,
    pub(crate) day: u32,
    /// A small company, or a short run, may have nobody of the sort that is looked for: after half of the tries anybody will do.
    pub(crate) is_choosy: bool,
}

/// Draws accounts that nobody has attacked, and days, until one of them gives an attack.
pub(crate) fn seek(
    company: &Company,
    mut chance: Chance,
    attacked: &mut BTreeSet<u32>,
    mut draft: impl FnMut(&Drawn, &mut Chance) -> Option<Draft>,
) -> Option<Draft> {
    for tried in 0..TRIES_MAX {
        let account = chance.random_range(0..company.people.len() as u32);
        let day = chance.random_range(EARLIEST_ATTACK_DAY..company.config.days - 2);
        if attacked.contains(&account) {
            continue;
        }
        let drawn = Drawn { account, day, is_choosy: tried < TRIES_MAX / 2 };
        if let Some(draft) = draft(&drawn, &mut chance) {
            attacked.insert(account);
            return Some(draft);
        }
    }
    None
}

fn find_attack(company: &Company, kind: AttackKind, number: u32, attacked: &mut BTreeSet<u32>) -> Option<Draft> {
    let chance = stream(company.config.seed, Purpose::Attack, kind as u32, number);
    seek(company, chance, attacked, |drawn, chance| {
        let Drawn { account, day, is_choosy } = *drawn;
        let on_program = hoard::is_on_program(kind, number) && is_choosy;
        let is_fit = if on_program { hoard::suits_program } else { suits };
        if !is_fit(company, account, day) {
            return None;
        }
        let scouting = Scouting::new(company, account, day);
        if !on_program && scouting.desk.len() < BUSY_DAY_ACTIONS {
            return None;
        }
        let is_heavy = hoard::is_on_heavy(number) && is_choosy;
        drafted(&scouting, (kind, number), (on_program, is_heavy), chance)
    })
}

fn drafted(
    scouting: &Scouting<'_>,
    (kind, number): (AttackKind, u32),
    (on_program, is_heavy): (bool, bool),
    chance: &mut Chance,
) -> Option<Draft> {
    match kind {
        AttackKind::ImpossibleTravel => far::impossible_travel(scouting, number, chance),
        AttackKind::InfrequentCountry => far::infrequent_country(scouting, chance),
        AttackKind::FailedLogins => burst::failed_logins(scouting, number, chance),
        AttackKind::MassDownload => burst::mass_download(scouting, number, chance),
        AttackKind::UnusualDownload if on_program => hoard::unusual_download_of_program(scouting, number, chance),
        AttackKind::SlowExfiltration if on_program => hoard::slow_exfiltration_of_program(scouting, number, chance),
        AttackKind::UnusualDownload => hoard::unusual_download(scouting, number, is_heavy, chance),
        AttackKind::SlowExfiltration => hoard::slow_exfiltration(scouting, number, is_heavy, chance),
        AttackKind::SlowFailedLogins => slow::failed_logins(scouting, number, chance),
        AttackKind::SlowImpossibleTravel => slow::impossible_travel(scouting, chance),
        AttackKind::SlowInfrequentCountry => slow::infrequent_country(scouting, chance),
        // These have planners of their own.
        _ => None,
    }
}

/// Victims are people with a history, at home that week; in the demo's company also without habits of their own that hide
/// where they are.
pub(crate) fn suits(company: &Company, account: u32, day: u32) -> bool {
    let person = &company.people[account as usize];
    let noon_ms = company.config.start_ms + i64::from(day) * DAY_MS + DAY_MS / 2;
    let near = |from: i64, to: i64| from - 2 * DAY_MS < noon_ms && noon_ms < to + 2 * DAY_MS;
    let travels = person.trips.iter().any(|trip| !trip.commute && near(trip.out_ms, trip.home_ms));
    let moves = person.habits.moved.is_some_and(|moved| near(moved.out_ms, moved.there_ms));
    person.is_human()
        && person.first_day + EARLIEST_ATTACK_DAY <= day
        && (person.habits.consumer_vpn.is_empty() || company.config.confounders.is_some())
        && !travels
        && !moves
}

fn label(company: &Company, draft: &Draft) -> Label {
    let mut rows = Vec::new();
    let mut user = String::new();
    for action in &draft.actions {
        let person = &company.people[action.account as usize];
        user.clone_from(&person.name);
        let scene = Scene {
            action,
            person,
            people: &company.people,
            instance: &company.config.instance,
            subject: &person.name,
        };
        raw::write_rows(&scene, &mut rows);
    }
    Label {
        kind: draft.kind,
        user,
        start_ms: draft.actions.first().map_or(0, |action| action.time_ms),
        end_ms: draft.actions.last().map_or(0, |action| action.time_ms),
        rows: rows.len() as u32,
        actions: draft.actions.len() as u32,
        note: draft.note.clone(),
        also_expected: draft.also_expected.clone(),
        classes: draft.classes.clone(),
    }
}
