//! What is remembered of a feed between two fetches, in a file beside its list. It holds no secret, and where it is lost
//! or does not fit, the next fetch begins from nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::config::FeedConfig;
use crate::fault::FetchFault;
use crate::http::Validators;
use crate::place::{digest, write};

/// Largest such file, bytes.
const STATE_BYTES_MAX: u64 = 1 << 20;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Digest of where the feed comes from: another one begins from nothing.
    pub(crate) source: String,
    /// Digest of the list's file as it was written.
    pub(crate) content: String,
    /// Entries of the list.
    pub(crate) entries: usize,
    /// When the server last said what holds, milliseconds since the epoch.
    pub(crate) checked_at: Millis,
    /// When the feed was last read from its beginning.
    pub(crate) full_at: Millis,
    /// Version of the file, or of the folder's list of contents.
    pub(crate) validators: Validators,
    /// Of TAXII: when the last object came to the collection that was read.
    pub(crate) added_after: Option<String>,
    /// Of MISP: when the last attribute was changed that was read, seconds.
    pub(crate) changed_after: Option<i64>,
}

impl State {
    /// Reads what was remembered of this list; nothing where that is not to be had.
    pub(crate) fn read(list: &Path, config: &FeedConfig, now: Millis) -> Self {
        let path = path_of(list);
        let is_small = std::fs::metadata(&path).is_ok_and(|about| about.len() <= STATE_BYTES_MAX);
        let text = if is_small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let mut read = serde_json::from_slice::<Self>(&text).unwrap_or_default();
        // A clock that was set back, or a hand, may have left a time that is still to come.
        read.checked_at = read.checked_at.clamp(0, now.max(0));
        let source = source_of(config);
        if read.source == source { read } else { Self { source, ..Self::default() } }
    }

    /// The same without what is only good for the file that was written.
    pub(crate) fn forgotten(&self) -> Self {
        Self { source: self.source.clone(), ..Self::default() }
    }

    pub(crate) fn write(&self, list: &Path) -> Result<(), FetchFault> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write(&path_of(list), &text)
    }
}

/// `lists/feed.json` is remembered in `lists/feed.json.fetched`.
fn path_of(list: &Path) -> PathBuf {
    let mut path = OsString::from(list);
    path.push(".fetched");
    path.into()
}

/// An address may hold a key in its query, so it is not written down.
fn source_of(config: &FeedConfig) -> String {
    let search = config.search.as_ref().and_then(|search| serde_json::to_string(search).ok());
    digest(format!("{:?} {} {:?} {search:?}", config.kind, config.url, config.collection).as_bytes())
}
