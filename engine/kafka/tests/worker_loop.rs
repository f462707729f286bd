//! The worker's loop on librdkafka's mock cluster.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/stream.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::{Counters, KafkaFault, Shared, Versions, run_workers};
use frostwatch_runtime::board::{Board, Phase};
use frostwatch_runtime::ports::Channel;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{Counting, Member, Seen, Stream, by_key, versions, wait_for, wanted};

#[test]
fn every_record_becomes_an_output_and_a_stop_commits_all() {
    let stream = Stream::new("whole", 4);
    stream.send(0, 1_000);
    let member = Member::start(&stream.settings);
    wait_for("1,000 alerts", || member.counters.read().produced_on(Channel::Alerts) == 1_000);
    assert!(member.board.lines().iter().all(|(_, line)| line.phase == Phase::Live));
    let (counters, board) = (member.counters.clone(), member.board.clone());
    member.stop().unwrap();

    assert_eq!(by_key(stream.outputs(Channel::Alerts)), wanted(1_000));
    assert_eq!(stream.committed().values().sum::<i64>(), 1_000);
    let counts = counters.read();
    assert_eq!((counts.consumed, counts.silent, counts.misrouted, counts.refused), (1_000, 0, 0, 0));
    assert!(board.lines().is_empty(), "what was given back is off the board");
}

#[test]
fn a_restart_runs_the_past_again_in_silence() {
    let stream = Stream::new("again", 3);
    stream.send(0, 600);
    let member = Member::start(&stream.settings);
    wait_for("600 alerts", || member.counters.read().produced_on(Channel::Alerts) == 600);
    member.stop().unwrap();

    stream.send(600, 1_000);
    let member = Member::start(&stream.settings);
    wait_for("400 more", || member.counters.read().produced_on(Channel::Alerts) == 400);
    let counts = member.counters.read();
    assert_eq!((counts.consumed, counts.silent), (1_000, 600));
    member.stop().unwrap();
    // Each exactly once, and the counts go on where they were: state is right though its outputs were thrown away.
    assert_eq!(by_key(stream.outputs(Channel::Alerts)), wanted(1_000));
}

#[test]
fn a_restart_with_nothing_new_becomes_live_and_says_nothing() {
    let stream = Stream::new("quiet", 2);
    stream.send(0, 100);
    let member = Member::start(&stream.settings);
    wait_for("100 alerts", || member.counters.read().produced_on(Channel::Alerts) == 100);
    member.stop().unwrap();
    let member = Member::start(&stream.settings);
    wait_for("a live board", || member.board.lines().len() == 2 && member.board.is_ready());
    assert_eq!(member.counters.read().silent, 100);
    member.stop().unwrap();
    assert_eq!(stream.outputs(Channel::Alerts).len(), 100);
}

#[test]
fn a_crash_repeats_the_same_outputs_and_loses_none() {
    let stream = Stream::new("crash", 2);
    stream.send(0, 500);
    let member = Member::start(&stream.settings);
    wait_for("500 alerts", || member.counters.read().produced_on(Channel::Alerts) == 500);
    *member.seen.die_at.lock().unwrap() = Some(700);
    stream.send(500, 900);
    assert!(member.ended().is_err(), "it panicked");

    let member = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 900);
    member.stop().unwrap();
    let distinct: BTreeSet<_> = stream.outputs(Channel::Alerts).into_iter().collect();
    let wanted: BTreeSet<_> = wanted(900)
        .into_iter()
        .flat_map(|(key, values)| values.into_iter().map(move |value| (key.clone(), value)))
        .collect();
    assert_eq!(distinct, wanted);
}

#[test]
fn records_that_cannot_be_read_are_rejected_with_their_origin_and_stop_nothing() {
    let stream = Stream::new("poison", 1);
    let mut producer = TopicProducer::connect(&stream.settings, &stream.settings.topics.activity()).unwrap();
    for value in [&b"1"[..], b"{\"not\": \"activity\"", &[0xff, 0, 0xfe], b"", b"2"] {
        producer.send(b"acme|ana", value, None).unwrap();
    }
    producer.flush().unwrap();
    let member = Member::start(&stream.settings);
    wait_for("five outputs", || member.counters.read().produced.iter().sum::<u64>() == 5);
    member.stop().unwrap();
    assert_eq!(stream.outputs(Channel::Alerts).len(), 2);
    let rejected = support::read_all(&stream.settings, &stream.settings.topics.channel(Channel::Rejected));
    let values: Vec<_> = rejected.iter().map(|m| rdkafka::Message::payload(m).unwrap_or_default().to_vec()).collect();
    assert_eq!(values, [&b"{\"not\": \"activity\""[..], &[0xff, 0, 0xfe], b""]);
    assert_eq!(stream.committed()[&0], 5);
}

#[test]
fn two_members_share_the_partitions_and_move_them_without_losing_a_record() {
    let stream = Stream::new("two", 8);
    stream.send(0, 400);
    let first = Member::start(&stream.settings);
    wait_for("400 alerts", || first.counters.read().produced_on(Channel::Alerts) == 400);
    let second = Member::start(&stream.settings);
    wait_for("half of the partitions each", || first.board.lines().len() == 4 && second.board.lines().len() == 4);
    stream.send(400, 1_000);
    wait_for("600 more", || {
        [&first, &second].iter().map(|m| m.counters.read().produced_on(Channel::Alerts)).sum::<u64>() == 1_000
    });
    // Cooperative: what stayed was never closed.
    let closed = first.seen.moves.lock().unwrap().iter().filter(|(_, opened)| !opened).count();
    assert_eq!(closed, 4);
    first.stop().unwrap();
    wait_for("all partitions with the second", || second.board.lines().len() == 8);
    stream.send(1_000, 1_200);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 1_200);
    second.stop().unwrap();
    assert_eq!(by_key(stream.outputs(Channel::Alerts)), wanted(1_200));
}

#[track_caller]
fn check_refused(group: &str, offset: i64, note: &str, wanted: &str) {
    let stream = Stream::new(group, 1);
    stream.send(0, 10);
    stream.commit(0, offset, note);
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    assert!(fault.to_string().contains(wanted), "{fault}");
    assert!(!fault.is_retriable());
    assert!(stream.outputs(Channel::Alerts).is_empty());
}

#[test]
fn an_offset_beyond_the_end_is_refused_with_the_choice() {
    check_refused(
        "truncated",
        11,
        "",
        "the end of the log was lost. Nothing is skipped in silence; choose with `kafka-consumer-groups --group truncated",
    );
}

#[test]
fn another_partition_count_is_refused_with_the_choice() {
    check_refused(
        "recount",
        5,
        r#"frostwatch {"partitions":2,"versions":{"rules":"1"}}"#,
        "has 1 partitions, group 'recount' was built on 2",
    );
}

#[test]
fn a_change_of_versions_is_refused_until_it_is_accepted_and_then_has_an_epoch_of_its_own() {
    let stream = Stream::new("versions", 2);
    stream.send(0, 100);
    let start = |rules: &str, accept| Member::start_under(&stream.settings, Arc::default(), versions(rules, accept));
    let epochs = |member: &Member| member.seen.epochs.lock().unwrap().values().copied().collect::<Vec<_>>();
    let member = start("1", false);
    wait_for("100 alerts", || member.counters.read().produced_on(Channel::Alerts) == 100);
    assert_eq!(epochs(&member), [0, 0]);
    member.stop().unwrap();

    let fault = start("2", false).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(matches!(fault, KafkaFault::Changed { epoch: 0, .. }), "{said}");
    assert!(!fault.is_retriable());
    assert!(
        said.contains("group 'versions'") && said.contains("rules 1 → 2") && said.contains("--accept-change"),
        "{said}"
    );

    let member = start("2", true);
    wait_for("the change is committed without a record", || member.counters.read().commits > 0);
    assert_eq!(epochs(&member), [1, 1]);
    member.stop().unwrap();
    // From now on it is no change, whether accepted or not.
    for accept in [false, true] {
        let member = start("2", accept);
        wait_for("a live board", || member.board.lines().len() == 2 && member.board.is_ready());
        assert_eq!(epochs(&member), [1, 1]);
        member.stop().unwrap();
    }
    assert_eq!(stream.outputs(Channel::Alerts).len(), 100, "nothing was sent again");
}

#[test]
fn a_missing_topic_is_refused_with_the_command() {
    let stream = Stream::new("missing", 1);
    let mut settings = stream.settings.clone();
    settings.topics.activity = Some("nowhere".to_owned());
    let fault = Member::start(&settings).ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::MissingTopic { .. }), "{fault}");
    assert!(fault.to_string().contains("frostwatch topics create"));
}

#[test]
fn an_output_too_large_for_the_broker_is_refused_and_stops_nothing() {
    let stream = Stream::new("large", 1);
    let mut producer = TopicProducer::connect(&stream.settings, &stream.settings.topics.activity()).unwrap();
    for value in ["1".to_owned(), "x".repeat(3_000), "2".to_owned()] {
        producer.send(b"acme|ana", value.as_bytes(), None).unwrap();
    }
    producer.flush().unwrap();
    let mut settings = stream.settings.clone();
    settings.producer = settings.producer.with("message.max.bytes", "2000");
    let member = Member::start(&settings);
    wait_for("all committed", || stream.committed()[&0] == 3);
    let counts = member.counters.read();
    member.stop().unwrap();
    assert_eq!((counts.refused, counts.produced_on(Channel::Alerts), counts.produced_on(Channel::Rejected)), (1, 2, 0));
    assert_eq!(stream.outputs(Channel::Alerts).len(), 2);
}

#[test]
fn a_request_the_broker_refuses_for_its_size_costs_none_of_its_records() {
    let stream = Stream::new("refused", 2);
    stream.send(0, 500);
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE];
    stream.mock.as_ref().unwrap().cluster().request_errors(RDKafkaApiKey::Produce, &errors);
    let member = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed().values().sum::<i64>() == 500);
    let counts = member.counters.read();
    member.stop().unwrap();
    assert_eq!((counts.refused, counts.produced_on(Channel::Alerts)), (0, 500));
    assert!(counts.resent > 0, "{counts:?}");
    // The round is repeated whole: of each key the last run of outputs is complete and in order.
    for (key, wanted) in wanted(500) {
        let of_key = by_key(stream.outputs(Channel::Alerts)).remove(&key).unwrap();
        let distinct: BTreeSet<_> = of_key.iter().collect();
        assert_eq!(distinct.len(), wanted.len());
        assert_eq!(of_key.last(), wanted.last());
    }
}

#[test]
fn the_first_fault_stops_all_workers_of_a_process() {
    let stream = Stream::new("fleet", 4);
    stream.send(0, 100);
    let seen: Arc<Seen> = Arc::default();
    *seen.die_at.lock().unwrap() = Some(60);
    let (stop, board, counters) = (AtomicBool::new(false), Board::default(), Counters::default());
    let versions = Versions::default();
    let shared = Shared { stop: &stop, board: &board, counters: &counters, versions: &versions, on_refused: &|_| {} };
    let fault = run_workers(2, &stream.settings, |_| Counting::watched_by(&seen), shared).unwrap_err();
    assert!(matches!(&fault, KafkaFault::Panicked { message, .. } if message.contains("told to die")), "{fault}");
    assert!(board.lines().is_empty());
}
