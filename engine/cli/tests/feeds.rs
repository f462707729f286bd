//! Feeds as people meet them: in the configuration and on the command line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure here is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use support::web::Web;

mod support;

fn frostwatch(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn configured(folder: &Path, feed: &serde_json::Value) {
    let config = json!({
        "schema": "config.v1", "kafka": { "bootstrap_servers": "b:1" }, "normalise": { "instance": "acme" },
        "lists": [{ "name": "feed", "path": "feed.txt", "format": "plain", "category": "malware", "confidence": 70 }],
        "feeds": [feed],
    });
    fs::write(folder.join("frostwatch.yaml"), config.to_string()).unwrap();
}

#[test]
fn a_list_is_fetched_by_a_command_and_checked_before_it_is_there() {
    let (folder, web) = (tempfile::tempdir().unwrap(), Web::start());
    let folder = folder.path();
    let url = format!("{}/list?key=s3cret", web.address);
    configured(folder, &json!({ "list": "feed", "kind": "file", "url": url, "allow_http": true, "proxy": "none" }));
    let fetch = ["lists", "fetch", "--config", "frostwatch.yaml", "--once"];
    let checked = frostwatch(folder, &["check", "--config", "frostwatch.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(said(&checked).contains("feed.txt is not fetched yet, so it says nothing"), "{}", said(&checked));
    assert!(said(&checked).contains("anybody on the way can write this list"), "{}", said(&checked));

    let absent = frostwatch(folder, &fetch);
    assert_eq!(absent.status.code(), Some(1), "{}", said(&absent));
    assert!(said(&absent).contains("/list: status 404") && !said(&absent).contains("s3cret"), "{}", said(&absent));

    web.say("/list", "11.2.3.4\n11.2.3.5\n11.2.3.6\n");
    let fetched = frostwatch(folder, &fetch);
    assert_eq!(fetched.status.code(), Some(0), "{}", said(&fetched));
    assert!(said(&fetched).ends_with("list feed: fetched, 3 entries\n"), "{}", said(&fetched));
    let checked = frostwatch(folder, &["check", "--config", "frostwatch.yaml"]);
    assert!(said(&checked).contains("list feed (") && said(&checked).contains("3 entries"), "{}", said(&checked));

    web.say("/list", "11.2.3.4\n");
    let held = frostwatch(folder, &fetch);
    assert_eq!(held.status.code(), Some(1));
    assert!(said(&held).contains("held back: 1 entries where there were 3"), "{}", said(&held));
    // A broken list refuses every other command, and a fetch mends it.
    fs::write(folder.join("feed.txt"), "half").unwrap();
    assert_eq!(frostwatch(folder, &["check", "--config", "frostwatch.yaml"]).status.code(), Some(78));
    let mended = frostwatch(folder, &[&fetch[..], &["--accept-shrunk", "feed"]].concat());
    assert!(said(&mended).ends_with("list feed: fetched, 1 entries\n"), "{}", said(&mended));
    let unknown = frostwatch(folder, &[&fetch[..], &["other"]].concat());
    assert!(said(&unknown).contains("no feed of the configuration is about a list 'other'"), "{}", said(&unknown));
}

#[test]
fn credentials_that_are_not_there_are_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let feed = json!({ "list": "feed", "kind": "file", "url": "https://f.example/list",
                       "credentials": { "kind": "key", "file": "gone" } });
    configured(folder.path(), &feed);
    let fetched = frostwatch(folder.path(), &["lists", "fetch", "--config", "frostwatch.yaml", "--once"]);
    assert_eq!(fetched.status.code(), Some(1));
    assert!(
        said(&fetched).contains("not fetched, what was there stays: credentials: cannot read"),
        "{}",
        said(&fetched)
    );
}

#[test]
fn faults_of_feeds_are_told_with_all_others() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("feed.txt"), "11.2.3\n").unwrap();
    let credentials = json!({ "kind": "bearer", "password": "s3cret" });
    configured(
        folder.path(),
        &json!({ "list": "feed", "kind": "file", "url": "https://f.example/", "credentials": credentials }),
    );
    let checked = frostwatch(folder.path(), &["check", "--config", "frostwatch.yaml"]);
    assert_eq!(checked.status.code(), Some(78));
    for part in ["unknown field `password`", "feed.txt:1: '11.2.3' is no address"] {
        assert!(said(&checked).contains(part), "{part}: {}", said(&checked));
    }
    assert!(!said(&checked).contains("s3cret"), "{}", said(&checked));
    configured(folder.path(), &json!({ "list": "fed", "kind": "taxii", "url": "http://f.example/" }));
    let checked = frostwatch(folder.path(), &["check", "--config", "frostwatch.yaml"]);
    for part in ["feeds 'fed': list: no list has this name", "feeds 'fed': url: http:", "feeds 'fed': collection"] {
        assert!(said(&checked).contains(part), "{part}: {}", said(&checked));
    }
}
