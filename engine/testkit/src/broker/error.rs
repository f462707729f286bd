//! What can go wrong around a local broker, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// This machine lacks what a broker needs (Java, Maven, the jars): a test that may skip, skips.
    #[error("{0}")]
    Missing(String),
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory could not be formatted.
    #[error("Kafka's StorageTool could not format the data directory: {0}")]
    Format(String),
    /// Java's `keytool` made no certificates.
    #[error("keytool: {0}")]
    Certificates(String),
    /// The broker ended before it served; the text is the end of its log.
    #[error("the broker ended while starting; its log ends with:\n{0}")]
    Ended(String),
    /// The broker did not answer within the bound; it was ended. The text is the end of its log.
    #[error("the broker did not answer within {secs} s; its log ends with:\n{log_tail}")]
    Silent {
        /// The bound, in seconds.
        secs: u64,
        /// The end of its log.
        log_tail: String,
    },
    /// A broker of this directory runs already, elsewhere than asked for.
    #[error("the broker of this directory runs on port {running}, not {asked}: stop it first")]
    OtherPort {
        /// Where it listens.
        running: u16,
        /// Where it should.
        asked: u16,
    },
    /// Something else listens on the port.
    #[error("port {0} is taken by another program")]
    PortTaken(u16),
    /// No free ports side by side were found in the range that is searched.
    #[error("no free port between {first} and {last}")]
    NoFreePort {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The process is still there after SIGKILL.
    #[error("process {0} does not end, even by SIGKILL")]
    Undying(i32),
    /// The brokers were named from outside, so they are not ours to stop or restart.
    #[error("the brokers are named by FROSTWATCH_TEST_BROKERS: they are not ours to stop or restart")]
    NotOurs,
    /// `FROSTWATCH_E2E=required` and the tests cannot run.
    #[error("FROSTWATCH_E2E=required, but the end-to-end tests cannot run: {0}")]
    Required(String),
}

/// Turns an error of the system into one that names the file.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> BrokerError {
    let path = path.to_owned();
    move |source| BrokerError::File { path, source }
}
