//! The README's first command: it must find everything, say nothing false, and be no easy company.

use std::process::Command;

/// The detectors of which the demo prints a row.
const POLICIES: [&str; 4] = ["failed_logins", "impossible_travel", "infrequent_country", "mass_download"];

/// Runs a demo, which must find every attack and nothing else, and gives what it printed.
fn clean_demo(arguments: &[&str]) -> String {
    let demo = Command::new(env!("CARGO_BIN_EXE_frostwatch")).arg("demo").args(arguments).output().expect("it runs");
    let output = String::from_utf8_lossy(&demo.stderr).into_owned();
    assert!(demo.status.success(), "{output}");
    for policy in POLICIES {
        let [injected, found, missed, wrong, ..] = row(&output, policy);
        assert!(injected > 0 && found == injected && missed == 0 && wrong == 0, "{arguments:?}: {output}");
    }
    output
}

/// One row of the table: injected, found, missed, false, and the naive detector's found and false; zeros if it has
/// another form.
fn row(output: &str, policy: &str) -> [u64; 6] {
    let line = output.lines().rev().find(|line| line.starts_with(policy)).expect(policy);
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_default()
}

#[test]
fn the_demo_finds_every_attack_without_a_false_alert_where_naive_detectors_drown() {
    let output = clean_demo(&[]);
    for policy in ["failed_logins", "infrequent_country", "mass_download"] {
        assert!(row(&output, policy)[5] >= 3, "the company is too easy: {output}");
    }
    let travel = row(&output, "impossible_travel");
    assert!(travel[5] >= 10 * travel[3].max(1), "the company is too easy: {output}");
}

#[test]
fn smaller_companies_of_other_seeds_are_told_apart_as_well() {
    for seed in ["2", "8", "17"] {
        clean_demo(&["--seed", seed, "--users", "60", "--days", "20"]);
    }
}
