//! Attacks by way of addresses, accounts that should be off and devices: the lists that go with them, what is true of harmless
//! people, and how alerts are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use frostwatch_detect::lists::Lists;
use frostwatch_geoip::lists::{ListConfig, ListsLimits, decode};
use frostwatch_simulator::{AttackKind, Company, Harmless, HarmlessKind, Label};
use serde_json::json;

use super::Final;
use super::judge::SEVERITY_LOW;

/// Policies whose alerts are held against attacks by the events they name: what they tell goes on for days, and overlaps with
/// much that it has nothing to do with.
pub(super) const BY_EVIDENCE: [&str; 10] = [
    "activity_policy",
    "admin_from_outside",
    "anonymous_ip",
    "impersonation",
    "new_device",
    "password_spray",
    "privileged_role_granted",
    "risky_ip_logon",
    "suspicious_ip",
    "terminated_user",
];

/// Is this attack one of those that spread over days, so that only events tell whether an alert is about it?
pub(super) const fn is_seen_by_evidence(label: &Label) -> bool {
    matches!(
        label.kind,
        AttackKind::AnonymousAddress
            | AttackKind::SlowAnonymousAddress
            | AttackKind::BadAddress
            | AttackKind::SlowBadAddress
            | AttackKind::TerminatedUse
            | AttackKind::SlowTerminatedUse
            | AttackKind::NewDevice
            | AttackKind::SlowNewDevice
            | AttackKind::SlowFailedLogins
            | AttackKind::SlowImpossibleTravel
            | AttackKind::SlowInfrequentCountry
            | AttackKind::MassDeletion
            | AttackKind::SlowMassDeletion
            | AttackKind::Impersonation
            | AttackKind::SlowImpersonation
            | AttackKind::PrivilegedGrant
            | AttackKind::SlowPrivilegedGrant
            | AttackKind::AdminFromOutside
            | AttackKind::SlowAdminFromOutside
            | AttackKind::RiskySignIn
            | AttackKind::SlowRiskySignIn
            | AttackKind::PasswordSpray
            | AttackKind::SlowPasswordSpray
    )
}

/// The lists of the company, read as those of a configuration are.
pub(super) fn lists(company: &Company) -> anyhow::Result<Option<Arc<Lists>>> {
    let mut lists = Vec::new();
    for list in company.address_lists() {
        let config = json!({
            "name": list.name,
            "path": list.name,
            "format": list.format,
            "category": list.category,
            "confidence": list.confidence,
        });
        let config: ListConfig = serde_json::from_value(config)?;
        let faults = config.faults();
        ensure!(faults.is_empty(), "{faults:?}");
        let decoded = decode(&config, list.text.as_bytes(), ListsLimits::default());
        let decoded = decoded.map_err(|faults| anyhow!("list {}: {faults:?}", list.name))?;
        ensure!(decoded.warnings.is_empty(), "list {}: {:?}", list.name, decoded.warnings);
        lists.push(decoded.list);
    }
    Ok(Lists::new(lists)?)
}

/// What of a user overlaps with an alert.
fn meanwhile<'a>(company: &'a Company, alert: &Final) -> impl Iterator<Item = &'a Harmless> {
    let (user, first_ms, last_ms) = (alert.user.clone(), alert.first_ms, alert.last_ms);
    let of_user = company.harmless().iter().filter(move |harmless| harmless.user.to_lowercase() == user);
    of_user.filter(move |harmless| harmless.from_ms <= last_ms && first_ms <= harmless.to_ms)
}

/// Is what the alert says true, the very thing that its detector promises to tell, and nobody to blame?
pub(super) fn is_true(company: &Company, alert: &Final) -> bool {
    let is_promised = |harmless: &Harmless| {
        matches!(
            (alert.policy.as_str(), harmless.harmless),
            ("anonymous_ip", HarmlessKind::NewTunnel)
                | ("suspicious_ip", HarmlessKind::InfectedHome)
                | ("terminated_user", HarmlessKind::Job)
                | ("admin_from_outside", HarmlessKind::AdminAway)
                | ("privileged_role_granted", HarmlessKind::PrivilegedByChange)
                | ("risky_ip_logon", HarmlessKind::RiskyLine | HarmlessKind::InfectedHome)
        )
    };
    // What was explained afterwards stands at low severity.
    let is_explained = |harmless: &Harmless| {
        alert.policy == "terminated_user"
            && harmless.harmless == HarmlessKind::RehiredToldLate
            && alert.severity <= SEVERITY_LOW
    };
    meanwhile(company, alert).any(|harmless| is_promised(harmless) || is_explained(harmless))
}

/// What led the detector astray, in a word or several.
pub(super) fn episodes(company: &Company, alert: &Final) -> String {
    let kinds: BTreeSet<HarmlessKind> = meanwhile(company, alert).map(|harmless| harmless.harmless).collect();
    let words: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" + ") }
}

/// What was held back, by what: how many, and of how many an attack is part.
pub(super) fn held_counts(held: &[&Final]) -> BTreeMap<String, (usize, usize)> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for finding in held {
        let (count, of_attacks) = counts.entry(finding.held_by.clone().unwrap_or_default()).or_default();
        *count += 1;
        *of_attacks += usize::from(!finding.labels.is_empty());
    }
    counts
}

/// How alerts were put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stories {
    /// Attacks with alerts of at least two policies.
    pub several: usize,
    /// Of these, those whose alerts are all in one incident.
    pub in_one: usize,
    /// Of these, those whose alerts are in no incident: of one sign, or too weak together.
    pub in_none: usize,
    /// The others, and those, a sentence each.
    pub apart: Vec<String>,
    /// Incidents.
    pub stories: usize,
    /// Of these, with an alert that names events of an attack.
    pub of_attacks: usize,
    /// Of these, with another alert beside that names none, a sentence each.
    pub mixed: Vec<String>,
    /// Incidents without any attack, a sentence each.
    pub without_attack: Vec<String>,
}

/// Holds the incidents at the end against the alerts that they tell together.
pub fn stories(company: &Company, finals: &[Final]) -> Stories {
    let told = || finals.iter().filter(|alert| alert.held_by.is_none());
    let (incidents, alerts): (Vec<&Final>, Vec<&Final>) = told().partition(|alert| alert.policy == "incident");
    let mut found = Stories { stories: incidents.len(), ..Stories::default() };
    for (number, label) in (0..).zip(company.labels()) {
        let own: Vec<&&Final> = alerts.iter().filter(|alert| alert.labels.contains(&number)).collect();
        let policies: BTreeSet<&str> = own.iter().map(|alert| alert.policy.as_str()).collect();
        if policies.len() < 2 {
            continue;
        }
        found.several += 1;
        let has_all = |incident: &&Final| own.iter().all(|alert| incident.parts.contains(&alert.id));
        if incidents.iter().any(has_all) {
            found.in_one += 1;
            continue;
        }
        let in_some = own.iter().filter(|alert| incidents.iter().any(|incident| incident.parts.contains(&alert.id)));
        let policies = policies.into_iter().collect::<Vec<_>>().join(", ");
        let (some, all) = (in_some.count(), own.len());
        found.in_none += usize::from(some == 0);
        found.apart.push(format!("{}: {}; {some} of {all} alerts ({policies}) in incidents", label.user, label.note));
    }
    let is_of_attack: BTreeMap<&str, bool> =
        alerts.iter().map(|alert| (alert.id.as_str(), !alert.labels.is_empty())).collect();
    for incident in incidents {
        let of_attack = |id: &&String| is_of_attack.get(id.as_str()).copied().unwrap_or(false);
        let of_attacks = incident.parts.iter().filter(of_attack).count();
        found.of_attacks += usize::from(of_attacks > 0);
        match of_attacks {
            0 => found.without_attack.push(incident.summary.clone()),
            some if some < incident.parts.len() => found.mixed.push(incident.summary.clone()),
            _ => {}
        }
    }
    found
}
