//! The detectors keep their floors on a confounded company: what attacks they find, how often they are right, and how
//! seldom they wake somebody for nothing. The same is measured on a larger one by `cargo xtask quality`.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_simulator::{AttackKind, Company, CompanyConfig, FilePlan, Label};
use frostwatch_tests::quality::{Form, Listing, Variant, judge, places, run};
use serde::Deserialize;

/// `tests/quality/floors.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floors {
    company: Size,
    floors: BTreeMap<String, Floor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    seed: u64,
    users: u32,
    days: u32,
    start_ms: i64,
    attacks_of_each_kind: u32,
    /// Attacks on files: fast and slow.
    attacks_on_files: [u32; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    recall_min: f64,
    precision_min: f64,
    false_per_1000_user_days_max: f64,
    detection_secs_max: i64,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("quality").join(name)
}

fn floors() -> (Floors, Company) {
    let floors: Floors = serde_json::from_str(&fs::read_to_string(file("floors.json")).unwrap()).unwrap();
    let Size { seed, users, days, start_ms, attacks_of_each_kind, attacks_on_files: [fast, slow] } = floors.company;
    let config = CompanyConfig::confounded(seed, users, days, start_ms, attacks_of_each_kind);
    let company = Company::new(config.with_files(FilePlan { fast, slow, work: true })).unwrap();
    (floors, company)
}

#[test]
fn detectors_keep_their_floors_at_medium_sensitivity() {
    let (floors, company) = floors();
    let places = places(company.world(), Listing::Good).unwrap();
    let finals = run(&company, Form::Rows, &places, &[Variant::told("medium", company.world()).unwrap()]).unwrap();
    let judged = judge(&company, &finals[0]);
    let cases = || format!("{:#?}\n{:#?}", judged.missed, judged.false_alerts);
    assert_eq!(floors.floors.len(), judged.scores.len());
    for (policy, score) in &judged.scores {
        let floor = &floors.floors[*policy];
        let wrong = judged.false_per_1000(score);
        assert!(score.injected > 0, "{policy}: no attack");
        assert!(score.recall() >= floor.recall_min, "{policy}: recall {}\n{}", score.recall(), cases());
        assert!(score.precision() >= floor.precision_min, "{policy}: precision {}\n{}", score.precision(), cases());
        let most = floor.false_per_1000_user_days_max;
        assert!(wrong <= most, "{policy}: {wrong} false alerts for 1,000 user-days\n{}", cases());
        let secs = score.detection_secs;
        assert!(secs <= floor.detection_secs_max, "{policy}: told after {secs} s");
    }
}

#[test]
fn the_labels_are_those_that_were_written_down() {
    let (_, company) = floors();
    let line = |label: &_| serde_json::to_string(label).unwrap() + "\n";
    let is_of_files = |label: &&Label| matches!(label.kind, AttackKind::Ransomware | AttackKind::SlowRansomware);
    let of_files = company.labels().iter().filter(is_of_files).map(line).collect();
    let others = company.labels().iter().filter(|label| !is_of_files(label)).map(line).collect();
    let written: [(&str, String); 2] = [("labels.jsonl", others), ("labels_files.jsonl", of_files)];
    for (name, labels) in written {
        if std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some() {
            fs::write(file(name), &labels).unwrap();
        }
        assert_eq!(fs::read_to_string(file(name)).unwrap(), labels, "FROSTWATCH_WRITE_GOLDEN=1 writes them");
    }
}
