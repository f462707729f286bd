//! The commands that need no broker: what they say, what they write, and how they end.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a command gave.
struct Ended {
    code: i32,
    out: Vec<u8>,
    said: String,
}

fn frostwatch(args: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).stdin(Stdio::null()).output().unwrap();
    Ended { code: output.status.code().unwrap(), out: output.stdout, said: String::from_utf8(output.stderr).unwrap() }
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// Checks a configuration: the exit code and what must be said.
#[track_caller]
fn check(config: &str, more: &[&str], code: i32, wanted: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "frostwatch.yaml", config.as_bytes());
    let ended = frostwatch(&[&["check", "--config", path.to_str().unwrap()], more].concat());
    assert_eq!(ended.code, code, "{}", ended.said);
    for part in wanted {
        assert!(ended.said.contains(part), "'{part}' is not said: {}", ended.said);
    }
    ended.said
}

const GOOD: &str = "schema: config.v1\nkafka: { bootstrap_servers: 'b:1' }\nnormalise: { instance: acme }\n";

#[test]
fn a_good_configuration_passes_and_its_warnings_are_faults_when_asked() {
    let said = check(GOOD, &[], 0, &["warning: geoip: no file", "no faults"]);
    assert!(!said.contains("TLS"), "nothing asks for it: {said}");
    check(GOOD, &["--deny-warnings"], 78, &["1 fault", "geoip: no file"]);
}

#[test]
fn every_fault_is_said_at_once_though_the_file_cannot_be_read_as_a_whole() {
    let config = "schema: config.v1\nlateness_seconds: 7\nkafka: { bootstrap_servers: '', group: '' }\n\
                  rules: nowhere\ngeoip: { city: [none.mmdb] }\nnormalise: { instance: '' }\n";
    check(
        config,
        &[],
        78,
        &["lateness_seconds", "kafka.bootstrap_servers", "kafka.group", "nowhere", "none.mmdb", "normalise."],
    );
    check("schema: [config.v1\n", &[], 78, &["1 fault"]);
}

#[test]
fn a_missing_configuration_is_a_faulty_one() {
    for command in ["check", "run"] {
        let ended = frostwatch(&[command, "--config", "/nowhere/frostwatch.yaml"]);
        assert_eq!(ended.code, 78, "{command}: {}", ended.said);
        assert!(ended.said.contains("/nowhere/frostwatch.yaml"), "{}", ended.said);
    }
}

#[test]
fn no_fault_shows_a_secret() {
    let beside = "schema: config.v1\nkafka:\n  bootstrap_servers: 'b:1'\n  properties:\n    sasl.username: ana\n    \
                  sasl.password: hunter2\n    client.id: [x]\n  nosuch: 1\n";
    let itself = "schema: config.v1\nkafka:\n  bootstrap_servers: 'b:1'\n  properties: { sasl.password: [hunter2] }\n";
    let number = "schema: config.v1\nworkers: many\nkafka:\n  sasl.password: hunter2\n  bootstrap_servers: 'b:1'\n";
    let broken = "schema: config.v1\nkafka:\n  properties:\n    sasl.password: hunter2\n   bootstrap_servers: 'b:1'\n";
    for config in [beside, itself, number, broken] {
        let said = check(config, &[], 78, &["fault"]);
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn rules_given_beside_a_configuration_are_checked_with_their_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let (_, shipped) = frostwatch_rulebook::default_rules()[0];
    file(folder.path(), "rule.yaml", shipped.as_bytes());
    let rules = folder.path().to_str().unwrap();
    let said = check(GOOD, &["--rules", rules], 0, &["no faults"]);
    assert_eq!(said.matches("\nrule ").count(), 1, "only those of the folder: {said}");
    file(folder.path(), "broken.yaml", b"schema: rule.v1\n");
    check(
        "schema: config.v2\nkafka: { bootstrap_servers: '' }\n",
        &["--rules", rules],
        78,
        &["config.v2", "kafka.bootstrap_servers", "broken.yaml"],
    );
}

#[test]
fn plain_gzip_and_zstd_replay_alike_and_sorting_takes_any_order() {
    let simulated = frostwatch(&["simulate", "--as", "activity", "--seed", "7", "--users", "40", "--days", "16"]);
    assert_eq!(simulated.code, 0, "{}", simulated.said);
    let lines = simulated.out;
    let first: serde_json::Value = serde_json::from_slice(lines.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(first["value"]["schema"], "activity.v1");
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&lines).unwrap();
    let turned: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').rev().collect();
    let replay = |name: &str, bytes: &[u8], more: &[&str]| {
        let path = file(folder.path(), name, bytes);
        let ended = frostwatch(&[&["replay", path.to_str().unwrap(), "--demo-geoip", "--final"], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.said);
        ended
    };
    let plain = replay("plain", &lines, &[]);
    assert!(!plain.out.is_empty(), "{}", plain.said);
    assert!(plain.said.contains(" 0 late, 0 over the cap, 0 rejected"), "{}", plain.said);
    assert_eq!(replay("gzip", &gzip.finish().unwrap(), &[]).out, plain.out);
    assert_eq!(replay("zstd", &zstd::encode_all(lines.as_slice(), 1).unwrap(), &[]).out, plain.out);
    let turned = replay("turned", &turned.concat(), &["--sort"]);
    assert!(turned.said.contains(" 0 over the cap, 0 rejected"), "{}", turned.said);
    assert!(!turned.out.is_empty());
}

#[test]
fn a_recording_of_several_partitions_replays_alike_however_they_are_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = frostwatch(&["simulate", "--as", "activity", "--seed", "5", "--users", "40", "--days", "16"]);
    let text = String::from_utf8(simulated.out).unwrap();
    let mut offsets = [0; 3];
    let mut lines: Vec<(usize, String)> = text.lines().map(|line| recorded(line, &mut offsets)).collect();
    let mixed = replayed(folder.path(), &lines);
    // Days of one partition before days of another, as a recording that catches up holds them.
    lines.sort_by_key(|(partition, _)| *partition);
    assert_eq!(replayed(folder.path(), &lines), mixed);
    assert!(mixed.0.len() > 15, "the attacks were found");
}

/// The line as it is recorded from one of several partitions.
fn recorded(line: &str, offsets: &mut [i64]) -> (usize, String) {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
    let partition = line["key"].as_str().unwrap().bytes().map(usize::from).sum::<usize>() % offsets.len();
    let record = line.as_object_mut().unwrap();
    record.remove("table");
    record.insert("partition".into(), partition.into());
    record.insert("offset".into(), offsets[partition].into());
    offsets[partition] += 1;
    (partition, line.to_string())
}

/// Its alerts in one order, and its state.
fn replayed(folder: &Path, lines: &[(usize, String)]) -> (Vec<String>, String) {
    let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let path = file(folder, "recorded.jsonl", lines.join("\n").as_bytes());
    let ended = frostwatch(&["replay", path.to_str().unwrap(), "--demo-geoip", "--suppressed"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let mut alerts: Vec<String> = String::from_utf8(ended.out).unwrap().lines().map(str::to_owned).collect();
    alerts.sort_unstable();
    (alerts, ended.said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "noise", b"not a record\n{\"nor\":\"this\"}\n");
    let ended = frostwatch(&["replay", path.to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains("line 1: ") && ended.said.contains("line 2: "), "{}", ended.said);
    let empty = file(folder.path(), "empty", b"");
    assert_eq!(frostwatch(&["replay", empty.to_str().unwrap()]).code, 0);
}
