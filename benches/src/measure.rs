//! Time on a core and memory, as the system says.

use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// Time that this thread has run: what else the machine does is not counted.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Time that all threads of this process have run.
pub fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Runs `work` and says how long it ran.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = cpu();
    let result = work();
    (result, cpu().saturating_sub(start))
}

/// Nanoseconds for each of `count`.
pub fn ns_each(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// Bytes of this process in memory; 0 where the system does not say.
pub fn resident_bytes() -> i64 {
    status_number("self", "VmRSS:") * 1024
}

/// What the system says of another process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Time that its threads have run.
    pub cpu: Duration,
    /// Bytes in memory.
    pub resident_bytes: i64,
    /// Threads.
    pub threads: i64,
}

impl Process {
    /// Asks; all is 0 where the system does not say.
    pub fn of(pid: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name, in brackets, may hold anything; user and system time are the 12th and 13th word after it.
        let words = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u64 = words.skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
        let pid = pid.to_string();
        Self {
            cpu: Duration::from_millis(ticks * 1_000 / clock_ticks_per_second().max(1)),
            resident_bytes: status_number(&pid, "VmRSS:") * 1024,
            threads: status_number(&pid, "Threads:"),
        }
    }
}

fn status_number(pid: &str, name: &str) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
