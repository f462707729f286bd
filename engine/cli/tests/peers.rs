//! `frostwatch peers` over a small company, with the numbers worked out by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use frostwatch_detect::time::{MINUTE, Millis, rfc3339};
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::activity::time::UtcTime;
use serde_json::{Value, json};

const AT: &str = "2026-03-16T12:00:00Z";
/// Tuesday, 10 March 2026: no turn of a month.
const WORK: &str = "2026-03-10T10:40:00Z";
/// Monday, 2 March 2026: its first working day.
const TURN: &str = "2026-03-02T10:00:00Z";

/// Runs the command over these lines: the exit code, what came out, what was said.
fn peers(lines: &[String], args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frostwatch"));
    command.arg("peers").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
}

struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, user: &str, time: Millis, action: &str, also: &Value) {
        let mut record = json!({
            "schema": "activity.v1", "id": format!("r{}", self.0.len()), "time": rfc3339(time), "instance": "acme",
            "user": { "name": user }, "action": action, "outcome": "success", "source": { "producer": "test" },
        });
        for (field, value) in also.as_object().unwrap() {
            match value.as_object() {
                Some(inner) if record[field].is_object() => {
                    inner.iter().for_each(|(name, value)| record[field][name] = value.clone());
                }
                _ => record[field] = value.clone(),
            }
        }
        self.0.push(record.to_string());
    }

    /// Who somebody is, and that they are at work.
    fn person(&mut self, user: &str, department: &str, groups: &[&str]) {
        self.add(user, ms(WORK), "user_profile", &json!({ "user": { "department": department, "groups": groups } }));
        self.add(user, ms(WORK), "view", &json!({}));
    }

    /// Different objects, one in two minutes, 1,000 bytes each.
    fn downloads(&mut self, user: &str, from: &str, objects: i64, also: &Value) {
        for number in 0..objects {
            let mut all = json!({ "object": { "id": format!("f{number}") }, "quantity": { "bytes": 1_000 } });
            also.as_object().unwrap().iter().for_each(|(field, value)| all[field] = value.clone());
            self.add(user, ms(from) + number * 2 * MINUTE, "download", &all);
        }
    }
}

fn ms(time: &str) -> Millis {
    UtcTime::parse(time).unwrap().ms()
}

/// Twenty-two in finance, of whom the first took one object in their busiest hour, the second two, and so on.
fn company() -> Vec<String> {
    let mut lines = Lines(Vec::new());
    for number in 1..=22 {
        let user = format!("p{number:02}");
        // The first six are a group as well.
        let groups: &[&str] = if number <= 6 { &["everybody", "Leads"] } else { &["everybody"] };
        lines.person(&user, if number % 2 == 0 { "Finance" } else { " FINANCE" }, groups);
        lines.downloads(&user, WORK, number, &json!({}));
    }
    // The same object again is one.
    lines.downloads("p05", "2026-03-10T10:41:00Z", 5, &json!({ "quantity": {} }));
    // At the turn of the month two exported rows.
    lines.add("p03", ms(TURN), "export", &json!({ "quantity": { "rows": 5_000 } }));
    lines.add("p04", ms(TURN), "export", &json!({ "quantity": { "rows": 4_000 } }));
    lines.add("p04", ms(TURN) + 59 * MINUTE, "export", &json!({ "quantity": { "rows": 5_000 } }));
    lines.add("p04", ms(TURN) + 120 * MINUTE, "export", &json!({ "quantity": { "rows": 8_000 } }));
    // What was refused, what is no real activity, what lies before the span or after it.
    lines.downloads("p01", WORK, 100, &json!({ "outcome": "failure" }));
    lines.downloads("p01", WORK, 100, &json!({ "test": "canary" }));
    lines.downloads("p01", "2026-02-16T08:00:00Z", 100, &json!({ "quantity": { "objects": 9 } }));
    lines.downloads("p01", "2026-03-16T12:00:01Z", 100, &json!({}));
    // A program, somebody who has done nothing for long, three in a small department, one of none.
    lines.add("svc", ms(WORK), "user_profile", &json!({ "user": { "department": "Finance", "kind": "service" } }));
    lines.downloads("svc", WORK, 500, &json!({}));
    lines.add("gone", ms(WORK), "user_profile", &json!({ "user": { "department": "Finance" } }));
    lines.downloads("gone", "2026-01-10T10:00:00Z", 300, &json!({}));
    ["l1", "l2", "l3"].iter().for_each(|user| lines.person(user, "Legal", &[]));
    lines.add("alone", ms(WORK), "view", &json!({}));
    lines.0
}

fn by_user(out: &str) -> Vec<(String, Value)> {
    out.lines()
        .map(|line| {
            decode(line.as_bytes()).unwrap_or_else(|reject| panic!("{reject}: {line}"));
            let record: Value = serde_json::from_str(line).unwrap();
            (record["user"]["name"].as_str().unwrap().to_owned(), record["user"]["peers"].clone())
        })
        .collect()
}

#[test]
fn each_is_told_what_nineteen_of_twenty_of_the_others_did() {
    let (code, out, said) = peers(&company(), &["--at", AT]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 groups measured, 22 people told of theirs"), "{said}");
    assert!(said.contains("left out: 1 people without a group, 3 in groups that are too small"), "{said}");
    let told = by_user(&out);
    let names: Vec<String> = (1..=22).map(|number| format!("p{number:02}")).collect();
    assert_eq!(told.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names, "each once, in order");
    // Of 21 others the 20th: of the numbers from 1 to 22 the last but one that is not their own.
    for (index, (name, peers)) in told.iter().enumerate() {
        let most = if index < 20 { 21 } else { 20 };
        // Of the others' rows at the turn the last but one: 20 others have none, or 19 and one of the two has the less.
        let rows = if index == 2 || index == 3 { 0 } else { 5_000 };
        let wanted = json!({
            "group": "FINANCE", "people": 21, "objects_hour": most, "rows_hour": 0, "bytes_hour": most * 1_000,
            "turn_objects_hour": u64::from(index != 2 && index != 3), "turn_rows_hour": rows, "turn_bytes_hour": 0,
        });
        assert_eq!(*peers, wanted, "{name}");
    }
    let first = r#"{"schema":"activity.v1","id":"peers:acme:p01:2026-03-16T12:00:00Z","time":"2026-03-16T12:00:00Z","instance":"acme","user":{"name":"p01","peers":{"group":"FINANCE","people":21,"objects_hour":21,"rows_hour":0,"bytes_hour":21000,"turn_objects_hour":1,"turn_rows_hour":5000,"turn_bytes_hour":0}},"action":"user_profile","outcome":"success","source":{"producer":"frostwatch-peers"}}"#;
    assert_eq!(out.lines().next(), Some(first));
}

#[test]
fn the_order_of_the_lines_and_copies_of_them_change_nothing() {
    let lines = company();
    let (_, out, _) = peers(&lines, &["--at", AT]);
    let turned: Vec<String> = lines.iter().rev().chain(lines.iter().step_by(3)).cloned().collect();
    assert_eq!(peers(&turned, &["--at", AT]).1, out);
    let (_, keyed, _) = peers(&lines, &["--at", AT, "--keyed"]);
    let wanted: Vec<String> =
        out.lines().enumerate().map(|(index, line)| format!("acme|p{:02}\t{line}", index + 1)).collect();
    assert_eq!(keyed.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn the_smallest_group_that_is_large_enough_counts() {
    let (_, out, said) = peers(&company(), &["--at", AT, "--by", "group"]);
    assert!(said.contains("2 groups measured"), "{said}");
    let told = by_user(&out);
    let of = |name: &str| &told.iter().find(|(known, _)| known == name).unwrap().1;
    // Of five others the most.
    assert_eq!(
        (&of("p01")["group"], &of("p01")["people"], &of("p01")["objects_hour"]),
        (&json!("Leads"), &json!(5), &json!(6))
    );
    assert_eq!((&of("p06")["objects_hour"], &of("p07")["group"]), (&json!(5), &json!("everybody")));
    let (_, out, _) = peers(&company(), &["--at", AT, "--by", "group", "--people-min", "6"]);
    assert_eq!(by_user(&out)[0].1["group"], "everybody");
}

#[test]
fn days_that_are_not_in_the_span_are_not_measured() {
    // Without a time the newest activity ends the span; of three days before 13 March none is at the turn of a month.
    let lines: Vec<String> = company().into_iter().filter(|line| !line.contains("2026-03-16")).collect();
    let (_, out, _) = peers(&lines, &["--days", "3"]);
    let (_, peers) = &by_user(&out)[0];
    assert_eq!((&peers["objects_hour"], peers.get("turn_objects_hour")), (&json!(21), None));
}

#[test]
fn lines_that_cannot_be_read_are_said_and_a_file_of_them_is_a_failure() {
    let noise = ["not a record".to_owned(), r#"{"schema":"activity.v1"}"#.to_owned()];
    let (code, out, said) = peers(&noise, &[]);
    assert_eq!((code, &*out), (1, ""), "{said}");
    assert!(said.contains("line 1: ") && said.contains("line 2: "), "{said}");
    let (code, _, said) = peers(&[company(), noise.to_vec()].concat(), &["--at", AT]);
    assert!(code == 0 && said.contains("22 people told"), "{code} {said}");
    assert_eq!(peers(&[], &[]).0, 0);
    assert_ne!(peers(&[], &["--at", "yesterday"]).0, 0);
}
