//! Rows of ServiceNow and what becomes of them, as data: `tests/vectors/normalise/*.jsonl`.
//!
//! A line has a `name`, a `table` (or `"line"`: the row must say it), the `row` (or `text`, where
//! it is no JSON), perhaps a `config`, and what it must `expect`: one entry for each thing that
//! comes out. Of a record the fields named are compared, and `null` means absent.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::normalise::config::NormaliseConfig;
use frostwatch_wire::normalise::{Normalised, Normaliser, Table};
use frostwatch_wire::{activity, schema};
use serde_json::{Value, json};

/// Stands in the vectors wherever a row holds a secret.
const PLANTED: &str = "PLANTED-SECRET";

struct Vector {
    name: String,
    table: Option<Table>,
    bytes: Vec<u8>,
    normaliser: Normaliser,
    expect: Vec<Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/normalise")
}

fn vectors() -> Vec<Vector> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        for line in fs::read_to_string(&file).unwrap().lines() {
            all.push(vector(&serde_json::from_str(line).unwrap()));
        }
    }
    assert!(all.len() >= 100, "only {} vectors", all.len());
    all
}

fn vector(line: &Value) -> Vector {
    let config = match line.get("config") {
        Some(config) => serde_json::from_value(config.clone()).unwrap(),
        None => NormaliseConfig {
            connector_users: vec!["svc.frostwatch".to_owned()],
            ..NormaliseConfig::for_instance("acme.service-now.com")
        },
    };
    let bytes = match line.get("text") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        None => serde_json::to_vec(&line["row"]).unwrap(),
    };
    Vector {
        name: line["name"].as_str().unwrap().to_owned(),
        table: Table::from_name(line["table"].as_str().unwrap()),
        bytes,
        normaliser: Normaliser::new(config).unwrap(),
        expect: line["expect"].as_array().unwrap().clone(),
    }
}

fn run(vector: &Vector) -> Vec<Normalised> {
    let mut all = Vec::new();
    let mut out = |made| all.push(made);
    match vector.table {
        Some(table) => vector.normaliser.row(table, &vector.bytes, &mut out),
        None => vector.normaliser.line(&vector.bytes, &mut out),
    }
    all
}

/// What came out, in the words of the vectors.
fn described(made: &Normalised) -> Value {
    match made {
        Normalised::Activity { key, record } => json!({ "key": key, "record": record }),
        Normalised::Noise { why } => json!({ "noise": why }),
        Normalised::Secret { why } => json!({ "secret": why }),
        Normalised::Reject(rejected) => {
            let (path, reason) = rejected.rows.first().map_or(("", ""), |row| (&row.path, &row.reason));
            let paths: Vec<&str> = rejected.rows.iter().map(|row| row.path.as_str()).collect();
            json!({ "reject": path, "reason": reason, "paths": paths, "count": rejected.count,
                "unread": rejected.unread, "keep_raw": rejected.keep_raw })
        }
    }
}

/// Whether the raw value may be kept.
fn is_kept(made: &Normalised) -> bool {
    matches!(made, Normalised::Reject(rejected) if rejected.keep_raw)
}

/// Whether all that is expected is there; what is expected to be null is absent.
fn holds(expect: &Value, got: &Value) -> bool {
    match (expect, got) {
        (Value::Object(expect), Value::Object(got)) => {
            expect.iter().all(|(name, expect)| got.get(name).map_or(expect.is_null(), |got| holds(expect, got)))
        }
        _ => expect == got,
    }
}

/// What is wrong with what came out, if anything is.
fn check(vector: &Vector) -> Option<String> {
    let got: Vec<Value> = run(vector).iter().map(described).collect();
    let fits =
        got.len() == vector.expect.len() && vector.expect.iter().zip(&got).all(|(expect, got)| holds(expect, got));
    let (name, expect) = (&vector.name, Value::Array(vector.expect.clone()));
    (!fits).then(|| format!("{name}\nexpected {expect}\ngot {}", Value::Array(got)))
}

#[test]
fn rows_become_what_the_vectors_say() {
    let wrong: Vec<String> = vectors().iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{} vectors:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_normalised_record_is_valid_activity() {
    let schema: Value = serde_json::from_str(&schema::activity_v1()).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for vector in vectors() {
        for made in run(&vector) {
            let Some(bytes) = made.to_bytes() else {
                continue;
            };
            let record: Value = serde_json::from_slice(&bytes).unwrap();
            let faults: Vec<String> = validator.iter_errors(&record).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", vector.name);
            assert!(decode(&bytes).is_ok(), "{}: {:?}", vector.name, decode(&bytes).err());
            assert!(bytes.len() <= activity::RECORD_BYTES_MAX, "{}", vector.name);
            let id = record["id"].as_str().unwrap();
            assert!(id.len() <= activity::ID_BYTES_MAX, "{}", vector.name);
            let attributes = serde_json::to_vec(&record["attributes"]).unwrap();
            assert!(attributes.len() <= activity::ATTRIBUTES_BYTES_MAX, "{}", vector.name);
        }
    }
}

/// The vector with text of `unit` added to, or put in place of, what is in one column, or in all.
fn overlong(vector: &Vector, unit: &str, count: usize) -> Vec<Vec<u8>> {
    let Ok(Value::Object(row)) = serde_json::from_slice::<Value>(&vector.bytes) else {
        return Vec::new();
    };
    let long = unit.repeat(count);
    let texts: Vec<(&String, &str)> = row.iter().filter_map(|(name, cell)| Some((name, cell.as_str()?))).collect();
    let mut all = Vec::new();
    let (mut every, mut every_added) = (row.clone(), row.clone());
    for (name, text) in texts {
        for value in [long.clone(), format!("{text}{long}")] {
            let mut changed = row.clone();
            changed.insert(name.clone(), Value::String(value));
            all.push(serde_json::to_vec(&changed).unwrap());
        }
        // What says which event it is, when, and whose row, stays: else there is no record.
        if !matches!(name.as_str(), "name" | "sys_created_on" | "sys_id" | "tablename" | "fieldname") {
            every.insert(name.clone(), Value::String(long.clone()));
            every_added.insert(name.clone(), Value::String(format!("{text}{long}")));
        }
    }
    all.extend([every, every_added].iter().map(|row| serde_json::to_vec(row).unwrap()));
    all
}

#[test]
fn overlong_cells_make_no_record_that_the_decoder_refuses() {
    let mut records = 0;
    for vector in vectors() {
        // A byte a character, several, and one that JSON must escape: to the limits' edges and over them.
        for (unit, count) in [("x", 300), ("x", 5_000), ("å€", 200), ("\u{1}", 600), ("a/", 300), ("a,", 3_000)] {
            for bytes in overlong(&vector, unit, count) {
                let vector = Vector {
                    bytes,
                    normaliser: vector.normaliser.clone(),
                    name: vector.name.clone(),
                    table: vector.table,
                    expect: Vec::new(),
                };
                for made in run(&vector) {
                    let Some(bytes) = made.to_bytes() else { continue };
                    records += 1;
                    let fault = decode(&bytes).err();
                    assert!(fault.is_none(), "{}, {unit}: {fault:?} of {}", vector.name, described(&made));
                }
            }
        }
    }
    assert!(records >= 10_000, "only {records} records");
}

#[test]
fn planted_secrets_appear_in_no_output() {
    let mut planted = 0;
    for vector in vectors() {
        if !String::from_utf8_lossy(&vector.bytes).contains(PLANTED) {
            continue;
        }
        planted += 1;
        for made in run(&vector) {
            assert!(!described(&made).to_string().contains(PLANTED), "{}", vector.name);
            assert!(!format!("{made:?}").contains(PLANTED), "{}", vector.name);
            assert!(!is_kept(&made), "{}: the raw row may be kept", vector.name);
        }
    }
    assert!(planted >= 10, "only {planted} rows with a planted secret");
}

#[test]
fn the_same_row_gives_the_same_records() {
    for vector in vectors() {
        assert_eq!(run(&vector), run(&vector), "{}", vector.name);
    }
}

#[test]
fn rows_cut_anywhere_are_refused_without_panic() {
    for vector in vectors() {
        for end in (0..vector.bytes.len()).step_by(7) {
            let Some(bytes) = vector.bytes.get(..end) else {
                continue;
            };
            vector.normaliser.line(bytes, &mut |made| {
                assert!(!is_kept(&made), "{} cut at {end}", vector.name);
            });
        }
    }
}
