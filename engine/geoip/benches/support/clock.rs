//! The time that work takes of the processor.

/// CPU time of the work, ns.
pub(crate) fn timed(work: impl FnOnce()) -> u64 {
    let start = cpu_ns();
    work();
    cpu_ns() - start
}

/// Time that this thread has run: what else the machine does is not counted. Where the system does not say it, the
/// wall clock.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran = stat.split_whitespace().next().and_then(|ns| ns.parse().ok());
    ran.unwrap_or_else(|| {
        #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    })
}
