//! Admit: where the address is, which rules watch the subject, which exceptions cover it. The result is the event as
//! the core keeps it.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use frostwatch_detect::entity::Per;
use frostwatch_detect::event::{AccountFacts, Address, Event, EventId, EventLocation, Later, Quantity};
use frostwatch_detect::files::{FileFacts, FileTexts};
use frostwatch_detect::hash::hash64_some;
use frostwatch_detect::model::{Action, Outcome};
use frostwatch_detect::peers::Peers;
use frostwatch_detect::place::NoPlace;
use frostwatch_detect::plan::Plan;
use frostwatch_detect::profile::{Apart, Facts, Parties, Person, Statement};
use frostwatch_detect::time::{Millis, SECOND};
use frostwatch_rulebook::Subject;
use frostwatch_wire::activity::decode::Activity;
use frostwatch_wire::subject::compared;

use super::asked::Asked;
use super::ruling::Ruling;

/// An activity that was admitted.
pub(super) struct Admitted {
    pub(super) event: Event,
    /// What [`Event::rules`] would say of all rules, those that count by something else than a user too.
    pub(super) rules: u128,
    /// Exceptions that found no place in it.
    pub(super) exceptions_dropped: u16,
}

/// The event of an activity under the ruling of this version.
pub(super) fn admit(
    activity: &Activity<'_>,
    key: &str,
    stamp: Option<Millis>,
    ruling: &Ruling,
    version: u8,
) -> Admitted {
    // A copy is taken by whom its record is.
    let key = activity.counted.as_deref().map_or(key, |counted| &counted.key);
    let user = key.split_once('|').map_or(key, |(_, user)| user);
    let address = activity.ip.and_then(Address::new);
    // An address that the producer only guessed must not open a finding about place; the session join may find better.
    let address = address.filter(|_| activity.ip_is_direct);
    let (location, later) =
        address.map_or((EventLocation::NONE, None), |address| located(address, activity.time, ruling));
    let groups = lower(&activity.groups);
    let admission = ruling.rules.admit_as(
        activity.action,
        &Subject {
            user,
            groups: &groups,
            kind: activity.kind,
            address: address.map(Address::bits),
            country: location.place.ok().map(|place| place.country),
        },
        activity.time,
    );
    let all = if ruling.rules.asks_records() {
        ruling.rules.asked(activity.action, &Asked { activity, user, groups: &groups }, admission.rules)
    } else {
        admission.rules
    };
    let rules = of_key(activity, &ruling.plan, all);
    let (objects, rows, bytes) = activity.quantity;
    let event = Event {
        time: activity.time,
        stamp,
        id: EventId::new(&activity.id),
        content: activity.content,
        action_key: action_key_of(activity),
        richness: activity.richness,
        session: activity.session,
        device: activity.device,
        device_facts: activity.device_facts,
        agent: activity.agent,
        object: activity.object,
        object_row: activity.object_row,
        address,
        location,
        action: activity.action,
        outcome: activity.outcome,
        reason: activity.reason,
        channel: activity.channel,
        kind: activity.kind,
        mfa: activity.mfa,
        account: account_of(activity, &groups, &ruling.plan),
        test: activity.test,
        quantity: Quantity { objects, rows, bytes },
        rules,
        exceptions: admission.exceptions,
        version,
        effective: activity.effective.filter(|_| ruling.plan.keeps_status()).and_then(whole_seconds),
        apart: apart(activity, user, &groups, (&ruling.plan, rules)).map(Box::new),
        later,
    };
    Admitted { event, rules: all, exceptions_dropped: admission.exceptions_dropped }
}

/// Of these rules those that look at records under such a key: a user's, or that of what a copy is counted by.
fn of_key(activity: &Activity<'_>, plan: &Plan, rules: u128) -> u128 {
    match activity.counted.as_deref().map(|counted| Per::from_word(&counted.by)) {
        None => rules & !plan.not_of(None),
        Some(Some(per)) => rules & !plan.not_of(Some(per)),
        // A newer program's.
        Some(None) => 0,
    }
}

/// Hash of what the records of one action share; 0: nothing. Two people who do the same to one object are no one action.
fn action_key_of(activity: &Activity<'_>) -> u64 {
    match (&activity.action_key, activity.counted.as_deref()) {
        (None, _) => 0,
        (Some(key), None) => hash64_some(key.as_bytes()),
        (Some(key), Some(counted)) => hash64_some(format!("{}\n{key}", counted.key).as_bytes()),
    }
}

/// Where an address is, what lists say of it at this time, and from later times on.
fn located(address: Address, time: Millis, ruling: &Ruling) -> (EventLocation, Option<Box<[Later]>>) {
    let known = ruling.locate.locate(address.ip());
    // A wide network of a list may hold private ones: of these no list knows anything.
    let is_special = matches!(known.place, Err(NoPlace::Private | NoPlace::Reserved));
    let lists = ruling.lists.as_ref().filter(|_| !is_special);
    let (listed, later) = lists.map(|lists| lists.of_and_later(address, time)).unwrap_or_default();
    let later: Vec<Later> = later.into_iter().map(|(from, listed)| Later { address, from, listed }).collect();
    let later = Some(later.into_boxed_slice()).filter(|later| !later.is_empty());
    (EventLocation { place: known.place, carrier: known.carrier, listed }, later)
}

/// What the record of an activity says of its account itself, as far as there is room to write that down.
fn account_of(activity: &Activity<'_>, groups: &[Cow<'_, str>], plan: &Plan) -> AccountFacts {
    let (privileged, is_kept) = (activity.told.privileged, plan.keeps_status());
    AccountFacts {
        privileged: privileged == Some(true),
        says_privileged: privileged.is_some() && is_kept,
        names_groups: !groups.is_empty() && is_kept,
    }
}

/// What few records say, where it is asked for and there is room for it.
fn apart(activity: &Activity<'_>, user: &str, groups: &[Cow<'_, str>], (plan, rules): (&Plan, u128)) -> Option<Apart> {
    let is_copy = activity.counted.is_some();
    if activity.action == Action::UserProfile {
        return statement_of(activity, groups).filter(|_| plan.keeps_status() && !is_copy).map(Apart::Statement);
    }
    let file = if plan.keeps_files() && !is_copy { file_of(activity) } else { None };
    let target = activity.told.target.as_deref();
    if (is_copy || target.is_some()) && plan.keeps_parties(rules) {
        let target = target.map(compared);
        return Parties::new(is_copy.then_some(user), target.as_deref(), file).map(Apart::Parties);
    }
    file.map(Apart::File)
}

/// What the record says of the account of its key.
fn statement_of(activity: &Activity<'_>, groups: &[Cow<'_, str>]) -> Option<Statement> {
    let told = &activity.told;
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let facts = Facts {
        kind: activity.kind,
        privileged: told.privileged,
        groups: told.has_groups.then(|| Facts::groups_of(groups.iter().map(AsRef::as_ref))),
        person: Person::new(&text(&told.display_name), &text(&told.email), &text(&told.department)).map(Arc::new),
        peers: peers_of(activity).map(Arc::new),
    };
    let is_own = activity.effective.is_some() && activity.outcome == Outcome::Success;
    (is_own && !facts.is_empty()).then_some(Statement { said_at: activity.time, facts })
}

/// What the record says of the user's colleagues. Numbers of nobody knows how many say nothing.
fn peers_of(activity: &Activity<'_>) -> Option<Peers> {
    let told = activity.told.peers.as_deref()?;
    let group = told.group.as_deref().unwrap_or_default();
    Some(Peers::new(activity.time, group, told.people?, told.hour, told.turn))
}

/// What the record says of a file, where that may harm it.
pub fn file_of(activity: &Activity<'_>) -> Option<FileFacts> {
    let told = &activity.told;
    let texts = FileTexts {
        table: told.object_table.as_deref().unwrap_or(""),
        kind: told.object_kind.as_deref().unwrap_or(""),
        name: told.object_name.as_deref().unwrap_or(""),
        previous_name: told.previous_name.as_deref().unwrap_or(""),
        content_type: told.content_type.as_deref().unwrap_or(""),
        parent: (told.parent_table.as_deref().unwrap_or(""), told.parent_id.as_deref().unwrap_or("")),
        entropy: told.entropy_centibits,
    };
    FileFacts::of(activity.action, &texts)
}

/// A time in whole seconds, not before it; what lies beyond what is kept is the nearest that is.
fn whole_seconds(time: Millis) -> Option<NonZeroU32> {
    let secs = time.saturating_add(SECOND - 1).div_euclid(SECOND);
    NonZeroU32::new(u32::try_from(secs.clamp(1, Millis::from(u32::MAX))).unwrap_or(u32::MAX))
}

/// Group names in lower case; those that are so already cost nothing.
fn lower<'a>(groups: &'a [Cow<'a, str>]) -> Cow<'a, [Cow<'a, str>]> {
    if groups.iter().all(|group| !group.chars().any(char::is_uppercase)) {
        return Cow::Borrowed(groups);
    }
    Cow::Owned(groups.iter().map(|group| Cow::Owned(group.to_lowercase())).collect())
}
