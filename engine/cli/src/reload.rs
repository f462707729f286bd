//! Another ruling while the process runs: rules, GeoIP files, lists and lateness are read again when their files change, on
//! SIGHUP, or when the admin port is asked to. What is read is checked whole; with a single fault nothing is switched.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use frostwatch_geoip::lists::ListFile;
use frostwatch_runtime::pipeline::CurrentRuling;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::{self, Checked, Config, SettledAtStart};
use crate::console::say;

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
    at_start: SettledAtStart,
    /// Held by the reading that is under way: of two, the older could set its ruling last.
    reading: Mutex<()>,
    watched: Mutex<Watched>,
    list_files: Mutex<Vec<ListFile>>,
}

/// The files of the last configuration that could be read at all.
struct Watched {
    paths: Vec<PathBuf>,
    /// How they looked when they were read. `None`: they are to be read again.
    read: Option<Look>,
}

/// When a file was changed last, and its length.
pub(crate) type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// What became of a reading that had no fault.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// Another ruling holds from now on.
    is_switched: bool,
    /// What tells it from the former one, or the one that goes on.
    ruling: String,
    /// Parts of the configuration that differ from those of the start and wait for a restart.
    needs_restart: Vec<&'static str>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ruling = &self.ruling;
        if self.is_switched {
            write!(f, "switched: {ruling}; each partition turns between two records, and the offset is recorded")?;
        } else {
            write!(f, "nothing of rules, GeoIP files, lists, limits and state format differs: {ruling}")?;
        }
        if self.needs_restart.is_empty() {
            return Ok(());
        }
        let parts = self.needs_restart.join(", ");
        write!(f, "; a restart is needed for what else differs from the start: {parts}")
    }
}

/// Why nothing was switched.
#[derive(Debug)]
pub(crate) enum NotSwitched {
    /// One reading at a time.
    UnderWay,
    /// What was read may be half of the one and half of the other.
    Changing,
    /// There are faults.
    Refused(anyhow::Error),
}

impl fmt::Display for NotSwitched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderWay => f.write_str("the configuration is being read already; ask again when that is done"),
            Self::Changing => f.write_str(
                "files changed while they were read: nothing is switched; they are read again once they have settled",
            ),
            Self::Refused(faults) => write!(f, "nothing is switched: {faults:#}"),
        }
    }
}

impl Reloader {
    /// For a configuration that was read from `path`, after its files had looked as `before` says.
    pub(crate) fn new(path: &Path, before: Look, config: &Config, current: Arc<CurrentRuling>) -> Self {
        let paths = config.watched(path);
        // What was changed while it was read differs from this look, and is read again.
        let read = Some(before);
        Self {
            path: path.to_owned(),
            current,
            readings: Readings::default(),
            at_start: config.settled_at_start(),
            reading: Mutex::default(),
            watched: Mutex::new(Watched { paths, read }),
            list_files: Mutex::default(),
        }
    }

    /// The same, with the files of the lists that were read.
    #[must_use]
    pub(crate) fn with_list_files(self, files: Vec<ListFile>) -> Self {
        Self { list_files: Mutex::new(files), ..self }
    }

    /// The files of the lists that hold now.
    pub(crate) fn list_files(&self) -> Vec<ListFile> {
        self.list_files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads, checks and sets. Returns what holds from now on.
    pub(crate) fn reload(&self) -> Result<Told, NotSwitched> {
        self.reload_with(config::load)
    }

    fn reload_with(&self, load: impl FnOnce(&Path) -> anyhow::Result<Checked>) -> Result<Told, NotSwitched> {
        let _reading = match self.reading.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(NotSwitched::UnderWay),
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Ok(held) => held,
        };
        let (paths, before) = self.begin_reading();
        let loaded = load(&self.path);
        let named_others = loaded.as_ref().is_ok_and(|checked| checked.config.watched(&self.path) != paths);
        if named_others || look_at(&paths) != before {
            self.watched().read = None;
            return Err(NotSwitched::Changing);
        }
        match loaded.and_then(|checked| self.without_gone(checked)) {
            Ok(checked) => Ok(self.set(checked)),
            Err(fault) => {
                self.readings.refused.fetch_add(1, Ordering::Relaxed);
                Err(NotSwitched::Refused(fault))
            }
        }
    }

    /// A list that is fetched may not be there yet. One that was there and is gone was moved or deleted by mistake, or is
    /// being replaced: it does not become an empty list, of which no alert would tell.
    fn without_gone(&self, checked: Checked) -> anyhow::Result<Checked> {
        let (held, read) = (self.list_files(), &checked.lists.files);
        let is_named = |file: &&ListFile| checked.config.lists.iter().any(|list| list.name == file.name);
        let is_gone = |file: &&ListFile| !read.iter().any(|there| there.name == file.name);
        let gone: Vec<&str> = held.iter().filter(is_named).filter(is_gone).map(|file| &*file.name).collect();
        anyhow::ensure!(
            gone.is_empty(),
            "lists '{}': the file was there and is gone, so what was read before goes on; put it back, or take the list out \
             of the configuration",
            gone.join("', '")
        );
        Ok(checked)
    }

    /// Looks at the files that are named now, before they are read.
    fn begin_reading(&self) -> (Vec<PathBuf>, Look) {
        let named = config::named_files(&self.path);
        let mut watched = self.watched();
        if let Some(named) = named {
            watched.paths = named;
        }
        let look = look_at(&watched.paths);
        watched.read = Some(look.clone());
        (watched.paths.clone(), look)
    }

    fn set(&self, checked: Checked) -> Told {
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        let needs_restart = self.at_start.differing(&checked.config.settled_at_start());
        let before = self.current.get().named();
        self.list_files.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&checked.lists.files);
        let (next, _normaliser) = checked.into_ruling();
        let changes = before.changes(&next.named());
        if changes.is_empty() {
            self.readings.unchanged.fetch_add(1, Ordering::Relaxed);
            return Told { is_switched: false, ruling: before.to_string(), needs_restart };
        }
        self.current.set(next);
        self.readings.applied.fetch_add(1, Ordering::Relaxed);
        Told { is_switched: true, ruling: changes, needs_restart }
    }

    fn look(&self) -> Look {
        let paths = self.watched().paths.clone();
        look_at(&paths)
    }

    /// Have the files changed since they were read?
    fn is_stale(&self, look: &Look) -> bool {
        self.watched().read.as_ref() != Some(look)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the files look that a configuration names, before it is read.
pub(crate) fn look_before(path: &Path) -> Look {
    look_at(&config::named_files(path).unwrap_or_else(|| vec![path.to_owned()]))
}

fn look_at(paths: &[PathBuf]) -> Look {
    let mut look: Look = paths.iter().flat_map(|path| files_of(path)).map(|path| (path.clone(), seen(&path))).collect();
    look.sort();
    look
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
        let mut last = reloader.look();
        loop {
            let is_due = tokio::select! {
                asked = hangup.recv() => asked.is_some(),
                _ = tick.tick() => {
                    let now = reloader.look();
                    let is_settled = now == last;
                    last = now;
                    is_settled && reloader.is_stale(&last)
                }
            };
            if is_due {
                let reloader = Arc::clone(&reloader);
                // A GeoIP file takes half a second.
                let done = tokio::task::spawn_blocking(move || reloader.reload()).await;
                match done {
                    Ok(Ok(told)) => say(&told.to_string()),
                    Ok(Err(fault)) => say(&format!("error: {fault}")),
                    Err(error) => tracing::error!(%error, "reading the configuration again"),
                }
            }
        }
    });
    Ok(runtime)
}

#[cfg(test)]
mod tests;
