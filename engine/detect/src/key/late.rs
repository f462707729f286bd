//! Events that came too late to be put in order, and are still checked by the detectors that need none.

use super::Key;
use crate::context::Subject;
use crate::event::Event;
use crate::lane::Lane;
use crate::machine::{Machine, Surroundings};
use crate::plan::LaneKind;
use crate::plans::Plans;
use crate::sent::Change;

use super::Scratch;

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
        let plan = plans.of(event.version);
        for lane in LaneKind::ALL {
            if !plan.checks_late(lane) || !lane.takes(event) || self.is_named(event) {
                continue;
            }
            let said = &mut scratch.said;
            said.clear();
            let around = Surroundings { plans, lane, subject };
            match &mut self.late {
                Some(machine) => machine.check(event, around, &mut said.now, &mut said.caps),
                none => {
                    let mut machine = Machine::default();
                    machine.check(event, around, &mut said.now, &mut said.caps);
                    *none = (!said.now.is_empty()).then(|| Box::new(machine));
                }
            }
            self.sent.stand_late(&said.now, changes);
        }
    }

    /// Has anything been found of events that came too late?
    pub(crate) const fn has_late(&self) -> bool {
        self.late.is_some()
    }

    /// Was it told already, as this event or as a copy of it?
    fn is_named(&self, event: &Event) -> bool {
        let machines = self.lanes.iter().flatten().map(Lane::live).chain(self.late.as_deref());
        machines.into_iter().any(|machine| machine.names(event))
    }
}
