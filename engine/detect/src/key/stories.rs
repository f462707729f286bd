//! Which alerts of a key are told together.

use super::{Key, Scratch};
use crate::context::Subject;
use crate::plans::Plans;
use crate::sent::Change;
use crate::stories::KEEP;

impl Key {
    /// Takes the changes from `first` on of the key's alerts, and pushes what they change about its stories.
    pub(super) fn tell_together(
        &mut self,
        first: usize,
        plans: &Plans,
        subject: Subject<'_>,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) {
        // A story is somebody's.
        if subject.entity().is_some() {
            return;
        }
        let has_changed = changes.len() > first;
        if has_changed || self.stories.is_some() {
            self.follow(has_changed.then_some(first), plans, subject, scratch, changes);
        }
    }

    #[cold]
    fn follow(
        &mut self,
        first: Option<usize>,
        plans: &Plans,
        subject: Subject<'_>,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) {
        let mut stories = self.stories.take().unwrap_or_default();
        let horizon = self.limits.horizon;
        let told = first.map(|first| {
            stories.follow(&changes[first..], plans);
            let told = stories.told(plans, subject, horizon);
            self.sent.stand_stories(&told, changes);
            told
        });
        let told = match stories.forget(horizon, plans) {
            Some(early) => {
                scratch.sent_forgotten += early as u64;
                Some(stories.told(plans, subject, horizon))
            }
            None => told,
        };
        if let Some(told) = told {
            self.sent.forget_stories(&told, |at| at.time.saturating_add(KEEP) < horizon);
        }
        self.stories = (!stories.is_empty()).then_some(stories);
    }
}
