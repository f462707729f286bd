//! What each detector finds and does not find: scenarios as data, one a line, through one [`check`] over the shipped
//! rules, the demo's places and the pipeline as it runs in production.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stop at what is broken")]

#[path = "detectors/golden.rs"]
mod golden;
#[path = "detectors/run.rs"]
mod run;
#[path = "detectors/scenario.rs"]
mod scenario;

use std::sync::Arc;

use frostwatch_detect::time::{Lateness, Millis, rfc3339};
use frostwatch_runtime::pipeline::Ruling;
use frostwatch_wire::alert::{AlertChange, AlertRecord, Entity};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use run::{Outcome, ruling, run};
use scenario::{Arrival, Expected, Scenario, moment};

/// Orders of delivery tried for each scenario.
const SHUFFLES: u64 = 24;

#[test]
fn activity_policy() {
    check("activity_policy", include_str!("../vectors/detectors/activity_policy.jsonl"));
}

#[test]
fn anonymous_ip() {
    check("anonymous_ip", include_str!("../vectors/detectors/anonymous_ip.jsonl"));
}

#[test]
fn failed_logins() {
    check("failed_logins", include_str!("../vectors/detectors/failed_logins.jsonl"));
}

#[test]
fn impossible_travel() {
    check("impossible_travel", include_str!("../vectors/detectors/impossible_travel.jsonl"));
}

#[test]
fn incident() {
    check("incident", include_str!("../vectors/detectors/incident.jsonl"));
}

#[test]
fn infrequent_country() {
    check("infrequent_country", include_str!("../vectors/detectors/infrequent_country.jsonl"));
}

#[test]
fn mass_download() {
    check("mass_download", include_str!("../vectors/detectors/mass_download.jsonl"));
}

#[test]
fn new_device() {
    check("new_device", include_str!("../vectors/detectors/new_device.jsonl"));
}

#[test]
fn ransomware() {
    check("ransomware", include_str!("../vectors/detectors/ransomware.jsonl"));
}

#[test]
fn suspicious_ip() {
    check("suspicious_ip", include_str!("../vectors/detectors/suspicious_ip.jsonl"));
}

#[test]
fn terminated_user() {
    check("terminated_user", include_str!("../vectors/detectors/terminated_user.jsonl"));
}

/// What the shipped beginnings of policies take and leave, once they are switched on.
#[test]
fn templates_of_policies() {
    for (policy, scenarios) in [
        ("admin_from_outside", include_str!("../vectors/policies/admin_from_outside.jsonl")),
        ("impersonation", include_str!("../vectors/policies/impersonation.jsonl")),
        ("many_downloads", include_str!("../vectors/policies/many_downloads.jsonl")),
        ("many_failed_sign_ins", include_str!("../vectors/policies/many_failed_sign_ins.jsonl")),
        ("password_spray", include_str!("../vectors/policies/password_spray.jsonl")),
        ("privileged_role_granted", include_str!("../vectors/policies/privileged_role_granted.jsonl")),
        ("risky_ip_logon", include_str!("../vectors/policies/risky_ip_logon.jsonl")),
    ] {
        check(policy, scenarios);
    }
}

#[test]
fn unusual_download() {
    check("unusual_download", include_str!("../vectors/detectors/unusual_download.jsonl"));
}

/// What readers have filed under an id stays there when somebody tunes the rule.
#[test]
fn the_ids_of_unusual_downloads_depend_on_no_threshold() {
    let text = include_str!("../vectors/detectors/unusual_download.jsonl");
    let ids = |scenario: &Scenario| {
        let outcome = run(&ruling(scenario, "unusual_download"), &scenario.arrivals());
        let alerts = outcome.last.into_iter().filter(|alert| alert.change != AlertChange::Suppressed);
        alerts.map(|alert| alert.id).collect::<Vec<String>>()
    };
    for (name, edits) in [
        ("more within an hour than on any day before", [["objects_floor: 20", "objects_floor: 16"]]),
        ("what was held back and is told then is one story under one id", [["peak_times: 1.5", "peak_times: 1.2"]]),
        ("a little more on each of six days is a rise, told once", [["slow_sum_max: 11.0", "slow_sum_max: 6.0"]]),
    ] {
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        let shipped: Scenario = serde_json::from_str(line).unwrap();
        let mut tuned: Scenario = serde_json::from_str(line).unwrap();
        tuned.edit.extend(edits.map(|[old, new]| (old.to_owned(), new.to_owned())));
        assert_eq!((ids(&shipped).len(), ids(&shipped)), (1, ids(&tuned)), "{name}");
    }
}

/// Every scenario of the file, as it is delivered and in every other order of delivery within the lateness.
fn check(rule: &str, text: &str) {
    let mut faults = Vec::new();
    for line in text.lines() {
        let scenario: Scenario = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let ruling = ruling(&scenario, rule);
        let arrivals = scenario.arrivals();
        let outcome = run(&ruling, &arrivals);
        let found = faults_of(&scenario, rule, &outcome);
        if !found.is_empty() {
            let seen: Vec<String> = outcome.written.iter().map(told).collect();
            faults.push(format!(
                "{}\n  {}\n  written:\n    {}",
                scenario.name,
                found.join("\n  "),
                seen.join("\n    ")
            ));
        } else if scenario.order_free {
            faults.extend(order_matters(&scenario, &ruling, &arrivals, &outcome));
        }
    }
    assert!(faults.is_empty(), "{} scenarios fail:\n{}", faults.len(), faults.join("\n"));
}

/// Delivers the same records in other orders, each within the lateness: readers must be left with the same.
fn order_matters(scenario: &Scenario, ruling: &Arc<Ruling>, arrivals: &[Arrival], usual: &Outcome) -> Option<String> {
    let lateness = Lateness::DEFAULT.lateness;
    let mut orders = vec![("in reversed hours".to_owned(), delivered(arrivals, |time| to_hour(time, lateness)))];
    for seed in 0..SHUFFLES {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        orders.push((format!("with seed {seed}"), delivered(arrivals, |_| chance.random_range(0..=lateness))));
    }
    for (order, arrivals) in orders {
        let other = run(ruling, &arrivals);
        assert_eq!((other.counters.late, other.counters.over_cap), (0, 0), "{} {order}", scenario.name);
        if other.canonical != usual.canonical {
            let [usual, other] = [usual, &other]
                .map(|outcome| outcome.canonical.values().map(ToString::to_string).collect::<Vec<_>>().join("\n    "));
            return Some(format!("{}: delivered {order}:\n    {other}\n  instead of\n    {usual}", scenario.name));
        }
        if other.state_hash != usual.state_hash {
            return Some(format!("{}: delivered {order}, another state", scenario.name));
        }
    }
    None
}

/// The records with new stamps, each as long after its event as `delay` says, in the order of the stamps; of equal
/// stamps the later event comes first.
fn delivered(arrivals: &[Arrival], mut delay: impl FnMut(Millis) -> Millis) -> Vec<Arrival> {
    let mut delivered: Vec<Arrival> = arrivals
        .iter()
        .map(|arrival| Arrival { stamp: arrival.time + delay(arrival.time), ..arrival.clone() })
        .collect();
    delivered.sort_by_key(|arrival| (arrival.stamp, -arrival.time));
    delivered
}

/// Up to the end of the hour: all of an hour arrives at once.
fn to_hour(time: Millis, hour: Millis) -> Millis {
    hour - time.rem_euclid(hour)
}

fn faults_of(scenario: &Scenario, rule: &str, outcome: &Outcome) -> Vec<String> {
    let mut faults = Vec::new();
    let expect = &scenario.expect;
    let counted = &outcome.counters;
    for (what, seen, expected) in [
        ("late", counted.late, expect.late),
        ("on the late topic", outcome.late_topic, expect.late),
        ("rejected", counted.rejected, expect.rejected),
        ("duplicates", counted.duplicates, expect.duplicates),
        ("over the cap", counted.over_cap, 0),
    ] {
        if seen != expected {
            faults.push(format!("{seen} {what} instead of {expected}"));
        }
    }
    let ours = |alert: &&AlertRecord| scenario.all_rules || alert.policy == rule || alert.rule.id == rule;
    for (what, expected, is_suppressed) in
        [("alerts", &expect.alerts, false), ("suppressed findings", &expect.suppressed, true)]
    {
        let mut seen: Vec<&AlertRecord> = outcome
            .last
            .iter()
            .filter(ours)
            .filter(|alert| (alert.change == AlertChange::Suppressed) == is_suppressed)
            .collect();
        seen.sort_by_key(|alert| (alert.body.as_ref().map(|body| &body.first_event_time), &alert.policy, &alert.id));
        if seen.len() != expected.len() {
            faults.push(format!("{} {what} instead of {}", seen.len(), expected.len()));
        }
        for (seen, expected) in seen.iter().zip(expected) {
            faults.extend(differences(seen, expected, rule));
        }
    }
    if let Some(expected) = &expect.changes {
        let seen: Vec<String> = outcome.written.iter().filter(ours).map(change).collect();
        if seen != *expected {
            faults.push(format!("changes {seen:?} instead of {expected:?}"));
        }
    }
    faults
}

fn differences(alert: &AlertRecord, expected: &Expected, rule: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut differs = |what: &str, seen: String, expected: String| {
        if seen != expected {
            faults.push(format!("{what} is {seen} instead of {expected}"));
        }
    };
    let body = alert.body.as_ref().unwrap();
    if alert.rule.id == alert.policy || alert.rule.id != rule {
        differs("policy", alert.policy.clone(), expected.policy.clone().unwrap_or_else(|| rule.to_owned()));
    }
    let by = body.suppressed_by.as_ref().map(|suppressed| suppressed.by.clone());
    differs("by", format!("{by:?}"), format!("{:?}", expected.by));
    let user = alert.entities.iter().find_map(|entity| match entity {
        Entity::User { name, .. } => Some(name.clone()),
        _ => None,
    });
    differs("user", user.unwrap(), expected.user.clone().unwrap_or_else(|| "ana.lind".to_owned()));
    if let Some(severity) = expected.severity {
        differs("severity", alert.severity.to_string(), severity.to_string());
    }
    if let Some(test) = expected.test {
        differs("test", body.test.to_string(), test.to_string());
    }
    if let Some(count) = expected.count {
        differs("count", body.count.to_string(), count.to_string());
    }
    if let Some(first) = &expected.first {
        differs("first", body.first_event_time.clone(), rfc3339(moment(first)));
    }
    if let Some(last) = &expected.last {
        differs("last", body.last_event_time.clone(), rfc3339(moment(last)));
    }
    if expected.kind.is_some() {
        differs("kind", format!("{:?}", body.kind), format!("{:?}", expected.kind));
    }
    if let Some(techniques) = &expected.techniques {
        let named: Vec<&str> = body.attack.iter().map(|attack| attack.technique.as_str()).collect();
        differs("techniques", format!("{named:?}"), format!("{techniques:?}"));
    }
    if let Some(reasons) = &expected.reasons {
        differs("reasons", format!("{:?}", body.severity_reasons), format!("{reasons:?}"));
    }
    for words in &expected.summary_contains {
        let has = if alert.summary.contains(words) { words } else { &alert.summary };
        differs("summary", has.clone(), words.clone());
    }
    for entity in &expected.entities {
        let seen = alert.entities.iter().map(|entity| serde_json::to_value(entity).unwrap());
        let all: Vec<String> = seen.map(|seen| seen.to_string()).collect();
        let entity = entity.to_string();
        let has = if all.contains(&entity) { entity.clone() } else { all.join(" ") };
        differs("entity", has, entity);
    }
    for (name, value) in &expected.numbers {
        let seen = body.observed.iter().chain(&body.baseline).find(|number| number.name == *name);
        differs(name, format!("{:?}", seen.map(|number| number.value)), format!("{:?}", Some(value)));
    }
    for (name, value) in &expected.threshold {
        let seen = body.threshold.iter().find(|number| number.name == *name);
        differs(name, format!("{:?}", seen.map(|number| number.value)), format!("{:?}", Some(value)));
    }
    faults
}

/// A written record as the scenarios name it.
fn change(alert: &AlertRecord) -> String {
    let count = alert.body.as_ref().map(|body| format!(" {}", body.count)).unwrap_or_default();
    let heir = if alert.supersedes.is_empty() { "" } else { " supersedes" };
    let gone = if alert.superseded_by.is_none() { "" } else { " superseded" };
    let late = if alert.body.as_ref().is_some_and(|body| body.late) { " late" } else { "" };
    format!("{}{count}{late}{heir}{gone}", alert.change.as_str())
}

fn told(alert: &AlertRecord) -> String {
    let by = alert.body.as_ref().and_then(|body| body.suppressed_by.as_ref()).map(|by| format!(" by {}", by.by));
    let reasons = alert.body.as_ref().map(|body| body.severity_reasons.join(", ")).unwrap_or_default();
    let (policy, severity, summary) = (&alert.policy, alert.severity, &alert.summary);
    format!("{policy} {}{} severity {severity} [{reasons}]: {summary}", change(alert), by.unwrap_or_default())
}
