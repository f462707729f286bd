//! Activity from an address behind which anybody can hide: a Tor exit, a VPN for anybody, an open proxy.
//!
//! # Finds
//! Successful activity of a user from an address that a list of the configuration named, at the time of the event, as `tor`,
//! `vpn`, `proxy`, `residential_proxy` or `private_relay`, and as `hosting` where `hosting` is set, with a confidence of at
//! least `confidence_min`. One alert for each user, list and category until they have been quiet. Where lists say several
//! things, the gravest is told: Tor before rented household lines, these before tunnels and proxies, and hosters last; that
//! an address is a maker's private relay is told before that others call it a tunnel or proxy.
//!
//! # Why
//! ATT&CK T1090.003 (Multi-hop Proxy) and T1078.004 (Cloud Accounts): whoever uses a stolen account hides where they are.
//! Whether an address was an exit is a matter of time, so a list says from when to when, and an event is judged by what held
//! when it happened. A Tor exit raises the severity by a step, a list that is not sure lowers it.
//!
//! People do work through tunnels that they pay for. A network of a tunnel (its carrier, or its block of addresses where no
//! carrier is known) that a user was on for `usual_days_min` different days is the user's habit; other exits of Tor and
//! rented household lines never are. Thieves rent the same tunnels: where records name devices, one that was not on that
//! network on an earlier day, or a record without one where all had named one, at an exit (a /24 of IPv4, a /48 of IPv6)
//! where the user was not either, is no part of the habit, and is told with a severity that is a step lower. Of whoever has
//! been there with more than two devices another one says nothing, but none does.
//!
//! A line of the user's own carrier may have been somebody's exit of Tor until it became theirs, and some run one at home;
//! what a list calls a proxy without being sure is often somebody's line. Where the user was with that carrier, at addresses
//! against which no list says anything and within 60 km of there the last time, or as far off as the places of both may be, up
//! to 250, on `usual_days_min` different days, neither is news (`own_carrier`), unless `networks.yaml` says that anybody rents
//! addresses there; the last two of these days with addresses of a family, or more, must have begun there. Where a carrier's
//! addresses of either family are is remembered by itself: many files put one of them elsewhere. A day elsewhere begins it anew.
//! In the very block of addresses (a /24 of IPv4, a /48 of IPv6) where the user was last, on an earlier day, a list that is
//! sure of a rented line or an open proxy is not believed either:
//! programs that make a household's line a rented one hide in those of honest people, whose own work comes from there as ever. It
//! is believed there where the device is a stranger's: not one that the user had on two earlier days, or none named where records
//! of the user name some.
//!
//! Nor is an address of which no list is sure, a proxy or whatever else, where the record names a device that the user had on
//! two earlier days where no list says anything against the address, or on a network of the organisation, whatever lists say of
//! that (`own_device`): hotels and homes come on such lists. With such a device that holds of Tor too, on another carrier's line
//! in the town, and of a proxy of which a list is sure, on a line of a carrier with which the user was in the town on an earlier
//! day.
//!
//! What `own_carrier` and `own_device` hold back is told at high sensitivity.
//!
//! A private relay hides nobody from an organisation: makers of devices let their customers out through it in the region
//! where they are, so other policies still see a change of place. It is told at high sensitivity alone.
//!
//! # Blind spots
//! - Addresses on no list, and lists that are old. Without a list in the configuration the rule does not run.
//! - An attacker on the tunnel that the user usually has, where records name no devices, and one on a private relay.
//! - An attacker at an exit of Tor, or at a proxy of which no list is sure, on a line of a carrier of the user in the user's town.
//! - An attacker with the user's device, or a copied id of it, where no list is sure, and in the user's town at an exit of Tor or on
//!   a rented line of the user's carrier.
//! - Where records name no device, or now and then none, an attacker behind a rented line in the block of addresses where the
//!   user was last: the user's own line, a neighbour's, or the gateway of their mobile carrier.
//! - Who is the user is learned from where they were: an attacker who has worked from a carrier for `usual_days_min` days at
//!   addresses that no list says anything against, the last two in one town (these alone, where the carrier is the user's too), or
//!   with a device for two, behind the organisation's own tunnel too. In a town where the user was with addresses of one family that
//!   holds until it is forgotten, wherever they are with those of the other.
//! - Activity without an address of its own or of its session; of what came too late to be put in order, tunnels and hosters.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it: `known_good` (a
//! list says, with that confidence, that the address is harmless); `learning`, for tunnels and hosters alone: Tor is told
//! from the first event on; `own_network` (`networks.yaml` tags the address `corporate`, `vpn`, `proxy` or `administrative`,
//! which outranks every list); at low and medium sensitivity `own_carrier`, `own_device`, `private_relay` and
//! `usual_network`; at low sensitivity `usual_in_organisation`.
//!
//! # References
//! The reference product's policy "activity from anonymous IP addresses". The Tor Project's list of exits.

mod carriers;

use carriers::{Carrier, Carriers, Here};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{About, Detector, bounded, unused_longest};
use crate::context::{Block, Context, Relief};
use crate::devices::Devices;
use crate::event::Event;
use crate::finding::{Measure, SeenAddress};
use crate::incident::Incidents;
use crate::listed::{Category, ListEntry};
use crate::model::Outcome;
use crate::networks::NetworkId;
use crate::plan::LaneKind;
use crate::reputation::{
    Case, Limits, Told, Watch, habit, is_vouched_for, own_network, unsure, usual_network, vouched_for,
};
use crate::rule::Layer;
use crate::time::day_of;

/// Devices on networks of tunnels that are remembered of a key; the one unused for longest gives way.
const COMPANIONS_MAX: usize = 16;
/// Whoever has been on a network with more devices than this changes them: a laptop and a phone.
const COMPANIONS_USUAL: usize = 2;

/// Parameters of `anonymous_ip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
    /// Below this confidence the severity is a step lower.
    pub confidence_sure: u8,
    /// Addresses of hosters count too.
    pub hosting: bool,
    /// Event time from a user's first activity in which findings on tunnels and hosters are only recorded, days.
    pub learning_days: u32,
    /// A network of a tunnel or hoster the user was on for this many different days before is usual.
    pub usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    pub usual_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.limits().faults();
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        faults
    }

    const fn counts(&self, category: Category) -> bool {
        match category {
            Category::Tor | Category::Vpn | Category::Proxy | Category::ResidentialProxy | Category::PrivateRelay => {
                true
            }
            Category::Hosting => self.hosting,
            _ => false,
        }
    }

    const fn limits(&self) -> Limits {
        Limits {
            confidence_min: self.confidence_min,
            confidence_sure: self.confidence_sure,
            usual_days_min: self.usual_days_min,
            usual_forget_days: self.usual_forget_days,
        }
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    watch: Watch,
    /// Devices on networks of tunnels.
    #[serde(with = "crate::format::since_2")]
    companions: Vec<Companion>,
    /// Carriers that let the user out at addresses that no list says anything against.
    #[serde(with = "crate::format::since_2")]
    carriers: Carriers,
    /// Devices that were used where nothing was said against the address.
    #[serde(with = "crate::format::since_2")]
    devices: Devices,
}

/// A device with which the user was on a network of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Companion {
    network: NetworkId,
    /// The exit.
    exit: NetworkId,
    /// Its hash; 0: a record that named none.
    #[serde(with = "postcard::fixint::le")]
    device: u64,
    first_day: i32,
    last_day: i32,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Whereabouts;

    const SUPPRESSIONS: &'static [&'static str] = &[
        "known_good",
        "learning",
        "own_carrier",
        "own_device",
        "own_network",
        "private_relay",
        "usual_in_organisation",
        "usual_network",
    ];

    const READS_LISTS: bool = true;

    const CHECKS_LATE: bool = true;

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place() else { return };
        let is_harmless = seen.location.listed.is_harmless();
        let is_own = || own_network(context, &seen).is_some_and(|block| context.takes(block.layer, block.by));
        // Behind the organisation's own proxy programs name no device, and people do.
        let says_whose = if context.event.device == 0 { is_harmless && !is_own() } else { is_harmless || is_own() };
        if !context.late && context.keeps(2) && says_whose {
            self.devices.note(context.event.device, day_of(context.event.time), params.usual_forget_days);
        }
        if is_harmless {
            return self.carriers.note(&seen, params.usual_forget_days, context);
        }
        let limits = params.limits();
        let told = Told::of_lists(&seen, &limits, |category| params.counts(category));
        let Some(told) = told else { return };
        let (network, day) = (NetworkId::of_carrier(&seen), day_of(context.event.time));
        let days = self.watch.days(network, day, limits.usual_forget_days);
        let can_be_usual = told.can_be_habit();
        if can_be_usual && context.late {
            // Whether the user has long worked through it is a matter of order.
            return;
        }
        let mut blocks = vouched_for(context, &seen, &limits);
        let is_vouched_for = is_vouched_for(context, &blocks);
        blocks.extend((told.category == Some(Category::PrivateRelay)).then(|| private_relay(&told)));
        blocks.extend(self.own_line(&seen, day, params, context));
        blocks.extend(self.own_device(&told, day, params, context));
        let place = (network, NetworkId::of_block(&seen));
        let is_strange = can_be_usual && days >= params.usual_days_min && self.is_strange(place, params, context);
        blocks.extend(usual_network(days, params.usual_days_min).filter(|_| can_be_usual && !is_strange));
        blocks.extend(context.usual_in_organisation(&seen));
        blocks.extend(context.learning(params.learning_days).filter(|_| can_be_usual));
        let baseline = habit(days, context);
        let worse = if told.category == Some(Category::Tor) { vec!["through Tor"] } else { Vec::new() };
        let reliefs = vec![
            unsure(&told, &limits),
            Relief { reason: "the user usually has this tunnel, with other devices", holds: is_strange },
        ];
        let aside = match (is_strange, context.event.device) {
            (false, _) => "",
            (true, 0) => ", the user's usual one, at an exit that is new there and without a device",
            (true, _) => ", the user's usual one, at an exit and with a device that are new there",
        };
        let aside = aside.into();
        self.watch.raise(context, Case { told, seen, limits, blocks, worse, reliefs, baseline, aside, before: None });
        if can_be_usual && !is_vouched_for {
            self.watch.note(network, &limits, context);
            self.note_device(place, params, context);
        }
    }

    fn incidents(&self) -> &Incidents {
        self.watch.incidents()
    }

    fn bring(&self) {
        self.watch.bring();
    }

    fn copy_from(&mut self, other: &Self) {
        self.watch.copy_from(&other.watch);
        self.companions.clone_from(&other.companions);
        self.carriers.copy_from(&other.carriers);
        self.devices.copy_from(&other.devices);
    }
}

impl State {
    /// Holds back what is Tor, or a proxy perhaps, and nothing else, on a line of the user's own carrier, or with a device of
    /// theirs on another one in the town where they work; and what is a proxy for certain with such a device on such a line.
    fn own_line(&self, seen: &SeenAddress, day: i32, params: &Params, context: &Context<'_>) -> Option<Block> {
        let asn = seen.location.carrier.asn;
        let entries = seen.location.listed.entries();
        let is_proxy = |entry: &ListEntry| matches!(entry.category, Category::Proxy | Category::ResidentialProxy);
        let may_be_line =
            |entry: &ListEntry| is_proxy(entry) || matches!(entry.category, Category::Tor | Category::KnownGood);
        if context.late || !entries.iter().all(may_be_line) || context.is_rented(seen) {
            return None;
        }
        // Whoever rents a line in the user's town may well get one of the same carrier: there only the device tells them apart.
        let is_sure_proxy = entries.iter().any(|entry| is_proxy(entry) && entry.confidence >= params.confidence_sure);
        let (here, lately) = (Here::of(seen)?, (day, params.usual_forget_days));
        let own = self.carriers.lately(lately).find(|known| known.asn == asn);
        if let Some(own) = own.filter(|own| own.days_before(day) >= params.usual_days_min)
            && let Some(km) = own.km_from(here, true, lately)
        {
            if !is_sure_proxy {
                return Some(own_carrier(asn, own.days_before(day), km, params));
            }
            if own.has_block(seen, lately) && !self.is_strangers(context.event.device, day, params) {
                return Some(own_block(asn, own.days_before(day)));
            }
        }
        let is_own_device = self.devices.knows(context.event.device, day, params.usual_forget_days);
        let counts = |known: &&Carrier| !is_sure_proxy || known.asn == asn;
        let near = self.carriers.lately(lately).filter(counts).filter_map(|known| known.km_from(here, false, lately));
        near.min_by(f64::total_cmp).filter(|_| is_own_device).map(own_device_in_town)
    }

    /// Is the device none of the user's, or is none named where the user's records name some?
    fn is_strangers(&self, device: u64, day: i32, params: &Params) -> bool {
        match device {
            0 => self.devices.always_name_one(day, params.usual_forget_days),
            device => !self.devices.knows(device, day, params.usual_forget_days),
        }
    }

    /// Holds back what a list is not sure of, where the user works with a device of theirs.
    fn own_device(&self, told: &Told<'_>, day: i32, params: &Params, context: &Context<'_>) -> Option<Block> {
        let is_unsure = told.confidence < params.confidence_sure;
        let is_own = || self.devices.knows(context.event.device, day, params.usual_forget_days);
        (!context.late && is_unsure && is_own()).then(|| own_device(told.confidence, params.confidence_sure))
    }

    /// Were one or two other devices on this network on earlier days that are not forgotten, one of them named, and neither this
    /// one nor any at this exit? Or any number, if none is named now?
    fn is_strange(&self, (network, exit): (NetworkId, NetworkId), params: &Params, context: &Context<'_>) -> bool {
        let (device, day) = (context.event.device, day_of(context.event.time));
        let counts = |known: &&Companion| {
            known.network == network && known.first_day < day && day - known.last_day <= params.usual_forget_days as i32
        };
        let known = || self.companions.iter().filter(counts);
        let mut devices: SmallVec<[u64; COMPANIONS_MAX]> = known().map(|known| known.device).collect();
        devices.sort_unstable();
        devices.dedup();
        let is_new = !devices.contains(&device) && known().all(|known| known.exit != exit);
        let named = devices.iter().filter(|known| **known != 0).count();
        // Whoever changes devices names one all the same.
        let most = if device == 0 { usize::MAX } else { COMPANIONS_USUAL };
        (1..=most).contains(&named) && is_new
    }

    fn note_device(&mut self, (network, exit): (NetworkId, NetworkId), params: &Params, context: &mut Context<'_>) {
        let (device, day) = (context.event.device, day_of(context.event.time));
        if context.late || !context.keeps(2) {
            return;
        }
        // That none is named is remembered once for a network, with the exit where that was first: a new one must not be known by it.
        let is_same = |known: &&mut Companion| {
            known.network == network && known.device == device && (device == 0 || known.exit == exit)
        };
        if let Some(known) = self.companions.iter_mut().find(is_same) {
            known.last_day = known.last_day.max(day);
            return;
        }
        if self.companions.len() >= COMPANIONS_MAX {
            context.caps.networks += 1;
            // And longer than any device, or it would be strange again and again.
            let forget_days = params.usual_forget_days as i32;
            let is_nameless = |known: &Companion| known.device == 0 && day - known.last_day <= forget_days;
            let last = |known: &Companion| if is_nameless(known) { i32::MAX } else { known.last_day };
            if let Some(oldest) = unused_longest(self.companions.iter().map(last)) {
                self.companions.remove(oldest);
            }
        }
        self.companions.push(Companion { network, exit, device, first_day: day, last_day: day });
    }
}

fn own_carrier(asn: u32, days: u32, km: f64, params: &Params) -> Block {
    Block {
        layer: Layer::User,
        by: "own_carrier",
        reason: format!(
            "AS{asn} is a carrier of the user, who was with it on {days} days before where no list says anything against the \
             address, two or more of them within {km:.0} km of here: a line that was somebody else's, or an exit of the user's own"
        ),
        measures: vec![
            Measure::new("days_with_carrier", f64::from(days), "days"),
            Measure::new("usual_days_min", f64::from(params.usual_days_min), "days"),
            Measure::new("distance", libm::round(km), "km"),
        ],
    }
}

fn own_block(asn: u32, days: u32) -> Block {
    Block {
        layer: Layer::User,
        by: "own_carrier",
        reason: format!(
            "AS{asn} let the user out in this very block of addresses on an earlier day, at one that no list said anything \
             against: a line of the user's own"
        ),
        measures: vec![Measure::new("days_with_carrier", f64::from(days), "days")],
    }
}

fn own_device_in_town(km: f64) -> Block {
    Block {
        layer: Layer::User,
        by: "own_device",
        reason: format!(
            "the device is one that the user had on earlier days, {km:.0} km from where they worked at an address that no list \
             says anything against: a line that was somebody else's"
        ),
        measures: vec![Measure::new("distance", libm::round(km), "km")],
    }
}

fn own_device(confidence: u8, confidence_sure: u8) -> Block {
    Block {
        layer: Layer::User,
        by: "own_device",
        reason: "the list is not sure of the address, and the device is one that the user had on earlier days"
            .to_owned(),
        measures: vec![
            Measure::new("confidence", f64::from(confidence), "of 100"),
            Measure::new("confidence_sure", f64::from(confidence_sure), "of 100"),
        ],
    }
}

/// Holds back what comes through the relay of a device's maker.
fn private_relay(told: &Told<'_>) -> Block {
    Block {
        layer: Layer::User,
        by: "private_relay",
        reason: "a maker's relay lets those who have its devices out in their own region".to_owned(),
        measures: vec![Measure::new("confidence", f64::from(told.confidence), "of 100")],
    }
}
