//! What says of a new device that it is the user's, in spite of what failed before.

use super::failures::Failures;
use super::risks::{Risks, is_from_failures, is_of_failures_alone};
use super::{FACTORS, Params, State};
use crate::context::{Block, Context};
use crate::finding::Measure;
use crate::rule::Layer;
use crate::time::{Millis, SECOND};

impl State {
    /// Holds back what was set up, with mistakes, in the user's own town, and what follows there long after few failures far away
    /// or such as were the user's.
    pub(super) fn near_home(&self, risks: Risks, params: &Params, context: &Context<'_>) -> Option<Block> {
        let (event, seen) = (context.event, context.origin.for_place()?);
        let way = self.homes.way(&seen, event.time, params).filter(|way| params.near_km > 0 && way.is_near())?;
        let run = self.plain_run(risks, context)?;
        let is_forgotten =
            || way.is_exact && run.one_address && self.tries.were_own(event.time, soon_and_here(params, context));
        let what = if is_mistake(run, risks, params, context) {
            "the failures and the sign-in come from one address,"
        } else if way.is_exact && self.is_apart(run, risks, params, context) {
            "the failures were few and far away, and long after them the sign-in comes from"
        } else if is_forgotten() {
            "the failures came from one address of the user's carrier where they are, and long after them the sign-in comes from"
        } else {
            return None;
        };
        Some(Block {
            layer: Layer::User,
            by: "near_home",
            reason: format!("{what} {:.0} km from where the user signs in day by day", way.km),
            measures: vec![
                Measure::new("home_km", libm::round(way.km), "km"),
                Measure::new("near_km", libm::round(way.near_km), "km"),
            ],
        })
    }

    /// On how many different days before the user must have signed in on this network: on one, where the failures weigh little.
    pub(super) fn days_asked(&self, risks: Risks, params: &Params, context: &Context<'_>) -> u32 {
        let is_little = |run| is_mistake(run, risks, params, context) || self.is_apart(run, risks, params, context);
        if self.plain_run(risks, context).is_some_and(is_little) { 1 } else { params.usual_days_min }
    }

    /// The failures, if they are all that is grave, and passwords.
    fn plain_run(&self, risks: Risks, context: &Context<'_>) -> Option<Failures> {
        let event = context.event;
        let is_without = event.mfa == Some(false) && self.factors >= FACTORS;
        let is_plain = !is_without && !event.account.privileged && risks.bad_address.is_none();
        risks.run.filter(|run| is_plain && run.denied == 0)
    }

    /// Were they somebody else's, few, long before and elsewhere?
    fn is_apart(&self, run: Failures, risks: Risks, params: &Params, context: &Context<'_>) -> bool {
        run.strange
            && !is_from_failures(risks, context)
            && self.tries.were_few(params, context.event.time, soon_and_here(params, context))
    }
}

/// Are they what one machine mistypes? More than anybody does is told.
fn is_mistake(run: Failures, risks: Risks, params: &Params, context: &Context<'_>) -> bool {
    !run.strange && run.all < 2 * params.failures_min && is_of_failures_alone(risks, context)
}

/// What comes so soon after guesses, or from where they came, is told.
fn soon_and_here(params: &Params, context: &Context<'_>) -> (Millis, u64) {
    let here = context.origin.seen.map_or(0, |seen| seen.address.hash64());
    (Millis::from(params.failures_within_secs) * SECOND, here)
}
