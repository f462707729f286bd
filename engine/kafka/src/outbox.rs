//! Delivery of a batch: everything is sent, every report is awaited, nothing is skipped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use frostwatch_detect::time::Millis;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::client::{FailedDelivery, ProducerSide, RoundTrips};
use crate::codes::is_transient;
use crate::fault::KafkaFault;
use crate::transaction;

/// Times a batch is sent before its worker stops.
pub(crate) const ROUNDS_MAX: u32 = 5;
/// How long a stopping worker waits for the brokers to take its last outputs.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(15);

/// How long room in the client's queue is waited for before it is asked again.
const POLL_STEP: Duration = Duration::from_millis(1);
/// Reports are looked for this often. The wrapper cannot wait for them: its flush polls in steps of 100 ms, and its poll
/// hands librdkafka whole milliseconds and asks without pause for what is left of the last one, which at a
/// millisecond is all of it: a core burnt for as long as the brokers take.
const REPORT_STEP: Duration = Duration::from_micros(500);

/// A record to send, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    /// `None`: the one of its key.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'static str, Vec<u8>)],
    pub(crate) stamp: Option<Millis>,
}

/// How a delivery went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Indices of records refused for their size, in order. All others are acknowledged.
    pub(crate) refused: Vec<usize>,
    /// Rounds it took.
    pub(crate) rounds: u32,
}

/// A producer that delivers batches.
pub(crate) struct Outbox {
    producer: BaseProducer<ProducerSide>,
    sent: usize,
    /// Each round is a transaction of its own; the last one is left open.
    is_transactional: bool,
}

impl Outbox {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, KafkaFault> {
        let producer = config
            .create_with_context(ProducerSide::default())
            .map_err(|source| KafkaFault::Client { client: "producer", source })?;
        Ok(Self { producer, sent: 0, is_transactional: false })
    }

    /// A producer whose batches are transactions; [`crate::transaction`] begins and ends them.
    pub(crate) fn transactional(config: &ClientConfig) -> Result<Self, KafkaFault> {
        Ok(Self { is_transactional: true, ..Self::new(config)? })
    }

    /// How long brokers took to answer, as far as the client has said so since the last call.
    pub(crate) fn take_round_trips(&self) -> RoundTrips {
        self.producer.context().take_round_trips()
    }

    pub(crate) const fn producer(&self) -> &BaseProducer<ProducerSide> {
        &self.producer
    }

    /// Delivers `count` records. A failed round is repeated as a whole, so that the records of a key stay in order.
    /// `stopping` is asked while waiting: once it says yes, the wait is bounded by [`STOP_WAIT`].
    ///
    /// A broker refuses the size of a whole request, not of a record: records refused together with others are sent one
    /// by one in the next round, and only one that is refused alone is given up.
    pub(crate) fn deliver<'a>(
        &mut self,
        count: usize,
        record: impl Fn(usize) -> Outgoing<'a>,
        stopping: impl Fn() -> bool,
    ) -> Result<Delivered, KafkaFault> {
        let mut delivered = Delivered::default();
        let (mut refused, mut alone) = (BTreeSet::new(), BTreeSet::new());
        if count == 0 {
            return Ok(delivered);
        }
        loop {
            delivered.rounds += 1;
            if self.is_transactional {
                self.begin_round(delivered.rounds > 1)?;
            }
            let mut failed = self.send(count, &record, &mut refused, &alone, &stopping)?;
            self.await_reports(&stopping)?;
            failed.extend(self.producer.context().take_failed());
            if let Some((code, reason)) = self.producer.client().fatal_error() {
                return Err(KafkaFault::Producer { code, reason });
            }
            let suspects = alone.len();
            // A transaction in which a record failed cannot commit: what is left is sent in another one.
            let spoilt = self.is_transactional && !failed.is_empty();
            let given_up = refused.len();
            let spoiler = failed.first().filter(|_| spoilt).map(|first| (first.topic.clone(), first.code));
            failed.retain(|failure| {
                // What went down with it has no fault of its own.
                if self.is_transactional && is_purged(failure.code) {
                    return false;
                }
                let too_large = is_too_large(failure.code);
                if too_large && !alone.insert(failure.index) {
                    refused.insert(failure.index);
                }
                !too_large
            });
            if let Some(first) = failed.first() {
                tracing::warn!(topic = first.topic, code = %first.code, failed = failed.len(), "outputs not delivered");
                if delivered.rounds >= ROUNDS_MAX || !is_transient(first.code) {
                    return Err(undelivered(first, failed.len(), delivered.rounds));
                }
            } else if alone.len() == suspects && !spoilt {
                break;
            } else if let Some((topic, code)) = spoiler
                && delivered.rounds >= ROUNDS_MAX
                && (suspects, given_up) == (alone.len(), refused.len())
            {
                return Err(KafkaFault::Delivery { topic, count: 1, rounds: delivered.rounds, code });
            }
            // The last round must tell of each record what becomes of it.
            if delivered.rounds + 1 == ROUNDS_MAX && alone.len() > suspects {
                alone.extend(0..count);
            }
        }
        delivered.refused = refused.into_iter().collect();
        Ok(delivered)
    }

    fn begin_round(&self, again: bool) -> Result<(), KafkaFault> {
        if again {
            transaction::abort(&self.producer).map_err(transaction::Undone::into_fault)?;
        }
        // What an abort dropped is reported as failed.
        drop(self.producer.context().take_failed());
        transaction::begin(&self.producer)
    }

    /// Sends what is not refused, in order; what is in `alone` shares its request with no other.
    fn send<'a>(
        &mut self,
        count: usize,
        record: &impl Fn(usize) -> Outgoing<'a>,
        refused: &mut BTreeSet<usize>,
        alone: &BTreeSet<usize>,
        stopping: &impl Fn() -> bool,
    ) -> Result<Vec<FailedDelivery>, KafkaFault> {
        let mut failed = Vec::new();
        for index in 0..count {
            if refused.contains(&index) {
                continue;
            }
            let outgoing = record(index);
            let is_alone = alone.contains(&index);
            if is_alone {
                self.await_reports(stopping)?;
            }
            match self.send_one(index, &outgoing, stopping)? {
                Ok(()) => {}
                // A record of this transaction has failed: nothing more goes into it.
                Err(RDKafkaErrorCode::State) if self.is_transactional => return Ok(failed),
                // The client's own refusal is of this record alone.
                Err(code) if is_too_large(code) => drop(refused.insert(index)),
                Err(code) => failed.push(FailedDelivery { index, topic: outgoing.topic.to_owned(), code }),
            }
            if is_alone {
                self.await_reports(stopping)?;
            }
        }
        Ok(failed)
    }

    /// Hands a record to the client once it has room.
    fn send_one(
        &mut self,
        index: usize,
        outgoing: &Outgoing<'_>,
        stopping: &impl Fn() -> bool,
    ) -> Result<Result<(), RDKafkaErrorCode>, KafkaFault> {
        let mut stop_at = None;
        loop {
            match self.enqueue(index, outgoing) {
                Err(RDKafkaErrorCode::QueueFull) => {
                    self.producer.poll(POLL_STEP);
                    self.check_stop(stopping, &mut stop_at)?;
                }
                answer => return Ok(answer),
            }
        }
    }

    fn enqueue(&mut self, index: usize, outgoing: &Outgoing<'_>) -> Result<(), RDKafkaErrorCode> {
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(outgoing.topic, index);
        record.partition = outgoing.partition;
        record.key = outgoing.key;
        record.payload = outgoing.value;
        record.timestamp = outgoing.stamp;
        if !outgoing.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            record.headers =
                Some(outgoing.headers.iter().fold(empty, |headers, (key, value)| {
                    headers.insert(Header { key, value: Some(value.as_slice()) })
                }));
        }
        match self.producer.send(record) {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err((error, _)) => Err(code_of(&error)),
        }
    }

    fn await_reports(&self, stopping: &impl Fn() -> bool) -> Result<(), KafkaFault> {
        let (mut stop_at, mut known) = (None, self.producer.context().reported());
        while known < self.sent {
            self.producer.poll(Duration::ZERO);
            let reported = self.producer.context().reported();
            if reported == known {
                self.check_stop(stopping, &mut stop_at)?;
                std::thread::park_timeout(REPORT_STEP);
            }
            known = reported;
        }
        Ok(())
    }

    fn check_stop(&self, stopping: &impl Fn() -> bool, stop_at: &mut Option<Instant>) -> Result<(), KafkaFault> {
        match *stop_at {
            None if stopping() => *stop_at = Some(Instant::now() + STOP_WAIT),
            Some(at) if Instant::now() > at => {
                return Err(KafkaFault::StoppedUnacknowledged(self.sent - self.producer.context().reported()));
            }
            _ => {}
        }
        Ok(())
    }
}

fn undelivered(first: &FailedDelivery, count: usize, rounds: u32) -> KafkaFault {
    let topic = first.topic.clone();
    match first.code {
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => KafkaFault::MissingTopic { topic },
        code => KafkaFault::Delivery { topic, count, rounds, code },
    }
}

const fn is_too_large(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::MessageBatchTooLarge
    )
}

const fn is_purged(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
}

/// The client's reason when the error carries none of Kafka's codes.
pub(crate) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}
