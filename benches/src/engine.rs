//! The engine as it ships: the default rules, the default lateness, the demo's `GeoIP` table.

use std::sync::{Arc, Mutex};

use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::GeoTable;
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, Task, TaskSet};

/// The demo's `GeoIP` table.
pub fn geo() -> GeoTable {
    frostwatch_geoip::demo().unwrap()
}

/// A task with no state.
pub fn task() -> Task {
    task_of(Rulebook::parse(default_rules(), None).unwrap())
}

/// A task with no state and `mass_download` alone, in whose rule texts are replaced.
///
/// # Panics
/// If the shipped rule has no such text.
pub fn task_with(edits: &[(&str, &str)]) -> Task {
    let (name, text) = default_rules().iter().find(|(name, _)| name.starts_with("mass_download")).unwrap();
    let edited = edits.iter().fold((*text).to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{name} has no '{from}'");
        text.replace(from, to)
    });
    task_of(Rulebook::parse(&[(*name, edited.as_str())], None).unwrap())
}

/// The tasks of a worker, without partitions, which remember what is to be written of their state.
pub fn tasks() -> TaskSet {
    let (shared, ruling) = parts(Rulebook::parse(default_rules(), None).unwrap());
    TaskSet::new(shared, Arc::new(CurrentRuling::new(ruling)))
}

fn task_of(book: Rulebook) -> Task {
    let (shared, ruling) = parts(book);
    Task::new(shared, ruling, 0)
}

fn parts(book: Rulebook) -> (Arc<Shared>, Arc<Ruling>) {
    let locate: Arc<dyn Locate> = Arc::new(geo());
    let ruling = Arc::new(Ruling::new(book, locate, Lateness::DEFAULT));
    let (totals, origin, build) = (Mutex::default(), Origin::default(), env!("CARGO_PKG_VERSION"));
    (Arc::new(Shared { epoch: 0, origin, build, totals }), ruling)
}
