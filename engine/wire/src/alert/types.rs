//! alert.v1 as types. Their doc comments are the descriptions of the JSON Schema.

mod entities;

use std::net::IpAddr;

use frostwatch_detect::finding::EVIDENCE_MAX;
use frostwatch_detect::sent::ChangeKind;
use frostwatch_detect::stories::PARTS_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use entities::{Entity, PlaceRecord};

use crate::activity::TIME_PATTERN;

/// The detectors that the contract knows, in alphabetical order.
pub const POLICIES: &[&str] = &[
    "activity_policy",
    "anonymous_ip",
    "failed_logins",
    "impossible_travel",
    "incident",
    "infrequent_country",
    "mass_download",
    "new_device",
    "password_spray",
    "ransomware",
    "risky_ip_logon",
    "sensitive_file",
    "share_personal_mail",
    "share_unauthorised_domain",
    "suspicious_ip",
    "terminated_user",
    "unusual_download",
];
/// Form of ids: 32 hexadecimal digits in lower case.
pub const ID_PATTERN: &str = "^[0-9a-f]{32}$";
/// Tags of an address at most.
pub const TAGS_MAX: usize = 16;

/// An alert, a revision of one, its retraction, or a finding that something held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRecord {
    /// Name and version of this contract.
    pub schema: AlertSchema,
    /// 32 hexadecimal digits: hash of policy, instance, subject, cause and opener. The same finding has the same id in
    /// every run.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub id: String,
    /// The same without the opener: one for all alerts of a cause.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub dedup_key: String,
    /// Rises when a span was run again under other versions; orders the records of an id before `revision`.
    pub epoch: u32,
    /// Counts the records of an id from 1, over epochs where what was sent goes on. 0 takes back, before all else of its
    /// epoch, what an earlier epoch had sent of a span that was run again and is not found there any more.
    pub revision: u32,
    /// What became of it.
    pub change: AlertChange,
    /// What a reader without upsert should take: opened, severity raised, retracted.
    pub significant: bool,
    /// Ids this alert takes the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = ID_PATTERN)))]
    pub supersedes: Vec<String>,
    /// The id that takes this alert's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = ID_PATTERN))]
    pub superseded_by: Option<String>,
    /// The detector.
    #[schemars(extend("enum" = POLICIES))]
    pub policy: String,
    /// The rule.
    pub rule: RuleRef,
    /// OCSF: 1 informational, 2 low, 3 medium, 4 high, 5 critical.
    #[schemars(range(min = 1, max = 5))]
    pub severity: u8,
    /// Who and what, in a few words.
    pub title: String,
    /// One sentence to act on.
    pub summary: String,
    /// Whom and what it is about.
    pub entities: Vec<Entity>,
    /// Everything else; absent in a retraction.
    #[serde(flatten)]
    pub body: Option<AlertBody>,
    /// Where the record that led to this stood; not part of the canonical body.
    pub delivery: Delivery,
}

/// The value of `schema`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum AlertSchema {
    /// The first version of this contract.
    #[default]
    #[serde(rename = "alert.v1")]
    AlertV1,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AlertChange {
    /// It was not there.
    Opened,
    /// It reads otherwise.
    Updated,
    /// It should not be there.
    Retracted,
    /// Something held the finding back.
    Suppressed,
}

impl AlertChange {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Retracted => "retracted",
            Self::Suppressed => "suppressed",
        }
    }
}

impl From<ChangeKind> for AlertChange {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Opened => Self::Opened,
            ChangeKind::Updated => Self::Updated,
            ChangeKind::Retracted => Self::Retracted,
            ChangeKind::Suppressed => Self::Suppressed,
        }
    }
}

/// What a retraction does not carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertBody {
    /// Event time of the key's newest event from which on nothing about the events seen so far changes any more.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub settles_after: String,
    /// Events that belong to it so far.
    pub count: u64,
    /// Time of the first.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub first_event_time: String,
    /// Time of the last.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub last_event_time: String,
    /// The same cause after this opens a new alert; there is no closing record.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub open_until: String,
    /// Why the severity differs from the rule's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity_reasons: Vec<String>,
    /// How far the rule can be trusted, 0–100.
    #[schemars(range(min = 0, max = 100))]
    pub confidence: u8,
    /// Severity times confidence, 0–100; of an incident what its alerts weigh together.
    #[schemars(range(min = 0, max = 100))]
    pub risk_score: u8,
    /// Which of the kinds of its policy, in the words of the policy's page, where that tells kinds apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// MITRE ATT&CK; of a policy that tells kinds apart what is of this kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<Technique>,
    /// Of an incident: the alerts that it tells together, in the order in which they begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PARTS_MAX))]
    pub parts: Vec<AlertPart>,
    /// What to do, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended_actions: Vec<String>,
    /// Where the runbook lies.
    pub runbook_url: String,
    /// The last event's row in ServiceNow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The numbers seen.
    pub observed: Vec<Number>,
    /// The numbers before.
    pub baseline: Vec<Number>,
    /// The limits.
    pub threshold: Vec<Number>,
    /// What would have had to differ for it not to fire.
    pub counterfactual: String,
    /// The events.
    pub evidence: EvidenceList,
    /// What it was found with.
    pub versions: Versions,
    /// What held it back; only in suppressed findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<SuppressedBy>,
    /// Gaps in what was recorded that overlap its span; none: no gap is known. Nothing fills it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Gap>,
    /// It was found among records that came too late to be put in order, by a policy that needs none: it rests on these
    /// records alone, counts them in the order in which they came, and is never taken back.
    #[serde(default)]
    pub late: bool,
    /// It was found among records that were loaded as history, and not as they came. Nothing is loaded so yet.
    #[serde(default)]
    pub historical: bool,
    /// The event that raised it is synthetic or a canary, and so are all that came since. Of an incident: all its alerts are so.
    pub test: bool,
}

/// An alert that is part of an incident, as it stood when this was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertPart {
    /// Its id: the alert is a record of its own.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub id: String,
    /// The detector.
    #[schemars(extend("enum" = POLICIES))]
    pub policy: String,
    /// The rule's id.
    pub rule: String,
    /// Which of the kinds of its policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// OCSF: 1 informational to 5 critical.
    #[schemars(range(min = 1, max = 5))]
    pub severity: u8,
    /// Severity times confidence, 0–100.
    #[schemars(range(min = 0, max = 100))]
    pub risk_score: u8,
    /// It adds to the incident's score: no stronger alert is of the same rule, or about the same and of mostly the same
    /// events.
    pub adds_to_score: bool,
    /// Events that belong to it.
    pub count: u64,
    /// Time of the first.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub first_event_time: String,
    /// Time of the last.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub last_event_time: String,
    /// Its sentence, or the beginning of it.
    pub summary: String,
    /// It was found among records that came too late to be put in order.
    #[serde(default)]
    pub late: bool,
}

/// A rule as an alert names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Hash of its content.
    pub hash: String,
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Technique {
    /// e.g. `TA0001`.
    pub tactic: String,
    /// e.g. `T1078.004`.
    pub technique: String,
}

/// A number with its name and unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Number {
    /// Name.
    pub name: String,
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
}

/// The events of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceList {
    /// At most 50 and 64 KiB of JSON: the first and the last.
    #[schemars(length(max = EVIDENCE_MAX))]
    pub events: Vec<EvidenceEvent>,
    /// How many there are.
    pub total: u64,
    /// Some are not listed.
    pub truncated: bool,
}

/// An event of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceEvent {
    /// Event id.
    pub id: String,
    /// Event time.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub time: String,
    /// What was done.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Where that is, as `Malmö SE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Whose it is, where the alert is not about one user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// At whom it was aimed, where the policy asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What an alert was found with: with these and the recorded log it can be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// Format of the state.
    pub state_format: u8,
    /// Hash of all rules.
    pub rules: String,
    /// Type of the `GeoIP` file.
    pub geoip: String,
    /// When it was built.
    pub geoip_built: String,
    /// Digest of the file.
    pub geoip_digest: String,
    /// Lists of networks, domains and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListVersion>,
    /// Lateness, seconds.
    pub lateness_secs: u64,
}

/// A list and the content it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListVersion {
    /// Its id.
    pub id: String,
    /// Digest of its content.
    pub digest: String,
}

/// A time in which a source was not, or not wholly, recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Which source: a table, a connector, a key over its cap.
    pub source: String,
    /// Event time from which records are missing.
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub from: String,
    /// Event time up to which they are; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub until: Option<String>,
    /// Why.
    pub reason: String,
}

/// What held a finding back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressedBy {
    /// The mechanism.
    pub by: String,
    /// The id of the rule's exception, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// One sentence with the numbers.
    pub reason: String,
    /// The numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<Number>,
}

/// Where the record that led to a change stood, and when the change was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The engine's consumer group, which tells engines apart that write to one topic; absent in a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The activity topic; absent where records come from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The record's stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// When the engine found it, by its own clock; absent in a replay, which reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIME_PATTERN))]
    pub detected_at: Option<String>,
    /// From the event to `detected_at`, milliseconds; negative if the clocks disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
    /// Version of the engine.
    pub engine: String,
}
