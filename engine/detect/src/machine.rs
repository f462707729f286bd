//! A key's machine for one lane: the session join and the state of every rule, stepped over events in order.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::afterwards::Stranger;
use crate::caps::Caps;
use crate::catalogue::State;
use crate::context::{Context, Subject};
use crate::event::{Event, OwnedOrder};
use crate::finding::{Finding, Trace};
use crate::format::seldom;
use crate::lane::ACTION_SPAN;
use crate::model::{Action, Outcome};
use crate::near;
use crate::peers::Peers;
use crate::plan::{LaneKind, Plan, PlanRule};
use crate::plans::{NO_VERSION, Plans, VersionSet};
use crate::profile::{Known, Person};
use crate::rule::RULES_MAX;
use crate::sessions::{Origin, Sessions};
use crate::time::{DAY, Millis};

/// States of rules that the plan does not have at most; beyond, the one put aside for longest is forgotten.
pub const PARKED_MAX: usize = RULES_MAX;

/// That an account has ended is kept for so long after it was said, or after the time from which it counts where that is later:
/// accounts that are left over are gone through once a year, and a month is for those who do it late.
pub const ENDED_RETENTION: Millis = 400 * DAY;

/// How long a history is kept after this event, by what it asks for itself.
pub(crate) fn kept(event: &Event, plan: &Plan, subject: Subject<'_>, succeeded: bool) -> Millis {
    if subject.entity().is_some() {
        return plan.entity_retention;
    }
    let usual = plan.kept(succeeded);
    let is_end =
        matches!(event.action, Action::UserTerminate | Action::UserDisable) && event.outcome == Outcome::Success;
    let Some(from) = event.counts_from().filter(|_| is_end) else { return usual };
    let mut rules = plan.lane_rules(LaneKind::Activity);
    let is_asked = rules.any(|rule| matches!(rule.rule.params, crate::catalogue::Params::TerminatedUser(_)));
    let asked = ENDED_RETENTION + from.saturating_sub(event.time).clamp(0, ENDED_RETENTION);
    if is_asked { asked.max(usual) } else { usual }
}

/// The state of one lane at one point of its history. It knows nothing of lateness: it is a function of the events before
/// that point, in order, each under the plan it arrived under.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The version whose rules `states` follows; [`NO_VERSION`]: of none.
    #[serde(skip, default = "no_version")]
    aligned: u8,
    /// An event after this begins a new history. `None`: nothing has been seen.
    kept_until: Option<Millis>,
    standing: Standing,
    sessions: Sessions,
    /// Of the rules that have taken an event, by their keys.
    states: Vec<RuleState>,
    /// States of rules that the plan of the last event does not have, by their keys.
    parked: Vec<Parked>,
}

/// What is known of the account itself.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Has anything succeeded in this history, or has anybody said whose account it is?
    succeeded: bool,
    /// What has been said.
    known: Option<Arc<Known>>,
}

impl Serialize for Standing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        seldom::write((self.succeeded.then_some(&()), self.known.as_ref()), serializer)
    }
}

impl<'de> Deserialize<'de> for Standing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (succeeded, known) = seldom::read::<(), _, _>(deserializer)?;
        Ok(Self { succeeded: succeeded.is_some(), known })
    }
}

/// The state of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// The rule's key.
    #[serde(with = "postcard::fixint::le")]
    pub key: u64,
    /// Time of the first event it took: learning begins there, so a rule that is added later learns first.
    pub since: Option<Millis>,
    /// The detector's state.
    pub state: State,
}

/// The state of a rule that is gone. Events of the plan that had the rule may still lie, by their time, after events of
/// the plan that has not, as far apart as records may be late; until then it goes on when one of them comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Parked {
    /// Time of the first event without the rule.
    at: Millis,
    of: RuleState,
}

/// What surrounds a step.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Rules and limits.
    pub plans: &'a Plans,
    /// Which lane this is.
    pub lane: LaneKind,
    /// Whose history it is.
    pub subject: Subject<'a>,
}

impl Default for Machine {
    fn default() -> Self {
        let (states, parked, sessions) = (Vec::new(), Vec::new(), Sessions::default());
        Self { aligned: NO_VERSION, kept_until: None, standing: Standing::default(), sessions, states, parked }
    }
}

impl Machine {
    /// Has nothing been seen, or is the gap up to `now` so long that the next event begins a new history? How long a
    /// history is kept was settled by the plan of its last event.
    pub fn is_over(&self, now: Millis) -> bool {
        self.kept_until.is_none_or(|until| now > until)
    }

    /// Takes the next event in order; what the rules say is pushed.
    pub fn step(&mut self, event: &Event, around: Surroundings<'_>, said: &mut Vec<Arc<Finding>>, caps: &mut Caps) {
        if around.lane == LaneKind::Activity && event.outcome != Outcome::Success {
            return;
        }
        if self.is_over(event.time) {
            // Who it is was said of the account, and not of this history of it.
            let known = self.standing.known.take();
            *self = Self { standing: Standing { succeeded: known.is_some(), known }, ..Self::default() };
        }
        let plan = around.plans.of(event.version);
        if event.action == Action::UserProfile {
            return self.hear(event, plan, around.subject, caps);
        }
        if self.aligned != event.version || !self.parked.is_empty() {
            self.align(event, plan, around.lane, caps);
        }
        self.standing.succeeded |= event.outcome == Outcome::Success;
        self.keep(event, plan, around.subject);
        let known = self.standing.known.as_mut().map(|known| counting(known, event.time));
        let completed = known.and_then(|known| known.complete(event, plan, around.subject, caps));
        let event = completed.as_ref().unwrap_or(event);
        let origin = match around.lane {
            // Under the key of an entity the session nearest by is somebody else's.
            LaneKind::Activity if around.subject.entity().is_none() => self.sessions.join(event, around.plans, caps),
            LaneKind::Activity | LaneKind::Authentication => Origin::direct(event),
        };
        let person = known.and_then(|known| known.now().person.as_ref());
        let peers = known.and_then(|known| known.now().peers.as_deref());
        let is_nobody = !self.standing.succeeded;
        let step = Step { event, origin: &origin, plan, around, person, peers, is_nobody, late: false };
        for rule in plan.lane_rules_among(around.lane, origin.rules) {
            step.take(rule, &mut self.states, said, caps);
        }
    }

    /// Takes an event that came too late to be put in order, whatever came before: the rules that need none say what they
    /// have to say of it.
    pub(crate) fn check(
        &mut self,
        event: &Event,
        around: Surroundings<'_>,
        said: &mut Vec<Arc<Finding>>,
        caps: &mut Caps,
    ) {
        let is_failure = around.lane == LaneKind::Activity && event.outcome != Outcome::Success;
        if is_failure || event.action == Action::UserProfile {
            return;
        }
        let plan = around.plans.of(event.version);
        if self.aligned != event.version || !self.parked.is_empty() {
            self.align(event, plan, around.lane, caps);
        }
        // Which session it belonged to, and what had been said of the account by then, is a matter of order.
        let origin = Origin::direct(event);
        let step =
            Step { event, origin: &origin, plan, around, person: None, peers: None, is_nobody: false, late: true };
        for rule in plan.lane_rules_among(around.lane, origin.rules) {
            if rule.checks_late {
                step.take(rule, &mut self.states, said, caps);
            }
        }
    }

    /// Is the event among those that an incident of a rule which needs no order names, or another record of the same action?
    pub(crate) fn names(&self, event: &Event) -> bool {
        let is_same_action = |trace: &Trace| {
            let is_near = (trace.time - event.time).abs() <= ACTION_SPAN;
            let did_the_same = trace.action == event.action && trace.about.object == event.object_row;
            event.action_key != 0 && trace.about.object.is_some() && is_near && did_the_same
        };
        let states = self.all().filter(|state| state.state.checks_late());
        let mut incidents = states.flat_map(|state| state.state.incidents().iter());
        incidents.any(|incident| incident.evidence.iter().any(|trace| trace.id == event.id || is_same_action(trace)))
    }

    /// Does the rule hold an incident with this opener?
    pub fn holds(&self, rule: u64, opener: &OwnedOrder) -> bool {
        let state = self.all().find(|state| state.key == rule);
        state.is_some_and(|state| state.state.incidents().iter().any(|incident| incident.opener == *opener))
    }

    /// What stands of the incident that took the place of another of the same cause with this opener.
    pub fn heir(&self, rule: u64, held: bool, dedup: u128, opener: &OwnedOrder) -> Option<&Arc<Finding>> {
        let state = self.all().find(|state| state.key == rule)?;
        let mut incidents = state.state.incidents().iter();
        let took = incidents.find(|incident| {
            let same = incident.said.as_ref().is_some_and(|said| said.dedup == dedup);
            same && incident.held == held && incident.opener < *opener && opener.time <= incident.last
        });
        took.and_then(|incident| incident.said.as_ref())
    }

    /// Addresses of which nothing was said when somebody was there, as rules remember them.
    pub(crate) fn strangers(&self) -> impl Iterator<Item = &Stranger> {
        self.states.iter().flat_map(|state| state.state.strangers())
    }

    /// Pushes what the incidents that are held said last.
    pub fn standing(&self, out: &mut Vec<Arc<Finding>>) {
        for state in self.all() {
            out.extend(state.state.incidents().iter().filter_map(|incident| incident.said.clone()));
        }
    }

    /// Brings near what the next event needs, once the machine itself is.
    pub(crate) fn bring(&self) {
        for known in &self.states {
            near::bring(&known.key);
            near::bring(&known.since);
            near::bring_first(&known.state);
        }
        self.sessions.bring();
    }

    /// Brings near what lies behind that.
    pub(crate) fn bring_rest(&self) {
        self.states.iter().for_each(|known| known.state.bring());
    }

    /// What a copy of it costs, beyond the usual: times and objects that its windows keep apart.
    pub(crate) fn weight(&self) -> usize {
        self.states.iter().map(|known| known.state.weight()).sum()
    }

    /// Adds the versions that it refers to.
    pub fn versions(&self, found: &mut VersionSet) {
        found.insert(self.aligned);
        self.sessions.versions(found);
        let incidents = self.all().flat_map(|state| state.state.incidents().iter());
        incidents.filter_map(|incident| incident.said.as_ref()).for_each(|said| found.insert(said.version));
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        (self.aligned, self.kept_until) = (other.aligned, other.kept_until);
        self.standing.clone_from(&other.standing);
        self.sessions.copy_from(&other.sessions);
        self.parked.clone_from(&other.parked);
        self.states.truncate(other.states.len());
        let have = self.states.len();
        for (mine, theirs) in self.states.iter_mut().zip(&other.states) {
            (mine.key, mine.since) = (theirs.key, theirs.since);
            mine.state.copy_from(&theirs.state);
        }
        self.states.extend(other.states.iter().skip(have).cloned());
    }

    /// Takes what is said of the account. It is no activity, and keeps the history as one would: a name that somebody knows
    /// is none that was made up.
    fn hear(&mut self, event: &Event, plan: &Plan, subject: Subject<'_>, caps: &mut Caps) {
        let Some(said) = event.statement().filter(|_| event.outcome == Outcome::Success) else { return };
        self.standing.succeeded = true;
        self.keep(event, plan, subject);
        let from = event.counts_from().map_or(said.said_at, |from| from.max(said.said_at));
        Arc::make_mut(self.standing.known.get_or_insert_default()).take(said, from, event.time, caps);
    }

    /// Keeps the history for as long as the event asks for, or an end of the account that was said before.
    fn keep(&mut self, event: &Event, plan: &Plan, subject: Subject<'_>) {
        let asked = event.time + kept(event, plan, subject, self.standing.succeeded);
        let is_of_an_end = |until: &Millis| *until > event.time + plan.retention;
        self.kept_until = Some(self.kept_until.filter(is_of_an_end).map_or(asked, |until| until.max(asked)));
    }

    fn all(&self) -> impl Iterator<Item = &RuleState> {
        self.states.iter().chain(self.parked.iter().map(|parked| &parked.of))
    }

    /// Puts aside the states of rules that the event's plan does not have; one that comes back before its state is forgotten
    /// goes on with it.
    #[cold]
    fn align(&mut self, event: &Event, plan: &Plan, lane: LaneKind, caps: &mut Caps) {
        let alternates_for = plan.lateness.window();
        self.parked.retain(|parked| event.time - parked.at <= alternates_for);
        if self.aligned == event.version {
            return;
        }
        self.aligned = event.version;
        let is_there = |key: u64| plan.lane_rules(lane).any(|rule| rule.key == key);
        // Older programs wrote a state for every rule, in another order.
        self.states.retain(|state| state.since.is_some());
        let gone = self.states.extract_if(.., |state| !is_there(state.key)).map(|of| Parked { at: event.time, of });
        let gone: Vec<Parked> = gone.collect();
        self.states.extend(self.parked.extract_if(.., |parked| is_there(parked.of.key)).map(|parked| parked.of));
        self.states.sort_unstable_by_key(|state| state.key);
        self.parked.extend(gone);
        self.forget_parked(caps);
        self.parked.sort_unstable_by_key(|parked| parked.of.key);
    }

    fn forget_parked(&mut self, caps: &mut Caps) {
        let over = self.parked.len().saturating_sub(PARKED_MAX);
        if over > 0 {
            caps.parked_rules += over as u64;
            self.parked.sort_unstable_by_key(|parked| (parked.at, parked.of.key));
            self.parked.drain(..over);
        }
    }
}

/// An event on its way through the rules of a lane.
struct Step<'a> {
    event: &'a Event,
    origin: &'a Origin,
    plan: &'a Plan,
    around: Surroundings<'a>,
    person: Option<&'a Arc<Person>>,
    peers: Option<&'a Peers>,
    is_nobody: bool,
    late: bool,
}

impl Step<'_> {
    fn take(&self, rule: &PlanRule, states: &mut Vec<RuleState>, said: &mut Vec<Arc<Finding>>, caps: &mut Caps) {
        let Self { event, origin, plan, around, person, peers, is_nobody, late } = *self;
        let networks = &*plan.networks;
        let fulfils = || rule.fulfils(origin.rules, || origin.for_place(), networks);
        if origin.rules & rule.needs != rule.needs || !rule.rule.params.wants(event) || !fulfils() {
            return;
        }
        let at = match states.binary_search_by_key(&rule.key, |state| state.key) {
            Ok(at) => at,
            Err(_) if !rule.rule.params.begins(event) => return,
            Err(at) => {
                states.insert(at, RuleState::new(rule.key, &rule.rule.params));
                at
            }
        };
        let Some(known) = states.get_mut(at) else { return };
        let subject = around.subject;
        let first_time = *known.since.get_or_insert(event.time);
        let exception = plan.exception_of(rule, &origin.exceptions, event.time);
        let sensitivity = rule.sensitivity(origin.rules);
        let mut context = Context {
            event,
            origin,
            exception,
            first_time,
            rule,
            sensitivity,
            networks,
            subject,
            person,
            peers,
            is_nobody,
            late,
            said,
            caps,
        };
        known.state.step(&rule.rule.params, &mut context);
    }
}

impl RuleState {
    fn new(key: u64, params: &crate::catalogue::Params) -> Self {
        Self { key, since: None, state: State::of(params) }
    }
}

/// What is known, as it counts by now.
fn counting(known: &mut Arc<Known>, now: Millis) -> &Known {
    if known.is_due(now) {
        Arc::make_mut(known).turn(now);
    }
    known
}

const fn no_version() -> u8 {
    NO_VERSION
}
