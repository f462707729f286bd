//! What is told of an hour, or held back: where it begins, and what belongs to it.

use serde::{Deserialize, Serialize};

use super::group::{Colleagues, FAR_MORE, USUAL_IN_GROUP};
use super::hour::{EXPLANATIONS, Limits, Verdict};
use super::{ASLEEP, HOUR, MEASURES, PRIVILEGED, Params, State, amounts, cause, most, words};
use crate::context::{Context, Raise};
use crate::event::Quantity;
use crate::finding::{Blocker, Trace};
use crate::incident::{Incident, on_ladder};
use crate::rule::Layer;

/// Once the window holds so many times what was last told, it is told afresh.
const TOLD_TIMES: f64 = 2.0;

/// What an incident of an hour has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Volume {
    /// What it carried off so far.
    pub(super) carried: Quantity,
    /// The most that the window held since it was raised.
    pub(super) peak: Quantity,
    /// What it was measured by when it was raised.
    pub(super) limits: Limits,
    /// Its peak when something was last said of it.
    said: Quantity,
}

impl Volume {
    /// Takes what has come to it; is that new enough to be told at once?
    fn grow(&mut self, params: &Params, more: Quantity, now: Quantity) -> bool {
        let before = params.reached(self.peak, 1.0);
        (self.carried, self.peak) = (self.carried.plus(more), most(self.peak, now));
        let (reached, peak, said) = (params.reached(self.peak, 1.0), amounts(self.peak), amounts(self.said));
        let is_multiple = |measure: usize| reached[measure] && peak[measure] >= TOLD_TIMES * said[measure];
        reached != before || (0..MEASURES).any(is_multiple)
    }
}

impl State {
    /// Raises what is unusual for the hour, and records what is not. `None`: it is usual for the user, as far as is known; else
    /// what of this and of the downloads before belongs to an alert from now on.
    pub(super) fn judge_hour(
        &mut self,
        params: &Params,
        context: &mut Context<'_>,
        verdict: Verdict,
    ) -> Option<Quantity> {
        let Verdict { exception, now, fresh, limits } = verdict;
        let of_unknown = limits.of_unknown(params, context, now).filter(|_| exception.is_none());
        let (is_far, limits) = (of_unknown.is_some(), of_unknown.unwrap_or(limits));
        let covered = exception.is_some();
        let excusing = Colleagues::of(params, context).filter(|colleagues| colleagues.excuse(&limits, now));
        if !covered && self.is_told(HOUR) {
            return Some(self.go_on(params, context, (fresh, now)));
        }
        if params.reached(now, 1.0) == [false; MEASURES] {
            return None;
        }
        let blocker = exception.or_else(|| {
            let taken = EXPLANATIONS.map(|by| context.takes(Layer::User, by));
            let learning = context.learning(params.learning_days).filter(|_| !is_far);
            let explained = limits.explained(taken).map(|by| words::usual(params, &limits, by, now));
            let excused = excusing.map(|colleagues| colleagues.block(params, &limits, now));
            context.blocker(learning.into_iter().chain(explained).chain(excused).collect())
        });
        let held = blocker.is_some();
        let is_of_group = blocker.as_ref().is_some_and(|blocker| blocker.by == USUAL_IN_GROUP);
        let is_begun = self.begin(context, (held, covered));
        let volume = &mut self.raised.get_or_insert_default().volumes[usize::from(held)];
        let incident = self.incidents.same(cause(HOUR), held)?;
        let is_fresh = if is_begun {
            self.window.traces(covered).for_each(|trace| incident.add(trace.clone(), false));
            incident.count = u64::from(self.window.events(covered));
            incident.first = self.window.first(covered).unwrap_or(context.event.time);
            incident.test = context.event.test;
            let limits = if held { limits } else { limits.as_told(params, now) };
            *volume = Volume { carried: now, peak: now, limits, said: now };
            false
        } else {
            incident.add(context.trace(), context.event.test);
            volume.grow(params, fresh, now)
        };
        self.say(params, context, blocker, is_fresh);
        // What only colleagues excuse within an hour may still be a rise of the user's own over days.
        if is_of_group { Some(Quantity::default()) } else { (!held).then_some(now) }
    }

    /// Finds the incident that a download belongs to; was it begun just now?
    ///
    /// What was held back and is told now is one story under one id, so it is held back no more.
    fn begin(&mut self, context: &mut Context<'_>, (held, covered): (bool, bool)) -> bool {
        let is_of_hour = |incident: &Incident| incident.cause == cause(HOUR) && incident.held == held;
        let opener = (!self.incidents.iter().any(is_of_hour)).then(|| self.runs.open(covered)).flatten();
        if !held && opener.is_some() {
            self.incidents.let_go(|incident| incident.held && Some(&incident.opener) == opener.as_ref());
        }
        let quiet = [context.quiet(); 2];
        let incident = self.incidents.touch_within(cause(HOUR), held, quiet, context);
        let is_begun = !incident.is_raised();
        if let Some(opener) = opener.filter(|_| is_begun) {
            incident.opener = opener;
        }
        is_begun
    }

    /// Adds a download to what is told if the window holds more than would have passed when that began, and with it those
    /// since the last one that did. Who goes on as usual adds nothing, and lets the incident end.
    fn go_on(&mut self, params: &Params, context: &mut Context<'_>, (fresh, now): (Quantity, Quantity)) -> Quantity {
        let volume = &mut self.raised.get_or_insert_default().volumes[0];
        let event = context.event;
        if !volume.limits.is_passed_by(params, now) {
            return Quantity::default();
        }
        let is_told = |incident: &&Incident| incident.cause == cause(HOUR) && !incident.held;
        let last = self.incidents.iter().find(is_told).map_or(event.time, |incident| incident.last);
        let (since, events) = self.window.since(last, false);
        let more = if events > 1 { since } else { fresh };
        let quiet = [context.quiet(); 2];
        let incident = self.incidents.touch_within(cause(HOUR), false, quiet, context);
        let between = |trace: &&Trace| last < trace.time && trace.id != event.id;
        self.window.traces(false).filter(between).for_each(|trace| incident.evidence.push(trace.clone()));
        let before = incident.count;
        incident.count += u64::from(events.saturating_sub(1));
        incident.add(context.trace(), event.test);
        // A step of the ladder may lie between.
        let is_due = (before + 1..incident.count).any(on_ladder);
        let is_fresh = volume.grow(params, more, now) || is_due;
        self.say(params, context, None, is_fresh);
        more
    }

    fn say(&mut self, params: &Params, context: &mut Context<'_>, blocker: Option<Blocker>, fresh: bool) {
        let held = blocker.is_some();
        let volume = &mut self.raised.get_or_insert_default().volumes[usize::from(held)];
        let Some(incident) = self.incidents.same(cause(HOUR), held) else { return };
        let mut aggravations = Vec::from_iter(context.event.account.privileged.then_some(PRIVILEGED));
        aggravations.extend(volume.limits.is_asleep.then_some(ASLEEP));
        let known = Colleagues::of(params, context);
        let is_far = known.is_some_and(|known| known.are_exceeded(params, &volume.limits, volume.peak));
        aggravations.extend((is_far && !held).then_some(FAR_MORE));
        let does_excuse = !volume.limits.is_asleep && context.takes(Layer::User, USUAL_IN_GROUP);
        let beside = words::Beside { known, excusing: known.filter(|_| does_excuse) };
        let (user, told) = (context.subject.user(), *volume);
        let raise = Raise { blocker, aggravations, fresh };
        context.raise(incident, raise, |incident| words::of_hour(params, user, incident, told, beside));
        if incident.said.as_ref().is_some_and(|said| said.at.as_order() == context.event.order()) {
            volume.said = volume.peak;
        }
    }
}
