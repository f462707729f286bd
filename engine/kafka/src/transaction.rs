//! Outputs and offsets in one transaction.
//!
//! What a reader of committed records sees is every output once: outputs and the offsets of their input appear together
//! or not at all. A transaction is begun when its outputs are complete, so that it is open for milliseconds: readers of
//! the topics wait for the oldest that is open. A member that the group has put out cannot commit, since its generation
//! goes with the offsets (KIP-447); one of the same name as another is fenced by it.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer, PurgeConfig};
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::client::ProducerSide;
use crate::codes::is_transient;
use crate::fault::KafkaFault;
use crate::fetch::{EngineConsumer, member_id};
use crate::outbox::{Delivered, Outbox, Outgoing, code_of};

/// How long a step of a transaction may be tried before its outcome is taken to be unknown.
const STEP_MAX: Duration = Duration::from_secs(30);
/// One try of a step.
const STEP_TRY: Duration = Duration::from_secs(5);

/// Why a transaction did not commit.
#[derive(Debug)]
pub(crate) enum Undone {
    /// It was aborted: the same can be sent again.
    Aborted(RDKafkaErrorCode),
    /// The producer is of no more use, and the transaction may have committed or not.
    Unknown(RDKafkaErrorCode),
    /// There is no use in trying again.
    Fault(KafkaFault),
}

impl Undone {
    /// Where there is nobody to try again.
    pub(crate) fn into_fault(self) -> KafkaFault {
        match self {
            Self::Fault(fault) => fault,
            Self::Aborted(code) | Self::Unknown(code) => KafkaFault::Producer { code, reason: code.to_string() },
        }
    }
}

/// In whose name offsets are committed.
pub(crate) struct Owner<'a> {
    pub(crate) consumer: &'a EngineConsumer,
    /// What the group called the member when it owned what is committed.
    pub(crate) member: Option<&'a str>,
}

/// What goes into one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Records.
    pub(crate) count: usize,
    /// Of them, the first so many may be left out when the broker refuses their size.
    pub(crate) may_refuse: usize,
}

/// A producer that sends batches as transactions.
pub(crate) struct Transactions {
    config: ClientConfig,
    outbox: Outbox,
}

impl Transactions {
    /// Connects, and ends what a producer of the same name left open.
    pub(crate) fn new(config: ClientConfig) -> Result<Self, KafkaFault> {
        let outbox = open(&config)?;
        Ok(Self { config, outbox })
    }

    /// What its records go through.
    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes a new producer in place of one that is of no more use. Once it stands, the last transaction has either
    /// committed or never will.
    pub(crate) fn renew(&mut self) -> Result<(), KafkaFault> {
        self.outbox = open(&self.config)?;
        Ok(())
    }

    /// Sends records and offsets as one transaction.
    pub(crate) fn commit<'a>(
        &mut self,
        owner: &Owner<'_>,
        offsets: &TopicPartitionList,
        batch: Batch,
        record: impl Fn(usize) -> Outgoing<'a>,
        stopping: impl Fn() -> bool,
    ) -> Result<Delivered, Undone> {
        let delivered = match self.outbox.deliver(batch.count, &record, stopping) {
            Ok(delivered) => delivered,
            Err(fault) => return Err(self.undo(fault)),
        };
        if let Some(index) = delivered.refused.iter().find(|index| **index >= batch.may_refuse) {
            let refused = record(*index);
            let (topic, bytes) = (refused.topic.to_owned(), refused.value.map_or(0, <[u8]>::len));
            return Err(self.undo(KafkaFault::StateRefused { topic, bytes }));
        }
        // Delivery may have taken long: the group may have put the member out meanwhile, and taken it in again.
        let is_owner = owner.member.is_some() && member_id(owner.consumer).as_deref() == owner.member;
        let Some(group) = owner.consumer.group_metadata().filter(|_| is_owner) else {
            return Err(self.undone(RDKafkaErrorCode::UnknownMemberId));
        };
        let producer = self.outbox.producer();
        let sent = step(|| producer.send_offsets_to_transaction(offsets, &group, STEP_TRY))
            .and_then(|()| step(|| producer.commit_transaction(STEP_TRY)));
        match sent {
            Ok(()) => Ok(delivered),
            Err(Undone::Aborted(code)) => Err(self.undone(code)),
            Err(undone) => Err(undone),
        }
    }

    /// Aborts because of an error that asks for it.
    fn undone(&self, code: RDKafkaErrorCode) -> Undone {
        abort(self.outbox.producer()).err().unwrap_or(Undone::Aborted(code))
    }

    /// What a delivery that failed inside a transaction means for it.
    fn undo(&self, fault: KafkaFault) -> Undone {
        match fault {
            KafkaFault::Producer { code, .. } => Undone::Unknown(code),
            KafkaFault::Delivery { code, .. } if is_transient(code) => self.undone(code),
            fault => {
                // Whether it works or not, the process ends, and its successor aborts what is open.
                if let Err(undone) = abort(self.outbox.producer()) {
                    tracing::debug!(?undone, "abort");
                }
                Undone::Fault(fault)
            }
        }
    }
}

/// Begins a transaction.
pub(crate) fn begin(producer: &BaseProducer<ProducerSide>) -> Result<(), KafkaFault> {
    producer.begin_transaction().map_err(|error| broken(&error))
}

/// Ends a transaction without effect. What was not delivered is dropped first: an abort waits for it else.
pub(crate) fn abort(producer: &BaseProducer<ProducerSide>) -> Result<(), Undone> {
    producer.purge(PurgeConfig::default().queue().inflight());
    let begun = Instant::now();
    while producer.in_flight_count() > 0 && begun.elapsed() < STEP_TRY {
        producer.poll(Duration::from_millis(1));
    }
    step(|| producer.abort_transaction(STEP_TRY))
}

fn open(config: &ClientConfig) -> Result<Outbox, KafkaFault> {
    let outbox = Outbox::transactional(config)?;
    let ready = step(|| outbox.producer().init_transactions(STEP_TRY));
    match ready {
        Ok(()) => Ok(outbox),
        Err(Undone::Aborted(code) | Undone::Unknown(code)) => {
            Err(KafkaFault::NoAnswer { question: "the start of transactions", source: KafkaError::Global(code) })
        }
        Err(Undone::Fault(fault)) => Err(fault),
    }
}

/// Takes a step, again while that may help.
fn step(take: impl Fn() -> KafkaResult<()>) -> Result<(), Undone> {
    let begun = Instant::now();
    loop {
        let error = match take() {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) => error,
            Err(other) => return Err(Undone::Unknown(code_of(&other))),
        };
        let code = error.code();
        if error.is_retriable() && begun.elapsed() < STEP_MAX {
            tracing::debug!(%code, "a step of a transaction is taken again");
        } else if error.txn_requires_abort() {
            return Err(Undone::Aborted(code));
        } else {
            return Err(Undone::Unknown(code));
        }
    }
}

pub(crate) fn broken(error: &KafkaError) -> KafkaFault {
    KafkaFault::Producer { code: code_of(error), reason: error.to_string() }
}
