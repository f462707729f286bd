//! A Kafka cluster inside the process, for the demo and for tests.
//!
//! librdkafka's mock keeps 5 MiB and 100,000 batches of a partition and drops the oldest in silence, takes three
//! seconds for a group to form, knows no administrative requests and no compaction, and its transactions do nothing.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::fault::KafkaFault;
use crate::settings::{Delivery, KafkaSettings};

/// Bytes of a partition the mock keeps, as stored: compressed.
pub const MOCK_PARTITION_BYTES_MAX: u64 = 5 << 20;

/// A running mock cluster; it stops when dropped.
pub struct MockKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockKafka {
    /// Starts a cluster of one broker on loopback.
    pub fn start() -> Result<Self, KafkaFault> {
        let cluster = MockCluster::new(1).map_err(|source| KafkaFault::Client { client: "mock cluster", source })?;
        Ok(Self { cluster })
    }

    /// What clients connect to.
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Settings for this cluster: its transactions do nothing, so offsets follow outputs.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings { delivery: Delivery::AtLeastOnce, ..KafkaSettings::new(self.bootstrap_servers()) }
    }

    /// Makes a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaFault> {
        self.cluster
            .create_topic(topic, partitions, 1)
            .map_err(|source| KafkaFault::Client { client: "mock cluster", source })
    }

    /// The cluster, to inject faults.
    pub fn cluster(&self) -> &MockCluster<'static, DefaultProducerContext> {
        &self.cluster
    }
}
