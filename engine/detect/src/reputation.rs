//! What the detectors of listed addresses share: what counts against an address, what speaks for it, and the networks
//! that a user has long worked from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::afterwards::Stranger;
use crate::context::{Block, Context, Explanation, Raise, Relief, Standing};
use crate::detectors::{bounded, counted, named, unused_longest, who};
use crate::finding::{Measure, SeenAddress, Trace};
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::listed::{CONFIDENCE_MAX, Category, ListEntry};
use crate::near;
use crate::networks::{NetworkId, Networks, Tag};
use crate::radius::is_mobile;
use crate::rule::Layer;
use crate::time::{SECOND, clock, day_of, spoken, to_the_minute};

/// Networks of a key that are remembered; the one unused for longest gives way.
pub(crate) const LISTED_NETWORKS_MAX: usize = 16;
/// Networks that lie in the state itself: more are rare.
const NETWORKS_NEAR: usize = 2;
/// On so many days before somebody was with a mobile carrier that is theirs.
const OWN_CARRIER_DAYS: u32 = 2;

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    networks: SmallVec<[Used; NETWORKS_NEAR]>,
    incidents: Incidents,
}

/// A network that the user has worked from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
struct Used {
    network: NetworkId,
    /// Different days of use, until they are forgotten.
    days: u16,
    last_day: i32,
    /// A device was there that had been the user's before.
    is_own: bool,
}

/// The same as it is written: `is_own` is the lowest bit of the days.
#[derive(Serialize, Deserialize)]
struct Packed {
    network: NetworkId,
    days: u16,
    last_day: i32,
}

impl From<Packed> for Used {
    fn from(Packed { network, days, last_day }: Packed) -> Self {
        Self { network, days: days >> 1, last_day, is_own: days & 1 == 1 }
    }
}

impl From<Used> for Packed {
    fn from(Used { network, days, last_day, is_own }: Used) -> Self {
        Self { network, days: days.min(u16::MAX >> 1) << 1 | u16::from(is_own), last_day }
    }
}

/// What counts against an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// What it is.
    pub(crate) category: Option<Category>,
    /// As a sentence has it.
    what: &'static str,
    /// Who says so.
    by: &'a str,
    /// What they call it, or empty.
    tag: &'a str,
    /// How sure they are, 0–100.
    pub(crate) confidence: u8,
}

/// The numbers that both detectors have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) confidence_min: u8,
    pub(crate) confidence_sure: u8,
    pub(crate) usual_days_min: u32,
    pub(crate) usual_forget_days: u32,
}

impl Limits {
    /// What is wrong with the values, as parameter name and explanation.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "confidence_min", self.confidence_min, 0, CONFIDENCE_MAX);
        bounded(&mut faults, "confidence_sure", self.confidence_sure, 0, CONFIDENCE_MAX);
        bounded(&mut faults, "usual_days_min", self.usual_days_min, 1, 90);
        bounded(&mut faults, "usual_forget_days", self.usual_forget_days, 1, 365);
        faults
    }
}

impl<'a> Told<'a> {
    /// The gravest that lists say, with as much confidence as is asked for, of the categories that count; of two as grave the
    /// surer.
    pub(crate) fn of_lists(seen: &'a SeenAddress, limits: &Limits, counts: impl Fn(Category) -> bool) -> Option<Self> {
        Self::of_lists_unless(seen, limits, counts, |_| false)
    }

    /// The same of those that are not left out: what is held back by itself hides nothing that is not.
    pub(crate) fn of_lists_unless(
        seen: &'a SeenAddress,
        limits: &Limits,
        counts: impl Fn(Category) -> bool,
        is_left_out: impl Fn(&Told<'_>) -> bool,
    ) -> Option<Self> {
        let entries = seen.location.listed.entries().iter();
        let told = entries.filter(|entry| counts(entry.category) && entry.confidence >= limits.confidence_min);
        let told = told.map(|entry| (entry, Told::of_list(entry))).filter(|(_, told)| !is_left_out(told));
        told.min_by_key(|(entry, _)| (entry.category.rank(), CONFIDENCE_MAX.saturating_sub(entry.confidence)))
            .map(|(_, told)| told)
    }

    /// What a list says.
    fn of_list(entry: &'a ListEntry) -> Self {
        let ListEntry { category, confidence, list, tag, .. } = *entry;
        Self { category: Some(category), what: category.spoken(), by: list.as_str(), tag: tag.as_str(), confidence }
    }

    /// What the organisation says of networks of bad repute.
    pub(crate) fn of_organisation(networks: &'a Networks, seen: &SeenAddress) -> Option<Self> {
        let entry = networks.tagged(seen).filter(|entry| entry.tag == Tag::Risky)?;
        Some(Self { category: None, what: "a network of bad repute", by: &entry.name, tag: "", confidence: 100 })
    }

    /// Is it something that honest people pay for and use day by day: a tunnel, a proxy, a server?
    pub(crate) const fn can_be_habit(&self) -> bool {
        matches!(self.category, Some(Category::Vpn | Category::Proxy | Category::Hosting))
    }

    /// One alert for each list and category.
    fn cause(&self) -> u64 {
        let category = self.category.map_or("risky", Category::as_str);
        hash64(format!("{category}\n{}", self.by).as_bytes())
    }
}

/// What was known of the user's habits before: nothing of those before an event that came too late.
pub(crate) fn habit(days_on_network: u32, context: &Context<'_>) -> Vec<Measure> {
    if context.late {
        return Vec::new();
    }
    vec![
        Measure::new("days_on_network", f64::from(days_on_network), "days"),
        Measure::new("known_days", context.days_known() as f64, "days"),
    ]
}

/// What speaks for an address, whoever uses it: the organisation's own word, and that of lists of what is harmless, if they
/// are as sure as a list against it must be.
pub(crate) fn vouched_for(context: &Context<'_>, seen: &SeenAddress, limits: &Limits) -> Vec<Block> {
    // The organisation's word outranks that of every list, for better and for worse.
    if context.networks.tagged(seen).is_some_and(|entry| entry.tag == Tag::Risky) {
        return Vec::new();
    }
    let mut blocks: Vec<Block> = own_network(context, seen).into_iter().collect();
    let is_sure =
        |entry: &&ListEntry| entry.category == Category::KnownGood && entry.confidence >= limits.confidence_min;
    if let Some(entry) = seen.location.listed.entries().iter().find(is_sure) {
        let reason = format!("{} is known to be harmless by the list {}", seen.address, entry.list.as_str());
        let measures = vec![Measure::new("confidence", f64::from(entry.confidence), "of 100")];
        blocks.push(Block { layer: Layer::System, by: "known_good", reason, measures });
    }
    blocks
}

/// The organisation's word for an address, where anybody rents none.
pub(crate) fn own_network(context: &Context<'_>, seen: &SeenAddress) -> Option<Block> {
    let entry = context.networks.tagged(seen).filter(|entry| !matches!(entry.tag, Tag::CloudProvider | Tag::Risky))?;
    let reason = format!("{} is on {}, tagged {} by the organisation", seen.address, entry.name, entry.tag.as_str());
    Some(Block { layer: Layer::System, by: "own_network", reason, measures: Vec::new() })
}

/// Does anybody vouch for it whom the rule believes?
pub(crate) fn is_vouched_for(context: &Context<'_>, blocks: &[Block]) -> bool {
    blocks.iter().any(|block| context.takes(block.layer, block.by))
}

impl Watch {
    /// Days before this one on which the user worked from the network and which are not forgotten.
    pub(crate) fn days(&self, network: NetworkId, day: i32, forget_days: u32) -> u32 {
        let known = self.networks.iter().find(|known| known.network == network);
        let known = known.filter(|known| day - known.last_day <= forget_days as i32);
        // Of a day that has begun with it nothing counts yet.
        known.map_or(0, |known| u32::from(known.days).saturating_sub(u32::from(known.last_day == day)))
    }

    /// Was the user on the network, on this day too, and is that not forgotten?
    pub(crate) fn knows(&self, network: NetworkId, day: i32, forget_days: u32) -> bool {
        self.networks.iter().any(|known| known.network == network && day - known.last_day <= forget_days as i32)
    }

    /// Was a device of the user's on the network, on a day before or, where anybody was there on one, on this day, and is that
    /// not forgotten?
    pub(crate) fn knows_own(&self, network: NetworkId, day: i32, forget_days: u32) -> bool {
        let is_own = self.networks.iter().any(|known| known.network == network && known.is_own);
        is_own && self.days(network, day, forget_days) > 0
    }

    /// Notes a day of use.
    pub(crate) fn note(&mut self, network: NetworkId, limits: &Limits, context: &mut Context<'_>) {
        self.note_own(network, false, limits, context);
    }

    /// Notes a day of use, and whether it was with a device that had been the user's before.
    pub(crate) fn note_own(&mut self, network: NetworkId, is_own: bool, limits: &Limits, context: &mut Context<'_>) {
        if context.late {
            return;
        }
        let day = day_of(context.event.time);
        let same = |known: &&mut Used| known.network == network;
        if let Some(known) = self.networks.iter_mut().find(same) {
            if day - known.last_day > limits.usual_forget_days as i32 {
                (known.days, known.is_own) = (0, false);
            }
            if known.days == 0 || day > known.last_day {
                (known.days, known.last_day) = (known.days.saturating_add(1).min(u16::MAX >> 1), day);
            }
            known.is_own |= is_own;
            return;
        }
        if self.networks.len() >= LISTED_NETWORKS_MAX {
            context.caps.networks += 1;
            if let Some(oldest) = unused_longest(self.networks.iter().map(|known| known.last_day)) {
                self.networks.remove(oldest);
            }
        }
        self.networks.push(Used { network, days: 1, last_day: day, is_own });
    }

    /// Tells of an event from an address that something counts against.
    pub(crate) fn raise(&mut self, context: &mut Context<'_>, case: Case<'_>) {
        let Case { told, seen, limits, blocks, worse, reliefs, baseline, aside, before } = case;
        let event = context.event;
        let blocker = context.blocker(blocks);
        let incident = self.incidents.touch(told.cause(), blocker.is_some(), context);
        let happened = before.map_or(event.time, |before| before.trace.time);
        if let Some(before) = before {
            incident.first = incident.first.min(happened);
            // With what lists say by now: readers see the address so.
            incident.add(Trace { address: Some(seen), ..before.trace.clone() }, before.test);
            incident.count += before.count - 1;
        } else {
            incident.add(context.trace(), event.test);
        }
        let mut aggravations = worse;
        aggravations.extend(context.network_aggravation(&seen));
        if before.is_none() && event.mfa == Some(false) {
            aggravations.push("signed in without a second factor");
        }
        if event.account.privileged {
            aggravations.push("the account is privileged");
        }
        let user = context.subject.user().to_owned();
        let standing = Standing { reliefs: &reliefs, quiet: context.quiet() };
        // What came too late may be of any day.
        let at = if context.late || before.is_some() { to_the_minute(happened) } else { clock(happened) };
        context.raise_as(incident, Raise { blocker, aggravations, fresh: before.is_some() }, standing, |incident| {
            explain((&user, &at, &aside), &told, &seen, &limits, (baseline, incident, before))
        });
    }

    pub(crate) fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    pub(crate) fn incidents_mut(&mut self) -> &mut Incidents {
        &mut self.incidents
    }

    pub(crate) fn bring(&self) {
        near::bring(self);
        near::bring(self.networks.as_slice());
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.networks.clone_from(&other.networks);
        self.incidents.copy_from(&other.incidents);
    }
}

/// What is known of an event from an address that something counts against.
pub(crate) struct Case<'a> {
    pub(crate) told: Told<'a>,
    pub(crate) seen: SeenAddress,
    pub(crate) limits: Limits,
    /// What may hold it back.
    pub(crate) blocks: Vec<Block>,
    /// What makes it graver, beside what always does.
    pub(crate) worse: Vec<&'static str>,
    /// What makes it less grave.
    pub(crate) reliefs: Vec<Relief>,
    /// The numbers before.
    pub(crate) baseline: Vec<Measure>,
    /// What the sentence adds, or nothing.
    pub(crate) aside: Cow<'a, str>,
    /// What happened, where that was before the event at which it is told.
    pub(crate) before: Option<&'a Stranger>,
}

/// Holds back what is found on a network that the user has long worked from.
pub(crate) fn usual_network(days: u32, usual_days_min: u32) -> Option<Block> {
    (days >= usual_days_min).then(|| Block {
        layer: Layer::User,
        by: "usual_network",
        reason: format!("the user was on this network on {days} days before"),
        measures: vec![
            Measure::new("days_on_network", f64::from(days), "days"),
            Measure::new("usual_days_min", f64::from(usual_days_min), "days"),
        ],
    })
}

/// Holds back what is found at an address of a mobile carrier, behind which many others are, if it is the user's own carrier,
/// lets out where they are known to be, or the list is not sure. What the organisation calls risky it means.
pub(crate) fn shared_address(
    (days, is_here): (u32, bool),
    seen: &SeenAddress,
    told: &Told<'_>,
    limits: &Limits,
) -> Option<Block> {
    use Category::{Botnet, Malware, PasswordSpray, Scanner};
    let carrier = seen.location.carrier;
    let category = told.category.filter(|_| is_mobile(carrier))?;
    // What one infected phone among thousands is, and not who gives it orders.
    let is_of_phone = matches!(category, Botnet | Malware | Scanner);
    let is_own = days >= OWN_CARRIER_DAYS && (is_of_phone || category == PasswordSpray);
    (is_own || is_of_phone && (is_here || told.confidence < limits.confidence_sure)).then(|| Block {
        layer: Layer::User,
        by: "shared_address",
        reason: format!(
            "AS{} is a mobile carrier, which lets many out at one address; the user was with it on {days} days before, and the \
             list's confidence is {} of 100",
            carrier.asn, told.confidence,
        ),
        measures: vec![
            Measure::new("days_on_network", f64::from(days), "days"),
            Measure::new("own_carrier_days_min", f64::from(OWN_CARRIER_DAYS), "days"),
            Measure::new("confidence", f64::from(told.confidence), "of 100"),
            Measure::new("confidence_sure", f64::from(limits.confidence_sure), "of 100"),
        ],
    })
}

/// Less grave where those who say it are not sure.
pub(crate) fn unsure(told: &Told<'_>, limits: &Limits) -> Relief {
    Relief { reason: "the list is not sure of it", holds: told.confidence < limits.confidence_sure }
}

fn explain(
    (user, at, aside): (&str, &str, &str),
    told: &Told<'_>,
    seen: &SeenAddress,
    limits: &Limits,
    (baseline, incident, before): (Vec<Measure>, &Incident, Option<&Stranger>),
) -> Explanation {
    let Told { what, by, tag, confidence, category } = *told;
    let source = if category.is_some() { "the list" } else { "the organisation's networks" };
    // Lists are asked where the organisation does not say it, and any of them may have named the address.
    let risky = if category.is_some() { String::new() } else { format!("{by} were not tagged risky and ") };
    let called = if tag.is_empty() { String::new() } else { format!(", called {tag}") };
    let place = seen.location.place.ok();
    let place = if place.is_some() { format!(" in {}", named(place)) } else { String::new() };
    // The event at which it is told is none of them.
    let alone = before.filter(|before| before.count == incident.count);
    let last = alone.map_or(incident.last, |before| before.last);
    let many = |count| {
        format!("; {} within {}", counted(count, "event", "events"), spoken((last - incident.first).max(SECOND)))
    };
    let all = if incident.count == 1 { String::new() } else { many(incident.count) };
    Explanation {
        summary: format!(
            "{} worked from {}{place} at {at} UTC: {what} by {source} {by}{called}, confidence {confidence} of 100{aside}{all}.",
            who(user),
            seen.address,
        ),
        observed: vec![
            Measure::new("events", incident.count as f64, "events"),
            Measure::new("confidence", f64::from(confidence), "of 100"),
        ],
        baseline,
        threshold: vec![
            Measure::new("confidence_min", f64::from(limits.confidence_min), "of 100"),
            Measure::new("confidence_sure", f64::from(limits.confidence_sure), "of 100"),
            Measure::new("usual_days_min", f64::from(limits.usual_days_min), "days"),
        ],
        counterfactual: format!(
            "It would not have fired if {risky}no list had named {} at that time{} with a confidence of {} or more.",
            seen.address,
            if before.is_some() { " or since then" } else { "" },
            limits.confidence_min,
        ),
        kind: None,
    }
}
