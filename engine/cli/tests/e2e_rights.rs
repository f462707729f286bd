//! Least rights on Apache Kafka: each command works with what `topics acls` prints for it and with nothing else; and
//! what was rejected, listed and published again.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::process::Command;

use frostwatch_testkit::broker::{Broker, Settings, guarded_port, unique_name};
use serde_json::{Value, json};
use support::group::{Group, Membership, wait_for};
use support::rows::Rows;

mod support;

const PASSWORD: &str = "no-secret";
/// Rows that cannot be read, and records of activity.
const BROKEN_ROW: &str = r#"{"sys_id":"0d3c1ece349574d0af831fa6f00d2950","sys_created_on":"yesterday","sys_created_by":"ana","file_name":"plans.txt"}"#;
const BROKEN_RECORD: &str = "{\"schema\":\"activity.v1\",\"id\":42}";

/// Somebody with a name, and what he is there for.
struct Person<'a> {
    group: &'a Group,
    name: &'static str,
    membership: Membership,
}

impl<'a> Person<'a> {
    fn new(group: &'a Group, broker: &Broker, name: &'static str) -> Self {
        let properties = json!({
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": name,
            "sasl.password": PASSWORD,
        });
        let bootstrap = format!("127.0.0.1:{}", guarded_port(broker.port().unwrap()));
        let membership =
            Membership { bootstrap: Some(bootstrap), properties: Some(properties), ..Membership::default() };
        Self { group, name, membership }
    }

    /// Gives him the rights that are printed for commands.
    fn may(self, broker: &Broker, commands: &[&str]) -> Self {
        let mut args = vec!["topics".to_owned(), "acls".to_owned(), format!("--principal=User:{}", self.name)];
        args.extend(commands.iter().map(|command| format!("--for={command}")));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, said) = self.group.ended(&args);
        assert_eq!(code, Some(0), "{said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("kafka-acls ")).collect();
        assert!(!lines.is_empty(), "{said}");
        // Each takes a second to start, so they run side by side.
        let started: Vec<_> = lines.iter().map(|line| kafka_acls(broker, line).spawn().unwrap()).collect();
        for (line, mut tool) in lines.iter().zip(started) {
            assert!(tool.wait().unwrap().success(), "{line}");
        }
        self
    }

    #[track_caller]
    fn does(&self, args: &[&str], wanted: &[&str]) -> String {
        self.ends(args, Some(0), wanted)
    }

    #[track_caller]
    fn ends(&self, args: &[&str], code: Option<i32>, wanted: &[&str]) -> String {
        let (ended, said) = self.group.ended_as(&self.membership, args);
        assert_eq!(ended, code, "{args:?} by {}: {said}", self.name);
        assert!(wanted.iter().all(|part| said.contains(part)), "{args:?} by {}: {wanted:?} in {said}", self.name);
        assert!(!said.contains(PASSWORD), "{said}");
        said
    }
}

/// The line as it is printed, run by Kafka's own tool.
fn kafka_acls(broker: &Broker, line: &str) -> Command {
    let mut tool = broker.tool("org.apache.kafka.tools.AclCommand").unwrap();
    assert!(!line.contains('\''), "nothing here needs quotes: {line}");
    tool.args(line.split_whitespace().skip(1)).stdout(std::process::Stdio::null());
    tool
}

#[test]
fn each_command_needs_the_rights_that_are_printed_for_it_and_no_others() {
    let users = ["maker", "publisher", "engine", "reader", "operator", "keeper", "nobody"];
    let users = users.map(|name| (name.to_owned(), PASSWORD.to_owned())).to_vec();
    let Some(broker) = Broker::own(&Settings { users, ..Settings::default() }).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    Rows::simulate(folder.path());
    let name = unique_name("rights");
    let consumer = json!({ "session.timeout.ms": 6000, "heartbeat.interval.ms": 500 });
    let group = Group::without_topics(folder.path(), broker.bootstrap(), &name, &consumer);

    let person = |name, commands: &[&str]| Person::new(&group, &broker, name).may(&broker, commands);
    let nobody = Person::new(&group, &broker, "nobody");
    let create = ["topics", "create", "--replication", "1", "--partitions", "6"];
    nobody.ends(&create, Some(1), &["uthoriz"]);
    let maker = person("maker", &["topics-create", "topics-check"]);
    maker.does(&create, &[".activity.v1: created"]);
    group.wait_for_leaders();
    maker.does(&["topics", "check", "--partitions", "6"], &["topics are as they should be"]);
    nobody.ends(&["topics", "check"], Some(1), &["missing"]);

    let publisher = person("publisher", &["simulate"]);
    let simulate = ["simulate", "--users", "20", "--days", "1", "--no-attacks"];
    publisher.does(&simulate, &["records of 20 accounts"]);
    nobody.ends(&simulate, Some(1), &["does not exist"]);
    publish_broken(&group, &name);

    let engine = person("engine", &["run", "normalise"]);
    let process = group.join_as(&engine.membership);
    wait_for("all rows are normalised", || group.is_normalised());
    wait_for("all activity is consumed", || group.is_consumed());
    assert!(process.count("consumed") > 100);

    let reader = person("reader", &["record"]);
    let recorded = reader.does(&["record"], &["\"activity.v1\""]);
    assert!(recorded.lines().count() > 100);
    reader.ends(&["rejected", "list"], Some(1), &["does not exist"]);
    let operator = person("operator", &["rejected-list", "rejected-replay"]);
    what_was_rejected_is_listed(&operator);
    what_was_rejected_is_published_again(&operator, &name);
    assert!(process.stop().success());

    let keeper = person("keeper", &["state-show", "state-choose"]);
    keeper.does(&["state", "show"], &[]);
    keeper.does(&["state", "rebuild"], &[]);
    nobody.ends(&["state", "show"], Some(1), &["does not exist"]);
}

fn publish_broken(group: &Group, name: &str) {
    for (topic, value) in [("raw.sys_attachment", BROKEN_ROW), ("activity.v1", BROKEN_RECORD)] {
        let mut producer = group.producer_of(&format!("{name}.{topic}"));
        producer.send(b"nordvik|ana", value.as_bytes(), None).unwrap();
        producer.flush().unwrap();
    }
}

fn what_was_rejected_is_listed(operator: &Person<'_>) {
    let list = |more: &[&str]| operator.does(&[&["rejected", "list"], more].concat(), &[]);
    let all = list(&[]);
    assert!(all.contains("2 records of ") && all.contains(".rejected.v1"), "{all}");
    assert!(all.contains("  raw_row  ") && all.contains("  unreadable  "), "{all}");
    assert!(all.contains(".activity.v1/") && all.contains(".raw.sys_attachment/"), "{all}");
    assert!(!all.contains("plans.txt") && !all.contains("yesterday"), "values are masked: {all}");
    assert!(list(&["--show"]).contains(BROKEN_ROW));
    assert!(list(&["--late"]).contains("0 records of "));
    for (more, count) in [
        (["--reason", "unreadable"], 1),
        (["--reason", "nonsense"], 0),
        (["--limit", "1"], 1),
        (["--since", "1h"], 2),
        (["--since", "0s"], 0),
        (["--since", "2026-01-05T00:00:00Z"], 2),
    ] {
        let said = list(&more);
        assert!(said.contains(&format!("{count} records of ")), "{more:?}: {said}");
    }
    let said = list(&["--json", "--show", "--reason", "unreadable"]);
    let line: Value = serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!((&line["value"], &line["key"]), (&json!(BROKEN_RECORD), &json!("nordvik|ana")));
    assert!(line["message"].as_str().unwrap().contains("id"), "{line}");
}

fn what_was_rejected_is_published_again(operator: &Person<'_>, name: &str) {
    let group = operator.group;
    let activity = format!("{name}.activity.v1");
    let again = |group: &Group| {
        let records = group.read_topic(&activity).into_iter();
        records.filter(|(headers, _)| headers.contains_key("frostwatch.replayed_from")).collect::<Vec<_>>()
    };
    let dry = operator.does(&["rejected", "replay", "--dry-run"], &["1 records would be published to"]);
    assert!(dry.contains(&activity) && dry.contains(".raw.sys_attachment"), "{dry}");
    assert!(again(group).is_empty());

    operator.does(&["rejected", "replay"], &["1 records published to"]);
    let found = again(group);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, BROKEN_RECORD.as_bytes());
    assert!(found[0].0["frostwatch.replayed_from"].starts_with(&format!("{name}.rejected.v1/")), "{:?}", found[0].0);
    // The cause was not mended, so both are rejected once more, from another place.
    wait_for("they are rejected again", || {
        let (_, said) = group.ended(&["rejected", "list"]);
        said.contains("4 records of ")
    });
}
