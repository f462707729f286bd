//! What was injected, found, missed and false: ours beside the naive detectors.

use std::collections::BTreeMap;

use frostwatch_detect::time::{HOUR, Millis};
use frostwatch_simulator::{AttackKind, Label};
use frostwatch_wire::alert::{AlertRecord, Entity};

use crate::console::say;

/// A finding this close to an attack of its user is about the attack.
const NEAR: Millis = HOUR;

/// The four kinds, as policies are called.
const KINDS: [(AttackKind, &str); 4] = [
    (AttackKind::FailedLogins, "failed_logins"),
    (AttackKind::ImpossibleTravel, "impossible_travel"),
    (AttackKind::InfrequentCountry, "infrequent_country"),
    (AttackKind::MassDownload, "mass_download"),
];

/// A finding that stands: an alert of ours, or one of a naive detector.
#[derive(Clone, Debug)]
pub(super) struct Final {
    pub(super) policy: String,
    pub(super) user: String,
    pub(super) first_ms: Millis,
    pub(super) last_ms: Millis,
    pub(super) summary: String,
}

impl Final {
    /// The alert as a finding; none if it was taken back.
    pub(super) fn of(alert: &AlertRecord) -> Option<Self> {
        let body = alert.body.as_ref()?;
        let millis = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
        let user = alert.entities.iter().find_map(|entity| match entity {
            Entity::User { name, .. } => Some(name.clone()),
            _ => None,
        })?;
        Some(Self {
            policy: alert.policy.clone(),
            user,
            first_ms: millis(&body.first_event_time)?,
            last_ms: millis(&body.last_event_time)?,
            summary: alert.summary.clone(),
        })
    }

    fn is_about(&self, label: &Label) -> bool {
        label.user.eq_ignore_ascii_case(&self.user)
            && self.first_ms <= label.end_ms + NEAR
            && self.last_ms >= label.start_ms - NEAR
    }
}

/// The outcome for one kind of attack.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    injected: usize,
    found: usize,
    false_alerts: usize,
}

/// The table at the end.
pub(super) struct Verdict {
    rows: BTreeMap<&'static str, (Score, Score)>,
    missed: Vec<String>,
    false_alerts: Vec<String>,
    /// Alerts of other detectors, of which none is injected, that no attack explains.
    beside: Vec<String>,
}

/// Holds findings against what was injected.
pub(super) fn judge(labels: &[Label], ours: &[Final], naive: &[Final]) -> Verdict {
    let mut verdict =
        Verdict { rows: BTreeMap::new(), missed: Vec::new(), false_alerts: Vec::new(), beside: Vec::new() };
    for (kind, policy) in KINDS {
        let row = (score(labels, kind, policy, ours), score(labels, kind, policy, naive));
        verdict.rows.insert(policy, row);
        for label in labels.iter().filter(|label| label.kind == kind && !is_found(label, policy, ours)) {
            verdict.missed.push(format!("{policy} of {}: {}", label.user, label.note));
        }
        for alert in ours.iter().filter(|alert| alert.policy == policy && is_false(alert, labels, kind)) {
            verdict.false_alerts.push(format!("{policy}: {}", alert.summary));
        }
    }
    let is_of_others = |alert: &&Final| KINDS.iter().all(|(_, policy)| alert.policy != *policy);
    for alert in ours.iter().filter(is_of_others).filter(|alert| !labels.iter().any(|label| alert.is_about(label))) {
        verdict.beside.push(format!("{}: {}", alert.policy, alert.summary));
    }
    verdict
}

fn score(labels: &[Label], kind: AttackKind, policy: &str, findings: &[Final]) -> Score {
    let of_kind: Vec<&Label> = labels.iter().filter(|label| label.kind == kind).collect();
    let found = of_kind.iter().filter(|label| is_found(label, policy, findings)).count();
    let of_policy = findings.iter().filter(|finding| finding.policy == policy);
    let false_alerts = of_policy.filter(|finding| is_false(finding, labels, kind)).count();
    Score { injected: of_kind.len(), found, false_alerts }
}

fn is_found(label: &Label, policy: &str, findings: &[Final]) -> bool {
    findings.iter().any(|finding| finding.policy == policy && finding.is_about(label))
}

/// A finding is true if its user was attacked then in a way that is of this kind, or truly is so too.
fn is_false(finding: &Final, labels: &[Label], kind: AttackKind) -> bool {
    let explains = |label: &&Label| label.kind == kind || label.also_expected.contains(&kind);
    !labels.iter().filter(explains).any(|label| finding.is_about(label))
}

impl Verdict {
    /// Everything found and nothing false?
    pub(super) fn is_perfect(&self) -> bool {
        self.missed.is_empty() && self.false_alerts.is_empty()
    }

    /// Prints the table, and what was missed or false.
    pub(super) fn print(&self) {
        say("\n                      injected   found  missed   false | naive:  found   false");
        for (policy, (ours, naive)) in &self.rows {
            say(&format!(
                "{policy:20} {:9} {:7} {:7} {:7} | {:13} {:7}",
                ours.injected,
                ours.found,
                ours.injected - ours.found,
                ours.false_alerts,
                naive.found,
                naive.false_alerts,
            ));
        }
        self.missed.iter().for_each(|missed| say(&format!("missed: {missed}")));
        self.false_alerts.iter().for_each(|wrong| say(&format!("false: {wrong}")));
        if self.is_perfect() {
            say("\nEvery injected attack was found, and no alert of these four is false.");
        }
        self.beside.iter().for_each(|alert| say(&format!("told beside, without an attack: {alert}")));
    }
}
