//! `frostwatch run`: workers and normaliser on their own threads, signals and the admin port on tokio.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use frostwatch_detect::time::Millis;
use frostwatch_kafka::normalise::{NormaliseCounts, NormaliseShared, run_normaliser};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_kafka::{self as kafka, Counters, KafkaFault, Pulse, Refused, StopOnExit, run_workers};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{self, CurrentRuling, Origin, TaskSet};
use frostwatch_runtime::ports::RawRows;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin;
use crate::config;
use crate::console::say;
use crate::engine::shared;
use crate::feeds;
use crate::metrics::Observed;
use crate::raw::Rows;
use crate::reload::{self, Reloader};

/// Longer than any call of the client may rightly take: delivery of outputs has two minutes.
const STANDSTILL_MAX: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Of a process that was asked to stop less is waited for: supervisors kill what does not end, many after a minute or more, and
/// nobody is told why.
const STOP_MAX: Duration = Duration::from_secs(50);
/// Exit code of a process that ended itself (`EX_SOFTWARE` of sysexits).
const EXIT_STANDSTILL: i32 = 70;

/// How to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Leave raw topics to other processes.
    #[arg(long)]
    no_normalise: bool,
    /// Leave fetching lists to `frostwatch lists fetch`.
    #[arg(long)]
    no_fetch: bool,
    /// Go on although what must be run again after a crash was scored under GeoIP files or a program that are not at hand:
    /// it is run again under the present ones, what these find is sent under an epoch raised by one, and what was sent
    /// about it and is not found again is taken back.
    #[arg(long)]
    accept_change: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let look = reload::look_before(&args.config);
    let checked = config::load(&args.config)?;
    checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    let (config, list_files) = (checked.config.clone(), checked.lists.files.clone());
    let (ruling, normaliser) = checked.into_ruling();
    let (group, topic) = (Some(config.kafka.group.clone()), Some(config.kafka.topics.activity()));
    let origin = Origin { group, topic, clock: Some(now_ms) };
    let rows = normaliser.filter(|_| !args.no_normalise).map(Rows);
    let observed = Arc::new(Observed {
        board: Board::default(),
        counters: Counters::default(),
        pulse: Pulse::default(),
        normalised: Mutex::new(NormaliseCounts::default()),
        shared: shared(origin),
        current: Arc::new(CurrentRuling::new(ruling)),
    });
    let reloader = Reloader::new(&args.config, look, &config, Arc::clone(&observed.current));
    let reloader = Arc::new(reloader.with_list_files(list_files));
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicBool::new(false));
    let _signals = on_signal({
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        move || [&asked, &stop].iter().for_each(|flag| flag.store(true, Ordering::Release))
    })?;
    let feeds = feeds::new(if args.no_fetch { Vec::new() } else { config.feeds_with_lists() });
    let _admin = match &config.admin {
        Some(admin) => {
            let shown = (Arc::clone(&observed), Arc::clone(&reloader), Arc::clone(&feeds));
            Some(admin::serve(admin.listen, shown)?)
        }
        None => None,
    };
    let _reload = reload::watch(&reloader)?;
    let _fetch = feeds::start(&feeds)?;
    end_when_standing_still(&observed, asked)?;
    say(&format!("reading {} as group {}", config.kafka.topics.activity(), config.kafka.group));
    run_threads(&config.kafka, config.workers, rows, args.accept_change, &observed, &stop)?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends the process when a worker stands still, or does not stop: its partitions are only moved to others when it is gone, and
/// a call of librdkafka that never comes back cannot be broken off.
fn end_when_standing_still(observed: &Arc<Observed>, asked: Arc<AtomicBool>) -> anyhow::Result<()> {
    let observed = Arc::clone(observed);
    thread::Builder::new().name("pulse".to_owned()).spawn(move || {
        let mut since = None;
        loop {
            thread::park_timeout(LOOK_EVERY);
            // After a fault the others may take longer: what the fault was decides how the process ends.
            if asked.load(Ordering::Acquire) {
                since.get_or_insert_with(Instant::now);
            }
            let stopping = since.map_or(Duration::ZERO, |since| since.elapsed());
            if let Some(why) = overdue(observed.pulse.stands_still(), stopping, &observed.pulse.spoken()) {
                say(&why);
                #[expect(
                    clippy::exit,
                    clippy::disallowed_methods,
                    reason = "the thread that stands still cannot be joined"
                )]
                std::process::exit(EXIT_STANDSTILL);
            }
        }
    })?;
    Ok(())
}

/// Why the process ends itself, if it does: how long a worker has stood still, how long ago it was asked to stop, and what the
/// workers are at.
fn overdue(stands_still: Duration, stopping: Duration, at: &str) -> Option<String> {
    let (what, then) = if stopping > STOP_MAX {
        (format!("the process was asked to stop {} s ago and has not", stopping.as_secs()), "")
    } else if stands_still > STANDSTILL_MAX {
        (format!("a worker has stood still for {} s", stands_still.as_secs()), ". Start again")
    } else {
        return None;
    };
    let at = if at.is_empty() { "the normaliser" } else { at };
    Some(format!("error: {what} ({at}); what is not committed is read again by whoever takes its partitions{then}"))
}

/// Runs workers, and a normaliser if there are rows for it, until `stop` or the first fault.
pub(crate) fn run_threads<R: RawRows + Send>(
    settings: &KafkaSettings,
    workers: usize,
    rows: Option<R>,
    accept_change: bool,
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
        let tasks = |_| TaskSet::new(Arc::<pipeline::Shared>::clone(&observed.shared), Arc::clone(&observed.current));
        let (board, counters, pulse) = (&observed.board, &observed.counters, &observed.pulse);
        let ended = run_workers(
            workers,
            settings,
            tasks,
            kafka::Shared { stop, board, counters, pulse, accept_change, on_refused: &refused },
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
    let stop = Arc::clone(stop);
    on_signal(move || stop.store(true, Ordering::Release))
}

/// A runtime that does this on SIGTERM or SIGINT, for as long as it is kept.
fn on_signal(act: impl FnOnce() + Send + 'static) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let guard = runtime.enter();
    let mut terminated = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signals")?;
    drop(guard);
    runtime.spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        act();
    });
    Ok(runtime)
}

#[cfg(test)]
mod tests;
