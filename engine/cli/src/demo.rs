//! `frostwatch demo`: the whole path over the Kafka protocol, on librdkafka's in-process cluster.

mod judge;
mod naive;
mod watch;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_geoip::GeoTable;
use frostwatch_kafka::mock::MockKafka;
use frostwatch_kafka::normalise::NormaliseCounts;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::{Counters, KafkaSettings, Pulse};
use frostwatch_rulebook::Rulebook;
use frostwatch_runtime::board::Board;
use frostwatch_runtime::pipeline::{CurrentRuling, Origin};
use frostwatch_runtime::ports::Channel;
use frostwatch_simulator::{Company, CompanyConfig};
use frostwatch_wire::normalise::Normaliser;

use crate::config::Faults;
use crate::console::say;
use crate::engine::{Located, ruling, shared};
use crate::metrics::Observed;
use crate::raw::Rows;
use crate::run::run_threads;
use crate::simulate::{normalise_config, rule_texts};

/// First day of the simulated company: a Monday.
const START: &str = "2026-01-05T00:00:00Z";
/// Partitions of the activity topic and of each raw topic.
const PARTITIONS: i32 = 16;
/// Partitions of each output topic.
const OUTPUT_PARTITIONS: i32 = 2;
/// Raw rows that may lie between the producer and the committed offsets: with 16 partitions a few hundred kilobytes of
/// the 5 MiB that the in-process cluster keeps of each.
const AHEAD_ROWS_MAX: u64 = 60_000;
/// The demo gives up when nothing moves for this long.
const STALLED: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(5);

/// The company to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed of the simulated company.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Accounts.
    #[arg(long, default_value_t = 90)]
    users: u32,
    /// Days; attacks begin on the eleventh.
    #[arg(long, default_value_t = 36)]
    days: u32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start_ms = chrono::DateTime::parse_from_rfc3339(START).context("start")?.timestamp_millis();
    let company = Company::new(CompanyConfig::new(args.seed, args.users, args.days, start_ms))?;
    say(&format!(
        "A company of {} accounts over {} days from {}, {} attacks hidden in it (seed {}).",
        company.people().count(),
        args.days,
        rfc3339(start_ms),
        company.labels().len(),
        args.seed
    ));
    say("Raw ServiceNow rows → Kafka → activity → detectors → alerts, all in this process:\n");
    let began = Instant::now();
    let shown = stream(&company)?;
    let took = began.elapsed();
    let naive = naive::findings(&company)?;
    let verdict = judge::judge(company.labels(), &shown.alerts, &naive);
    shown.print_counts(took);
    verdict.print();
    Ok(if verdict.is_perfect() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came out at the end.
struct Shown {
    alerts: Vec<judge::Final>,
    suppressed: usize,
    rows: u64,
    normalised: NormaliseCounts,
    totals: frostwatch_runtime::pipeline::Counters,
}

impl Shown {
    fn print_counts(&self, took: Duration) {
        let totals = &self.totals;
        let dropped: u64 = self.normalised.dropped.values().sum();
        say(&format!(
            "\n{} raw rows in {:.0} s: {} activities, {dropped} rows of noise dropped, {} rejected.",
            self.rows,
            took.as_secs_f64(),
            self.normalised.activity,
            self.normalised.rejected
        ));
        say(&format!(
            "{} received = {} scored + {} duplicates + {} late + {} over the cap + {} rejected; {} alerts, {} suppressed.",
            totals.received,
            totals.scored,
            totals.duplicates,
            totals.late,
            totals.over_cap,
            totals.rejected,
            self.alerts.len(),
            self.suppressed
        ));
    }
}

/// Sends the company's rows through the whole path and returns what stands at the end.
fn stream(company: &Company) -> anyhow::Result<Shown> {
    let cluster = MockKafka::start()?;
    let settings = settings(&cluster)?;
    let texts = rule_texts()?;
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let rulebook =
        Rulebook::parse(&files, None).map_err(|faults| Faults(faults.iter().map(ToString::to_string).collect()))?;
    let located = Located::Table(frostwatch_geoip::demo()?);
    let origin = Origin { group: None, topic: Some(settings.topics.activity()), clock: None };
    let observed = Observed {
        board: Board::default(),
        counters: Counters::default(),
        pulse: Pulse::default(),
        normalised: Mutex::new(NormaliseCounts::default()),
        // Without a clock: the company lives in a time of its own.
        shared: shared(origin),
        current: Arc::new(CurrentRuling::new(Arc::new(ruling(rulebook, located, Lateness::DEFAULT)))),
    };
    let normaliser = normaliser_of(company)?;
    let (stop, stop_watching) = (AtomicBool::new(false), AtomicBool::new(false));
    let watched = watch::Watched::default();
    let rows = thread::scope(|scope| -> anyhow::Result<u64> {
        let engine = scope.spawn(|| run_threads(&settings, 1, Some(Rows(normaliser)), false, &observed, &stop));
        let watchers = watch::spawn(scope, &settings, &watched, &stop_watching);
        let sent = send(company, &settings, &observed, &stop).and_then(|sent| {
            settle(sent, &observed, &stop)?;
            Ok(sent)
        });
        stop.store(true, Ordering::Release);
        let ended = engine.join().map_err(|_| anyhow::anyhow!("the engine panicked"))?;
        let seen = sent.and_then(|sent| {
            ended?;
            let outputs = observed.counters.read();
            let all = outputs.produced_on(Channel::Alerts) + outputs.produced_on(Channel::Suppressions);
            wait(|| watched.count() >= all, || watched.count(), &stop_watching)?;
            Ok(sent)
        });
        stop_watching.store(true, Ordering::Release);
        for watcher in watchers {
            watcher.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
        }
        seen
    })?;
    let normalised = observed.normalised.lock().map(|counts| counts.clone()).unwrap_or_default();
    let totals = observed.shared.totals.lock().map(|totals| totals.counters).unwrap_or_default();
    ensure!(normalised.consumed == rows, "{rows} rows produced, {} consumed", normalised.consumed);
    ensure!(totals.received == normalised.activity, "{} activities, {} received", normalised.activity, totals.received);
    ensure!(totals.is_conserved(), "records were lost: {totals:?}");
    let (alerts, suppressed) = watched.finals();
    Ok(Shown { alerts, suppressed, rows, normalised, totals })
}

fn settings(cluster: &MockKafka) -> anyhow::Result<KafkaSettings> {
    let settings = cluster.settings();
    for (topic, _) in settings.topics.raw() {
        cluster.create_topic(&topic, PARTITIONS)?;
    }
    cluster.create_topic(&settings.topics.activity(), PARTITIONS)?;
    cluster.create_topic(&settings.changelog(), PARTITIONS)?;
    cluster.create_topic(&settings.topics.tables(), 1)?;
    for channel in Channel::OUTPUTS {
        cluster.create_topic(&settings.topics.channel(channel), OUTPUT_PARTITIONS)?;
    }
    Ok(settings)
}

fn normaliser_of(company: &Company) -> anyhow::Result<Normaliser> {
    let faults = |faults: Vec<_>| Faults(faults.iter().map(ToString::to_string).collect());
    Ok(Normaliser::new(normalise_config(company)?).map_err(faults)?)
}

/// Sends all rows, never more than [`AHEAD_ROWS_MAX`] ahead of what was committed.
fn send(company: &Company, settings: &KafkaSettings, observed: &Observed, stop: &AtomicBool) -> anyhow::Result<u64> {
    let mut producers = Vec::new();
    for (topic, table) in settings.topics.raw() {
        producers.push((table, TopicProducer::connect(settings, &topic)?));
    }
    let consumed = || observed.normalised.lock().map(|counts| counts.consumed).unwrap_or_default();
    let mut sent = 0;
    for delivery in company.raw_rows() {
        let producer = producers.iter_mut().find(|(table, _)| table == delivery.table);
        let (_, producer) = producer.with_context(|| format!("no topic for rows of {}", delivery.table))?;
        producer.send(delivery.key.as_bytes(), delivery.row.as_bytes(), Some(delivery.stamp_ms))?;
        sent += 1;
        if sent % 1_000 == 0 && sent - consumed() > AHEAD_ROWS_MAX {
            for (_, producer) in &mut producers {
                producer.flush()?;
            }
            wait(|| sent - consumed() <= AHEAD_ROWS_MAX / 2, consumed, stop)?;
        }
    }
    for (_, producer) in &mut producers {
        producer.flush()?;
    }
    Ok(sent)
}

/// Waits until everything that was sent has been scored.
fn settle(sent: u64, observed: &Observed, stop: &AtomicBool) -> anyhow::Result<()> {
    let normalised = || observed.normalised.lock().map(|counts| (counts.consumed, counts.activity)).unwrap_or_default();
    wait(|| normalised().0 >= sent, || normalised().0, stop)?;
    let received = || observed.shared.totals.lock().map(|totals| totals.counters.received).unwrap_or_default();
    wait(|| received() >= normalised().1, received, stop)
}

/// Waits for a state; fails when `progress` has not changed for [`STALLED`] or the engine has stopped.
fn wait(done: impl Fn() -> bool, progress: impl Fn() -> u64, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut last = (progress(), Instant::now());
    while !done() {
        ensure!(!stop.load(Ordering::Acquire), "the engine stopped early");
        let now = progress();
        if now != last.0 {
            last = (now, Instant::now());
        }
        ensure!(last.1.elapsed() < STALLED, "nothing moved for {} s", STALLED.as_secs());
        thread::park_timeout(LOOK);
    }
    Ok(())
}

/// The demo's places, for the naive detectors too.
fn places() -> anyhow::Result<Arc<GeoTable>> {
    Ok(Arc::new(frostwatch_geoip::demo()?))
}
