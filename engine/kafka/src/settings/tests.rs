use super::*;

fn parse(text: &str) -> KafkaSettings {
    serde_json::from_str(text).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    parse(text).check().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let found = faults(text);
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (fault, part) in found.iter().zip(wanted) {
        assert!(fault.contains(part), "'{fault}' should contain '{part}'");
    }
}

#[test]
fn a_list_of_brokers_is_enough() {
    check(r#"{"bootstrap_servers":"localhost:9092"}"#, &[]);
}

#[test]
fn all_faults_are_told_at_once() {
    check(
        r#"{"bootstrap_servers":" ","group":"","batch":{"time_ms":0,"records":1000001},
            "topics":{"alerts":"a b","late":"frostwatch.activity.v1"},
            "properties":{"isolation.level":"read_uncommitted","no.such":1},
            "consumer":{"enable.auto.commit":true,"fetch.min.bytes":"many"},
            "producer":{"compression.type":"rar","partitioner":"random"}}"#,
        &[
            "kafka.bootstrap_servers: is empty",
            "kafka.group: is empty",
            "kafka.batch.time_ms: 0 is not within 1 to 60000",
            "kafka.batch.records: 1000001 is not within 1 to 1000000",
            "kafka.topics.alerts: 'a b' holds ' '",
            "kafka.topics.late: 'frostwatch.activity.v1' is the topic of activity too",
            "kafka.properties.isolation.level: belongs to the engine",
            "kafka.properties.no.such: No such configuration property",
            "kafka.consumer.enable.auto.commit: belongs to the engine",
            "kafka.consumer.fetch.min.bytes: Invalid value",
            "kafka.producer.compression.type: Invalid value",
            "kafka.producer.partitioner: belongs to the engine",
        ],
    );
}

#[test]
fn the_limits_of_a_batch_are_allowed() {
    check(r#"{"bootstrap_servers":"b:1","batch":{"time_ms":60000,"records":1000000}}"#, &[]);
    check(r#"{"bootstrap_servers":"b:1","batch":{"time_ms":1,"records":1,"output_bytes":1}}"#, &[]);
}

#[test]
fn what_does_not_fit_together_is_found_without_a_broker() {
    check(
        r#"{"bootstrap_servers":"b:1","consumer":{"session.timeout.ms":6000,"max.poll.interval.ms":5000}}"#,
        &["kafka.consumer: "],
    );
}

#[test]
fn unknown_fields_are_refused() {
    let error = serde_json::from_str::<KafkaSettings>(r#"{"bootstrap_servers":"b:1","topic":{}}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `topic`"), "{error}");
}

#[test]
fn specific_beats_common_beats_built_in_under_any_alias() {
    let settings = parse(
        r#"{"bootstrap_servers":"b:1","properties":{"linger.ms":7,"client.id":"common"},
            "producer":{"queue.buffering.max.ms":9,"compression.type":"zstd"}}"#,
    );
    let config = settings.producer_config();
    let values = ["linger.ms", "queue.buffering.max.ms", "client.id", "compression.codec", "compression.type", "acks"]
        .map(|name| config.get(name));
    assert_eq!(values, [Some("9"), None, Some("common"), Some("zstd"), None, Some("all")]);
    assert_eq!(settings.consumer_config("g", 0).get("fetch.queue.backoff.ms"), Some("5"));
}

#[test]
fn members_of_one_process_have_names_of_their_own() {
    let settings = parse(r#"{"bootstrap_servers":"b:1","instance":"pod-7"}"#);
    assert_eq!(settings.consumer_config("g", 2).get("group.instance.id"), Some("pod-7-2"));
    assert_eq!(parse(r#"{"bootstrap_servers":"b:1"}"#).consumer_config("g", 2).get("group.instance.id"), None);
}

#[test]
fn secrets_are_never_shown() {
    let settings = parse(
        r#"{"bootstrap_servers":"b:1","properties":{"sasl.password":"hunter2","ssl.key.pem":"PEM-BYTES",
            "ssl.key.password":"hunter3","sasl.username":"ana"},"consumer":{"sasl.oauthbearer.client.secret":"hunter4"}}"#,
    );
    let shown = format!("{settings:?} {:?} {}", settings.check(), KafkaFault::Settings(settings.check()));
    for secret in ["hunter2", "hunter3", "hunter4", "PEM-BYTES"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("ana"));
}

#[test]
fn topics_have_a_prefix_or_a_name_of_their_own() {
    use frostwatch_runtime::ports::Channel;

    let settings = parse(
        r#"{"bootstrap_servers":"b:1","topics":{"prefix":"acme.","alerts":"siem-in",
            "raw":[{"table":"sysevent"},{"table":"sys_audit","topic":"snow.audit"}]}}"#,
    );
    assert_eq!(settings.topics.activity(), "acme.activity.v1");
    assert_eq!(settings.topics.channel(Channel::Alerts), "siem-in");
    assert_eq!(settings.topics.channel(Channel::Late), "acme.late.v1");
    let raw = settings.topics.raw();
    assert_eq!(raw[0], ("acme.raw.sysevent".to_owned(), "sysevent".to_owned()));
    assert_eq!(raw[1], ("snow.audit".to_owned(), "sys_audit".to_owned()));
    assert_eq!(TopicNames::default().raw()[0].0, "frostwatch.raw.sysevent");
}

#[test]
fn a_topic_name_may_have_249_bytes() {
    let name = |len: usize| format!(r#"{{"bootstrap_servers":"b:1","topics":{{"alerts":"{}"}}}}"#, "a".repeat(len));
    check(&name(names::TOPIC_NAME_BYTES_MAX), &[]);
    check(&name(names::TOPIC_NAME_BYTES_MAX + 1), &["longer than 249 bytes"]);
}

#[test]
fn what_must_not_be_shown_is_known_by_its_name() {
    for name in [
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "SSL.Keystore.Password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.config",
        "sasl.jaas.config",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["sasl.username", "ssl.certificate.pem", "ssl.key.location", "client.id"] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn only_settings_that_ask_for_security_need_a_build_with_it() {
    let wants = |properties: &str| {
        parse(&format!(r#"{{"bootstrap_servers":"b:1","properties":{{{properties}}}}}"#)).wants_security()
    };
    assert!(!wants(""));
    assert!(!wants(r#""security.protocol":"PLAINTEXT""#));
    assert!(wants(r#""security.protocol":"sasl_ssl""#));
    assert!(wants(r#""ssl.ca.location":"ca.pem""#));
}
