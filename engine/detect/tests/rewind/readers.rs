//! What readers of the two topics are left with after a history of one user.

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::event::Event;
use frostwatch_detect::finding::Finding;
use frostwatch_detect::key::Verdict;
use frostwatch_detect::keys::Keys;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::sent::{Change, ChangeKind};

pub(crate) const NAME: &str = "acme|ana.lind";

/// What readers of the two topics are left with: the last record of each id, retracted ones left out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Readers {
    pub(crate) alerts: BTreeMap<u128, Arc<Finding>>,
    pub(crate) suppressed: BTreeMap<u128, Arc<Finding>>,
    pub(crate) revisions: BTreeMap<u128, u32>,
}

impl Readers {
    pub(crate) fn read(&mut self, change: &Change) {
        let last = self.revisions.insert(change.id, change.revision).unwrap_or(0);
        assert_eq!(change.revision, last + 1, "every revision once, in order: {change:?}");
        let topic = if change.suppression { &mut self.suppressed } else { &mut self.alerts };
        match (&change.finding, change.kind) {
            (Some(finding), ChangeKind::Opened) => assert!(topic.insert(change.id, Arc::clone(finding)).is_none()),
            (Some(finding), ChangeKind::Updated) => assert!(topic.insert(change.id, Arc::clone(finding)).is_some()),
            (Some(finding), _) => drop(topic.insert(change.id, Arc::clone(finding))),
            (None, _) => assert!(topic.remove(&change.id).is_some(), "only what was sent is taken back"),
        }
    }
}

pub(crate) struct Run {
    pub(crate) readers: Readers,
    pub(crate) hash: u128,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) changes: Vec<Change>,
    #[allow(dead_code, reason = "not every test that shares this file counts steps")]
    pub(crate) steps: u64,
}

pub(crate) fn run(events: &[Event], plans: &Plans) -> Run {
    let mut keys = Keys::default();
    let (mut readers, mut changes, mut verdicts) = (Readers::default(), Vec::new(), Vec::new());
    for event in events {
        let before = changes.len();
        verdicts.push(keys.accept(NAME, event, plans, &mut changes));
        changes[before..].iter().for_each(|change| readers.read(change));
    }
    let now = events.iter().filter_map(|event| event.stamp).max().unwrap_or(0);
    let hash = keys.state_hash(plans, now);
    Run { readers, hash, verdicts, changes, steps: keys.scratch().steps }
}

/// The same final findings without revisions.
pub(crate) fn assert_same(left: &Run, right: &Run) {
    same_findings(&left.readers.alerts, &right.readers.alerts);
    same_findings(&left.readers.suppressed, &right.readers.suppressed);
    assert!(left.hash == right.hash, "the states differ");
}

/// Says in one line where two sets of findings differ first.
pub(crate) fn same_findings(left: &BTreeMap<u128, Arc<Finding>>, right: &BTreeMap<u128, Arc<Finding>>) {
    for id in left.keys().chain(right.keys()) {
        let (left, right) = (left.get(id), right.get(id));
        let short = |finding: Option<&Arc<Finding>>| {
            finding.map(|finding| format!("{} [{} events, at {:?}]", finding.summary, finding.count, finding.at))
        };
        assert!(left == right, "{:?} is not {:?}", short(left), short(right));
    }
}

pub(crate) fn in_order(events: &[Event]) -> Vec<Event> {
    let mut sorted = events.to_vec();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    // In order means delivered at once: the stamp is the event time.
    sorted.iter_mut().for_each(|event| event.stamp = Some(event.time));
    sorted
}

pub(crate) fn by_stamp(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.stamp);
    events
}
