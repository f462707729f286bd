//! Do the loops of a process still move? librdkafka can wait without limit inside a call (seen: offsets handed to a
//! transaction whose coordinator was killed); the group goes on taking the member for alive, since its heartbeats come
//! from another thread, and its partitions stand still.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Loops that are watched at most.
const LOOPS_MAX: usize = 256;

/// What a loop is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Work,
    Commit,
    TakeOver,
    GiveBack,
    Leave,
    Close,
}

impl Step {
    const ALL: [Self; 7] =
        [Self::Start, Self::Work, Self::Commit, Self::TakeOver, Self::GiveBack, Self::Leave, Self::Close];

    const fn spoken(self) -> &'static str {
        match self {
            Self::Start => "connects",
            Self::Work => "reads activity",
            Self::Commit => "delivers and commits a batch",
            Self::TakeOver => "takes partitions over",
            Self::GiveBack => "gives partitions back",
            Self::Leave => "leaves the group",
            Self::Close => "closes its clients",
        }
    }
}

/// When each loop last moved.
#[derive(Debug)]
pub struct Pulse {
    begun: Instant,
    /// Milliseconds since `begun`, plus one; 0 where no loop runs.
    beats: [AtomicU64; LOOPS_MAX],
    /// What each is at.
    steps: [AtomicU8; LOOPS_MAX],
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            beats: std::array::from_fn(|_| AtomicU64::new(0)),
            steps: std::array::from_fn(|_| AtomicU8::new(0)),
        }
    }
}

impl Pulse {
    /// The loop moves.
    pub(crate) fn beat(&self, member: usize) {
        if let Some(beat) = self.beats.get(member) {
            beat.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The loop moves, on to this.
    pub(crate) fn comes_to(&self, member: usize, step: Step) {
        if let Some(at) = self.steps.get(member) {
            at.store(step as u8, Ordering::Relaxed);
        }
        self.beat(member);
    }

    /// What the loops are at, for whoever wants to know why they do not end: `worker 0 commits`. Empty where none runs.
    pub fn spoken(&self) -> String {
        let running = self.beats.iter().zip(&self.steps).enumerate();
        let running = running.filter(|(_, (beat, _))| beat.load(Ordering::Relaxed) > 0);
        let of_one = |(member, (_, at)): (usize, (&AtomicU64, &AtomicU8))| {
            let step = Step::ALL.get(usize::from(at.load(Ordering::Relaxed))).copied().unwrap_or(Step::Work);
            format!("worker {member} {}", step.spoken())
        };
        running.map(of_one).collect::<Vec<_>>().join(", ")
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

    #[test]
    fn what_loops_are_at_is_told_of_those_that_run() {
        let pulse = Pulse::default();
        assert_eq!(pulse.spoken(), "");
        for (member, step) in Step::ALL.into_iter().enumerate() {
            pulse.comes_to(member, step);
        }
        pulse.comes_to(1, Step::Close);
        (2..6).for_each(|member| pulse.end(member));
        assert_eq!(pulse.spoken(), "worker 0 connects, worker 1 closes its clients, worker 6 closes its clients");
    }
}
