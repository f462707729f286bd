//! Two sightings that no travel explains.

use super::{Params, Sighting, place_of};
use crate::context::Context;
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::geometry::distance_km;
use crate::place::{Country, Place};
use crate::radius::{Radius, is_centre};
use crate::time::{Millis, SECOND};

/// Two cities of one name in one country are one place up to this distance, km: files draw one city so far off, and what is
/// further away is another of that name.
const ONE_CITY_KM: f64 = 300.0;

/// A pair of sightings that no travel explains.
pub(super) struct Jump {
    pub(super) from: Sighting,
    pub(super) to: SeenAddress,
    /// How far off each end may be.
    pub(super) radii: [Radius; 2],
    /// How far from the place of its network the user of each end may be, km.
    pub(super) reach_km: [u16; 2],
    /// Nothing is left of it once it is shortened by both reaches; what is said of it is without them.
    pub(super) within_reach: bool,
    pub(super) distance_km: f64,
    pub(super) lower_km: f64,
    pub(super) elapsed: Millis,
    pub(super) speed_kmh: f64,
}

impl Jump {
    /// The jump between two sightings, if there is one.
    pub(super) fn between(
        params: &Params,
        last: &Sighting,
        now: Millis,
        seen: SeenAddress,
        reach_km: [u16; 2],
    ) -> Option<Self> {
        let (from, to) = (place_of(&last.seen)?, place_of(&seen)?);
        let distance_km = distance_km(from.point?, to.point?);
        if is_one_place(from, to, distance_km) {
            return None;
        }
        let radii = [params.radius(&last.seen, from), params.radius(&seen, to)];
        let elapsed = now - last.time;
        let hours = (elapsed as f64 / SECOND as f64 + f64::from(params.clock_pad_secs)) / 3_600.0;
        let is_impossible = |lower_km: f64| {
            lower_km >= f64::from(params.distance_km_min) && lower_km / hours > f64::from(params.speed_kmh_max)
        };
        let plain_km = params.lower_km(distance_km, radii[0].km, radii[1].km);
        let reached_km = (plain_km - f64::from(reach_km[0]) - f64::from(reach_km[1])).max(0.0);
        let within_reach = !is_impossible(reached_km);
        let lower_km = if within_reach { plain_km } else { reached_km };
        is_impossible(lower_km).then(|| Self {
            from: last.clone(),
            to: seen,
            radii,
            reach_km,
            within_reach,
            distance_km,
            lower_km,
            elapsed,
            speed_kmh: lower_km / hours,
        })
    }

    /// Does the event at its end name the browser that it began with?
    pub(super) const fn same_agent(&self, event: &Event) -> bool {
        event.agent != 0 && event.agent == self.from.agent
    }

    pub(super) const fn other_agent(&self, event: &Event) -> bool {
        event.agent != 0 && self.from.agent != 0 && event.agent != self.from.agent
    }

    /// Does the session go on in the same browser?
    pub(super) const fn same_session(&self, event: &Event) -> bool {
        event.session != 0 && event.session == self.from.session && self.same_agent(event)
    }

    /// Does the session go on in another browser?
    pub(super) const fn is_taken_over(&self, event: &Event) -> bool {
        event.session != 0 && event.session == self.from.session && self.other_agent(event)
    }

    /// Do both ends name the same registered device, and no other browser?
    pub(super) fn same_device(&self, event: &Event) -> bool {
        let same = self.from.device.is_some_and(|device| device.hash == event.device);
        event.device != 0 && same && !self.other_agent(event)
    }

    /// Do both ends name registered devices, and not the same?
    pub(super) fn other_device(&self, event: &Event) -> bool {
        event.device != 0 && self.from.device.is_some_and(|device| device.hash != event.device)
    }

    /// Is it the same session and browser, or the same registered device, at both ends?
    pub(super) fn is_of_one_client(&self, event: &Event) -> bool {
        self.same_session(event) || self.same_device(event)
    }

    /// The carrier that both ends have in common; 0: there is none.
    pub(super) const fn one_carrier(&self) -> u32 {
        let (asn, from_asn) = (self.to.location.carrier.asn, self.from.seen.location.carrier.asn);
        if asn == from_asn { asn } else { 0 }
    }

    /// Do both ends lie in one country?
    pub(super) fn is_in_one_country(&self) -> bool {
        place_of(&self.to).map(|p| p.country) == place_of(&self.from.seen).map(|p| p.country)
    }

    /// Are its ends of the two families of addresses?
    pub(super) fn changes_family(&self) -> bool {
        self.from.seen.address.ip().is_ipv4() != self.to.address.ip().is_ipv4()
    }

    /// The countries of its ends, whichever came first.
    pub(super) fn countries(&self) -> [[u8; 2]; 2] {
        let country = |seen: &SeenAddress| place_of(seen).map_or([0; 2], |place| Country::to_bytes(place.country));
        let mut pair = [country(&self.from.seen), country(&self.to)];
        pair.sort_unstable();
        pair
    }

    /// What makes it graver.
    pub(super) fn aggravations(&self, context: &Context<'_>) -> Vec<&'static str> {
        let event = context.event;
        let mut reasons = Vec::new();
        if self.is_taken_over(event) {
            reasons.push("one session went on in another browser");
        } else if self.other_agent(event) {
            reasons.push("another browser");
        }
        reasons.extend(context.network_aggravation(&self.to));
        if event.mfa == Some(false) {
            reasons.push("signed in without a second factor");
        }
        if event.account.privileged {
            reasons.push("the account is privileged");
        }
        reasons
    }
}

/// Are these two records no evidence of two places? Nothing in a country is apart from its middle, and a city is not apart
/// from itself, wherever nearby a file that is off has drawn it.
fn is_one_place(from: Place, to: Place, distance_km: f64) -> bool {
    let one_city = !from.city.is_empty() && from.city == to.city && distance_km <= ONE_CITY_KM;
    from.country == to.country && (is_centre(from) || is_centre(to) || one_city)
}
