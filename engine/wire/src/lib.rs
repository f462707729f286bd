//! Bytes to types and back: activity, alerts, state, raw ServiceNow rows.
//!
//! Everything here is pure: no clock, no file, no environment. Untrusted bytes are bounded in
//! size and depth, and what is wrong with them is a value with a path and a reason.

pub mod activity;
pub mod alert;
pub mod normalise;
pub mod schema;
pub mod subject;
