//! Lists of addresses on Apache Kafka: switched while a process runs, kept with the state, and taken over by a process that
//! has only newer ones.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use frostwatch_detect::time::{Millis, rfc3339};
use frostwatch_rulebook::default_rules;
use frostwatch_testkit::broker::{Broker, unique_name};
use serde_json::{Value, json};
use support::group::{Group, PARTITIONS, wait_for};
use support::judge::{finals, recorded, same, values};

mod support;

const CONFIG: &str = r#"{ "schema": "config.v1", "rules": "rules", "lists": [
    { "name": "exits", "path": "exits.txt", "format": "plain", "category": "tor", "confidence": 95 } ] }"#;
/// The hosts of `11.2.3.0/24` from which each of the users works in turn.
const HOSTS: [u8; 3] = [4, 5, 6];

fn write_exits(folder: &Path, hosts: &[u8]) {
    let lines: Vec<String> = hosts.iter().map(|host| format!("11.2.3.{host}")).collect();
    fs::write(folder.join("exits.txt"), lines.join("\n")).unwrap();
}

/// The shipped rules, and a policy of one's own that asks the record and the lists together.
fn write_rules(folder: &Path) {
    let folder = folder.join("rules");
    fs::create_dir(&folder).unwrap();
    default_rules().iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    let (_, shipped) = default_rules().iter().find(|(file, _)| *file == "activity_policy.yaml").unwrap();
    let edits = [
        ("id: activity_policy\n", "id: looked_from_an_exit\n"),
        ("    about: deeds\n", "    about: whereabouts\n"),
        (
            "{ field: action, in: [delete] }",
            "{ field: action, in: [view] }\n        - { field: network.listed, in: [tor] }",
        ),
        ("    events_min: 101\n", "    events_min: 2\n"),
        ("    slow_events_min: 201\n", ""),
        ("    slow_window_secs: 28800\n", ""),
        ("    distinct: object.id\n", ""),
    ];
    let policy = edits.iter().fold((*shipped).to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    fs::write(folder.join("policy.yaml"), policy).unwrap();
}

/// Activity of a day's minute, of five users from each host.
fn publish(group: &Group, minute: i64) {
    let mut producer = group.producer();
    let now: Millis = 1_772_442_000_000 + minute * 60_000;
    for (user, host) in (0..5).flat_map(|user| HOSTS.map(|host| (user, host))) {
        let value = json!({
            "schema": "activity.v1", "id": format!("{minute}-{user}-{host}"), "time": rfc3339(now), "instance": "acme",
            "user": { "name": format!("user{user}") }, "action": "view", "outcome": "success",
            "client": { "ip": format!("11.2.3.{host}") }, "source": { "producer": "test" },
        });
        let key = format!("acme|user{user}");
        producer.send(key.as_bytes(), value.to_string().as_bytes(), Some(now + 1_000)).unwrap();
    }
    producer.flush().unwrap();
    wait_for("all activity is consumed", || group.is_consumed());
}

/// The digests of the list in alerts about this address.
fn digests(alerts: &[Value], host: u8) -> BTreeSet<String> {
    let about = |alert: &&Value| {
        let ip = format!("11.2.3.{host}");
        alert["evidence"]["events"].as_array().is_some_and(|events| events.iter().any(|event| event["ip"] == ip))
    };
    let lists = alerts.iter().filter(about).filter_map(|alert| alert["versions"]["lists"].as_array());
    lists.flatten().map(|list| list["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whoever_takes_over_has_the_lists_that_records_were_scored_under() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frostwatch.yaml"), CONFIG).unwrap();
    write_rules(folder.path());
    write_exits(folder.path(), &[4]);
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("lists"));

    let first = group.join();
    wait_for("it holds all partitions", || first.live_partitions() == PARTITIONS);
    publish(&group, 0);
    let turns = first.count("ruling_turned");
    write_exits(folder.path(), &[5]);
    wait_for("every partition turned to the changed list", || first.count("ruling_turned") >= turns + PARTITIONS);
    publish(&group, 1);
    let metrics = first.metrics().unwrap();
    assert!(metrics.contains("frostwatch_list_entries{list=\"exits\"} 1"), "{metrics}");
    assert!(metrics.contains("frostwatch_list_changed_timestamp_seconds{list=\"exits\"}"), "{metrics}");
    first.kill();

    // Nothing of the tail is written, and the lists of its records are only where they were kept.
    write_exits(folder.path(), &[6]);
    let second = group.join();
    wait_for("the next one holds all partitions", || second.live_partitions() == PARTITIONS);
    assert!(second.count("restored_in_silence") >= 30, "the tail was run again");
    (2..5).for_each(|minute| publish(&group, minute));
    assert!(second.stop().success());

    let log = folder.path().join("activity.jsonl");
    fs::write(&log, group.record("activity")).unwrap();
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes)).concat();
    let replayed = values(&group.frostwatch(&["replay", log.to_str().unwrap(), "--final", "--suppressed"]));
    same("alerts and suppressed findings", &finals(&sent), &finals(&replayed));
    let counts: Vec<u64> = replayed.iter().map(|alert| alert["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [5; 10], "two of each user, the detector's and the policy's: an exit a minute");
    let of_policy = replayed.iter().filter(|alert| alert["rule"]["id"] == "looked_from_an_exit").count();
    assert_eq!(of_policy, 5);
    assert_eq!(digests(&replayed, 4).len(), 3, "an alert names every content of the list that it rests on");
}
