//! Harmless people at addresses that lists name.

use rand::RngExt;

use crate::action::{Client, Deed, Device};
use crate::chance::{Chance, Purpose, pick, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::confounders::Confounder;
use crate::people::Person;
use crate::world::{CityId, NetworkId, NetworkKind};

use super::devices::{own, stays_home};
use super::lists::{Entry, Relay, relay_host};
use super::{Ground, HarmlessKind, LEASE_MS, act, at_home, look, midnight_ms, minutes};

/// Of a thousand people: a tunnel of one's own from some day on, a maker's relay, the same from some day on.
const NEW_TUNNELS: u32 = 8;
const RELAYS: u32 = 40;
const NEW_RELAYS: u32 = 8;
/// The line was an exit of Tor until days, or hours, before.
const TOR_BEFORE: u32 = 40;
const TOR_JUST_BEFORE: u32 = 5;
/// A machine at home, or somebody else's behind the same carrier, takes orders from a botnet.
const INFECTED: u32 = 8;
const SHARED: u32 = 8;
/// Of a thousand addresses of hotels, and of lines of homes, which lists that are hardly sure name for a while.
const UNSURE_HOTELS: u32 = 50;
const UNSURE_LINES: u32 = 30;
/// Addresses that the guests of a city's operator share.
const HOTEL_ADDRESSES: std::ops::Range<u64> = 1..4;
/// For how long, and how sure.
const UNSURE_MS: std::ops::Range<i64> = 3 * DAY_MS..20 * DAY_MS;
const UNSURE_CONFIDENCE: std::ops::Range<u8> = 20..50;
/// As what: mostly by what others complained of.
const UNSURE_CATEGORIES: [&str; 8] =
    ["scanner", "password_spray", "malware", "scanner", "botnet", "scanner", "password_spray", "proxy"];
/// Addresses of a carrier that a list names, of the 24 that its subscribers in a city share.
const CARRIER_LISTED: u64 = 8;

/// Adds all of them.
pub(super) fn work(ground: &mut Ground<'_>) {
    let plain = |_: u32, person: &Person| stays_home(person) && person.habits.consumer_vpn.is_empty();
    for account in ground.some(NEW_TUNNELS, 300, plain) {
        through(ground, account, HarmlessKind::NewTunnel);
    }
    for account in ground.some(RELAYS, 301, plain) {
        through(ground, account, HarmlessKind::Relay);
    }
    for account in ground.some(NEW_RELAYS, 302, plain) {
        through(ground, account, HarmlessKind::NewRelay);
    }
    for account in ground.some(TOR_BEFORE, 303, |_, _| true) {
        was_an_exit(ground, account, HarmlessKind::TorBefore);
    }
    for account in ground.some(TOR_JUST_BEFORE, 304, |_, _| true) {
        was_an_exit(ground, account, HarmlessKind::TorJustBefore);
    }
    for account in ground.some(INFECTED, 305, |_, person| stays_home(person) && person.office.is_none()) {
        infected(ground, account);
    }
    for account in ground.some(SHARED, 306, |_, person| stays_home(person) && !person.has(Confounder::MobileJitter)) {
        shared(ground, account);
    }
    unsure(ground);
}

/// Lists that are hardly sure name hotels and homes where somebody's machine did something once.
fn unsure(ground: &mut Ground<'_>) {
    let company = ground.company;
    let mut chance = stream(company.config.seed, Purpose::AddressWork, 0, 3);
    let hotels: Vec<(NetworkId, u64)> = company
        .world
        .access_of_kind(NetworkKind::Fixed)
        .into_iter()
        .flat_map(|(_, access)| HOTEL_ADDRESSES.map(move |number| (access.v4, number)))
        .collect();
    let leases = i64::from(company.config.days) * DAY_MS / LEASE_MS;
    let lines: Vec<(NetworkId, u64)> = company
        .people
        .iter()
        .map(|person| (person.home_line.v4, person.line_number + chance.random_range(0..leases.max(1).unsigned_abs())))
        .collect();
    for (places, per_thousand) in [(hotels, UNSURE_HOTELS), (lines, UNSURE_LINES)] {
        for (network, number) in places {
            let from_ms = company.config.start_ms + chance.random_range(0..i64::from(company.config.days) * DAY_MS);
            let (lasts_ms, confidence) = (chance.random_range(UNSURE_MS), chance.random_range(UNSURE_CONFIDENCE));
            let category = UNSURE_CATEGORIES[chance.random_range(0..UNSURE_CATEGORIES.len())];
            if chance.random_range(0..1_000) < per_thousand {
                let network = company.world.host(network, number).to_string();
                let valid_ms = Some((from_ms, from_ms + lasts_ms));
                ground.book.add([Entry { network, category, confidence, tag: "seen once", valid_ms }]);
            }
        }
    }
}

/// A little every day through a relay, or every second evening through a tunnel.
fn through(ground: &mut Ground<'_>, account: u32, kind: HarmlessKind) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let mut chance = own(ground, account);
    let days = company.config.days;
    let from = if kind == HarmlessKind::Relay { 0 } else { chance.random_range(8..days.saturating_sub(5).max(9)) };
    let is_tunnel = kind == HarmlessKind::NewTunnel;
    let Some((city, network)) = way_out(ground, person, is_tunnel, &mut chance) else { return };
    // Makers let people out in their own country; where none of the clouds is there, nobody has a relay.
    if !is_tunnel && company.world.city(city).country != company.world.city(person.home).country {
        return;
    }
    for day in from..days {
        if chance.random_bool(if is_tunnel { 0.5 } else { 0.2 }) {
            continue;
        }
        let session = chance.random();
        let ip = if is_tunnel {
            company.world.any_host(network, &mut chance)
        } else {
            relay_host(company, network, &mut chance)
        };
        let device = if is_tunnel { Device::Laptop } else { Device::Phone };
        let browser = if is_tunnel { person.habits.laptop_browser } else { person.habits.phone_browser };
        let client = Client { ip, network, body: person.home, device, browser, session };
        let mut at = midnight_ms(company, person, day) + minutes(chance.random_range(20 * 60..22 * 60));
        ground.actions.push(act(at, account, client, Deed::SIGN_IN, &mut chance));
        for _ in 0..chance.random_range(2..7) {
            at += chance.random_range(8 * SECOND_MS..3 * MINUTE_MS);
            ground.actions.push(act(at, account, client, look(&mut chance), &mut chance));
        }
    }
    let from_ms = company.config.start_ms + i64::from(from) * DAY_MS - DAY_MS / 2;
    ground.note(account, kind, (from_ms, company.end_ms()));
}

/// Any exit of a tunnel, or the cloud nearest by.
fn way_out(ground: &Ground<'_>, person: &Person, is_tunnel: bool, chance: &mut Chance) -> Option<(CityId, NetworkId)> {
    let world = &ground.company.world;
    let all = world.access_of_kind(if is_tunnel { NetworkKind::Vpn } else { NetworkKind::Cloud });
    let km = |city: CityId| world.apart_km(person.home, city);
    let nearest = all.iter().min_by(|a, b| km(a.0).total_cmp(&km(b.0)));
    let drawn = pick(chance, &all);
    if is_tunnel { drawn } else { nearest }.map(|(city, access)| (*city, access.v4))
}

/// The line had been an exit before its address became theirs.
fn was_an_exit(ground: &mut Ground<'_>, account: u32, kind: HarmlessKind) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let mut chance = own(ground, account);
    let leases = (i64::from(company.config.days) * DAY_MS / LEASE_MS).max(1);
    let first = i64::from(kind == HarmlessKind::TorJustBefore);
    let theirs_ms = company.config.start_ms + chance.random_range(first..leases.max(first + 1)) * LEASE_MS;
    let before = if kind == HarmlessKind::TorBefore {
        chance.random_range(2 * DAY_MS..20 * DAY_MS)
    } else {
        chance.random_range(HOUR_MS..20 * HOUR_MS)
    };
    let home = at_home(company, person, theirs_ms, 0);
    let until_ms = theirs_ms - before;
    let place = (home.body, home.network);
    ground.book.add_relay(Relay { ip: home.ip, place, seen_ms: (until_ms - 20 * DAY_MS, until_ms) });
    ground.note(account, kind, (theirs_ms - DAY_MS, theirs_ms + LEASE_MS));
}

fn infected(ground: &mut Ground<'_>, account: u32) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let mut chance = own(ground, account);
    let day = chance.random_range(6..company.config.days.saturating_sub(4).max(7));
    let from_ms = midnight_ms(company, person, day);
    let until_ms = from_ms + chance.random_range(4 * DAY_MS..10 * DAY_MS);
    let network = at_home(company, person, from_ms, 0).ip.to_string();
    let valid_ms = Some((from_ms, until_ms));
    let confidence = chance.random_range(60..=90);
    ground.book.add([Entry { network, category: "botnet", confidence, tag: "infected", valid_ms }]);
    ground.note(account, HarmlessKind::InfectedHome, (from_ms, until_ms));
}

fn shared(ground: &mut Ground<'_>, account: u32) {
    let (company, person) = (ground.company, &ground.company.people[account as usize]);
    let mut chance = own(ground, account);
    let day = chance.random_range(6..company.config.days.saturating_sub(4).max(7));
    let from_ms = midnight_ms(company, person, day);
    let until_ms = from_ms + chance.random_range(DAY_MS..3 * DAY_MS);
    let carrier = person.carrier.v4;
    let entry = |number| Entry {
        network: company.world.host(carrier, number).to_string(),
        category: "botnet",
        confidence: 70,
        tag: "infected",
        valid_ms: Some((from_ms, until_ms)),
    };
    ground.book.add((0..CARRIER_LISTED).map(entry));
    // Whoever else has that carrier in the city comes out there as well.
    for other in 0..company.people.len() as u32 {
        if company.people[other as usize].carrier.v4 == carrier {
            ground.note(other, HarmlessKind::SharedAddress, (from_ms, until_ms));
        }
    }
}
