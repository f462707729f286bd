//! What was sent about a key, and what must be sent when its history changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::OwnedOrder;
use crate::finding::{Finding, Status};
use crate::hash;
use crate::lane::{Rerun, Said};
use crate::machine::Machine;
use crate::plan::LaneKind;
use crate::plans::VersionSet;
use crate::rule::Severity;
use crate::stories::Told;
use crate::time::{DAY, Millis};

/// Findings of a key that are remembered at most; beyond, the oldest is forgotten (and counted): were it to change
/// again, it would be sent as if it were new.
pub const SENT_MAX: usize = 512;

/// Findings on events that came too late whose incident is over that are remembered at most, of a key: were a copy of what
/// opened one to come after more of them, its first record would be sent once more.
pub const LATE_SENT_MAX: usize = 32;

/// What was taken back is remembered for so long after the event at which it had been said: detectors that look back over days
/// may find it again.
pub const LOOKS_BACK: Millis = 90 * DAY;

/// Stories of a key that are remembered and not told any more at most: were one to form again, it would be sent as if it were
/// new.
pub const STORIES_LEFT_MAX: usize = SENT_MAX;

/// Stands in the place of a lane for what was found on events that came too late.
const LATE_LANE: u8 = LaneKind::ALL.len() as u8;

/// Stands in the place of a lane for the stories of what was found.
const STORY_LANE: u8 = LATE_LANE + 1;

/// Stands in the place of a lane for stories whose alerts were forgotten early: they stand as they were told, and one that
/// forms again goes on counting.
const LEFT_LANE: u8 = STORY_LANE + 1;

/// What was sent about a key and may still change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    list: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u128,
    dedup: u128,
    rule: u64,
    /// The byte of the plan under which the finding was made.
    version: u8,
    lane: u8,
    revision: u32,
    severity: Severity,
    standing: Standing,
    /// Hash of the finding's encoding.
    content: u64,
    opener: OwnedOrder,
    /// The event at which it was said.
    at: OwnedOrder,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The machine of a lane.
    Lane(LaneKind),
    /// That of events that came too late.
    Late,
    /// Nobody but the findings themselves, together.
    Stories,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Standing {
    Open,
    Suppressed,
    Retracted,
}

impl Standing {
    const fn of(finding: &Finding) -> Self {
        match finding.status {
            Status::Open => Self::Open,
            Status::Suppressed(_) => Self::Suppressed,
        }
    }
}

/// What kind of record a change makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// An alert that was not there.
    Opened,
    /// An alert with other content.
    Updated,
    /// An alert or suppressed finding that should not be there.
    Retracted,
    /// A finding that something held back, new or with other content.
    Suppressed,
}

/// A record to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Is it about a suppressed finding (and goes where those go)?
    pub suppression: bool,
    /// The finding's id.
    pub id: u128,
    /// Its id without the opener.
    pub dedup: u128,
    /// The rule's key.
    pub rule: u64,
    /// The byte of the plan whose rule says it; of a retraction, of what is taken back.
    pub version: u8,
    /// Counts the records of this id from 1.
    pub revision: u32,
    /// Severity; of a retraction the one last sent.
    pub severity: Severity,
    /// The severity is higher than the one last sent.
    pub severity_raised: bool,
    /// The finding; `None` for a retraction.
    pub finding: Option<Arc<Finding>>,
    /// It was found on events that came too late to be put in order.
    pub late: bool,
    /// Ids this one takes the place of.
    pub supersedes: Vec<u128>,
    /// The id that takes its place.
    pub superseded_by: Option<u128>,
}

impl Sent {
    /// Is nothing remembered?
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds the versions of what is remembered.
    pub fn versions(&self, found: &mut VersionSet) {
        self.list.iter().for_each(|entry| found.insert(entry.version));
    }

    /// Compares what the machine said over the changed span with what was sent about it.
    /// `live` is the machine after all events.
    pub fn reconcile(&mut self, lane: LaneKind, rerun: &Rerun, said: &Said, live: &Machine, changes: &mut Vec<Change>) {
        let first_change = changes.len();
        for (index, finding) in said.now.iter().enumerate() {
            let is_last = !said.now[index + 1..].iter().any(|later| later.id == finding.id);
            if is_last {
                self.stand(lane as u8, finding, changes);
            }
        }
        if let Some(after) = &rerun.span {
            self.take_back(lane, after.as_ref(), said, changes);
        }
        link(&mut changes[first_change..]);
        self.tell_heirs(live, first_change, changes);
    }

    /// Takes what was said of an event that came too late. It is never taken back, and remembered for as long as `is_held`
    /// says of a rule and opener that it may be added to.
    pub(crate) fn stand_late(
        &mut self,
        said: &[Arc<Finding>],
        is_held: impl Fn(u64, &OwnedOrder) -> bool,
        changes: &mut Vec<Change>,
    ) {
        said.iter().for_each(|finding| self.stand(LATE_LANE, finding, changes));
        let is_over = |entry: &Entry| entry.lane == LATE_LANE && !is_held(entry.rule, &entry.opener);
        let mut over = self.list.iter().filter(|entry| is_over(entry)).count().saturating_sub(LATE_SENT_MAX);
        self.list.retain(|entry| {
            let forget = over > 0 && is_over(entry);
            over -= usize::from(forget);
            !forget
        });
    }

    /// Takes the stories that stand: what stood of others is taken back.
    pub(crate) fn stand_stories(&mut self, told: &[Told], changes: &mut Vec<Change>) {
        let first_change = changes.len();
        for story in told.iter().filter(|story| !story.is_over) {
            self.stand(STORY_LANE, &story.finding, changes);
        }
        let is_gone = |entry: &&mut Entry| entry.lane == STORY_LANE && entry.standing != Standing::Retracted;
        for entry in self.list.iter_mut().filter(is_gone).filter(|entry| !is_told(told, entry)) {
            changes.push(entry.retraction());
            entry.standing = Standing::Retracted;
        }
        link(&mut changes[first_change..]);
    }

    /// Forgets stories that are over and not told any more, and beyond [`STORIES_LEFT_MAX`] the oldest of those that are not
    /// told. Others stand as they were told.
    pub(crate) fn forget_stories(&mut self, told: &[Told], is_over: impl Fn(&OwnedOrder) -> bool) {
        let is_left = |entry: &Entry| entry.lane >= STORY_LANE && !is_told(told, entry);
        for entry in self.list.iter_mut().filter(|entry| is_left(entry) && entry.standing != Standing::Retracted) {
            entry.lane = LEFT_LANE;
        }
        self.list.retain(|entry| !is_left(entry) || !is_over(&entry.at));
        let mut over = self.list.iter().filter(|entry| is_left(entry)).count().saturating_sub(STORIES_LEFT_MAX);
        self.list.retain(|entry| {
            let forget = over > 0 && is_left(entry);
            over -= usize::from(forget);
            !forget
        });
    }

    /// Forgets what can no longer change, as `is_settled` says of a lane's index, a rule, the opener and the event at
    /// which it was said. What was taken back may be found again ([`LOOKS_BACK`]), and then goes on counting. Returns how many had to be forgotten early.
    pub fn prune(
        &mut self,
        horizon: Millis,
        is_settled: impl Fn(usize, u64, &OwnedOrder, &OwnedOrder) -> bool,
    ) -> usize {
        let may_be_found_again = |entry: &Entry| {
            entry.standing == Standing::Retracted && entry.at.time.saturating_add(LOOKS_BACK) >= horizon
        };
        self.list.retain(|entry| {
            let is_settled = || is_settled(usize::from(entry.lane), entry.rule, &entry.opener, &entry.at);
            entry.lane >= LATE_LANE || may_be_found_again(entry) || !is_settled()
        });
        let in_order = self.list.iter().filter(|entry| entry.lane < LATE_LANE).count();
        let over = in_order.saturating_sub(SENT_MAX);
        let mut forget = |over: usize, may: &dyn Fn(&Entry) -> bool| {
            let mut left = over;
            self.list.retain(|entry| {
                let forget = left > 0 && entry.lane < LATE_LANE && may(entry);
                left -= usize::from(forget);
                !forget
            });
            left
        };
        if over > 0 {
            // What was taken back is missed least.
            let left = forget(over, &|entry| entry.standing == Standing::Retracted);
            forget(left, &|_| true);
        }
        over
    }

    /// What stands of findings with these ids, as it was sent last: `said` is what is said of their source, in order. What
    /// is not said is left out.
    pub(crate) fn standing<'a>(
        &'a self,
        source: Source,
        ids: &'a [u128],
        said: &'a [Arc<Finding>],
    ) -> impl Iterator<Item = Change> + 'a {
        let lane = match source {
            Source::Lane(lane) => lane as u8,
            Source::Late => LATE_LANE,
            Source::Stories => STORY_LANE,
        };
        self.list.iter().filter(move |entry| entry.lane == lane && ids.contains(&entry.id)).filter_map(|entry| {
            let finding = said.iter().rfind(|finding| finding.id == entry.id)?;
            let is_same = Standing::of(finding) == entry.standing;
            is_same.then(|| entry.change(entry.standing, finding, false))
        })
    }

    /// This is what the finding's id should read now.
    fn stand(&mut self, lane: u8, finding: &Arc<Finding>, changes: &mut Vec<Change>) {
        let content = content_of(finding);
        let standing = Standing::of(finding);
        let Some(entry) = self.list.iter_mut().find(|entry| entry.id == finding.id) else {
            let entry = Entry {
                id: finding.id,
                dedup: finding.dedup,
                rule: finding.rule,
                version: finding.version,
                lane,
                revision: 1,
                severity: finding.severity,
                standing,
                content,
                opener: finding.opener.clone(),
                at: finding.at.clone(),
            };
            changes.push(entry.change(Standing::Retracted, finding, false));
            self.list.push(entry);
            return;
        };
        (entry.at, entry.lane) = (finding.at.clone(), lane);
        if entry.standing == standing && entry.content == content {
            return;
        }
        let was = entry.standing;
        if was != standing && was != Standing::Retracted {
            changes.push(entry.retraction());
        }
        let raised = finding.severity > entry.severity;
        (entry.standing, entry.content, entry.severity) = (standing, content, finding.severity);
        entry.version = finding.version;
        entry.revision += 1;
        changes.push(entry.change(was, finding, raised));
    }

    /// Whatever was sent about the span and was not said again is set to what stood before the span, or taken back.
    fn take_back(&mut self, lane: LaneKind, after: Option<&OwnedOrder>, said: &Said, changes: &mut Vec<Change>) {
        let orphans: Vec<u128> = self
            .list
            .iter()
            .filter(|entry| entry.lane == lane as u8 && entry.standing != Standing::Retracted)
            .filter(|entry| after.is_none_or(|after| entry.at > *after))
            .map(|entry| entry.id)
            .filter(|id| !said.now.iter().any(|finding| finding.id == *id))
            .collect();
        for id in orphans {
            if let Some(finding) = said.before.iter().find(|finding| finding.id == id) {
                self.stand(lane as u8, finding, changes);
            } else if let Some(entry) = self.list.iter_mut().find(|entry| entry.id == id) {
                changes.push(entry.retraction());
                entry.standing = Standing::Retracted;
            }
        }
    }
}

impl Sent {
    /// An incident that ran into an earlier one is taken back, and the earlier one need not have changed: it is told
    /// once more, since it now stands for both.
    fn tell_heirs(&mut self, live: &Machine, first_change: usize, changes: &mut Vec<Change>) {
        for index in first_change..changes.len() {
            let Change { kind, superseded_by, id, dedup, rule, suppression, .. } = changes[index];
            let entry = self.list.iter().find(|entry| entry.id == id);
            let (ChangeKind::Retracted, None, Some(entry)) = (kind, superseded_by, entry) else { continue };
            let Some(finding) = live.heir(rule, suppression, dedup, &entry.opener) else { continue };
            let standing = if suppression { Standing::Suppressed } else { Standing::Open };
            let heir = self.list.iter_mut().find(|entry| entry.id == finding.id && entry.standing == standing);
            let Some(heir) = heir else { continue };
            heir.revision += 1;
            let mut change = heir.change(standing, finding, false);
            change.supersedes.push(id);
            changes[index].superseded_by = Some(heir.id);
            changes.push(change);
        }
    }
}

impl Entry {
    fn change(&self, was: Standing, finding: &Arc<Finding>, severity_raised: bool) -> Change {
        let kind = match (self.standing, was) {
            (Standing::Suppressed, _) => ChangeKind::Suppressed,
            (_, Standing::Open) => ChangeKind::Updated,
            _ => ChangeKind::Opened,
        };
        Change {
            kind,
            suppression: self.standing == Standing::Suppressed,
            id: self.id,
            dedup: self.dedup,
            rule: self.rule,
            version: self.version,
            revision: self.revision,
            severity: self.severity,
            severity_raised,
            finding: Some(Arc::clone(finding)),
            late: self.lane == LATE_LANE,
            supersedes: Vec::new(),
            superseded_by: None,
        }
    }

    fn retraction(&mut self) -> Change {
        self.revision += 1;
        Change {
            kind: ChangeKind::Retracted,
            suppression: self.standing == Standing::Suppressed,
            id: self.id,
            dedup: self.dedup,
            rule: self.rule,
            version: self.version,
            revision: self.revision,
            severity: self.severity,
            severity_raised: false,
            finding: None,
            late: self.lane == LATE_LANE,
            supersedes: Vec::new(),
            superseded_by: None,
        }
    }
}

/// A retraction and an opening of the same cause are one story that moved.
fn link(changes: &mut [Change]) {
    for index in 0..changes.len() {
        if changes[index].kind != ChangeKind::Retracted {
            continue;
        }
        let (id, dedup, suppression) = (changes[index].id, changes[index].dedup, changes[index].suppression);
        let heir = changes.iter_mut().find(|change| {
            change.finding.is_some() && change.id != id && change.dedup == dedup && change.suppression == suppression
        });
        if let Some(heir) = heir {
            heir.supersedes.push(id);
            let heir = heir.id;
            changes[index].superseded_by = Some(heir);
        }
    }
}

fn is_told(told: &[Told], entry: &Entry) -> bool {
    told.iter().any(|story| story.finding.id == entry.id)
}

fn content_of(finding: &Finding) -> u64 {
    postcard::to_stdvec(finding).map_or(0, |bytes| hash::hash64(&bytes))
}
