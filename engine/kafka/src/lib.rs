//! The Kafka edge: consumes the log, hands it to tasks, delivers what follows and commits.
//!
//! What lies behind [`frostwatch_runtime::ports`] knows nothing of Kafka; what lies here knows nothing of detection.

mod changelog;
mod client;
mod codes;
mod counters;
mod fault;
mod fetch;
mod fleet;
mod group;
pub mod mock;
pub mod normalise;
mod note;
pub mod originals;
mod outbox;
mod partitioner;
pub mod probe;
pub mod produce;
mod pulse;
pub mod record;
pub mod settings;
pub mod state;
pub mod topics;
mod transaction;
mod trouble;
mod worker;

pub use counters::{Counters, Counts, Timings};
pub use fault::KafkaFault;
pub use fleet::{StopOnExit, run_workers};
pub use partitioner::{murmur2, partition_of};
pub use pulse::Pulse;
pub use settings::KafkaSettings;
pub use trouble::{Trouble, recent_troubles};
pub use worker::{Refused, Shared, run_worker};
