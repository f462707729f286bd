//! A checked rule: what the rulebook makes of rule text and the detectors run on. Nothing here reads files.

mod network;

use serde::{Deserialize, Serialize};

pub use network::{Network, NetworkFault, mapped};

use crate::catalogue::Params;
use crate::condition::Conditions;
use crate::finding::Kind;
use crate::model::AccountKind;
use crate::time::Millis;

/// Rules in one set at most: an event carries a bit for each.
pub const RULES_MAX: usize = 128;
/// Bits of an event that a rule with sensitivities of its own takes, beside its own bit, out of the same [`RULES_MAX`].
pub const SENSITIVITY_BITS: usize = 2;
/// Exceptions over all rules of a set at most.
pub const EXCEPTIONS_MAX: usize = 10_000;

/// A rule as the detectors run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The rule's name, e.g. `failed_logins`; unique in the set. Learned state belongs to it: it survives every edit
    /// but a change of the id or of the detector.
    pub id: String,
    /// Raised by hand with each change that readers should see.
    pub version: u32,
    /// SHA-256 of the checked rule's canonical text, first 16 hex digits.
    pub hash: String,
    /// The detector and its parameters.
    pub params: Params,
    /// Severity to start from.
    pub severity: Severity,
    /// How far this can be trusted, 0–100.
    pub confidence: u8,
    /// A title; `{user}` stands for the user's name.
    pub title: String,
    /// What to do about it, in the order to do it.
    pub recommended_actions: Vec<String>,
    /// Where the runbook lies.
    pub runbook_url: String,
    /// MITRE ATT&CK.
    pub attack: Vec<Attack>,
    /// Whom it watches.
    pub scope: Scope,
    /// What it leaves out, with reason, owner and expiry.
    pub exceptions: Vec<Exception>,
    /// Which suppressions count for whomever no entry of `sensitivity_for` selects.
    pub sensitivity: Sensitivity,
    /// Which suppressions count for some: the first entry that selects the subject.
    pub sensitivity_for: Vec<SensitivityFor>,
    /// Suppressions that never count, by name, in alphabetical order: some of [`Params::suppressions`].
    pub off: Vec<String>,
    /// One alert per cause until the cause has been quiet for this long, seconds.
    pub quiet_secs: u32,
}

/// OCSF severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Severity {
    /// For the record.
    Informational = 1,
    /// Low.
    Low = 2,
    /// Medium.
    Medium = 3,
    /// High.
    High = 4,
    /// Critical.
    Critical = 5,
}

impl Severity {
    /// The severity with this OCSF number, held within 1–5.
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 | 1 => Self::Informational,
            2 => Self::Low,
            3 => Self::Medium,
            4 => Self::High,
            _ => Self::Critical,
        }
    }

    /// The OCSF number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// One step up, at most critical.
    #[must_use]
    pub const fn raised(self) -> Self {
        Self::from_number(self as u8 + 1)
    }

    /// One step down, at least informational.
    #[must_use]
    pub const fn lowered(self) -> Self {
        Self::from_number(self as u8 - 1)
    }
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// e.g. `TA0001`.
    pub tactic: String,
    /// e.g. `T1078.004`.
    pub technique: String,
}

/// Which suppressions count, as in the reference product: low takes all three layers, medium the system's and the
/// user's, high the system's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// System, tenant and user suppressions.
    Low,
    /// System and user suppressions.
    Medium,
    /// System suppressions only.
    High,
}

/// The sensitivity of some subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensitivityFor {
    /// The sensitivity.
    pub is: Sensitivity,
    /// Whose; it asks for no place.
    pub who: Selector,
}

/// Where what an event keeps for a rule, beside the rule's own bit, stands in its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shifts {
    /// Its sensitivities ([`SENSITIVITY_BITS`] from there on). `None`: the rule has one for everybody.
    pub sensitivity: Option<u32>,
    /// What the record says of its conditions ([`Conditions::bits`] from there on). `None`: nothing is kept.
    pub answers: Option<u32>,
}

impl Rule {
    /// The conditions of its detector, if it has some. A rule that was checked has none that cannot be made ready.
    pub fn conditions(&self) -> Option<Conditions> {
        self.params.condition().and_then(|condition| condition.compile().ok())
    }

    /// What a finding of this severity weighs: severity times confidence, 0–100.
    pub fn risk(&self, severity: Severity) -> u8 {
        (u16::from(severity.number()) * 20 * u16::from(self.confidence.min(100)) / 100) as u8
    }

    /// Its techniques without those of other kinds of finding; all, where it names only such: it has its reasons.
    pub fn techniques(&self, kind: Option<&Kind>) -> Vec<&Attack> {
        let is_of_kind = |attack: &&Attack| kind.is_none_or(|kind| kind.has(&attack.technique));
        let of_kind: Vec<&Attack> = self.attack.iter().filter(is_of_kind).collect();
        if of_kind.is_empty() { self.attack.iter().collect() } else { of_kind }
    }

    /// Does a selector of its scope, an exception or a sensitivity ask so?
    pub fn asks(&self, so: fn(&Selector) -> bool) -> bool {
        let covers = self.exceptions.iter().map(|exception| &exception.covers);
        let who = self.sensitivity_for.iter().map(|some| &some.who);
        self.scope.asks(so) || covers.chain(who).any(so)
    }

    /// Bits of an event that it takes, of [`RULES_MAX`] for all.
    pub fn bits(&self) -> usize {
        let sensitivities = if self.sensitivity_for.is_empty() { 0 } else { SENSITIVITY_BITS };
        1 + sensitivities + self.conditions().map_or(0, |conditions| conditions.bits())
    }
}

/// Where what an event keeps for each rule stands: behind the bits of all rules, so that a few bytes hold all of it.
pub fn shifts<'a>(rules: impl ExactSizeIterator<Item = &'a Rule>) -> Vec<Shifts> {
    let mut next = rules.len() as u32;
    let mut take = |bits: usize| {
        next += bits as u32;
        (bits > 0).then_some(next - bits as u32)
    };
    let shifts = |rule: &Rule| Shifts {
        sensitivity: take(if rule.sensitivity_for.is_empty() { 0 } else { SENSITIVITY_BITS }),
        answers: take(rule.conditions().map_or(0, |conditions| conditions.bits())),
    };
    rules.map(shifts).collect()
}

/// The layer a suppression belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Always suppresses.
    System,
    /// What the organisation usually does.
    Tenant,
    /// What this user usually does.
    User,
}

impl Sensitivity {
    /// As it stands in the bits of an event; 0 is left for the rule's own.
    pub const fn bits(self) -> u128 {
        self.level() as u128
    }

    /// From 1, the lowest, to 3.
    pub const fn level(self) -> u8 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
        }
    }

    /// The word as rules have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Does a suppression of this layer count?
    pub const fn takes(self, layer: Layer) -> bool {
        matches!((self, layer), (_, Layer::System) | (Self::Low, _) | (Self::Medium, Layer::User))
    }
}

/// A set of subjects. Within one field any entry may match; the fields given must all match; a field left empty does
/// not ask. Over an attribute that the record lacks, a field that asks does not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// User names in lower case; `*` and `?` are wild.
    pub users: Vec<String>,
    /// Groups in lower case; `*` and `?` are wild.
    pub groups: Vec<String>,
    /// Kinds of account.
    pub kinds: Vec<AccountKind>,
    /// Networks of the record's address.
    pub networks: Vec<Network>,
    /// Countries of the address, as `SE`.
    pub countries: Vec<crate::place::Country>,
}

impl Selector {
    /// Does it ask for nothing?
    pub const fn is_empty(&self) -> bool {
        self.users.is_empty()
            && self.groups.is_empty()
            && self.kinds.is_empty()
            && self.networks.is_empty()
            && self.countries.is_empty()
    }

    /// Does it ask for groups?
    pub const fn asks_for_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Does it ask for a network or a country?
    pub const fn asks_for_place(&self) -> bool {
        !self.networks.is_empty() || !self.countries.is_empty()
    }

    /// Does it ask for kinds of account?
    pub const fn asks_for_kinds(&self) -> bool {
        !self.kinds.is_empty()
    }
}

/// Whom a rule watches: whatever `include` selects (everybody when it is empty) and no entry of `exclude` does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Selectors of which one must match; none: everybody.
    pub include: Vec<Selector>,
    /// Selectors of which none may match; exclusion wins.
    pub exclude: Vec<Selector>,
}

impl Scope {
    /// Does any selector ask so?
    pub fn asks(&self, so: fn(&Selector) -> bool) -> bool {
        self.include.iter().chain(&self.exclude).any(so)
    }

    /// Does any selector ask for a network or a country?
    pub fn asks_for_place(&self) -> bool {
        self.asks(Selector::asks_for_place)
    }
}

/// A stated hole in a rule. What it hides is a suppressed finding, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Unique in its rule.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Begin, in event time: records before it are not covered. `None`: it covers whatever is older too.
    pub from: Option<Millis>,
    /// End, in event time: records from then on are not covered.
    pub expires_at: Millis,
    /// Whom it covers; never empty.
    pub covers: Selector,
}

impl Exception {
    /// Does it hold at this event time?
    pub fn holds_at(&self, time: Millis) -> bool {
        self.from.is_none_or(|from| from <= time) && time < self.expires_at
    }
}
