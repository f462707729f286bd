//! What others publish of addresses: STIX, MISP and its warning lists.

use frostwatch_detect::lists::Lists;
use frostwatch_geoip::lists::{ListConfig, ListsLimits, decode};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::lists::{config, entries, faults};

fn stix(more: &Value) -> ListConfig {
    let mut of_format = json!({ "confidence": 40 });
    of_format.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config("stix", &of_format)
}

fn misp(more: &Value) -> ListConfig {
    let mut of_format = json!({ "confidence": 40, "hold_hours": 1 });
    of_format.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config("misp", &of_format)
}

/// An indicator about an address that is a control server, changed as told.
fn indicator(changes: &Value) -> Value {
    let mut indicator = json!({
        "type": "indicator", "spec_version": "2.1", "id": "indicator--1", "created": "2026-03-01T00:00:00.000Z",
        "modified": "2026-03-01T00:00:00.000Z", "pattern": "[ipv4-addr:value = '11.2.3.4']", "pattern_type": "stix",
        "valid_from": "1970-01-01T00:00:01Z", "labels": ["c2"],
    });
    indicator.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    indicator.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    indicator
}

fn bundle(objects: &[Value]) -> Vec<u8> {
    json!({ "type": "bundle", "id": "bundle--1", "objects": objects }).to_string().into_bytes()
}

/// An attribute about an address, changed as told.
fn attribute(changes: &Value) -> Value {
    let mut attribute = json!({ "uuid": "1", "type": "ip-dst", "value": "11.2.3.4", "to_ids": true, "deleted": false,
        "timestamp": "100", "Tag": [{ "name": "misp-galaxy:botnet=\"Mirai\"" }] });
    attribute.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    attribute
}

fn response(attributes: &[Value]) -> Vec<u8> {
    json!({ "response": { "Attribute": attributes } }).to_string().into_bytes()
}

fn warnings(config: &ListConfig, bytes: &[u8]) -> Vec<String> {
    decode(config, bytes, ListsLimits::default()).unwrap().warnings
}

#[test]
fn an_indicator_says_what_its_words_times_and_confidence_say() {
    for (changes, wanted) in [
        (json!({}), "11.2.3.4/32 command_and_control 40 'c2' 1000 -"),
        (
            json!({ "confidence": 90, "valid_until": "1970-01-01T00:00:02.5Z" }),
            "11.2.3.4/32 command_and_control 90 'c2' 1000 2500",
        ),
        (json!({ "labels": ["Brute Force"] }), "11.2.3.4/32 password_spray 40 'Brute Force' 1000 -"),
        (
            json!({ "labels": ["scanner"], "indicator_types": ["malicious-activity"] }),
            "11.2.3.4/32 scanner 40 'scanner' 1000 -",
        ),
        (
            json!({ "labels": null, "indicator_types": ["malicious-activity"] }),
            "11.2.3.4/32 malware 40 'malicious-activity' 1000 -",
        ),
        (
            json!({ "labels": null, "indicator_types": ["anonymization"] }),
            "11.2.3.4/32 proxy 40 'anonymization' 1000 -",
        ),
        (
            json!({ "labels": null, "kill_chain_phases": [{ "kill_chain_name": "mitre-attack", "phase_name": "reconnaissance" }] }),
            "11.2.3.4/32 scanner 40 'reconnaissance' 1000 -",
        ),
        (
            json!({ "pattern": "[ipv6-addr:value ISSUBSET '2e00:10::/32']" }),
            "2e00:10::/32 command_and_control 40 'c2' 1000 -",
        ),
    ] {
        assert_eq!(entries(&stix(&json!({})), &bundle(&[indicator(&changes)])), [wanted], "{changes}");
    }
    let envelope = json!({ "more": false, "objects": [indicator(&json!({}))] }).to_string();
    assert_eq!(entries(&stix(&json!({})), envelope.as_bytes()).len(), 1);
}

#[test]
fn the_configuration_says_what_words_mean_and_what_stands_in_for_them() {
    let own = stix(
        &json!({ "categories": { "C2": null, "benign": "known_good", "hunt": "botnet" }, "category": "vpn", "tag": "ours" }),
    );
    for (labels, wanted) in [
        (json!(["benign"]), "known_good 40 'benign'"),
        (json!(["Hunt", "c2"]), "botnet 40 'Hunt'"),
        (json!(["x"]), "vpn 40 'ours'"),
    ] {
        let wanted = format!("11.2.3.4/32 {wanted} 1000 -");
        assert_eq!(entries(&own, &bundle(&[indicator(&json!({ "labels": labels }))])), [wanted]);
    }
    // Who does not want to hear of a word does not hear of it by the stand-in either.
    let unwanted = indicator(&json!({ "id": "indicator--2", "indicator_types": ["malicious-activity"] }));
    let bytes = bundle(&[unwanted, indicator(&json!({ "labels": ["x"] }))]);
    assert_eq!(entries(&own, &bytes), ["11.2.3.4/32 vpn 40 'ours' 1000 -"]);
    let told = "1 addresses whose words the configuration takes out, which are left out; the first on line 1";
    assert_eq!(warnings(&own, &bytes), [told]);
    // Nothing is guessed, and a feed alone does not make an address harmless.
    for labels in [json!(["x"]), json!(["benign"]), json!(null)] {
        let bytes = bundle(&[indicator(&json!({ "labels": labels, "id": "indicator--2" })), indicator(&json!({}))]);
        assert_eq!(entries(&stix(&json!({})), &bytes).len(), 1);
        assert!(warnings(&stix(&json!({})), &bytes)[0].starts_with("1 addresses of which nothing says what they are"));
    }
}

#[test]
fn of_versions_the_one_modified_last_counts_and_a_revoked_one_says_nothing() {
    let at = |modified: &str, ip: &str| {
        indicator(&json!({ "modified": modified, "pattern": format!("[ipv4-addr:value = '{ip}']") }))
    };
    let versions = [
        at("2026-03-02T00:00:00.000001Z", "11.0.0.1"),
        at("2026-03-02T00:00:00.000002Z", "11.0.0.2"),
        at("2026-03-01T00:00:00Z", "11.0.0.3"),
    ];
    let told = entries(&stix(&json!({})), &bundle(&versions));
    assert_eq!(told, ["11.0.0.2/32 command_and_control 40 'c2' 1000 -"]);
    let other = indicator(&json!({ "id": "indicator--2", "pattern": "[ipv4-addr:value = '11.0.0.9']" }));
    let revoked = indicator(&json!({ "modified": "2026-03-02T00:00:00.000002Z", "revoked": true }));
    let bytes = bundle(&[versions[0].clone(), versions[1].clone(), revoked, other]);
    assert_eq!(entries(&stix(&json!({})), &bytes), ["11.0.0.9/32 command_and_control 40 'c2' 1000 -"]);
    assert_eq!(warnings(&stix(&json!({})), &bytes), ["1 revoked indicators, which are left out; the first on line 1"]);
}

#[test]
fn what_is_not_read_of_a_bundle_is_counted_and_told_with_its_line() {
    let objects = [
        indicator(&json!({})),
        json!({ "type": "identity", "id": "identity--1", "name": "x" }),
        indicator(&json!({ "id": "indicator--2", "pattern": "[domain-name:value = 'x']" })),
        indicator(&json!({ "id": "indicator--3", "pattern": "[ipv4-addr:value = '1.1.1.1' AND url:value = 'x']" })),
        indicator(&json!({ "id": "indicator--4", "pattern": "alert tcp any", "pattern_type": "snort" })),
        indicator(&json!({ "id": "indicator--5", "pattern": "[ipv4-addr:value = '10.0.0.1']" })),
    ];
    let lines: Vec<String> = objects.iter().map(Value::to_string).collect();
    let text = format!("{{\"type\": \"bundle\", \"objects\": [\n{}]}}", lines.join(",\n"));
    assert_eq!(
        warnings(&stix(&json!({})), text.as_bytes()),
        [
            "1 objects that are no indicators, which are left out; the first on line 3",
            "1 patterns about other things than addresses, which are left out; the first on line 4",
            "1 patterns that ask for more than an address, which are left out; the first on line 5",
            "1 indicators whose pattern_type is not stix, which are left out; the first on line 6",
            "1 entries of private or reserved networks, which are left out; the first on line 7",
        ]
    );
}

#[test]
fn a_few_values_that_cannot_be_read_are_left_out_and_more_refuse_the_list() {
    let sound = |count: usize| {
        (0..count).map(|at| {
            indicator(
                &json!({ "id": format!("indicator--{at}"), "pattern": format!("[ipv4-addr:value = '11.0.0.{at}']") }),
            )
        })
    };
    let broken = indicator(&json!({ "id": "indicator--x", "pattern": "[ipv4-addr:value = '11.2.3']" }));
    let bytes = bundle(&sound(9).chain([broken.clone()]).collect::<Vec<_>>());
    assert_eq!(entries(&stix(&json!({})), &bytes).len(), 9);
    let told = [
        "1 values cannot be read and are left out; the first on line 1: '11.2.3' is no address and no network as 11.2.3.0/24",
    ];
    assert_eq!(warnings(&stix(&json!({})), &bytes), told);
    let bytes = bundle(&sound(8).chain([broken]).collect::<Vec<_>>());
    assert_eq!(
        faults(&stix(&json!({})), &bytes, ListsLimits::default()),
        ["f:1: '11.2.3' is no address and no network as 11.2.3.0/24"]
    );
    // One address in many reports is many values.
    let same = (0..20).map(|at| indicator(&json!({ "id": format!("indicator--{at}") })));
    let broken = indicator(&json!({ "id": "indicator--x", "pattern": "[ipv4-addr:value = '11.2.3']" }));
    assert_eq!(entries(&stix(&json!({})), &bundle(&same.chain([broken]).collect::<Vec<_>>())).len(), 1);
    for (changes, wanted) in [
        (json!({ "id": null }), "objects[0]: an indicator without id"),
        (json!({ "modified": null }), "objects[0]: an indicator without modified"),
        (json!({ "modified": "x" }), "objects[0]: modified: 'x' is no time"),
        (json!({ "valid_from": null }), "objects[0]: missing field `valid_from`"),
        (json!({ "valid_until": "1" }), "objects[0]: valid_until: '1' is no time"),
        (json!({ "confidence": 101 }), "objects[0]: confidence outside 0 to 100"),
        (json!({ "confidence": -1 }), "objects[0]: confidence outside 0 to 100"),
        (json!({ "pattern": "[x" }), "objects[0]: pattern '[x': not a comparison of a path and a value"),
        (
            json!({ "pattern": "[ipv6-addr:value = '11.2.3.4']" }),
            "'11.2.3.4' is of the other family than its path says",
        ),
        (json!({ "type": 3 }), "objects[0]: invalid type: integer `3`, expected a string"),
    ] {
        let told = faults(&stix(&json!({})), &bundle(&[indicator(&changes)]), ListsLimits::default());
        assert_eq!(told[0], format!("f:1: {wanted}"), "{changes}");
    }
}

#[test]
fn what_is_no_feed_is_refused_as_a_whole() {
    let deep = "[".repeat(200_000);
    for (format, text, wanted) in [
        ("stix", "", "f:1: the JSON text ends too early; was it cut off?"),
        ("stix", "{\"objects\": [\n{}", "f:2: the JSON text ends too early; was it cut off?"),
        ("stix", "<html>", "f:1: not JSON: expected value"),
        ("stix", "{\"type\": \"report\"}", "f: a 'report', and no bundle; is it the right file?"),
        ("stix", "{\"type\": \"bundle\"}", "f: names no address; is it the right file?"),
        ("stix", "{\"objects\": {}}", "f:1: invalid type: map, expected an array"),
        ("stix", &deep, "f: not a JSON object"),
        ("stix", "{\"objects\": [[\"indicator\", \"x\"]]}", "f:1: objects[0]: not a JSON object"),
        ("misp", "{}", "f: neither an answer of restSearch nor an event of MISP"),
        ("misp", "{\"response\": 3}", "f: response: invalid type: integer `3`, expected an array"),
        ("misp", "{\"response\": []}", "f: names no address; is it the right file?"),
        (
            "misp_warninglist",
            "{\"type\": \"regex\", \"list\": []}",
            "f: a warning list of type 'regex'; of cidr or string are addresses",
        ),
        (
            "misp_warninglist",
            "{\"type\": \"cidr\", \"list\": [3]}",
            "f:1: list[0]: invalid type: integer `3`, expected a string",
        ),
    ] {
        let told = faults(&config(format, &json!({ "confidence": 40 })), text.as_bytes(), ListsLimits::default());
        assert!(told[0].starts_with(wanted), "{format} {wanted}: {told:?}");
    }
}

#[test]
fn an_attribute_says_what_its_tags_and_times_say() {
    let tag = |name: &str| json!({ "Tag": [{ "name": name }] });
    for (changes, wanted) in [
        (json!({}), "botnet 40 'Mirai' - -"),
        (json!({ "type": "ip-src|port", "value": "11.2.3.4|443" }), "botnet 40 'Mirai' - -"),
        (
            json!({ "first_seen": "1970-01-01T02:00:00.000000+00:00", "last_seen": "1970-01-01T03:00:00+00:00" }),
            "botnet 40 'Mirai' 3600000 14400000",
        ),
        (tag("kill-chain:Command and Control"), "command_and_control 40 'Command and Control' - -"),
        (tag("rsit:information-gathering=\"scanner\""), "scanner 40 'scanner' - -"),
        (tag("tor:tor-relay-type=\"exit-node\""), "tor 40 'exit-node' - -"),
        (
            tag("misp-galaxy:mitre-attack-pattern=\"Password Spraying - T1110.003\""),
            "password_spray 40 'Password Spraying - T1110.003' - -",
        ),
        (
            json!({ "Tag": [{ "name": "c2" }, { "name": "admiralty-scale:information-credibility=\"2\"" },
                            { "name": "estimative-language:likelihood-probability=\"very-likely\"" }] }),
            "command_and_control 70 'c2' - -",
        ),
        (json!({ "Tag": [], "Event": { "Tag": [{ "name": "vpn" }] } }), "vpn 40 'vpn' - -"),
        (json!({ "to_ids": "1", "timestamp": 7, "deleted": "0" }), "botnet 40 'Mirai' - -"),
    ] {
        let told = entries(&misp(&json!({})), &response(&[attribute(&changes)]));
        assert_eq!(told, [format!("11.2.3.4/32 {wanted}")], "{changes}");
    }
    let own = misp(&json!({ "categories": { "misp-galaxy:botnet=\"Mirai\"": "malware" } }));
    assert_eq!(
        entries(&own, &response(&[attribute(&json!({}))])),
        ["11.2.3.4/32 malware 40 'misp-galaxy:botnet=\"Mirai\"' - -"]
    );
}

#[test]
fn events_hand_their_tags_on_and_their_objects_hold_attributes_too() {
    let plain = attribute(&json!({ "uuid": "2", "value": "11.0.0.1", "Tag": null }));
    let event = json!({ "Event": {
        "uuid": "e", "info": "x", "Tag": [{ "name": "scanner" }],
        "Object": [
            { "name": "ip-port", "Attribute": [attribute(&json!({ "uuid": "3", "value": "11.0.0.2", "Tag": [] }))] },
            { "deleted": true, "Attribute": [attribute(&json!({ "uuid": "4" }))] },
        ],
        "Attribute": [plain],
    } });
    let wanted = ["11.0.0.1/32 scanner 40 'scanner' - -", "11.0.0.2/32 scanner 40 'scanner' - -"];
    assert_eq!(entries(&misp(&json!({})), event.to_string().as_bytes()), wanted);
    let answer = json!({ "response": [event] }).to_string();
    assert_eq!(entries(&misp(&json!({})), answer.as_bytes()), wanted);
}

#[test]
fn attributes_that_are_gone_or_not_meant_for_detection_say_nothing() {
    let attributes = [
        attribute(&json!({ "uuid": "0" })),
        attribute(&json!({ "uuid": "1", "value": "11.0.0.1", "timestamp": "100" })),
        attribute(&json!({ "uuid": "1", "value": "11.0.0.1", "timestamp": "101", "deleted": true })),
        attribute(&json!({ "uuid": "2", "value": "11.0.0.2", "to_ids": false })),
        attribute(&json!({ "uuid": "3", "value": "x.example", "type": "domain" })),
    ];
    let bytes = response(&attributes);
    assert_eq!(entries(&misp(&json!({})), &bytes), ["11.2.3.4/32 botnet 40 'Mirai' - -"]);
    assert_eq!(
        warnings(&misp(&json!({})), &bytes),
        [
            "1 attributes of other types, which are left out; the first on line 1",
            "1 deleted attributes, which are left out; the first on line 1",
            "1 attributes without to_ids, which are left out; the first on line 1",
        ]
    );
}

#[test]
fn a_warning_list_is_of_what_is_harmless_unless_told_otherwise() {
    let list =
        |kind: &str| json!({ "name": "x", "type": kind, "version": 3, "list": ["11.0.0.0/16", "2e00::1"] }).to_string();
    let config_of = |more: Value| config("misp_warninglist", &more);
    for (config, wanted) in [
        (config_of(json!({ "confidence": 90 })), "known_good 90 ''"),
        (config_of(json!({ "confidence": 90, "category": "vpn", "tag": "rented" })), "vpn 90 'rented'"),
    ] {
        for kind in ["cidr", "string"] {
            let wanted = [format!("11.0.0.0/16 {wanted} - -"), format!("2e00::1/128 {wanted} - -")];
            assert_eq!(entries(&config, list(kind).as_bytes()), wanted);
        }
    }
    let names = json!({ "type": "string", "list": ["11.0.0.1", "x.example"] }).to_string();
    let config = config_of(json!({ "confidence": 90 }));
    assert_eq!(
        warnings(&config, names.as_bytes()),
        ["1 entries that are no addresses, which are left out; the first on line 1"]
    );
}

#[test]
fn an_address_in_many_reports_takes_no_more_room_than_lists_have() {
    let reports: Vec<Value> = (0..100)
        .map(|at| {
            let (from, until) = (at * 20, at * 20 + 10);
            let time = |secs: i64| format!("1970-01-01T{:02}:{:02}:{:02}Z", secs / 3600, secs / 60 % 60, secs % 60);
            indicator(
                &json!({ "id": format!("indicator--{at}"), "valid_from": time(from), "valid_until": time(until) }),
            )
        })
        .collect();
    let decoded = decode(&stix(&json!({})), &bundle(&reports), ListsLimits::default()).unwrap();
    assert_eq!(decoded.list.entries.len(), 32, "the latest");
    assert!(decoded.list.entries.iter().all(|entry| entry.from >= 68 * 20_000));
    assert_eq!(decoded.warnings, ["68 entries beyond 32 for one network, which are left out; the first on line 1"]);
    assert!(Lists::new(vec![decoded.list]).is_ok());
    // Times that meet are one.
    let joined: Vec<Value> = reports
        .iter()
        .cloned()
        .map(|mut report| {
            report["valid_until"] = json!("1970-01-02T00:00:00Z");
            report
        })
        .collect();
    assert_eq!(entries(&stix(&json!({})), &bundle(&joined)), ["11.2.3.4/32 command_and_control 40 'c2' 0 86400000"]);
}

#[test]
fn limits_of_feeds_hold() {
    let many: Vec<Value> = (0..4)
        .map(|at| {
            indicator(
                &json!({ "id": format!("indicator--{at}"), "pattern": format!("[ipv4-addr:value = '11.0.0.{at}']"),
                           "labels": ["c2"], "pattern_type": "stix" }),
            )
        })
        .collect();
    let limits =
        |lines_max: usize, entries_max: usize| ListsLimits { lines_max, entries_max, ..ListsLimits::default() };
    assert!(decode(&stix(&json!({})), &bundle(&many), limits(4, 4)).is_ok());
    assert_eq!(
        faults(&stix(&json!({})), &bundle(&many), limits(3, 4)),
        ["f:4: more than 3 lines; is it the right file?"]
    );
    assert_eq!(
        faults(&stix(&json!({})), &bundle(&many), limits(4, 3)),
        ["f:1: more than 3 entries; is it the right file?"]
    );
}

/// Pieces that change what a text means more than a bit does.
const PIECES: [&str; 14] = ["[", "]", "{", "}", "\"", "'", "\\", ",", " OR ", " AND ", "(", ")", "null", "\u{e9}"];

#[test]
fn damaged_feeds_are_read_or_refused_and_never_panic() {
    let pattern = "[ipv4-addr:value IN ('11.2.3.4', '11.3.0.0/16')] OR ([file:hashes.'SHA-256' = 'x' OR a:b[0].c > 3])";
    let event = json!({ "response": [{ "Event": { "Tag": [{ "name": "scanner" }], "Attribute": [attribute(&json!({}))],
                        "Object": [{ "Attribute": [attribute(&json!({ "type": "ip-src|port", "value": "11.0.0.1|1" }))] }] } }] });
    let list = json!({ "type": "string", "list": ["11.0.0.0/16", "x"] });
    let seeds = [
        (
            stix(&json!({})),
            bundle(&[indicator(&json!({ "pattern": pattern })), indicator(&json!({ "revoked": true }))]),
        ),
        (misp(&json!({})), event.to_string().into_bytes()),
        (misp(&json!({})), response(&[attribute(&json!({}))])),
        (config("misp_warninglist", &json!({ "confidence": 40 })), list.to_string().into_bytes()),
    ];
    let mut chance = ChaCha8Rng::seed_from_u64(13);
    let (mut read, mut refused) = (0, 0);
    for case in 0..20_000 {
        let (config, sound) = &seeds[case % seeds.len()];
        let mut bytes = sound.clone();
        for _ in 0..chance.random_range(1..4) {
            let at = chance.random_range(0..bytes.len().max(1));
            match chance.random_range(0..4) {
                0 if at < bytes.len() => bytes[at] ^= 1 << chance.random_range(0..8),
                1 => drop(bytes.splice(at..at, PIECES[chance.random_range(0..PIECES.len())].bytes())),
                2 if at < bytes.len() => drop(bytes.drain(at..(at + chance.random_range(1..9)).min(bytes.len()))),
                _ => bytes.truncate(at),
            }
        }
        match decode(config, &bytes, ListsLimits::default()) {
            Ok(decoded) => {
                Lists::new(vec![decoded.list]).unwrap();
                read += 1;
            }
            Err(faults) => {
                assert!(!faults.is_empty() && faults.len() <= 51);
                refused += 1;
            }
        }
    }
    assert!(read > 500 && refused > 1_000, "{read} read, {refused} refused");
}
