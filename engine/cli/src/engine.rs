//! Assembles what the tasks share from checked parts.

use std::sync::{Arc, Mutex};

use frostwatch_detect::catalogue::STATE_FORMAT;
use frostwatch_detect::place::Locate;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::time::{Lateness, SECOND};
use frostwatch_geoip::{GeoTable, NoGeo};
use frostwatch_kafka::Versions;
use frostwatch_rulebook::{CompiledRules, Rulebook};
use frostwatch_runtime::pipeline::{Origin, Shared};

/// Version of the engine.
pub(crate) const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Characters of a GeoIP file's own description that stand beside offsets; the digest tells builds apart.
const GEO_KIND_CHARS_MAX: usize = 64;

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

    fn into_locate(self) -> Arc<dyn Locate> {
        match self {
            Self::Table(table) => Arc::new(table),
            Self::Nothing(nothing) => Arc::new(nothing),
        }
    }
}

/// What outputs depend on beside the log, as it is written beside every committed offset.
pub(crate) fn versions(plan: &Plan, accept_change: bool) -> Versions {
    let named = [
        ("engine", BUILD.to_owned()),
        (
            "geoip",
            format!("{} {}", plan.geo.kind.chars().take(GEO_KIND_CHARS_MAX).collect::<String>(), plan.geo.digest),
        ),
        ("lateness_secs", (plan.lateness.lateness / SECOND).to_string()),
        ("rules", plan.rules_hash.clone()),
        ("skew_secs", (plan.lateness.skew / SECOND).to_string()),
        ("state_format", STATE_FORMAT.to_string()),
    ];
    Versions { named: named.map(|(name, value)| (name.to_owned(), value)).into(), accept_change }
}

/// What the tasks share; `origin` says where their records come from.
pub(crate) fn shared(rulebook: Rulebook, located: Located, lateness: Lateness, origin: Origin) -> Arc<Shared> {
    let rules = CompiledRules::new(&rulebook);
    let locate = located.into_locate();
    let plan = Plan::new(0, rulebook.rules, rulebook.hash, lateness, locate.build().clone());
    Arc::new(Shared { plan, rules, locate, epoch: 0, origin, build: BUILD, totals: Mutex::default() })
}
