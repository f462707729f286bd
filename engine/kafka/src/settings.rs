//! Settings of the Kafka edge. Parsing is strict, checking reports every fault at once and needs no broker.

mod names;
mod properties;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use serde::Deserialize;

pub use names::{RawTopic, TopicNames};
pub use properties::{Properties, is_secret};

use crate::client::{ConsumerSide, ProducerSide};
use crate::fault::KafkaFault;
use properties::{ADMIN_DEFAULTS, CONSUMER_DEFAULTS, PRODUCER_DEFAULTS, Side};

/// Longest time a batch may collect, milliseconds.
pub const BATCH_MS_MAX: u64 = 60_000;
/// A transaction that is open for longer than this is aborted by its broker, milliseconds. Readers of committed records and
/// whoever takes the partition over wait for it that long.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
/// librdkafka's name of the largest record that is sent.
const SENT_BYTES: &str = "message.max.bytes";
/// Most records a batch may hold.
pub const BATCH_RECORDS_MAX: usize = 1_000_000;

/// Longest tail, records: an hour at the speed of a core.
pub const TAIL_RECORDS_MAX: u64 = 1_000_000_000;

/// One fault of the settings: where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// Path inside the `kafka` block, such as `consumer.fetch.min.bytes`.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl std::fmt::Display for SettingFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kafka.{}: {}", self.path, self.message)
    }
}

/// The `kafka` block of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// Brokers to begin with, `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Consumer group of the engine; also the stem of what belongs to it.
    #[serde(default = "default_group")]
    pub group: String,
    /// A stable name of this process for static membership; each worker appends its number. None: dynamic members.
    #[serde(default)]
    pub instance: Option<String>,
    /// Names of topics.
    #[serde(default)]
    pub topics: TopicNames,
    /// What readers of the outputs are promised.
    #[serde(default)]
    pub delivery: Delivery,
    /// How much is collected before outputs are sent and offsets committed.
    #[serde(default)]
    pub batch: BatchSettings,
    /// How state is written.
    #[serde(default)]
    pub state: StateSettings,
    /// librdkafka properties for all clients.
    #[serde(default)]
    pub properties: Properties,
    /// librdkafka properties for consumers.
    #[serde(default)]
    pub consumer: Properties,
    /// librdkafka properties for producers.
    #[serde(default)]
    pub producer: Properties,
    /// librdkafka properties for administrative requests.
    #[serde(default)]
    pub admin: Properties,
}

/// What readers of the outputs are promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Outputs and offsets are one transaction: a reader of committed records sees every output once.
    #[default]
    ExactlyOnce,
    /// Offsets follow outputs: after a crash some outputs come again, as they were, with the same id, epoch and revision.
    /// A little faster to be seen, and the choice for brokers without transactions.
    AtLeastOnce,
}

/// Bounds of a batch: the first that is reached ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchSettings {
    /// From one commit to the next, milliseconds: it collects for that long, less what the last one took to go out, and for
    /// half of it at least.
    pub time_ms: u64,
    /// Records it may hold.
    pub records: usize,
    /// Bytes of output it may hold; one record may exceed it.
    pub output_bytes: usize,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { time_ms: 100, records: 20_000, output_bytes: 16 << 20 }
    }
}

/// How state is written to its log, `<group>-changelog`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateSettings {
    /// A key that has changed is written when so many records of its partition have come since: whoever takes the partition
    /// over after a crash runs at most about as many again, at half a million a second. Fewer cost more writing.
    pub tail_records: u64,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self { tail_records: 1_000_000 }
    }
}

impl KafkaSettings {
    /// Settings for brokers, all else as it is by default.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            group: default_group(),
            instance: None,
            topics: TopicNames::default(),
            delivery: Delivery::default(),
            batch: BatchSettings::default(),
            state: StateSettings::default(),
            properties: Properties::default(),
            consumer: Properties::default(),
            producer: Properties::default(),
            admin: Properties::default(),
        }
    }

    /// Every fault that can be found without a broker.
    pub fn check(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        self.check_own(&mut faults);
        self.topics.check(&mut faults);
        for (path, properties) in self.maps() {
            properties.check(path, &mut faults);
        }
        if faults.is_empty() {
            self.check_clients(&mut faults);
        }
        faults
    }

    /// The settings if they have no fault.
    pub fn checked(&self) -> Result<(), KafkaFault> {
        let faults = self.check();
        if faults.is_empty() { Ok(()) } else { Err(KafkaFault::Settings(faults)) }
    }

    /// Do the properties ask for TLS or SASL? A plain build has none but SASL PLAIN.
    pub fn wants_security(&self) -> bool {
        self.maps().iter().any(|(_, properties)| properties.wants_security())
    }

    /// The log of state.
    pub fn changelog(&self) -> String {
        format!("{}-changelog", self.group)
    }

    /// Group of the stage that makes activity of raw rows.
    pub fn normalise_group(&self) -> String {
        format!("{}-normalise", self.group)
    }

    /// Configuration of a consumer; `member` tells the members of one process apart.
    pub(crate) fn consumer_config(&self, group: &str, member: usize) -> ClientConfig {
        let mut config = self.config(Side::Consumer);
        config.set("group.id", group);
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", format!("{instance}-{member}"));
        }
        config
    }

    /// Configuration of a consumer of raw topics: each partition has a queue of its own, and the same partition numbers
    /// of all topics go to one member.
    pub(crate) fn raw_consumer_config(&self, member: usize) -> ClientConfig {
        let mut config = self.consumer_config(&self.normalise_group(), member);
        config.set("partition.assignment.strategy", "range");
        let name = "queued.max.messages.kbytes";
        if !self.properties.has(name) && !self.consumer.has(name) {
            config.set(name, "2048");
        }
        config
    }

    /// How long a rebalance may keep a member from committing: until the slowest is put out of the group.
    pub(crate) fn rebalance_max(&self) -> Duration {
        let config = self.config(Side::Consumer);
        let millis = |name, default| config.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        Duration::from_millis(millis("session.timeout.ms", 45_000) + millis("max.poll.interval.ms", 300_000))
    }

    /// Configuration of a producer.
    pub(crate) fn producer_config(&self) -> ClientConfig {
        self.config(Side::Producer)
    }

    /// Configuration of a worker's producer of transactions. Its name is that of the process where one is set, so that a
    /// successor ends at once what a crash left open; else it is of this process alone, and what a crash left open ends
    /// with the transaction timeout.
    pub(crate) fn transactions_config(&self, member: usize) -> ClientConfig {
        let mut config = self.config(Side::Producer);
        let (group, own) = (&self.group, process_name());
        let process = self.instance.as_ref().unwrap_or(&own);
        config.set("transactional.id", format!("{group}-{process}-{member}"));
        let is_set = |name| self.properties.has(name) || self.producer.has(name);
        if !is_set("transaction.timeout.ms") {
            config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
        }
        if !is_set("message.timeout.ms") && !is_set("delivery.timeout.ms") {
            let timeout = config.get("transaction.timeout.ms").unwrap_or(TRANSACTION_TIMEOUT_MS).to_owned();
            config.set("message.timeout.ms", timeout);
        }
        config
    }

    /// Largest record that the settings let the producer send, bytes, if they say so.
    pub(crate) fn sent_bytes_max(&self) -> Option<u64> {
        let is_set = self.properties.has(SENT_BYTES) || self.producer.has(SENT_BYTES);
        let bytes = || self.producer_config().get(SENT_BYTES).and_then(|bytes| bytes.parse().ok());
        is_set.then(bytes).flatten()
    }

    /// Configuration of an administrative client.
    pub(crate) fn admin_config(&self) -> ClientConfig {
        self.config(Side::Admin)
    }

    fn config(&self, side: Side) -> ClientConfig {
        let (defaults, specific) = match side {
            Side::Consumer => (CONSUMER_DEFAULTS, &self.consumer),
            Side::Producer => (PRODUCER_DEFAULTS, &self.producer),
            Side::Admin => (ADMIN_DEFAULTS, &self.admin),
        };
        let mut config = ClientConfig::new();
        for (name, value) in properties::merged(defaults, &self.properties, specific) {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        let wants_debug = tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG);
        config.set_log_level(if wants_debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
        config
    }

    fn maps(&self) -> [(&'static str, &Properties); 4] {
        [
            ("properties", &self.properties),
            ("consumer", &self.consumer),
            ("producer", &self.producer),
            ("admin", &self.admin),
        ]
    }

    fn check_own(&self, faults: &mut Vec<SettingFault>) {
        let mut fault = |path: &str, message: String| faults.push(SettingFault { path: path.to_owned(), message });
        if self.bootstrap_servers.trim().is_empty() {
            fault("bootstrap_servers", "is empty; a list such as 'broker-1:9092,broker-2:9092' is wanted".to_owned());
        }
        if self.group.trim().is_empty() {
            fault("group", "is empty".to_owned());
        }
        if self.instance.as_ref().is_some_and(|instance| instance.trim().is_empty()) {
            fault("instance", "is empty; leave it out for dynamic members".to_owned());
        }
        if !(1..=BATCH_MS_MAX).contains(&self.batch.time_ms) {
            fault("batch.time_ms", format!("{} is not within 1 to {BATCH_MS_MAX}", self.batch.time_ms));
        }
        if !(1..=BATCH_RECORDS_MAX).contains(&self.batch.records) {
            fault("batch.records", format!("{} is not within 1 to {BATCH_RECORDS_MAX}", self.batch.records));
        }
        if !(1..=TAIL_RECORDS_MAX).contains(&self.state.tail_records) {
            fault("state.tail_records", format!("{} is not within 1 to {TAIL_RECORDS_MAX}", self.state.tail_records));
        }
        if self.batch.output_bytes == 0 {
            fault("batch.output_bytes", "0 would send nothing together; the default is 16777216".to_owned());
        }
    }

    /// What fits alone may not fit together; librdkafka tells when a client is made, which needs no broker.
    fn check_clients(&self, faults: &mut Vec<SettingFault>) {
        let consumer = self.consumer_config(&self.group, 0);
        let producer = match self.delivery {
            Delivery::ExactlyOnce => self.transactions_config(0),
            Delivery::AtLeastOnce => self.producer_config(),
        };
        // Without an address nobody is asked.
        let [mut consumer, mut producer] = [consumer, producer];
        consumer.remove("bootstrap.servers");
        producer.remove("bootstrap.servers");
        let consumer = consumer.create_with_context(ConsumerSide::default());
        let producer = producer.create_with_context(ProducerSide::default());
        let consumer = consumer.map(|made: BaseConsumer<ConsumerSide>| drop(made));
        let producer = producer.map(|made: BaseProducer<ProducerSide>| drop(made));
        for (path, made) in [("consumer", consumer), ("producer", producer)] {
            if let Err(error) = made {
                let mut message = error.to_string();
                for (_, properties) in self.maps() {
                    properties.mask(&mut message);
                }
                faults.push(SettingFault { path: path.to_owned(), message });
            }
        }
    }
}

/// A name for the commits of a worker that no other has, now or later.
pub(crate) fn commit_name(member: usize) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{member}-{}", process_name(), since.as_millis())
}

/// What tells this process from others of the group: host and number.
fn process_name() -> String {
    let system = rustix::system::uname();
    format!("{}-{}", system.nodename().to_string_lossy(), std::process::id())
}

fn default_group() -> String {
    "frostwatch".to_owned()
}

#[cfg(test)]
mod tests;
