//! Where a user was last seen, by the way they came in.

use serde::{Deserialize, Serialize};

use super::{State, ground};
use crate::context::Context;
use crate::event::{Event, EventId};
use crate::finding::{SeenAddress, SeenDevice, Trace};
use crate::model::{Action, Channel, Outcome};
use crate::time::Millis;

/// The last time a track was somewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sighting {
    pub(super) track: u8,
    /// Of an event that an exception covers. Such events are tracked apart: where they lead says nothing of the rest.
    pub(super) covered: bool,
    /// As the record itself says, not its session: whoever holds a session must not inherit its device.
    pub(super) device: Option<SeenDevice>,
    pub(super) agent: u64,
    pub(super) session: u64,
    pub(super) time: Millis,
    pub(super) id: EventId,
    pub(super) action: Action,
    pub(super) seen: SeenAddress,
}

impl State {
    /// The way in of an event. Rows of a sign-in name neither browser nor channel: they are of the client that their
    /// session has at their very address, or a phone that signed in would be followed as a laptop, too.
    pub(super) fn way_in(&self, context: &Context<'_>, seen: &SeenAddress) -> u8 {
        let event = context.event;
        let client = self.tracks.iter().filter(|last| last.is_of_session_at(event, seen) && last.names_client());
        let client = client.filter(|_| event.channel == Channel::Unknown && event.agent == 0 && event.device == 0);
        client.map(|last| ground::way_of(last.track)).next().unwrap_or_else(|| ground::way_in(event.channel))
    }

    pub(super) fn sight(&mut self, track: u8, context: &Context<'_>, seen: SeenAddress) {
        let event = context.event;
        let covered = context.exception.is_some();
        let mut sighting = Sighting {
            track,
            covered,
            device: SeenDevice::of(event),
            agent: event.agent,
            session: event.session,
            time: event.time,
            id: event.id.clone(),
            action: event.action,
            seen,
        };
        if sighting.names_client() {
            // What the rows of its sign-in said of it is said better now.
            self.tracks.retain(|last| {
                last.track == track
                    || last.covered != covered
                    || last.names_client()
                    || !last.is_of_session_at(event, &seen)
            });
        }
        match self.tracks.iter_mut().find(|last| last.track == track && last.covered == covered) {
            Some(last) => {
                if !sighting.names_client() && last.is_of_session_at(event, &seen) {
                    (sighting.device, sighting.agent) = (last.device, last.agent);
                }
                *last = sighting;
            }
            None => self.tracks.push(sighting),
        }
    }
}

impl Sighting {
    /// Was it the session of an event, at the address of the event?
    fn is_of_session_at(&self, event: &Event, seen: &SeenAddress) -> bool {
        event.session != 0 && self.session == event.session && self.seen.address == seen.address
    }

    /// Does it name a browser or a device?
    const fn names_client(&self) -> bool {
        self.agent != 0 || self.device.is_some()
    }

    /// The event as evidence: only what succeeded is sighted.
    pub(super) fn trace(&self) -> Trace {
        Trace {
            time: self.time,
            id: self.id.clone(),
            action: self.action,
            outcome: Outcome::Success,
            address: Some(self.seen),
            session: self.session,
            device: self.device,
            // A sighting is kept for each user and way in: what was done there is left to its row.
            object: None,
        }
    }
}
