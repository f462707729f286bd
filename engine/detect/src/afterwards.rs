//! What lists say of an address only after somebody was there.
//!
//! Lists lag: what is seen at work today is listed tomorrow. What is found of it must not depend on when a machine runs
//! again over the past, so it comes with the events and not from the lists of the moment. An event says of its own address
//! what the lists under which it arrived say from a later time on ([`Event::later`]). And an event says what the lists, when it
//! arrives, say of the addresses from which its user was before, if that is more than was known: the lists may have been
//! switched since. A detector remembers a few such addresses ([`Strangers`]).

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::event::{Address, Event, Later};
use crate::finding::{SeenAddress, Trace};
use crate::listed::Listed;
use crate::lists::Lists;
use crate::time::Millis;

/// Addresses of a key that are remembered; the one unused for longest gives way.
const STRANGERS_MAX: usize = 4;

/// Addresses of which nothing was said when somebody was there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Strangers(Option<Box<ArrayVec<Stranger, STRANGERS_MAX>>>);

/// Such an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stranger {
    /// The first event from there.
    pub(crate) trace: Trace,
    pub(crate) seen: SeenAddress,
    /// Time of the last event from there.
    pub(crate) last: Millis,
    /// Events from there.
    pub(crate) count: u64,
    /// So much confidence must a list have.
    pub(crate) confidence_min: u8,
    /// What lists say, and from when on.
    later: Option<(Millis, Listed)>,
}

impl Stranger {
    /// What lists say of it at this time, and since when.
    pub(crate) fn told(&self, now: Millis) -> Option<(Millis, Listed)> {
        self.later.filter(|(from, _)| *from <= now)
    }

    /// Takes what lists say, if it is more than is known.
    fn take(&mut self, from: Millis, listed: Listed) {
        if listed.repute() > self.repute() {
            self.later = Some((from, listed));
        }
    }

    /// The most confidence with which anything bad is said of it.
    fn repute(&self) -> u8 {
        let later = self.later.map_or(0, |(_, listed)| listed.repute());
        later.max(self.seen.location.listed.repute())
    }
}

impl Strangers {
    /// Those that are remembered.
    pub(crate) fn all(&self) -> &[Stranger] {
        self.0.as_deref().map_or(&[], |list| list.as_slice())
    }

    /// Forgets those where nobody was since this time, and takes in what the event says of others.
    pub(crate) fn pass(&mut self, event: &Event, since: Millis) {
        let Some(list) = &mut self.0 else { return };
        list.retain(|stranger| stranger.last >= since);
        for later in event.later.iter().flatten() {
            if let Some(stranger) = list.iter_mut().find(|stranger| stranger.seen.address == later.address) {
                stranger.take(later.from, later.listed);
            }
        }
        if list.is_empty() {
            self.0 = None;
        }
    }

    /// Notes that somebody is at an address of their own record.
    pub(crate) fn note(&mut self, seen: SeenAddress, confidence_min: u8, context: &Context<'_>) {
        let event = context.event;
        let later = event.later.iter().flatten().find(|later| later.address == seen.address);
        let later = later.map(|later| (later.from, later.listed));
        let list = self.0.get_or_insert_default();
        if let Some(stranger) = list.iter_mut().find(|stranger| stranger.seen.address == seen.address) {
            (stranger.last, stranger.count) = (event.time, stranger.count + 1);
            stranger.seen.location.listed = seen.location.listed;
            return later.into_iter().for_each(|(from, listed)| stranger.take(from, listed));
        }
        if list.is_full() {
            let oldest = list.iter().enumerate().min_by_key(|(_, stranger)| stranger.last).map_or(0, |(at, _)| at);
            list.remove(oldest);
        }
        list.push(Stranger { trace: context.trace(), seen, last: event.time, count: 1, confidence_min, later });
    }

    /// Takes out one of which lists say something by now.
    pub(crate) fn next_told(&mut self, now: Millis) -> Option<Stranger> {
        let list = self.0.as_mut()?;
        let at = list.iter().position(|stranger| stranger.told(now).is_some())?;
        let told = list.remove(at);
        if list.is_empty() {
            self.0 = None;
        }
        Some(told)
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

/// The event with what the lists of the moment say of strangers, where that is more than was known when they came.
pub(crate) fn looked_back<'a>(
    event: &Event,
    lists: &Lists,
    strangers: impl Iterator<Item = &'a Stranger>,
) -> Option<Event> {
    let mut found: Vec<Later> = Vec::new();
    for stranger in strangers.filter(|stranger| stranger.last <= event.time) {
        let address: Address = stranger.seen.address;
        let news = lists.afterwards(address, stranger.last);
        if let Some((from, listed)) = news.filter(|(_, listed)| listed.repute() > stranger.repute()) {
            found.push(Later { address, from, listed });
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut event = event.clone();
    found.extend(event.later.iter().flatten());
    found.sort_by_key(|later| (later.address, later.from));
    event.later = Some(found.into_boxed_slice());
    Some(event)
}
