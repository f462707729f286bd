//! From bytes to alerts, one stage a file: decode, admit, detect, render.

mod admit;
mod counters;
mod render;
mod ruling;
mod task;

pub use counters::{Counters, Hidden, Totals};
pub use ruling::Ruling;
pub use task::{Origin, Shared, Task, TaskSet};
