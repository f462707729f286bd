//! Every suppression is explained by a record: what the same rules tell with nothing that holds back is, with all that does,
//! told or on record as held back.

#![allow(clippy::unwrap_used, reason = "a test stops at what is broken")]

use std::collections::BTreeSet;

use frostwatch_simulator::{AddressPlan, Company, CompanyConfig, FilePlan, PolicyPlan};
use frostwatch_tests::quality::{Form, Listing, Variant, places, run, unexplained};

/// Monday, 2 March 2026.
const START_MS: i64 = 1_772_409_600_000;

#[test]
fn what_is_told_without_suppressions_is_told_or_held_back_with_them() {
    let config = CompanyConfig::confounded(5, 150, 45, START_MS, 3)
        .with_slow(3)
        .with_downloads(3)
        .with_files(FilePlan { fast: 3, slow: 3, work: true })
        .with_addresses(AddressPlan { fast: 6, slow: 6, work: true })
        .with_policies(PolicyPlan { fast: 3, slow: 3, work: true, sprays: 3 });
    let company = Company::new(config).unwrap();
    let variants = [Variant::told("with", &company).unwrap(), Variant::unsuppressed("without", &company).unwrap()];
    let good = places(company.world(), Listing::Good).unwrap();
    let runs = run(&company, Form::Activity, &[], &good, &variants).unwrap();
    let [with, without] = runs.as_slice() else { panic!("two runs") };
    let told = without.iter().filter(|finding| finding.held_by.is_none());
    let policies: BTreeSet<&str> = told.map(|finding| finding.policy.as_str()).collect();
    let held = with.iter().filter(|finding| finding.held_by.is_some()).count();
    assert!(policies.len() >= 15 && held > 100, "little is found: {policies:?}, {held} held back");
    let missing = unexplained(with, without);
    assert!(
        missing.is_empty(),
        "neither told nor on record, {}: {:#?}",
        missing.len(),
        &missing[..missing.len().min(20)]
    );
}
