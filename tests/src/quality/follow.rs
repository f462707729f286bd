//! The days of some users as the detectors see them, to find out why they said what they said.

use std::sync::Arc;

use frostwatch_detect::place::Locate;
use frostwatch_runtime::pipeline::{Origin, Shared, Task};
use frostwatch_runtime::ports::{Channel, InputRecord};
use frostwatch_simulator::Company;
use serde_json::Value;

use super::{Arrival, Form, Variant, addresses, each_record};

/// Hands over a line for each record of these users, and one for each finding.
pub fn follow(
    company: &Company,
    form: Form,
    locate: &Arc<dyn Locate>,
    variant: &Variant,
    users: &[String],
    line: &mut impl FnMut(String),
) -> anyhow::Result<()> {
    let shared = Arc::new(Shared::new(0, Origin::default(), "quality"));
    let mut task = Task::new(shared, variant.ruling(locate, addresses::lists(company)?.as_ref())?, 0);
    let key = |user: &String| format!("{}|{}", company.config().instance, user.to_lowercase()).into_bytes();
    let keys: Vec<Vec<u8>> = users.iter().map(key).collect();
    let (mut offset, mut out, mut fault) = (0, Vec::new(), None);
    each_record(company, form, &[], &mut |Arrival { stamp_ms, key: record_key, value, .. }| {
        if !keys.iter().any(|key| key == record_key) {
            return;
        }
        match serde_json::from_slice(value) {
            Ok(record) => line(of_activity(&record, locate)),
            Err(error) => fault = Some(error),
        }
        task.record(&InputRecord { offset, stamp: Some(stamp_ms), key: Some(record_key), value }, &mut out);
        offset += 1;
        for found in out.drain(..) {
            if matches!(found.channel, Channel::Alerts | Channel::Suppressions) {
                match serde_json::from_slice(&found.value) {
                    Ok(finding) => line(of_finding(&finding)),
                    Err(error) => fault = Some(error),
                }
            }
        }
    })?;
    fault.map_or(Ok(()), |error| Err(error.into()))
}

fn of_activity(record: &Value, locate: &Arc<dyn Locate>) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let address = text("/client/ip");
    let place = match address.parse().map(|address| locate.locate(address)) {
        Ok(location) => format!("{location:?}"),
        Err(_) => "-".to_owned(),
    };
    let short = |text: String| text.chars().take(8).collect::<String>();
    format!(
        "{} {} {} {} {} {} session {} device {} agent {} {place}",
        text("/user/name"),
        text("/time"),
        text("/action"),
        text("/outcome"),
        text("/channel"),
        address,
        short(text("/session")),
        text("/client/device/id"),
        short(text("/client/user_agent").chars().rev().collect()),
    )
}

fn of_finding(finding: &Value) -> String {
    let text = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let entities = finding.pointer("/entities").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tags = entities.iter().filter_map(|entity| entity.pointer("/tags")).map(Value::to_string);
    format!(
        "    {} {} by {}: {} Tags {}",
        text("/change"),
        text("/policy"),
        text("/suppressed_by/by"),
        text("/summary"),
        tags.collect::<Vec<_>>().join(" ")
    )
}
