//! An incident: the relevant events of one cause, from an opener until the cause has been quiet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::event::{Event, OwnedOrder};
use crate::finding::{Evidence, Finding, Trace};
use crate::rule::Severity;
use crate::time::Millis;

/// Incidents of one rule and key that may be open at once; the one quiet for longest gives way.
pub const INCIDENTS_MAX: usize = 8;

/// An incident. It becomes an alert (or a suppressed finding) when a detector raises it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Hash of the cause.
    pub cause: u64,
    /// Something holds its events back: they are told as suppressed findings and count for no alert.
    pub held: bool,
    /// The first relevant event after a quiet time.
    pub opener: OwnedOrder,
    /// Time of the first event that counts.
    pub first: Millis,
    /// Time of the last relevant event.
    pub last: Millis,
    /// Events that count.
    pub count: u64,
    /// The session (or, without one, the address) of the event that raised it, hashed; 0: not raised.
    pub raised_by: u64,
    /// Severity so far.
    pub severity: Option<Severity>,
    /// Why the severity differs from the rule's.
    pub severity_reasons: Vec<String>,
    /// The event that raised it is a test, and so are all that came since: one test among others makes nobody look away. Of
    /// what a window held before that is not known.
    pub test: bool,
    /// What was last said of it.
    pub said: Option<Arc<Finding>>,
    /// Its events, bounded.
    pub evidence: Evidence,
}

impl Incident {
    fn new(cause: u64, held: bool, event: &Event) -> Self {
        Self {
            cause,
            held,
            opener: event.order().to_owned(),
            first: event.time,
            last: event.time,
            count: 0,
            raised_by: 0,
            severity: None,
            severity_reasons: Vec::new(),
            test: false,
            said: None,
            evidence: Evidence::default(),
        }
    }

    /// Counts the next event.
    pub fn add(&mut self, trace: Trace, test: bool) {
        self.test = test && (self.test || self.count == 0);
        self.count += 1;
        self.evidence.push(trace);
    }

    /// Was it raised?
    pub const fn is_raised(&self) -> bool {
        self.raised_by != 0
    }
}

/// The incidents of one rule and key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    /// Machines at several points of a history share what does not differ: an incident with its evidence is a thousand bytes
    /// and more, and changes at few events.
    list: Vec<Arc<Incident>>,
}

impl Incidents {
    /// The incident of the cause that the event belongs to: the one that is not yet quiet, or a new one with the event
    /// as opener. What is held back and what is not are incidents apart. Incidents that have gone quiet leave.
    pub fn touch(&mut self, cause: u64, held: bool, context: &mut Context<'_>) -> &mut Incident {
        let (now, quiet) = (context.event.time, context.quiet());
        self.list.retain(|incident| now <= incident.last + quiet);
        self.touch_within(cause, held, [quiet; 2], context)
    }

    /// The same with a quiet time of its own for what is told and for what is held back. Incidents of other causes stay: they
    /// may have another.
    pub fn touch_within(
        &mut self,
        cause: u64,
        held: bool,
        quiet: [Millis; 2],
        context: &mut Context<'_>,
    ) -> &mut Incident {
        let event = context.event;
        let is_open = |incident: &Incident| event.time <= incident.last + quiet[usize::from(incident.held)];
        self.list.retain(|incident| incident.cause != cause || is_open(incident));
        // Events that came too late are in no order, and may lie before an incident as far as they may lie after it.
        let same = |incident: &Arc<Incident>| {
            let is_near = event.time >= incident.first - quiet[usize::from(held)];
            incident.cause == cause && incident.held == held && is_near
        };
        let index = self.list.iter().position(same).unwrap_or_else(|| {
            if self.list.len() >= INCIDENTS_MAX {
                context.caps.incidents += 1;
                self.drop_quietest();
            }
            self.list.push(Arc::new(Incident::new(cause, held, event)));
            self.list.len() - 1
        });
        let incident = Arc::make_mut(&mut self.list[index]);
        incident.first = incident.first.min(event.time);
        incident.last = incident.last.max(event.time);
        incident
    }

    /// Lets go those that are over, where causes differ in how long they must be quiet.
    pub fn let_go(&mut self, is_over: impl Fn(&Incident) -> bool) {
        self.list.retain(|incident| !is_over(incident));
    }

    /// The incident of the cause, if it is not yet quiet at this time.
    pub fn live(&mut self, cause: u64, held: bool, now: Millis, quiet: Millis) -> Option<&mut Incident> {
        let is_live = |incident: &&mut Arc<Incident>| {
            incident.cause == cause && incident.held == held && now <= incident.last + quiet
        };
        self.list.iter_mut().find(is_live).map(Arc::make_mut)
    }

    /// The incident of the cause that is kept.
    pub fn same(&mut self, cause: u64, held: bool) -> Option<&mut Incident> {
        self.list.iter_mut().find(|incident| incident.cause == cause && incident.held == held).map(Arc::make_mut)
    }

    /// All that are held.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.list.iter().map(AsRef::as_ref)
    }

    /// Copies without giving memory back.
    pub fn copy_from(&mut self, other: &Self) {
        self.list.clone_from(&other.list);
    }

    fn drop_quietest(&mut self) {
        let quietest = self.list.iter().enumerate().min_by_key(|(_, incident)| incident.last).map(|(index, _)| index);
        if let Some(index) = quietest {
            self.list.remove(index);
        }
    }
}

/// Is this a count at which an alert is brought up to date: 1, 2, 5, 10, 20, 50, …?
pub const fn on_ladder(count: u64) -> bool {
    let mut rest = count;
    while rest >= 10 && rest.is_multiple_of(10) {
        rest /= 10;
    }
    matches!(rest, 1 | 2 | 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_has_three_steps_a_decade() {
        let steps: Vec<u64> = (0..=1_000).filter(|count| on_ladder(*count)).collect();
        assert_eq!(steps, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]);
    }
}
