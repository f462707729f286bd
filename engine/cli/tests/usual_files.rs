//! `frostwatch usual-files` over a few people, with the numbers worked out by hand, and the rule that takes what it says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use frostwatch_rulebook::{Rulebook, default_rules};
use serde_json::json;

fn line(number: usize, user: &str, day: u32, action: &str, name: &str, outcome: &str) -> String {
    json!({
        "schema": "activity.v1", "id": format!("r{number}"), "time": format!("2026-03-{day:02}T09:00:00Z"), "instance": "acme",
        "user": { "name": user }, "action": action, "outcome": outcome, "source": { "producer": "test" },
        "object": { "kind": "attachment", "table": "sys_attachment", "id": number.to_string(), "name": name },
    })
    .to_string()
}

#[test]
fn what_people_write_on_several_days_is_told_as_the_rule_takes_it() {
    let mut lines = Vec::new();
    let mut add = |user: &str, days: &[u32], action: &str, name: &str, outcome: &str| {
        days.iter().for_each(|day| lines.push(line(lines.len(), user, *day, action, name, outcome)));
    };
    for user in ["ana", "bo", "Ana"] {
        add(user, &[2, 3], "upload", "plan.encx", "success");
        add(user, &[4], "upload", "how to decrypt.txt", "success");
    }
    // On one day, though many times; by a usual program; not done; and by ransomware, which is never usual.
    add("cy", &[2, 2, 2], "upload", "plan.encx", "success");
    add("cy", &[2, 3, 4], "upload", "plan.docx", "success");
    add("dan", &[2, 3], "upload", "plan.encx", "failure");
    add("dan", &[2, 3], "rename", "plan.lockbit", "success");
    add("dan", &[2, 9], "upload", "HOW_TO_DECRYPT.html", "success");

    let mut command = Command::new(env!("CARGO_BIN_EXE_frostwatch"));
    command.arg("usual-files").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(
        told,
        format!(
            "    # Measured over {} records from 2026-03-02T09:00:00Z to 2026-03-09T09:00:00Z.\n    usual_people: 5\n    \
             seen_extensions: [{{\"name\":\"encx\",\"people\":2}}]\n    seen_notes: [{{\"name\":\"how_to_decrypt\",\"people\":1}}]\n",
            lines.len()
        )
    );
    let shipped = default_rules().iter().find(|(file, _)| *file == "ransomware.yaml").unwrap().1;
    let unmeasured = "    usual_people: 0\n    seen_extensions: []\n    seen_notes: []\n";
    assert!(shipped.contains(unmeasured));
    let measured = shipped.replace(unmeasured, &told);
    assert!(Rulebook::parse(&[("ransomware.yaml", &measured)], None).is_ok(), "{measured}");
}
