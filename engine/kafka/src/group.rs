//! What every member of a group asks and tells the brokers.

use std::thread;
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::TopicPartition;
use crate::fault::{KafkaFault, is_transient};
use crate::fetch::EngineConsumer;
use crate::outbox::code_of;
use crate::worker::ANSWER_WAIT;

/// Failed commits in a row after which a loop stops.
const COMMITS_FAILED_MAX: u32 = 20;

/// How often a partition's leader is asked whether it leads, and the time between.
const LEADER_ASKS_MAX: u32 = 100;
const LEADER_WAIT: Duration = Duration::from_millis(100);

/// What a group has committed on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// `None` when the group has no offset there.
    pub(crate) offset: Option<i64>,
    /// What was written beside it.
    pub(crate) note: String,
}

/// Asks for the group's offsets.
pub(crate) fn committed(
    consumer: &EngineConsumer,
    partitions: &[TopicPartition],
) -> Result<Vec<Committed>, KafkaFault> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let no_answer = |source| KafkaFault::NoAnswer { question: "the group's offsets", source };
    let list = consumer.committed_offsets(list_of(partitions), ANSWER_WAIT).map_err(no_answer)?;
    let mut committed = Vec::with_capacity(partitions.len());
    for elem in list.elements() {
        elem.error().map_err(no_answer)?;
        committed.push(Committed {
            topic: elem.topic().to_owned(),
            partition: elem.partition(),
            offset: if let Offset::Offset(offset) = elem.offset() { Some(offset) } else { None },
            note: elem.metadata().to_owned(),
        });
    }
    Ok(committed)
}

/// Asks what a partition holds: the first offset and the one after the last.
pub(crate) fn ends(consumer: &EngineConsumer, topic: &str, partition: i32) -> Result<(i64, i64), KafkaFault> {
    once_it_leads(|| consumer.fetch_watermarks(topic, partition, ANSWER_WAIT))
        .map_err(|source| KafkaFault::NoAnswer { question: "the ends of a partition", source })
}

/// Asks a partition's leader again, a bounded number of times, while it does not yet know that it leads: right after a
/// topic was made, metadata names a leader before that broker has heard of it.
pub(crate) fn once_it_leads<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    for _ in 0..LEADER_ASKS_MAX {
        match ask() {
            Err(error) if is_leaderless(code_of(&error)) => thread::park_timeout(LEADER_WAIT),
            answer => return answer,
        }
    }
    ask()
}

const fn is_leaderless(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::LeaderNotAvailable | Code::NotLeaderForPartition | Code::UnknownTopicOrPartition)
}

/// Asks how many partitions topics have. A topic that is missing is a fault.
pub(crate) fn partition_counts(consumer: &EngineConsumer, topics: &[&str]) -> Result<Vec<i32>, KafkaFault> {
    // All topics: to ask for one by name may create it.
    let metadata = consumer
        .fetch_metadata(None, ANSWER_WAIT)
        .map_err(|source| KafkaFault::NoAnswer { question: "the topics", source })?;
    let count = |name: &&str| {
        let found = metadata.topics().iter().find(|topic| topic.name() == *name && !topic.partitions().is_empty());
        found
            .map(|topic| topic.partitions().len() as i32)
            .ok_or_else(|| KafkaFault::MissingTopic { topic: (*name).to_owned() })
    };
    topics.iter().map(count).collect()
}

/// A list of partitions without offsets.
pub(crate) fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// The commits of a member.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    failed_in_a_row: u32,
}

impl Commits {
    /// Commits, unless there is nothing to or the assignment is lost. `Ok(None)`: nothing was due; `Ok(Some(false))`:
    /// it failed for a reason that passes, and is to be tried again with the next batch.
    pub(crate) fn commit(
        &mut self,
        consumer: &EngineConsumer,
        offsets: &TopicPartitionList,
    ) -> Result<Option<bool>, KafkaFault> {
        if offsets.count() == 0 || consumer.assignment_lost() {
            return Ok(None);
        }
        match consumer.commit(offsets, CommitMode::Sync) {
            Ok(()) => {
                self.failed_in_a_row = 0;
                Ok(Some(true))
            }
            Err(source) => self.failed(source).map(|()| Some(false)),
        }
    }

    /// A member the group no longer knows is told so by a revocation that follows.
    fn failed(&mut self, source: KafkaError) -> Result<(), KafkaFault> {
        let code = code_of(&source);
        self.failed_in_a_row += 1;
        tracing::warn!(%code, in_a_row = self.failed_in_a_row, "offsets not committed");
        let passes = is_transient(code)
            || matches!(
                code,
                RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::AssignmentLost
                    | RDKafkaErrorCode::NoOffset
            );
        if passes && self.failed_in_a_row < COMMITS_FAILED_MAX {
            return Ok(());
        }
        Err(KafkaFault::Commit { attempts: self.failed_in_a_row, source })
    }
}
