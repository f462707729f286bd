//! Pass-through properties: librdkafka's own names and values, but for those the engine must own.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::SettingFault;

/// Are TLS and what comes with it built in?
const HAS_TLS: bool = cfg!(feature = "tls");

/// Which client properties are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Consumer,
    Producer,
    Admin,
}

/// What a consumer is given unless the settings say otherwise, and what they cannot change.
///
/// `fetch.queue.backoff.ms` at its default of a second cuts a working consumer to a third. `auto.offset.reset=error`:
/// where to start is decided by the engine, never by the client.
pub(super) const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("client.id", "frostwatch"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "false"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.wait.max.ms", "100"),
    ("isolation.level", "read_committed"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("queued.max.messages.kbytes", "32768"),
    ("session.timeout.ms", "10000"),
    // The ends of partitions, for the metrics of lag.
    ("statistics.interval.ms", "5000"),
];

/// The same for a producer. lz4 is built into librdkafka.
pub(super) const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("acks", "all"),
    ("client.id", "frostwatch"),
    ("compression.codec", "lz4"),
    ("enable.idempotence", "true"),
    // What goes out together is handed over together.
    ("linger.ms", "1"),
    // How long brokers take to answer, for the metrics.
    ("statistics.interval.ms", "5000"),
    // A key at its caps: see `topics::STATE_RECORD_BYTES`.
    ("message.max.bytes", "5242880"),
    ("message.timeout.ms", "120000"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.kbytes", "131072"),
];

/// The same for administrative requests.
pub(super) const ADMIN_DEFAULTS: &[(&str, &str)] = &[("client.id", "frostwatch-admin")];

/// Two names of one property: what is set under one must not fight a default under the other.
const ALIASES: &[(&str, &str)] = &[
    ("compression.type", "compression.codec"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("queue.buffering.max.ms", "linger.ms"),
];

/// Properties the engine owns, with the reason or the place to set them.
const OWNED: &[(&str, &str)] = &[
    ("acks", "a record is delivered when all replicas have it"),
    ("auto.commit.enable", "offsets are committed after the outputs of their records"),
    ("auto.offset.reset", "the engine decides where to start and refuses to skip"),
    ("bootstrap.servers", "set `bootstrap_servers`"),
    ("delivery.report.only.error", "every delivery is counted"),
    ("enable.auto.commit", "offsets are committed after the outputs of their records"),
    ("enable.auto.offset.store", "offsets are committed after the outputs of their records"),
    ("enable.idempotence", "retries must not double or swap records"),
    ("enable.partition.eof", "with batches it makes librdkafka skip a record at a rebalance"),
    ("group.id", "set `group`"),
    ("group.instance.id", "set `instance`"),
    ("group.protocol", "partitions move by the classic protocol"),
    ("isolation.level", "records of aborted transactions are not input"),
    ("log.queue", "logs are served by the engine"),
    ("metadata.broker.list", "set `bootstrap_servers`"),
    ("partition.assignment.strategy", "state moves with its partition, and a user's raw rows move together"),
    ("partitioner", "keys lie where Java clients put them"),
    ("request.required.acks", "a record is delivered when all replicas have it"),
    ("transactional.id", "the engine names its own"),
];

/// Names and values handed to librdkafka as they are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Sets one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Names and values, secrets masked.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), if is_secret(name) { "********" } else { value }))
    }

    /// Is TLS or SASL asked for?
    pub(super) fn wants_security(&self) -> bool {
        let is_of_security = |name: &str| name.starts_with("ssl.") || name.starts_with("sasl.");
        let protocol = self.0.get("security.protocol");
        protocol.is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"))
            || self.0.keys().any(|name| is_of_security(name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn check(&self, path: &str, faults: &mut Vec<SettingFault>) {
        for (name, value) in &self.0 {
            if let Some(message) = fault_of(name, value) {
                faults.push(SettingFault { path: format!("{path}.{name}"), message });
            }
        }
    }

    /// Takes the values of secrets out of a text.
    pub(super) fn mask(&self, text: &mut String) {
        for (name, value) in &self.0 {
            if is_secret(name) && !value.is_empty() {
                *text = text.replace(value, "********");
            }
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Ok(Self(map.into_iter().map(|(name, value)| (name, value.0)).collect()))
    }
}

/// A value that YAML may have taken for a number or a switch.
struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or true/false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value(value.to_owned()))
    }
}

/// Must the value never be shown?
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "passphrase"].iter().any(|word| name.contains(word))
        || name.ends_with("key.pem")
        || name.ends_with("sasl.oauthbearer.config")
        || name.starts_with("sasl.jaas")
}

/// Specific over common over built-in, under one name each.
pub(super) fn merged<'a>(
    defaults: &'a [(&'a str, &'a str)],
    common: &'a Properties,
    specific: &'a Properties,
) -> BTreeMap<&'a str, &'a str> {
    let mut all: BTreeMap<_, _> = defaults.iter().copied().collect();
    for properties in [common, specific] {
        all.extend(properties.0.iter().map(|(name, value)| (canonical(name), value.as_str())));
    }
    all
}

fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, canonical)| canonical)
}

/// What this build has not. librdkafka says so too, in other words and some of it only when a client is made.
fn not_built(name: &str, value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    let is_mechanism = matches!(name, "sasl.mechanism" | "sasl.mechanisms");
    if is_mechanism && value == "oauthbearer" {
        // Tokens come by OIDC, for which librdkafka needs a client of HTTP that is built into none of ours.
        return Some(
            "OAUTHBEARER is not supported: this program fetches no tokens; SCRAM-SHA-512, PLAIN behind TLS and client \
             certificates are"
                .to_owned(),
        );
    }
    let needs_tls = match name {
        "security.protocol" => matches!(value.as_str(), "ssl" | "sasl_ssl"),
        _ => is_mechanism && value.starts_with("scram-"),
    };
    (needs_tls && !HAS_TLS)
        .then(|| format!("'{value}' needs TLS, which this build has not: build with `--features tls`"))
}

fn fault_of(name: &str, value: &str) -> Option<String> {
    if let Some((_, why)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        return Some(format!("belongs to the engine: {why}"));
    }
    if let Some(message) = not_built(name, value) {
        return Some(message);
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(_, why, ..)) if !is_secret(name) => Some(why.trim_end_matches('\0').to_owned()),
        Err(_) => Some("is not taken by librdkafka".to_owned()),
    }
}
