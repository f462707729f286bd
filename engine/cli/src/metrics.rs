//! The admin port: metrics for Prometheus, liveness, readiness and version.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use frostwatch_detect::time::SECOND;
use frostwatch_kafka::Counters;
use frostwatch_kafka::normalise::NormaliseCounts;
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::Shared;
use frostwatch_runtime::ports::Channel;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::engine::BUILD;

/// What the process counts and shows.
pub(crate) struct Observed {
    pub(crate) board: Board,
    pub(crate) counters: Counters,
    pub(crate) normalised: Mutex<NormaliseCounts>,
    pub(crate) shared: Arc<Shared>,
}

/// Serves the admin port for as long as the result is kept.
pub(crate) fn serve(listen: SocketAddr, observed: Arc<Observed>) -> anyhow::Result<tokio::runtime::Runtime> {
    let registry = Registry::new();
    registry.register(Box::new(Metrics::new(Arc::clone(&observed))?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("admin.listen: cannot listen on {listen}"))?;
    let pages = Router::new()
        .route("/metrics", get(move || async move { text_of(&registry) }))
        .route("/livez", get(|| async { "live\n" }))
        .route("/readyz", get(move || async move { readiness(&observed.board) }))
        .route("/version", get(|| async { format!("frostwatch {BUILD}\n") }));
    runtime.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(%error, "the admin port closed");
        }
    });
    Ok(runtime)
}

fn text_of(registry: &Registry) -> (StatusCode, String) {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn readiness(board: &Board) -> (StatusCode, String) {
    let lines = board.lines();
    let mut text = String::new();
    for (partition, status) in &lines {
        let (phase, position, until, users) =
            (status.phase.as_str(), status.position, status.restore_until, status.keys);
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "partition {partition}: {phase}, position {position}, restore until {until}, {users} users");
    }
    let ready = board.is_ready();
    text += if ready { "ready\n" } else { "restoring\n" };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// Plain counters, read when Prometheus asks.
struct Metrics {
    observed: Arc<Observed>,
    records: IntCounterVec,
    outputs: IntCounterVec,
    kafka: IntCounterVec,
    hidden: IntCounterVec,
    raw: IntCounterVec,
    partitions: IntGaugeVec,
    last_event: IntGaugeVec,
    users: IntGaugeVec,
    lag: IntGaugeVec,
    build: IntGaugeVec,
}

impl Metrics {
    fn new(observed: Arc<Observed>) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let gauge = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        Ok(Self {
            observed,
            records: counter(
                "frostwatch_records_total",
                "Records by what became of them; received is the sum of scored, duplicate, late, over_cap and rejected.",
                "outcome",
            )?,
            outputs: counter("frostwatch_outputs_total", "Records written and acknowledged.", "channel")?,
            kafka: counter("frostwatch_kafka_events_total", "What the Kafka edge did.", "event")?,
            hidden: IntCounterVec::new(
                Opts::new("frostwatch_exception_hidden_total", "Findings that an exception of a rule hid."),
                &["rule", "exception"],
            )?,
            raw: counter("frostwatch_raw_rows_total", "Raw rows by what became of them.", "outcome")?,
            partitions: gauge("frostwatch_partitions", "Partitions held, by phase.", "phase")?,
            last_event: gauge("frostwatch_last_event_timestamp_seconds", "Newest event time seen.", "partition")?,
            users: gauge("frostwatch_state_entries", "Users with state.", "partition")?,
            lag: gauge("frostwatch_consumer_lag", "Records not yet read.", "partition")?,
            build: gauge("frostwatch_build_info", "Always 1.", "version")?,
        })
    }

    fn all(&self) -> [&dyn Collector; 10] {
        [
            &self.records,
            &self.outputs,
            &self.kafka,
            &self.hidden,
            &self.raw,
            &self.partitions,
            &self.last_event,
            &self.users,
            &self.lag,
            &self.build,
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
            ("partition_lost", counts.lost),
        ] {
            raise(&self.kafka, event, value);
        }
        if let Ok(normalised) = self.observed.normalised.lock() {
            raise(&self.raw, "activity", normalised.activity);
            raise(&self.raw, "rejected", normalised.rejected);
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
