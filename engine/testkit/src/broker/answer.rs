//! The question "do you serve?", asked in Kafka's own protocol.
//!
//! An open port proves little: the controller listens before the broker may serve, and a port can belong to somebody
//! else's broker. So one Metadata request (version 4, which brokers of the 3 and 4 series speak) is sent over TCP. A
//! `KRaft` broker lists itself in the answer only once it is unfenced, and the answer names its cluster.
//! Source: the protocol guide of Apache Kafka, sections "Protocol Primitive Types" and "Metadata API (Key: 3)".

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const METADATA_KEY: i16 = 3;
const METADATA_VERSION: i16 = 4;
const CLIENT_ID: &[u8] = b"frostwatch-testkit";
const CONNECT_WAIT: Duration = Duration::from_millis(500);
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// An answer about no topic and one broker has about a hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const BROKERS_MAX: i32 = 64;

/// What a broker says about its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Ports of the brokers that may serve.
    pub(super) ports: Vec<i32>,
    /// The id that the data directory was formatted with.
    pub(super) cluster_id: Option<String>,
}

/// Asks the loopback port. The error is that of the connection, or `InvalidData` where the answer is no Kafka answer.
pub(super) fn ask(port: u16) -> io::Result<Metadata> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_WAIT)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    stream.write_all(&request())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if size > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an answer of {size} bytes")));
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a Metadata answer"))
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(METADATA_KEY.to_be_bytes());
    body.extend(METADATA_VERSION.to_be_bytes());
    body.extend(0_i32.to_be_bytes()); // correlation id
    body.extend((CLIENT_ID.len() as i16).to_be_bytes());
    body.extend(CLIENT_ID);
    body.extend(0_i32.to_be_bytes()); // no topics
    body.push(0); // and create none
    let mut framed = (body.len() as i32).to_be_bytes().to_vec();
    framed.extend(body);
    framed
}

fn parse(answer: &[u8]) -> Option<Metadata> {
    let mut rest = answer;
    let _correlation_id = int(&mut rest)?;
    let _throttle_ms = int(&mut rest)?;
    let brokers = int(&mut rest)?;
    if !(0..=BROKERS_MAX).contains(&brokers) {
        return None;
    }
    let mut ports = Vec::new();
    for _ in 0..brokers {
        let _node_id = int(&mut rest)?;
        let _host = text(&mut rest)?;
        ports.push(int(&mut rest)?);
        let _rack = text(&mut rest)?;
    }
    Some(Metadata { ports, cluster_id: text(&mut rest)? })
}

fn int(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(i32::from_be_bytes(*bytes))
}

/// A string with a two-byte length; length −1 is null.
#[expect(clippy::option_option, reason = "the outer one is a cut answer, the inner one the protocol's null")]
fn text(rest: &mut &[u8]) -> Option<Option<String>> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    *rest = after;
    let Ok(length) = usize::try_from(i16::from_be_bytes(*length)) else {
        return Some(None);
    };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Some(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a 4.1.1 broker on port 21092 answers, without the trailing fields that are not read.
    fn recorded() -> Vec<u8> {
        let mut answer = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9];
        answer.extend(b"127.0.0.1");
        answer.extend([0, 0, 0x52, 0x64, 0xff, 0xff, 0, 4]);
        answer.extend(b"abcA");
        answer
    }

    #[test]
    fn an_answer_names_the_brokers_and_the_cluster() {
        let expected = Metadata { ports: vec![21092], cluster_id: Some("abcA".to_owned()) };
        assert_eq!(parse(&recorded()), Some(expected));
    }

    #[test]
    fn an_answer_cut_anywhere_is_no_answer() {
        let whole = recorded();
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "cut after {length} bytes");
        }
    }

    #[test]
    fn a_count_of_brokers_over_the_limit_is_refused() {
        let mut answer = vec![0; 8];
        answer.extend((BROKERS_MAX + 1).to_be_bytes());
        answer.extend([0; 4096]);
        assert_eq!(parse(&answer), None);
    }
}
