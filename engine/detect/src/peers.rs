//! What is usual among a user's colleagues, as somebody has measured it and said it of the account.
//!
//! Each user's records are all there is to a detector, so nothing of a group can be learned here. It is measured outside,
//! over the activity of all, and comes as a record of the user ([`crate::profile`]): so it counts in the order of the
//! user's own events, and a replay knows it where the live run did.

use serde::{Deserialize, Serialize};

use crate::profile::shown;
use crate::time::{DAY, Millis};

/// What was measured longer ago than this says nothing any more: a group of then is another one now.
pub const PEERS_KEPT: Millis = 45 * DAY;
/// Objects, rows and bytes.
pub const PEER_MEASURES: usize = 3;

/// The busiest hours of the other people of a user's group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// When it was said.
    pub said_at: Millis,
    /// The group, for whoever reads an alert; empty: it was not named.
    pub group: Box<str>,
    /// People that were measured, the user not among them.
    pub people: u32,
    /// What the busiest hour of 19 of 20 of them did not exceed, in objects, rows and bytes. `None`: not measured.
    pub hour: [Option<u64>; PEER_MEASURES],
    /// The same around the turn of a month.
    pub turn: [Option<u64>; PEER_MEASURES],
}

impl Peers {
    /// What is said of a group; its name is cut to what is kept of a text about a person.
    pub fn new(
        said_at: Millis,
        group: &str,
        people: u64,
        hour: [Option<u64>; PEER_MEASURES],
        turn: [Option<u64>; PEER_MEASURES],
    ) -> Self {
        let people = u32::try_from(people).unwrap_or(u32::MAX);
        Self { said_at, group: shown(group).unwrap_or_default(), people, hour, turn }
    }

    /// Does it still say something at this time?
    pub const fn counts(&self, now: Millis) -> bool {
        now - self.said_at <= PEERS_KEPT
    }

    /// What the others did not exceed in an hour; around the turn of a month the larger of both numbers. And whether it is
    /// that of the turn. `None`: this was not measured.
    pub fn most(&self, measure: usize, is_turn: bool) -> Option<(u64, bool)> {
        let (hour, turn) = (*self.hour.get(measure)?, *self.turn.get(measure)?);
        match (hour, turn.filter(|_| is_turn)) {
            (hour, Some(turn)) if hour.is_none_or(|hour| turn > hour) => Some((turn, true)),
            (hour, _) => hour.map(|hour| (hour, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn around_the_turn_of_a_month_the_larger_number_counts() {
        let peers = |hour, turn| Peers { hour: [hour, None, None], turn: [turn, None, None], ..Peers::default() };
        for (hour, turn, outside, around) in [
            (Some(31), Some(60), Some((31, false)), Some((60, true))),
            (Some(31), Some(20), Some((31, false)), Some((31, false))),
            (Some(31), None, Some((31, false)), Some((31, false))),
            (None, Some(60), None, Some((60, true))),
            (None, None, None, None),
        ] {
            let peers = peers(hour, turn);
            assert_eq!((peers.most(0, false), peers.most(0, true), peers.most(1, true)), (outside, around, None));
        }
    }

    #[test]
    fn a_measurement_counts_for_forty_five_days() {
        let peers = Peers::new(0, " Fin\u{202e}ance\n", u64::MAX, [Some(1); 3], [None; 3]);
        assert_eq!((&*peers.group, peers.people), ("Finance", u32::MAX));
        assert!(peers.counts(45 * DAY) && !peers.counts(45 * DAY + 1));
    }
}
