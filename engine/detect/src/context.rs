//! What a detector sees of one event, and how it speaks.

use std::borrow::Cow;
use std::sync::Arc;

use crate::caps::Caps;
use crate::entity::{Per, entity};
use crate::event::Event;
use crate::finding::{
    Beside, Blocker, Finding, Kind, Measure, SENTENCE_BYTES_MAX, SeenAddress, Status, Trace, cut, identity,
};
use crate::incident::{Incident, on_ladder};
use crate::networks::{Networks, Tag};
use crate::peers::Peers;
use crate::plan::PlanRule;
use crate::profile::Person;
use crate::rule::{Exception, Layer, Sensitivity, Severity};
use crate::sessions::Origin;
use crate::time::{Millis, SECOND};

/// What holds back that somebody is where a tunnel ends.
const TAGGED_EGRESS: &str = "tagged_egress";

/// Whose history this is.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The record key: `instance|name`.
    pub key: &'a str,
}

impl<'a> Subject<'a> {
    /// The instance.
    pub fn instance(self) -> &'a str {
        self.key.split_once('|').map_or(self.key, |(instance, _)| instance)
    }

    /// What the record's key counts by, where that is no user.
    pub fn entity(self) -> Option<(Per, &'a str)> {
        entity(self.user())
    }

    /// The user's name in lower case, or `@` and an address; of an entity what [`crate::entity::subject`] makes of it.
    pub fn user(self) -> &'a str {
        self.key.split_once('|').map_or(self.key, |(_, user)| user)
    }
}

/// An event on its way through one rule.
pub struct Context<'a> {
    /// The event.
    pub event: &'a Event,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// The rule's exception that covers it.
    pub exception: Option<&'a Exception>,
    /// Time of the first event of the key that this rule took.
    pub first_time: Millis,
    /// The rule.
    pub rule: &'a PlanRule,
    /// Which of the rule's sensitivities holds for the event.
    pub sensitivity: Sensitivity,
    /// What the set of rules says of networks.
    pub networks: &'a Networks,
    /// Whose history this is.
    pub subject: Subject<'a>,
    /// Whose account it is, where somebody has said it.
    pub person: Option<&'a Arc<Person>>,
    /// What is usual among the user's colleagues, where somebody has said it, however long ago.
    pub peers: Option<&'a Peers>,
    /// Nothing that the lane takes has succeeded under this name for as long as state is kept, and nobody has said whose it is:
    /// what is known of it is soon forgotten. Of what came too late nobody knows it.
    pub is_nobody: bool,
    /// The event came too late to be put in order: the state is not that of the events before it, and only what the event
    /// says of itself counts (see [`crate::detectors::Detector::CHECKS_LATE`]).
    pub late: bool,
    /// What was said so far.
    pub said: &'a mut Vec<Arc<Finding>>,
    /// Caps met so far.
    pub caps: &'a mut Caps,
}

/// Something that holds a finding back, if the rule lets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Whose habit it is.
    pub layer: Layer,
    /// The mechanism.
    pub by: &'static str,
    /// One sentence with the numbers.
    pub reason: String,
    /// The numbers.
    pub measures: Vec<Measure>,
}

/// What a detector has found out about an incident at this event.
#[derive(Clone, Debug, Default)]
pub struct Raise {
    /// What holds it back, see [`Context::blocker`].
    pub blocker: Option<Blocker>,
    /// Each raises the severity by a step, once an incident.
    pub aggravations: Vec<&'static str>,
    /// Something new happened that readers should see at once (a new place, network or class of object).
    pub fresh: bool,
}

/// Something that makes an incident less grave while it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relief {
    /// Why.
    pub reason: &'static str,
    /// Does it hold at this event?
    pub holds: bool,
}

/// How an incident stands beside what its rule says.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// All that can lower the severity by a step, to low at the lowest; a step that is taken back was never taken, and
    /// readers are told at once.
    pub reliefs: &'a [Relief],
    /// How long the cause must be quiet before it opens another incident.
    pub quiet: Millis,
}

/// The words and numbers of a finding.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// One sentence a tired analyst can act on.
    pub summary: String,
    /// The numbers seen.
    pub observed: Vec<Measure>,
    /// The numbers before.
    pub baseline: Vec<Measure>,
    /// The limits.
    pub threshold: Vec<Measure>,
    /// What would have had to differ.
    pub counterfactual: String,
    /// Which of the kinds of its policy, where that tells kinds apart.
    pub kind: Option<Box<Kind>>,
}

impl Context<'_> {
    /// The same for what happened elsewhere, before, and is told at this event: whatever covers the event does not cover that.
    pub(crate) fn elsewhere<'b>(&'b mut self, origin: &'b Origin) -> Context<'b> {
        Context { origin, exception: None, said: &mut *self.said, caps: &mut *self.caps, ..*self }
    }

    /// The rule's quiet time.
    pub const fn quiet(&self) -> Millis {
        self.rule.rule.quiet_secs as Millis * SECOND
    }

    /// The event as evidence.
    pub fn trace(&self) -> Trace {
        Trace::new(self.event, self.origin.seen)
    }

    /// The session, or without one the address, hashed and never 0: who is at the other end.
    pub fn actor(&self) -> u64 {
        match (self.event.session, self.origin.seen) {
            (0, Some(seen)) => seen.address.hash64(),
            (0, None) => 1,
            (session, _) => session,
        }
    }

    /// Is what this format of state added to be used? Under an older one it must stay as it began: see [`crate::format`].
    pub const fn keeps(&self, format: u8) -> bool {
        self.rule.state_format >= format
    }

    /// Days since the rule first saw the key, whole.
    pub const fn days_known(&self) -> i64 {
        (self.event.time - self.first_time) / crate::time::DAY
    }

    /// Does a suppression with this name and of this layer count for the rule?
    pub fn takes(&self, layer: Layer, by: &str) -> bool {
        self.sensitivity.takes(layer) && !self.rule.rule.off.iter().any(|off| off == by)
    }

    /// A block while the key is younger than `learning_days`.
    pub fn learning(&self, learning_days: u32) -> Option<Block> {
        let known = self.days_known();
        (known < i64::from(learning_days)).then(|| Block {
            layer: Layer::System,
            by: "learning",
            reason: format!("the user has been known for {known} days and is being learned for {learning_days}"),
            measures: vec![
                Measure::new("known_days", known as f64, "days"),
                Measure::new("learning_days", f64::from(learning_days), "days"),
            ],
        })
    }

    /// Is the address where tunnels end, and does that count for the rule?
    pub fn is_egress(&self, seen: &SeenAddress) -> bool {
        self.networks.tagged(seen).is_some_and(|entry| entry.tag.is_egress())
            && self.takes(Layer::System, TAGGED_EGRESS)
    }

    /// Is it a network on which anybody rents an address, by the organisation's word?
    pub fn is_rented(&self, seen: &SeenAddress) -> bool {
        let tag = self.networks.tagged(seen).map(|entry| entry.tag);
        matches!(tag, Some(Tag::CloudProvider | Tag::Risky))
    }

    /// A block if an end is on a network where tunnels end: where that is says nothing of the user.
    pub fn tagged_egress(&self, ends: &[&SeenAddress]) -> Option<Block> {
        let entry = ends.iter().filter_map(|seen| self.networks.tagged(seen)).find(|entry| entry.tag.is_egress())?;
        Some(Block {
            layer: Layer::System,
            by: TAGGED_EGRESS,
            reason: format!("an end is on {}, tagged {}: where it lies says nothing", entry.name, entry.tag.as_str()),
            measures: Vec::new(),
        })
    }

    /// A block if the country or network of an address is usual in the organisation.
    pub fn usual_in_organisation(&self, seen: &SeenAddress) -> Option<Block> {
        let reason = self.networks.usual(seen)?;
        Some(Block { layer: Layer::Tenant, by: "usual_in_organisation", reason, measures: Vec::new() })
    }

    /// Why a finding from this address is graver.
    pub fn network_aggravation(&self, seen: &SeenAddress) -> Option<&'static str> {
        self.networks.tagged(seen).and_then(|entry| entry.tag.aggravation())
    }

    /// What holds a finding at this event back: a stated exception, else the first block, most important first, that
    /// counts for the rule.
    pub fn blocker(&self, blocks: Vec<Block>) -> Option<Blocker> {
        if let Some(exception) = self.exception {
            return Some(Blocker {
                by: Cow::Borrowed("exception"),
                exception: Some(exception.id.as_str().into()),
                reason: format!("exception {} of {}: {}", exception.id, exception.owner, exception.reason),
                measures: Vec::new(),
            });
        }
        blocks.into_iter().find(|block| self.takes(block.layer, block.by)).map(|block| Blocker {
            by: Cow::Borrowed(block.by),
            exception: None,
            reason: block.reason,
            measures: block.measures,
        })
    }

    /// Raises an incident at this event and says so if readers are due to hear: when it opens, on the ladder of counts,
    /// when its severity or the reasons for it change, when something is fresh. An incident that is held (see
    /// [`crate::incident::Incidents::touch`]) has a blocker, another has none.
    pub fn raise(&mut self, incident: &mut Incident, raise: Raise, explain: impl FnOnce(&Incident) -> Explanation) {
        let standing = Standing { reliefs: &[], quiet: self.quiet() };
        self.raise_as(incident, raise, standing, explain);
    }

    /// The same for an incident that stands otherwise than its rule says.
    pub fn raise_as(
        &mut self,
        incident: &mut Incident,
        raise: Raise,
        standing: Standing<'_>,
        explain: impl FnOnce(&Incident) -> Explanation,
    ) {
        let first = !incident.is_raised();
        if first {
            incident.raised_by = self.actor();
        }
        let mut severity = incident.severity.unwrap_or(self.rule.rule.severity);
        let (relieved, mut weighed) = relieve(incident, standing.reliefs, severity);
        severity = relieved;
        for reason in raise.aggravations {
            if !incident.severity_reasons.iter().any(|known| known == reason) {
                incident.severity_reasons.push(reason.to_owned());
                severity = severity.raised();
                weighed = true;
            }
        }
        incident.severity = Some(severity);
        let grew = incident.said.as_ref().is_none_or(|said| said.count != incident.count);
        // What was told as a test is none any more.
        let is_real = incident.said.as_ref().is_some_and(|said| said.test && !incident.test);
        if first || weighed || is_real || raise.fresh || grew && on_ladder(incident.count) {
            let mut finding = self.finding(incident, raise.blocker, explain(incident));
            finding.open_until = incident.last + standing.quiet;
            let finding = Arc::new(finding);
            incident.said = Some(Arc::clone(&finding));
            self.said.push(finding);
        }
    }

    fn finding(&self, incident: &Incident, blocker: Option<Blocker>, words: Explanation) -> Finding {
        let rule = &self.rule.rule;
        // What is held back has the id that it would have as an alert: no event opens both one that is held and one that is
        // told.
        let (dedup, id) = identity(&rule.id, self.subject, incident.cause, &incident.opener, self.late);
        let mut threshold = words.threshold;
        threshold.extend(self.own_sensitivity());
        let mut addresses = incident.evidence.addresses();
        include(&mut addresses, self.origin.seen);
        Finding {
            id,
            dedup,
            rule: self.rule.key,
            version: self.event.version,
            status: blocker.map_or(Status::Open, Status::Suppressed),
            severity: incident.severity.unwrap_or(rule.severity),
            severity_reasons: incident.severity_reasons.clone(),
            count: incident.count,
            first: incident.first,
            last: incident.last,
            open_until: incident.last + self.quiet(),
            summary: cut(words.summary, SENTENCE_BYTES_MAX),
            observed: words.observed,
            baseline: words.baseline,
            threshold,
            counterfactual: cut(words.counterfactual, SENTENCE_BYTES_MAX),
            addresses,
            sessions: incident.evidence.sessions(),
            evidence: incident.evidence.traces(),
            test: incident.test,
            opener: incident.opener.clone(),
            at: self.event.order().to_owned(),
            kind: words.kind.filter(|_| self.keeps(2)),
            beside: Beside { story: None, person: self.person.cloned() },
        }
    }

    /// The sensitivity, where it is not the same for everybody.
    fn own_sensitivity(&self) -> Option<Measure> {
        let level = f64::from(self.sensitivity.level());
        let named = || Measure::new("sensitivity", level, "level: 1 low, 2 medium, 3 high");
        self.rule.shifts.sensitivity.map(|_| named())
    }
}

/// The severity once each relief that begins to hold has lowered it, and each that no longer holds has given back what it
/// took; and whether there was one. Its reason stands in the incident for as long as the step is taken.
fn relieve(incident: &mut Incident, reliefs: &[Relief], mut severity: Severity) -> (Severity, bool) {
    let mut weighed = false;
    for relief in reliefs {
        let taken = incident.severity_reasons.iter().position(|known| known == relief.reason);
        match taken {
            Some(index) if !relief.holds => {
                incident.severity_reasons.remove(index);
                (severity, weighed) = (severity.raised(), true);
            }
            None if relief.holds && severity > Severity::Low => {
                incident.severity_reasons.push(relief.reason.to_owned());
                (severity, weighed) = (severity.lowered(), true);
            }
            _ => {}
        }
    }
    (severity, weighed)
}

fn include(addresses: &mut Vec<SeenAddress>, seen: Option<SeenAddress>) {
    if let Some(seen) = seen
        && addresses.len() < crate::finding::ADDRESSES_MAX
        && !addresses.iter().any(|known| known.address == seen.address)
    {
        addresses.push(seen);
    }
}
