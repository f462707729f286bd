//! An allocator that counts. It is off until asked: what is timed is the system's allocator behind one predictable
//! branch.
//!
//! The counters are read and written without locking, since atomic additions would be dear enough to move what is
//! measured: a bench runs on one thread.
#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one only counts and hands on to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

static IS_ON: AtomicBool = AtomicBool::new(false);
static IS_TRAP_SET: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);
static TRAPPED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// Counts from now on.
pub fn count() {
    IS_ON.store(true, Relaxed);
}

/// Counts no longer.
pub fn rest() {
    IS_ON.store(false, Relaxed);
}

/// Allocations and reallocations counted.
pub fn calls() -> u64 {
    CALLS.load(Relaxed)
}

/// Gives the system back what the allocator holds on to.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            safe fn malloc_trim(pad: usize) -> i32;
        }
        malloc_trim(0);
    }
}

/// Bytes asked for and not given back, since counting began.
pub fn live_bytes() -> i64 {
    LIVE.load(Relaxed)
}

/// The most that [`live_bytes`] ever was since [`reset_peak`].
pub fn peak_bytes() -> i64 {
    PEAK.load(Relaxed)
}

/// Begins a new peak.
pub fn reset_peak() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

/// Notes for every allocation inside `work` which of our functions made it.
pub fn trapped<T>(work: impl FnOnce() -> T) -> T {
    IS_TRAP_SET.store(true, Relaxed);
    let result = work();
    IS_TRAP_SET.store(false, Relaxed);
    result
}

/// What [`trapped`] noted: the chain of our functions, innermost first, and how often; most frequent first.
pub fn culprits() -> Vec<(String, u64)> {
    let mut found: Vec<_> = std::mem::take(&mut *TRAPPED.lock().unwrap()).into_iter().collect();
    found.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    found
}

fn note(grown: i64) {
    let live = LIVE.load(Relaxed) + grown;
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
}

fn call() {
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
    // Taking a backtrace allocates too.
    if IS_TRAP_SET.swap(false, Relaxed) {
        let chain = chain(&Backtrace::force_capture().to_string());
        if let Ok(mut trapped) = TRAPPED.lock() {
            *trapped.entry(chain).or_insert(0) += 1;
        }
        IS_TRAP_SET.store(true, Relaxed);
    }
}

/// The five innermost functions of ours in a backtrace.
fn chain(backtrace: &str) -> String {
    let names = backtrace.lines().filter_map(|line| line.trim().split_once(": ").map(|(_, name)| name));
    let ours = names.filter(|name| name.contains("frostwatch_") && !name.contains("frostwatch_benches"));
    ours.take(5).collect::<Vec<_>>().join(" < ")
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract; what is added touches
// only counters and, inside a trap, allocates through the same path with the trap unset.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_ON.load(Relaxed) {
            call();
            note(layout.size() as i64);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if IS_ON.load(Relaxed) {
            call();
            note(layout.size() as i64);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if IS_ON.load(Relaxed) {
            note(-(layout.size() as i64));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if IS_ON.load(Relaxed) {
            call();
            note(new_size as i64 - layout.size() as i64);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, new_size) }
    }
}
