//! Collections of TAXII 2.1.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::server::{Asked, Reply};

const TYPE: (&str, &str) = ("Content-Type", "application/taxii+json;version=2.1");

fn indicator(id: u32, changes: &Value) -> Value {
    let mut indicator = json!({
        "type": "indicator", "spec_version": "2.1", "id": format!("indicator--{id}"), "modified": "2026-03-01T00:00:00.000Z",
        "pattern": format!("[ipv4-addr:value = '11.2.3.{id}']"), "pattern_type": "stix", "labels": ["c2"],
        "valid_from": "2026-03-01T00:00:00Z", "description": "not kept",
    });
    indicator.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    indicator
}

fn page(objects: &[Value], next: Option<&str>, added_last: Option<&str>) -> Reply {
    let mut envelope = json!({ "more": next.is_some(), "objects": objects });
    next.filter(|next| !next.is_empty()).iter().for_each(|next| envelope["next"] = json!(next));
    let headers: Vec<_> = [TYPE].into_iter().chain(added_last.map(|last| ("X-TAXII-Date-Added-Last", last))).collect();
    Reply::new("200 OK", &headers, envelope.to_string())
}

fn answer(value: &Value) -> Reply {
    Reply::new("200 OK", &[TYPE], value.to_string())
}

/// The query of a request, read.
fn query(asked: &Asked) -> String {
    let query = asked.line.split_once('?').unwrap().1;
    query.replace("match%5Btype%5D=indicator&limit=1000", "").replace("%3A", ":")
}

async fn collection() -> Bench {
    let bench = Bench::new("stix", "taxii").await;
    let url = format!("{}/api/collections/c1/", bench.server.address);
    bench.configured(&json!({ "url": url }))
}

#[tokio::test]
async fn a_collection_is_found_from_the_discovery_by_its_title() {
    let bench = Bench::new("stix", "taxii").await;
    let url = format!("{}/taxii2/", bench.server.address);
    let bench = bench.configured(&json!({ "url": url, "collection": "Bad addresses" }));
    let collections = json!({ "collections": [
        { "id": "c0", "title": "Other", "can_read": true }, { "id": "c1", "title": "Bad addresses", "can_read": true },
    ] });
    bench.server.say([
        answer(&json!({ "title": "x", "default": "/one/", "api_roots": ["/one/", format!("{}/two", bench.server.address)] })),
        answer(&json!({ "collections": [] })),
        answer(&collections),
        page(&[indicator(1, &json!({}))], None, None),
    ]);
    assert_eq!(bench.fetch().await, "list list: fetched, 1 entries");
    let asked = bench.server.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /taxii2/",
            "GET /one/collections/",
            "GET /two/collections/",
            "GET /two/collections/c1/objects/?match%5Btype%5D=indicator&limit=1000",
        ]
    );
    assert!(asked.iter().all(|asked| asked.header("accept") == Some("application/taxii+json;version=2.1")));
    assert!(!bench.text().contains("not kept"), "what no list is made of is left out");
}

#[tokio::test]
async fn pages_are_followed_and_later_only_what_came_since_is_asked_for() {
    let bench = collection().await;
    bench.server.say([
        page(
            &[indicator(1, &json!({})), json!({ "type": "identity", "id": "identity--1" })],
            Some("n1"),
            Some("2026-03-01T01:00:00Z"),
        ),
        page(&[indicator(2, &json!({}))], Some("n2"), Some("2026-03-01T02:00:00Z")),
        page(&[indicator(3, &json!({}))], None, Some("2026-03-01T03:00:00Z")),
    ]);
    assert_eq!(bench.fetch().await, "list list: fetched, 3 entries");
    assert_eq!(bench.server.asked().iter().map(query).collect::<Vec<_>>(), ["", "&next=n1", "&next=n2"]);

    // One was changed, one revoked, one came; one more ended long ago.
    let later = |more: Value| {
        let mut changes = json!({ "modified": "2026-03-02T00:00:00.000Z" });
        changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        changes
    };
    bench.server.say([page(
        &[
            indicator(1, &later(json!({ "confidence": 90 }))),
            indicator(2, &later(json!({ "revoked": true }))),
            indicator(4, &json!({})),
            indicator(5, &json!({ "valid_until": "2026-02-22T00:00:00Z" })),
            // An older version that comes last.
            indicator(1, &json!({ "confidence": 10 })),
        ],
        None,
        Some("2026-03-02T01:00:00Z"),
    )]);
    bench.clock.pass(Duration::from_hours(1));
    assert_eq!(bench.fetch().await, "list list: fetched, 3 entries (before: 3)");
    assert_eq!(bench.server.asked().iter().map(query).collect::<Vec<_>>(), ["&added_after=2026-03-01T03:00:00Z"]);
    assert!(bench.text().contains("\"confidence\":90") && !bench.text().contains("\"confidence\":10"));

    bench.server.say([page(&[], None, None)]);
    bench.clock.pass(Duration::from_hours(1));
    assert_eq!(bench.fetch().await, "list list: unchanged");
    assert_eq!(bench.server.asked().iter().map(query).collect::<Vec<_>>(), ["&added_after=2026-03-02T01:00:00Z"]);

    // A day after the beginning all is read again, and what is gone is gone.
    bench.server.say([page(&[indicator(1, &json!({})), indicator(4, &json!({}))], None, None)]);
    bench.clock.pass(Duration::from_hours(22));
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries (before: 3)");
    assert_eq!(bench.server.asked().iter().map(query).collect::<Vec<_>>(), [""]);
}

#[tokio::test]
async fn a_newer_version_that_has_ended_takes_the_place_of_the_older() {
    let bench = collection().await;
    let ended = json!({ "modified": "2026-03-02T00:00:00.000Z", "valid_until": "2026-02-22T00:00:00Z" });
    let both = [indicator(1, &ended), indicator(1, &json!({})), indicator(2, &json!({})), indicator(3, &json!({}))];
    bench.server.say([page(&both, None, Some("2026-03-01T03:00:00Z")), page(&[indicator(2, &ended)], None, None)]);
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries");
    assert_eq!(bench.fetch().await, "list list: fetched, 1 entries (before: 2)");
    assert!(bench.text().contains("indicator--3") && !bench.text().contains("indicator--2"));
}

#[tokio::test]
async fn an_indicator_beyond_the_limit_is_refused_and_other_objects_may_be_large() {
    let large = json!({ "pattern": "x".repeat(1 << 20) });
    let artifact = json!({ "type": "artifact", "id": "artifact--1", "payload_bin": "x".repeat(1 << 20) });
    for (objects, wanted) in [
        (
            [indicator(1, &json!({})), indicator(2, &large)],
            "not fetched, what was there stays: S/api/collections/c1/objects/: an element of `objects` has more than \
             1048576 bytes",
        ),
        ([indicator(1, &json!({})), artifact], "fetched, 1 entries"),
    ] {
        let bench = collection().await;
        bench.server.say([page(&objects, None, None)]);
        assert_eq!(bench.fetch().await, format!("list list: {wanted}"));
    }
}

#[tokio::test]
async fn a_server_that_marks_no_page_is_asked_again_from_the_time_of_the_last_object() {
    let of = |ids: &[u32]| ids.iter().map(|id| indicator(*id, &json!({}))).collect::<Vec<_>>();
    let bench = collection().await;
    // The second and the third came at one instant, and the page ends between them.
    bench.server.say([
        page(&of(&[1, 2]), Some(""), Some("2026-03-01T01:00:00Z")),
        page(&of(&[2, 3, 4]), Some(""), Some("2026-03-01T02:00:00.5Z")),
        page(&of(&[4, 5]), None, Some("2026-03-01T03:00:00Z")),
    ]);
    assert_eq!(bench.fetch().await, "list list: fetched, 5 entries");
    assert_eq!(
        bench.server.asked().iter().map(query).collect::<Vec<_>>(),
        ["", "&added_after=2026-03-01T00:59:59.999999Z", "&added_after=2026-03-01T02:00:00.499999Z"]
    );
}

#[tokio::test]
async fn a_server_that_marks_no_page_and_has_more_than_one_of_an_instant_is_told() {
    let one = || page(&[indicator(1, &json!({}))], Some(""), Some("2026-03-01T01:00:00Z"));
    let earlier = || page(&[indicator(1, &json!({}))], Some(""), Some("2026-03-01T00:00:00Z"));
    for (replies, wanted) in [
        ([one(), one()], "a whole page was added at one instant, and no `next` says what follows"),
        ([one(), earlier()], "says that there is more, and not where"),
    ] {
        let bench = collection().await;
        bench.server.say(replies);
        let told = format!("list list: not fetched, what was there stays: S/api/collections/c1/objects/: {wanted}");
        assert_eq!(bench.fetch().await, told);
        assert_eq!((bench.text().as_str(), bench.server.asked().len()), ("", 2));
    }
}

#[tokio::test]
async fn nothing_is_kept_of_a_collection_that_breaks_off() {
    let failed = "list list: not fetched, what was there stays: S/api/collections/c1/objects/: ";
    let first = || page(&[indicator(1, &json!({}))], Some("n1"), None);
    for (replies, wanted) in [
        (vec![first(), Reply::status("403 Forbidden")], "status 403: the credentials are refused, or are needed"),
        (vec![first(), page(&[], Some("n1"), None)], "says that there is more, and not where"),
        (vec![first(), Reply::ok("<html>")], "not what is expected there (line 1, Syntax)"),
        (vec![Reply::ok("{\"objects\": [3]}")], "an element of `objects` is no object"),
        (vec![Reply::ok("{\"objects\": 3}")], "not what is expected there (line 1, Data)"),
        (vec![Reply::status("406 Not Acceptable")], "status 406: it does not speak this kind of feed"),
    ] {
        let bench = collection().await;
        bench.server.say(replies);
        assert_eq!(bench.fetch().await, format!("{failed}{wanted}"));
        assert_eq!((bench.text().as_str(), bench.server.asked().is_empty()), ("", false));
    }
    let bench = collection().await;
    bench.server.say([page(&[], None, None)]);
    let told = "list list: the answer is refused, what was there stays: line 0: names no address; is it the right file?; if \
                nothing is left of it, `frostwatch lists fetch --once --accept-shrunk list`";
    assert_eq!(bench.fetch().await, told);
}

#[tokio::test]
async fn a_collection_that_is_not_to_be_had_is_told() {
    let failed = "list list: not fetched, what was there stays: ";
    for (replies, wanted) in [
        (
            vec![json!({ "api_roots": ["https://elsewhere.example/api/"] })],
            "S/taxii2: names https://elsewhere.example/api/ on another host; if that is right, name it in `url`",
        ),
        (
            vec![
                json!({ "versions": ["application/taxii+json;version=2.1"] }),
                json!({ "collections": [{ "id": "c0" }] }),
            ],
            "S/taxii2: has no collection of the id, alias or title that `collection` says",
        ),
        (
            vec![json!({}), json!({ "collections": [{ "id": "c1", "can_read": false }] })],
            "S/taxii2/collections/: these credentials may not read the collection",
        ),
    ] {
        let bench = Bench::new("stix", "taxii").await;
        let url = format!("{}/taxii2", bench.server.address);
        let bench = bench.configured(&json!({ "url": url, "collection": "c1" }));
        bench.server.say(replies.iter().map(answer));
        assert_eq!(bench.fetch().await, format!("{failed}{wanted}"));
        bench.server.asked();
    }
    // An id is a name, wherever it seems to lead.
    let bench = Bench::new("stix", "taxii").await;
    let url = format!("{}/taxii2", bench.server.address);
    let bench = bench.configured(&json!({ "url": url, "collection": "x" }));
    bench.server.say([
        answer(&json!({})),
        answer(&json!({ "collections": [{ "id": "../../x?y", "title": "x" }] })),
        page(&[indicator(1, &json!({}))], None, None),
    ]);
    bench.fetch().await;
    assert!(bench.server.lines()[2].starts_with("GET /taxii2/collections/..%2F..%2Fx%3Fy/objects/?"));
}
