//! Attacks that take days: a guess, or a request, now and then.

use rand::RngExt;

use crate::action::{Client, Deed, RECORD_COUNT, Refusal};
use crate::chance::{Chance, log_uniform, pick};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};

use super::burst::{elsewhere, guessing_classes};
use super::far::{abroad_at_night, guessing_city, rummage};
use super::{AttackKind, Draft, FAR_KM, IMPOSSIBLE_KMH, Lair, Scouting};

/// How long guessing goes on, and how far guesses are apart, each of any order of magnitude alike.
const GUESSING_MS: (i64, i64) = (10 * HOUR_MS, 96 * HOUR_MS);
const STEP_MS: (i64, i64) = (6 * MINUTE_MS, 150 * MINUTE_MS);
/// Days of requests, and on how many of them there must be one.
const DAYS: (u32, u32) = (3, 7);
const REQUESTS_MIN: usize = 3;

/// One wrong password after another, too far apart for any limit of minutes; every second one ends with the right password.
pub(super) fn failed_logins(scouting: &Scouting<'_>, number: u32, chance: &mut Chance) -> Option<Draft> {
    let city = guessing_city(scouting, chance)?;
    let start_ms = scouting.days[*pick(chance, &scouting.desk)?].time_ms + chance.random_range(SECOND_MS..HOUR_MS);
    let (span_ms, step_ms) = (log_uniform(chance, GUESSING_MS), log_uniform(chance, STEP_MS));
    let client = scouting.attacker(city, 0, Lair::Anywhere, chance)?;
    let has_many = number % 4 >= 2;
    let mut actions = Vec::new();
    let mut at = start_ms;
    while at < start_ms + span_ms {
        let client = if has_many { elsewhere(scouting, client, chance)? } else { client };
        actions.push(scouting.action(at, client, Deed::LoginFailed { refusal: Refusal::BadPassword }, chance));
        at += step_ms * chance.random_range(60..140) / 100;
    }
    let failures = actions.len();
    let mut also_expected = Vec::new();
    let succeeds = number % 2 == 1;
    if succeeds {
        let on_day = scouting.later(at)?;
        also_expected = on_day.consequences(city, at, at)?;
        let client = Client { session: chance.random(), ..client };
        actions.extend(rummage(scouting, at, client, (4, true), chance));
    }
    let often = match step_ms / MINUTE_MS {
        ..15 => "every few minutes",
        15..60 => "several an hour or one",
        _ => "every hour or two",
    };
    let [place, ending] = guessing_classes(has_many, succeeds);
    let end = if succeeds { "then the right one" } else { "all of them wrong" };
    let hours = span_ms / HOUR_MS;
    let note = format!("{failures} wrong passwords over {hours} h from {place}, {often}, {end}");
    let classes = vec![often, place, ending];
    done(scouting, Draft { kind: AttackKind::SlowFailedLogins, actions, note, also_expected, classes })
}

/// A request a day or two from far away, each soon after something that the owner does.
pub(super) fn impossible_travel(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<Draft> {
    let city = scouting.city_where(chance, |id| scouting.nearest_km(id) >= FAR_KM)?;
    let client = scouting.attacker(city, chance.random(), Lair::Anywhere, chance)?;
    let signs_in = chance.random_bool(0.5);
    let mut actions = Vec::new();
    let mut also_expected = Vec::new();
    for more in 0..chance.random_range(DAYS.0..=DAYS.1) {
        let Some(on_day) = scouting.on_day(scouting.day + more).filter(|on_day| !on_day.desk.is_empty()) else {
            continue;
        };
        let moment = &on_day.days[*pick(chance, &on_day.desk)?];
        let at = moment.time_ms + chance.random_range(5 * MINUTE_MS..HOUR_MS);
        let [before, after] = on_day.speeds_kmh(city, at, at);
        if before.max(after) < IMPOSSIBLE_KMH || on_day.nearest_km(city) < FAR_KM {
            continue;
        }
        if actions.is_empty() {
            also_expected = on_day.consequences(city, at, at)?;
        }
        let deed = if actions.is_empty() && signs_in { Deed::SIGN_IN } else { view(chance) };
        actions.push(scouting.action(at, client, deed, chance));
    }
    also_expected.retain(|kind| *kind != AttackKind::ImpossibleTravel);
    let world = &scouting.company.world;
    let note = format!(
        "{} requests in {}, {:.0} km from {}, one a day while its owner works",
        actions.len(),
        world.city(city).key(),
        world.apart_km(city, scouting.person.home),
        world.city(scouting.person.home).key(),
    );
    let how = if signs_in { "a password" } else { "a session" };
    done(scouting, Draft { kind: AttackKind::SlowImpossibleTravel, actions, note, also_expected, classes: vec![how] })
}

/// A request a night from a country the owner never was in.
pub(super) fn infrequent_country(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<Draft> {
    let (city, first_ms) = abroad_at_night(scouting, chance)?;
    let client = scouting.attacker(city, chance.random(), Lair::Anywhere, chance)?;
    let signs_in = chance.random_bool(0.5);
    let mut actions = Vec::new();
    for more in 0..i64::from(chance.random_range(DAYS.0..=DAYS.1)) {
        let at = first_ms + more * 24 * HOUR_MS + chance.random_range(0..HOUR_MS);
        let deed = if actions.is_empty() && signs_in { Deed::SIGN_IN } else { view(chance) };
        actions.push(scouting.action(at, client, deed, chance));
    }
    let world = &scouting.company.world;
    let count = actions.len();
    let note = format!("{count} requests by night from {}, one a day", world.city(city).key());
    let how = if signs_in { "a password" } else { "a session" };
    let also_expected = Vec::new();
    done(scouting, Draft { kind: AttackKind::SlowInfrequentCountry, actions, note, also_expected, classes: vec![how] })
}

fn view(chance: &mut Chance) -> Deed {
    Deed::View { table: chance.random_range(0..10), record: chance.random_range(0..RECORD_COUNT) }
}

/// The attack, if it is one and over before the run is.
fn done(scouting: &Scouting<'_>, draft: Draft) -> Option<Draft> {
    let is_over = draft.actions.last().is_some_and(|last| last.time_ms + HOUR_MS < scouting.company.end_ms());
    (is_over && draft.actions.len() >= REQUESTS_MIN).then_some(draft)
}
