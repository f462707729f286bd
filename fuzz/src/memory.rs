//! How much memory a reader takes. The limits of `libfuzzer` count a process; what is asked here is that no reader takes
//! more than its input lets it expect, and none a large piece at once because a length in its input says so.
#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one only counts and hands on to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Largest single piece, bytes, whatever is read.
const PIECE_BYTES_MAX: usize = 256 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// Runs `read` and fails where it held more than `bytes_max` at once.
pub fn bounded<T>(bytes_max: usize, read: impl FnOnce() -> T) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let made = read();
    let held = PEAK.load(Relaxed).saturating_sub(before);
    assert!(held <= bytes_max, "{held} bytes were held, at most {bytes_max} are allowed");
    made
}

fn took(bytes: usize) {
    // An abort and not a panic, since a panic would allocate.
    if bytes > PIECE_BYTES_MAX {
        std::process::abort();
    }
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
