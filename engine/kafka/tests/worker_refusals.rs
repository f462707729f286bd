//! What ends a worker: the fault, in words that say what to do.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/stream.rs"]
mod support;

use std::sync::Arc;

use frostwatch_kafka::KafkaFault;
use frostwatch_runtime::ports::Channel;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::{Member, Rules, Seen, Stream, wait_for};

#[test]
fn each_topic_that_is_missing_is_named_with_the_command() {
    let stream = Stream::new("missing", 1);
    let names = |set: &dyn Fn(&mut frostwatch_kafka::settings::TopicNames)| {
        let mut settings = stream.settings.clone();
        set(&mut settings.topics);
        settings
    };
    let nowhere = || Some("nowhere".to_owned());
    for settings in [
        names(&|topics| topics.activity = nowhere()),
        names(&|topics| topics.alerts = nowhere()),
        names(&|topics| topics.suppressions = nowhere()),
        names(&|topics| topics.late = nowhere()),
        names(&|topics| topics.rejected = nowhere()),
        names(&|topics| topics.tables = nowhere()),
    ] {
        let fault = Member::start(&settings).ended().unwrap().unwrap_err();
        assert!(matches!(&fault, KafkaFault::MissingTopic { topic } if topic == "nowhere"), "{fault}");
        assert!(fault.to_string().contains("topic 'nowhere' does not exist; `frostwatch topics create`"), "{fault}");
        assert!(!fault.is_retriable());
    }
}

#[test]
fn outputs_that_this_user_may_not_write_end_the_worker_with_what_to_ask_for() {
    let stream = Stream::new("muted", 1);
    stream.send(0, 10);
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    stream.mock.as_ref().unwrap().cluster().request_errors(RDKafkaApiKey::Produce, &errors);
    let fault = Member::start(&stream.settings).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(said.contains("'frostwatch.alerts.v1' were not accepted"), "{said}");
    assert!(said.contains("their input is not committed") && said.contains("`frostwatch topics acls`"), "{said}");
    assert!(!fault.is_retriable());
    assert_eq!(stream.committed()[&0], 0);
}

/// A stream of which 20 records are scored under rules whose text is not kept, and not all of their state is written.
fn crashed(group: &str) -> Stream {
    let mut stream = Stream::new(group, 1);
    // The year 2100: the mock knows no offset of a time, and records ahead of the clock do not ask for one.
    stream.first_stamp = 4_102_444_800_000;
    let lost = Rules { has_content: false, ..Rules::named("1") };
    let member = Member::start_under(&stream.settings, Arc::default(), lost);
    stream.send(0, 20);
    wait_for("all committed", || stream.committed()[&0] == 20);
    *member.seen.die_at.lock().unwrap() = Some(20);
    stream.send(20, 40);
    assert!(member.ended().is_err(), "it panicked");
    stream
}

const ACCEPTING: Rules = Rules { accept_change: true, ..Rules::named("2") };

#[test]
fn a_past_that_cannot_be_run_under_the_present_ruling_is_refused_and_nothing_is_sent() {
    let stream = crashed("unturned");
    let before = stream.outputs(Channel::Alerts).len();
    let seen = Arc::<Seen>::default();
    *seen.refuse_turns.lock().unwrap() = Some("255 rulings are known".to_owned());
    let fault = Member::start_under(&stream.settings, seen, ACCEPTING).ended().unwrap().unwrap_err();
    let said = fault.to_string();
    assert!(matches!(fault, KafkaFault::NotTurned { .. }), "{said}");
    assert!(said.contains("255 rulings are known") && said.contains("`frostwatch state rebuild`"), "{said}");
    assert!(!fault.is_retriable());
    assert_eq!(stream.outputs(Channel::Alerts).len(), before);
}

#[test]
fn more_sent_before_than_is_compared_is_refused_and_nothing_is_sent() {
    let stream = crashed("many");
    let before = stream.outputs(Channel::Alerts).len();
    for (max, is_refused) in [(before - 1, true), (before, false)] {
        let seen = Arc::<Seen>::default();
        *seen.sent_max.lock().unwrap() = Some(max);
        let member = Member::start_under(&stream.settings, seen, ACCEPTING);
        if is_refused {
            let fault = member.ended().unwrap().unwrap_err();
            assert!(matches!(fault, KafkaFault::TooManySent { max: found, .. } if found == max), "{fault}");
            assert!(!fault.is_retriable());
            assert_eq!(stream.outputs(Channel::Alerts).len(), before);
        } else {
            wait_for("all committed", || stream.committed()[&0] == 40);
            member.stop().unwrap();
        }
    }
}

#[test]
fn what_settles_a_past_goes_in_parts_of_a_batch_and_in_its_order() {
    let mut stream = crashed("parts");
    let before = stream.outputs(Channel::Alerts).len();
    let seen = Arc::<Seen>::default();
    *seen.settles.lock().unwrap() = 30;
    // Each has about 30 bytes.
    stream.settings.batch.output_bytes = 100;
    let member = Member::start_under(&stream.settings, seen, ACCEPTING);
    wait_for("all committed", || stream.committed()[&0] == 40);
    let commits = member.counters.read().commits;
    member.stop().unwrap();
    assert!(commits >= 10, "{commits} commits of some 3 outputs each");
    let sent = stream.outputs(Channel::Alerts).split_off(before);
    let settled: Vec<&str> = sent.iter().map(|(_, value)| value.as_str()).filter(|v| v.ends_with("settled")).collect();
    let wanted: Vec<String> = (0..30).map(|number| format!("0..20 is {number} settled")).collect();
    assert_eq!(settled, wanted);
    // What is found again comes before, and what is new after it.
    let place = |value: &str| sent.iter().position(|(_, sent)| sent.starts_with(value)).unwrap();
    assert!(
        place("19 is number") < place("0..20 is 0 settled") && place("0..20 is 29 settled") < place("20 is number")
    );
}
