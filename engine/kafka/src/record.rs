//! A topic's records as lines of a recorded file, with the times the broker gave them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::ConsumerSide;
use crate::fault::KafkaFault;
use crate::fetch::{EngineConsumer, FetchQueue, Fetched, RecordView};
use crate::group;
use crate::settings::KafkaSettings;
use crate::worker::take_error;

const CHUNK_RECORDS: usize = 512;
const CHUNK_WAIT: Duration = Duration::from_millis(20);

/// What to record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Topic.
    pub topic: String,
    /// First offsets, by partition; others begin at the earliest.
    pub from: BTreeMap<i32, i64>,
    /// Go on past the ends that were there at the start, until told to stop.
    pub follow: bool,
}

/// Writes records as lines until the ends that were there at the start, or until `stop`. Returns how many. Records of a
/// partition keep their order; partitions are mixed as they come.
pub fn record(
    settings: &KafkaSettings,
    recording: &Recording,
    stop: &AtomicBool,
    sink: &mut dyn Write,
) -> Result<u64, KafkaFault> {
    settings.checked()?;
    let consumer: EngineConsumer = settings
        .consumer_config(&format!("{}-record", settings.group), 0)
        .create_with_context(ConsumerSide::default())
        .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
    // Nobody serves a group here: partitions are taken by hand and let go of when the consumer is dropped.
    consumer.context().close();
    let consumer = Arc::new(consumer);
    let queue = FetchQueue::new(&consumer).ok_or(KafkaFault::Consumer(KafkaError::Canceled))?;
    let mut left = assign(&consumer, &queue, recording)?;
    let mut written = 0;
    while !stop.load(Ordering::Acquire) && (recording.follow || !left.is_empty()) {
        let chunk = queue.take(CHUNK_RECORDS, CHUNK_WAIT);
        for fetched in chunk.iter() {
            match fetched {
                // What arrived after the start is not part of the recording.
                Fetched::Record(record) if recording.follow || is_before_end(&left, &record) => {
                    write_line(sink, &record)?;
                    written += 1;
                }
                Fetched::Record(_) => {}
                Fetched::Error { code, .. } => take_error(code, &recording.topic)?,
            }
        }
        // The client's position also passes the marks of transactions, of which no record tells.
        for elem in consumer.position().map_err(KafkaFault::Consumer)?.elements() {
            if let Offset::Offset(position) = elem.offset()
                && left.get(&elem.partition()).is_some_and(|end| position >= *end)
            {
                left.remove(&elem.partition());
            }
        }
        if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
            tracing::warn!(%error, "consumer");
        }
    }
    sink.flush()?;
    Ok(written)
}

/// Takes all partitions; returns the ends to be reached.
fn assign(
    consumer: &EngineConsumer,
    queue: &FetchQueue,
    recording: &Recording,
) -> Result<BTreeMap<i32, i64>, KafkaFault> {
    let topic = &recording.topic;
    let count = group::partition_counts(consumer, &[topic])?.first().copied().unwrap_or_default();
    let mut starts = TopicPartitionList::new();
    let mut left = BTreeMap::new();
    for partition in 0..count {
        let (low, high) = group::ends(consumer, topic, partition)?;
        let start = recording.from.get(&partition).copied().unwrap_or(low).clamp(low, high);
        if start < high {
            left.insert(partition, high);
        }
        starts.add_partition_offset(topic, partition, Offset::Offset(start)).map_err(KafkaFault::Consumer)?;
        queue.attach(topic, partition);
    }
    consumer.assign(&starts).map_err(KafkaFault::Consumer)?;
    Ok(left)
}

fn is_before_end(left: &BTreeMap<i32, i64>, record: &RecordView<'_>) -> bool {
    left.get(&record.partition).is_some_and(|end| record.offset < *end)
}

/// One line, of which every byte of the record can be had back: a value that is JSON on one line stands as it is, other
/// text as a string, what is not UTF-8 as base64. No value at all is `null`; a tombstone and an empty value are alike.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stamp_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    partition: i32,
    offset: i64,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

fn write_line(sink: &mut dyn Write, record: &RecordView<'_>) -> io::Result<()> {
    let key = record.key.map(std::str::from_utf8);
    let text = std::str::from_utf8(record.value).ok();
    let json = match text {
        Some("") => serde_json::from_str("null").ok(),
        // What reading would not give back as it is: `null` itself, white space around the value, line breaks in it.
        Some(text) if text != "null" && !text.contains(['\n', '\r']) => {
            serde_json::from_str::<&RawValue>(text).ok().filter(|json| json.get().len() == text.len())
        }
        _ => None,
    };
    let line = Line {
        stamp_ms: record.stamp,
        key: key.and_then(Result::ok),
        key_base64: record.key.filter(|_| matches!(key, Some(Err(_)))).map(|key| STANDARD.encode(key)),
        partition: record.partition,
        offset: record.offset,
        topic: record.topic,
        value: json,
        value_text: text.filter(|_| json.is_none()),
        value_base64: text.is_none().then(|| STANDARD.encode(record.value)),
    };
    serde_json::to_writer(&mut *sink, &line)?;
    sink.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: Option<&[u8]>, value: &[u8], wanted: &str) {
        let record = RecordView { topic: "t", partition: 3, offset: 41, stamp: Some(1_767_225_600_123), key, value };
        let mut line = Vec::new();
        write_line(&mut line, &record).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), format!("{wanted}\n"));
    }

    #[test]
    fn a_line_carries_key_stamp_and_place_and_the_value_as_it_is() {
        let head = r#"{"stamp_ms":1767225600123,"key":"acme|ana","partition":3,"offset":41,"topic":"t""#;
        check(Some(b"acme|ana"), br#"{"b": 1.10,"a":2}"#, &format!(r#"{head},"value":{{"b": 1.10,"a":2}}}}"#));
        check(Some(b"acme|ana"), b"{\n\"a\": 1\r\n}", &format!(r#"{head},"value_text":"{{\n\"a\": 1\r\n}}"}}"#));
        check(Some(b"acme|ana"), b" 1", &format!(r#"{head},"value_text":" 1"}}"#));
        check(Some(b"acme|ana"), b"null", &format!(r#"{head},"value_text":"null"}}"#));
        check(Some(b"acme|ana"), b"", &format!(r#"{head},"value":null}}"#));
        check(Some(b"acme|ana"), b"{\"a\"", &format!(r#"{head},"value_text":"{{\"a\""}}"#));
        check(Some(b"acme|ana"), &[0xff, 0xfe], &format!(r#"{head},"value_base64":"//4="}}"#));
    }

    #[test]
    fn a_key_need_not_be_text_nor_be_there() {
        let tail = r#""partition":3,"offset":41,"topic":"t","value":1}"#;
        check(Some(&[0xff]), b"1", &format!(r#"{{"stamp_ms":1767225600123,"key_base64":"/w==",{tail}"#));
        check(None, b"1", &format!(r#"{{"stamp_ms":1767225600123,{tail}"#));
    }
}
