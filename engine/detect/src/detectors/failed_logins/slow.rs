//! Guesses further apart than any burst: hours in which somebody failed from networks that are not the user's.

use serde::{Deserialize, Serialize};

use super::{OLD_PASSWORD, PRIVILEGED, Params, SUCCEEDED_AFTER, State, Success, counted, who};
use crate::baseline::hour_of;
use crate::context::{Context, Explanation, Raise, Relief, Standing};
use crate::detectors::from_where;
use crate::finding::{Kind, Measure, SeenAddress, Trace};
use crate::hash::hash64;
use crate::incident::Incident;
use crate::time::{HOUR, Millis, SECOND, spoken, to_the_minute};

/// Hours that can be asked for at most, and whose first failures are kept.
pub(super) const HOURS_MAX: usize = 16;
/// Hours within which they can be asked for at most: a week.
pub(super) const WITHIN_HOURS_MAX: u32 = 168;

/// Hours of strange failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Slow {
    /// The first failure of each hour, the oldest first.
    firsts: Vec<Trace>,
}

impl Slow {
    pub(super) const fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    pub(super) fn expire(&mut self, params: &Params, now: Millis) {
        self.firsts.retain(|first| now - first.time < within(params));
    }

    pub(super) fn note(&mut self, trace: Trace) {
        if self.firsts.last().is_some_and(|last| hour_of(last.time) == hour_of(trace.time)) {
            return;
        }
        if self.firsts.len() == HOURS_MAX {
            self.firsts.remove(0);
        }
        self.firsts.push(trace);
    }

    fn is_from(&self, seen: Option<SeenAddress>) -> bool {
        let is_same = |first: &Trace| first.address.zip(seen).is_some_and(|(a, b)| a.address == b.address);
        self.firsts.iter().any(is_same)
    }

    pub(super) fn is_all_at(&self, is_there: impl Fn(Option<SeenAddress>) -> bool) -> bool {
        self.firsts.iter().all(|first| first.address.is_some() && is_there(first.address))
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.firsts.clone_from(&other.firsts);
    }
}

impl State {
    /// Lets go what is over: nothing else touches it before slow guesses are told again.
    pub(super) fn let_go_of_slow(&mut self, params: &Params, now: Millis) {
        let is_over = |incident: &Incident| incident.cause == cause() && now > incident.last + within(params);
        self.incidents.let_go(is_over);
    }

    /// Takes a failure that a burst has been asked about.
    pub(super) fn fail_slowly(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let blocker = context.blocker(Vec::new());
        let held = blocker.is_some();
        // A burst over the limit is told for what it is; what only the baseline raised may be how slow guesses began.
        let is_burst = self.peaks[usize::from(held)] > params.failures_max
            && self.is_raised(held, event.time, self.quiet(params, context));
        if params.slow_hours_min == 0 || is_burst {
            return;
        }
        // As long as its hours count together it is one story.
        let (quiet, rhythm) = (within(params), self.memory.rhythm(params, held));
        let Some(slow) = self.memory.note_strange(params, context, held) else { return };
        let hours = slow.firsts.len();
        let is_open = self.incidents.live(cause(), held, event.time, quiet).is_some_and(|open| open.is_raised());
        if !is_open && hours < params.slow_hours_min as usize {
            return;
        }
        let incident = self.incidents.touch_within(cause(), held, [quiet; 2], context);
        if is_open {
            incident.add(context.trace(), event.test);
        } else {
            slow.firsts.iter().for_each(|first| incident.add(first.clone(), false));
            incident.first = slow.firsts.first().map_or(event.time, |first| first.time);
            incident.test = event.test;
        }
        let is_privileged =
            event.account.privileged || incident.severity_reasons.iter().any(|known| known == PRIVILEGED);
        let aggravations = Vec::from_iter(event.account.privileged.then_some(PRIVILEGED));
        let reliefs = [Relief { reason: OLD_PASSWORD, holds: rhythm.is_some() && !is_privileged }];
        let raise = Raise { blocker, aggravations, fresh: false };
        let words = Words { user: context.subject.user(), hours, succeeded: None };
        let standing = Standing { reliefs: &reliefs, quiet };
        context.raise_as(incident, raise, standing, |incident| words.explain(params, incident));
    }

    /// Takes a sign-in, which may be the guess that worked.
    pub(super) fn succeed_slowly(&mut self, params: &Params, context: &mut Context<'_>, is_strange: bool) {
        let now = context.event.time;
        let blocker = context.blocker(Vec::new());
        let held = blocker.is_some();
        let Some(slow) = self.memory.slow(held).filter(|_| params.slow_hours_min > 0) else { return };
        let (soon, quiet) = (Millis::from(params.success_within_secs) * SECOND, within(params));
        let Some(incident) = self.incidents.live(cause(), held, now, quiet) else { return };
        let is_guess = slow.is_from(context.origin.seen) || is_strange && now - incident.last <= soon;
        let is_old = incident.severity_reasons.iter().any(|known| known == OLD_PASSWORD);
        // A client with a password that has expired guesses nothing.
        let is_of_client = is_old && self.memory.success() == Success::Expired && self.memory.is_slow_of_client(held);
        if !incident.is_raised() || !is_guess || is_of_client {
            return;
        }
        incident.add(context.trace(), context.event.test);
        incident.count -= 1;
        let raise = Raise { blocker, aggravations: vec![SUCCEEDED_AFTER], fresh: false };
        let words = Words { user: context.subject.user(), hours: slow.firsts.len(), succeeded: Some(now) };
        let reliefs = [Relief { reason: OLD_PASSWORD, holds: is_old }];
        let standing = Standing { reliefs: &reliefs, quiet };
        context.raise_as(incident, raise, standing, |incident| words.explain(params, incident));
    }
}

struct Words<'a> {
    user: &'a str,
    /// Hours with failures.
    hours: usize,
    succeeded: Option<Millis>,
}

impl Words<'_> {
    fn explain(&self, params: &Params, incident: &Incident) -> Explanation {
        let Self { user, hours, succeeded } = *self;
        let has_succeeded = incident.severity_reasons.iter().any(|reason| reason == SUCCEEDED_AFTER);
        let end = match succeeded {
            Some(at) => format!("a sign-in succeeded at {} UTC", to_the_minute(at)),
            None if has_succeeded => "a sign-in has succeeded since".to_owned(),
            None => "none succeeded so far".to_owned(),
        };
        let kind = if has_succeeded {
            Kind::new("guessed", &["T1110.004"])
        } else {
            Kind::new("slow_guessing", &["T1110.004", "T1078.004"])
        };
        Explanation {
            summary: format!(
                "{} failed to sign in now and then from {} UTC on, {}, from networks that are not known to be the user's: in \
                 {} within {}, limit {}; {end}.",
                who(user),
                to_the_minute(incident.first),
                from_where(incident),
                counted(hours as u64, "different hour", "different hours"),
                spoken(within(params)),
                params.slow_hours_min,
            ),
            observed: vec![
                Measure::new("failures", incident.count as f64, "events"),
                Measure::new("hours_with_failures", hours as f64, "hours"),
                Measure::new("span", ((incident.last - incident.first) / SECOND) as f64, "s"),
                Measure::new("addresses", incident.evidence.addresses().len() as f64, "addresses"),
            ],
            baseline: Vec::new(),
            threshold: vec![
                Measure::new("slow_hours_min", f64::from(params.slow_hours_min), "hours"),
                Measure::new("slow_within_hours", f64::from(params.slow_within_hours), "h"),
            ],
            counterfactual: format!(
                "It would not have fired with slow_hours_min of {} or more, or from networks from which the user had signed in \
                 half a day before.",
                hours + 1,
            ),
            kind: Some(Box::new(kind)),
        }
    }
}

fn within(params: &Params) -> Millis {
    Millis::from(params.slow_within_hours) * HOUR
}

fn cause() -> u64 {
    hash64(b"slow")
}
