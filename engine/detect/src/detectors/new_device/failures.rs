//! Failed sign-ins and second factors: how many came together, from where, and whose they were.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Params;
use crate::event::Event;
use crate::model::{Action, Reason};
use crate::time::{Millis, SECOND};

/// The last failures, and the last run of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tries {
    /// Times of the last, as many as are asked for.
    times: SmallVec<[Millis; 1]>,
    /// Which of them were second factors: a bit each, the last is the lowest.
    denied: u32,
    /// Which of them were somebody else's.
    strange: u32,
    /// Which of them came from the address of the one before.
    together: u32,
    /// From where the last was, hashed; 0: not known.
    #[serde(with = "postcard::fixint::le")]
    address: u64,
    run: Option<Failures>,
    /// Those since there was none for as long as a risky event counts, how many of them were second factors or refused by policy,
    /// and how many were not where the user signs in day by day.
    lately: [u32; 3],
}

/// Failures that are a risky event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures {
    /// Time of the last.
    pub(super) at: Millis,
    /// How many at least, each within the time of the first.
    pub(super) count: u32,
    /// How many there were in all, each within that time of so many before it.
    pub(super) all: u32,
    /// How many of `count` were second factors.
    pub(super) denied: u32,
    /// All of `count` were somebody else's.
    pub(super) strange: bool,
    /// From where the last was, hashed; 0: not known.
    #[serde(with = "postcard::fixint::le")]
    pub(super) address: u64,
    /// All of `count` came from there.
    pub(super) one_address: bool,
}

/// Whose a failure was, by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// From a network on which the user signs in day by day, where they do.
    Own,
    /// From one on which the user has not signed in, away from where they do.
    Strange,
    /// Nothing speaks for either.
    Anybody,
}

impl Tries {
    /// Takes the next failure: from an address, hashed.
    pub(super) fn take(&mut self, params: &Params, event: &Event, (address, whose): (u64, Whose)) {
        let bit = |bits: u32, is: bool| bits << 1 | u32::from(is);
        // Some sources have one record for both.
        let is_factor = event.action == Action::MfaChallenge || event.reason == Reason::MfaFailed;
        self.denied = bit(self.denied, is_factor);
        self.strange = bit(self.strange, whose == Whose::Strange);
        self.together = bit(self.together, address != 0 && address == self.address);
        self.address = address;
        let within = Millis::from(params.within_secs) * SECOND;
        if self.times.last().is_none_or(|last| event.time - last > within) {
            self.lately = [0; 3];
        }
        let [all, grave, others] = &mut self.lately;
        *all = all.saturating_add(1);
        // Whom policy refuses has the password.
        *grave = grave.saturating_add(u32::from(is_factor || event.reason == Reason::Denied));
        *others = others.saturating_add(u32::from(whose != Whose::Own));
        self.times.push(event.time);
        let over = self.times.len().saturating_sub(params.failures_min as usize);
        self.times.drain(..over);
        let (most, few) = (params.failures_min, params.failures_strange_min.min(params.failures_min));
        let is_many = self.fits(most, params, event.time);
        let are_strange = few > 0 && self.fits(few, params, event.time) && all_of(self.strange, few);
        if !is_many && !are_strange {
            return;
        }
        // What was somebody else's is not made good by a mistake of the user's.
        if !are_strange && self.run.is_some_and(|run| run.strange && event.time - run.at <= within) {
            return;
        }
        let count = if is_many && (!are_strange || all_of(self.strange, most)) { most } else { few };
        let span = Millis::from(params.failures_within_secs) * SECOND;
        let before = self.run.filter(|run| run.strange == are_strange && event.time - run.at <= span);
        self.run = Some(Failures {
            at: event.time,
            count,
            all: before.map_or(count, |run| run.all.saturating_add(1)).max(count),
            denied: (self.denied & last_bits(count)).count_ones(),
            strange: are_strange,
            address,
            one_address: address != 0 && all_of(self.together, count.saturating_sub(1)),
        });
    }

    /// The last run, if it is not older than that.
    pub(super) fn run_since(&self, since: Millis) -> Option<Failures> {
        self.run.filter(|run| run.at >= since)
    }

    /// Were there no more of late than one person mistypes, from wherever, and none of them of a second factor or refused by policy?
    pub(super) const fn were_mistakes(&self, params: &Params) -> bool {
        self.lately[0] < 2 * params.failures_min && self.lately[1] == 0
    }

    /// Were there few of late, of whatever kind and whoever's, and are they over?
    pub(super) fn were_few(&self, params: &Params, now: Millis, soon_and_here: (Millis, u64)) -> bool {
        self.lately[0] < params.failures_min && self.are_over(now, soon_and_here)
    }

    /// Were all of late where the user signs in day by day, and are they over?
    pub(super) fn were_own(&self, now: Millis, soon_and_here: (Millis, u64)) -> bool {
        self.lately[2] == 0 && self.are_over(now, soon_and_here)
    }

    /// Was none of late of a second factor or refused by policy, and none within this time of now, nor the last from this address?
    fn are_over(&self, now: Millis, (soon, here): (Millis, u64)) -> bool {
        let is_over = self.times.last().is_none_or(|last| now - last > soon);
        is_over && self.lately[1] == 0 && (self.address == 0 || self.address != here)
    }

    /// They were the user's.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.times.clone_from(&other.times);
        (self.denied, self.strange, self.together) = (other.denied, other.strange, other.together);
        (self.address, self.run, self.lately) = (other.address, other.run, other.lately);
    }

    /// Are there so many within the time that is asked for?
    fn fits(&self, count: u32, params: &Params, now: Millis) -> bool {
        let first = self.times.len().checked_sub(count as usize).and_then(|first| self.times.get(first));
        first.is_some_and(|first| now - first <= Millis::from(params.failures_within_secs) * SECOND)
    }
}

fn all_of(bits: u32, count: u32) -> bool {
    (bits & last_bits(count)).count_ones() == count
}

/// As many of the lowest bits.
fn last_bits(count: u32) -> u32 {
    u32::MAX.checked_shr(u32::BITS - count).unwrap_or(0)
}
