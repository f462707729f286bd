//! Records of the rejected and late topics, with whatever headers: one line each, and a source only where the headers name
//! one. Headers stand in lines `name: value`; what follows an empty line is the value.
#![no_main]

use std::collections::BTreeMap;

use frostwatch_cli::fuzzing::rejected_line;
use frostwatch_kafka::originals::{Original, Place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let original = original(bytes);
    if let Some(source) = original.source() {
        let stated = original.headers.get("__connect.errors.topic").expect("a topic");
        assert_eq!(source.topic, String::from_utf8_lossy(stated));
    }
    for show in [false, true] {
        let text = rejected_line(&original, false, show).expect("in memory");
        let text = String::from_utf8(text).expect("UTF-8");
        let inside = text.strip_suffix('\n').expect("a line");
        assert!(!inside.contains(char::is_control), "{inside:?}");
        let json = rejected_line(&original, true, show).expect("in memory");
        let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(value["size_bytes"], original.value.len());
        assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
});

fn original(bytes: &[u8]) -> Original {
    let (mut headers, mut rest) = (BTreeMap::new(), bytes);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let Some(colon) = line.windows(2).position(|two| two == b": ") else { break };
        headers.insert(String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 2..].to_vec());
    }
    let place = Place { topic: "frostwatch.rejected.v1".to_owned(), partition: 0, offset: 7 };
    Original {
        place,
        stamp: Some(0),
        key: Some(rest.iter().take(16).copied().collect()),
        value: rest.to_vec(),
        headers,
    }
}
