//! A file of tests of a rule: what is done, and what is to come of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context as _, anyhow, bail, ensure};
use frostwatch_detect::model::Action;
use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::activity::record::ActivityRecord;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Records of one test at most.
const RECORDS_MAX: usize = 100_000;
/// The longest length of time: a century.
const OFFSET_MAX: Millis = 36_525 * DAY;
/// Offsets count from here where a file does not say: a Monday at nine, in UTC.
const START: &str = "2026-03-02T09:00:00Z";

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestFile {
    schema: String,
    /// Id of the rule. What others find is not looked at.
    pub(super) rule: String,
    /// What offsets count from, RFC 3339 in UTC.
    #[serde(default)]
    start: Option<String>,
    pub(super) tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// The behaviour it shows.
    pub(super) name: String,
    /// Where addresses are, whatever the configuration's files say of them.
    #[serde(default)]
    pub(super) places: BTreeMap<IpAddr, PlaceOf>,
    /// What is done, in any order: it arrives in the order of its stamps.
    records: Vec<Records>,
    /// What is left in the end, complete.
    #[serde(default)]
    pub(super) expect: Expect,
}

/// Where an address is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOf {
    pub(super) country: Option<String>,
    #[serde(default)]
    pub(super) city: String,
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    #[serde(default)]
    pub(super) radius_km: u16,
    #[serde(default)]
    pub(super) asn: u32,
    #[serde(default)]
    pub(super) organisation: String,
}

/// A record or a series of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    /// When it happened, from the start on.
    at: String,
    #[serde(default)]
    repeat: Option<Repeat>,
    /// How long after that it arrives.
    #[serde(default)]
    delay: Option<String>,
    /// What is not given has defaults. `{n}` in a text is the number in the series, from 0.
    activity: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    times: usize,
    every: String,
}

/// What is to come out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Alerts that stand in the end, in the order of their first events.
    #[serde(default)]
    pub(super) alerts: Vec<Expected>,
    /// Findings that were held back, likewise.
    #[serde(default)]
    pub(super) suppressed: Vec<Expected>,
}

/// A finding; what is not given is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) user: Option<String>,
    pub(super) count: Option<u64>,
    /// 1 to 5.
    pub(super) severity: Option<u64>,
    /// What held it back.
    pub(super) by: Option<String>,
    #[serde(default)]
    pub(super) summary_contains: Vec<String>,
}

/// A record as it arrives.
pub(super) struct Arrival {
    pub(super) stamp: Millis,
    pub(super) value: Vec<u8>,
}

impl TestFile {
    /// Reads a file of tests.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let file: Self = serde_saphyr::from_str(text).map_err(|error| anyhow!("{error}"))?;
        ensure!(file.schema == "rule-tests.v1", "schema: '{}' is not rule-tests.v1", file.schema);
        ensure!(!file.tests.is_empty(), "tests: there is none");
        Ok(file)
    }

    /// A test's records in the order in which they arrive.
    pub(super) fn arrivals(&self, test: &Test) -> anyhow::Result<Vec<Arrival>> {
        let start = self.start.as_deref().unwrap_or(START);
        let start = frostwatch_wire::activity::time::UtcTime::parse(start)
            .map_err(|_| anyhow!("start: '{start}' is no time in UTC as {START}"))?
            .ms();
        let mut arrivals = Vec::new();
        for (place, records) in test.records.iter().enumerate() {
            records.arrivals(start, place, &mut arrivals).with_context(|| format!("records[{place}]"))?;
        }
        ensure!(!arrivals.is_empty(), "records: there is none");
        arrivals.sort_by_key(|arrival| arrival.stamp);
        Ok(arrivals)
    }
}

impl Records {
    fn arrivals(&self, start: Millis, place: usize, arrivals: &mut Vec<Arrival>) -> anyhow::Result<()> {
        let at = start + offset(&self.at).context("at")?;
        let delay = self.delay.as_deref().map_or(Ok(SECOND), offset).context("delay")?;
        let (times, every) = match &self.repeat {
            Some(Repeat { times, every }) => (*times, offset(every).context("repeat.every")?),
            None => (1, 0),
        };
        ensure!(times <= RECORDS_MAX - arrivals.len(), "more than {RECORDS_MAX} records in a test");
        ensure!(delay >= 0, "delay: nothing arrives before it happens");
        for name in ["schema", "time"] {
            ensure!(!self.activity.contains_key(name), "activity.{name}: every record has its own; leave it out");
        }
        let id = self.activity.get("id").and_then(Value::as_str);
        ensure!(
            times < 2 || id.is_none_or(|id| id.contains("{n}")),
            "activity.id: one id for {times} records makes all but one duplicates; put {{n}} into it"
        );
        for number in 0..times {
            let time = at + every * number as Millis;
            let record = self.record(place, number, time);
            let value = serde_json::to_vec(&record)?;
            let action = decode(&value).map_err(|reject| anyhow!("activity: {reject}"))?.action;
            // All of a series have the same fields.
            if number == 0
                && let Some(unknown) = unknown_field(&record)?
            {
                bail!("activity: activity.v1 has no field '{unknown}'");
            }
            let word = self.activity.get("action").and_then(Value::as_str).unwrap_or_default();
            ensure!(
                action != Action::Other || word == "other",
                "activity.action: '{word}' is no action of activity.v1"
            );
            arrivals.push(Arrival { stamp: time + delay, value });
        }
        Ok(())
    }

    /// The activity with what every record has.
    fn record(&self, place: usize, number: usize, time: Millis) -> Value {
        let mut record = json!({
            "schema": "activity.v1", "id": format!("test-{place}-{number}"), "time": rfc3339(time), "instance": "acme",
            "user": { "name": "ana.lind" }, "outcome": "success", "source": { "producer": "test" },
        });
        for (name, value) in &self.activity {
            record[name] = numbered(value, number);
        }
        record
    }
}

/// A field that activity.v1 does not have. Producers may send such fields; a test that says something in one shows nothing.
fn unknown_field(record: &Value) -> anyhow::Result<Option<String>> {
    let read: ActivityRecord = serde_json::from_value(record.clone()).map_err(|fault| anyhow!("activity: {fault}"))?;
    Ok(lost(record, &serde_json::to_value(read)?))
}

/// The path of what is in the one and not in the other.
fn lost(record: &Value, read: &Value) -> Option<String> {
    let inner = |name: &str, value: &Value, read: Option<&Value>| match read {
        None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => None,
        None => Some(name.to_owned()),
        Some(read) => lost(value, read).map(|path| format!("{name}.{path}")),
    };
    match (record, read) {
        (Value::Object(fields), Value::Object(read)) => {
            fields.iter().find_map(|(name, value)| inner(name, value, read.get(name)))
        }
        (Value::Array(values), Value::Array(read)) => values
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(at, (value, read))| inner(&at.to_string(), value, Some(read))),
        _ => None,
    }
}

/// The value with the number in its texts.
fn numbered(value: &Value, number: usize) -> Value {
    match value {
        Value::String(text) => text.replace("{n}", &number.to_string()).into(),
        Value::Array(values) => values.iter().map(|value| numbered(value, number)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), numbered(value, number))).collect(),
        other => other.clone(),
    }
}

/// `90s`, `1h 30m`, `-8d 12h`: a sum, before or after.
fn offset(text: &str) -> anyhow::Result<Millis> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut sum: Millis = 0;
    for part in rest.split_whitespace() {
        let (number, unit) = part.split_at(part.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(part.len()));
        let each = match unit {
            "ms" => 1,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            _ => bail!("'{text}' is no length of time as 90s, 1h 30m or -8d 12h"),
        };
        let number: u32 = number.parse().map_err(|_| anyhow!("'{text}': '{number}' is no number of {unit}"))?;
        sum = sum.saturating_add(Millis::from(number) * each);
    }
    ensure!(sum <= OFFSET_MAX, "'{text}' is longer than a century");
    ensure!(!rest.trim().is_empty(), "no length of time");
    Ok(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_activity_does_not_have_are_told_by_their_path() {
        let record = |more: Value| {
            let activity = more.as_object().unwrap().clone();
            let records = Records { at: "0s".to_owned(), repeat: None, delay: None, activity };
            unknown_field(&records.record(0, 0, 0)).unwrap()
        };
        for (more, wanted) in [
            (json!({ "action": "login", "user": { "name": "a", "groups": [], "privileged": null } }), None),
            (json!({ "action": "login", "attributes": { "any": "thing" } }), None),
            (json!({ "action": "login", "objekt": {} }), Some("objekt")),
            (json!({ "action": "login", "object": { "tabel": "x" } }), Some("object.tabel")),
            (
                json!({ "action": "share", "recipients": [{ "address": "a@b.example", "kynd": "to" }] }),
                Some("recipients.0.kynd"),
            ),
        ] {
            assert_eq!(record(more.clone()).as_deref(), wanted, "{more}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, wanted) in [
            ("0s", Some(0)),
            ("90s", Some(90_000)),
            ("1h 30m", Some(5_400_000)),
            ("-8d 12h", Some(-(8 * DAY + 12 * HOUR))),
            ("250ms", Some(250)),
            ("", None),
            ("-", None),
            ("5", None),
            ("h", None),
            ("1y", None),
            ("99999999999d", None),
            ("36525d", Some(OFFSET_MAX)),
            ("36525d 1ms", None),
        ] {
            assert_eq!(offset(text).ok(), wanted, "{text}");
        }
    }
}
