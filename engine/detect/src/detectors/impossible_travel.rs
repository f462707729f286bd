//! Activity of one user at two places that nobody can travel between in the time.
//!
//! # Finds
//! Two successful activities, next to each other in event time, whose distance could not be travelled even if both
//! addresses are as far off as the `GeoIP` file says they may be: `distance − radius_factor × (radius₁ + radius₂)` is at
//! least `distance_km_min` and, over the time between them plus `clock_pad_secs`, faster than `speed_kmh_max`. All
//! activity with a place counts, not sign-ins only, so a stolen session that goes on elsewhere is seen; also inside one
//! country. Where the file does not say how far off, that is estimated from whether it names a city, from the size of the
//! country and from the name of the carrier. Two records of one city are one place up to 300 km.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts), T1550.001 (token use). Ways in (`ui`, `mobile`, `api`, `integration`) are tracks of
//! their own unless they share a session: a phone's carrier and an office line may be listed far apart. Rows of a
//! sign-in name neither channel nor browser: they are of the client that their session has at their address, and until
//! that is known of the web interface.
//!
//! # Blind spots
//! Thieves near their victim: with radii of 280 km at both ends and factor 2, under about 1,600 km; anywhere in its
//! country where one of both addresses is known by country alone; with a session of their own or a copied browser,
//! within the spread of the data centres of a proxy that are familiar to its user, and within 3,500 km of one the user is not familiar with. A thief on a network the user is
//! regularly on, or on the user's mobile carrier; of a user who works through tunnels, also one near a place where the user
//! was on an earlier day. Activity without an address of its own or of its session. The first `learning_days`.
//!
//! What a thief can fake: with a stolen cookie, a copied browser and an address of the other family, a jump within two
//! minutes of the victim's own activity in the victim's country, or within an hour at its carrier, looks like
//! `dual_stack`. With the same, where the file gives neither end a radius, a jump more than half an hour after the
//! victim's last activity looks like `carried_along`; the victim's next activity within half an hour is a jump again.
//! With a copied browser, one who comes while the victim is seen at the gateway of a carrier or the data centre of a
//! proxy alone, and was silent before for as long as a flight takes, looks like a victim who has landed. A split tunnel
//! must be seen on `familiar_days` earlier days, and an alert teaches nothing from its session, so a thief is told on
//! the first day; one who is there during the whole time of learning, or whom something else holds back for as long,
//! becomes a habit. Whoever leaves through a service that is tagged `vpn` is not seen by their place at all: tag no
//! service that anybody can rent unless your users need it.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, each with a record and each until `suppression.off` of the rule names it.
//! Of the system: `learning`; `same_network` (one carrier in one country and the same device or browser at both ends);
//! `dual_stack` (the other family of addresses: of the same session and browser, or the same registered device, within
//! two minutes in one country or an hour at one carrier, or of one carrier between whose two networks the user went
//! before; of the two, the user is where the older one is listed); `carried_along` (the file gives neither end a
//! radius, and the same session and browser, or device, went on after more than half an hour: files without radii have
//! one address in twenty in another country); `mobile_gateway` (an end is at a mobile carrier, by its name, that the
//! user was on on an earlier day, and both are in one country, in all of which its gateways are); `tagged_egress` (an
//! end is tagged `vpn` in `networks.yaml`: such an event is nowhere; or it is tagged `proxy`, and nothing is left of
//! the distance once it is shortened by how far from it its user may be: as far as those of its data centres that are
//! familiar are apart, or as the nearest familiar place, never more than 3,500 km, and that far from one that is not
//! familiar; that explains no session that goes on in another browser).
//!
//! A gateway and a proxy do not hide where the user was seen otherwise: a later event is held against both.
//!
//! Of the user: `corporate_networks` (both ends are tagged `corporate`); `same_device` (the same registered device at
//! both ends); `home_carrier` (an end is at a mobile carrier of `familiar_days` earlier days, or of one where the same
//! session and browser, or device, goes on, in another country: those who roam are let out at home) and `home_proxy` (the same of a data centre tagged `proxy`), each where a jump leads,
//! and where it begins only if no browser or device is new, and the user can have come from where they were last seen
//! otherwise, not by a program (`api`, `integration`) nor under an exception, by air no longer than their longest
//! silence; `split_tunnel` (the same session and browser, or device, went there and back within ten minutes on
//! `familiar_days` earlier days); `familiar_pair` (the user went between these two networks, faster than anybody
//! travels, on `familiar_days` days); `familiar_networks` (both networks were each used on `familiar_days` days;
//! without it a way between them must be familiar too); `familiar_tunnel` (the same session and browser went on over a
//! network that this user has jumped to on `familiar_days` days; or the user jumps on so many days, was at both places
//! on earlier ones, as far as the radii can tell, and no other browser or device is named: where a tunnel ends says
//! nothing of where its user is).
//!
//! Of the organisation, at low sensitivity: `usual_in_organisation` (the country or network of the far end is usual
//! there). The tags `cloud_provider` and `risky` raise the severity and hold nothing back: thieves rent servers.
//!
//! # References
//! `MaxMind` on `accuracy_radius` (about 67 % confidence). "Lost in the Prefix", arXiv 2605.21937, on how wrong places
//! of mobile networks are. The reference product's policy "impossible travel".

mod drift;
mod ground;
mod habit;
mod jump;
mod pairs;
mod sighting;
mod words;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use drift::Adrift;
use ground::Ground;
pub use ground::PROXY_REACH_KM;
pub use habit::NETWORKS_MAX;
use habit::{Networks, Ways};
use jump::Jump;
use pairs::Pairs;
pub use pairs::{CARRIED_SPAN, CARRIER_SPAN, DUAL_STACK_SPAN, PAIRS_MAX, SPLIT_TUNNEL_SPAN};
use sighting::Sighting;
use words::Words;

use super::{About, Detector, bounded};
use crate::context::{Block, Context, Raise};
use crate::event::Event;
use crate::finding::{Blocker, Measure, SeenAddress};
use crate::hash::hash64;
use crate::incident::Incidents;
use crate::model::{Channel, IpSource, Outcome};
use crate::near;
use crate::networks::Tag;
use crate::place::Place;
use crate::plan::LaneKind;
use crate::radius::{Radius, radius};
use crate::rule::Layer;
use crate::time::{Millis, SECOND, day_of};

/// Tracks that lie in the state itself: more are rare.
const TRACKS_NEAR: usize = 1;

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
    /// Radius to assume of a city where the `GeoIP` file gives none, km. Of a mobile carrier it is twice as much, and
    /// a record without a city is as far off as its country is large, see [`crate::radius`].
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

    /// What is left of a distance between two of which the first has this radius, once it is shortened by both, km.
    fn lower_km(&self, distance_km: f64, from_km: u16, to_km: u16) -> f64 {
        (distance_km - self.radius_factor * (f64::from(from_km) + f64::from(to_km))).max(0.0)
    }

    fn radius(&self, seen: &SeenAddress, place: Place) -> Radius {
        radius(place, seen.location.carrier, self.radius_missing_km)
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    tracks: SmallVec<[Sighting; TRACKS_NEAR]>,
    networks: Networks,
    incidents: Incidents,
    /// Most users have none.
    #[serde(with = "crate::format::since_2")]
    pairs: Option<Box<Pairs>>,
    /// Since when and how the user was at gateways only.
    #[serde(with = "crate::format::since_2")]
    adrift: Option<Adrift>,
}

/// A jump, and what holds it back.
struct Found {
    jump: Jump,
    blocker: Option<Blocker>,
    /// If it is held, the user is taken to be where they were: see [`Raised::HeldInPlace`].
    in_place: bool,
    /// If it is held, it teaches that the user works through tunnels.
    is_tunnel: bool,
}

/// What became of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raised {
    /// It is an alert.
    Told,
    /// It is recorded, and the user is taken to be where it led.
    HeldBack,
    /// It is recorded, and the user is taken to be where they were: somebody who is at home and in a tunnel at once has
    /// not moved.
    HeldInPlace,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Whereabouts;

    const SUPPRESSIONS: &'static [&'static str] = &[
        "carried_along",
        "corporate_networks",
        "dual_stack",
        "familiar_networks",
        "familiar_pair",
        "familiar_tunnel",
        "home_carrier",
        "home_proxy",
        "learning",
        "mobile_gateway",
        "same_device",
        "same_network",
        "split_tunnel",
        "tagged_egress",
        "usual_in_organisation",
    ];

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success && !matches!(event.channel, Channel::Email | Channel::Scheduled)
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place() else { return };
        // A row that names no client, at an address that only its session gave, says nothing that the row which gave it has
        // not said.
        if context.origin.source == IpSource::Session && sighting::is_clientless(context) {
            return;
        }
        if place_of(&seen).is_none_or(|place| place.point.is_none()) {
            return;
        }
        let ground = Ground::of(context, &seen);
        let way = self.way_in(context, &seen);
        let found = self.found(params, context, way, seen);
        let is_tunnel = found.as_ref().is_some_and(|found| found.is_tunnel);
        let raised = found.as_ref().map(|found| self.raise(params, context, found));
        let held_back = matches!(raised, Some(Raised::HeldInPlace | Raised::HeldBack));
        let tunnelled = found.as_ref().map(|found| &found.jump).filter(|_| held_back && is_tunnel);
        self.learn(params, context, &seen, tunnelled);
        self.drift(context, way, ground, raised);
        // Where a tunnel ends nobody is seen.
        if let Some(track) = ground.track(way).filter(|_| raised != Some(Raised::HeldInPlace)) {
            self.sight(track, context, seen);
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn bring(&self) {
        near::bring(self);
        near::bring(self.tracks.as_slice());
        self.networks.bring();
    }

    fn copy_from(&mut self, other: &Self) {
        self.tracks.clone_from(&other.tracks);
        self.networks.copy_from(&other.networks);
        self.incidents.copy_from(&other.incidents);
        self.pairs.clone_from(&other.pairs);
        self.adrift = other.adrift;
    }
}

impl State {
    /// The least plausible of the jumps from what the user was last seen at: on the same track, and on any other track whose
    /// session goes on here. One that is told goes before those that are held, and one from firm ground before others.
    fn found(&self, params: &Params, context: &Context<'_>, way: u8, seen: SeenAddress) -> Option<Found> {
        let now = context.event.time;
        let session = context.event.session;
        let day = day_of(now);
        let reach_km = |ground, seen: &SeenAddress| match ground {
            Ground::Proxy => self.networks.reach_km(params, seen, day),
            _ => 0,
        };
        let to_km = reach_km(Ground::of(context, &seen), &seen);
        self.tracks
            .iter()
            .filter(|last| !last.covered || context.exception.is_some())
            .filter(|last| ground::way_of(last.track) == way || (session != 0 && last.session == session))
            .filter(|last| last.seen.address != seen.address)
            .filter(|last| now - last.time <= Millis::from(params.lookback_secs) * SECOND)
            .filter_map(|last| {
                let from_km = reach_km(Ground::of_track(last.track), &last.seen);
                Jump::between(params, last, now, seen, [from_km, to_km])
            })
            .map(|jump| self.judged(params, context, jump))
            .max_by(|a, b| {
                let rank =
                    |found: &Found| (found.blocker.is_none(), Ground::of_track(found.jump.from.track) == Ground::Firm);
                rank(a).cmp(&rank(b)).then(a.jump.speed_kmh.total_cmp(&b.jump.speed_kmh))
            })
    }

    fn judged(&self, params: &Params, context: &Context<'_>, jump: Jump) -> Found {
        let blocks = self.blocks(params, context, &jump);
        // Of two families the older one is listed better.
        let older = jump.from.seen.address.ip().is_ipv4();
        let in_place = blocks.iter().any(|block| {
            let stays = block.layer == Layer::User || (block.by == "dual_stack" && older);
            stays && context.takes(block.layer, block.by)
        });
        // Where a carrier lets its customers out, and where a file is wrong, says nothing of tunnels; nor does it while the
        // user is being learned.
        let mut holds = blocks.iter().filter(|block| block.by != "learning" && context.takes(block.layer, block.by));
        let is_tunnel =
            holds.next().is_none_or(|block| !matches!(block.by, "carried_along" | "home_carrier" | "mobile_gateway"));
        Found { jump, blocker: context.blocker(blocks), in_place, is_tunnel }
    }

    fn raise(&mut self, params: &Params, context: &mut Context<'_>, found: &Found) -> Raised {
        let Found { jump, blocker, in_place, .. } = found;
        let raised = match (blocker, in_place) {
            (None, _) => Raised::Told,
            (Some(_), false) => Raised::HeldBack,
            (Some(_), true) => Raised::HeldInPlace,
        };
        let incident = self.incidents.touch(hash64(jump.countries().as_flattened()), blocker.is_some(), context);
        let mut fresh = incident.is_raised();
        if incident.count == 0 {
            incident.first = jump.from.time;
            incident.add(jump.from.trace(), false);
            incident.count = 0;
        }
        fresh &= !incident.evidence.addresses().iter().any(|known| known.address == jump.to.address)
            && incident.evidence.addresses().len() < crate::finding::ADDRESSES_MAX;
        incident.add(context.trace(), context.event.test);
        let aggravations = jump.aggravations(context);
        let words = Words { user: context.subject.user().to_owned(), aggravations: aggravations.clone() };
        let raise = Raise { blocker: blocker.clone(), aggravations, fresh };
        context.raise(incident, raise, |incident| words.explain(params, jump, incident));
        raised
    }

    fn blocks(&self, params: &Params, context: &Context<'_>, jump: &Jump) -> Vec<Block> {
        let event = context.event;
        let day = day_of(event.time);
        let one_client = jump.is_of_one_client(event);
        let between = self.pairs.as_ref().map(|pairs| pairs.between(params, &jump.from.seen, &jump.to, day));
        let between = between.unwrap_or_default();
        let ends = self.ends(params, context, jump);
        let ways = Ways {
            from: self.networks.habit(params, &jump.from.seen, day),
            to: self.networks.habit(params, &jump.to, day),
            jump_days: self.networks.jump_days(params, day),
            same_client: jump.same_session(event),
            stranger: jump.other_agent(event) || jump.other_device(event),
        };
        let stranger = ways.stranger;
        let blocks = [
            context.learning(params.learning_days),
            ground::tagged_egress(context, jump),
            corporate_networks(context, jump),
            same_network(jump, event),
            pairs::dual_stack(jump, between, one_client),
            pairs::carried_along(jump, one_client),
            ground::mobile_gateway(jump, ends.gateways, stranger),
            same_device(jump, event),
            ground::home_carrier(params, jump, one_client, ends.own_carriers),
            ground::home_proxy(params, ends.own_proxies),
            pairs::split_tunnel(params, between, one_client),
            pairs::familiar_pair(params, between),
            habit::familiar_networks(params, ways),
            habit::familiar_tunnel(params, ways),
            context.usual_in_organisation(&jump.to),
        ];
        blocks.into_iter().flatten().collect()
    }

    /// Counts a day of use, and of jumps that were held back: an alert does not teach that jumps are a habit. Nothing at
    /// all is learned from the session that raised one.
    fn learn(&mut self, params: &Params, context: &mut Context<'_>, seen: &SeenAddress, held: Option<&Jump>) {
        let actor = context.actor();
        let quiet = context.quiet();
        let tainted = self.incidents.iter().any(|incident| {
            let raised = !incident.held && incident.raised_by == actor;
            raised && context.event.time <= incident.last + quiet
        });
        if tainted {
            return;
        }
        let (event, day) = (context.event, day_of(context.event.time));
        let gave_way = self.networks.learn(params, seen, day, held.is_some());
        context.caps.networks += u64::from(gave_way);
        if let Some(pairs) = &mut self.pairs {
            pairs.seen(params, event, seen, day);
        }
        if let Some(jump) = held.filter(|_| context.keeps(2)) {
            let pairs = self.pairs.get_or_insert_default();
            let one_client = jump.is_of_one_client(event);
            let gave_way = pairs.learn(params, event, (&jump.from.seen, seen), one_client, day);
            context.caps.networks += u64::from(gave_way);
        }
    }
}

fn place_of(seen: &SeenAddress) -> Option<Place> {
    seen.location.place.ok()
}

/// Holds a jump within one carrier and country of the same device or browser.
fn same_network(jump: &Jump, event: &Event) -> Option<Block> {
    let asn = jump.one_carrier();
    let same = jump.same_device(event) || jump.same_agent(event);
    (asn != 0 && jump.is_in_one_country() && same).then(|| Block {
        layer: Layer::System,
        by: "same_network",
        reason: format!("both ends are the same carrier (AS{asn}) in one country, with the same device or browser"),
        measures: vec![Measure::new("asn", f64::from(asn), "AS number")],
    })
}

/// Holds a jump of one registered device.
fn same_device(jump: &Jump, event: &Event) -> Option<Block> {
    jump.same_device(event).then(|| Block {
        layer: Layer::User,
        by: "same_device",
        reason: "both ends are the same registered device: it changed its way to the network, not its place".into(),
        measures: Vec::new(),
    })
}

/// Holds a jump between two networks of the organisation: its people are in one of them or reach it from elsewhere.
fn corporate_networks(context: &Context<'_>, jump: &Jump) -> Option<Block> {
    let corporate = |seen| context.networks.tagged(seen).filter(|entry| entry.tag == Tag::Corporate);
    let (from, to) = (corporate(&jump.from.seen)?, corporate(&jump.to)?);
    Some(Block {
        layer: Layer::User,
        by: "corporate_networks",
        reason: format!("both ends are tagged corporate: {} and {}", from.name, to.name),
        measures: Vec::new(),
    })
}
