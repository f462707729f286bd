//! A reader of committed alerts: when each became visible, and how long after its record came to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::{ANSWER_WAIT, Deployment};

/// An alert as it came.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// How long after the stamp of its record, milliseconds.
    pub after_ms: i64,
}

/// A reader on a thread of its own.
pub struct Alerts {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

/// Quantiles, milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Alerts counted.
    pub alerts: usize,
    /// Half of them were not later than this.
    pub p50: i64,
    /// All but one of a hundred.
    pub p99: i64,
    /// None was later.
    pub max: i64,
}

impl Deployment<'_> {
    /// Reads alerts from now on.
    pub fn watch(&self) -> Alerts {
        let topic = self.settings("watch").topics.channel(frostwatch_runtime::ports::Channel::Alerts);
        let consumer: BaseConsumer = self
            .client("watch")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .create()
            .unwrap();
        let mut ends = TopicPartitionList::new();
        for (partition, _) in self.ends(&topic).iter().enumerate() {
            let (_, end) = consumer.fetch_watermarks(&topic, partition as i32, ANSWER_WAIT).unwrap();
            ends.add_partition_offset(&topic, partition as i32, Offset::Offset(end)).unwrap();
        }
        consumer.assign(&ends).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                    let (at, now) = (Instant::now(), now_ms());
                    let stamp = message.payload().and_then(stamp_of);
                    seen.extend(stamp.map(|stamp| Seen { at, after_ms: now - stamp }));
                }
            }
            seen
        });
        Alerts { stop, thread }
    }
}

impl Alerts {
    /// Stops reading and gives all that came.
    pub fn stop(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

impl Latency {
    /// Of those that came since.
    pub fn of(seen: &[Seen], since: Instant) -> Self {
        let mut all: Vec<i64> = seen.iter().filter(|seen| seen.at >= since).map(|seen| seen.after_ms).collect();
        all.sort_unstable();
        let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or_default();
        Self { alerts: all.len(), p50: at(0.5), p99: at(0.99), max: all.last().copied().unwrap_or_default() }
    }
}

fn stamp_of(alert: &[u8]) -> Option<i64> {
    let alert: Value = serde_json::from_slice(alert).ok()?;
    let stamp = alert.get("delivery")?.get("stamp")?.as_str()?;
    DateTime::parse_from_rfc3339(stamp).ok().map(|stamp| stamp.timestamp_millis())
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
