//! Gives people of a confounded company what is theirs, each draw by the stated shares.

use rand::RngExt;

use crate::chance::{Chance, Purpose, pick, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, weekday};
use crate::company::CompanyConfig;
use crate::confounders::{Confounder, Confounders};
use crate::world::{Access, CityId, NetworkId, NetworkKind, World};

use super::{Habits, Hammering, Move, NewRole, Person, Trip, departments, flight_ms};

/// Whoever lives across a border works no further away than this.
const COMMUTE_KM_MAX: f64 = 130.0;
/// From door to door across a border.
const COMMUTE_MS: i64 = 55 * MINUTE_MS;
/// Data centres of the cloud proxy that serve a city, least and most: it fails over to the next, never across the globe.
const PROXIES_MIN: usize = 2;
const PROXIES_MAX: usize = 6;
/// None of them is further away than this, but for the least number.
const PROXY_KM_MAX: f64 = 3_500.0;
/// Gateways of the carrier, of all in the country, that one phone is given: they serve regions, and one fails over.
const GATEWAYS: usize = 2;
/// Nobody moves house or is hired before this day, nor so close to the end.
const FIRST_CHANGE_DAY: i64 = 10;
/// Days from a move or a first day to the end of the run, at least.
const DAYS_AFTER_CHANGE: i64 = 8;
/// Seconds between two knocks of a client with an expired password, least and most: what mail clients do.
const HAMMER_SECS: (i64, i64) = (15, 75);

/// Gives a person, as drawn so far, the confounders of the configuration.
pub(super) struct Confounding<'a> {
    pub(super) world: &'a World,
    pub(super) config: &'a CompanyConfig,
    pub(super) shares: Confounders,
    pub(super) offices: &'a [(CityId, Access)],
}

impl Confounding<'_> {
    /// Replaces the habits and journeys of the demo's people by drawn ones.
    pub(super) fn confound(&self, number: u32, person: &mut Person) {
        let mut chance = stream(self.config.seed, Purpose::Confounders, number, 0);
        let habits = &person.habits;
        person.habits = Habits {
            start_min: habits.start_min,
            work_min: habits.work_min,
            sso: habits.sso,
            laptop_browser: habits.laptop_browser,
            phone_browser: habits.phone_browser,
            ..Habits::default()
        };
        (person.trips, person.first_day) = (Vec::new(), 0);
        self.moving(person, &mut chance);
        if !person.has(Confounder::Kiosk) {
            self.way(person, &mut chance);
            self.lines(person, &mut chance);
            self.begins(person, &mut chance);
        }
        self.passwords(person, &mut chance);
        if drawn(&mut chance, self.shares.month_end) {
            person.confounders.push(Confounder::MonthEnd);
            person.habits.month_end = true;
        }
        self.projects(number, person);
        if self.shares.departments {
            departments::assign(self.config, number, person);
        }
        person.confounders.sort_unstable();
    }

    /// What makes people carry off more than they did; from a stream of its own, so that all else is the same without it.
    fn projects(&self, number: u32, person: &mut Person) {
        if person.has(Confounder::Kiosk) {
            return;
        }
        let mut chance = stream(self.config.seed, Purpose::Projects, number, 0);
        let last = i64::from(self.config.days) - DAYS_AFTER_CHANGE;
        let [is_crunch, is_new_role, is_quarter_end] =
            [self.shares.crunch, self.shares.new_role, self.shares.quarter_end].map(|share| drawn(&mut chance, share));
        if is_crunch && last > FIRST_CHANGE_DAY {
            let from = chance.random_range(FIRST_CHANGE_DAY..last);
            person.habits.crunch = Some((from, from + chance.random_range(7..15)));
            person.confounders.push(Confounder::Crunch);
        }
        // Their work at a desk is added to, where it is known how they get out.
        let is_plain = person.habits.corporate_vpn.is_none() && person.habits.consumer_vpn.is_empty();
        if is_new_role && is_plain && last > FIRST_CHANGE_DAY {
            let from = chance.random_range(FIRST_CHANGE_DAY..last);
            person.habits.new_role = Some(NewRole { from, documents: chance.random_range(5..13) });
            person.confounders.push(Confounder::NewRole);
        }
        if is_quarter_end && is_plain {
            person.habits.quarter_end = true;
            person.confounders.push(Confounder::QuarterEnd);
        }
    }

    /// One way of moving about, or none.
    fn moving(&self, person: &mut Person, chance: &mut Chance) {
        let shares = &self.shares;
        let ways = [
            (shares.commuting, Confounder::Commuting),
            (shares.business_travel, Confounder::BusinessTravel),
            (shares.relocation, Confounder::Relocation),
            (shares.road_warrior, Confounder::RoadWarrior),
            (shares.kiosk, Confounder::Kiosk),
        ];
        let Some(way) = one_of(chance, ways) else { return };
        let done = match way {
            Confounder::Commuting => self.commute(person, chance),
            Confounder::BusinessTravel => self.travels(person, chance),
            Confounder::Relocation => self.moves(person, chance),
            Confounder::RoadWarrior => self.roams(person, chance),
            _ => {
                person.name = format!("kiosk.{}", person.name);
                person.full_name = format!("Kiosk of {}", person.full_name);
                person.habits.sso = false;
                person.habits.kiosk = true;
                true
            }
        };
        person.confounders.extend(done.then_some(way));
    }

    /// One way to the network, or none but the usual.
    fn way(&self, person: &mut Person, chance: &mut Chance) {
        let shares = &self.shares;
        let ways = [
            (shares.corporate_vpn, Confounder::CorporateVpn),
            (shares.split_tunnel, Confounder::SplitTunnel),
            (shares.cloud_proxy, Confounder::CloudProxy),
            (shares.consumer_vpn, Confounder::ConsumerVpn),
        ];
        let Some(way) = one_of(chance, ways) else { return };
        match way {
            Confounder::CorporateVpn => person.habits.corporate_vpn = self.egress(),
            Confounder::SplitTunnel => person.habits.split_tunnel = self.egress(),
            Confounder::CloudProxy => person.habits.proxies = self.proxies(person.home),
            _ => {
                let all = self.world.access_of_kind(NetworkKind::Vpn);
                person.habits.consumer_vpn = (0..3).filter_map(|_| pick(chance, &all).map(|(_, a)| a.v4)).collect();
            }
        }
        person.confounders.push(way);
    }

    /// The company's one egress: the one furthest from its first office, so far from nearly everybody.
    fn egress(&self) -> Option<NetworkId> {
        let (first, _) = self.offices.first()?;
        let all = self.world.access_of_kind(NetworkKind::CorporateVpn);
        let km = |city: CityId| self.world.apart_km(*first, city);
        all.into_iter().max_by(|a, b| km(a.0).total_cmp(&km(b.0))).map(|(_, access)| access.v4)
    }

    /// The data centres of the cloud proxy that serve a city, nearest first.
    fn proxies(&self, home: CityId) -> Vec<NetworkId> {
        let km = |city: CityId| self.world.apart_km(home, city);
        let mut all = self.world.access_of_kind(NetworkKind::Proxy);
        all.sort_by(|a, b| km(a.0).total_cmp(&km(b.0)));
        let serving = all.iter().take(PROXIES_MAX).take_while(|(city, _)| km(*city) <= PROXY_KM_MAX).count();
        all.into_iter().take(serving.max(PROXIES_MIN)).map(|(_, access)| access.v4).collect()
    }

    /// Phones whose carrier lets them out anywhere, and lines with two faces.
    fn lines(&self, person: &mut Person, chance: &mut Chance) {
        if drawn(chance, self.shares.mobile_jitter) {
            person.confounders.push(Confounder::MobileJitter);
            let own = self.world.network(person.carrier.v4).asn;
            let all = self.world.access_of_kind(NetworkKind::Mobile);
            let pools = all.into_iter().map(|(_, access)| access);
            let pools: Vec<Access> = pools.filter(|access| self.world.network(access.v4).asn == own).collect();
            person.habits.carrier_pools = (0..GATEWAYS).filter_map(|_| pick(chance, &pools).copied()).collect();
        }
        let two_faced = self.world.access(NetworkKind::TwoFaced, person.home).first();
        if let Some(line) = two_faced.filter(|_| drawn(chance, self.shares.dual_stack)) {
            person.confounders.push(Confounder::DualStack);
            (person.home_line, person.habits.dual_stack) = (*line, true);
        }
    }

    fn begins(&self, person: &mut Person, chance: &mut Chance) {
        let last = i64::from(self.config.days) - DAYS_AFTER_CHANGE;
        if drawn(chance, self.shares.new_hire) && last > FIRST_CHANGE_DAY && person.trips.is_empty() {
            person.confounders.push(Confounder::NewHire);
            person.first_day = chance.random_range(FIRST_CHANGE_DAY..last) as u32;
        }
    }

    fn passwords(&self, person: &mut Person, chance: &mut Chance) {
        if drawn(chance, self.shares.forgotten_password) {
            person.confounders.push(Confounder::ForgottenPassword);
            (person.habits.forgets_password, person.habits.sso) = (true, false);
        }
        if drawn(chance, self.shares.expired_client) {
            person.confounders.push(Confounder::ExpiredClient);
            let from = chance.random_range(0..i64::from(self.config.days).max(2) - 1);
            let days = (from, from + chance.random_range(1..5));
            let every_ms = chance.random_range(HAMMER_SECS.0..HAMMER_SECS.1) * 1_000;
            person.habits.hammering = Some(Hammering { days, every_ms });
        }
    }

    /// Lives on one side of a border and works on the other.
    fn commute(&self, person: &mut Person, chance: &mut Chance) -> bool {
        let Some((home, work)) = self.pair_across_a_border(chance) else { return false };
        let line = |kind| self.world.access(kind, home).first().copied();
        let (Some(home_line), Some(carrier)) = (line(NetworkKind::Fixed), line(NetworkKind::Mobile)) else {
            return false;
        };
        (person.home, person.home_line, person.carrier, person.office) = (home, home_line, carrier, None);
        person.habits.work_line = self.world.access(NetworkKind::Fixed, work).last().copied();
        let first_day = self.first_epoch_day();
        for day in (0..i64::from(self.config.days)).filter(|day| weekday(first_day + day) < 5) {
            if chance.random_bool(0.2) {
                continue;
            }
            let start = (person.habits.start_min - 75) * MINUTE_MS + chance.random_range(-10..10) * MINUTE_MS;
            let out_ms = self.world.midnight_ms(home, first_day + day) + start;
            let back_ms = out_ms + COMMUTE_MS + (person.habits.work_min + 100) * MINUTE_MS;
            let (there_ms, home_ms) = (out_ms + COMMUTE_MS, back_ms + COMMUTE_MS);
            person.trips.push(Trip { city: work, out_ms, there_ms, back_ms, home_ms, commute: true });
        }
        true
    }

    fn pair_across_a_border(&self, chance: &mut Chance) -> Option<(CityId, CityId)> {
        let cities = self.world.cities();
        let ids: Vec<CityId> = (0..cities.len()).map(|index| CityId(index as u16)).collect();
        let near = |a: CityId, b: CityId| {
            self.world.city(a).country != self.world.city(b).country && self.world.apart_km(a, b) <= COMMUTE_KM_MAX
        };
        let pairs: Vec<(CityId, CityId)> =
            ids.iter().flat_map(|a| ids.iter().map(|b| (*a, *b))).filter(|(a, b)| near(*a, *b)).collect();
        pick(chance, &pairs).copied()
    }

    /// A few days away every few weeks: at another office three times out of four, else anywhere.
    fn travels(&self, person: &mut Person, chance: &mut Chance) -> bool {
        let mut day = chance.random_range(1..15_i64);
        while day + 8 < i64::from(self.config.days) {
            let office = pick(chance, self.offices).map(|(city, _)| *city);
            let city = office.filter(|_| chance.random_bool(0.75)).or_else(|| self.anywhere(chance));
            let Some(city) = city.filter(|city| *city != person.home) else {
                day += 1;
                continue;
            };
            let nights = chance.random_range(1..5_i64);
            self.fly(person, city, (day, nights), chance);
            day += nights + chance.random_range(9..24);
        }
        true
    }

    /// Out on Monday, back on Friday, every week in another country.
    fn roams(&self, person: &mut Person, chance: &mut Chance) -> bool {
        let first_day = self.first_epoch_day();
        let mut been = vec![self.world.city(person.home).country.clone()];
        for day in (0..i64::from(self.config.days) - 8).filter(|day| weekday(first_day + day) == 0) {
            let Some(city) = self.anywhere(chance) else { continue };
            let country = self.world.city(city).country.clone();
            if !been.contains(&country) {
                been.push(country);
                self.fly(person, city, (day, 3), chance);
            }
        }
        true
    }

    /// Adds a journey by air, if its owner is back from the last one.
    fn fly(&self, person: &mut Person, city: CityId, (day, nights): (i64, i64), chance: &mut Chance) {
        let world = self.world;
        let flight = flight_ms(world.apart_km(person.home, city));
        let out_ms =
            world.midnight_ms(person.home, self.first_epoch_day() + day) + chance.random_range(360..1_080) * MINUTE_MS;
        let there_ms = out_ms + flight;
        let back_ms = there_ms + nights * DAY_MS + chance.random_range(0..8 * HOUR_MS);
        let home_ms = back_ms + flight;
        if person.trips.last().is_none_or(|last| last.home_ms + 12 * HOUR_MS < out_ms) {
            person.trips.push(Trip { city, out_ms, there_ms, back_ms, home_ms, commute: false });
        }
    }

    /// Moves to another country for good.
    fn moves(&self, person: &mut Person, chance: &mut Chance) -> bool {
        let last = i64::from(self.config.days) - DAYS_AFTER_CHANGE;
        let Some(city) = self.anywhere(chance) else { return false };
        let abroad = self.world.city(city).country != self.world.city(person.home).country;
        let line = |kind| self.world.access(kind, city).first().copied();
        let (Some(line), Some(carrier)) = (line(NetworkKind::Fixed), line(NetworkKind::Mobile)) else { return false };
        if !abroad || last <= FIRST_CHANGE_DAY {
            return false;
        }
        let day = self.first_epoch_day() + chance.random_range(FIRST_CHANGE_DAY..last);
        let out_ms = self.world.midnight_ms(person.home, day) + 600 * MINUTE_MS;
        let there_ms = out_ms + flight_ms(self.world.apart_km(person.home, city)) + DAY_MS;
        person.habits.moved = Some(Move { city, out_ms, there_ms, line, carrier });
        true
    }

    fn anywhere(&self, chance: &mut Chance) -> Option<CityId> {
        let count = self.world.cities().len();
        (count > 0).then(|| CityId(chance.random_range(0..count) as u16))
    }

    fn first_epoch_day(&self) -> i64 {
        self.config.start_ms.div_euclid(DAY_MS)
    }
}

fn drawn(chance: &mut Chance, share: u16) -> bool {
    chance.random_range(0..1_000) < share
}

/// One of several by their shares, or none of them.
fn one_of<const N: usize>(chance: &mut Chance, shares: [(u16, Confounder); N]) -> Option<Confounder> {
    let drawn: u32 = chance.random_range(0..1_000);
    let mut below = 0;
    shares.into_iter().find_map(|(share, confounder)| {
        below += u32::from(share);
        (drawn < below).then_some(confounder)
    })
}
