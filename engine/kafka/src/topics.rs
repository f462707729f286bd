//! The topics the engine wants: made right, compared, explained.
//!
//! An existing topic is never altered. Needs administrative requests, which the mock cluster does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use frostwatch_detect::time::{DAY, Millis};
use frostwatch_runtime::ports::Channel;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer};

use crate::client::ProducerSide;
use crate::fault::KafkaFault;
use crate::group::{all_topics, equal_counts};
use crate::outbox::code_of;
use crate::settings::KafkaSettings;
use crate::worker::ANSWER_WAIT;

/// How long activity is to be kept at least: what was not scored in an outage, or must be run again after a crash, has to
/// be there still. State lies in a log of its own.
pub const ACTIVITY_KEPT: Millis = 7 * DAY;

/// Largest record a broker takes unless it is told otherwise, bytes: Kafka's `max.message.bytes`.
const BROKER_RECORD_BYTES: u64 = 1_048_588;
/// Largest record librdkafka sends unless it is told otherwise, bytes: its `message.max.bytes`.
const CLIENT_RECORD_BYTES: u64 = 1_000_000;
/// Largest record of state or of a table, bytes: a key at all of its caps has about three million, a set of rules at most
/// four.
pub const STATE_RECORD_BYTES: u64 = 5 << 20;

/// How large topics are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSizes {
    /// Partitions of the activity topic: the most workers that can share the work, for as long as the topic lives.
    pub activity_partitions: i32,
    /// Partitions of each output topic; few, since every commit touches all of them.
    pub output_partitions: i32,
    /// Partitions of each raw topic.
    pub raw_partitions: i32,
    /// Copies of each record; −1 is the broker's default.
    pub replication: i32,
    /// How long activity is kept: longer than the longest outage. State can be made anew of what is kept.
    pub activity_kept: Millis,
}

impl Default for TopicSizes {
    fn default() -> Self {
        Self {
            activity_partitions: 24,
            output_partitions: 3,
            raw_partitions: 6,
            replication: -1,
            activity_kept: ACTIVITY_KEPT,
        }
    }
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTopic {
    /// Name.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Carries raw rows: all such topics must have the same number of partitions.
    pub is_raw: bool,
    /// Copies; −1 is the broker's default.
    pub replication: i32,
    /// Largest record that must be taken, bytes; `None` where the engine does not write.
    pub record_bytes: Option<u64>,
    /// Configuration, in the broker's names.
    pub config: Vec<(&'static str, String)>,
}

/// All topics of the settings.
pub fn wanted(settings: &KafkaSettings, sizes: &TopicSizes) -> Vec<WantedTopic> {
    let record_bytes = Some(settings.sent_bytes_max().unwrap_or(CLIENT_RECORD_BYTES));
    let topic = |name, partitions, kept: Millis, more: Option<(&'static str, &str)>| {
        let mut config = vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", kept.to_string())];
        config.extend(more.map(|(key, value)| (key, value.to_owned())));
        WantedTopic { name, partitions, is_raw: false, replication: sizes.replication, record_bytes, config }
    };
    let names = &settings.topics;
    let appended = Some(("message.timestamp.type", "LogAppendTime"));
    let mut all = vec![topic(names.activity(), sizes.activity_partitions, sizes.activity_kept, appended)];
    // A limit in bytes would cut the past as a shorter time does.
    all.iter_mut().for_each(|activity| activity.config.push(("retention.bytes", "-1".to_owned())));
    for channel in Channel::OUTPUTS {
        let kept = if channel == Channel::Alerts { 30 * DAY } else { 7 * DAY };
        all.push(topic(names.channel(channel), sizes.output_partitions, kept, None));
    }
    all.push(changelog(settings, sizes));
    all.push(WantedTopic {
        config: vec![("cleanup.policy", "compact".to_owned())],
        record_bytes: Some(STATE_RECORD_BYTES),
        ..topic(names.tables(), 1, 0, None)
    });
    let raw = names.raw().into_iter().map(|(name, _)| topic(name, sizes.raw_partitions, 7 * DAY, None));
    all.extend(raw.map(|topic| WantedTopic { is_raw: true, record_bytes: None, ..topic }));
    all
}

/// The log of state: as many partitions as its input, of each key the last record. Small segments, since what lies in the
/// one that is being written is never compacted.
fn changelog(settings: &KafkaSettings, sizes: &TopicSizes) -> WantedTopic {
    let config = [
        ("cleanup.policy", "compact".to_owned()),
        ("segment.bytes", (64_u32 << 20).to_string()),
        ("min.cleanable.dirty.ratio", "0.2".to_owned()),
    ];
    WantedTopic {
        name: settings.changelog(),
        partitions: sizes.activity_partitions,
        is_raw: false,
        replication: sizes.replication,
        record_bytes: Some(STATE_RECORD_BYTES),
        config: config.into(),
    }
}

/// A difference between a topic and what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The topic.
    pub topic: String,
    /// What differs.
    pub what: Difference,
}

/// How a topic differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It does not exist.
    Missing,
    /// It has another number of partitions.
    Partitions {
        /// It has.
        found: i32,
        /// It should have.
        wanted: i32,
    },
    /// It is the log of state and has another number of partitions than its input.
    StatePartitions {
        /// It has.
        found: i32,
        /// Its input has.
        input: i32,
    },
    /// It carries raw rows and has another number of partitions than the first raw topic.
    RawPartitions {
        /// It has.
        found: i32,
        /// The first raw topic.
        other: String,
        /// The partitions of that.
        other_count: i32,
    },
    /// A setting has another value.
    Config {
        /// The broker's name of the setting.
        name: &'static str,
        /// It is.
        found: String,
        /// It should be.
        wanted: String,
    },
}

impl Finding {
    /// Does the engine not keep what it promises while this stands? A check with such findings fails; the others are
    /// only told.
    pub fn is_fault(&self) -> bool {
        match &self.what {
            Difference::Missing | Difference::StatePartitions { .. } | Difference::RawPartitions { .. } => true,
            Difference::Partitions { .. } => false,
            Difference::Config { name: "retention.ms", found, wanted } => kept(found) < kept(wanted),
            Difference::Config { name, .. } => !matches!(*name, "segment.bytes" | "min.cleanable.dirty.ratio"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match &self.what {
            Difference::Missing => write!(f, "{topic}: missing; `frostwatch topics create` makes it"),
            Difference::Partitions { found, wanted } => write!(
                f,
                "{topic}: {found} partitions where {wanted} are wanted; it works as it is. Partitions are never added \
                 under a running engine: keys would move away from their state"
            ),
            Difference::StatePartitions { found, input } => write!(
                f,
                "{topic}: {found} partitions where the activity has {input}; `frostwatch run` refuses, since the state of \
                 a partition lies under its own number. Delete it and let `frostwatch topics create` make it"
            ),
            Difference::RawPartitions { found, other, other_count } => write!(
                f,
                "{topic}: {found} partitions where {other} has {other_count}; `frostwatch run` refuses, since rows of \
                 one user must be read by one member. Make the smaller topic anew with as many"
            ),
            Difference::Config { name, found, wanted } => write!(
                f,
                "{topic}: {name} is {found}, wanted {wanted}; {}. `kafka-configs --alter --topic {topic} --add-config \
                 {name}={wanted}` changes it",
                why(name, self.is_fault())
            ),
        }
    }
}

/// What became of a topic that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made.
    Created,
    /// It exists and was left as it is.
    Existed,
}

/// Makes the topics that are missing. Nothing is made when the raw topics would have different numbers of partitions.
pub async fn create(settings: &KafkaSettings, wanted: &[WantedTopic]) -> Result<Vec<(String, Made)>, KafkaFault> {
    settings.checked()?;
    let existing = partitions_by_name(settings)?;
    let admin = admin(settings)?;
    let raw: Vec<(&str, i32)> = wanted
        .iter()
        .filter(|topic| topic.is_raw)
        .map(|topic| (topic.name.as_str(), existing.get(&topic.name).copied().unwrap_or(topic.partitions)))
        .collect();
    equal_counts(&raw)?;
    // Where the broker's own limit is enough it stays, since it may be larger.
    // The log of state has as many partitions as its input, which may be there already.
    let activity = wanted.first().map(|topic| existing.get(&topic.name).copied().unwrap_or(topic.partitions));
    let large: Vec<Option<String>> = wanted
        .iter()
        .map(|topic| topic.record_bytes.filter(|bytes| *bytes > BROKER_RECORD_BYTES).map(|bytes| bytes.to_string()))
        .collect();
    let new: Vec<NewTopic<'_>> = wanted
        .iter()
        .enumerate()
        .map(|(index, topic)| {
            let of_state = topic.name == settings.changelog();
            let partitions = activity.filter(|_| of_state).unwrap_or(topic.partitions);
            let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(topic.replication));
            let new = topic.config.iter().fold(new, |new, (key, value)| new.set(key, value));
            match &large[index] {
                Some(bytes) => new.set("max.message.bytes", bytes),
                None => new,
            }
        })
        .collect();
    let no_answer = |source| KafkaFault::NoAnswer { question: "making topics", source };
    let mut made = Vec::with_capacity(wanted.len());
    for result in admin.create_topics(&new, &options()).await.map_err(no_answer)? {
        match result {
            Ok(topic) => made.push((topic, Made::Created)),
            Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => made.push((topic, Made::Existed)),
            Err((topic, code)) => return Err(KafkaFault::Admin { what: "making topic", topic, code }),
        }
    }
    Ok(made)
}

/// Compares topics with what is wanted. The exit status of a check is that of [`Finding::is_fault`] over all.
pub async fn check(settings: &KafkaSettings, wanted: &[WantedTopic]) -> Result<Vec<Finding>, KafkaFault> {
    settings.checked()?;
    let existing = partitions_by_name(settings)?;
    let admin = admin(settings)?;
    let mut first_raw: Option<(&str, i32)> = None;
    let mut findings = Vec::new();
    for topic in wanted {
        let mut found = |what| findings.push(Finding { topic: topic.name.clone(), what });
        let Some(partitions) = existing.get(&topic.name).copied() else {
            found(Difference::Missing);
            continue;
        };
        let of_state = topic.name == settings.changelog();
        let like_its_input = wanted.first().and_then(|input| existing.get(&input.name)).filter(|_| of_state);
        match like_its_input {
            Some(input) if *input != partitions => {
                found(Difference::StatePartitions { found: partitions, input: *input });
            }
            None if partitions != topic.partitions => {
                found(Difference::Partitions { found: partitions, wanted: topic.partitions });
            }
            _ => {}
        }
        if topic.is_raw {
            let (other, other_count) = *first_raw.get_or_insert((&topic.name, partitions));
            if partitions != other_count {
                found(Difference::RawPartitions { found: partitions, other: other.to_owned(), other_count });
            }
        }
        let config = config_of(&admin, &topic.name).await?;
        for (name, wanted) in &topic.config {
            let value = config.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if value != *wanted {
                found(Difference::Config { name, found: value, wanted: wanted.clone() });
            }
        }
        let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        if let Some(bytes) = topic.record_bytes
            && kept(&value("max.message.bytes")) < bytes
        {
            let (name, found_bytes) = ("max.message.bytes", value("max.message.bytes"));
            found(Difference::Config { name, found: found_bytes, wanted: bytes.to_string() });
        }
    }
    Ok(findings)
}

/// Every topic there is, with its number of partitions. This blocks its thread for one round trip.
fn partitions_by_name(settings: &KafkaSettings) -> Result<BTreeMap<String, i32>, KafkaFault> {
    // An administrative client does not tell why brokers do not answer it.
    let asker: BaseProducer<ProducerSide> = settings
        .admin_config()
        .create_with_context(ProducerSide::default())
        .map_err(|source| KafkaFault::Client { client: "admin", source })?;
    let metadata = all_topics(asker.client(), || {
        asker.poll(Duration::ZERO);
    })
    .map_err(|source| KafkaFault::NoAnswer { question: "the topics", source })?;
    let counted = metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32));
    Ok(counted.filter(|(_, partitions)| *partitions > 0).collect())
}

async fn config_of(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<ConfigResource, KafkaFault> {
    let failed = |code| KafkaFault::Admin { what: "reading the configuration of topic", topic: topic.to_owned(), code };
    let described = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options()).await;
    let mut described = described.map_err(|error| failed(code_of(&error)))?;
    described.pop().ok_or_else(|| failed(RDKafkaErrorCode::UnknownTopicOrPartition))?.map_err(failed)
}

fn admin(settings: &KafkaSettings) -> Result<AdminClient<DefaultClientContext>, KafkaFault> {
    settings.checked()?;
    settings.admin_config().create().map_err(|source| KafkaFault::Client { client: "admin", source })
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT))
}

/// −1 is without limit.
fn kept(value: &str) -> u64 {
    value.parse::<i64>().map_or(0, |kept| u64::try_from(kept).unwrap_or(u64::MAX))
}

fn why(name: &str, is_fault: bool) -> &'static str {
    match name {
        "message.timestamp.type" => {
            "the time a record arrived decides what is late: a producer's clock must not stand in for it"
        }
        "cleanup.policy" => "of activity the history must stay, of the log of state only the last record of a key",
        "max.message.bytes" => "a larger record is refused by the broker: it is counted and left out",
        "retention.bytes" => "what is deleted before it is read, or before a restart, is lost to the state",
        "retention.ms" if is_fault => "what is deleted before it is read, or before a restart, is lost to the state",
        _ => "it works as it is",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &'static str, found: &str, wanted: &str) -> Finding {
        let what = Difference::Config { name, found: found.to_owned(), wanted: wanted.to_owned() };
        Finding { topic: "t".to_owned(), what }
    }

    #[test]
    fn keeping_longer_is_no_fault() {
        assert!(finding("retention.ms", "1", "2").is_fault());
        assert!(!finding("retention.ms", "3", "2").is_fault());
        assert!(!finding("retention.ms", "-1", "2").is_fault());
        assert!(finding("retention.ms", "", "2").is_fault());
        assert!(finding("retention.bytes", "1000000", "-1").is_fault());
        assert!(finding("max.message.bytes", "1000", "1000000").is_fault());
        assert!(finding("cleanup.policy", "compact", "delete").is_fault());
    }

    #[test]
    fn activity_is_kept_over_an_outage_and_records_are_as_large_as_the_producer_sends() {
        let mut settings = KafkaSettings::new("b:1");
        let all = wanted(&settings, &TopicSizes::default());
        assert!(all[0].config.contains(&("retention.ms", (7 * DAY).to_string())));
        assert!(all[0].config.contains(&("retention.bytes", "-1".to_owned())));
        assert_eq!(
            (all[0].record_bytes, all[5].record_bytes, all[9].record_bytes),
            (Some(1_000_000), Some(STATE_RECORD_BYTES), None)
        );
        settings.producer = settings.producer.with("message.max.bytes", "3000000");
        assert_eq!(wanted(&settings, &TopicSizes::default())[1].record_bytes, Some(3_000_000));
    }

    #[test]
    fn every_topic_of_the_settings_is_wanted() {
        let settings = KafkaSettings::new("b:1");
        let all = wanted(&settings, &TopicSizes { activity_partitions: 7, ..TopicSizes::default() });
        let names: Vec<_> = all.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
        assert_eq!(
            names,
            [
                ("frostwatch.activity.v1", 7),
                ("frostwatch.alerts.v1", 3),
                ("frostwatch.suppressions.v1", 3),
                ("frostwatch.late.v1", 3),
                ("frostwatch.rejected.v1", 3),
                ("frostwatch-changelog", 7),
                ("frostwatch.tables.v1", 1),
                ("frostwatch.raw.sysevent", 6),
                ("frostwatch.raw.syslog_transaction", 6),
                ("frostwatch.raw.sys_audit", 6),
                ("frostwatch.raw.sys_audit_delete", 6),
                ("frostwatch.raw.sys_attachment", 6),
                ("frostwatch.raw.sys_user", 6),
            ]
        );
    }
}
