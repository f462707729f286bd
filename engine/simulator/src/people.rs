//! Who works at the simulated company, with which habits.

mod confounded;
mod departments;
mod names;
mod population;

use serde::Serialize;

use crate::chance::{mix, mix_wide};
use crate::clock::{DAY_MS, HOUR_MS};
use crate::confounders::Confounder;
use crate::world::{Access, CityId, NetworkId, World};

pub(crate) use population::populate;

/// Door-to-door overhead of a flight: to the airport, waiting, from the airport.
const FLIGHT_OVERHEAD_MS: i64 = 3 * HOUR_MS;
/// Cruising speed; with the overhead door to door stays well below 900 km/h.
const CRUISE_KMH: f64 = 800.0;

/// What kind of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Works here.
    Employee,
    /// Works for a partner.
    External,
    /// Runs nightly jobs.
    Service,
    /// Connects another system.
    Integration,
    /// The vendor's support.
    Vendor,
    /// Nobody: `guest`.
    Placeholder,
}

impl AccountKind {
    /// The word used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Employee => "employee",
            Self::External => "external",
            Self::Service => "service",
            Self::Integration => "integration",
            Self::Vendor => "vendor",
            Self::Placeholder => "placeholder",
        }
    }
}

/// A line of the user list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// `user_name` as rows carry it.
    pub name: String,
    /// Display name.
    pub full_name: String,
    /// Address; empty where there is none.
    pub email: String,
    /// Kind.
    pub kind: AccountKind,
    /// `sys_id`, 32 hexadecimal digits.
    pub sys_id: String,
    /// City of residence.
    pub home_city: String,
    /// Its country, ISO 3166.
    pub home_country: String,
    /// First day with any activity, counted from the start of the run.
    pub first_day: u32,
    /// What its owner does that looks like an attack, as far as it was drawn by a share.
    pub confounders: Vec<Confounder>,
    /// Departments by the time from which each is theirs, milliseconds since the epoch; none unless the company has them.
    pub departments: Vec<(i64, String)>,
}

/// A person or program with an account.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) kind: AccountKind,
    pub(crate) sys_id: u128,
    pub(crate) home: CityId,
    pub(crate) first_day: u32,
    pub(crate) home_line: Access,
    /// Which subscriber of the line's network, stable.
    pub(crate) line_number: u64,
    pub(crate) carrier: Access,
    pub(crate) office: Option<Access>,
    pub(crate) habits: Habits,
    pub(crate) trips: Vec<Trip>,
    pub(crate) confounders: Vec<Confounder>,
    pub(crate) departments: Vec<(i64, String)>,
    pub(crate) devices: Devices,
}

/// Which devices somebody has, where that is more than one laptop and one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Devices {
    /// From then on the laptop is another, milliseconds since the epoch.
    pub(crate) new_laptop_ms: Option<i64>,
    /// The same of the phone.
    pub(crate) new_phone_ms: Option<i64>,
    /// The browser makes itself another id so often, days.
    pub(crate) id_days: Option<i64>,
    /// Sits every day at one of so many desks, whose computers belong to the desk.
    pub(crate) desks: Option<u64>,
    /// So many screens share the account.
    pub(crate) screens: Option<u64>,
}

/// How somebody works.
#[allow(clippy::struct_excessive_bools, reason = "independent traits of a person, not states")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Habits {
    /// Start of the working day, minutes after local midnight.
    pub(crate) start_min: i64,
    /// Length of the working day without lunch, minutes.
    pub(crate) work_min: i64,
    pub(crate) sso: bool,
    pub(crate) dual_stack: bool,
    pub(crate) laptop_browser: u8,
    pub(crate) phone_browser: u8,
    /// The company VPN's egress they connect through when not in an office.
    pub(crate) corporate_vpn: Option<NetworkId>,
    /// Exits of a consumer VPN they switch between.
    pub(crate) consumer_vpn: Vec<NetworkId>,
    pub(crate) forgets_password: bool,
    /// Local days (from, to) on which a mail client goes on with an expired password.
    pub(crate) expired_days: Option<(i64, i64)>,
    pub(crate) month_end: bool,
    pub(crate) traveller: bool,
    /// The egress through which files go while pages go directly.
    pub(crate) split_tunnel: Option<NetworkId>,
    /// Data centres of a cloud proxy through which everything goes, nearest first.
    pub(crate) proxies: Vec<NetworkId>,
    /// The carrier's pools of addresses, where the phone may come out of any.
    pub(crate) carrier_pools: Vec<Access>,
    /// The line at work, for those who work across a border.
    pub(crate) work_line: Option<Access>,
    pub(crate) hammering: Option<Hammering>,
    pub(crate) moved: Option<Move>,
    /// Many people share the account at one screen.
    pub(crate) kiosk: bool,
    /// Local days, from and to, before the deadline of a project.
    pub(crate) crunch: Option<(i64, i64)>,
    pub(crate) new_role: Option<NewRole>,
    pub(crate) quarter_end: bool,
}

/// Another role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewRole {
    /// The local day from which on it is theirs.
    pub(crate) from: i64,
    /// So many documents more a working day, on average.
    pub(crate) documents: i64,
}

/// A client that knocks with a password that has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hammering {
    /// Local days, from and to.
    pub(crate) days: (i64, i64),
    /// Its rhythm.
    pub(crate) every_ms: i64,
}

/// A move to another city for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) city: CityId,
    /// Leaves the old home, milliseconds since the epoch.
    pub(crate) out_ms: i64,
    /// Is in the new one.
    pub(crate) there_ms: i64,
    /// The line of the new home.
    pub(crate) line: Access,
    /// The carrier there.
    pub(crate) carrier: Access,
}

/// A journey and back: by air, or over a border to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trip {
    pub(crate) city: CityId,
    /// Leaves home, milliseconds since the epoch.
    pub(crate) out_ms: i64,
    /// Is there.
    pub(crate) there_ms: i64,
    /// Leaves for home.
    pub(crate) back_ms: i64,
    /// Is home.
    pub(crate) home_ms: i64,
    /// To work and back, on one day.
    pub(crate) commute: bool,
}

/// A stay in one city between journeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    pub(crate) city: CityId,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) away: bool,
    /// At work across a border.
    pub(crate) commute: bool,
}

impl Person {
    /// The stays that touch the span, in order; the time between them is spent in the air.
    pub(crate) fn stays(&self, from_ms: i64, to_ms: i64) -> Vec<Stay> {
        let mut stays = Vec::with_capacity(2);
        let mut at_home_since = i64::MIN;
        let mut push = |city, since: i64, until: i64, (away, commute)| {
            let (from, to) = (since.max(from_ms), until.min(to_ms));
            if from < to {
                stays.push(Stay { city, from_ms: from, to_ms: to, away, commute });
            }
        };
        for trip in &self.trips {
            push(self.home, at_home_since, trip.out_ms, (false, false));
            push(trip.city, trip.there_ms, trip.back_ms, (true, trip.commute));
            at_home_since = trip.home_ms;
        }
        match self.habits.moved {
            Some(moved) => {
                push(self.home, at_home_since, moved.out_ms, (false, false));
                push(moved.city, moved.there_ms, i64::MAX, (false, false));
            }
            None => push(self.home, at_home_since, i64::MAX, (false, false)),
        }
        stays
    }

    /// The id of the laptop or phone in use at a time.
    pub(crate) fn device_id(&self, is_phone: bool, time_ms: i64) -> u128 {
        let Devices { new_laptop_ms, new_phone_ms, id_days, desks, screens } = self.devices;
        let of_day = mix(self.sys_id as u64, time_ms.div_euclid(DAY_MS) as u64);
        if let Some(desks) = desks.filter(|_| !is_phone) {
            return mix_wide(0x6465_736b, of_day % desks);
        }
        if let Some(screens) = screens {
            let of_hour = mix(of_day, time_ms.div_euclid(HOUR_MS) as u64);
            return self.sys_id ^ (0x100 + u128::from(of_hour % screens));
        }
        let changed_ms = if is_phone { new_phone_ms } else { new_laptop_ms };
        let is_new = changed_ms.is_some_and(|changed_ms| changed_ms <= time_ms);
        let salt = 1 + u128::from(is_phone) + if is_new { 2 } else { 0 };
        // A phone's app keeps its id.
        let update = id_days.filter(|_| !is_phone).map_or(0, |days| time_ms.div_euclid(days * DAY_MS));
        self.sys_id ^ salt ^ (u128::from(update as u64) << 16)
    }

    /// The id of a device of the world that is used with this account.
    pub(crate) fn other_device_id(&self, number: u8) -> u128 {
        mix_wide(self.sys_id as u64 ^ 0x6f_7468_6572, u64::from(number))
    }

    /// Whether it is theirs.
    pub(crate) fn has(&self, confounder: Confounder) -> bool {
        self.confounders.contains(&confounder)
    }

    /// Whether the account signs in by hand.
    pub(crate) fn is_human(&self) -> bool {
        matches!(self.kind, AccountKind::Employee | AccountKind::External)
    }

    /// The line of the public user list.
    pub(crate) fn account(&self, world: &World) -> Account {
        let home = world.city(self.home);
        Account {
            name: self.name.clone(),
            full_name: self.full_name.clone(),
            email: self.email.clone(),
            kind: self.kind,
            sys_id: format!("{:032x}", self.sys_id),
            home_city: home.name.clone(),
            home_country: home.country.clone(),
            first_day: self.first_day,
            confounders: self.confounders.clone(),
            departments: self.departments.clone(),
        }
    }
}

/// Door-to-door duration of a flight.
pub(crate) fn flight_ms(apart_km: f64) -> i64 {
    FLIGHT_OVERHEAD_MS + (apart_km / CRUISE_KMH * HOUR_MS as f64) as i64
}
