//! The engine as it ships: the default rules, the default lateness, the demo's `GeoIP` table.

use std::sync::{Arc, Mutex};

use frostwatch_detect::place::Locate;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::GeoTable;
use frostwatch_rulebook::{CompiledRules, Rulebook, default_rules};
use frostwatch_runtime::pipeline::{Origin, Shared, Task};

/// The demo's `GeoIP` table.
pub fn geo() -> GeoTable {
    frostwatch_geoip::demo().unwrap()
}

/// A task with no state.
pub fn task() -> Task {
    let book = Rulebook::parse(default_rules(), None).unwrap();
    let locate: Arc<dyn Locate> = Arc::new(geo());
    let rules = CompiledRules::new(&book);
    let plan = Plan::new(0, book.rules, book.hash, Lateness::DEFAULT, locate.build().clone());
    let (totals, origin, build) = (Mutex::default(), Origin::default(), env!("CARGO_PKG_VERSION"));
    Task::new(Arc::new(Shared { plan, rules, locate, epoch: 0, origin, build, totals }), 0)
}
