//! What every member of a group asks and tells the brokers.

use std::thread;
use std::time::{Duration, Instant};

use frostwatch_detect::time::Millis;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{ConsumerSide, Rebalanced, TopicPartition};
use crate::codes::is_transient;
use crate::fault::KafkaFault;
use crate::fetch::{EngineConsumer, is_member};
use crate::outbox::code_of;
use crate::trouble;
use crate::worker::ANSWER_WAIT;

/// Wait after a commit that failed; it doubles with each, up to a longest.
const COMMIT_WAIT: Duration = Duration::from_millis(50);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(2);
const COMMIT_DOUBLINGS_MAX: u32 = 10;

/// How long is waited for the topics before it is looked why they do not come.
const METADATA_STEP: Duration = Duration::from_secs(2);
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

/// Asks for the offset of a partition's first record that is not stamped before `since`; `None` where there is none.
pub(crate) fn first_since(
    consumer: &EngineConsumer,
    topic: &str,
    partition: i32,
    since: Millis,
) -> Result<Option<i64>, KafkaFault> {
    let mut asked = TopicPartitionList::with_capacity(1);
    asked.add_partition_offset(topic, partition, Offset::Offset(since)).map_err(KafkaFault::Consumer)?;
    let no_answer = |source| KafkaFault::NoAnswer { question: "the offset of a time", source };
    let told = once_it_leads(|| consumer.offsets_for_times(asked.clone(), ANSWER_WAIT)).map_err(no_answer)?;
    let elements = told.elements();
    let Some(elem) = elements.first() else { return Ok(None) };
    elem.error().map_err(no_answer)?;
    Ok(if let Offset::Offset(offset) = elem.offset() { Some(offset) } else { None })
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

/// Asks for all topics: to ask for one by name may create it. A refusal is not waited out; the client tells of it when it is
/// polled.
pub(crate) fn all_topics<C: ClientContext>(client: &Client<C>, poll: impl Fn()) -> KafkaResult<Metadata> {
    let until = Instant::now() + ANSWER_WAIT;
    loop {
        let answer = client.fetch_metadata(None, METADATA_STEP);
        poll();
        if answer.is_ok() || Instant::now() > until || trouble::refusal().is_some() {
            return answer;
        }
    }
}

/// Asks how many partitions topics have. A topic that is missing is a fault.
pub(crate) fn partition_counts(consumer: &EngineConsumer, topics: &[&str]) -> Result<Vec<i32>, KafkaFault> {
    let metadata = all_topics(consumer.client(), || drop(consumer.poll(Duration::ZERO)))
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

/// Lets partitions go as the group's protocol wants it: an eager one takes all of them back at once. The group also takes
/// back what was never begun; the client refuses an answer that names such a partition, and would wait for another.
pub(crate) fn unassign<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList) -> KafkaResult<()> {
    if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Eager) {
        return consumer.unassign();
    }
    let begun = consumer.assignment()?;
    let mut going = TopicPartitionList::with_capacity(list.count());
    for elem in list.elements() {
        if begun.find_partition(elem.topic(), elem.partition()).is_some() {
            going.add_partition(elem.topic(), elem.partition());
        }
    }
    consumer.incremental_unassign(&going)
}

/// Answers what the group has decided and nobody will serve any more, and from now on at once. A consumer that is dropped
/// waits for each answer: for ever, if a decision was taken in and forgotten.
pub(crate) fn let_go(consumer: &BaseConsumer<ConsumerSide>) {
    consumer.context().close();
    let mut answers: Vec<KafkaResult<()>> = Vec::new();
    for event in consumer.context().take_rebalanced() {
        if let Rebalanced::Revoked { partitions, .. } = event {
            answers.push(unassign(consumer, &list_of(&partitions)));
        }
    }
    // Partitions that were assigned and not begun are not wanted any more, and a decision that was taken in and not answered,
    // since a fault came between, is answered by letting go of all. Where there is nothing to answer, neither does anything.
    answers.push(assign(consumer, &TopicPartitionList::new()));
    answers.push(consumer.assignment().and_then(|all| unassign(consumer, &all)));
    for error in answers.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "letting go");
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

/// The commits of a member: failures that pass are tried again after a while, for a bounded time.
#[derive(Debug)]
pub(crate) struct Commits {
    fail_max: Duration,
    failing: Option<Failing>,
}

/// Commits have failed since the last that did not.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    attempts: u32,
    try_at: Instant,
}

/// When a commit is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Not before the wait after a failure is over.
    Later,
    /// Now, since the partitions go.
    Now,
}

impl Commits {
    /// Commits that may fail for `fail_max`: a rebalance takes as long as its slowest member.
    pub(crate) const fn new(fail_max: Duration) -> Self {
        Self { fail_max, failing: None }
    }

    /// Commits, unless there is nothing to, it is not due, or the member is none of the group. `Ok(None)`: nothing was
    /// sent; `Ok(Some(false))`: it failed for a reason that passes, and is to be tried again with a later batch.
    pub(crate) fn commit(
        &mut self,
        consumer: &EngineConsumer,
        offsets: &TopicPartitionList,
        due: Due,
    ) -> Result<Option<bool>, KafkaFault> {
        let is_waiting = due == Due::Later && self.failing.is_some_and(|failing| Instant::now() < failing.try_at);
        if offsets.count() == 0 || is_waiting || consumer.assignment_lost() || !is_member(consumer) {
            return Ok(None);
        }
        match consumer.commit(offsets, CommitMode::Sync) {
            Ok(()) => {
                self.failing = None;
                Ok(Some(true))
            }
            Err(source) => self.failed(source, Instant::now()).map(|()| Some(false)),
        }
    }

    /// A member the group no longer knows is told so by a revocation that follows.
    fn failed(&mut self, source: KafkaError, now: Instant) -> Result<(), KafkaFault> {
        let code = code_of(&source);
        let failing = self.failing.get_or_insert(Failing { since: now, attempts: 0, try_at: now });
        failing.attempts += 1;
        let doubled = COMMIT_WAIT.saturating_mul(1 << (failing.attempts - 1).min(COMMIT_DOUBLINGS_MAX));
        failing.try_at = now + doubled.min(COMMIT_WAIT_MAX);
        let failed_for = now.saturating_duration_since(failing.since);
        tracing::warn!(%code, attempts = failing.attempts, ?failed_for, "offsets not committed");
        let passes = is_transient(code)
            || matches!(
                code,
                RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::AssignmentLost
                    | RDKafkaErrorCode::NoOffset
            );
        if passes && failed_for < self.fail_max {
            return Ok(());
        }
        Err(KafkaFault::Commit { attempts: failing.attempts, secs: failed_for.as_secs(), source })
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

    fn commit_failed(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::ConsumerCommit(code)
    }

    #[test]
    fn commits_may_fail_for_as_long_as_a_rebalance_takes_with_growing_waits() {
        let begin = Instant::now();
        let mut commits = Commits::new(Duration::from_mins(1));
        let mut waits = Vec::new();
        for at_ms in (0..60_000).step_by(1_000) {
            let now = begin + Duration::from_millis(at_ms);
            commits.failed(commit_failed(RDKafkaErrorCode::RebalanceInProgress), now).unwrap();
            waits.push(commits.failing.unwrap().try_at.duration_since(now).as_millis());
        }
        assert_eq!(waits[..7], [50, 100, 200, 400, 800, 1_600, 2_000]);
        assert!(waits[7..].iter().all(|wait| *wait == 2_000));
        let over = commits.failed(commit_failed(RDKafkaErrorCode::RebalanceInProgress), begin + Duration::from_mins(1));
        assert!(matches!(over, Err(KafkaFault::Commit { attempts: 61, secs: 60, .. })), "{over:?}");
    }

    #[test]
    fn a_refusal_is_not_waited_out() {
        let mut commits = Commits::new(Duration::from_mins(1));
        let refused = commits.failed(commit_failed(RDKafkaErrorCode::GroupAuthorizationFailed), Instant::now());
        assert!(matches!(refused, Err(KafkaFault::Commit { attempts: 1, .. })), "{refused:?}");
    }
}
