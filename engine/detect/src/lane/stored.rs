//! A lane as it is written while late events may still change it: the machine before its recent events, and those.
//!
//! The machine after them and the snapshots between are made again when the lane is needed: they are functions of what
//! is written, and most lanes that are restored are never needed while they are young.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Held, Lane, Pool};
use crate::caps::Caps;
use crate::event::OwnedOrder;
use crate::finding::Finding;
use crate::machine::{Machine, Surroundings};

/// A lane to be written.
#[derive(Serialize)]
pub(crate) struct StoredLaneRef<'a> {
    base: &'a Machine,
    base_order: &'a Option<OwnedOrder>,
    capped_until: &'a Option<OwnedOrder>,
    recent: &'a std::collections::VecDeque<Held>,
}

/// A lane that was read.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredLane {
    base: Machine,
    base_order: Option<OwnedOrder>,
    capped_until: Option<OwnedOrder>,
    recent: Vec<Held>,
}

impl Lane {
    /// The lane as it is written.
    pub(crate) fn stored(&self) -> StoredLaneRef<'_> {
        let Self { base, base_order, capped_until, lists, .. } = self;
        StoredLaneRef { base, base_order, capped_until, recent: &lists.recent }
    }

    /// The lane that was written.
    pub(crate) fn restored(stored: StoredLane, around: Surroundings<'_>, pool: &mut Pool) -> Self {
        let mut lane = Self::settled(stored.base, stored.base_order, pool);
        lane.capped_until = stored.capped_until;
        lane.lists.ids.extend(stored.recent.iter().map(|held| held.event.id.hash64()));
        lane.lists.recent.extend(stored.recent);
        // What is said here was said before, and the caps were counted then.
        let (mut said, mut caps) = (Vec::new(), Caps::default());
        for at in 0..lane.lists.recent.len() {
            lane.snapshot_if_due(at, pool);
            let held = &lane.lists.recent[at];
            if !held.shadow {
                lane.live.step(&held.event, around, &mut said, &mut caps);
                said.clear();
            }
        }
        lane
    }

    /// All that is said of events that late ones may still join, in order, after what stood before them: of an id the last
    /// is what stands.
    pub(crate) fn said_again(&self, around: Surroundings<'_>) -> Vec<Arc<Finding>> {
        let (mut said, mut caps) = (Vec::new(), Caps::default());
        self.base.standing(&mut said);
        let mut machine = (*self.base).clone();
        for held in self.lists.recent.iter().filter(|held| !held.shadow) {
            machine.step(&held.event, around, &mut said, &mut caps);
        }
        said
    }
}
