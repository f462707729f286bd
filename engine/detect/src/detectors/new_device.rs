//! First use of a device after a risky event.
//!
//! # Finds
//! A sign-in that succeeds from a device which the user has not used for `device_forget_days`, within `within_secs` of a
//! risky event: `failures_min` failed sign-ins or second factors within `failures_within_secs`, or a sign-in from an address
//! that a list names as an anonymiser or a machine of bad repute, or that `networks.yaml` tags `risky` (the sign-in itself
//! may be that). One alert for each device.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts) and T1110 (Brute Force): a guessed or phished account is used from the intruder's
//! machine. A new device alone is everyday life, and so are forgotten passwords; both together within a day are rare. Denied
//! second factors before it are T1621 (Multi-Factor Authentication Request Generation).
//!
//! # Blind spots
//! Records that name no device: rows of the instance name none, so the rule sees what producers write who know devices
//! (`client.device.id` of `activity.v1`, from Entra's sign-in log or a proxy). Intruders on the user's own device, or with an
//! id of a device that they copied. A phone that is replaced on the day of a forgotten password, away from the user's
//! networks. Risky events of other kinds (a new country, a role that was granted) are told by their own policies, and the
//! policy `incident` puts them beside it.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it: `learning` (the
//! user is new); at medium and low sensitivity `usual_network` (the sign-in comes from a network on which the user has
//! signed in on `usual_days_min` different days before) and `many_devices` (the user signs in from `devices_many` devices
//! and more: a kiosk, a shared account). A device whose first use was held back is known from then on.
//!
//! # References
//! Entra ID Protection and others weigh an unfamiliar device with the risk of the sign-in; Freeman et al., "Who Are You? A
//! Statistical Approach to Measuring User Authenticity", NDSS 2016.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Detector, bounded, counted, named, who};
use crate::context::{Block, Context, Explanation, Raise};
use crate::event::Event;
use crate::finding::{Measure, SeenAddress};
use crate::incident::{Incident, Incidents};
use crate::listed::{CONFIDENCE_MAX, Category};
use crate::model::{Action, Outcome};
use crate::networks::NetworkId;
use crate::plan::LaneKind;
use crate::reputation::{Limits, Told, Watch};
use crate::rule::Layer;
use crate::time::{Millis, SECOND, clock, day_of, spoken};

/// Devices of a key that are remembered; the one unused for longest gives way.
const DEVICES_MAX: usize = 16;
/// Devices that lie in the state itself: more are rare.
const DEVICES_NEAR: usize = 2;
/// A device used within so many days counts against `devices_many`.
const RECENT_DAYS: i32 = 30;
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
    /// Within so many seconds.
    pub failures_within_secs: u32,
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
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
        bounded(&mut faults, "failures_within_secs", self.failures_within_secs, 60, 86_400);
        bounded(&mut faults, "confidence_min", self.confidence_min, 0, CONFIDENCE_MAX);
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

/// What is kept for a key: nothing before its first sign-in with a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    devices: SmallVec<[Device; DEVICES_NEAR]>,
    /// Times of the last failures, as many as are asked for.
    failures: SmallVec<[Millis; 1]>,
    risk: Option<Risk>,
    /// Networks of sign-ins, and the incidents.
    watch: Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    #[serde(with = "postcard::fixint::le")]
    hash: u64,
    last_day: i32,
}

/// The last risky event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Risk {
    at: Millis,
    what: Risky,
    /// From where it was, hashed; 0: not known.
    #[serde(with = "postcard::fixint::le")]
    address: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Risky {
    Failures,
    Denied,
    Address,
}

impl Risk {
    const fn spoken(self) -> &'static str {
        match self.what {
            Risky::Failures => "failed sign-ins",
            Risky::Denied => "failed second factors",
            Risky::Address => "a sign-in from an address of bad repute",
        }
    }
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Authentication;

    const SUPPRESSIONS: &'static [&'static str] = &["learning", "many_devices", "usual_network"];

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
        if let Some(seen) = &seen {
            self.note_address(seen, &limits, context);
        }
        let network = seen.as_ref().map(NetworkId::of_carrier);
        let day = day_of(event.time);
        let days = network.map_or(0, |network| self.watch.days(network, day, limits.usual_forget_days));
        if event.device != 0 {
            self.use_device(params, days, context);
        }
        if let Some(network) = network {
            self.watch.note(network, &limits, context);
        }
    }

    fn incidents(&self) -> &Incidents {
        self.watch.incidents()
    }

    fn copy_from(&mut self, other: &Self) {
        self.devices.clone_from(&other.devices);
        self.failures.clone_from(&other.failures);
        self.risk = other.risk;
        self.watch.copy_from(&other.watch);
    }
}

impl State {
    /// Enough failures are a risky event; from where the last of them came says who may follow.
    fn fail(&mut self, params: &Params, context: &Context<'_>) {
        let event = context.event;
        let most = params.failures_min as usize;
        if most == 0 {
            return;
        }
        self.failures.push(event.time);
        let over = self.failures.len().saturating_sub(most);
        self.failures.drain(..over);
        let within = Millis::from(params.failures_within_secs) * SECOND;
        let is_run =
            self.failures.len() == most && self.failures.first().is_some_and(|first| event.time - first <= within);
        if is_run {
            let what = if event.action == Action::MfaChallenge { Risky::Denied } else { Risky::Failures };
            let address = context.origin.seen.map_or(0, |seen| seen.address.hash64());
            self.risk = Some(Risk { at: event.time, what, address });
        }
    }

    fn note_address(&mut self, seen: &SeenAddress, limits: &Limits, context: &Context<'_>) {
        let counts = |category| !matches!(category, Category::Hosting | Category::KnownGood);
        let of_lists = || Told::of_lists(seen, limits, counts);
        if Told::of_organisation(context.networks, seen).or_else(of_lists).is_some() {
            let (at, address) = (context.event.time, seen.address.hash64());
            self.risk = Some(Risk { at, what: Risky::Address, address });
        }
    }

    fn use_device(&mut self, params: &Params, days_on_network: u32, context: &mut Context<'_>) {
        let event = context.event;
        let day = day_of(event.time);
        let forgotten = |device: &Device| day - device.last_day > params.device_forget_days as i32;
        let known = self.devices.iter().position(|device| device.hash == event.device && !forgotten(device));
        let recent = self.devices.iter().filter(|device| day - device.last_day <= RECENT_DAYS).count();
        let is_first_of_all = self.devices.is_empty();
        self.remember(event.device, day);
        let within = Millis::from(params.within_secs) * SECOND;
        let risk = self.risk.filter(|risk| event.time - risk.at <= within);
        let (None, false, Some(risk)) = (known, is_first_of_all, risk) else { return };
        let mut blocks: Vec<Block> = context.learning(params.learning_days).into_iter().collect();
        blocks.extend((days_on_network >= params.usual_days_min).then(|| usual_network(days_on_network, params)));
        blocks.extend((recent >= params.devices_many as usize).then(|| many_devices(recent, params)));
        let blocker = context.blocker(blocks);
        let incident = self.watch.incidents_mut().touch(event.device, blocker.is_some(), context);
        incident.add(context.trace(), event.test);
        let raise = Raise { blocker, aggravations: aggravations(risk, context), fresh: false };
        let user = context.subject.user();
        let words = Words { user, risk, recent, days_on_network, params, event, seen: context.origin.seen };
        context.raise(incident, raise, |incident| words.explain(incident));
    }

    fn remember(&mut self, hash: u64, day: i32) {
        if let Some(device) = self.devices.iter_mut().find(|device| device.hash == hash) {
            device.last_day = day;
            return;
        }
        if self.devices.len() >= DEVICES_MAX {
            let oldest = self.devices.iter().enumerate().min_by_key(|(_, device)| device.last_day);
            if let Some(oldest) = oldest.map(|(index, _)| index) {
                self.devices.remove(oldest);
            }
        }
        self.devices.push(Device { hash, last_day: day });
    }
}

fn aggravations(risk: Risk, context: &Context<'_>) -> Vec<&'static str> {
    let event = context.event;
    let here = context.origin.seen.map_or(0, |seen| seen.address.hash64());
    let from_there = risk.what != Risky::Address && risk.address != 0 && risk.address == here;
    [
        (from_there, "from the address of the failures"),
        (event.device_facts.managed == Some(false), "nothing manages the device"),
        (event.mfa == Some(false), "signed in without a second factor"),
        (event.privileged, "the account is privileged"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

fn usual_network(days: u32, params: &Params) -> Block {
    Block {
        layer: Layer::User,
        by: "usual_network",
        reason: format!("the user has signed in from this network on {days} days before"),
        measures: vec![
            Measure::new("days_on_network", f64::from(days), "days"),
            Measure::new("usual_days_min", f64::from(params.usual_days_min), "days"),
        ],
    }
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

struct Words<'a> {
    user: &'a str,
    risk: Risk,
    recent: usize,
    days_on_network: u32,
    params: &'a Params,
    event: &'a Event,
    seen: Option<SeenAddress>,
}

impl Words<'_> {
    fn explain(&self, incident: &Incident) -> Explanation {
        let Self { user, risk, recent, days_on_network, params, event, seen } = *self;
        let since = event.time - risk.at;
        let from = seen.map_or_else(
            || "an address that the source does not give".to_owned(),
            |seen| format!("{} ({})", seen.address, named(seen.location.place.ok())),
        );
        let after = match (risk.what, since) {
            (Risky::Address, 0) => "an address of bad repute".to_owned(),
            (Risky::Address, _) => format!("{} after {}", spoken(since), risk.spoken()),
            _ => format!("{} after {} {}", spoken(since), params.failures_min, risk.spoken()),
        };
        let joined = if risk.what == Risky::Address && since == 0 { ", " } else { ", first used " };
        Explanation {
            summary: format!(
                "{} signed in at {} UTC from {from} with a device not seen before{joined}{after}; {} known.",
                who(user),
                clock(event.time),
                counted(recent as u64, "other device is", "other devices are"),
            ),
            observed: vec![
                Measure::new("since_risk", (since / SECOND) as f64, "s"),
                Measure::new("events", incident.count as f64, "events"),
            ],
            baseline: vec![
                Measure::new("devices", recent as f64, "devices"),
                Measure::new("days_on_network", f64::from(days_on_network), "days"),
            ],
            threshold: vec![
                Measure::new("within_secs", f64::from(params.within_secs), "s"),
                Measure::new("failures_min", f64::from(params.failures_min), "failures"),
                Measure::new("failures_within_secs", f64::from(params.failures_within_secs), "s"),
                Measure::new("confidence_min", f64::from(params.confidence_min), "of 100"),
            ],
            counterfactual: format!(
                "It would not have fired for a device that the user had used within {} days, or more than {} after the \
                 last risky event.",
                params.device_forget_days,
                spoken(Millis::from(params.within_secs) * SECOND),
            ),
            kind: None,
        }
    }
}
