//! The glue between bytes and the detection core: the ports that edges implement or drive, and the pipeline.

pub mod board;
pub mod checkpoint;
pub mod histogram;
pub mod peers;
pub mod pipeline;
pub mod ports;
