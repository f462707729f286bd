//! One busy user, an hour at a time.

use frostwatch_detect::time::{HOUR, Millis, SECOND};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::record::Writer;
use super::{Batch, Deed, START, What};

/// Events of an hour: with what is kept of the hour before (lateness and skew limit and the span of an action make 65.5
/// minutes) just under what a lane holds.
const EVENTS_PER_HOUR: usize = 3_600;

/// In which order the events of an hour arrive, all at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hour {
    /// As they happened.
    InOrder,
    /// Shuffled.
    AtRandom,
    /// The last first.
    Backwards,
}

/// A user who does something every second.
pub struct Hours {
    order: Hour,
    chance: ChaCha8Rng,
    writer: Writer,
    batch: Batch,
    hour: Millis,
}

impl Hours {
    /// The hours of a seed.
    pub fn new(order: Hour, seed: u64) -> Self {
        Self {
            order,
            chance: ChaCha8Rng::seed_from_u64(seed),
            writer: Writer::new(seed, false),
            batch: Batch::default(),
            hour: 0,
        }
    }

    /// The records of the next hour, at most `limit`.
    pub fn next_hour(&mut self, limit: usize) -> &Batch {
        let begin = START + self.hour * HOUR;
        let mut deeds: Vec<Deed> = (0..EVENTS_PER_HOUR).map(|nth| self.deed(begin, nth)).collect();
        match self.order {
            Hour::InOrder => {}
            Hour::AtRandom => deeds.shuffle(&mut self.chance),
            Hour::Backwards => deeds.reverse(),
        }
        self.hour += 1;
        self.batch.clear();
        for deed in deeds.iter().take(limit) {
            self.batch.push(&self.writer, begin + HOUR, deed);
        }
        &self.batch
    }

    fn deed(&mut self, begin: Millis, nth: usize) -> Deed {
        let serial = self.hour as u64 * EVENTS_PER_HOUR as u64 + nth as u64;
        let what = if self.chance.random_bool(0.05) { What::Download } else { What::View };
        Deed { time: begin + nth as Millis * SECOND, serial, user: 0, session: self.hour as u64 * 2, what }
    }
}
