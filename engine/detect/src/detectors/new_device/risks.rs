//! What is risky and recent at a sign-in.

use super::failures::Failures;
use crate::context::Context;
use crate::time::{Millis, spoken};

/// What is risky and recent at a sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Risks {
    pub(super) run: Option<Failures>,
    pub(super) bad_address: Option<Millis>,
}

impl Risks {
    /// The last of both.
    pub(super) fn last(self) -> Option<Millis> {
        self.run.map(|run| run.at).max(self.bad_address)
    }

    /// Were the failures somebody else's?
    pub(super) fn are_strange(self) -> bool {
        self.run.is_some_and(|run| run.strange)
    }

    /// `3 min after 5 failed sign-ins and 3 min after a sign-in from an address of bad repute`
    pub(super) fn spoken(self, now: Millis) -> String {
        let run = self.run.map(|run| {
            let what = match run.denied {
                0 => "failed sign-ins",
                denied if denied >= run.count => "failed second factors",
                _ => "failed sign-ins and second factors",
            };
            let whose = if run.strange { " on networks new to the user" } else { "" };
            format!("{} after at least {} {what}{whose}", spoken(now - run.at), run.count)
        });
        let address = self.bad_address.map(|at| match now - at {
            0 => "from an address of bad repute".to_owned(),
            since => format!("{} after a sign-in from an address of bad repute", spoken(since)),
        });
        run.into_iter().chain(address).collect::<Vec<_>>().join(" and ")
    }
}

/// Does it come from the address of the last of the failures?
pub(super) fn is_from_failures(risks: Risks, context: &Context<'_>) -> bool {
    let here = context.origin.seen.map_or(0, |seen| seen.address.hash64());
    risks.run.is_some_and(|run| run.address != 0 && run.address == here)
}

/// Does it come from the address of all of the failures?
pub(super) fn is_of_failures_alone(risks: Risks, context: &Context<'_>) -> bool {
    risks.run.is_some_and(|run| run.one_address) && is_from_failures(risks, context)
}

/// Does it come from where the user has never signed in, after what was somebody else's, from a bad address or that of the failures?
pub(super) fn is_from_the_risk(risks: Risks, days_on_network: u32, context: &Context<'_>) -> bool {
    days_on_network == 0 && (risks.bad_address.is_some() || risks.are_strange() || is_from_failures(risks, context))
}

pub(super) fn aggravations(risks: Risks, context: &Context<'_>) -> Vec<&'static str> {
    let event = context.event;
    [
        (is_from_failures(risks, context), "from the address of the failures"),
        (event.device_facts.managed == Some(false), "nothing manages the device"),
        (event.mfa == Some(false), "signed in without a second factor"),
        (event.account.privileged, "the account is privileged"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}
