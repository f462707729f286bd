//! The contexts librdkafka calls back into. They record; the loops act.

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

use crate::group;

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

/// A consumer's context.
#[derive(Debug, Default)]
pub(crate) struct ConsumerSide {
    rebalanced: Mutex<Vec<Rebalanced>>,
    closing: AtomicBool,
}

impl ConsumerSide {
    /// Takes what the group decided since the last call.
    pub(crate) fn take_rebalanced(&self) -> Vec<Rebalanced> {
        std::mem::take(&mut *lock(&self.rebalanced))
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

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told to readers that asked for it, and is no fault.
        if !matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            tracing::warn!(target: "librdkafka", %error, "{reason}");
        }
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
}

impl ClientContext for ProducerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, "{reason}");
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
