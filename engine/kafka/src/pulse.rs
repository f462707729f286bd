//! Do the loops of a process still move? librdkafka can wait without limit inside a call (seen: offsets handed to a
//! transaction whose coordinator was killed); the group goes on taking the member for alive, since its heartbeats come
//! from another thread, and its partitions stand still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Loops that are watched at most.
const LOOPS_MAX: usize = 256;

/// When each loop last moved.
#[derive(Debug)]
pub struct Pulse {
    begun: Instant,
    /// Milliseconds since `begun`, plus one; 0 where no loop runs.
    beats: [AtomicU64; LOOPS_MAX],
}

impl Default for Pulse {
    fn default() -> Self {
        Self { begun: Instant::now(), beats: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Pulse {
    /// The loop moves.
    pub(crate) fn beat(&self, member: usize) {
        if let Some(beat) = self.beats.get(member) {
            beat.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The loop has ended.
    pub(crate) fn end(&self, member: usize) {
        if let Some(beat) = self.beats.get(member) {
            beat.store(0, Ordering::Relaxed);
        }
    }

    /// For how long the loop that moved least has stood still; zero where none runs.
    pub fn stands_still(&self) -> Duration {
        let now = self.now();
        let beats = self.beats.iter().map(|beat| beat.load(Ordering::Relaxed)).filter(|beat| *beat > 0);
        Duration::from_millis(beats.map(|beat| now.saturating_sub(beat)).max().unwrap_or_default())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_that_moved_least_tells_and_one_that_ended_does_not() {
        let pulse = Pulse::default();
        assert_eq!(pulse.stands_still(), Duration::ZERO);
        pulse.beats[0].store(1, Ordering::Relaxed);
        let before = pulse.stands_still();
        pulse.beat(1);
        assert!(pulse.stands_still() >= before);
        pulse.end(0);
        pulse.beat(1);
        assert!(pulse.stands_still() < Duration::from_mins(1));
        pulse.end(1);
        assert_eq!(pulse.stands_still(), Duration::ZERO);
    }
}
