//! The engine as it ships: the default rules, the default lateness, the demo's `GeoIP` table.

use std::sync::{Arc, Mutex};

use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::GeoTable;
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::{Origin, Ruling, Shared, Task, TaskSet};

/// The demo's `GeoIP` table.
pub fn geo() -> GeoTable {
    frostwatch_geoip::demo().unwrap()
}

/// A task with no state.
pub fn task() -> Task {
    let (shared, ruling) = parts();
    Task::new(shared, ruling, 0)
}

/// The tasks of a worker, without partitions, which remember what is to be written of their state.
pub fn tasks() -> TaskSet {
    let (shared, ruling) = parts();
    TaskSet::new(shared, ruling)
}

fn parts() -> (Arc<Shared>, Arc<Ruling>) {
    let book = Rulebook::parse(default_rules(), None).unwrap();
    let locate: Arc<dyn Locate> = Arc::new(geo());
    let ruling = Arc::new(Ruling::new(book, locate, Lateness::DEFAULT));
    let (totals, origin, build) = (Mutex::default(), Origin::default(), env!("CARGO_PKG_VERSION"));
    (Arc::new(Shared { epoch: 0, origin, build, totals }), ruling)
}
