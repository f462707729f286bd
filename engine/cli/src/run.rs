//! `frostwatch run`: workers and normaliser on their own threads, signals and the admin port on tokio.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use frostwatch_detect::time::{DAY, Millis};
use frostwatch_kafka::normalise::{NormaliseCounts, NormaliseShared, run_normaliser};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_kafka::topics::{ACTIVITY_KEPT, activity_kept};
use frostwatch_kafka::{self as kafka, Counters, KafkaFault, Refused, StopOnExit, Versions, run_workers};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{self, Origin, TaskSet};
use frostwatch_runtime::ports::RawRows;
use tokio::signal::unix::{SignalKind, signal};

use crate::config;
use crate::console::say;
use crate::engine::{ruling, shared, versions};
use crate::metrics::{self, Observed};
use crate::raw::Rows;

/// How to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Leave raw topics to other processes.
    #[arg(long)]
    no_normalise: bool,
    /// Go on although rules, GeoIP files, lateness or the program have changed since the last commit: the past is run
    /// again under the new ones, in silence, and what is sent from then on carries an epoch raised by one.
    #[arg(long)]
    accept_change: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = config::load(&args.config)?;
    checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    let config = checked.config;
    let lateness = config.lateness();
    let origin = Origin { topic: Some(config.kafka.topics.activity()), clock: Some(now_ms) };
    let rows = checked.normaliser.filter(|_| !args.no_normalise).map(Rows);
    let observed = Arc::new(Observed {
        board: Board::default(),
        counters: Counters::default(),
        normalised: Mutex::new(NormaliseCounts::default()),
        shared: shared(origin),
        ruling: ruling(checked.rulebook, checked.located, lateness),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signal(&stop)?;
    let _admin = match &config.admin {
        Some(admin) => Some(metrics::serve(admin.listen, Arc::clone(&observed))?),
        None => None,
    };
    warn_of_short_past(&config.kafka)?;
    say(&format!("reading {} as group {}", config.kafka.topics.activity(), config.kafka.group));
    let versions = versions(&observed.ruling.plan, args.accept_change);
    run_threads(&config.kafka, config.workers, rows, &versions, &observed, &stop)?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// State is made of the retained activity at every start: says so when that is shorter than state is kept.
fn warn_of_short_past(settings: &KafkaSettings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(activity_kept(settings)) {
        Ok(Some(kept)) if kept < ACTIVITY_KEPT => say(&format!(
            "warning: {} keeps activity for {:.1} days, state is kept for {}: after a restart detectors know only what is \
             retained. `frostwatch topics check` tells how to change it",
            settings.topics.activity(),
            kept as f64 / DAY as f64,
            ACTIVITY_KEPT / DAY,
        )),
        Ok(_) => {}
        // Not everybody may ask; the missing topic is told by the worker.
        Err(fault) => tracing::info!(%fault, "it is not known how long activity is kept"),
    }
    Ok(())
}

/// Runs workers, and a normaliser if there are rows for it, until `stop` or the first fault.
pub(crate) fn run_threads<R: RawRows + Send>(
    settings: &KafkaSettings,
    workers: usize,
    rows: Option<R>,
    versions: &Versions,
    observed: &Observed,
    stop: &AtomicBool,
) -> Result<(), KafkaFault> {
    let refused = |refused: &Refused<'_>| {
        tracing::error!(
            topic = refused.topic,
            bytes = refused.record.value.len(),
            "the broker refused an output's size"
        );
    };
    thread::scope(|scope| {
        // However a thread ends, by a panic too, the others end: a process that does half of its work looks healthy.
        let _stops_all = StopOnExit(stop);
        let normaliser = rows.map(|rows| {
            scope.spawn(move || {
                let _stops_the_workers = StopOnExit(stop);
                run_normaliser(settings, 0, rows, NormaliseShared { stop, counts: &observed.normalised })
            })
        });
        let tasks = |_| TaskSet::new(Arc::<pipeline::Shared>::clone(&observed.shared), Arc::clone(&observed.ruling));
        let (board, counters) = (&observed.board, &observed.counters);
        let ended = run_workers(
            workers,
            settings,
            tasks,
            kafka::Shared { stop, board, counters, versions, on_refused: &refused },
        );
        stop.store(true, Ordering::Release);
        let normalised = normaliser.map_or(Ok(()), |normaliser| {
            normaliser.join().unwrap_or_else(|panic| Err(KafkaFault::panicked("normaliser", panic.as_ref())))
        });
        cause(ended, normalised)
    })
}

/// The fault that made the process end; another one is only logged.
fn cause(workers: Result<(), KafkaFault>, normaliser: Result<(), KafkaFault>) -> Result<(), KafkaFault> {
    for (thread, ended) in [("workers", &workers), ("normaliser", &normaliser)] {
        if let Err(fault) = ended {
            tracing::error!(thread, %fault, "ended");
        }
    }
    match (workers, normaliser) {
        (Err(of_the_stop), Err(fault)) if of_the_stop.is_of_the_stop() => Err(fault),
        (workers, normaliser) => workers.and(normaliser),
    }
}

/// The engine's clock, milliseconds since the epoch: alerts say by it when they were found, and nothing else reads it.
fn now_ms() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

/// A runtime that sets `stop` on SIGTERM or SIGINT, for as long as it is kept.
pub(crate) fn stop_on_signal(stop: &Arc<AtomicBool>) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let guard = runtime.enter();
    let mut terminated = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signals")?;
    drop(guard);
    let stop = Arc::clone(stop);
    runtime.spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        stop.store(true, Ordering::Release);
    });
    Ok(runtime)
}

#[cfg(test)]
mod tests;
