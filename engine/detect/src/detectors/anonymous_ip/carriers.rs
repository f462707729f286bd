//! The carriers with which a user was at addresses that no list says anything against, and where that was.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::context::Context;
use crate::detectors::unused_longest;
use crate::finding::SeenAddress;
use crate::geometry::distance_km;
use crate::networks::NetworkId;
use crate::place::Point;
use crate::radius::{self, Radius};
use crate::time::day_of;

/// Carriers that are remembered of a key; the one unused for longest gives way.
const CARRIERS_MAX: usize = 8;
/// Carriers that lie in the state itself: at home and on the way.
const CARRIERS_NEAR: usize = 2;
/// Two places of a carrier that are one town, and at most, where they are known to a region, one region, km.
const SAME_TOWN_KM: u16 = 60;
const SAME_REGION_KM: u16 = 250;
/// A carrier's place is the user's after so many days there: one evening is a thief's as well.
const THERE_DAYS: u8 = 2;

/// Carriers of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Carriers(SmallVec<[Carrier; CARRIERS_NEAR]>);

/// A carrier with which the user was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Carrier {
    pub(super) asn: u32,
    days: Days,
    /// With addresses of IPv4 and of IPv6: files often put one of them elsewhere.
    spots: [Option<Spot>; 2],
}

/// Different days, until they are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Days {
    count: u8,
    last: i32,
}

/// Where a carrier let the user out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spot {
    here: Here,
    /// Days there, without one elsewhere.
    days: Days,
    line: Line,
}

/// A place, and how far off it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Here {
    point: Point,
    off: Radius,
}

/// The block of addresses where the user was last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    /// See [`NetworkId::short`].
    block: u32,
    /// The first day and the last on which that was the last one, days since the epoch.
    first_day: u16,
    last_day: u16,
}

impl Days {
    const fn first(day: i32) -> Self {
        Self { count: 1, last: day }
    }

    /// Before this one.
    const fn before(self, day: i32) -> u8 {
        self.count.saturating_sub((self.last == day) as u8)
    }

    const fn are_lately(self, day: i32, forget_days: u32) -> bool {
        day - self.last <= forget_days as i32
    }

    fn note(&mut self, day: i32, forget_days: u32) {
        if !self.are_lately(day, forget_days) {
            *self = Self::first(day);
        } else if day > self.last {
            *self = Self { count: self.count.saturating_add(1), last: day };
        }
    }
}

impl Line {
    fn is_known(self, seen: &SeenAddress, day: i32, forget_days: u32) -> bool {
        let [first, last] = [self.first_day, self.last_day].map(i32::from);
        self.block == NetworkId::of_block(seen).short() && first < day && day - last <= forget_days as i32
    }

    fn note(&mut self, seen: &SeenAddress, day: i32, forget_days: u32) {
        let block = NetworkId::of_block(seen).short();
        let today = u16::try_from(day).unwrap_or(0);
        let is_same = self.block == block && day - i32::from(self.last_day) <= forget_days as i32;
        let first_day = if is_same { self.first_day } else { today };
        *self = Self { block, first_day, last_day: today };
    }
}

impl Here {
    /// Where an address is; `None` where no file says so.
    pub(super) fn of(seen: &SeenAddress) -> Option<Self> {
        let place = seen.location.place.ok()?;
        Some(Self { point: place.point?, off: radius::radius(place, seen.location.carrier, SAME_TOWN_KM) })
    }

    /// How far apart two places are, km, if they are in one town or may be.
    fn km_from(self, other: Self) -> Option<f64> {
        let near_km = self.off.near_km(other.off, (SAME_TOWN_KM, SAME_REGION_KM));
        Some(distance_km(self.point, other.point)).filter(|km| *km <= near_km)
    }
}

impl Carrier {
    /// Different days before this one.
    pub(super) fn days_before(&self, day: i32) -> u32 {
        u32::from(self.days.before(day))
    }

    /// How far from here the nearest place is where the carrier let the user out on an earlier day, and lately, if that is in the
    /// town; with `is_users` it must be the user's by now.
    pub(super) fn km_from(&self, here: Here, is_users: bool, (day, forget_days): (i32, u32)) -> Option<f64> {
        let days_min = if is_users { THERE_DAYS } else { 1 };
        let known = |spot: &&Spot| spot.days.before(day) >= days_min && spot.days.are_lately(day, forget_days);
        let near = self.spots.iter().flatten().filter(known).filter_map(|spot| here.km_from(spot.here));
        near.min_by(f64::total_cmp)
    }

    /// Was the user last in the block of addresses of this one, on an earlier day too, and lately?
    pub(super) fn has_block(&self, seen: &SeenAddress, (day, forget_days): (i32, u32)) -> bool {
        self.spots.iter().flatten().any(|spot| spot.line.is_known(seen, day, forget_days))
    }
}

impl Carriers {
    /// Those with which the user was so lately that they are not forgotten.
    pub(super) fn lately(&self, (day, forget_days): (i32, u32)) -> impl Iterator<Item = &Carrier> {
        self.0.iter().filter(move |known| known.days.are_lately(day, forget_days))
    }

    /// Notes a day at an address that no list says anything against.
    pub(super) fn note(&mut self, seen: &SeenAddress, forget_days: u32, context: &Context<'_>) {
        let (asn, day) = (seen.location.carrier.asn, day_of(context.event.time));
        let Some(here) = Here::of(seen) else { return };
        // Where a tunnel of the organisation ends says nothing of where the user is, be the carrier that of their home.
        if context.late || context.is_egress(seen) {
            return;
        }
        if let Some(known) = self.0.iter_mut().find(|known| known.asn == asn) {
            if day >= known.days.last {
                known.days.note(day, forget_days);
                note_spot(&mut known.spots[family(seen)], (here, seen), (day, forget_days));
            }
            return;
        }
        if asn == 0 || !context.keeps(2) {
            return;
        }
        if self.0.len() >= CARRIERS_MAX
            && let Some(oldest) = unused_longest(self.0.iter().map(|known| known.days.last))
        {
            self.0.remove(oldest);
        }
        let mut spots = [None; 2];
        note_spot(&mut spots[family(seen)], (here, seen), (day, forget_days));
        self.0.push(Carrier { asn, days: Days::first(day), spots });
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

fn family(seen: &SeenAddress) -> usize {
    usize::from(seen.address.ip().is_ipv6())
}

/// The first place of a day counts; elsewhere the days there begin anew.
fn note_spot(known: &mut Option<Spot>, (here, seen): (Here, &SeenAddress), (day, forget_days): (i32, u32)) {
    let spot = known.get_or_insert_with(|| Spot { here, days: Days::first(day), line: Line::default() });
    if day > spot.days.last {
        if spot.here.km_from(here).is_some() {
            spot.days.note(day, forget_days);
        } else {
            spot.days = Days::first(day);
        }
        spot.here = here;
    }
    spot.line.note(seen, day, forget_days);
}
