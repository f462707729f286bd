//! A ruling: what decides, beside the records, what is found. It is switched between two records of a partition.

use std::sync::Arc;

use frostwatch_detect::place::Locate;
use frostwatch_detect::plan::{Named, Plan};
use frostwatch_detect::time::Lateness;
use frostwatch_rulebook::{CompiledRules, Rulebook};

/// Rules, places and limits of time that hold together. Those of the past live on as their [`Plan`] alone, for as long as
/// an event, a finding or a session refers to them: a record is admitted once, under the ruling it arrives under.
pub struct Ruling {
    /// Rules and limits as the detectors run them.
    pub plan: Arc<Plan>,
    /// Scopes and exceptions of the same rules.
    pub rules: CompiledRules,
    /// Where addresses are.
    pub locate: Arc<dyn Locate>,
}

impl Ruling {
    /// The ruling of a set of rules.
    pub fn new(book: Rulebook, locate: Arc<dyn Locate>, lateness: Lateness) -> Self {
        let rules = CompiledRules::new(&book);
        let plan = Arc::new(Plan::new(book.rules, book.hash, lateness, locate.build().clone()));
        Self { plan, rules, locate }
    }

    /// What tells it from other rulings.
    pub fn named(&self) -> Named {
        self.plan.named()
    }
}
