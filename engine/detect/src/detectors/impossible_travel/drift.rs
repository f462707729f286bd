//! Where somebody may be by now who was since seen only where carriers and proxies let them out.

use serde::{Deserialize, Serialize};

use super::ground::{self, Ground};
use super::habit::Carried;
use super::jump::Jump;
use super::{Params, Raised, Sighting, State, place_of};
use crate::context::Context;
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::geometry::distance_km;
use crate::time::{HOUR, Millis, SECOND, day_of};

/// Whoever is active on the way travels by land, and no faster than this, km/h.
const LAND_KMH: f64 = 300.0;
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

/// What is known of the ends of a jump that do not say where their user is, the first where it begins.
pub(super) struct Ends {
    pub(super) gateways: [Option<Carried>; 2],
    pub(super) own_carriers: [Option<Carried>; 2],
    /// Earlier days of use of the data centre of a proxy.
    pub(super) own_proxies: [Option<u16>; 2],
}

impl State {
    /// What is known of the ends of a jump that are not firm. One where it begins says nothing only if the user can be where
    /// it leads, and of another country only if the client is known, too.
    pub(super) fn ends(&self, params: &Params, context: &Context<'_>, jump: &Jump) -> Ends {
        let (event, day) = (context.event, day_of(context.event.time));
        let can_reach = self.can_reach(params, context, &jump.to);
        let is_known = can_reach && self.is_known_client(event);
        let seen = [(Ground::of_track(jump.from.track), &jump.from.seen), (Ground::of(context, &jump.to), &jump.to)];
        let of = |ground, from_counts| {
            let counts = [from_counts, true];
            [0, 1].map(|end: usize| Some(seen[end].1).filter(|_| seen[end].0 == ground && counts[end]))
        };
        let carried = |seen: Option<&SeenAddress>| seen.map(|seen| self.networks.carried(params, seen, day));
        let proxied = |seen: Option<&SeenAddress>| seen.map(|seen| self.networks.habit(params, seen, day).days_before);
        Ends {
            gateways: of(Ground::Gateway, can_reach).map(carried),
            own_carriers: of(Ground::Gateway, is_known).map(carried),
            own_proxies: of(Ground::Proxy, is_known && !jump.same_session(event) && !jump.is_taken_over(event))
                .map(proxied),
        }
    }

    /// Can the user have come here from where they were last seen firmly? Of one who never was it is not known.
    fn can_reach(&self, params: &Params, context: &Context<'_>, here: &SeenAddress) -> bool {
        self.last_firm().is_some_and(|firm| {
            let adrift = self.adrift.unwrap_or(Adrift::since(firm.time));
            adrift.can_reach(params, firm, context.event.time, here)
        })
    }

    /// Does it name no browser and no device but those with which the user was last seen somewhere?
    fn is_known_client(&self, event: &Event) -> bool {
        let device = |last: &Sighting| last.device.is_some_and(|device| device.hash == event.device);
        (event.agent == 0 || self.tracks.iter().any(|last| last.agent == event.agent))
            && (event.device == 0 || self.tracks.iter().any(device))
    }

    /// Where the person was: neither a program of theirs, nor what an exception covers, which leads nowhere.
    fn last_firm(&self) -> Option<&Sighting> {
        let counts = |last: &&Sighting| !last.covered && !ground::is_of_programs(ground::way_of(last.track));
        let firm = self.tracks.iter().filter(counts).filter(|last| Ground::of_track(last.track) == Ground::Firm);
        firm.max_by_key(|last| last.time)
    }

    /// Takes in that the user was active: firmly somewhere, or not. What does not say where they are, see
    /// [`Self::last_firm`], does not say how long they were silent either.
    pub(super) fn drift(&mut self, context: &Context<'_>, way: u8, ground: Ground, raised: Option<Raised>) {
        if !context.keeps(2) || context.exception.is_some() || ground::is_of_programs(way) {
            return;
        }
        let now = context.event.time;
        self.adrift = match ground {
            Ground::Firm if raised != Some(Raised::HeldInPlace) => None,
            _ => {
                let firm = self.last_firm().map(|firm| Adrift::since(firm.time));
                self.adrift.or(firm).map(|adrift| adrift.after(now))
            }
        };
    }
}
