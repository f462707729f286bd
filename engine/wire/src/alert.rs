//! alert.v1: what the engine writes, for pipelines, SIEMs and people.
//!
//! Two runs are compared by the canonical body ([`canonical`]): the record without what depends on the order of arrival
//! and on where it was written.

use std::collections::BTreeSet;

use frostwatch_detect::context::Subject;
use frostwatch_detect::finding::{Blocker, Finding, Measure, Status, StoryPart};
use frostwatch_detect::plan::{Plan, PlanRule};
use frostwatch_detect::rule::Rule;
use frostwatch_detect::sent::{Change, ChangeKind};
use frostwatch_detect::time::{SECOND, rfc3339};
use serde_json::Value;

mod entity;
mod evidence;
mod types;

pub use entity::{DEVICES_MAX, OBJECTS_MAX, USERS_MAX};
pub use evidence::EVIDENCE_BYTES_MAX;
pub use types::{
    AlertBody, AlertChange, AlertPart, AlertRecord, AlertSchema, Delivery, Entity, EvidenceEvent, EvidenceList, Gap,
    ID_PATTERN, ListVersion, Number, POLICIES, PlaceRecord, RuleRef, SuppressedBy, TAGS_MAX, Technique, Versions,
};

/// Largest alert, bytes; beyond, the evidence is left out and marked as truncated.
pub const ALERT_BYTES_MAX: usize = 256 * 1024;

/// Techniques that an alert names at most.
pub const TECHNIQUES_MAX: usize = 32;

/// Fields outside the canonical body.
pub const NOT_CANONICAL: [&str; 7] =
    ["epoch", "revision", "change", "significant", "supersedes", "superseded_by", "delivery"];

/// What is said beside a finding on events that came too late.
const CAME_LATE: &str = "What is told here arrived too late to be put in order with the user's other activity, which was not weighed; if it \
                         was sent before, it may have been told before.";

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
    let mut entities = entity::subject(subject, change.finding.as_deref());
    if let Some(finding) = &change.finding {
        entities.extend(entity::all(finding, &plan.networks));
    }
    let summary = match (&change.finding, change.superseded_by) {
        (Some(finding), _) if change.late => format!("{} {CAME_LATE}", finding.summary),
        (Some(finding), _) => finding.summary.clone(),
        (None, Some(_)) => "Withdrawn: a late event moved its beginning; another alert tells the story.".to_owned(),
        (None, None) if rule.rule.params.reads_alerts() => {
            "Withdrawn: as things stand now, its alerts do not make an incident any more.".to_owned()
        }
        (None, None) if change.suppression => {
            "Withdrawn: held back no more; it is told as an alert, or seen with what arrived later there was nothing to hold \
             back."
                .to_owned()
        }
        (None, None) => "Withdrawn: seen with what arrived later, it should not have fired.".to_owned(),
    };
    Some(AlertRecord {
        schema: AlertSchema::AlertV1,
        id: hex(change.id),
        dedup_key: hex(change.dedup),
        epoch,
        revision: change.revision,
        change: change.kind.into(),
        significant: is_significant(change),
        supersedes: change.supersedes.iter().copied().map(hex).collect(),
        superseded_by: change.superseded_by.map(hex),
        policy: rule.rule.params.detector().to_owned(),
        rule: RuleRef { id: rule.rule.id.clone(), version: rule.rule.version, hash: rule.rule.hash.clone() },
        severity: change.severity.number(),
        title: rule.rule.title.replace("{user}", &entity::name(subject)),
        summary,
        entities,
        body: change.finding.as_ref().map(|finding| body(finding, change.late, rule, plan, subject)),
        delivery,
    })
}

/// The record that takes back what stands after `before`, since the span it was found in was run again under another
/// ruling and it is not found there any more. It speaks in the words of what it takes back: the rule may be gone. Its
/// revision is the one before the first, so whatever is found of the id later in this epoch comes after it. `heir`: what is
/// found there instead, of the same cause.
pub fn not_found_again(before: AlertRecord, epoch: u32, heir: Option<u128>, delivery: Delivery) -> AlertRecord {
    let is_user = |entity: &Entity| matches!(entity, Entity::User { .. } | Entity::Counted { .. });
    AlertRecord {
        epoch,
        revision: 0,
        change: AlertChange::Retracted,
        significant: true,
        supersedes: Vec::new(),
        superseded_by: heir.map(hex),
        summary: match heir {
            None => "Withdrawn: run again under other rules, places or another program, it is not found.".to_owned(),
            Some(_) => {
                "Withdrawn: run again under other rules, places or another program, it begins elsewhere; another \
                        alert tells the story."
                    .to_owned()
            }
        },
        entities: before.entities.into_iter().filter(is_user).collect(),
        body: None,
        delivery,
        ..before
    }
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

fn body(finding: &Finding, late: bool, rule: &PlanRule, plan: &Plan, subject: Subject<'_>) -> AlertBody {
    let rule = &rule.rule;
    let story = finding.beside.story.as_deref();
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
        risk_score: story.map_or_else(|| rule.risk(finding.severity), |story| story.score),
        kind: finding.kind.as_ref().map(|kind| kind.word.clone().into_owned()),
        attack: attack(finding, rule),
        parts: story.into_iter().flat_map(|story| &story.parts).map(part).collect(),
        recommended_actions: rule.recommended_actions.clone(),
        runbook_url: rule.runbook_url.clone(),
        source_url: source_url(finding, subject),
        observed: numbers(&finding.observed),
        baseline: numbers(&finding.baseline),
        threshold: numbers(&finding.threshold),
        counterfactual: finding.counterfactual.clone(),
        evidence: evidence::list(&finding.evidence, finding.count, subject.entity().is_some()),
        versions: Versions {
            state_format: plan.state_format(),
            rules: plan.rules_hash.clone(),
            geoip: plan.geo.kind.clone(),
            geoip_built: rfc3339(plan.geo.built_at_secs.saturating_mul(SECOND)),
            geoip_digest: plan.geo.digest.clone(),
            lists: lists(finding),
            lateness_secs: (plan.lateness.lateness / SECOND).unsigned_abs(),
        },
        suppressed_by,
        coverage: Vec::new(),
        late,
        historical: false,
        test: finding.test,
    }
}

/// The techniques of the rule that are of this kind of finding; of a story those of its alerts, each once.
fn attack(finding: &Finding, rule: &Rule) -> Vec<Technique> {
    let mut all: Vec<Technique> = Vec::new();
    let of_rule = rule.techniques(finding.kind.as_deref());
    let of_parts = finding.beside.story.iter().flat_map(|story| &story.parts).flat_map(|part| &part.techniques);
    for attack in of_parts.chain(of_rule) {
        let technique = Technique { tactic: attack.tactic.clone(), technique: attack.technique.clone() };
        if all.len() < TECHNIQUES_MAX && !all.contains(&technique) {
            all.push(technique);
        }
    }
    all
}

fn part(part: &StoryPart) -> AlertPart {
    AlertPart {
        id: hex(part.id),
        policy: part.policy.clone().into_owned(),
        rule: part.rule.clone(),
        kind: part.kind.as_ref().map(|kind| kind.clone().into_owned()),
        severity: part.severity.number(),
        risk_score: part.risk,
        adds_to_score: part.counts,
        count: part.count,
        first_event_time: rfc3339(part.first),
        last_event_time: rfc3339(part.last),
        summary: part.summary.clone(),
        late: part.late,
    }
}

/// The lists that say something of an address of the finding, in the order of their names.
fn lists(finding: &Finding) -> Vec<ListVersion> {
    let entries = finding.addresses.iter().flat_map(|seen| seen.location.listed.entries());
    let told = entries.filter(|entry| entry.digest != 0);
    let versions: BTreeSet<(&str, u64)> = told.map(|entry| (entry.list.as_str(), entry.digest)).collect();
    let version = |(id, digest): (&str, u64)| ListVersion { id: id.to_owned(), digest: format!("{digest:016x}") };
    versions.into_iter().map(version).collect()
}

fn suppressed_by(blocker: &Blocker) -> SuppressedBy {
    SuppressedBy {
        by: blocker.by.to_string(),
        exception: blocker.exception.as_deref().map(str::to_owned),
        reason: blocker.reason.clone(),
        numbers: numbers(&blocker.measures),
    }
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

fn hex(id: u128) -> String {
    format!("{id:032x}")
}
