//! Where a user signs in, day by day.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use super::super::unused_longest;
use super::{NEAR_KM_MAX, NETWORK_FORGET_DAYS, Params};
use crate::finding::SeenAddress;
use crate::geometry::distance_km;
use crate::place::Point;
use crate::radius::{COUNTRY_RADIUS_KM_MAX, Radius, is_mobile, radius};
use crate::time::{Millis, day_of};

/// Places that are remembered; the one unused for longest gives way.
const HOMES_MAX: usize = 3;
/// So near they are one, km.
const SAME_HOME_KM: f64 = 30.0;
/// A place that is known less exactly than this says too little of where somebody is, km.
const REGION_KM_MAX: u16 = 150;

/// At home, at the office.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Homes(ArrayVec<Home, HOMES_MAX>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Home {
    point: Point,
    off: Radius,
    last_day: i32,
}

/// How far an address lies from where the user signs in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) km: f64,
    /// So near it may be the same place: what is asked for, or how far off the places of both may be.
    pub(super) near_km: f64,
    /// The place of the address is no whole country.
    pub(super) is_exact: bool,
    /// It is another place than each of theirs, however little is known of where they are.
    pub(super) is_away: bool,
}

impl Home {
    const fn is_exact(&self) -> bool {
        self.off.km <= REGION_KM_MAX
    }
}

impl Way {
    pub(super) fn is_near(self) -> bool {
        self.km <= self.near_km
    }

    fn beyond_km(self) -> f64 {
        self.km - self.near_km
    }
}

impl Homes {
    /// Is any known, and not forgotten?
    pub(super) fn knows_any(&self, now: Millis) -> bool {
        self.0.iter().any(|home| day_of(now) - home.last_day <= NETWORK_FORGET_DAYS as i32)
    }

    /// From the one that is nearest, by what may be the same place.
    pub(super) fn way(&self, seen: &SeenAddress, now: Millis, params: &Params) -> Option<Way> {
        let (place, day) = (seen.location.place.ok()?, day_of(now));
        let (here, asked) = (place.point?, asked_km(params));
        let off = radius(place, seen.location.carrier, asked);
        let lately = || self.0.iter().filter(|home| day - home.last_day <= NETWORK_FORGET_DAYS as i32);
        let km_to = |home: &Home| distance_km(home.point, here);
        // Where nothing better than a region or a country is known of the user, nothing in it is away.
        let has_exact = lately().any(Home::is_exact);
        let far_km =
            |home: &Home| off.near_km(home.off, (asked, if has_exact { NEAR_KM_MAX } else { COUNTRY_RADIUS_KM_MAX }));
        let is_away = lately().filter(|home| home.is_exact() || !has_exact).all(|home| km_to(home) > far_km(home));
        let ways = lately().map(|home| Way {
            km: km_to(home),
            // What is known less exactly widens a home no further.
            near_km: off.near_km(Radius { km: home.off.km.min(REGION_KM_MAX), ..home.off }, (asked, NEAR_KM_MAX)),
            is_exact: off.km <= REGION_KM_MAX,
            is_away,
        });
        ways.min_by(|a, b| a.beyond_km().total_cmp(&b.beyond_km()))
    }

    /// Notes where the user signs in: of a mobile carrier the region, unless a place in it is known.
    pub(super) fn note(&mut self, seen: &SeenAddress, now: Millis, params: &Params) {
        let Some(place) = seen.location.place.ok() else { return };
        let Some(point) = place.point else { return };
        let day = day_of(now);
        self.0.retain(|home| day - home.last_day <= NETWORK_FORGET_DAYS as i32);
        let off = radius(place, seen.location.carrier, asked_km(params));
        let is_region = is_mobile(seen.location.carrier);
        if is_region && off.km > REGION_KM_MAX && !self.0.is_empty() {
            return;
        }
        let region_km = f64::from(off.km.min(REGION_KM_MAX));
        let same_km = if is_region { region_km.max(SAME_HOME_KM) } else { SAME_HOME_KM };
        if let Some(known) = self.0.iter_mut().find(|known| distance_km(known.point, point) <= same_km) {
            // What is known better stays.
            if off.km < known.off.km {
                (known.point, known.off) = (point, off);
            }
            known.last_day = day;
            return;
        }
        if self.0.is_full()
            && let Some(oldest) = unused_longest(self.0.iter().map(|known| known.last_day))
        {
            self.0.remove(oldest);
        }
        self.0.push(Home { point, off, last_day: day });
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

fn asked_km(params: &Params) -> u16 {
    u16::try_from(params.near_km).map_or(NEAR_KM_MAX, |km| km.min(NEAR_KM_MAX))
}
