//! The log of state: what is written in it, and logs that are written beforehand.

use std::collections::HashMap;
use std::time::Duration;

use frostwatch_kafka::partition_of;
use frostwatch_runtime::checkpoint::{PROGRESS_KEY, Progress, Room, StateRecord};
use frostwatch_runtime::ports::Tasks as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::{ANSWER_WAIT, DEADLINE, Deployment};
use crate::engine;
use crate::traffic::{Batch, Config, Traffic};

/// Bit of a record's second byte that says: with the events that late ones may still join.
const IS_AWAKE: u8 = 1;
/// Users whose state is made; more are copies of them under other names.
const USERS_MADE: u32 = 100_000;
const BATCH: usize = 4_096;

/// What lies in a log of state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Records, without those of progress.
    pub records: u64,
    /// Bytes of keys and values, uncompressed.
    pub bytes: u64,
    /// Records of progress.
    pub progress: u64,
    /// Their bytes.
    pub progress_bytes: u64,
    /// Users asleep, and bytes of their last records.
    pub asleep: (u64, u64),
    /// Users awake when they were last written, and bytes of those records.
    pub awake: (u64, u64),
}

/// Reads a topic of a deployment from its beginning, or from the offsets given, as a reader of committed records does, and
/// hands out keys and values.
fn read(deployment: &Deployment<'_>, topic: &str, from: &[i64], mut take: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut config = deployment.client("measure");
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut left = deployment.ends(topic).len();
    let mut starts = TopicPartitionList::new();
    for partition in 0..left {
        let start = from.get(partition).map_or(Offset::Beginning, |from| Offset::Offset(*from));
        starts.add_partition_offset(topic, partition as i32, start).unwrap();
    }
    consumer.assign(&starts).unwrap();
    while left > 0 {
        match consumer.poll(ANSWER_WAIT) {
            // The client may have told of something else.
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(message) => {
                let message = message.unwrap();
                take(message.key().unwrap_or_default(), message.payload());
            }
        }
    }
}

/// What a group has written of its state.
pub fn written(deployment: &Deployment<'_>, group: &str) -> Written {
    let (mut all, mut last) = (Written::default(), HashMap::<Vec<u8>, (bool, u64)>::new());
    read(deployment, &deployment.settings(group).changelog(), &[], |key, value| {
        let bytes = (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        if key == PROGRESS_KEY {
            (all.progress, all.progress_bytes) = (all.progress + 1, all.progress_bytes + bytes);
            return;
        }
        (all.records, all.bytes) = (all.records + 1, all.bytes + bytes);
        match value {
            None => drop(last.remove(key)),
            Some(value) => {
                let is_awake = value.get(1).is_some_and(|form| form & IS_AWAKE != 0);
                last.insert(key.to_vec(), (is_awake, bytes));
            }
        }
    });
    #[allow(clippy::iter_over_hash_type, reason = "a sum has no order")]
    for (is_awake, bytes) in last.into_values() {
        let sum = if is_awake { &mut all.awake } else { &mut all.asleep };
        *sum = (sum.0 + 1, sum.1 + bytes);
    }
    all
}

impl Deployment<'_> {
    /// Records of a topic since the offsets, which are fewer than offsets by the marks of transactions.
    pub fn records_since(&self, topic: &str, from: &[i64]) -> u64 {
        let mut count = 0;
        read(self, topic, from, |_, _| count += 1);
        count
    }
}

/// The state of users, ready to be written.
pub struct Prepared {
    records: Vec<StateRecord>,
    /// Users of whom there is state.
    pub users: u32,
    /// Of a hundred, how many are awake.
    pub awake_percent: f64,
    /// Bytes of a record with its key, on average.
    pub bytes_mean: u64,
}

impl Prepared {
    /// Of users after two events, all asleep, or so many minutes into the day.
    pub fn new(users: u32, minutes: usize) -> Self {
        let made = users.min(USERS_MADE);
        let config = Config { held_back_percent: 19.0, exports_permille: 10, full: true, ..Config::quiet(made) };
        let (mut traffic, mut tasks, mut batch) = (Traffic::new(config), engine::tasks(), Batch::default());
        tasks.open(0);
        let calls = traffic.calls() + 200 + made as usize / 50;
        let mut left = calls + made as usize * 63 * minutes / (24 * 60);
        let mut out = Vec::new();
        while left > 0 {
            traffic.fill(&mut batch, BATCH.min(left));
            left -= batch.len();
            batch.records().for_each(|record| tasks.record(0, &record, &mut out));
            out.clear();
        }
        let mut records = Vec::new();
        tasks.checkpoint(0, 0, i64::MAX, Room { keys: usize::MAX, bytes: usize::MAX }, &mut records);
        let bytes = |record: &StateRecord| record.key.len() + record.value.as_ref().map_or(0, Vec::len);
        let is_awake = |record: &&StateRecord| {
            record.value.as_ref().is_some_and(|value| value.get(1).is_some_and(|form| form & IS_AWAKE != 0))
        };
        let count = records.len().max(1);
        Self {
            awake_percent: records.iter().filter(is_awake).count() as f64 * 100.0 / count as f64,
            bytes_mean: records.iter().map(bytes).sum::<usize>() as u64 / count as u64,
            records,
            users,
        }
    }

    /// Writes the state of all users `copies` times, then where the partitions stand, and commits that for the group. The
    /// broker is kept from compacting it.
    pub fn write(&self, deployment: &Deployment<'_>, group: &str, copies: u32) {
        deployment.create_topics(group, super::Stamps::Source);
        deployment.compact(group, false);
        let settings = deployment.settings(group);
        let (changelog, count) = (settings.changelog(), deployment.partitions());
        let mut config = deployment.client("prepare");
        for (name, value) in [("compression.codec", "lz4"), ("linger.ms", "5"), ("message.max.bytes", "4194304")] {
            config.set(name, value);
        }
        let producer: BaseProducer = config.create().unwrap();
        let times = self.users.div_ceil(self.records.len() as u32);
        for _ in 0..copies {
            for nth in 0..times {
                let left = (self.users - nth * self.records.len() as u32) as usize;
                for record in self.records.iter().take(left) {
                    let key = [record.key.as_slice(), format!("~{nth}").as_bytes()].concat();
                    let value = record.value.as_deref().unwrap_or_default();
                    send(&producer, &changelog, partition_of(&key, count), &key, value);
                }
            }
        }
        let progress = Progress::new(count);
        let mut offsets = TopicPartitionList::new();
        for partition in 0..count {
            send(&producer, &changelog, partition, PROGRESS_KEY, &progress.to_bytes());
            offsets.add_partition_offset(&settings.topics.activity(), partition, Offset::Offset(0)).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
        let consumer: BaseConsumer = deployment.client(group).create().unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, key: &[u8], value: &[u8]) {
    let mut record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
    while let Err((error, again)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        record = again;
        producer.poll(Duration::from_millis(1));
    }
    producer.poll(Duration::ZERO);
}
