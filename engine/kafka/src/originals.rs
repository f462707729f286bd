//! Records that were not scored, as the late and rejected topics keep them: read, and published again.
//!
//! Beside the original key and bytes stand headers in Kafka Connect's convention for dead letters, which tell where the
//! record came from and why it lies here.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frostwatch_detect::time::Millis;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::ConsumerSide;
use crate::fault::KafkaFault;
use crate::fetch::EngineConsumer;
use crate::group;
use crate::outbox::{Outbox, Outgoing};
use crate::settings::KafkaSettings;
use crate::worker::{ANSWER_WAIT, take_error};

/// Stands on a record that was published again, with the place it was taken from.
pub const REPLAYED_FROM: &str = "frostwatch.replayed_from";

const POLL_WAIT: Duration = Duration::from_millis(100);

/// Where a record lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// A record that was not scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Where it lies now.
    pub place: Place,
    /// When it was put there.
    pub stamp: Option<Millis>,
    /// Its own key.
    pub key: Option<Vec<u8>>,
    /// Its own bytes, as far as they were kept.
    pub value: Vec<u8>,
    /// The headers beside it, by name.
    pub headers: BTreeMap<String, Vec<u8>>,
}

impl Original {
    /// Where it came from; `None` where the headers do not tell.
    pub fn source(&self) -> Option<Place> {
        Some(Place {
            topic: self.text("__connect.errors.topic")?,
            partition: self.text("__connect.errors.partition")?.parse().ok()?,
            offset: self.text("__connect.errors.offset")?.parse().ok()?,
        })
    }

    /// The reason as one word; rows of raw topics have none of their own.
    pub fn reason(&self) -> String {
        self.text("__connect.errors.exception.class.name").unwrap_or_else(|| "raw_row".to_owned())
    }

    /// The reason in words.
    pub fn message(&self) -> String {
        self.text("__connect.errors.exception.message").unwrap_or_default()
    }

    /// Its whole size, where only its beginning was kept.
    pub fn truncated_from_bytes(&self) -> Option<u64> {
        // What stands there and is no number still says that something is missing.
        Some(self.text("frostwatch.truncated_from_bytes")?.parse().unwrap_or(u64::MAX))
    }

    fn text(&self, header: &str) -> Option<String> {
        self.headers.get(header).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn of(message: &BorrowedMessage<'_>) -> Self {
        let (topic, partition, offset) = (message.topic().to_owned(), message.partition(), message.offset());
        let mut headers = BTreeMap::new();
        if let Some(own) = message.headers() {
            headers.extend(own.iter().map(|one| (one.key.to_owned(), one.value.unwrap_or_default().to_vec())));
        }
        Self {
            place: Place { topic, partition, offset },
            stamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            headers,
        }
    }
}

/// Reads a topic of such records to the ends it had at the start, partition after partition, until `take` has enough or
/// `stop` is set. With `since`, from the first record that was put there at that time or later.
pub fn read_originals(
    settings: &KafkaSettings,
    topic: &str,
    since: Option<Millis>,
    stop: &AtomicBool,
    take: &mut dyn FnMut(Original) -> std::io::Result<ControlFlow<()>>,
) -> Result<(), KafkaFault> {
    settings.checked()?;
    let mut config = settings.consumer_config(&reader_group(settings), 0);
    // A partition may end in marks of transactions, of which no record tells.
    config.set("enable.partition.eof", "true");
    let consumer: EngineConsumer = config
        .create_with_context(ConsumerSide::default())
        .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
    // Nobody serves a group here: partitions are taken by hand.
    consumer.context().close();
    let count = group::partition_counts(&consumer, &[topic])?.first().copied().unwrap_or_default();
    for partition in 0..count {
        let (low, high) = group::ends(&consumer, topic, partition)?;
        let start = since.map_or(Ok(low), |since| first_since(&consumer, topic, partition, since, high))?;
        if start < high && read_partition(&consumer, &Span { topic, partition, start, high }, stop, take)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// The group that [`read_originals`] names and never joins.
pub fn reader_group(settings: &KafkaSettings) -> String {
    format!("{}-rejected", settings.group)
}

/// What is read of a partition.
struct Span<'a> {
    topic: &'a str,
    partition: i32,
    start: i64,
    high: i64,
}

fn read_partition(
    consumer: &EngineConsumer,
    span: &Span<'_>,
    stop: &AtomicBool,
    take: &mut dyn FnMut(Original) -> std::io::Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>, KafkaFault> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(span.topic, span.partition, Offset::Offset(span.start)).map_err(KafkaFault::Consumer)?;
    consumer.assign(&list).map_err(KafkaFault::Consumer)?;
    while !stop.load(Ordering::Acquire) {
        match consumer.poll(POLL_WAIT) {
            None => {}
            // What an earlier partition still had to say.
            Some(Ok(message)) if message.partition() != span.partition => {}
            Some(Err(KafkaError::PartitionEOF(partition))) if partition != span.partition => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(ControlFlow::Continue(())),
            Some(Ok(message)) => {
                if message.offset() < span.high && take(Original::of(&message))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if message.offset() + 1 >= span.high {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            Some(Err(KafkaError::MessageConsumption(code))) => take_error(code, span.topic)?,
            Some(Err(error)) => return Err(KafkaFault::Consumer(error)),
        }
    }
    Ok(ControlFlow::Break(()))
}

/// The first offset that was stamped at a time or later; the end where there is none.
fn first_since(
    consumer: &EngineConsumer,
    topic: &str,
    partition: i32,
    since: Millis,
    high: i64,
) -> Result<i64, KafkaFault> {
    let no_answer = |source| KafkaFault::NoAnswer { question: "offsets of a time", source };
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, partition, Offset::Offset(since)).map_err(KafkaFault::Consumer)?;
    let found = consumer.offsets_for_times(asked, ANSWER_WAIT).map_err(no_answer)?;
    let elem = found.elements();
    let offset = elem.first().map_or(Offset::End, rdkafka::topic_partition_list::TopicPartitionListElem::offset);
    Ok(if let Offset::Offset(offset) = offset { offset } else { high })
}

/// Publishes originals again.
pub struct Republisher {
    outbox: Outbox,
}

impl Republisher {
    /// Connects.
    pub fn connect(settings: &KafkaSettings) -> Result<Self, KafkaFault> {
        settings.checked()?;
        Ok(Self { outbox: Outbox::new(&settings.producer_config())? })
    }

    /// Publishes original keys and bytes to the topics named beside them, and waits until all are acknowledged. Returns
    /// the indices of those that the broker refused for their size. They get the time of now: when they arrived first
    /// is long ago, and stamps of a log do not run back.
    pub fn publish(&mut self, records: &[(&str, &Original)], stop: &AtomicBool) -> Result<Vec<usize>, KafkaFault> {
        let headers: Vec<[(&'static str, Vec<u8>); 1]> =
            records.iter().map(|(_, original)| [(REPLAYED_FROM, original.place.to_string().into_bytes())]).collect();
        let outgoing = |index: usize| {
            let (topic, original) = records[index];
            Outgoing {
                topic,
                partition: None,
                // A record without a key was kept with an empty one.
                key: original.key.as_deref().filter(|key| !key.is_empty()),
                value: Some(&original.value),
                headers: &headers[index],
                stamp: None,
            }
        };
        match self.outbox.deliver(records.len(), outgoing, || stop.load(Ordering::Acquire)) {
            Ok(delivered) => Ok(delivered.refused),
            Err(KafkaFault::Delivery { code: RDKafkaErrorCode::UnknownTopicOrPartition, topic, .. }) => {
                Err(KafkaFault::MissingTopic { topic })
            }
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(headers: &[(&str, &str)]) -> Original {
        Original {
            place: Place { topic: "frostwatch.rejected.v1".into(), partition: 1, offset: 5 },
            stamp: None,
            key: None,
            value: Vec::new(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect(),
        }
    }

    #[test]
    fn where_it_came_from_is_told_by_three_headers_or_not_at_all() {
        let all = [
            ("__connect.errors.topic", "frostwatch.activity.v1"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "41"),
        ];
        assert_eq!(original(&all).source().map(|place| place.to_string()), Some("frostwatch.activity.v1/3/41".into()));
        for missing in 0..3 {
            let some: Vec<_> = all.iter().copied().enumerate().filter(|(index, _)| *index != missing).collect();
            let some: Vec<_> = some.into_iter().map(|(_, header)| header).collect();
            assert_eq!(original(&some).source(), None, "{some:?}");
        }
    }

    #[test]
    fn the_reason_is_one_word_and_what_was_cut_is_known() {
        let cut = |size| original(&[("frostwatch.truncated_from_bytes", size)]).truncated_from_bytes();
        assert_eq!(cut("900000"), Some(900_000));
        assert_eq!(cut("many"), Some(u64::MAX));
        assert_eq!(original(&[]).truncated_from_bytes(), None);
        assert_eq!(original(&[("__connect.errors.exception.class.name", "stamp")]).reason(), "stamp");
        assert_eq!(original(&[]).reason(), "raw_row");
    }
}
