//! From a feed to an alert: a process fetches a collection of TAXII, turns to it, and tells who worked from its addresses.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use std::fs;

use frostwatch_detect::time::{Millis, rfc3339};
use frostwatch_testkit::broker::{Broker, unique_name};
use serde_json::{Value, json};
use support::group::{Group, PARTITIONS, wait_for};
use support::judge::recorded;
use support::web::Web;

mod support;

const OBJECTS: &str = "/api/collections/c1/objects/";
const DAY: Millis = 1_772_442_000_000;

/// A collection that says these hosts of `11.2.3.0/24` are control servers.
fn collection(hosts: &[u8]) -> String {
    let indicator = |host: &u8| {
        json!({
            "type": "indicator", "spec_version": "2.1", "id": format!("indicator--{host}"), "modified": "2026-03-01T00:00:00Z",
            "pattern": format!("[ipv4-addr:value = '11.2.3.{host}']"), "pattern_type": "stix", "labels": ["c2"],
            "confidence": 90, "valid_from": "2026-03-01T00:00:00Z",
        })
    };
    json!({ "more": false, "objects": hosts.iter().map(indicator).collect::<Vec<_>>() }).to_string()
}

/// Somebody works from a host.
fn work(group: &Group, user: &str, host: u8) {
    let mut producer = group.producer();
    let value = json!({
        "schema": "activity.v1", "id": format!("{user}-{host}"), "time": rfc3339(DAY), "instance": "acme",
        "user": { "name": user }, "action": "view", "outcome": "success",
        "client": { "ip": format!("11.2.3.{host}") }, "source": { "producer": "test" },
    });
    producer.send(format!("acme|{user}").as_bytes(), value.to_string().as_bytes(), Some(DAY + 1_000)).unwrap();
    producer.flush().unwrap();
    wait_for("all activity is consumed", || group.is_consumed());
}

#[test]
fn who_works_from_an_address_that_a_feed_names_is_told_with_the_name_of_the_feed() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let (folder, web) = (tempfile::tempdir().unwrap(), Web::start());
    web.say(OBJECTS, &collection(&[4]));
    let config = json!({
        "schema": "config.v1",
        "lists": [{ "name": "our_taxii", "path": "taxii.json", "format": "stix", "confidence": 60 }],
        "feeds": [{ "list": "our_taxii", "kind": "taxii", "url": format!("{}/api/collections/c1/", web.address),
                    "allow_http": true, "proxy": "none" }],
    });
    fs::write(folder.path().join("frostwatch.yaml"), config.to_string()).unwrap();
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("feeds"));

    // It begins without the list, fetches it, and turns to it.
    let engine = group.join();
    wait_for("it holds all partitions", || engine.live_partitions() == PARTITIONS);
    let holds = |text: &str| engine.metrics().is_some_and(|metrics| metrics.contains(text));
    wait_for("the list is fetched and read", || holds("frostwatch_list_entries{list=\"our_taxii\"} 1"));
    wait_for("every partition turned to it", || engine.count("ruling_turned") >= PARTITIONS);
    work(&group, "ana", 4);
    work(&group, "bo", 5);

    // The feed changes.
    web.say(OBJECTS, &collection(&[4, 5]));
    let turns = engine.count("ruling_turned");
    group.frostwatch(&["lists", "fetch", "--once"]);
    wait_for("every partition turned to the changed feed", || engine.count("ruling_turned") >= turns + PARTITIONS);
    work(&group, "cy", 5);
    let metrics = engine.metrics().unwrap();
    for wanted in [
        "frostwatch_feed_fetches_total{list=\"our_taxii\",outcome=\"replaced\"} 1",
        "frostwatch_feed_entries{list=\"our_taxii\"} 1",
        "frostwatch_feed_interval_seconds{list=\"our_taxii\"} 3600",
        "frostwatch_list_entries{list=\"our_taxii\"} 2",
    ] {
        assert!(metrics.contains(wanted), "{wanted}: {metrics}");
    }
    assert!(engine.stop().success());

    let alerts = recorded(&group.record("alerts"));
    let told: Vec<&Value> = alerts.iter().filter(|alert| alert["policy"] == "suspicious_ip").collect();
    let mut summaries: Vec<&str> = told.iter().filter_map(|alert| alert["summary"].as_str()).collect();
    summaries.sort_unstable();
    assert_eq!(summaries.len(), 2, "{alerts:?}");
    for (summary, begins) in summaries.iter().zip(["ana worked from 11.2.3.4", "cy worked from 11.2.3.5"]) {
        assert!(summary.starts_with(begins) && summary.contains("by the list our_taxii"), "{summary}");
    }
    assert!(told.iter().all(|alert| alert["versions"]["lists"][0]["id"] == "our_taxii"), "{told:?}");
}
