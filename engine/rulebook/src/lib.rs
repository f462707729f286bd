//! Rule text in, checked rules out.
//!
//! A rule is one YAML file of the strict, versioned format `rule.v1`. [`Rulebook::parse`] reads a whole set and
//! reports every fault of every file at once, each with its line; [`CompiledRules`] answers, for every event and
//! without allocating, which rules watch its subject and which exceptions cover it; [`Rulebook::change_from`] says
//! what an edit does to learned state; [`Rulebook::to_content`] is the set as a text that can be kept under its hash. Nothing here reads a file or a clock: the caller does.

mod book;
mod change;
mod check;
mod content;
mod defaults;
mod fault;
pub mod limits;
pub mod matching;
mod parse;
mod raw;
mod reader;
pub mod schema;
mod tree;

pub use book::Rulebook;
pub use change::{Effect, RuleChange};
pub use content::ContentFault;
pub use defaults::{default_rules, policy_templates};
pub use fault::Fault;
pub use matching::{Admission, CompiledRules, CompiledSelector, Subject};
