//! Stolen accounts used through what hides people, and from machines of bad repute.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::action::{Action, Client, Deed};
use crate::attacks::{Draft, suits};
use crate::chance::Chance;
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::world::{CityId, NetworkId, NetworkKind};

use super::lists::{Entry, Relay};
use super::{Ground, Plot, act, any_network, at_home, look, stranger};

/// Behind what the thief hides, by turns.
const WAYS: [Way; 5] = [Way::Tor, Way::Vpn, Way::Household, Way::Tor, Way::OpenProxy];
/// What kind of machine it is, by turns, with the kind of network it stands in.
const MACHINES: [(&str, NetworkKind); 5] = [
    ("botnet", NetworkKind::Fixed),
    ("password_spray", NetworkKind::Hosting),
    ("malware", NetworkKind::Hosting),
    ("command_and_control", NetworkKind::Hosting),
    ("scanner", NetworkKind::Fixed),
];
/// A circuit of Tor is used for so long.
const CIRCUIT_MS: i64 = 10 * MINUTE_MS;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Tor,
    /// A tunnel that anybody can rent.
    Vpn,
    /// A household's line that is rented out.
    Household,
    OpenProxy,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Tor => "tor",
            Self::Vpn => "vpn",
            Self::Household => "residential_proxy",
            Self::OpenProxy => "proxy",
        }
    }
}

/// How well a list knows the address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Known,
    /// It is hardly trusted.
    Unsure,
    /// It is listed when the attack has begun, or is over.
    Late,
    /// It leaves the list while the attack goes on.
    Expires,
}

impl Standing {
    /// Most attackers use what others have used before them.
    fn drawn(chance: &mut Chance) -> Self {
        match chance.random_range(0..8) {
            0..5 => Self::Known,
            5 => Self::Unsure,
            6 => Self::Late,
            _ => Self::Expires,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Known => "well known",
            Self::Unsure => "hardly trusted",
            Self::Late => "listed late",
            Self::Expires => "leaves the list",
        }
    }

    /// From when to when it is listed, and how sure the list is.
    fn listed(self, (start_ms, end_ms): (i64, i64), chance: &mut Chance) -> ((i64, i64), u8) {
        let span_ms = (end_ms - start_ms).max(10 * MINUTE_MS);
        let before = start_ms - chance.random_range(6 * HOUR_MS..20 * DAY_MS);
        let after = end_ms + chance.random_range(6 * HOUR_MS..10 * DAY_MS);
        let within =
            |chance: &mut Chance, least: i64, most: i64| start_ms + span_ms * chance.random_range(least..most) / 100;
        let sure = chance.random_range(60..=95);
        match self {
            Self::Known => ((before, after), sure),
            Self::Unsure => ((before, after), chance.random_range(25..=60)),
            Self::Late => ((within(chance, 20, 130), after + span_ms), sure),
            Self::Expires => ((before, within(chance, 5, 90)), sure),
        }
    }
}

/// A stolen account used through Tor, a rented tunnel, a household's line or an open proxy.
pub(super) fn anonymous(ground: &mut Ground<'_>, plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let way = WAYS[plot.number as usize % WAYS.len()];
    let has_tunnel = !plot.person.habits.consumer_vpn.is_empty();
    // Of the thieves with a rented tunnel every second comes upon somebody who rents one as well.
    let wants_tunnel = plot.number as usize % (2 * WAYS.len()) == 6 && plot.is_choosy;
    if !suits(plot.company, plot.account, plot.day) || (wants_tunnel && !has_tunnel) {
        return None;
    }
    let times = plot.requests(plot.any_moment(chance), chance);
    let span_ms = (*times.first()?, *times.last()?);
    let (standing, session) = (Standing::drawn(chance), chance.random());
    match way {
        Way::Tor => {
            let own = own_relay(plot, standing, span_ms, chance);
            let mut circuits: BTreeMap<i64, Relay> = BTreeMap::new();
            let mut clients = Vec::new();
            for at in &times {
                let circuit = (at - span_ms.0).div_euclid(CIRCUIT_MS);
                let known = circuits.get(&circuit).copied().or(own);
                let relay = known.or_else(|| ground.book.exit_at(*at, chance))?;
                circuits.insert(circuit, relay);
                clients.push(Client { ip: relay.ip, ..stranger(plot.company, relay.place, session, chance) });
            }
            let standing = if own.is_some() { standing } else { Standing::Known };
            let draft = drafted(plot, way.word(), &times, &clients, vec![way.word(), standing.word()], chance)?;
            own.into_iter().for_each(|relay| ground.book.add_relay(relay));
            Some(draft)
        }
        Way::Vpn => {
            let place = any_network(plot.company, NetworkKind::Vpn, chance)?;
            let client = stranger(plot.company, place, session, chance);
            let class = if has_tunnel { "vpn, as the victim has" } else { "vpn, well known" };
            drafted(plot, way.word(), &times, &vec![client; times.len()], vec![way.word(), class], chance)
        }
        Way::Household | Way::OpenProxy => {
            let kind = if way == Way::Household { NetworkKind::Fixed } else { NetworkKind::Hosting };
            let tag = if way == Way::Household { "rented line" } else { "open proxy" };
            listed(
                ground,
                plot,
                (way.word(), tag),
                &times,
                standing,
                |chance| {
                    let place = any_network(plot.company, kind, chance)?;
                    Some(stranger(plot.company, place, session, chance))
                },
                chance,
            )
        }
    }
}

/// An exit that the list does not know yet when the attack begins, or knows no more.
fn own_relay(plot: Plot<'_>, standing: Standing, (start_ms, end_ms): (i64, i64), chance: &mut Chance) -> Option<Relay> {
    let seen_ms = match standing {
        Standing::Late => (start_ms + chance.random_range(0..36 * HOUR_MS), end_ms + 5 * DAY_MS),
        Standing::Expires => (start_ms - 10 * DAY_MS, start_ms - chance.random_range(0..36 * HOUR_MS)),
        Standing::Known | Standing::Unsure => return None,
    };
    let place = any_network(plot.company, NetworkKind::Hosting, chance)?;
    Some(Relay { ip: plot.company.world.any_host(place.1, chance), place, seen_ms })
}

/// A stolen account used from a machine that others have seen at it.
pub(super) fn bad_repute(ground: &mut Ground<'_>, plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let (category, kind) = MACHINES[plot.number as usize % MACHINES.len()];
    if !suits(plot.company, plot.account, plot.day) {
        return None;
    }
    let times = plot.requests(plot.any_moment(chance), chance);
    let (standing, session) = (Standing::drawn(chance), chance.random());
    let start_ms = *times.first()?;
    let is_neighbour = plot.number % 8 == 3;
    listed(
        ground,
        plot,
        (category, "seen at it"),
        &times,
        standing,
        |chance| {
            if is_neighbour {
                let network = plot.person.home_line.v4;
                let home = at_home(plot.company, plot.person, start_ms, session);
                let ip = plot.company.world.host(network, plot.person.line_number + chance.random_range(3..9));
                return Some(Client { ip, ..stranger(plot.company, (home.body, network), session, chance) });
            }
            let place: (CityId, NetworkId) = any_network(plot.company, kind, chance)?;
            Some(stranger(plot.company, place, session, chance))
        },
        chance,
    )
}

/// From one address, or a slow one from up to three, which a list names from some time to another.
fn listed(
    ground: &mut Ground<'_>,
    plot: Plot<'_>,
    (category, tag): (&'static str, &'static str),
    times: &[i64],
    standing: Standing,
    client: impl Fn(&mut Chance) -> Option<Client>,
    chance: &mut Chance,
) -> Option<Draft> {
    let count = if plot.is_slow { chance.random_range(1..4) } else { 1 };
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(client(chance)?);
    }
    let clients: Vec<Client> = (0..times.len()).map(|n| all[n % all.len()]).collect();
    let draft = drafted(plot, category, times, &clients, vec![category, standing.word()], chance)?;
    let (valid_ms, confidence) = standing.listed((*times.first()?, *times.last()?), chance);
    let entry =
        |client: &Client| Entry { network: client.ip.to_string(), category, confidence, tag, valid_ms: Some(valid_ms) };
    ground.book.add(all.iter().map(entry));
    Some(draft)
}

fn drafted(
    plot: Plot<'_>,
    category: &str,
    times: &[i64],
    clients: &[Client],
    classes: Vec<&'static str>,
    chance: &mut Chance,
) -> Option<Draft> {
    // Half of them have a token and need not sign in.
    let signs_in = chance.random_bool(0.5);
    let requests = times.iter().zip(clients).enumerate();
    let actions: Vec<Action> = requests
        .map(|(nth, (at, client))| {
            let deed: Deed = if nth == 0 && signs_in { Deed::SIGN_IN } else { look(chance) };
            act(*at, plot.account, *client, deed, chance)
        })
        .collect();
    let hours = (times.last()? - times.first()?) as f64 / HOUR_MS as f64;
    let from = plot.company.world.city(clients.first()?.body).key();
    let (how, standing) =
        (if signs_in { "a password" } else { "a token" }, classes.get(1).copied().unwrap_or_default());
    let count = actions.len();
    let note = format!("{count} requests with {how} within {hours:.1} h, {category} in {from}, {standing}");
    plot.draft(actions, note, classes)
}
