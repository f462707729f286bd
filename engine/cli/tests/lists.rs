//! Lists of addresses as people meet them: in the configuration, and from raw rows to an alert.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use frostwatch_detect::event::Address;
use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{List, Listing, Lists};
use frostwatch_detect::names::Name;
use frostwatch_rulebook::{Rulebook, default_rules};
use serde_json::{Value, json};

const EXITS: &str = "ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E\nPublished 2026-03-01 18:00:00\n\
                     LastStatus 2026-03-02 08:00:00\nExitAddress 11.2.3.4 2026-03-02 08:06:17\n";
const CONFIG: &str = "schema: config.v1\nkafka: { bootstrap_servers: 'b:1' }\nnormalise: { instance: acme }\nlists:\n\
  - { name: exits, path: exits.txt, format: tor_exit, confidence: 95, hold_hours: 2 }\n\
  - { name: ours, path: ours.txt, format: plain, category: known_good, confidence: 100 }\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("exits.txt"), EXITS).unwrap();
    fs::write(folder.path().join("ours.txt"), "11.9.0.0/16\n").unwrap();
    fs::write(folder.path().join("frostwatch.yaml"), CONFIG).unwrap();
    folder
}

fn frostwatch(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A sign-in of Ana's as `sysevent` has it.
fn row(number: u32, time: &str, ip: &str) -> Value {
    json!({
        "sys_id": format!("{number:032x}"), "name": "login", "parm1": "ana.lind", "parm2": ip, "table": "",
        "instance": format!("{number:032X}"), "user_name": "ana.lind", "queue": "", "state": "processed",
        "process_on": time, "processed": time, "sys_created_on": time, "sys_created_by": "ana.lind",
    })
}

/// The alerts of `anonymous_ip` that a replay of these rows leaves.
fn alerts(folder: &Path, rows: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(folder.join("rows.jsonl"), lines.join("\n")).unwrap();
    let replayed =
        frostwatch(folder, &["replay", "--config", "frostwatch.yaml", "--final", "--suppressed", "rows.jsonl"]);
    assert!(replayed.status.success(), "{}", said(&replayed));
    let alerts = String::from_utf8(replayed.stdout).unwrap();
    let alerts = alerts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    alerts.filter(|alert| alert["policy"] == "anonymous_ip").collect()
}

#[test]
fn raw_rows_from_an_exit_of_tor_become_an_alert_only_while_it_was_one() {
    let folder = folder();
    let rows = [
        row(1, "2026-03-02 06:06:16", "11.2.3.4"),
        row(2, "2026-03-02 08:14:09", "11.2.3.4"),
        row(3, "2026-03-02 10:06:16", "11.2.3.4"),
        row(4, "2026-03-02 10:06:17", "11.2.3.4"),
        row(5, "2026-03-02 10:07:00", "11.9.3.4"),
    ];
    let found = alerts(folder.path(), &rows);
    assert_eq!(found.len(), 1, "{found:?}");
    let alert = &found[0];
    assert_eq!((&alert["count"], &alert["severity"], &alert["change"]), (&json!(2), &json!(4), &json!("updated")));
    assert_eq!(alert["first_event_time"], "2026-03-02T08:14:09Z");
    assert_eq!(
        alert["summary"],
        "ana.lind worked from 11.2.3.4 at 10:06 UTC: a Tor exit by the list exits, confidence 95 of 100; 2 events within \
         112 min."
    );
    assert_eq!(alert["versions"]["lists"][0]["id"], "exits");
    // The same without the list.
    let config = folder.path().join("frostwatch.yaml");
    fs::write(&config, CONFIG.split("lists:").next().unwrap()).unwrap();
    assert!(alerts(folder.path(), &rows).is_empty());
}

#[test]
fn a_check_tells_all_faults_of_all_lists_with_their_lines() {
    let folder = folder();
    let checked = frostwatch(folder.path(), &["check", "--config", "frostwatch.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    fs::write(folder.path().join("ours.txt"), "11.9.0.0/16\n11.9\n\n11.9.0.1/16\n").unwrap();
    let config = CONFIG.to_owned()
        + "- { name: Other, path: gone.txt, format: plain, category: vpn }\n\
           - { name: gone, path: gone.txt, format: csv }\nlateness_secs: 0\n";
    fs::write(folder.path().join("frostwatch.yaml"), config).unwrap();
    let checked = frostwatch(folder.path(), &["check", "--config", "frostwatch.yaml"]);
    assert_eq!(checked.status.code(), Some(78));
    for part in [
        "6 faults in the configuration",
        "ours.txt:2: '11.9' is no address",
        "ours.txt:4: '11.9.0.1/16' has bits beyond its prefix",
        "lists 'Other': name",
        "lists 'Other': confidence: missing",
        "gone.txt: No such file",
        "lateness_secs: 0",
    ] {
        assert!(said(&checked).contains(part), "'{part}' is not said: {}", said(&checked));
    }
}

#[test]
fn a_recording_carries_the_lists_that_its_switches_name() {
    let folder = folder();
    let exit = Listing {
        first: Address::new("11.2.3.4".parse().unwrap()).unwrap().bits(),
        prefix: 128,
        category: Category::Tor,
        confidence: 90,
        tag: Name::EMPTY,
        from: Listing::ALWAYS,
        until: Listing::FOREVER,
    };
    let lists = Lists::new(vec![List { name: "exits".to_owned(), entries: vec![exit] }]).unwrap().unwrap();
    let book = Rulebook::parse(default_rules(), None).unwrap();
    let switch = |offset: i64, lists: &str| {
        let named = json!({ "rules": book.hash, "geoip": "none", "lateness_secs": 3600, "skew_secs": 300, "semantics": 2,
                            "state_format": 2, "lists": lists });
        // As they are written: the hash of the rules is that of their text.
        let rules = book.to_content().lines().collect::<Vec<_>>().join(",");
        format!(r#"{{"switch":{{"partition":0,"offset":{offset},"named":{named},"rules":[{rules}]}}}}"#)
    };
    let kept =
        |name: &str, text: &[u8]| json!({ "kept": { "name": name, "text": std::str::from_utf8(text).unwrap() } });
    let digest = lists.digest().to_string();
    let mut lines = vec![kept(&digest, lists.kept().manifest().as_bytes()).to_string()];
    lines.extend(lists.kept().names().map(|name| kept(&name, lists.kept().part(&name).unwrap()).to_string()));
    lines.extend([switch(1, &digest), switch(3, "")]);
    for offset in 0..4_i64 {
        let time = format!("2026-03-02T09:0{offset}:00Z");
        let value = json!({
            "schema": "activity.v1", "id": offset.to_string(), "time": time, "instance": "acme", "action": "view",
            "user": { "name": "ana.lind" }, "outcome": "success", "client": { "ip": "11.2.3.4" },
            "source": { "producer": "test" },
        });
        let stamp = 1_772_442_001_000_i64 + 60_000 * offset;
        let line =
            json!({ "partition": 0, "offset": offset, "stamp_ms": stamp, "key": "acme|ana.lind", "value": value });
        lines.push(line.to_string());
    }
    fs::write(folder.path().join("recorded.jsonl"), lines.join("\n")).unwrap();
    let replayed = frostwatch(folder.path(), &["replay", "recorded.jsonl", "--final", "--suppressed"]);
    assert!(replayed.status.success() && !said(&replayed).contains("other lists"), "{}", said(&replayed));
    let alerts = String::from_utf8(replayed.stdout).unwrap();
    let alerts: Vec<Value> = alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<&Value> = alerts.iter().filter(|alert| alert["policy"] == "anonymous_ip").collect();
    assert_eq!(found.len(), 1, "{alerts:?}");
    assert_eq!((&found[0]["count"], &found[0]["first_event_time"]), (&json!(2), &json!("2026-03-02T09:01:00Z")));
    // Without what was kept the replay says that it has none of them.
    fs::write(folder.path().join("recorded.jsonl"), lines[2..].join("\n")).unwrap();
    let replayed = frostwatch(folder.path(), &["replay", "recorded.jsonl", "--final", "--suppressed"]);
    assert!(said(&replayed).contains("a recorded switch was to other lists of addresses"), "{}", said(&replayed));
    assert!(!String::from_utf8(replayed.stdout).unwrap().contains("anonymous_ip"));
}
