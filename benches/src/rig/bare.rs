//! A bare reader: librdkafka's batch queue with the engine's settings, which counts bytes and does nothing else.
#![allow(unsafe_code, reason = "rd_kafka_consume_batch_queue has no safe wrapper, and the engine's own is its own")]

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::Deployment;
use crate::measure::process_cpu;

const CHUNK_RECORDS: usize = 512;
const CHUNK_WAIT_MS: i32 = 10;
/// What the engine's consumers are given.
const SETTINGS: [(&str, &str); 6] = [
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "false"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.wait.max.ms", "100"),
    ("isolation.level", "read_committed"),
    ("queued.max.messages.kbytes", "32768"),
];

/// What a bare reader needed.
#[derive(Clone, Copy, Debug)]
pub struct Bare {
    /// Records read.
    pub events: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// By the wall clock.
    pub wall: Duration,
    /// On all cores.
    pub cpu: Duration,
}

/// Reads `events` records of the activity topic, from an offset of each partition on. Nothing else may run in this
/// process meanwhile: its time is the process's.
pub fn bare(deployment: &Deployment<'_>, from: i64, events: u64) -> Bare {
    let mut config = deployment.client("bare");
    for (name, value) in SETTINGS {
        config.set(name, value);
    }
    let consumer: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
    let topic = deployment.settings("bare").topics.activity();
    let name = CString::new(topic.as_str()).unwrap();
    let mut starts = TopicPartitionList::new();
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives to the end of this function, and all that is taken from it is given back before.
    let queue = unsafe { sys::rd_kafka_queue_new(client) };
    for partition in 0..deployment.partitions() {
        starts.add_partition_offset(&topic, partition, Offset::Offset(from)).unwrap();
        // SAFETY: as above; the reference to the partition's queue is given back at once.
        unsafe {
            let source = sys::rd_kafka_queue_get_partition(client, name.as_ptr(), partition);
            sys::rd_kafka_queue_forward(source, queue);
            sys::rd_kafka_queue_destroy(source);
        }
    }
    consumer.assign(&starts).unwrap();
    let mut messages = vec![std::ptr::null_mut(); CHUNK_RECORDS];
    let (mut read, mut bytes, mut begun) = (0, 0, None);
    loop {
        // SAFETY: the vector has room for as many pointers; those that are written are ours to destroy, once.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(queue, CHUNK_WAIT_MS, messages.as_mut_ptr(), CHUNK_RECORDS);
            for message in messages.iter().take(usize::try_from(taken).unwrap_or(0)) {
                read += 1;
                bytes += (**message).len as u64;
                sys::rd_kafka_message_destroy(*message);
            }
        }
        // Connecting is not reading: time begins with the first records.
        let (wall, cpu, first) = *begun.get_or_insert_with(|| (Instant::now(), process_cpu(), read));
        if read == 0 {
            begun = None;
        } else if read >= events {
            let used =
                Bare { events: read - first, bytes, wall: wall.elapsed(), cpu: process_cpu().saturating_sub(cpu) };
            // SAFETY: made above, and nothing is read from it any more.
            unsafe { sys::rd_kafka_queue_destroy(queue) };
            return used;
        }
        drop(consumer.poll(Duration::ZERO));
    }
}
