//! What an account does on one local day: a pure function of seed, account and day.

mod confounded;
mod human;
mod machine;
mod near_miss;
mod project;

use std::net::IpAddr;
use std::ops::Range;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device};
use crate::chance::{Chance, Purpose, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::confounders::Confounder;
use crate::misleading::Moment;
use crate::people::{AccountKind, Person, Stay};
use crate::world::{Access, CityId, NetworkId, World};

pub(crate) use human::is_month_end;
pub(crate) use project::is_quarter_end;

/// No zone's midnight is further from UTC's than this.
const ZONE_SPAN_MS: i64 = 15 * HOUR_MS;
/// After landing nobody works for this long.
const AFTER_LANDING_MS: i64 = 45 * MINUTE_MS;
/// Before leaving for the airport work stops by this much.
const BEFORE_LEAVING_MS: i64 = 20 * MINUTE_MS;

/// Where and when a day's plan is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayContext<'a> {
    pub(crate) world: &'a World,
    pub(crate) seed: u64,
    /// Day 0 of the run, counted from the epoch.
    pub(crate) first_epoch_day: i64,
}

/// Adds everything `person` does on the local day that is `day` days after the first.
pub(crate) fn plan_day(context: DayContext<'_>, account: u32, person: &Person, day: i64, out: &mut Vec<Action>) {
    if day < i64::from(person.first_day) {
        return;
    }
    let mut planner = Planner::new(context, account, person, day, out);
    let utc_midnight = planner.epoch_day * DAY_MS;
    match person.kind {
        AccountKind::Placeholder => planner.guest_day(utc_midnight),
        AccountKind::Service => planner.nightly_job(utc_midnight),
        AccountKind::Integration => planner.steady_calls(utc_midnight),
        AccountKind::Vendor => planner.vendor_visit(utc_midnight),
        AccountKind::Employee | AccountKind::External if person.habits.kiosk => planner.kiosk_day(),
        AccountKind::Employee | AccountKind::External => {
            for stay in planner.stays() {
                planner.stay_day(stay);
            }
            planner.near_misses();
            planner.hammering();
        }
    }
}

/// What of that looks like an attack by itself.
pub(crate) fn near_misses(
    context: DayContext<'_>,
    account: u32,
    person: &Person,
    day: i64,
) -> Vec<(Moment, Vec<Action>)> {
    if !person.is_human() || person.habits.kiosk {
        return Vec::new();
    }
    let mut actions = Vec::new();
    let found = Planner::new(context, account, person, day, &mut actions).near_misses();
    found.into_iter().map(|(moment, of_it)| (moment, actions[of_it].to_vec())).collect()
}

/// Draws one account's day.
struct Planner<'a> {
    world: &'a World,
    account: u32,
    person: &'a Person,
    day: i64,
    epoch_day: i64,
    seed: u64,
    chance: Chance,
    out: &'a mut Vec<Action>,
}

/// The addresses one device has at one place.
#[derive(Debug, Clone, Copy)]
struct Line {
    body: CityId,
    v4: (IpAddr, NetworkId),
    v6: Option<(IpAddr, NetworkId)>,
}

/// The part of a local day that a stay leaves for work.
#[allow(clippy::struct_field_names, reason = "the unit comes last in every name")]
#[derive(Debug, Clone, Copy)]
struct Window {
    midnight_ms: i64,
    from_ms: i64,
    to_ms: i64,
}

impl<'a> Planner<'a> {
    fn new(context: DayContext<'a>, account: u32, person: &'a Person, day: i64, out: &'a mut Vec<Action>) -> Self {
        Self {
            world: context.world,
            account,
            person,
            day,
            epoch_day: context.first_epoch_day + day,
            seed: context.seed,
            chance: stream(context.seed, Purpose::Day, account, (day + 1) as u32),
            out,
        }
    }

    /// The stays in which a part of the local day may lie.
    fn stays(&self) -> Vec<Stay> {
        let utc_midnight = self.epoch_day * DAY_MS;
        self.person.stays(utc_midnight - ZONE_SPAN_MS, utc_midnight + DAY_MS + ZONE_SPAN_MS)
    }

    /// Adds what looks like an attack, and answers where it stands among the actions.
    fn near_misses(&mut self) -> Vec<(Moment, Range<usize>)> {
        self.chance = stream(self.seed, Purpose::NearMiss, self.account, (self.day + 1) as u32);
        let mut found = Vec::new();
        for stay in self.stays() {
            let before = self.out.len();
            let moment = self.early_morning(stay);
            found.extend(moment.map(|moment| (moment, before..self.out.len())));
        }
        let before = self.out.len();
        let moment = self.strangers_at_the_door();
        found.extend(moment.map(|moment| (moment, before..self.out.len())));
        found
    }

    fn push(&mut self, time_ms: i64, client: Client, deed: Deed) {
        let id = self.chance.random();
        self.out.push(Action { time_ms, account: self.account, id, client, deed, label: None });
    }

    /// The window of the local day in a stay, if there is any.
    fn window(&self, stay: Stay) -> Option<Window> {
        let midnight_ms = self.world.midnight_ms(stay.city, self.epoch_day);
        let stays_put = self.person.trips.is_empty() || self.person.has(Confounder::Commuting);
        let landed = if stays_put { 0 } else { AFTER_LANDING_MS };
        let leaving = if stays_put { 0 } else { BEFORE_LEAVING_MS };
        let from_ms = midnight_ms.max(stay.from_ms + landed);
        let to_ms = (midnight_ms + DAY_MS).min(stay.to_ms - leaving);
        (from_ms < to_ms).then_some(Window { midnight_ms, from_ms, to_ms })
    }

    /// The addresses of subscriber `number` of an operator.
    fn line(&self, body: CityId, access: Access, number: u64, dual_stack: bool) -> Line {
        let address = |network| (self.world.host(network, number), network);
        Line { body, v4: address(access.v4), v6: access.v6.filter(|_| dual_stack).map(address) }
    }

    /// The client of one request: with both protocols at hand either may be taken.
    fn client(&mut self, line: Line, device: Device, browser: u8, session: u128) -> Client {
        let (ip, network) = match line.v6 {
            Some(v6) if self.chance.random_bool(0.55) => v6,
            _ => line.v4,
        };
        Client { ip, network, body: line.body, device, browser, session }
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.chance.random_range(from..to)
    }
}
