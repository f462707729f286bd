//! Plain counters of the loops, as metrics for Prometheus: they are read when it asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use frostwatch_detect::rule::Severity;
use frostwatch_detect::time::SECOND;
use frostwatch_kafka::normalise::NormaliseCounts;
use frostwatch_kafka::{Counters, Pulse};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::histogram::Histogram;
use frostwatch_runtime::pipeline::{ByRule, CurrentRuling, REJECTIONS, Ruling, Shared, Totals};
use frostwatch_runtime::ports::Channel;
use frostwatch_wire::alert::AlertChange;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, MetricFamily, MetricType};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use crate::engine::BUILD;
use crate::reload::Reloader;

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

/// What the board says of each partition.
struct ByPartition {
    partitions: IntGaugeVec,
    last_event: IntGaugeVec,
    users: IntGaugeVec,
    state_bytes: IntGaugeVec,
    lag: IntGaugeVec,
    commit_lag: IntGaugeVec,
}

impl ByPartition {
    fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        Ok(Self {
            partitions: gauge("frostwatch_partitions", "Partitions held, by phase.", "phase")?,
            last_event: gauge("frostwatch_last_event_timestamp_seconds", "Newest event time seen.", "partition")?,
            users: gauge("frostwatch_state_entries", "Users with state.", "partition")?,
            state_bytes: gauge(
                "frostwatch_state_bytes",
                "Memory for the names of users, for those that are packed and for the table of both; users awake come beside.",
                "partition",
            )?,
            lag: gauge("frostwatch_consumer_lag", "Records not yet read.", "partition")?,
            commit_lag: gauge(
                "frostwatch_commit_lag",
                "Records of which nothing is committed yet: neither what came of them nor their offset.",
                "partition",
            )?,
        })
    }

    const fn all(&self) -> [&IntGaugeVec; 6] {
        [&self.partitions, &self.last_event, &self.users, &self.state_bytes, &self.lag, &self.commit_lag]
    }

    fn fold(&self, board: &Board) {
        self.all().iter().for_each(|gauge| gauge.reset());
        for phase in ["assigned", "restoring", "live"] {
            self.partitions.with_label_values(&[phase]).set(0);
        }
        for (partition, status) in board.lines() {
            let partition = partition.to_string();
            self.partitions.with_label_values(&[status.phase.as_str()]).inc();
            self.users.with_label_values(&[&partition]).set(status.keys as i64);
            self.state_bytes.with_label_values(&[&partition]).set(status.packed_bytes as i64);
            if status.newest_event >= 0 {
                self.last_event.with_label_values(&[&partition]).set(status.newest_event / SECOND);
            }
            if let Some(lag) = status.lag() {
                self.lag.with_label_values(&[&partition]).set(lag);
            }
            if let Some(lag) = status.commit_lag() {
                self.commit_lag.with_label_values(&[&partition]).set(lag);
            }
        }
    }
}

/// Plain counters, read when Prometheus asks.
pub(crate) struct Metrics {
    observed: Arc<Observed>,
    reloader: Arc<Reloader>,
    reloads: IntCounterVec,
    records: IntCounterVec,
    rejected: IntCounterVec,
    outputs: IntCounterVec,
    kafka: IntCounterVec,
    alerts: IntCounterVec,
    suppressed: IntCounterVec,
    hidden: IntCounterVec,
    raw: IntCounterVec,
    normaliser: IntCounterVec,
    board: ByPartition,
    round_trips: GaugeVec,
    raw_lag: IntGaugeVec,
    geoip: IntGaugeVec,
    list_changed: IntGaugeVec,
    list_entries: IntGaugeVec,
    build: IntGaugeVec,
    delays: Vec<Desc>,
}

impl Metrics {
    pub(crate) fn new(observed: Arc<Observed>, reloader: Arc<Reloader>) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let counter = |name: &str, help: &str, label: &str| counters(name, help, &[label]);
        let gauges = |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let gauge = |name: &str, help: &str, label: &str| gauges(name, help, &[label]);
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
            rejected: counter(
                "frostwatch_rejected_total",
                "Records that could not be scored, by reason; their bytes are on the topic of rejected records.",
                "reason",
            )?,
            outputs: counter("frostwatch_outputs_total", "Records written and acknowledged.", "channel")?,
            kafka: counter("frostwatch_kafka_events_total", "What the Kafka edge did.", "event")?,
            alerts: counters(
                "frostwatch_alerts_total",
                "Records about alerts, by rule, severity and what became of the alert: opened, updated, retracted.",
                &["rule", "severity", "change"],
            )?,
            suppressed: counters(
                "frostwatch_suppressed_total",
                "Findings that were held back, by rule and by what did.",
                &["rule", "reason"],
            )?,
            hidden: counters(
                "frostwatch_exception_hidden_total",
                "Findings that an exception of a rule hid.",
                &["rule", "exception"],
            )?,
            raw: counter("frostwatch_raw_rows_total", "Raw rows by what became of them.", "outcome")?,
            normaliser: counter(
                "frostwatch_normaliser_events_total",
                "What the loop over raw topics did; out_of_order are runs published without waiting for older rows.",
                "event",
            )?,
            board: ByPartition::new()?,
            round_trips: GaugeVec::new(
                Opts::new(
                    "frostwatch_broker_round_trip_seconds",
                    "How long a broker took to answer what was sent to it, mean over the last seconds.",
                ),
                &["broker"],
            )?,
            raw_lag: gauges(
                "frostwatch_raw_lag",
                "Raw records not yet normalised and committed.",
                &["topic", "partition"],
            )?,
            geoip: gauge("frostwatch_geoip_build_timestamp_seconds", "When the GeoIP files were built.", "kind")?,
            list_changed: gauge(
                "frostwatch_list_changed_timestamp_seconds",
                "When the file of a list of addresses was changed last.",
                "list",
            )?,
            list_entries: gauge("frostwatch_list_entries", "Entries of a list of addresses.", "list")?,
            build: gauge("frostwatch_build_info", "Always 1.", "version")?,
            delays: DELAYS.iter().map(|(name, help)| describe(name, help)).collect::<prometheus::Result<_>>()?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &dyn Collector> {
        let plain: [&dyn Collector; 16] = [
            &self.records,
            &self.rejected,
            &self.outputs,
            &self.kafka,
            &self.alerts,
            &self.suppressed,
            &self.hidden,
            &self.raw,
            &self.normaliser,
            &self.round_trips,
            &self.raw_lag,
            &self.geoip,
            &self.list_changed,
            &self.list_entries,
            &self.build,
            &self.reloads,
        ];
        plain.into_iter().chain(self.board.all().map(|gauge| gauge as &dyn Collector))
    }

    fn fold(&self, totals: &Totals) {
        totals.counters.named().for_each(|(outcome, value)| raise(&self.records, &[outcome], value));
        for ((rule, severity, change), value) in &totals.findings.alerts {
            raise(&self.alerts, &[&**rule, severity.as_str(), change], *value);
        }
        let by_rule = |counter: &IntCounterVec, counts: &ByRule| {
            counts.iter().for_each(|((rule, word), value)| raise(counter, &[&**rule, &**word], *value));
        };
        by_rule(&self.suppressed, &totals.findings.suppressed);
        by_rule(&self.hidden, &totals.findings.hidden);
        REJECTIONS.iter().for_each(|reason| raise(&self.rejected, &[*reason], 0));
        totals.findings.rejected.iter().for_each(|(reason, value)| raise(&self.rejected, &[*reason], *value));
        self.fold_round_trips();
        let counts = self.observed.counters.read();
        Channel::ALL.iter().for_each(|channel| raise(&self.outputs, &[channel.as_str()], counts.produced_on(*channel)));
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
            raise(&self.kafka, &[event], value);
        }
        let readings = &self.reloader.readings;
        for (outcome, value) in
            [("applied", &readings.applied), ("unchanged", &readings.unchanged), ("refused", &readings.refused)]
        {
            raise(&self.reloads, &[outcome], value.load(Ordering::Relaxed));
        }
        self.fold_normalised();
        self.fold_board();
        self.build.with_label_values(&[BUILD]).set(1);
        self.fold_ruling(&self.observed.current.get());
    }

    fn fold_normalised(&self) {
        if let Ok(normalised) = self.observed.normalised.lock() {
            raise(&self.raw, &["activity"], normalised.activity);
            raise(&self.raw, &["rejected"], normalised.rejected);
            for (event, value) in [
                ("consumed", normalised.consumed),
                ("output_refused", normalised.refused),
                ("commit", normalised.commits),
                ("commit_failed", normalised.commits_failed),
                ("rebalance", normalised.rebalances),
                ("out_of_order", normalised.out_of_order),
            ] {
                raise(&self.normaliser, &[event], value);
            }
            normalised.dropped.iter().for_each(|(why, value)| raise(&self.raw, &[why], *value));
        }
    }

    fn fold_ruling(&self, ruling: &Ruling) {
        self.geoip.reset();
        // A series that begins with its first count shows no increase: those that are to be expected are there before.
        for rule in &ruling.plan.rules {
            for severity in SEVERITIES.into_iter().filter(|severity| *severity >= rule.rule.severity) {
                for change in [AlertChange::Opened, AlertChange::Updated, AlertChange::Retracted] {
                    self.alerts.with_label_values(&[rule.rule.id.as_str(), severity.as_str(), change.as_str()]);
                }
            }
        }
        let places = &ruling.plan.geo;
        if places.built_at_secs > 0 {
            self.geoip.with_label_values(&[&*places.kind]).set(places.built_at_secs);
        }
        self.fold_lists(ruling);
    }

    fn fold_lists(&self, ruling: &Ruling) {
        self.list_entries.reset();
        self.list_changed.reset();
        for list in ruling.lists.iter().flat_map(|lists| lists.builds()) {
            self.list_entries.with_label_values(&[&*list.name]).set(list.entries as i64);
        }
        for file in self.reloader.list_files() {
            if let Some(secs) = file.changed_at_secs {
                self.list_changed.with_label_values(&[&*file.name]).set(secs);
            }
        }
    }

    fn fold_round_trips(&self) {
        self.round_trips.reset();
        for (broker, micros) in &self.observed.counters.timings().round_trips {
            self.round_trips.with_label_values(&[&broker.to_string()]).set(*micros as f64 / 1e6);
        }
    }

    fn delays(&self, totals: &Totals) -> Vec<MetricFamily> {
        let timings = self.observed.counters.timings();
        let histograms = [&timings.alert_delay, &totals.findings.delivery_delay, &timings.commit, &timings.restore];
        DELAYS.iter().zip(histograms).map(|((name, help), histogram)| family_of(name, help, histogram)).collect()
    }

    fn fold_board(&self) {
        self.board.fold(&self.observed.board);
        self.raw_lag.reset();
        if let Ok(normalised) = self.observed.normalised.lock() {
            for ((topic, partition), lag) in &normalised.lag {
                self.raw_lag.with_label_values(&[topic.as_str(), &partition.to_string()]).set(*lag);
            }
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        self.all().flat_map(Collector::desc).chain(&self.delays).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let totals = self.observed.shared.totals.lock().map(|totals| totals.clone()).unwrap_or_default();
        self.fold(&totals);
        let mut families: Vec<_> = self.all().flat_map(Collector::collect).collect();
        families.extend(self.delays(&totals));
        families
    }
}

/// Histograms: name and help.
const DELAYS: [(&str, &str); 4] = [
    (
        "frostwatch_alert_delay_seconds",
        "From the stamp of the record that led to an alert or a suppressed finding to the commit of that.",
    ),
    (
        "frostwatch_delivery_delay_seconds",
        "From the event to the stamp of the records that led to an alert or a suppressed finding.",
    ),
    ("frostwatch_commit_seconds", "From the end of a batch until its outputs, state and offsets are committed."),
    (
        "frostwatch_restore_seconds",
        "From the assignment of a partition until its alerts flow: its state is read, its tail is run again.",
    ),
];

fn describe(name: &str, help: &str) -> prometheus::Result<Desc> {
    Desc::new(name.to_owned(), help.to_owned(), Vec::new(), std::collections::HashMap::new())
}

fn family_of(name: &str, help: &str, histogram: &Histogram) -> MetricFamily {
    let buckets = histogram.cumulative().map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut counted = proto::Histogram::default();
    counted.set_bucket(buckets.collect());
    counted.set_sample_count(histogram.count());
    counted.set_sample_sum(histogram.sum());
    let mut metric = proto::Metric::default();
    metric.set_histogram(counted);
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::HISTOGRAM);
    family.set_metric(vec![metric]);
    family
}

const SEVERITIES: [Severity; 5] =
    [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

/// Brings a counter up to a reading.
fn raise(counter: &IntCounterVec, labels: &[&str], value: u64) {
    let counter = counter.with_label_values(labels);
    counter.inc_by(value.saturating_sub(counter.get()));
}
