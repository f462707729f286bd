//! From bytes to alerts, one stage a file: decode, admit, detect, render.

mod admit;
mod render;
mod task;

pub use task::{Counters, Shared, Task, TaskSet};
