//! Addresses that lists name, accounts whose people have left, and devices: attacks by way of them, and harmless people who
//! look as if.
//!
//! All of it is drawn from streams of its own, and only where it is asked for: a company without it is the same byte for
//! byte. An attacker does what an attacker would, and knows nothing of limits: how long an attack waits, how much it does and
//! how well lists know its addresses is drawn, so that some are plain and some can hardly be seen.

mod devices;
mod hidden;
mod leave;
mod leavers;
mod lists;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use serde::Serialize;

use crate::action::{Action, Client, Deed, Device, FILE_COUNT, RECORD_COUNT};
use crate::attacks::{AttackKind, Draft, Label, plan_kinds, seek};
use crate::chance::{Chance, Purpose, mix, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::{Company, ConfigError};
use crate::people::{Devices, Person};
use crate::world::{CityId, NetworkId, NetworkKind};

use lists::Book;

pub(crate) use lists::{Entry, of_entries};

/// A home line has another address every so many days.
const LEASE_MS: i64 = 14 * DAY_MS;

/// Attacks by way of addresses, of accounts that should be off, and of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPlan {
    /// Attacks of each kind that are over within the hour, or a day for accounts that should be off.
    pub fast: u32,
    /// Attacks of each kind with a request now and then over days, or hours after what makes them suspicious.
    pub slow: u32,
    /// Harmless people who hide, leave and return, and have new devices.
    pub work: bool,
}

/// A list of addresses as somebody who buys or fetches it would have it: the text of its file, and what its configuration
/// says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList {
    /// Its name.
    pub name: &'static str,
    /// How its file is written: `plain`, `csv` or `tor_exit`.
    pub format: &'static str,
    /// What its addresses are, where the file does not say it.
    pub category: Option<&'static str>,
    /// How far it can be trusted, 0–100, where the file does not say it.
    pub confidence: Option<u8>,
    /// The file.
    pub text: String,
}

/// Why something harmless looks like an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HarmlessKind {
    /// Leaves, and hands over within the hour after the time that was recorded.
    Leaver,
    /// Leaves, and personnel record the day without a time, which reads as its first minute.
    LeaverByDay,
    /// A leaving that was told ahead, and then put off.
    LeaverPutOff,
    /// Has left and comes back, which the directory tells before the first sign-in.
    Rehired,
    /// The same, told hours after the first sign-in.
    RehiredToldLate,
    /// Is away for some weeks; the account is off meanwhile.
    OnLeave,
    /// A nightly job runs under the name of somebody who has left, and is meant to.
    Job,
    /// Begins to work through a tunnel of their own.
    NewTunnel,
    /// The device lets its browser out through a relay, from the first day.
    Relay,
    /// The same from some day on.
    NewRelay,
    /// The line at home was an exit of Tor until some days before it was theirs.
    TorBefore,
    /// The same until some hours before.
    TorJustBefore,
    /// A machine at home takes orders from a botnet, and a list knows.
    InfectedHome,
    /// A phone's carrier lets many out at one address, and a machine of somebody else is on a list.
    SharedAddress,
    /// A new laptop or phone.
    NewDevice,
    /// A new laptop or phone, and a mistyped password or several before it works.
    NewDeviceMistyped,
    /// A browser that calls itself something else after each update.
    BrowserIds,
    /// Sits at another desk every day.
    HotDesk,
    /// An account that several screens share.
    Kiosk,
    /// Deletes old records, not quite or exactly a page of a list.
    CleanUp,
    /// Deletes old records by the hundred, as a change has announced it.
    ChangeWindow,
    /// The same, and nobody has announced it.
    SilentWindow,
    /// A program that deletes every night what is too old.
    Retention,
    /// Acts as others all day long, as it is the work of the service desk.
    ServiceDesk,
    /// Makes accounts for joiners, each with a role and a group.
    JoinerWave,
    /// Administers from home without the tunnel, once.
    AdminAway,
    /// Gives a role that governs the instance, as a change has it.
    PrivilegedByChange,
    /// A list takes the line at home for a proxy for some days.
    RiskyLine,
}

/// Something that looks like an attack and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Harmless {
    /// The account.
    pub user: String,
    /// Why it looks like one.
    pub harmless: HarmlessKind,
    /// From when, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
}

/// All that a plan makes of a company.
pub(crate) struct Planned {
    pub(crate) labels: Vec<Label>,
    pub(crate) actions: Vec<Action>,
    pub(crate) harmless: Vec<Harmless>,
    pub(crate) lists: Vec<AddressList>,
    /// When accounts do nothing of what their days would have: from and to, milliseconds since the epoch.
    pub(crate) absences: BTreeMap<u32, Vec<(i64, i64)>>,
    pub(crate) devices: BTreeMap<u32, Devices>,
}

/// What has been planned so far, beside the attacks themselves.
struct Ground<'a> {
    company: &'a Company,
    book: Book,
    actions: Vec<Action>,
    harmless: Vec<Harmless>,
    absences: BTreeMap<u32, Vec<(i64, i64)>>,
    devices: BTreeMap<u32, Devices>,
    /// Who has a harmless role already: one is enough.
    roles: BTreeSet<u32>,
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
    /// See [`crate::attacks::Drawn::is_choosy`].
    is_choosy: bool,
}

/// Plans all of it.
pub(crate) fn plan(company: &Company, plan: AddressPlan) -> Result<Planned, ConfigError> {
    let labelled = company.attack_actions.iter().filter(|action| action.label.is_some());
    let mut attacked: BTreeSet<u32> = labelled.map(|action| action.account).collect();
    let mut ground = Ground::new(company);
    let AddressPlan { fast, slow, work } = plan;
    if work {
        devices::work(&mut ground);
        work::work(&mut ground);
    }
    let of_work = std::mem::take(&mut ground.actions);
    let kinds = [
        (AttackKind::AnonymousAddress, fast, "anonymous_address"),
        (AttackKind::SlowAnonymousAddress, slow, "slow_anonymous_address"),
        (AttackKind::BadAddress, fast, "bad_address"),
        (AttackKind::SlowBadAddress, slow, "slow_bad_address"),
        (AttackKind::TerminatedUse, fast, "terminated_use"),
        (AttackKind::SlowTerminatedUse, slow, "slow_terminated_use"),
        (AttackKind::NewDevice, fast, "new_device"),
        (AttackKind::SlowNewDevice, slow, "slow_new_device"),
    ];
    let planned = plan_kinds(company, &kinds, |kind, number| find(&mut ground, kind, number, &mut attacked))?;
    if work {
        leavers::work(&mut ground, &attacked);
    }
    let Ground { book, mut actions, mut harmless, absences, devices, .. } = ground;
    actions.extend(of_work.into_iter().filter(|action| !is_absent(&absences, action.account, action.time_ms)));
    actions.retain(|action| (company.config.start_ms..company.end_ms()).contains(&action.time_ms));
    actions.extend(planned.actions);
    harmless.sort_by(|a, b| (a.from_ms, &a.user).cmp(&(b.from_ms, &b.user)));
    let lists = book.lists(company);
    Ok(Planned { labels: planned.labels, actions, harmless, lists, absences, devices })
}

/// Does the account do nothing then?
pub(crate) fn is_absent(absences: &BTreeMap<u32, Vec<(i64, i64)>>, account: u32, time_ms: i64) -> bool {
    let is_within = |(from_ms, to_ms): &(i64, i64)| (*from_ms..*to_ms).contains(&time_ms);
    absences.get(&account).is_some_and(|absences| absences.iter().any(is_within))
}

/// Draws victims and days until one of them gives an attack.
fn find(ground: &mut Ground<'_>, kind: AttackKind, number: u32, attacked: &mut BTreeSet<u32>) -> Option<Draft> {
    let company = ground.company;
    let chance = stream(company.config.seed, Purpose::AddressAttack, kind as u32, number);
    seek(company, chance, attacked, |drawn, chance| {
        let person = &company.people[drawn.account as usize];
        let is_slow = matches!(
            kind,
            AttackKind::SlowAnonymousAddress
                | AttackKind::SlowBadAddress
                | AttackKind::SlowTerminatedUse
                | AttackKind::SlowNewDevice
        );
        let (account, day, is_choosy) = (drawn.account, drawn.day, drawn.is_choosy);
        let plot = Plot { company, person, account, day, kind, number, is_slow, is_choosy };
        match kind {
            AttackKind::AnonymousAddress | AttackKind::SlowAnonymousAddress => hidden::anonymous(ground, plot, chance),
            AttackKind::BadAddress | AttackKind::SlowBadAddress => hidden::bad_repute(ground, plot, chance),
            AttackKind::TerminatedUse | AttackKind::SlowTerminatedUse => leave::attack(ground, plot, chance),
            _ => devices::attack(ground, plot, chance),
        }
    })
}

impl<'a> Ground<'a> {
    fn new(company: &'a Company) -> Self {
        Self {
            company,
            book: Book::new(company),
            actions: Vec::new(),
            harmless: Vec::new(),
            absences: BTreeMap::new(),
            devices: BTreeMap::new(),
            roles: BTreeSet::new(),
        }
    }

    fn note(&mut self, account: u32, harmless: HarmlessKind, (from_ms, to_ms): (i64, i64)) {
        let user = self.company.people[account as usize].name.clone();
        self.harmless.push(Harmless { user, harmless, from_ms, to_ms });
    }

    fn absent(&mut self, account: u32, from_ms: i64, to_ms: i64) {
        self.absences.entry(account).or_default().push((from_ms, to_ms));
    }

    /// So many people in a thousand, but somebody, who have no role yet and of whom it may hold.
    fn some(&mut self, per_thousand: u32, salt: u64, may: impl Fn(u32, &Person) -> bool) -> Vec<u32> {
        let company = self.company;
        let of_mind = |account: &u32| {
            let person = &company.people[*account as usize];
            person.is_human() && person.first_day == 0 && !person.habits.kiosk && may(*account, person)
        };
        let mut all: Vec<u32> =
            (0..company.people.len() as u32).filter(|account| !self.roles.contains(account)).filter(of_mind).collect();
        all.sort_by_key(|account| mix(mix(company.config.seed, salt), u64::from(*account)));
        all.truncate((company.config.users * per_thousand / 1_000).max(1) as usize);
        self.roles.extend(&all);
        all
    }
}

impl Plot<'_> {
    /// A moment of the day, at any hour, where the victim lives.
    fn any_moment(&self, chance: &mut Chance) -> i64 {
        midnight_ms(self.company, self.person, self.day) + chance.random_range(0..DAY_MS)
    }

    /// When somebody who looks around asks for something: a fast one within the hour, a slow one now and then over days.
    fn requests(&self, start_ms: i64, chance: &mut Chance) -> Vec<i64> {
        let mut times = vec![start_ms];
        if self.is_slow {
            let span_ms = chance.random_range(2 * DAY_MS..8 * DAY_MS);
            let more = chance.random_range(2..8);
            times.extend((0..more).map(|_| start_ms + chance.random_range(HOUR_MS..span_ms)));
        } else {
            for _ in 0..chance.random_range(4..40) {
                start_after(&mut times, chance.random_range(8 * SECOND_MS..75 * SECOND_MS));
            }
        }
        times.sort_unstable();
        times
    }

    /// The attack, if it is over before the run is.
    fn draft(self, mut actions: Vec<Action>, note: String, classes: Vec<&'static str>) -> Option<Draft> {
        actions.sort_by_key(|action| action.time_ms);
        let is_over = actions.last().is_some_and(|last| last.time_ms + HOUR_MS < self.company.end_ms());
        is_over.then(|| Draft { kind: self.kind, actions, note, also_expected: Vec::new(), classes })
    }
}

fn start_after(times: &mut Vec<i64>, step_ms: i64) {
    let last = times.last().copied().unwrap_or_default();
    times.push(last + step_ms);
}

pub(crate) fn midnight_ms(company: &Company, person: &Person, day: u32) -> i64 {
    company.world.midnight_ms(person.home, company.config.start_ms.div_euclid(DAY_MS) + i64::from(day))
}

fn act(time_ms: i64, account: u32, client: Client, deed: Deed, chance: &mut Chance) -> Action {
    Action { time_ms, account, id: chance.random(), client, deed, label: None }
}

/// Something that somebody who looks around does.
pub(crate) fn look(chance: &mut Chance) -> Deed {
    match chance.random_range(0..10_u32) {
        0..3 => Deed::List { table: chance.random_range(0..10) },
        3..8 => Deed::View { table: chance.random_range(0..10), record: chance.random_range(0..RECORD_COUNT) },
        _ => Deed::Download { file: chance.random_range(0..FILE_COUNT) },
    }
}

/// The owner's laptop at home.
pub(crate) fn at_home(company: &Company, person: &Person, time_ms: i64, session: u128) -> Client {
    let network = person.home_line.v4;
    let lease = (time_ms - company.config.start_ms).div_euclid(LEASE_MS).max(0) as u64;
    let ip = company.world.host(network, person.line_number + lease);
    Client { ip, network, body: person.home, device: Device::Laptop, browser: person.habits.laptop_browser, session }
}

/// A stranger's computer at any host of a network.
pub(crate) fn stranger(
    company: &Company,
    (body, network): (CityId, NetworkId),
    session: u128,
    chance: &mut Chance,
) -> Client {
    let ip = company.world.any_host(network, chance);
    Client { ip, network, body, device: Device::Unmanaged, browser: chance.random_range(0..4), session }
}

/// Any network of a kind, IPv4.
pub(crate) fn any_network(company: &Company, kind: NetworkKind, chance: &mut Chance) -> Option<(CityId, NetworkId)> {
    let all = company.world.access_of_kind(kind);
    crate::chance::pick(chance, &all).map(|(city, access)| (*city, access.v4))
}

/// Minutes of a day as milliseconds.
const fn minutes(count: i64) -> i64 {
    count * MINUTE_MS
}

#[cfg(test)]
mod tests;
