//! What the tests of processes share; each suite uses its part.
#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

pub(crate) mod fleet;
pub(crate) mod group;
pub(crate) mod judge;
pub(crate) mod log;
pub(crate) mod rows;
pub(crate) mod web;
