//! Lists that are fetched while a process runs, and what is counted of them.

use std::sync::Arc;

use frostwatch_feeds::{Feed, Feeds, Fetched, ListCounts, Outcome, SystemClock};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};
use tokio::runtime::{Builder, Runtime};

use crate::console::say;

/// Feeds with the machine's clock and environment.
pub(crate) fn new(feeds: Vec<Feed>) -> Arc<Feeds> {
    Arc::new(Feeds::new(feeds, Arc::new(SystemClock), |name| std::env::var(name).ok()))
}

/// Fetches each list in its time for as long as the result is kept.
pub(crate) fn start(feeds: &Arc<Feeds>) -> anyhow::Result<Fetching> {
    if feeds.all().is_empty() {
        return Ok(Fetching(None));
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    feeds.start(runtime.handle(), tell);
    Ok(Fetching(Some(runtime)))
}

/// Fetches that are under way, until it is dropped.
pub(crate) struct Fetching(Option<Runtime>);

impl Drop for Fetching {
    fn drop(&mut self) {
        // The system may look for a name for minutes; nothing of a fetch is worth a stop that waits for it.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Says what became of a fetch, unless that is nothing.
pub(crate) fn tell(fetched: &Fetched) {
    match fetched.outcome {
        Outcome::Unchanged => tracing::info!(list = fetched.list, "unchanged"),
        Outcome::Replaced { .. } => say(&fetched.to_string()),
        _ => say(&format!("warning: {fetched}")),
    }
}

/// What is counted of feeds, read when Prometheus asks.
pub(crate) struct FeedMetrics {
    feeds: Arc<Feeds>,
    fetches: IntCounterVec,
    bytes: IntCounterVec,
    succeeded: IntGaugeVec,
    failed: IntGaugeVec,
    interval: IntGaugeVec,
    entries: IntGaugeVec,
    took: GaugeVec,
}

impl FeedMetrics {
    pub(crate) fn new(feeds: Arc<Feeds>) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["list"]);
        Ok(Self {
            feeds,
            fetches: IntCounterVec::new(
                Opts::new(
                    "frostwatch_feed_fetches_total",
                    "Fetches of lists: replaced, unchanged, held for having shrunk, refused for a fault, failed.",
                ),
                &["list", "outcome"],
            )?,
            bytes: IntCounterVec::new(
                Opts::new("frostwatch_feed_bytes_total", "Bytes of answers to fetches of lists."),
                &["list"],
            )?,
            succeeded: gauge(
                "frostwatch_feed_last_success_timestamp_seconds",
                "When the list was last as its server says; 0: never.",
            )?,
            failed: gauge(
                "frostwatch_feed_last_failure_timestamp_seconds",
                "When a fetch last failed, was refused or was held; 0: never since the start.",
            )?,
            interval: gauge("frostwatch_feed_interval_seconds", "How often the list is fetched.")?,
            entries: gauge("frostwatch_feed_entries", "Entries of the list as it was fetched last.")?,
            took: GaugeVec::new(
                Opts::new("frostwatch_feed_fetch_seconds", "How long the last fetch took, with its waits."),
                &["list"],
            )?,
        })
    }

    fn all(&self) -> [&dyn Collector; 7] {
        [&self.fetches, &self.bytes, &self.succeeded, &self.failed, &self.interval, &self.entries, &self.took]
    }

    fn fold(&self, list: &str, counts: &ListCounts) {
        for outcome in Outcome::WORDS {
            let counter = self.fetches.with_label_values(&[list, outcome]);
            counter.inc_by(counts.fetches.get(outcome).copied().unwrap_or(0).saturating_sub(counter.get()));
        }
        let bytes = self.bytes.with_label_values(&[list]);
        bytes.inc_by(counts.bytes.saturating_sub(bytes.get()));
        self.succeeded.with_label_values(&[list]).set(counts.succeeded_at / 1_000);
        self.failed.with_label_values(&[list]).set(counts.failed_at / 1_000);
        self.interval.with_label_values(&[list]).set(counts.interval_secs as i64);
        self.entries.with_label_values(&[list]).set(counts.entries as i64);
        self.took.with_label_values(&[list]).set(counts.took_ms as f64 / 1e3);
    }
}

impl Collector for FeedMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.feeds.counts().read().iter().for_each(|(list, counts)| self.fold(list, counts));
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}
