//! Activity of one user at two places that nobody can travel between in the time.
//!
//! # Finds
//! Two successful activities, next to each other in event time, whose distance could not be travelled even if both
//! addresses are as far off as the `GeoIP` file says they may be: `distance − radius_factor × (radius₁ + radius₂)` is at
//! least `distance_km_min` and, over the time between them plus `clock_pad_secs`, faster than `speed_kmh_max`. All
//! activity with a place counts, not sign-ins only, so a stolen session that goes on elsewhere is seen; also inside one
//! country.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts), T1550.001 (token use). Ways in (`ui`, `mobile`, `api`, `integration`) are tracks of
//! their own unless they share a session: a phone's carrier and an office line may be listed far apart.
//!
//! # Blind spots
//! Thieves near their victim: with radii of 280 km at both ends and factor 2, under about 1,600 km. A thief on a network
//! the user is regularly on. Activity without an address of its own or of its session. The first `learning_days`.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, each with a record: `learning`; `same_network` (one carrier in one
//! country and the same device or browser at both ends); `same_device` (the same registered device at both ends);
//! `familiar_networks` (both networks were each used on `familiar_days` days); `familiar_tunnel` (the same session and
//! browser went on over a network that this user has jumped to on `familiar_days` days).
//!
//! # References
//! `MaxMind` on `accuracy_radius` (about 67 % confidence). "Lost in the Prefix", arXiv 2605.21937, on how wrong places
//! of mobile networks are. The reference product's policy "impossible travel".

use serde::{Deserialize, Serialize};

use super::{Detector, bounded, grouped, named, who};
use crate::context::{Block, Context, Explanation, Raise};
use crate::event::{Event, EventId};
use crate::finding::{Measure, SeenAddress, Trace};
use crate::geometry::distance_km;
use crate::hash::{hash64, hash64_some};
use crate::incident::{Incident, Incidents};
use crate::model::{Action, Channel, Outcome};
use crate::place::{Country, Place, Point};
use crate::plan::LaneKind;
use crate::rule::Layer;
use crate::time::{Millis, SECOND, clock, day_of, spoken};

/// Networks of a key that are remembered; the one unused for longest gives way.
pub const NETWORKS_MAX: usize = 16;

/// Parameters of `impossible_travel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Fastest plausible travel, km/h.
    pub speed_kmh_max: u32,
    /// Distances whose lower bound is under this are never reported, km.
    pub distance_km_min: u32,
    /// How many accuracy radii of each end the distance is shortened by (1 sensitive, 2 quiet).
    pub radius_factor: f64,
    /// Radius to assume where the `GeoIP` file gives none, km.
    pub radius_missing_km: u16,
    /// Added to the time between the two, for clocks that disagree, seconds.
    pub clock_pad_secs: u32,
    /// Activity further apart than this is not compared, seconds.
    pub lookback_secs: u32,
    /// Event time from the first activity of a user that the rule took in which findings are only recorded, days.
    pub learning_days: u32,
    /// A network the user was on for this many different days is familiar.
    pub familiar_days: u32,
    /// A familiar network not used for this long is forgotten, days.
    pub familiar_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "speed_kmh_max", self.speed_kmh_max, 100, 100_000);
        bounded(&mut faults, "distance_km_min", self.distance_km_min, 0, 20_000);
        bounded(&mut faults, "radius_factor", self.radius_factor, 0.0, 10.0);
        bounded(&mut faults, "radius_missing_km", self.radius_missing_km, 0, 5_000);
        bounded(&mut faults, "clock_pad_secs", self.clock_pad_secs, 1, 3_600);
        bounded(&mut faults, "lookback_secs", self.lookback_secs, 60, 604_800);
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "familiar_days", self.familiar_days, 1, 90);
        bounded(&mut faults, "familiar_forget_days", self.familiar_forget_days, 1, 365);
        faults
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    tracks: Vec<Sighting>,
    networks: Vec<Network>,
    incidents: Incidents,
}

/// The last time a track was somewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sighting {
    track: u8,
    /// Of an event that an exception covers. Such events are tracked apart: where they lead says nothing of the rest.
    covered: bool,
    /// As the record itself says, not its session: whoever holds a session must not inherit its device.
    device: u64,
    agent: u64,
    session: u64,
    time: Millis,
    id: EventId,
    action: Action,
    seen: SeenAddress,
}

/// A network of the user: one carrier at one listed place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    #[serde(with = "postcard::fixint::le")]
    id: u64,
    days: u16,
    last_day: i32,
    /// Days on which the user jumped to it in less time than travel takes.
    jump_days: u16,
    last_jump_day: i32,
}

/// A pair of sightings that no travel explains.
struct Jump {
    from: Sighting,
    to: SeenAddress,
    distance_km: f64,
    lower_km: f64,
    elapsed: Millis,
    speed_kmh: f64,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success && !matches!(event.channel, Channel::Email | Channel::Scheduled)
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place() else { return };
        let Ok(place) = seen.location.place else { return };
        let Some(point) = place.point else { return };
        let track = track_of(context.event.channel);
        let network = network_of(&seen);
        let jump = self.jump(params, context, track, seen, point);
        let moved = match &jump {
            None => true,
            Some(jump) => self.raise(params, context, jump, network),
        };
        self.learn(params, context, network, jump.is_some());
        if moved {
            self.sight(track, context, seen);
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn copy_from(&mut self, other: &Self) {
        self.tracks.clone_from(&other.tracks);
        self.networks.clone_from(&other.networks);
        self.incidents.copy_from(&other.incidents);
    }
}

impl State {
    /// The least plausible of the jumps from what the user was last seen at: on the same track, and on any other track
    /// whose session goes on here.
    fn jump(&self, params: &Params, context: &Context<'_>, track: u8, seen: SeenAddress, point: Point) -> Option<Jump> {
        let now = context.event.time;
        let session = context.event.session;
        self.tracks
            .iter()
            .filter(|last| !last.covered || context.exception.is_some())
            .filter(|last| last.track == track || (session != 0 && last.session == session))
            .filter(|last| last.seen.address != seen.address)
            .filter(|last| now - last.time <= Millis::from(params.lookback_secs) * SECOND)
            .filter_map(|last| measure(params, last, now, seen, point))
            .max_by(|a, b| a.speed_kmh.total_cmp(&b.speed_kmh))
    }

    /// Raises the jump and says whether the user is now taken to be where it led.
    fn raise(&mut self, params: &Params, context: &mut Context<'_>, jump: &Jump, network: u64) -> bool {
        let blocks = self.blocks(params, context, jump, network);
        let sensitivity = context.rule.rule.sensitivity;
        // Somebody who is at home and in a tunnel at once has not moved: what is familiar leaves the person in place.
        let held = blocks.iter().any(|block| block.layer == Layer::User && sensitivity.takes(block.layer));
        let from_country = place_of(&jump.from.seen).map(|place| place.country);
        let to_country = place_of(&jump.to).map(|place| place.country);
        let mut pair = [from_country, to_country].map(|country| country.map_or([0; 2], Country::to_bytes));
        pair.sort_unstable();
        let blocker = context.blocker(blocks);
        let incident = self.incidents.touch(hash64(pair.as_flattened()), blocker.is_some(), context);
        let mut fresh = incident.is_raised();
        if incident.count == 0 {
            incident.first = jump.from.time;
            incident.add(jump.from.trace(), false);
            incident.count = 0;
        }
        fresh &= !incident.evidence.addresses().iter().any(|known| known.address == jump.to.address)
            && incident.evidence.addresses().len() < crate::finding::ADDRESSES_MAX;
        incident.add(context.trace(), context.event.test);
        let aggravations = aggravations(context, jump);
        let words = Words { user: context.subject.user().to_owned(), aggravations: aggravations.clone() };
        context
            .raise(incident, Raise { blocker, aggravations, fresh }, |incident| words.explain(params, jump, incident));
        !held
    }

    fn blocks(&self, params: &Params, context: &Context<'_>, jump: &Jump, network: u64) -> Vec<Block> {
        let mut blocks = Vec::from_iter(context.learning(params.learning_days));
        let event = context.event;
        let same_agent = event.agent != 0 && event.agent == jump.from.agent;
        let other_agent = event.agent != 0 && jump.from.agent != 0 && !same_agent;
        let same_device = event.device != 0 && event.device == jump.from.device && !other_agent;
        let (asn, from_asn) = (jump.to.location.carrier.asn, jump.from.seen.location.carrier.asn);
        let one_country = place_of(&jump.to).map(|p| p.country) == place_of(&jump.from.seen).map(|p| p.country);
        if asn != 0 && asn == from_asn && one_country && (same_device || same_agent) {
            blocks.push(Block {
                layer: Layer::System,
                by: "same_network",
                reason: format!(
                    "both ends are the same carrier (AS{asn}) in one country, with the same device or browser"
                ),
                measures: vec![Measure::new("asn", f64::from(asn), "AS number")],
            });
        }
        if same_device {
            blocks.push(Block {
                layer: Layer::User,
                by: "same_device",
                reason: "both ends are the same registered device: it changed its way to the network, not its place"
                    .into(),
                measures: Vec::new(),
            });
        }
        let day = day_of(context.event.time);
        let to = self.known(params, network, day);
        let from = self.known(params, network_of(&jump.from.seen), day);
        let days = params.familiar_days as u16;
        if to.0 >= days && from.0 >= days {
            blocks.push(Block {
                layer: Layer::User,
                by: "familiar_networks",
                reason: format!("the user was on both networks before, on {} and {} days", from.0, to.0),
                measures: vec![
                    Measure::new("days_from", f64::from(from.0), "days"),
                    Measure::new("days_to", f64::from(to.0), "days"),
                    Measure::new("familiar_days", f64::from(params.familiar_days), "days"),
                ],
            });
        }
        let goes_on = context.event.session != 0 && context.event.session == jump.from.session;
        if to.1 >= days && goes_on && same_agent {
            blocks.push(Block {
                layer: Layer::User,
                by: "familiar_tunnel",
                reason: format!(
                    "the same session and browser go on over a network the user jumped to on {} days",
                    to.1
                ),
                measures: vec![
                    Measure::new("jump_days", f64::from(to.1), "days"),
                    Measure::new("familiar_days", f64::from(params.familiar_days), "days"),
                ],
            });
        }
        blocks
    }

    /// Days of use and of jumps of a network, 0 once forgotten.
    fn known(&self, params: &Params, id: u64, day: i32) -> (u16, u16) {
        let forget = params.familiar_forget_days as i32;
        self.networks.iter().find(|network| network.id == id).map_or((0, 0), |network| {
            let days = if day - network.last_day > forget { 0 } else { network.days };
            let jumps = if day - network.last_jump_day > forget { 0 } else { network.jump_days };
            (days, jumps)
        })
    }

    /// Counts a day of use. Nothing is learned from the session that raised an alert.
    fn learn(&mut self, params: &Params, context: &mut Context<'_>, id: u64, jumped: bool) {
        let actor = context.actor();
        let quiet = context.quiet();
        let tainted = self.incidents.iter().any(|incident| {
            let raised = !incident.held && incident.raised_by == actor;
            raised && context.event.time <= incident.last + quiet
        });
        if tainted {
            return;
        }
        let day = day_of(context.event.time);
        let forget = params.familiar_forget_days as i32;
        let index = self.networks.iter().position(|network| network.id == id).unwrap_or_else(|| {
            if self.networks.len() >= NETWORKS_MAX {
                context.caps.networks += 1;
                let oldest = self.networks.iter().enumerate().min_by_key(|(_, network)| network.last_day);
                let oldest = oldest.map_or(0, |(index, _)| index);
                self.networks.remove(oldest);
            }
            self.networks.push(Network {
                id,
                days: 0,
                last_day: i32::MIN / 2,
                jump_days: 0,
                last_jump_day: i32::MIN / 2,
            });
            self.networks.len() - 1
        });
        let network = &mut self.networks[index];
        if day > network.last_day {
            network.days = if day - network.last_day > forget { 1 } else { network.days.saturating_add(1) };
            network.last_day = day;
        }
        if jumped && day > network.last_jump_day {
            let forgotten = day - network.last_jump_day > forget;
            network.jump_days = if forgotten { 1 } else { network.jump_days.saturating_add(1) };
            network.last_jump_day = day;
        }
    }

    fn sight(&mut self, track: u8, context: &Context<'_>, seen: SeenAddress) {
        let event = context.event;
        let covered = context.exception.is_some();
        let sighting = Sighting {
            track,
            covered,
            device: event.device,
            agent: event.agent,
            session: event.session,
            time: event.time,
            id: event.id.clone(),
            action: event.action,
            seen,
        };
        match self.tracks.iter_mut().find(|last| last.track == track && last.covered == covered) {
            Some(last) => *last = sighting,
            None => self.tracks.push(sighting),
        }
    }
}

impl Sighting {
    /// The event as evidence: only what succeeded is sighted.
    fn trace(&self) -> Trace {
        Trace {
            time: self.time,
            id: self.id.clone(),
            action: self.action,
            outcome: Outcome::Success,
            address: Some(self.seen),
            session: self.session,
        }
    }
}

/// Ways in that follow the same person: the portal is the web interface; what nobody knows counts as it too.
const fn track_of(channel: Channel) -> u8 {
    match channel {
        Channel::Mobile => 1,
        Channel::Api => 2,
        Channel::Integration => 3,
        _ => 0,
    }
}

/// A carrier at a listed place: an egress in another city of the same carrier is another network.
fn network_of(seen: &SeenAddress) -> u64 {
    let carrier = seen.location.carrier.asn;
    let place = place_of(seen).and_then(|place| place.point).unwrap_or_default();
    let mut bytes = [0_u8; 28];
    bytes[..4].copy_from_slice(&carrier.to_le_bytes());
    bytes[4..8].copy_from_slice(&place.lat_e4.to_le_bytes());
    bytes[8..12].copy_from_slice(&place.lon_e4.to_le_bytes());
    if carrier == 0 {
        // Without a carrier the address block stands for it: a /24, or a /48.
        let v4 = seen.address.ip().is_ipv4();
        let block = if v4 { seen.address.bits() >> 8 } else { seen.address.bits() >> 80 };
        bytes[12..].copy_from_slice(&block.to_le_bytes());
    }
    hash64_some(&bytes)
}

fn place_of(seen: &SeenAddress) -> Option<Place> {
    seen.location.place.ok()
}

fn measure(params: &Params, last: &Sighting, now: Millis, seen: SeenAddress, point: Point) -> Option<Jump> {
    let (from, to) = (place_of(&last.seen)?, place_of(&seen)?);
    let distance_km = distance_km(from.point?, point);
    let radius =
        |place: Place| f64::from(if place.radius_km == 0 { params.radius_missing_km } else { place.radius_km });
    let lower_km = (distance_km - params.radius_factor * (radius(from) + radius(to))).max(0.0);
    let elapsed = now - last.time;
    let hours = (elapsed as f64 / SECOND as f64 + f64::from(params.clock_pad_secs)) / 3_600.0;
    let speed_kmh = lower_km / hours;
    let impossible = lower_km >= f64::from(params.distance_km_min) && speed_kmh > f64::from(params.speed_kmh_max);
    impossible.then(|| Jump { from: last.clone(), to: seen, distance_km, lower_km, elapsed, speed_kmh })
}

fn aggravations(context: &Context<'_>, jump: &Jump) -> Vec<&'static str> {
    let agent = context.event.agent;
    let mut reasons = Vec::new();
    let goes_on = context.event.session != 0 && context.event.session == jump.from.session;
    let other_agent = agent != 0 && jump.from.agent != 0 && agent != jump.from.agent;
    if goes_on && other_agent {
        reasons.push("one session went on in another browser");
    } else if other_agent {
        reasons.push("another browser");
    }
    if context.event.mfa == Some(false) {
        reasons.push("signed in without a second factor");
    }
    if context.event.privileged {
        reasons.push("the account is privileged");
    }
    reasons
}

struct Words {
    user: String,
    aggravations: Vec<&'static str>,
}

impl Words {
    fn explain(&self, params: &Params, jump: &Jump, incident: &Incident) -> Explanation {
        // Rounded to the side that claims less.
        let lower_km = libm::floor(jump.lower_km / 10.0) * 10.0;
        let speed_kmh = libm::floor(jump.speed_kmh / 10.0) * 10.0;
        let reasons = match self.aggravations.as_slice() {
            [] => String::new(),
            some => format!("; {}", some.join("; ")),
        };
        let hours_needed = jump.lower_km / f64::from(params.speed_kmh_max);
        let needed = spoken((hours_needed * 3_600.0) as Millis * SECOND);
        let (from, to) = (place_of(&jump.from.seen), place_of(&jump.to));
        Explanation {
            summary: format!(
                "{} worked from {} at {} and from {} at {} UTC: at least {} km in {}, at least {} km/h, limit {}{reasons}.",
                who(&self.user),
                named(from),
                clock(jump.from.time),
                named(to),
                clock(jump.from.time + jump.elapsed),
                grouped(lower_km as u64),
                spoken(jump.elapsed),
                grouped(speed_kmh as u64),
                grouped(u64::from(params.speed_kmh_max)),
            ),
            observed: vec![
                Measure::new("distance", libm::round(jump.distance_km), "km"),
                Measure::new("distance_at_least", lower_km, "km"),
                Measure::new("elapsed", (jump.elapsed / SECOND) as f64, "s"),
                Measure::new("speed_at_least", speed_kmh, "km/h"),
                Measure::new("jumps", incident.count as f64, "events"),
            ],
            baseline: vec![
                Measure::new("radius_from", f64::from(from.map_or(0, |place| place.radius_km)), "km"),
                Measure::new("radius_to", f64::from(to.map_or(0, |place| place.radius_km)), "km"),
            ],
            threshold: vec![
                Measure::new("speed_kmh_max", f64::from(params.speed_kmh_max), "km/h"),
                Measure::new("distance_km_min", f64::from(params.distance_km_min), "km"),
                Measure::new("radius_factor", params.radius_factor, "radii"),
            ],
            counterfactual: format!(
                "It would not have fired with speed_kmh_max of {} or more, or if {needed} or more had passed between the two.",
                libm::ceil(jump.speed_kmh / 10.0) * 10.0,
            ),
        }
    }
}
