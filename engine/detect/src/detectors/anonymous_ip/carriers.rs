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

/// Carriers that are remembered of a key, each for a family of addresses; the one unused for longest gives way.
const CARRIERS_MAX: usize = 12;
/// Those that lie in the state itself: at home and on the way.
const CARRIERS_NEAR: usize = 2;
/// Two places of a carrier that are one town, and at most, where they are known to a region, one region, km.
const SAME_TOWN_KM: u16 = 60;
const SAME_REGION_KM: u16 = 250;

/// Carriers of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Carriers(SmallVec<[Carrier; CARRIERS_NEAR]>);

/// A place, and how far off it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spot {
    point: Point,
    off: Radius,
}

/// A carrier with which the user was, with addresses of a family: where those of the other are is said by other records of
/// the same files, and often elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Carrier {
    pub(super) asn: u32,
    is_v6: bool,
    /// Different days, until they are forgotten.
    days: u8,
    last_day: i32,
    /// Where that was, on the last of them.
    spot: Spot,
    /// The block of addresses where the user was last.
    line: Line,
}

impl Spot {
    /// Where an address is; `None` where no file says so.
    pub(super) fn of(seen: &SeenAddress) -> Option<Self> {
        let place = seen.location.place.ok()?;
        Some(Self { point: place.point?, off: radius::radius(place, seen.location.carrier, SAME_TOWN_KM) })
    }

    /// How far apart two places are, km, if they are in one town or may be.
    pub(super) fn km_from_town(self, other: Self) -> Option<f64> {
        let near_km = self.off.near_km(other.off, (SAME_TOWN_KM, SAME_REGION_KM));
        Some(distance_km(self.point, other.point)).filter(|km| *km <= near_km)
    }
}

impl Carrier {
    /// Different days before this one.
    pub(super) const fn days_before(&self, day: i32) -> u32 {
        self.days as u32 - (self.last_day == day) as u32
    }

    /// Where it let the user out, on the last day.
    pub(super) const fn spot(&self) -> Spot {
        self.spot
    }

    /// Was the user last in the block of addresses of this one, on an earlier day too, and lately?
    pub(super) fn has_block(&self, seen: &SeenAddress, day: i32, forget_days: u32) -> bool {
        self.line.is_known(seen, day, forget_days)
    }
}

impl Carriers {
    /// Those with which the user was so lately that they are not forgotten.
    pub(super) fn lately(&self, day: i32, forget_days: u32) -> impl Iterator<Item = &Carrier> {
        self.0.iter().filter(move |known| day - known.last_day <= forget_days as i32)
    }

    /// Notes a day at an address that no list says anything against.
    pub(super) fn note(&mut self, seen: &SeenAddress, forget_days: u32, context: &Context<'_>) {
        let (asn, day, is_v6) = (seen.location.carrier.asn, day_of(context.event.time), seen.address.ip().is_ipv6());
        let Some(spot) = Spot::of(seen) else { return };
        let same = |known: &&mut Carrier| (known.asn, known.is_v6) == (asn, is_v6);
        if let Some(known) = self.0.iter_mut().find(same) {
            if day < known.last_day || context.late {
                return;
            }
            known.line.note(seen, day, forget_days);
            if day > known.last_day {
                let is_forgotten = day - known.last_day > forget_days as i32;
                let days = if is_forgotten { 1 } else { known.days.saturating_add(1) };
                *known = Carrier { days, last_day: day, spot, ..*known };
            }
            return;
        }
        if asn == 0 || context.late || !context.keeps(2) || context.is_egress(seen) {
            return;
        }
        if self.0.len() >= CARRIERS_MAX
            && let Some(oldest) = unused_longest(self.0.iter().map(|known| known.last_day))
        {
            self.0.remove(oldest);
        }
        let mut line = Line::default();
        line.note(seen, day, forget_days);
        self.0.push(Carrier { asn, is_v6, days: 1, last_day: day, spot, line });
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

/// A block of addresses where a carrier let the user out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    /// See [`NetworkId::short`].
    block: u32,
    /// The first day and the last on which that was the last one, days since the epoch.
    first_day: u16,
    last_day: u16,
}

impl Line {
    /// Was the user there on an earlier day, and lately?
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
