//! Raw topics to activity, recording and pacing, on librdkafka's mock cluster.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/stream.rs"]
mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use frostwatch_kafka::normalise::{NormaliseCounts, NormaliseShared, run_normaliser};
use frostwatch_kafka::produce::{Pace, TopicProducer};
use frostwatch_kafka::record::{Recording, record};
use frostwatch_kafka::settings::RawTopic;
use frostwatch_kafka::{KafkaFault, partition_of};
use frostwatch_runtime::ports::{Channel, RawOutcome, RawRows};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use support::{DEADLINE, STAMP, Stream, read_all, wait_for};

/// Rows are words, split by spaces: `noise` is dropped, `bad` is rejected, others are activity of one user.
struct Words;

impl RawRows for Words {
    fn rows(&mut self, table: &str, value: &[u8], out: &mut Vec<RawOutcome>) {
        for word in String::from_utf8_lossy(value).split(' ') {
            out.push(match word {
                "noise" => RawOutcome::Dropped { why: "vendor" },
                "bad" => RawOutcome::Rejected { reason: format!("{table}: bad") },
                word => {
                    RawOutcome::Activity { key: b"acme|ana".to_vec(), value: format!("{table} {word}").into_bytes() }
                }
            });
        }
    }
}

fn raw_stream(group: &str) -> Stream {
    raw_stream_of(group, 2)
}

fn raw_stream_of(group: &str, partitions: i32) -> Stream {
    let mut stream = Stream::new(group, 4);
    stream.settings.topics.raw = ["one", "two"].map(|table| RawTopic { table: table.to_owned(), topic: None }).to_vec();
    for (topic, _) in stream.settings.topics.raw() {
        stream.create_mock_topic(&topic, partitions);
    }
    stream
}

fn send(stream: &Stream, table: usize, rows: impl Iterator<Item = (i64, String)>) {
    let (topic, _) = &stream.settings.topics.raw()[table];
    let mut producer = TopicProducer::connect(&stream.settings, topic).unwrap();
    for (stamp, row) in rows {
        producer.send(stamp.to_string().as_bytes(), row.as_bytes(), Some(stamp)).unwrap();
    }
    producer.flush().unwrap();
}

/// A normaliser on a thread of its own.
struct Member {
    stop: Arc<AtomicBool>,
    counts: Arc<Mutex<NormaliseCounts>>,
    thread: std::thread::JoinHandle<Result<(), KafkaFault>>,
}

impl Member {
    fn start(stream: &Stream, rows: impl RawRows + Send + 'static) -> Self {
        let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<Mutex<NormaliseCounts>>::default());
        let shared = (stream.settings.clone(), Arc::clone(&stop), Arc::clone(&counts));
        let thread = std::thread::spawn(move || {
            let (settings, stop, counts) = shared;
            run_normaliser(&settings, 0, rows, NormaliseShared { stop: &stop, counts: &counts })
        });
        Self { stop, counts, thread }
    }

    fn counts(&self) -> NormaliseCounts {
        self.counts.lock().unwrap().clone()
    }

    fn stop(self) -> Result<(), KafkaFault> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

/// Runs a normaliser until its counts are as wanted, then stops it.
fn normalise(stream: &Stream, reached: impl Fn(&NormaliseCounts) -> bool) -> NormaliseCounts {
    let member = Member::start(stream, Words);
    wait_for("the counts", || member.thread.is_finished() || reached(&member.counts()));
    let counts = Arc::clone(&member.counts);
    member.stop().unwrap();
    let counts = counts.lock().unwrap().clone();
    assert!(reached(&counts));
    counts
}

#[test]
fn rows_of_several_topics_are_published_in_the_order_of_their_stamps() {
    let stream = raw_stream("merge");
    send(&stream, 0, (0..2_000).map(|n| (2 * n + 1, format!("{}", 2 * n + 1))));
    send(&stream, 1, (0..2_000).map(|n| (2 * n + 2, format!("{}", 2 * n + 2))));
    let counts = normalise(&stream, |counts| counts.activity == 4_000);
    assert_eq!((counts.consumed, counts.rejected, counts.out_of_order), (4_000, 0, 0));

    let activity = read_all(&stream.settings, &stream.settings.topics.activity());
    let stamps: Vec<_> = activity.iter().map(|m| m.timestamp().to_millis().unwrap()).collect();
    assert_eq!(stamps, (1..=4_000).collect::<Vec<i64>>(), "in order, and each with the stamp of its raw record");
    let values: Vec<_> = activity.iter().map(|m| String::from_utf8_lossy(m.payload().unwrap()).into_owned()).collect();
    assert_eq!(values[..3], ["one 1", "two 2", "one 3"]);
    assert!(activity.iter().all(|m| m.partition() == partition_of(b"acme|ana", 4)), "where Java puts the key");

    send(&stream, 0, [(5_000, "5000".to_owned())].into_iter());
    normalise(&stream, |counts| counts.activity == 1);
    let activity = read_all(&stream.settings, &stream.settings.topics.activity());
    assert_eq!(activity.len(), 4_001, "what was committed is not published again");
}

/// A consumer of the normaliser's group that takes no part in it.
fn asker(stream: &Stream) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", &stream.settings.bootstrap_servers)
        .set("group.id", stream.settings.normalise_group())
        .create()
        .unwrap()
}

/// Rows of which the normaliser's group has committed that they are published.
fn committed_rows(stream: &Stream) -> i64 {
    let asker = asker(stream);
    let mut list = TopicPartitionList::new();
    for (topic, _) in stream.settings.topics.raw() {
        let metadata = asker.fetch_metadata(Some(&topic), DEADLINE).unwrap();
        let partitions = metadata.topics()[0].partitions().len() as i32;
        list.add_partition_range(&topic, 0, partitions - 1);
    }
    let committed = asker.committed_offsets(list, DEADLINE).unwrap();
    let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    committed.elements().iter().map(|elem| offset(elem.offset())).sum()
}

/// Rows that are activity of the user they name.
struct OfUsers;

impl RawRows for OfUsers {
    fn rows(&mut self, _table: &str, value: &[u8], out: &mut Vec<RawOutcome>) {
        out.push(RawOutcome::Activity { key: value.to_vec(), value: value.to_vec() });
    }
}

#[test]
fn two_members_that_catch_up_keep_the_order_of_each_user() {
    const ROWS: i64 = 24_000;
    // An odd count: of an even one, partitions dealt out in turn would meet by chance.
    let mut stream = raw_stream_of("two-members", 3);
    stream.settings.batch.records = 100;
    // The tables of a user alternate, and their rows are far more than a batch.
    for table in 0..2 {
        let (topic, _) = &stream.settings.topics.raw()[table as usize];
        let mut producer = TopicProducer::connect(&stream.settings, topic).unwrap();
        for stamp in (1..=ROWS).filter(|stamp| stamp % 2 == table) {
            let user = format!("acme|user-{}", (stamp / 2) % 10);
            producer.send(user.as_bytes(), user.as_bytes(), Some(stamp)).unwrap();
        }
        producer.flush().unwrap();
    }
    let members = [Member::start(&stream, OfUsers), Member::start(&stream, OfUsers)];
    let made = || members.each_ref().map(|member| member.counts().activity);
    // A partition that moves is counted twice, so what was made says nothing of the end.
    wait_for("all rows are committed", || committed_rows(&stream) >= ROWS);
    assert!(made().iter().all(|made| *made > 0), "both took part: {:?}", made());
    for member in members {
        assert_eq!(member.counts().out_of_order, 0);
        member.stop().unwrap();
    }
    // A partition that moves before its offset is committed is published again from where it stands, which the engine knows
    // by the activity's ids; what is published first of each row is in order.
    let (mut newest, mut seen) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    for message in read_all(&stream.settings, &stream.settings.topics.activity()) {
        let stamp = message.timestamp().to_millis().unwrap();
        if seen.insert(stamp) {
            let earlier = newest.insert(message.key().unwrap().to_vec(), stamp).unwrap_or_default();
            assert!(earlier < stamp, "{earlier} was published before {stamp}");
        }
    }
    assert_eq!(seen.len() as i64, ROWS);
    assert_eq!(newest.len(), 10);
}

#[test]
fn raw_topics_of_different_partition_counts_are_refused() {
    let mut stream = raw_stream("unequal");
    stream.settings.topics.raw.push(RawTopic { table: "three".to_owned(), topic: None });
    stream.create_mock_topic("frostwatch.raw.three", 3);
    let fault = Member::start(&stream, Words).thread.join().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::RawPartitions { .. }), "{fault}");
    assert!(!fault.is_retriable());
    let said = fault.to_string();
    assert!(said.contains("'frostwatch.raw.one' has 2, 'frostwatch.raw.three' has 3"), "{said}");
}

#[test]
fn an_offset_that_a_raw_topic_does_not_hold_is_refused_with_the_command_that_chooses() {
    let stream = raw_stream("raw-lost");
    let (topic, _) = &stream.settings.topics.raw()[0];
    send(&stream, 0, (1..=10).map(|n| (n, format!("{n}"))));
    let group = stream.settings.normalise_group();
    let mut beyond = TopicPartitionList::new();
    beyond.add_partition_offset(topic, 0, Offset::Offset(90)).unwrap();
    asker(&stream).commit(&beyond, CommitMode::Sync).unwrap();

    let member = Member::start(&stream, Words);
    wait_for("the refusal", || member.thread.is_finished());
    let fault = member.stop().unwrap_err();
    let said = fault.to_string();
    assert!(matches!(fault, KafkaFault::RawOutOfRange { partition: 0, committed: 90, .. }), "{said}");
    assert!(said.contains("committed offset 90, but the topic holds 0 to"), "{said}");
    assert!(said.contains("the end of the log was lost") && said.contains("--to-latest --execute"), "{said}");
    assert!(said.contains(&format!("--group {group} --topic {topic}:0")), "{said}");
    assert!(!fault.is_retriable());
    let activity = read_all(&stream.settings, &stream.settings.topics.activity());
    assert_eq!(activity.len(), 0, "nothing is normalised before somebody chose");
}

#[test]
fn what_is_not_activity_is_counted_or_rejected_whole_with_its_origin() {
    let stream = raw_stream("rejects");
    send(&stream, 1, [(7, "noise a bad noise".to_owned()), (8, "b".to_owned())].into_iter());
    let counts = normalise(&stream, |counts| counts.activity == 2 && counts.rejected == 1);
    assert_eq!(counts.dropped.into_iter().collect::<Vec<_>>(), [("vendor", 2)]);
    let rejected = read_all(&stream.settings, &stream.settings.topics.channel(Channel::Rejected));
    let message = &rejected[0];
    assert_eq!((message.key(), message.payload()), (Some(&b"7"[..]), Some(&b"noise a bad noise"[..])));
    assert_eq!(message.timestamp().to_millis(), Some(7));
    let headers = message.headers().unwrap();
    let header = |name| headers.iter().find(|h| h.key == name).and_then(|h| h.value).map(String::from_utf8_lossy);
    assert_eq!(header("__connect.errors.topic").unwrap(), "frostwatch.raw.two");
    assert_eq!(header("__connect.errors.offset").unwrap(), "0");
    assert_eq!(header("__connect.errors.exception.message").unwrap(), "two: bad");
}

/// Rows that are as large as their text says.
struct Large;

impl RawRows for Large {
    fn rows(&mut self, _table: &str, value: &[u8], out: &mut Vec<RawOutcome>) {
        let reason = String::from_utf8_lossy(value).into_owned();
        out.push(RawOutcome::Rejected { reason });
    }
}

#[test]
fn what_is_made_of_a_batch_is_bounded_in_bytes_and_records() {
    for (records, output_bytes, commits_min) in [(1_000, 10_000, 20), (7, 16 << 20, 20)] {
        let mut stream = raw_stream("bounded");
        (stream.settings.batch.records, stream.settings.batch.output_bytes) = (records, output_bytes);
        // Each record is held with its value and the same text as its reason: 2,000 bytes, and six at most in a batch.
        send(&stream, 0, (0..200).map(|n| (n + 1, format!("{n:01000}"))));
        let member = Member::start(&stream, Large);
        wait_for("all rejected", || member.counts().rejected == 200);
        let commits = member.counts().commits;
        assert!(commits >= commits_min, "{commits} commits");
        member.stop().unwrap();
    }
}

#[test]
fn a_recording_holds_what_the_topic_held_with_stamps() {
    let stream = Stream::new("recording", 3);
    stream.send(0, 50);
    let recording = Recording { topic: stream.settings.topics.activity(), ..Recording::default() };
    let mut lines = Vec::new();
    let written = record(&stream.settings, &recording, &AtomicBool::new(false), &mut lines).unwrap();
    assert_eq!(written, 50);
    let mut seen: Vec<i64> = String::from_utf8(lines)
        .unwrap()
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["value"].as_i64().unwrap() + STAMP, line["stamp_ms"]);
            assert_eq!(line["key"], format!("acme|user-{}", line["value"].as_i64().unwrap() % 20));
            line["value"].as_i64().unwrap()
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_recording_may_begin_at_given_offsets_and_may_be_empty() {
    let stream = Stream::new("recording-from", 1);
    let recording = Recording { topic: stream.settings.topics.activity(), ..Recording::default() };
    let no_stop = AtomicBool::new(false);
    assert_eq!(record(&stream.settings, &recording, &no_stop, &mut Vec::new()).unwrap(), 0);
    stream.send(0, 50);
    let recording = Recording { from: [(0, 48)].into(), ..recording };
    assert_eq!(record(&stream.settings, &recording, &no_stop, &mut Vec::new()).unwrap(), 2);
}

#[test]
fn a_producer_waits_for_its_reader_and_can_be_told_not_to() {
    let stream = Stream::new("pace", 1);
    let (position, asked) = (AtomicI64::new(0), AtomicI64::new(0));
    let pace = Pace {
        position: Box::new(|_| position.load(Ordering::Relaxed)),
        ahead_bytes_max: 10_000,
        gave_up: Box::new(|| asked.fetch_add(1, Ordering::Relaxed) > 3),
    };
    let mut producer = TopicProducer::connect(&stream.settings, &stream.settings.topics.activity()).unwrap();
    producer = producer.held_back_by(pace);
    let sent = (0..100).take_while(|_| producer.send(b"k", &[b'x'; 919], None).is_ok()).count();
    assert_eq!(sent, 10, "a thousand bytes each");
    position.store(10, Ordering::Relaxed);
    assert!(producer.send(b"k", &[b'x'; 919], None).is_ok());
    assert_eq!(producer.flush().unwrap(), 11);
    assert_eq!(producer.ends(), [11]);
    position.store(0, Ordering::Relaxed);
    let fault = (0..100).find_map(|_| producer.send(b"k", &[b'x'; 919], None).err()).unwrap();
    assert!(matches!(fault, KafkaFault::GaveUp), "{fault}");
}
