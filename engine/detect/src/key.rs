//! A key: one user's two lanes under one lateness, and what was sent about them.

mod late;
mod stories;

use serde::{Deserialize, Serialize};

use crate::afterwards;
use crate::caps::Caps;
use crate::context::Subject;
use crate::event::{Event, OwnedOrder};
use crate::lane::{ACTION_SPAN, Lane, Pool, Said, StoredLane, StoredLaneRef};
use crate::machine::{Machine, Surroundings, kept};
use crate::model::Outcome;
use crate::near;
use crate::plan::{LaneKind, Plan};
use crate::plans::{Plans, VersionSet, without_versions};
use crate::profile::STATEMENTS_MAX;
use crate::sent::{Change, Sent, Source};
use crate::stories::Stories;
use crate::time::Millis;

/// Steps of [`Key::bring`].
pub(crate) const BRING_STEPS: usize = 4;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The detectors saw it.
    Scored,
    /// The same record was there already.
    Duplicate,
    /// Another record with this id was there; of the two the one with the smaller content hash counts.
    Conflict,
    /// Behind the horizon.
    Late(LateReason),
}

/// Why a record is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateReason {
    /// The key has an event more than lateness + skew newer.
    Horizon,
    /// The key was idle for more than lateness + skew and has settled.
    Idle,
    /// The key is over its cap, and events of this time have settled early.
    OverCap,
}

impl LateReason {
    /// The word as it stands in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Horizon => "horizon",
            Self::Idle => "idle",
            Self::OverCap => "over_cap",
        }
    }
}

/// Scratch space shared by the keys of a task.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Memory to use again, by lane.
    pools: [Pool; 2],
    said: Said,
    /// Detector runs over an event, since the start: what lateness costs.
    pub steps: u64,
    /// Events that settled early because of the cap, since the start.
    pub settled_early: u64,
    /// Events that one lane took and another, over its cap, did not, since the start.
    pub taken_in_part: u64,
    /// What was sent and had to be forgotten because of [`crate::sent::SENT_MAX`], since the start.
    pub sent_forgotten: u64,
}

/// A key's state.
#[derive(Debug, Default)]
pub struct Key {
    newest: Option<Newest>,
    /// Everything up to this time is settled, because the key was idle.
    settled_until: Option<Millis>,
    succeeded: bool,
    limits: Limits,
    lanes: [Option<Lane>; 2],
    sent: Sent,
    /// What was found of events that came too late.
    late: Option<Box<Machine>>,
    /// The alerts that stand, where a rule tells them together.
    stories: Option<Box<Stories>>,
}

/// The limits of time of a key, as its own records have set them. What is switched between two records holds from the
/// second on: a limit that changed meanwhile must not decide whether the key was asleep or let go.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Limits {
    /// Events before this are late. It never goes back, or an event could come before what has settled.
    horizon: Millis,
    /// Lateness and skew at the last record that was taken.
    window: Millis,
    /// The longest time for which a record said that the key is kept.
    keep: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self { horizon: Millis::MIN, window: 0, keep: 0 }
    }
}

/// The newest event's time, and the stamp of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    time: Millis,
    stamp: Option<Millis>,
}

/// A settled key as it is kept and written: everything but events that may still be joined by late ones.
#[derive(Serialize, Deserialize)]
pub(crate) struct Settled {
    newest: Option<Newest>,
    succeeded: bool,
    limits: Limits,
    machines: [Option<SettledLane>; 2],
    sent: Sent,
    #[serde(with = "crate::format::since_2")]
    late: Option<Box<Machine>>,
    #[serde(with = "crate::format::since_2")]
    stories: Option<Box<Stories>>,
}

#[derive(Serialize, Deserialize)]
struct SettledLane {
    machine: Machine,
    /// The last event in it: what was said up to there stays as it is.
    last: Option<OwnedOrder>,
}

/// A key to be kept.
#[derive(Serialize)]
struct SettledRef<'a> {
    newest: Option<Newest>,
    succeeded: bool,
    limits: Limits,
    machines: [Option<SettledLaneRef<'a>>; 2],
    sent: &'a Sent,
    #[serde(serialize_with = "crate::format::since_2::serialize")]
    late: &'a Option<Box<Machine>>,
    #[serde(serialize_with = "crate::format::since_2::serialize")]
    stories: &'a Option<Box<Stories>>,
}

#[derive(Serialize)]
struct SettledLaneRef<'a> {
    machine: &'a Machine,
    last: Option<OwnedOrder>,
}

/// A whole key to be written, with the events that may still be joined by late ones.
#[derive(Serialize)]
struct WholeRef<'a> {
    newest: Option<Newest>,
    settled_until: Option<Millis>,
    succeeded: bool,
    limits: Limits,
    lanes: [Option<StoredLaneRef<'a>>; 2],
    sent: &'a Sent,
    #[serde(serialize_with = "crate::format::since_2::serialize")]
    late: &'a Option<Box<Machine>>,
    #[serde(serialize_with = "crate::format::since_2::serialize")]
    stories: &'a Option<Box<Stories>>,
}

/// A whole key that was read.
#[derive(Serialize, Deserialize)]
pub(crate) struct Whole {
    newest: Option<Newest>,
    settled_until: Option<Millis>,
    succeeded: bool,
    limits: Limits,
    lanes: [Option<StoredLane>; 2],
    sent: Sent,
    #[serde(with = "crate::format::since_2")]
    late: Option<Box<Machine>>,
    #[serde(with = "crate::format::since_2")]
    stories: Option<Box<Stories>>,
}

impl Scratch {
    /// Caps that were met, since the start.
    pub const fn caps(&self) -> Caps {
        self.said.caps
    }
}

impl Key {
    /// Takes a record's event and pushes what must be sent because of it. The plan of the event is the one under which
    /// its record arrives: the limits of time are those of that.
    pub fn accept(
        &mut self,
        event: &Event,
        subject: Subject<'_>,
        plans: &Plans,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) -> Verdict {
        let first_change = changes.len();
        let verdict = self.take(event, subject, plans, scratch, changes);
        self.tell_together(first_change, plans, subject, scratch, changes);
        verdict
    }

    fn take(
        &mut self,
        event: &Event,
        subject: Subject<'_>,
        plans: &Plans,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) -> Verdict {
        let plan = plans.of(event.version);
        if self.begins_anew(event) {
            *self = Self::default();
        }
        let mut late = self.lateness(event, plan, scratch);
        let moved = late.and_then(|_| self.told_now(event));
        let event = moved.as_ref().unwrap_or(event);
        if moved.is_some() {
            late = self.lateness(event, plan, scratch);
        }
        if let Some(reason) = late {
            self.check_late(event, subject, plans, scratch, changes);
            return Verdict::Late(reason);
        }
        let known = self.lanes.iter().flatten().find_map(|lane| lane.find(event)).map(|known| known.content);
        match known {
            Some(content) if content == event.content => return Verdict::Duplicate,
            Some(content) if content < event.content => return Verdict::Conflict,
            None if event.statement().is_some() && self.has_enough_statements() => {
                return Verdict::Late(LateReason::OverCap);
            }
            _ => {}
        }
        let looked_back = self.look_back(event, plans);
        let event = looked_back.as_ref().unwrap_or(event);
        for lane in LaneKind::ALL {
            let around = Surroundings { plans, lane, subject };
            if lane.takes(event) && self.is_over_cap(lane, event) {
                self.check_apart(event, around, scratch, changes);
            }
            self.run(around, event, scratch, changes);
        }
        self.succeeded |= event.outcome == Outcome::Success;
        self.note_newest(event);
        self.note_limits(event, plan, subject);
        self.settle(plans, subject, scratch);
        if known.is_some() { Verdict::Conflict } else { Verdict::Scored }
    }

    /// The event with what the lists of the moment say of where the user was before, if that is news.
    fn look_back(&self, event: &Event, plans: &Plans) -> Option<Event> {
        let lists = plans.lists()?;
        let [activity, _] = &self.lanes;
        let machine = activity.as_ref()?.live();
        let strangers = machine.strangers().filter(|_| !machine.is_over(event.time));
        afterwards::looked_back(event, lists, strangers)
    }

    /// Brings near what the next event needs, in [`BRING_STEPS`] steps each of which needs what the one before has brought.
    pub(crate) fn bring(&self, step: usize) {
        let Some(step) = step.checked_sub(1) else { return near::bring(self) };
        let [activity, authentication] = &self.lanes;
        activity.iter().for_each(|lane| lane.bring(step));
        // Sign-ins are few: of their history only the ids are needed at every event.
        authentication.iter().filter(|_| step == 0).for_each(Lane::bring_ids);
    }

    /// The stamp of the newest event's record.
    pub fn newest_stamp(&self) -> Option<Millis> {
        self.newest.and_then(|newest| newest.stamp)
    }

    /// Time of the newest event.
    pub fn newest_time(&self) -> Option<Millis> {
        self.newest.map(|newest| newest.time)
    }

    /// A record stamped more than this after the newest event's begins a new history.
    pub const fn keep(&self) -> Millis {
        self.limits.keep
    }

    /// Adds the versions that it refers to.
    pub fn versions(&self, found: &mut VersionSet) {
        self.lanes.iter().flatten().for_each(|lane| lane.versions(found));
        self.late.iter().for_each(|machine| machine.versions(found));
        self.sent.versions(found);
        self.stories.iter().for_each(|stories| stories.versions(found));
    }

    /// What stands of findings with these ids, as it was sent last. What the machine no longer says is left out.
    pub fn standing(&self, ids: &[u128], plans: &Plans, subject: Subject<'_>) -> Vec<Change> {
        let mut standing = Vec::new();
        for kind in LaneKind::ALL {
            if let Some(lane) = &self.lanes[kind.index()] {
                let said = lane.said_again(Surroundings { plans, lane: kind, subject });
                standing.extend(self.sent.standing(Source::Lane(kind), ids, &said));
            }
        }
        if let Some(machine) = &self.late {
            let mut said = Vec::new();
            machine.standing(&mut said);
            standing.extend(self.sent.standing(Source::Late, ids, &said));
        }
        if let Some(stories) = &self.stories {
            let told: Vec<_> = stories.told(plans, subject, Millis::MIN).into_iter().map(|told| told.finding).collect();
            standing.extend(self.sent.standing(Source::Stories, ids, &told));
        }
        standing
    }

    /// Writes the key as it is once nothing can come before its newest event.
    pub(crate) fn freeze(&self, out: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        let Self { newest, succeeded, limits, ref lanes, ref sent, ref late, ref stories, .. } = *self;
        let machines = lanes
            .each_ref()
            .map(|lane| lane.as_ref().map(|lane| SettledLaneRef { machine: lane.live(), last: lane.last_order() }));
        postcard::to_extend(&SettledRef { newest, succeeded, limits, machines, sent, late, stories }, out)
    }

    /// Leaves the key's memory for others.
    pub(crate) fn leave(self, scratch: &mut Scratch) {
        for (lane, pool) in self.lanes.into_iter().zip(&mut scratch.pools) {
            lane.into_iter().for_each(|lane| lane.leave(pool));
        }
    }

    /// Writes the key as it is now, while late events may still change it.
    pub(crate) fn write(&self, out: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        let Self { newest, settled_until, succeeded, limits, ref lanes, ref sent, ref late, ref stories } = *self;
        let lanes = lanes.each_ref().map(|lane| lane.as_ref().map(Lane::stored));
        postcard::to_extend(&WholeRef { newest, settled_until, succeeded, limits, lanes, sent, late, stories }, out)
    }

    /// The key that [`Key::write`] wrote.
    pub(crate) fn restored(whole: Whole, plans: &Plans, subject: Subject<'_>, scratch: &mut Scratch) -> Self {
        let Whole { newest, settled_until, succeeded, limits, lanes: [activity, authentication], sent, late, stories } =
            whole;
        let mut lane = |stored: Option<StoredLane>, lane: LaneKind| {
            let around = Surroundings { plans, lane, subject };
            stored.map(|stored| Lane::restored(stored, around, &mut scratch.pools[lane.index()]))
        };
        let lanes = [lane(activity, LaneKind::Activity), lane(authentication, LaneKind::Authentication)];
        Self { newest, settled_until, succeeded, limits, lanes, sent, late, stories }
    }

    /// The key that was frozen.
    pub(crate) fn thawed(settled: Settled, scratch: &mut Scratch) -> Self {
        let [activity, authentication] = settled.machines;
        let mut lane = |settled: Option<SettledLane>, kind: LaneKind| {
            let pool = &mut scratch.pools[kind.index()];
            settled.map(|settled| Lane::settled(settled.machine, settled.last, pool))
        };
        Self {
            settled_until: settled.newest.map(|newest| newest.time),
            newest: settled.newest,
            succeeded: settled.succeeded,
            limits: settled.limits,
            lanes: [lane(activity, LaneKind::Activity), lane(authentication, LaneKind::Authentication)],
            sent: settled.sent,
            late: settled.late,
            stories: settled.stories,
        }
    }

    /// Writes what two runs are compared by: the machines after all events, without those whose history is over, and
    /// without the bytes that plans happen to have.
    pub fn canonical(&self, out: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        // Of the events that count: one whose copy won in its place has left no trace.
        let last = |lane: &Lane| lane.last_order().map(|order| order.time);
        let now = self.lanes.iter().flatten().filter_map(last).max();
        let machines = self.lanes.each_ref().map(|lane| {
            let machine = lane.as_ref().map(Lane::live);
            machine.filter(|machine| now.is_some_and(|now| !machine.is_over(now)))
        });
        without_versions(|| postcard::to_extend(&(now, machines), out))
    }

    /// Events held for rewinding, over both lanes.
    pub fn held(&self) -> usize {
        self.lanes.iter().flatten().map(Lane::len).sum()
    }

    /// A stamp gap so long that the state may have been let go: the key begins anew whether it was or not.
    fn begins_anew(&self, event: &Event) -> bool {
        self.stamp_gap(event).is_some_and(|gap| gap > self.limits.keep)
    }

    fn stamp_gap(&self, event: &Event) -> Option<Millis> {
        Some(event.stamp?.saturating_sub(self.newest?.stamp?))
    }

    fn lateness(&mut self, event: &Event, plan: &Plan, scratch: &mut Scratch) -> Option<LateReason> {
        let newest = self.newest?;
        if event.time < self.limits.horizon || newest.time.saturating_sub(event.time) > plan.lateness.window() {
            return Some(LateReason::Horizon);
        }
        let window = self.limits.window;
        let gap = self.stamp_gap(event);
        let idle = gap.is_some_and(|gap| gap > window);
        if idle && event.time <= newest.time || self.settled_until.is_some_and(|until| event.time <= until) {
            return Some(LateReason::Idle);
        }
        let takers = || LaneKind::ALL.into_iter().filter(|kind| kind.takes(event));
        let full = takers().filter(|kind| self.is_over_cap(*kind, event)).count();
        if full > 0 {
            if full == takers().count() {
                return Some(LateReason::OverCap);
            }
            scratch.taken_in_part += 1;
        }
        // Records of one action may be as far apart again.
        if gap.is_some_and(|gap| gap > window + ACTION_SPAN) {
            for (lane, pool) in self.lanes.iter_mut().zip(&mut scratch.pools) {
                lane.iter_mut().for_each(|lane| lane.settle_all(pool));
            }
            self.settled_until = Some(newest.time);
        }
        None
    }

    /// What is said of an account holds until somebody says otherwise, and is read again as a whole: where it comes too late to be
    /// put where it belongs it is said after all that is known, a moment after the newest event.
    fn told_now(&self, event: &Event) -> Option<Event> {
        let newest = self.newest.filter(|_| event.statement().is_some())?;
        Some(Event { time: newest.time.saturating_add(1), ..event.clone() })
    }

    fn has_enough_statements(&self) -> bool {
        let [activity, _] = &self.lanes;
        activity.as_ref().is_some_and(|lane| lane.statements() >= STATEMENTS_MAX)
    }

    fn is_over_cap(&self, kind: LaneKind, event: &Event) -> bool {
        self.lanes[kind.index()].as_ref().is_some_and(|lane| lane.is_over_cap(event))
    }

    fn run(&mut self, around: Surroundings<'_>, event: &Event, scratch: &mut Scratch, changes: &mut Vec<Change>) {
        let take_in = around.lane.takes(event) && !self.is_over_cap(around.lane, event);
        let slot = &mut self.lanes[around.lane.index()];
        if slot.is_none() && !take_in {
            return;
        }
        let pool = &mut scratch.pools[around.lane.index()];
        let lane = slot.get_or_insert_with(|| Lane::new(pool));
        scratch.said.clear();
        if let Some(rerun) = lane.replace(event, take_in, around, pool, &mut scratch.said) {
            scratch.steps += rerun.steps as u64;
            self.sent.reconcile(around.lane, &rerun, &scratch.said, lane.live(), changes);
        }
    }

    fn note_newest(&mut self, event: &Event) {
        let seen = Newest { time: event.time, stamp: event.stamp };
        self.newest = Some(match self.newest {
            Some(newest) if newest.time > event.time => newest,
            Some(newest) if newest.time == event.time => Newest { stamp: newest.stamp.max(event.stamp), ..newest },
            _ => seen,
        });
    }

    fn note_limits(&mut self, event: &Event, plan: &Plan, subject: Subject<'_>) {
        let Some(newest) = self.newest else { return };
        let Limits { horizon, window, keep } = &mut self.limits;
        *window = plan.lateness.window();
        *horizon = newest.time.saturating_sub(*window).max(*horizon);
        *keep = (kept(event, plan, subject, self.succeeded) + *window).max(*keep);
    }

    fn settle(&mut self, plans: &Plans, subject: Subject<'_>, scratch: &mut Scratch) {
        let horizon = self.limits.horizon - ACTION_SPAN;
        for kind in LaneKind::ALL {
            let around = Surroundings { plans, lane: kind, subject };
            if let Some(lane) = &mut self.lanes[kind.index()] {
                let early = lane.settle(horizon, around, &mut scratch.pools[kind.index()], &mut scratch.said);
                scratch.settled_early += early as u64;
            }
        }
        if !self.sent.is_empty() {
            let lanes = &self.lanes;
            let forgotten = self.sent.prune(self.limits.horizon, |lane, rule, opener, at| {
                lanes.get(lane).and_then(Option::as_ref).is_none_or(|lane| lane.is_settled(rule, opener, at))
            });
            scratch.sent_forgotten += forgotten as u64;
        }
    }
}
