//! Which rules watch a subject, and which exceptions cover it: the question of every event, answered without
//! allocating. A set whose rules select nobody in particular costs one look at an empty list.
//!
//! **Absent attributes.** A field that is not given does not ask. A field that asks for an attribute the subject lacks
//! (no name, no group, no address, no country) does not match: neither in `include`, so a rule for Sweden does not
//! watch activity from nowhere, nor in `exclude` and exceptions, so nothing is left out because it could not be seen.
//! There is no negation inside a selector; `exclude` is the only one, and it takes away only what it is sure of. An
//! account's kind is never absent: `unknown` is a kind that can be asked for.
//!
//! **Said by others.** Groups and kind of an account may be said by a record of their own, which may arrive later: then the
//! machine of the key asks once more ([`Readmit`]).

use std::borrow::Cow;

use arrayvec::ArrayVec;
use frostwatch_detect::condition::{Conditions, ListField, Record, WordField, word_of};
use frostwatch_detect::event::{Address, Event};
use frostwatch_detect::model::{AccountKind, Action};
use frostwatch_detect::place::Country;
use frostwatch_detect::profile::{Readmission, Readmit};
use frostwatch_detect::rule::{Network, Scope, Selector, Sensitivity, shifts};
use frostwatch_detect::time::Millis;
use smallvec::SmallVec;

use crate::Rulebook;

mod names;

use names::Names;

/// Exceptions that one admission names at most.
pub const ADMITTED_EXCEPTIONS_MAX: usize = 4;

/// Whom an event is about, as far as selectors ask.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user's name in lower case; empty: absent.
    pub user: &'a str,
    /// The user's groups in lower case.
    pub groups: &'a [Cow<'a, str>],
    /// The kind of account.
    pub kind: AccountKind,
    /// The address, IPv4 mapped into IPv6.
    pub address: Option<u128>,
    /// The country of the address.
    pub country: Option<Country>,
}

/// What holds for one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The rules whose scope takes the subject: bit *i* is rule *i* of the rulebook. Behind them the sensitivities that
    /// hold for the subject ([`shifts`]).
    pub rules: u128,
    /// Indices into [`CompiledRules::exceptions`] of what covers the subject, ascending, at most one a rule (the first
    /// in its file) and only of rules that watch the subject.
    pub exceptions: ArrayVec<u16, ADMITTED_EXCEPTIONS_MAX>,
    /// Rules whose exceptions cover the subject but found no place in `exceptions`: to be counted, never ignored.
    pub exceptions_dropped: u16,
}

/// The scopes and exceptions of a rulebook, made for asking.
#[derive(Clone, Debug, Default)]
pub struct CompiledRules {
    /// Rules that watch everybody.
    open: u128,
    /// The other scopes, each with the rules that share it.
    scopes: Box<[CompiledScope]>,
    exceptions: Box<[CompiledException]>,
    /// Exceptions that name their users plainly, by name: found without looking at the others.
    by_user: Box<[(Box<str>, u16)]>,
    /// All other exceptions, ascending.
    general: Box<[u16]>,
    /// Of each rule that has sensitivities for some.
    sensitivities: Box<[CompiledSensitivities]>,
    /// Of each rule that asks something of the record.
    asking: Box<[Asking]>,
    /// Whom a record concerns, by the number of its action; none at all where nobody asks.
    by_action: Box<[OfAction]>,
}

/// A rule that asks something of the record.
#[derive(Clone, Debug)]
struct Asking {
    conditions: Conditions,
    /// Where its answers stand in the bits of an event.
    shift: u32,
    /// The rule's bit.
    bit: u128,
    /// The same where a record that does not fulfil what is asked is none for the rule. It yet may be where the scope asks
    /// for a place: the record's bit then answers for its session.
    out: u128,
    /// Where its answers stand in the bits of an event, as a mask. The first of them says what the record alone decides.
    answers: u128,
    /// Its scope asks for groups.
    of_groups: bool,
    /// Its scope asks for kinds of account.
    of_kinds: bool,
}

impl Asking {
    /// May the scope yet take the record, once it is known what others say of the account?
    fn may_yet_take<R: Record>(&self, record: &R) -> bool {
        let is_of_no_kind = || record.words(WordField::Kind) == Some(word_of(AccountKind::Unknown as usize));
        (self.of_groups || self.of_kinds && is_of_no_kind()) && record.texts(ListField::Groups).is_none()
    }
}

/// What an action means for those who ask.
#[derive(Clone, Debug)]
struct OfAction {
    /// Who may be fulfilled by it.
    asking: Box<[u16]>,
    /// Rules that it cannot fulfil.
    out: u128,
}

/// Whose sensitivity is which, in order, each with the bits that say so.
type CompiledSensitivities = Box<[(u128, CompiledSelector)]>;

/// An exception by its rule.
#[derive(Clone, Debug)]
pub struct CompiledException {
    /// Index of the rule in the rulebook.
    pub rule: u16,
    /// Index of the exception in the rule.
    pub exception: u16,
    from: Millis,
    expires_at: Millis,
    covers: CompiledSelector,
}

#[derive(Clone, Debug)]
struct CompiledScope {
    rules: u128,
    include: Box<[CompiledSelector]>,
    exclude: Box<[CompiledSelector]>,
}

/// A selector made for asking.
#[derive(Clone, Debug)]
pub struct CompiledSelector {
    users: Names,
    groups: Names,
    /// A bit for each kind; none: does not ask.
    kinds: u16,
    /// In order, apart from each other.
    networks: Box<[Network]>,
    /// In order.
    countries: Box<[Country]>,
}

impl CompiledRules {
    /// Compiles a checked rulebook.
    pub fn new(book: &Rulebook) -> Self {
        let mut compiled = Self::default();
        let mut scopes: Vec<(&Scope, u128)> = Vec::new();
        let (mut exceptions, mut sensitivities) = (Vec::new(), Vec::new());
        for (index, rule) in book.rules.iter().enumerate() {
            let bit = 1_u128.checked_shl(index as u32).unwrap_or(0);
            if rule.scope.include.is_empty() && rule.scope.exclude.is_empty() {
                compiled.open |= bit;
            } else if let Some((_, rules)) = scopes.iter_mut().find(|(scope, _)| **scope == rule.scope) {
                *rules |= bit;
            } else {
                scopes.push((&rule.scope, bit));
            }
            for (position, exception) in rule.exceptions.iter().enumerate() {
                exceptions.push(CompiledException {
                    rule: index as u16,
                    exception: position as u16,
                    from: exception.from.unwrap_or(Millis::MIN),
                    expires_at: exception.expires_at,
                    covers: CompiledSelector::new(&exception.covers),
                });
            }
        }
        compiled.ask_by_action(book);
        for (rule, shifts) in book.rules.iter().zip(shifts(book.rules.iter())) {
            let Some(shift) = shifts.sensitivity else { continue };
            let bits = |is: Sensitivity| is.bits().checked_shl(shift).unwrap_or(0);
            let some = rule.sensitivity_for.iter().map(|some| (bits(some.is), CompiledSelector::new(&some.who)));
            sensitivities.push(some.collect());
        }
        compiled.sensitivities = sensitivities.into();
        compiled.scopes = scopes.iter().map(|(scope, rules)| CompiledScope::new(scope, *rules)).collect();
        let plainly = |exception: &CompiledException| exception.covers.users.plain().is_some();
        compiled.general = (0..).zip(&exceptions).filter(|(_, e)| !plainly(e)).map(|(index, _)| index).collect();
        let mut by_user: Vec<(Box<str>, u16)> = (0..)
            .zip(&exceptions)
            .flat_map(|(index, e)| e.covers.users.plain().into_iter().flatten().map(move |name| (name.clone(), index)))
            .collect();
        by_user.sort();
        compiled.by_user = by_user.into();
        compiled.exceptions = exceptions.into();
        compiled
    }

    /// All exceptions in the order of rules and files.
    pub fn exceptions(&self) -> &[CompiledException] {
        &self.exceptions
    }

    /// What holds for an event of this subject at this time.
    pub fn admit(&self, subject: &Subject<'_>, event_time: Millis) -> Admission {
        self.admit_without(0, subject, event_time)
    }

    /// The same of an event with this action: the exceptions of rules that the action cannot fulfil find a place after those
    /// of all others. They do find one, since what is known of a session's start is asked of all that follows.
    pub fn admit_as(&self, action: Action, subject: &Subject<'_>, event_time: Millis) -> Admission {
        let out = self.by_action.get(action as usize).map_or(0, |of_action| of_action.out);
        self.admit_without(out, subject, event_time)
    }

    fn admit_without(&self, out: u128, subject: &Subject<'_>, event_time: Millis) -> Admission {
        let mut admission = Admission { rules: self.open, ..Admission::default() };
        let mut sensitivities = 0;
        for scope in &self.scopes {
            if scope.takes(subject) {
                admission.rules |= scope.rules;
            }
        }
        // Whether or not the rule takes the event: it may yet take it at the place of its session.
        for some in &self.sensitivities {
            let first = some.iter().find(|(_, who)| who.matches(subject));
            sensitivities |= first.map_or(0, |(bits, _)| *bits);
        }
        self.except(admission.rules & !out, subject, event_time, &mut admission);
        if out != 0 {
            self.except(admission.rules & out, subject, event_time, &mut admission);
            admission.exceptions.sort_unstable();
        }
        admission.rules |= sensitivities;
        admission
    }

    /// Adds the exceptions of these rules that hold, one of each.
    fn except(&self, rules: u128, subject: &Subject<'_>, event_time: Millis, admission: &mut Admission) {
        let mut covered = 0_u128;
        for index in self.candidates(subject.user) {
            let Some(exception) = self.exceptions.get(usize::from(index)) else { continue };
            let bit = 1_u128.checked_shl(u32::from(exception.rule)).unwrap_or(0);
            let open = rules & !covered & bit != 0;
            let holds = (exception.from..exception.expires_at).contains(&event_time);
            if open && holds && exception.covers.matches(subject) {
                covered |= bit;
                if admission.exceptions.try_push(index).is_err() {
                    admission.exceptions_dropped += 1;
                }
            }
        }
    }

    /// Does any rule ask something of the record?
    pub fn asks_records(&self) -> bool {
        !self.by_action.is_empty()
    }

    /// The bits of an event that these rules take, with what the record says of what they ask; those that it cannot fulfil
    /// are no longer among them.
    pub fn asked<R: Record>(&self, action: Action, record: &R, rules: u128) -> u128 {
        let Some(of_action) = self.by_action.get(action as usize) else { return rules };
        let mut bits = rules & !of_action.out;
        for one in of_action.asking.iter().filter_map(|index| self.asking.get(usize::from(*index))) {
            if one.out != 0 && rules & one.bit == 0 && !one.may_yet_take(record) {
                continue;
            }
            bits |= one.conditions.ask(record).checked_shl(one.shift).unwrap_or(0);
            if bits & one.answers == 0 {
                bits &= !one.out;
            }
        }
        bits
    }

    /// The bits of an event that these rules take, with what was answered for its record before.
    fn answered(&self, action: Action, rules: u128, before: u128) -> u128 {
        let Some(of_action) = self.by_action.get(action as usize) else { return rules };
        let mut bits = rules & !of_action.out;
        for one in of_action.asking.iter().filter_map(|index| self.asking.get(usize::from(*index))) {
            bits |= before & one.answers;
            if before & one.answers == 0 {
                bits &= !one.out;
            }
        }
        bits
    }

    /// Lays out who asks, so that an event passes over all that its action cannot fulfil.
    fn ask_by_action(&mut self, book: &Rulebook) {
        let mut asking = Vec::new();
        for ((index, rule), shifts) in book.rules.iter().enumerate().zip(shifts(book.rules.iter())) {
            let (Some(shift), Some(conditions)) = (shifts.answers, rule.conditions()) else { continue };
            let bit = 1_u128.checked_shl(index as u32).unwrap_or(0);
            let is_out = conditions.has_own_bit() && !rule.scope.asks_for_place();
            let answers = (1_u128 << conditions.bits()) - 1;
            asking.push(Asking {
                answers: answers.checked_shl(shift).unwrap_or(0),
                conditions,
                shift,
                bit,
                out: if is_out { bit } else { 0 },
                of_groups: rule.scope.asks(Selector::asks_for_groups),
                of_kinds: rule.scope.asks(Selector::asks_for_kinds),
            });
        }
        if asking.is_empty() {
            return;
        }
        let of_action = |action: &Action| {
            let set = 1_u64.checked_shl(*action as u32).unwrap_or(0);
            let can = |one: &&Asking| one.conditions.actions() & set != 0;
            let able = (0_u16..).zip(&asking).filter(|(_, one)| can(one)).map(|(index, _)| index).collect();
            let unable = asking.iter().filter(|one| !can(one));
            OfAction { asking: able, out: unable.fold(0, |out, one| out | one.out) }
        };
        self.by_action = Action::ALL.iter().map(of_action).collect();
        self.asking = asking.into();
    }

    /// The exceptions that may cover a user, ascending: both lists are, so they are merged.
    fn candidates(&self, user: &str) -> impl Iterator<Item = u16> {
        let start = self.by_user.partition_point(|(name, _)| &**name < user);
        let named = self.by_user.get(start..).unwrap_or_default();
        let mut named = named.iter().take_while(move |(name, _)| &**name == user).map(|(_, index)| *index).peekable();
        let mut general = self.general.iter().copied().peekable();
        std::iter::from_fn(move || match (named.peek(), general.peek()) {
            (Some(a), Some(b)) if a < b => named.next(),
            (Some(_), None) => named.next(),
            _ => general.next(),
        })
    }
}

impl Readmit for CompiledRules {
    fn readmit(&self, event: &Event, user: &str, groups: &[Box<str>]) -> Readmission {
        let groups: SmallVec<[Cow<'_, str>; 8]> = groups.iter().map(|name| Cow::Borrowed(&**name)).collect();
        let subject = Subject {
            user,
            groups: &groups,
            kind: event.kind,
            address: event.address.map(Address::bits),
            country: event.location.place.ok().map(|place| place.country),
        };
        let Admission { rules, exceptions, exceptions_dropped } = self.admit_as(event.action, &subject, event.time);
        Readmission { rules: self.answered(event.action, rules, event.rules), exceptions, exceptions_dropped }
    }
}

impl CompiledScope {
    fn new(scope: &Scope, rules: u128) -> Self {
        let compile = |selectors: &[Selector]| selectors.iter().map(CompiledSelector::new).collect();
        Self { rules, include: compile(&scope.include), exclude: compile(&scope.exclude) }
    }

    fn takes(&self, subject: &Subject<'_>) -> bool {
        let any = |selectors: &[CompiledSelector]| selectors.iter().any(|selector| selector.matches(subject));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

impl CompiledSelector {
    /// Compiles a selector of a checked rule.
    pub fn new(selector: &Selector) -> Self {
        let mut countries = selector.countries.clone();
        countries.sort_unstable();
        Self {
            users: Names::new(&selector.users),
            groups: Names::new(&selector.groups),
            kinds: selector.kinds.iter().fold(0, |bits, kind| bits | 1 << (*kind as u16)),
            networks: merged(&selector.networks),
            countries: countries.into(),
        }
    }

    /// Does every field that asks match? A selector that asks for nothing matches everybody.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        (self.kinds == 0 || self.kinds & 1 << (subject.kind as u16) != 0)
            && (self.users.is_empty() || self.users.contains(subject.user))
            && (self.countries.is_empty()
                || subject.country.is_some_and(|country| self.countries.binary_search(&country).is_ok()))
            && (self.networks.is_empty() || subject.address.is_some_and(|address| self.holds(address)))
            && (self.groups.is_empty() || subject.groups.iter().any(|group| self.groups.contains(group)))
    }

    fn holds(&self, address: u128) -> bool {
        let after = self.networks.partition_point(|network| network.first <= address);
        after.checked_sub(1).and_then(|index| self.networks.get(index)).is_some_and(|network| network.contains(address))
    }
}

/// The same addresses as ranges in order that neither overlap nor touch.
fn merged(networks: &[Network]) -> Box<[Network]> {
    let mut sorted = networks.to_vec();
    sorted.sort_unstable_by_key(|network| (network.first, network.last));
    let mut ranges: Vec<Network> = Vec::with_capacity(sorted.len());
    for network in sorted {
        match ranges.last_mut() {
            Some(last) if network.first <= last.last.saturating_add(1) => last.last = last.last.max(network.last),
            _ => ranges.push(network),
        }
    }
    ranges.into()
}
