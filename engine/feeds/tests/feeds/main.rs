//! Feeds against a server that says what a script says, byte for byte. Time, waiting and chance are the test's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

mod bench;
mod config;
mod fetching;
mod misp;
mod server;
mod taxii;
mod trust;
