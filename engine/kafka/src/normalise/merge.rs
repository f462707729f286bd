//! The oldest record first, over many partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frostwatch_detect::time::Millis;
use rdkafka::Offset;
use rdkafka::consumer::Consumer;

use crate::fault::KafkaFault;
use crate::fetch::{Chunk, EngineConsumer, FetchQueue, Fetched, RecordView, known_ends};
use crate::worker::take_error;

/// How long an empty partition that has more to give is waited for.
pub(super) const MERGE_WAIT: Duration = Duration::from_secs(2);
/// Records taken from a partition at a time.
const CHUNK_RECORDS: usize = 256;

/// A raw partition with what was fetched of it.
pub(super) struct Source {
    // Dropped in this order: what borrows from the consumer goes before it.
    chunk: Option<Chunk>,
    at: usize,
    queue: FetchQueue,
    pub(super) topic: Arc<str>,
    pub(super) table: String,
    pub(super) partition: i32,
    /// Next offset to be published.
    pub(super) position: i64,
    pub(super) committed: i64,
    end: i64,
    /// Since when it is empty though it has more to give.
    empty_since: Option<Instant>,
}

impl Source {
    /// A partition that is about to be assigned.
    pub(super) fn new(
        consumer: &Arc<EngineConsumer>,
        topic: &str,
        table: &str,
        partition: i32,
        position: i64,
        end: i64,
    ) -> Option<Self> {
        let queue = FetchQueue::new(consumer)?;
        queue.attach(topic, partition);
        Some(Self {
            chunk: None,
            at: 0,
            queue,
            topic: topic.into(),
            table: table.to_owned(),
            partition,
            position,
            committed: position,
            end,
            empty_since: None,
        })
    }

    pub(super) fn is_of(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && *self.topic == *topic
    }

    /// The next record, if one is here.
    pub(super) fn head(&self) -> Option<RecordView<'_>> {
        match self.chunk.as_ref()?.get(self.at)? {
            Fetched::Record(record) => Some(record),
            Fetched::Error { .. } => None,
        }
    }

    /// Leaves the next record behind.
    pub(super) fn advance(&mut self) {
        if let Some(next) = self.head().map(|record| record.offset + 1) {
            self.position = next;
            self.at += 1;
        }
    }

    fn stamp(&self) -> Option<Millis> {
        // A record without a time stamp is older than all: nothing waits behind it.
        self.head().map(|record| record.stamp.unwrap_or(Millis::MIN))
    }

    /// Makes sure there is a head if anything has been fetched.
    fn fill(&mut self) -> Result<(), KafkaFault> {
        loop {
            match self.chunk.as_ref().and_then(|chunk| chunk.get(self.at)) {
                Some(Fetched::Record(_)) => return Ok(()),
                Some(Fetched::Error { partition, code, reason }) => {
                    tracing::warn!(topic = &*self.topic, partition, %code, reason, "consumer");
                    take_error(code, &self.topic)?;
                    self.at += 1;
                }
                None => {
                    let chunk = self.queue.take(CHUNK_RECORDS, Duration::ZERO);
                    self.at = 0;
                    let is_empty = chunk.len() == 0;
                    self.chunk = (!is_empty).then_some(chunk);
                    if is_empty {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Is everything that the last fetch knew of published?
    fn is_at_end(&mut self, consumer: &EngineConsumer) -> Result<bool, KafkaFault> {
        if let Some((_, end)) = known_ends(consumer, &self.topic, self.partition) {
            self.end = self.end.max(end);
        }
        if self.position < self.end {
            // The client's position also passes the marks of transactions, of which no record tells.
            let positions = consumer.position().map_err(KafkaFault::Consumer)?;
            if let Some(elem) = positions.find_partition(&self.topic, self.partition)
                && let Offset::Offset(position) = elem.offset()
            {
                self.position = self.position.max(position);
            }
        }
        Ok(self.position >= self.end)
    }
}

/// What to take next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing is here and nothing is known to come.
    Nothing,
    /// A partition that has more to give is waited for.
    Waiting,
    /// Records of a source up to a stamp.
    Run {
        source: usize,
        until: Millis,
        /// False when the wait for another partition was given up.
        in_order: bool,
    },
}

/// The assigned partitions.
#[derive(Default)]
pub(super) struct Merge {
    pub(super) sources: Vec<Source>,
}

impl Merge {
    /// Finds the source with the oldest head, and how far it may be followed before another is older.
    pub(super) fn next(&mut self, consumer: &EngineConsumer, now: Instant) -> Result<Next, KafkaFault> {
        let (mut waiting, mut given_up) = (false, false);
        for source in &mut self.sources {
            source.fill()?;
            if source.head().is_some() || source.is_at_end(consumer)? {
                source.empty_since = None;
                continue;
            }
            let since = *source.empty_since.get_or_insert(now);
            let is_over = now.saturating_duration_since(since) >= MERGE_WAIT;
            given_up |= is_over;
            waiting |= !is_over;
        }
        Ok(match oldest(self.sources.iter().map(Source::stamp)) {
            _ if waiting => Next::Waiting,
            None => Next::Nothing,
            Some((source, until)) => Next::Run { source, until, in_order: !given_up },
        })
    }
}

/// The index of the smallest stamp, the first of equals, and the smallest of the others.
fn oldest(stamps: impl Iterator<Item = Option<Millis>>) -> Option<(usize, Millis)> {
    let mut best: Option<(usize, Millis)> = None;
    let mut second = Millis::MAX;
    for (index, stamp) in stamps.enumerate() {
        let Some(stamp) = stamp else { continue };
        match best {
            Some((_, least)) if stamp >= least => second = second.min(stamp),
            _ => {
                second = best.map_or(second, |(_, least)| least);
                best = Some((index, stamp));
            }
        }
    }
    best.map(|(index, _)| (index, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stamps: &[Option<Millis>], wanted: Option<(usize, Millis)>) {
        assert_eq!(oldest(stamps.iter().copied()), wanted);
    }

    #[test]
    fn the_oldest_is_followed_until_the_next_oldest() {
        check(&[], None);
        check(&[None, None], None);
        check(&[None, Some(7)], Some((1, Millis::MAX)));
        check(&[Some(9), Some(7), None, Some(8)], Some((1, 8)));
        check(&[Some(7), Some(9)], Some((0, 9)));
        check(&[Some(3), Some(5), Some(4), Some(2)], Some((3, 3)));
        check(&[Some(5), Some(5)], Some((0, 5)));
    }
}
