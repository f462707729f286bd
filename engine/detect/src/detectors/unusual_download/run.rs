//! Which download opens what is told of an hour.

use serde::{Deserialize, Serialize};

use crate::event::{Event, OwnedOrder};
use crate::time::Millis;

/// Downloads one after the other: those that no exception covers, and those that one does.
///
/// What is told of an hour opens at the first download after a quiet time, whatever the floors, the habits and the window
/// are: its id must depend on none of them. After it is over, the next one may open with another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Runs([Option<Box<Run>>; 2]);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    opener: OwnedOrder,
    last: Millis,
    /// Something was opened with it.
    spent: bool,
}

impl Runs {
    /// Takes note of a download; `is_open` says of an opener whether there is something that it has opened.
    pub(super) fn pass(&mut self, event: &Event, covered: bool, quiet: Millis, is_open: impl Fn(&OwnedOrder) -> bool) {
        let run = &mut self.0[usize::from(covered)];
        match run {
            Some(run) if event.time <= run.last + quiet && (!run.spent || is_open(&run.opener)) => {
                run.last = event.time;
            }
            _ => *run = Some(Box::new(Run { opener: event.order().to_owned(), last: event.time, spent: false })),
        }
    }

    /// The opener of what is told now, or held back. Nothing that is over was opened with it.
    pub(super) fn open(&mut self, covered: bool) -> Option<OwnedOrder> {
        let run = self.0[usize::from(covered)].as_mut()?;
        run.spent = true;
        Some(run.opener.clone())
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        for (run, other) in self.0.iter_mut().zip(&other.0) {
            run.clone_from(other);
        }
    }
}
