//! Reads logs to their end: the state of partitions that were just assigned, the texts of rules, and outputs that were sent.

use std::collections::{BTreeMap, BTreeSet};
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

/// Records of each partition that are read first for texts, from the newest back; then so many times more.
const FIRST_STEP_BACK: i64 = 64;
const STEP_BACK_FACTOR: i64 = 8;
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

/// Reads all texts of rules and lists that are kept: as many as there ever were.
pub(crate) fn read_contents(settings: &KafkaSettings, client: &EngineConsumer) -> Result<Contents, KafkaFault> {
    let (mut contents, spans) = (Contents::new(), spans_of_tables(settings, client)?);
    let take = |name: &str, text: &[u8]| drop(contents.insert(name.to_owned(), text.to_vec()));
    read_spans(settings, &spans, take, |_| Ok(()))?;
    Ok(contents)
}

/// Finds the texts of rules and lists that are wanted, from the newest back: what is named by a state was written lately, and
/// the topic holds as many as there ever were. `goes_on` is asked now and then, with how many records were read.
pub(crate) fn find_contents(
    settings: &KafkaSettings,
    client: &EngineConsumer,
    wanted: &BTreeSet<String>,
    goes_on: impl Fn(u64) -> Result<(), KafkaFault>,
) -> Result<Contents, KafkaFault> {
    let (mut contents, mut spans) = (Contents::new(), spans_of_tables(settings, client)?);
    let mut step = FIRST_STEP_BACK;
    while contents.len() < wanted.len() && spans.iter().any(|(_, span)| !span.is_empty()) {
        let last: Vec<(i32, Range<i64>)> = spans
            .iter()
            .map(|(partition, span)| (*partition, span.start.max(span.end.saturating_sub(step))..span.end))
            .collect();
        let take = |name: &str, text: &[u8]| {
            // The name is the hash of the text, so of two there is none newer.
            if wanted.contains(name) && !contents.contains_key(name) {
                contents.insert(name.to_owned(), text.to_vec());
            }
        };
        read_spans(settings, &last, take, &goes_on)?;
        for ((_, span), (_, last)) in spans.iter_mut().zip(last) {
            span.end = last.start;
        }
        step = step.saturating_mul(STEP_BACK_FACTOR);
    }
    Ok(contents)
}

fn spans_of_tables(settings: &KafkaSettings, client: &EngineConsumer) -> Result<Vec<(i32, Range<i64>)>, KafkaFault> {
    let (asker, tables) = (asker(settings)?, settings.topics.tables());
    let count = group::partition_counts(client, &[&tables])?.first().copied().unwrap_or_default();
    let span = |partition| {
        let (low, high) = group::ends(&asker, &tables, partition)?;
        Ok((partition, low..high))
    };
    (0..count).map(span).collect()
}

fn read_spans(
    settings: &KafkaSettings,
    spans: &[(i32, Range<i64>)],
    mut take: impl FnMut(&str, &[u8]),
    goes_on: impl Fn(u64) -> Result<(), KafkaFault>,
) -> Result<(), KafkaFault> {
    let mut reader = StateReader::open_at(settings, &settings.topics.tables(), spans)?;
    let (mut done, mut records) = (false, 0);
    while !done {
        goes_on(records)?;
        done = reader.read(READ_STEP, &mut |record| {
            records += 1;
            take(record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default(), record.value);
            Ok(())
        })?;
    }
    Ok(())
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
