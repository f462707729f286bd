//! The README's first command: it must find everything, say nothing false, and be no easy company.

use std::process::Command;

/// One row of the table: injected, found, missed, false, and the naive detector's found and false.
fn row(output: &str, policy: &str) -> Vec<u64> {
    let line = output.lines().rev().find(|line| line.starts_with(policy)).expect(policy);
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_demo_finds_every_attack_without_a_false_alert_where_naive_detectors_drown() {
    let demo = Command::new(env!("CARGO_BIN_EXE_frostwatch")).arg("demo").output().expect("the demo runs");
    let output = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{output}");
    for policy in ["failed_logins", "impossible_travel", "infrequent_country", "mass_download"] {
        let [injected, found, missed, wrong, _, _] = row(&output, policy)[..] else { panic!("{output}") };
        assert!(injected > 0 && found == injected && missed == 0 && wrong == 0, "{output}");
    }
    for policy in ["failed_logins", "infrequent_country", "mass_download"] {
        let [_, _, _, _, _, naive_wrong] = row(&output, policy)[..] else { panic!("{output}") };
        assert!(naive_wrong >= 3, "the company is too easy: {output}");
    }
    let travel = row(&output, "impossible_travel");
    assert!(travel[5] >= 10 * travel[3].max(1), "the company is too easy: {output}");
}
