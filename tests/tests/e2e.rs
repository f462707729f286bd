//! End-to-end tests against a real Apache Kafka broker.
//!
//! Without Java or Maven they say aloud that they did not run; `FROSTWATCH_E2E=required` makes that a failure, and
//! `FROSTWATCH_TEST_BROKERS` names brokers to use.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy knows neither its helpers nor tokio's tests"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use frostwatch_testkit::broker::{Broker, Settings, proxied_port, unique_name};
use frostwatch_testkit::proxy::Proxy;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

/// A bound for what takes milliseconds, so that a hang is a failure.
const WAIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn what_is_produced_is_consumed_by_a_group() {
    let Some(broker) = Broker::shared().unwrap() else { return };
    let topic = unique_name("e2e.round-trip");
    create_topic(broker, &topic, 3).await;
    let producer: FutureProducer = client(broker).create().unwrap();
    let sent: BTreeMap<String, String> = (0..100).map(|n| (format!("acme|user{n}"), format!("activity {n}"))).collect();
    for (key, value) in &sent {
        producer.send(FutureRecord::to(&topic).key(key).payload(value), WAIT).await.unwrap();
    }
    assert_eq!(consume(broker, &topic, sent.len()).await, sent);
}

#[tokio::test]
async fn committed_transactions_outlive_a_killed_broker_and_aborted_ones_are_not_read() {
    let Some(broker) = Broker::own(&Settings::default()).unwrap() else { return };
    let topic = unique_name("e2e.transactions");
    create_topic(&broker, &topic, 1).await;
    let producer: FutureProducer = client(&broker).set("transactional.id", unique_name("e2e.writer")).create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    for (key, commit) in [("kept", true), ("aborted", false), ("kept too", true)] {
        producer.begin_transaction().unwrap();
        producer.send(FutureRecord::to(&topic).key(key).payload("x"), WAIT).await.unwrap();
        if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) }.unwrap();
    }

    broker.kill().unwrap();
    broker.restart().unwrap();

    let expected = ["kept", "kept too"].map(|key| (key.to_owned(), "x".to_owned()));
    assert_eq!(consume(&broker, &topic, expected.len()).await, BTreeMap::from(expected));
}

#[tokio::test]
async fn clients_that_come_through_the_proxy_stay_behind_it() {
    let proxy = Proxy::listen(7).unwrap();
    let settings = Settings { proxy_port: proxy.port(), ..Settings::default() };
    let Some(broker) = Broker::own(&settings).unwrap() else { return };
    proxy.forward_to(proxied_port(broker.port().unwrap()));
    let topic = unique_name("e2e.proxied");
    create_topic(&broker, &topic, 1).await;
    let behind: FutureProducer =
        client(&broker).set("bootstrap.servers", format!("127.0.0.1:{}", proxy.port())).create().unwrap();
    let metadata = behind.client().fetch_metadata(None, WAIT).unwrap();
    assert_eq!(metadata.brokers()[0].port(), i32::from(proxy.port()));
    behind.send(FutureRecord::to(&topic).key("one").payload("x"), WAIT).await.unwrap();
    // Whatever it has open is cut, the broker comes back on its ports, and the client goes on where it was.
    assert!(proxy.cut(1) > 0);
    broker.restart().unwrap();
    behind.send(FutureRecord::to(&topic).key("two").payload("x"), WAIT).await.unwrap();
    assert!(proxy.accepted() > 2);
    let expected = ["one", "two"].map(|key| (key.to_owned(), "x".to_owned()));
    assert_eq!(consume(&broker, &topic, expected.len()).await, BTreeMap::from(expected));
}

fn client(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    config
}

async fn create_topic(broker: &Broker, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = client(broker).create().unwrap();
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for outcome in admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        outcome.unwrap();
    }
}

/// Reads the topic from its start as a group of one, committed records only, until `count` records came.
async fn consume(broker: &Broker, topic: &str, count: usize) -> BTreeMap<String, String> {
    let consumer: StreamConsumer = client(broker)
        .set("group.id", unique_name("e2e.reader"))
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut received = BTreeMap::new();
    for _ in 0..count {
        let message = tokio::time::timeout(WAIT, consumer.recv()).await.expect("no record in time").unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        received.insert(text(message.key()), text(message.payload()));
    }
    received
}
