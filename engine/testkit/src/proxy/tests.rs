//! The proxy between plain sockets. Each read is a wait: it ends when the bytes, the end or the reset are there.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// A wait that takes longer than this is a hang.
const HANG: Duration = Duration::from_secs(20);

/// A connection through a proxy: both its ends.
struct Line {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

fn line() -> Line {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::listen(7).unwrap();
    proxy.forward_to(listener.local_addr().unwrap().port());
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    let (server, _) = listener.accept().unwrap();
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(HANG)).unwrap();
    }
    proxy.wait_for_connections(1);
    Line { proxy, listener, client, server }
}

impl Proxy {
    fn wait_for_connections(&self, count: usize) {
        let state = self.shared.lock();
        let (state, waited) =
            self.shared.changed.wait_timeout_while(state, HANG, |now| now.connections.len() != count).unwrap();
        assert!(!waited.timed_out(), "{} connections, not {count}", state.connections.len());
    }
}

#[track_caller]
fn arrives(mut from: &TcpStream, mut to: &TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    let mut read = vec![0; bytes.len()];
    to.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[track_caller]
fn ends(mut socket: &TcpStream) {
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

#[track_caller]
fn is_reset(mut socket: &TcpStream) {
    let ended = socket.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
}

#[test]
fn bytes_pass_both_ways_and_the_end_of_one_side_reaches_the_other() {
    let line = line();
    arrives(&line.client, &line.server, b"request");
    arrives(&line.server, &line.client, b"answer");
    line.client.shutdown(std::net::Shutdown::Write).unwrap();
    ends(&line.server);
    // Half of it is still open.
    arrives(&line.server, &line.client, b"late answer");
    drop(line.server);
    ends(&line.client);
    line.proxy.wait_for_connections(0);
}

#[test]
fn more_than_all_buffers_hold_arrives_in_order() {
    let line = line();
    let bytes: Vec<u8> = (0..8_u32 << 20).map(|index| (index % 251) as u8).collect();
    let mut client = line.client.try_clone().unwrap();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || client.write_all(&sent).unwrap());
    let mut read = vec![0; bytes.len()];
    (&line.server).read_exact(&mut read).unwrap();
    sending.join().unwrap();
    assert!(read == bytes);
}

#[test]
fn a_cut_is_a_reset_at_both_ends_even_while_bytes_are_held() {
    for held in [false, true] {
        let line = line();
        if held {
            line.proxy.hold();
            (&line.client).write_all(b"never").unwrap();
        }
        assert_eq!(line.proxy.cut(1), 1);
        is_reset(&line.client);
        is_reset(&line.server);
        assert_eq!(line.proxy.connections(), 0);
        assert_eq!(line.proxy.cut(1), 0);
    }
}

#[test]
fn what_is_held_goes_on_when_the_proxy_passes_again() {
    let line = line();
    line.proxy.hold();
    (&line.client).write_all(b"held").unwrap();
    line.server.set_nonblocking(true).unwrap();
    assert_eq!((&line.server).read(&mut [0; 4]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    line.server.set_nonblocking(false).unwrap();
    line.proxy.pass();
    let mut read = [0; 4];
    (&line.server).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"held");
}

#[test]
fn delayed_bytes_arrive_and_in_order() {
    let line = line();
    line.proxy.delay(Duration::from_millis(5));
    for number in 0..20_u8 {
        arrives(&line.client, &line.server, &[number; 3]);
    }
    // A long delay ends with the weather that asked for it.
    line.proxy.delay(Duration::from_hours(1));
    (&line.client).write_all(b"late").unwrap();
    line.proxy.pass();
    let mut read = [0; 4];
    (&line.server).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"late");
}

#[test]
fn half_of_a_connection_closes_and_the_other_half_goes_on() {
    let line = line();
    assert_eq!(line.proxy.half_close(Side::Client, 1), 1);
    ends(&line.client);
    arrives(&line.client, &line.server, b"still heard");
    // What comes after the end is lost.
    (&line.server).write_all(b"unheard").unwrap();
    drop(line.client);
    ends(&line.server);
    line.proxy.wait_for_connections(0);
}

#[test]
fn lost_answers_leave_the_requests_to_arrive() {
    let line = line();
    arrives(&line.server, &line.client, b"an answer");
    assert_eq!(line.proxy.lose(Side::Client, 1), 1);
    (&line.server).write_all(b"lost").unwrap();
    arrives(&line.client, &line.server, b"a request");
    assert_eq!(line.proxy.cut(1), 1);
    is_reset(&line.client);
}

#[test]
fn connections_are_refused_when_asked_and_where_nobody_listens() {
    let Line { proxy, listener, client, server } = line();
    // A reset may come before `connect` has returned, which then reports it.
    let refused = || match TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())) {
        Ok(client) => is_reset(&client),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    };
    proxy.refuse();
    refused();
    // Those that stand are left alone.
    arrives(&client, &server, b"still here");
    proxy.pass();
    let again = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    let (other, _) = listener.accept().unwrap();
    arrives(&again, &other, b"again");
    assert_eq!(proxy.accepted(), 2);
    drop(listener);
    refused();
}

#[test]
fn a_seed_draws_about_one_in_so_many() {
    let Line { proxy, listener, client, server } = line();
    let mut ends = vec![(client, server)];
    for _ in 1..40 {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        ends.push((client, listener.accept().unwrap().0));
    }
    proxy.wait_for_connections(40);
    let cut = proxy.cut(4);
    assert!((1..40).contains(&cut), "{cut} of 40");
    proxy.wait_for_connections(40 - cut);
}

#[test]
fn a_proxy_that_is_dropped_leaves_nothing_open() {
    let Line { proxy, client, server, .. } = line();
    let port = proxy.port();
    drop(proxy);
    is_reset(&client);
    is_reset(&server);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}
