//! Feeds: one fetch of one, and all of them for as long as a process runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frostwatch_geoip::lists::{EMPTY_LIST, ListConfig};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::clock::{Clock, Millis};
use crate::config::{FeedConfig, FeedKind};
use crate::counts::Counts;
use crate::fault::FetchFault;
use crate::http::Http;
use crate::judge::{Bounds, entries, judge};
use crate::kinds::{Context, Gained, fetch};
use crate::place::{digest, folder_of, sweep, write};
use crate::secret::ReadVariable;
use crate::state::State;

/// Fetches at one time at most: each holds an answer and what is made of it.
const AT_ONCE_MAX: usize = 2;
/// The wait after a fetch that failed and may succeed later, at most.
const FAILED_WAIT_MAX: Duration = Duration::from_mins(5);
/// The longest wait that a server may ask for, unless the interval is longer.
const ASKED_WAIT_MAX: Duration = Duration::from_hours(24);
/// A fetch takes no longer than this, with all its pages and waits: others wait for its room.
const FETCH_MAX: Duration = Duration::from_hours(2);
/// Largest file of a list, bytes, as it is read when it is compared.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// A list and where it is fetched from. Paths are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Where from.
    pub config: FeedConfig,
    /// Where to, and how it is read.
    pub list: ListConfig,
}

/// What a fetch may do that it does not by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Take a list that lost more than its share, or all.
    pub shrunk: bool,
    /// Forget what was fetched before.
    pub afresh: bool,
}

/// What became of a fetch.
#[derive(Debug)]
pub enum Outcome {
    /// The list has another content.
    Replaced {
        /// Its entries.
        entries: usize,
        /// Those it had, if it was there.
        before: Option<usize>,
    },
    /// The list is as it was.
    Unchanged,
    /// It lost too much at once; what was there stays.
    Held {
        /// Entries of the answer.
        entries: usize,
        /// Those of the list.
        before: usize,
    },
    /// The answer is no such list; what was there stays.
    Refused(Vec<String>),
    /// There was no answer; what was there stays.
    Failed(FetchFault),
}

/// A fetch, told.
#[derive(Debug)]
pub struct Fetched {
    /// The list.
    pub list: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes of answers.
    pub bytes: u64,
}

impl Outcome {
    /// Does the list hold what the server says?
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Replaced { .. } | Self::Unchanged)
    }

    /// May the same fetch succeed later?
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Failed(fault) if fault.is_retriable())
    }

    /// As metrics call it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Replaced { .. } => "replaced",
            Self::Unchanged => "unchanged",
            Self::Held { .. } => "held",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// All of them.
    pub const WORDS: [&'static str; 5] = ["replaced", "unchanged", "held", "refused", "failed"];
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = &self.list;
        match &self.outcome {
            Outcome::Replaced { entries, before: Some(before) } => {
                write!(f, "list {list}: fetched, {entries} entries (before: {before})")
            }
            Outcome::Replaced { entries, before: None } => write!(f, "list {list}: fetched, {entries} entries"),
            Outcome::Unchanged => write!(f, "list {list}: unchanged"),
            Outcome::Held { entries, before } => write!(
                f,
                "list {list}: held back: {entries} entries where there were {before}; what was there stays. If that is right: \
                 `frostwatch lists fetch --once --accept-shrunk {list}`, or a larger shrink_max_percent"
            ),
            Outcome::Refused(faults) => {
                write!(f, "list {list}: the answer is refused, what was there stays: {}", faults.join("; "))
            }
            Outcome::Failed(fault) => write!(f, "list {list}: not fetched, what was there stays: {fault}"),
        }
    }
}

/// The feeds of a configuration.
pub struct Feeds {
    all: Vec<Feed>,
    clock: Arc<dyn Clock>,
    variable: ReadVariable,
    counts: Counts,
    room: Semaphore,
}

impl Feeds {
    /// Feeds that were checked. `variable` reads the environment.
    pub fn new(feeds: Vec<Feed>, clock: Arc<dyn Clock>, variable: fn(&str) -> Option<String>) -> Self {
        let counts = Counts::default();
        for Feed { config, list } in &feeds {
            sweep(folder_of(&list.path), clock.now());
            let state = State::read(&list.path, config, clock.now());
            counts.change(&list.name, |counts| {
                counts.interval_secs = config.interval_secs;
                counts.succeeded_at = state.checked_at;
                counts.entries = state.entries;
            });
        }
        Self { all: feeds, clock, variable, counts, room: Semaphore::new(AT_ONCE_MAX) }
    }

    /// The feeds.
    pub fn all(&self) -> &[Feed] {
        &self.all
    }

    /// What is counted of them.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Fetches each in its time for as long as the runtime runs, and tells each fetch.
    pub fn start(self: &Arc<Self>, runtime: &Handle, tell: fn(&Fetched)) {
        for place in 0..self.all.len() {
            let feeds = Arc::clone(self);
            runtime.spawn(async move { feeds.keep(place, tell).await });
        }
    }

    /// Fetches one in its time, without end.
    async fn keep(&self, place: usize, tell: fn(&Fetched)) {
        let Some(feed) = self.all.get(place) else { return };
        let mut wait = self.first_wait(feed);
        loop {
            self.clock.sleep(wait).await;
            let fetched = self.fetch(feed, Allowed::default()).await;
            tell(&fetched);
            wait = next_wait(feed.config.interval(), &fetched.outcome, self.clock.chance());
        }
    }

    /// What is left of the interval since the server was last asked; nothing where the list is not there.
    fn first_wait(&self, feed: &Feed) -> Duration {
        let state = State::read(&feed.list.path, &feed.config, self.clock.now());
        if state.checked_at == 0 || !feed.list.path.exists() {
            return Duration::ZERO;
        }
        let since = Duration::from_millis((self.clock.now() - state.checked_at).max(0) as u64);
        feed.config.interval().saturating_sub(since)
    }

    /// Fetches one.
    pub async fn fetch(&self, feed: &Feed, allowed: Allowed) -> Fetched {
        // The semaphore is never closed.
        let _room = self.room.acquire().await;
        let begun = self.clock.now();
        let mut bytes = 0;
        let fetched = tokio::time::timeout(FETCH_MAX, self.fetched(feed, allowed, begun, &mut bytes)).await;
        let outcome = match fetched {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(fault)) => Outcome::Failed(fault),
            Err(_) => Outcome::Failed(FetchFault::Unfinished { mins: FETCH_MAX.as_secs() / 60 }),
        };
        let now = self.clock.now();
        self.counts.change(&feed.list.name, |counts| {
            *counts.fetches.entry(outcome.as_str()).or_default() += 1;
            counts.bytes += bytes;
            counts.took_ms = now - begun;
            *(if outcome.is_good() { &mut counts.succeeded_at } else { &mut counts.failed_at }) = now;
            if let Outcome::Replaced { entries, .. } = outcome {
                counts.entries = entries;
            }
        });
        Fetched { list: feed.list.name.clone(), outcome, bytes }
    }

    async fn fetched(
        &self,
        feed: &Feed,
        allowed: Allowed,
        now: Millis,
        bytes: &mut u64,
    ) -> Result<Outcome, FetchFault> {
        let Feed { config, list } = feed;
        let http = Http::new(config, &*self.clock, self.variable)?;
        let current = read(&list.path)?;
        let mut state = State::read(&list.path, config, now);
        let is_ours = current.as_ref().is_some_and(|current| digest(current) == state.content);
        if !is_ours || allowed.afresh {
            state = state.forgotten();
        }
        let since_full = now.saturating_sub(state.full_at);
        // A clock that was set back would put it off for as long.
        let full_due = since_full < 0 || since_full >= Millis::from(config.full_hours) * 3_600_000;
        let is_full = allowed.afresh || (full_due && matches!(config.kind, FeedKind::Taxii | FeedKind::Misp));
        let is_empty = current.as_deref() == Some(EMPTY_LIST);
        // Nothing is laid over a list that is empty: it is in no format.
        let ours = current.as_deref().filter(|_| is_ours && !is_empty);
        let context = Context { http: &http, config, path: &list.path, current: ours, now, is_full };
        let gained = fetch(&context, &state).await;
        *bytes = http.received();
        let (content, next) = match gained? {
            Gained::Unchanged(next) => return Ok(self.unchanged(feed, next)),
            Gained::Content(content, next) => (content, next),
        };
        if current.as_ref() == Some(&content) {
            let entries = if is_ours { state.entries } else { entries(list, &content).unwrap_or(0) };
            if entries > 0 {
                let content = digest(&content);
                return Ok(self.unchanged(feed, State { content, entries, ..next }));
            }
        }
        let before = current.as_ref().and_then(|current| {
            if is_ours && state.entries > 0 { Some(state.entries) } else { entries(list, current) }
        });
        let shrink_max_percent = if allowed.shrunk { 100 } else { config.shrink_max_percent };
        let bounds = Bounds { before, shrink_max_percent, may_be_empty: allowed.shrunk || is_empty };
        let (entries, content) = match judge(list, &content, bounds) {
            Ok(0) if is_empty => {
                return Ok(self.unchanged(feed, State { content: digest(EMPTY_LIST), entries: 0, ..next }));
            }
            Ok(0) => (0, EMPTY_LIST.to_vec()),
            Ok(entries) => (entries, content),
            Err(outcome) => return Ok(outcome),
        };
        write(&list.path, &content)?;
        let next = State { content: digest(&content), entries, checked_at: self.clock.now(), ..next };
        remember(&list.path, &next);
        Ok(Outcome::Replaced { entries, before })
    }

    fn unchanged(&self, feed: &Feed, state: State) -> Outcome {
        remember(&feed.list.path, &State { checked_at: self.clock.now(), ..state });
        Outcome::Unchanged
    }
}

/// Without what is remembered the next fetch begins from nothing, which costs and harms nothing.
fn remember(list: &Path, state: &State) {
    if let Err(fault) = state.write(list) {
        tracing::warn!(%fault, "what was fetched is not remembered");
    }
}

/// The list's file; `None`: it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, FetchFault> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| FetchFault::file(path, &error);
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// A little less than the interval, so that many processes do not ask at one moment.
fn next_wait(interval: Duration, outcome: &Outcome, chance: f64) -> Duration {
    let regular = interval.mul_f64(1.0 - 0.1 * chance);
    match outcome {
        Outcome::Failed(fault) if fault.is_retriable() => {
            let asked = fault.retry_after().unwrap_or_default().min(ASKED_WAIT_MAX.max(interval));
            regular.min(FAILED_WAIT_MAX).max(asked)
        }
        _ => regular,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_for_a_while_is_tried_sooner_unless_the_server_wants_to_be_left_alone_for_up_to_a_day() {
        let (hour, month) = (Duration::from_hours(1), Duration::from_hours(720));
        let status =
            |status, retry_after| Outcome::Failed(FetchFault::Status { url: String::new(), status, retry_after });
        for (interval, outcome, chance, wanted_secs) in [
            (hour, Outcome::Unchanged, 0.0, 3_600),
            (hour, Outcome::Unchanged, 0.5, 3_420),
            (hour, Outcome::Refused(Vec::new()), 0.0, 3_600),
            (hour, status(404, None), 0.0, 3_600),
            (hour, status(503, None), 0.0, 300),
            (hour, status(429, Some(Duration::from_hours(2))), 0.0, 7_200),
            (hour, status(429, Some(Duration::MAX)), 0.0, 86_400),
            (month, status(429, Some(Duration::MAX)), 0.0, 2_592_000),
        ] {
            assert_eq!(next_wait(interval, &outcome, chance), Duration::from_secs(wanted_secs), "{outcome:?}");
        }
    }
}
