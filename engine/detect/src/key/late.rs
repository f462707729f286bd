//! Events that came too late to be put in order, and are still checked by the detectors that need none.

use super::{Key, Scratch};
use crate::context::Subject;
use crate::event::{Event, OwnedOrder};
use crate::lane::Lane;
use crate::machine::{Machine, Surroundings};
use crate::plan::LaneKind;
use crate::plans::Plans;
use crate::sent::Change;

impl Key {
    /// Checks an event that came too late. What is found of such events stands in a machine of their own, in the order in
    /// which they came: there is one only where something was found.
    #[cold]
    pub(super) fn check_late(
        &mut self,
        event: &Event,
        subject: Subject<'_>,
        plans: &Plans,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) {
        for lane in LaneKind::ALL {
            if lane.takes(event) {
                self.check_apart(event, Surroundings { plans, lane, subject }, scratch, changes);
            }
        }
    }

    /// The same of one lane. Nobody has counted the event there.
    #[cold]
    pub(super) fn check_apart(
        &mut self,
        event: &Event,
        around: Surroundings<'_>,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) {
        let plan = around.plans.of(event.version);
        if !plan.checks_late(around.lane) || self.is_named(event) || self.is_of_counted_action(around.lane, event) {
            return;
        }
        let said = &mut scratch.said;
        said.clear();
        match &mut self.late {
            Some(machine) => machine.check(event, around, &mut said.now, &mut said.caps),
            none => {
                let mut machine = Machine::default();
                machine.check(event, around, &mut said.now, &mut said.caps);
                *none = (!said.now.is_empty()).then(|| Box::new(machine));
            }
        }
        let late = self.late.as_deref();
        let is_held = |rule, opener: &OwnedOrder| late.is_some_and(|machine| machine.holds(rule, opener));
        self.sent.stand_late(&said.now, is_held, changes);
    }

    /// Has anything been found of events that came too late?
    pub(crate) const fn has_late(&self) -> bool {
        self.late.is_some()
    }

    /// Does it belong to an action part of which has settled early, or is held?
    fn is_of_counted_action(&self, lane: LaneKind, event: &Event) -> bool {
        self.lanes[lane.index()].as_ref().is_some_and(|lane| lane.has_action_of(event))
    }

    /// Was it told already, as this event or as a copy of it?
    fn is_named(&self, event: &Event) -> bool {
        let machines = self.lanes.iter().flatten().map(Lane::live).chain(self.late.as_deref());
        machines.into_iter().any(|machine| machine.names(event))
    }
}
