//! What a key's machines run on: the checked rules, laid out for the hot path, and the limits of time.

use std::fmt;
use std::sync::Arc;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Params, SEMANTICS_VERSION, STATE_FORMAT, since_format};
use crate::condition::{Conditions, FromWhere};
use crate::entity::Per;
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::format::STATE_FORMAT_OLDEST;
use crate::hash;
use crate::model::{Action, Outcome};
use crate::networks::{Networks, Tag};
use crate::place::GeoBuild;
use crate::profile::Readmit;
use crate::rule::{Exception, Rule, SENSITIVITY_BITS, Selector, Sensitivity, Shifts, shifts};
use crate::time::{DAY, HOUR, Lateness, Millis, SECOND};

/// Which of a key's two histories a detector reads. They are kept apart so that a flood of failed logins cannot push
/// real activity over the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneKind {
    /// Everything but failed sign-ins; only what succeeded moves or teaches.
    Activity,
    /// Sign-ins and second factors, failed or not.
    Authentication,
}

impl LaneKind {
    /// Both, in the order of their index.
    pub const ALL: [Self; 2] = [Self::Activity, Self::Authentication];

    /// The lane's index.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Does this history take the event? What is said of the account concerns both.
    pub fn takes(self, event: &Event) -> bool {
        match self {
            Self::Activity => !(event.action.is_authentication() && event.outcome == Outcome::Failure),
            Self::Authentication => event.action.is_authentication() || event.action == Action::UserProfile,
        }
    }
}

/// Rules and limits that hold together until the next switch.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rules, sorted by id.
    pub rules: Vec<PlanRule>,
    /// All exceptions, in the order of their rules.
    pub exceptions: Vec<PlanException>,
    /// How late is normal.
    pub lateness: Lateness,
    /// A key starts anew after an event-time gap over this.
    pub retention: Millis,
    /// The same for a name that has never succeeded in anything.
    pub stranger_retention: Millis,
    /// The same under the key of an entity: no rule that counts by one looks further back.
    pub entity_retention: Millis,
    /// Rules whose scope asks for a network or country, one bit each.
    pub placed_rules: u128,
    /// What the set of rules says of networks.
    pub networks: Arc<Networks>,
    /// Hash over the rules and networks.
    pub rules_hash: String,
    /// The `GeoIP` build in use.
    pub geo: GeoBuild,
    /// What the program made of all that: see [`SEMANTICS_VERSION`].
    pub semantics: u32,
    /// See [`Named::state_format`].
    state_format: u8,
    /// Are there lists of addresses?
    has_lists: bool,
    /// The rules that count by something else than a user.
    of_entities: u128,
    /// Is there a rule that asks what records say of files?
    asks_files: bool,
    /// The rules of each lane: a bit for each ([`PlanRule::bit`]).
    lanes: [u128; 2],
    /// Index of the rule that tells alerts together.
    story_rule: Option<usize>,
    /// See [`Plan::with_readmission`].
    readmission: Option<Readmission>,
}

/// What asks anew whom rules take.
#[derive(Clone, Debug)]
struct Readmission {
    /// A rule asks for groups.
    groups: bool,
    /// A rule asks for kinds of account.
    kinds: bool,
    by: Arc<dyn Readmit>,
}

/// What a ruling is known by: two under which every record gives the same are equal in all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Hash over the rules.
    pub rules: String,
    /// Digest of the `GeoIP` build.
    pub geoip: String,
    /// Lateness, whole seconds.
    pub lateness_secs: i64,
    /// How far ahead of its stamp an event may be, whole seconds.
    pub skew_secs: i64,
    /// See [`SEMANTICS_VERSION`].
    pub semantics: u32,
    /// The format in which records of keys are written, and beyond which nothing is remembered: an older one while
    /// programs run that do not know the present one. It is no part of names that were written before there was a second.
    #[serde(default = "state_format_oldest", skip_serializing_if = "is_oldest")]
    pub state_format: u8,
    /// Digest of the lists of addresses; empty: there are none. What a plan is known by says only that there are some
    /// ([`SOME_LISTS`]): an event carries what they said of it, so no byte need tell one content from another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lists: String,
}

/// Stands for the digest of lists where it does not matter which they are.
pub const SOME_LISTS: &str = "*";

const fn state_format_oldest() -> u8 {
    STATE_FORMAT_OLDEST
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_oldest(format: &u8) -> bool {
    *format == STATE_FORMAT_OLDEST
}

impl Named {
    /// What differs from another one, in words; empty when nothing does.
    pub fn changes(&self, now: &Self) -> String {
        let parts = |named: &Self| {
            [
                ("rules", named.rules.clone()),
                ("geoip", named.geoip.clone()),
                ("lateness_secs", named.lateness_secs.to_string()),
                ("skew_secs", named.skew_secs.to_string()),
                ("semantics", named.semantics.to_string()),
                ("state_format", named.state_format.to_string()),
                ("lists", if named.lists.is_empty() { "none".to_owned() } else { named.lists.clone() }),
            ]
        };
        let both = parts(self).into_iter().zip(parts(now)).filter(|((_, was), (_, is))| was != is);
        both.map(|((name, was), (_, is))| format!("{name} {was} → {is}")).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, geoip, lateness_secs, skew_secs, semantics, state_format, lists } = self;
        write!(
            f,
            "rules {rules}, geoip {geoip}, lateness {lateness_secs} s, skew {skew_secs} s, semantics {semantics}, state \
             format {state_format}"
        )?;
        if lists.is_empty() { Ok(()) } else { write!(f, ", lists {lists}") }
    }
}

/// A rule with its key.
#[derive(Clone, Debug)]
pub struct PlanRule {
    /// The rule.
    pub rule: Rule,
    /// See [`rule_key`].
    pub key: u64,
    /// The rule's bit in [`crate::event::Event::rules`].
    pub bit: u128,
    /// See [`Named::state_format`].
    pub state_format: u8,
    /// Where the same bits say which sensitivity holds for the event, and what its record says of the conditions.
    pub shifts: Shifts,
    /// The bits without any of which the rule does not look at an event: its own, and that its record fulfils what is asked
    /// of it.
    pub needs: u128,
    /// What an activity must be, if the detector asks.
    pub conditions: Option<Conditions>,
    /// See [`Plan::with_lists`].
    pub has_lists: bool,
    /// See [`crate::catalogue::Params::checks_late`].
    pub checks_late: bool,
}

impl PlanRule {
    /// The sensitivity for an event with these bits.
    pub fn sensitivity(&self, bits: u128) -> Sensitivity {
        let shifted = self.shifts.sensitivity.and_then(|shift| bits.checked_shr(shift)).unwrap_or(0);
        match shifted & ((1 << SENSITIVITY_BITS) - 1) {
            1 => Sensitivity::Low,
            2 => Sensitivity::Medium,
            3 => Sensitivity::High,
            _ => self.rule.sensitivity,
        }
    }

    fn new(rule: Rule, index: usize, shifts: Shifts) -> Self {
        let conditions = rule.conditions();
        let bit = 1 << index;
        let own = conditions.as_ref().filter(|conditions| conditions.has_own_bit()).and(shifts.answers);
        Self {
            key: rule_key(rule.params.detector(), &rule.id),
            bit,
            state_format: STATE_FORMAT,
            shifts,
            needs: bit | own.and_then(|shift| 1_u128.checked_shl(shift)).unwrap_or(0),
            conditions,
            has_lists: false,
            checks_late: rule.params.checks_late(),
            rule,
        }
    }

    /// Do the conditions hold for an event with these bits from there? They do where there are none.
    pub fn fulfils(&self, bits: u128, seen: impl FnOnce() -> Option<SeenAddress>, networks: &Networks) -> bool {
        let Some(conditions) = &self.conditions else { return true };
        let answers = self.shifts.answers.and_then(|shift| bits.checked_shr(shift)).unwrap_or(0);
        conditions.hold(answers, &FromWhere { seen: seen(), networks, has_lists: self.has_lists })
    }
}

/// An exception with its rule's place.
#[derive(Clone, Debug)]
pub struct PlanException {
    /// Index of the rule.
    pub rule: usize,
    /// The exception.
    pub exception: Exception,
}

/// What a rule's learned state belongs to: its detector and its id. Every other edit keeps the state.
pub fn rule_key(detector: &str, id: &str) -> u64 {
    hash::hash64(format!("{detector}\n{id}").as_bytes())
}

impl Plan {
    /// State of a key is kept this long after its last event.
    pub const RETENTION: Millis = 90 * DAY;

    /// A name that has never succeeded in anything is kept for this long, or for as long as a rule looks back: a spray
    /// over random names must not grow the state.
    pub const STRANGER_RETENTION: Millis = HOUR;

    /// How long state is kept after its last event.
    pub const fn kept(&self, succeeded: bool) -> Millis {
        if succeeded { self.retention } else { self.stranger_retention }
    }

    /// Lays out rules (sorted by id, at most [`crate::rule::RULES_MAX`]).
    pub fn new(rules: Vec<Rule>, rules_hash: String, lateness: Lateness, geo: GeoBuild) -> Self {
        let mut exceptions = Vec::new();
        let shifts = shifts(rules.iter());
        let rules: Vec<PlanRule> = rules
            .into_iter()
            .zip(shifts)
            .enumerate()
            .map(|(index, (rule, shifts))| {
                let of_rule = rule.exceptions.iter().cloned();
                exceptions.extend(of_rule.map(|exception| PlanException { rule: index, exception }));
                PlanRule::new(rule, index, shifts)
            })
            .collect();
        let placed = rules.iter().filter(|rule| rule.rule.scope.asks_for_place());
        let placed_rules = placed.fold(0, |bits, rule| bits | rule.bit);
        let lanes = lay_out(&rules, STATE_FORMAT, false);
        let failures = lanes[LaneKind::Authentication.index()];
        let of_entities = rules.iter().filter(|rule| rule.rule.params.per().is_some());
        let of_entities = of_entities.fold(0, |bits, rule| bits | rule.bit);
        // A name that nobody knows is kept for as long as a rule looks back that counts it.
        let kept_for = |bits: u128| {
            let some = rules.iter().filter(|rule| rule.bit & bits != 0).map(|rule| &rule.rule);
            let looks_back = some.map(|rule| Millis::from(rule.quiet_secs.max(rule.params.window_secs())) * SECOND);
            looks_back.max().unwrap_or(0).max(Self::STRANGER_RETENTION)
        };
        let (stranger_retention, entity_retention) = (kept_for(failures), kept_for(of_entities));
        let retention = Self::RETENTION;
        let story_rule = rules.iter().position(|rule| rule.rule.params.reads_alerts());
        let asks_files = rules.iter().any(|rule| matches!(rule.rule.params, Params::Ransomware(_)));
        Self {
            rules,
            exceptions,
            lateness,
            retention,
            stranger_retention,
            entity_retention,
            placed_rules,
            networks: Arc::default(),
            rules_hash,
            geo,
            semantics: SEMANTICS_VERSION,
            state_format: STATE_FORMAT,
            has_lists: false,
            of_entities,
            asks_files,
            lanes,
            story_rule,
            readmission: None,
        }
    }

    /// The same with what asks anew whom its rules take, once something was said of an account.
    #[must_use]
    pub fn with_readmission(mut self, readmission: Arc<dyn Readmit>) -> Self {
        let asks = |so| self.rules.iter().any(|rule| rule.rule.asks(so));
        let (groups, kinds) = (asks(Selector::asks_for_groups), asks(Selector::asks_for_kinds));
        self.readmission = (groups || kinds).then_some(Readmission { groups, kinds, by: readmission });
        self
    }

    /// What asks anew whom the rules take, if one of them asks for that which was said beside the record: groups, or a kind.
    pub fn readmission(&self, has_groups: bool, has_kind: bool) -> Option<&dyn Readmit> {
        let readmission = self.readmission.as_ref()?;
        (has_groups && readmission.groups || has_kind && readmission.kinds).then_some(&*readmission.by)
    }

    /// The same with what the set of rules says of networks.
    #[must_use]
    pub fn with_networks(mut self, networks: Arc<Networks>) -> Self {
        self.networks = networks;
        self.lay_out()
    }

    /// The same with another [`Named::state_format`].
    #[must_use]
    pub fn with_state_format(mut self, format: u8) -> Self {
        self.state_format = format;
        self.rules.iter_mut().for_each(|rule| rule.state_format = format);
        self.lay_out()
    }

    /// The same with or without lists of addresses: rules that read them run only where there are some.
    #[must_use]
    pub fn with_lists(mut self, has_lists: bool) -> Self {
        self.has_lists = has_lists;
        self.rules.iter_mut().for_each(|rule| rule.has_lists = has_lists);
        self.lay_out()
    }

    fn lay_out(mut self) -> Self {
        let says = self.has_lists || self.networks.entries().iter().any(|entry| entry.tag == Tag::Risky);
        self.lanes = lay_out(&self.rules, self.state_format, says);
        self
    }

    /// The bits of the rules that do not look at records under such a key: a user's, or one that is counted by this.
    pub fn not_of(&self, counted: Option<Per>) -> u128 {
        if counted.is_none() {
            return self.of_entities;
        }
        let others = self.rules.iter().filter(|rule| rule.rule.params.per() != counted);
        others.fold(0, |bits, rule| bits | rule.bit)
    }

    /// The rules that count by something else than a user, and look at an event with these bits.
    pub fn of_entities(&self, bits: u128) -> impl Iterator<Item = (Per, &PlanRule)> {
        let runs = if self.keeps_status() { bits & self.of_entities } else { 0 };
        let rules = LaneKind::ALL.into_iter().flat_map(move |lane| self.lane_rules_among(lane, runs));
        let rules = rules.filter(move |rule| bits & rule.needs == rule.needs);
        rules.filter_map(|rule| Some((rule.rule.params.per()?, rule)))
    }

    /// Is there a rule with these bits that tells [`crate::profile::Parties`] of an event, and is there room for them?
    pub fn keeps_parties(&self, bits: u128) -> bool {
        let asks = |rule: &PlanRule| matches!(rule.rule.params, Params::ActivityPolicy(_));
        self.keeps_status() && self.rules.iter().any(|rule| bits & rule.needs == rule.needs && asks(rule))
    }

    /// Is there room for [`crate::event::Event::effective`], and for what is said of an account, in what is written of an
    /// event?
    pub const fn keeps_status(&self) -> bool {
        self.state_format >= 2
    }

    /// Is [`crate::event::Event::file`] asked for, and is there room for it?
    pub const fn keeps_files(&self) -> bool {
        self.asks_files && self.state_format >= 2
    }

    /// See [`Named::state_format`].
    pub const fn state_format(&self) -> u8 {
        self.state_format
    }

    /// Does a rule of this history check events that came too late? Under a format of state that has no room for what it
    /// says of them none does.
    pub fn checks_late(&self, lane: LaneKind) -> bool {
        self.state_format >= 2 && self.lane_rules(lane).any(|rule| rule.checks_late)
    }

    /// What tells it from other plans.
    pub fn named(&self) -> Named {
        Named {
            rules: self.rules_hash.clone(),
            geoip: self.geo.digest.clone(),
            lateness_secs: self.lateness.lateness / SECOND,
            skew_secs: self.lateness.skew / SECOND,
            semantics: self.semantics,
            state_format: self.state_format,
            lists: if self.has_lists { SOME_LISTS.to_owned() } else { String::new() },
        }
    }

    /// The rules of a lane, in order.
    pub fn lane_rules(&self, lane: LaneKind) -> impl Iterator<Item = &PlanRule> {
        self.lane_rules_among(lane, u128::MAX)
    }

    /// The rules of a lane that these bits name, in order: what the others cost does not depend on how many they are.
    pub fn lane_rules_among(&self, lane: LaneKind, bits: u128) -> impl Iterator<Item = &PlanRule> {
        let mut left = bits & self.lanes[lane.index()];
        std::iter::from_fn(move || {
            let next = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            self.rules.get(next)
        })
    }

    /// The rule that tells alerts together, the first where there are several. Under a format of state that has no room for
    /// them there is none.
    pub fn story_rule(&self) -> Option<&PlanRule> {
        self.story_rule.filter(|_| self.state_format >= 2).and_then(|index| self.rules.get(index))
    }

    /// The rule with this key.
    pub fn rule(&self, key: u64) -> Option<&PlanRule> {
        self.rules.iter().find(|rule| rule.key == key)
    }

    /// The exceptions of another plan, by their place there, that this one has too, by their place here: of the same rule
    /// and with the same id.
    pub fn same_exceptions<const N: usize>(&self, other: &Self, exceptions: &ArrayVec<u16, N>) -> ArrayVec<u16, N> {
        let same = |index: &u16| {
            let theirs = other.exceptions.get(usize::from(*index))?;
            let key = other.rules.get(theirs.rule)?.key;
            let rule = self.rules.iter().position(|rule| rule.key == key)?;
            let is_same = |ours: &PlanException| ours.rule == rule && ours.exception.id == theirs.exception.id;
            self.exceptions.iter().position(is_same).map(|index| index as u16)
        };
        exceptions.iter().filter_map(same).collect()
    }

    /// The first of these exceptions that belongs to this rule and holds now.
    pub fn exception_of(&self, rule: &PlanRule, exceptions: &[u16], now: Millis) -> Option<&Exception> {
        exceptions
            .iter()
            .filter_map(|index| self.exceptions.get(usize::from(*index)))
            .filter(|known| known.exception.holds_at(now))
            .find(|known| self.rules.get(known.rule).is_some_and(|owner| owner.key == rule.key))
            .map(|known| &known.exception)
    }
}

/// The rules of each lane by their bits. Those of detectors that the format of state does not know do not run under it,
/// and those that read lists of addresses do not where nobody says anything: neither may leave a trace in any state.
fn lay_out(rules: &[PlanRule], state_format: u8, says: bool) -> [u128; 2] {
    let mut lanes = [0; 2];
    for rule in rules {
        let params = &rule.rule.params;
        let runs = since_format(params.detector()) <= state_format && (says || !params.reads_lists());
        if runs && !params.reads_alerts() {
            lanes[params.lane().index()] |= rule.bit;
        }
    }
    lanes
}
