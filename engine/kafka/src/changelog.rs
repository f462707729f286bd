//! Reads logs to their end: the state of partitions that were just assigned, the texts of rules, and outputs that were sent.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frostwatch_detect::time::Millis;
use frostwatch_runtime::checkpoint::Contents;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::ConsumerSide;
use crate::fault::KafkaFault;
use crate::fetch::{EngineConsumer, FetchQueue, Fetched, RecordView};
use crate::group;
use crate::settings::KafkaSettings;
use crate::worker::take_error;

const CHUNK_RECORDS: usize = 4_096;
const CHUNK_WAIT: Duration = Duration::from_millis(10);
/// How long is read before anybody asks whether to go on.
const READ_STEP: Duration = Duration::from_millis(50);

/// Reads to the ends that were there when it was made. Those are the ends of what was written, committed or not: a
/// transaction that its owner left open is waited for, since only its outcome tells where the partition stands.
pub(crate) struct StateReader {
    // Dropped before the consumer it borrows from.
    queue: FetchQueue,
    consumer: Arc<EngineConsumer>,
    topic: String,
    /// Ends to be reached.
    left: BTreeMap<i32, i64>,
}

impl StateReader {
    /// Begins to read partitions of the log of state.
    pub(crate) fn open(settings: &KafkaSettings, topic: &str, partitions: &[i32]) -> Result<Self, KafkaFault> {
        let asker = asker(settings)?;
        let mut spans = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (low, high) = group::ends(&asker, topic, *partition)?;
            spans.push((*partition, low..high));
        }
        Self::open_at(settings, topic, &spans)
    }

    /// Begins to read all partitions of a topic of outputs, from the first record of each on that is not stamped before
    /// `since`; `None`: from its first.
    pub(crate) fn open_since(settings: &KafkaSettings, topic: &str, since: Option<Millis>) -> Result<Self, KafkaFault> {
        let asker = asker(settings)?;
        let count = group::partition_counts(&asker, &[topic])?.first().copied().unwrap_or_default();
        let mut spans = Vec::new();
        for partition in 0..count {
            let (low, high) = group::ends(&asker, topic, partition)?;
            let first = match since {
                Some(since) => group::first_since(&asker, topic, partition, since)?.unwrap_or(high),
                None => low,
            };
            spans.push((partition, first..high));
        }
        Self::open_at(settings, topic, &spans)
    }

    /// Begins to read offsets of partitions.
    pub(crate) fn open_at(
        settings: &KafkaSettings,
        topic: &str,
        spans: &[(i32, Range<i64>)],
    ) -> Result<Self, KafkaFault> {
        let consumer = Arc::new(client(settings, "read_committed")?);
        let queue = FetchQueue::new(&consumer).ok_or(KafkaFault::Consumer(KafkaError::Canceled))?;
        let mut starts = TopicPartitionList::with_capacity(spans.len());
        let mut left = BTreeMap::new();
        for (partition, span) in spans.iter().filter(|(_, span)| !span.is_empty()) {
            left.insert(*partition, span.end);
            let start = Offset::Offset(span.start);
            starts.add_partition_offset(topic, *partition, start).map_err(KafkaFault::Consumer)?;
            queue.attach(topic, *partition);
        }
        consumer.assign(&starts).map_err(KafkaFault::Consumer)?;
        Ok(Self { queue, consumer, topic: topic.to_owned(), left })
    }

    /// Hands over records for about as long as `time`. Are all ends reached?
    pub(crate) fn read(
        &mut self,
        time: Duration,
        take: &mut dyn FnMut(&RecordView<'_>) -> Result<(), KafkaFault>,
    ) -> Result<bool, KafkaFault> {
        let begun = Instant::now();
        while !self.left.is_empty() && begun.elapsed() < time {
            let chunk = self.queue.take(CHUNK_RECORDS, CHUNK_WAIT);
            for fetched in chunk.iter() {
                match fetched {
                    // What is written after the ends were asked for is not ours: somebody else holds the partition.
                    Fetched::Record(record)
                        if self.left.get(&record.partition).is_some_and(|end| record.offset < *end) =>
                    {
                        take(&record)?;
                    }
                    Fetched::Record(_) => {}
                    Fetched::Error { code, .. } => take_error(code, &self.topic)?,
                }
            }
            self.note_positions()?;
            if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
                tracing::warn!(%error, "reader of state");
            }
        }
        Ok(self.left.is_empty())
    }

    /// The client's position also passes the marks of transactions, of which no record tells.
    fn note_positions(&mut self) -> Result<(), KafkaFault> {
        for elem in self.consumer.position().map_err(KafkaFault::Consumer)?.elements() {
            if let Offset::Offset(position) = elem.offset()
                && self.left.get(&elem.partition()).is_some_and(|end| position >= *end)
            {
                self.left.remove(&elem.partition());
            }
        }
        Ok(())
    }
}

/// Reads the texts of rules, those whose hashes are wanted. The topic is small: one text for every set of rules there ever
/// was. `goes_on` is asked now and then.
pub(crate) fn read_contents(
    settings: &KafkaSettings,
    client: &EngineConsumer,
    is_wanted: impl Fn(&str) -> bool,
    goes_on: impl Fn() -> Result<(), KafkaFault>,
) -> Result<Contents, KafkaFault> {
    let tables = settings.topics.tables();
    let count = group::partition_counts(client, &[&tables])?.first().copied().unwrap_or_default();
    let mut reader = StateReader::open(settings, &tables, &(0..count).collect::<Vec<_>>())?;
    let mut contents = Contents::new();
    let mut done = false;
    while !done {
        goes_on()?;
        done = reader.read(READ_STEP, &mut |record| {
            let name = record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
            if is_wanted(name) {
                contents.insert(name.to_owned(), record.value.to_vec());
            }
            Ok(())
        })?;
    }
    Ok(contents)
}

/// A reader of committed records is told that the log ends where the first open transaction begins.
fn asker(settings: &KafkaSettings) -> Result<EngineConsumer, KafkaFault> {
    client(settings, "read_uncommitted")
}

fn client(settings: &KafkaSettings, isolation: &str) -> Result<EngineConsumer, KafkaFault> {
    let mut config = settings.consumer_config(&format!("{}-restore", settings.group), 0);
    config.set("isolation.level", isolation);
    config.remove("group.instance.id");
    config.set("statistics.interval.ms", "0");
    let consumer: EngineConsumer = config
        .create_with_context(ConsumerSide::default())
        .map_err(|source| KafkaFault::Client { client: "reader of state", source })?;
    // Nobody serves a group here: partitions are taken by hand and let go of when the consumer is dropped.
    consumer.context().close();
    Ok(consumer)
}
