//! Brings memory near before it is needed.
//!
//! A key lies in a dozen places of memory, and with a million keys none of them is in the cache. One record after the
//! other, each place is waited for; asked for ahead of time for several records at once, the waits lie on top of each
//! other. Nothing is read or changed by it, so nothing that is found can depend on it.
#![allow(unsafe_code, reason = "the processor's hint takes a pointer; it reads nothing and cannot fault")]

/// Bytes that the processor moves at once.
const LINE_BYTES: usize = 64;

/// Asks for the memory of a value.
pub(crate) fn bring<T: ?Sized>(value: &T) {
    bring_bytes(std::ptr::from_ref(value).cast(), size_of_val(value));
}

/// Asks for the first memory of a value, of which not all is needed.
pub(crate) fn bring_first<T>(value: &T) {
    bring_bytes(std::ptr::from_ref(value).cast(), 1);
}

/// Asks for the memory behind a value, where a list goes on.
pub(crate) fn bring_next<T>(value: &T) {
    bring_bytes(std::ptr::from_ref(value).wrapping_add(1).cast(), size_of::<T>());
}

#[cfg(target_arch = "x86_64")]
fn bring_bytes(start: *const i8, bytes: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    let skew = start.addr() % LINE_BYTES;
    for at in (0..bytes + skew).step_by(LINE_BYTES) {
        // SAFETY: a prefetch is a hint: it does not read for the program and raises no fault, whatever the address; the
        // address is made without arithmetic that could overflow its object.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_sub(skew).wrapping_add(at)) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
const fn bring_bytes(_start: *const i8, _bytes: usize) {}
