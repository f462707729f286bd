//! The configuration file of a broker.

use std::fmt::Write as _;
use std::path::Path;

use super::certificates::STORE_PASSWORD;
use super::server::{Settings, certificates_in, data_in, guarded_port, proxied_port, secure_port};

const ADVERTISED: &str = "advertised.listeners=PLAINTEXT://127.0.0.1:";

/// All ports of a broker whose clients come to `port`.
pub(super) fn ports(settings: &Settings, port: u16) -> Vec<u16> {
    let mut all = vec![port, controller_port(port)];
    if settings.proxy_port != 0 {
        all.push(proxied_port(port));
    }
    if !settings.users.is_empty() {
        all.push(guarded_port(port));
    }
    if !settings.secure_users.is_empty() {
        all.push(secure_port(port));
    }
    all
}

/// The port of the broker that a text of [`text`] is for.
pub(super) fn port(text: &str) -> Option<u16> {
    let advertised = text.lines().find_map(|line| line.strip_prefix(ADVERTISED))?;
    advertised.split(',').next()?.parse().ok()
}

/// The file of a broker in a directory.
pub(super) fn text(settings: &Settings, port: u16, dir: &Path) -> String {
    let mut text = listeners(settings, port, dir);
    let data = data_in(dir);
    let data = data.display();
    let session_min_ms = settings.session_timeout_min_ms;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\
log.dirs={data}
# A topic that nobody created is a fault of the test or the program, not a topic.
auto.create.topics.enable=false
# One broker keeps one copy.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# Tests write records with the stamps of any year: nothing is deleted for its age while one runs.
log.retention.check.interval.ms=86400000
log.initial.task.delay.ms=86400000
# Tests kill members and producers, and wait for the broker to notice.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms={session_min_ms}
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
# A killed broker may register again once its last registration has timed out (9 s by default).
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
# A small machine: few threads, and a small buffer for compaction.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=1000
"
    );
    text
}

fn listeners(settings: &Settings, port: u16, dir: &Path) -> String {
    let controller = controller_port(port);
    let mut listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut advertised = format!("{ADVERTISED}{port}");
    let mut protocols = "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    let mut more = String::new();
    if settings.proxy_port != 0 {
        let _ = write!(listeners, ",PROXIED://127.0.0.1:{}", proxied_port(port));
        let _ = write!(advertised, ",PROXIED://127.0.0.1:{}", settings.proxy_port);
        protocols += ",PROXIED:PLAINTEXT";
    }
    if !settings.users.is_empty() {
        let _ = write!(listeners, ",GUARDED://127.0.0.1:{}", guarded_port(port));
        let _ = write!(advertised, ",GUARDED://127.0.0.1:{}", guarded_port(port));
        protocols += ",GUARDED:SASL_PLAINTEXT";
        more = guard(&settings.users);
    }
    if !settings.secure_users.is_empty() {
        let _ = write!(listeners, ",SECURE://127.0.0.1:{}", secure_port(port));
        let _ = write!(advertised, ",SECURE://localhost:{}", secure_port(port));
        protocols += ",SECURE:SASL_SSL";
        more += &behind_tls(dir);
    }
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
{listeners}
{advertised}
{protocols}
{more}"
    )
}

/// Clients of the other listeners have no name, and those without a name may do anything.
fn guard(users: &[(String, String)]) -> String {
    let users: Vec<String> = users.iter().map(|(name, password)| format!("user_{name}=\"{password}\"")).collect();
    let users = users.join(" ");
    format!(
        "\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {users};
"
    )
}

fn behind_tls(dir: &Path) -> String {
    let certificates = certificates_in(dir);
    let store = certificates.key_store().display();
    format!(
        "\
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location={store}
listener.name.secure.ssl.keystore.password={STORE_PASSWORD}
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"
    )
}

/// What a directory is formatted with so that users can say who they are by SCRAM.
pub(super) fn scram(users: &[(String, String)]) -> impl Iterator<Item = String> + '_ {
    let user = |(name, password): &(String, String)| format!("SCRAM-SHA-512=[name={name},password={password}]");
    users.iter().flat_map(move |one| ["--add-scram".to_owned(), user(one)])
}

const fn controller_port(port: u16) -> u16 {
    port + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_has_its_port_and_the_one_for_a_proxy_names_the_proxy() {
        let users = vec![("ana".to_owned(), "secret".to_owned())];
        let all = Settings { proxy_port: 40_000, secure_users: users.clone(), users, ..Settings::default() };
        for (settings, wanted) in
            [(Settings::default(), vec![21_000, 21_001]), (all.clone(), vec![21_000, 21_001, 21_002, 21_003, 21_004])]
        {
            let text = text(&settings, 21_000, Path::new("/data"));
            assert_eq!(port(&text), Some(21_000), "{text}");
            assert_eq!(ports(&settings, 21_000), wanted);
            let line = text.lines().find(|line| line.starts_with("listeners=")).unwrap();
            assert!(wanted.iter().all(|port| line.contains(&format!("127.0.0.1:{port}"))), "{line}");
            assert_eq!(line.split(',').count(), wanted.len(), "{line}");
        }
        let text = text(&all, 21_000, Path::new("/data"));
        assert!(text.contains(",PROXIED://127.0.0.1:40000"), "{text}");
        assert!(text.contains("PlainLoginModule required user_ana=\"secret\";"), "{text}");
        assert!(text.contains(",SECURE://localhost:21004") && text.contains("location=/data/broker.p12"), "{text}");
        assert_eq!(scram(&all.secure_users).last().as_deref(), Some("SCRAM-SHA-512=[name=ana,password=secret]"));
        assert_eq!(port("nothing of ours"), None);
    }
}
