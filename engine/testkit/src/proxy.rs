//! A TCP proxy on loopback whose connections a test delays, holds, half-closes and cuts.
//!
//! Faults of the wire that a broker's own death does not make: requests that arrive while their answers are lost, a
//! connection of which one half is closed, resets in the midst of a request. A broker that is started for the proxy's
//! port (see [`crate::broker::Settings::proxy_port`]) names that port to whoever comes through it, so that clients stay
//! behind it. Which connections a fault meets and how long a delay takes is drawn from a seed; what the connections
//! then carry depends on the clients.

mod pump;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::chance::Chance;
use pump::{Connection, Way};

const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// An end of a connection through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whoever connected to the proxy.
    Client,
    /// What the proxy connected to.
    Server,
}

/// A proxy; its connections are cut and its port is given back when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the connections and their controls share.
#[derive(Debug)]
struct State {
    chance: Chance,
    upstream: Option<SocketAddr>,
    connections: BTreeMap<u64, Arc<Connection>>,
    accepted: u64,
    /// Threads that carry bytes.
    pumps: usize,
    delay_max: Duration,
    held: bool,
    refusing: bool,
    closing: bool,
}

impl Proxy {
    /// Listens on a free loopback port. Until [`Proxy::forward_to`] every connection is refused.
    pub fn listen(seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = State {
            chance: Chance::new(seed),
            upstream: None,
            connections: BTreeMap::new(),
            accepted: 0,
            pumps: 0,
            delay_max: Duration::ZERO,
            held: false,
            refusing: false,
            closing: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        let listener = std::thread::Builder::new().name("proxy".into()).spawn(move || accepting.accept(&listener))?;
        Ok(Self { port, shared, listener: Some(listener) })
    }

    /// The port clients connect to.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where new connections go.
    pub fn forward_to(&self, port: u16) {
        self.shared.lock().upstream = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Connections taken since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// Heals what is not yet broken: no delay, nothing held, new connections taken. Ways that were lost or closed stay so.
    pub fn pass(&self) {
        self.shared.set(|state| {
            state.delay_max = Duration::ZERO;
            state.held = false;
            state.refusing = false;
        });
    }

    /// Holds each piece of each connection for a time drawn from zero to `max`.
    pub fn delay(&self, max: Duration) {
        self.shared.set(|state| state.delay_max = max);
    }

    /// Carries nothing until [`Proxy::pass`]: connections stay open and silent.
    pub fn hold(&self) {
        self.shared.set(|state| state.held = true);
    }

    /// Resets new connections until [`Proxy::pass`].
    pub fn refuse(&self) {
        self.shared.set(|state| state.refusing = true);
    }

    /// Resets about one in so many open connections, at both ends; 1 is all. Returns how many.
    pub fn cut(&self, one_in: u64) -> usize {
        let mut state = self.shared.lock();
        let drawn = state.draw(one_in);
        for connection in &drawn {
            state.connections.remove(&connection.id);
            connection.cut();
        }
        drop(state);
        self.shared.changed.notify_all();
        drawn.len()
    }

    /// Ends the stream towards one side of about one in so many connections: it reads an end, while what it sends still
    /// arrives. Returns how many.
    pub fn half_close(&self, towards: Side, one_in: u64) -> usize {
        let drawn = self.shared.lock().draw(one_in);
        drawn.iter().for_each(|connection| connection.close(towards));
        drawn.len()
    }

    /// Loses all further bytes towards one side of about one in so many connections, which stay open. Lost towards the
    /// client, requests take effect and nobody is told. Returns how many.
    pub fn lose(&self, towards: Side, one_in: u64) -> usize {
        let drawn = self.shared.lock().draw(one_in);
        drawn.iter().for_each(|connection| connection.set(towards, Way::Lost));
        drawn.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(|state| state.closing = true);
        self.cut(1);
        // The listener waits for a connection, and this is its last.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        if let Some(listener) = self.listener.take() {
            listener.join().ok();
        }
        let ended = self.shared.changed.wait_while(self.shared.lock(), |state| state.pumps > 0);
        drop(ended);
    }
}

impl State {
    /// About one in so many of the open connections.
    fn draw(&mut self, one_in: u64) -> Vec<Arc<Connection>> {
        let Self { connections, chance, .. } = self;
        connections.values().filter(|_| chance.one_in(one_in)).cloned().collect()
    }
}

impl Shared {
    /// A thread that panicked has left nothing half done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let state = self.lock();
            if state.closing {
                return;
            }
            let upstream = state.upstream.filter(|_| !state.refusing);
            drop(state);
            let Ok(client) = client else { continue };
            let server = upstream.and_then(|address| TcpStream::connect_timeout(&address, CONNECT_WAIT).ok());
            match server {
                Some(server) => self.carry(client, server),
                // Dropped as it is, it would look like a server that took the connection and closed it in peace.
                None => pump::reset_when_closed(&client),
            }
        }
    }

    /// Begins to carry bytes both ways.
    fn carry(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let mut state = self.lock();
        let id = state.accepted;
        let connection = Arc::new(Connection::new(id, client, server));
        state.accepted += 1;
        state.connections.insert(id, Arc::clone(&connection));
        state.pumps += 2;
        drop(state);
        self.changed.notify_all();
        for towards in [Side::Server, Side::Client] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            let carrying = std::thread::Builder::new().name("proxy".into()).spawn(move || {
                pump::run(&shared, &connection, towards);
                // Closed before it is counted as ended.
                drop(connection);
                shared.set(|state| state.pumps -= 1);
            });
            if carrying.is_err() {
                self.set(|state| state.pumps -= 1);
                self.forget(id);
            }
        }
    }

    /// Ends a connection of which one end is gone.
    fn forget(&self, id: u64) {
        if let Some(connection) = self.lock().connections.remove(&id) {
            connection.cut();
        }
        self.changed.notify_all();
    }

    /// Waits as the controls ask before a piece goes on. Is the connection still open?
    fn admit(&self, id: u64) -> bool {
        let mut state = self.lock();
        let delay = state.delay_max.mul_f64(state.chance.share());
        let open = |state: &State| state.connections.contains_key(&id);
        // Waits end with the fault that asked for them.
        let waited = self.changed.wait_timeout_while(state, delay, |now| open(now) && !now.delay_max.is_zero());
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(state, |now| open(now) && now.held);
        open(&waited.unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
