//! Another ruling while the process runs: rules, GeoIP files and lateness are read again when their files change, on
//! SIGHUP, or when the admin port is asked to. What is read is checked whole; with a single fault nothing is switched.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use frostwatch_runtime::pipeline::CurrentRuling;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::{self, Config};
use crate::console::say;
use crate::engine::ruling;

/// How often files are looked at. A change counts once they have looked the same twice: a copy under way is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What became of readings.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Another ruling was set.
    pub(crate) applied: AtomicU64,
    /// Nothing of the ruling differed.
    pub(crate) unchanged: AtomicU64,
    /// There were faults, and nothing was switched.
    pub(crate) refused: AtomicU64,
}

/// Reads the configuration again.
pub(crate) struct Reloader {
    path: PathBuf,
    current: Arc<CurrentRuling>,
    pub(crate) readings: Readings,
    /// The files of the last configuration that was read whole.
    watched: Mutex<Vec<PathBuf>>,
}

/// When a file was changed last, and its length.
type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl Reloader {
    /// For a configuration that was read from `path`.
    pub(crate) fn new(path: &Path, config: &Config, current: Arc<CurrentRuling>) -> Self {
        let watched = Mutex::new(config.watched(path));
        Self { path: path.to_owned(), current, readings: Readings::default(), watched }
    }

    /// Reads, checks and sets. Returns what holds from now on, in words.
    pub(crate) fn reload(&self) -> anyhow::Result<String> {
        let checked = match config::load(&self.path) {
            Ok(checked) => checked,
            Err(fault) => {
                self.readings.refused.fetch_add(1, Ordering::Relaxed);
                return Err(fault.context("nothing is switched"));
            }
        };
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = checked.config.watched(&self.path);
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        let lateness = checked.config.lateness();
        let before = self.current.get().named();
        let next = ruling(checked.rulebook, checked.located, lateness);
        let changes = before.changes(&next.named());
        if changes.is_empty() {
            self.readings.unchanged.fetch_add(1, Ordering::Relaxed);
            return Ok(format!("nothing differs: {before}"));
        }
        self.current.set(next);
        self.readings.applied.fetch_add(1, Ordering::Relaxed);
        Ok(format!("switched: {changes}; each partition turns between two records, and the offset is recorded"))
    }

    fn look(&self) -> Look {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut look: Look =
            watched.iter().flat_map(|path| files_of(path)).map(|path| (path.clone(), seen(&path))).collect();
        look.sort();
        look
    }
}

/// A folder's files, or the file itself.
fn files_of(path: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => vec![path.to_owned()],
    }
}

fn seen(path: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// Reads again on SIGHUP and when files change, for as long as the result is kept.
pub(crate) fn watch(reloader: &Arc<Reloader>) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let guard = runtime.enter();
    let mut hangup = signal(SignalKind::hangup()).context("signals")?;
    drop(guard);
    let reloader = Arc::clone(reloader);
    runtime.spawn(async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut read, mut last) = (reloader.look(), reloader.look());
        loop {
            let is_due = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                _ = tick.tick() => {
                    let now = reloader.look();
                    let is_settled = now == last;
                    last = now;
                    is_settled && last != read
                }
            };
            if is_due {
                read.clone_from(&last);
                let reloader = Arc::clone(&reloader);
                // A GeoIP file takes half a second.
                let done = tokio::task::spawn_blocking(move || reloader.reload()).await;
                match done {
                    Ok(Ok(told)) => say(&told),
                    Ok(Err(fault)) => say(&format!("error: {fault:#}")),
                    Err(error) => tracing::error!(%error, "reading the configuration again"),
                }
            }
        }
    });
    Ok(runtime)
}
