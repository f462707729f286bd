//! The administration of every day, and what else looks like the attacks and is none.

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, RECORD_COUNT};
use crate::addresses::{Entry, Harmless, HarmlessKind, at_home, midnight_ms};
use crate::chance::{Chance, Purpose, log_uniform, mix, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, weekday};
use crate::company::Company;
use crate::people::{AccountKind, Person};
use crate::world::NetworkKind;

use super::{AdminDeed, GOVERNING, How, desk};

/// Of a thousand people, but one at least: who acts as others for support, and all day long at the service desk; who
/// administers; who makes accounts for joiners; who deletes old records in change windows; whose line at home is on a list for
/// some days.
const SUPPORT: u32 = 30;
const SERVICE_DESK: u32 = 8;
const ADMINISTRATORS: u32 = 20;
const PERSONNEL: u32 = 4;
const WINDOWS: u32 = 4;
const RISKY_LINES: u32 = 15;
/// Of a thousand working days of anybody, those on which some old records are deleted, and how many.
const CLEAN_UPS: u32 = 8;
const CLEANED: (i64, i64) = (3, 99);
/// Of a hundred of these, so many are one whole page of a list.
const PAGES: u32 = 15;
/// A clean-up that is written down: from here on it comes near an attack.
const CLEANED_NOTED: u32 = 60;
/// Days between two change windows, and how many records go in one.
const WINDOW_DAYS: u32 = 14;
const WINDOW_RECORDS: (i64, i64) = (80, 3_000);
/// So many in a hundred that no change has announced: beside the calendar, or entered in it afterwards.
const SILENT: u64 = 5;
/// Every so many service accounts have a job that deletes what is too old, and how many records a night.
const RETENTION_ONE_IN: u32 = 3;
const RETENTION_RECORDS: std::ops::Range<u32> = 120..320;
/// Of a hundred days of an administrator, those with work of the sort; of a thousand of these days, those without a tunnel, and
/// those on which a change gives somebody a role that governs the instance.
const ADMIN_DAYS: u32 = 40;
const AWAY: u32 = 15;
const BY_CHANGE: u32 = 20;
/// Of a hundred days of support, those with a case; cases of a day at the service desk.
const SUPPORT_DAYS: u32 = 35;
const DESK_CASES: (u32, u32) = (3, 10);
/// Joiners of a wave, the weeks between two, and the number of the first account.
const JOINERS: (u32, u32) = (4, 40);
const WAVE_WEEKS: u32 = 2;
const FIRST_JOINER: u32 = 1_000_000;

/// Whose work it is.
#[derive(Clone, Copy)]
enum Role {
    /// Acts as others now and then.
    Support,
    /// Acts as others all day long.
    ServiceDesk,
    /// Changes settings, runs scripts, gives roles.
    Administrator,
    /// Makes accounts for joiners.
    Personnel,
    /// Deletes what is old in change windows.
    Cleaner,
}

/// What was made of it.
#[derive(Default)]
pub(super) struct Work {
    pub(super) actions: Vec<Action>,
    pub(super) harmless: Vec<Harmless>,
}

/// Somebody at it on a day.
struct Shift<'a> {
    company: &'a Company,
    account: u32,
    chance: Chance,
    out: &'a mut Work,
}

/// All of it; what lists say of harmless lines is added to theirs.
pub(super) fn plan(company: &Company, entries: &mut Vec<Entry>) -> Work {
    let mut work = Work::default();
    let has_desk = |_: u32, person: &Person| person.office.is_some() || person.habits.corporate_vpn.is_some();
    clean_ups(company, &mut work);
    retention(company, &mut work);
    let roles = [
        (Role::Support, some(company, SUPPORT, 400, has_desk)),
        (Role::ServiceDesk, service_desk(company).collect()),
        (Role::Administrator, some(company, ADMINISTRATORS, 402, has_desk)),
        (Role::Personnel, some(company, PERSONNEL, 403, has_desk)),
        (Role::Cleaner, some(company, WINDOWS, 404, has_desk)),
    ];
    for (role, accounts) in roles {
        for account in accounts {
            each_day(company, account, role, &mut work);
        }
    }
    for account in some(company, RISKY_LINES, 405, |_, person| person.trips.is_empty()) {
        risky_line(company, account, entries, &mut work);
    }
    let span = company.config.start_ms..company.end_ms();
    work.actions.retain(|action| span.contains(&action.time_ms) && !company.is_absent(action));
    work
}

/// The accounts whose daily work it is to act as others.
pub(super) fn service_desk(company: &Company) -> impl Iterator<Item = u32> {
    some(company, SERVICE_DESK, 401, |_, person| person.office.is_some() || person.habits.corporate_vpn.is_some())
        .into_iter()
}

/// So many people in a thousand, but somebody, of whom it may hold.
fn some(company: &Company, per_thousand: u32, salt: u64, may: impl Fn(u32, &Person) -> bool) -> Vec<u32> {
    let fits = |account: &u32| {
        let person = &company.people[*account as usize];
        person.is_human() && person.first_day == 0 && !person.habits.kiosk && may(*account, person)
    };
    let mut all: Vec<u32> = (0..company.people.len() as u32).filter(fits).collect();
    all.sort_by_key(|account| mix(mix(company.config.seed, salt), u64::from(*account)));
    all.truncate((company.config.users * per_thousand / 1_000).max(1) as usize);
    all
}

fn each_day(company: &Company, account: u32, role: Role, out: &mut Work) {
    for day in 1..company.config.days {
        let at_desk = desk(company, account, day);
        let chance = stream(company.config.seed, Purpose::PolicyWork, account * 8 + role as u32, day);
        let mut shift = Shift { company, account, chance, out };
        match role {
            Role::Support => shift.support(&at_desk),
            Role::ServiceDesk => shift.service_desk(&at_desk),
            Role::Administrator => shift.administer(&at_desk),
            Role::Personnel => shift.joiners(day, &at_desk),
            Role::Cleaner => shift.change_window(day, &at_desk),
        }
    }
}

/// Anybody deletes a few old records, up to one page of a list.
fn clean_ups(company: &Company, out: &mut Work) {
    for account in 0..company.people.len() as u32 {
        if !company.people[account as usize].is_human() {
            continue;
        }
        for day in 0..company.config.days {
            let mut chance = stream(company.config.seed, Purpose::PolicyWork, account * 8 + 5, day);
            if chance.random_range(0..1_000) >= CLEAN_UPS {
                continue;
            }
            let Some(moment) = super::desk_moment(company, account, day, &mut chance) else { continue };
            let is_page = chance.random_range(0..100) < PAGES;
            let count = if is_page { 100 } else { log_uniform(&mut chance, CLEANED) as u32 };
            let step = if is_page { (20, 30) } else { (300, 12 * SECOND_MS) };
            let mut shift = Shift { company, account, chance, out };
            let (from, to) = shift.delete(moment.time_ms + SECOND_MS, moment.client, count, step);
            if count >= CLEANED_NOTED {
                shift.note(HarmlessKind::CleanUp, (from, to));
            }
        }
    }
}

/// Programs delete what is too old, every night.
fn retention(company: &Company, out: &mut Work) {
    let of_service = |account: &u32| company.people[*account as usize].kind == AccountKind::Service;
    let programs: Vec<u32> = (0..company.people.len() as u32).filter(of_service).collect();
    for account in programs.into_iter().step_by(RETENTION_ONE_IN as usize) {
        let person = &company.people[account as usize];
        let network = person.home_line.v4;
        let ip = company.world.host(network, person.line_number % 64);
        let client =
            Client { ip, network, body: person.home, device: Device::Script, browser: (account % 4) as u8, session: 0 };
        for day in 1..company.config.days {
            let chance = stream(company.config.seed, Purpose::PolicyWork, account * 8 + 6, day);
            let mut shift = Shift { company, account, chance, out };
            let count = shift.chance.random_range(RETENTION_RECORDS);
            let at = midnight_ms(company, person, day) + 4 * HOUR_MS;
            shift.delete(at, client, count, (200, 900));
        }
        let harmless = (company.config.start_ms, company.end_ms());
        Shift { company, account, chance: stream(company.config.seed, Purpose::PolicyWork, account * 8 + 7, 0), out }
            .note(HarmlessKind::Retention, harmless);
    }
}

/// A list takes the line at home for one of a proxy for households for some days.
fn risky_line(company: &Company, account: u32, entries: &mut Vec<Entry>, out: &mut Work) {
    let person = &company.people[account as usize];
    let chance = stream(company.config.seed, Purpose::PolicyWork, account * 8 + 7, 1);
    let mut shift = Shift { company, account, chance, out };
    let day = shift.chance.random_range(3..company.config.days.saturating_sub(4).max(4));
    let from_ms = midnight_ms(company, person, day);
    let until_ms = from_ms + shift.chance.random_range(3 * DAY_MS..15 * DAY_MS);
    entries.push(Entry {
        network: at_home(company, person, from_ms, 0).ip.to_string(),
        category: "residential_proxy",
        confidence: shift.chance.random_range(25..80),
        tag: "seen once",
        valid_ms: Some((from_ms, until_ms)),
    });
    shift.note(HarmlessKind::RiskyLine, (from_ms, until_ms));
}

impl Shift<'_> {
    /// A case now and then: one account, seldom two or three on a day.
    fn support(&mut self, at_desk: &[Action]) {
        if self.chance.random_range(0..100) < SUPPORT_DAYS {
            let cases = match self.chance.random_range(0..10_u32) {
                0..6 => 1,
                6..9 => 2,
                _ => 3,
            };
            self.cases(cases, at_desk);
        }
    }

    /// Case after case.
    fn service_desk(&mut self, at_desk: &[Action]) {
        let cases = self.chance.random_range(DESK_CASES.0..=DESK_CASES.1);
        if let Some((from, to)) = self.cases(cases, at_desk) {
            self.note(HarmlessKind::ServiceDesk, (from, to));
        }
    }

    fn cases(&mut self, cases: u32, at_desk: &[Action]) -> Option<(i64, i64)> {
        let mut span = None;
        for _ in 0..cases {
            let moment = self.moment(at_desk, true)?;
            let whom = self.chance.random_range(0..self.company.people.len() as u32);
            let until = moment.time_ms + self.chance.random_range(2 * MINUTE_MS..20 * MINUTE_MS);
            self.push(moment.time_ms + SECOND_MS, moment.client, AdminDeed::Impersonate { whom, starts: true });
            self.push(until, moment.client, AdminDeed::Impersonate { whom, starts: false });
            let (from, to) = span.unwrap_or((moment.time_ms, until));
            span = Some((from.min(moment.time_ms), to.max(until)));
        }
        span
    }

    /// Settings, scripts and roles; from the office or through the tunnel, but in an emergency.
    fn administer(&mut self, at_desk: &[Action]) {
        if self.chance.random_range(0..100) >= ADMIN_DAYS {
            return;
        }
        let is_away = self.chance.random_range(0..1_000) < AWAY;
        let is_by_change = self.chance.random_range(0..1_000) < BY_CHANGE;
        for _ in 0..self.chance.random_range(1..5) {
            let Some(moment) = self.moment(at_desk, !is_away) else { return };
            let whom = self.chance.random_range(0..self.company.people.len() as u32);
            let deed = match self.chance.random_range(0..10_u32) {
                0..4 => AdminDeed::Configure { property: self.chance.random_range(0..400) },
                4..7 => AdminDeed::Script,
                7 => self.everyday_role(How::List, whom),
                8 => self.everyday_role(How::Group, whom),
                _ => self.everyday_role(How::Row, whom),
            };
            self.push(moment.time_ms + SECOND_MS, moment.client, deed);
            if is_away {
                self.note(HarmlessKind::AdminAway, (moment.time_ms, moment.time_ms + HOUR_MS));
            }
        }
        let Some(moment) = self.moment(at_desk, true).filter(|_| is_by_change) else { return };
        let (role, how) = if self.chance.random_bool(0.5) { (0, How::Row) } else { (1, How::List) };
        let whom = self.chance.random_range(0..self.company.people.len() as u32);
        self.push(moment.time_ms + 2 * SECOND_MS, moment.client, AdminDeed::Grant { role, how, whom });
        self.note(HarmlessKind::PrivilegedByChange, (moment.time_ms, moment.time_ms + HOUR_MS));
    }

    /// On the first working day of every other week: accounts, each with a role and a group.
    fn joiners(&mut self, day: u32, at_desk: &[Action]) {
        let epoch_day = self.company.config.start_ms.div_euclid(DAY_MS) + i64::from(day);
        if weekday(epoch_day) != 0 || !(day / 7).is_multiple_of(WAVE_WEEKS) {
            return;
        }
        let Some(moment) = self.moment(at_desk, true) else { return };
        let mut at = moment.time_ms;
        let count = self.chance.random_range(JOINERS.0..=JOINERS.1);
        for nth in 0..count {
            let whom = FIRST_JOINER + self.account * 400 + day + nth * 7;
            self.push(at, moment.client, AdminDeed::CreateUser { whom });
            for how in [How::Row, How::Group] {
                at += self.chance.random_range(2 * SECOND_MS..20 * SECOND_MS);
                let deed = self.everyday_role(if nth % 5 == 4 { How::List } else { how }, whom);
                self.push(at, moment.client, deed);
            }
            at += self.chance.random_range(5 * SECOND_MS..60 * SECOND_MS);
        }
        self.note(HarmlessKind::JoinerWave, (moment.time_ms, at));
    }

    /// Every other week, in the evening: what is old goes by the hundred, as a change has announced it.
    fn change_window(&mut self, day: u32, at_desk: &[Action]) {
        let Some(last) = at_desk.last().filter(|_| day % WINDOW_DAYS == self.account % WINDOW_DAYS) else { return };
        let count = log_uniform(&mut self.chance, WINDOW_RECORDS);
        let step = self.chance.random_range(5 * MINUTE_MS..60 * MINUTE_MS) / count;
        let span = self.delete(last.time_ms + MINUTE_MS, last.client, count as u32, (step.max(2), step.max(2) + 5));
        // Of its own, so that the rest of the company is the same.
        let drawn = mix(mix(self.company.config.seed, 406), u64::from(self.account) << 32 | u64::from(day));
        let is_silent = drawn % 100 < SILENT;
        self.note(if is_silent { HarmlessKind::SilentWindow } else { HarmlessKind::ChangeWindow }, span);
    }

    /// A role that governs nothing.
    fn everyday_role(&mut self, how: How, whom: u32) -> AdminDeed {
        let role = if how == How::Group { GOVERNING } else { self.chance.random_range(GOVERNING..10) };
        AdminDeed::Grant { role, how, whom }
    }

    /// A moment of the day, from where the company administers where it must be.
    fn moment(&mut self, at_desk: &[Action], is_inside: bool) -> Option<Action> {
        let kind = |action: &Action| self.company.world.network(action.client.network).kind;
        let is_within = |action: &Action| matches!(kind(action), NetworkKind::Corporate | NetworkKind::CorporateVpn);
        let fits = |action: &&Action| action.client.session != 0 && is_within(action) == is_inside;
        let fitting: Vec<&Action> = at_desk.iter().filter(fits).collect();
        crate::chance::pick(&mut self.chance, &fitting).map(|action| (*action).clone())
    }

    /// Different records, one after the other; answers from when to when.
    fn delete(&mut self, at: i64, client: Client, count: u32, (least, most): (i64, i64)) -> (i64, i64) {
        let table = self.chance.random_range(0..10);
        let first = self.chance.random_range(0..RECORD_COUNT);
        let rest = client.device == Device::Script;
        let mut now = at;
        for nth in 0..count {
            self.push(now, client, AdminDeed::Delete { table, record: (first + nth * 7) % RECORD_COUNT, rest });
            now += self.chance.random_range(least..most);
        }
        (at, now)
    }

    fn push(&mut self, time_ms: i64, client: Client, deed: AdminDeed) {
        let id = self.chance.random();
        let deed = Deed::Admin(deed);
        self.out.actions.push(Action { time_ms, account: self.account, id, client, deed, label: None });
    }

    fn note(&mut self, harmless: HarmlessKind, (from_ms, to_ms): (i64, i64)) {
        let user = self.company.people[self.account as usize].name.clone();
        self.out.harmless.push(Harmless { user, harmless, from_ms, to_ms });
    }
}
