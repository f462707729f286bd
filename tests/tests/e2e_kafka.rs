//! The Kafka edge on a real Apache Kafka broker: topics, a broker that dies, and marks of transactions, none of which
//! the mock cluster knows.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use frostwatch_kafka::KafkaFault;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::state::{self, Choice};
use frostwatch_kafka::topics::{Difference, Finding, Made, TopicSizes, WantedTopic, check, create, wanted};
use frostwatch_runtime::checkpoint::{PROGRESS_KEY, Progress};
use frostwatch_runtime::ports::Channel;
use frostwatch_testkit::broker::{Broker, Settings, unique_name};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use stream::{Member, Seen, Stream, by_key, wait_for, wanted as wanted_outputs};

#[path = "../../engine/kafka/tests/support/stream.rs"]
mod stream;

const WAIT: Duration = Duration::from_mins(1);
const SIZES: TopicSizes = TopicSizes {
    activity_partitions: 3,
    output_partitions: 1,
    raw_partitions: 1,
    replication: 1,
    activity_kept: 600_000,
};

fn stream_on(broker: &Broker) -> Stream {
    let mut stream = Stream::on(broker.bootstrap(), &unique_name("kafka"), SIZES.activity_partitions);
    stream.settings.topics.prefix = format!("{}.", unique_name("kafka"));
    stream
}

async fn with_topics(broker: &Broker) -> Stream {
    let stream = stream_on(broker);
    create(&stream.settings, &wanted(&stream.settings, &SIZES)).await.unwrap();
    stream
}

#[tokio::test]
async fn topics_are_made_once_and_differences_are_explained() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = stream_on(broker);
    let topics = wanted(&stream.settings, &SIZES);
    let missing = check(&stream.settings, &topics).await.unwrap();
    assert_eq!(missing.len(), topics.len());
    assert!(missing.iter().all(|finding| finding.what == Difference::Missing && finding.is_fault()));

    let made = create(&stream.settings, &topics).await.unwrap();
    assert!(made.iter().all(|(_, made)| *made == Made::Created), "{made:?}");
    wait_for_topics(broker, &topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>());
    assert_eq!(check(&stream.settings, &topics).await.unwrap(), []);
    let made = create(&stream.settings, &topics).await.unwrap();
    assert!(made.iter().all(|(_, made)| *made == Made::Existed), "{made:?}");

    let larger = TopicSizes { activity_partitions: 5, activity_kept: 700_000, ..SIZES };
    let findings = check(&stream.settings, &wanted(&stream.settings, &larger)).await.unwrap();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("3 partitions where 5 are wanted; it works as it is"), "{}", told[0]);
    assert!(told[1].contains("retention.ms is 600000, wanted 700000; what is deleted"), "{}", told[1]);
    assert_eq!(findings.iter().map(Finding::is_fault).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_record_too_large_for_the_broker_is_left_out_and_takes_none_with_it() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = stream_on(broker);
    let mut topics = wanted(&stream.settings, &SIZES);
    let limited = |topic: &&mut WantedTopic| topic.name == stream.settings.topics.channel(Channel::Rejected);
    topics.iter_mut().find(limited).unwrap().config.push(("max.message.bytes", "2000".to_owned()));
    create(&stream.settings, &topics).await.unwrap();
    wait_for_topics(broker, &topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>());
    let findings = check(&stream.settings, &wanted(&stream.settings, &SIZES)).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].is_fault() && findings[0].to_string().contains("max.message.bytes is 2000, wanted 1000000"));

    let mut producer = TopicProducer::connect(&stream.settings, &stream.settings.topics.activity()).unwrap();
    for number in 0..100 {
        // What does not compress, and is no number: its output goes to the limited topic.
        let large =
            (0..3_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 26) as u8));
        let value = if number == 50 { large.collect() } else { format!("word {number}") };
        producer.send(b"acme|ana", value.as_bytes(), None).unwrap();
    }
    producer.flush().unwrap();
    let member = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 100);
    let counts = member.counters.read();
    member.stop().unwrap();
    assert_eq!((counts.refused, counts.produced_on(Channel::Rejected)), (1, 99));
    let distinct: BTreeSet<_> = stream.outputs(Channel::Rejected).into_iter().collect();
    assert_eq!(distinct.len(), 99);
}

/// Deletes a partition's records below an offset, as retention does.
async fn delete_below(stream: &Stream, offset: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &stream.settings.bootstrap_servers).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&stream.settings.topics.activity(), 0, Offset::Offset(offset)).unwrap();
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    assert!(deleted.elements().iter().all(|elem| elem.error().is_ok()), "{deleted:?}");
}

async fn with_one_partition(broker: &Broker) -> Stream {
    let mut stream = stream_on(broker);
    stream.partitions = 1;
    let sizes = TopicSizes { activity_partitions: 1, ..SIZES };
    create(&stream.settings, &wanted(&stream.settings, &sizes)).await.unwrap();
    // Small requests and batches, so that little is fetched ahead of what is handed over.
    let consumer = stream.settings.consumer.with("fetch.message.max.bytes", "100").with("queued.min.messages", "1");
    stream.settings.consumer = consumer.with("queued.max.messages.kbytes", "1");
    stream.settings.producer = stream.settings.producer.with("batch.num.messages", "10");
    stream
}

#[tokio::test]
async fn records_deleted_before_they_were_read_are_refused_with_the_choice() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_one_partition(broker).await;
    stream.send(0, 100);
    stream.commit(0, 20, "");
    delete_below(&stream, 50).await;
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(matches!(fault, KafkaFault::OutOfRange { committed: 20, low: 50, high: 100, .. }), "{said}");
    assert!(
        said.contains("records were deleted before they were read") && said.contains("frostwatch state resume --lossy"),
        "{said}"
    );
}

#[tokio::test]
async fn a_past_that_is_deleted_while_it_is_run_again_asks_for_a_new_start_which_runs_what_is_left() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_one_partition(broker).await;
    stream.send(0, 3_000);
    // What lies before offsets that somebody has set is history to learn from.
    stream.commit(0, 3_000, "");
    let seen: Arc<Seen> = Arc::default();
    *seen.hold_at.lock().unwrap() = Some(5);
    let member = Member::start_with(&stream.settings, Arc::clone(&seen));
    wait_for("the past is being run", || seen.records.load(Ordering::Relaxed) >= 6);
    delete_below(&stream, 2_500).await;
    *seen.hold_at.lock().unwrap() = None;
    let fault = member.ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::PastDeleted { low: 2_500, committed: 3_000, .. }), "{fault}");
    assert!(fault.is_retriable());

    let member = Member::start(&stream.settings);
    wait_for("a live board", || member.board.lines().len() == 1 && member.board.is_ready());
    stream.send(3_000, 3_100);
    wait_for("all committed", || stream.committed()[&0] == 3_100);
    assert_eq!(member.counters.read().produced_on(Channel::Alerts), 100);
    member.stop().unwrap();
}

/// The choices of an operator, each on a stream whose engine was killed, or stopped, where it stands.
#[tokio::test]
async fn an_operator_chooses_where_state_offsets_and_topic_do_not_agree() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_one_partition(broker).await;
    let starts = |wanted: u32| {
        let member = Member::start(&stream.settings);
        wait_for("all committed", || stream.committed()[&0] == i64::from(wanted) || member.has_ended());
        assert!(!member.has_ended(), "{:?}", member.ended());
        let counts = member.counters.read();
        let epoch = member.seen.epochs.lock().unwrap().get(&0).copied().unwrap_or_default();
        member.stop().unwrap();
        (counts.produced_on(Channel::Alerts), counts.silent, epoch)
    };
    let choose = |choice| state::choose(&stream.settings, choice, &[]);
    stream.send(0, 100);
    assert_eq!(starts(100), (100, 0, 0));
    let member = Member::start(&stream.settings);
    wait_for("a member", || member.board.is_ready() && !member.board.lines().is_empty());
    let refused = choose(Choice::Resume { lossy: false }).unwrap_err();
    assert!(matches!(refused, KafkaFault::GroupInUse { members: 1, .. }), "{refused}");
    member.stop().unwrap();

    stream.commit(0, 40, "");
    assert!(matches!(
        Member::start(&stream.settings).ended().unwrap(),
        Err(KafkaFault::OffsetsMoved { state: 100, .. })
    ));
    choose(Choice::Resume { lossy: false }).unwrap();
    stream.send(100, 110);
    assert_eq!(starts(110), (10, 1, 0), "on where the state stands");

    stream.commit(0, 60, "");
    let [chosen] = &choose(Choice::Rebuild).unwrap()[..] else { panic!("one partition") };
    assert_eq!((chosen.offset, chosen.epoch, chosen.dropped), (60, 1, stream::KEYS as usize));
    assert_eq!(starts(110), (50, 60, 1), "made anew, in silence, up to the offset that was set");

    delete_below(&stream, 110).await;
    stream.send(110, 120);
    delete_below(&stream, 115).await;
    assert!(matches!(
        Member::start(&stream.settings).ended().unwrap(),
        Err(KafkaFault::OutOfRange { committed: 110, .. })
    ));
    choose(Choice::Resume { lossy: true }).unwrap();
    assert_eq!(starts(120), (5, 0, 2), "what was deleted unread is given up");

    break_off(&stream, broker);
    let refused = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    assert!(matches!(refused, KafkaFault::OffsetsMoved { state: -1, .. }), "{refused}");
    assert!(refused.to_string().contains("make that choice again"), "{refused}");
    let refused = choose(Choice::Resume { lossy: true }).unwrap_err();
    assert!(matches!(refused, KafkaFault::ChoiceBrokenOff { .. }), "{refused}");
    choose(Choice::Forget).unwrap();
    assert_eq!(starts(120), (5, 0, 3), "all that is held is scored again");
    assert!(matches!(
        state::choose(&stream.settings, Choice::Forget, &[1]).unwrap_err(),
        KafkaFault::NoPartition { partition: 1, count: 1, .. }
    ));
    let last = stream.outputs(Channel::Alerts).pop().unwrap();
    assert_eq!(last.1, "119 is number 1");
}

/// Leaves the log of state as an operator's choice does that ends before it is whole.
fn break_off(stream: &Stream, broker: &Broker) {
    let standing = state::survey(&stream.settings, &[]).unwrap().remove(0);
    let under_way = Progress { offset: -1, ..standing.progress.unwrap() }.to_bytes();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
    let changelog = stream.settings.changelog();
    let record = BaseRecord::to(&changelog).partition(0).key(PROGRESS_KEY).payload(&under_way);
    producer.send(record).unwrap();
    producer.flush(WAIT).unwrap();
}

#[tokio::test]
async fn offsets_that_a_tool_has_set_are_forgotten_though_there_is_no_state() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_one_partition(broker).await;
    let forget = || state::choose(&stream.settings, Choice::Forget, &[]);
    assert_eq!(forget().unwrap(), [], "nobody has begun");
    stream.send(0, 100);
    stream.commit(0, 20, "");
    delete_below(&stream, 50).await;
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::OutOfRange { committed: 20, .. }), "{fault}");
    let [chosen] = &forget().unwrap()[..] else { panic!("one partition") };
    assert_eq!((chosen.offset, chosen.epoch), (50, 0));
    let member = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed()[&0] == 100);
    assert_eq!(member.counters.read().produced_on(Channel::Alerts), 50);
    member.stop().unwrap();
}

#[tokio::test]
async fn raw_topics_are_not_made_with_different_partition_counts() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = stream_on(broker);
    let topics = wanted(&stream.settings, &SIZES);
    let mut first = topics.iter().find(|topic| topic.is_raw).unwrap().clone();
    first.partitions = 2;
    let name = first.name.clone();
    create(&stream.settings, &[first]).await.unwrap();
    wait_for_topics(broker, std::slice::from_ref(&name));
    let fault = create(&stream.settings, &topics).await.unwrap_err();
    assert!(matches!(fault, KafkaFault::RawPartitions { .. }), "{fault}");
    let missing = |finding: &&Finding| finding.what == Difference::Missing;
    let findings = check(&stream.settings, &topics).await.unwrap();
    assert_eq!(findings.iter().filter(missing).count(), topics.len() - 1, "nothing was made");

    // Made by hand, one of the others differs: the check says so.
    let others: Vec<_> = topics.iter().filter(|topic| topic.name != name).cloned().collect();
    create(&stream.settings, &others).await.unwrap();
    wait_for_topics(broker, &others.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>());
    let findings = check(&stream.settings, &topics).await.unwrap();
    let unequal: Vec<_> =
        findings.iter().filter(|finding| matches!(finding.what, Difference::RawPartitions { .. })).collect();
    let raw = topics.iter().filter(|topic| topic.is_raw).count();
    assert_eq!(unequal.len(), raw - 1, "{findings:#?}");
    assert!(unequal[0].is_fault());
    assert!(unequal[0].to_string().contains(&format!("1 partitions where {name} has 2")), "{}", unequal[0]);
}

/// A topic is made before its broker tells of it.
fn wait_for_topics(broker: &Broker, names: &[String]) {
    wait_for("the topics", || {
        let reader: rdkafka::consumer::BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
        let metadata = rdkafka::consumer::Consumer::fetch_metadata(&reader, None, WAIT).unwrap();
        names
            .iter()
            .all(|name| metadata.topics().iter().any(|found| found.name() == name && !found.partitions().is_empty()))
    });
}

#[tokio::test]
async fn a_broker_that_dies_under_a_worker_costs_no_record() {
    let Some(broker) = Broker::own(&Settings::default()).unwrap() else { return };
    let stream = with_topics(&broker).await;
    stream.send(0, 300);
    let member = Member::start(&stream.settings);
    wait_for("300 alerts", || member.counters.read().produced_on(Channel::Alerts) == 300);
    broker.kill().unwrap();
    broker.restart().unwrap();
    stream.send(300, 900);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 900);
    member.stop().unwrap();
    let distinct: BTreeSet<_> = stream.outputs(Channel::Alerts).into_iter().collect();
    let all: BTreeSet<_> = wanted_outputs(900)
        .into_iter()
        .flat_map(|(key, values)| values.into_iter().map(move |value| (key.clone(), value)))
        .collect();
    assert_eq!(distinct, all);
}

#[tokio::test]
async fn members_come_and_go_and_one_dies_and_nothing_is_lost() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_topics(broker).await;
    let first = Member::start(&stream.settings);
    stream.send(0, 400);
    let second = Member::start(&stream.settings);
    wait_for("both own partitions", || !first.board.lines().is_empty() && !second.board.lines().is_empty());
    *second.seen.die_at.lock().unwrap() = Some(700);
    *first.seen.die_at.lock().unwrap() = Some(700);
    stream.send(400, 900);
    // Whoever owned the record's partition dies of it, and then the one that takes over does.
    assert!(first.ended().is_err());
    assert!(second.ended().is_err());
    let third = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 900);
    third.stop().unwrap();
    let distinct: BTreeSet<_> = stream.outputs(Channel::Alerts).into_iter().collect();
    assert_eq!(distinct.len(), 900);
}

#[tokio::test]
async fn a_log_that_ends_in_marks_of_transactions_is_restored_to_its_end() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let stream = with_topics(broker).await;
    transaction(&stream, broker, 0..100, true);
    transaction(&stream, broker, 100..150, false);
    let first = Member::start(&stream.settings);
    wait_for("100 alerts", || first.counters.read().produced_on(Channel::Alerts) == 100);
    first.stop().unwrap();
    let second = Member::start(&stream.settings);
    wait_for("a live board", || second.board.lines().len() == 3 && second.board.is_ready());
    assert_eq!(second.counters.read().silent, 3, "the last record of each partition");
    transaction(&stream, broker, 100..200, true);
    wait_for("100 more", || second.counters.read().produced_on(Channel::Alerts) == 100);
    second.stop().unwrap();
    assert_eq!(by_key(stream.outputs(Channel::Alerts)), wanted_outputs(200));
}

fn transaction(stream: &Stream, broker: &Broker, numbers: std::ops::Range<u32>, commit: bool) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("partitioner", "murmur2_random")
        .set("transactional.id", unique_name("writer"))
        .create()
        .unwrap();
    producer.init_transactions(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    let topic = stream.settings.topics.activity();
    for number in numbers {
        let (key, value) = (format!("acme|user-{}", number % stream::KEYS), number.to_string());
        producer.send(BaseRecord::to(&topic).key(&key).payload(&value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WAIT).unwrap();
    if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) }.unwrap();
}
