//! Standard error: logs, and words to the person at the terminal.

use std::io::Write;

use tracing_subscriber::EnvFilter;

/// Starts the logs.
pub(crate) fn start_logs(filter: &str, json: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (tests in one process) keeps the first.
    let _ = if json { logs.json().try_init() } else { logs.with_target(false).try_init() };
}

/// Says a line to the person at the terminal. A closed terminal is no reason to fail.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
