//! What every member of a group asks and tells the brokers.

use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
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

/// Asks how many partitions the raw topics have: all must have the same, or the rows of one user would lie with several
/// members, of whom the one that is behind makes late activity.
pub(crate) fn raw_partition_count(consumer: &EngineConsumer, topics: &[&str]) -> Result<i32, KafkaFault> {
    let counts = partition_counts(consumer, topics)?;
    let counted: Vec<(&str, i32)> = topics.iter().copied().zip(counts).collect();
    equal_counts(&counted)
}

/// The count that all topics share; 0 of none.
pub(crate) fn equal_counts(topics: &[(&str, i32)]) -> Result<i32, KafkaFault> {
    let Some((first, count)) = topics.first() else { return Ok(0) };
    match topics.iter().find(|(_, other)| other != count) {
        None => Ok(*count),
        Some((other, other_count)) => Err(KafkaFault::RawPartitions {
            topic: (*first).to_owned(),
            count: *count,
            other: (*other).to_owned(),
            other_count: *other_count,
        }),
    }
}

/// Takes partitions as the group's protocol wants it: added to those held, or in place of them.
pub(crate) fn assign<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.assign(list),
        _ => consumer.incremental_assign(list),
    }
}

/// Lets partitions go as the group's protocol wants it: an eager one takes all of them back at once.
pub(crate) fn unassign<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.unassign(),
        _ => consumer.incremental_unassign(list),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_share_a_count_have_it_and_the_first_that_differs_is_named() {
        assert_eq!(equal_counts(&[]).unwrap(), 0);
        assert_eq!(equal_counts(&[("a", 6), ("b", 6)]).unwrap(), 6);
        let said = equal_counts(&[("a", 6), ("b", 6), ("c", 3)]).unwrap_err().to_string();
        assert!(said.contains("'a' has 6, 'c' has 3"), "{said}");
    }
}
