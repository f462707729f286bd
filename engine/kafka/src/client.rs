//! The contexts librdkafka calls back into. They record; the loops act.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};

use crate::{group, trouble};

/// A partition of a topic.
pub(crate) type TopicPartition = (String, i32);

/// What the group decided, in the order it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalanced {
    /// Partitions to take.
    Assigned(Vec<TopicPartition>),
    /// Partitions to give back; `lost` when another member may own them already.
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
}

/// What librdkafka's statistics tell of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionStatistics {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The end of the log; what is not committed yet counts.
    pub(crate) end: i64,
    /// Records that a reader of committed ones could have and the group has not committed. `None`: the client knows of no
    /// commit, as where offsets are committed by transactions, which are a producer's.
    pub(crate) lag: Option<i64>,
}

/// A consumer's context.
#[derive(Debug, Default)]
pub(crate) struct ConsumerSide {
    rebalanced: Mutex<Vec<Rebalanced>>,
    /// The last ones, until they are taken.
    statistics: Mutex<Vec<PartitionStatistics>>,
    closing: AtomicBool,
}

impl ConsumerSide {
    /// Takes what the group decided since the last call.
    pub(crate) fn take_rebalanced(&self) -> Vec<Rebalanced> {
        std::mem::take(&mut *lock(&self.rebalanced))
    }

    /// Takes what the statistics said of partitions, if they have come since the last call.
    pub(crate) fn take_statistics(&self) -> Vec<PartitionStatistics> {
        std::mem::take(&mut *lock(&self.statistics))
    }

    /// Has the group decided something?
    pub(crate) fn has_rebalanced(&self) -> bool {
        !lock(&self.rebalanced).is_empty()
    }

    /// From now on nobody serves the decisions: let go of partitions at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for ConsumerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        *lock(&self.statistics) = partitions_of(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble::note(&error, reason);
    }
}

impl ConsumerContext for ConsumerSide {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Acquire) {
            // The loop is gone: a consumer that is being dropped waits until every decision is answered.
            let answered = match err {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                    group::assign(consumer, &TopicPartitionList::new())
                }
                _ => group::unassign(consumer, list),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "answered while closing");
            }
            return;
        }
        let partitions = list.elements().iter().map(|elem| (elem.topic().to_owned(), elem.partition())).collect();
        let event = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalanced::Assigned(partitions),
            _ => Rebalanced::Revoked { partitions, lost: consumer.assignment_lost() },
        };
        lock(&self.rebalanced).push(event);
    }
}

/// The client has an entry of its own for what has no partition yet, −1, and −1 or below for what it does not know.
fn partitions_of(statistics: Statistics) -> Vec<PartitionStatistics> {
    let of_topic = |(topic, of_topic): (String, rdkafka::statistics::Topic)| {
        let known = of_topic.partitions.into_values().filter(|told| told.partition >= 0 && told.hi_offset >= 0);
        known.map(move |told| PartitionStatistics {
            topic: topic.clone(),
            partition: told.partition,
            end: told.hi_offset,
            lag: (told.consumer_lag >= 0).then_some(told.consumer_lag),
        })
    };
    statistics.topics.into_iter().flat_map(of_topic).collect()
}

/// How long brokers took to answer a producer's requests, mean over some seconds, microseconds, by the broker's id. A
/// consumer's would be the time that it waits for records.
pub(crate) type RoundTrips = BTreeMap<i32, i64>;

/// The addresses that a client begins with have no id, and who was not asked anything has no mean.
fn round_trips_of(statistics: &Statistics) -> RoundTrips {
    let asked = statistics.brokers.values().filter(|broker| broker.nodeid >= 0);
    asked.filter_map(|broker| Some((broker.nodeid, broker.rtt.as_ref().filter(|rtt| rtt.cnt > 0)?.avg))).collect()
}

/// A record that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedDelivery {
    /// Its index in the batch.
    pub(crate) index: usize,
    /// Its topic.
    pub(crate) topic: String,
    /// Why.
    pub(crate) code: RDKafkaErrorCode,
}

/// A producer's context: counts reports.
#[derive(Debug, Default)]
pub(crate) struct ProducerSide {
    reported: AtomicUsize,
    failed: Mutex<Vec<FailedDelivery>>,
    /// By broker, what the last statistics said.
    round_trips: Mutex<RoundTrips>,
}

impl ProducerSide {
    /// Reports received since the producer began.
    pub(crate) fn reported(&self) -> usize {
        self.reported.load(Ordering::Relaxed)
    }

    /// Takes the failures reported since the last call.
    pub(crate) fn take_failed(&self) -> Vec<FailedDelivery> {
        std::mem::take(&mut *lock(&self.failed))
    }

    /// Takes how long brokers took to answer, as far as statistics have come since the last call.
    pub(crate) fn take_round_trips(&self) -> RoundTrips {
        std::mem::take(&mut *lock(&self.round_trips))
    }
}

impl ClientContext for ProducerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        *lock(&self.round_trips) = round_trips_of(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        trouble::note(&error, reason);
    }
}

impl ProducerContext for ProducerSide {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        if let Err((error, message)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            lock(&self.failed).push(FailedDelivery { index, topic: message.topic().to_owned(), code });
        }
        self.reported.fetch_add(1, Ordering::Relaxed);
    }
}

fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // What ends because nobody has used it is logged at a lower level.
    let is_of_a_connection = facility == "FAIL" && (level as i32) < RDKafkaLogLevel::Notice as i32;
    if is_of_a_connection && trouble::note_line(message) {
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// The data behind these locks is whole after every statement: a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::{Broker, Partition, Topic, Window};

    use super::*;

    #[test]
    fn statistics_tell_the_ends_of_partitions_and_the_lag_where_the_client_knows_of_a_commit() {
        let partition = |partition, hi_offset, consumer_lag| {
            (partition, Partition { partition, hi_offset, consumer_lag, ..Partition::default() })
        };
        let partitions =
            HashMap::from([partition(-1, 5, 5), partition(0, 90, 7), partition(1, 4, -1), partition(2, -1001, -1)]);
        let topic = Topic { partitions, ..Topic::default() };
        let statistics = Statistics { topics: HashMap::from([("rows".to_owned(), topic)]), ..Statistics::default() };
        let mut told = partitions_of(statistics);
        told.sort_by_key(|told| told.partition);
        let one = |partition, end, lag| PartitionStatistics { topic: "rows".to_owned(), partition, end, lag };
        assert_eq!(told, [one(0, 90, Some(7)), one(1, 4, None)]);
    }

    #[test]
    fn statistics_tell_the_round_trips_of_brokers_that_were_asked_something() {
        let broker = |nodeid, cnt, avg| {
            let rtt = Some(Window { cnt, avg, ..Window::default() });
            (format!("{nodeid}/{cnt}"), Broker { nodeid, rtt, ..Broker::default() })
        };
        let brokers = HashMap::from([broker(-1, 3, 9), broker(1, 0, 0), broker(2, 5, 237)]);
        assert_eq!(round_trips_of(&Statistics { brokers, ..Statistics::default() }), RoundTrips::from([(2, 237)]));
    }
}
