//! What is counted by something else than its user, on Apache Kafka: the records of many users lie in many partitions, two members
//! share them, one of them is killed, and one alert tells of the address at which they meet; once, and in a replay the same.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use frostwatch_detect::time::{MINUTE, Millis, SECOND, rfc3339};
use frostwatch_rulebook::{default_rules, policy_templates};
use frostwatch_testkit::broker::{Broker, unique_name};
use frostwatch_wire::activity::time::UtcTime;
use serde_json::{Value, json};
use support::group::{Group, wait_for};
use support::judge::{finals, recorded, same, values};

mod support;

/// Tuesday, 3 February 2026.
const BEGIN: &str = "2026-02-03T09:00:00Z";
/// Accounts at which one address guesses, a minute each.
const ACCOUNTS: i64 = 24;

fn failure(user: &str, ip: &str, time: Millis) -> (Millis, String, Value) {
    let record = json!({
        "schema": "activity.v1", "id": format!("{user}-{ip}-{time}"), "time": rfc3339(time), "instance": "acme",
        "user": { "name": user }, "action": "login", "outcome": "failure", "reason": "bad_password",
        "client": { "ip": ip }, "source": { "producer": "test" },
    });
    (time, format!("acme|{user}"), record)
}

/// The shipped rules, and the template switched on.
fn add_policy(folder: &Path) {
    let rules = folder.join("rules");
    fs::create_dir_all(&rules).unwrap();
    let spray = policy_templates().iter().find(|(file, _)| *file == "password_spray.yaml");
    for (file, text) in default_rules().iter().chain(spray) {
        fs::write(rules.join(file), text.replace("enabled: false", "enabled: true")).unwrap();
    }
    let path = folder.join("frostwatch.yaml");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["rules"] = json!("rules");
    fs::write(&path, config.to_string()).unwrap();
}

#[test]
fn accounts_of_all_partitions_are_counted_at_one_address_once() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let simulate = ["simulate", "--seed", "7", "--users", "40", "--days", "16", "--setup"];
    let made = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(simulate).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    add_policy(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("entities"));
    let begin = UtcTime::parse(BEGIN).unwrap().ms();
    let publish = |from: i64, until: i64| {
        let mut producer = group.producer();
        for number in from..until {
            let at = begin + number * MINUTE;
            for (time, key, record) in [
                failure(&format!("user-{number}"), "198.51.100.7", at),
                // Somebody else's own mistakes, and a household's.
                failure("ana", "203.0.113.9", at + SECOND),
                failure(&format!("home-{}", number % 3), "192.0.2.44", at + 2 * SECOND),
            ] {
                producer.send(key.as_bytes(), record.to_string().as_bytes(), Some(time + SECOND)).unwrap();
            }
        }
        producer.flush().unwrap();
    };
    let (first, second) = (group.join(), group.join());
    publish(0, ACCOUNTS / 2);
    wait_for("the first half is consumed", || group.is_consumed());
    first.kill();
    publish(ACCOUNTS / 2, ACCOUNTS);
    wait_for("all activity and its copies are consumed", || group.is_consumed());
    assert!(second.stop().success());

    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes)).concat();
    let of_spray = |finding: &&Value| finding["rule"]["id"] == "password_spray";
    let found = finals(&sent);
    let spray: Vec<&Value> = found.values().filter(of_spray).collect();
    assert_eq!(spray.len(), 1, "{spray:?}");
    assert_eq!(
        (&spray[0]["count"], &spray[0]["severity"]),
        (&json!(20), &json!(4)),
        "as of the last step of the ladder"
    );
    let counted = json!({ "type": "counted", "by": "client.ip", "value": "198.51.100.7", "instance": "acme" });
    assert_eq!(spray[0]["entities"][0], counted);
    let summary = spray[0]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("Address 198.51.100.7: 20 sign-ins from 09:00 UTC on, by user-0, user-1,"),
        "{summary}"
    );

    // The recording has the copies in it; without them a replay makes its own.
    let all = folder.path().join("all.jsonl");
    fs::write(&all, group.record("activity")).unwrap();
    let text = fs::read_to_string(&all).unwrap();
    let copies = text.lines().filter(|line| line.contains("||client.ip|")).count() as i64;
    assert_eq!(copies, 3 * ACCOUNTS, "one of each failure, be it that a member was killed");
    for own in [&[][..], &["--own-copies"]] {
        let arguments = [&["replay", all.to_str().unwrap(), "--final", "--suppressed"], own].concat();
        same("alerts and suppressed findings", &found, &finals(&values(&group.frostwatch(&arguments))));
    }
}
