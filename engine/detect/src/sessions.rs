//! The session join: an event that names a session but carries no address takes the session's. It happens inside the
//! key's machine, so a session's start that arrives late moves the events that follow it.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::caps::Caps;
use crate::event::{EVENT_EXCEPTIONS_MAX, Event};
use crate::finding::SeenAddress;
use crate::model::{Action, IpSource};
use crate::near;
use crate::plans::{Plans, VersionSet};
use crate::time::{HOUR, MINUTE, Millis};

/// Sessions of a key that are remembered; the one unused for longest gives way.
pub const SESSIONS_MAX: usize = 8;
/// Sessions that lie in the machine itself: more are rare.
const SESSIONS_NEAR: usize = 2;
/// A session unused for this long is forgotten.
pub const SESSION_IDLE: Millis = 12 * HOUR;
/// How far back an event without session looks for the user's only live session.
pub const NEAREST: Millis = MINUTE;

/// The recent sessions of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    list: SmallVec<[Session; SESSIONS_NEAR]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    #[serde(with = "postcard::fixint::le")]
    id: u64,
    last: Millis,
    seen: Option<Seen>,
}

/// The record that gave a session its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    address: SeenAddress,
    /// Rules and exceptions as they were found for that address, by their places in the plan of that record.
    rules: u128,
    exceptions: ArrayVec<u16, EVENT_EXCEPTIONS_MAX>,
    #[serde(serialize_with = "crate::plans::write_version")]
    version: u8,
}

impl Seen {
    fn new(address: SeenAddress, event: &Event) -> Self {
        Self { address, rules: event.rules, exceptions: event.exceptions.clone(), version: event.version }
    }

    /// What was found for the address in terms of another plan: the rules that both ask about places and the answer for
    /// these, and the exceptions that both have. A rule that did not ask then has no answer, and goes by the record alone.
    fn under(&self, version: u8, plans: &Plans) -> (u128, u128, ArrayVec<u16, EVENT_EXCEPTIONS_MAX>) {
        let (then, now) = (plans.of(self.version), plans.of(version));
        if self.version == version {
            return (now.placed_rules, self.rules, self.exceptions.clone());
        }
        let (mut asked, mut rules) = (0, 0);
        for rule in now.rules.iter().filter(|rule| now.placed_rules & rule.bit != 0) {
            if let Some(before) = then.rule(rule.key).filter(|before| then.placed_rules & before.bit != 0) {
                asked |= rule.bit;
                rules |= if self.rules & before.bit == 0 { 0 } else { rule.bit };
            }
        }
        (asked, rules, now.same_exceptions(then, &self.exceptions))
    }
}

/// Where an event is taken to come from, and what holds for it there. Of the session's it takes the address alone: a
/// device or a browser that an earlier record named says nothing about who holds the session now.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The address and what is known of it.
    pub seen: Option<SeenAddress>,
    /// How it is known.
    pub source: IpSource,
    /// Rules whose scope takes the event, one bit each by their place in the plan.
    pub rules: u128,
    /// Exceptions that cover it, by their place in the plan.
    pub exceptions: ArrayVec<u16, EVENT_EXCEPTIONS_MAX>,
}

impl Origin {
    /// The record's own address or nothing.
    pub fn direct(event: &Event) -> Self {
        let seen = event.address.map(|address| SeenAddress { address, location: event.location });
        let source = if seen.is_some() { IpSource::Direct } else { IpSource::None };
        Self { seen, source, rules: event.rules, exceptions: event.exceptions.clone() }
    }

    /// An address that another record of the session gave: rules and exceptions that ask for a place go by that.
    fn joined(event: &Event, seen: &Seen, source: IpSource, plans: &Plans) -> Self {
        let (asked, answers, covered_by) = seen.under(event.version, plans);
        let mut exceptions = event.exceptions.clone();
        for exception in covered_by {
            if !exceptions.contains(&exception) && exceptions.try_push(exception).is_err() {
                break;
            }
        }
        let rules = event.rules & !asked | answers & asked;
        Self { seen: Some(seen.address), source, rules, exceptions }
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
    pub fn join(&mut self, event: &Event, plans: &Plans, caps: &mut Caps) -> Origin {
        self.list.retain(|session| event.time <= session.last + SESSION_IDLE);
        if event.session == 0 {
            return self.sessionless(event, plans);
        }
        let index = self.index_of(event, caps);
        let session = &mut self.list[index];
        session.last = event.time;
        let mut origin = Origin::direct(event);
        match (origin.seen, &session.seen) {
            (Some(address), _) => session.seen = Some(Seen::new(address, event)),
            (None, Some(seen)) => origin = Origin::joined(event, seen, IpSource::Session, plans),
            (None, None) => {}
        }
        if event.action == Action::Logout {
            self.list.remove(index);
        }
        origin
    }

    /// Brings near what the next event needs.
    pub(crate) fn bring(&self) {
        near::bring(self.list.as_slice());
    }

    /// Adds the versions that it refers to.
    pub fn versions(&self, found: &mut VersionSet) {
        self.list.iter().filter_map(|session| session.seen.as_ref()).for_each(|seen| found.insert(seen.version));
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }

    fn sessionless(&self, event: &Event, plans: &Plans) -> Origin {
        let origin = Origin::direct(event);
        if origin.seen.is_some() {
            return origin;
        }
        let mut live = self.list.iter().filter(|session| event.time - session.last <= NEAREST);
        match (live.next().and_then(|session| session.seen.as_ref()), live.next()) {
            (Some(seen), None) => Origin::joined(event, seen, IpSource::Nearest, plans),
            _ => origin,
        }
    }

    fn index_of(&mut self, event: &Event, caps: &mut Caps) -> usize {
        if let Some(index) = self.list.iter().position(|session| session.id == event.session) {
            return index;
        }
        if self.list.len() >= SESSIONS_MAX {
            caps.sessions += 1;
            let oldest = self.list.iter().enumerate().min_by_key(|(_, session)| session.last).map_or(0, |(at, _)| at);
            self.list.remove(oldest);
        }
        self.list.push(Session { id: event.session, last: event.time, seen: None });
        self.list.len() - 1
    }
}
