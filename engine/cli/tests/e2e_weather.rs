//! Bad weather on Apache Kafka: what a process says and does when something around it is wrong.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;

use frostwatch_rulebook::default_rules;
use frostwatch_testkit::broker::{Broker, unique_name};
use frostwatch_testkit::mmdb::demo_files;
use serde_json::{Value, json};
use support::group::{Engine, Group, Membership, PARTITIONS, wait_for};
use support::judge::{finals, recorded, repeats, same, values};

mod support;

/// The shipped rules with another limit of failed sign-ins, and the demo's map.
fn set_up(folder: &Path) {
    write_rules(folder, 10);
    write_map(folder, &demo_files().unwrap().remove(0).1);
    let config = json!({ "schema": "config.v1", "rules": "rules", "geoip": { "city": ["city.mmdb"] }, "workers": 1 });
    fs::write(folder.join("frostwatch.yaml"), config.to_string()).unwrap();
}

fn write_rules(folder: &Path, failures_max: u32) {
    fs::create_dir_all(folder.join("rules")).unwrap();
    for (file, text) in default_rules() {
        let text = text
            .replace("failures_max: 10", &format!("failures_max: {failures_max}"))
            .replace("version: 1\n", &format!("version: {}\n", failures_max - 9));
        fs::write(folder.join("rules").join(Path::new(file).file_name().unwrap()), text).unwrap();
    }
}

/// In place of the old one at once, as whoever replaces a file that is read should.
fn write_map(folder: &Path, bytes: &[u8]) {
    fs::write(folder.join("city.new"), bytes).unwrap();
    fs::rename(folder.join("city.new"), folder.join("city.mmdb")).unwrap();
}

/// Asks for the configuration to be read: the status line and the answer. Files that are seen to change are read by the
/// process itself too, one reading at a time.
fn reload(process: &Engine) -> (String, Value) {
    let mut answer = (String::new(), Value::Null);
    wait_for("a reading of its own", || {
        let text = process.post("/reload").unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("application/json"), "{head}");
        answer = (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap());
        !answer.0.contains(" 409 ")
    });
    answer
}

#[test]
fn a_reading_by_signal_or_by_the_admin_port_switches_and_with_a_fault_switches_nothing() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (folder, said) = (folder.path(), folder.path().join("said"));
    set_up(folder);
    let group = Group::create(folder, broker.bootstrap(), &unique_name("reload"));
    let process = group.join_as(&Membership { said: Some(said.clone()), ..Membership::default() });
    let has_said = |text: &str| fs::read_to_string(&said).unwrap().contains(text);
    wait_for("all partitions are live", || process.live_partitions() == PARTITIONS);

    write_rules(folder, 11);
    process.signal("HUP");
    wait_for("all partitions have turned", || process.count("ruling_turned") == PARTITIONS);
    wait_for("it is said", || has_said("switched: rules "));
    let (status, answer) = reload(&process);
    assert!(status.contains(" 200 ") && answer["is_switched"] == false, "{status} {answer}");
    assert!(
        answer["told"]
            .as_str()
            .unwrap()
            .starts_with("nothing of rules, GeoIP files, lists, limits and state format differs"),
        "{answer}"
    );

    write_rules(folder, 12);
    let (status, answer) = reload(&process);
    assert!(status.contains(" 200 "), "{status} {answer}");
    wait_for("all partitions have turned again", || process.count("ruling_turned") == 2 * PARTITIONS);
    let holds = version(&process);

    let broken = folder.join("rules/broken.yaml");
    fs::write(&broken, "schema: rule.v1\n").unwrap();
    check_refused(&process, "broken.yaml");
    process.signal("HUP");
    wait_for("the fault is said", || has_said("error: nothing is switched: "));
    fs::remove_file(&broken).unwrap();
    let map = fs::read(folder.join("city.mmdb")).unwrap();
    write_map(folder, &map[..map.len() / 2]);
    check_refused(&process, "city.mmdb");
    write_map(folder, &map);
    let (status, answer) = reload(&process);
    assert!(status.contains(" 200 ") && answer["is_switched"] == false, "{status} {answer}");
    assert_eq!(version(&process), holds, "no fault has switched anything");
    assert_eq!(process.count("ruling_turned"), 2 * PARTITIONS);
    assert!(process.stop().success());
}

/// What the process says of itself and of what it works under.
fn version(process: &Engine) -> String {
    process.page("/version").unwrap().split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[track_caller]
fn check_refused(process: &Engine, named: &str) {
    let (status, answer) = reload(process);
    assert!(status.contains(" 422 ") && answer["is_switched"] == false, "{status} {answer}");
    let told = answer["told"].as_str().unwrap();
    assert!(told.starts_with("nothing is switched: ") && told.contains(named), "{told}");
}

/// Many users fail to sign in, often enough for an alert each.
fn publish_failures(group: &Group, users: usize) {
    let mut producer = group.producer();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    for failure in 0..20 {
        for user in 0..users {
            let time = frostwatch_detect::time::rfc3339((now - 600 + failure) * 1_000);
            let value = json!({
                "schema": "activity.v1", "id": format!("{user}-{failure}"), "time": time, "instance": "acme",
                "user": { "name": format!("user-{user}") }, "action": "login", "outcome": "failure",
                "source": { "producer": "test" },
            });
            producer.send(format!("acme|user-{user}").as_bytes(), value.to_string().as_bytes(), None).unwrap();
        }
    }
    producer.flush().unwrap();
}

#[test]
fn stops_in_the_midst_of_a_backlog_lose_nothing_and_send_nothing_twice() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("stops"));
    publish_failures(&group, 500);
    let mut stops = 0;
    while !group.is_consumed() {
        let before = group.committed().unwrap_or_default();
        let process = group.join();
        wait_for("something is committed", || group.committed() > Some(before) || group.is_consumed());
        assert!(process.stop().success(), "a stop that was asked for is no failure");
        stops += 1;
    }
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes));
    let all = sent.concat();
    assert!(repeats(&all).is_empty(), "after {stops} stops: {:?}", repeats(&all));
    let log = folder.path().join("activity.jsonl");
    fs::write(&log, group.record("activity")).unwrap();
    let replayed = values(&group.frostwatch(&["replay", log.to_str().unwrap(), "--final", "--suppressed"]));
    let found = finals(&all);
    assert!(found.len() >= 500, "{}", found.len());
    same("alerts and suppressed findings", &found, &finals(&replayed));
}

#[test]
fn two_processes_of_one_instance_are_told_apart_and_the_former_ends() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("twins"));
    let said = folder.path().join("said");
    let instance = Some("pod-0".to_owned());
    let first = Membership { instance: instance.clone(), said: Some(said.clone()), ..Membership::default() };
    let first = group.join_as(&first);
    wait_for("all partitions are live", || first.live_partitions() == PARTITIONS);
    let second = group.join_as(&Membership { instance, ..Membership::default() });
    wait_for("the first has ended", || {
        publish_failures(&group, 1);
        first.ended().is_some()
    });
    let said = fs::read_to_string(&said).unwrap();
    assert_eq!(first.ended().unwrap().code(), Some(1), "another start would fence the other: {said}");
    assert!(said.contains("error: another process runs with `kafka.instance: pod-0` in this group"), "{said}");
    wait_for("the second has all partitions", || second.live_partitions() == PARTITIONS);
    wait_for("all activity is consumed", || group.is_consumed());
    assert!(second.stop().success());
}

#[test]
fn brokers_that_are_away_at_the_start_are_named_and_another_start_may_help() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    set_up(folder.path());
    let group = Group::without_topics(folder.path(), broker.bootstrap(), &unique_name("away"), &json!({}));
    let away = Membership { bootstrap: Some("127.0.0.1:1".to_owned()), ..Membership::default() };
    let (code, said) = group.ended_as(&away, &["run"]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("error: no answer from the brokers on the topics"), "{said}");
    assert_eq!(said.matches("broker 127.0.0.1:1: cannot connect: Connection refused").count(), 1, "{said}");
    assert!(!said.contains("[thrd:") && !said.contains("brokers are down"), "in plain words: {said}");
}
