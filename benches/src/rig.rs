//! A real broker, `frostwatch run` as processes beside it, and what can be seen of both from outside.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and waits for other processes")]

mod bare;
mod compaction;
mod engine;
mod state;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_kafka::topics::{self, TopicSizes};
use frostwatch_testkit::broker::{Broker, Settings};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use bare::{Bare, bare};
pub use engine::{Engine, Mode};
pub use state::{Prepared, Written, written};
pub use watch::{Alerts, Latency, Seen};

use crate::measure::Process;
use crate::traffic::{Batch, Traffic};

/// Deadline of every wait: a state that is not reached by then ends the bench.
const DEADLINE: Duration = Duration::from_mins(10);
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Heap of the broker: enough for its buffers, little enough to leave the page cache its place.
const HEAP_MIB: u32 = 1_024;
/// Records made at a time.
const BATCH: usize = 4_096;

/// Waits for a state, asking often.
///
/// # Panics
/// When it is not reached in time.
pub fn wait_for<T>(what: &str, state: impl FnMut() -> Option<T>) -> T {
    wait_asking(Duration::from_millis(5), what, state)
}

/// The same, asking after each pause.
fn wait_asking<T>(pause: Duration, what: &str, mut state: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(reached) = state() {
            return reached;
        }
        assert!(Instant::now() < deadline, "not reached in time: {what}");
        std::thread::sleep(pause);
    }
}

/// One broker, the program, and a folder for what the processes read and say.
pub struct Rig {
    broker: Broker,
    binary: PathBuf,
    folder: TempDir,
}

impl Rig {
    /// Starts a broker and builds the program, unless one is given. `None`: this machine has no Java or no Maven, which
    /// has been said.
    pub fn start(binary: Option<PathBuf>) -> Option<Self> {
        let binary = binary.unwrap_or_else(built);
        let broker = Broker::own(&Settings { heap_mib: HEAP_MIB, ..Settings::default() }).unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in frostwatch_geoip::demo_files() {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Some(Self { broker, binary, folder })
    }

    /// The broker as the system sees it.
    pub fn broker(&self) -> Process {
        Process::of(self.broker.pid().unwrap().unwrap_or_default() as u32)
    }

    /// A deployment with topics of its own.
    pub fn deploy(&self, name: &str, partitions: i32, stamps: Stamps) -> Deployment<'_> {
        let deployment = Deployment { rig: self, name: name.to_owned(), partitions };
        deployment.create_topics(name, stamps);
        deployment
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whose clock stamps activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// The source's, so that a day of traffic takes seconds and is a day to the engine.
    Source,
    /// The broker's, as it ships.
    Broker,
}

/// Topics under one prefix; several groups may read them, one after the other or at once.
pub struct Deployment<'a> {
    rig: &'a Rig,
    name: String,
    partitions: i32,
}

impl Deployment<'_> {
    /// Partitions of the activity topic.
    pub const fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Writes the next records of the traffic and returns when they are acknowledged.
    pub fn publish(&self, traffic: &mut Traffic, records: usize) {
        let mut producer = self.producer("5");
        let (mut batch, mut left) = (Batch::default(), records);
        while left > 0 {
            traffic.fill(&mut batch, BATCH.min(left));
            left -= batch.len();
            for record in batch.records() {
                producer.send(record.key.unwrap_or_default(), record.value, record.stamp).unwrap();
            }
        }
        producer.flush().unwrap();
    }

    /// Writes the traffic at a rate, records a second, and returns how many it were: as long as `go_on` says so, which is
    /// asked a thousand times a second at most.
    pub fn publish_paced(&self, traffic: &mut Traffic, rate: f64, mut go_on: impl FnMut(Duration) -> bool) -> usize {
        let mut producer = self.producer("1");
        let (mut batch, mut sent, begun) = (Batch::default(), 0_usize, Instant::now());
        while go_on(begun.elapsed()) {
            let due = (begun.elapsed().as_secs_f64() * rate) as usize;
            traffic.fill(&mut batch, due.saturating_sub(sent).min(BATCH));
            for record in batch.records() {
                producer.send(record.key.unwrap_or_default(), record.value, record.stamp).unwrap();
            }
            sent += batch.len();
            if due <= sent {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        producer.flush().unwrap();
        sent
    }

    /// Records and marks of transactions in a topic: the sum of its ends.
    pub fn ends(&self, topic: &str) -> Vec<i64> {
        let asker: BaseConsumer = self.client("asker").create().unwrap();
        let metadata = asker.fetch_metadata(Some(topic), ANSWER_WAIT).unwrap();
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        (0..count as i32).map(|partition| asker.fetch_watermarks(topic, partition, ANSWER_WAIT).unwrap().1).collect()
    }

    /// Names of the settings of a group of this deployment.
    pub fn settings(&self, group: &str) -> KafkaSettings {
        let mut settings = KafkaSettings::new(self.rig.broker.bootstrap());
        group.clone_into(&mut settings.group);
        settings.topics.prefix = format!("{}.", self.name);
        settings
    }

    fn producer(&self, linger_ms: &str) -> TopicProducer<'static> {
        let mut settings = self.settings(&self.name);
        settings.producer = settings.producer.with("linger.ms", linger_ms);
        TopicProducer::connect(&settings, &settings.topics.activity()).unwrap()
    }

    fn client(&self, group: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.rig.broker.bootstrap()).set("group.id", group);
        config
    }

    /// Makes what is missing for a group: the log of state is its own.
    fn create_topics(&self, group: &str, stamps: Stamps) {
        let settings = self.settings(group);
        let sizes = TopicSizes { activity_partitions: self.partitions, replication: 1, ..TopicSizes::default() };
        let mut wanted = topics::wanted(&settings, &sizes);
        wanted.retain(|topic| !topic.is_raw);
        for (name, value) in &mut wanted.first_mut().unwrap().config {
            match *name {
                "message.timestamp.type" if stamps == Stamps::Source => "CreateTime".clone_into(value),
                // The traffic's days are long past.
                "retention.ms" => "-1".clone_into(value),
                _ => {}
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(topics::create(&settings, &wanted)).unwrap();
        let asker: BaseConsumer = self.client("asker").create().unwrap();
        for topic in &wanted {
            for partition in 0..topic.partitions {
                // Metadata names a leader before that broker knows of it: only its answer tells.
                wait_for("a topic has leaders", || asker.fetch_watermarks(&topic.name, partition, ANSWER_WAIT).ok());
            }
        }
    }

    /// The configuration of a process.
    fn config(&self, group: &str, mode: &Mode, port: u16) -> Value {
        json!({
            "schema": "config.v1",
            "kafka": {
                "bootstrap_servers": self.rig.broker.bootstrap(),
                "group": group,
                "topics": { "prefix": format!("{}.", self.name) },
                "delivery": if mode.exactly_once { "exactly_once" } else { "at_least_once" },
                "batch": { "time_ms": mode.batch_ms },
                "state": { "tail_records": mode.tail_records },
                "producer": { "linger.ms": mode.linger_ms },
                "consumer": { "session.timeout.ms": mode.session_timeout_ms },
            },
            "geoip": { "city": ["demo-city.mmdb"], "asn": ["demo-asn.mmdb"] },
            "workers": mode.workers,
            "admin": { "listen": format!("127.0.0.1:{port}") },
        })
    }
}

/// Builds the program as it ships.
fn built() -> PathBuf {
    let root = frostwatch_testkit::broker::checkout();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "frostwatch"])
        .current_dir(&root)
        .status()
        .unwrap();
    assert!(status.success(), "the program does not build");
    let target = std::env::current_exe().unwrap();
    // A bench lies in `<target>/release/deps`.
    let target = target.ancestors().nth(3).unwrap();
    target.join("release/frostwatch")
}
