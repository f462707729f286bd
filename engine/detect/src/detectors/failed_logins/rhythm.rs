//! The rhythm of a client that tries an old password again and again.

use serde::{Deserialize, Serialize};

use super::Params;
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::model::{Action, Reason};
use crate::time::{HOUR, Millis, SECOND};

/// Intervals that are remembered.
pub(super) const INTERVALS_MAX: usize = 16;
/// Whoever waits longer begins anew: that is no client that goes on trying.
const PAUSE: Millis = HOUR;
/// A clock of whole seconds moves an interval by one, and clients that wait for minutes are not exact to the second: what
/// an interval may differ by is at least this part of it.
const TOLERANCE_PART: Millis = 50;
/// Intervals that are not this many times as long as what they may differ by have no rhythm: a program that guesses as
/// fast as it can fails in each second.
const TOLERANCES_MIN: Millis = 5;
/// One in so many intervals may be any length: networks fail too.
const STRAYS: usize = 5;

/// Who tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Knocker {
    /// Its address, hashed; 0: not such a client.
    #[serde(with = "postcard::fixint::le")]
    address: u64,
    /// Its program, hashed; 0: the source does not name it.
    #[serde(with = "postcard::fixint::le")]
    agent: u64,
    /// A [`Reason`], as a number.
    reason: u8,
}

/// The failures of one client since another one, or a success, was last seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rhythm {
    client: Knocker,
    last: Millis,
    /// Between its last failures, milliseconds, oldest first.
    intervals: Vec<u32>,
    /// Failures beside it since its owner last signed in.
    asides: u32,
    /// Somebody signed in elsewhere who may be its owner or not.
    doubted: bool,
    /// Its last failure came from a network of the user.
    at_home: bool,
}

impl Rhythm {
    /// Takes the next failure. Whoever has changed a password mistypes the new one while a client goes on with the old:
    /// so a wrong password from where the user is known to be is set aside, though no more of them than anybody may have.
    pub(super) fn beat(
        &mut self,
        params: &Params,
        (event, seen): (&Event, Option<SeenAddress>),
        (at_home, may_be_aside): (bool, bool),
    ) {
        let client = Knocker::of(event, seen);
        let interval = event.time - self.last;
        let is_another = client != self.client;
        if is_another && may_be_aside && client.address != 0 && interval <= PAUSE && self.asides < params.failures_max {
            self.asides += 1;
            return;
        }
        if client.address == 0 || is_another || interval > PAUSE {
            *self = Self { client, last: event.time, at_home, ..Self::default() };
            return;
        }
        if self.intervals.len() == INTERVALS_MAX {
            self.intervals.remove(0);
        }
        self.intervals.push(interval as u32);
        (self.last, self.at_home) = (event.time, at_home);
    }

    /// Forgets how even it was, and not who tries.
    pub(super) fn doubt(&mut self) {
        self.intervals.clear();
        (self.asides, self.doubted) = (0, true);
    }

    /// Does it try from a network of the user?
    pub(super) const fn is_at_home(&self) -> bool {
        self.at_home
    }

    /// Is it in doubt whose it is?
    pub(super) const fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Is it refused since its password or token has expired? Whoever guesses is told something else until a guess is right.
    pub(super) const fn is_expired(&self) -> bool {
        self.client.address != 0 && self.client.reason == Reason::Expired as u8
    }

    /// Its owner has signed in: whatever was mistyped before is over.
    pub(super) const fn forget_asides(&mut self) {
        self.asides = 0;
    }

    /// Failures that were set aside since.
    pub(super) const fn asides(&self) -> u32 {
        self.asides
    }

    /// Is this the address of the client that tries, as far as anybody can tell?
    pub(super) fn is_at(&self, seen: Option<SeenAddress>) -> bool {
        seen.is_none_or(|seen| self.client.address == seen.address.hash64())
    }

    /// The interval of an even rhythm: the median of the last ones, which all but a few are near.
    pub(super) fn even(&self, params: &Params) -> Option<Millis> {
        let wanted = params.rhythm_intervals as usize;
        let from = self.intervals.len().checked_sub(wanted).filter(|_| wanted > 0)?;
        let (median, strays) = spread(params, &self.intervals[from..])?;
        (strays <= wanted / STRAYS).then_some(median)
    }

    /// The interval of a rhythm that was even and goes on. Its owner who mistypes there, or a failure that never arrived,
    /// makes strays: it has ended when half of what is remembered are.
    pub(super) fn going_on(&self, params: &Params) -> Option<Millis> {
        let wanted = params.rhythm_intervals as usize;
        let (median, strays) = spread(params, &self.intervals).filter(|_| self.intervals.len() >= wanted.max(1))?;
        (wanted > 0 && 2 * strays < self.intervals.len()).then_some(median)
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.intervals.clone_from(&other.intervals);
        (self.client, self.last) = (other.client, other.last);
        (self.asides, self.doubted, self.at_home) = (other.asides, other.doubted, other.at_home);
    }
}

/// The median of the intervals, if it is one that can have a rhythm, and how many are further from it than they may be.
fn spread(params: &Params, intervals: &[u32]) -> Option<(Millis, usize)> {
    let mut sorted: Vec<Millis> = intervals.iter().map(|length| Millis::from(*length)).collect();
    sorted.sort_unstable();
    let median = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let tolerance = (Millis::from(params.rhythm_tolerance_secs) * SECOND).max(median / TOLERANCE_PART);
    let strays = sorted.iter().filter(|length| (**length - median).abs() > tolerance).count();
    (median > 0 && median >= TOLERANCES_MIN * tolerance).then_some((median, strays))
}

impl Knocker {
    /// Who tries, if it is somebody whose password alone is wrong, as far as the source says: the event of a failed sign-in
    /// gives no reason. Programs that name no program count as one.
    fn of(event: &Event, seen: Option<SeenAddress>) -> Self {
        let is_second_factor = event.action == Action::MfaChallenge;
        match (seen, event.reason) {
            (Some(seen), Reason::BadPassword | Reason::Expired | Reason::Other) if !is_second_factor => {
                Self { address: seen.address.hash64(), agent: event.agent, reason: event.reason as u8 }
            }
            _ => Self::default(),
        }
    }
}
