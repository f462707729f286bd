//! A rule as it is written, `rule.v1`: the shape of the YAML and of the JSON Schema, before any check of meaning.
//!
//! Nothing that shapes detection has a default: what is not written is a fault.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::limits::{
    ACTION_CHARS_MAX, ACTIONS_MAX, ATTACK_MAX, ENTRIES_MAX, NAME_CHARS_MAX, OFF_MAX, OWNER_CHARS_MAX, REASON_CHARS_MAX,
    SELECTORS_MAX, TITLE_CHARS_MAX, URL_CHARS_MAX,
};

pub(crate) mod condition;
pub(crate) mod networks;
pub(crate) mod params;

/// A detection rule. One a file.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Rule")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    /// The version of this format.
    #[expect(dead_code, reason = "reading it is the check")]
    pub(crate) schema: Format,
    /// The rule's name, unique in the set. Learned state belongs to it and to the detector: it survives every other
    /// edit.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]{0,63}$"))]
    pub(crate) id: String,
    /// Raised by hand with each change that readers of alerts should see.
    #[schemars(range(min = 1))]
    pub(crate) version: u32,
    /// A rule that is not enabled is checked and left out.
    pub(crate) enabled: bool,
    /// The detector and its parameters.
    #[schemars(with = "params::Detector")]
    #[expect(dead_code, reason = "read on its own, with the detector's own fields")]
    pub(crate) detector: Elsewhere,
    /// Severity to start from.
    pub(crate) severity: RawSeverity,
    /// How far an alert of this rule can be trusted, 0–100.
    #[schemars(range(max = 100))]
    pub(crate) confidence: u8,
    /// The alert's title; `{user}` stands for the user's name.
    #[schemars(length(min = 1, max = TITLE_CHARS_MAX))]
    pub(crate) title: String,
    /// Where the runbook lies (https).
    #[schemars(length(min = 1, max = URL_CHARS_MAX), regex(pattern = "^https://"))]
    pub(crate) runbook_url: String,
    /// What to do about an alert, in the order to do it.
    #[schemars(length(max = ACTIONS_MAX), inner(length(min = 1, max = ACTION_CHARS_MAX)))]
    pub(crate) recommended_actions: Vec<String>,
    /// MITRE ATT&CK.
    #[schemars(length(max = ATTACK_MAX))]
    pub(crate) attack: Vec<RawAttack>,
    /// Whom the rule watches.
    pub(crate) scope: RawScope,
    /// What it leaves out, with reason, owner and expiry.
    #[schemars(length(max = frostwatch_detect::rule::EXCEPTIONS_MAX))]
    pub(crate) exceptions: Vec<RawException>,
    /// Which suppressions count: low takes the system's, the tenant's and the user's, medium the system's and the
    /// user's, high the system's alone. One for everybody, or one by default and others for some.
    #[schemars(with = "RawSensitivities")]
    #[expect(dead_code, reason = "read on its own, since it has two forms")]
    pub(crate) sensitivity: TwoForms,
    /// When a cause counts as over, and what does not hold it back.
    pub(crate) suppression: RawSuppression,
}

/// Takes what is there without looking.
pub(crate) struct Elsewhere;

impl<'de> Deserialize<'de> for Elsewhere {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Takes what is there without looking; if nothing is, the fault says what could be.
pub(crate) struct TwoForms;

impl<'de> Deserialize<'de> for TwoForms {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "one of low, medium, high, or a mapping with default, for";
        deserializer.deserialize_unit_struct(wanted, serde::de::IgnoredAny).map(|_| Self)
    }
}

/// The version of the format.
#[derive(Deserialize, JsonSchema)]
pub(crate) enum Format {
    /// The first and only one.
    #[serde(rename = "rule.v1")]
    V1,
}

/// OCSF severities by name.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "Severity")]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawSeverity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// Which suppressions count.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "Sensitivity")]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawSensitivity {
    Low,
    Medium,
    High,
}

/// One sensitivity for everybody, or one by default and others for some.
#[derive(JsonSchema)]
#[schemars(rename = "Sensitivities", untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum RawSensitivities {
    One(RawSensitivity),
    Some(RawScopedSensitivity),
}

/// One sensitivity by default and others for some.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ScopedSensitivity")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScopedSensitivity {
    /// For whomever no entry of `for` selects.
    pub(crate) default: RawSensitivity,
    /// The first entry that selects the subject counts.
    #[serde(rename = "for")]
    #[schemars(length(min = 1, max = SELECTORS_MAX))]
    pub(crate) some: Vec<RawSensitivityFor>,
}

/// The sensitivity of some. As in a scope, but without places: within one field any entry may match, and the fields
/// given must all match.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SensitivityFor", extend("minProperties" = 2, "required" = ["is"]))]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSensitivityFor {
    /// The sensitivity.
    pub(crate) is: RawSensitivity,
    /// User names in any case; `*` and `?` are wild.
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    pub(crate) users: Option<Vec<String>>,
    /// Groups in any case; `*` and `?` are wild. The record's own, or what a `user_profile` has said of the account.
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    pub(crate) groups: Option<Vec<String>>,
    /// Kinds of account; `unknown` is an account of which no kind is known.
    #[schemars(with = "Vec<RawKind>", length(min = 1, max = ENTRIES_MAX))]
    pub(crate) kinds: Option<Vec<RawKind>>,
}

/// A technique of MITRE ATT&CK.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Attack")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAttack {
    /// e.g. `TA0001`.
    #[schemars(regex(pattern = "^TA[0-9]{4}$"))]
    pub(crate) tactic: String,
    /// e.g. `T1078.004`.
    #[schemars(regex(pattern = r"^T[0-9]{4}(\.[0-9]{3})?$"))]
    pub(crate) technique: String,
}

/// Whom a rule watches: whatever `include` selects (everybody when it is empty) and no entry of `exclude` does.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Scope")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScope {
    /// Selectors of which one must match; none: everybody.
    #[schemars(length(max = SELECTORS_MAX))]
    pub(crate) include: Vec<RawSelector>,
    /// Selectors of which none may match; exclusion wins.
    #[schemars(length(max = SELECTORS_MAX))]
    pub(crate) exclude: Vec<RawSelector>,
}

/// A set of subjects. Within one field any entry may match; the fields given must all match; a field that is not
/// given does not ask. A field that asks for what nobody has said does not match.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Selector", extend("minProperties" = 1, "required" = []))]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSelector {
    /// User names in any case; `*` and `?` are wild.
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    pub(crate) users: Option<Vec<String>>,
    /// Groups in any case; `*` and `?` are wild. The record's own, or what a `user_profile` has said of the account.
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX), inner(length(min = 1, max = NAME_CHARS_MAX)))]
    pub(crate) groups: Option<Vec<String>>,
    /// Kinds of account; `unknown` is an account of which no kind is known.
    #[schemars(with = "Vec<RawKind>", length(min = 1, max = ENTRIES_MAX))]
    pub(crate) kinds: Option<Vec<RawKind>>,
    /// Networks of the record's address: `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`.
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX))]
    pub(crate) networks: Option<Vec<String>>,
    /// Countries of the address as two letters (ISO 3166-1).
    #[schemars(with = "Vec<String>", length(min = 1, max = ENTRIES_MAX), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub(crate) countries: Option<Vec<String>>,
}

/// What sort of account it is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AccountKind")]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawKind {
    Employee,
    External,
    Guest,
    Service,
    Integration,
    Vendor,
    Placeholder,
    Unknown,
}

/// A stated hole in a rule. What it hides is a suppressed finding, and counted.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Exception")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawException {
    /// Unique in its rule.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]{0,63}$"))]
    pub(crate) id: String,
    /// Why.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    pub(crate) reason: String,
    /// Who answers for it.
    #[schemars(length(min = 1, max = OWNER_CHARS_MAX))]
    pub(crate) owner: String,
    /// Begin, in event time, of what is announced for a time: a day or an instant, as in `expires`. Records before it are not
    /// covered, nor a session whose address came before it where networks or countries are covered. Left out: from the first
    /// record on.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].+)?$"))]
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// End, in event time: a day (`2027-03-31`: its first instant, UTC) or an instant (`2027-03-31T12:00:00Z`).
    /// Records from then on are not covered.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].+)?$"))]
    pub(crate) expires: String,
    /// Whom it covers.
    pub(crate) covers: RawSelector,
}

/// When a cause counts as over, and what does not hold it back.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Suppression", extend("required" = ["quiet"]))]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSuppression {
    /// One alert per cause until the cause has been quiet for this long: a number and s, m, h or d, e.g. `5m`.
    /// Not shorter than the detector's longest window (`window_secs`, `slow_window_secs`), if it has one.
    #[schemars(regex(pattern = "^[1-9][0-9]{0,8}[smhd]$"))]
    pub(crate) quiet: String,
    /// Suppressions of the detector that never hold a finding of this rule back, by name. Without the line all of them
    /// may, as far as `sensitivity` lets them.
    #[schemars(with = "Vec<String>", length(min = 1, max = OFF_MAX))]
    pub(crate) off: Option<Vec<String>>,
}
