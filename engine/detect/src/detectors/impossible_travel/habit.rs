//! The networks a user works from, and the ways between them that are the user's habit and no journey.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::ground::PROXY_REACH_KM;
use super::{Params, place_of};
use crate::context::Block;
use crate::finding::{Measure, SeenAddress};
use crate::geometry::distance_km;
use crate::hash::hash64;
use crate::near;
use crate::place::{Place, Point};
use crate::rule::Layer;

/// Networks of a key that are remembered; the one unused for longest gives way.
pub const NETWORKS_MAX: usize = 16;
/// Networks that lie in the state itself: more are rare.
const NETWORKS_NEAR: usize = 2;
/// Tells the block of an address that has no carrier from the number of one.
const BLOCK_MARK: u64 = 1 << 63;

/// The networks of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Networks {
    list: SmallVec<[Network; NETWORKS_NEAR]>,
    jumps: Days,
}

/// Different days, until they are forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Days {
    count: u16,
    /// The last of them; says nothing while there is none.
    last: i32,
}

/// One carrier at one listed place: an egress of the same carrier in another city is another network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    /// Number of the autonomous system, or the marked block of addresses where there is none.
    carrier: u64,
    point: Point,
    radius_km: u16,
    /// Of use.
    days: Days,
    /// On which the user jumped to it in less time than travel takes.
    jumps: Days,
}

/// What is known of one end of a jump.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Habit {
    /// Days of use.
    days: u16,
    /// Days of jumps to it.
    jump_days: u16,
    /// Days before this one, of this network or of one that may well be at the same place.
    earlier_days: u16,
    /// Days before this one, of this network.
    pub(super) days_before: u16,
}

/// What is known of a mobile carrier of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Carried {
    pub(super) asn: u32,
    /// Days before this one on which the user was on it, at least.
    pub(super) earlier_days: u16,
}

/// What a jump has to show that it is the habit of its user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ways {
    pub(super) from: Habit,
    pub(super) to: Habit,
    /// Days on which the user jumped between any networks.
    pub(super) jump_days: u16,
    /// The same session goes on in the same browser.
    pub(super) same_client: bool,
    /// Another browser or device is named.
    pub(super) stranger: bool,
}

impl Days {
    pub(super) fn add(&mut self, day: i32, forget: i32) {
        if self.count == 0 || day - self.last > forget {
            *self = Self { count: 1, last: day };
        } else if day > self.last {
            *self = Self { count: self.count.saturating_add(1), last: day };
        }
    }

    pub(super) const fn remembered(self, day: i32, forget: i32) -> u16 {
        if day - self.last > forget { 0 } else { self.count }
    }

    /// The last of them.
    pub(super) const fn last(self) -> i32 {
        self.last
    }

    pub(super) fn before(self, day: i32, forget: i32) -> u16 {
        self.remembered(day, forget).saturating_sub(u16::from(self.last >= day))
    }
}

impl Networks {
    /// What is known of the network of an address; what was unused for long is forgotten.
    pub(super) fn habit(&self, params: &Params, seen: &SeenAddress, day: i32) -> Habit {
        let mut habit = Habit::default();
        let Some((carrier, place, point)) = network_of(seen) else { return habit };
        let forget = params.familiar_forget_days as i32;
        for network in &self.list {
            if network.is(carrier, point) {
                habit.days = network.days.remembered(day, forget);
                habit.days_before = network.days.before(day, forget);
                habit.jump_days = network.jumps.remembered(day, forget);
            }
            let earlier_days = network.days.before(day, forget);
            if earlier_days > habit.earlier_days && network.may_be_at(params, seen, place, point) {
                habit.earlier_days = earlier_days;
            }
        }
        habit
    }

    /// What is known of the carrier of an address. Its gateways are networks of their own, of which the days may be the
    /// same: sure are those of one gateway, and that different last days are different days.
    pub(super) fn carried(&self, params: &Params, seen: &SeenAddress, day: i32) -> Carried {
        let asn = seen.location.carrier.asn;
        let forget = params.familiar_forget_days as i32;
        let own = self.list.iter().filter(|network| asn != 0 && network.carrier == u64::from(asn));
        let own = own.map(|network| network.days).filter(|days| days.before(day, forget) > 0);
        let of_one = own.clone().map(|days| days.before(day, forget)).max().unwrap_or(0);
        let mut last: SmallVec<[i32; NETWORKS_MAX]> = own.map(Days::last).filter(|last| *last < day).collect();
        last.sort_unstable();
        last.dedup();
        Carried { asn, earlier_days: of_one.max(last.len() as u16) }
    }

    /// How far from a data centre of a proxy its user may be, km: as far as the others of the proxy that are familiar, or as
    /// the nearest familiar place, and no further than [`PROXY_REACH_KM`]; that far of one that is not itself familiar.
    pub(super) fn reach_km(&self, params: &Params, seen: &SeenAddress, day: i32) -> u16 {
        let Some((carrier, _, point)) = network_of(seen) else { return PROXY_REACH_KM };
        let forget = params.familiar_forget_days as i32;
        let is_familiar = |network: &Network| u32::from(network.days.remembered(day, forget)) >= params.familiar_days;
        if !self.list.iter().any(|network| network.is(carrier, point) && is_familiar(network)) {
            return PROXY_REACH_KM;
        }
        let km = |network: &&Network| distance_km(network.point, point);
        let familiar = self.list.iter().filter(|network| is_familiar(network));
        let (nodes, others): (Vec<&Network>, Vec<&Network>) = familiar.partition(|network| network.carrier == carrier);
        let spread = nodes.iter().map(km).fold(0.0, f64::max);
        let nearest = others.iter().map(km).fold(f64::INFINITY, f64::min);
        let nearest = if nearest.is_finite() { nearest } else { 0.0 };
        libm::ceil(spread.max(nearest).min(f64::from(PROXY_REACH_KM))) as u16
    }

    /// Days on which the user jumped between any networks.
    pub(super) fn jump_days(&self, params: &Params, day: i32) -> u16 {
        self.jumps.remembered(day, params.familiar_forget_days as i32)
    }

    /// Counts a day of use of the network of an address, and of jumps. Answers whether another network had to give way.
    pub(super) fn learn(&mut self, params: &Params, seen: &SeenAddress, day: i32, jumped: bool) -> bool {
        let Some((carrier, place, point)) = network_of(seen) else { return false };
        let forget = params.familiar_forget_days as i32;
        let known = self.list.iter().position(|network| network.is(carrier, point));
        let gives_way = known.is_none() && self.list.len() >= NETWORKS_MAX;
        if gives_way {
            let oldest = self.list.iter().enumerate().min_by_key(|(_, network)| network.days.last);
            self.list.remove(oldest.map_or(0, |(index, _)| index));
        }
        let index = known.unwrap_or_else(|| {
            self.list.push(Network { carrier, point, radius_km: 0, days: Days::default(), jumps: Days::default() });
            self.list.len() - 1
        });
        let network = &mut self.list[index];
        network.radius_km = place.radius_km;
        network.days.add(day, forget);
        if jumped {
            network.jumps.add(day, forget);
            self.jumps.add(day, forget);
        }
        gives_way
    }

    /// Brings near what the next event needs.
    pub(super) fn bring(&self) {
        near::bring(self.list.as_slice());
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
        self.jumps = other.jumps;
    }
}

impl Network {
    fn is(&self, carrier: u64, point: Point) -> bool {
        self.carrier == carrier && self.point == point
    }

    /// Is nothing left of the distance once it is shortened by the radii, as for a jump?
    fn may_be_at(&self, params: &Params, seen: &SeenAddress, place: Place, point: Point) -> bool {
        // Of a network no more is kept than the radius that the file gives.
        let own = if self.radius_km == 0 { params.radius_missing_km } else { self.radius_km };
        params.lower_km(distance_km(self.point, point), own, params.radius(seen, place).km) <= 0.0
    }
}

/// Holds a jump between two networks of which each is one the user works from.
pub(super) fn familiar_networks(params: &Params, ways: Ways) -> Option<Block> {
    let (days, from, to) = (params.familiar_days as u16, ways.from.days, ways.to.days);
    (from >= days && to >= days).then(|| Block {
        layer: Layer::User,
        by: "familiar_networks",
        reason: format!("the user was on both networks before, on {from} and {to} days"),
        measures: vec![
            Measure::new("days_from", f64::from(from), "days"),
            Measure::new("days_to", f64::from(to), "days"),
            Measure::new("familiar_days", f64::from(params.familiar_days), "days"),
        ],
    })
}

/// Holds a jump of somebody who works through tunnels: where one ends says nothing of where its user is.
///
/// Either the same session goes on in the same browser over a network that the user has jumped to day after day, or the
/// user jumps day after day, was at both places before, and nothing names a stranger.
pub(super) fn familiar_tunnel(params: &Params, ways: Ways) -> Option<Block> {
    let days = params.familiar_days as u16;
    let Ways { from, to, jump_days, .. } = ways;
    let block = |reason, jump_days: u16, more: [(&'static str, u16); 2]| Block {
        layer: Layer::User,
        by: "familiar_tunnel",
        reason,
        measures: [("jump_days", jump_days), ("familiar_days", days)]
            .into_iter()
            .chain(more)
            .map(|(name, days)| Measure::new(name, f64::from(days), "days"))
            .collect(),
    };
    let earlier = [("earlier_days_from", from.earlier_days), ("earlier_days_to", to.earlier_days)];
    if ways.same_client && to.jump_days >= days {
        let reason =
            format!("the same session and browser go on over a network the user jumped to on {} days", to.jump_days);
        return Some(block(reason, to.jump_days, earlier));
    }
    let own_places = from.earlier_days > 0 && to.earlier_days > 0 && !ways.stranger;
    (own_places && jump_days >= days).then(|| {
        let reason = format!(
            "the user works through tunnels, with jumps on {jump_days} days, and was at both places before, on {} and \
             {} days",
            from.earlier_days, to.earlier_days,
        );
        block(reason, jump_days, earlier)
    })
}

/// A hash of the network of an address.
pub(super) fn key_of(seen: &SeenAddress) -> Option<u64> {
    let (carrier, _, point) = network_of(seen)?;
    let at = u64::from(point.lat_e4.cast_unsigned()) << 32 | u64::from(point.lon_e4.cast_unsigned());
    Some(hash64([carrier.to_le_bytes(), at.to_le_bytes()].as_flattened()))
}

/// The carrier of an address, or the block of addresses that stands for it (a /24, or a /48), and where it is listed.
fn network_of(seen: &SeenAddress) -> Option<(u64, Place, Point)> {
    let place = place_of(seen)?;
    let asn = seen.location.carrier.asn;
    let block = if seen.address.ip().is_ipv4() { seen.address.bits() >> 8 } else { seen.address.bits() >> 80 };
    let carrier = if asn == 0 { BLOCK_MARK | block as u64 } else { u64::from(asn) };
    Some((carrier, place, place.point?))
}
