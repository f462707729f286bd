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
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::rows::Rows;

/// Partitions of the activity topic.
pub(crate) const PARTITIONS: u64 = 6;
/// Deadline of every wait: a state that is not reached by then is a failure.
const DEADLINE: Duration = Duration::from_mins(2);
/// How long the broker may take to answer before it is asked again.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

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
    /// Asks for offsets, in no group.
    reader: BaseConsumer,
}

/// How a process takes part in the group.
#[derive(Clone, Default)]
pub(crate) struct Membership {
    /// Brokers, where they are not the group's.
    pub(crate) bootstrap: Option<String>,
    /// A name that stays over restarts.
    pub(crate) instance: Option<String>,
    /// Properties of all its clients.
    pub(crate) properties: Option<Value>,
    /// The format in which it writes state, where it is not the default.
    pub(crate) state_format: Option<u8>,
    /// Goes on under what is there now (`--accept-change`).
    pub(crate) accept_change: bool,
    /// Where its standard error goes, if not to ours.
    pub(crate) said: Option<PathBuf>,
}

impl Group {
    /// Makes the topics of the company in the folder under a name of their own.
    pub(crate) fn create(folder: &Path, bootstrap: &str, name: &str) -> Self {
        // The least a broker allows: how long a killed process keeps its partitions.
        Self::create_with(folder, bootstrap, name, &json!({ "session.timeout.ms": 6000, "heartbeat.interval.ms": 500 }))
    }

    /// The same with properties for its consumers.
    pub(crate) fn create_with(folder: &Path, bootstrap: &str, name: &str, consumer: &Value) -> Self {
        let group = Self::without_topics(folder, bootstrap, name, consumer);
        let partitions = PARTITIONS.to_string();
        group.frostwatch(&["topics", "create", "--partitions", &partitions, "--replication", "1"]);
        group.wait_for_leaders();
        group
    }

    /// The same, whose topics somebody else makes.
    pub(crate) fn without_topics(folder: &Path, bootstrap: &str, name: &str, consumer: &Value) -> Self {
        let mut base: Value = read_json(&folder.join("frostwatch.yaml"));
        base["kafka"] = json!({
            "bootstrap_servers": bootstrap,
            "group": name,
            "topics": { "prefix": format!("{name}.") },
            // Small batches, so that much is between the first commit and the last.
            "batch": { "time_ms": 20, "records": 200 },
            "consumer": consumer,
        });
        let mut settings = KafkaSettings::new(bootstrap);
        name.clone_into(&mut settings.group);
        settings.topics.prefix = format!("{name}.");
        let reader = reader(bootstrap, name);
        let group = Self { folder: folder.to_owned(), settings, base, reader };
        std::fs::write(group.config(), group.base.to_string()).unwrap();
        group
    }

    /// A topic is made before its partitions have leaders.
    pub(crate) fn wait_for_leaders(&self) {
        wait_for("the topics have leaders", || self.has_leaders());
    }

    /// Starts a process.
    pub(crate) fn join(&self) -> Engine {
        self.join_as(&Membership::default())
    }

    /// Starts a process that takes part in its own way.
    pub(crate) fn join_as(&self, membership: &Membership) -> Engine {
        let (path, port) = self.config_of(membership);
        let said = membership.said.as_ref().map(|path| Stdio::from(std::fs::File::create(path).unwrap()));
        let child = Command::new(env!("CARGO_BIN_EXE_frostwatch"))
            .args(["run", "--config"])
            .arg(&path)
            .args(membership.accept_change.then_some("--accept-change"))
            .stdin(Stdio::null())
            .stderr(said.unwrap_or_else(Stdio::inherit))
            .spawn()
            .unwrap();
        Engine { child: RefCell::new(child), port }
    }

    /// Writes the configuration of a process that takes part in its own way; its admin port.
    fn config_of(&self, membership: &Membership) -> (PathBuf, u16) {
        // Nobody else is given a port that was just given back: the kernel takes them in turn.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = self.base.clone();
        config["admin"] = json!({ "listen": format!("127.0.0.1:{port}") });
        if let Some(format) = membership.state_format {
            config["state_format"] = json!(format);
        }
        let kafka = &mut config["kafka"];
        for (name, value) in [("bootstrap_servers", &membership.bootstrap), ("instance", &membership.instance)] {
            if let Some(value) = value {
                kafka[name] = json!(value);
            }
        }
        if let Some(properties) = &membership.properties {
            kafka["properties"] = properties.clone();
        }
        let path = self.folder.join(format!("{port}.yaml"));
        std::fs::write(&path, config.to_string()).unwrap();
        (path, port)
    }

    /// What publishes activity.
    pub(crate) fn producer(&self) -> TopicProducer<'static> {
        self.producer_of(&self.activity())
    }

    /// What publishes to a topic.
    pub(crate) fn producer_of(&self, topic: &str) -> TopicProducer<'static> {
        TopicProducer::connect(&self.settings, topic).unwrap()
    }

    /// Its settings.
    pub(crate) const fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    /// The name of the activity topic.
    pub(crate) fn activity(&self) -> String {
        self.settings.topics.activity()
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

    /// Records of activity before the group's committed offsets; `None` while nobody tells.
    pub(crate) fn committed(&self) -> Option<u64> {
        let committed = self.committed_offsets(&self.settings.group, &self.activity())?;
        let position = |offset| if let Offset::Offset(offset) = offset { offset as u64 } else { 0 };
        Some(committed.elements().iter().map(|elem| position(elem.offset())).sum())
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

    /// Runs a command to its end with its standard output in a file, and returns what it said.
    #[track_caller]
    pub(crate) fn frostwatch_into(&self, file: &Path, args: &[&str]) -> String {
        let out = std::fs::File::create(file).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_frostwatch"))
            .args(args)
            .arg("--config")
            .arg(self.config())
            .stdout(out)
            .output();
        let ended = command.unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{args:?}: {said}");
        said
    }

    /// Runs a command to its end: its exit code and what it wrote.
    pub(crate) fn ended(&self, args: &[&str]) -> (Option<i32>, String) {
        self.ended_as(&Membership::default(), args)
    }

    /// The same for somebody who takes part in his own way.
    pub(crate) fn ended_as(&self, membership: &Membership, args: &[&str]) -> (Option<i32>, String) {
        let (config, _) = self.config_of(membership);
        let command = Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).arg("--config").arg(config).output();
        let ended = command.unwrap();
        (ended.status.code(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    }

    /// Headers and value of the first alert.
    pub(crate) fn first_alert(&self) -> (BTreeMap<String, String>, Value) {
        let (headers, value) = self.read(Channel::Alerts).remove(0);
        (headers, serde_json::from_slice(&value).unwrap())
    }

    /// Headers and values of a topic, as a reader of committed records sees them.
    pub(crate) fn read(&self, channel: Channel) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
        self.read_topic(&self.settings.topics.channel(channel))
    }

    /// The same by the topic's name.
    pub(crate) fn read_topic(&self, topic: &str) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
        let reader: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.settings.bootstrap_servers)
            .set("group.id", format!("{}-reader", self.settings.group))
            .set("isolation.level", "read_committed")
            // A topic may end in marks of transactions, of which only this tells.
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut left = reader.fetch_metadata(Some(topic), DEADLINE).unwrap().topics()[0].partitions().len();
        let mut all = TopicPartitionList::new();
        for partition in 0..left as i32 {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&all).unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        let mut read = Vec::new();
        while left > 0 {
            match reader.poll(DEADLINE).unwrap() {
                Err(KafkaError::PartitionEOF(_)) => left -= 1,
                message => {
                    let message = message.unwrap();
                    let headers = message.headers().into_iter().flat_map(BorrowedHeaders::iter);
                    let headers = headers.map(|header| (header.key.to_owned(), text(header.value)));
                    read.push((headers.collect(), message.payload().unwrap_or_default().to_vec()));
                }
            }
        }
        read
    }

    /// Has every transaction ended, so that a reader of committed records sees all there is?
    pub(crate) fn is_settled(&self) -> bool {
        let readers = ["read_committed", "read_uncommitted"].map(|level| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", &self.settings.bootstrap_servers).set("isolation.level", level);
            config.create::<BaseConsumer>().unwrap()
        });
        Channel::OUTPUTS.iter().all(|channel| {
            let topic = self.settings.topics.channel(*channel);
            let Ok(metadata) = self.reader.fetch_metadata(Some(&topic), ANSWER_WAIT) else { return false };
            metadata.topics()[0].partitions().iter().all(|partition| {
                let ends = |reader: &BaseConsumer| reader.fetch_watermarks(&topic, partition.id(), ANSWER_WAIT).ok();
                let [committed, all] = [&readers[0], &readers[1]].map(ends);
                committed.is_some() && committed == all
            })
        })
    }

    fn config(&self) -> PathBuf {
        self.folder.join("frostwatch.yaml")
    }

    fn has_leaders(&self) -> bool {
        let names = &self.settings.topics;
        let mut all: Vec<String> = names.raw().into_iter().map(|(topic, _)| topic).collect();
        all.push(names.activity());
        all.extend(Channel::OUTPUTS.map(|channel| names.channel(channel)));
        let reader = reader(&self.settings.bootstrap_servers, &self.settings.group);
        all.iter().all(|topic| {
            let metadata = reader.fetch_metadata(Some(topic), DEADLINE).unwrap();
            let partitions = metadata.topics()[0].partitions();
            // Metadata names a leader before that broker knows of it: only its answer tells.
            let answers = |partition| reader.fetch_watermarks(topic, partition, DEADLINE).is_ok();
            !partitions.is_empty() && partitions.iter().all(|each| answers(each.id()))
        })
    }

    fn is_at_end(&self, group: &str, topic: &str) -> bool {
        let Some(committed) = self.committed_offsets(group, topic) else { return false };
        committed.elements().iter().all(|elem| {
            let Ok((_, end)) = self.reader.fetch_watermarks(topic, elem.partition(), ANSWER_WAIT) else { return false };
            elem.offset() == Offset::Offset(end) || end == 0
        })
    }

    /// Until the first member has joined, the broker may have no coordinator for the group; and it may be down.
    fn committed_offsets(&self, group: &str, topic: &str) -> Option<TopicPartitionList> {
        let other = (group != self.settings.group).then(|| reader(&self.settings.bootstrap_servers, group));
        let reader = other.as_ref().unwrap_or(&self.reader);
        let metadata = reader.fetch_metadata(Some(topic), ANSWER_WAIT).ok()?;
        let mut asked = TopicPartitionList::new();
        for partition in metadata.topics().first()?.partitions() {
            asked.add_partition(topic, partition.id());
        }
        reader.committed_offsets(asked, ANSWER_WAIT).ok()
    }
}

fn reader(bootstrap: &str, group: &str) -> BaseConsumer {
    ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", group).create().unwrap()
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

    /// What Prometheus is told; nothing before the process answers.
    pub(crate) fn metrics(&self) -> Option<String> {
        self.page("/metrics").ok()
    }

    /// How it ended, where it did.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child.borrow_mut().try_wait().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.borrow();
        let pid = child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as a crash would (SIGKILL).
    pub(crate) fn kill(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Its admin port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to end (SIGTERM) and waits.
    pub(crate) fn stop(&self) -> ExitStatus {
        self.signal("TERM");
        self.child.borrow_mut().wait().unwrap()
    }

    #[track_caller]
    fn metric(&self, name: &str) -> u64 {
        let ended = self.child.borrow_mut().try_wait().unwrap();
        assert!(ended.is_none(), "a process ended by itself: {ended:?}");
        let text = self.metrics().unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// A page of the admin port, with its status line and headers.
    pub(crate) fn page(&self, path: &str) -> std::io::Result<String> {
        self.request("GET", path)
    }

    /// Asks the admin port to do something.
    pub(crate) fn post(&self, path: &str) -> std::io::Result<String> {
        self.request("POST", path)
    }

    fn request(&self, method: &str, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        // A stopped process takes connections and does not answer.
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nContent-Length: 0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
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
