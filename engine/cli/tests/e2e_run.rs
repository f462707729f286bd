//! The whole path on Apache Kafka: raw rows in, processes that join, leave and are killed, and the alerts of the log.
//!
//! Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use frostwatch_testkit::broker::{Broker, unique_name};
use support::group::{Engine, Group, PARTITIONS, wait_for};
use support::judge::{finals, recorded, revisions, same, values};
use support::rows::Rows;

mod support;

/// Rows published at last, while processes read: less than an hour of the company. More of them at once would reach the
/// topics in another order than they happened, by more than the lateness.
const LIVE_ROWS: usize = 200;

#[test]
fn alerts_of_processes_that_come_go_and_die_are_those_of_a_replay() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = Rows::simulate(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("run"));
    let mut feed = group.feed(&rows);

    // A backlog: the rows of many days lie there before anybody reads, and two processes catch up with it.
    feed.publish(rows.len() / 3);
    let (first, second) = (group.join(), group.join());
    wait_for("each of two has live partitions", || all_hold(&[&first, &second]));
    wait_for("all rows are normalised", || group.is_normalised());
    wait_for("all activity is consumed", || group.is_consumed());
    assert!(first.stop().success());
    assert!(second.stop().success());
    only_repeats_are_late(&group);

    feed.publish(rows.len() - LIVE_ROWS);
    let (first, second, third) = (group.join(), group.join(), group.join());
    wait_for("each of three has live partitions", || all_hold(&[&first, &second, &third]));
    let before = [&first, &third].map(|engine| engine.count("restored_in_silence"));
    let taken_in = second.count("consumed");
    feed.publish(rows.len());
    wait_for("the second process is in the midst of it", || second.count("consumed") > taken_in);
    second.kill();
    wait_for("the others took its partitions over", || all_hold(&[&first, &third]));
    let after = [&first, &third].map(|engine| engine.count("restored_in_silence"));
    assert!(after > before, "a partition taken over is re-run in silence: {before:?}, {after:?}");
    wait_for("all rows are normalised", || group.is_normalised());
    wait_for("all activity is consumed", || group.is_consumed());
    pages_tell_of_the_process(&first);
    assert!(first.stop().success());
    assert!(third.stop().success());

    only_repeats_are_late(&group);
    headers_route_without_parsing(&group);
    exit_codes_tell_of_topics(&group);
    check(&group, folder.path());
}

/// Do all of them have live partitions, and together all there are?
fn all_hold(engines: &[&Engine]) -> bool {
    let held: Vec<u64> = engines.iter().map(|engine| engine.live_partitions()).collect();
    held.iter().all(|held| *held > 0) && held.iter().sum::<u64>() == PARTITIONS
}

fn pages_tell_of_the_process(engine: &Engine) {
    let page = |path: &str| engine.page(path).unwrap();
    assert!(page("/livez").starts_with("HTTP/1.1 200") && page("/livez").ends_with("live\n"));
    assert!(page("/version").contains("frostwatch 0."));
    let ready = page("/readyz");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ready\n"), "{ready}");
    assert!(ready.contains(": live, position ") && !ready.contains("warning"), "{ready}");
    assert!(page("/nowhere").starts_with("HTTP/1.1 404"));
    let metrics = page("/metrics");
    for counter in
        ["frostwatch_normaliser_events_total{event=\"commit\"}", "frostwatch_records_total{outcome=\"scored\"}"]
    {
        assert!(metrics.contains(counter), "{metrics}");
    }
}

fn headers_route_without_parsing(group: &Group) {
    let (headers, alert) = group.first_alert();
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let field = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(header("schema"), "alert.v1");
    assert_eq!(header("instance"), "nordvik");
    for name in ["id", "policy", "change"] {
        assert_eq!(header(name), field(name), "{name}");
        assert!(!header(name).is_empty(), "{name}");
    }
    assert_eq!(header("severity"), alert["severity"].to_string());
    assert_eq!(header("significant"), alert["significant"].to_string());
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("ce_specversion"), "1.0");
    assert_eq!(header("ce_id"), format!("{}-{}-{}", field("id"), alert["epoch"], alert["revision"]));
    assert_eq!(header("ce_type"), format!("frostwatch.alert.v1.{}", field("change")));
    assert_eq!(header("ce_source"), format!("frostwatch/{}", header("instance")));
    assert_eq!(header("ce_time"), field("last_event_time"));
    assert!(header("ce_subject").starts_with(&format!("{}|", header("instance"))));
}

fn exit_codes_tell_of_topics(group: &Group) {
    let (code, said) = group.ended(&["topics", "check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 partitions where 24 are wanted; it works as it is"), "{said}");
    let (code, said) = group.ended(&["topics", "check", "--activity-kept-days", "400"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("retention.ms is 604800000"), "{said}");
}

/// The rows lay there at once and several processes read them, and yet each user's came in order: what is late is what
/// the killed process had published and not committed.
fn only_repeats_are_late(group: &Group) {
    let ids = |purpose: &str| -> Vec<String> {
        let records = values(&group.record(purpose));
        // A recording begins with the switches of rules, which have none.
        records.iter().filter_map(|record| Some(record["value"]["id"].as_str()?.to_owned())).collect()
    };
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    ids("activity").into_iter().for_each(|id| *copies.entry(id).or_default() += 1);
    let late = ids("late");
    let first: Vec<&String> = late.iter().filter(|id| copies[*id] < 2).collect();
    assert!(first.is_empty(), "{} of {} late records are no repeats, such as {}", first.len(), late.len(), first[0]);
}

fn check(group: &Group, folder: &Path) {
    let log = folder.join("activity.jsonl");
    std::fs::write(&log, group.record("activity")).unwrap();
    let log = log.to_str().unwrap();
    let sent = [group.record("alerts"), group.record("suppressions")].map(|bytes| recorded(&bytes));
    let (opened, all) = (&sent[0], sent.concat());

    let replayed = values(&group.frostwatch(&["replay", log, "--final"]));
    let policies: std::collections::BTreeSet<&str> =
        replayed.iter().filter_map(|alert| alert["policy"].as_str()).collect();
    assert_eq!(policies.len(), 6, "every detector had something to find: {policies:?}");
    same("alerts", &finals(opened), &finals(&replayed));
    let replayed = values(&group.frostwatch(&["replay", log, "--final", "--suppressed"]));
    same("alerts and suppressed findings", &finals(&all), &finals(&replayed));
    let replayed = values(&group.frostwatch(&["replay", log, "--suppressed"]));
    same("revisions", &revisions(&all), &revisions(&replayed));
}
