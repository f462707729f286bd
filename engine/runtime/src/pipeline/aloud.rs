//! Aloud: a span that is run again under another ruling than the one its outputs were sent under. What was sent about it
//! is noted before; when the span is behind, what stands and is not found again is taken back.
//!
//! What is sent again carries a higher epoch and the revisions that the key's record counts from, and what is taken back
//! revision 0 of that epoch: nothing that is sent here needs to be remembered by a key, so its state stays a function of
//! the log, and whoever runs the span again in silence later has the same state.

use std::collections::BTreeMap;
use std::ops::Range;

use frostwatch_detect::context::Subject;
use frostwatch_detect::keys::Keys;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::sent::{Change, ChangeKind};
use frostwatch_detect::time::rfc3339;
use frostwatch_wire::alert::{self, AlertChange, AlertRecord, Delivery};
use serde::Deserialize;

use super::render;
use crate::ports::{Channel, OutputRecord, TooManySent};

/// Findings of one span that are noted at most: below a kilobyte each.
pub(super) const SENT_BEFORE_MAX: usize = 1 << 18;

/// A span that is run again aloud.
#[derive(Debug)]
pub(super) struct Aloud {
    /// Offsets of the input.
    span: Range<i64>,
    sent: BTreeMap<u128, Sent>,
    /// By cause: what stands of what is found again, and when it was.
    heirs: BTreeMap<u128, BTreeMap<u128, Heir>>,
    /// Findings that are noted at most.
    max: usize,
    /// Findings of a key of which nobody has asked yet what stood before the span.
    unasked: BTreeMap<Box<str>, Vec<u128>>,
}

/// A finding that stands at the end of the span.
#[derive(Clone, Debug)]
struct Heir {
    suppression: bool,
    when: When,
}

/// First and last event of a finding, to the second, as RFC 3339 writes them: earlier is smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct When {
    first: String,
    last: String,
}

impl When {
    fn new(first: &str, last: &str) -> Self {
        let to_the_second = |time: &str| time.get(..SECOND_CHARS).unwrap_or(time).to_owned();
        Self { first: to_the_second(first), last: to_the_second(last) }
    }

    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What was sent of one finding over the span, and what is found again.
#[derive(Debug)]
struct Sent {
    key: Box<str>,
    /// The record that a reader takes for the last, without its body.
    last: AlertRecord,
    /// When what it tells of was; of a retraction nothing is said.
    when: When,
    /// By channel, alerts and suppressions: what a reader of that one takes for the last.
    by_channel: [Option<Last>; 2],
    /// By channel: something was sent again.
    again: [bool; 2],
    /// What stands: before the span, then in what is found again.
    stands: Option<Change>,
}

/// The last record of a finding on a channel.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// Epoch and revision.
    at: (u32, u32),
    is_retracted: bool,
    severity: u8,
}

/// Characters of a time without what is less than a second.
const SECOND_CHARS: usize = "2026-01-05T09:00:00".len();

/// Where the input of an output lies.
#[derive(Debug, Deserialize)]
pub(super) struct Placed {
    pub(super) delivery: Place,
}

/// A place in the input.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub(super) group: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// Where the input of an output lies; `None`: it is not one of an engine.
pub(super) fn place_of(value: &[u8]) -> Option<Place> {
    serde_json::from_slice(value).ok().map(|placed: Placed| placed.delivery)
}

/// How what is sent at the end of the span is marked.
pub(super) struct Marks<'a> {
    pub(super) epoch: u32,
    /// What of [`Delivery`] is not that of what was sent before.
    pub(super) delivery: &'a dyn Fn() -> Delivery,
}

impl Aloud {
    /// A span of which at most `max` findings are noted.
    pub(super) const fn new(span: Range<i64>, max: usize) -> Self {
        Self { span, sent: BTreeMap::new(), heirs: BTreeMap::new(), max, unasked: BTreeMap::new() }
    }

    /// Is what was sent because of the record at this offset to be compared? Where outputs go before their progress, some
    /// were sent because of records beyond the span, which are scored after it under the same epoch.
    pub(super) const fn covers(&self, offset: i64) -> bool {
        offset >= self.span.start
    }

    /// Notes a record that was sent because of a record of the span.
    pub(super) fn note(&mut self, channel: Channel, key: &str, value: &[u8]) -> Result<(), TooManySent> {
        let Ok(mut record) = serde_json::from_slice::<AlertRecord>(value) else { return Ok(()) };
        let (Some(channel), Ok(id)) = (index_of(channel), u128::from_str_radix(&record.id, 16)) else { return Ok(()) };
        let when = record.body.take().map(|body| When::new(&body.first_event_time, &body.last_event_time));
        let is_retracted = record.change == AlertChange::Retracted;
        let at = (record.epoch, record.revision);
        let last = Last { at, is_retracted, severity: record.severity };
        let is_full = self.sent.len() >= self.max;
        let sent = match self.sent.entry(id) {
            std::collections::btree_map::Entry::Vacant(_) if is_full => {
                return Err(TooManySent { max: self.max });
            }
            std::collections::btree_map::Entry::Vacant(slot) => {
                self.unasked.entry(key.into()).or_default().push(id);
                let (by_channel, again) = ([None; 2], [false; 2]);
                let (key, last, when) = (key.into(), record.clone(), When::default());
                slot.insert(Sent { key, last, when, by_channel, again, stands: None })
            }
            std::collections::btree_map::Entry::Occupied(slot) => slot.into_mut(),
        };
        // Of two channels the order of reading says nothing, and a repeat is the same.
        if at >= (sent.last.epoch, sent.last.revision) {
            sent.last = record;
            sent.when = when.unwrap_or_default();
        }
        let slot = &mut sent.by_channel[channel];
        if slot.is_none_or(|known| at >= known.at) {
            *slot = Some(last);
        }
        Ok(())
    }

    /// Asks what stands of a key's findings, before the first record of the span changes it.
    pub(super) fn ask(&mut self, key: &str, keys: &Keys, plans: &Plans) {
        let Some(ids) = self.unasked.remove(key) else { return };
        for change in keys.standing(key, &ids, plans) {
            self.note_heir(&change);
            if let Some(sent) = self.sent.get_mut(&change.id) {
                sent.stands = Some(change);
            }
        }
    }

    /// Notes what is sent again.
    pub(super) fn found(&mut self, change: &Change) {
        self.note_heir(change);
        if let Some(sent) = self.sent.get_mut(&change.id) {
            sent.again[usize::from(change.suppression)] = true;
            sent.stands = change.finding.is_some().then(|| change.clone());
        }
    }

    /// The span is behind: pushes what takes back, and what stands as it stood before.
    pub(super) fn settle(mut self, keys: &Keys, plans: &Plans, marks: &Marks<'_>, out: &mut Vec<OutputRecord>) {
        // Keys whose records are not read as they were have taken none.
        while let Some(key) = self.unasked.keys().next().cloned() {
            self.ask(&key, keys, plans);
        }
        for sent in self.sent.into_values() {
            sent.settle(&self.heirs, plans, marks, out);
        }
    }

    fn note_heir(&mut self, change: &Change) {
        let of_cause = self.heirs.entry(change.dedup).or_default();
        match &change.finding {
            None => drop(of_cause.remove(&change.id)),
            Some(finding) => {
                let when = When::new(&rfc3339(finding.first), &rfc3339(finding.last));
                of_cause.insert(change.id, Heir { suppression: change.suppression, when });
            }
        }
    }
}

impl Sent {
    /// What is found of the same cause at the same time under another id: a late event or another ruling moved its beginning.
    fn heir(&self, heirs: &BTreeMap<u128, BTreeMap<u128, Heir>>, suppression: bool) -> Option<u128> {
        let own = u128::from_str_radix(&self.last.id, 16).ok()?;
        let of_cause = heirs.get(&u128::from_str_radix(&self.last.dedup_key, 16).ok()?)?;
        let met = of_cause
            .iter()
            .filter(|(id, heir)| **id != own && heir.suppression == suppression && heir.when.meets(&self.when));
        met.min_by(|(_, one), (_, other)| one.when.first.cmp(&other.when.first)).map(|(id, _)| *id)
    }

    fn settle(
        self,
        heirs: &BTreeMap<u128, BTreeMap<u128, Heir>>,
        plans: &Plans,
        marks: &Marks<'_>,
        out: &mut Vec<OutputRecord>,
    ) {
        let heirs = [false, true].map(|suppression| self.heir(heirs, suppression));
        let Self { key, last, by_channel, again, stands, .. } = self;
        let subject = Subject { key: &key };
        let delivery =
            Delivery { offset: last.delivery.offset, stamp: last.delivery.stamp.clone(), ..(marks.delivery)() };
        let stands_on = stands.as_ref().map(|change| usize::from(change.suppression));
        let stood_on = |channel: usize| by_channel[channel].is_some_and(|last| !last.is_retracted);
        for (channel, (found_again, heir)) in again.into_iter().zip(heirs).enumerate() {
            if stood_on(channel) && !found_again && stands_on != Some(channel) {
                // On both channels the same record, so that a reader of both has one.
                let record = alert::not_found_again(last.clone(), marks.epoch, heir, delivery.clone());
                out.push(render::output(&record, subject, channel == 1));
            }
        }
        let Some(mut change) = stands else { return };
        let channel = usize::from(change.suppression);
        if again[channel] {
            return;
        }
        if change.kind != ChangeKind::Suppressed {
            change.kind = if stood_on(channel) { ChangeKind::Updated } else { ChangeKind::Opened };
        }
        change.severity_raised =
            by_channel[channel].is_some_and(|last| change.severity.number() > last.severity && !last.is_retracted);
        let record = alert::record(&change, plans.of(change.version), subject, marks.epoch, delivery);
        out.extend(record.map(|record| render::output(&record, subject, change.suppression)));
    }
}

const fn index_of(channel: Channel) -> Option<usize> {
    match channel {
        Channel::Alerts => Some(0),
        Channel::Suppressions => Some(1),
        Channel::Late | Channel::Rejected | Channel::Activity => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_more_than_are_noted_is_refused_and_those_that_are_may_come_again() {
        let record = |id: u32| {
            format!(
                r#"{{"schema":"alert.v1","id":"{id:032x}","dedup_key":"{:032x}","epoch":0,"revision":1,"change":"retracted","significant":true,"policy":"failed_logins","rule":{{"id":"r","version":1,"hash":"h"}},"severity":3,"title":"t","summary":"s","entities":[],"delivery":{{"partition":3,"offset":1,"engine":"t"}}}}"#,
                7
            )
        };
        let mut aloud = Aloud::new(0..10, 2);
        let mut note = |id| aloud.note(Channel::Alerts, "acme|ana", record(id).as_bytes());
        for (id, wanted) in [(1, Ok(())), (2, Ok(())), (3, Err(TooManySent { max: 2 })), (2, Ok(()))] {
            assert_eq!(note(id), wanted, "{id}");
        }
        assert_eq!(aloud.sent.len(), 2);
    }
}
