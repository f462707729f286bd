//! Devices: an intruder's, and those of honest people.

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, Refusal};
use crate::attacks::{Draft, suits};
use crate::chance::{Chance, Purpose, log_uniform, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::people::{Devices, Person};
use crate::world::{CityId, NetworkId, NetworkKind};

use super::lists::Entry;
use super::{Ground, HarmlessKind, Plot, act, any_network, at_home, look, midnight_ms, minutes, stranger};

/// What makes the device suspicious, by turns.
const RISKS: [Risk; 4] = [Risk::Guesses, Risk::Declined, Risk::Guesses, Risk::BadAddress];
/// Wrong passwords, or second factors that were declined, least and most.
const FAILURES: (i64, i64) = (3, 40);
/// Time over which they are spread.
const FAILURES_MS: (i64, i64) = (30 * SECOND_MS, 2 * HOUR_MS);
/// From the last of them, or from the bad address, to the device.
const FAST_MS: (i64, i64) = (20 * SECOND_MS, 2 * HOUR_MS);
const SLOW_MS: (i64, i64) = (3 * HOUR_MS, 30 * HOUR_MS);
/// Somebody has been at work for so long before.
const HISTORY_DAYS: u32 = 16;
/// Lists of what an intruder's address may be on.
const CATEGORIES: [&str; 5] = ["botnet", "password_spray", "proxy", "residential_proxy", "malware"];
/// Of a thousand people: a new laptop or phone over the run, the same with mistyped passwords, a browser that changes its id,
/// another desk every day.
const NEW: u32 = 60;
const MISTYPED: u32 = 40;
const BROWSERS: u32 = 50;
const HOT_DESKS: u32 = 80;
/// Desks of those who have none of their own, and screens of a kiosk.
const DESKS: u64 = 14;
const SCREENS: u64 = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Risk {
    Guesses,
    Declined,
    BadAddress,
}

impl Risk {
    const fn word(self) -> &'static str {
        match self {
            Self::Guesses => "guessed passwords",
            Self::Declined => "second factors declined",
            Self::BadAddress => "bad address",
        }
    }
}

/// Passwords are guessed, second factors asked for until one is given, or a session comes from a bad address; then a device
/// signs in that the victim has never had.
pub(super) fn attack(ground: &mut Ground<'_>, plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let Plot { company, person, account, day, .. } = plot;
    if !suits(company, account, day) || day < person.first_day + HISTORY_DAYS {
        return None;
    }
    let risk = RISKS[plot.number as usize % RISKS.len()];
    let kind = if chance.random_bool(0.5) { NetworkKind::Hosting } else { NetworkKind::Fixed };
    let lair = stranger(company, any_network(company, kind, chance)?, 0, chance);
    let start_ms = plot.any_moment(chance);
    let gap_ms = log_uniform(chance, if plot.is_slow { SLOW_MS } else { FAST_MS });
    let (mut actions, failures) = risky(plot, risk, lair, start_ms, chance);
    let hourly =
        actions.iter().filter(|failed| actions.last().is_some_and(|last| last.time_ms - failed.time_ms <= HOUR_MS));
    let within_an_hour = hourly.count();
    let last_ms = actions.last().map_or(start_ms, |action| action.time_ms);
    // A bad address is at times that of the device itself.
    let at_once = risk == Risk::BadAddress && !plot.is_slow && chance.random_bool(0.5);
    let device = Device::Other { number: 10 + (plot.number % 200) as u8, managed: chance.random_bool(0.15) };
    let session = chance.random();
    let is_home = plot.number % 8 == 6;
    let place = if is_home {
        at_home(company, person, last_ms, session)
    } else if at_once || chance.random_bool(0.6) && risk != Risk::BadAddress {
        lair
    } else {
        stranger(company, any_network(company, NetworkKind::Fixed, chance)?, session, chance)
    };
    let client = Client { device, session, browser: chance.random_range(0..4), ..place };
    let mut at = if at_once { start_ms } else { last_ms + gap_ms };
    if at_once {
        actions.clear();
    }
    let hours = (at - last_ms) as f64 / HOUR_MS as f64;
    actions.push(act(at, account, client, Deed::SIGN_IN, chance));
    for _ in 0..chance.random_range(3..10) {
        at += chance.random_range(5 * SECOND_MS..MINUTE_MS);
        actions.push(act(at, account, client, look(chance), chance));
    }
    let confidence = if chance.random_bool(0.8) { chance.random_range(60..=95) } else { chance.random_range(30..60) };
    let class = if is_home {
        "on the victim's line"
    } else if failures.is_some_and(|count| count < 5) {
        "up to four failures"
    } else if failures.is_some() && within_an_hour < 5 {
        "hardly any failures an hour"
    } else if ground.devices.get(&account).is_some_and(|own| own.desks.is_some() || own.screens.is_some()) {
        "with many devices"
    } else if risk == Risk::BadAddress && confidence < 60 {
        "hardly trusted"
    } else if hours > 24.0 {
        "after more than a day"
    } else {
        "plain"
    };
    let what = failures.map_or_else(String::new, |count| format!("{count} "));
    let note = format!("a device {hours:.1} h after {what}{}, {class}", risk.word());
    let draft = plot.draft(actions, note, vec![risk.word(), class])?;
    if risk == Risk::BadAddress {
        let valid_ms = Some((start_ms - 3 * DAY_MS, start_ms + chance.random_range(0..2 * DAY_MS)));
        let category = CATEGORIES[chance.random_range(0..CATEGORIES.len())];
        ground.book.add([Entry { network: lair.ip.to_string(), category, confidence, tag: "seen at it", valid_ms }]);
    }
    Some(draft)
}

/// What comes before the device, and how many failures that is.
fn risky(plot: Plot<'_>, risk: Risk, lair: Client, start_ms: i64, chance: &mut Chance) -> (Vec<Action>, Option<i64>) {
    if risk == Risk::BadAddress {
        let client = Client { session: chance.random(), ..lair };
        return (vec![act(start_ms, plot.account, client, Deed::SIGN_IN, chance)], None);
    }
    let count = log_uniform(chance, FAILURES);
    let step_ms = log_uniform(chance, FAILURES_MS) / count;
    let deed = match risk {
        Risk::Declined => Deed::SecondFactorDenied,
        _ => Deed::LoginFailed { refusal: Refusal::BadPassword },
    };
    let failed = |nth: i64| act(start_ms + nth * step_ms, plot.account, lair, deed, chance);
    ((0..count).map(failed).collect(), Some(count))
}

/// Honest people's new devices, browsers, desks and screens.
pub(super) fn work(ground: &mut Ground<'_>) {
    for (kind, share, salt) in [(HarmlessKind::NewDevice, NEW, 200), (HarmlessKind::NewDeviceMistyped, MISTYPED, 201)] {
        for account in ground.some(share, salt, |_, person| stays_home(person)) {
            new_device(ground, account, kind);
        }
    }
    let (start_ms, end_ms) = (ground.company.config.start_ms, ground.company.end_ms());
    for account in ground.some(BROWSERS, 202, |_, _| true) {
        let mut chance = own(ground, account);
        let id_days = Some(chance.random_range(9..30));
        ground.devices.insert(account, Devices { id_days, ..Devices::default() });
        ground.note(account, HarmlessKind::BrowserIds, (start_ms, end_ms));
    }
    for account in ground.some(HOT_DESKS, 203, |_, person| person.office.is_some()) {
        ground.devices.insert(account, Devices { desks: Some(DESKS), ..Devices::default() });
        ground.note(account, HarmlessKind::HotDesk, (start_ms, end_ms));
    }
    for account in 0..ground.company.people.len() as u32 {
        if ground.company.people[account as usize].habits.kiosk {
            ground.devices.insert(account, Devices { screens: Some(SCREENS), ..Devices::default() });
            ground.note(account, HarmlessKind::Kiosk, (start_ms, end_ms));
        }
    }
}

pub(super) fn stays_home(person: &Person) -> bool {
    person.trips.is_empty() && person.habits.moved.is_none()
}

pub(super) fn own(ground: &Ground<'_>, account: u32) -> Chance {
    stream(ground.company.config.seed, Purpose::AddressWork, account, 2)
}

/// From some moment on the laptop or the phone is another; with mistyped passwords when it is set up.
fn new_device(ground: &mut Ground<'_>, account: u32, kind: HarmlessKind) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let mut chance = own(ground, account);
    let day = chance.random_range(4..company.config.days.saturating_sub(2).max(5));
    let at = midnight_ms(company, person, day) + minutes(chance.random_range(10 * 60..18 * 60));
    let is_phone = chance.random_bool(0.5);
    let devices = if is_phone {
        Devices { new_phone_ms: Some(at), ..Devices::default() }
    } else {
        Devices { new_laptop_ms: Some(at), ..Devices::default() }
    };
    ground.devices.insert(account, devices);
    ground.note(account, kind, (at, at + DAY_MS));
    if kind == HarmlessKind::NewDevice {
        return;
    }
    let session = chance.random();
    let home = at_home(company, person, at, session);
    let (body, network): (CityId, NetworkId) = match chance.random_range(0..4) {
        0..2 => (person.home, home.network),
        2 => (person.home, person.carrier.v4),
        // The shop's own line.
        _ => (person.home, company.world.access(NetworkKind::Fixed, person.home).last().map_or(home.network, |a| a.v4)),
    };
    let ip = if network == home.network { home.ip } else { company.world.any_host(network, &mut chance) };
    let device = if is_phone { Device::Phone } else { Device::Laptop };
    let browser = if is_phone { person.habits.phone_browser } else { person.habits.laptop_browser };
    let client = Client { ip, network, body, device, browser, session };
    // Most mistype it once or twice, some try all the passwords they ever had.
    let failures = if chance.random_bool(0.7) { chance.random_range(1..3) } else { chance.random_range(3..9) };
    let mut time_ms = at;
    for _ in 0..failures {
        let deed = Deed::LoginFailed { refusal: Refusal::BadPassword };
        ground.actions.push(act(time_ms, account, Client { session: 0, ..client }, deed, &mut chance));
        time_ms += chance.random_range(6 * SECOND_MS..90 * SECOND_MS);
    }
    // As they always sign in.
    let deed = Deed::Login { sso: person.habits.sso, code_by_mail: false };
    ground.actions.push(act(time_ms, account, client, deed, &mut chance));
    for _ in 0..3 {
        time_ms += chance.random_range(8 * SECOND_MS..MINUTE_MS);
        ground.actions.push(act(time_ms, account, client, look(&mut chance), &mut chance));
    }
}
