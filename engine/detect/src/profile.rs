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
use crate::peers::Peers;
use crate::plan::Plan;
use crate::time::Millis;

/// Groups of an account that are kept at most.
pub const GROUPS_KEPT_MAX: usize = 64;
/// Bytes of a group's name that are kept at most: no rule can name a longer one.
pub const GROUP_BYTES_MAX: usize = 512;
/// Bytes of the names of an account's groups that are kept at most, all together: the first that fit.
pub const GROUPS_BYTES_MAX: usize = 4_096;
/// What is said of an account within the time that late records may still come, times a history; beyond, it is refused as what
/// comes over the cap is. Each is kept whole until it settles.
pub const STATEMENTS_MAX: usize = 64;
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
    /// Of whom else it is about, and of a file too where it is about one.
    Parties(Parties),
}

/// Whom a record is about beside the user or entity whose key it has. Names are as they are compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parties {
    /// Whose activity it is, under the key of an entity.
    pub user: Option<Box<str>>,
    /// At whom it is aimed.
    pub target: Option<Box<str>>,
    /// See [`Apart::File`].
    pub file: Option<FileFacts>,
}

impl Parties {
    /// Nothing where there is nobody.
    pub fn new(user: Option<&str>, target: Option<&str>, file: Option<FileFacts>) -> Option<Self> {
        let (user, target) = (user.and_then(shown), target.and_then(shown));
        (user.is_some() || target.is_some()).then_some(Self { user, target, file })
    }

    /// The one whom the key does not name: under an entity's the user, under a user's the target.
    pub fn other(&self) -> Option<&str> {
        self.user.as_deref().or(self.target.as_deref())
    }
}

/// What a record says of an account. It is true from [`Event::counts_from`] on, and not before it was said; of two the one that
/// is true from the later time on outranks the other, whichever came first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// When it was said. The event has another time where its record came too late to be put in order.
    pub said_at: Millis,
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
    /// What is usual among their colleagues.
    pub peers: Option<Arc<Peers>>,
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
        let person = Self { display_name: shown(display_name), email: shown(email), department: shown(department) };
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
        let mut bytes = 0;
        let fitting = |name: &str| {
            let name = clipped(name, GROUP_BYTES_MAX);
            bytes += name.len();
            (bytes <= GROUPS_BYTES_MAX).then_some(name)
        };
        full.take(GROUPS_KEPT_MAX).map_while(fitting).collect()
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
            // One measurement: its numbers belong together.
            peers: self.peers.as_ref().or(other.peers.as_ref()).cloned(),
        }
    }
}

/// What has been said of the account of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// From when each fact is true that counts now.
    as_of: AsOf,
    /// What counts now.
    now: Facts,
    /// What counts from a time on that has not come, in the order of these times.
    announced: Vec<Announced>,
}

/// Facts come from several sources, each of which says its own: a name that was said today says nothing about how old the
/// groups are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AsOf {
    kind: Millis,
    privileged: Millis,
    groups: Millis,
    person: [Millis; 3],
    peers: Millis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Announced {
    from: Millis,
    /// When it was said.
    said_at: Millis,
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
        let due: Vec<Announced> = self.announced.drain(..due).collect();
        due.iter().for_each(|announced| self.learn(&announced.facts, announced.from));
    }

    /// Takes what is said by now and true from a time on. Of each fact that counts which is true from the latest time on: what
    /// came late takes the place of what is older and of nothing else.
    pub fn take(&mut self, said: &Statement, from: Millis, now: Millis, caps: &mut Caps) {
        self.turn(now);
        let Statement { said_at, facts } = said;
        if from <= now {
            self.learn(facts, from);
            return;
        }
        match self.announced.binary_search_by_key(&from, |announced| announced.from) {
            Ok(at) => {
                let known = &mut self.announced[at];
                let is_older = *said_at < known.said_at;
                known.facts = if is_older { known.facts.or(facts) } else { facts.or(&known.facts) };
                known.said_at = known.said_at.max(*said_at);
            }
            Err(at) => {
                self.announced.insert(at, Announced { from, said_at: *said_at, facts: facts.clone() });
            }
        }
        if self.announced.len() > ANNOUNCED_MAX {
            self.announced.truncate(ANNOUNCED_MAX);
            caps.announced += 1;
        }
    }

    /// Takes each fact that is not older than what is known.
    fn learn(&mut self, facts: &Facts, as_of: Millis) {
        let Self { as_of: known, now, .. } = self;
        let is_newer = |known: &mut Millis| {
            let is_newer = as_of >= *known;
            *known = as_of.max(*known);
            is_newer
        };
        if facts.kind != AccountKind::Unknown && is_newer(&mut known.kind) {
            now.kind = facts.kind;
        }
        if facts.privileged.is_some() && is_newer(&mut known.privileged) {
            now.privileged = facts.privileged;
        }
        if facts.groups.is_some() && is_newer(&mut known.groups) {
            now.groups.clone_from(&facts.groups);
        }
        if facts.peers.is_some() && is_newer(&mut known.peers) {
            now.peers.clone_from(&facts.peers);
        }
        let Some(said) = &facts.person else { return };
        let mut person = now.person.as_deref().cloned().unwrap_or_default();
        let fields = [
            (&mut person.display_name, &said.display_name),
            (&mut person.email, &said.email),
            (&mut person.department, &said.department),
        ];
        for ((field, said), known) in fields.into_iter().zip(&mut known.person) {
            if said.is_some() && is_newer(known) {
                field.clone_from(said);
            }
        }
        now.person = Some(Arc::new(person));
    }

    /// The event with what is known of the account where its record does not say. `None`: it is as it was.
    ///
    /// Whom rules take is asked anew, unless the record names groups of its own: which they were is not kept.
    pub fn complete(&self, event: &Event, plan: &Plan, subject: Subject<'_>, caps: &mut Caps) -> Option<Event> {
        // Under an older format it was not written what the record said itself.
        if !plan.keeps_status() {
            return None;
        }
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
            (event.rules, event.exceptions) = (rules & !plan.not_of(None), exceptions);
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

/// A text about a person as it is kept. `None`: it says nothing.
pub(crate) fn shown(text: &str) -> Option<Box<str>> {
    // Whoever may edit a name must not turn an analyst's line around.
    let shown: String = text.chars().filter(|sign| !sign.is_control() && !is_invisible(*sign)).collect();
    (!shown.trim().is_empty()).then(|| clipped(shown.trim(), PERSON_TEXT_BYTES_MAX))
}

/// Signs that turn or hide what stands beside them.
const fn is_invisible(sign: char) -> bool {
    matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The longest beginning within a limit that ends at a character.
fn clipped(text: &str, bytes_max: usize) -> Box<str> {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_groups(names: &[&str], said_at: Millis) -> Statement {
        Statement {
            said_at,
            facts: Facts { groups: Some(Facts::groups_of(names.iter().copied())), ..Facts::default() },
        }
    }

    fn groups(known: &Known) -> Vec<&str> {
        known.now.groups.iter().flat_map(|groups| groups.iter()).map(|name| &**name).collect()
    }

    #[test]
    fn what_is_announced_counts_from_its_time_over_what_is_said_before_that() {
        let (mut known, mut caps) = (Known::default(), Caps::default());
        known.take(&in_groups(&["sales"], 10), 10, 10, &mut caps);
        known.take(&in_groups(&["finance"], 20), 50, 20, &mut caps);
        known.take(&in_groups(&["sales", "fairs"], 30), 30, 30, &mut caps);
        assert_eq!((groups(&known), known.is_due(49), known.is_due(50)), (vec!["sales", "fairs"], false, true));
        known.turn(50);
        assert_eq!((groups(&known), known.announced.len()), (vec!["finance"], 0));
        // Said before the announced time, and come after it.
        known.take(&in_groups(&["sales"], 40), 40, 55, &mut caps);
        assert_eq!(groups(&known), ["finance"]);
        known.take(&in_groups(&[], 60), 60, 60, &mut caps);
        assert_eq!((groups(&known), &known.now.groups), (vec![], &Some(Facts::groups_of(std::iter::empty()))));
    }

    #[test]
    fn an_announcement_that_is_repeated_takes_no_room_and_the_furthest_is_forgotten() {
        let (mut known, mut caps) = (Known::default(), Caps::default());
        for from in [900, 100, 200, 300, 400, 300, 200] {
            known.take(&in_groups(&["a"], 1), from, 1, &mut caps);
        }
        let times: Vec<Millis> = known.announced.iter().map(|announced| announced.from).collect();
        assert_eq!((times, caps.announced), (vec![100, 200, 300, 400], 1));
        // Of two for one time the one that was said later counts, whichever came first.
        known.take(&in_groups(&["later"], 9), 100, 9, &mut caps);
        known.take(&in_groups(&["earlier"], 5), 100, 9, &mut caps);
        known.turn(100);
        assert_eq!(groups(&known), ["later"]);
    }

    #[test]
    fn of_each_fact_what_was_said_last_counts_in_whatever_order_it_came() {
        let names =
            |name, department| Facts { person: Person::new(name, "", department).map(Arc::new), ..Facts::default() };
        let peers = |said_at, most| Peers::new(said_at, "finance", 42, [Some(most), None, None], [None; 3]);
        let among = |peers: &Peers| Facts { peers: Some(Arc::new(peers.clone())), ..Facts::default() };
        let said = [
            in_groups(&[], 10),
            Statement { said_at: 20, facts: names("Ana", "Sales") },
            in_groups(&["finance"], 30),
            Statement { said_at: 40, facts: Facts { privileged: Some(true), ..names("", "Finance") } },
            Statement { said_at: 50, facts: names("Ana Lind", "") },
            Statement { said_at: 25, facts: among(&peers(25, 30)) },
            Statement { said_at: 35, facts: among(&peers(35, 31)) },
        ];
        for first in 0..said.len() {
            for step in 1..said.len() {
                let (mut known, mut caps) = (Known::default(), Caps::default());
                for place in 0..said.len() {
                    let one = &said[(first + place * step) % said.len()];
                    known.take(one, one.said_at, 100, &mut caps);
                }
                assert_eq!((groups(&known), known.now.privileged), (vec!["finance"], Some(true)), "{first} {step}");
                assert_eq!(known.now.person.as_deref(), Person::new("Ana Lind", "", "Finance").as_ref());
                assert_eq!(known.now.peers.as_deref(), Some(&peers(35, 31)));
            }
        }
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
        let large: Vec<String> = (0..20).map(|number| format!("{number:0>500}")).collect();
        assert_eq!(Facts::groups_of(large.iter().map(String::as_str)).len(), GROUPS_BYTES_MAX / 500);
        let turned = Person::new("Ana\u{202e}dniL\n", "\u{200b}", " ").unwrap();
        assert_eq!((turned.display_name.as_deref(), turned.email, turned.department), (Some("AnadniL"), None, None));
    }
}
