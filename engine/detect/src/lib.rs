//! The pure detection core of Frostwatch: no clock, no file, no log, no thread.
//!
//! Everything here is a function of its arguments; that is what makes a replay equal to the live run.

pub mod catalogue;
pub mod detectors;
pub mod model;
pub mod names;
pub mod place;
pub mod rule;
pub mod time;
