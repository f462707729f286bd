//! The JSON Schema of activity.v1: committed, fresh, and of one mind with the golden records.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_wire::activity::record::ActivityRecord;
use frostwatch_wire::schema;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&schema::activity_v1()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Where the schema finds faults, written as the contract writes paths: `recipients[3].address`.
fn fault_paths(validator: &Validator, record: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for fault in validator.iter_errors(record) {
        add_paths(&fault, &mut paths);
    }
    paths
}

/// An optional object is its type or null: what is wrong with it is inside the branches.
fn add_paths(fault: &ValidationError<'_>, paths: &mut Vec<String>) {
    let mut path = String::new();
    for part in fault.instance_path().to_string().split('/').skip(1) {
        path = match part.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => dotted(&path, part),
        };
    }
    match fault.kind() {
        ValidationErrorKind::AnyOf { context } => {
            context.iter().flatten().for_each(|inner| add_paths(inner, paths));
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            path = dotted(&path, name);
        }
        _ => {}
    }
    paths.push(path);
}

fn dotted(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[test]
fn committed_schemas_are_fresh() {
    for (name, content) in schema::all() {
        let path = root().join("schemas").join(&name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, content, "schemas/{name} is stale: generate it again");
    }
}

#[test]
fn good_records_are_accepted() {
    let validator = validator();
    let lines = lines("tests/vectors/activity/good.jsonl");
    assert!(lines.len() >= 25);
    for line in lines {
        let record = &line["record"];
        let faults = fault_paths(&validator, record);
        assert!(faults.is_empty(), "{}: {faults:?}", line["why"]);
        let owned: ActivityRecord = serde_json::from_value(record.clone()).unwrap();
        let written = serde_json::to_value(&owned).unwrap();
        assert!(validator.is_valid(&written), "{}: written as {written}", line["why"]);
        let again: ActivityRecord = serde_json::from_value(written).unwrap();
        assert_eq!(owned, again, "{}", line["why"]);
    }
}

#[test]
fn bad_records_are_refused_where_they_are_wrong() {
    let validator = validator();
    let lines = lines("tests/vectors/activity/bad.jsonl");
    assert!(lines.len() >= 40);
    for line in lines {
        let faults = fault_paths(&validator, &line["record"]);
        if line["schema"] == "cannot" {
            assert!(faults.is_empty(), "{}: the schema can", line["why"]);
            continue;
        }
        let path = line["path"].as_str().unwrap();
        assert!(faults.iter().any(|fault| fault == path), "{}: {faults:?}", line["why"]);
    }
}

#[test]
fn every_field_is_in_a_good_record_and_comes_back_as_it_was() {
    let lines = lines("tests/vectors/activity/good.jsonl");
    let full = lines.iter().find(|line| line["why"] == "every field").unwrap();
    let owned: ActivityRecord = serde_json::from_value(full["record"].clone()).unwrap();
    assert_eq!(serde_json::to_value(owned).unwrap(), full["record"]);
    let schema: Value = serde_json::from_str(&schema::activity_v1()).unwrap();
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(full["record"].get(field).is_some(), "{field} is in no good record");
    }
}
