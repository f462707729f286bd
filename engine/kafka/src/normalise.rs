//! The loop from raw topics to the activity topic.
//!
//! Rows of one user come from several raw topics. While catching up, they are published in the order of their time
//! stamps over all assigned partitions: else an hour of one table would be sent before an hour of another, and be late.
//! So that one member holds all rows of a user, the group gives the same partition numbers of all raw topics to the same
//! member (`range`); for that they must have the same number of partitions, and producers the same key for a user.
//! At least once, in a group of its own: the same rows give the same activity ids, and repeats are dropped behind.

mod merge;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use frostwatch_detect::time::Millis;
use frostwatch_runtime::ports::{Channel, RawOutcome, RawRows};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{ConsumerSide, PartitionStatistics, Rebalanced, TopicPartition};
use crate::fault::KafkaFault;
use crate::fetch::{EngineConsumer, RecordView};
use crate::group::{self, Commits, Committed, Due, list_of};
use crate::outbox::{Outbox, Outgoing};
use crate::settings::{BatchSettings, KafkaSettings};
use crate::worker::{LEAVE_WAIT, take_error};
use merge::{Merge, Next, Source};

const EVENTS_WAIT: Duration = Duration::from_millis(1);
const IDLE_WAIT: Duration = Duration::from_millis(5);

/// What became of raw rows since the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NormaliseCounts {
    /// Raw records taken.
    pub consumed: u64,
    /// Activity records acknowledged.
    pub activity: u64,
    /// Rows counted and dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Rejected records acknowledged.
    pub rejected: u64,
    /// Outputs the broker refused for their size.
    pub refused: u64,
    /// Commits of offsets.
    pub commits: u64,
    /// Commits that failed and were tried again later.
    pub commits_failed: u64,
    /// Assignments and revocations by the group.
    pub rebalances: u64,
    /// Runs of records published though older ones could still be under way: the wait for them was over.
    pub out_of_order: u64,
    /// By raw topic and partition that is held: rows not normalised and committed, as the client's statistics last said.
    pub lag: BTreeMap<(String, i32), i64>,
}

/// What a normaliser shares with its process.
#[derive(Clone, Copy)]
pub struct NormaliseShared<'a> {
    /// Set to stop: the batch is finished, offsets are committed, the group is left.
    pub stop: &'a AtomicBool,
    /// Added to once a batch.
    pub counts: &'a Mutex<NormaliseCounts>,
}

/// Runs one normaliser on the calling thread until it is told to stop or cannot go on.
pub fn run_normaliser<R: RawRows>(
    settings: &KafkaSettings,
    member: usize,
    rows: R,
    shared: NormaliseShared<'_>,
) -> Result<(), KafkaFault> {
    let mut normaliser = Normaliser::start(settings, member, rows, shared)?;
    let ended = normaliser.run();
    normaliser.share_counts();
    ended.map_err(|fault| fault.named(settings.instance.as_deref()))
}

/// A record to publish.
#[derive(Debug)]
struct Made {
    rejected: bool,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    headers: Vec<(&'static str, Vec<u8>)>,
    stamp: Option<Millis>,
    /// Where the raw record lies, for the log.
    origin: Origin,
}

/// Where a raw record lies.
#[derive(Clone, Debug)]
struct Origin {
    topic: Arc<str>,
    partition: i32,
    offset: i64,
}

impl Made {
    /// What it holds in memory, but for its own fields.
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(_, value)| value.len()).sum();
        self.value.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}

struct Normaliser<'a, R> {
    // Dropped in this order: what borrows from the consumer goes before it.
    merge: Merge,
    consumer: Arc<EngineConsumer>,
    outbox: Outbox,
    rows: R,
    shared: NormaliseShared<'a>,
    batch: BatchSettings,
    group: String,
    /// Raw topics with their tables.
    tables: BTreeMap<String, String>,
    activity_topic: String,
    rejected_topic: String,
    made: Vec<Made>,
    made_bytes: usize,
    outcomes: Vec<RawOutcome>,
    commits: Commits,
    counts: NormaliseCounts,
}

impl<'a, R: RawRows> Normaliser<'a, R> {
    fn start(
        settings: &KafkaSettings,
        member: usize,
        rows: R,
        shared: NormaliseShared<'a>,
    ) -> Result<Self, KafkaFault> {
        settings.checked()?;
        let consumer: EngineConsumer = settings
            .raw_consumer_config(member)
            .create_with_context(ConsumerSide::default())
            .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
        let consumer = Arc::new(consumer);
        let tables: BTreeMap<String, String> = settings.topics.raw().into_iter().collect();
        let activity_topic = settings.topics.activity();
        let rejected_topic = settings.topics.channel(Channel::Rejected);
        let raw: Vec<&str> = tables.keys().map(String::as_str).collect();
        group::partition_counts(&consumer, &[activity_topic.as_str(), &rejected_topic])?;
        group::raw_partition_count(&consumer, &raw)?;
        consumer.subscribe(&raw).map_err(KafkaFault::Consumer)?;
        Ok(Self {
            merge: Merge::default(),
            outbox: Outbox::new(&settings.producer_config())?,
            consumer,
            rows,
            shared,
            batch: settings.batch,
            group: settings.normalise_group(),
            tables,
            activity_topic,
            rejected_topic,
            made: Vec::new(),
            made_bytes: 0,
            outcomes: Vec::new(),
            commits: Commits::new(settings.rebalance_max()),
            counts: NormaliseCounts::default(),
        })
    }

    fn run(&mut self) -> Result<(), KafkaFault> {
        while !self.is_stopping() {
            self.serve_events(EVENTS_WAIT)?;
            self.serve_rebalances()?;
            self.fill_batch()?;
            self.finish_batch()?;
        }
        self.consumer.unsubscribe();
        let deadline = Instant::now() + LEAVE_WAIT;
        while !self.merge.sources.is_empty() {
            self.serve_events(EVENTS_WAIT)?;
            self.serve_rebalances()?;
            if Instant::now() > deadline {
                return Err(KafkaFault::LeftHanging(self.merge.sources.len()));
            }
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    fn serve_events(&self, wait: Duration) -> Result<(), KafkaFault> {
        match self.consumer.poll(wait) {
            Some(Err(KafkaError::MessageConsumption(code))) => take_error(code, "a raw topic"),
            None => Ok(()),
            Some(Err(error)) => Err(KafkaFault::Consumer(error)),
            Some(Ok(_)) => Err(KafkaFault::Consumer(KafkaError::NoMessageReceived)),
        }
    }

    fn serve_rebalances(&mut self) -> Result<(), KafkaFault> {
        for event in self.consumer.context().take_rebalanced() {
            self.counts.rebalances += 1;
            match event {
                Rebalanced::Assigned(partitions) => self.take_over(&partitions)?,
                Rebalanced::Revoked { partitions, lost } => self.give_back(&partitions, lost)?,
            }
        }
        Ok(())
    }

    fn take_over(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaFault> {
        let mut starts = TopicPartitionList::with_capacity(partitions.len());
        if !partitions.is_empty() {
            // Partitions added to a running topic are such an assignment.
            let raw: Vec<&str> = self.tables.keys().map(String::as_str).collect();
            group::raw_partition_count(&self.consumer, &raw)?;
        }
        for Committed { topic, partition, offset, .. } in group::committed(&self.consumer, partitions)? {
            let (low, high) = group::ends(&self.consumer, &topic, partition)?;
            if let Some(committed) = offset.filter(|offset| !(low..=high).contains(offset)) {
                let group = self.group.clone();
                return Err(KafkaFault::RawOutOfRange { topic, partition, group, committed, low, high });
            }
            let start = offset.map_or(Offset::Beginning, Offset::Offset);
            starts.add_partition_offset(&topic, partition, start).map_err(KafkaFault::Consumer)?;
            let table = self.tables.get(&topic).cloned().unwrap_or_default();
            let source = Source::new(&self.consumer, &topic, &table, partition, offset.unwrap_or(low), high);
            self.merge.sources.push(source.ok_or(KafkaFault::Consumer(KafkaError::Canceled))?);
        }
        group::assign(&self.consumer, &starts).map_err(KafkaFault::Consumer)
    }

    fn give_back(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), KafkaFault> {
        let committed = if lost { Ok(()) } else { self.commit(Due::Now) };
        let sources = &mut self.merge.sources;
        sources.retain(|source| !partitions.iter().any(|(topic, partition)| source.is_of(topic, *partition)));
        // Answered whatever came of it: the client waits for that for ever.
        let answered = group::unassign(&self.consumer, &list_of(partitions));
        committed?;
        match answered {
            // Partitions that were lost may be gone from the client already.
            Err(error) if !lost => Err(KafkaFault::Consumer(error)),
            _ => Ok(()),
        }
    }

    fn fill_batch(&mut self) -> Result<(), KafkaFault> {
        let started = Instant::now();
        let limit = Duration::from_millis(self.batch.time_ms);
        let mut taken = 0;
        while taken < self.batch.records && self.made_bytes < self.batch.output_bytes {
            if started.elapsed() >= limit || self.is_stopping() || self.consumer.context().has_rebalanced() {
                break;
            }
            match self.merge.next(&self.consumer, Instant::now())? {
                Next::Nothing => self.serve_events(IDLE_WAIT)?,
                Next::Waiting => self.serve_events(EVENTS_WAIT)?,
                Next::Run { source, until, in_order } => {
                    self.counts.out_of_order += u64::from(!in_order);
                    taken += self.take_run(source, until, self.batch.records - taken);
                }
            }
        }
        Ok(())
    }

    /// Takes records of one source up to a stamp, no more than were fetched together nor than the batch has room for; one
    /// record may exceed its bytes. Returns how many.
    fn take_run(&mut self, index: usize, until: Millis, records_max: usize) -> usize {
        let Self { merge, rows, outcomes, made, made_bytes, counts, group, batch, .. } = self;
        let Some(source) = merge.sources.get_mut(index) else { return 0 };
        let mut taken = 0;
        while taken < records_max
            && *made_bytes < batch.output_bytes
            && let Some(record) = source.head()
            && (taken == 0 || record.stamp.unwrap_or(Millis::MIN) <= until)
        {
            rows.rows(&source.table, record.value, outcomes);
            for outcome in outcomes.drain(..) {
                if let Some(output) = publishable(outcome, &record, &source.topic, group, counts) {
                    *made_bytes += output.bytes();
                    made.push(output);
                }
            }
            source.advance();
            taken += 1;
        }
        counts.consumed += taken as u64;
        taken
    }

    fn finish_batch(&mut self) -> Result<(), KafkaFault> {
        let (made, stop) = (&self.made, self.shared.stop);
        let (activity, rejected) = (self.activity_topic.as_str(), self.rejected_topic.as_str());
        let outgoing = |index: usize| {
            let output = &made[index];
            Outgoing {
                partition: None,
                topic: if output.rejected { rejected } else { activity },
                key: output.key.as_deref(),
                value: Some(&output.value),
                headers: &output.headers,
                stamp: output.stamp,
            }
        };
        let delivered = self.outbox.deliver(made.len(), outgoing, || stop.load(Ordering::Acquire))?;
        for (index, output) in made.iter().enumerate() {
            if delivered.refused.binary_search(&index).is_ok() {
                self.counts.refused += 1;
                let Origin { topic, partition, offset } = &output.origin;
                let bytes = output.value.len();
                tracing::error!(%topic, partition, offset, bytes, output.rejected, "made of this record: refused for its size");
            } else if output.rejected {
                self.counts.rejected += 1;
            } else {
                self.counts.activity += 1;
            }
        }
        self.made.clear();
        self.made_bytes = 0;
        self.commit(Due::Later)?;
        self.share_counts();
        Ok(())
    }

    fn commit(&mut self, due: Due) -> Result<(), KafkaFault> {
        let mut offsets = TopicPartitionList::new();
        for source in self.merge.sources.iter().filter(|source| source.position > source.committed) {
            let position = Offset::Offset(source.position);
            offsets.add_partition_offset(&source.topic, source.partition, position).map_err(KafkaFault::Consumer)?;
        }
        match self.commits.commit(&self.consumer, &offsets, due)? {
            None => {}
            Some(false) => self.counts.commits_failed += 1,
            Some(true) => {
                self.counts.commits += 1;
                for source in &mut self.merge.sources {
                    source.committed = source.position;
                }
            }
        }
        Ok(())
    }

    fn share_counts(&mut self) {
        let own = std::mem::take(&mut self.counts);
        let told = self.consumer.context().take_statistics();
        let mut all = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.consumed += own.consumed;
        all.activity += own.activity;
        all.rejected += own.rejected;
        all.refused += own.refused;
        all.commits += own.commits;
        all.commits_failed += own.commits_failed;
        all.rebalances += own.rebalances;
        all.out_of_order += own.out_of_order;
        for (why, count) in own.dropped {
            *all.dropped.entry(why).or_default() += count;
        }
        for PartitionStatistics { topic, partition, lag, .. } in told {
            all.lag.extend(lag.map(|lag| ((topic, partition), lag)));
        }
        let sources = &self.merge.sources;
        all.lag.retain(|(topic, partition), _| sources.iter().any(|source| source.is_of(topic, *partition)));
    }
}

impl<R> Drop for Normaliser<'_, R> {
    fn drop(&mut self) {
        group::let_go(&self.consumer);
    }
}

/// What is published of an outcome. A record goes to the rejected topic whole and once, with the headers Kafka Connect
/// gives its dead letters, however many of its rows could not be read.
fn publishable(
    outcome: RawOutcome,
    record: &RecordView<'_>,
    topic: &Arc<str>,
    group: &str,
    counts: &mut NormaliseCounts,
) -> Option<Made> {
    let origin = || Origin { topic: Arc::clone(topic), partition: record.partition, offset: record.offset };
    match outcome {
        RawOutcome::Activity { key, value } => Some(Made {
            rejected: false,
            key: Some(key),
            value,
            headers: Vec::new(),
            stamp: record.stamp,
            origin: origin(),
        }),
        RawOutcome::Dropped { why } => {
            *counts.dropped.entry(why).or_default() += 1;
            None
        }
        RawOutcome::Rejected { reason } => Some(Made {
            rejected: true,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.to_vec(),
            headers: vec![
                ("__connect.errors.topic", record.topic.as_bytes().to_vec()),
                ("__connect.errors.partition", record.partition.to_string().into_bytes()),
                ("__connect.errors.offset", record.offset.to_string().into_bytes()),
                ("__connect.errors.connector.name", group.as_bytes().to_vec()),
                ("__connect.errors.stage", b"TRANSFORMATION".to_vec()),
                ("__connect.errors.exception.message", reason.into_bytes()),
            ],
            stamp: record.stamp,
            origin: origin(),
        }),
    }
}
