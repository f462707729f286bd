//! What lists say of an address only after somebody was there.
//!
//! Lists lag: what is seen at work today is listed tomorrow. What is found of it must not depend on when a machine runs
//! again over the past, so it comes with the events and not from the lists of the moment. An event says of its own address
//! what the lists under which it arrived say from later times on ([`Event::later`]). And an event says what the lists, when it
//! arrives, say of the addresses from which its user was before, if that is more than the records from there said: the lists
//! may have been switched since. Every event after it says so, whatever others have said or found: whichever of them comes
//! first, is a copy of another, or takes its place, the first in order tells it. A detector remembers a few such addresses
//! as strangers.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::event::{Event, Later};
use crate::finding::{SeenAddress, Trace};
use crate::listed::Listed;
use crate::lists::Lists;
use crate::time::Millis;

/// Addresses of a key that are remembered; the one unused for longest gives way.
const STRANGERS_MAX: usize = 4;
/// What lists say of an address at different times, each surer than what they said before; of more the first and the
/// surest.
pub const RISES_MAX: usize = 3;

/// What lists say of an address, and from when on.
pub type Rises = ArrayVec<(Millis, Listed), RISES_MAX>;

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
    /// All of them are tests.
    pub(crate) test: bool,
    /// So much confidence must a list have.
    pub(crate) confidence_min: u8,
    /// It was told.
    pub(crate) is_told: bool,
    /// The most confidence with which a record from there said anything bad of it, of then or of later.
    own: u8,
    later: Rises,
}

impl Stranger {
    /// The surest that lists say of it at this time, and since when.
    pub(crate) fn told(&self, now: Millis) -> Option<(Millis, Listed)> {
        let by_now = self.later.iter().filter(|(from, _)| *from <= now);
        by_now.copied().max_by_key(|(from, listed)| (listed.repute(), std::cmp::Reverse(*from)))
    }

    /// Takes what lists say, where it is not known; of more than have room the least sure is forgotten.
    fn take(&mut self, from: Millis, listed: Listed) {
        if self.later.contains(&(from, listed)) {
            return;
        }
        let key = |(from, listed): &(Millis, Listed)| (listed.repute(), std::cmp::Reverse(*from));
        if self.later.is_full() {
            let least = self.later.iter().enumerate().min_by_key(|(_, known)| key(known)).map_or(0, |(at, _)| at);
            if key(&self.later[least]) >= key(&(from, listed)) {
                return;
            }
            self.later.remove(least);
        }
        self.later.push((from, listed));
        // Whatever order they came in.
        self.later.sort_unstable_by_key(|(from, listed)| (*from, listed.repute()));
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
    pub(crate) fn note(&mut self, seen: SeenAddress, confidence_min: u8, context: &mut Context<'_>) {
        let event = context.event;
        let list = self.0.get_or_insert_default();
        let known = list.iter().position(|stranger| stranger.seen.address == seen.address);
        let at = known.unwrap_or_else(|| {
            if list.is_full() {
                context.caps.networks += 1;
                let oldest = list.iter().enumerate().min_by_key(|(_, stranger)| stranger.last).map_or(0, |(at, _)| at);
                list.remove(oldest);
            }
            list.push(Stranger {
                trace: context.trace(),
                seen,
                last: event.time,
                count: 0,
                test: false,
                confidence_min,
                is_told: false,
                own: 0,
                later: Rises::new(),
            });
            list.len() - 1
        });
        let stranger = &mut list[at];
        stranger.test = event.test && (stranger.test || stranger.count == 0);
        (stranger.last, stranger.count) = (event.time, stranger.count + 1);
        stranger.own = stranger.own.max(seen.location.listed.repute());
        for later in event.later.iter().flatten().filter(|later| later.address == seen.address) {
            stranger.own = stranger.own.max(later.listed.repute());
            stranger.take(later.from, later.listed);
        }
    }

    /// One that was not told and of which lists say something by now that is enough: it counts as told.
    pub(crate) fn next_told(&mut self, now: Millis, is_enough: impl Fn(&Stranger, Listed) -> bool) -> Option<Stranger> {
        let list = self.0.as_mut()?;
        let told = list.iter_mut().find(|stranger| {
            let says = stranger.told(now).filter(|_| !stranger.is_told);
            says.is_some_and(|(_, listed)| is_enough(stranger, listed))
        })?;
        told.is_told = true;
        Some(told.clone())
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

/// The event with what the lists of the moment say of strangers, where that is more than the records from there said.
pub(crate) fn looked_back<'a>(
    event: &Event,
    lists: &Lists,
    strangers: impl Iterator<Item = &'a Stranger>,
) -> Option<Event> {
    let mut found: Vec<Later> = Vec::new();
    for stranger in strangers.filter(|stranger| stranger.last <= event.time) {
        let address = stranger.seen.address;
        let news = lists.afterwards(address, stranger.last).into_iter();
        let news = news.filter(|(_, listed)| listed.repute() > stranger.own);
        found.extend(news.map(|(from, listed)| Later { address, from, listed }));
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
