//! What says of a new device that it is the user's, in spite of what failed before.

use super::failures::Failures;
use super::risks::{Risks, is_from_failures, is_of_failures_alone};
use super::{FACTORS, NETWORK_FORGET_DAYS, Params, State, is_anybodys};
use crate::context::{Block, Context};
use crate::detectors::counted;
use crate::finding::Measure;
use crate::networks::NetworkId;
use crate::rule::Layer;
use crate::time::{Millis, SECOND, day_of};

impl State {
    /// Holds back what was set up, with mistakes, in the user's own town, and what follows there long after few failures far away
    /// or such as were the user's.
    pub(super) fn near_home(&self, risks: Risks, params: &Params, context: &Context<'_>) -> Option<Block> {
        let (event, seen) = (context.event, context.origin.for_place()?);
        let way = self.homes.way(&seen, event.time, params).filter(|way| params.near_km > 0 && way.is_near())?;
        let run = self.plain_run(risks, context)?;
        let is_forgotten =
            || way.is_exact && run.one_address && self.tries.were_own(event.time, soon_and_here(params, context));
        let what = if self.is_mistake(run, risks, params, context) {
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

    /// Holds back what was set up with mistakes, or follows few failures far away, on a carrier on which a device of the user's was
    /// before.
    pub(super) fn known_network(&self, risks: Risks, params: &Params, context: &Context<'_>) -> Option<Block> {
        let (event, seen) = (context.event, context.origin.for_place()?);
        let (network, day, forget_days) = (NetworkId::of_carrier(&seen), day_of(event.time), NETWORK_FORGET_DAYS);
        let run = self.plain_run(risks, context).filter(|_| !is_anybodys(&seen, context))?;
        let is_managed = event.device_facts.managed == Some(true);
        let what = if self.is_mistake(run, risks, params, context) {
            "the failures and the sign-in come from one address"
        } else if is_managed && self.is_apart(run, risks, params, context) {
            "the failures were few, far away and long before"
        } else {
            return None;
        };
        let days = self.watch.days(network, day, forget_days);
        self.watch.knows_own(network, day, forget_days).then(|| Block {
            layer: Layer::User,
            by: "known_network",
            reason: format!(
                "{what}, of a carrier with which a device of the user's was before, on {} in all",
                counted(days.into(), "day", "days")
            ),
            measures: vec![
                Measure::new("days_on_network", f64::from(days), "days"),
                Measure::new("failures", f64::from(run.all), "failures"),
            ],
        })
    }

    /// The failures, if they are all that is grave, and passwords.
    fn plain_run(&self, risks: Risks, context: &Context<'_>) -> Option<Failures> {
        let event = context.event;
        let is_without = event.mfa == Some(false) && self.factors >= FACTORS;
        let is_plain = !is_without && !event.account.privileged && risks.bad_address.is_none();
        risks.run.filter(|run| is_plain && run.denied == 0)
    }

    /// Are they what one machine mistypes? More than anybody does is told.
    fn is_mistake(&self, run: Failures, risks: Risks, params: &Params, context: &Context<'_>) -> bool {
        !run.strange && self.tries.were_mistakes(params) && is_of_failures_alone(risks, context)
    }

    /// Were they somebody else's, few, long before and elsewhere?
    fn is_apart(&self, run: Failures, risks: Risks, params: &Params, context: &Context<'_>) -> bool {
        run.strange
            && !is_from_failures(risks, context)
            && self.tries.were_few(params, context.event.time, soon_and_here(params, context))
    }
}

/// What comes so soon after guesses, or from where they came, is told.
fn soon_and_here(params: &Params, context: &Context<'_>) -> (Millis, u64) {
    let here = context.origin.seen.map_or(0, |seen| seen.address.hash64());
    (Millis::from(params.failures_within_secs) * SECOND, here)
}
