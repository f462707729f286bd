//! `frostwatch run`: workers and normaliser on their own threads, signals and the admin port on tokio.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use frostwatch_detect::time::Millis;
use frostwatch_kafka::normalise::{NormaliseCounts, NormaliseShared, run_normaliser};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_kafka::{self as kafka, Counters, KafkaFault, Refused, run_workers};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{self, Origin, TaskSet};
use frostwatch_wire::normalise::Normaliser;
use tokio::signal::unix::{SignalKind, signal};

use crate::config;
use crate::console::say;
use crate::engine::shared;
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
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = config::load(&args.config)?;
    checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    let config = checked.config;
    let lateness = config.lateness();
    let origin = Origin { topic: Some(config.kafka.topics.activity()), clock: Some(now_ms) };
    let normaliser = checked.normaliser.filter(|_| !args.no_normalise);
    let observed = Arc::new(Observed {
        board: Board::default(),
        counters: Counters::default(),
        normalised: Mutex::new(NormaliseCounts::default()),
        shared: shared(checked.rulebook, checked.located, lateness, origin),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signal(&stop)?;
    let _admin = match &config.admin {
        Some(admin) => Some(metrics::serve(admin.listen, Arc::clone(&observed))?),
        None => None,
    };
    say(&format!("reading {} as group {}", config.kafka.topics.activity(), config.kafka.group));
    run_threads(&config.kafka, config.workers, normaliser, &observed, &stop)?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Runs workers, and the normaliser if there is one, until `stop` or the first fault.
pub(crate) fn run_threads(
    settings: &KafkaSettings,
    workers: usize,
    normaliser: Option<Normaliser>,
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
        let rows = normaliser.map(|normaliser| {
            scope.spawn(move || {
                let shared = NormaliseShared { stop, counts: &observed.normalised };
                let ended = run_normaliser(settings, 0, Rows(normaliser), shared);
                stop.store(true, Ordering::Release);
                ended
            })
        });
        let tasks = |_| TaskSet::new(Arc::<pipeline::Shared>::clone(&observed.shared));
        let (board, counters) = (&observed.board, &observed.counters);
        let ended =
            run_workers(workers, settings, tasks, kafka::Shared { stop, board, counters, on_refused: &refused });
        stop.store(true, Ordering::Release);
        let normalised = rows.map_or(Ok(()), |rows| {
            rows.join().unwrap_or_else(|_| Err(KafkaFault::Panicked { worker: 0, message: "normaliser".to_owned() }))
        });
        ended.and(normalised)
    })
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
