//! A seeded, deterministic simulation of a company that uses ServiceNow, with labelled attacks.

pub(crate) mod chance;
pub(crate) mod clock;
pub mod world;
