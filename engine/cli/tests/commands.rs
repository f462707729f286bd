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

impl Ended {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
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

/// Checks a configuration whose clients have these properties.
#[track_caller]
fn check_properties(properties: &str, code: i32, wanted: &[&str]) -> String {
    let brokers = "bootstrap_servers: 'nowhere.invalid:1,localhost:1'";
    let config = format!("schema: config.v1\nkafka: {{ {brokers}, properties: {{ {properties} }} }}\n");
    check(&config, &[], code, wanted)
}

#[test]
fn a_check_asks_no_broker_and_says_nothing_of_them() {
    let said = check_properties("", 0, &["no faults"]);
    assert!(!said.contains("localhost:1") && !said.contains("nowhere.invalid"), "{said}");
}

#[test]
fn what_is_not_built_in_is_said() {
    let missing: &[&str] = &["needs TLS, which this build has not: build with `--features tls`"];
    let (code, wanted) = if cfg!(feature = "tls") { (0, &["no faults"][..]) } else { (78, missing) };
    let user = "sasl.username: a, sasl.password: b";
    for protocol in ["ssl", "SASL_SSL"] {
        check_properties(&format!("security.protocol: {protocol}, sasl.mechanism: PLAIN, {user}"), code, wanted);
    }
    check_properties(
        &format!("security.protocol: sasl_plaintext, sasl.mechanism: SCRAM-SHA-512, {user}"),
        code,
        wanted,
    );
    check_properties("sasl.mechanism: OAUTHBEARER", 78, &["OAUTHBEARER is not supported", "SCRAM-SHA-512"]);
}

#[test]
fn a_full_disk_is_a_failure_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = frostwatch(&["simulate", "--as", "activity", "--seed", "7", "--users", "40", "--days", "16"]);
    let path = file(folder.path(), "activity", &simulated.out);
    let replay = ["replay", path.to_str().unwrap(), "--demo-geoip"];
    let simulate = ["simulate", "--as", "activity", "--users", "20", "--days", "1", "--no-attacks"];
    for args in [&replay[..], &simulate[..], &["schema", "alert.v1"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).stdout(full).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("error: ") && said.contains("No space left on device"), "{args:?}: {said}");
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
    let mixed = replayed_lines(folder.path(), &lines);
    // Days of one partition before days of another, as a recording that catches up holds them.
    lines.sort_by_key(|(partition, _)| *partition);
    assert_eq!(replayed_lines(folder.path(), &lines), mixed);
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
fn replayed_lines(folder: &Path, lines: &[(usize, String)]) -> (Vec<String>, String) {
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

/// Replays a file and gives what came out and what was said.
fn replayed(path: &Path, more: &[&str]) -> Ended {
    let ended =
        frostwatch(&[&["replay", path.to_str().unwrap(), "--demo-geoip", "--final", "--suppressed"], more].concat());
    assert_eq!(ended.code, 0, "{}", ended.said);
    ended
}

#[test]
fn a_switch_of_rules_is_replayed_from_the_command_line_and_from_the_file() {
    let simulated = frostwatch(&["simulate", "--as", "activity", "--seed", "7", "--users", "40", "--days", "16"]);
    let folder = tempfile::tempdir().unwrap();
    let plain = file(folder.path(), "plain", &simulated.out);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let edited = folder.path().join("edited");
    std::fs::create_dir(&edited).unwrap();
    for (name, text) in frostwatch_rulebook::default_rules().iter().filter(|(name, _)| *name != "failed_logins.yaml") {
        file(&edited, name, text.replace("objects_max: 50", "objects_max: 40").as_bytes());
    }
    let lines: Vec<&[u8]> = simulated.out.split_inclusive(|byte| *byte == b'\n').collect();
    let half = lines.len() / 2;
    let at = |at: &str, folder: &Path| format!("{at}={}", folder.display());

    let without = replayed(&plain, &[]);
    let same = replayed(&plain, &["--switch", &at(&half.to_string(), &shipped)]);
    assert_eq!((&same.out, &same.said), (&without.out, &without.said), "a switch that changes nothing changes nothing");
    let switched = replayed(&plain, &["--switch", &at(&half.to_string(), &edited)]);
    assert_ne!(switched.out, without.out);
    let back = replayed(&plain, &["--switch", &at("0", &edited), "--switch", &at("0", &shipped)]);
    assert_eq!(back.out, without.out, "taken back before the first record");

    // The same switch as it is recorded, for all that follows and for a place in the log.
    let files: Vec<(String, String)> = std::fs::read_dir(&edited)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let book = frostwatch_rulebook::Rulebook::parse(&files, None).unwrap();
    let rules = book.to_content().lines().collect::<Vec<_>>().join(",");
    let recorded = |place: &str| {
        let named = format!(
            r#"{{"rules":"{}","geoip":"x","lateness_secs":3600,"skew_secs":300,"semantics":1,"state_format":2}}"#,
            book.hash
        );
        format!("{{\"switch\":{{{place}\"named\":{named},\"rules\":[{rules}]}}}}\n").into_bytes()
    };
    let (first, second) = lines.split_at(half);
    let with = file(folder.path(), "recorded", &[first.concat(), recorded(""), second.concat()].concat());
    let from_file = replayed(&with, &[]);
    assert_eq!(from_file.out, switched.out);
    assert!(from_file.said.contains("other GeoIP files"), "{}", from_file.said);
    // Each line with a place: two partitions, and the switch in the second of them alone.
    let mut offsets = [0_i64; 2];
    let placed: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| {
            let mut line: serde_json::Value = serde_json::from_slice(line).unwrap();
            let partition = usize::from(line["key"].as_str().unwrap().len().is_multiple_of(2));
            (line["partition"], line["offset"]) = (partition.into(), offsets[partition].into());
            offsets[partition] += 1;
            (line.to_string() + "\n").into_bytes()
        })
        .collect();
    let path = file(folder.path(), "placed", &placed.concat());
    assert_eq!(state(&replayed(&path, &[])), state(&without), "keys do not care how they are spread over partitions");
    let one = replayed(&path, &["--switch", &at("1:100", &edited)]);
    let head = recorded("\"partition\":1,\"offset\":100,");
    let path = file(folder.path(), "placed with a switch", &[head, placed.concat()].concat());
    assert_eq!(replayed(&path, &[]).out, one.out);
    assert_ne!(state(&one), state(&without));
    let said = replayed(&plain, &["--switch", &at("99999999", &edited)]).said;
    assert!(said.contains("1 switches are for records that did not come"), "{said}");
}

/// The line about the state.
fn state(ended: &Ended) -> &str {
    ended.said.lines().find(|line| line.starts_with("state ")).unwrap()
}

#[test]
fn a_switch_names_its_record_and_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "empty", b"");
    for (switch, says) in [
        ("rules", "is not INDEX=RULES_FOLDER"),
        ("7=", "is not INDEX=RULES_FOLDER"),
        ("-1=rules", "is not INDEX=RULES_FOLDER"),
        ("1:x=rules", "is not INDEX=RULES_FOLDER"),
        ("7=nowhere", "nowhere"),
    ] {
        let ended = frostwatch(&["replay", path.to_str().unwrap(), &format!("--switch={switch}")]);
        assert!(ended.code != 0 && ended.said.contains(says), "{switch}: {}", ended.said);
    }
}

#[test]
fn the_tests_of_rules_that_are_shipped_and_shown_pass_and_one_that_fails_is_a_failure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shipped = frostwatch(&["rule", "test", root.join("rules/tests").to_str().unwrap()]);
    assert_eq!(shipped.code, 0, "{}", shipped.text());
    assert!(shipped.text().ends_with("5 passed, 0 failed\n"), "{}", shipped.text());

    // The rule and the tests of the page.
    let page = std::fs::read_to_string(root.join("docs/policies.md")).unwrap();
    let shown = |schema: &str| {
        let mut blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.find(|block| block.starts_with(&format!("schema: {schema}\n"))).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    file(&rules, "own.yaml", shown("rule.v1").as_bytes());
    let tests = file(folder.path(), "tests.yaml", shown("rule-tests.v1").as_bytes());
    let args = ["rule", "test", "--rules", rules.to_str().unwrap(), tests.to_str().unwrap()];
    let own = frostwatch(&args);
    assert_eq!((own.code, own.text().lines().last()), (0, Some("2 passed, 0 failed")), "{}{}", own.text(), own.said);
    file(folder.path(), "tests.yaml", shown("rule-tests.v1").replace("times: 10", "times: 9").as_bytes());
    let failed = frostwatch(&args);
    assert_eq!(failed.code, 1);
    assert!(failed.text().contains("FAILED  the tenth within five minutes is told\n"), "{}", failed.text());
    assert!(failed.text().contains("alerts: 1 expected, 0 found"), "{}", failed.text());
}
