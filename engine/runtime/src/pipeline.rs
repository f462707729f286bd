//! From bytes to alerts, one stage a file: decode, admit, detect, render.

mod admit;
mod aloud;
mod asked;
mod copies;
mod counters;
mod known_lists;
mod render;
mod ruling;
mod task;
mod task_set;

pub use admit::file_of;
pub use counters::{ByRule, Counters, Findings, Totals};
pub use ruling::{CurrentRuling, Ruling};
pub use task::{Origin, REJECTIONS, Shared, Task};
pub use task_set::TaskSet;
