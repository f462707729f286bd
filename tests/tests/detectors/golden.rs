//! Alerts as they are written, kept byte for byte: what pipelines are built on must not change unseen.
//!
//! `tests/vectors/alert/<detector>.jsonl` has the first alert of each kind of change that the detector's scenarios
//! make. `FROSTWATCH_WRITE_GOLDEN=1` writes the files again; the difference is then a change of the contract or of a
//! detector, to be read before it is committed. `accepted.jsonl` and `refused.jsonl` change one place of such an alert.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_detect::catalogue::DETECTORS;
use frostwatch_detect::time::{HOUR, SECOND, rfc3339};
use frostwatch_runtime::pipeline::Origin;
use frostwatch_wire::alert::{AlertChange, AlertRecord, POLICIES};
use frostwatch_wire::schema;
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

use crate::run::{ruling, run, run_from};
use crate::scenario::{BASE, Scenario};

const CHANGES: [AlertChange; 4] =
    [AlertChange::Opened, AlertChange::Updated, AlertChange::Retracted, AlertChange::Suppressed];

/// One place of a golden alert with another value, or with none.
#[derive(Deserialize)]
struct Edit {
    why: String,
    of: String,
    change: AlertChange,
    /// JSON pointer; `-` appends to a list.
    at: String,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

/// `null` is a value; absent is none.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

fn validator() -> Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema::alert_v1()).unwrap()).unwrap()
}

/// The first alert of each change that the scenarios of a detector make, one a line.
fn produced(rule: &str) -> String {
    let text = fs::read_to_string(folder("detectors").join(format!("{rule}.jsonl"))).unwrap();
    let mut first: [Option<String>; 4] = [const { None }; 4];
    for line in text.lines() {
        let scenario: Scenario = serde_json::from_str(line).unwrap();
        let outcome = run(&ruling(&scenario, rule), &scenario.arrivals());
        for (alert, bytes) in outcome.written.iter().zip(outcome.bytes) {
            let place = CHANGES.iter().position(|change| *change == alert.change).unwrap();
            if alert.policy == rule {
                first[place].get_or_insert(bytes);
            }
        }
    }
    first.into_iter().flatten().map(|line| line + "\n").collect()
}

/// The golden alerts by detector and change.
fn golden() -> BTreeMap<(String, &'static str), Value> {
    let mut alerts = BTreeMap::new();
    for rule in DETECTORS {
        for line in fs::read_to_string(folder("alert").join(format!("{rule}.jsonl"))).unwrap().lines() {
            let alert: AlertRecord = serde_json::from_str(line).unwrap();
            alerts.insert((alert.policy, alert.change.as_str()), serde_json::from_str(line).unwrap());
        }
    }
    alerts
}

/// What stands in a file of edits, each with the alert that it makes.
fn edited(file: &str) -> Vec<(Edit, Value)> {
    let golden = golden();
    let edited = |line: &str| {
        let edit: Edit = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mut alert = golden[&(edit.of.clone(), edit.change.as_str())].clone();
        let (parent, name) = edit.at.rsplit_once('/').unwrap();
        match (alert.pointer_mut(parent).unwrap(), edit.value.clone()) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value)),
            (Value::Object(fields), None) => drop(fields.remove(name).unwrap()),
            (Value::Array(list), Some(value)) if name == "-" => list.push(value),
            (place, _) => panic!("{}: {place} has no {name}", edit.why),
        }
        (edit, alert)
    };
    fs::read_to_string(folder("alert").join(file)).unwrap().lines().map(edited).collect()
}

#[test]
fn alerts_are_written_as_they_were() {
    for rule in DETECTORS {
        let (path, produced) = (folder("alert").join(format!("{rule}.jsonl")), produced(rule));
        if std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some() {
            fs::create_dir_all(folder("alert")).unwrap();
            fs::write(&path, &produced).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        for (line, (now, then)) in produced.lines().zip(kept.lines()).enumerate() {
            assert_eq!(now, then, "{rule}.jsonl:{}: FROSTWATCH_WRITE_GOLDEN=1 writes it again", line + 1);
        }
        assert_eq!(produced.lines().count(), kept.lines().count(), "{rule}.jsonl");
    }
}

#[test]
fn every_golden_alert_fits_the_schema_and_every_kind_of_change_is_there() {
    let (validator, golden) = (validator(), golden());
    for ((policy, change), alert) in &golden {
        let faults: Vec<String> = validator.iter_errors(alert).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{policy} {change}: {faults:?}");
        let owned: AlertRecord = serde_json::from_value(alert.clone()).unwrap();
        assert_eq!(serde_json::to_value(owned).unwrap(), *alert, "{policy} {change}");
    }
    for policy in DETECTORS {
        assert!(POLICIES.contains(policy), "{policy} is none of the contract's");
        // Nothing holds an incident back: it is told of alerts.
        let is_of = |change: &AlertChange| *policy != "incident" || *change != AlertChange::Suppressed;
        for change in CHANGES.into_iter().filter(is_of).map(AlertChange::as_str) {
            assert!(golden.contains_key(&((*policy).to_owned(), change)), "{policy} {change}");
        }
    }
}

#[test]
fn an_alert_tells_its_topic_and_when_it_was_found_outside_the_canonical_body() {
    let text = fs::read_to_string(folder("detectors").join("failed_logins.jsonl")).unwrap();
    let scenario: Scenario = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let ruling = ruling(&scenario, "failed_logins");
    let replayed = run(&ruling, &scenario.arrivals());
    let topic = Some("frostwatch.activity.v1".to_owned());
    let origin = Origin { group: None, topic: topic.clone(), clock: Some(|| BASE + HOUR) };
    let live = run_from(origin, &ruling, &scenario.arrivals());
    assert_eq!(live.canonical, replayed.canonical);
    let told = |alert: &AlertRecord| (alert.delivery.topic.clone(), alert.delivery.detected_at.clone());
    assert_eq!(told(&replayed.written[0]), (None, None));
    assert_eq!(told(&live.written[0]), (topic, Some(rfc3339(BASE + HOUR))));
    // The eleventh failure, twenty seconds after one another.
    assert_eq!(live.written[0].delivery.lag_ms, Some(HOUR - 200 * SECOND));
}

#[test]
fn what_nothing_fills_yet_is_accepted_and_kept() {
    let validator = validator();
    for (edit, alert) in edited("accepted.jsonl") {
        let faults: Vec<String> = validator.iter_errors(&alert).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", edit.why);
        let owned: AlertRecord = serde_json::from_value(alert.clone()).unwrap();
        assert_eq!(serde_json::to_value(owned).unwrap(), alert, "{}", edit.why);
    }
}

#[test]
fn what_the_contract_forbids_is_refused() {
    let validator = validator();
    let edits = edited("refused.jsonl");
    assert!(edits.len() >= 25);
    for (edit, alert) in edits {
        assert!(!validator.is_valid(&alert), "accepted: {}", edit.why);
    }
}
