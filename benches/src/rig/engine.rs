//! `frostwatch run` as a process, seen through its admin port and the system.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{ANSWER_WAIT, Deployment, Stamps, wait_asking, wait_for};
use crate::measure::Process;

/// How a process runs. The default is what ships.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Outputs, state and offsets in one transaction.
    pub exactly_once: bool,
    /// Between two commits.
    pub batch_ms: u64,
    /// Of the producer.
    pub linger_ms: u64,
    /// How long the group waits for a member that is silent.
    pub session_timeout_ms: u64,
    /// Threads.
    pub workers: usize,
    /// Records after which a key that has changed is written.
    pub tail_records: usize,
}

impl Default for Mode {
    fn default() -> Self {
        Self {
            exactly_once: true,
            batch_ms: 100,
            linger_ms: 1,
            session_timeout_ms: 10_000,
            workers: 1,
            tail_records: 1_000_000,
        }
    }
}

impl Mode {
    /// Offsets follow outputs.
    #[must_use]
    pub const fn at_least_once(self) -> Self {
        Self { exactly_once: false, ..self }
    }
}

/// A process, killed when dropped.
pub struct Engine {
    child: Child,
    port: u16,
    broker_port: u16,
    said: PathBuf,
    /// When it was started.
    pub started: Instant,
}

impl Deployment<'_> {
    /// Starts a process of a group.
    pub fn run(&self, group: &str, mode: &Mode) -> Engine {
        self.create_topics(group, Stamps::Source);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = self.rig.folder();
        let (config, said) = (folder.join(format!("{group}-{port}.yaml")), folder.join(format!("{group}-{port}.log")));
        std::fs::write(&config, self.config(group, mode, port).to_string()).unwrap();
        let started = Instant::now();
        let child = Command::new(&self.rig.binary)
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        Engine { child, port, broker_port: self.rig.broker.port().unwrap(), said, started }
    }
}

impl Engine {
    /// The process as the system sees it.
    pub fn process(&self) -> Process {
        Process::of(self.child.id())
    }

    /// Connections to the broker.
    pub fn connections(&self) -> usize {
        let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let remote = format!(":{:04X}", self.broker_port);
        let words = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let is_ours = |line: &Vec<&str>| {
            line.get(2).is_some_and(|to| to.ends_with(&remote))
                && line.get(9).is_some_and(|inode| sockets.iter().any(|socket| socket == inode))
        };
        words.filter(is_ours).count()
    }

    /// A counter of the Kafka edge; 0 before the process answers.
    pub fn count(&self, event: &str) -> u64 {
        self.metric(&format!("frostwatch_kafka_events_total{{event=\"{event}\"}} "))
    }

    /// Records written to a channel.
    pub fn outputs(&self, channel: &str) -> u64 {
        self.metric(&format!("frostwatch_outputs_total{{channel=\"{channel}\"}} "))
    }

    /// Partitions it holds in a phase.
    pub fn partitions(&self, phase: &str) -> u64 {
        self.metric(&format!("frostwatch_partitions{{phase=\"{phase}\"}} "))
    }

    /// Users with state.
    pub fn users(&self) -> u64 {
        let page = self.page("/metrics").unwrap_or_default();
        let lines = page.lines().filter_map(|line| line.strip_prefix("frostwatch_state_entries{"));
        lines.filter_map(|line| line.split_once("} ")?.1.trim().parse::<u64>().ok()).sum()
    }

    /// Waits until so many records are consumed; returns how many they are by then.
    pub fn wait_consumed(&mut self, records: u64) -> u64 {
        // To ask costs the process time that is measured: not oftener than it tells of a batch.
        wait_asking(Duration::from_millis(50), "records are consumed", || {
            self.check();
            Some(self.count("consumed")).filter(|count| *count >= records)
        })
    }

    /// Waits until as many partitions are live, and says how long after the start that was.
    pub fn wait_live(&mut self, partitions: i32) -> Duration {
        wait_for("partitions are live", || {
            self.check();
            (self.partitions("live") == partitions as u64).then(|| self.started.elapsed())
        })
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", self.said());
    }

    /// # Panics
    /// When the process has ended by itself.
    pub fn check(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "a process ended by itself: {ended:?}\n{}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics").unwrap_or_default();
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    }

    fn page(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
