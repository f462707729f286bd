//! Broken rules, kept on purpose: each file says in its first lines which faults it has, all of them and no other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the lints spare only functions marked as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use frostwatch_rulebook::{Fault, Rulebook, default_rules};

/// What a fixture's comment begins with.
const MARK: &str = "# fault: ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad/rules")
}

fn fixtures() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn faults(file: &str, text: &str) -> Vec<Fault> {
    Rulebook::parse(&[(file, text)], None).map_or_else(|faults| faults, |_| Vec::new())
}

fn check(file: &str, text: &str) -> Result<(), String> {
    let expected: Vec<&str> = text.lines().map_while(|line| line.strip_prefix(MARK)).collect();
    let found: Vec<String> = faults(file, text).iter().map(ToString::to_string).collect();
    let shown = found.join("\n");
    if expected.is_empty() || found.len() != expected.len() {
        return Err(format!("{file}: {} faults expected, found {}:\n{shown}", expected.len(), found.len()));
    }
    for wanted in expected {
        // A fault of the file as a whole has no line.
        let start = if wanted.starts_with(|c: char| c.is_ascii_digit()) { ":" } else { ": " };
        if !found.iter().any(|fault| fault.starts_with(&format!("{file}{start}{wanted}"))) {
            return Err(format!("{file}: expected\n{wanted}\nfound\n{shown}"));
        }
    }
    Ok(())
}

#[test]
fn every_broken_rule_is_refused_with_exactly_the_faults_it_names() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 30);
    let wrong: Vec<String> = fixtures.iter().filter_map(|(file, text)| check(file, text).err()).collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), fixtures.len(), wrong.join("\n\n"));
}

#[test]
fn all_faults_of_all_files_come_back_together_in_the_order_of_the_files() {
    let fixtures = fixtures();
    let mut files: Vec<(&str, &str)> = fixtures.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let alone: usize = files.iter().map(|(file, text)| faults(file, text).len()).sum();
    files.extend(default_rules());
    let together = Rulebook::parse(&files, None).unwrap_err();
    // The fixtures share an id, which is one more fault for each but the first that has it.
    let clashes = together.iter().filter(|fault| fault.message.contains("is taken by")).count();
    assert!(clashes > 10);
    assert_eq!(together.len(), alone + clashes);
    let order: Vec<usize> =
        together.iter().map(|fault| files.iter().position(|(file, _)| *file == fault.file).unwrap()).collect();
    assert!(order.is_sorted());
}
