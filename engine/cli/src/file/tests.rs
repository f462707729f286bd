use std::sync::atomic::AtomicBool;

use frostwatch_kafka::mock::MockKafka;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::record::{Recording, record};

use super::*;

fn read(bytes: &[u8]) -> Vec<Read1> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    std::fs::write(&path, bytes).unwrap();
    let mut lines = Lines::open(&path, None, &ProgressBar::hidden()).unwrap();
    let mut all = Vec::new();
    while lines.next(&mut |one| all.push(one)).unwrap() {}
    all
}

#[test]
fn every_byte_of_what_was_recorded_is_replayed() {
    let cluster = MockKafka::start().unwrap();
    cluster.create_topic("frostwatch.activity.v1", 1).unwrap();
    let settings = cluster.settings();
    let records: [(&[u8], &[u8]); 10] = [
        (b"acme|ana", br#"{"schema":"activity.v1","id":"1"}"#),
        (b"acme|ana", b"{\n  \"schema\": \"activity.v1\",\r\n  \"id\": \"2\"\n}\n"),
        (b"acme|ana", br#" {"schema":"activity.v1"} "#),
        (b"acme|ana", b"{\"cut"),
        (b"acme|ana", b"null"),
        (b"acme|ana", b""),
        (b"acme|ana", b"\"\\u0041 \\n\""),
        (b"acme|ana", &[0xff, 0x00, 0xfe]),
        (&[0xc3, 0x28], b"1"),
        (b"", b"2"),
    ];
    let mut producer = TopicProducer::connect(&settings, "frostwatch.activity.v1").unwrap();
    for (index, (key, value)) in records.iter().enumerate() {
        producer.send(key, value, Some(1_767_225_600_000 + index as i64)).unwrap();
    }
    producer.flush().unwrap();
    let recording = Recording { topic: "frostwatch.activity.v1".to_owned(), ..Recording::default() };
    let mut recorded = Vec::new();
    record(&settings, &recording, &AtomicBool::new(false), &mut recorded).unwrap();

    let read = read(&recorded);
    assert_eq!(read.len(), records.len(), "{}", String::from_utf8_lossy(&recorded));
    for (index, (one, (key, value))) in read.iter().zip(records).enumerate() {
        let Read1::Record(found) = one else { panic!("record {index}: {one:?}") };
        // librdkafka hands out an empty key as none.
        assert_eq!(found.key.as_deref().unwrap_or_default(), key, "record {index}");
        assert_eq!(found.value, value, "record {index}");
        assert_eq!(found.stamp, Some(1_767_225_600_000 + index as i64));
    }
}

/// Stamp, key and value.
type Wanted<'a> = (Option<Millis>, Option<&'a [u8]>, &'a [u8]);

#[track_caller]
fn check(line: &str, wanted: Result<Wanted<'_>, &str>) {
    let read = read(line.as_bytes());
    match (&read[..], wanted) {
        ([Read1::Record(found)], Ok(wanted)) => {
            assert_eq!((found.stamp, found.key.as_deref(), found.value.as_slice()), wanted);
        }
        ([Read1::Unreadable(1, why)], Err(wanted)) => assert!(why.contains(wanted), "{why}"),
        (other, _) => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_recorded_line_need_not_have_a_stamp_nor_a_key() {
    let value: &[u8] = br#"{"schema":"activity.v1"}"#;
    let with = |head: &str| format!(r#"{{{head}"value":{{"schema":"activity.v1"}}}}"#);
    check(&with(r#""key":"acme|ana","partition":3,"offset":4,"topic":"t","#), Ok((None, Some(b"acme|ana"), value)));
    check(&with(r#""partition":3,"offset":4,"topic":"t","#), Ok((None, None, value)));
    check(&with(r#""stamp_ms":7,"#), Ok((Some(7), None, value)));
    check(&with(r#""stamp_ms":7,"key_base64":"/w==","#), Ok((Some(7), Some(&[0xff]), value)));
    check(r#"{"schema":"activity.v1"}"#, Ok((None, None, value)));
    check(r#"{"stamp_ms":7,"key":"k","value":null}"#, Err("without value"));
    check(r#"{"stamp_ms":7,"value_base64":"*"}"#, Err("value_base64"));
    check(r#"{"sys_id":"1"}"#, Err("neither activity.v1 nor a recorded line"));
}

/// The shipped rules as a line of a switch, with this in front of `named` and this hash.
fn switch_line(place: &str, hash: &str) -> String {
    let book = frostwatch_rulebook::Rulebook::parse(frostwatch_rulebook::default_rules(), None).unwrap();
    let hash = if hash.is_empty() { &book.hash } else { hash };
    let named = format!(r#"{{"rules":"{hash}","geoip":"4b","lateness_secs":3600,"skew_secs":300,"semantics":1}}"#);
    let rules: Vec<String> = book.to_content().lines().map(str::to_owned).collect();
    format!(r#"{{"switch":{{{place}"named":{named},"rules":[{}]}}}}"#, rules.join(","))
}

#[test]
fn a_recorded_switch_carries_its_rules_and_its_place() {
    let book = frostwatch_rulebook::Rulebook::parse(frostwatch_rulebook::default_rules(), None).unwrap();
    for (place, wanted) in [(r#""partition":3,"offset":41,"#, Some(Place { partition: 3, offset: 41 })), ("", None)] {
        let read = read(switch_line(place, "").replacen("{\"switch\"", "{ \"switch\"", 1).as_bytes());
        let [Read1::Switch(switch)] = &read[..] else { panic!("{read:?}") };
        assert_eq!((switch.at, &switch.rules.rules, &switch.named.rules), (wanted, &book.rules, &book.hash));
    }
    check(&switch_line(r#""partition":3,"#, ""), Err("half of a place"));
    check(&switch_line("", "0123456789abcdef"), Err("a switch to rules 0123456789abcdef, but its rules are"));
    check(&switch_line(r#""when":3,"#, ""), Err("unknown field"));
    check(r#"{"switch":1}"#, Err("a switch: "));
    let read = read(br#"{ "kept":{"name":"a/0","text":"x\n"}}"#);
    let [Read1::Kept(name, text)] = &read[..] else { panic!("{read:?}") };
    assert_eq!((name.as_str(), text.as_str()), ("a/0", "x\n"));
    check(r#"{"kept":{"name":"a"}}"#, Err("what was kept of lists: "));
}
