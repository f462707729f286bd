//! Where the user is beyond countries that are known: mostly, by a proxy, and on a journey that was told.

use serde::{Deserialize, Serialize};

use super::counted;
use crate::context::Block;
use crate::finding::{Measure, SeenAddress};
use crate::geometry::distance_km;
use crate::place::{Country, Place, Point};
use crate::rule::Layer;
use crate::time::{DAY, HOUR, Millis, SECOND, date, spoken};

/// Nobody goes to work and back every day further than this, km.
const COMMUTE_KM: f64 = 150.0;
/// Nor faster, km/h: by train.
const LAND_KMH: f64 = 200.0;
/// Places nearer than this are one, km: a town and those around it.
const SEAT_KM: f64 = 60.0;
/// Somebody is mostly where they were on so many more days than elsewhere.
const SEAT_DAYS_MIN: u8 = 5;
/// More days count no more, so that whoever moves is mostly there after as many.
const SEAT_DAYS_MAX: u8 = 14;
/// A data centre is where a proxy lets its user out if that happened on so many days.
const PROXY_DAYS_MIN: u8 = 5;
/// More activities through a data centre than this count no more: some days of work.
const PROXY_VOTES_MAX: u16 = 1_000;
/// Who was away for less has not stayed.
const STAY_MIN: Millis = DAY;
/// Stays that are remembered; the one that ended first gives way.
pub(super) const STAYS_MAX: usize = 8;

/// Mechanism that holds back a place near by over a border.
pub(super) const NEAR_BORDER: &str = "near_border";

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Whereabouts {
    seat: Seat,
    /// The country of the last activity.
    last_country: Country,
    /// When that was, seconds since the epoch.
    last_secs: u32,
    /// Most users have none.
    rare: Option<Box<Rare>>,
}

/// Where somebody mostly is: the place that a majority of days voted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seat {
    point: Point,
    /// Days there beyond those elsewhere; 0: nowhere.
    days: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Rare {
    outlet: Outlet,
    stays: Vec<Stay>,
}

/// The country where a proxy mostly lets the user out: the one that a majority of activities voted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Outlet {
    country: Country,
    votes: u16,
    days: u8,
    last_day: i32,
}

/// A stay in a country that was told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stay {
    country: Country,
    from: Millis,
    to: Millis,
    /// The session, or the address, with which it began.
    #[serde(with = "postcard::fixint::le")]
    by: u64,
    /// There was another one.
    others: bool,
    /// Nobody used the account elsewhere meanwhile.
    alone: bool,
    /// The stay before this one, if it was a journey.
    before: Option<(Millis, Millis)>,
}

/// An activity in a country that is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) country: Country,
    pub(super) now: Millis,
    /// Who is at the other end, see [`crate::context::Context::actor`].
    pub(super) by: u64,
    /// A pause as long ends the stay.
    pub(super) quiet: Millis,
    /// A stay that ended so long ago is forgotten.
    pub(super) forget: Millis,
}

impl Whereabouts {
    /// Takes note of where the user is now.
    pub(super) fn see(&mut self, country: Country, now: Millis) {
        self.last_country = country;
        self.last_secs = u32::try_from(now / SECOND).unwrap_or_default();
    }

    /// Takes note of the first place of a day in a country that is known.
    pub(super) fn sit(&mut self, place: Place) {
        let Some(point) = place.point else { return };
        let seat = &mut self.seat;
        if seat.days == 0 {
            *seat = Seat { point, days: 1 };
        } else if distance_km(seat.point, point) <= SEAT_KM {
            seat.days = (seat.days + 1).min(SEAT_DAYS_MAX);
        } else {
            seat.days -= 1;
        }
    }

    /// Takes note of the country in which a proxy lets the user out.
    pub(super) fn let_out(&mut self, country: Country, day: i32) {
        let outlet = &mut self.rare.get_or_insert_default().outlet;
        if outlet.votes == 0 {
            *outlet = Outlet { country, votes: 1, days: 1, last_day: day };
        } else if outlet.country == country {
            outlet.votes = (outlet.votes + 1).min(PROXY_VOTES_MAX);
            outlet.days = outlet.days.saturating_add(u8::from(day > outlet.last_day));
            outlet.last_day = outlet.last_day.max(day);
        } else {
            outlet.votes -= 1;
        }
    }

    /// Holds the country where a proxy mostly lets the user out: it takes its users to the next of its data centres. Whoever
    /// is seen without it on half as many days is where they are seen.
    pub(super) fn home_proxy(&self, country: Country, day: i32, forget_days: u32) -> Option<Block> {
        let outlet = self.rare.as_ref()?.outlet;
        let ago = i64::from(day) - i64::from(outlet.last_day);
        let is_usual = outlet.votes > 0 && outlet.days >= PROXY_DAYS_MIN && ago <= i64::from(forget_days);
        let is_hidden = outlet.days > self.seat.days.saturating_mul(2);
        (is_usual && is_hidden && outlet.country == country).then(|| Block {
            layer: Layer::User,
            by: "home_proxy",
            reason: format!(
                "on {} the user left through a data centre in {country}, more often than through others: a proxy takes \
                 its users to one nearby",
                counted(u64::from(outlet.days), "day", "days"),
            ),
            measures: vec![Measure::new("proxy_days", f64::from(outlet.days), "days")],
        })
    }

    /// Holds a place over a border so near to where the user mostly is that people go there and back every day, if there
    /// was the time to go.
    pub(super) fn near_border(&self, seen: &SeenAddress, now: Millis) -> Option<Block> {
        let place = seen.location.place.ok()?;
        let point = place.point.filter(|_| f64::from(place.radius_km) <= COMMUTE_KM)?;
        let km = distance_km(self.seat.point, point);
        let is_near = self.seat.days >= SEAT_DAYS_MIN && km <= COMMUTE_KM;
        let since = now - Millis::from(self.last_secs) * SECOND;
        let is_reached = self.last_country == place.country || since as f64 * LAND_KMH >= km * HOUR as f64;
        (is_near && is_reached).then(|| Block {
            layer: Layer::User,
            by: NEAR_BORDER,
            reason: format!(
                "it is {km:.0} km over the border from where the user is on most days: people live on one side and work on \
                 the other"
            ),
            measures: vec![
                Measure::new("from_usual_place", libm::round(km), "km"),
                Measure::new("usual_place_days", f64::from(self.seat.days), "days"),
            ],
        })
    }

    /// Takes note of an activity in a country that is not known, and holds it if the user was there before on a journey
    /// that was told: for a day or longer, in more than one session, while nobody used the account elsewhere.
    pub(super) fn earlier_stay(&mut self, visit: Visit) -> Option<Block> {
        let Visit { country, now, by, quiet, forget } = visit;
        let was_elsewhere = self.last_country != country;
        let stays = &mut self.rare.get_or_insert_default().stays;
        let Some(stay) = stays.iter_mut().find(|stay| stay.country == country) else {
            if stays.len() >= STAYS_MAX {
                let first = stays.iter().enumerate().min_by_key(|(_, stay)| stay.to).map_or(0, |(index, _)| index);
                stays.remove(first);
            }
            stays.push(Stay::begin(visit, None));
            return None;
        };
        let pause = now - stay.to;
        if pause > quiet {
            // Whoever raised the alert is nobody to learn from.
            let is_owners = stay.alone && stay.others && by != stay.by;
            let is_journey = is_owners && stay.to - stay.from >= STAY_MIN && pause <= forget;
            *stay = Stay::begin(visit, is_journey.then_some((stay.from, stay.to)));
        } else if was_elsewhere {
            (stay.alone, stay.before) = (false, None);
        }
        stay.to = now;
        stay.others |= by != stay.by;
        let (from, to) = stay.before?;
        Some(Block {
            layer: Layer::User,
            by: "earlier_stay",
            reason: format!(
                "the user was in {country} from {} on for {}, which was told, and the account was used nowhere else \
                 meanwhile",
                date(from),
                spoken(to - from),
            ),
            measures: vec![Measure::new("earlier_stay_hours", libm::round((to - from) as f64 / HOUR as f64), "h")],
        })
    }
}

impl Stay {
    const fn begin(visit: Visit, before: Option<(Millis, Millis)>) -> Self {
        let Visit { country, now, by, .. } = visit;
        Self { country, from: now, to: now, by, others: false, alone: true, before }
    }
}
