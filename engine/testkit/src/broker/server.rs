//! One directory with one broker in it: format, start, ask, stop. `cargo xtask kafka` and the tests both use this.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::certificates::Certificates;
use super::error::{BrokerError, at};
use super::{answer, jars, ports, process, properties};

/// A broker serves about 4 s after its start; a loaded machine takes its time.
const START_WAIT: Duration = Duration::from_secs(90);
/// A graceful stop takes about a second; after this it is SIGKILL.
const STOP_WAIT: Duration = Duration::from_secs(20);
const KILL_WAIT: Duration = Duration::from_secs(10);
/// How often another free port is tried when somebody took the last one first.
const PORT_TRIES: u32 = 3;
const NAME_WAIT: Duration = Duration::from_secs(10);
/// Name of a broker's certificates in its directory.
const CERTIFICATES: &str = "broker";
const LOG_TAIL_LINES: usize = 20;
const LOG_TAIL_BYTES: u64 = 256 * 1024;

/// Two brokers that one program starts at once begin their search for a port at different places.
static SEARCHES: AtomicU32 = AtomicU32::new(0);

/// How to start a broker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Loopback port for clients, the controller takes the next one; 0 means the port it had, or else a free one.
    pub port: u16,
    /// Wipe what the directory holds first.
    pub fresh: bool,
    /// Heap of the broker in MiB.
    pub heap_mib: u32,
    /// The shortest session timeout that a group member may ask for, in milliseconds (Kafka's own default is 6,000).
    pub session_timeout_min_ms: u32,
    /// The port of a proxy. The broker then has a listener for it ([`proxied_port`]), whose clients are told the proxy's
    /// address in place of its own, so that they stay behind it. 0: none.
    pub proxy_port: u16,
    /// Names and passwords. With any, the broker has a listener ([`guarded_port`]) on which clients say who they are, by
    /// SASL PLAIN without TLS, and may do what `kafka-acls` has allowed them; on all others they may do anything.
    pub users: Vec<(String, String)>,
    /// Names and passwords. With any, the broker has a listener behind TLS ([`secure_port`]) on which clients say who they
    /// are, by SCRAM-SHA-512; what they may do is as for `users`. Names and key are
    /// those of the first start on the directory.
    pub secure_users: Vec<(String, String)>,
}

/// The port, behind a proxy, of a broker.
pub const fn proxied_port(port: u16) -> u16 {
    port + 2
}

/// The port of a broker on which clients say who they are.
pub const fn guarded_port(port: u16) -> u16 {
    port + 3
}

/// The port of a broker behind TLS, whose name is `localhost`.
pub const fn secure_port(port: u16) -> u16 {
    port + 4
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            fresh: false,
            heap_mib: 768,
            session_timeout_min_ms: 1_000,
            proxy_port: 0,
            users: Vec::new(),
            secure_users: Vec::new(),
        }
    }
}

/// What is known about a broker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No process.
    Stopped,
    /// A process that does not (yet) answer.
    Silent {
        /// Process id.
        pid: i32,
        /// Loopback port.
        port: u16,
    },
    /// It answers in Kafka's protocol, as the cluster that the directory was formatted for.
    Serving {
        /// Process id.
        pid: i32,
        /// Loopback port.
        port: u16,
    },
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing ran.
    WasNotRunning,
    /// It ended by SIGTERM.
    Gracefully,
    /// It did not end in time and was killed.
    ByKill,
}

/// A directory with a broker's data, configuration, log and process id.
#[derive(Debug, Clone)]
pub struct Server {
    dir: PathBuf,
}

impl Server {
    /// Uses the directory, made where it is missing.
    pub fn at(dir: &Path) -> Result<Self, BrokerError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let dir = dir.canonicalize().map_err(at(dir))?;
        Ok(Self { dir })
    }

    /// Starts the broker and waits until it answers; returns its port. One that runs already is left as it is.
    pub fn start(&self, settings: &Settings) -> Result<u16, BrokerError> {
        let libs = jars::ensure()?;
        let _lock = self.lock()?;
        if settings.fresh {
            self.stop_locked()?;
            self.wipe()?;
        }
        match self.status() {
            Status::Serving { port, .. } => same_port(port, settings.port),
            Status::Silent { pid, port } => {
                same_port(port, settings.port)?;
                self.wait_until_serving(pid, port)
            }
            Status::Stopped => self.start_on_some_port(settings, &libs),
        }
    }

    /// Asks the broker to end (SIGTERM) and kills it where it does not within 20 s. No process remains.
    pub fn stop(&self) -> Result<Stopped, BrokerError> {
        let _lock = self.lock()?;
        self.stop_locked()
    }

    /// Ends the broker as a crash would (SIGKILL).
    pub fn kill(&self) -> Result<Stopped, BrokerError> {
        let _lock = self.lock()?;
        self.kill_locked()
    }

    /// What runs in this directory, by process id and by asking it.
    pub fn status(&self) -> Status {
        let (Some(pid), Some(port)) = (self.pid(), self.port()) else {
            return Status::Stopped;
        };
        if self.serves(port) { Status::Serving { pid, port } } else { Status::Silent { pid, port } }
    }

    /// The broker's log.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    /// The last lines of the log, as far as its last 256 KiB hold them; empty where there is none.
    pub fn log_tail(&self, lines: usize) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(self.log_file())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    /// One of Kafka's own command line tools, by its Java class; it is told no broker.
    pub fn tool(&self, class: &str) -> Result<Command, BrokerError> {
        const HEAP_MIB: u32 = 256;
        let mut command = self.java(&jars::ensure()?.join("*"), HEAP_MIB);
        command.arg(class).stdin(Stdio::null());
        Ok(command)
    }

    /// The directory, absolute and without links.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that holds the process id while a broker runs.
    fn pid_file(&self) -> PathBuf {
        self.dir.join("broker.pid")
    }

    fn start_on_some_port(&self, settings: &Settings, libs: &Path) -> Result<u16, BrokerError> {
        // Clients know the address, so a broker that starts again takes its old port where it can.
        let fixed = if settings.port == 0 { self.port() } else { Some(settings.port) };
        if let Some(port) = fixed {
            if let Some(taken) = properties::ports(settings, port).into_iter().find(|port| !ports::is_free(*port)) {
                return Err(BrokerError::PortTaken(taken));
            }
            return self.launch(settings, libs, port);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let port = ports::free_run(std::process::id().wrapping_add(SEARCHES.fetch_add(1, Ordering::Relaxed)))?;
            match self.launch(settings, libs, port) {
                Err(BrokerError::Ended(_))
                    if tries < PORT_TRIES && self.log_tail(usize::MAX).contains("BindException") => {}
                result => return result,
            }
        }
    }

    fn launch(&self, settings: &Settings, libs: &Path, port: u16) -> Result<u16, BrokerError> {
        let properties = self.properties_file();
        fs::write(&properties, properties::text(settings, port, &self.dir)).map_err(at(&properties))?;
        let class_path = libs.join("*");
        if self.cluster_id().is_none() {
            self.format(&class_path, settings)?;
        }
        let log_path = self.log_file();
        let log = File::create(&log_path).map_err(at(&log_path))?;
        let log_again = log.try_clone().map_err(at(&log_path))?;
        let mut child = self
            .java(&class_path, settings.heap_mib)
            .args(["kafka.Kafka".as_ref(), properties.as_os_str()])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_again)
            // A Ctrl-C at the terminal is for whoever runs in front, not for the broker.
            .process_group(0)
            .spawn()
            .map_err(|error| BrokerError::Missing(format!("Java (java) does not start: {error}")))?;
        let pid = child.id() as i32;
        // For a moment after its start a process has no command line, by which it is recognised from here on.
        let named = process::wait_for(NAME_WAIT, || {
            let ended = child.try_wait().is_ok_and(|code| code.is_some());
            (ended || process::runs(pid, &properties)).then_some(!ended)
        });
        if named != Some(true) {
            child.kill().ok();
            child.wait().map_err(at(&self.dir))?;
            return Err(BrokerError::Ended(self.log_tail(LOG_TAIL_LINES)));
        }
        let pid_file = self.pid_file();
        fs::write(&pid_file, pid.to_string()).map_err(at(&pid_file))?;
        self.wait_until_serving(pid, port)
    }

    fn wait_until_serving(&self, pid: i32, port: u16) -> Result<u16, BrokerError> {
        let serving = process::wait_for(START_WAIT, || {
            if !process::runs(pid, &self.properties_file()) {
                return Some(false);
            }
            self.serves(port).then_some(true)
        });
        if serving == Some(true) {
            return Ok(port);
        }
        let log_tail = self.log_tail(LOG_TAIL_LINES);
        self.kill_locked()?;
        Err(match serving {
            Some(_) => BrokerError::Ended(log_tail),
            None => BrokerError::Silent { secs: START_WAIT.as_secs(), log_tail },
        })
    }

    fn stop_locked(&self) -> Result<Stopped, BrokerError> {
        if let Some(pid) = self.pid() {
            process::terminate(pid);
            if self.gone_within(STOP_WAIT, pid) {
                self.forget_pid()?;
                return Ok(Stopped::Gracefully);
            }
        }
        self.kill_locked()
    }

    fn kill_locked(&self) -> Result<Stopped, BrokerError> {
        let Some(pid) = self.pid() else {
            self.forget_pid()?;
            return Ok(Stopped::WasNotRunning);
        };
        process::kill(pid);
        if !self.gone_within(KILL_WAIT, pid) {
            return Err(BrokerError::Undying(pid));
        }
        self.forget_pid()?;
        Ok(Stopped::ByKill)
    }

    fn gone_within(&self, limit: Duration, pid: i32) -> bool {
        let properties = self.properties_file();
        let gone = process::wait_for(limit, || process::has_ended(pid, &properties).then_some(())).is_some();
        process::reap(pid);
        gone
    }

    fn serves(&self, port: u16) -> bool {
        let Ok(metadata) = answer::ask(port) else {
            return false;
        };
        metadata.ports.contains(&i32::from(port))
            && metadata.cluster_id.is_some()
            && metadata.cluster_id == self.cluster_id()
    }

    fn format(&self, class_path: &Path, settings: &Settings) -> Result<(), BrokerError> {
        const HEAP_MIB: u32 = 256;
        if !settings.secure_users.is_empty() {
            Certificates::make(&self.dir, CERTIFICATES)?;
        }
        let output = self
            .java(class_path, HEAP_MIB)
            .args(["kafka.tools.StorageTool", "format", "--cluster-id", &new_cluster_id(), "--config"])
            .arg(self.properties_file())
            .args(properties::scram(&settings.secure_users))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| BrokerError::Missing(format!("Java (java) does not start: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BrokerError::Format(said))
    }

    fn java(&self, class_path: &Path, heap_mib: u32) -> Command {
        let scratch = self.dir.join("tmp");
        // Where it cannot be made, Java says so in the log.
        fs::create_dir_all(&scratch).ok();
        let mut command = Command::new("java");
        command
            .arg(format!("-Xmx{heap_mib}m"))
            // Two cores are shared with the program under test: one collector thread and the cheap compiler alone,
            // which takes a third off the processor time of a start. And no files in the system's
            // temporary folder that a killed process would leave.
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"])
            .arg(format!("-Djava.io.tmpdir={}", scratch.display()))
            .args(["-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"])
            .arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
            .arg("-cp")
            .arg(class_path)
            .current_dir(&self.dir);
        command
    }

    /// The process, where it runs and is this directory's broker.
    pub(super) fn pid(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        process::runs(pid, &self.properties_file()).then_some(pid)
    }

    fn forget_pid(&self) -> Result<(), BrokerError> {
        let pid_file = self.pid_file();
        match fs::remove_file(&pid_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(&pid_file)(error)),
            _ => Ok(()),
        }
    }

    /// The port of the last start.
    fn port(&self) -> Option<u16> {
        properties::port(&fs::read_to_string(self.properties_file()).ok()?)
    }

    /// What the data directory was formatted with.
    fn cluster_id(&self) -> Option<String> {
        let text = fs::read_to_string(self.data_dir().join("meta.properties")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("cluster.id=")).map(str::to_owned)
    }

    fn wipe(&self) -> Result<(), BrokerError> {
        jars::remove(&self.data_dir())?;
        jars::remove(&self.dir.join("tmp"))
    }

    fn properties_file(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        data_in(&self.dir)
    }

    pub(super) fn certificates(&self) -> Certificates {
        certificates_in(&self.dir)
    }

    /// Held while a broker is started or stopped, by whichever program.
    fn lock(&self) -> Result<File, BrokerError> {
        let path = self.dir.join("lock");
        let file = File::create(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }
}

/// Where a broker's data lies.
pub(super) fn data_in(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The certificates of a broker that has any.
pub(super) fn certificates_in(dir: &Path) -> Certificates {
    Certificates::at(dir, CERTIFICATES)
}

fn same_port(running: u16, asked: u16) -> Result<u16, BrokerError> {
    if asked == 0 || asked == running { Ok(running) } else { Err(BrokerError::OtherPort { running, asked }) }
}

/// Sixteen bytes in base64, as Kafka wants it: 21 hexadecimal digits, which are base64 digits too, and an `A`, whose
/// bits beyond the sixteenth byte are zero. Two brokers that meet on one port must not be taken for each other.
fn new_cluster_id() -> String {
    let chance = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:05x}A", chance(), chance() & 0xf_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_that_went_to_another_program_is_no_broker_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::at(dir.path()).unwrap();
        fs::write(server.properties_file(), properties::text(&Settings::default(), 21_000, dir.path())).unwrap();
        // This very test program: alive, and none of ours to end.
        for pid in [std::process::id().to_string(), "1".to_owned(), "-1".to_owned(), "no number".to_owned()] {
            fs::write(server.pid_file(), &pid).unwrap();
            assert_eq!(server.status(), Status::Stopped, "{pid}");
            assert_eq!(server.stop().unwrap(), Stopped::WasNotRunning, "{pid}");
            assert!(!server.pid_file().exists(), "{pid}");
        }
    }

    #[test]
    fn the_port_of_the_last_start_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::at(dir.path()).unwrap();
        assert_eq!(server.port(), None);
        fs::write(server.properties_file(), properties::text(&Settings::default(), 21_000, dir.path())).unwrap();
        assert_eq!(server.port(), Some(21_000));
    }

    #[test]
    fn a_broker_that_runs_elsewhere_is_not_taken_for_the_one_asked_for() {
        for (running, asked, fits) in [(21_000, 0, true), (21_000, 21_000, true), (21_000, 9_092, false)] {
            assert_eq!(same_port(running, asked).is_ok(), fits, "{running} for {asked}");
        }
    }

    #[test]
    fn the_log_tail_is_its_last_lines_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::at(dir.path()).unwrap();
        assert_eq!(server.log_tail(3), "");
        let long = "x".repeat(LOG_TAIL_BYTES as usize);
        fs::write(server.log_file(), format!("{long}\nlast but one\nlast\n")).unwrap();
        assert_eq!(server.log_tail(2), "last but one\nlast");
        assert!(server.log_tail(usize::MAX).len() as u64 <= LOG_TAIL_BYTES);
    }

    #[test]
    fn cluster_ids_are_what_kafka_takes_and_differ() {
        let ids = [new_cluster_id(), new_cluster_id()];
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            assert_eq!(id.len(), 22, "{id}");
            assert!(id.ends_with('A') && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        }
    }
}
