//! What the fuzz targets share: a bound on memory, and a partition's history made of bytes.

mod history;
mod memory;

pub use history::{History, plans, task_set};
pub use memory::bounded;
