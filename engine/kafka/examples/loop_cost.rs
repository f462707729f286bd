//! What the worker's loop costs: processor time per million records of 550 bytes, for tasks that do nothing, against
//! bare consumers of the same topic. The mock cluster runs in the parent process, what is measured in a child.
//!
//! `cargo run --release -p frostwatch-kafka --example loop_cost`
#![allow(clippy::print_stdout, reason = "it prints its result")]

use std::error::Error;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use frostwatch_kafka::mock::MockKafka;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::{Counters, KafkaSettings, Pulse, Shared, run_worker};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const RECORDS: u64 = 300_000;
const PARTITIONS: i32 = 48;
const VALUE_BYTES: usize = 550;
/// Clock ticks of `/proc` in a second.
const TICKS_PER_SEC: f64 = 100.0;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    match args.as_slice() {
        [_, what, brokers] => child(what, brokers),
        _ => parent(),
    }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let mock = MockKafka::start()?;
    let settings = mock.settings();
    mock.create_topic(&settings.topics.activity(), PARTITIONS)?;
    for channel in Channel::OUTPUTS {
        mock.create_topic(&settings.topics.channel(channel), 1)?;
    }
    let mut producer = TopicProducer::connect(&settings, &settings.topics.activity())?;
    let mut value = vec![0; VALUE_BYTES];
    let mut noise = 1_u32;
    for number in 0..RECORDS {
        for byte in &mut value {
            // Half of the bits: about as well compressed as JSON.
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = b'a' + (noise >> 28) as u8;
        }
        producer.send(format!("acme|user-{}", number % 10_000).as_bytes(), &value, None)?;
    }
    producer.flush()?;
    for what in ["poll", "worker", "poll", "worker"] {
        let status = Command::new(std::env::current_exe()?).args([what, &mock.bootstrap_servers()]).status()?;
        if !status.success() {
            return Err(format!("{what} failed").into());
        }
    }
    Ok(())
}

fn child(what: &str, brokers: &str) -> Result<(), Box<dyn Error>> {
    let before = cpu_secs()?;
    match what {
        "poll" => poll(brokers)?,
        _ => worker(brokers)?,
    }
    let spent = (cpu_secs()? - before) * 1e6 / RECORDS as f64;
    println!("{what:>7}: {spent:.2} s of processor time per million records");
    Ok(())
}

/// The wrapper's consumer, one record a call, counting bytes; the engine's settings.
fn poll(brokers: &str) -> Result<(), Box<dyn Error>> {
    let topic = KafkaSettings::new(brokers).topics.activity();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", "32768")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut records, mut bytes) = (0, 0);
    while records < RECORDS {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            bytes += message?.payload_len();
            records += 1;
        }
    }
    if bytes as u64 == RECORDS * VALUE_BYTES as u64 { Ok(()) } else { Err("bytes are missing".into()) }
}

/// Counts bytes and does nothing else.
struct Nothing<'a> {
    records: &'a AtomicU64,
    bytes: u64,
}

impl Tasks for Nothing<'_> {
    fn open(&mut self, _partition: i32) {}

    fn close(&mut self, _partition: i32) {}

    fn record(&mut self, _partition: i32, record: &InputRecord<'_>, _out: &mut Vec<OutputRecord>) {
        self.bytes += record.value.len() as u64;
    }

    fn batch_done(&mut self, _partition: i32) {
        self.records.store(self.bytes / VALUE_BYTES as u64, Ordering::Relaxed);
    }
}

fn worker(brokers: &str) -> Result<(), Box<dyn Error>> {
    let mut settings = KafkaSettings::new(brokers);
    settings.group = format!("worker-{}", std::process::id());
    let (stop, board, counters, records) =
        (AtomicBool::new(false), Board::default(), Counters::default(), AtomicU64::new(0));
    let pulse = Pulse::default();
    std::thread::scope(|scope| {
        let shared = Shared {
            stop: &stop,
            board: &board,
            counters: &counters,
            pulse: &pulse,
            accept_change: false,
            on_refused: &|_| {},
        };
        let (records, settings) = (&records, &settings);
        let running = scope.spawn(move || run_worker(settings, 0, Nothing { records, bytes: 0 }, shared));
        while records.load(Ordering::Relaxed) < RECORDS && !running.is_finished() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Release);
        running.join().map_err(|_| "the worker panicked")??;
        Ok(())
    })
}

fn cpu_secs() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SEC)
}
