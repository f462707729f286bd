//! First use of a device after a risky event.
//!
//! # Finds
//! A sign-in that succeeds from a device which the user has not used for `device_forget_days`, within `within_secs` of a
//! risky event: `failures_min` failed sign-ins or second factors within `failures_within_secs`, or `failures_strange_min` of
//! them where each was somebody else's by all that is known: from a network on which the user had not signed in for two
//! months, further than `near_km` from where they do. Or a sign-in from an address that a list names as an anonymiser or a
//! machine of bad repute, or that `networks.yaml` tags `risky` (the sign-in itself may be that). A tunnel or proxy through
//! which the user has signed in on `usual_days_min` different days is their habit and no risky event, at medium and low
//! sensitivity; nor what a list says of the machines behind a mobile carrier's address, if that carrier is the user's own or
//! lets out where they live, or may do so and the list is not sure of it, or the list is hardly sure (`shared_address`):
//! thousands share it. Failures after which a known device signs in at the address of all of them were its user's, and those
//! that name a device of the user's are no risky event; what was somebody else's is not made good by a mistake of the user's.
//! One alert for each device; on a network of the user, after somebody else's failures, a step lower.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts) and T1110 (Brute Force): a guessed or phished account is used from the intruder's
//! machine. A new device alone is everyday life, and so are forgotten passwords; both together within a day are rare. Denied
//! second factors before it are T1621 (Multi-Factor Authentication Request Generation).
//!
//! # Blind spots
//! Records that name no device: rows of the instance name none, so the rule sees what producers write who know devices
//! (`client.device.id` of `activity.v1`, from Entra's sign-in log or a proxy), and not a machine that has no id there.
//! Intruders on the user's own device, or with an id that they copied. At the sensitivity that ships also those
//!
//! - behind the user's own carrier, who guessed there or elsewhere in the user's town (`usual_network`);
//! - who guess from one address, with fewer than ten failures since there was none for a day, and sign in from there, in the
//!   user's town (`near_home`) or on a carrier with which a device of the user's was on one day before, wherever it lets out
//!   (`known_network`; a device is the user's where it was used on two days before, and was not told of or came, on a later
//!   day, to a fixed line in the town and on the network where a device of the user's had been, or is managed);
//! - who guess fewer than `failures_min` times far away, and come an hour or more later out of the user's own town
//!   (`near_home`) or, with a device that the organisation manages, on such a carrier (`known_network`);
//! - who guess three or four times in the region, or the country, where the user is, if nothing more exact is known of them:
//!   that is not far away;
//! - who guess from one address of the user's carrier in their town, as in the same office, and sign in an hour or more
//!   later elsewhere in the town (`near_home`; `failed_logins` tells eleven guesses within an hour, where they are even a
//!   step lower);
//! - who fail from the address from which the user's own device then signs in;
//! - who come through the tunnel that the user usually has;
//! - on a mobile carrier of the user's region or, where the list is not sure (below 75), whose gateway may let out there or
//!   where nobody knows yet where the user is, whose address is listed for an infected phone (`suspicious_ip` tells it where
//!   the list is sure; `usual_network` and `shared_address` hold back what follows such a sign-in).
//!
//! Whoever signs in on the user's own mobile carrier with the user's device makes that region the user's. A phone that is
//! replaced on the day of a forgotten password, away from the user's networks and town, is told, and where it is used before it comes
//! home is no place of the user's; who has no such home, but only phones or tunnels, and nothing managed, keeps a device that was told so.
//! Where an intruder was, sign-ins that name no device count as the user's. Risky events of other kinds
//! (a new country, a role that was granted) are told by their own policies, and the policy `incident` puts them beside it.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it:
//!
//! - `learning`: the user is new.
//! - `usual_network`, at medium and low sensitivity: the sign-in comes from a network on which the user has signed in on
//!   `usual_days_min` different days before; where the failures were somebody else's only if the organisation manages the
//!   device. And what follows nothing but a sign-in through the tunnel that the user usually has.
//! - `near_home`, at medium and low sensitivity: the sign-in comes from within `near_km` of where the user signs in, nothing
//!   else is grave (a privileged account, a listed address, a second factor that is missing where the last three sign-ins of
//!   the user's devices had one), and there were
//!   - fewer failures than twice `failures_min` since there was none for as long as a risky event counts, none of them of a second
//!     factor or refused by policy (what a producer says of others is not asked), and the last `failures_min` and the sign-in from one address: somebody sets up a phone in
//!     the shop;
//!   - or fewer than `failures_min` of these in all, those of somebody else far away, the last of them more than
//!     `failures_within_secs` before and at another address: leaked passwords are tried on everybody, every night;
//!   - or, as long before, failures that all came, for a day without others, from one address on a carrier of the user's near
//!     where they are, which is no carrier of phones, no tunnel and nothing rented: a program of theirs that knows the old
//!     password.
//! - `known_network`, at medium and low sensitivity: the first two of these kinds, the second of a device that the organisation
//!   manages, wherever they are, on a network on which a device of the user's was, on a day before or, where anybody was there
//!   then, on this one; not at an address that is rented, on a list, or where a tunnel of the organisation ends. What was done
//!   with a device that was told as somebody else's makes no network, town or habit the user's.
//! - `many_devices`, at medium and low sensitivity: the user signs in from `devices_many` devices and more: a kiosk, a shared
//!   account. Not on a network where the user has never signed in, if the failures were somebody else's or came from the same
//!   address, or after an address of bad repute: nobody's kiosk stands there; nor after `failures_min` failures of somebody
//!   else.
//! - What follows nothing but a sign-in from a listed address, where that came from a mobile carrier's address
//!   (`shared_address`, at medium and low sensitivity), from a network of the organisation (`own_network`) or from an address
//!   that a list calls harmless (`known_good`).
//!
//! A device whose first use was held back is known from then on.
//!
//! What is near allows for how far off the places of both addresses may be, with 95 % where the file gives their radii; a
//! whole country is nobody's town, but to a list that is not sure. Of whom nothing is known but the region of a mobile carrier,
//! or the country, nothing in it is away, up to 800 km.
//!
//! # References
//! Entra ID Protection and others weigh an unfamiliar device with the risk of the sign-in; Freeman et al., "Who Are You? A
//! Statistical Approach to Measuring User Authenticity", NDSS 2016.

mod addresses;
mod devices;
mod excuses;
mod failures;
mod homes;
mod risks;
mod words;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::addresses::{BadAddresses, Why};
use self::devices::Device;
use self::failures::{Tries, Whose};
use self::homes::Homes;
use self::risks::{Risks, aggravations, is_from_the_risk, is_of_failures_alone};
use self::words::Words;

use super::{About, Detector, bounded, is_nothing};
use crate::context::{Block, Context, Raise, Relief, Standing};
use crate::event::Event;
use crate::finding::{Measure, SeenAddress};
use crate::incident::Incidents;
use crate::listed::{CONFIDENCE_MAX, Category};
use crate::model::{Action, Outcome};
use crate::networks::NetworkId;
use crate::plan::LaneKind;
use crate::radius::is_mobile;
use crate::reputation::{Limits, Told, Watch, shared_address, usual_network, vouched_for};
use crate::rule::Layer;
use crate::time::{Millis, SECOND, day_of};

/// Devices of a key that are remembered; the one unused for longest gives way.
const DEVICES_MAX: usize = 16;
/// Devices that lie in the state itself: more are rare.
const DEVICES_NEAR: usize = 2;
/// A device used within so many days counts against `devices_many`.
const RECENT_DAYS: u32 = 30;
/// A network that is not used for so many days is not usual any more.
const NETWORK_FORGET_DAYS: u32 = 60;

/// Parameters of `new_device`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How long a risky event counts, seconds.
    pub within_secs: u32,
    /// So many failed sign-ins or second factors are a risky event. 0: none are.
    pub failures_min: u32,
    /// So many are where each was on a network on which the user had not signed in, away from where they do, at most
    /// `failures_min`. 0: such failures count as others.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub failures_strange_min: u32,
    /// Within so many seconds.
    pub failures_within_secs: u32,
    /// What lies nearer to where the user signs in, day by day, is where they are, km; and what may do so, as exact as places of
    /// its carrier are. 0: that is not asked.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub near_km: u32,
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
    /// Of an address on a network on which the user had not signed in, away from where they do, this much is enough, at most
    /// `confidence_min`. 0: as of others.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub confidence_strange_min: u32,
    /// Event time from a user's first sign-in with a device in which findings are only recorded, days.
    pub learning_days: u32,
    /// A network the user signed in from on this many different days before is usual.
    pub usual_days_min: u32,
    /// So many devices within 30 days: a new one says nothing.
    pub devices_many: u32,
    /// A device not used for this long is new again, days.
    pub device_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "within_secs", self.within_secs, 60, 7 * 86_400);
        bounded(&mut faults, "failures_min", self.failures_min, 0, FAILURES_MAX as u32);
        bounded(&mut faults, "failures_strange_min", self.failures_strange_min, 0, FAILURES_MAX as u32);
        bounded(&mut faults, "near_km", self.near_km, 0, u32::from(NEAR_KM_MAX));
        bounded(&mut faults, "failures_within_secs", self.failures_within_secs, 60, 86_400);
        bounded(&mut faults, "confidence_min", self.confidence_min, 0, CONFIDENCE_MAX);
        bounded(&mut faults, "confidence_strange_min", self.confidence_strange_min, 0, u32::from(CONFIDENCE_MAX));
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "usual_days_min", self.usual_days_min, 1, 90);
        bounded(&mut faults, "devices_many", self.devices_many, 2, DEVICES_MAX as u32);
        bounded(&mut faults, "device_forget_days", self.device_forget_days, 1, 365);
        faults
    }

    const fn limits(&self) -> Limits {
        Limits {
            confidence_min: self.confidence_min,
            confidence_sure: self.confidence_min,
            usual_days_min: self.usual_days_min,
            usual_forget_days: NETWORK_FORGET_DAYS,
        }
    }
}

/// Failures that can be asked for at most.
const FAILURES_MAX: usize = 32;
/// A list that says it with less confidence is not sure: as `suspicious_ip` ships.
const CONFIDENCE_SURE: u8 = 75;
/// Where so many of the user's sign-ins in turn had a second factor, one without says something.
const FACTORS: u8 = 3;
/// What can be asked for as near, km: further is another region.
const NEAR_KM_MAX: u16 = 500;

/// What is kept for a key: nothing before its first sign-in with a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    devices: SmallVec<[Device; DEVICES_NEAR]>,
    tries: Tries,
    addresses: BadAddresses,
    /// Where the user signs in on networks of theirs: at home, at the office.
    homes: Homes,
    /// How many of the last sign-ins that were the user's had a second factor, up to [`FACTORS`].
    factors: u8,
    /// Networks of sign-ins, and the incidents.
    watch: Watch,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Authentication;

    const ABOUT: About = About::Entry;

    const SUPPRESSIONS: &'static [&'static str] = &[
        "known_good",
        "known_network",
        "learning",
        "many_devices",
        "near_home",
        "own_network",
        "shared_address",
        "usual_network",
    ];

    const OPTIONAL: &'static [&'static str] = &["confidence_strange_min", "failures_strange_min", "near_km"];

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Failure || event.action == Action::Login && event.outcome == Outcome::Success
    }

    fn begins(event: &Event) -> bool {
        event.outcome == Outcome::Success && event.device != 0
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        if event.outcome == Outcome::Failure {
            return self.fail(params, context);
        }
        let limits = params.limits();
        let seen = context.origin.for_place();
        let network = seen.as_ref().map(NetworkId::of_carrier);
        let day = day_of(event.time);
        let days = network.map_or(0, |network| self.watch.days(network, day, limits.usual_forget_days));
        if let Some(seen) = &seen {
            self.note_address(seen, days, params, context);
        }
        let known = self.own_device(params, event);
        let was_known = known.is_some();
        let was_theirs = known.is_some_and(|device| device.is_theirs());
        let is_users = event.device != 0 && self.use_device(params, (days, was_known), context);
        let is_told = self.trust_device(params, known, network, context);
        let is_users = is_users && !is_told;
        match event.mfa.filter(|_| is_users) {
            Some(true) => self.factors = self.factors.saturating_add(1).min(FACTORS),
            Some(false) => self.factors = 0,
            None => {}
        }
        if let Some(seen) = seen.as_ref().filter(|_| is_users && days >= params.usual_days_min) {
            // What a list says anything against may be anybody's, and a tunnel of the organisation's ends where the user is not.
            // And of a carrier that is everybody's only a device that was known says it.
            let is_theirs = was_known || !is_mobile(seen.location.carrier);
            if is_theirs && !context.is_egress(seen) && seen.location.listed.is_harmless() {
                self.homes.note(seen, event.time, params);
            }
        }
        // Where a device was that was told as somebody else's says nothing of the user.
        if let (Some(network), Some(seen), false) = (network, &seen, is_told) {
            self.watch.note_own(network, was_theirs && !is_anybodys(seen, context), &limits, context);
        }
    }

    fn incidents(&self) -> &Incidents {
        self.watch.incidents()
    }

    fn copy_from(&mut self, other: &Self) {
        self.devices.clone_from(&other.devices);
        self.tries.copy_from(&other.tries);
        (self.addresses, self.factors) = (other.addresses, other.factors);
        self.homes.copy_from(&other.homes);
        self.watch.copy_from(&other.watch);
    }
}

impl State {
    /// Enough failures are a risky event; from where the last of them came says who may follow.
    fn fail(&mut self, params: &Params, context: &Context<'_>) {
        let event = context.event;
        // Whoever fails with a device of the user's is the user.
        if params.failures_min > 0 && self.own_device(params, event).is_none_or(|device| device.is_told()) {
            let address = context.origin.seen.map_or(0, |seen| seen.address.hash64());
            self.tries.take(params, event, (address, self.whose(params, context)));
        }
    }

    /// The device that the record names, if the user has signed in with it.
    fn own_device(&self, params: &Params, event: &Event) -> Option<Device> {
        let day = day_of(event.time);
        // Of a second factor some records name the phone that was asked, whoever asked for it.
        let names_client = event.device != 0 && event.action == Action::Login;
        let mut kept = self.devices.iter().filter(|device| device.is_kept(day, params.device_forget_days));
        kept.find(|device| names_client && device.hash == event.device).copied()
    }

    /// Is it from a network on which the user has not signed in, as far as that is remembered, and away from where they do?
    fn is_elsewhere(&self, params: &Params, context: &Context<'_>) -> bool {
        let Some(seen) = context.origin.for_place() else { return false };
        let day = day_of(context.event.time);
        let is_known = self.watch.knows(NetworkId::of_carrier(&seen), day, params.limits().usual_forget_days);
        let is_away = || self.homes.way(&seen, context.event.time, params).is_some_and(|way| way.is_away);
        !is_known && (params.near_km == 0 || is_away())
    }

    /// Whose a failure is, by where it comes from.
    fn whose(&self, params: &Params, context: &Context<'_>) -> Whose {
        let Some(seen) = context.origin.for_place() else { return Whose::Anybody };
        let (day, limits) = (day_of(context.event.time), params.limits());
        let days = self.watch.days(NetworkId::of_carrier(&seen), day, limits.usual_forget_days);
        // Behind a mobile carrier anybody may be too.
        let is_anybodys = is_mobile(seen.location.carrier) || is_anybodys(&seen, context);
        let is_there =
            || self.homes.way(&seen, context.event.time, params).is_some_and(|way| way.is_exact && way.is_near());
        if days >= params.usual_days_min && !is_anybodys && is_there() {
            Whose::Own
        } else if self.is_elsewhere(params, context) {
            Whose::Strange
        } else {
            Whose::Anybody
        }
    }

    /// What a list must say here: less where nothing else speaks for the user.
    fn limits_at(&self, params: &Params, context: &Context<'_>) -> Limits {
        let limits = params.limits();
        match u8::try_from(params.confidence_strange_min) {
            Ok(few @ 1..) if self.is_elsewhere(params, context) => {
                Limits { confidence_min: few.min(limits.confidence_min), ..limits }
            }
            _ => limits,
        }
    }

    fn note_address(&mut self, seen: &SeenAddress, days_on_network: u32, params: &Params, context: &Context<'_>) {
        let limits = &self.limits_at(params, context);
        let counts = |category| !matches!(category, Category::Hosting | Category::KnownGood | Category::PrivateRelay);
        // What one infected phone of a carrier is says nothing of the others behind its address, if it lets the user out there.
        let is_shared = |told: &Told<'_>| {
            let (now, way) = (context.event.time, self.homes.way(seen, context.event.time, params));
            // A gateway that may let out half a country, or where nobody knows where the user is, says that they are there only
            // where the list is not sure either.
            let is_unsure = told.confidence < CONFIDENCE_SURE;
            let may_be_here = is_unsure && way.map_or_else(|| !self.homes.knows_any(now), |way| !way.is_away);
            let is_here = params.near_km > 0 && (may_be_here || way.is_some_and(|way| way.is_near() && way.is_exact));
            let block = shared_address((days_on_network, is_here), seen, told, &params.limits());
            block.is_some_and(|block| context.takes(block.layer, block.by))
        };
        let of_organisation = Told::of_organisation(context.networks, seen);
        let told = of_organisation.or_else(|| Told::of_lists_unless(seen, limits, counts, is_shared));
        let of_all = || Told::of_lists(seen, limits, counts);
        let Some((told, is_shared)) = told.map(|told| (told, false)).or_else(|| Some((of_all()?, true))) else {
            return;
        };
        // Whoever pays for a tunnel signs in through it day by day; that says nothing of a device.
        let habit = usual_network(days_on_network, params.usual_days_min).filter(|_| told.can_be_habit());
        // The organisation's own networks and what is known to be harmless are on lists too.
        let blocks = vouched_for(context, seen, &params.limits()).into_iter().chain(habit);
        let aside = blocks.filter(|block| context.takes(block.layer, block.by)).find_map(|block| Why::of(block.by));
        self.addresses.note(context.event.time, aside.or_else(|| is_shared.then_some(Why::SharedAddress)));
    }

    /// Is it the user's, by all that is known?
    fn use_device(
        &mut self,
        params: &Params,
        (days_on_network, was_known): (u32, bool),
        context: &mut Context<'_>,
    ) -> bool {
        let event = context.event;
        let day = day_of(event.time);
        let kept = |days: u32| self.devices.iter().filter(|device| device.is_kept(day, days)).count();
        let (recent, others) = (kept(RECENT_DAYS), kept(params.device_forget_days));
        let is_first_of_all = self.devices.is_empty();
        self.remember(event.device, day, params.device_forget_days);
        let within = Millis::from(params.within_secs) * SECOND;
        let risks = Risks {
            run: self.tries.run_since(event.time - within),
            bad_address: self.addresses.since(event.time - within),
        };
        let aside = if risks.last().is_none() { self.addresses.aside_since(event.time - within) } else { None };
        let risks = Risks { bad_address: risks.bad_address.or_else(|| aside.map(|aside| aside.at)), ..risks };
        let is_told = self.devices.iter().any(|device| device.hash == event.device && device.is_told());
        if was_known && !is_told && params.failures_strange_min > 0 && is_of_failures_alone(risks, context) {
            // Whoever has the user's device, where all of them failed before, is the user.
            self.tries.forget();
        }
        let (false, false, Some(last_risk)) = (was_known, is_first_of_all, risks.last()) else { return true };
        let mut blocks: Vec<Block> = aside.map(|aside| aside.block(event.time)).into_iter().collect();
        blocks.extend(context.learning(params.learning_days));
        let is_at_home = days_on_network >= params.usual_days_min;
        let usual = usual_network(days_on_network, params.usual_days_min);
        // What the organisation manages, where the user signs in day by day, is no stranger's.
        blocks.extend(usual.filter(|_| !risks.are_strange() || event.device_facts.managed == Some(true)));
        blocks.extend(self.near_home(risks, params, context));
        blocks.extend(self.known_network(risks, params, context));
        // What so many guessed at elsewhere is told of a user with many devices too.
        let is_guessed = risks.run.is_some_and(|run| run.strange && run.all >= params.failures_min);
        let is_risk = is_guessed || is_from_the_risk(risks, days_on_network, context);
        let has_many = recent >= params.devices_many as usize && !is_risk;
        blocks.extend(has_many.then(|| many_devices(recent, params)));
        let blocker = context.blocker(blocks);
        if let Some(device) = self.devices.iter_mut().find(|device| device.hash == event.device && blocker.is_none()) {
            device.tell();
        }
        let incident = self.watch.incidents_mut().touch(event.device, blocker.is_some(), context);
        incident.add(context.trace(), event.test);
        let raise = Raise { blocker, aggravations: aggravations(risks, context), fresh: false };
        let user = context.subject.user();
        let words = Words { user, risks, last_risk, others, days_on_network, params, event, seen: context.origin.seen };
        let reliefs = [Relief { reason: "on a network of the user", holds: is_at_home && risks.are_strange() }];
        let standing = Standing { reliefs: &reliefs, quiet: context.quiet() };
        context.raise_as(incident, raise, standing, |incident| words.explain(incident));
        aside.is_some()
    }

    /// Is the device one that was told as somebody else's? On another day, on a network and in a town where a device of the user's was
    /// before, it is theirs after all: the new phone that was told on a journey comes home. And so is what is managed.
    fn trust_device(
        &mut self,
        params: &Params,
        before: Option<Device>,
        network: Option<NetworkId>,
        context: &Context<'_>,
    ) -> bool {
        let (event, forget_days) = (context.event, params.limits().usual_forget_days);
        let day = day_of(event.time);
        let is_told = |device: &&mut Device| device.hash == event.device && device.is_told();
        let Some(device) = self.devices.iter_mut().find(is_told) else { return false };
        let is_anybodys = |seen: &SeenAddress| is_mobile(seen.location.carrier) || is_anybodys(seen, context);
        let is_near = |seen: &SeenAddress| {
            let way = self.homes.way(seen, event.time, params);
            params.near_km == 0 || way.is_some_and(|way| way.is_exact && way.is_near())
        };
        let is_there = context.origin.for_place().is_some_and(|seen| !is_anybodys(&seen) && is_near(&seen));
        let is_home = is_there && network.is_some_and(|network| self.watch.knows_own(network, day, forget_days));
        // What the organisation manages is nobody else's for long.
        if (is_home || event.device_facts.managed == Some(true)) && before.is_some_and(|before| before.last_day < day) {
            device.trust();
        }
        device.is_told()
    }

    fn remember(&mut self, hash: u64, day: i32, forget_days: u32) {
        if let Some(device) = self.devices.iter_mut().find(|device| device.hash == hash) {
            device.pass(day, forget_days);
            return;
        }
        if self.devices.len() >= DEVICES_MAX
            && let Some(least) = Device::least(&self.devices, day, forget_days)
        {
            self.devices.remove(least);
        }
        self.devices.push(Device::new(hash, day));
    }
}

/// At the end of a tunnel and on a rented machine anybody may be.
fn is_anybodys(seen: &SeenAddress, context: &Context<'_>) -> bool {
    context.is_egress(seen) || context.is_rented(seen) || !seen.location.listed.is_harmless()
}

fn many_devices(recent: usize, params: &Params) -> Block {
    Block {
        layer: Layer::User,
        by: "many_devices",
        reason: format!("the user has signed in from {recent} devices within {RECENT_DAYS} days"),
        measures: vec![
            Measure::new("devices", recent as f64, "devices"),
            Measure::new("devices_many", f64::from(params.devices_many), "devices"),
        ],
    }
}
