//! Processes by id: whether one is ours, signals to it, and waiting for a state with a bound.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

const POLL: Duration = Duration::from_millis(50);

/// True while the process runs and its command line holds `mark`. A zombie has no command line, and an id that went
/// to another process has another one.
pub(super) fn runs(pid: i32, mark: &Path) -> bool {
    let line = match std::fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(bytes) => bytes,
        Err(_) if Path::new("/proc/self").exists() => return false,
        // Systems without /proc, as macOS.
        Err(_) => match Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output() {
            Ok(output) => output.stdout,
            Err(_) => return false,
        },
    };
    String::from_utf8_lossy(&line).contains(&*mark.to_string_lossy())
}

/// True once nothing of a process that ran with `mark` is left. Its first thread can be a zombie, without a command
/// line, while others are still ending and hold its sockets open.
pub(super) fn has_ended(pid: i32, mark: &Path) -> bool {
    if runs(pid, mark) {
        return false;
    }
    let nameless = std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty());
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !nameless || threads <= 1
}

/// Asks the process to end. A process that is gone already is no error.
pub(super) fn terminate(pid: i32) {
    signal(pid, Signal::TERM);
}

/// Ends the process as a crash would.
pub(super) fn kill(pid: i32) {
    signal(pid, Signal::KILL);
}

/// Collects the exit code of a child of ours, so that no zombie stays; nothing happens where it is none.
pub(super) fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // The error says that it is somebody else's child, who will do it.
        waitpid(Some(pid), WaitOptions::NOHANG).ok();
    }
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        kill_process(pid, signal).ok();
    }
}

/// Polls until `state` yields, for at most `limit`; `None` where it never did.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for, which tells nobody: its state is polled, with a bound"
)]
pub(super) fn wait_for<T>(limit: Duration, mut state: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = state() {
            return Some(found);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(POLL);
    }
}
