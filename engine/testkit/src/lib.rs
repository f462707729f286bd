//! Test support: what more than one crate's tests need.

pub mod broker;
pub mod chance;
pub mod mmdb;
pub mod naive;
pub mod proxy;
