//! What a configuration may not say.

use frostwatch_feeds::FeedConfig;
use frostwatch_geoip::lists::ListConfig;
use serde_json::{Value, json};

fn config(changes: &Value) -> FeedConfig {
    let mut config = json!({ "list": "list", "kind": "file", "url": "https://feeds.example/a" });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

#[track_caller]
fn check(format: &str, changes: &Value, wanted: &[&str]) {
    let list = json!({ "name": "list", "path": "list", "format": format, "category": "vpn", "confidence": 1 });
    let list: ListConfig = serde_json::from_value(list).unwrap();
    let wanted: Vec<String> = wanted.iter().map(|fault| format!("feeds 'list': {fault}")).collect();
    assert_eq!(config(changes).faults(Some(&list)), wanted, "{changes}");
}

#[test]
fn an_address_is_one_of_the_web_and_of_tls_unless_told() {
    for (url, allow_http, wanted) in [
        ("https://feeds.example/a", false, vec![]),
        ("feeds.example", false, vec!["url: not an address as https://feeds.example/list"]),
        ("ftp://feeds.example/", false, vec!["url: neither https nor http"]),
        (
            "http://feeds.example/",
            false,
            vec!["url: http: whoever stands between can write the list; https, or `allow_http: true`"],
        ),
        ("http://feeds.example/", true, vec![]),
        (
            "https://me:s3cret@feeds.example/",
            false,
            vec!["url: no user and password here; they belong to `credentials`"],
        ),
        ("https://feeds.example/#a", false, vec!["url: a '#' says nothing to a server"]),
    ] {
        check("plain", &json!({ "url": url, "allow_http": allow_http }), &wanted);
    }
}

#[test]
fn numbers_have_bounds_and_fields_belong_to_their_kind() {
    let most = json!({ "interval_secs": 2_592_000, "timeout_secs": 3600, "bytes_max": 268_435_456, "full_hours": 8760,
                       "shrink_max_percent": 100 });
    let over = json!({ "interval_secs": 59, "timeout_secs": 0, "bytes_max": 268_435_457, "full_hours": 0,
                       "shrink_max_percent": 101 });
    let faults = [
        "interval_secs: 59 is outside 60 to 2592000",
        "timeout_secs: 0 is outside 1 to 3600",
        "bytes_max: 268435457 is outside 1 to 268435456",
        "full_hours: 0 is outside 1 to 8760",
        "shrink_max_percent: 101 is outside 0 to 100",
    ];
    check("plain", &most, &[]);
    check("plain", &over, &faults);
    let belong = ["collection: only a feed of kind taxii has one", "search: only a feed of kind misp has one"];
    check("plain", &json!({ "collection": "a", "search": {} }), &belong);
    check("plain", &json!({ "kind": "misp" }), &["kind: not of the format that the list has"]);
    let search = json!({ "kind": "misp", "search": { "tags": "a", "enforceWarninglist": true, "excludeDecayed": 1,
                         "proposals_block_attributes": false } });
    let after = ["enforceWarninglist", "excludeDecayed", "proposals_block_attributes"].map(|word| {
        format!(
            "search: {word} takes attributes out of pages after these are cut, so the last cannot be told; a list of format \
             misp_warninglist says what is harmless"
        )
    });
    check("misp", &search, &after.each_ref().map(String::as_str));
    let unchecked = ["ca_file: nothing is checked by it, since tls_verify is off"];
    check("plain", &json!({ "tls_verify": false, "ca_file": "a" }), &unchecked);
    let proxy = ["proxy: neither none nor an address as http://proxy:3128 without user and password"];
    check("plain", &json!({ "proxy": "http://me:pw@proxy:3128" }), &proxy);
    check("plain", &json!({ "proxy": "http://proxy:3128" }), &[]);
    assert_eq!(config(&json!({})).faults(None), ["feeds 'list': list: no list has this name"]);
    let which = ["collection: either the url is that of a collection, or it is named here"];
    let one = "https://feeds.example/api/collections/a/";
    check("stix", &json!({ "kind": "taxii" }), &which);
    check("stix", &json!({ "kind": "taxii", "collection": "a" }), &[]);
    check("stix", &json!({ "kind": "taxii", "url": one }), &[]);
    check("stix", &json!({ "kind": "taxii", "url": one, "collection": "a" }), &which);
}

#[test]
fn credentials_name_one_secret_and_what_their_kind_needs() {
    let either = "credentials.file: either the file or the variable of the environment (env) that holds the secret";
    for (credentials, wanted) in [
        (json!({ "kind": "basic" }), vec![either, "credentials.user: basic has one, and no other kind"]),
        (
            json!({ "kind": "bearer", "file": "a", "env": "B", "user": "a:b", "name": "a b" }),
            vec![
                either,
                "credentials.user: basic has one, and no other kind",
                "credentials.user: has a ':', which nothing could tell from the password's",
                "credentials.name: header has one, and no other kind",
                "credentials.name: not the name of a header",
            ],
        ),
        (json!({ "kind": "header", "name": "X-Key", "env": "B" }), vec![]),
        (json!({ "kind": "key", "file": "a" }), vec![]),
    ] {
        check("plain", &json!({ "credentials": credentials }), &wanted);
    }
}

#[test]
fn what_opens_a_feed_to_others_is_warned_of() {
    for (changes, count) in [
        (json!({}), 0),
        (json!({ "tls_verify": false }), 1),
        (json!({ "url": "http://feeds.example/", "allow_http": true }), 1),
        (json!({ "url": "http://feeds.example/", "credentials": { "kind": "key", "env": "A" } }), 1),
    ] {
        assert_eq!(config(&changes).warnings().len(), count, "{changes}");
    }
}

#[test]
fn a_secret_has_no_place_in_the_configuration() {
    let with = json!({ "list": "list", "kind": "file", "url": "https://feeds.example/a", "credentials": { "kind": "key", "secret": "s3cret" } });
    let fault = serde_json::from_value::<FeedConfig>(with).unwrap_err().to_string();
    assert!(fault.contains("unknown field `secret`") && !fault.contains("s3cret"), "{fault}");
}
