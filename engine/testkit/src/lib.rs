//! Test support: naive twins of the detectors, scenario helpers.

pub mod mmdb;
