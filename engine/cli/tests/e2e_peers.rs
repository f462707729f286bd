//! What colleagues do, on Apache Kafka: recorded activity is measured by `frostwatch peers`, what comes out is published, and
//! from then on the engine holds back what is usual among them.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::process::Command;

use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_testkit::broker::{Broker, unique_name};
use frostwatch_wire::activity::time::UtcTime;
use serde_json::{Value, json};
use support::group::{Group, wait_for};
use support::judge::{finals, recorded, same, values};

mod support;

/// Tuesday, 3 February 2026.
const BEGIN: &str = "2026-02-03T09:00:00Z";
/// Working days before anything is measured: longer than the rule learns.
const DAYS: i64 = 34;
/// What Ana's colleagues take in an hour of each day, she and Bo in one, and those two on the last day.
const USUAL: [i64; 2] = [40, 2];
const RISE: i64 = 25;
const COLLEAGUES: [&str; 6] = ["cai", "dana", "eli", "fay", "gus", "hal"];

/// Activity in order of time.
#[derive(Default)]
struct Log(Vec<(Millis, String, Value)>);

impl Log {
    fn add(&mut self, user: &str, time: Millis, action: &str, also: &Value) {
        let mut record = json!({
            "schema": "activity.v1", "id": format!("{user}-{}", self.0.len()), "time": rfc3339(time), "instance": "acme",
            "user": { "name": user }, "action": action, "outcome": "success", "source": { "producer": "test" },
        });
        for (field, value) in also.as_object().unwrap() {
            record[field] = value.clone();
        }
        self.0.push((time, format!("acme|{user}"), record));
    }

    fn downloads(&mut self, user: &str, from: Millis, count: i64) {
        for number in 0..count {
            let object = json!({ "object": { "table": "sys_attachment", "id": format!("{user}-{from}-{number}") } });
            self.add(user, from + number * MINUTE, "download", &object);
        }
    }

    /// Those who take much each day, and two who do not, one of their department and one of another.
    fn of_work() -> Self {
        let mut log = Self::default();
        let begin = UtcTime::parse(BEGIN).unwrap().ms();
        for (user, department) in
            COLLEAGUES.map(|user| (user, "Finance")).into_iter().chain([("ana", "Finance"), ("bo", "Legal")])
        {
            log.add(user, begin - HOUR, "user_profile", &json!({ "user": { "name": user, "department": department } }));
            for day in 0..DAYS {
                let from = begin + day * DAY;
                log.downloads(user, from, USUAL[usize::from(!COLLEAGUES.contains(&user))]);
                log.downloads(user, from + 3 * HOUR, 1);
            }
        }
        log.0.sort_by_key(|(time, ..)| *time);
        log
    }

    /// A day later the two take more than they ever did.
    fn of_the_rise() -> Self {
        let mut log = Self::default();
        let at = UtcTime::parse(BEGIN).unwrap().ms() + (DAYS + 1) * DAY;
        ["ana", "bo"].iter().for_each(|user| log.downloads(user, at, RISE));
        log.0.sort_by_key(|(time, ..)| *time);
        log
    }
}

fn user_of(finding: &Value) -> &str {
    let entities = finding["entities"].as_array().unwrap();
    entities.iter().find(|entity| entity["type"] == "user").unwrap()["name"].as_str().unwrap()
}

#[test]
fn what_is_measured_of_the_log_and_published_holds_back_what_colleagues_do() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let simulate = ["simulate", "--seed", "7", "--users", "40", "--days", "16", "--setup"];
    let made = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(simulate).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("peers"));
    let publish = |log: &[(Millis, String, Value)]| {
        let mut producer = group.producer();
        for (time, key, record) in log {
            producer.send(key.as_bytes(), record.to_string().as_bytes(), Some(time + SECOND)).unwrap();
        }
        producer.flush().unwrap();
        wait_for("all activity is consumed", || group.is_consumed());
    };
    let engine = group.join();
    publish(&Log::of_work().0);

    let lines = folder.path().join("work.jsonl");
    fs::write(&lines, group.record("activity")).unwrap();
    let measured = String::from_utf8(group.frostwatch(&["peers", "--keyed", lines.to_str().unwrap()])).unwrap();
    let keyed: Vec<(Millis, String, Value)> = measured
        .lines()
        .map(|line| {
            let (key, record) = line.split_once('\t').unwrap();
            let record: Value = serde_json::from_str(record).unwrap();
            (UtcTime::parse(record["time"].as_str().unwrap()).unwrap().ms(), key.to_owned(), record)
        })
        .collect();
    assert_eq!(keyed.len(), COLLEAGUES.len() + 1, "{measured}");
    let (_, key, of_ana) = &keyed[0];
    assert_eq!((key.as_str(), &of_ana["user"]["peers"]["objects_hour"]), ("acme|ana", &json!(USUAL[0])), "{of_ana}");
    publish(&keyed);
    publish(&Log::of_the_rise().0);
    assert!(engine.stop().success());

    let of_rises = |purpose: &str| {
        let found = finals(&recorded(&group.record(purpose))).into_values();
        found.filter(|finding| finding["rule"]["id"] == "unusual_download")
    };
    let told: Vec<Value> = of_rises("alerts").collect();
    assert_eq!(told.iter().map(user_of).collect::<Vec<_>>(), ["bo"]);
    let by_colleagues = |finding: &Value| finding["suppressed_by"]["by"] == "usual_in_group";
    let held: Vec<Value> = of_rises("suppressions").filter(by_colleagues).collect();
    assert_eq!(held.iter().map(user_of).collect::<Vec<_>>(), ["ana"]);
    let summary = held[0]["summary"].as_str().unwrap();
    assert!(summary.contains("of 6 colleagues in Finance have had no hour above 40 objects"), "{summary}");

    let all = folder.path().join("all.jsonl");
    fs::write(&all, group.record("activity")).unwrap();
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes)).concat();
    let replayed = values(&group.frostwatch(&["replay", all.to_str().unwrap(), "--final", "--suppressed"]));
    same("alerts and suppressed findings", &finals(&sent), &finals(&replayed));
}
