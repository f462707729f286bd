//! The detectors keep their floors on a confounded company: what attacks they find, how often they are right, and how
//! seldom they wake somebody for nothing. The same is measured on a larger one by `cargo xtask quality`.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_simulator::{AddressPlan, AttackKind, Company, CompanyConfig, FilePlan, Label, PolicyPlan};
use frostwatch_tests::quality::{Form, Judged, Listing, Score, Variant, judge, places, run};
use serde::Deserialize;

/// `tests/quality/floors.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    company: Size,
    floors: BTreeMap<String, Floor>,
    kinds: BTreeMap<String, OfKinds>,
    total: Total,
    /// What is usual takes weeks to learn, and slow exfiltration weeks to be seen.
    downloads: Apart,
    /// Attacks on files, half as many of them slow.
    files: Apart,
    /// Attacks by way of addresses, accounts that should be off, and devices.
    addresses: Addresses,
    /// Attacks of the first kinds that take days.
    slow: SlowFloors,
    /// Attacks that policies of one's own look for.
    policies: Policies,
}

/// Floors of policies over one company: its rows, and its days as a producer writes them who knows every address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policies {
    company: Size,
    /// Attacks of each kind, half as many of them slow.
    fast: u32,
    rows: BTreeMap<String, OfPolicy>,
    activity: BTreeMap<String, OfPolicy>,
    rows_total: Total,
    activity_total: Total,
}

/// Floors of several policies over one company.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addresses {
    company: Size,
    /// Attacks of each of its kinds, half as many of them slow.
    fast: u32,
    policies: BTreeMap<String, OfPolicy>,
    incidents: Incidents,
    total: Total,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPolicy {
    recall_fast_min: f64,
    recall_slow_min: f64,
    precision_min: f64,
    false_per_1000_user_days_max: f64,
    /// Of fast attacks.
    detection_secs_max: i64,
    /// Those that no attack may pass, or few: by class.
    classes: BTreeMap<String, OfClass>,
    why: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    in_one_min: f64,
    mixed_max: f64,
    without_attack_per_1000_user_days_max: f64,
    why: BTreeMap<String, String>,
}

/// Floors of a policy with fast and slow attacks, over a company of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apart {
    company: Size,
    recall_fast_min: f64,
    recall_slow_min: f64,
    precision_min: f64,
    false_per_1000_user_days_max: f64,
    /// Of fast attacks.
    detection_secs_max: i64,
    total: Total,
    /// Of the classes that are counted apart, by kind and class: `Ransomware, small`.
    #[serde(default)]
    classes: BTreeMap<String, OfClass>,
    /// Why each of the other values is what it is, by its name.
    #[serde(default)]
    why: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfClass {
    recall_min: f64,
    /// Why it is what it is.
    why: String,
}

/// Of all that is switched on in a company together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Total {
    false_per_1000_user_days_max: f64,
    /// Why it is what it is.
    why: String,
}

/// Of attacks that guess in one way, the share that is told as what it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfKinds {
    told_as_what_they_are_min: f64,
    /// Why it is what it is.
    why: String,
}

/// Attacks of the first kinds that take days.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowFloors {
    company: Size,
    attacks: u32,
    kinds: BTreeMap<String, OfKinds>,
    total: Total,
    policies: BTreeMap<String, SlowFloor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowFloor {
    kind: String,
    recall_min: f64,
    detection_secs_max: i64,
    why: String,
}

fn company_of_days(floors: &SlowFloors) -> Company {
    Company::new(config(&floors.company).with_slow(floors.attacks)).unwrap()
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
    /// Why each of the other values is what it is, by its name.
    why: BTreeMap<String, String>,
}

/// The values of a policy with fast attacks.
const OF_ONE: [&str; 4] = ["detection_secs_max", "false_per_1000_user_days_max", "precision_min", "recall_min"];
/// The same of a policy with fast and slow attacks.
const OF_TWO: [&str; 5] =
    ["detection_secs_max", "false_per_1000_user_days_max", "precision_min", "recall_fast_min", "recall_slow_min"];

/// Has each of the values a reason?
fn are_explained<const N: usize>(why: &BTreeMap<String, String>, values: [&str; N]) -> bool {
    why.keys().eq(values) && why.values().all(|why| !why.is_empty())
}

/// Are there few false alerts of all together?
fn keep_total(total: &Total, judged: &Judged) {
    let (wrong, most) = (judged.false_of_all_per_1000(), total.false_per_1000_user_days_max);
    assert!(wrong <= most, "all together: {wrong} false alerts for 1,000 user-days\n{:#?}", judged.false_alerts);
    assert!(!total.why.is_empty(), "all together: reason");
}

/// Is what guesses told as what it is, however it guesses?
fn keep_kinds(kinds: &BTreeMap<String, OfKinds>, judged: &Judged) {
    assert!(kinds.keys().eq(judged.guesses.keys()), "each way of guessing has a floor: {:#?}", judged.guesses);
    for (class, of_class) in &judged.guesses {
        let OfKinds { told_as_what_they_are_min, why } = &kinds[class];
        let is_kept = of_class.share() >= *told_as_what_they_are_min && !why.is_empty();
        assert!(is_kept, "{class}: {of_class:?}, {why}");
    }
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
    let finals = run(&company, Form::Rows, &[], &places, &[Variant::told("medium", &company).unwrap()]).unwrap();
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
        assert!(are_explained(&floor.why, OF_ONE), "{policy}: reasons");
    }
    keep_kinds(&floors.kinds, &judged);
    keep_total(&floors.total, &judged);
}

#[test]
fn unusual_downloads_keep_their_floors_at_medium_sensitivity() {
    let (Kept { downloads, .. }, _) = floors();
    let attacks = downloads.company.attacks_of_each_kind;
    let company = company_of_downloads(&downloads);
    let kinds = [(AttackKind::UnusualDownload, attacks), (AttackKind::SlowExfiltration, attacks)];
    keep_floors("unusual_download", &downloads, &company, kinds);
    assert!(are_explained(&downloads.why, OF_TWO), "each floor has a reason");
}

#[test]
fn attacks_on_files_keep_their_floors_at_medium_sensitivity() {
    let (Kept { files, .. }, _) = floors();
    let fast = files.company.attacks_of_each_kind;
    let kinds = [(AttackKind::Ransomware, fast), (AttackKind::SlowRansomware, fast / 2)];
    keep_floors("ransomware", &files, &company_of_files(&files), kinds);
    assert!(are_explained(&files.why, OF_TWO), "each floor has a reason");
}

#[test]
fn addresses_leavers_and_devices_keep_their_floors_at_medium_sensitivity() {
    let (Kept { addresses, .. }, _) = floors();
    let company = company_of_addresses(&addresses);
    let places = places(company.world(), Listing::Good).unwrap();
    let medium = [Variant::told("medium", &company).unwrap()];
    let finals = run(&company, Form::Activity, &[], &places, &medium).unwrap();
    let judged = judge(&company, &finals[0]);
    keep_each(&addresses.policies, addresses.fast, &judged);
    let cases = format!("{:#?}", judged.stories);
    let (stories, floors) = (&judged.stories, &addresses.incidents);
    let in_one = stories.in_one as f64 / stories.several as f64;
    assert!(in_one >= floors.in_one_min, "{in_one} of the attacks in one incident\n{cases}");
    let mixed = stories.mixed.len() as f64 / stories.of_attacks as f64;
    assert!(mixed <= floors.mixed_max, "{mixed} of the incidents mix\n{cases}");
    let without = judged.stories_per_1000();
    assert!(without <= floors.without_attack_per_1000_user_days_max, "{without} without an attack\n{cases}");
    assert_eq!(floors.why.len(), 3);
    keep_total(&addresses.total, &judged);
}

#[test]
fn policies_keep_their_floors() {
    let (Kept { policies, .. }, _) = floors();
    let company = company_of_policies(&policies);
    let places = places(company.world(), Listing::Good).unwrap();
    let medium = [Variant::told("medium", &company).unwrap()];
    let of_rows = (Form::Rows, &policies.rows, &policies.rows_total);
    let of_activity = (Form::Activity, &policies.activity, &policies.activity_total);
    for (form, floors, total) in [of_rows, of_activity] {
        let finals = run(&company, form, &[], &places, &medium).unwrap();
        let judged = judge(&company, &finals[0]);
        keep_each(floors, policies.fast, &judged);
        keep_total(total, &judged);
    }
}

/// Does each policy keep its floors?
fn keep_each(policies: &BTreeMap<String, OfPolicy>, fast: u32, judged: &Judged) {
    let cases = format!("{:#?}\n{:#?}", judged.missed, judged.false_alerts);
    for (policy, floors) in policies {
        let score = &judged.scores[policy.as_str()];
        assert_eq!(score.kinds.len(), 2, "{policy}");
        let expected = [(fast, floors.recall_fast_min), (fast / 2, floors.recall_slow_min)];
        for (of_kind, (injected, recall_min)) in score.kinds.values().zip(expected) {
            assert_eq!(of_kind.injected, injected as usize, "{policy}");
            assert!(of_kind.recall() >= recall_min, "{policy}: {of_kind:?}\n{cases}");
        }
        let secs = fast_secs(score);
        assert!(secs <= floors.detection_secs_max, "{policy}: fast ones told after {secs} s");
        for (class, floor) in &floors.classes {
            let of_class: Vec<_> = score.classes.iter().filter(|((_, of), _)| of == class).collect();
            let (found, all) = of_class.iter().fold((0, 0), |sum, (_, of)| (sum.0 + of.found, sum.1 + of.injected));
            let (is_kept, why) = (found as f64 >= floor.recall_min * all as f64, &floor.why);
            assert!(all > 0 && is_kept && !why.is_empty(), "{policy}, {class}: {why}\n{cases}");
        }
        assert!(score.precision() >= floors.precision_min, "{policy}: precision {}\n{cases}", score.precision());
        let wrong = judged.false_per_1000(score);
        assert!(wrong <= floors.false_per_1000_user_days_max, "{policy}: {wrong} for 1,000 user-days\n{cases}");
        assert!(are_explained(&floors.why, OF_TWO), "{policy}: reasons");
    }
}

/// How long fast attacks took to be told.
fn fast_secs(score: &Score) -> i64 {
    score.kinds.values().next().unwrap().detection_secs
}

fn company_of_policies(policies: &Policies) -> Company {
    let fast = policies.fast;
    let plan = PolicyPlan { fast, slow: fast / 2, work: true, sprays: fast };
    Company::new(config(&policies.company).with_policies(plan)).unwrap()
}

fn company_of_addresses(addresses: &Addresses) -> Company {
    let plan = AddressPlan { fast: addresses.fast, slow: addresses.fast / 2, work: true };
    Company::new(config(&addresses.company).with_addresses(plan)).unwrap()
}

fn company_of_downloads(downloads: &Apart) -> Company {
    Company::new(config(&downloads.company).with_downloads(downloads.company.attacks_of_each_kind)).unwrap()
}

/// The company whose everyday attacks are those of the others.
fn company_of_files(files: &Apart) -> Company {
    let fast = files.company.attacks_of_each_kind;
    Company::new(config(&files.company).with_files(FilePlan { fast, slow: fast / 2, work: true })).unwrap()
}

fn keep_floors(policy: &str, floors: &Apart, company: &Company, [fast, slow]: [(AttackKind, u32); 2]) {
    let places = places(company.world(), Listing::Good).unwrap();
    let finals = run(company, Form::Rows, &[], &places, &[Variant::told("medium", company).unwrap()]).unwrap();
    let judged = judge(company, &finals[0]);
    let score = &judged.scores[policy];
    let cases = format!("{:#?}\n{:#?}", judged.missed, judged.false_alerts);
    for ((kind, attacks), recall_min) in [(fast, floors.recall_fast_min), (slow, floors.recall_slow_min)] {
        let of_kind = score.kinds[&kind];
        assert_eq!(of_kind.injected, attacks as usize);
        assert!(of_kind.recall() >= recall_min, "{kind:?}: recall {}\n{cases}", of_kind.recall());
    }
    for ((kind, class), of_class) in &score.classes {
        let floor = &floors.classes[&format!("{kind:?}, {class}")];
        assert!(of_class.recall() >= floor.recall_min, "{kind:?}, {class}: {of_class:?}, {}\n{cases}", floor.why);
    }
    assert_eq!(score.classes.len(), floors.classes.len(), "each class has a floor and each floor a class");
    assert!(score.precision() >= floors.precision_min, "precision {}\n{cases}", score.precision());
    let wrong = judged.false_per_1000(score);
    assert!(wrong <= floors.false_per_1000_user_days_max, "{wrong} false alerts for 1,000 user-days\n{cases}");
    let secs = fast_secs(score);
    assert!(secs <= floors.detection_secs_max, "fast ones told after {secs} s");
    keep_total(&floors.total, &judged);
}

#[test]
fn attacks_that_take_days_keep_their_floors_at_medium_sensitivity() {
    let (Kept { slow, .. }, _) = floors();
    let company = company_of_days(&slow);
    let places = places(company.world(), Listing::Good).unwrap();
    let finals = run(&company, Form::Rows, &[], &places, &[Variant::told("medium", &company).unwrap()]).unwrap();
    let judged = judge(&company, &finals[0]);
    for (policy, floor) in &slow.policies {
        let kinds = &judged.scores[policy.as_str()].kinds;
        let named = |kind: &AttackKind| serde_json::to_value(kind).unwrap() == floor.kind.as_str();
        let (_, of_kind) = kinds.iter().find(|(kind, _)| named(kind)).unwrap();
        assert_eq!(of_kind.injected, slow.attacks as usize, "{policy}");
        let (recall, secs) = (of_kind.recall(), of_kind.detection_secs);
        assert!(recall >= floor.recall_min, "{policy}: {of_kind:?}, {}\n{:#?}", floor.why, judged.missed);
        assert!(secs <= floor.detection_secs_max, "{policy}: told after {secs} s, {}", floor.why);
    }
    keep_kinds(&slow.kinds, &judged);
    keep_total(&slow.total, &judged);
}

#[test]
fn what_is_added_for_downloads_changes_nothing_else() {
    // Those of downloads need more days than the others.
    let (Kept { downloads, .. }, _) = floors();
    let config = config(&downloads.company);
    let attacks = downloads.company.attacks_of_each_kind;
    let company = Company::new(config.clone()).unwrap();
    let added =
        Company::new(CompanyConfig { confounders: config.confounders, ..config.with_downloads(attacks) }).unwrap();
    let of_before = added.labels().iter().filter(|label| !is_of_downloads(label));
    assert!(of_before.eq(company.labels()));
}

fn is_of_downloads(label: &Label) -> bool {
    matches!(label.kind, AttackKind::UnusualDownload | AttackKind::SlowExfiltration)
}

/// The attacks on a company that its floors are about, and all that is harmless in it and looks like one.
fn labels_of(company: &Company, is_one: fn(&Label) -> bool) -> String {
    let attacks = company.labels().iter().filter(|label| is_one(label));
    let attacks = attacks.map(|label| serde_json::to_string(label).unwrap() + "\n");
    let harmless = company.misleading().map(|misleading| serde_json::to_string(&misleading).unwrap() + "\n");
    attacks.chain(harmless).collect()
}

#[test]
fn the_labels_are_those_that_were_written_down() {
    let (Kept { downloads, files, addresses, slow, policies, .. }, company) = floors();
    let is_of_files = |label: &Label| matches!(label.kind, AttackKind::Ransomware | AttackKind::SlowRansomware);
    let is_of_addresses = |label: &Label| label.kind >= AttackKind::AnonymousAddress;
    let is_of_days = |label: &Label| label.kind > AttackKind::SlowNewDevice;
    let is_of_policies = |label: &Label| label.kind >= AttackKind::MassDeletion;
    let written: [(&str, String); 6] = [
        ("labels.jsonl", labels_of(&company, |_| true)),
        ("labels_downloads.jsonl", labels_of(&company_of_downloads(&downloads), is_of_downloads)),
        ("labels_files.jsonl", labels_of(&company_of_files(&files), is_of_files)),
        ("labels_policies.jsonl", labels_of(&company_of_policies(&policies), is_of_policies)),
        ("labels_addresses.jsonl", labels_of(&company_of_addresses(&addresses), is_of_addresses)),
        ("labels_slow.jsonl", labels_of(&company_of_days(&slow), is_of_days)),
    ];
    for (name, labels) in written {
        if std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some() {
            fs::write(file(name), &labels).unwrap();
        }
        assert_eq!(fs::read_to_string(file(name)).unwrap(), labels, "FROSTWATCH_WRITE_GOLDEN=1 writes them");
    }
}
