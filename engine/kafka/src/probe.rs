//! Do the brokers answer this configuration?

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::client::ConsumerSide;
use crate::fault::KafkaFault;
use crate::group::all_topics;
use crate::settings::KafkaSettings;

/// Brokers and topics that are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Brokers of the cluster.
    pub brokers: usize,
    /// Topics that this user may see.
    pub topics: usize,
}

/// Asks the brokers as every command does at its start: by address, TLS and credentials. What is in the way is told by the
/// fault and by [`crate::recent_troubles`].
pub fn probe(settings: &KafkaSettings) -> Result<Seen, KafkaFault> {
    settings.checked()?;
    // In no group: without an instance, and nothing is subscribed to.
    let mut config = settings.consumer_config(&settings.group, 0);
    config.remove("group.instance.id");
    let consumer: BaseConsumer<ConsumerSide> = config
        .create_with_context(ConsumerSide::default())
        .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
    let answer = all_topics(consumer.client(), || drop(consumer.poll(Duration::ZERO)))
        .map_err(|source| KafkaFault::NoAnswer { question: "the topics", source }.explained())?;
    Ok(Seen { brokers: answer.brokers().len(), topics: answer.topics().len() })
}
