use frostwatch_detect::time::Lateness;
use frostwatch_geoip::NoGeo;
use frostwatch_kafka::mock::MockKafka;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_runtime::pipeline::{CurrentRuling, Origin};
use frostwatch_runtime::ports::{Channel, RawOutcome};

use super::*;
use crate::config;
use crate::engine::{Located, ruling, shared};

/// Rows that our own bug meets.
struct Broken;

impl RawRows for Broken {
    fn rows(&mut self, _table: &str, _value: &[u8], _out: &mut Vec<RawOutcome>) {
        panic!("told to die");
    }
}

#[test]
fn a_normaliser_that_panics_ends_the_process_and_is_named() {
    let cluster = MockKafka::start().unwrap();
    let settings = cluster.settings();
    let raw = settings.topics.raw().into_iter().map(|(topic, _)| topic);
    let channels = Channel::OUTPUTS.map(|channel| settings.topics.channel(channel));
    for topic in raw.chain(channels).chain([settings.topics.activity(), settings.changelog(), settings.topics.tables()])
    {
        cluster.create_topic(&topic, 1).unwrap();
    }
    let mut producer = TopicProducer::connect(&settings, &settings.topics.raw()[0].0).unwrap();
    producer.send(b"acme|ana", b"{}", Some(1)).unwrap();
    producer.flush().unwrap();
    let observed = Observed {
        board: Board::default(),
        counters: Counters::default(),
        pulse: Pulse::default(),
        normalised: Mutex::default(),
        shared: shared(Origin::default()),
        current: Arc::new(CurrentRuling::new(Arc::new(ruling(
            config::rules(None).unwrap(),
            Located::Nothing(NoGeo::new()),
            Lateness::DEFAULT,
        )))),
    };
    let stop = AtomicBool::new(false);
    let fault = run_threads(&settings, 1, Some(Broken), false, &observed, &stop).unwrap_err();
    assert_eq!(fault.to_string(), "normaliser panicked: told to die");
}

#[test]
fn a_process_that_stands_still_or_does_not_stop_says_so_and_where_it_is() {
    let check = |stands_still, stopping, at, wanted: Option<&str>| {
        let why = overdue(Duration::from_secs(stands_still), Duration::from_secs(stopping), at);
        assert_eq!(why.is_some(), wanted.is_some(), "{why:?}");
        assert!(why.unwrap_or_default().contains(wanted.unwrap_or_default()));
    };
    check(180, 50, "worker 0 connects", None);
    check(181, 0, "worker 1 leaves the group", Some("still for 181 s (worker 1 leaves the group); what"));
    check(0, 51, "", Some("was asked to stop 51 s ago and has not (the normaliser); what"));
}

#[test]
fn the_fault_that_made_the_process_end_is_told() {
    let missing = || Err(KafkaFault::MissingTopic { topic: "raw".to_owned() });
    let hanging = || Err(KafkaFault::LeftHanging(1));
    let check = |workers, normaliser, wanted: &str| {
        assert!(cause(workers, normaliser).unwrap_err().to_string().contains(wanted));
    };
    check(Ok(()), missing(), "raw");
    check(hanging(), missing(), "raw");
    check(missing(), hanging(), "raw");
    check(hanging(), Ok(()), "did not let go");
    assert!(cause(Ok(()), Ok(())).is_ok());
}
