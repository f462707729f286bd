//! What is remembered of a user's failures beyond the burst: nothing is allocated for those who do not fail.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Params;
use super::rhythm::Rhythm;
use super::slow::Slow;
use crate::baseline::{Hours, Usual, hour_of};
use crate::caps::Caps;
use crate::context::Context;
use crate::event::{Event, Quantity};
use crate::finding::SeenAddress;
use crate::model::Reason;
use crate::networks::NetworkId;
use crate::radius::is_mobile;
use crate::time::{Millis, SECOND};
use crate::window::{Counted, Window};

/// Programs that are told apart.
pub(super) const AGENTS_MAX: usize = 8;

/// Networks that are remembered: a home, an office, the carrier of a phone, and one more, a tunnel or a hotel.
const HOMES_MAX: usize = 4;
/// An address or network counts as known when somebody signed in from it so many counted hours ago, which is half a day at least: not
/// in what is judged.
const HOME_HOURS_MIN: u32 = 13;

/// Of whoever is watched for fewer hours nothing says which networks are theirs.
const STRANGE_HOURS_MIN: u32 = 24;

/// What a failure carries.
pub(super) const ONE: Quantity = Quantity { objects: 1, rows: 0, bytes: 0 };

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The hour since which the user is watched, counted from the epoch; 0: the baseline is off.
    since_hour: u32,
    homes: Homes,
    failures: Option<Box<Failures>>,
}

/// What is remembered of somebody who failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Failures {
    pub(super) hours: Hours,
    /// The last failures, over the time of the baseline.
    pub(super) window: Window,
    pub(super) rhythm: Rhythm,
    pub(super) success: Success,
    /// Of the incident that is told, and of the one that is held back.
    pub(super) marks: [Mark; 2],
    /// Of failures that no exception covers, and of those that one does.
    facts: [Facts; 2],
    /// Hours of strange ones, likewise.
    slow: [Slow; 2],
}

/// What is remembered of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) raised: bool,
    /// The baseline raised it: it stays open for as long as failures are counted together there.
    pub(super) by_baseline: bool,
    pub(super) client: Client,
    /// The most failures in the time of the baseline since it was raised.
    pub(super) peak: u32,
}

/// Does the incident look like the work of a client with an old password?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Client {
    /// Not so far.
    #[default]
    Unknown,
    /// Yes.
    Likely,
    /// It did, and then something spoke against it.
    Refuted,
    /// It did until somebody of whom nothing can be known yet signed in elsewhere.
    Doubted,
}

/// What a success says of failures that come in an even rhythm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Success {
    /// It may be a guess that worked.
    #[default]
    Open,
    /// It came from another address than the client that fails, in a network from which the user has signed in before.
    Elsewhere,
    /// It came from the client's own address, from where the user has signed in before.
    AtHome,
    /// It came from anywhere, and the client is refused since its password has expired: nothing was guessed.
    Expired,
}

/// Networks from which the user signed in; the latest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Homes(SmallVec<[Home; HOMES_MAX]>);

/// A network of the user.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Home {
    network: NetworkId,
    since_hour: u32,
    /// The last address there, see [`mark_of`]: many lines have another one every day.
    #[serde(with = "postcard::fixint::le")]
    address: u64,
    address_since_hour: u32,
}

/// What is known of where a sign-in comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// The network has been one of the user's for long enough.
    Network,
    /// The address too.
    Address,
}

impl Homes {
    /// Takes note of a success, and says what was known of where it comes from.
    fn take(&mut self, now: Millis, seen: Option<SeenAddress>) -> Known {
        let Some(seen) = seen else { return Known::Nothing };
        let (network, hour) = (NetworkId::of_carrier(&seen), hour_of(now));
        let address = mark_of(&seen);
        let known = self.0.iter().position(|home| home.network == network).map(|index| self.0.remove(index));
        if self.0.len() == HOMES_MAX {
            self.0.remove(0);
        }
        let mut home = known.unwrap_or(Home { network, since_hour: hour, address, address_since_hour: hour });
        // Addresses of IPv6 change by the hour, and say nothing of the line's IPv4.
        let is_beside = is_v6(address) && !is_v6(home.address);
        if home.address != address && !is_beside {
            (home.address, home.address_since_hour) = (address, hour);
        }
        self.0.push(home);
        home.known(hour, address)
    }

    /// What is known of where an event comes from.
    fn know(&self, now: Millis, seen: Option<SeenAddress>) -> Known {
        let known = seen.and_then(|seen| {
            let network = NetworkId::of_carrier(&seen);
            let home = self.0.iter().find(|home| home.network == network)?;
            Some(home.known(hour_of(now), mark_of(&seen)))
        });
        known.unwrap_or(Known::Nothing)
    }
}

impl Home {
    fn known(&self, hour: u32, address: u64) -> Known {
        let is_old = |since: u32| hour.saturating_sub(since) >= HOME_HOURS_MIN;
        match (self.address == address && is_old(self.address_since_hour), is_old(self.since_hour)) {
            (true, _) => Known::Address,
            (_, true) => Known::Network,
            _ => Known::Nothing,
        }
    }
}

/// Can nobody tell whose network it is: without an address or its carrier, or of a mobile carrier, which lets phones out anywhere?
fn is_of_phones(seen: Option<SeenAddress>) -> bool {
    seen.is_none_or(|seen| seen.location.carrier.asn == 0 || is_mobile(seen.location.carrier))
}

/// An address, hashed, with its family in the lowest bit.
fn mark_of(seen: &SeenAddress) -> u64 {
    seen.address.hash64() & !1 | u64::from(seen.address.ip().is_ipv6())
}

const fn is_v6(mark: u64) -> bool {
    mark & 1 == 1
}

/// Programs and reasons of the failures since there were none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    agents: Vec<u64>,
    /// A bit for each [`Reason`].
    reasons: u16,
}

impl Memory {
    /// Takes note of the time: what is over is forgotten.
    pub(super) fn pass(&mut self, params: &Params, now: Millis, caps: &mut Caps) {
        if !params.has_baseline() && params.slow_hours_min == 0 {
            self.since_hour = 0;
        } else if self.since_hour == 0 {
            self.since_hour = hour_of(now).max(1);
        }
        let Some(failures) = &mut self.failures else { return };
        if params.has_baseline() {
            failures.window.expire(now, Millis::from(params.baseline_window_secs) * SECOND, caps);
            failures.hours.forget(params.half_life_weeks, now);
        } else {
            (failures.window, failures.hours) = Default::default();
        }
        failures.slow.iter_mut().for_each(|slow| slow.expire(params, now));
    }

    /// The rhythm of failures ends with a success that can be of the client that makes it. Failures from where somebody
    /// then succeeds were mistakes, unless they were told; a success elsewhere says nothing of them. And when nothing else is
    /// left to remember, nothing is kept. Answers whether it came from where the user is not known to be.
    pub(super) fn succeed(&mut self, params: &Params, event: &Event, seen: Option<SeenAddress>) -> bool {
        let known = if params.remembers() { self.homes.take(event.time, seen) } else { Known::Nothing };
        let is_strange = known == Known::Nothing && !is_of_phones(seen);
        let Some(failures) = &mut self.failures else { return is_strange };
        failures.success = match (known, failures.rhythm.is_at(seen)) {
            _ if !failures.has_client(params) => Success::Open,
            (Known::Address, true) => Success::AtHome,
            (Known::Address | Known::Network, false) => Success::Elsewhere,
            _ if failures.rhythm.is_expired() && failures.are_expired() => Success::Expired,
            _ => Success::Open,
        };
        // Of a user who has been watched for less than half a day nothing is known, and a client on a network of the user is
        // most likely theirs. Whoever guesses stops at the password that works, and a client goes on: it must show an even
        // rhythm anew.
        let is_new = hour_of(event.time).saturating_sub(self.since_hour) < HOME_HOURS_MIN;
        match failures.success {
            Success::Elsewhere | Success::AtHome | Success::Expired => failures.rhythm.forget_asides(),
            Success::Open if (is_new || failures.rhythm.is_at_home()) && !failures.rhythm.is_at(seen) => {
                failures.rhythm.doubt();
            }
            Success::Open => failures.rhythm = Rhythm::default(),
        }
        if failures.marks.iter().any(|mark| mark.raised) {
            return is_strange;
        }
        if let Some(seen) = seen {
            let is_same = |known: SeenAddress| known.address == seen.address;
            failures.window.forget(ONE, |trace| trace.address.is_some_and(is_same));
        }
        if failures.window.is_empty() && failures.hours.is_empty() && failures.slow.iter().all(Slow::is_empty) {
            self.failures = None;
        }
        is_strange
    }

    /// Takes note of a failure on a network that is not the user's; `None`: it is, or nobody can tell. A phone with an old password
    /// goes on for days on a mobile carrier from which its owner never signs in.
    pub(super) fn note_strange(&mut self, params: &Params, context: &Context<'_>, covered: bool) -> Option<&Slow> {
        let now = context.event.time;
        let is_known = self.homes.know(now, context.origin.seen) != Known::Nothing;
        let is_new = hour_of(now).saturating_sub(self.since_hour) < STRANGE_HOURS_MIN;
        // How long a name is kept that never succeeded is a matter of all rules: it has no hours that count together.
        let is_counted = params.slow_hours_min > 0 && !context.is_nobody;
        if !is_counted || is_known || is_new || is_of_phones(context.origin.seen) {
            return None;
        }
        let slow = &mut self.failures.get_or_insert_default().slow[usize::from(covered)];
        slow.note(context.trace());
        Some(slow)
    }

    /// The hours of strange failures, if there are any.
    pub(super) fn slow(&self, covered: bool) -> Option<&Slow> {
        let slow = self.failures.as_ref().map(|failures| &failures.slow[usize::from(covered)]);
        slow.filter(|slow| !slow.is_empty())
    }

    /// Were all hours of strange failures those of the client that tries?
    pub(super) fn is_slow_of_client(&self, covered: bool) -> bool {
        let failures = self.failures.as_ref();
        failures
            .is_some_and(|failures| failures.slow[usize::from(covered)].is_all_at(|seen| failures.rhythm.is_at(seen)))
    }

    /// Takes the next failure; before it, nothing was in the shorter window if `is_first`.
    pub(super) fn fail(&mut self, params: &Params, context: &mut Context<'_>, covered: bool, is_first: bool) {
        let (event, since_hour) = (context.event, self.since_hour);
        let failures = self.failures.get_or_insert_default();
        if is_first && failures.window.is_empty() {
            failures.facts = Default::default();
        }
        failures.facts[usize::from(covered)].add(event);
        let seen = context.origin.seen;
        let known = self.homes.know(event.time, seen);
        let may_be_aside = match (known, failures.rhythm.is_at(seen)) {
            (Known::Address, _) | (Known::Network, false) => failures.has_client(params),
            _ => false,
        };
        failures.rhythm.beat(params, (event, seen), (known != Known::Nothing, may_be_aside));
        if params.has_baseline() {
            if !covered {
                failures.learn(params, event.time, since_hour);
            }
            failures.window.push(Counted { trace: context.trace(), carried: ONE, covered, object: 0 }, context.caps);
        }
    }

    /// What is usual for the user now; `None`: there is no baseline.
    pub(super) fn usual(&self, params: &Params, now: Millis) -> Option<Usual> {
        let hours = self.failures.as_ref().map(|failures| &failures.hours);
        (params.has_baseline() && self.since_hour > 0).then(|| match hours {
            Some(hours) => hours.usual(&params.weighing(), now, self.since_hour),
            None => Hours::default().usual(&params.weighing(), now, self.since_hour),
        })
    }

    /// The failures over the time of the baseline.
    pub(super) fn window(&self) -> Option<&Window> {
        self.failures.as_ref().map(|failures| &failures.window)
    }

    pub(super) fn failures_mut(&mut self) -> Option<&mut Failures> {
        self.failures.as_deref_mut()
    }

    /// What the last success says of the failures.
    pub(super) fn success(&self) -> Success {
        self.failures.as_ref().map_or(Success::Open, |failures| failures.success)
    }

    /// Is what is told, or held back, taken for a client's, and the last success for its owner's?
    pub(super) fn is_owners(&self, held: bool) -> bool {
        self.mark(held).client == Client::Likely && self.success() != Success::Open
    }

    /// Failures beside the client's that are taken for its owner's mistakes.
    pub(super) fn asides(&self) -> u32 {
        self.failures.as_ref().map_or(0, |failures| failures.rhythm.asides())
    }

    /// The interval of the client's rhythm, if there is one.
    pub(super) fn rhythm(&self, params: &Params, held: bool) -> Option<Millis> {
        self.failures.as_ref().and_then(|failures| failures.rhythm(params, failures.marks[usize::from(held)]))
    }

    /// What is remembered of the incident that is told, or of the one held back.
    pub(super) fn mark(&self, held: bool) -> Mark {
        self.failures.as_ref().map_or_else(Mark::default, |failures| failures.marks[usize::from(held)])
    }

    /// Programs and reasons, of failures that are covered or not.
    pub(super) fn facts(&self, covered: bool) -> Option<&Facts> {
        self.failures.as_ref().map(|failures| &failures.facts[usize::from(covered)])
    }

    /// How many times it keeps apart.
    pub(super) fn weight(&self) -> usize {
        self.failures.as_ref().map_or(0, |failures| failures.window.weight())
    }

    /// Copies without giving memory back.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.since_hour = other.since_hour;
        self.homes.0.clone_from(&other.homes.0);
        match (&mut self.failures, &other.failures) {
            (Some(mine), Some(theirs)) => mine.copy_from(theirs),
            (mine, theirs) => mine.clone_from(theirs),
        }
    }
}

impl Failures {
    /// One that begins must be even; one that was taken for a client's may stray.
    fn rhythm(&self, params: &Params, mark: Mark) -> Option<Millis> {
        let may_stray = mark.client == Client::Likely;
        self.rhythm.even(params).or_else(|| self.rhythm.going_on(params).filter(|_| may_stray))
    }

    /// Since there were none, did all of them name an expired password or token?
    fn are_expired(&self) -> bool {
        self.facts.iter().fold(0, |reasons, facts| reasons | facts.reasons) == 1 << Reason::Expired as u16
    }

    fn has_client(&self, params: &Params) -> bool {
        self.marks.into_iter().any(|mark| self.rhythm(params, mark).is_some())
    }

    /// A day can make usual at most twice what was, and as much as the baseline lets pass: what raises an alert today
    /// does not teach that it is normal tomorrow.
    fn learn(&mut self, params: &Params, now: Millis, since_hour: u32) {
        let ceiling = params.usual_failures_max.max(params.baseline_floor);
        if self.hours.counted(now) >= ceiling {
            return;
        }
        let expected = self.hours.usual(&params.weighing(), now, since_hour).belief.expected();
        let most = libm::ceil(2.0 * expected) + f64::from(params.baseline_floor);
        self.hours.learn(params.half_life_weeks, now, 1, most.min(f64::from(ceiling)) as u16);
    }

    fn copy_from(&mut self, other: &Self) {
        self.hours.copy_from(&other.hours);
        self.window.copy_from(&other.window);
        self.rhythm.copy_from(&other.rhythm);
        self.success = other.success;
        self.marks = other.marks;
        for (mine, theirs) in self.facts.iter_mut().zip(&other.facts) {
            mine.agents.clone_from(&theirs.agents);
            mine.reasons = theirs.reasons;
        }
        for (mine, theirs) in self.slow.iter_mut().zip(&other.slow) {
            mine.copy_from(theirs);
        }
    }
}

impl Facts {
    fn add(&mut self, event: &Event) {
        if event.agent != 0 && self.agents.len() < AGENTS_MAX && !self.agents.contains(&event.agent) {
            self.agents.push(event.agent);
        }
        self.reasons |= 1 << event.reason as u16;
    }

    /// Different programs, up to [`AGENTS_MAX`].
    pub(super) const fn agents(&self) -> usize {
        self.agents.len()
    }

    /// The reasons that the source gave.
    pub(super) fn reasons(&self) -> impl Iterator<Item = Reason> {
        let given = Reason::ALL.iter().copied().filter(|reason| *reason != Reason::Other);
        given.filter(|reason| self.reasons & 1 << *reason as u16 != 0)
    }
}
