//! What is said of an account beside its activity: who it is, and what it may do. Records under the account's own key say
//! it, each with the time from which it counts, so a replay knows it where the live run did.
//!
//! A record of an activity may say the same of itself, and then that counts: it is what held when it was done.

use std::fmt;
use std::sync::Arc;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::caps::Caps;
use crate::context::Subject;
use crate::event::{EVENT_EXCEPTIONS_MAX, Event};
use crate::files::FileFacts;
use crate::model::AccountKind;
use crate::plan::Plan;
use crate::time::Millis;

/// Groups of an account that are kept at most.
pub const GROUPS_KEPT_MAX: usize = 64;
/// Bytes of a group's name that are kept at most: no rule can name a longer one.
pub const GROUP_BYTES_MAX: usize = 512;
/// Bytes of each text about a person that are kept at most.
pub const PERSON_TEXT_BYTES_MAX: usize = 256;
/// Times to come for which something is announced of an account, at most; beyond, what lies furthest ahead is forgotten.
pub const ANNOUNCED_MAX: usize = 4;

/// What few records say, apart from the event so that the others pay no room for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Apart {
    /// Of a file, where that may harm it.
    File(FileFacts),
    /// Of the account.
    Statement(Statement),
}

/// What a record says of an account. It counts from [`Event::counts_from`], and not before the record's own time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// When it was said: the event's time, unless the record came so late that the event was given another.
    pub as_of: Millis,
    /// What is said.
    pub facts: Facts,
}

/// What is known of an account; what is `None` nobody has said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What sort of account it is; unknown: not said.
    pub kind: AccountKind,
    /// It holds privileged roles.
    pub privileged: Option<bool>,
    /// Its groups, in lower case.
    pub groups: Option<Arc<[Box<str>]>>,
    /// Whose it is.
    pub person: Option<Arc<Person>>,
}

/// Whose account it is, for whoever reads an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name as people write it.
    pub display_name: Option<Box<str>>,
    /// Mail address.
    pub email: Option<Box<str>>,
    /// Department.
    pub department: Option<Box<str>>,
}

impl Person {
    /// Cuts texts to what is kept. `None`: nothing is said.
    pub fn new(display_name: &str, email: &str, department: &str) -> Option<Self> {
        let kept = |text: &str| (!text.is_empty()).then(|| clipped(text, PERSON_TEXT_BYTES_MAX));
        let person = Self { display_name: kept(display_name), email: kept(email), department: kept(department) };
        (person != Self::default()).then_some(person)
    }

    /// The same, where the other one does not say.
    fn or(&self, other: &Self) -> Self {
        let or = |one: &Option<Box<str>>, other: &Option<Box<str>>| one.as_ref().or(other.as_ref()).cloned();
        Self {
            display_name: or(&self.display_name, &other.display_name),
            email: or(&self.email, &other.email),
            department: or(&self.department, &other.department),
        }
    }
}

impl Facts {
    /// Is nothing said?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Groups as they are kept, from names in lower case.
    pub fn groups_of<'a>(names: impl Iterator<Item = &'a str>) -> Arc<[Box<str>]> {
        let full = names.filter(|name| !name.is_empty());
        full.take(GROUPS_KEPT_MAX).map(|name| clipped(name, GROUP_BYTES_MAX)).collect()
    }

    /// What is said here, and else what the other ones say.
    fn or(&self, other: &Self) -> Self {
        Self {
            kind: if self.kind == AccountKind::Unknown { other.kind } else { self.kind },
            privileged: self.privileged.or(other.privileged),
            groups: self.groups.as_ref().or(other.groups.as_ref()).cloned(),
            person: match (&self.person, &other.person) {
                (Some(one), Some(other)) => Some(Arc::new(one.or(other))),
                (one, other) => one.as_ref().or(other.as_ref()).cloned(),
            },
        }
    }
}

/// What has been said of the account of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// When that was which was said last.
    as_of: Millis,
    /// What counts now.
    now: Facts,
    /// What counts from a time on that has not come, in the order of these times.
    announced: Vec<Announced>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Announced {
    from: Millis,
    facts: Facts,
}

impl Known {
    /// What counts now.
    pub const fn now(&self) -> &Facts {
        &self.now
    }

    /// Does something that was announced count by this time?
    pub fn is_due(&self, now: Millis) -> bool {
        self.announced.first().is_some_and(|first| first.from <= now)
    }

    /// What was announced for times up to this one counts.
    pub fn turn(&mut self, now: Millis) {
        let due = self.announced.partition_point(|announced| announced.from <= now);
        for announced in self.announced.drain(..due) {
            self.now = announced.facts.or(&self.now);
        }
    }

    /// Takes what is said at this time, from which time on it may count. What was said later than that outranks it: such a
    /// record came late, and only adds what nobody had said.
    pub fn take(&mut self, said: &Statement, now: Millis, from: Millis, caps: &mut Caps) {
        self.turn(now);
        let outranked = said.as_of < self.as_of;
        let joined = |known: &Facts| if outranked { known.or(&said.facts) } else { said.facts.or(known) };
        if from <= now {
            self.now = joined(&self.now);
        } else {
            match self.announced.binary_search_by_key(&from, |announced| announced.from) {
                Ok(at) => self.announced[at].facts = joined(&self.announced[at].facts),
                Err(at) => self.announced.insert(at, Announced { from, facts: said.facts.clone() }),
            }
        }
        if self.announced.len() > ANNOUNCED_MAX {
            self.announced.truncate(ANNOUNCED_MAX);
            caps.announced += 1;
        }
        self.as_of = self.as_of.max(said.as_of);
    }

    /// The event with what is known of the account where its record does not say. `None`: it is as it was.
    ///
    /// Whom rules take is asked anew, unless the record names groups of its own: which they were is not kept.
    pub fn complete(&self, event: &Event, plan: &Plan, subject: Subject<'_>, caps: &mut Caps) -> Option<Event> {
        let Facts { kind, privileged, groups, .. } = &self.now;
        let kind = if event.kind == AccountKind::Unknown { *kind } else { event.kind };
        let said = privileged.filter(|_| !event.account.says_privileged);
        let privileged = said.unwrap_or(event.account.privileged);
        let groups = groups.as_deref().unwrap_or_default();
        let readmission = plan.readmission(!groups.is_empty(), kind != event.kind);
        let readmission = readmission.filter(|_| !event.account.names_groups);
        if readmission.is_none() && kind == event.kind && privileged == event.account.privileged {
            return None;
        }
        let mut event = event.clone();
        (event.kind, event.account.privileged) = (kind, privileged);
        if let Some(readmission) = readmission {
            let Readmission { rules, exceptions, exceptions_dropped } =
                readmission.readmit(&event, subject.user(), groups);
            (event.rules, event.exceptions) = (rules, exceptions);
            caps.exceptions += u64::from(exceptions_dropped);
        }
        Some(event)
    }
}

/// Asks anew which rules and exceptions take an event: when its record arrived, what had been said of the account was not at
/// hand, and may itself arrive later.
pub trait Readmit: fmt::Debug + Send + Sync {
    /// What holds for the event of this user if the account is in these groups, in lower case. What its record says of
    /// conditions stays as it is.
    fn readmit(&self, event: &Event, user: &str, groups: &[Box<str>]) -> Readmission;
}

/// What holds for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readmission {
    /// See [`Event::rules`].
    pub rules: u128,
    /// See [`Event::exceptions`].
    pub exceptions: ArrayVec<u16, EVENT_EXCEPTIONS_MAX>,
    /// Exceptions that found no place.
    pub exceptions_dropped: u16,
}

/// The longest beginning within a limit that ends at a character.
fn clipped(text: &str, bytes_max: usize) -> Box<str> {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_groups(names: &[&str], as_of: Millis) -> Statement {
        Statement { as_of, facts: Facts { groups: Some(Facts::groups_of(names.iter().copied())), ..Facts::default() } }
    }

    fn groups(known: &Known) -> Vec<&str> {
        known.now.groups.iter().flat_map(|groups| groups.iter()).map(|name| &**name).collect()
    }

    #[test]
    fn what_is_announced_counts_from_its_time_over_what_is_said_before_that() {
        let (mut known, mut caps) = (Known::default(), Caps::default());
        known.take(&in_groups(&["sales"], 10), 10, 10, &mut caps);
        known.take(&in_groups(&["finance"], 20), 20, 50, &mut caps);
        known.take(&in_groups(&["sales", "fairs"], 30), 30, 30, &mut caps);
        assert_eq!((groups(&known), known.is_due(49), known.is_due(50)), (vec!["sales", "fairs"], false, true));
        known.turn(50);
        assert_eq!((groups(&known), known.announced.len()), (vec!["finance"], 0));
        known.take(&in_groups(&[], 60), 60, 60, &mut caps);
        assert_eq!((groups(&known), &known.now.groups), (vec![], &Some(Facts::groups_of(std::iter::empty()))));
    }

    #[test]
    fn an_announcement_that_is_repeated_takes_no_room_and_the_furthest_is_forgotten() {
        let (mut known, mut caps) = (Known::default(), Caps::default());
        for from in [900, 100, 200, 300, 400, 300, 200] {
            known.take(&in_groups(&["a"], 1), 1, from, &mut caps);
        }
        let times: Vec<Millis> = known.announced.iter().map(|announced| announced.from).collect();
        assert_eq!((times, caps.announced), (vec![100, 200, 300, 400], 1));
    }

    #[test]
    fn what_came_late_adds_only_what_nobody_had_said() {
        let (mut known, mut caps) = (Known::default(), Caps::default());
        known.take(&in_groups(&["finance"], 100), 100, 100, &mut caps);
        let mut older = in_groups(&["sales"], 50);
        older.facts.privileged = Some(true);
        older.facts.person = Person::new("Ana Lind", "", "Sales").map(Arc::new);
        known.take(&older, 200, 200, &mut caps);
        assert_eq!((groups(&known), known.now.privileged), (vec!["finance"], Some(true)));
        let newer = Facts { person: Person::new("", "", "Finance").map(Arc::new), ..Facts::default() };
        known.take(&Statement { as_of: 300, facts: newer }, 300, 300, &mut caps);
        assert_eq!(known.now.person.as_deref(), Person::new("Ana Lind", "", "Finance").as_ref());
    }

    #[test]
    fn texts_and_groups_are_kept_within_their_limits() {
        let long = "é".repeat(PERSON_TEXT_BYTES_MAX);
        let person = Person::new(&long, "", "").unwrap();
        assert_eq!(person.display_name.unwrap().len(), PERSON_TEXT_BYTES_MAX);
        assert_eq!(Person::new("", "", ""), None);
        let many: Vec<String> = (0..=GROUPS_KEPT_MAX).map(|number| number.to_string()).collect();
        let groups = Facts::groups_of(many.iter().map(String::as_str).chain(["", &long]));
        assert_eq!(groups.len(), GROUPS_KEPT_MAX);
    }
}
