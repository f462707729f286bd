//! Why a fetch failed. No message has a secret, the query of an address or what a server said of us.

use std::time::Duration;

use thiserror::Error;

/// Why nothing was fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchFault {
    /// The client cannot be made.
    #[error("no HTTP client: {0}")]
    Client(String),
    /// The secret of the credentials is not to be had.
    #[error("credentials: {0}")]
    Credentials(String),
    /// No connection, TLS among that.
    #[error("{url}: cannot be reached: {why}")]
    Unreachable {
        /// The address without its query.
        url: String,
        /// What failed.
        why: String,
    },
    /// Its certificate is not that of a server we trust.
    #[error("{url}: is not trusted: {why}; `ca_file` names an authority of your own")]
    Untrusted {
        /// The address without its query.
        url: String,
        /// What is wrong with the certificate.
        why: String,
    },
    /// It took too long.
    #[error("{url}: no whole answer within {secs} s")]
    TimedOut {
        /// The address without its query.
        url: String,
        /// The limit.
        secs: u64,
    },
    /// All its pages together took too long.
    #[error("not all there within {mins} min")]
    Unfinished {
        /// The limit.
        mins: u64,
    },
    /// An answer that is none.
    #[error("{url}: {}", status_words(*.status))]
    Status {
        /// The address without its query.
        url: String,
        /// The status.
        status: u16,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer broke off.
    #[error("{url}: the answer broke off: {why}")]
    BrokeOff {
        /// The address without its query.
        url: String,
        /// What failed.
        why: String,
    },
    /// The answer is larger than allowed.
    #[error("{url}: more than {limit_bytes} bytes")]
    TooLarge {
        /// The address without its query.
        url: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// It sends us where we do not go.
    #[error("{url}: {why}")]
    Redirected {
        /// The address without its query.
        url: String,
        /// Where it wants us to go, and why not.
        why: String,
    },
    /// The answer is not what this kind of feed has.
    #[error("{url}: {why}")]
    Unexpected {
        /// The address without its query.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A file beside the list cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl FetchFault {
    /// May the same request succeed a little later?
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BrokeOff { .. } => true,
            Self::Status { status, .. } => matches!(*status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// How long the server wants to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), why: error.to_string() }
    }
}

fn status_words(status: u16) -> String {
    let why = match status {
        401 | 403 => ": the credentials are refused, or are needed",
        404 | 410 => ": nothing is there",
        406 => ": it does not speak this kind of feed",
        429 => ": asked too often",
        500..=599 => ": the server failed",
        _ => "",
    };
    format!("status {status}{why}")
}
