//! The session join: an event that names a session but carries no address takes the session's. It happens inside the
//! key's machine, so a session's start that arrives late moves the events that follow it.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::finding::SeenAddress;
use crate::model::{Action, IpSource};
use crate::time::{HOUR, MINUTE, Millis};

/// Sessions of a key that are remembered; the one unused for longest gives way.
pub const SESSIONS_MAX: usize = 8;
/// A session unused for this long is forgotten.
pub const SESSION_IDLE: Millis = 12 * HOUR;
/// How far back an event without session looks for the user's only live session.
pub const NEAREST: Millis = MINUTE;

/// The recent sessions of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    list: Vec<Session>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    id: u64,
    seen: Option<SeenAddress>,
    device: u64,
    agent: u64,
    last: Millis,
}

/// Where an event is taken to come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Origin {
    /// The address and what is known of it.
    pub seen: Option<SeenAddress>,
    /// How it is known.
    pub source: IpSource,
    /// Hash of the device; 0: not known.
    pub device: u64,
    /// Hash of the user agent; 0: not known.
    pub agent: u64,
}

impl Origin {
    /// The record's own address or nothing.
    pub fn direct(event: &Event) -> Self {
        let seen = event.address.map(|address| SeenAddress { address, location: event.location });
        let source = if seen.is_some() { IpSource::Direct } else { IpSource::None };
        Self { seen, source, device: event.device, agent: event.agent }
    }

    /// Good enough for a finding about place: the record's own address or its session's.
    pub fn for_place(&self) -> Option<SeenAddress> {
        match self.source {
            IpSource::Direct | IpSource::Session => self.seen,
            IpSource::Nearest | IpSource::None => None,
        }
    }
}

impl Sessions {
    /// Takes in the next event in order and says where it comes from.
    pub fn join(&mut self, event: &Event) -> Origin {
        self.list.retain(|session| event.time <= session.last + SESSION_IDLE);
        let direct = event.address.map(|address| SeenAddress { address, location: event.location });
        if event.session == 0 {
            return self.sessionless(event, direct);
        }
        let index = self.index_of(event);
        let session = &mut self.list[index];
        session.last = event.time;
        if direct.is_some() {
            session.seen = direct;
        }
        session.device = if event.device == 0 { session.device } else { event.device };
        session.agent = if event.agent == 0 { session.agent } else { event.agent };
        let source = match (direct, session.seen) {
            (Some(_), _) => IpSource::Direct,
            (None, Some(_)) => IpSource::Session,
            (None, None) => IpSource::None,
        };
        let origin = Origin { seen: session.seen, source, device: session.device, agent: session.agent };
        if event.action == Action::Logout {
            self.list.remove(index);
        }
        origin
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }

    fn sessionless(&self, event: &Event, direct: Option<SeenAddress>) -> Origin {
        if direct.is_some() {
            return Origin::direct(event);
        }
        let mut live =
            self.list.iter().filter(|session| event.time - session.last <= NEAREST && session.seen.is_some());
        match (live.next(), live.next()) {
            (Some(only), None) => {
                Origin { seen: only.seen, source: IpSource::Nearest, device: only.device, agent: only.agent }
            }
            _ => Origin { seen: None, source: IpSource::None, device: event.device, agent: event.agent },
        }
    }

    fn index_of(&mut self, event: &Event) -> usize {
        if let Some(index) = self.list.iter().position(|session| session.id == event.session) {
            return index;
        }
        if self.list.len() >= SESSIONS_MAX {
            let oldest = self.list.iter().enumerate().min_by_key(|(_, session)| session.last).map_or(0, |(at, _)| at);
            self.list.remove(oldest);
        }
        self.list.push(Session { id: event.session, seen: None, device: 0, agent: 0, last: event.time });
        self.list.len() - 1
    }
}
