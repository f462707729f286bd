//! Roles given away, administration from elsewhere, and sign-ins from listed addresses.

use rand::RngExt;

use crate::action::{Action, Client, Deed};
use crate::addresses::{Entry, any_network, look, stranger};
use crate::attacks::Draft;
use crate::chance::{Chance, log_uniform};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::world::NetworkKind;

use super::{AdminDeed, GOVERNING, How, Plot, Stage, role_name};

/// How somebody gets the role, by turns.
const WAYS: [Way; 5] = [Way::Admin, Way::Named, Way::Other, Way::Group, Way::Contained];
/// How an account administers from elsewhere, by turns.
const OUTSIDE: [Outside; 4] = [Outside::Scripts, Outside::Changes, Outside::Both, Outside::Changes];
/// Of so many attacks from elsewhere one comes through the company's own tunnel.
const TUNNELLED_ONE_IN: u32 = 8;
/// What a list may say of an attacker's address, by turns; the last is none of what the policy asks for.
const CATEGORIES: [&str; 7] =
    ["tor", "residential_proxy", "botnet", "proxy", "password_spray", "command_and_control", "vpn"];
/// One address in so many is listed only afterwards.
const LISTED_LATE_ONE_IN: u32 = 6;
/// Days of a slow attack, least and most.
const DAYS: (u32, u32) = (3, 6);
/// Accounts that attackers make have numbers from here on.
const NEW_ACCOUNTS: u32 = 2_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Admin,
    Named,
    Other,
    Group,
    Contained,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin by its id",
            Self::Named => "named in a list of roles",
            Self::Other => "another role by its id",
            Self::Group => "through a group",
            Self::Contained => "through a role that contains it",
        }
    }

    fn deed(self, whom: u32, chance: &mut Chance) -> AdminDeed {
        let other = chance.random_range(1..GOVERNING);
        let (role, how) = match self {
            Self::Admin => (0, How::Row),
            Self::Named => (chance.random_range(0..GOVERNING), How::List),
            Self::Other => (other, How::Row),
            Self::Group => (0, How::Group),
            Self::Contained => (0, How::Contained),
        };
        AdminDeed::Grant { role, how, whom }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    Scripts,
    Changes,
    Both,
}

impl Outside {
    const fn word(self) -> &'static str {
        match self {
            Self::Scripts => "runs scripts",
            Self::Changes => "changes settings and accounts",
            Self::Both => "both",
        }
    }

    fn deed(self, plot: Plot<'_>, chance: &mut Chance) -> AdminDeed {
        let is_script = match self {
            Self::Scripts => true,
            Self::Changes => false,
            Self::Both => chance.random_bool(0.5),
        };
        match chance.random_range(0..4_u32) {
            _ if is_script => AdminDeed::Script,
            0 => AdminDeed::CreateUser { whom: NEW_ACCOUNTS + plot.account * 10 + chance.random_range(0..10) },
            1 => AdminDeed::Grant { role: GOVERNING, how: How::Row, whom: plot.somebody(chance) },
            _ => AdminDeed::Configure { property: chance.random_range(0..400) },
        }
    }
}

/// A role that governs the instance is given to an accomplice, or to an account made for it.
pub(super) fn grant(plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let Stage { at, client, mut actions } = plot.stage(chance)?;
    let way = WAYS[plot.number as usize % WAYS.len()];
    let accomplice = NEW_ACCOUNTS + plot.account;
    let is_made = plot.is_slow || chance.random_bool(0.4);
    let mut at = at;
    if is_made {
        actions.push(plot.admin(at, client, AdminDeed::CreateUser { whom: accomplice }, chance));
        at += if plot.is_slow {
            log_uniform(chance, (6 * HOUR_MS, 3 * DAY_MS))
        } else {
            chance.random_range(10 * SECOND_MS..2 * MINUTE_MS)
        };
    }
    let count = if plot.is_slow { chance.random_range(1..4) } else { chance.random_range(1..3) };
    let mut roles = Vec::new();
    for nth in 0..count {
        let whom = if nth == 0 && is_made { accomplice } else { plot.somebody(chance) };
        let deed = way.deed(whom, chance);
        if let AdminDeed::Grant { role, .. } = deed {
            roles.push(role_name(role));
        }
        actions.push(plot.admin(at, client, deed, chance));
        // What was needed for a moment is taken back, so that nobody sees it.
        if way == Way::Other && !plot.is_slow {
            at += chance.random_range(2 * MINUTE_MS..20 * MINUTE_MS);
            actions.push(plot.admin(at, client, AdminDeed::Revoke { whom }, chance));
        }
        at += if plot.is_slow {
            log_uniform(chance, (8 * HOUR_MS, 2 * DAY_MS))
        } else {
            chance.random_range(20 * SECOND_MS..4 * MINUTE_MS)
        };
    }
    roles.dedup();
    let to = if is_made { "an account made for it" } else { "another account" };
    let note = format!("{} given, {}, to {to}", roles.join(", "), way.word());
    plot.draft(actions, note, way.word())
}

/// A stolen administrator's account administers from where nobody of the company works.
pub(super) fn outside(plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let way = OUTSIDE[plot.number as usize % OUTSIDE.len()];
    let is_tunnelled = plot.number % TUNNELLED_ONE_IN == TUNNELLED_ONE_IN - 1;
    let Stage { at, mut client, mut actions } = plot.elsewhere(chance)?;
    if is_tunnelled {
        let (body, network) = any_network(plot.company, NetworkKind::CorporateVpn, chance)?;
        let ip = plot.company.world.any_host(network, chance);
        client = Client { ip, network, body, ..client };
        actions.iter_mut().for_each(|action| action.client = client);
    }
    let count = if plot.is_slow { chance.random_range(DAYS.0..=DAYS.1) } else { chance.random_range(3..14) };
    let mut at = at;
    for _ in 0..count {
        let deed = way.deed(plot, chance);
        actions.push(plot.admin(at, client, deed, chance));
        at += if plot.is_slow {
            DAY_MS + chance.random_range(-3 * HOUR_MS..3 * HOUR_MS)
        } else {
            chance.random_range(15 * SECOND_MS..4 * MINUTE_MS)
        };
    }
    let class = if is_tunnelled { "through the company's tunnel" } else { way.word() };
    let often = if plot.is_slow { "one a day" } else { "within the hour" };
    plot.draft(actions, format!("{count} deeds from elsewhere, {}, {often}: {class}", way.word()), class)
}

/// Signs in with a stolen password from an address that lists name, once or day after day from another one.
pub(super) fn risky(plot: Plot<'_>, entries: &mut Vec<Entry>, chance: &mut Chance) -> Option<Draft> {
    let category = CATEGORIES[plot.number as usize % CATEGORIES.len()];
    let is_late = plot.number % LISTED_LATE_ONE_IN == LISTED_LATE_ONE_IN - 1;
    let days = if plot.is_slow { chance.random_range(DAYS.0..=DAYS.1) } else { 1 };
    let mut at = plot.any_moment(chance);
    let (mut actions, mut own): (Vec<Action>, Vec<Entry>) = (Vec::new(), Vec::new());
    for _ in 0..days {
        let kind = if category == "residential_proxy" { NetworkKind::Fixed } else { NetworkKind::Hosting };
        let client = stranger(plot.company, any_network(plot.company, kind, chance)?, chance.random(), chance);
        actions.push(plot.act(at, client, Deed::SIGN_IN, chance));
        let mut then = at;
        for _ in 0..if plot.is_slow { 2 } else { chance.random_range(4..20) } {
            then += chance.random_range(8 * SECOND_MS..MINUTE_MS);
            actions.push(plot.act(then, client, look(chance), chance));
        }
        let (before_ms, after_ms) =
            (chance.random_range(HOUR_MS..5 * DAY_MS), chance.random_range(HOUR_MS..3 * DAY_MS));
        let from_ms = if is_late { then + chance.random_range(HOUR_MS..2 * DAY_MS) } else { at - before_ms };
        own.push(Entry {
            network: client.ip.to_string(),
            category,
            confidence: chance.random_range(60..=95),
            tag: "seen at it",
            valid_ms: Some((from_ms, from_ms.max(then) + after_ms)),
        });
        at += DAY_MS + chance.random_range(-6 * HOUR_MS..6 * HOUR_MS);
    }
    let class = match (category, is_late) {
        ("vpn", _) => "a rented tunnel",
        (_, true) => "listed afterwards",
        _ => "listed",
    };
    let draft = plot.draft(actions, format!("{days} sign-ins from {category} addresses, {class}"), class)?;
    entries.extend(own);
    Some(draft)
}
