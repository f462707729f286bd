//! Assembles what the tasks share from checked parts.

use std::sync::Arc;

use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::{GeoTable, NoGeo};
use frostwatch_rulebook::Rulebook;
use frostwatch_runtime::pipeline::{Origin, Ruling, Shared};

/// Version of the engine.
pub(crate) const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Where addresses are looked up.
pub(crate) enum Located {
    /// In files.
    Table(GeoTable),
    /// Nowhere: there is no file.
    Nothing(NoGeo),
}

impl Located {
    /// What people should know about the files.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Table(table) => table.warnings().iter().map(|warning| format!("geoip: {warning}")).collect(),
            Self::Nothing(_) => {
                vec!["geoip: no file, so no address has a place and detectors of places stay silent".to_owned()]
            }
        }
    }

    pub(crate) fn into_locate(self) -> Arc<dyn Locate> {
        match self {
            Self::Table(table) => Arc::new(table),
            Self::Nothing(nothing) => Arc::new(nothing),
        }
    }
}

/// What the tasks share; `origin` says where their records come from.
pub(crate) fn shared(origin: Origin) -> Arc<Shared> {
    Arc::new(Shared::new(0, origin, BUILD))
}

/// What the tasks begin under.
pub(crate) fn ruling(rulebook: Rulebook, located: Located, lateness: Lateness) -> Ruling {
    Ruling::new(rulebook, located.into_locate(), lateness)
}
