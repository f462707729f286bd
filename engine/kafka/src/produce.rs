//! A producer for sources of activity: simulators, files, normalised rows of the demo. It waits when its queue is full
//! and, if asked to, when the reader is too far behind.

use std::collections::VecDeque;
use std::time::Duration;

use frostwatch_detect::time::Millis;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::client::ProducerSide;
use crate::fault::KafkaFault;
use crate::group::{all_topics, once_it_leads};
use crate::outbox::code_of;
use crate::partitioner::partition_of;
use crate::settings::KafkaSettings;
use crate::worker::ANSWER_WAIT;

/// Bytes a record takes in its partition beside key and value, generously.
const OVERHEAD_BYTES: u64 = 80;
/// Bytes between two marks of the way from offsets to bytes.
const MARK_BYTES: u64 = 16 << 10;
const POLL_STEP: Duration = Duration::from_millis(1);
/// Records sent between two looks at the reports.
const SENDS_PER_POLL: u64 = 256;

/// What holds a producer back.
pub struct Pace<'a> {
    /// Next offset of a partition that its reader will take.
    pub position: Box<dyn Fn(i32) -> i64 + 'a>,
    /// Most bytes of a partition, uncompressed, that may lie between its reader and its end.
    pub ahead_bytes_max: u64,
    /// Asked while waiting: true ends the wait with [`KafkaFault::GaveUp`].
    pub gave_up: Box<dyn Fn() -> bool + 'a>,
}

/// Sends records to one topic.
pub struct TopicProducer<'a> {
    producer: BaseProducer<ProducerSide>,
    topic: String,
    partitions: Vec<Ahead>,
    pace: Option<Pace<'a>>,
    sent: u64,
}

impl<'a> TopicProducer<'a> {
    /// Connects; the topic must exist.
    pub fn connect(settings: &KafkaSettings, topic: &str) -> Result<Self, KafkaFault> {
        settings.checked()?;
        let producer: BaseProducer<ProducerSide> = settings
            .producer_config()
            .create_with_context(ProducerSide::default())
            .map_err(|source| KafkaFault::Client { client: "producer", source })?;
        let no_answer = |source| KafkaFault::NoAnswer { question: "the partitions of a topic", source };
        let metadata = all_topics(producer.client(), || {
            producer.poll(Duration::ZERO);
        })
        .map_err(no_answer)?;
        let count = metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len());
        if count == 0 {
            return Err(KafkaFault::MissingTopic { topic: topic.to_owned() });
        }
        let mut partitions = Vec::with_capacity(count);
        for partition in 0..count {
            let ends = once_it_leads(|| producer.client().fetch_watermarks(topic, partition as i32, ANSWER_WAIT))
                .map_err(no_answer)?;
            partitions.push(Ahead { next_offset: ends.1, ..Ahead::default() });
        }
        Ok(Self { producer, topic: topic.to_owned(), partitions, pace: None, sent: 0 })
    }

    /// Holds the producer back. It must be the only one of its topic: it counts offsets by what it sends.
    #[must_use]
    pub fn held_back_by(mut self, pace: Pace<'a>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Sends a record to the partition of its key. `stamp` becomes its time, unless the topic stamps on arrival.
    /// Returns the partition.
    pub fn send(&mut self, key: &[u8], value: &[u8], stamp: Option<Millis>) -> Result<i32, KafkaFault> {
        let partition = partition_of(key, self.partitions.len() as i32);
        let bytes = key.len() as u64 + value.len() as u64 + OVERHEAD_BYTES;
        self.wait_for_reader(partition, bytes)?;
        loop {
            let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topic, 0);
            (record.key, record.payload, record.timestamp) = (Some(key), Some(value), stamp);
            record.partition = Some(partition);
            match self.producer.send(record) {
                Ok(()) => break,
                Err((error, _)) if code_of(&error) == RDKafkaErrorCode::QueueFull => self.producer.poll(POLL_STEP),
                Err((error, _)) => return Err(self.undelivered(1, code_of(&error))),
            }
        }
        if let Some(ahead) = self.partitions.get_mut(partition as usize) {
            ahead.add(bytes);
        }
        self.sent += 1;
        if self.sent.is_multiple_of(SENDS_PER_POLL) {
            self.producer.poll(Duration::ZERO);
            self.check_reports()?;
        }
        Ok(partition)
    }

    /// Waits until all that was sent is acknowledged. Returns how many records that are since the producer began.
    pub fn flush(&mut self) -> Result<u64, KafkaFault> {
        while (self.producer.context().reported() as u64) < self.sent {
            self.producer.poll(POLL_STEP);
        }
        self.check_reports()?;
        Ok(self.sent)
    }

    /// Offset after the last record sent, by partition.
    pub fn ends(&self) -> Vec<i64> {
        self.partitions.iter().map(|ahead| ahead.next_offset).collect()
    }

    fn wait_for_reader(&mut self, partition: i32, bytes: u64) -> Result<(), KafkaFault> {
        let (Some(pace), Some(ahead)) = (&self.pace, self.partitions.get_mut(partition as usize)) else {
            return Ok(());
        };
        // A record larger than the allowance goes out alone.
        while ahead.bytes() > 0 && ahead.bytes() + bytes > pace.ahead_bytes_max {
            ahead.settle((pace.position)(partition));
            if ahead.bytes() > 0 && ahead.bytes() + bytes > pace.ahead_bytes_max {
                if (pace.gave_up)() {
                    return Err(KafkaFault::GaveUp);
                }
                self.producer.poll(POLL_STEP);
            }
        }
        Ok(())
    }

    fn check_reports(&self) -> Result<(), KafkaFault> {
        let failed = self.producer.context().take_failed();
        match failed.first() {
            None => Ok(()),
            Some(first) => Err(self.undelivered(failed.len(), first.code)),
        }
    }

    fn undelivered(&self, count: usize, code: RDKafkaErrorCode) -> KafkaFault {
        KafkaFault::Delivery { topic: self.topic.clone(), count, rounds: 1, code }
    }
}

/// What of a partition lies between its reader and its end.
#[derive(Debug, Default)]
struct Ahead {
    next_offset: i64,
    sent_bytes: u64,
    settled_bytes: u64,
    /// Offsets with the bytes sent before them, in order, one every [`MARK_BYTES`].
    marks: VecDeque<(i64, u64)>,
}

impl Ahead {
    const fn bytes(&self) -> u64 {
        self.sent_bytes - self.settled_bytes
    }

    fn add(&mut self, bytes: u64) {
        self.next_offset += 1;
        self.sent_bytes += bytes;
        if self.marks.back().is_none_or(|(_, at)| self.sent_bytes - at >= MARK_BYTES) {
            self.marks.push_back((self.next_offset, self.sent_bytes));
        }
    }

    /// Counts what lies before a reader's position as gone, at the granularity of the marks; all of it at the end.
    fn settle(&mut self, position: i64) {
        if position >= self.next_offset {
            self.settled_bytes = self.sent_bytes;
            self.marks.clear();
        }
        while let Some((offset, bytes)) = self.marks.front().copied()
            && offset <= position
        {
            self.settled_bytes = bytes;
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_no_longer_counts() {
        let mut ahead = Ahead { next_offset: 100, ..Ahead::default() };
        for _ in 0..64 {
            ahead.add(1 << 10);
        }
        assert_eq!((ahead.next_offset, ahead.bytes()), (164, 64 << 10));
        ahead.settle(100);
        assert_eq!(ahead.bytes(), 64 << 10);
        ahead.settle(117);
        assert_eq!(ahead.bytes(), 47 << 10);
        ahead.settle(132);
        assert_eq!(ahead.bytes(), 47 << 10, "between two marks the earlier one counts");
        ahead.settle(164);
        assert_eq!(ahead.bytes(), 0);
    }
}
