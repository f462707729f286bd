//! Batch consumption: the one place of this crate with `unsafe`.
//!
//! The Rust wrapper hands out one record per call, at almost twice the cost of librdkafka's own batch call. A
//! [`FetchQueue`] is a queue of ours to which the queues of assigned partitions are forwarded; batches are taken from it
//! while the wrapper's `poll` goes on serving the group's events.
//!
//! A trap: `enable.partition.eof` must stay off. The batch call takes the mark of an end for a record and moves the
//! client's position one past it; the next rebalance, which pauses and resumes every partition, then fetches from
//! there and skips a record, or finds itself out of range. Ends are told by [`known_ends`] and the position instead.
//!
//! Why it is sound: every pointer comes from librdkafka and is used while a reference to the client that made it is
//! held (a queue and every [`Chunk`] own an `Arc` of the consumer, and their `Drop` runs before the `Arc` is given up);
//! messages are destroyed exactly once, by their chunk; slices borrow from the chunk. Both types are `!Send` by their
//! raw pointers.
#![expect(unsafe_code, reason = "rd_kafka_consume_batch_queue has no safe wrapper")]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use frostwatch_detect::time::Millis;
use frostwatch_runtime::ports::InputRecord;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::client::ConsumerSide;

/// The consumer of every loop of this crate.
pub(crate) type EngineConsumer = BaseConsumer<ConsumerSide>;

/// What a fetch brought.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fetched<'a> {
    /// A record.
    Record(RecordView<'a>),
    /// The client reports an error, of a partition or (−1) of itself.
    Error { partition: i32, code: RDKafkaErrorCode, reason: &'a str },
}

/// A record in librdkafka's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordView<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) stamp: Option<Millis>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The record as tasks take it.
    pub(crate) const fn input(&self) -> InputRecord<'a> {
        InputRecord { offset: self.offset, stamp: self.stamp, key: self.key, value: self.value }
    }
}

/// A queue of our own to which partitions are forwarded.
pub(crate) struct FetchQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    consumer: Arc<EngineConsumer>,
}

impl FetchQueue {
    /// Makes an empty queue of a consumer.
    pub(crate) fn new(consumer: &Arc<EngineConsumer>) -> Option<Self> {
        // SAFETY: the client is alive; the reference below keeps it so.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        NonNull::new(queue).map(|queue| Self { queue, consumer: Arc::clone(consumer) })
    }

    /// Sends what is fetched of a partition here. To be called before the partition is assigned, each time it is: the
    /// forwarding is not undone by the assignment, and records of an earlier one are discarded by their version.
    pub(crate) fn attach(&self, topic: &str, partition: i32) {
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: the client, the name and our queue are alive during the calls; the reference to the partition's
        // queue that the first call gives is given back by the last.
        unsafe {
            let source =
                sys::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), topic.as_ptr(), partition);
            if !source.is_null() {
                sys::rd_kafka_queue_forward(source, self.queue.as_ptr());
                sys::rd_kafka_queue_destroy(source);
            }
        }
    }

    /// Takes up to `count` records, waiting at most `wait` for that many.
    pub(crate) fn take(&self, count: usize, wait: Duration) -> Chunk {
        let mut messages: Vec<*mut sys::rd_kafka_message_t> = Vec::with_capacity(count);
        // Rounded up: less than a millisecond would be no wait, and a caller with that much time left would ask and ask.
        let wait_ms = i32::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        // SAFETY: the vector has room for `count` pointers; librdkafka writes as many as it returns, each a message
        // that is ours to destroy.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait_ms, messages.as_mut_ptr(), count);
            messages.set_len(usize::try_from(taken).unwrap_or(0));
        }
        Chunk { messages, _consumer: Arc::clone(&self.consumer) }
    }
}

impl Drop for FetchQueue {
    fn drop(&mut self) {
        // SAFETY: the queue was made by `new` and the client is still alive: its reference is dropped after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Records taken together.
pub(crate) struct Chunk {
    messages: Vec<*mut sys::rd_kafka_message_t>,
    _consumer: Arc<EngineConsumer>,
}

impl Chunk {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The record at an index.
    pub(crate) fn get(&self, index: usize) -> Option<Fetched<'_>> {
        let message = *self.messages.get(index)?;
        // SAFETY: a message of this chunk lives until the chunk is dropped, and what is returned borrows the chunk.
        // The topic's name lives as long as the message's reference to its topic.
        unsafe {
            let fields = &*message;
            let topic = topic_name(fields.rkt);
            let partition = fields.partition;
            Some(match RDKafkaErrorCode::from(fields.err) {
                RDKafkaErrorCode::NoError => Fetched::Record(RecordView {
                    topic,
                    partition,
                    offset: fields.offset,
                    stamp: stamp(message),
                    key: slice(fields.key.cast(), fields.key_len),
                    value: slice(fields.payload.cast(), fields.len).unwrap_or_default(),
                }),
                code => {
                    let reason = CStr::from_ptr(sys::rd_kafka_message_errstr(message));
                    Fetched::Error { partition, code, reason: reason.to_str().unwrap_or_default() }
                }
            })
        }
    }

    /// All of them, in the order they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Fetched<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        for message in &self.messages {
            // SAFETY: each message is destroyed once, here; the client is still alive.
            unsafe { sys::rd_kafka_message_destroy(*message) }
        }
    }
}

/// Does the group know the consumer? Offsets of one that it does not (no member id, generation −1) would be taken as those
/// of a tool, whoever owns the partitions by now.
pub(crate) fn is_member(consumer: &EngineConsumer) -> bool {
    member_id(consumer).is_some()
}

/// What the group calls the consumer; `None` while it does not know it. Another id than before is another membership: what
/// was owned under the old one may have been somebody else's in between.
pub(crate) fn member_id(consumer: &EngineConsumer) -> Option<String> {
    // SAFETY: the client is alive; what the first call gives is ours until it is destroyed by the last, and the id is read
    // before that.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let id = sys::rd_kafka_consumer_group_metadata_member_id(metadata);
        let known = (!id.is_null() && generation >= 0).then(|| CStr::from_ptr(id).to_string_lossy().into_owned());
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        known.filter(|id| !id.is_empty())
    }
}

/// The ends of a partition as the last fetch told them; asks no broker.
pub(crate) fn known_ends(consumer: &EngineConsumer, topic: &str, partition: i32) -> Option<(i64, i64)> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: all pointers are valid during the call.
    let err = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (RDKafkaErrorCode::from(err) == RDKafkaErrorCode::NoError && high >= 0).then_some((low, high))
}

/// # Safety
/// `topic` is null or a live topic whose name outlives `'a`.
unsafe fn topic_name<'a>(topic: *mut sys::rd_kafka_topic_t) -> &'a str {
    if topic.is_null() {
        return "";
    }
    // SAFETY: as promised by the caller; names are ended by a zero byte.
    unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }.to_str().unwrap_or_default()
}

/// # Safety
/// `message` is a live message.
unsafe fn stamp(message: *const sys::rd_kafka_message_t) -> Option<Millis> {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: as promised by the caller.
    let at = unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) };
    (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && at >= 0).then_some(at)
}

/// # Safety
/// `bytes` is null or points to `len` bytes that outlive `'a`.
unsafe fn slice<'a>(bytes: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as promised by the caller.
    (!bytes.is_null()).then(|| unsafe { std::slice::from_raw_parts(bytes, len) })
}
