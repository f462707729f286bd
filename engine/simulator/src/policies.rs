//! What policies of one's own look for: records deleted by the hundred, people impersonated one after the other, roles that
//! govern the instance given away, administration from elsewhere, sign-ins from listed addresses, passwords tried on many
//! accounts; and beside these the administration of every day.
//!
//! All of it is drawn from streams of its own, and only where it is asked for: a company without it is the same byte for
//! byte. An attacker knows nothing of limits: how much an attack does and how fast is drawn. Only its classes, by which
//! attacks are counted apart, say what truly happened.

mod attack;
mod grants;
mod spray;
mod work;

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, record_id, table_name};
use crate::addresses::{AddressList, Entry, Harmless, HarmlessKind, any_network, of_entries, stranger};
use crate::attacks::{AttackKind, Draft, Label, plan_kinds, seek, suits};
use crate::behaviour::plan_day;
use crate::chance::{Chance, Purpose, mix_wide, pick, stream};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::{Company, ConfigError};
use crate::people::Person;
use crate::world::NetworkKind;

/// The list of addresses that goes with risky sign-ins.
const LIST: &str = "sign_ins";
/// Tables of which every field is audited; of others only a deletion is kept.
const AUDITED_TABLES: u8 = 5;
/// The `sys_id` of the role `admin`, which is the same in every instance.
const ADMIN_ID: u128 = 0x2831_a114_c611_2285_01d4_ea6c_309d_626d;
/// The group whose members govern the instance, and one whose members do not.
const GROUPS: [&str; 2] = ["Platform administrators", "Service desk members"];
/// Roles, those that govern the instance first.
const ROLES: [&str; 10] = [
    "admin",
    "security_admin",
    "impersonator",
    "user_admin",
    "oauth_admin",
    "itil",
    "catalog_admin",
    "knowledge_admin",
    "approver_user",
    "admin_readonly",
];
/// So many of these govern it.
const GOVERNING: u8 = 5;

/// Attacks that policies of one's own look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyPlan {
    /// Attacks of each kind that are over within the hour.
    pub fast: u32,
    /// Attacks of each kind over hours and days.
    pub slow: u32,
    /// Clean-ups, change windows, support, joiners and administration.
    pub work: bool,
    /// Attacks that are over within hours in which passwords are tried on many accounts, and half as many slow ones.
    pub sprays: u32,
}

/// What somebody does who may change the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminDeed {
    /// A record is deleted, over REST by a request of its own.
    Delete { table: u8, record: u32, rest: bool },
    /// Begins, or ends, to act as another account.
    Impersonate { whom: u32, starts: bool },
    /// Somebody gets a role.
    Grant { role: u8, how: How, whom: u32 },
    /// The role is taken back.
    Revoke { whom: u32 },
    /// An account is made; its number is beyond those of the company.
    CreateUser { whom: u32 },
    /// A property of the instance is changed.
    Configure { property: u32 },
    /// A script is run in the background.
    Script,
}

/// How somebody gets a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// A row of its own names account and role by their ids.
    Row,
    /// The audited list of the account's roles names all.
    List,
    /// The account comes into a group that has the role: of [`GROUPS`] the first where the role governs the instance.
    Group,
    /// A role that the account has is made to contain it.
    Contained,
}

/// What the company says of its own administration on the first day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Administration {
    /// `sys_id`s of the roles that govern the instance, but that of `admin`, which is the same everywhere; id and name of the group
    /// whose members have them.
    pub privileged: Vec<String>,
    /// Accounts of the service desk, whose daily work it is to act as others.
    pub service_desk: Vec<String>,
    /// Networks of its offices.
    pub offices: Vec<String>,
    /// Clearings that a change has announced: whose, and from when to when, half and whole hours in milliseconds since the
    /// epoch.
    pub changes: Vec<(String, i64, i64)>,
}

/// All that a plan makes of a company.
pub(crate) struct Planned {
    pub(crate) labels: Vec<Label>,
    pub(crate) actions: Vec<Action>,
    pub(crate) harmless: Vec<Harmless>,
    pub(crate) list: AddressList,
}

/// An attack that is tried on an account and a day.
#[derive(Clone, Copy)]
struct Plot<'a> {
    company: &'a Company,
    person: &'a Person,
    account: u32,
    day: u32,
    kind: AttackKind,
    number: u32,
    is_slow: bool,
}

/// Plans all of it.
pub(crate) fn plan(company: &Company, plan: PolicyPlan) -> Result<Planned, ConfigError> {
    let labelled = company.attack_actions.iter().filter(|action| action.label.is_some());
    let mut attacked: BTreeSet<u32> = labelled.map(|action| action.account).collect();
    let mut entries = Vec::new();
    let PolicyPlan { fast, slow, work, sprays } = plan;
    let kinds = [
        (AttackKind::MassDeletion, fast, "mass_deletion"),
        (AttackKind::SlowMassDeletion, slow, "slow_mass_deletion"),
        (AttackKind::Impersonation, fast, "impersonation"),
        (AttackKind::SlowImpersonation, slow, "slow_impersonation"),
        (AttackKind::PrivilegedGrant, fast, "privileged_grant"),
        (AttackKind::SlowPrivilegedGrant, slow, "slow_privileged_grant"),
        (AttackKind::AdminFromOutside, fast, "admin_from_outside"),
        (AttackKind::SlowAdminFromOutside, slow, "slow_admin_from_outside"),
        (AttackKind::RiskySignIn, fast, "risky_sign_in"),
        (AttackKind::SlowRiskySignIn, slow, "slow_risky_sign_in"),
        (AttackKind::PasswordSpray, sprays, "password_spray"),
        (AttackKind::SlowPasswordSpray, sprays / 2, "slow_password_spray"),
    ];
    let planned = plan_kinds(company, &kinds, |kind, number| match kind {
        AttackKind::PasswordSpray | AttackKind::SlowPasswordSpray => spray::spray(company, kind, number),
        _ => find(company, kind, number, &mut attacked, &mut entries),
    })?;
    let (mut actions, mut harmless) = (planned.actions, Vec::new());
    if work {
        let done = work::plan(company, &mut entries);
        actions.extend(done.actions);
        harmless = done.harmless;
        harmless.sort_by(|a, b| (a.from_ms, &a.user).cmp(&(b.from_ms, &b.user)));
    }
    Ok(Planned { labels: planned.labels, actions, harmless, list: of_entries(LIST, &entries) })
}

/// What stands in the calendar of changes: the half hour in which it begins, and the hour after the one in which it ends.
fn announced(company: &Company) -> impl Iterator<Item = (String, i64, i64)> {
    let is_announced = |harmless: &&Harmless| harmless.harmless == HarmlessKind::ChangeWindow;
    company.harmless().iter().filter(is_announced).map(|harmless| {
        let from_ms = harmless.from_ms.div_euclid(HOUR_MS / 2) * (HOUR_MS / 2);
        let to_ms = (harmless.to_ms.div_euclid(HOUR_MS) + 2) * HOUR_MS;
        (harmless.user.clone(), from_ms, to_ms)
    })
}

/// What an administrator of the company knows.
pub(crate) fn administration(company: &Company) -> Administration {
    let id = |id: u128| format!("{id:032x}");
    let mut privileged: Vec<String> = (1..GOVERNING).map(|role| id(role_id(role))).collect();
    privileged.extend([id(group_id(0)), GROUPS[0].to_owned()]);
    let offices = company.world.access_of_kind(NetworkKind::Corporate);
    let offices = offices.iter().flat_map(|(_, access)| [Some(access.v4), access.v6]).flatten();
    Administration {
        privileged,
        service_desk: work::service_desk(company)
            .map(|account| company.people[account as usize].name.clone())
            .collect(),
        offices: offices.map(|network| company.world.network(network).prefix.to_string()).collect(),
        changes: announced(company).collect(),
    }
}

/// Draws victims and days until one of them gives an attack.
fn find(
    company: &Company,
    kind: AttackKind,
    number: u32,
    attacked: &mut BTreeSet<u32>,
    entries: &mut Vec<Entry>,
) -> Option<Draft> {
    let chance = stream(company.config.seed, Purpose::PolicyAttack, kind as u32, number);
    seek(company, chance, attacked, |drawn, chance| {
        let (account, day) = (drawn.account, drawn.day);
        if !suits(company, account, day) {
            return None;
        }
        let person = &company.people[account as usize];
        let is_slow = matches!(
            kind,
            AttackKind::SlowMassDeletion
                | AttackKind::SlowImpersonation
                | AttackKind::SlowPrivilegedGrant
                | AttackKind::SlowAdminFromOutside
                | AttackKind::SlowRiskySignIn
        );
        let plot = Plot { company, person, account, day, kind, number, is_slow };
        match kind {
            AttackKind::MassDeletion | AttackKind::SlowMassDeletion => attack::deletion(plot, chance),
            AttackKind::Impersonation | AttackKind::SlowImpersonation => attack::impersonation(plot, chance),
            AttackKind::PrivilegedGrant | AttackKind::SlowPrivilegedGrant => grants::grant(plot, chance),
            AttackKind::AdminFromOutside | AttackKind::SlowAdminFromOutside => grants::outside(plot, chance),
            _ => grants::risky(plot, entries, chance),
        }
    })
}

/// Where an attack begins.
struct Stage {
    at: i64,
    client: Client,
    /// A sign-in, where nobody sits at the victim's desk.
    actions: Vec<Action>,
}

impl Plot<'_> {
    /// At the victim's own desk, in a session of theirs, or from elsewhere at any hour with a password: by turns.
    fn stage(&self, chance: &mut Chance) -> Option<Stage> {
        if self.number.is_multiple_of(2) {
            let moment = desk_moment(self.company, self.account, self.day, chance)?;
            let at = moment.time_ms + chance.random_range(SECOND_MS..MINUTE_MS);
            return Some(Stage { at, client: moment.client, actions: Vec::new() });
        }
        self.elsewhere(chance)
    }

    fn elsewhere(&self, chance: &mut Chance) -> Option<Stage> {
        let kind = if chance.random_bool(0.5) { NetworkKind::Fixed } else { NetworkKind::Hosting };
        let client = stranger(self.company, any_network(self.company, kind, chance)?, chance.random(), chance);
        let at = self.any_moment(chance);
        let actions = vec![self.act(at, client, Deed::SIGN_IN, chance)];
        Some(Stage { at: at + chance.random_range(3 * SECOND_MS..40 * SECOND_MS), client, actions })
    }

    /// A moment of the day, at any hour, where the victim lives.
    fn any_moment(&self, chance: &mut Chance) -> i64 {
        crate::addresses::midnight_ms(self.company, self.person, self.day) + chance.random_range(0..24 * HOUR_MS)
    }

    fn act(&self, time_ms: i64, client: Client, deed: Deed, chance: &mut Chance) -> Action {
        Action { time_ms, account: self.account, id: chance.random(), client, deed, label: None }
    }

    fn admin(&self, time_ms: i64, client: Client, deed: AdminDeed, chance: &mut Chance) -> Action {
        self.act(time_ms, client, Deed::Admin(deed), chance)
    }

    /// Some account of a person other than the victim's.
    fn somebody(&self, chance: &mut Chance) -> u32 {
        loop {
            let whom = chance.random_range(0..self.company.people.len() as u32);
            if whom != self.account && self.company.people[whom as usize].is_human() {
                return whom;
            }
        }
    }

    /// The attack, if it is over before the run is.
    fn draft(&self, mut actions: Vec<Action>, note: String, class: &'static str) -> Option<Draft> {
        actions.sort_by_key(|action| action.time_ms);
        let is_over = actions.last().is_some_and(|last| last.time_ms + HOUR_MS < self.company.end_ms());
        is_over.then(|| Draft { kind: self.kind, actions, note, also_expected: Vec::new(), classes: vec![class] })
    }
}

/// Something that the account does on that day in a session at a laptop.
fn desk_moment(company: &Company, account: u32, day: u32, chance: &mut Chance) -> Option<Action> {
    let mut actions = desk(company, account, day);
    actions.retain(|action| action.client.session != 0);
    pick(chance, &actions).cloned()
}

/// All that it does there, in order.
fn desk(company: &Company, account: u32, day: u32) -> Vec<Action> {
    let mut actions = Vec::new();
    plan_day(company.day_context(), account, &company.people[account as usize], i64::from(day), &mut actions);
    actions.retain(|action| action.client.device == Device::Laptop && !action.is_strangers());
    actions.sort_by_key(|action| (action.time_ms, action.id));
    actions
}

/// The `sys_id` of a role.
pub(crate) fn role_id(role: u8) -> u128 {
    if role == 0 { ADMIN_ID } else { mix_wide(0x72_6f6c_6573, u64::from(role)) }
}

/// Its name.
pub(crate) fn role_name(role: u8) -> &'static str {
    ROLES[usize::from(role) % ROLES.len()]
}

/// The `sys_id` of a group.
pub(crate) fn group_id(group: u8) -> u128 {
    mix_wide(0x6772_6f75_7073, u64::from(group))
}

/// The group that has a role.
pub(crate) const fn group_of(role: u8) -> u8 {
    if role < GOVERNING { 0 } else { 1 }
}

/// Its name.
pub(crate) fn group_name(group: u8) -> &'static str {
    GROUPS[usize::from(group) % GROUPS.len()]
}

/// The `sys_id` of an account, also of one that is made in the run.
pub(crate) fn account_id(people: &[Person], account: u32) -> u128 {
    people.get(account as usize).map_or_else(|| mix_wide(0x6a6f_696e_6572, u64::from(account)), |person| person.sys_id)
}

/// Its name.
pub(crate) fn account_name(people: &[Person], account: u32) -> String {
    people.get(account as usize).map_or_else(|| format!("joiner.{account}"), |person| person.name.clone())
}

/// Is every change of the table's records audited?
pub(crate) const fn is_audited(table: u8) -> bool {
    table < AUDITED_TABLES
}

/// The record that a deletion is about: its table and `sys_id`.
pub(crate) fn deleted(table: u8, record: u32) -> (&'static str, u128) {
    (table_name(table), record_id(table, record))
}

/// The most of these times that fall into any span of the length.
fn densest(times_ms: &[i64], span_ms: i64) -> usize {
    let reach = |from: usize| times_ms[from..].iter().take_while(|time| **time < times_ms[from] + span_ms).count();
    (0..times_ms.len()).map(reach).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
