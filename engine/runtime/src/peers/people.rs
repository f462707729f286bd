//! Who the people of a stream of activity are, and what each carried off within the span.
//!
//! Memory: 64 bytes for each download of the span (up to twice that while lists grow), at most [`DOWNLOADS_MAX`] of them,
//! and what is said of each person, at most [`PEOPLE_MAX`] of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use frostwatch_detect::event::Quantity;
use frostwatch_detect::hash::{hash64, hash64_some};
use frostwatch_detect::model::{AccountKind, Action, Outcome};
use frostwatch_detect::profile::Facts;
use frostwatch_detect::time::{DAY, Millis};
use frostwatch_wire::activity::DEPARTMENT_BYTES_MAX;
use frostwatch_wire::activity::decode::{Activity, key_of};

use super::{By, Overflow, Span};

/// Downloads of the span that are held at most.
const DOWNLOADS_MAX: usize = 1 << 24;
/// People at most.
const PEOPLE_MAX: usize = 1 << 19;
/// Groups whose names are known as they are written, at most; those beyond are named in lower case.
const NAMES_MAX: usize = 1 << 16;
/// Downloads after which those that are too old are looked for first.
const PRUNE_FROM: usize = 1 << 20;

/// How much was read.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Downloads of the span.
    pub downloads: usize,
    /// People who did something.
    pub people: usize,
}

/// Everybody who did something, by their keys.
pub struct People {
    by: By,
    span: Span,
    pub(super) all: BTreeMap<Box<str>, Person>,
    /// Of names in lower case one as it was written: the first in the order of texts.
    written: BTreeMap<Box<str>, Box<str>>,
    oldest: Millis,
    newest: Millis,
    downloads: usize,
    prune_at: usize,
}

/// One of them.
#[derive(Default)]
pub(super) struct Person {
    /// The name as the newest record has it.
    pub(super) name: Said<Box<str>>,
    kind: Said<AccountKind>,
    /// What they belong to, in lower case.
    groups: Said<Vec<Box<str>>>,
    /// Time of the newest thing they did.
    pub(super) active: Option<Millis>,
    pub(super) downloads: Vec<Download>,
}

/// What was said last, whatever the order in which it came.
#[derive(Default)]
pub(super) struct Said<T> {
    /// From when it counts, when it was said, and of two at once the record's hash.
    as_of: Option<(Millis, Millis, u64)>,
    pub(super) value: T,
}

impl<T> Said<T> {
    fn take(&mut self, as_of: (Millis, Millis, u64), value: impl FnOnce() -> T) {
        if self.as_of.is_none_or(|known| as_of > known) {
            (self.as_of, self.value) = (Some(as_of), value());
        }
    }
}

/// Something that was carried off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Download {
    pub(super) time: Millis,
    /// The record's id, hashed: copies are one.
    pub(super) id: u64,
    /// Of two with one id the smaller counts.
    pub(super) content: u64,
    /// Records of one action are one; 0: it names none.
    pub(super) action_key: u64,
    /// What counts once within an hour; 0: always counts.
    pub(super) object: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) objects: u32,
    pub(super) richness: u16,
}

impl Download {
    pub(super) const fn carried(&self) -> Quantity {
        Quantity { objects: self.objects, rows: self.rows, bytes: self.bytes }
    }
}

impl Person {
    /// Programs have no colleagues, and whom nobody knows has none either.
    pub(super) const fn is_person(&self) -> bool {
        !matches!(self.kind.value, AccountKind::Service | AccountKind::Integration | AccountKind::Placeholder)
    }

    pub(super) fn groups(&self) -> &[Box<str>] {
        &self.groups.value
    }
}

impl People {
    /// Nobody so far.
    pub fn new(by: By, span: Span) -> Self {
        let (oldest, newest) = (Millis::MAX, Millis::MIN);
        let (all, written) = (BTreeMap::new(), BTreeMap::new());
        Self { by, span, all, written, oldest, newest, downloads: 0, prune_at: PRUNE_FROM }
    }

    /// The end of the span. `None`: nothing was read.
    pub fn at(&self) -> Option<Millis> {
        self.span.at.or((self.newest > Millis::MIN).then_some(self.newest))
    }

    /// What is later than this and not after [`People::at`] is measured.
    pub(super) fn begins(&self, at: Millis) -> Millis {
        at.saturating_sub(Millis::from(self.span.days) * DAY)
    }

    /// Time of the oldest activity that was read.
    pub(super) const fn oldest(&self) -> Millis {
        self.oldest
    }

    /// How much was read.
    pub fn counts(&self) -> Counts {
        Counts { downloads: self.downloads, people: self.all.len() }
    }

    /// Takes a record, with the key of its topic where it has one.
    ///
    /// # Errors
    ///
    /// There is no room for more.
    pub fn take(&mut self, activity: &Activity<'_>, key: Option<&[u8]>) -> Result<(), Overflow> {
        let is_ahead = self.span.at.is_some_and(|at| activity.time > at);
        if activity.counted.is_some() || activity.test || activity.outcome != Outcome::Success || is_ahead {
            return Ok(());
        }
        let key = key.and_then(|key| std::str::from_utf8(key).ok()).filter(|key| key.contains('|'));
        let key = key.map_or_else(|| Cow::Owned(key_of(activity)), Cow::Borrowed);
        if key.contains("|@") {
            return Ok(());
        }
        if !self.all.contains_key(&*key) {
            if self.all.len() >= PEOPLE_MAX {
                return Err(Overflow::People { most: PEOPLE_MAX });
            }
            self.all.insert((&*key).into(), Person::default());
        }
        let Some(person) = self.all.get_mut(&*key) else { return Ok(()) };
        let as_of = (activity.effective.unwrap_or(activity.time).max(activity.time), activity.time, activity.content);
        person.name.take(as_of, || (&*activity.user).into());
        if activity.action == Action::UserProfile {
            // What counts only after the span says nothing of it.
            if activity.effective.is_some() && self.span.at.is_none_or(|at| as_of.0 <= at) {
                person.hear(self.by, activity, as_of);
                self.note_names(activity);
            }
            return Ok(());
        }
        if activity.action.is_of_account() {
            return Ok(());
        }
        if activity.kind != AccountKind::Unknown {
            person.kind.take(as_of, || activity.kind);
        }
        person.active = person.active.max(Some(activity.time));
        (self.oldest, self.newest) = (self.oldest.min(activity.time), self.newest.max(activity.time));
        if activity.action.is_download() {
            person.downloads.push(download_of(activity));
            self.downloads += 1;
            return self.make_room();
        }
        Ok(())
    }

    /// Takes note of how groups are written.
    fn note_names(&mut self, activity: &Activity<'_>) {
        let department = activity.told.department.as_deref().filter(|_| self.by == By::Department);
        let groups = activity.groups.iter().filter(|_| self.by == By::Group).map(AsRef::as_ref);
        for name in department.into_iter().chain(groups).map(str::trim) {
            let written = name.get(..name.floor_char_boundary(DEPARTMENT_BYTES_MAX)).unwrap_or_default();
            let key = name.to_lowercase();
            let has_room = self.written.len() < NAMES_MAX;
            match self.written.get_mut(&*key) {
                Some(known) if written < &**known => *known = written.into(),
                None if has_room => drop(self.written.insert(key.into(), written.into())),
                _ => {}
            }
        }
    }

    /// The name of a group as it is told.
    pub(super) fn written<'a>(&'a self, name: &'a str) -> &'a str {
        let cut = name.get(..name.floor_char_boundary(DEPARTMENT_BYTES_MAX)).unwrap_or_default();
        self.written.get(name).map_or(cut, |written| written)
    }

    /// Forgets what is too old for the span whenever there is twice as much as before.
    fn make_room(&mut self) -> Result<(), Overflow> {
        if self.downloads < self.prune_at {
            return Ok(());
        }
        let begins = self.at().map_or(Millis::MIN, |at| self.begins(at));
        self.downloads = 0;
        for person in self.all.values_mut() {
            person.downloads.retain(|download| download.time > begins);
            person.downloads.shrink_to(2 * person.downloads.len());
            self.downloads += person.downloads.len();
        }
        if self.downloads >= DOWNLOADS_MAX {
            return Err(Overflow::Downloads { most: DOWNLOADS_MAX, days: self.span.days });
        }
        self.prune_at = (2 * self.downloads).clamp(PRUNE_FROM, DOWNLOADS_MAX);
        Ok(())
    }
}

impl Person {
    /// Takes what is said of whose account it is.
    fn hear(&mut self, by: By, activity: &Activity<'_>, as_of: (Millis, Millis, u64)) {
        let told = &activity.told;
        if activity.kind != AccountKind::Unknown {
            self.kind.take(as_of, || activity.kind);
        }
        match by {
            By::Department => {
                let department = told.department.as_deref().map(str::trim).filter(|name| !name.is_empty());
                if let Some(department) = department {
                    self.groups.take(as_of, || vec![department.to_lowercase().into()]);
                }
            }
            By::Group if told.has_groups => self.groups.take(as_of, || {
                let names: Vec<String> = activity.groups.iter().map(|name| name.trim().to_lowercase()).collect();
                Facts::groups_of(names.iter().map(String::as_str)).to_vec()
            }),
            By::Group => {}
        }
    }
}

fn download_of(activity: &Activity<'_>) -> Download {
    let (objects, rows, bytes) = activity.quantity;
    Download {
        time: activity.time,
        id: hash64(activity.id.as_bytes()),
        content: activity.content,
        action_key: activity.action_key.as_ref().map_or(0, |key| hash64_some(key.as_bytes())),
        object: activity.object,
        rows,
        bytes,
        objects: objects.max(1),
        richness: activity.richness,
    }
}

#[cfg(test)]
impl Download {
    /// One in few numbers.
    pub(super) const fn sketch(time: Millis, action_key: u64, richness: u16, rows: u64) -> Self {
        Self { time, id: time as u64, content: 0, action_key, object: 0, rows, bytes: 0, objects: 1, richness }
    }
}
