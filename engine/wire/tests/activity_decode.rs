//! The decoder agrees with the JSON Schema over the corpus of good and bad records, and says where a bad one is wrong.

use std::borrow::Cow;

use frostwatch_wire::activity::decode::{Activity, copy, decode, decode_by_serde, is_plain, key_of};
use frostwatch_wire::activity::record::{ActivityRecord, CountedBy, Person};
use frostwatch_wire::activity::{DEPTH_MAX, ENTITY_KEY_BYTES_MAX, ENTITY_VALUE_BYTES_MAX, RECORD_BYTES_MAX};
use serde_json::Value;

const GOOD: &str = include_str!("../../../tests/vectors/activity/good.jsonl");
const BAD: &str = include_str!("../../../tests/vectors/activity/bad.jsonl");

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("a line of JSON"))
}

/// A line holds the record itself, or the record and what is said about it.
fn record_of(line: &Value) -> &Value {
    line.get("record").unwrap_or(line)
}

#[test]
fn good_records_are_read_as_the_whole_contract_reads_them() {
    for line in lines(GOOD) {
        let bytes = serde_json::to_vec(record_of(&line)).unwrap();
        let activity = decode(&bytes).unwrap_or_else(|reject| panic!("{reject}: {line}"));
        let whole: ActivityRecord = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(activity.id, whole.id);
        assert_eq!(activity.time, whole.time.ms());
        assert_eq!(activity.user, whole.user.name);
        assert_eq!(activity.ip, whole.client.as_ref().and_then(|client| client.ip));
        let groups = whole.user.groups;
        assert_eq!(
            (activity.told.has_groups, activity.groups.len()),
            (groups.is_some(), groups.map_or(0, |all| all.len()))
        );
        assert_eq!(activity.session == 0, whole.session.as_deref().unwrap_or("").is_empty());
        let device = whole.client.and_then(|client| client.device).unwrap_or_default();
        let facts = activity.device_facts;
        assert_eq!((facts.managed, facts.compliant), (device.managed, device.compliant));
        let id = whole.object.and_then(|object| object.id).unwrap_or_default();
        let is_row = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        assert_eq!(activity.object_row.map(|row| format!("{:032x}", row.sys_id())), is_row.then_some(id));
        assert!(key_of(&activity).starts_with(&format!("{}|", whole.instance)));
    }
}

#[test]
fn what_is_told_to_conditions_of_rules_is_what_stands_in_the_record() {
    let told = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let said = |text: Option<&str>| text.unwrap_or_default().to_owned();
    for line in lines(GOOD) {
        let bytes = serde_json::to_vec(record_of(&line)).unwrap();
        let found = decode(&bytes).unwrap().told;
        let whole: ActivityRecord = serde_json::from_slice(&bytes).unwrap();
        let (client, object) = (whole.client.unwrap_or_default(), whole.object.unwrap_or_default());
        let person = |person: Option<Person>| person.and_then(|person| person.name);
        let parent = object.parent.unwrap_or_default();
        for (found, wanted) in [
            (&found.action_raw, said(whole.action_raw.as_deref())),
            (&found.actor, said(person(whole.actor).as_deref())),
            (&found.target, said(person(whole.target).as_deref())),
            (&found.email, said(whole.user.email.as_deref())),
            (&found.display_name, said(whole.user.display_name.as_deref())),
            (&found.department, said(whole.user.department.as_deref())),
            (&found.method, said(whole.auth.and_then(|auth| auth.method).as_deref())),
            (&found.agent, said(client.user_agent.as_deref())),
            (&found.device, said(client.device.and_then(|device| device.id).as_deref())),
            (&found.object_kind, said(object.kind.as_deref())),
            (&found.object_table, said(object.table.as_deref())),
            (&found.object_id, said(object.id.as_deref())),
            (&found.object_name, said(object.name.as_deref())),
            (&found.content_type, said(object.content_type.as_deref())),
            (&found.visibility, said(object.visibility.as_deref())),
            (&found.previous_name, said(object.previous_name.as_deref())),
            (&found.parent_table, said(parent.table.as_deref())),
            (&found.parent_id, said(parent.id.as_deref())),
            (&found.domain, said(whole.domain.as_deref())),
            (&found.source_table, said(whole.source.table.as_deref())),
        ] {
            assert_eq!(told(found), wanted, "{line}");
            assert!(found.as_deref() != Some(""), "what is empty is not there: {line}");
        }
        assert_eq!(found.producer, whole.source.producer);
        assert_eq!(found.peers.is_some(), whole.user.peers.is_some());
        let (told, peers) = (found.peers.unwrap_or_default(), whole.user.peers.unwrap_or_default());
        assert_eq!((told.group.as_deref(), told.people), (peers.group.as_deref(), peers.people));
        assert_eq!(told.hour, [peers.objects_hour, peers.rows_hour, peers.bytes_hour]);
        assert_eq!(told.turn, [peers.turn_objects_hour, peers.turn_rows_hour, peers.turn_bytes_hour]);
        let full = |texts: Vec<String>| texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        assert_eq!(found.labels, full(object.labels));
        assert_eq!(found.recipients, full(whole.recipients.into_iter().map(|one| one.address).collect()));
        let quantity = whole.quantity.unwrap_or_default();
        assert_eq!(found.quantity, [quantity.objects, quantity.rows, quantity.bytes]);
        let inspection = whole.inspection.unwrap_or_default();
        assert_eq!(found.entropy_centibits, inspection.entropy_centibits);
        assert_eq!((found.size_bytes, found.has_reason), (object.size_bytes, whole.reason.is_some()));
        assert_eq!((found.privileged, found.interactive), (whole.user.privileged, whole.interactive));
    }
}

#[test]
fn of_the_rows_of_a_rename_or_deletion_the_one_that_tells_the_former_name_is_the_richest() {
    let richness = |action: &str, object: &str| {
        let record = format!(
            r#"{{"schema":"activity.v1","id":"a","time":"2026-03-02T08:14:09Z","instance":"acme","user":{{"name":"x"}},
            "action":"{action}","outcome":"success","source":{{"producer":"p"}},"object":{{"id":"1"{object}}}}}"#
        );
        decode(record.as_bytes()).unwrap().richness
    };
    let (former, name) = (r#","name":"b","previous_name":"a""#, r#","name":"b""#);
    assert!(richness("rename", former) > richness("rename", name));
    assert!(richness("delete", name) > richness("delete", ""));
    assert_eq!(richness("download", name), richness("download", ""), "whose other rows tell more");
}

#[test]
fn bad_records_are_refused_with_their_path() {
    let mut wrong = Vec::new();
    for line in lines(BAD) {
        let bytes = serde_json::to_vec(&line["record"]).unwrap();
        match decode(&bytes) {
            Ok(_) => wrong.push(format!("accepted: {}", line["why"])),
            Err(reject) if reject.path != line["path"].as_str().unwrap() => {
                wrong.push(format!("{}: '{}' instead of {}: {reject}", line["why"], reject.path, line["path"]));
            }
            Err(reject) => assert!(!reject.reason.is_empty() && reject.reason.len() < 200, "{reject}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_reject_reads_as_one_line_with_the_value() {
    let record = |ip: &str| {
        format!(
            r#"{{"schema":"activity.v1","id":"a","time":"2026-03-02T08:14:09Z","instance":"acme","user":{{"name":"x"}},
            "action":"login","outcome":"success","source":{{"producer":"p"}},"client":{{"ip":"{ip}"}}}}"#
        )
    };
    let reject = decode(record("10.0.0").as_bytes()).unwrap_err();
    assert_eq!(reject.to_string(), "client.ip: not an IP address: '10.0.0'");
    let long = decode(record(&"9".repeat(5_000)).as_bytes()).unwrap_err();
    assert_eq!(long.to_string(), format!("client.ip: not an IP address: '{}…'", "9".repeat(40)));
}

#[test]
fn size_depth_and_repeated_fields_are_bounded() {
    let with = |extra: &str| {
        format!(
            r#"{{"schema":"activity.v1","id":"a","time":"2026-03-02T08:14:09Z","instance":"acme","user":{{"name":"x"}},"action":"login","outcome":"success","source":{{"producer":"p"}}{extra}}}"#
        )
    };
    let nested = |levels: usize| format!(r#","future":{}{}"#, "[".repeat(levels), "]".repeat(levels));
    let padded = |total: usize| {
        let bare = with(r#","future":"""#).len();
        with(&format!(r#","future":"{}""#, "x".repeat(total - bare)))
    };
    for (why, record, good) in [
        ("as deep as allowed", with(&nested(DEPTH_MAX - 1)), true),
        ("one level deeper", with(&nested(DEPTH_MAX)), false),
        ("far deeper than any stack", with(&nested(100_000)), false),
        ("as large as allowed", padded(RECORD_BYTES_MAX), true),
        ("one byte larger", padded(RECORD_BYTES_MAX + 1), false),
        ("a field twice", with(r#","id":"b""#), false),
        ("an unknown field twice", with(r#","new":1,"new":2"#), true),
        ("text after the record", format!("{} x", with("")), false),
        ("no JSON", "login".to_owned(), false),
        ("nothing", String::new(), false),
    ] {
        assert_eq!(decode(record.as_bytes()).is_ok(), good, "{why}");
    }
    // Also where nobody reads: JSON is UTF-8 as a whole.
    let mut unread = with(r#","future":"?""#).into_bytes();
    assert!(decode(&unread).is_ok());
    unread.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
    assert_eq!(decode(&unread).unwrap_err().to_string(), "not UTF-8");
}

#[test]
fn a_copy_says_what_its_record_says_and_for_what_it_is_counted() {
    let long = |most: usize| "\u{1}".repeat(most);
    for line in lines(GOOD).filter(|line| record_of(line).get("entity").is_none()) {
        let mut record = record_of(&line).clone();
        for (by, value, key) in [
            ("client.ip", "203.0.113.9".to_owned(), "acme|ana.lind".to_owned()),
            ("client.user_agent", long(ENTITY_VALUE_BYTES_MAX), format!("a|{}", long(ENTITY_KEY_BYTES_MAX - 2))),
            ("object.id", "table/\"entity\"".to_owned(), "acme|\\\"|}".to_owned()),
        ] {
            for names_it in [false, true] {
                if names_it {
                    record["entity"] = Value::Null;
                }
                let bytes = serde_json::to_vec_pretty(&record).unwrap();
                let counted = CountedBy { by: by.into(), value: value.clone(), key: key.clone() };
                let copied = copy(&bytes, &counted).unwrap();
                let of_copy = decode(&copied).unwrap_or_else(|reject| panic!("{reject}: {line}"));
                let (before, seen) = (decode(&bytes).unwrap(), of_copy.counted.as_deref().unwrap());
                assert_eq!((&*seen.by, &*seen.value, &*seen.key), (by, &*value, &*key));
                let instance = &before.instance;
                assert_eq!(key_of(&of_copy), format!("{instance}||{by}|{value}"));
                // Compared as told, since the two borrow of different bytes.
                let plain = Activity { counted: None, content: before.content, ..of_copy.clone() };
                assert_eq!(format!("{plain:?}"), format!("{before:?}"));
            }
        }
    }
}

#[test]
fn a_copy_of_the_largest_record_is_read() {
    let bare = r#"{"schema":"activity.v1","id":"a","time":"2026-03-02T08:14:09Z","instance":"acme","user":{"name":"x"},"action":"login","outcome":"success","source":{"producer":"p"},"future":""}"#;
    let record =
        bare.replace(r#""future":"""#, &format!(r#""future":"{}""#, "x".repeat(RECORD_BYTES_MAX - bare.len())));
    assert_eq!(record.len(), RECORD_BYTES_MAX);
    let control = |most: usize| "\u{1}".repeat(most);
    let (value, key) = (control(ENTITY_VALUE_BYTES_MAX), control(ENTITY_KEY_BYTES_MAX));
    let copied = copy(record.as_bytes(), &CountedBy { by: "client.user_agent".into(), value, key }).unwrap();
    assert!(decode(&copied).is_ok(), "{}", copied.len());
    assert!(decode(format!(" {record}").as_bytes()).is_err(), "which none else is");
}

/// What stands in the way of a reader: signs of JSON, digits, letters of its words, escapes, control and other bytes.
const ODD_BYTES: &[u8] = b"\"\\{}[]:, \n\t0-9.eEtfnua\x00\x1f\x7f\xc3";

#[test]
fn what_is_scanned_is_what_serde_json_reads() {
    let (mut plain, mut other) = (0_u32, 0_u32);
    let mut check = |bytes: &[u8]| {
        let scanned = decode(bytes).ok();
        assert_eq!(scanned, decode_by_serde(bytes), "{}", String::from_utf8_lossy(bytes));
        if is_plain(bytes) { plain += 1 } else { other += 1 }
    };
    for line in lines(GOOD).chain(lines(BAD)) {
        let bytes = serde_json::to_vec(record_of(&line)).unwrap();
        check(&bytes);
        check(&serde_json::to_vec_pretty(record_of(&line)).unwrap());
        for at in 0..bytes.len().min(1_500) {
            let (before, after) = (&bytes[..at], &bytes[at..]);
            check(before);
            check(&[before, &after[1..]].concat());
            let odd = ODD_BYTES[at % ODD_BYTES.len()];
            check(&[before, &[odd], after].concat());
            let odd = ODD_BYTES[at / 3 % ODD_BYTES.len()];
            check(&[before, &[odd], &after[1..]].concat());
        }
    }
    assert!(plain > 10_000 && other > 10_000, "{plain} {other}: one of both ways is hardly tried");
}

#[test]
fn records_as_producers_write_them_are_read_the_short_way() {
    let good: Vec<Vec<u8>> = lines(GOOD).map(|line| serde_json::to_vec(record_of(&line)).unwrap()).collect();
    let unusual = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        // Escapes, signs, fractions, and nesting that the contract does not name.
        text.contains('\\')
            || text.contains(":-")
            || text.contains("\"extra\":{")
            || text.contains(".5")
            || text.contains(".0,")
            || text.contains(".0}")
    };
    for bytes in good.iter().filter(|bytes| !unusual(bytes)) {
        assert!(is_plain(bytes), "{}", String::from_utf8_lossy(bytes));
    }
}
