//! The loop of one thread: consume, hand to the tasks, deliver what follows, commit.
//!
//! A worker is one consumer, one producer and the tasks of the partitions the group gave it. Outputs of a batch are
//! collected in memory and sent when the batch ends, in one transaction with a slice of state and the offsets of their
//! input; or, as the settings choose, before them, and then a crash repeats outputs, identical ones, and loses none.
//! Rebalances are recorded by the callback and served between batches, when nothing is pending.

mod aloud;
mod assignment;
mod collected;
mod plan;
mod publish;
mod take_over;
mod timing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use frostwatch_detect::keys::EXPECTED_MAX;
use frostwatch_runtime::board::{Board, Phase};
use frostwatch_runtime::checkpoint::StateRecord;
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::{ConsumerSide, RoundTrips};
use crate::codes::is_refusal;
use crate::counters::{Counters, Counts};
use crate::fault::KafkaFault;
use crate::fetch::{Chunk, EngineConsumer, FetchQueue, Fetched, RecordView};
use crate::group::{self, Commits};
use crate::outbox::Outbox;
use crate::partitioner::partition_of;
use crate::pulse::{Pulse, Step};
use crate::settings::{BatchSettings, Delivery, KafkaSettings, commit_name};
use crate::transaction::Transactions;
use aloud::{Part, Parts};
use assignment::{Owned, Past};
use take_over::TakeOver;
use timing::Stopwatch;

/// Records taken from librdkafka at a time.
const CHUNK_RECORDS: usize = 512;
/// Longest wait for a chunk: events of the group are served in between.
const CHUNK_WAIT: Duration = Duration::from_millis(10);
/// How long the group is waited for where there is nothing else to do.
const EVENTS_WAIT: Duration = Duration::from_millis(1);
/// How long a stopping worker waits for the group to take its partitions back.
pub(crate) const LEAVE_WAIT: Duration = Duration::from_secs(30);
/// How long the brokers may take to answer a question.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// An output the broker refused for its size: it is counted, told and left out, so that it cannot stop its partition.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Topic it was for.
    pub topic: &'a str,
    /// The output.
    pub record: &'a OutputRecord,
}

/// What the workers of a process share.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    /// Set to stop: the batch is finished, offsets are committed, the group is left.
    pub stop: &'a AtomicBool,
    /// Written once a batch.
    pub board: &'a Board,
    /// Added to once a batch.
    pub counters: &'a Counters,
    /// Told whenever a loop moves.
    pub pulse: &'a Pulse,
    /// Take over partitions of which something must be run again that was scored under a `GeoIP` build or a program that is
    /// not at hand: it is run under the present ones, aloud, under an epoch raised by one, and what was sent about it and is
    /// not found again is taken back. Otherwise they are refused.
    pub accept_change: bool,
    /// Told of every refused output.
    pub on_refused: &'a (dyn Fn(&Refused<'_>) + Sync),
}

impl Shared<'_> {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Asked while deliveries are waited for, which has its own limit: the loop does not stand still.
    fn must_not_wait_on(&self, member: usize) -> bool {
        self.pulse.beat(member);
        self.is_stopping()
    }
}

/// Runs one worker on the calling thread until it is told to stop or cannot go on. `member` tells the workers of a
/// process apart.
pub fn run_worker<T: Tasks>(
    settings: &KafkaSettings,
    member: usize,
    tasks: T,
    shared: Shared<'_>,
) -> Result<(), KafkaFault> {
    shared.pulse.comes_to(member, Step::Start);
    let started = Worker::start(settings, member, tasks, shared);
    let ended = started.and_then(|mut worker| {
        let ended = worker.run();
        worker.counters_folded();
        shared.pulse.comes_to(member, Step::Close);
        // Only then is the loop no longer watched: the clients wait for their threads and for the group when they are dropped.
        drop(worker);
        ended
    });
    shared.pulse.end(member);
    ended.map_err(|fault| fault.named(settings.instance.as_deref()))
}

struct Worker<'a, T> {
    /// Tells the workers of a process apart.
    number: usize,
    // Fields are dropped in this order: what borrows from the consumer goes before it.
    queue: FetchQueue,
    consumer: Arc<EngineConsumer>,
    sender: Sender,
    tasks: T,
    shared: Shared<'a>,
    settings: &'a KafkaSettings,
    batch: BatchSettings,
    group: String,
    topic: String,
    channels: [String; Channel::ALL.len()],
    /// The log of state.
    changelog: String,
    /// The topic of texts of rules.
    tables: String,
    /// Partitions of the topic, as at the last assignment.
    partition_count: i32,
    owned: Vec<Option<Owned>>,
    /// Partitions whose state is being read.
    take_over: Option<TakeOver>,
    out: Vec<OutputRecord>,
    out_bytes: usize,
    /// Bytes that this batch has made of pasts run again aloud.
    aloud_bytes: usize,
    /// Pasts run again aloud of which something is to be sent.
    parts: Vec<Parts>,
    /// Set while one of their parts is sent.
    part: Option<Part>,
    state_out: Vec<StateRecord>,
    content_out: Vec<(String, Vec<u8>)>,
    /// Texts of rules that this worker has written.
    kept: BTreeSet<String>,
    thrown_away: Vec<OutputRecord>,
    counts: Counts,
    commits: Commits,
    /// What the group called the member when it last gave or took partitions.
    member: Option<String>,
    /// How long outputs may stay uncommitted: a rebalance takes as long as its slowest member.
    uncommitted_max: Duration,
    /// Tells this worker from all others, and its commits from each other.
    name: String,
    published: u64,
    serial: String,
    /// How long the last batch took to go out.
    publishing: Duration,
    stopwatch: Stopwatch,
}

/// How outputs go out.
enum Sender {
    /// Before the offsets of their input.
    Plain(Outbox),
    /// With them.
    Transactions(Transactions),
}

impl Sender {
    /// How long brokers took to answer, if its client has said so since the last call.
    fn take_round_trips(&self) -> RoundTrips {
        match self {
            Self::Plain(outbox) => outbox.take_round_trips(),
            Self::Transactions(transactions) => transactions.outbox().take_round_trips(),
        }
    }
}

impl<'a, T: Tasks> Worker<'a, T> {
    fn start(settings: &'a KafkaSettings, member: usize, tasks: T, shared: Shared<'a>) -> Result<Self, KafkaFault> {
        settings.checked()?;
        let consumer: EngineConsumer = settings
            .consumer_config(&settings.group, member)
            .create_with_context(ConsumerSide::default())
            .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
        let consumer = Arc::new(consumer);
        let queue = FetchQueue::new(&consumer).ok_or_else(|| KafkaFault::Consumer(KafkaError::Canceled))?;
        let partition_count = partition_count(settings, &consumer)?;
        let topic = settings.topics.activity();
        let worker = Self {
            number: member,
            queue,
            consumer,
            sender: match settings.delivery {
                Delivery::ExactlyOnce => Sender::Transactions(Transactions::new(settings.transactions_config(member))?),
                Delivery::AtLeastOnce => Sender::Plain(Outbox::new(&settings.producer_config())?),
            },
            tasks,
            shared,
            settings,
            batch: settings.batch,
            group: settings.group.clone(),
            channels: Channel::ALL.map(|channel| settings.topics.channel(channel)),
            changelog: settings.changelog(),
            tables: settings.topics.tables(),
            partition_count,
            topic,
            owned: Vec::new(),
            take_over: None,
            out: Vec::new(),
            out_bytes: 0,
            aloud_bytes: 0,
            parts: Vec::new(),
            part: None,
            state_out: Vec::new(),
            content_out: Vec::new(),
            kept: BTreeSet::new(),
            thrown_away: Vec::new(),
            counts: Counts::default(),
            commits: Commits::new(settings.rebalance_max()),
            member: None,
            uncommitted_max: settings.rebalance_max(),
            name: commit_name(member),
            published: 0,
            serial: String::new(),
            publishing: Duration::ZERO,
            stopwatch: Stopwatch::default(),
        };
        worker.consumer.subscribe(&[&worker.topic]).map_err(KafkaFault::Consumer)?;
        Ok(worker)
    }

    fn run(&mut self) -> Result<(), KafkaFault> {
        while !self.shared.is_stopping() {
            self.serve_events(Duration::ZERO)?;
            self.serve_rebalances()?;
            self.serve_take_over()?;
            if !self.unsettle_before()? {
                self.serve_events(EVENTS_WAIT)?;
                continue;
            }
            self.comes_to(Step::Work);
            self.fill_batch()?;
            let filled = Instant::now();
            self.comes_to(Step::Commit);
            self.finish_batch()?;
            self.publishing = filled.elapsed();
        }
        self.leave()
    }

    /// Gives the partitions back and waits until they are.
    fn leave(&mut self) -> Result<(), KafkaFault> {
        self.comes_to(Step::Leave);
        self.decline_take_over()?;
        self.consumer.unsubscribe();
        let deadline = Instant::now() + LEAVE_WAIT;
        while self.owned.iter().any(Option::is_some) {
            self.serve_events(EVENTS_WAIT)?;
            self.serve_rebalances()?;
            if Instant::now() > deadline {
                return Err(KafkaFault::LeftHanging(self.owned.iter().flatten().count()));
            }
        }
        Ok(())
    }

    /// The loop moves, on to this.
    fn comes_to(&self, step: Step) {
        self.shared.pulse.comes_to(self.number, step);
    }

    /// Lets librdkafka tell of the group, of errors and of its log. Records do not come this way: where they flow nothing is
    /// waited for here.
    fn serve_events(&mut self, wait: Duration) -> Result<(), KafkaFault> {
        // The consumer is shared with the queue, so what it lends does not keep `self` borrowed.
        let consumer = Arc::clone(&self.consumer);
        self.shared.pulse.beat(self.number);
        match consumer.poll(wait) {
            Some(Err(KafkaError::MessageConsumption(code))) => self.take_error(code),
            None => Ok(()),
            Some(Err(error)) => Err(KafkaFault::Consumer(error)),
            Some(Ok(_)) => Err(KafkaFault::Consumer(KafkaError::NoMessageReceived)),
        }
    }

    fn fill_batch(&mut self) -> Result<(), KafkaFault> {
        let started = Instant::now();
        let limit = match &self.take_over {
            None => collecting(Duration::from_millis(self.batch.time_ms), self.publishing),
            // While state is read, partitions that are held go on; where there are none it is not kept waiting for them.
            Some(_) if self.owned.iter().all(Option::is_none) => Duration::ZERO,
            Some(_) => CHUNK_WAIT,
        };
        let (mut taken, mut is_behind) = (0, false);
        self.aloud_bytes = 0;
        while taken < self.batch.records && self.out_bytes + self.aloud_bytes < self.batch.output_bytes {
            let spent = started.elapsed();
            let left = limit.saturating_sub(spent);
            // Where records wait, as long is spent on them as the last batch took to go out: short batches would fall behind.
            let is_over = left.is_zero() && !(is_behind && spent < self.publishing);
            if is_over || self.shared.is_stopping() || self.consumer.context().has_rebalanced() {
                break;
            }
            let wanted = CHUNK_RECORDS.min(self.batch.records - taken);
            let chunk = self.queue.take(wanted, left.min(CHUNK_WAIT));
            taken += chunk.len();
            is_behind = chunk.len() == wanted;
            for (index, fetched) in chunk.iter().enumerate() {
                if index % EXPECTED_MAX == 0 {
                    self.expect(&chunk, index);
                }
                match fetched {
                    Fetched::Record(record) => self.take_record(&record)?,
                    Fetched::Error { partition, code, reason } => {
                        tracing::warn!(partition, %code, reason, "consumer");
                        self.take_error(code)?;
                    }
                }
            }
            if chunk.len() == 0 {
                self.serve_events(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Tells the tasks which records come next: what they know of their keys lies apart in memory, and is waited for
    /// together.
    fn expect(&self, chunk: &Chunk, from: usize) {
        let mut next = ArrayVec::<InputRecord<'_>, EXPECTED_MAX>::new();
        let mut of = None;
        for index in from..chunk.len().min(from + EXPECTED_MAX) {
            let Some(Fetched::Record(record)) = chunk.get(index) else { continue };
            if let Some(other) = of.replace(record.partition).filter(|other| *other != record.partition) {
                self.tasks.expect(other, &next);
                next.clear();
            }
            next.push(record.input());
        }
        of.into_iter().for_each(|partition| self.tasks.expect(partition, &next));
    }

    fn take_record(&mut self, record: &RecordView<'_>) -> Result<(), KafkaFault> {
        let Some(owned) = self.owned.get_mut(record.partition as usize).and_then(Option::as_mut) else { return Ok(()) };
        // What was fetched before the partition was given back and taken again is thrown out by librdkafka; an offset
        // is never scored twice even if one slipped through.
        if record.offset < owned.status.position {
            return Ok(());
        }
        if !owned.recognise(record) {
            return Err(self.recreated(record));
        }
        let is_known = record.offset < owned.fed_from;
        let live = owned.advance(record);
        if live && owned.past != Past::Behind {
            self.go_live(record.partition, record.offset);
        }
        self.counts.consumed += 1;
        self.counts.silent += u64::from(!live);
        if is_known {
            // Read to know the log again; it is in every key's record already, as it was scored then.
            return Ok(());
        }
        match record.key {
            None => self.counts.keyless += 1,
            Some(key) if partition_of(key, self.partition_count) != record.partition => {
                self.counts.misrouted += 1;
                if let Some(owned) = self.owned.get_mut(record.partition as usize).and_then(Option::as_mut) {
                    owned.misrouted += u64::from(live);
                }
            }
            Some(_) => {}
        }
        let input = record.input();
        if live {
            let before = self.out.len();
            self.tasks.record(record.partition, &input, &mut self.out);
            if self.out.len() > before {
                self.note_outputs(before, record);
            }
        } else {
            self.tasks.record(record.partition, &input, &mut self.thrown_away);
            let owned = self.owned.get_mut(record.partition as usize).and_then(Option::as_mut);
            if let Some(aloud) = owned.and_then(|owned| owned.aloud.as_mut()) {
                self.aloud_bytes += aloud.take(&mut self.thrown_away);
            }
            self.thrown_away.clear();
        }
        Ok(())
    }

    fn take_error(&mut self, code: RDKafkaErrorCode) -> Result<(), KafkaFault> {
        match code {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => self.position_lost(code),
            code => take_error(code, &self.topic),
        }
    }

    fn counters_folded(&mut self) {
        self.shared.counters.fold(&mut self.counts);
        self.stopwatch.fold(self.shared.counters);
    }
}

impl<T> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        group::let_go(&self.consumer);
        if let Some(take_over) = &self.take_over {
            take_over.partitions().for_each(|partition| self.shared.board.remove(partition));
        }
        for (partition, owned) in self.owned.iter().enumerate() {
            if owned.is_some() {
                self.shared.board.remove(partition as i32);
            }
        }
    }
}

/// Partitions of the activity topic, where all topics are there and the log of state has as many.
fn partition_count(settings: &KafkaSettings, consumer: &EngineConsumer) -> Result<i32, KafkaFault> {
    let (topic, tables, changelog) = (settings.topics.activity(), settings.topics.tables(), settings.changelog());
    let channels = Channel::OUTPUTS.map(|channel| settings.topics.channel(channel));
    let outputs = channels.iter().map(String::as_str);
    let topics: Vec<&str> = [topic.as_str()].into_iter().chain(outputs).chain([tables.as_str(), &changelog]).collect();
    let counts = group::partition_counts(consumer, &topics)?;
    let count = |index: Option<&i32>| index.copied().unwrap_or_default();
    let (wanted, found) = (count(counts.first()), count(counts.last()));
    if wanted == found { Ok(wanted) } else { Err(KafkaFault::StatePartitions { topic, changelog, wanted, found }) }
}

/// Is an error of the consumer one that does not pass?
pub(crate) fn take_error(code: RDKafkaErrorCode, topic: &str) -> Result<(), KafkaFault> {
    match code {
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
            Err(KafkaFault::MissingTopic { topic: topic.to_owned() })
        }
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
            Err(KafkaFault::Consumer(KafkaError::MessageConsumption(code)))
        }
        code if is_refusal(code) => Err(KafkaFault::Consumer(KafkaError::MessageConsumption(code))),
        _ => Ok(()),
    }
}

/// How long records are collected, so that a commit comes every `every`: what the last one took is part of that time, up to
/// the half.
fn collecting(every: Duration, publishing: Duration) -> Duration {
    every.saturating_sub(publishing).max(every / 2)
}

/// Is a partition's past behind it?
const fn is_live(phase: Phase) -> bool {
    matches!(phase, Phase::Live)
}
