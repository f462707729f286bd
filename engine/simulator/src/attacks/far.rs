//! Attacks from far away.

use rand::RngExt;

use crate::action::{Action, Client, Deed, FILE_COUNT, RECORD_COUNT};
use crate::chance::Chance;
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::world::{CityId, NetworkKind};

use super::{AttackKind, Draft, FAR_KM, Lair, PLAUSIBLE_KMH, Scouting};

/// The victim's night is at least this long.
const NIGHT_MS: i64 = 9 * HOUR_MS;
/// A new country lies at least this far away.
const ABROAD_KM: f64 = 700.0;

/// A session or a password used far away while its owner works.
pub(super) fn impossible_travel(scouting: &Scouting<'_>, number: u32, chance: &mut Chance) -> Option<Draft> {
    let world = &scouting.company.world;
    let moment = scouting.moment_at_desk(chance)?;
    let confounded = scouting.is_confounded();
    let domestic = number % if confounded { 4 } else { 3 } == 2;
    let (stolen_session, lair) = match number % 4 {
        1 if confounded => (false, Lair::Hoster),
        3 if confounded => (true, Lair::CopiedBrowser),
        n => (n.is_multiple_of(2), Lair::Anywhere),
    };
    let home_country = &world.city(moment.client.body).country;
    let city = scouting.city_where(chance, |id| {
        let hosted = lair != Lair::Hoster || !world.access(NetworkKind::Hosting, id).is_empty();
        (&world.city(id).country == home_country) == domestic && scouting.nearest_km(id) >= FAR_KM && hosted
    })?;
    let start_ms = moment.time_ms + chance.random_range(10 * SECOND_MS..50 * SECOND_MS);
    let session = if stolen_session { moment.client.session } else { chance.random() };
    let client = scouting.attacker(city, session, lair, chance)?;
    let steps = chance.random_range(6..14);
    let actions = rummage(scouting, start_ms, client, (steps, !stolen_session), chance);
    let end_ms = actions.last()?.time_ms;
    let mut also_expected = scouting.consequences(city, start_ms, start_ms)?;
    if !also_expected.contains(&AttackKind::ImpossibleTravel) || end_ms <= start_ms {
        return None;
    }
    also_expected.retain(|kind| *kind != AttackKind::ImpossibleTravel);
    let what = match (stolen_session, lair) {
        (true, Lair::CopiedBrowser) => "session goes on with a copied user agent",
        (true, _) => "session goes on with another browser",
        (false, Lair::Hoster) => "password is used at a hoster",
        (false, _) => "password is used",
    };
    let note = format!(
        "{what} in {}, {:.0} km from {}, while its owner works there",
        world.city(city).key(),
        world.apart_km(city, moment.client.body),
        world.city(moment.client.body).key(),
    );
    Some(Draft { kind: AttackKind::ImpossibleTravel, actions, note, also_expected, classes: Vec::new() })
}

/// An account used in the middle of its owner's night from a country the owner never was in.
pub(super) fn infrequent_country(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<Draft> {
    let world = &scouting.company.world;
    let (city, start_ms) = abroad_at_night(scouting, chance)?;
    let session = chance.random();
    let client = scouting.attacker(city, session, Lair::Anywhere, chance)?;
    let steps = chance.random_range(8..20);
    let actions = rummage(scouting, start_ms, client, (steps, true), chance);
    if actions.last()?.time_ms > start_ms + HOUR_MS {
        return None;
    }
    let note = format!(
        "signed in at night from {}, {:.0} km from {}, with hours on both sides",
        world.city(city).key(),
        world.apart_km(city, scouting.person.home),
        world.city(scouting.person.home).key(),
    );
    Some(Draft { kind: AttackKind::InfrequentCountry, actions, note, also_expected: Vec::new(), classes: Vec::new() })
}

/// A new country that can be reached and left in time, and the middle of the victim's night.
pub(super) fn abroad_at_night(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<(CityId, i64)> {
    let world = &scouting.company.world;
    let last = *scouting.desk.last()?;
    let evening = scouting.days[last..].windows(2).find(|pair| pair[1].time_ms - pair[0].time_ms >= NIGHT_MS)?;
    let (before_ms, after_ms) = (evening[0].time_ms, evening[1].time_ms);
    let known = scouting.known_countries();
    let start_ms = before_ms + (after_ms - before_ms) * 45 / 100;
    let city = scouting.city_where(chance, |id| {
        let [out, back] = scouting.speeds_kmh(id, start_ms, start_ms + HOUR_MS);
        let abroad = !known.contains(world.city(id).country.as_str()) && scouting.nearest_km(id) >= ABROAD_KM;
        abroad && out.max(back) <= PLAUSIBLE_KMH
    })?;
    Some((city, start_ms))
}

/// Signs in where asked to and looks around: lists, records, a few files.
pub(super) fn rummage(
    scouting: &Scouting<'_>,
    start_ms: i64,
    client: Client,
    (steps, sign_in): (u32, bool),
    chance: &mut Chance,
) -> Vec<Action> {
    let mut at = start_ms;
    let mut actions = Vec::new();
    if sign_in {
        actions.push(scouting.action(at, client, Deed::SIGN_IN, chance));
        at += chance.random_range(3 * SECOND_MS..12 * SECOND_MS);
    }
    for _ in 0..steps {
        let deed = match chance.random_range(0..10_u32) {
            0..3 => Deed::List { table: chance.random_range(0..10) },
            3..8 => Deed::View { table: chance.random_range(0..10), record: chance.random_range(0..RECORD_COUNT) },
            _ => Deed::Download { file: chance.random_range(0..FILE_COUNT) },
        };
        actions.push(scouting.action(at, client, deed, chance));
        at += chance.random_range(8 * SECOND_MS..MINUTE_MS);
    }
    actions
}

/// A city abroad or at home from which success would have a clear meaning.
pub(super) fn guessing_city(scouting: &Scouting<'_>, chance: &mut Chance) -> Option<CityId> {
    scouting.city_where(chance, |id| scouting.nearest_km(id) >= FAR_KM)
}
