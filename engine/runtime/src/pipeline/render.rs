//! Render: output records of changes and of records that were not scored.

use frostwatch_detect::context::Subject;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{Millis, rfc3339};
use frostwatch_wire::activity::reject::one_line;
use frostwatch_wire::alert::{self, AlertRecord, Delivery};

use super::task::Origin;
use crate::ports::{Channel, InputRecord, OutputRecord};

/// Bytes of an original record that are passed on to the late and rejected topics; what is longer is cut and marked.
pub(super) const ORIGINAL_BYTES_MAX: usize = 512 * 1024;
/// Characters of the message beside an original record: a path, a reason and what joins them.
pub(super) const MESSAGE_CHARS_MAX: usize = 512;

/// What stands beside a change: where it was found.
pub(super) struct Found<'a> {
    pub(super) plans: &'a Plans,
    pub(super) key: &'a str,
    pub(super) partition: i32,
    pub(super) record: &'a InputRecord<'a>,
    /// Time of the record's event.
    pub(super) event_time: Millis,
    pub(super) epoch: u32,
    pub(super) origin: &'a Origin,
    pub(super) build: &'static str,
}

/// The record of a change in the words of the plan under which it was found, with headers for routing without parsing and the attributes of `CloudEvents`.
pub(super) fn change(change: &Change, found: &Found<'_>) -> Option<OutputRecord> {
    let subject = Subject { key: found.key };
    let detected = found.origin.clock.map(|clock| clock());
    let delivery = Delivery {
        group: found.origin.group.clone(),
        topic: found.origin.topic.clone(),
        partition: found.partition,
        offset: found.record.offset,
        stamp: found.record.stamp.map(rfc3339),
        detected_at: detected.map(rfc3339),
        lag_ms: detected.map(|detected| detected - found.event_time),
        engine: found.build.to_owned(),
    };
    let record = alert::record(change, found.plans.of(change.version), subject, found.epoch, delivery)?;
    Some(output(&record, subject, change.suppression))
}

/// The output of an alert's record.
pub(super) fn output(record: &AlertRecord, subject: Subject<'_>, suppression: bool) -> OutputRecord {
    let test = record.body.as_ref().is_some_and(|body| body.test);
    let time = record.body.as_ref().map(|body| body.last_event_time.clone());
    let mut headers = vec![
        ("schema", b"alert.v1".to_vec()),
        ("id", record.id.clone().into_bytes()),
        ("policy", record.policy.clone().into_bytes()),
        ("severity", record.severity.to_string().into_bytes()),
        ("change", record.change.as_str().as_bytes().to_vec()),
        ("significant", record.significant.to_string().into_bytes()),
        ("instance", subject.instance().as_bytes().to_vec()),
        ("test", test.to_string().into_bytes()),
        ("content-type", b"application/json".to_vec()),
        ("ce_specversion", b"1.0".to_vec()),
        ("ce_id", format!("{}-{}-{}", record.id, record.epoch, record.revision).into_bytes()),
        ("ce_source", format!("frostwatch/{}", subject.instance()).into_bytes()),
        ("ce_type", format!("frostwatch.alert.v1.{}", record.change.as_str()).into_bytes()),
        ("ce_subject", subject.key.as_bytes().to_vec()),
    ];
    headers.extend(time.map(|time| ("ce_time", time.into_bytes())));
    OutputRecord {
        channel: if suppression { Channel::Suppressions } else { Channel::Alerts },
        key: subject.key.as_bytes().to_vec(),
        value: alert::to_bytes(record),
        headers,
        stamp: None,
    }
}

/// A record that was not scored, with its original bytes.
pub(super) fn original(
    channel: Channel,
    code: &'static str,
    message: &str,
    partition: i32,
    record: &InputRecord<'_>,
) -> OutputRecord {
    let cut = record.value.len() > ORIGINAL_BYTES_MAX;
    let value = record.value.get(..ORIGINAL_BYTES_MAX).unwrap_or(record.value).to_vec();
    let mut headers = vec![
        ("__connect.errors.partition", partition.to_string().into_bytes()),
        ("__connect.errors.offset", record.offset.to_string().into_bytes()),
        ("__connect.errors.stage", b"VALUE_CONVERTER".to_vec()),
        ("__connect.errors.exception.class.name", code.as_bytes().to_vec()),
        ("__connect.errors.exception.message", one_line(message, MESSAGE_CHARS_MAX).into_bytes()),
    ];
    if let Some(stamp) = record.stamp {
        headers.push(("frostwatch.stamp_ms", stamp.to_string().into_bytes()));
    }
    if cut {
        headers.push(("frostwatch.truncated_from_bytes", record.value.len().to_string().into_bytes()));
    }
    OutputRecord { channel, key: record.key.unwrap_or_default().to_vec(), value, headers, stamp: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_beside_an_original_record_is_one_line_within_its_limit() {
        let record = InputRecord { offset: 7, stamp: None, key: None, value: b"{}" };
        for (message, shown) in [
            ("user.name: empty".to_owned(), "user.name: empty".to_owned()),
            ("a\r\nx-header: b".to_owned(), "a\u{fffd}\u{fffd}x-header: b".to_owned()),
            ("é".repeat(MESSAGE_CHARS_MAX), "é".repeat(MESSAGE_CHARS_MAX)),
            ("é".repeat(250_000), format!("{}…", "é".repeat(MESSAGE_CHARS_MAX - 1))),
        ] {
            let output = original(Channel::Rejected, "unreadable", &message, 3, &record);
            let found = output.headers.iter().find(|(name, _)| *name == "__connect.errors.exception.message");
            assert_eq!(found.map(|(_, value)| value.as_slice()), Some(shown.as_bytes()));
        }
    }
}
