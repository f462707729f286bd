//! Each detector and each template of a policy on Apache Kafka: the first scenario of its vectors in which it tells, as
//! activity under a key of its own, through a process that is killed half-way and the one that takes over.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use frostwatch_detect::catalogue::DETECTORS;
use frostwatch_rulebook::{default_rules, policy_templates};
use frostwatch_testkit::broker::{Broker, unique_name};
use scenario::{Arrival, Scenario};
use serde_json::{Value, json};
use support::group::{Group, PARTITIONS, wait_for};
use support::judge::{finals, recorded, same, values};

mod support;

#[path = "../../../tests/tests/detectors/scenario.rs"]
#[allow(dead_code, reason = "that test reads more of it")]
mod scenario;

/// What templates ask of networks. The simulated ones all lie elsewhere.
const NETWORKS: &str = "schema: networks.v1\nnetworks:\n  - {tag: risky, name: Rented, networks: [33.0.0.0/16], asns: []}\n  \
                        - {tag: corporate, name: Ours, networks: [34.0.0.0/16], asns: []}\nusual: {countries: [], asns: []}\n";
/// Scenarios of these templates ask for networks, and what they expect holds under [`NETWORKS`] too.
const ASK_FOR_NETWORKS: [&str; 2] = ["admin_from_outside", "risky_ip_logon"];

/// A scenario among others: the instance that is its own, and what is expected of its policy there.
struct Case {
    policy: &'static str,
    instance: String,
    scenario: Scenario,
}

impl Case {
    /// The first scenario of the policy's vectors in which the rule as it is shipped tells something.
    fn of(policy: &'static str, kind: &str) -> Self {
        let file = format!("{}/../../tests/vectors/{kind}/{policy}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&file).unwrap_or_else(|fault| panic!("{file}: {fault}"));
        let asks = ASK_FOR_NETWORKS.contains(&policy);
        let as_shipped = |scenario: &Scenario| {
            let own = scenario.edit.is_empty() && scenario.beside.is_empty() && scenario.places.is_empty();
            own && (scenario.networks.is_none() || asks) && !scenario.expect.alerts.is_empty()
        };
        let mut scenarios = text.lines().map(|line| serde_json::from_str::<Scenario>(line).unwrap());
        let scenario = scenarios.find(as_shipped).unwrap_or_else(|| panic!("{file}: none tells with the shipped rule"));
        Self { policy, instance: policy.replace('_', "-"), scenario }
    }

    /// Key and record of each arrival.
    fn records(&self) -> impl Iterator<Item = (Arrival, String)> {
        self.scenario.arrivals().into_iter().map(|arrival| {
            let mut record: Value = serde_json::from_slice(&arrival.value).unwrap();
            record["instance"] = json!(self.instance);
            let key = format!("{}|{}", self.instance, record["user"]["name"].as_str().unwrap());
            (Arrival { value: record.to_string().into_bytes(), ..arrival }, key)
        })
    }

    /// Holds what stands of the policy against the scenario.
    fn check(&self, alerts: &BTreeMap<String, Value>) {
        let is_here = |entity: &Value| entity["type"] == "user" && entity["instance"] == self.instance.as_str();
        let is_own = |alert: &&Value| {
            alert["rule"]["id"] == self.policy && alert["entities"].as_array().unwrap().iter().any(is_here)
        };
        let mut found: Vec<&Value> = alerts.values().filter(is_own).collect();
        found.sort_by_key(|alert| alert["first_event_time"].as_str().unwrap().to_owned());
        let wanted = &self.scenario.expect.alerts;
        assert_eq!(found.len(), wanted.len(), "{}: {}: {found:#?}", self.policy, self.scenario.name);
        for (alert, wanted) in found.iter().zip(wanted) {
            let count = wanted.count.unwrap_or_else(|| alert["count"].as_u64().unwrap());
            assert_eq!(alert["count"], count, "{}: {alert:#}", self.policy);
            let severity = wanted.severity.map_or_else(|| alert["severity"].clone(), Into::into);
            assert_eq!(alert["severity"], severity, "{}: {alert:#}", self.policy);
            let summary = alert["summary"].as_str().unwrap();
            wanted
                .summary_contains
                .iter()
                .for_each(|part| assert!(summary.contains(part), "{}: {summary}", self.policy));
        }
    }
}

/// Every detector and every template.
fn cases() -> Vec<Case> {
    let templates = policy_templates().iter().map(|(file, _)| (file.strip_suffix(".yaml").unwrap(), "policies"));
    let all = DETECTORS.iter().map(|id| (*id, "detectors")).chain(templates);
    all.map(|(policy, kind)| Case::of(policy, kind)).collect()
}

/// The places of the simulated world, all rules, the templates switched on, and the lists of the scenarios.
fn write_setup(folder: &Path, cases: &[Case]) {
    let simulate = ["simulate", "--seed", "7", "--users", "40", "--days", "16", "--setup"];
    let made =
        std::process::Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(simulate).arg(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let rules = folder.join("rules");
    fs::create_dir_all(&rules).unwrap();
    let texts = default_rules().iter().chain(policy_templates());
    texts
        .for_each(|(file, text)| fs::write(rules.join(file), text.replace("enabled: false", "enabled: true")).unwrap());
    fs::write(rules.join("networks.yaml"), NETWORKS).unwrap();

    let path = folder.join("frostwatch.yaml");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let sketches = cases.iter().flat_map(|case| &case.scenario.lists);
    let lists = sketches.map(|sketch| {
        let mut list = sketch.config.clone();
        let name = list["name"].as_str().unwrap().to_owned();
        assert!(!folder.join(&name).exists(), "two scenarios have a list '{name}': give one another name");
        fs::write(folder.join(&name), sketch.bytes()).unwrap();
        list["path"] = json!(name);
        list
    });
    config["lists"] = lists.collect();
    config["rules"] = json!("rules");
    fs::write(&path, config.to_string()).unwrap();
}

#[test]
fn every_policy_tells_on_kafka_what_its_scenario_says_and_a_replay_tells_the_same() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    write_setup(folder.path(), &cases);
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("policies"));
    let mut records: Vec<(Arrival, String)> = cases.iter().flat_map(Case::records).collect();
    records.sort_by_key(|(arrival, _)| arrival.stamp);
    let publish = |records: &[(Arrival, String)]| {
        let mut producer = group.producer();
        for (arrival, key) in records {
            producer.send(key.as_bytes(), &arrival.value, Some(arrival.stamp)).unwrap();
        }
        producer.flush().unwrap();
        wait_for("all activity is consumed", || group.is_consumed());
    };

    let (before, after) = records.split_at(records.len() / 2);
    let first = group.join();
    wait_for("it holds all partitions", || first.live_partitions() == PARTITIONS);
    publish(before);
    first.kill();
    let second = group.join();
    wait_for("the next one holds all partitions", || second.live_partitions() == PARTITIONS);
    publish(after);
    assert!(second.stop().success());

    let log = folder.path().join("activity.jsonl");
    fs::write(&log, group.record("activity")).unwrap();
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes)).concat();
    let replayed = values(&group.frostwatch(&["replay", log.to_str().unwrap(), "--final", "--suppressed"]));
    same("alerts and suppressed findings", &finals(&sent), &finals(&replayed));
    let alerts = finals(&recorded(&group.record("alerts")));
    cases.iter().for_each(|case| case.check(&alerts));
}
