//! A connection through the proxy, and the thread that carries its bytes one way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Shared, Side};

const PIECE_BYTES: usize = 64 * 1024;
/// How long one write may wait before it is looked whether the connection still stands.
const WRITE_WAIT: Duration = Duration::from_millis(100);

/// What becomes of the bytes towards one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// They arrive.
    Open,
    /// They vanish.
    Lost,
    /// The side was told that no more come.
    Closed,
}

/// Two sockets.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    client: TcpStream,
    server: TcpStream,
    ways: Mutex<Ways>,
}

#[derive(Debug)]
struct Ways {
    client: Way,
    server: Way,
    cut: bool,
}

impl Connection {
    pub(super) fn new(id: u64, client: TcpStream, server: TcpStream) -> Self {
        for socket in [&client, &server] {
            // Where they cannot be set the proxy is only slower.
            socket.set_nodelay(true).ok();
            socket.set_write_timeout(Some(WRITE_WAIT)).ok();
        }
        Self { id, client, server, ways: Mutex::new(Ways { client: Way::Open, server: Way::Open, cut: false }) }
    }

    /// Ends both halves by a reset.
    pub(super) fn cut(&self) {
        self.ways(|ways| ways.cut = true);
        for socket in [&self.client, &self.server] {
            reset_when_closed(socket);
            // Only wakes our own reader: nothing is sent until the sockets close, and that is the reset.
            socket.shutdown(Shutdown::Read).ok();
        }
    }

    /// Tells a side that no more bytes come.
    pub(super) fn close(&self, towards: Side) {
        self.set(towards, Way::Closed);
        self.socket(towards).shutdown(Shutdown::Write).ok();
    }

    pub(super) fn set(&self, towards: Side, way: Way) {
        self.ways(|ways| {
            let old = match towards {
                Side::Client => &mut ways.client,
                Side::Server => &mut ways.server,
            };
            // A side that was told of the end was told for good.
            if *old != Way::Closed {
                *old = way;
            }
        });
    }

    fn way(&self, towards: Side) -> Way {
        self.ways(|ways| match towards {
            Side::Client => ways.client,
            Side::Server => ways.server,
        })
    }

    fn is_cut(&self) -> bool {
        self.ways(|ways| ways.cut)
    }

    fn ways<T>(&self, take: impl FnOnce(&mut Ways) -> T) -> T {
        take(&mut self.ways.lock().unwrap_or_else(PoisonError::into_inner))
    }

    const fn socket(&self, side: Side) -> &TcpStream {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn write(&self, towards: Side, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() && !self.is_cut() {
            match self.socket(towards).write(piece) {
                Ok(written) => piece = piece.get(written..).unwrap_or_default(),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Makes the socket's close a reset.
pub(super) fn reset_when_closed(socket: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok();
}

/// Carries bytes towards one side until the other ends or the connection is cut.
pub(super) fn run(shared: &Shared, connection: &Connection, towards: Side) {
    let mut from = connection.socket(match towards {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    });
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_passing(&error) => continue,
            Err(_) => return shared.forget(connection.id),
        };
        if !shared.admit(connection.id) {
            return;
        }
        let piece = piece.get(..length).unwrap_or_default();
        if connection.way(towards) == Way::Open && connection.write(towards, piece).is_err() {
            // Closed by a test while the piece was under way, the other half goes on.
            if connection.way(towards) != Way::Closed {
                return shared.forget(connection.id);
            }
        }
    }
    if !connection.is_cut() {
        pass_on_end(shared, connection, towards);
    }
}

/// One end closed: so does the other, once both halves have ended.
fn pass_on_end(shared: &Shared, connection: &Connection, towards: Side) {
    if connection.way(towards) == Way::Open && !shared.admit(connection.id) {
        return;
    }
    if connection.way(towards) == Way::Open {
        connection.close(towards);
    }
    let both = connection.ways(|ways| {
        let ended = ways.client != Way::Open && ways.server != Way::Open;
        // What is lost has no end to tell of.
        ended && (ways.client == Way::Closed || ways.server == Way::Closed)
    });
    if both {
        let mut state = shared.lock();
        state.connections.remove(&connection.id);
        drop(state);
        shared.changed.notify_all();
        // Wakes the thread of the other half, where it still reads.
        connection.socket(towards).shutdown(Shutdown::Read).ok();
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
