//! What the clients say of brokers they cannot use: one plain line for each broker and problem. librdkafka says the same in
//! many words, several times over and from each client; that goes to the log at its most talkative level.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A trouble that has not been told for so long is told again, and one that is older is over.
const TOLD_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// Brokers that are remembered at most.
const BROKERS_MAX: usize = 64;

/// Of all clients of the process: they talk to the same brokers.
static RECENT: Mutex<Recent> = Mutex::new(Recent(BTreeMap::new()));

/// Why a broker cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Host and port.
    pub broker: String,
    /// What is wrong and what to look at.
    pub problem: String,
    /// Trying again does not help: credentials or certificates are not accepted.
    pub is_refusal: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {}: {}", self.broker, self.problem)
    }
}

/// By broker, with when it was told last.
#[derive(Debug)]
struct Recent(BTreeMap<String, (Trouble, Instant)>);

impl Recent {
    /// Is it to be told?
    fn note(&mut self, trouble: &Trouble, now: Instant) -> bool {
        let told = self.0.get(&trouble.broker);
        // A connection that is closed after a refusal says less than the refusal did.
        let is_known = told.is_some_and(|(told, at)| {
            let is_fresh = now.saturating_duration_since(*at) < TOLD_AGAIN_AFTER;
            is_fresh && (told == trouble || told.is_refusal && !trouble.is_refusal)
        });
        if is_known || (told.is_none() && self.0.len() >= BROKERS_MAX) {
            return false;
        }
        self.0.insert(trouble.broker.clone(), (trouble.clone(), now));
        true
    }

    fn since(&self, now: Instant) -> Vec<Trouble> {
        let fresh = self.0.values().filter(|(_, at)| now.saturating_duration_since(*at) < TOLD_AGAIN_AFTER);
        fresh.map(|(trouble, _)| trouble.clone()).collect()
    }
}

/// Notes what a client says of an error and tells of it, unless that was done within the last minute. Errors are handed out
/// while a client is polled; its log ([`note_line`]) comes the same way.
pub(crate) fn note(error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code();
    // All brokers down: each of them has told why.
    if matches!(code, Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF)) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    } else if !note_line(reason) {
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

/// The same for a line of the client's log. `false`: it is not about a broker.
pub(crate) fn note_line(line: &str) -> bool {
    let Some(trouble) = read(line) else { return false };
    tracing::debug!(target: "librdkafka", "{line}");
    if recent().note(&trouble, Instant::now()) {
        tracing::warn!("{trouble}");
    }
    true
}

/// What was said within the last minute, by broker.
pub fn recent_troubles() -> Vec<Trouble> {
    recent().since(Instant::now())
}

/// The refusal of a broker within the last minute.
pub(crate) fn refusal() -> Option<Trouble> {
    recent_troubles().into_iter().find(|trouble| trouble.is_refusal)
}

/// Reads librdkafka's line: `sasl_ssl://host:port/bootstrap: what (after 3ms in state CONNECT)`, in its log with the thread
/// in brackets before it.
fn read(line: &str) -> Option<Trouble> {
    let line = line.strip_prefix("[thrd:").and_then(|line| line.split_once("]: ")).map_or(line, |(_, line)| line);
    let (name, said) = line.split_once(": ")?;
    let address = name.split_once("://").map_or(name, |(_, address)| address);
    let (broker, _) = address.split_once('/')?;
    let (said, state) = said.split_once(" (after ").unwrap_or((said, ""));
    let has = |part: &str| said.contains(part);
    let (problem, is_refusal) = if has("Failed to resolve") {
        ("its name is not known here; check `bootstrap_servers`".to_owned(), false)
    } else if has("SSL") || has("ssl") {
        ssl(said)
    } else if has("SASL") && has("uthentication") || state.contains("in state AUTH") && has("uthentication") {
        let text = "it refuses the credentials; check `sasl.username`, `sasl.password` and `sasl.mechanism`";
        (text.to_owned(), true)
    } else {
        (transport(said), false)
    };
    // Of lines about a client and not a broker the first part is no address.
    broker.contains(':').then(|| Trouble { broker: broker.to_owned(), problem, is_refusal })
}

fn transport(said: &str) -> String {
    match said.rsplit_once(" failed: ") {
        Some((connect, why)) if connect.starts_with("Connect to ") => format!("cannot connect: {why}"),
        _ if said.contains("security.protocol") => {
            "it closes the connection at once; perhaps it speaks TLS and `security.protocol` says otherwise, or the \
             other way round"
                .to_owned()
        }
        _ => format!("the connection is gone: {said}"),
    }
}

/// librdkafka does not tell an authority that is not known from a name that is not that of the certificate.
fn ssl(said: &str) -> (String, bool) {
    if said.contains("certificate verify failed") || said.contains("verify broker certificate") {
        let text = "its certificate is not accepted: it is not signed by an authority of `ssl.ca.location`, is for another name \
                    than the one of `bootstrap_servers` (hostname mismatch), or has expired";
        (text.to_owned(), true)
    } else {
        // Whatever answers may not speak TLS; nothing says that this lasts.
        (format!("TLS fails: {said}"), false)
    }
}

/// The data behind the lock is whole after every statement: a panic elsewhere does not spoil it.
fn recent() -> MutexGuard<'static, Recent> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, wanted: &str, is_refusal: bool) {
        let trouble = read(line).unwrap();
        assert!(trouble.to_string().starts_with(wanted), "{trouble}");
        assert_eq!(trouble.is_refusal, is_refusal, "{trouble}");
    }

    #[test]
    fn what_librdkafka_says_is_told_in_a_line_with_what_to_look_at() {
        check(
            "[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused \
             (after 0ms in state CONNECT)",
            "broker localhost:1: cannot connect: Connection refused",
            false,
        );
        check(
            "b:9092/7: Disconnected (after 9ms in state UP)",
            "broker b:9092: the connection is gone: Disconn",
            false,
        );
        check(
            "no.where:9092/bootstrap: Failed to resolve 'no.where:9092': Name or service not known (after 1ms in state CONNECT)",
            "broker no.where:9092: its name is not known",
            false,
        );
        check(
            "ssl://b:9/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
             certificate could not be verified (after 9ms in state SSL_HANDSHAKE)",
            "broker b:9: its certificate is not accepted: ",
            true,
        );
        check(
            "sasl_ssl://b:9/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid \
             credentials (after 312ms in state AUTH_REQ)",
            "broker b:9: it refuses the credentials",
            true,
        );
        for other in ["2/2 brokers are down", "anything", "rdkafka#consumer-1: a client: says"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_trouble_is_told_once_a_minute_and_a_refusal_before_what_follows_from_it() {
        let trouble = |broker: &str, problem: &str, is_refusal| Trouble {
            broker: broker.to_owned(),
            problem: problem.to_owned(),
            is_refusal,
        };
        let (mut recent, begin) = (Recent(BTreeMap::new()), Instant::now());
        let refused = trouble("a:1", "refused", true);
        assert!(recent.note(&refused, begin) && !recent.note(&refused, begin));
        assert!(!recent.note(&trouble("a:1", "gone", false), begin + TOLD_AGAIN_AFTER / 2));
        assert_eq!(recent.since(begin + TOLD_AGAIN_AFTER / 2), std::slice::from_ref(&refused));
        assert_eq!(recent.since(begin + TOLD_AGAIN_AFTER), []);
        assert!(recent.note(&trouble("a:1", "gone", false), begin + TOLD_AGAIN_AFTER));
        for port in 0..2 * BROKERS_MAX {
            recent.note(&trouble(&format!("b:{port}"), "gone", false), begin);
        }
        assert_eq!(recent.0.len(), BROKERS_MAX);
    }
}
