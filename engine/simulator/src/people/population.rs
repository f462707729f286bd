//! Draws the population and its journeys from the seed.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::chance::{Chance, Purpose, mix_wide, pick, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::company::CompanyConfig;
use crate::world::{Access, CityId, NetworkId, NetworkKind, World};

use super::confounded::Confounding;
use super::names::{FAMILY, GIVEN};
use super::{AccountKind, Devices, Habits, Person, Trip, flight_ms};

/// The first journeys to regular destinations leave before this day: a frequent traveller's history shows them.
const FIRST_ROUND_DAYS: i64 = 6;
/// A journey to a country never visited before begins on this day at the earliest.
const FIRST_VISIT_DAY: i64 = 12;
/// Longest journey in days.
const TRIP_DAYS_MAX: i64 = 10;

/// Draws everybody, in the order of their account numbers.
pub(crate) fn populate(world: &World, config: &CompanyConfig) -> Vec<Person> {
    let mut maker = Maker {
        world,
        config,
        offices: world.access_of_kind(NetworkKind::Corporate),
        used_names: BTreeMap::new(),
        first_visits_left: config.first_visits,
    };
    (0..config.users).map(|number| maker.person(number)).collect()
}

struct Maker<'a> {
    world: &'a World,
    config: &'a CompanyConfig,
    offices: Vec<(CityId, Access)>,
    used_names: BTreeMap<String, u32>,
    first_visits_left: u32,
}

impl Maker<'_> {
    /// The first accounts are those that every instance has; the rest are people.
    fn person(&mut self, number: u32) -> Person {
        let mut chance = stream(self.config.seed, Purpose::Population, number, 0);
        let services = 2 + self.config.users / 40;
        let integrations = 1 + self.config.users / 80;
        let vendors = 1 + self.config.users / 100;
        let machines = 1 + services + integrations;
        match number {
            0 => self.placeholder(&mut chance),
            n if n <= services => self.machine(n, AccountKind::Service, NetworkKind::Cloud, &mut chance),
            n if n < machines => self.machine(n, AccountKind::Integration, NetworkKind::Hosting, &mut chance),
            n if n < machines + vendors => self.vendor(&mut chance),
            n => self.human(n, n - machines - vendors, &mut chance),
        }
    }

    fn placeholder(&mut self, chance: &mut Chance) -> Person {
        let (home, _) = self.office(chance);
        self.base("guest".to_owned(), "Guest".to_owned(), AccountKind::Placeholder, home, NetworkKind::Fixed, chance)
    }

    fn machine(&mut self, number: u32, kind: AccountKind, place: NetworkKind, chance: &mut Chance) -> Person {
        let sites = self.world.access_of_kind(place);
        let home = pick(chance, &sites).map_or(CityId(0), |(city, _)| *city);
        let purpose = ["reporting", "cmdb-sync", "backup", "hr-sync", "monitoring", "mail"][number as usize % 6];
        let name = self.unique(format!("svc.{purpose}"));
        let full_name = format!("Service {purpose} {number}");
        let mut person = self.base(name, full_name, kind, home, place, chance);
        person.habits.start_min = chance.random_range(30..240);
        person
    }

    fn vendor(&mut self, chance: &mut Chance) -> Person {
        let sites = self.world.access_of_kind(NetworkKind::Hosting);
        let home = pick(chance, &sites).map_or(CityId(0), |(city, _)| *city);
        let (given, family) = names(chance);
        let name = self.unique(format!("{}@snc", family.to_lowercase()));
        let full_name = format!("{given} {family}");
        let mut person = self.base(name, full_name, AccountKind::Vendor, home, NetworkKind::Hosting, chance);
        person.habits.start_min = chance.random_range(480..720);
        person
    }

    fn human(&mut self, number: u32, ordinal: u32, chance: &mut Chance) -> Person {
        let kind = if ordinal % 12 == 9 { AccountKind::External } else { AccountKind::Employee };
        let (office_city, office) = self.office(chance);
        let remote = kind == AccountKind::External || chance.random_bool(0.3);
        let home = if remote { self.compatriot(office_city, chance) } else { office_city };
        let (given, family) = names(chance);
        let name = self.unique(format!("{}.{}", given.to_lowercase(), family.to_lowercase()));
        let mut person = self.base(name, format!("{given} {family}"), kind, home, NetworkKind::Fixed, chance);
        person.office = (!remote).then_some(office);
        person.first_day = self.hire_day(ordinal);
        person.habits = self.habits(ordinal, home, chance);
        if let Some(shares) = self.config.confounders {
            let Self { world, config, offices, .. } = self;
            Confounding { world, config, shares, offices }.confound(number, &mut person);
        } else if person.habits.traveller && person.first_day == 0 {
            person.trips = self.trips(number, home);
        }
        person
    }

    /// Roles are dealt out in turn, so that a small company has all of them.
    fn habits(&self, ordinal: u32, home: CityId, chance: &mut Chance) -> Habits {
        let consumer_vpn = if ordinal % 25 == 7 { self.exits(chance) } else { Vec::new() };
        let sso = chance.random_bool(0.6);
        Habits {
            start_min: chance.random_range(450..570),
            work_min: chance.random_range(430..500),
            // Passwords are forgotten and expire only where there are passwords.
            sso: sso && ordinal % 9 != 4 && ordinal % 20 != 11,
            dual_stack: chance.random_bool(0.5),
            laptop_browser: chance.random_range(0..8),
            phone_browser: chance.random_range(0..4),
            corporate_vpn: if ordinal % 6 == 5 { self.egress(home) } else { None },
            consumer_vpn,
            forgets_password: ordinal % 9 == 4,
            expired_days: (ordinal % 20 == 11).then(|| {
                let from = chance.random_range(3..9_i64);
                (from, from + chance.random_range(2..5))
            }),
            month_end: ordinal % 12 == 6,
            traveller: ordinal % 10 == 3,
            ..Habits::default()
        }
    }

    fn hire_day(&self, ordinal: u32) -> u32 {
        if ordinal % 16 == 8 { self.config.days / 3 + ordinal % 7 } else { 0 }
    }

    fn base(
        &self,
        name: String,
        full_name: String,
        kind: AccountKind,
        home: CityId,
        line: NetworkKind,
        chance: &mut Chance,
    ) -> Person {
        let nowhere = Access { v4: NetworkId(0), v6: None };
        let home_line = pick(chance, self.world.access(line, home)).copied().unwrap_or(nowhere);
        let carrier = pick(chance, self.world.access(NetworkKind::Mobile, home)).copied().unwrap_or(nowhere);
        let domain = if kind == AccountKind::External { "partner.example" } else { "nordvik.example" };
        let email = match kind {
            AccountKind::Employee | AccountKind::External => format!("{name}@{domain}"),
            _ => String::new(),
        };
        let sys_id = mix_wide(self.config.seed ^ 0x75_7365_7273, chance.random());
        let line_number = chance.random_range(2_000..1 << 30);
        Person {
            name,
            full_name,
            email,
            kind,
            sys_id,
            home,
            first_day: 0,
            home_line,
            line_number,
            carrier,
            office: None,
            habits: Habits::default(),
            trips: Vec::new(),
            confounders: Vec::new(),
            departments: Vec::new(),
            devices: Devices::default(),
        }
    }

    /// A traveller's journeys: every regular destination early on, then some of them again and again.
    fn trips(&mut self, number: u32, home: CityId) -> Vec<Trip> {
        let mut chance = stream(self.config.seed, Purpose::Trips, number, 0);
        let regular = self.destinations(home, &mut chance);
        let days = i64::from(self.config.days);
        let mut trips = Vec::new();
        let mut day = 1;
        for city in &regular {
            if day < FIRST_ROUND_DAYS && day + 4 < days {
                day = self.journey(home, *city, (day, 1), &mut trips, &mut chance);
            }
        }
        let visited = trips.len().min(regular.len());
        day += chance.random_range(3..8_i64);
        while day + TRIP_DAYS_MAX + 2 < days {
            let Some(city) = pick(&mut chance, &regular[..visited]) else { break };
            let nights = chance.random_range(1..TRIP_DAYS_MAX);
            if self.first_visits_left > 0 && day >= FIRST_VISIT_DAY {
                self.first_visits_left -= 1;
                let new = self.unknown_country(home, &regular, &mut chance);
                day = self.journey(home, new, (day, nights), &mut trips, &mut chance);
            } else {
                day = self.journey(home, *city, (day, nights), &mut trips, &mut chance);
            }
            day += chance.random_range(3..9_i64);
        }
        trips
    }

    /// Adds one journey that leaves on `day` and stays `nights`; answers the first day free for another.
    fn journey(
        &self,
        home: CityId,
        city: CityId,
        (day, nights): (i64, i64),
        trips: &mut Vec<Trip>,
        chance: &mut Chance,
    ) -> i64 {
        let first_day = self.config.start_ms / DAY_MS;
        let midnight_ms = |id, day| self.world.midnight_ms(id, day);
        let flight = flight_ms(self.world.apart_km(home, city));
        let at = |minutes: i64| minutes * MINUTE_MS;
        let out_ms = midnight_ms(home, first_day + day) + at(chance.random_range(840..1_080));
        let there_ms = out_ms + flight;
        let earliest_back = there_ms + 20 * HOUR_MS;
        let local_day =
            (earliest_back + at(i64::from(self.world.city(city).utc_offset_minutes))).div_euclid(DAY_MS) + nights - 1;
        let planned = midnight_ms(city, local_day) + at(chance.random_range(780..1_020));
        let back_ms = planned.max(earliest_back);
        let home_ms = back_ms + flight;
        trips.push(Trip { city, out_ms, there_ms, back_ms, home_ms, commute: false });
        (home_ms - self.config.start_ms).div_euclid(DAY_MS) + 2
    }

    /// One to three cities: offices elsewhere and big cities of the own country.
    fn destinations(&self, home: CityId, chance: &mut Chance) -> Vec<CityId> {
        let mut regular = Vec::new();
        for _ in 0..chance.random_range(1..=3) {
            let (office, _) = self.office(chance);
            let domestic = chance.random_bool(0.3);
            let city = if domestic { self.compatriot(home, chance) } else { office };
            if city != home && !regular.contains(&city) {
                regular.push(city);
            }
        }
        if regular.is_empty() {
            regular.extend(self.offices.iter().map(|(city, _)| *city).find(|city| *city != home));
        }
        regular
    }

    fn unknown_country(&self, home: CityId, regular: &[CityId], chance: &mut Chance) -> CityId {
        let country = |id: CityId| &self.world.city(id).country;
        let known: Vec<&String> = regular.iter().chain([&home]).map(|id| country(*id)).collect();
        let unknown: Vec<CityId> = (0..self.world.cities().len())
            .map(|index| CityId(index as u16))
            .filter(|id| !known.contains(&country(*id)))
            .collect();
        pick(chance, &unknown).copied().unwrap_or(home)
    }

    fn compatriot(&self, city: CityId, chance: &mut Chance) -> CityId {
        let country = &self.world.city(city).country;
        let same: Vec<CityId> = (0..self.world.cities().len())
            .filter(|index| &self.world.cities()[*index].country == country)
            .map(|index| CityId(index as u16))
            .collect();
        pick(chance, &same).copied().unwrap_or(city)
    }

    /// The company VPN's egress nearest to home that is in another city.
    fn egress(&self, home: CityId) -> Option<NetworkId> {
        let mut egresses = self.world.access_of_kind(NetworkKind::CorporateVpn);
        egresses.retain(|(city, _)| *city != home);
        egresses.sort_by(|a, b| self.world.apart_km(home, a.0).total_cmp(&self.world.apart_km(home, b.0)));
        egresses.first().map(|(_, access)| access.v4)
    }

    fn exits(&self, chance: &mut Chance) -> Vec<NetworkId> {
        let all = self.world.access_of_kind(NetworkKind::Vpn);
        let mut exits: Vec<NetworkId> = (0..3).filter_map(|_| pick(chance, &all).map(|(_, a)| a.v4)).collect();
        exits.sort_unstable();
        exits.dedup();
        exits
    }

    fn office(&self, chance: &mut Chance) -> (CityId, Access) {
        let nowhere = (CityId(0), Access { v4: NetworkId(0), v6: None });
        pick(chance, &self.offices).copied().unwrap_or(nowhere)
    }

    fn unique(&mut self, name: String) -> String {
        let taken = self.used_names.entry(name.clone()).or_insert(0);
        *taken += 1;
        match (*taken, name.split_once('@')) {
            (1, _) => name,
            (n, Some((local, domain))) => format!("{local}{n}@{domain}"),
            (n, None) => format!("{name}{n}"),
        }
    }
}

fn names(chance: &mut Chance) -> (&'static str, &'static str) {
    (pick(chance, &GIVEN).copied().unwrap_or("Ana"), pick(chance, &FAMILY).copied().unwrap_or("Lind"))
}
