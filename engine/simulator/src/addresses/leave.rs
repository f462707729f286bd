//! Accounts that go on after their people have left, or after they were switched off.

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device, FILE_COUNT, Status};
use crate::attacks::{Draft, suits};
use crate::chance::{Chance, log_uniform};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::people::AccountKind;
use crate::world::NetworkKind;

use super::{Ground, Plot, act, any_network, at_home, look, midnight_ms, minutes, start_after, stranger};

/// What goes on, by turns.
const FAST: [Way; 6] = [Way::Session, Way::Return, Way::Overrun, Way::OffSession, Way::WithinTheHour, Way::Program];
const SLOW: [Way; 4] = [Way::OneRequest, Way::ToldDaysLate, Way::Token, Way::ToldHoursLate];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A session that is not ended carries files out.
    Session,
    /// Somebody signs in anew from elsewhere.
    Return,
    /// Carrying out begins within the hour after the leaving and ends after it.
    Overrun,
    /// The account is switched off, and a session goes on.
    OffSession,
    /// All is done in the hour after the leaving: files are carried off from one's own desk, or somebody signs in from
    /// elsewhere.
    WithinTheHour,
    /// A program's account is switched off, and its key is used.
    Program,
    /// One request, a day to weeks later.
    OneRequest,
    /// Personnel tell of it days after the day from which it counts.
    ToldDaysLate,
    /// A token of a program, now and then over days.
    Token,
    /// Personnel tell of it some hours late, on the same day or the next.
    ToldHoursLate,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Session => "a session goes on",
            Self::Return => "signs in anew",
            Self::Overrun => "over the hour",
            Self::OffSession => "switched off, a session goes on",
            Self::WithinTheHour => "within the hour",
            Self::Program => "a program's key",
            Self::OneRequest => "one request",
            Self::ToldDaysLate => "told days late",
            Self::Token => "a token over days",
            Self::ToldHoursLate => "told hours late",
        }
    }

    const fn is_told_late(self) -> bool {
        matches!(self, Self::ToldDaysLate | Self::ToldHoursLate)
    }

    const fn status(self) -> Status {
        match self {
            Self::OffSession | Self::Program | Self::OneRequest => Status::Disabled,
            _ => Status::Terminated,
        }
    }
}

/// Somebody leaves, and the account does not.
pub(super) fn attack(ground: &mut Ground<'_>, plot: Plot<'_>, chance: &mut Chance) -> Option<Draft> {
    let number = plot.number as usize;
    let way = if plot.is_slow { SLOW[number % SLOW.len()] } else { FAST[number % FAST.len()] };
    let is_program = way == Way::Program && plot.is_choosy;
    let fits =
        if is_program { plot.person.kind == AccountKind::Service } else { suits(plot.company, plot.account, plot.day) };
    if !fits {
        return None;
    }
    // The last working day ends at some time of it, or somebody is shown the door in the morning.
    let left_ms = midnight_ms(plot.company, plot.person, plot.day) + minutes(chance.random_range(9 * 60..18 * 60));
    let times = times(way, left_ms, chance);
    let is_return = way == Way::Return || way == Way::WithinTheHour && (number / FAST.len()) % 2 == 1;
    let client = client(plot, way, (left_ms, is_return), chance)?;
    let mut actions: Vec<Action> = Vec::new();
    for (nth, at) in times.iter().enumerate() {
        let deed = match way {
            _ if nth == 0 && is_return => Deed::SIGN_IN,
            Way::WithinTheHour if !is_return => Deed::Download { file: chance.random_range(0..FILE_COUNT) },
            _ => carried(way, chance),
        };
        actions.push(act(*at, plot.account, client, deed, chance));
    }
    let status = way.status();
    let told = |at, chance: &mut Chance| {
        act(at, plot.account, client, Deed::Status { status, counts_from_ms: left_ms }, chance)
    };
    let after_h = (times.first()? - left_ms) as f64 / HOUR_MS as f64;
    let note = format!("{}, {} requests, the first {after_h:.1} h after it", way.word(), times.len());
    if way.is_told_late() {
        let last_ms = *times.last()?;
        let late_ms = if way == Way::ToldDaysLate {
            chance.random_range(DAY_MS..9 * DAY_MS)
        } else {
            chance.random_range(HOUR_MS..20 * HOUR_MS)
        };
        actions.push(told((left_ms + late_ms).max(last_ms + 10 * MINUTE_MS), chance));
        let draft = plot.draft(actions, note, vec![way.word()])?;
        ground.absent(plot.account, left_ms, i64::MAX);
        return Some(draft);
    }
    let record = told(left_ms, chance);
    let draft = plot.draft(actions, note, vec![way.word()])?;
    ground.actions.push(record);
    ground.absent(plot.account, left_ms, i64::MAX);
    Some(draft)
}

fn times(way: Way, left_ms: i64, chance: &mut Chance) -> Vec<i64> {
    let first = match way {
        Way::Session | Way::OffSession => log_uniform(chance, (minutes(62), 20 * HOUR_MS)),
        Way::Return | Way::Program => log_uniform(chance, (2 * HOUR_MS, 22 * HOUR_MS)),
        Way::Overrun => chance.random_range(minutes(20)..minutes(55)),
        Way::WithinTheHour => chance.random_range(minutes(2)..minutes(25)),
        Way::OneRequest => log_uniform(chance, (DAY_MS, 12 * DAY_MS)),
        Way::Token => log_uniform(chance, (3 * HOUR_MS, 3 * DAY_MS)),
        Way::ToldDaysLate => log_uniform(chance, (2 * HOUR_MS, 3 * DAY_MS)),
        Way::ToldHoursLate => log_uniform(chance, (minutes(65), 6 * HOUR_MS)),
    };
    let mut times = vec![left_ms + first];
    let (more, steps) = match way {
        Way::OneRequest => (0, (1, 2)),
        Way::ToldDaysLate | Way::ToldHoursLate => (chance.random_range(0..3), (30 * SECOND_MS, minutes(20))),
        Way::Token => (chance.random_range(1..5), (4 * HOUR_MS, 30 * HOUR_MS)),
        Way::Overrun => (chance.random_range(15..40), (minutes(1), minutes(4))),
        Way::WithinTheHour => (chance.random_range(11..34), (5 * SECOND_MS, minutes(1))),
        _ => (chance.random_range(2..40), (5 * SECOND_MS, minutes(2))),
    };
    for _ in 0..more {
        start_after(&mut times, chance.random_range(steps.0..steps.1));
    }
    times
}

/// From where and with what.
fn client(plot: Plot<'_>, way: Way, (left_ms, is_return): (i64, bool), chance: &mut Chance) -> Option<Client> {
    let Plot { company, person, .. } = plot;
    let session = chance.random();
    let home = at_home(company, person, left_ms, session);
    Some(match way {
        _ if is_return => {
            let kind = if chance.random_bool(0.5) { NetworkKind::Fixed } else { NetworkKind::Hosting };
            stranger(company, any_network(company, kind, chance)?, session, chance)
        }
        Way::Token => Client { device: Device::Script, browser: chance.random_range(0..4), session: 0, ..home },
        Way::Program => {
            let place = any_network(company, NetworkKind::Hosting, chance)?;
            let client = stranger(company, place, 0, chance);
            Client { device: Device::Script, ..client }
        }
        _ => home,
    })
}

fn carried(way: Way, chance: &mut Chance) -> Deed {
    match way {
        Way::Token | Way::Program => {
            let rows = chance.random_range(20..2_000);
            Deed::RestRead { table: chance.random_range(0..8), rows, offset: 0, bytes: u64::from(rows) * 700 }
        }
        _ => look(chance),
    }
}
