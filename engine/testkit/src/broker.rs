//! A real Apache Kafka broker for end-to-end tests.
//!
//! Tests share one broker a test program ([`Broker::shared`]); a test that kills or restarts it starts its own
//! ([`Broker::own`]). Brokers live in temporary folders on free loopback ports and end with the program, however it
//! ends. `FROSTWATCH_TEST_BROKERS` names brokers to use instead of a shared one.
//!
//! Without Java or Maven there is no broker: one line on standard error says what did not run, past libtest's capture,
//! and the tests pass without it. `FROSTWATCH_E2E=required` makes that a failure.

mod answer;
mod certificates;
mod error;
mod jars;
mod ports;
mod process;
mod properties;
mod server;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Once, OnceLock};

pub use certificates::Certificates;
pub use error::BrokerError;
pub use jars::{checkout, work_dir};
pub use server::{Server, Settings, Status, Stopped, guarded_port, proxied_port, secure_port};

/// Ends the broker and removes its folder once its standard input closes, which happens when the test program ends,
/// be it by SIGKILL. A process id is only trusted while its command line names the folder.
const UNDERTAKER: &str = r#"
dir=$1
cat >/dev/null
command_line() { tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o command= -p "$pid"; }
pid=$(cat "$dir/broker.pid") && for _ in 1 2 3 4 5 6 7 8 9 10; do
    case "$(command_line)" in
        *"$dir/server.properties"*) kill -KILL "$pid"; sleep 0.1 ;;
        *) break ;;
    esac
done
rm -rf "$dir"
"#;

/// A broker that tests may use.
#[derive(Debug)]
pub struct Broker {
    bootstrap: String,
    /// With its port; `None` for brokers named from outside.
    own: Option<(u16, Own)>,
}

/// A broker of ours, which ends when this is dropped or the program ends.
#[derive(Debug)]
struct Own {
    server: Server,
    settings: Settings,
    undertaker: Child,
}

impl Broker {
    /// The broker that all tests of this program share; it is neither killed nor restarted. `None` where this machine
    /// cannot run one, which has been said aloud.
    ///
    /// # Errors
    /// A broker that does not start; and where `FROSTWATCH_E2E=required`, a machine that cannot run one.
    pub fn shared() -> Result<Option<&'static Self>, &'static BrokerError> {
        static SHARED: OnceLock<Result<Option<Broker>, BrokerError>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match setting("FROSTWATCH_TEST_BROKERS") {
            Some(bootstrap) => Ok(Some(Self { bootstrap, own: None })),
            None => Self::own(&Settings::default()),
        });
        shared.as_ref().map(Option::as_ref)
    }

    /// A broker for one test alone, which may kill and restart it. `None` as in [`Broker::shared`].
    pub fn own(settings: &Settings) -> Result<Option<Self>, BrokerError> {
        match Self::start(settings) {
            Ok(broker) => Ok(Some(broker)),
            Err(BrokerError::Missing(reason)) if is_required() => Err(BrokerError::Required(reason)),
            Err(BrokerError::Missing(reason)) => {
                say_aloud(&reason);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What clients put into `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Stops the broker gracefully, where it runs, and starts it again on its data and port.
    pub fn restart(&self) -> Result<(), BrokerError> {
        self.stop()?;
        self.start_again()
    }

    /// Ends the broker as a crash would (SIGKILL); [`Broker::restart`] brings it back.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.ours()?.1.server.kill()?;
        Ok(())
    }

    /// Stops the broker gracefully; [`Broker::start_again`] brings it back.
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.ours()?.1.server.stop()?;
        Ok(())
    }

    /// Starts the broker on its data and ports and waits until it serves.
    pub fn start_again(&self) -> Result<(), BrokerError> {
        let (port, own) = self.ours()?;
        own.server.start(&Settings { port: *port, ..own.settings.clone() })?;
        Ok(())
    }

    /// Its port for clients; [`proxied_port`], [`guarded_port`] and [`secure_port`] tell the others by it.
    pub fn port(&self) -> Result<u16, BrokerError> {
        Ok(self.ours()?.0)
    }

    /// Its process, where it runs.
    pub fn pid(&self) -> Result<Option<i32>, BrokerError> {
        Ok(self.ours()?.1.server.pid())
    }

    /// The folder with its logs.
    pub fn data_dir(&self) -> Result<PathBuf, BrokerError> {
        Ok(self.ours()?.1.server.data_dir())
    }

    /// The certificate of the authority that clients of [`secure_port`] trust, PEM.
    pub fn authority(&self) -> Result<PathBuf, BrokerError> {
        Ok(self.ours()?.1.server.certificates().authority().to_owned())
    }

    /// One of Kafka's own command line tools, by its Java class; it is told no broker.
    pub fn tool(&self, class: &str) -> Result<Command, BrokerError> {
        self.ours()?.1.server.tool(class)
    }

    fn ours(&self) -> Result<&(u16, Own), BrokerError> {
        self.own.as_ref().ok_or(BrokerError::NotOurs)
    }

    fn start(settings: &Settings) -> Result<Self, BrokerError> {
        let temp = std::env::temp_dir();
        let dir = tempfile::Builder::new().prefix("frostwatch-broker-").tempdir_in(&temp).map_err(error::at(&temp))?;
        let server = Server::at(dir.path())?;
        let undertaker = undertaker(server.dir())?;
        // From here on the undertaker removes the folder.
        let _path = dir.keep();
        let own = Own { server, settings: settings.clone(), undertaker };
        let port = own.server.start(settings)?;
        Ok(Self { bootstrap: format!("127.0.0.1:{port}"), own: Some((port, own)) })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Where this fails the undertaker tries again: its input closes, it does its work and ends.
        self.server.kill().ok();
        drop(self.undertaker.stdin.take());
        self.undertaker.wait().ok();
    }
}

/// A name for a topic, group or transactional id that no other test and no other run has used, since brokers named from
/// outside remember theirs.
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}.{:016x}", RandomState::new().build_hasher().finish())
}

fn undertaker(dir: &Path) -> Result<Child, BrokerError> {
    Command::new("sh")
        .args(["-c", UNDERTAKER, "undertaker"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C ends the test program, and then this does its work.
        .process_group(0)
        .spawn()
        .map_err(|error| BrokerError::Missing(format!("a shell (sh) does not start: {error}")))
}

fn is_required() -> bool {
    setting("FROSTWATCH_E2E").is_some_and(|value| value == "required")
}

#[expect(clippy::disallowed_methods, reason = "the tests' own settings, read here alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Libtest keeps what passing tests print with `eprintln!`; what is written to the handle itself gets through.
fn say_aloud(reason: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let line = format!("\nNOT RUN: the end-to-end tests against Apache Kafka did not run: {reason}\n");
        std::io::stderr().write_all(line.as_bytes()).ok();
    });
}
