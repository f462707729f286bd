//! Processes of one group on one broker, watched through their admin ports and the group's committed offsets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_runtime::ports::Channel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::rows::Rows;

/// Partitions of the activity topic.
pub(crate) const PARTITIONS: u64 = 6;
/// Deadline of every wait: a state that is not reached by then is a failure.
const DEADLINE: Duration = Duration::from_mins(2);

/// Waits for a state.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < deadline, "not reached in time: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A group with its topics.
pub(crate) struct Group {
    folder: PathBuf,
    settings: KafkaSettings,
    base: Value,
}

impl Group {
    /// Makes the topics of the company in the folder under a name of their own.
    pub(crate) fn create(folder: &Path, bootstrap: &str, name: &str) -> Self {
        let mut base: Value = read_json(&folder.join("frostwatch.yaml"));
        base["kafka"] = json!({
            "bootstrap_servers": bootstrap,
            "group": name,
            "topics": { "prefix": format!("{name}.") },
            // Small batches, so that much is between the first commit and the last.
            "batch": { "time_ms": 20, "records": 200 },
            // The least a broker allows: how long a killed process keeps its partitions.
            "consumer": { "session.timeout.ms": "6000", "heartbeat.interval.ms": "500" },
        });
        let mut settings = KafkaSettings::new(bootstrap);
        name.clone_into(&mut settings.group);
        settings.topics.prefix = format!("{name}.");
        let group = Self { folder: folder.to_owned(), settings, base };
        std::fs::write(group.config(), group.base.to_string()).unwrap();
        let partitions = PARTITIONS.to_string();
        group.frostwatch(&["topics", "create", "--partitions", &partitions, "--replication", "1"]);
        // A topic is made before its partitions have leaders.
        wait_for("the topics have leaders", || group.has_leaders());
        group
    }

    /// Starts a process.
    pub(crate) fn join(&self) -> Engine {
        // Nobody else is given a port that was just given back: the kernel takes them in turn.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = self.base.clone();
        config["admin"] = json!({ "listen": format!("127.0.0.1:{port}") });
        let path = self.folder.join(format!("{port}.yaml"));
        std::fs::write(&path, config.to_string()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_frostwatch"))
            .args(["run", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Engine { child: RefCell::new(child), port }
    }

    /// What publishes the rows.
    pub(crate) fn feed<'a>(&self, rows: &'a Rows) -> Feed<'a> {
        let connect =
            |(topic, table): (String, String)| (table, TopicProducer::connect(&self.settings, &topic).unwrap());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let first_stamp = now.as_millis() as i64 - rows.len() as i64;
        Feed {
            rows,
            published: 0,
            first_stamp,
            producers: self.settings.topics.raw().into_iter().map(connect).collect(),
        }
    }

    /// Are all raw rows normalised?
    pub(crate) fn is_normalised(&self) -> bool {
        let mut raw = self.settings.topics.raw().into_iter();
        raw.all(|(topic, _)| self.is_at_end(&self.settings.normalise_group(), &topic))
    }

    /// Is all activity consumed and its output acknowledged?
    pub(crate) fn is_consumed(&self) -> bool {
        self.is_at_end(&self.settings.group, &self.settings.topics.activity())
    }

    /// The recorded lines of a topic.
    pub(crate) fn record(&self, purpose: &str) -> Vec<u8> {
        let topic = format!("{}{purpose}.v1", self.settings.topics.prefix);
        self.frostwatch(&["record", &topic])
    }

    /// Runs a command to its end and returns what it wrote.
    #[track_caller]
    pub(crate) fn frostwatch(&self, args: &[&str]) -> Vec<u8> {
        let config = self.config();
        let ended = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).arg("--config").arg(config).output();
        let ended = ended.unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        std::io::stderr().write_all(&ended.stderr).unwrap();
        ended.stdout
    }

    /// Runs a command to its end: its exit code and what it wrote.
    pub(crate) fn ended(&self, args: &[&str]) -> (Option<i32>, String) {
        let command =
            Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).arg("--config").arg(self.config()).output();
        let ended = command.unwrap();
        (ended.status.code(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    }

    /// Headers and value of the first alert.
    pub(crate) fn first_alert(&self) -> (BTreeMap<String, String>, Value) {
        let topic = self.settings.topics.channel(Channel::Alerts);
        let reader = self.reader(&format!("{}-reader", self.settings.group));
        let count = reader.fetch_metadata(Some(&topic), DEADLINE).unwrap().topics()[0].partitions().len() as i32;
        let mut all = TopicPartitionList::new();
        (0..count).for_each(|partition| all.add_partition_offset(&topic, partition, Offset::Beginning).unwrap());
        reader.assign(&all).unwrap();
        let message = reader.poll(DEADLINE).unwrap().unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        let headers = message.headers().unwrap().iter().map(|header| (header.key.to_owned(), text(header.value)));
        (headers.collect(), serde_json::from_slice(message.payload().unwrap()).unwrap())
    }

    fn config(&self) -> PathBuf {
        self.folder.join("frostwatch.yaml")
    }

    fn has_leaders(&self) -> bool {
        let names = &self.settings.topics;
        let mut all: Vec<String> = names.raw().into_iter().map(|(topic, _)| topic).collect();
        all.push(names.activity());
        all.extend(Channel::ALL.map(|channel| names.channel(channel)));
        let reader = self.reader(&self.settings.group);
        all.iter().all(|topic| {
            let metadata = reader.fetch_metadata(Some(topic), DEADLINE).unwrap();
            let partitions = metadata.topics()[0].partitions();
            // Metadata names a leader before that broker knows of it: only its answer tells.
            let answers = |partition| reader.fetch_watermarks(topic, partition, DEADLINE).is_ok();
            !partitions.is_empty() && partitions.iter().all(|each| answers(each.id()))
        })
    }

    fn reader(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.settings.bootstrap_servers)
            .set("group.id", group)
            .create()
            .unwrap()
    }

    fn is_at_end(&self, group: &str, topic: &str) -> bool {
        let reader = self.reader(group);
        let metadata = reader.fetch_metadata(Some(topic), DEADLINE).unwrap();
        let mut asked = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            asked.add_partition(topic, partition.id());
        }
        // Until the first member has joined, the broker may have no coordinator for the group.
        let Ok(committed) = reader.committed_offsets(asked, DEADLINE) else { return false };
        committed.elements().iter().all(|elem| {
            let (_, end) = reader.fetch_watermarks(topic, elem.partition(), DEADLINE).unwrap();
            elem.offset() == Offset::Offset(end) || end == 0
        })
    }
}

/// Publishes rows in their order.
pub(crate) struct Feed<'a> {
    rows: &'a Rows,
    published: usize,
    first_stamp: i64,
    producers: BTreeMap<String, TopicProducer<'static>>,
}

impl Feed<'_> {
    /// Publishes up to a row and returns when all are acknowledged. Stamps rise by one a
    /// row: the rows' own are so old that a broker would delete them, and within one its tables have no order.
    pub(crate) fn publish(&mut self, until: usize) {
        for (row, stamp) in
            self.rows.slice(self.published, until).iter().zip(self.first_stamp + self.published as i64..)
        {
            let producer = self.producers.get_mut(&row.table).unwrap();
            producer.send(row.key.as_bytes(), row.value.get().as_bytes(), Some(stamp)).unwrap();
        }
        for producer in self.producers.values_mut() {
            producer.flush().unwrap();
        }
        self.published = until;
    }
}

/// A process of the group, killed when dropped.
pub(crate) struct Engine {
    child: RefCell<Child>,
    port: u16,
}

impl Engine {
    /// A counter of the Kafka edge; 0 before the process answers.
    pub(crate) fn count(&self, event: &str) -> u64 {
        self.metric(&format!("frostwatch_kafka_events_total{{event=\"{event}\"}} "))
    }

    /// Partitions whose alerts flow.
    pub(crate) fn live_partitions(&self) -> u64 {
        self.metric("frostwatch_partitions{phase=\"live\"} ")
    }

    /// Ends it as a crash would (SIGKILL).
    pub(crate) fn kill(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM) and waits.
    pub(crate) fn stop(&self) -> ExitStatus {
        let mut child = self.child.borrow_mut();
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        child.wait().unwrap()
    }

    #[track_caller]
    fn metric(&self, name: &str) -> u64 {
        let ended = self.child.borrow_mut().try_wait().unwrap();
        assert!(ended.is_none(), "a process ended by itself: {ended:?}");
        let text = self.metrics().unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn metrics(&self) -> std::io::Result<String> {
        self.page("/metrics")
    }

    /// A page of the admin port, with its status line and headers.
    pub(crate) fn page(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        self.child.get_mut().kill().ok();
        self.child.get_mut().wait().ok();
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
