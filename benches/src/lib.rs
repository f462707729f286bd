//! What the benches share: made traffic, the engine as it ships, and what can be measured without luck (time on a core,
//! allocations, bytes).
//!
//! Every bench is a plain program. `--quick` makes any of them small enough for a smoke run; `README.md` has the figures,
//! the bars and the commands.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a bench stops at the first surprise")]

pub mod allocations;
pub mod arguments;
pub mod engine;
pub mod measure;
pub mod rig;
pub mod traffic;
