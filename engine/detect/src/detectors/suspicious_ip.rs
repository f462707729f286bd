//! Activity from an address of bad repute: a machine of a botnet, a source of password sprays or of malware.
//!
//! # Finds
//! Successful activity of a user from an address that a list of the configuration named, at the time of the event, as
//! `botnet`, `command_and_control`, `malware`, `password_spray` or `scanner`, with a confidence of at least
//! `confidence_min`, or that `networks.yaml` tags `risky`. On a network where the user was not before, with a device that
//! none of theirs is, `confidence_strange_min` is enough. And what a list says only afterwards: at the next success of the
//! user that is in the rule's scope, up to `look_back_hours` after they were there, by lists that came meanwhile too. One
//! alert for each user, list and category until they have been quiet. Where lists say several things, the gravest is told:
//! sources of malware come after what raises the severity, and scanners last.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts): stolen credentials are tried and used from machines that others have seen at it. A
//! success from there is worth a look by itself, without any history of the user. A botnet's machines, its control servers
//! and sources of password sprays raise the severity by a step; a list that is not sure lowers it.
//!
//! Machines at home do get infected, and households share addresses. From a network (a /24 of IPv4, a /48 of IPv6) that a
//! user was on for `usual_days_min` different days before it was listed, the severity is a step lower: it is told, since
//! somebody should look at that machine, but it is hardly a stranger. Days on which it was listed teach nothing.
//! A list that is hardly sure (seen once, by one source) names hotels and homes as well as thieves, so alone it says nothing;
//! a device that the user had on no two days at addresses that no list says anything against is a second sign. Where the user
//! has one to four, a record that names none counts as another, unless theirs do so at times.
//! Lists lag: an address is seen at work today and listed tomorrow. Four addresses of no list, on networks where the user was
//! not before, are remembered, unless the device was one of theirs; each record that follows says what the lists of the
//! moment say of them, so a replay knows it where the live run did.
//! A mobile carrier (by its name) lets thousands of its customers out at one address, and one infected phone puts it on a
//! list: of whoever was with that carrier on two days before, or where a list is not sure of an infected machine, it is no
//! news, and told at high sensitivity alone. A botnet's control server is told.
//!
//! # Blind spots
//! Addresses on no list, and lists that are old; an attacker behind the address that the user shares with them, or on the
//! network of the user's mobile carrier; an address that is listed afterwards where the user does nothing from then on, or
//! used their own device, or a copied id of it, or was on that network on an earlier day, and the first of more than four such
//! addresses within that time; a device with which a thief was at addresses that no list says anything against on two days;
//! activity without an address of its own or of its session. Without a list, and without a network tagged `risky`, the rule
//! does not run. Of what came too late to be put in order the user's own networks do not count.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it:
//! `known_good` (a list says, with that confidence, that the address is harmless); `own_network` (`networks.yaml` tags the address `corporate`,
//! `vpn`, `proxy` or `administrative`, which outranks every list); at low and medium sensitivity `shared_address`; at low
//! sensitivity `usual_in_organisation`.
//!
//! # References
//! The reference product's policy "activity from suspicious IP addresses" (password spray, botnet).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{About, Detector, bounded, is_nothing};
use crate::afterwards::{Stranger, Strangers};
use crate::context::{Context, Relief};
use crate::devices::Devices;
use crate::event::{Event, EventLocation};
use crate::finding::SeenAddress;
use crate::incident::Incidents;
use crate::listed::{CONFIDENCE_MAX, Category};
use crate::lists::AFTERWARDS_MAX;
use crate::model::{IpSource, Outcome};
use crate::networks::NetworkId;
use crate::place::NoPlace;
use crate::plan::LaneKind;
use crate::radius::is_mobile;
use crate::reputation::{Case, Limits, Told, Watch, habit, shared_address, unsure, vouched_for};
use crate::sessions::Origin;
use crate::time::{HOUR, Millis, day_of, to_the_minute};

/// How long what a list says afterwards can count at most, hours: what events say of it reaches as far.
const LOOK_BACK_HOURS_MAX: u32 = (AFTERWARDS_MAX / HOUR) as u32;
/// Said of what is told for the stranger and not for the list alone.
const OF_STRANGERS: &str = ", on a network and with a device that are new to the user";

/// Parameters of `suspicious_ip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
    /// Of an address on a network and with a device with which the user was not before this much is enough, at most
    /// `confidence_min`. 0: as of others.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub confidence_strange_min: u32,
    /// What a list says only afterwards counts for so long after the user was there, hours. 0: it does not.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub look_back_hours: u32,
    /// Below this confidence the severity is a step lower.
    pub confidence_sure: u8,
    /// From a network the user was on for this many different days before it was listed, the severity is a step lower.
    pub usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    pub usual_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.limits().faults();
        bounded(&mut faults, "confidence_strange_min", self.confidence_strange_min, 0, u32::from(CONFIDENCE_MAX));
        bounded(&mut faults, "look_back_hours", self.look_back_hours, 0, LOOK_BACK_HOURS_MAX);
        faults
    }

    /// Of a network and a device that are new to the user.
    fn limits_of_strangers(&self) -> Limits {
        let few = u8::try_from(self.confidence_strange_min).unwrap_or(CONFIDENCE_MAX);
        Limits { confidence_min: few.min(self.confidence_min), ..self.limits() }
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
    /// Devices that were used where nothing was said against the address.
    #[serde(with = "crate::format::since_2")]
    devices: Devices,
    /// Addresses of which nothing was said when the user was there.
    #[serde(with = "crate::format::since_2")]
    strangers: Strangers,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Whereabouts;

    const SUPPRESSIONS: &'static [&'static str] =
        &["known_good", "own_network", "shared_address", "usual_in_organisation"];

    const OPTIONAL: &'static [&'static str] = &["confidence_strange_min", "look_back_hours"];

    const READS_LISTS: bool = true;

    const CHECKS_LATE: bool = true;

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        self.look_back(params, context);
        let Some(seen) = context.origin.for_place() else { return };
        // The addresses of a mobile carrier are everybody's by turns.
        let is_shared = is_mobile(seen.location.carrier);
        let network = if is_shared { NetworkId::of_carrier(&seen) } else { NetworkId::of_block(&seen) };
        let (day, asked) = (day_of(context.event.time), params.limits());
        let days = self.watch.days(network, day, asked.usual_forget_days);
        let is_strange = !context.late && days == 0 && self.is_strange(day, params, context);
        let limits = if is_strange { params.limits_of_strangers() } else { asked };
        // What is everybody's by one list hides nothing that another is sure of.
        let is_everybodys = |told: &Told<'_>| {
            let block = shared_address((days, false), &seen, told, &limits);
            block.is_some_and(|block| context.takes(block.layer, block.by))
        };
        let of_lists = || {
            Told::of_lists_unless(&seen, &limits, is_suspicious, is_everybodys)
                .or_else(|| Told::of_lists(&seen, &limits, is_suspicious))
        };
        let told = Told::of_organisation(context.networks, &seen).or_else(of_lists);
        let Some(told) = told else {
            self.note_stranger((seen, limits.confidence_min), days, params, context);
            if seen.location.listed.is_harmless() && !context.late && context.keeps(2) {
                self.devices.note(context.event.device, day, asked.usual_forget_days);
            }
            return self.watch.note(network, &asked, context);
        };
        let aside = if told.confidence < asked.confidence_min { OF_STRANGERS } else { "" };
        self.tell(context, Found { told, seen, limits, days, aside: aside.into(), before: None }, params);
    }

    fn incidents(&self) -> &Incidents {
        self.watch.incidents()
    }

    fn strangers(&self) -> &[Stranger] {
        self.strangers.all()
    }

    fn bring(&self) {
        self.watch.bring();
    }

    fn copy_from(&mut self, other: &Self) {
        self.watch.copy_from(&other.watch);
        self.devices.copy_from(&other.devices);
        self.strangers.copy_from(&other.strangers);
    }
}

/// What is found at an address.
struct Found<'a> {
    told: Told<'a>,
    seen: SeenAddress,
    limits: Limits,
    /// Days before on which the user worked from the network.
    days: u32,
    aside: Cow<'a, str>,
    before: Option<&'a Stranger>,
}

impl State {
    fn tell(&mut self, context: &mut Context<'_>, found: Found<'_>, params: &Params) {
        let Found { told, seen, limits, days, aside, before } = found;
        let mut blocks = vouched_for(context, &seen, &limits);
        blocks.extend(shared_address((days, false), &seen, &told, &limits));
        blocks.extend(context.usual_in_organisation(&seen));
        let baseline = habit(days, context);
        let reliefs = vec![
            unsure(&told, &limits),
            Relief { reason: "the user has long worked from this network", holds: days >= params.usual_days_min },
        ];
        let worse = Vec::from_iter(told.category.and_then(graver));
        self.watch.raise(context, Case { told, seen, limits, blocks, worse, reliefs, baseline, aside, before });
    }

    /// Tells of addresses where the user was before and of which a list says something by now.
    fn look_back(&mut self, params: &Params, context: &mut Context<'_>) {
        let now = context.event.time;
        if context.late || self.strangers.all().is_empty() {
            return;
        }
        self.strangers.pass(context.event, now - Millis::from(params.look_back_hours) * HOUR);
        let limits_of = |stranger: &Stranger| Limits { confidence_min: stranger.confidence_min, ..params.limits() };
        let seen_as = |stranger: &Stranger, listed| {
            let location = EventLocation { listed, ..stranger.seen.location };
            SeenAddress { location, ..stranger.seen }
        };
        let is_enough = |stranger: &Stranger, listed| {
            Told::of_lists(&seen_as(stranger, listed), &limits_of(stranger), is_suspicious).is_some()
        };
        while let Some(stranger) = self.strangers.next_told(now, is_enough) {
            let Some((from, listed)) = stranger.told(now) else { continue };
            let (seen, limits) = (seen_as(&stranger, listed), limits_of(&stranger));
            let Some(told) = Told::of_lists(&seen, &limits, is_suspicious) else { continue };
            let since = if from > stranger.last {
                format!(", which says so since {} UTC", to_the_minute(from))
            } else {
                ", which did not say so then".to_owned()
            };
            let of = if told.confidence < params.confidence_min { OF_STRANGERS } else { "" };
            let aside = format!("{since}{of}").into();
            let origin = Origin { seen: Some(seen), source: IpSource::Direct, ..context.origin.clone() };
            let mut elsewhere = context.elsewhere(&origin);
            self.tell(&mut elsewhere, Found { told, seen, limits, days: 0, aside, before: Some(&stranger) }, params);
        }
    }

    /// Remembers an address on a network where the user never was, with a device that is not known to be theirs.
    fn note_stranger(
        &mut self,
        (seen, confidence_min): (SeenAddress, u8),
        days_on_network: u32,
        params: &Params,
        context: &mut Context<'_>,
    ) {
        let event = context.event;
        let is_of_record = event.address == Some(seen.address);
        let is_own = self.devices.knows(event.device, day_of(event.time), params.usual_forget_days);
        // Of these no list is asked.
        let is_special = matches!(seen.location.place, Err(NoPlace::Private | NoPlace::Reserved));
        let counts = is_of_record && days_on_network == 0 && !is_own && !is_special && !context.is_egress(&seen);
        if params.look_back_hours > 0 && !context.late && context.keeps(2) && context.exception.is_none() && counts {
            self.strangers.note(seen, confidence_min, context);
        }
    }

    /// Does the user work with other devices, as far as records name them?
    fn is_strange(&self, day: i32, params: &Params, context: &Context<'_>) -> bool {
        params.confidence_strange_min > 0
            && self.devices.are_others(context.event.device, day, params.usual_forget_days)
    }
}

const fn is_suspicious(category: Category) -> bool {
    matches!(
        category,
        Category::Botnet
            | Category::CommandAndControl
            | Category::Malware
            | Category::PasswordSpray
            | Category::Scanner
    )
}

/// Why an address of this category is graver than others.
const fn graver(category: Category) -> Option<&'static str> {
    match category {
        Category::Botnet => Some("from a botnet"),
        Category::CommandAndControl => Some("from a control server of a botnet"),
        Category::PasswordSpray => Some("from a source of password sprays"),
        _ => None,
    }
}
