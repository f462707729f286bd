//! The pure detection core of Frostwatch: no clock, no file, no log, no thread.
//!
//! Everything here is a function of its arguments; that is what makes a replay equal to the live run.

pub mod afterwards;
mod baseline;
pub mod caps;
pub mod catalogue;
pub mod condition;
pub mod context;
pub mod detectors;
mod devices;
pub mod entity;
pub mod event;
pub mod files;
pub mod finding;
pub mod format;
pub mod geometry;
pub mod hash;
pub mod incident;
pub mod key;
pub mod keys;
pub mod lane;
pub mod listed;
pub mod lists;
pub mod machine;
pub mod model;
pub mod names;
mod near;
pub mod networks;
pub mod peers;
pub mod place;
pub mod plan;
pub mod plans;
pub mod profile;
pub mod radius;
pub mod ranges;
mod reputation;
pub mod rule;
pub mod sent;
pub mod sessions;
pub mod stories;
pub mod time;
pub mod window;
