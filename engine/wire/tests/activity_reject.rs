//! A reject says where and why in one short line, whatever the sender wrote.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::activity::reject::{PATH_CHARS_MAX, REASON_CHARS_MAX, one_line};
use serde_json::{Value, json};

/// Long enough to matter in a header, short enough for a record.
const LONG: usize = 200_000;

fn record(field: &str, value: &Value) -> Vec<u8> {
    let mut record = json!({
        "schema": "activity.v1", "id": "a", "time": "2026-03-02T08:14:09Z", "instance": "acme",
        "user": {"name": "ana"}, "action": "login", "outcome": "success", "source": {"producer": "p"},
    });
    record[field] = value.clone();
    serde_json::to_vec(&record).unwrap()
}

fn clipped(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

#[test]
fn a_wrong_type_is_told_by_its_kind_and_never_by_its_value() {
    let secret = "hunter2, expected an object at line 1 column 2".repeat(LONG / 46);
    for (field, value, path, reason) in [
        ("user", json!(secret), "user", "invalid type: string, expected an object"),
        ("user", json!({"name": {"a": secret}}), "user.name", "invalid type: map, expected a text"),
        ("user", json!({"name": 4_711}), "user.name", "invalid type: integer, expected a text"),
        ("user", json!({"name": 47.11}), "user.name", "invalid type: floating point, expected a text"),
        ("user", json!({"name": true}), "user.name", "invalid type: boolean, expected a text"),
        ("user", json!({"name": null}), "user.name", "invalid type: null, expected a text"),
        (
            "user",
            json!({"name": "x", "privileged": secret}),
            "user.privileged",
            "invalid type: string, expected a boolean",
        ),
        ("user", json!({"name": "x", "groups": secret}), "user.groups", "invalid type: string, expected a list"),
        (
            "recipients",
            json!([{"address": [secret]}]),
            "recipients[0].address",
            "invalid type: sequence, expected a text",
        ),
        ("quantity", json!({"rows": secret}), "quantity.rows", "invalid type: string, expected a whole number"),
        ("quantity", json!({"rows": 50.5}), "quantity.rows", "invalid type: floating point, expected a whole number"),
        ("quantity", json!({"rows": -1.0}), "quantity.rows", "-1 is outside 0 to 9007199254740991"),
        (
            "attributes",
            json!({"k": [secret]}),
            "attributes.k",
            "invalid type: sequence, expected a text, a number or a switch",
        ),
    ] {
        let reject = decode(&record(field, &value)).unwrap_err();
        assert_eq!((reject.path.as_str(), reject.reason.as_str()), (path, reason));
    }
}

#[test]
fn words_of_a_value_are_not_taken_for_a_position() {
    let value = json!({"ip": "10.0.0 at line 3 column 4"});
    let reject = decode(&record("client", &value)).unwrap_err();
    assert_eq!(reject.to_string(), "client.ip: not an IP address: '10.0.0 at line 3 column 4'");
}

#[test]
fn long_names_of_fields_are_clipped() {
    let key = |chars: usize| "k".repeat(chars);
    let room = PATH_CHARS_MAX - "attributes.".len();
    for (chars, path) in [
        (room, format!("attributes.{}", key(room))),
        (room + 1, clipped(&format!("attributes.{}", key(room + 1)), PATH_CHARS_MAX)),
        (LONG, clipped(&format!("attributes.{}", key(LONG)), PATH_CHARS_MAX)),
    ] {
        let reject = decode(&record("attributes", &json!({key(chars): []}))).unwrap_err();
        assert_eq!(reject.path, path);
    }
}

#[test]
fn a_reject_is_one_line() {
    for sign in ['\n', '\r', '\0', '\u{1b}', '\u{85}', '\u{2028}', '\u{202e}', '\u{2066}'] {
        let attributes = json!({format!("a{sign}b"): []});
        let reject = decode(&record("attributes", &attributes)).unwrap_err();
        assert_eq!(reject.path, "attributes.a\u{fffd}b", "{sign:?}");
        let reject = decode(&record("outcome", &json!(format!("a{sign}b")))).unwrap_err();
        assert_eq!(reject.reason, "not success, failure or unknown: 'a\u{fffd}b'", "{sign:?}");
    }
}

#[test]
fn a_line_is_cut_between_characters_and_says_so() {
    for (text, chars_max, line) in
        [("", 0, ""), ("x", 0, ""), ("åäö", 3, "åäö"), ("åäöü", 3, "åä…"), ("a\tb", 3, "a\u{fffd}b"), ("😀😀", 1, "…")]
    {
        assert_eq!(one_line(text, chars_max), line, "{text} in {chars_max}");
    }
    assert_eq!(one_line(&"x".repeat(LONG), REASON_CHARS_MAX).chars().count(), REASON_CHARS_MAX);
}
