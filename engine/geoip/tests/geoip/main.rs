//! The table against files of every shape, sound and broken.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise, in its helpers too")]

mod answers;
mod demo;
mod feeds;
mod fixtures;
mod hostile;
mod lists;
mod refusals;
