//! The detectors keep their floors on a confounded company: what attacks they find, how often they are right, and how
//! seldom they wake somebody for nothing. The same is measured on a larger one by `cargo xtask quality`.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_simulator::{AttackKind, Company, CompanyConfig};
use frostwatch_tests::quality::{Form, Listing, Variant, judge, places, run};
use serde::Deserialize;

/// `tests/quality/floors.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    company: Size,
    floors: BTreeMap<String, Floor>,
    downloads: Downloads,
}

/// A company of its own: what is usual takes weeks to learn, and slow exfiltration weeks to be seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Downloads {
    company: Size,
    recall_fast_min: f64,
    recall_slow_min: f64,
    precision_min: f64,
    false_per_1000_user_days_max: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    seed: u64,
    users: u32,
    days: u32,
    start_ms: i64,
    attacks_of_each_kind: u32,
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

fn floors() -> (Kept, Company) {
    let floors: Kept = serde_json::from_str(&fs::read_to_string(file("floors.json")).unwrap()).unwrap();
    let company = Company::new(config(&floors.company)).unwrap();
    (floors, company)
}

fn config(size: &Size) -> CompanyConfig {
    let Size { seed, users, days, start_ms, attacks_of_each_kind } = *size;
    CompanyConfig::confounded(seed, users, days, start_ms, attacks_of_each_kind)
}

#[test]
fn detectors_keep_their_floors_at_medium_sensitivity() {
    let (floors, company) = floors();
    let places = places(company.world(), Listing::Good).unwrap();
    let finals = run(&company, Form::Rows, &places, &[Variant::told("medium", company.world()).unwrap()]).unwrap();
    let judged = judge(&company, &finals[0]);
    let cases = || format!("{:#?}\n{:#?}", judged.missed, judged.false_alerts);
    let attacked = || judged.scores.iter().filter(|(_, score)| score.injected > 0);
    assert_eq!(floors.floors.len(), attacked().count());
    for (policy, score) in attacked() {
        let floor = &floors.floors[*policy];
        let wrong = judged.false_per_1000(score);
        assert!(score.recall() >= floor.recall_min, "{policy}: recall {}\n{}", score.recall(), cases());
        assert!(score.precision() >= floor.precision_min, "{policy}: precision {}\n{}", score.precision(), cases());
        let most = floor.false_per_1000_user_days_max;
        assert!(wrong <= most, "{policy}: {wrong} false alerts for 1,000 user-days\n{}", cases());
        let secs = score.detection_secs;
        assert!(secs <= floor.detection_secs_max, "{policy}: told after {secs} s");
    }
}

#[test]
fn unusual_downloads_keep_their_floors_at_medium_sensitivity() {
    let (Kept { downloads, .. }, _) = floors();
    let company =
        Company::new(config(&downloads.company).with_downloads(downloads.company.attacks_of_each_kind)).unwrap();
    let places = places(company.world(), Listing::Good).unwrap();
    let finals = run(&company, Form::Rows, &places, &[Variant::told("medium", company.world()).unwrap()]).unwrap();
    let judged = judge(&company, &finals[0]);
    let score = &judged.scores["unusual_download"];
    let cases = format!("{:#?}\n{:#?}", judged.missed, judged.false_alerts);
    for (kind, recall_min) in [
        (AttackKind::UnusualDownload, downloads.recall_fast_min),
        (AttackKind::SlowExfiltration, downloads.recall_slow_min),
    ] {
        let of_kind = score.kinds[&kind];
        assert_eq!(of_kind.injected, downloads.company.attacks_of_each_kind as usize);
        assert!(of_kind.recall() >= recall_min, "{kind:?}: recall {}\n{cases}", of_kind.recall());
    }
    assert!(score.precision() >= downloads.precision_min, "precision {}\n{cases}", score.precision());
    let wrong = judged.false_per_1000(score);
    assert!(wrong <= downloads.false_per_1000_user_days_max, "{wrong} false alerts for 1,000 user-days\n{cases}");
}

#[test]
fn what_is_added_for_downloads_changes_nothing_else() {
    let (floors, company) = floors();
    let config = config(&floors.company);
    let attacks = floors.company.attacks_of_each_kind;
    let added =
        Company::new(CompanyConfig { confounders: config.confounders, ..config.with_downloads(attacks) }).unwrap();
    let of_before = added
        .labels()
        .iter()
        .filter(|label| !matches!(label.kind, AttackKind::UnusualDownload | AttackKind::SlowExfiltration));
    assert!(of_before.eq(company.labels()));
}

#[test]
fn the_labels_are_those_that_were_written_down() {
    let (_, company) = floors();
    let line = |label: &_| serde_json::to_string(label).unwrap() + "\n";
    let labels: String = company.labels().iter().map(line).collect();
    if std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some() {
        fs::write(file("labels.jsonl"), &labels).unwrap();
    }
    assert_eq!(fs::read_to_string(file("labels.jsonl")).unwrap(), labels, "FROSTWATCH_WRITE_GOLDEN=1 writes them");
}
