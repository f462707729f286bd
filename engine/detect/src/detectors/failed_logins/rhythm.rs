//! The rhythm of a client that tries an old password again and again.

use serde::{Deserialize, Serialize};

use super::Params;
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::hash::hash64_some;
use crate::model::Reason;
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

/// The failures of one client since another one, or a success, was last seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rhythm {
    /// Address, program and reason, hashed; 0: not such a client.
    client: u64,
    last: Millis,
    /// Between its last failures, milliseconds, oldest first.
    intervals: Vec<u32>,
}

impl Rhythm {
    /// Takes the next failure.
    pub(super) fn beat(&mut self, event: &Event, seen: Option<SeenAddress>) {
        let client = client_of(event, seen);
        let interval = event.time - self.last;
        if client == 0 || client != self.client || interval > PAUSE {
            *self = Self { client, last: event.time, intervals: Vec::new() };
            return;
        }
        if self.intervals.len() == INTERVALS_MAX {
            self.intervals.remove(0);
        }
        self.intervals.push(interval as u32);
        self.last = event.time;
    }

    /// The interval of an even rhythm: the median of the last ones, which all but a few are near.
    pub(super) fn even(&self, params: &Params) -> Option<Millis> {
        let wanted = params.rhythm_intervals as usize;
        let from = self.intervals.len().checked_sub(wanted).filter(|_| wanted > 0)?;
        let mut intervals: Vec<Millis> = self.intervals.iter().skip(from).map(|length| Millis::from(*length)).collect();
        intervals.sort_unstable();
        let median = intervals[(wanted - 1) / 2];
        let tolerance = (Millis::from(params.rhythm_tolerance_secs) * SECOND).max(median / TOLERANCE_PART);
        let strays = intervals.iter().filter(|length| (**length - median).abs() > tolerance).count();
        (median > 0 && median >= TOLERANCES_MIN * tolerance && strays <= wanted / STRAYS).then_some(median)
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.intervals.clone_from(&other.intervals);
        (self.client, self.last) = (other.client, other.last);
    }
}

/// Who tries, if it is somebody whose password alone is wrong; programs that name no program count as one.
fn client_of(event: &Event, seen: Option<SeenAddress>) -> u64 {
    let (Some(seen), Reason::BadPassword | Reason::Expired) = (seen, event.reason) else { return 0 };
    let mut bytes = [0_u8; 25];
    bytes[..16].copy_from_slice(&seen.address.bits().to_le_bytes());
    bytes[16..24].copy_from_slice(&event.agent.to_le_bytes());
    bytes[24] = event.reason as u8;
    hash64_some(&bytes)
}
