//! The admin port: metrics for Prometheus, liveness, readiness and version.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use frostwatch_detect::time::SECOND;
use frostwatch_kafka::normalise::NormaliseCounts;
use frostwatch_kafka::{Counters, Counts, Pulse};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{CurrentRuling, Shared};
use frostwatch_runtime::ports::Channel;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::engine::BUILD;
use crate::reload::{NotSwitched, Reloader};

/// A worker that has stood still for this long is not ready.
const UNREADY_AFTER: Duration = Duration::from_secs(30);

/// What the process counts and shows.
pub(crate) struct Observed {
    pub(crate) board: Board,
    pub(crate) counters: Counters,
    pub(crate) pulse: Pulse,
    pub(crate) normalised: Mutex<NormaliseCounts>,
    pub(crate) shared: Arc<Shared>,
    /// What the tasks begin under and turn to.
    pub(crate) current: Arc<CurrentRuling>,
}

/// Serves the admin port for as long as the result is kept.
pub(crate) fn serve(
    listen: SocketAddr,
    observed: Arc<Observed>,
    reloader: Arc<Reloader>,
) -> anyhow::Result<tokio::runtime::Runtime> {
    let registry = Registry::new();
    registry.register(Box::new(Metrics::new(Arc::clone(&observed), Arc::clone(&reloader))?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("admin.listen: cannot listen on {listen}"))?;
    let current = Arc::clone(&observed.current);
    let pages =
        Router::new()
            .route("/metrics", get(move || async move { text_of(&registry) }))
            .route("/livez", get(|| async { "live\n" }))
            .route(
                "/readyz",
                get(move || async move {
                    readiness(&observed.board, &observed.counters.read(), observed.pulse.stands_still())
                }),
            )
            .route("/reload", post(move || reload(Arc::clone(&reloader))))
            .route("/version", get(move || async move { format!("frostwatch {BUILD}\n{}\n", current.get().named()) }));
    runtime.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(%error, "the admin port closed");
        }
    });
    Ok(runtime)
}

/// Reads the configuration again; a fault is told whole and switches nothing.
async fn reload(reloader: Arc<Reloader>) -> (StatusCode, String) {
    match tokio::task::spawn_blocking(move || reloader.reload()).await {
        Ok(Ok(told)) => (StatusCode::OK, told + "\n"),
        Ok(Err(fault @ NotSwitched::Refused(_))) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{fault}\n")),
        Ok(Err(fault @ (NotSwitched::UnderWay | NotSwitched::Changing))) => {
            (StatusCode::CONFLICT, format!("{fault}\n"))
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text_of(registry: &Registry) -> (StatusCode, String) {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn readiness(board: &Board, counts: &Counts, stands_still: Duration) -> (StatusCode, String) {
    let lines = board.lines();
    let mut text = String::new();
    for (partition, status) in &lines {
        let (phase, position, until, users) =
            (status.phase.as_str(), status.position, status.restore_until, status.keys);
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "partition {partition}: {phase}, position {position}, restore until {until}, {users} users");
    }
    if counts.misrouted > 0 {
        let _ = writeln!(
            text,
            "warning: {} records lie in another partition than murmur2 gives their key: their producer partitions \
             otherwise, and what concerns one user is split",
            counts.misrouted
        );
    }
    let moves = stands_still < UNREADY_AFTER;
    if !moves {
        let _ = writeln!(text, "a worker has stood still for {} s", stands_still.as_secs());
    }
    let ready = board.is_ready() && moves;
    text += match (ready, moves) {
        (true, _) => "ready\n",
        (false, true) => "restoring\n",
        (false, false) => "not ready\n",
    };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// Plain counters, read when Prometheus asks.
struct Metrics {
    observed: Arc<Observed>,
    reloader: Arc<Reloader>,
    reloads: IntCounterVec,
    records: IntCounterVec,
    outputs: IntCounterVec,
    kafka: IntCounterVec,
    hidden: IntCounterVec,
    raw: IntCounterVec,
    normaliser: IntCounterVec,
    partitions: IntGaugeVec,
    last_event: IntGaugeVec,
    users: IntGaugeVec,
    lag: IntGaugeVec,
    build: IntGaugeVec,
}

impl Metrics {
    fn new(observed: Arc<Observed>, reloader: Arc<Reloader>) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let gauge = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        Ok(Self {
            observed,
            reloader,
            reloads: counter(
                "frostwatch_reloads_total",
                "Readings of the configuration while the process runs: applied, unchanged, or refused for a fault.",
                "outcome",
            )?,
            records: counter(
                "frostwatch_records_total",
                "Records by what became of them, but for those re-run in silence; received is the sum of scored, duplicate, late, \
                 over_cap and rejected.",
                "outcome",
            )?,
            outputs: counter("frostwatch_outputs_total", "Records written and acknowledged.", "channel")?,
            kafka: counter("frostwatch_kafka_events_total", "What the Kafka edge did.", "event")?,
            hidden: IntCounterVec::new(
                Opts::new("frostwatch_exception_hidden_total", "Findings that an exception of a rule hid."),
                &["rule", "exception"],
            )?,
            raw: counter("frostwatch_raw_rows_total", "Raw rows by what became of them.", "outcome")?,
            normaliser: counter(
                "frostwatch_normaliser_events_total",
                "What the loop over raw topics did; out_of_order are runs published without waiting for older rows.",
                "event",
            )?,
            partitions: gauge("frostwatch_partitions", "Partitions held, by phase.", "phase")?,
            last_event: gauge("frostwatch_last_event_timestamp_seconds", "Newest event time seen.", "partition")?,
            users: gauge("frostwatch_state_entries", "Users with state.", "partition")?,
            lag: gauge("frostwatch_consumer_lag", "Records not yet read.", "partition")?,
            build: gauge("frostwatch_build_info", "Always 1.", "version")?,
        })
    }

    fn all(&self) -> [&dyn Collector; 12] {
        [
            &self.records,
            &self.outputs,
            &self.kafka,
            &self.hidden,
            &self.raw,
            &self.normaliser,
            &self.partitions,
            &self.last_event,
            &self.users,
            &self.lag,
            &self.build,
            &self.reloads,
        ]
    }

    fn fold(&self) {
        let totals = self.observed.shared.totals.lock().map(|totals| totals.clone()).unwrap_or_default();
        totals.counters.named().for_each(|(outcome, value)| raise(&self.records, outcome, value));
        for ((rule, exception), hidden) in &totals.hidden {
            let counter = self.hidden.with_label_values(&[&**rule, &**exception]);
            counter.inc_by(hidden.saturating_sub(counter.get()));
        }
        let counts = self.observed.counters.read();
        Channel::ALL.iter().for_each(|channel| raise(&self.outputs, channel.as_str(), counts.produced_on(*channel)));
        for (event, value) in [
            ("consumed", counts.consumed),
            ("restored_in_silence", counts.silent),
            ("misrouted", counts.misrouted),
            ("keyless", counts.keyless),
            ("output_refused", counts.refused),
            ("commit", counts.commits),
            ("commit_failed", counts.commits_failed),
            ("rebalance", counts.rebalances),
            ("output_resent", counts.resent),
            ("partition_lost", counts.lost),
            ("state_restored", counts.state_restored),
            ("state_written", counts.state_written),
            ("ruling_turned", counts.turns),
        ] {
            raise(&self.kafka, event, value);
        }
        let readings = &self.reloader.readings;
        for (outcome, value) in
            [("applied", &readings.applied), ("unchanged", &readings.unchanged), ("refused", &readings.refused)]
        {
            raise(&self.reloads, outcome, value.load(Ordering::Relaxed));
        }
        if let Ok(normalised) = self.observed.normalised.lock() {
            raise(&self.raw, "activity", normalised.activity);
            raise(&self.raw, "rejected", normalised.rejected);
            for (event, value) in [
                ("consumed", normalised.consumed),
                ("output_refused", normalised.refused),
                ("commit", normalised.commits),
                ("commit_failed", normalised.commits_failed),
                ("rebalance", normalised.rebalances),
                ("out_of_order", normalised.out_of_order),
            ] {
                raise(&self.normaliser, event, value);
            }
            normalised.dropped.iter().for_each(|(why, value)| raise(&self.raw, why, *value));
        }
        self.fold_board();
        self.build.with_label_values(&[BUILD]).set(1);
    }

    fn fold_board(&self) {
        [&self.partitions, &self.last_event, &self.users, &self.lag].iter().for_each(|gauge| gauge.reset());
        for phase in ["assigned", "restoring", "live"] {
            self.partitions.with_label_values(&[phase]).set(0);
        }
        for (partition, status) in self.observed.board.lines() {
            let partition = partition.to_string();
            self.partitions.with_label_values(&[status.phase.as_str()]).inc();
            self.users.with_label_values(&[&partition]).set(status.keys as i64);
            if status.newest_event >= 0 {
                self.last_event.with_label_values(&[&partition]).set(status.newest_event / SECOND);
            }
            if let Some(lag) = status.lag() {
                self.lag.with_label_values(&[&partition]).set(lag);
            }
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.fold();
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

/// Brings a counter up to a reading.
fn raise(counter: &IntCounterVec, label: &str, value: u64) {
    let counter = counter.with_label_values(&[label]);
    counter.inc_by(value.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use frostwatch_runtime::board::{PartitionStatus, Phase};

    use super::*;

    #[track_caller]
    fn check(phase: Phase, misrouted: u64, still_secs: u64, code: StatusCode, wanted: &[&str]) {
        let board = Board::default();
        board.set(3, PartitionStatus { phase, keys: 7, ..PartitionStatus::default() });
        let (found, text) =
            readiness(&board, &Counts { misrouted, ..Counts::default() }, Duration::from_secs(still_secs));
        assert_eq!(found, code, "{text}");
        assert_eq!(text.lines().count(), wanted.len(), "{text}");
        for (line, wanted) in text.lines().zip(wanted) {
            assert!(line.starts_with(wanted), "{text}");
        }
    }

    #[test]
    fn a_process_is_ready_when_all_its_partitions_are_live_and_warns_of_misrouted_records() {
        check(Phase::Restoring, 0, 0, StatusCode::SERVICE_UNAVAILABLE, &["partition 3: restoring", "restoring"]);
        check(Phase::Live, 0, 29, StatusCode::OK, &["partition 3: live", "ready"]);
        check(Phase::Live, 2, 0, StatusCode::OK, &["partition 3: live", "warning: 2 records lie in another", "ready"]);
        let unready = StatusCode::SERVICE_UNAVAILABLE;
        check(Phase::Live, 0, 30, unready, &["partition 3: live", "a worker has stood still for 30 s", "not ready"]);
    }
}
