//! MISP: its search, and folders of events.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::server::Reply;

fn attribute(id: u32, changes: &Value) -> Value {
    let mut attribute = json!({
        "uuid": format!("a-{id}"), "type": "ip-dst", "value": format!("11.2.{}.{}", id / 256, id % 256), "to_ids": true,
        "timestamp": "1000000", "deleted": false, "comment": "not kept",
        "Tag": [{ "name": "misp-galaxy:botnet=\"Mirai\"", "colour": "#fff" }],
    });
    attribute.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    attribute
}

fn found(attributes: &[Value]) -> Reply {
    Reply::ok(json!({ "response": { "Attribute": attributes } }).to_string())
}

#[tokio::test]
async fn a_search_is_read_page_by_page_and_later_only_for_what_changed() {
    let bench = Bench::new("misp", "misp").await;
    let url = format!("{}/misp", bench.server.address);
    let bench = bench.configured(&json!({ "url": url, "search": { "tags": ["tlp:green"], "page": 9 } }));
    let whole: Vec<Value> = (0..5_000).map(|id| attribute(id, &json!({}))).collect();
    // The first page is short, and not the last.
    bench.server.say([
        found(&whole[..4_000]),
        found(&whole[4_000..]),
        found(&[attribute(5_000, &json!({ "timestamp": "1000100" }))]),
        found(&[]),
    ]);
    assert_eq!(bench.fetch().await, "list list: fetched, 5001 entries");
    let asked = bench.server.asked();
    assert_eq!((asked[0].line.as_str(), asked.len()), ("POST /misp/attributes/restSearch", 4));
    let types = json!(["ip-src", "ip-dst", "ip-src|port", "ip-dst|port"]);
    let search = |page: u32| json!({ "returnFormat": "json", "type": types, "includeEventTags": true, "limit": 5000, "page": page, "to_ids": 1, "tags": ["tlp:green"] });
    assert_eq!((asked[0].body(), asked[1].body()), (search(1), search(2)));
    assert!(!bench.text().contains("not kept") && !bench.text().contains("#fff"));

    let changed = found(&[
        attribute(1, &json!({ "timestamp": "1000200", "deleted": true })),
        attribute(2, &json!({ "timestamp": "1000200", "to_ids": false })),
        attribute(3, &json!({ "timestamp": "1", "value": "11.9.9.9" })),
    ]);
    bench.server.say([changed, found(&[])]);
    bench.clock.pass(Duration::from_hours(1));
    assert_eq!(bench.fetch().await, "list list: fetched, 4999 entries (before: 5001)");
    let body = bench.server.asked()[0].body();
    assert_eq!((&body["timestamp"], &body["deleted"], body.get("to_ids")), (&json!("996500"), &json!([0, 1]), None));
    assert!(!bench.text().contains("11.9.9.9"), "an older version changes nothing");

    bench.clock.pass(Duration::from_hours(24));
    bench.server.say([found(&whole[..4_000]), found(&[])]);
    assert_eq!(bench.fetch().await, "list list: fetched, 4000 entries (before: 4999)");
    assert_eq!(bench.server.asked()[0].body(), search(1));
}

#[tokio::test]
async fn whatever_is_remembered_of_times_a_search_begins_in_the_past() {
    for (remembered, wanted) in [
        (json!({ "changed_after": i64::MIN }), json!("0")),
        (json!({ "changed_after": 3_599 }), json!("0")),
        (json!({ "changed_after": 3_601 }), json!("1")),
        (json!({ "full_at": i64::MAX }), Value::Null),
        (json!({ "full_at": i64::MIN }), Value::Null),
    ] {
        let bench = Bench::new("misp", "misp").await;
        let all = || found(&[attribute(1, &json!({}))]);
        bench.server.say([all(), found(&[]), all(), found(&[])]);
        bench.fetch().await;
        bench.remembered(&remembered);
        assert_eq!(bench.fetch().await, "list list: unchanged");
        assert_eq!(bench.server.asked()[2].body()["timestamp"], wanted, "{remembered}");
    }
}

#[tokio::test]
async fn an_attribute_beyond_the_limit_is_refused_and_files_may_be_large() {
    let large = |kind: &str| attribute(2, &json!({ "type": kind, "data": "x".repeat(1 << 20) }));
    for (kind, wanted) in [
        ("ip-src", "not fetched, what was there stays: S/a: an element of `Attribute` has more than 1048576 bytes"),
        ("attachment", "fetched, 1 entries"),
    ] {
        let attributes = [attribute(1, &json!({})), large(kind)];
        let bench = Bench::new("misp", "misp").await;
        bench.server.say([found(&attributes), found(&[])]);
        let told = bench.fetch().await.replace("/a/attributes/restSearch", "/a");
        assert_eq!(told, format!("list list: {wanted}"));
        let bench = Bench::new("misp", "misp_feed").await;
        let answer = json!({ "Event": { "Object": [{ "Attribute": attributes }] } });
        bench.server.say([manifest(&[(1, "5")]), Reply::ok(answer.to_string())]);
        let told = bench.fetch().await.replace("/a/0000…", "/a");
        assert_eq!(told, format!("list list: {wanted}"));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_search_changes_nothing() {
    let failed = "list list: not fetched, what was there stays: S/a/attributes/restSearch: ";
    let whole: Vec<Value> = (0..5_000).map(|id| attribute(id, &json!({}))).collect();
    for (replies, wanted) in [
        (vec![Reply::ok("{}")], "not what is expected there (line 1, Data)"),
        (vec![found(&whole), found(&whole)], "answers two pages alike"),
        (vec![Reply::status("403 Forbidden")], "status 403: the credentials are refused, or are needed"),
    ] {
        let bench = Bench::new("misp", "misp").await;
        bench.server.say(replies);
        assert_eq!(bench.fetch().await, format!("{failed}{wanted}"));
        bench.server.asked();
    }
}

fn uuid(id: u32) -> String {
    format!("00000000-0000-0000-0000-{id:012}")
}

fn manifest(events: &[(u32, &str)]) -> Reply {
    let named = events.iter().map(|(id, at)| (uuid(*id), json!({ "timestamp": at, "info": "x" }))).collect();
    Reply::new("200 OK", &[("ETag", "\"m\"")], Value::Object(named).to_string())
}

fn event(id: u32, at: &str) -> Reply {
    let in_object = attribute(id + 100, &json!({ "Tag": [] }));
    Reply::ok(json!({ "Event": {
        "uuid": uuid(id), "info": "not kept", "Tag": [{ "name": "scanner" }],
        "Attribute": [attribute(id, &json!({ "timestamp": at, "Tag": [] })), { "type": "domain", "value": "x.example" }],
        "Object": [{ "name": "x", "Attribute": [in_object] }, { "deleted": true, "Attribute": [attribute(250, &json!({}))] }],
    } }).to_string())
}

#[tokio::test]
async fn of_a_folder_only_what_changed_is_fetched() {
    let bench = Bench::new("misp", "misp_feed").await;
    let url = format!("{}/feed/", bench.server.address);
    let bench = bench.configured(&json!({ "url": url }));
    bench.server.say([manifest(&[(1, "5"), (2, "5"), (3, "5")]), event(1, "5"), event(2, "5"), event(3, "5")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 6 entries");
    assert_eq!(bench.server.lines()[1], format!("GET /feed/{}.json", uuid(1)));
    assert!(!bench.text().contains("not kept") && !bench.text().contains("11.2.0.250"));
    let kept = bench.folder.path().join("list.events");
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 3);

    bench.server.say([Reply::status("304 Not Modified")]);
    assert_eq!(bench.fetch().await, "list list: unchanged");
    assert_eq!(bench.server.asked()[0].header("if-none-match"), Some("\"m\""));

    bench.server.say([manifest(&[(1, "5"), (2, "6"), (4, "6")]), event(2, "6"), event(4, "6")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 6 entries (before: 6)");
    assert_eq!(bench.server.asked().len(), 3);
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 3, "what is no longer named is gone");

    // What came before a fault is not fetched a second time.
    bench.server.say([manifest(&[(1, "7"), (2, "7")]), event(1, "7"), Reply::status("403 Forbidden")]);
    assert!(bench.fetch().await.contains("status 403"));
    bench.server.say([manifest(&[(1, "7"), (2, "7")]), event(2, "7")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 4 entries (before: 6)");
    bench.server.asked();
}

#[tokio::test]
async fn an_event_that_is_missing_keeps_no_other_out_and_no_name_leads_elsewhere() {
    let bench = Bench::new("misp", "misp_feed").await;
    let url = format!("{}/feed", bench.server.address);
    let bench = bench.configured(&json!({ "url": url }));
    bench.server.say([manifest(&[(1, "5"), (2, "5")]), Reply::status("404 Not Found"), event(2, "5")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries");
    bench.server.say([manifest(&[(1, "5"), (2, "5")]), event(1, "5")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 4 entries (before: 2)");
    assert_eq!(bench.server.asked()[3].header("if-none-match"), None, "not all of it was there");
    for name in ["../../etc/passwd", "00000000-0000-0000-0000-00000000000", "00000000/0000-0000-0000-000000000001"] {
        bench.server.say([Reply::ok(json!({ name: { "timestamp": "1" } }).to_string())]);
        let told = bench.fetch().await;
        assert!(told.contains("is no UUID"), "{told}");
    }
}
