//! Rejected records published again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use frostwatch_kafka::originals::{Original, Place, Republisher};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_runtime::ports::Channel;

use super::Chosen;
use crate::console::say;

/// What is published together at most: records, and bytes of them.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: usize = 8 << 20;

/// Why a record is not published again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// Only its beginning was kept.
    Truncated,
    /// The headers do not tell where it came from.
    NoSource,
    /// It came from a topic that the configuration does not read.
    Foreign,
    /// The same record of the source was published before in this call.
    Repeated,
    /// The broker does not take its size.
    TooLarge,
}

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated, so their whole bytes are gone",
            Self::NoSource => "without headers that tell where they came from",
            Self::Foreign => "from topics that this configuration does not read",
            Self::Repeated => "rejected twice, and published once",
            Self::TooLarge => "refused by the broker for their size",
        }
    }

    /// Is something left that should have been published?
    const fn is_loss(self) -> bool {
        !matches!(self, Self::Repeated)
    }
}

/// What becomes of the records.
struct Sorted {
    /// Topics that the engine reads.
    known: BTreeSet<String>,
    seen: BTreeSet<Place>,
    refused: BTreeMap<Refusal, u64>,
    published: BTreeMap<String, u64>,
}

impl Sorted {
    fn new(settings: &KafkaSettings) -> Self {
        let raw = settings.topics.raw().into_iter().map(|(topic, _)| topic);
        let known = raw.chain([settings.topics.activity()]).collect();
        Self { known, seen: BTreeSet::new(), refused: BTreeMap::new(), published: BTreeMap::new() }
    }

    /// The topic a record goes to. What headers say is not trusted further than to topics that the engine reads.
    fn topic_of(&mut self, original: &Original) -> Option<String> {
        let refusal = match original.source() {
            _ if original.truncated_from_bytes().is_some() => Refusal::Truncated,
            None => Refusal::NoSource,
            Some(source) if !self.known.contains(&source.topic) => Refusal::Foreign,
            Some(source) => {
                let topic = source.topic.clone();
                if self.seen.insert(source) {
                    return Some(topic);
                }
                Refusal::Repeated
            }
        };
        self.refuse(refusal);
        None
    }

    fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
    }

    fn tell(&self, verb: &str) -> ExitCode {
        for (topic, count) in &self.published {
            say(&format!("{count} records {verb} to {topic}"));
        }
        if self.published.is_empty() {
            say(&format!("no record {verb}"));
        }
        for (refusal, count) in &self.refused {
            say(&format!("{count} records left: {}", refusal.as_str()));
        }
        if self.refused.keys().any(|refusal| refusal.is_loss()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

pub(super) fn run(
    chosen: &Chosen,
    dry_run: bool,
    settings: &KafkaSettings,
    stop: &AtomicBool,
) -> anyhow::Result<ExitCode> {
    let mut sorted = Sorted::new(settings);
    let mut publisher = if dry_run { None } else { Some(Republisher::connect(settings)?) };
    let (mut batch, mut bytes): (Vec<(String, Original)>, usize) = (Vec::new(), 0);
    let mut failed = None;
    chosen
        .each(settings, Channel::Rejected, chosen.limit.unwrap_or(u64::MAX), stop, &mut |original| {
            if let Some(topic) = sorted.topic_of(&original) {
                bytes += original.value.len();
                batch.push((topic, original));
            }
            if batch.len() >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                bytes = 0;
                if let Err(fault) = publish(&mut batch, publisher.as_mut(), &mut sorted, stop) {
                    failed = Some(fault);
                    return Err(std::io::Error::other("not published"));
                }
            }
            Ok(())
        })
        .or_else(|error| failed.take().map_or(Err(error), |fault| Err(fault.into())))?;
    publish(&mut batch, publisher.as_mut(), &mut sorted, stop)?;
    Ok(sorted.tell(if dry_run { "would be published" } else { "published" }))
}

fn publish(
    batch: &mut Vec<(String, Original)>,
    publisher: Option<&mut Republisher>,
    sorted: &mut Sorted,
    stop: &AtomicBool,
) -> Result<(), frostwatch_kafka::KafkaFault> {
    let records: Vec<(&str, &Original)> = batch.iter().map(|(topic, original)| (topic.as_str(), original)).collect();
    let refused = match publisher {
        Some(publisher) => publisher.publish(&records, stop)?,
        None => Vec::new(),
    };
    for (index, (topic, _)) in records.iter().enumerate() {
        if refused.binary_search(&index).is_ok() {
            sorted.refuse(Refusal::TooLarge);
        } else {
            *sorted.published.entry((*topic).to_owned()).or_default() += 1;
        }
    }
    batch.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(offset: i64, headers: &[(&str, &str)]) -> Original {
        Original {
            place: Place { topic: "frostwatch.rejected.v1".into(), partition: 0, offset },
            stamp: None,
            key: None,
            value: Vec::new(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect(),
        }
    }

    fn from(topic: &'static str, offset: &'static str) -> Vec<(&'static str, &'static str)> {
        vec![
            ("__connect.errors.topic", topic),
            ("__connect.errors.partition", "0"),
            ("__connect.errors.offset", offset),
        ]
    }

    #[test]
    fn a_record_goes_once_to_the_topic_it_came_from_if_that_is_one_of_ours_and_all_of_it_is_there() {
        let mut sorted = Sorted::new(&KafkaSettings::new("b:1"));
        let cut = [from("frostwatch.activity.v1", "4"), vec![("frostwatch.truncated_from_bytes", "900000")]].concat();
        for (headers, wanted) in [
            (from("frostwatch.activity.v1", "3"), Ok("frostwatch.activity.v1")),
            (from("frostwatch.activity.v1", "3"), Err(Refusal::Repeated)),
            (from("frostwatch.raw.sysevent", "3"), Ok("frostwatch.raw.sysevent")),
            (from("frostwatch.alerts.v1", "3"), Err(Refusal::Foreign)),
            (from("payments", "3"), Err(Refusal::Foreign)),
            (from("frostwatch.activity.v1", "x"), Err(Refusal::NoSource)),
            (Vec::new(), Err(Refusal::NoSource)),
            (cut, Err(Refusal::Truncated)),
            // The whole of it may come from elsewhere; what was cut has not taken its place.
            (from("frostwatch.activity.v1", "4"), Ok("frostwatch.activity.v1")),
        ] {
            let before = sorted.refused.clone();
            let topic = sorted.topic_of(&original(7, &headers));
            match wanted {
                Ok(wanted) => assert_eq!(topic.as_deref(), Some(wanted), "{headers:?}"),
                Err(refusal) => {
                    assert_eq!(topic, None, "{headers:?}");
                    let count = |refused: &BTreeMap<Refusal, u64>| refused.get(&refusal).copied().unwrap_or_default();
                    assert_eq!(count(&sorted.refused), count(&before) + 1, "{headers:?}");
                }
            }
        }
    }
}
