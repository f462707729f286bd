//! A victim, and what the victim truly does around a day: attacks are planned against it.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Action, Client, Deed, Device};
use crate::behaviour::plan_day;
use crate::chance::{Chance, pick};
use crate::clock::{DAY_MS, HOUR_MS};
use crate::company::Company;
use crate::people::Person;
use crate::world::{CityId, NetworkId, NetworkKind};

use super::{AttackKind, FAR_KM, IMPOSSIBLE_KMH, Lair, PLAUSIBLE_KMH};

/// A possible victim on a possible day.
pub(super) struct Scouting<'a> {
    pub(super) company: &'a Company,
    pub(super) account: u32,
    /// The day, counted from the first.
    pub(super) day: u32,
    pub(super) person: &'a Person,
    /// What the victim does from the day before to the day after, in order.
    pub(super) days: Vec<Action>,
    /// Positions in `days` of the day itself, working at a laptop.
    pub(super) desk: Vec<usize>,
}

impl<'a> Scouting<'a> {
    pub(super) fn new(company: &'a Company, account: u32, day: u32) -> Self {
        let person = &company.people[account as usize];
        let mut days = Vec::new();
        for day in i64::from(day) - 1..=i64::from(day) + 1 {
            plan_day(company.day_context(), account, person, day, &mut days);
        }
        days.retain(|action| !action.is_strangers());
        days.sort_unstable_by_key(|action| (action.time_ms, action.id));
        let first_epoch_day = company.config.start_ms.div_euclid(DAY_MS);
        let midnight_ms = company.world.midnight_ms(person.home, first_epoch_day + i64::from(day));
        let on_day = |action: &Action| (midnight_ms..midnight_ms + DAY_MS).contains(&action.time_ms);
        let at_desk = |action: &Action| action.client.device == Device::Laptop && action.client.session != 0;
        let desk = (0..days.len()).filter(|i| on_day(&days[*i]) && at_desk(&days[*i])).collect();
        Self { company, account, day, person, days, desk }
    }

    /// The same victim on another day.
    pub(super) fn on_day(&self, day: u32) -> Option<Scouting<'a>> {
        (day + 2 < self.company.config.days).then(|| Scouting::new(self.company, self.account, day))
    }

    /// The same victim on the day of a time.
    pub(super) fn later(&self, time_ms: i64) -> Option<Scouting<'a>> {
        let day = (time_ms - self.company.config.start_ms).div_euclid(DAY_MS);
        self.on_day(u32::try_from(day).ok()?)
    }

    pub(super) fn action(&self, time_ms: i64, client: Client, deed: Deed, chance: &mut Chance) -> Action {
        Action { time_ms, account: self.account, id: chance.random(), client, deed, label: None }
    }

    /// A moment in the middle of the victim's work at a fixed line, with more work soon after it.
    pub(super) fn moment_at_desk(&self, chance: &mut Chance) -> Option<&Action> {
        let settled = |action: &Action| {
            let kind = self.company.world.network(action.client.network).kind;
            matches!(kind, NetworkKind::Fixed | NetworkKind::Corporate) || self.is_confounded()
        };
        let position = *pick(chance, &self.desk)?;
        let (now, next) = (self.days.get(position)?, self.days.get(position + 1)?);
        let busy = next.time_ms - now.time_ms < 8 * 60_000 && next.time_ms - now.time_ms > 60_000;
        (busy && settled(now) && settled(next) && next.client.device == Device::Laptop).then_some(now)
    }

    /// Countries the account has truly been used from before or will be: home, journeys, tunnels.
    pub(super) fn known_countries(&self) -> BTreeSet<&'a str> {
        let world = &self.company.world;
        let mut cities: Vec<CityId> = vec![self.person.home];
        cities.extend(self.person.trips.iter().map(|trip| trip.city));
        cities.extend(self.days.iter().map(|action| world.network(action.client.network).true_city));
        cities.extend(self.days.iter().map(|action| world.network(action.client.network).listed_city));
        let habits = &self.person.habits;
        let ways = habits.consumer_vpn.iter().chain(&habits.proxies).chain(&habits.split_tunnel);
        cities.extend(ways.map(|network| world.network(*network).true_city));
        cities.extend(habits.moved.map(|moved| moved.city));
        cities.extend(self.person.habits.corporate_vpn.map(|egress| world.network(egress).true_city));
        cities.into_iter().map(|city| world.city(city).country.as_str()).collect()
    }

    /// The highest and lowest door-to-door speed between a place at a time and what the victim does around it:
    /// from the nearest action before to the place, and on to the nearest action after.
    pub(super) fn speeds_kmh(&self, city: CityId, from_ms: i64, to_ms: i64) -> [f64; 2] {
        let world = &self.company.world;
        let speed = |action: Option<&Action>| {
            let Some(action) = action else { return 0.0 };
            let place = world.network(action.client.network).true_city;
            let gap_ms = if action.time_ms <= from_ms { from_ms - action.time_ms } else { action.time_ms - to_ms };
            world.apart_km(place, city) / (gap_ms.max(1_000) as f64 / HOUR_MS as f64)
        };
        let successful = |action: &&Action| !matches!(action.deed, Deed::LoginFailed { .. });
        let before = self.days.iter().rev().filter(successful).find(|action| action.time_ms <= from_ms);
        let after = self.days.iter().filter(successful).find(|action| action.time_ms >= to_ms);
        [speed(before), speed(after)]
    }

    /// The shortest distance between a city and any place the account is used from these days.
    pub(super) fn nearest_km(&self, city: CityId) -> f64 {
        let world = &self.company.world;
        let places: BTreeSet<CityId> =
            self.days.iter().map(|action| world.network(action.client.network).true_city).collect();
        places.into_iter().map(|place| world.apart_km(place, city)).fold(f64::INFINITY, f64::min)
    }

    /// What else is truly the case when the account succeeds from a city in a span of time.
    ///
    /// `None` when the truth is arguable: a speed between a leisurely and an impossible one.
    pub(super) fn consequences(&self, city: CityId, from_ms: i64, to_ms: i64) -> Option<Vec<AttackKind>> {
        let mut consequences = Vec::new();
        let [before, after] = self.speeds_kmh(city, from_ms, to_ms);
        let (slow, fast) = (before.max(after) <= PLAUSIBLE_KMH, before.max(after) >= IMPOSSIBLE_KMH);
        if fast && self.nearest_km(city) >= FAR_KM {
            consequences.push(AttackKind::ImpossibleTravel);
        } else if !slow {
            return None;
        }
        if !self.known_countries().contains(self.company.world.city(city).country.as_str()) {
            consequences.push(AttackKind::InfrequentCountry);
        }
        Some(consequences)
    }

    /// Whether the company has confounders, and with them victims and attackers of more kinds.
    pub(super) fn is_confounded(&self) -> bool {
        self.company.config.confounders.is_some()
    }

    /// A line of an attacker in a city: a rented server where there is one, a home line elsewhere.
    pub(super) fn attacker_line(&self, city: CityId, lair: Lair, chance: &mut Chance) -> Option<NetworkId> {
        let world = &self.company.world;
        let rented = world.access(NetworkKind::Hosting, city).first();
        let home = pick(chance, world.access(NetworkKind::Fixed, city));
        let rented = rented.filter(|_| chance.random_bool(0.6) || lair == Lair::Hoster);
        rented.or(home).map(|access| access.v4)
    }

    /// The attacker's client.
    pub(super) fn attacker(&self, city: CityId, session: u128, lair: Lair, chance: &mut Chance) -> Option<Client> {
        let network = self.attacker_line(city, lair, chance)?;
        let ip = self.company.world.any_host(network, chance);
        let browser = chance.random_range(0..4);
        let (device, browser) = match lair {
            Lair::CopiedBrowser => (Device::Impostor, self.person.habits.laptop_browser),
            Lair::Anywhere | Lair::Hoster => (Device::Unmanaged, browser),
        };
        Some(Client { ip, network, body: city, device, browser, session })
    }

    /// A city for which `fits` holds, chosen among all of them.
    pub(super) fn city_where(&self, chance: &mut Chance, fits: impl Fn(CityId) -> bool) -> Option<CityId> {
        let count = self.company.world.cities().len();
        let fitting: Vec<CityId> = (0..count).map(|index| CityId(index as u16)).filter(|id| fits(*id)).collect();
        pick(chance, &fitting).copied()
    }
}
