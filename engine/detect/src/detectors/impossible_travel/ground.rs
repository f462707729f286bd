//! What the network of an address says of where its user is.

use super::Params;
use super::habit::Carried;
use super::jump::Jump;
use crate::context::{Block, Context};
use crate::detectors::counted;
use crate::finding::{Measure, SeenAddress};
use crate::model::Channel;
use crate::networks::Tag;
use crate::radius::is_mobile;
use crate::rule::Layer;

/// A proxy in the cloud lets its users out near them: further than this from one of its data centres nobody is taken to
/// be, km.
pub const PROXY_REACH_KM: u16 = 3_500;

/// The bit of a track of a user that is where gateways of carriers are.
const GATEWAY: u8 = 0x10;
/// The bit of a track of a user that is where proxies are.
const PROXY: u8 = 0x20;

/// The bit of a track of rows that name no client.
const NOBODY: u8 = 0x40;

/// The way in of programs that call the interface.
const API: u8 = 2;
/// The way in of integrations.
const INTEGRATION: u8 = 3;

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

/// Ways in that follow the same person: the portal is the web interface; what nobody knows counts as it too.
pub(super) const fn way_in(channel: Channel) -> u8 {
    match channel {
        Channel::Mobile => 1,
        Channel::Api => API,
        Channel::Integration => INTEGRATION,
        _ => 0,
    }
}

/// Do programs come in this way? Where they run says nothing of where their user is.
pub(super) const fn is_of_programs(way: u8) -> bool {
    matches!(way, API | INTEGRATION)
}

/// The way in of a track.
pub(super) const fn way_of(track: u8) -> u8 {
    track & !(GATEWAY | PROXY | NOBODY)
}

/// The track beside this one of rows that name no client.
pub(super) const fn of_nobody(track: u8) -> u8 {
    track | NOBODY
}

pub(super) const fn is_of_nobody(track: u8) -> bool {
    track & NOBODY != 0
}

/// Holds a jump of which an end is where tunnels end, or no further than the reach of a proxy. That a proxy is near explains
/// no session that goes on in another browser.
pub(super) fn tagged_egress(context: &Context<'_>, jump: &Jump) -> Option<Block> {
    let ends = [&jump.to, &jump.from.seen];
    let [from, to] = jump.reach_km;
    let is_reached = jump.within_reach && !jump.is_taken_over(context.event);
    if !is_reached && ends.iter().all(|end| Ground::of(context, end) != Ground::Nowhere) {
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
/// anywhere in it. Another browser on the same carrier is not held.
pub(super) fn mobile_gateway(jump: &Jump, carried: [Option<Carried>; 2], stranger: bool) -> Option<Block> {
    let carried = carried.into_iter().flatten().find(|carried| carried.earlier_days > 0)?;
    let two_on_one = stranger && jump.one_carrier() != 0;
    (jump.is_in_one_country() && !two_on_one).then(|| Block {
        layer: Layer::System,
        by: "mobile_gateway",
        reason: format!(
            "an end is on AS{}, a mobile carrier that the user was on before, whose gateways serve the whole country",
            carried.asn
        ),
        measures: carried_measures(carried),
    })
}

/// Holds a jump to or from a gateway of the user's own mobile carrier in another country: whoever roams is let out at home.
/// Where the same client goes on, one earlier day makes it the user's own.
pub(super) fn home_carrier(
    params: &Params,
    jump: &Jump,
    one_client: bool,
    carried: [Option<Carried>; 2],
) -> Option<Block> {
    let days = if one_client { 1 } else { params.familiar_days };
    let own = |carried: &Carried| u32::from(carried.earlier_days) >= days;
    let carried = carried.into_iter().flatten().find(own).filter(|_| !jump.is_in_one_country())?;
    let mut measures = carried_measures(carried);
    measures.push(Measure::new("earlier_days_min", f64::from(days), "days"));
    Some(Block {
        layer: Layer::User,
        by: "home_carrier",
        reason: format!(
            "an end is on AS{}, the user's mobile carrier of at least {}, which lets those who roam out at home",
            carried.asn,
            counted(u64::from(carried.earlier_days), "earlier day", "earlier days")
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

fn carried_measures(carried: Carried) -> Vec<Measure> {
    vec![
        Measure::new("asn", f64::from(carried.asn), "AS number"),
        Measure::new("carrier_days", f64::from(carried.earlier_days), "days"),
    ]
}
