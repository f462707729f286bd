//! A finding: what a detector has to say at one point of a key's history, complete and free of anything that depends
//! on arrival. Its encoding is what two runs are compared by.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::context::Subject;
use crate::event::{Address, DeviceFacts, Event, EventId, EventLocation, ObjectRow, Order, OwnedOrder, class_of};
use crate::format::seldom;
use crate::hash;
use crate::model::{Action, Outcome};
use crate::profile::{Parties, Person};
use crate::rule::{Attack, Severity};
use crate::time::Millis;

/// Events an alert names at most: the first half and the last half of them.
pub const EVIDENCE_MAX: usize = 50;
/// Addresses an alert names at most.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of a sentence at most.
pub const SENTENCE_BYTES_MAX: usize = 1_000;

/// A finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Hash of policy, instance, subject, cause and opener.
    pub id: u128,
    /// The same without the opener.
    pub dedup: u128,
    /// The rule's key ([`crate::plan::rule_key`]).
    pub rule: u64,
    /// The byte of the plan under which it was found.
    #[serde(serialize_with = "crate::plans::write_version")]
    pub version: u8,
    /// Alert, or held back and by what.
    pub status: Status,
    /// Severity.
    pub severity: Severity,
    /// Why the severity differs from the rule's.
    pub severity_reasons: Vec<String>,
    /// How many events belong to it so far.
    pub count: u64,
    /// Time of the first.
    pub first: Millis,
    /// Time of the last.
    pub last: Millis,
    /// The same cause after this opens a new alert.
    pub open_until: Millis,
    /// One sentence.
    pub summary: String,
    /// The numbers seen.
    pub observed: Vec<Measure>,
    /// The numbers before the event.
    pub baseline: Vec<Measure>,
    /// The limits.
    pub threshold: Vec<Measure>,
    /// What would have had to differ.
    pub counterfactual: String,
    /// The addresses that matter, in order of first appearance.
    pub addresses: Vec<SeenAddress>,
    /// Hashes of the sessions that matter.
    pub sessions: Vec<u64>,
    /// The events, bounded.
    pub evidence: Vec<Trace>,
    /// A test event took part.
    pub test: bool,
    /// The first relevant event after a quiet time.
    pub opener: OwnedOrder,
    /// The event at which this was said.
    pub at: OwnedOrder,
    /// Which of the kinds of its policy, where that tells kinds apart.
    #[serde(with = "crate::format::since_2")]
    pub kind: Option<Box<Kind>>,
    /// What few findings have.
    #[serde(with = "crate::format::since_2")]
    pub beside: Beside,
}

/// What few findings have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Of the policy `incident`: the alerts that it tells together.
    pub story: Option<Box<Story>>,
    /// Whose account it was at that event, where somebody has said it.
    pub person: Option<Arc<Person>>,
}

impl Serialize for Beside {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        seldom::write((self.story.as_ref(), self.person.as_ref()), serializer)
    }
}

impl<'de> Deserialize<'de> for Beside {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        seldom::read(deserializer).map(|(story, person)| Self { story, person })
    }
}

/// Alerts that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// What they weigh together, 0–100.
    pub score: u8,
    /// The alerts, in the order in which they begin.
    pub parts: Vec<StoryPart>,
}

/// An alert of a story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoryPart {
    /// Its id.
    pub id: u128,
    /// The detector.
    pub policy: Cow<'static, str>,
    /// The rule's id.
    pub rule: String,
    /// Its severity.
    pub severity: Severity,
    /// Its risk score, 0–100.
    pub risk: u8,
    /// It adds to the score: no stronger alert is of the same rule, and none tells the same of the same events.
    pub counts: bool,
    /// Which of the kinds of its policy.
    pub kind: Option<Cow<'static, str>>,
    /// Time of its first event.
    pub first: Millis,
    /// Time of its last event.
    pub last: Millis,
    /// How many events belong to it.
    pub count: u64,
    /// Its sentence, or the beginning of it.
    pub summary: String,
    /// It was found among records that came too late.
    pub late: bool,
    /// What of its rule's techniques it shows.
    pub techniques: Vec<Attack>,
}

/// The id of a finding and the same without the opener: hashes of the rule, whose it is, the cause, and the first relevant
/// event after a quiet time.
pub(crate) fn identity(rule: &str, subject: Subject<'_>, cause: u64, opener: &OwnedOrder, late: bool) -> (u128, u128) {
    let (instance, user) = (subject.instance().as_bytes(), subject.user().as_bytes());
    let cause = cause.to_le_bytes();
    // What is found late stands beside what was found in order, even where one event opened both.
    let late = if late { "late " } else { "" };
    let opener = format!("{late}{} {}", opener.time, opener.id);
    let dedup = hash::public_id(&[rule.as_bytes(), instance, user, &cause]);
    (dedup, hash::public_id(&[rule.as_bytes(), instance, user, &cause, opener.as_bytes()]))
}

/// At most so many bytes of a text, and a sign that there was more.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

/// A kind of finding that a policy tells apart from others of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// In the words of the policy's page.
    pub word: Cow<'static, str>,
    /// Techniques that are of the policy's other kinds alone.
    pub excluded: Vec<Cow<'static, str>>,
}

impl Kind {
    /// A kind that is known here.
    pub fn new(word: &'static str, excluded: &[&'static str]) -> Self {
        let excluded = excluded.iter().map(|technique| Cow::Borrowed(*technique)).collect();
        Self { word: Cow::Borrowed(word), excluded }
    }

    /// May a technique of the rule be one of this kind?
    pub fn has(&self, technique: &str) -> bool {
        self.excluded.iter().all(|other| other != technique)
    }
}

/// Alert, or held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// An alert.
    Open,
    /// Held back.
    Suppressed(Blocker),
}

/// What held a finding back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocker {
    /// Which mechanism: `learning`, `same_network`, `familiar_network`, `exception`, …
    pub by: Cow<'static, str>,
    /// The id of the exception, where it is one.
    pub exception: Option<Box<str>>,
    /// One sentence with the numbers.
    pub reason: String,
    /// The numbers.
    pub measures: Vec<Measure>,
}

/// A number with its name and unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Name in the words of the rule.
    pub name: Cow<'static, str>,
    /// Value, rounded where it is printed.
    pub value: f64,
    /// Unit.
    pub unit: Cow<'static, str>,
}

impl Measure {
    /// A number with its name and unit.
    pub const fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), value, unit: Cow::Borrowed(unit) }
    }
}

/// An address and what was known of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenAddress {
    /// The address.
    pub address: Address,
    /// Its place and carrier.
    pub location: EventLocation,
}

/// A device and what was known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDevice {
    /// Hash of its id, never 0.
    #[serde(with = "postcard::fixint::le")]
    pub hash: u64,
    /// What the record said of it.
    pub facts: DeviceFacts,
}

impl SeenDevice {
    /// The device of an event, if the record names one.
    pub fn of(event: &Event) -> Option<Self> {
        (event.device != 0).then_some(Self { hash: event.device, facts: event.device_facts })
    }
}

/// An event as evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Event time.
    pub time: Millis,
    /// Event id.
    pub id: EventId,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// From where.
    pub address: Option<SeenAddress>,
    /// Session, hashed; 0: none.
    pub session: u64,
    /// With what, where the record names it.
    pub device: Option<SeenDevice>,
    /// To what and to whom.
    pub about: Concerned,
}

/// To what and to whom an event was done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Concerned {
    /// To what, where that is a row.
    pub object: Option<ObjectRow>,
    /// See [`crate::profile::Parties::other`].
    pub other: Option<Arc<str>>,
}

impl Serialize for Concerned {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        seldom::write((self.object.as_ref(), self.other.as_ref()), serializer)
    }
}

impl<'de> Deserialize<'de> for Concerned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        seldom::read(deserializer).map(|(object, other)| Self { object, other })
    }
}

impl Trace {
    /// The event as evidence; `seen` is the address it is taken to come from.
    pub fn new(event: &Event, seen: Option<SeenAddress>) -> Self {
        Self {
            time: event.time,
            id: event.id.clone(),
            action: event.action,
            outcome: event.outcome,
            address: seen,
            session: event.session,
            device: SeenDevice::of(event),
            about: Concerned {
                object: event.object_row,
                other: event.parties().and_then(Parties::other).map(Arc::from),
            },
        }
    }

    /// Its place in the order of its key.
    pub const fn order(&self) -> Order<'_> {
        Order { time: self.time, class: class_of(self.action, self.outcome), id: &self.id }
    }
}

/// Events of an incident: the first half and the last half of [`EVIDENCE_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    first: Vec<Trace>,
    last: Vec<Trace>,
}

impl Evidence {
    /// Adds the next event in order.
    pub fn push(&mut self, trace: Trace) {
        if self.first.len() < EVIDENCE_MAX / 2 {
            self.first.push(trace);
            return;
        }
        if self.last.len() == EVIDENCE_MAX / 2 {
            self.last.remove(0);
        }
        self.last.push(trace);
    }

    /// The events, in order.
    pub fn traces(&self) -> Vec<Trace> {
        self.iter().cloned().collect()
    }

    /// The events, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Trace> {
        self.first.iter().chain(&self.last)
    }

    /// The different addresses, in order of appearance, at most [`ADDRESSES_MAX`].
    pub fn addresses(&self) -> Vec<SeenAddress> {
        let mut seen: Vec<SeenAddress> = Vec::new();
        for address in self.first.iter().chain(&self.last).filter_map(|trace| trace.address) {
            if seen.len() < ADDRESSES_MAX && !seen.iter().any(|known| known.address == address.address) {
                seen.push(address);
            }
        }
        seen
    }

    /// The different sessions, in order of appearance, at most [`ADDRESSES_MAX`].
    pub fn sessions(&self) -> Vec<u64> {
        let mut seen = Vec::new();
        for session in self.first.iter().chain(&self.last).map(|trace| trace.session) {
            if session != 0 && seen.len() < ADDRESSES_MAX && !seen.contains(&session) {
                seen.push(session);
            }
        }
        seen
    }
}
