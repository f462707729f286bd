//! What the network of an address says of where its user is.

use serde::{Deserialize, Serialize};

use super::habit::Carried;
use super::jump::Jump;
use super::{Params, Sighting, place_of};
use crate::context::{Block, Context};
use crate::finding::{Measure, SeenAddress};
use crate::geometry::distance_km;
use crate::networks::Tag;
use crate::radius::is_mobile;
use crate::rule::Layer;
use crate::time::{HOUR, Millis, SECOND};

/// A proxy in the cloud lets its users out near them: further than this from one of its data centres nobody is taken to
/// be, km.
pub const PROXY_REACH_KM: u16 = 3_500;

/// Whoever is active on the way travels by land, and no faster than this, km/h.
const LAND_KMH: f64 = 300.0;
/// The bit of a track of a user that is where gateways of carriers are.
const GATEWAY: u8 = 0x10;
/// The bit of a track of a user that is where proxies are.
const PROXY: u8 = 0x20;

/// What the network of an address says of where its user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The user is there.
    Firm,
    /// A mobile carrier lets its users out at gateways anywhere in its country, and those who roam at those at home.
    Gateway,
    /// The user is within reach of it.
    Proxy,
    /// Nothing.
    Nowhere,
}

impl Ground {
    /// Of an address.
    pub(super) fn of(context: &Context<'_>, seen: &SeenAddress) -> Self {
        let tag = context.networks.tagged(seen).map(|entry| entry.tag);
        let newer = context.keeps(2);
        match tag {
            Some(Tag::Proxy) if newer && context.is_egress(seen) => Self::Proxy,
            _ if context.is_egress(seen) => Self::Nowhere,
            None if newer && is_mobile(seen.location.carrier) => Self::Gateway,
            _ => Self::Firm,
        }
    }

    /// Of a sighting.
    pub(super) const fn of_track(track: u8) -> Self {
        match track & (GATEWAY | PROXY) {
            GATEWAY => Self::Gateway,
            PROXY => Self::Proxy,
            _ => Self::Firm,
        }
    }

    /// The track on which somebody is seen who comes in this way: what is less than firm does not hide what is.
    pub(super) const fn track(self, way: u8) -> Option<u8> {
        match self {
            Self::Firm => Some(way),
            Self::Gateway => Some(way | GATEWAY),
            Self::Proxy => Some(way | PROXY),
            Self::Nowhere => None,
        }
    }
}

/// The way in of a track.
pub(super) const fn way_of(track: u8) -> u8 {
    track & !(GATEWAY | PROXY)
}

/// Holds a jump of which an end is where tunnels end, or no further than the reach of a proxy.
pub(super) fn tagged_egress(context: &Context<'_>, jump: &Jump) -> Option<Block> {
    let ends = [&jump.to, &jump.from.seen];
    let [from, to] = jump.reach_km;
    if !jump.within_reach && ends.iter().all(|end| Ground::of(context, end) != Ground::Nowhere) {
        return None;
    }
    let mut block = context.tagged_egress(&ends)?;
    if from > 0 || to > 0 {
        block.reason = format!("an end is on a network tagged proxy: its user may be {} km away from it", from.max(to));
        block.measures = measures(jump);
    }
    Some(block)
}

/// The reach of each end that has one.
pub(super) fn measures(jump: &Jump) -> Vec<Measure> {
    let [from, to] = jump.reach_km;
    let ends = [("reach_from", from), ("reach_to", to)].into_iter().filter(|(_, km)| *km > 0);
    ends.map(|(name, km)| Measure::new(name, f64::from(km), "km")).collect()
}

/// Holds a jump to or from the gateway of a mobile carrier that the user was on before, in one country: the gateway may be
/// anywhere in it.
pub(super) fn mobile_gateway(jump: &Jump, carried: [Option<Carried>; 2]) -> Option<Block> {
    let carried = carried.into_iter().flatten().find(|carried| carried.earlier_days > 0)?;
    jump.is_in_one_country().then(|| Block {
        layer: Layer::System,
        by: "mobile_gateway",
        reason: format!(
            "an end is on AS{}, a mobile carrier that the user was on before, whose gateways serve the whole country",
            carried.asn
        ),
        measures: carried_measures(carried),
    })
}

/// Holds a jump to or from a gateway of the user's own mobile carrier: whoever roams is let out at home.
pub(super) fn home_carrier(params: &Params, carried: [Option<Carried>; 2]) -> Option<Block> {
    let own = |carried: &Carried| u32::from(carried.earlier_days) >= params.familiar_days;
    let carried = carried.into_iter().flatten().find(own)?;
    let mut measures = carried_measures(carried);
    measures.push(Measure::new("familiar_days", f64::from(params.familiar_days), "days"));
    Some(Block {
        layer: Layer::User,
        by: "home_carrier",
        reason: format!(
            "an end is on AS{}, the user's mobile carrier of {} earlier days, which lets those who roam out at home",
            carried.asn, carried.earlier_days
        ),
        measures,
    })
}

/// Holds a jump to or from a data centre of a proxy that has let the user out for days: those who travel may still be let
/// out at home. `days` are those before this one, of each end that is such a data centre.
pub(super) fn home_proxy(params: &Params, days: [Option<u16>; 2]) -> Option<Block> {
    let days = days.into_iter().flatten().find(|days| u32::from(*days) >= params.familiar_days)?;
    Some(Block {
        layer: Layer::User,
        by: "home_proxy",
        reason: format!(
            "an end is a data centre of a proxy that let the user out on {days} earlier days, and may still do so on a journey"
        ),
        measures: vec![
            Measure::new("proxy_days", f64::from(days), "days"),
            Measure::new("familiar_days", f64::from(params.familiar_days), "days"),
        ],
    })
}

/// Somebody who was seen at gateways only since they were last seen firmly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Adrift {
    /// Their last activity.
    last: Millis,
    /// The longest time without any.
    silence: Millis,
}

impl Adrift {
    /// The same after activity at this time.
    pub(super) fn after(self, now: Millis) -> Self {
        Self { last: now, silence: self.silence.max(now - self.last) }
    }

    /// Of somebody who was seen firmly at this time.
    pub(super) const fn since(firm: Millis) -> Self {
        Self { last: firm, silence: 0 }
    }

    /// Can somebody be here by now who was at a place at a time, as both are listed? Nobody is active on a flight, so that
    /// takes no longer than their longest silence; by land one may be active all the time.
    pub(super) fn can_reach(self, params: &Params, from: &Sighting, now: Millis, here: &SeenAddress) -> bool {
        let point = |seen| place_of(seen).and_then(|place| place.point);
        let (Some(from_point), Some(here)) = (point(&from.seen), point(here)) else { return true };
        let silence = self.after(now).silence;
        let hours = |span: Millis| span as f64 / HOUR as f64;
        let by_air = hours(silence + Millis::from(params.clock_pad_secs) * SECOND) * f64::from(params.speed_kmh_max);
        let by_land = hours((now - from.time - silence).max(0)) * LAND_KMH;
        distance_km(from_point, here) - f64::from(params.distance_km_min) < by_air + by_land
    }
}

fn carried_measures(carried: Carried) -> Vec<Measure> {
    vec![
        Measure::new("asn", f64::from(carried.asn), "AS number"),
        Measure::new("carrier_days", f64::from(carried.earlier_days), "days"),
    ]
}
