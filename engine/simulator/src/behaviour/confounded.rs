//! What the confounders of a person change in a day: other ways to the network, a screen for everybody, a client that
//! knocks.

use rand::RngExt;

use crate::action::{Client, Deed, Device, Refusal};
use crate::chance::{Purpose, mix, stream};
use crate::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::people::Stay;
use crate::world::Access;

use super::human::{CARRIER_ADDRESSES, MAIL_CLIENT, OFFICE_ADDRESSES};
use super::{Line, Planner};

/// A cloud proxy sends a device to the same data centre for about this long.
const PROXY_STAY_MS: i64 = 6 * MINUTE_MS;
/// Of a thousand such spans, so many at the nearest data centre, so many more at one of the nearer ones, and the rest at
/// any that serves the city.
const PROXY_NEAREST: u64 = 700;
const PROXY_NEARER: u64 = 290;
/// Data centres that count as nearer, the nearest too.
const PROXIES_NEARER: u64 = 3;
/// A phone keeps its carrier's gateway for about this long: as long as it stays attached.
const POOL_STAY_MS: i64 = 2 * HOUR_MS;
/// Of a thousand such spans, so many at the carrier's pool of the city itself.
const POOL_OWN: u64 = 500;
/// Shifts at a kiosk begin at these hours.
const SHIFTS: [i64; 3] = [6, 14, 22];
/// Timer and wire move a knock by less than this.
const TICK_MS: i64 = 300;
/// A client knocks for so long from the beginning of the working day.
const HAMMERING_MS: i64 = 10 * HOUR_MS;

impl Planner<'_> {
    /// Home line and carrier of a stay at home: the old ones or, after a move, the new ones.
    pub(super) fn lines_at(&self, stay: Stay) -> (Access, Access) {
        match self.person.habits.moved {
            Some(moved) if moved.city == stay.city => (moved.line, moved.carrier),
            _ => (self.person.home_line, self.person.carrier),
        }
    }

    /// Where a laptop's request leaves: a cloud proxy takes all of them, a split tunnel takes files.
    pub(super) fn way_out(&self, line: Line, at: i64, deed: Deed) -> Line {
        let habits = &self.person.habits;
        if !habits.proxies.is_empty() {
            return self.proxy(line, at);
        }
        let Some(egress) = habits.split_tunnel else { return line };
        let tunnelled = matches!(
            deed,
            Deed::Download { .. } | Deed::Upload { .. } | Deed::Export { .. } | Deed::Zip { .. } | Deed::List { .. }
        );
        if !tunnelled {
            return line;
        }
        Line { body: line.body, v4: (self.world.host(egress, self.person.line_number % 16), egress), v6: None }
    }

    fn proxy(&self, line: Line, at: i64) -> Line {
        let span = at.div_euclid(PROXY_STAY_MS) as u64;
        let drawn = mix(self.person.sys_id as u64, span);
        let number = match drawn % 1_000 {
            0..PROXY_NEAREST => 0,
            n if n < PROXY_NEAREST + PROXY_NEARER => (drawn >> 20) % PROXIES_NEARER,
            _ => drawn >> 20,
        };
        let proxies = &self.person.habits.proxies;
        let Some(network) = proxies.get((number % proxies.len() as u64) as usize) else { return line };
        Line { body: line.body, v4: (self.world.host(*network, drawn >> 40), *network), v6: None }
    }

    /// Where a phone on its carrier leaves: at one of the carrier's gateways that it may be given.
    pub(super) fn phone_way_out(&self, line: Line, at: i64) -> Line {
        let (_, network) = line.v4;
        let pools = &self.person.habits.carrier_pools;
        let mobile = self.world.network(network).kind == crate::world::NetworkKind::Mobile;
        let drawn = mix(self.person.sys_id as u64 ^ 0x706f_6f6c, at.div_euclid(POOL_STAY_MS) as u64);
        if !mobile || pools.is_empty() || drawn % 1_000 < POOL_OWN {
            return line;
        }
        let Some(pool) = pools.get(((drawn >> 20) % pools.len() as u64) as usize) else { return line };
        self.line(line.body, *pool, (drawn >> 40) % CARRIER_ADDRESSES, false)
    }

    /// A screen on the floor: everybody of a shift signs in by turns, works a little and signs out, and some mistype.
    pub(super) fn kiosk_day(&mut self) {
        let person = self.person;
        let access = person.office.unwrap_or(person.home_line);
        let line = self.line(person.home, access, person.line_number % OFFICE_ADDRESSES, false);
        let midnight_ms = self.world.midnight_ms(person.home, self.epoch_day);
        for shift in SHIFTS {
            let mut at = midnight_ms + shift * HOUR_MS + self.between(-5 * MINUTE_MS, 10 * MINUTE_MS);
            for _ in 0..self.chance.random_range(4..11) {
                at = self.turn_at_kiosk(line, at);
            }
        }
    }

    fn turn_at_kiosk(&mut self, line: Line, begin: i64) -> i64 {
        let browser = self.person.habits.laptop_browser;
        let mut at = begin;
        let client = self.client(line, Device::Laptop, browser, 0);
        let mistypes = if self.chance.random_bool(0.2) { self.chance.random_range(1..4) } else { 0 };
        for _ in 0..mistypes {
            self.push(at, client, Deed::LoginFailed { refusal: Refusal::BadPassword });
            at += self.between(6 * SECOND_MS, 20 * SECOND_MS);
        }
        let client = Client { session: self.chance.random(), ..client };
        self.push(at, client, Deed::SIGN_IN);
        for _ in 0..self.chance.random_range(2..9) {
            at += self.between(10 * SECOND_MS, 90 * SECOND_MS);
            let deed = self.office_deed();
            self.push(at, client, deed);
        }
        at += self.between(5 * SECOND_MS, 30 * SECOND_MS);
        self.push(at, client, Deed::Logout);
        at + self.between(20 * SECOND_MS, 40 * MINUTE_MS)
    }

    /// A mail client at home with an expired password knocks all day, as regularly as a clock.
    pub(super) fn hammering(&mut self) {
        let person = self.person;
        let Some(hammering) = person.habits.hammering else { return };
        if !(hammering.days.0..hammering.days.1).contains(&self.day) {
            return;
        }
        self.chance = stream(self.seed, Purpose::Confounded, self.account, (self.day + 1) as u32);
        let from_ms = self.world.midnight_ms(person.home, self.epoch_day) + person.habits.start_min * MINUTE_MS;
        let mut at = from_ms;
        while at < from_ms + HAMMERING_MS {
            let stays = person.stays(at, at + 1);
            if let Some(stay) = stays.first().filter(|stay| !stay.away) {
                let (home_line, _) = self.lines_at(*stay);
                let line = self.line(stay.city, home_line, person.line_number, false);
                let client = self.client(line, Device::Phone, MAIL_CLIENT, 0);
                self.push(at, client, Deed::LoginFailed { refusal: Refusal::Expired });
            }
            at += hammering.every_ms + self.between(-TICK_MS, TICK_MS);
        }
    }
}
