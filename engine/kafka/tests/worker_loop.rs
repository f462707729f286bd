//! The worker's loop on librdkafka's mock cluster.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/stream.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::settings::Delivery;
use frostwatch_kafka::{Counters, KafkaFault, Pulse, Shared, run_workers};
use frostwatch_runtime::board::{Board, Phase};
use frostwatch_runtime::checkpoint::{Landmark, PROGRESS_KEY, PROGRESS_SCHEMA, Progress, TaskProgress};
use frostwatch_runtime::ports::Channel;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{Counting, Member, Rules, Seen, Stream, by_key, wait_for, wanted};

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
fn after_a_stop_nothing_is_run_again_but_the_record_by_which_the_log_is_known() {
    let stream = Stream::new("again", 3);
    stream.send(0, 600);
    let member = Member::start(&stream.settings);
    wait_for("600 alerts", || member.counters.read().produced_on(Channel::Alerts) == 600);
    member.stop().unwrap();

    stream.send(600, 1_000);
    let member = Member::start(&stream.settings);
    wait_for("400 more", || member.counters.read().produced_on(Channel::Alerts) == 400);
    let counts = member.counters.read();
    assert_eq!((counts.consumed, counts.silent), (403, 3));
    assert!(counts.state_restored >= 20, "{counts:?}");
    member.stop().unwrap();
    // Each exactly once, and the counts go on where they were.
    assert_eq!(by_key(stream.outputs(Channel::Alerts)), wanted(1_000));
}

#[test]
fn after_a_crash_only_the_tail_is_run_again() {
    let mut stream = Stream::new("tail", 1);
    stream.settings.state.tail_records = 100;
    stream.settings.batch.records = 50;
    stream.send(0, 600);
    let member = Member::start(&stream.settings);
    wait_for("all committed", || stream.committed()[&0] == 600);
    *member.seen.die_at.lock().unwrap() = Some(650);
    stream.send(600, 700);
    assert!(member.ended().is_err(), "it panicked");
    let member = Member::start(&stream.settings);
    wait_for("all committed again", || stream.committed()[&0] == 700);
    let silent = member.counters.read().silent;
    member.stop().unwrap();
    assert!((1..=150).contains(&silent), "{silent} run again: the tail and a batch");
    for (key, of_key) in wanted(700) {
        let found = by_key(stream.outputs(Channel::Alerts)).remove(&key).unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), of_key.into_iter().collect());
    }
}

#[test]
fn offsets_set_before_the_first_start_make_the_past_history() {
    let stream = Stream::new("warm", 1);
    stream.send(0, 100);
    stream.commit(0, 60, "");
    let member = Member::start(&stream.settings);
    wait_for("40 alerts", || member.counters.read().produced_on(Channel::Alerts) == 40);
    assert_eq!(member.counters.read().silent, 60);
    member.stop().unwrap();
    let last = stream.outputs(Channel::Alerts).pop().unwrap();
    assert_eq!(last.1, "99 is number 5");
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

/// The year 2100.
const AHEAD: i64 = 4_102_444_800_000;
/// The note of an offset that the engine has committed.
const OURS: &str = r#"frostwatch {"epoch":0,"partitions":1}"#;

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
        "the end of the log was lost. Nothing is skipped in silence; choose: `frostwatch state resume --lossy`",
    );
}

/// A stream of `records` records of which 10 are scored, as its log of state says. (The mock takes no offsets from a tool
/// once a group has had members.)
fn scored_ten(group: &str, records: u32, last_stamp: i64) -> Stream {
    let stream = Stream::new(group, 1);
    stream.send(0, records);
    write_progress(&stream, 10, last_stamp);
    stream
}

fn write_progress(stream: &Stream, offset: i64, last_stamp: i64) {
    let progress = Progress {
        schema: PROGRESS_SCHEMA.to_owned(),
        offset,
        low_water: offset,
        rebuild: false,
        unsettled: false,
        epoch: 0,
        partitions: 1,
        last: Some(Landmark { offset: offset - 1, stamp: Some(last_stamp) }),
        misrouted: 0,
        task: TaskProgress::default(),
    };
    let mut producer = TopicProducer::connect(&stream.settings, &stream.settings.changelog()).unwrap();
    producer.send(PROGRESS_KEY, &progress.to_bytes(), None).unwrap();
    producer.flush().unwrap();
}

#[track_caller]
fn check_refused_start(stream: &Stream, wanted: &[&str]) {
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    assert!(!fault.is_retriable());
    assert!(stream.outputs(Channel::Alerts).is_empty(), "nothing is sent");
}

#[test]
fn offsets_that_another_tool_has_set_are_refused_with_the_choice() {
    for (group, offset) in [("moved-back", Some(4)), ("moved-on", Some(15)), ("expired", None)] {
        let mut stream = scored_ten(group, 20, support::STAMP + 9);
        match offset {
            Some(offset) => stream.commit(0, offset, ""),
            // Where offsets follow outputs, a crash before the first commit looks like that.
            None => stream.settings.delivery = Delivery::ExactlyOnce,
        }
        check_refused_start(&stream, &["stands at offset 10", "frostwatch state resume", "frostwatch state rebuild"]);
    }
}

#[test]
fn state_that_was_read_too_early_is_read_again() {
    let stream = scored_ten("early", 20, support::STAMP + 9);
    stream.commit(0, 15, OURS);
    let seen = Arc::<Seen>::default();
    *seen.hold_opening.lock().unwrap() = Some(2);
    let member = Member::start_with(&stream.settings, Arc::clone(&seen));
    wait_for("the second reading", || seen.moves.lock().unwrap().len() == 3);
    // The former owner's commit ends.
    write_progress(&stream, 15, support::STAMP + 14);
    *seen.hold_opening.lock().unwrap() = None;
    wait_for("5 alerts", || member.counters.read().produced_on(Channel::Alerts) == 5);
    member.stop().unwrap();
    assert_eq!(stream.outputs(Channel::Alerts)[0].1, "15 is number 1");
}

#[test]
fn state_that_stays_behind_an_offset_of_the_engine_asks_for_another_start() {
    let stream = scored_ten("behind", 20, support::STAMP + 9);
    stream.commit(0, 15, OURS);
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::StateBehind { committed: 15, state: 10, .. }), "{fault}");
    assert!(fault.is_retriable());
    assert!(stream.outputs(Channel::Alerts).is_empty(), "nothing is sent");
}

#[test]
fn a_topic_made_anew_is_known_by_its_record() {
    let stream = scored_ten("anew", 20, support::STAMP - 1);
    stream.commit(0, 10, OURS);
    check_refused_start(&stream, &["the record at offset 9 is not the one that was scored", "frostwatch state forget"]);
    let same = scored_ten("same", 20, support::STAMP + 9);
    same.commit(0, 10, OURS);
    let member = Member::start(&same.settings);
    wait_for("10 alerts", || member.counters.read().produced_on(Channel::Alerts) == 10);
    member.stop().unwrap();
}

#[test]
fn state_that_is_gone_is_refused_with_the_choice() {
    let stream = Stream::new("gone", 1);
    stream.send(0, 10);
    stream.commit(0, 10, OURS);
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    assert!(fault.to_string().contains("'gone-changelog' holds nothing of its state"), "{fault}");
}

#[test]
fn another_number_of_partitions_is_refused_with_the_choice() {
    let stream = Stream::new("recount", 2);
    let mut settings = stream.settings.clone();
    stream.create_mock_topic("wider", 3);
    settings.topics.activity = Some("wider".to_owned());
    let fault = Member::start(&settings).ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::StatePartitions { wanted: 3, found: 2, .. }), "{fault}");
}

#[test]
fn rules_are_switched_where_the_past_ends_and_the_past_is_run_again_under_those_it_had() {
    let mut stream = Stream::new("rules", 1);
    // The mock knows no offset of a time, and records ahead of the clock do not ask for one.
    stream.first_stamp = AHEAD;
    let start = |rules: Rules| Member::start_under(&stream.settings, Arc::default(), rules);
    let epochs = |member: &Member| member.seen.epochs.lock().unwrap().values().copied().collect::<Vec<_>>();
    let dies = |member: Member, from: u32| {
        stream.send(from, from + 20);
        wait_for("all committed", || stream.committed()[&0] == i64::from(from) + 20);
        *member.seen.die_at.lock().unwrap() = Some(from + 30);
        stream.send(from + 20, from + 40);
        assert!(member.ended().is_err(), "it panicked");
    };
    dies(start(Rules::named("1")), 0);
    // Whoever has other rules runs the tail again under the kept text of the former ones, and then turns.
    let member = start(Rules::named("2"));
    wait_for("it turned", || member.counters.read().turns == 1);
    assert_eq!(epochs(&member), [0]);
    dies(member, 40);
    // Here the text is not kept.
    dies(start(Rules { has_content: false, ..Rules::named("3") }), 80);
    let fault = start(Rules::named("4")).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(matches!(fault, KafkaFault::Changed { epoch: 0, .. }), "{said}");
    assert!(!fault.is_retriable());
    assert!(said.contains("group 'rules'") && said.contains("→ 4") && said.contains("--accept-change"), "{said}");
    let sent = stream.outputs(Channel::Alerts);
    let member = start(Rules { accept_change: true, ..Rules::named("4") });
    wait_for("all committed", || stream.committed()[&0] == 120);
    assert_eq!(epochs(&member), [1]);
    let read_back = member.seen.sent_before.lock().unwrap().clone();
    member.stop().unwrap();
    let read_back: BTreeSet<String> = read_back.into_iter().map(|(_, said)| said).collect();
    let sent = sent.into_iter().map(|(key, value)| format!("{key}: {value}"));
    assert_eq!(read_back, sent.collect(), "all that was sent is read back before");
    assert_eq!(settled(&stream).len(), 1, "what is run again flows, and then what takes back");
    let again = stream.outputs(Channel::Alerts).into_iter().filter(|(_, value)| value.starts_with("85 is number"));
    assert_eq!(again.count(), 2);
}

/// What tasks said at the end of pasts that were run again aloud.
fn settled(stream: &Stream) -> Vec<String> {
    let said = stream.outputs(Channel::Alerts).into_iter().map(|(_, value)| value);
    said.filter(|value| value.ends_with("is settled")).collect()
}

#[test]
fn a_past_whose_re_run_aloud_was_broken_off_is_run_aloud_by_whoever_comes_next() {
    let stream = Stream::new("unsettled", 1);
    let start = |rules: Rules| Member::start_under(&stream.settings, Arc::default(), rules);
    let epochs = |member: &Member| member.seen.epochs.lock().unwrap().values().copied().collect::<Vec<_>>();
    let accepting = Rules { accept_change: true, ..Rules::named("2") };
    let member = start(Rules { has_content: false, ..Rules::named("1") });
    stream.send(0, 20);
    wait_for("all committed", || stream.committed()[&0] == 20);
    *member.seen.die_at.lock().unwrap() = Some(20);
    stream.send(20, 40);
    assert!(member.ended().is_err(), "it panicked");
    let seen = Arc::<Seen>::default();
    // In the midst of the past.
    *seen.die_at.lock().unwrap() = Some(10);
    let member = Member::start_under(&stream.settings, seen, accepting);
    assert!(member.ended().is_err(), "it panicked");
    let fault = start(Rules::named("2")).ended().unwrap().unwrap_err();
    assert!(matches!(fault, KafkaFault::Changed { epoch: 1, .. }), "{fault}");
    // The former ruling is at hand again, and yet what the other one may have sent is taken back.
    let member = start(Rules::named("1"));
    wait_for("all committed", || stream.committed()[&0] == 40);
    assert_eq!(epochs(&member), [2]);
    member.stop().unwrap();
    assert_eq!(settled(&stream), ["0..20 is settled"]);
    let member = start(Rules::named("1"));
    wait_for("a live board", || member.board.is_ready() && !member.board.lines().is_empty());
    assert_eq!(epochs(&member), [2]);
    member.stop().unwrap();
    assert_eq!(settled(&stream).len(), 1);
}

#[test]
fn from_the_first_record_on_that_is_new_the_rules_of_the_process_hold() {
    let stream = Stream::new("first", 1);
    stream.send(0, 20);
    let member = Member::start(&stream.settings);
    wait_for("20 alerts", || member.counters.read().produced_on(Channel::Alerts) == 20);
    member.stop().unwrap();
    // They lie there when the next one begins, and come in one batch with the record by which the log is known.
    stream.send(20, 40);
    let member = Member::start_under(&stream.settings, Arc::default(), Rules::named("2"));
    wait_for("20 more", || member.counters.read().produced_on(Channel::Alerts) == 20);
    let seen = member.seen.rules.lock().unwrap().clone();
    member.stop().unwrap();
    let wanted: Vec<(i64, String)> = (20..40).map(|offset| (offset, "2".to_owned())).collect();
    assert_eq!(seen, wanted);
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
    let shared = Shared {
        stop: &stop,
        board: &board,
        counters: &counters,
        pulse: &Pulse::default(),
        accept_change: false,
        on_refused: &|_| {},
    };
    let fault = run_workers(2, &stream.settings, |_| Counting::watched_by(&seen), shared).unwrap_err();
    assert!(matches!(&fault, KafkaFault::Panicked { message, .. } if message.contains("told to die")), "{fault}");
    assert!(board.lines().is_empty());
}
