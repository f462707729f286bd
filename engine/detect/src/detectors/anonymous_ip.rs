//! Activity from an address behind which anybody can hide: a Tor exit, a VPN for anybody, an open proxy.
//!
//! # Finds
//! Successful activity of a user from an address that a list of the configuration named, at the time of the event, as
//! `tor`, `vpn`, `proxy` or `residential_proxy`, and as `hosting` where `hosting` is set, with a confidence of at least
//! `confidence_min`. One alert for each user, list and category until they have been quiet. Where lists say several things,
//! the gravest is told: Tor before rented household lines, these before tunnels and proxies, and hosters last.
//!
//! # Why
//! ATT&CK T1090.003 (Multi-hop Proxy) and T1078.004 (Cloud Accounts): whoever uses a stolen account hides where they are.
//! Whether an address was an exit is a matter of time, so a list says from when to when, and an event is judged by what
//! held when it happened. A Tor exit raises the severity by a step, a list that is not sure lowers it.
//!
//! People do work through tunnels that they pay for. A network of a tunnel (its carrier, or its block of addresses where
//! no carrier is known) that a user was on for `usual_days_min` different days is the user's habit; Tor and rented
//! household lines never are.
//!
//! # Blind spots
//! Addresses on no list, and lists that are old; an attacker on the tunnel that the user usually has; activity without an
//! address of its own or of its session; of what came too late to be put in order, tunnels and hosters. Without a list in
//! the configuration the rule does not run.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it:
//! `known_good` (a list says, with that confidence, that the address is harmless); `learning`, for tunnels and hosters alone: Tor is told from
//! the first event on; `own_network` (`networks.yaml` tags the address `corporate`, `vpn`, `proxy` or `administrative`,
//! which outranks every list); at low and medium sensitivity `usual_network`; at low sensitivity
//! `usual_in_organisation`.
//!
//! # References
//! The reference product's policy "activity from anonymous IP addresses". The Tor Project's list of exits.

use serde::{Deserialize, Serialize};

use super::{About, Detector, bounded};
use crate::context::Context;
use crate::event::Event;
use crate::incident::Incidents;
use crate::listed::Category;
use crate::model::Outcome;
use crate::networks::NetworkId;
use crate::plan::LaneKind;
use crate::reputation::{Case, Limits, Told, Watch, habit, is_vouched_for, unsure, usual_network, vouched_for};
use crate::time::day_of;

/// Parameters of `anonymous_ip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
    /// Below this confidence the severity is a step lower.
    pub confidence_sure: u8,
    /// Addresses of hosters count too.
    pub hosting: bool,
    /// Event time from a user's first activity in which findings on tunnels and hosters are only recorded, days.
    pub learning_days: u32,
    /// A network of a tunnel or hoster the user was on for this many different days before is usual.
    pub usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    pub usual_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.limits().faults();
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        faults
    }

    const fn counts(&self, category: Category) -> bool {
        match category {
            Category::Tor | Category::Vpn | Category::Proxy | Category::ResidentialProxy => true,
            Category::Hosting => self.hosting,
            _ => false,
        }
    }

    const fn limits(&self) -> Limits {
        Limits {
            confidence_min: self.confidence_min,
            confidence_sure: self.confidence_sure,
            usual_days_min: self.usual_days_min,
            usual_forget_days: self.usual_forget_days,
        }
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    watch: Watch,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Whereabouts;

    const SUPPRESSIONS: &'static [&'static str] =
        &["known_good", "learning", "own_network", "usual_in_organisation", "usual_network"];

    const READS_LISTS: bool = true;

    const CHECKS_LATE: bool = true;

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place().filter(|seen| !seen.location.listed.is_empty()) else { return };
        let limits = params.limits();
        let told = Told::of_lists(&seen, &limits, |category| params.counts(category));
        let Some(told) = told else { return };
        let (network, day) = (NetworkId::of_carrier(&seen), day_of(context.event.time));
        let days = self.watch.days(network, day, limits.usual_forget_days);
        let can_be_usual = told.can_be_habit();
        if can_be_usual && context.late {
            // Whether the user has long worked through it is a matter of order.
            return;
        }
        let mut blocks = vouched_for(context, &seen, &limits);
        let is_vouched_for = is_vouched_for(context, &blocks);
        blocks.extend(usual_network(days, params.usual_days_min).filter(|_| can_be_usual));
        blocks.extend(context.usual_in_organisation(&seen));
        blocks.extend(context.learning(params.learning_days).filter(|_| can_be_usual));
        let baseline = habit(days, context);
        let worse = if told.category == Some(Category::Tor) { vec!["through Tor"] } else { Vec::new() };
        let reliefs = vec![unsure(&told, &limits)];
        self.watch.raise(context, Case { told, seen, limits, blocks, worse, reliefs, baseline });
        if can_be_usual && !is_vouched_for {
            self.watch.note(network, &limits, context);
        }
    }

    fn incidents(&self) -> &Incidents {
        self.watch.incidents()
    }

    fn bring(&self) {
        self.watch.bring();
    }

    fn copy_from(&mut self, other: &Self) {
        self.watch.copy_from(&other.watch);
    }
}
