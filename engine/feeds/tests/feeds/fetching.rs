//! What holds for every kind: versions, retries, limits, and what never takes the place of a list.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use frostwatch_feeds::Allowed;
use serde_json::json;
use tokio::runtime::Handle;

use crate::bench::Bench;
use crate::server::Reply;

const LIST: &str = "11.2.3.4\n11.2.3.5\n";
const STIX: &str = r#"{"objects": [{"type": "indicator", "id": "indicator--1", "modified": "2026-03-01T00:00:00Z",
    "pattern": "[ipv4-addr:value IN ('11.2.3.4', '11.2.3.5')]", "pattern_type": "stix", "labels": ["c2"],
    "valid_from": "2026-03-01T00:00:00Z"}]}"#;
const MANIFEST: &str = r#"{"5a1b2c3d-0000-4000-8000-000000000001": {"timestamp": "1"}}"#;
const EVENT: &str = r#"{"Event": {"Tag": [{"name": "scanner"}], "Attribute": [
    {"uuid": "a-1", "type": "ip-src", "value": "11.2.3.4", "to_ids": true, "timestamp": "1"},
    {"uuid": "a-2", "type": "ip-src", "value": "11.2.3.5", "to_ids": true, "timestamp": "1"}]}}"#;

#[tokio::test]
async fn a_list_is_written_whole_and_asked_for_again_by_its_version() {
    let bench = Bench::new("plain", "file").await;
    let version = [("ETag", "\"v1\""), ("Last-Modified", "Mon, 02 Mar 2026 09:00:00 GMT")];
    bench.server.say([Reply::new("200 OK", &version, LIST), Reply::status("304 Not Modified")]);
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries");
    assert_eq!(bench.text(), LIST);
    let before = fs::metadata(bench.path()).unwrap().modified().unwrap();
    assert_eq!(bench.fetch().await, "list list: unchanged");
    assert_eq!(fs::metadata(bench.path()).unwrap().modified().unwrap(), before, "nobody need read it again");
    let asked = bench.server.asked();
    assert_eq!((asked[0].header("if-none-match"), asked[0].header("if-modified-since")), (None, None));
    assert_eq!(asked[1].header("if-none-match"), Some("\"v1\""));
    assert_eq!(asked[1].header("if-modified-since"), Some("Mon, 02 Mar 2026 09:00:00 GMT"));
    let names: Vec<_> = fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing half written is left: {names:?}");
}

#[tokio::test]
async fn what_somebody_else_changed_or_took_away_is_fetched_whole() {
    let bench = Bench::new("plain", "file").await;
    let whole = || Reply::new("200 OK", &[("ETag", "\"v1\"")], LIST);
    bench.server.say([whole(), whole(), whole(), whole()]);
    bench.fetch().await;
    bench.write("11.9.9.9\n");
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries (before: 1)");
    fs::remove_file(bench.path()).unwrap();
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries");
    // Another address of the feed: what was remembered is of no use.
    let moved = format!("{}/b", bench.server.address);
    let bench = bench.configured(&json!({ "url": moved }));
    assert_eq!(bench.fetch().await, "list list: unchanged", "the same content is not written again");
    assert!(bench.server.asked().iter().all(|asked| asked.header("if-none-match").is_none()));
}

#[tokio::test]
async fn what_may_pass_is_asked_for_again_after_a_wait_and_what_does_not_is_not() {
    let bench = Bench::new("plain", "file").await;
    let asks_for = |status: &str, secs: &str| Reply::new(status, &[("Retry-After", secs)], "");
    let ok = || Reply::ok(LIST);
    for (replies, wanted, waits) in [
        (vec![asks_for("429 Too Many Requests", "7"), ok()], "list list: fetched, 2 entries", vec![7_000]),
        (vec![Reply::status("500 Internal Server Error"), ok()], "list list: unchanged", vec![1_000]),
        (
            vec![asks_for("503 Service Unavailable", "Mon, 02 Mar 2026 09:00:30 GMT"), ok()],
            "list list: unchanged",
            vec![22_000],
        ),
        (vec![ok().cut(3), ok()], "list list: unchanged", vec![1_000]),
        (vec![Reply(Vec::new()), ok()], "list list: unchanged", vec![1_000]),
        (
            vec![Reply::status("502 Bad Gateway"); 5],
            "list list: not fetched, what was there stays: S/a: status 502: the server failed",
            vec![1_000, 2_000, 4_000, 8_000],
        ),
        (
            vec![asks_for("429 Too Many Requests", "86400")],
            "list list: not fetched, what was there stays: S/a: status 429: asked too often",
            vec![],
        ),
        (
            vec![Reply::status("404 Not Found")],
            "list list: not fetched, what was there stays: S/a: status 404: nothing is there",
            vec![],
        ),
        (
            vec![Reply::status("401 Unauthorized")],
            "list list: not fetched, what was there stays: S/a: status 401: the credentials are refused, or are needed",
            vec![],
        ),
    ] {
        let count = replies.len();
        bench.server.say(replies);
        assert_eq!(bench.fetch().await, wanted);
        assert_eq!((bench.waits(), bench.server.asked().len()), (waits, count), "{wanted}");
        assert_eq!(bench.text(), LIST);
    }
    // However often an answer breaks off, half of it is never a list.
    bench.server.say(vec![Reply::ok("11.2.3.4\n11.2.3.5\n11.7.7.7\n").cut(9); 5]);
    let told = bench.fetch().await;
    assert!(told.starts_with("list list: not fetched, what was there stays: S/a: the answer broke off"), "{told}");
    assert_eq!(bench.text(), LIST);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_given_up() {
    let bench = Bench::new("plain", "file").await.configured(&json!({ "bytes_max": 18 }));
    bench.server.say([Reply::ok(LIST)]);
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries", "exactly the limit");
    let told = "list list: not fetched, what was there stays: S/a: more than 18 bytes";
    bench.server.say([Reply::ok(format!("{LIST}#"))]);
    assert_eq!(bench.fetch().await, told);
    // One that does not say how long it is.
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{LIST}\r\n1\r\n#\r\n0\r\n\r\n");
    bench.server.say([Reply(chunked.into_bytes())]);
    assert_eq!(bench.fetch().await, told);
    assert_eq!(bench.text(), LIST);
}

#[tokio::test]
async fn what_is_broken_or_empty_never_takes_the_place_of_a_list() {
    let bench = Bench::new("plain", "file").await;
    bench.write(LIST);
    let refused = "list list: the answer is refused, what was there stays: ";
    let empty = "line 0: names no address; is it the right file?; if nothing is left of it, `frostwatch lists fetch --once \
                 --accept-shrunk list`";
    for (body, wanted) in [
        ("", empty),
        ("# nothing today\n", empty),
        ("<html>\n", "line 1: '<html>' is no address and no network as 11.2.3.0/24"),
        ("11.2.3.4\n11.2.3\n", "line 2: '11.2.3' is no address and no network as 11.2.3.0/24"),
        ("10.0.0.1\n", empty),
    ] {
        bench.server.say([Reply::ok(body)]);
        assert_eq!(bench.fetch().await, format!("{refused}{wanted}"));
        assert_eq!(bench.text(), LIST, "{body}");
    }
    let counts = bench.feeds().counts().read()["list"].clone();
    assert_eq!((counts.succeeded_at, counts.interval_secs), (0, 3_600), "never");
}

#[tokio::test]
async fn what_the_engine_would_not_load_is_refused() {
    let entangled = (0..65).map(|score| format!("11.2.3.4,vpn,{score}")).collect::<Vec<_>>().join("\n");
    for (configured, lines, wanted) in [
        (
            None,
            entangled.as_str(),
            "the answer is refused, what was there stays: 'list': 65 entries for one network; at most 64 are allowed",
        ),
        (
            None,
            "11.2.3.4,vpn,9\n11.2.3.5,known_good,9\n",
            "the answer is refused, what was there stays: says known_good, which what is fetched may only under \
             `category: known_good` of the list",
        ),
        (Some("known_good"), "11.2.3.4,vpn,9\n11.2.3.5,known_good,9\n", "fetched, 2 entries"),
    ] {
        let bench = Bench::new("csv", "file").await.listed(&json!({ "category": configured }));
        bench.server.say([Reply::ok(format!("network,category,confidence\n{lines}"))]);
        assert_eq!(bench.fetch().await, format!("list list: {wanted}"));
        assert_eq!(bench.text().is_empty(), wanted.contains("refused"));
    }
}

#[tokio::test]
async fn nothing_changed_is_only_said_to_who_asked_for_that() {
    for (kind, format, path) in [("file", "plain", "a"), ("misp_feed", "misp", "a/manifest.json")] {
        let bench = Bench::new(format, kind).await;
        bench.server.say([Reply::status("304 Not Modified")]);
        let told = format!(
            "list list: not fetched, what was there stays: S/{path}: says that nothing changed, and was not asked for that"
        );
        assert_eq!(bench.fetch().await, told);
    }
}

#[tokio::test]
async fn a_time_that_is_still_to_come_is_taken_for_now() {
    let bench = Bench::new("plain", "file").await;
    bench.server.say([Reply::ok(LIST)]);
    bench.fetch().await;
    let begin = 1_772_442_000_000_i64;
    for (remembered, wanted) in [(begin - 1, begin - 1), (i64::MAX, begin), (i64::MIN, 0)] {
        bench.remembered(&json!({ "checked_at": remembered }));
        assert_eq!(bench.feeds().counts().read()["list"].succeeded_at, wanted, "{remembered}");
    }
}

#[tokio::test]
async fn a_list_that_shrinks_too_much_is_held_until_somebody_allows_it() {
    let bench = Bench::new("plain", "file").await;
    let of = |count: usize| (0..count).map(|host| format!("11.2.3.{host}")).collect::<Vec<_>>().join("\n");
    for (count, wanted) in [
        (10, "list list: fetched, 10 entries"),
        (5, "list list: fetched, 5 entries (before: 10)"),
        (
            2,
            "list list: held back: 2 entries where there were 5; what was there stays. If that is right: `frostwatch lists \
             fetch --once --accept-shrunk list`, or a larger shrink_max_percent",
        ),
    ] {
        bench.server.say([Reply::new("200 OK", &[("ETag", &format!("\"{count}\""))], of(count))]);
        assert_eq!(bench.fetch().await, wanted);
    }
    assert_eq!(bench.text(), of(5));
    bench.server.say([Reply::ok(of(2))]);
    let allowed = Allowed { shrunk: true, ..Allowed::default() };
    assert_eq!(bench.fetch_allowed(allowed).await, "list list: fetched, 2 entries (before: 5)");
    assert_eq!(bench.server.asked()[3].header("if-none-match"), Some("\"5\""), "what was held is asked for again");
}

#[tokio::test]
async fn a_list_of_which_nothing_is_left_is_taken_when_somebody_allows_it_and_fills_again() {
    let shrunk = Allowed { shrunk: true, ..Allowed::default() };
    for (format, kind, some, none) in [
        ("plain", "file", LIST, "# nothing today\n"),
        (
            "csv",
            "file",
            "network,category,confidence\n11.2.3.4,vpn,9\n11.2.3.5,vpn,9\n",
            "network,category,confidence\n",
        ),
        ("stix", "taxii", STIX, "{\"objects\": []}"),
        ("misp", "misp_feed", MANIFEST, "{}"),
    ] {
        let mut bench = Bench::new(format, kind).await;
        if kind == "taxii" {
            let url = format!("{}/api/collections/c1/", bench.server.address);
            bench = bench.configured(&json!({ "url": url }));
        }
        let replies =
            |body| if body == MANIFEST { vec![Reply::ok(body), Reply::ok(EVENT)] } else { vec![Reply::ok(body)] };
        bench.server.say([some, none, none, none, some].into_iter().flat_map(replies));
        assert_eq!(bench.fetch().await, "list list: fetched, 2 entries", "{format}");
        assert!(bench.fetch().await.contains("refused"), "{format}");
        assert_eq!(bench.fetch_allowed(shrunk).await, "list list: fetched, 0 entries (before: 2)", "{format}");
        assert_eq!(bench.entries(), Ok(0), "the engine loads it");
        assert_eq!(bench.fetch().await, "list list: unchanged", "{format}");
        assert_eq!(bench.fetch().await, "list list: fetched, 2 entries (before: 0)", "{format}");
        assert_eq!(bench.entries(), Ok(2));
        // What is no such list is refused whatever is allowed.
        bench.server.say([Reply::ok("<html>\n")]);
        let told = bench.fetch_allowed(shrunk).await;
        assert!(["answer is refused", "not what is expected"].iter().any(|part| told.contains(part)), "{told}");
        assert_eq!(bench.entries(), Ok(2));
    }
}

#[tokio::test]
async fn what_became_of_fetches_is_counted_and_outlives_the_process() {
    let bench = Bench::new("plain", "file").await;
    let feeds = bench.feeds();
    bench.server.say([Reply::ok(LIST), Reply::ok(LIST), Reply::ok(""), Reply::status("404 Not Found")]);
    for _ in 0..4 {
        bench.clock.pass(Duration::from_mins(1));
        feeds.fetch(&feeds.all()[0], Allowed::default()).await;
    }
    let counts = feeds.counts().read()["list"].clone();
    let fetches: Vec<(&str, u64)> = counts.fetches.clone().into_iter().collect();
    assert_eq!(fetches, [("failed", 1), ("refused", 1), ("replaced", 1), ("unchanged", 1)]);
    let begin = 1_772_442_000_000;
    assert_eq!((counts.succeeded_at, counts.failed_at), (begin + 120_000, begin + 240_000));
    assert_eq!((counts.bytes, counts.entries), (36, 2));
    let again = bench.feeds().counts().read()["list"].clone();
    assert_eq!((again.succeeded_at, again.entries), (counts.succeeded_at, 2));
}

#[tokio::test]
async fn each_list_is_fetched_at_once_and_then_in_its_time() {
    let bench = Bench::new("plain", "file").await.held();
    let feeds = Arc::new(bench.feeds());
    feeds.start(&Handle::current(), |_| ());
    bench.server.say([Reply::ok(LIST), Reply::status("404 Not Found"), Reply::ok("11.2.3.9\n11.2.3.8\n")]);
    for _ in 0..3 {
        bench.clock.begun(1).await;
        bench.clock.let_pass();
    }
    bench.clock.begun(1).await;
    assert_eq!(bench.waits(), [0, 3_600_000, 3_600_000, 3_600_000]);
    assert_eq!((bench.text().as_str(), bench.server.asked().len()), ("11.2.3.9\n11.2.3.8\n", 3));

    // Another process begins with what is left of the interval.
    let bench = bench.held();
    bench.clock.pass(Duration::from_hours(2) + Duration::from_mins(45));
    Arc::new(bench.feeds()).start(&Handle::current(), |_| ());
    bench.clock.begun(1).await;
    assert_eq!(bench.waits(), [900_000]);
}

#[tokio::test]
async fn a_packed_answer_is_unpacked_within_the_limit() {
    let bench = Bench::new("plain", "file").await.configured(&json!({ "bytes_max": 1_000_000 }));
    let packed = |text: &str| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text.as_bytes()).unwrap();
        Reply::new("200 OK", &[("Content-Encoding", "gzip")], packer.finish().unwrap())
    };
    bench.server.say([packed(LIST)]);
    assert_eq!(bench.fetch().await, "list list: fetched, 2 entries");
    bench.server.say([packed(&"#".repeat(1_000_001))]);
    assert_eq!(bench.fetch().await, "list list: not fetched, what was there stays: S/a: more than 1000000 bytes");
    bench.server.say(vec![packed(LIST).cut(9); 5]);
    assert!(bench.fetch().await.contains("broke off"));
    assert_eq!(bench.text(), LIST);
}
