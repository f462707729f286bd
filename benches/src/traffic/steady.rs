//! One user who downloads at even intervals, in order.

use frostwatch_detect::time::{Millis, SECOND};

use super::record::Writer;
use super::{Batch, Deed, START, What};

/// A session is this many downloads long.
const SESSION_DOWNLOADS: u64 = 400;

/// A user who downloads something else every few seconds.
pub struct Steady {
    pause: Millis,
    writer: Writer,
    batch: Batch,
    done: u64,
}

impl Steady {
    /// The downloads of a seed.
    pub fn new(pause: Millis, seed: u64) -> Self {
        Self { pause, writer: Writer::new(seed, false), batch: Batch::default(), done: 0 }
    }

    /// The records of the next downloads.
    pub fn next(&mut self, downloads: usize) -> &Batch {
        self.batch.clear();
        for _ in 0..downloads {
            let (time, session) = (START + self.done as Millis * self.pause, self.done / SESSION_DOWNLOADS * 2);
            let deed = Deed { time, serial: self.done, user: 0, session, what: What::Download };
            self.batch.push(&self.writer, time + SECOND, &deed);
            self.done += 1;
        }
        &self.batch
    }
}
