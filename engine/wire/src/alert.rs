//! alert.v1: what the engine writes, for pipelines, SIEMs and people.
//!
//! Two runs are compared by the canonical body ([`canonical`]): the record without what depends on the order of arrival
//! and on where it was written.

use std::net::IpAddr;

use frostwatch_detect::catalogue::STATE_FORMAT;
use frostwatch_detect::context::Subject;
use frostwatch_detect::event::EventLocation;
use frostwatch_detect::finding::{Blocker, Finding, Measure, SeenAddress, Status, Trace};
use frostwatch_detect::plan::{Plan, PlanRule};
use frostwatch_detect::sent::{Change, ChangeKind};
use frostwatch_detect::time::{SECOND, rfc3339};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest alert, bytes; beyond, the evidence is left out and marked as truncated.
pub const ALERT_BYTES_MAX: usize = 256 * 1024;

/// Fields outside the canonical body.
pub const NOT_CANONICAL: [&str; 7] =
    ["epoch", "revision", "change", "significant", "supersedes", "superseded_by", "delivery"];

/// An alert, a revision of one, its retraction, or a finding that something held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRecord {
    /// `alert.v1`.
    pub schema: String,
    /// 32 hexadecimal digits: hash of policy, instance, subject, cause and opener. The same finding has the same id in
    /// every run.
    pub id: String,
    /// The same without the opener: one for all alerts of a cause.
    pub dedup_key: String,
    /// Rises when a span was run again under other versions; orders the records of an id before `revision`.
    pub epoch: u32,
    /// Counts the records of an id from 1.
    pub revision: u32,
    /// `opened`, `updated`, `retracted` or `suppressed`.
    pub change: String,
    /// What a reader without upsert should take: opened, severity raised, retracted.
    pub significant: bool,
    /// Ids this alert takes the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// The id that takes this alert's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// The detector.
    pub policy: String,
    /// The rule.
    pub rule: RuleRef,
    /// OCSF: 1 informational, 2 low, 3 medium, 4 high, 5 critical.
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

/// What a retraction does not carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertBody {
    /// Event time of the key's newest event from which on nothing about the events seen so far changes any more.
    pub settles_after: String,
    /// Events that belong to it so far.
    pub count: u64,
    /// Time of the first.
    pub first_event_time: String,
    /// Time of the last.
    pub last_event_time: String,
    /// The same cause after this opens a new alert; there is no closing record.
    pub open_until: String,
    /// Why the severity differs from the rule's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity_reasons: Vec<String>,
    /// How far the rule can be trusted, 0–100.
    pub confidence: u8,
    /// Severity times confidence, 0–100.
    pub risk_score: u8,
    /// MITRE ATT&CK.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<Technique>,
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
    /// A synthetic or canary event took part.
    pub test: bool,
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

/// Somebody or something an alert is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entity {
    /// The user.
    User {
        /// Name in lower case, or `@` and an address for somebody without a name.
        name: String,
        /// Instance.
        instance: String,
    },
    /// An address.
    Address {
        /// The address.
        ip: IpAddr,
        /// Its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<PlaceRecord>,
        /// Why it has none: `private`, `reserved` or `unknown`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_place: Option<String>,
        /// Autonomous system number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asn: Option<u32>,
        /// Its organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organisation: Option<String>,
    },
    /// A session.
    Session {
        /// Its hash: the session id itself is a secret and is not written.
        hash: String,
    },
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceRecord {
    /// ISO 3166-1, two letters.
    pub country: String,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Latitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Longitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Radius that holds the true place with about 67 % confidence, km; absent when the file gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius_km: Option<u16>,
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
    /// At most 50: the first and the last.
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
    /// Lateness, seconds.
    pub lateness_secs: u64,
}

/// What held a finding back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressedBy {
    /// The mechanism.
    pub by: String,
    /// One sentence with the numbers.
    pub reason: String,
    /// The numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<Number>,
}

/// Where the record that led to a change stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Partition of the activity topic.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// The record's stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// Version of the engine.
    pub engine: String,
}

/// The word of a change.
pub const fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Opened => "opened",
        ChangeKind::Updated => "updated",
        ChangeKind::Retracted => "retracted",
        ChangeKind::Suppressed => "suppressed",
    }
}

/// What a reader without upsert should take.
pub fn is_significant(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Opened | ChangeKind::Retracted) || change.severity_raised
}

/// Makes the record of a change. `None` if the plan does not know the rule.
pub fn record(
    change: &Change,
    plan: &Plan,
    subject: Subject<'_>,
    epoch: u32,
    delivery: Delivery,
) -> Option<AlertRecord> {
    let rule = plan.rule(change.rule)?;
    let user = subject.user().to_owned();
    let mut entities = vec![Entity::User { name: user.clone(), instance: subject.instance().to_owned() }];
    if let Some(finding) = &change.finding {
        entities.extend(finding.addresses.iter().map(address_entity));
        entities.extend(finding.sessions.iter().map(|hash| Entity::Session { hash: format!("{hash:016x}") }));
    }
    let summary = match (&change.finding, change.superseded_by) {
        (Some(finding), _) => finding.summary.clone(),
        (None, Some(_)) => "Withdrawn: a late event moved its beginning; another alert tells the story.".to_owned(),
        (None, None) => "Withdrawn: seen with what arrived later, it should not have fired.".to_owned(),
    };
    Some(AlertRecord {
        schema: "alert.v1".to_owned(),
        id: hex(change.id),
        dedup_key: hex(change.dedup),
        epoch,
        revision: change.revision,
        change: change_word(change.kind).to_owned(),
        significant: is_significant(change),
        supersedes: change.supersedes.iter().copied().map(hex).collect(),
        superseded_by: change.superseded_by.map(hex),
        policy: rule.rule.params.detector().to_owned(),
        rule: RuleRef { id: rule.rule.id.clone(), version: rule.rule.version, hash: rule.rule.hash.clone() },
        severity: change.severity.number(),
        title: rule.rule.title.replace("{user}", &user),
        summary,
        entities,
        body: change.finding.as_ref().map(|finding| body(finding, rule, plan, subject)),
        delivery,
    })
}

/// The bytes of a record, within [`ALERT_BYTES_MAX`].
pub fn to_bytes(record: &AlertRecord) -> Vec<u8> {
    let bytes = serde_json::to_vec(record).unwrap_or_default();
    if bytes.len() <= ALERT_BYTES_MAX {
        return bytes;
    }
    let mut short = record.clone();
    if let Some(body) = &mut short.body {
        body.evidence.events.clear();
        body.evidence.truncated = true;
    }
    serde_json::to_vec(&short).unwrap_or_default()
}

/// The canonical body of an alert: without [`NOT_CANONICAL`]. `None` for a retraction, which leaves nothing.
pub fn canonical(mut alert: Value) -> Option<Value> {
    let object = alert.as_object_mut()?;
    if object.get("change")?.as_str()? == "retracted" {
        return None;
    }
    for field in NOT_CANONICAL {
        object.remove(field);
    }
    Some(alert)
}

fn body(finding: &Finding, rule: &PlanRule, plan: &Plan, subject: Subject<'_>) -> AlertBody {
    let rule = &rule.rule;
    let suppressed_by = match &finding.status {
        Status::Open => None,
        Status::Suppressed(blocker) => Some(suppressed_by(blocker)),
    };
    AlertBody {
        settles_after: rfc3339(finding.at.time + plan.lateness.window()),
        count: finding.count,
        first_event_time: rfc3339(finding.first),
        last_event_time: rfc3339(finding.last),
        open_until: rfc3339(finding.open_until),
        severity_reasons: finding.severity_reasons.clone(),
        confidence: rule.confidence,
        risk_score: (u16::from(finding.severity.number()) * 20 * u16::from(rule.confidence) / 100) as u8,
        attack: rule
            .attack
            .iter()
            .map(|attack| Technique { tactic: attack.tactic.clone(), technique: attack.technique.clone() })
            .collect(),
        recommended_actions: rule.recommended_actions.clone(),
        runbook_url: rule.runbook_url.clone(),
        source_url: source_url(finding, subject),
        observed: numbers(&finding.observed),
        baseline: numbers(&finding.baseline),
        threshold: numbers(&finding.threshold),
        counterfactual: finding.counterfactual.clone(),
        evidence: EvidenceList {
            events: finding.evidence.iter().map(evidence_event).collect(),
            total: finding.count.max(finding.evidence.len() as u64),
            truncated: finding.count > finding.evidence.len() as u64,
        },
        versions: Versions {
            state_format: STATE_FORMAT,
            rules: plan.rules_hash.clone(),
            geoip: plan.geo.kind.clone(),
            geoip_built: rfc3339(plan.geo.built_at_secs.saturating_mul(SECOND)),
            geoip_digest: plan.geo.digest.clone(),
            lateness_secs: (plan.lateness.lateness / SECOND).unsigned_abs(),
        },
        suppressed_by,
        test: finding.test,
    }
}

fn suppressed_by(blocker: &Blocker) -> SuppressedBy {
    SuppressedBy { by: blocker.by.to_string(), reason: blocker.reason.clone(), numbers: numbers(&blocker.measures) }
}

/// The row of the last event, opened in the instance's own frame.
fn source_url(finding: &Finding, subject: Subject<'_>) -> Option<String> {
    let (table, sys_id) = finding.evidence.last()?.id.as_row()?;
    let instance = subject.instance();
    Some(format!("https://{instance}.service-now.com/nav_to.do?uri={table}.do%3Fsys_id%3D{sys_id:032x}"))
}

fn numbers(measures: &[Measure]) -> Vec<Number> {
    let number = |measure: &Measure| Number {
        name: measure.name.to_string(),
        value: measure.value,
        unit: measure.unit.to_string(),
    };
    measures.iter().map(number).collect()
}

fn address_entity(seen: &SeenAddress) -> Entity {
    let EventLocation { place, carrier } = seen.location;
    Entity::Address {
        ip: seen.address.ip(),
        no_place: place.err().map(|why| why.as_str().to_owned()),
        place: place.ok().map(|place| PlaceRecord {
            country: place.country.to_string(),
            city: (!place.city.is_empty()).then(|| place.city.as_str().to_owned()),
            latitude: place.point.map(frostwatch_detect::place::Point::lat_degrees),
            longitude: place.point.map(frostwatch_detect::place::Point::lon_degrees),
            radius_km: (place.radius_km != 0).then_some(place.radius_km),
        }),
        asn: (carrier.asn != 0).then_some(carrier.asn),
        organisation: (!carrier.organisation.is_empty()).then(|| carrier.organisation.as_str().to_owned()),
    }
}

fn evidence_event(trace: &Trace) -> EvidenceEvent {
    let place = trace.address.and_then(|seen| seen.location.place.ok());
    EvidenceEvent {
        id: trace.id.to_string(),
        time: rfc3339(trace.time),
        action: trace.action.as_str().to_owned(),
        outcome: trace.outcome.as_str().to_owned(),
        ip: trace.address.map(|seen| seen.address.ip()),
        place: place.map(|place| format!("{} {}", place.city.as_str(), place.country).trim().to_owned()),
    }
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}
