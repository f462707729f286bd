//! Where a user was last seen, by the way they came in.

use serde::{Deserialize, Serialize};

use super::{State, ground};
use crate::context::Context;
use crate::event::{Event, EventId};
use crate::finding::{Concerned, SeenAddress, SeenDevice, Trace};
use crate::model::{Action, Channel, Outcome};
use crate::time::Millis;

/// The last time a track was somewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sighting {
    pub(super) track: u8,
    /// Of an event that an exception covers. Such events are tracked apart: where they lead says nothing of the rest.
    pub(super) covered: bool,
    /// As the record itself says, or one before it in its session at its very address: whoever holds a session elsewhere must
    /// not inherit its device.
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
        let mut clients = self.tracks.iter().filter(|last| last.is_of_session_at(event, seen) && last.names_client());
        let client = if is_clientless(context) { clients.next() } else { None };
        client.map_or_else(|| ground::way_in(event.channel), |last| ground::way_of(last.track))
    }

    /// Takes in where the user is. What names no client lies on a track of its own until a client is seen there: the rows of
    /// a phone's sign-in must not hide where the laptop was.
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
        if is_clientless(context) {
            let client = |last: &&Sighting| {
                last.track == track && last.covered == covered && last.is_of_session_at(event, &seen)
            };
            match self.tracks.iter().find(client) {
                Some(last) => (sighting.device, sighting.agent) = (last.device, last.agent),
                None => sighting.track = ground::of_nobody(track),
            }
        }
        // A client that is seen later on this way in, or in the session at its address, says more than a sign-in.
        let way = ground::way_of(sighting.track);
        self.tracks.retain(|last| {
            last.covered != covered
                || !ground::is_of_nobody(last.track)
                || ground::is_of_nobody(sighting.track)
                || ground::way_of(last.track) != way && !last.is_of_session_at(event, &seen)
        });
        match self.tracks.iter_mut().find(|last| last.track == sighting.track && last.covered == covered) {
            Some(last) => *last = sighting,
            None => self.tracks.push(sighting),
        }
    }
}

/// Does it name no channel, browser or device?
pub(super) fn is_clientless(context: &Context<'_>) -> bool {
    let event = context.event;
    context.keeps(2) && event.channel == Channel::Unknown && event.agent == 0 && event.device == 0
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
            about: Concerned::default(),
        }
    }
}
