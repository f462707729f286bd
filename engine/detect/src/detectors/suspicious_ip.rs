//! Activity from an address of bad repute: a machine of a botnet, a source of password sprays or of malware.
//!
//! # Finds
//! Successful activity of a user from an address that a list of the configuration named, at the time of the event, as
//! `botnet`, `command_and_control`, `malware`, `password_spray` or `scanner`, with a confidence of at least
//! `confidence_min`, or that `networks.yaml` tags `risky`. One alert for each user, list and category until they have been
//! quiet. Where lists say several things, the gravest is told: sources of malware come after what raises the severity, and
//! scanners last.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts): stolen credentials are tried and used from machines that others have seen at it. A
//! success from there is worth a look by itself, without any history of the user. A botnet's machines, its control servers
//! and sources of password sprays raise the severity by a step; a list that is not sure lowers it.
//!
//! Machines at home do get infected, and households share addresses. From a network (a /24 of IPv4, a /48 of IPv6) that a
//! user was on for `usual_days_min` different days before it was listed, the severity is a step lower: it is told, since
//! somebody should look at that machine, but it is hardly a stranger. Days on which it was listed teach nothing.
//! A mobile carrier (by its name) lets thousands of its customers out at one address, and one infected phone puts it on a
//! list: of whoever was with that carrier on two days before, or where a list is not sure of an infected machine, it is no
//! news, and told at high sensitivity alone. A botnet's control server is told.
//!
//! # Blind spots
//! Addresses on no list, and lists that are old; an attacker behind the address that the user shares with them, or on the
//! network of the user's mobile carrier; activity without an address of its own or of its session. Without a list, and
//! without a network tagged `risky`, the rule does not run. Of what came too late to be put in order the user's own networks do not count.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it:
//! `known_good` (a list says, with that confidence, that the address is harmless); `own_network` (`networks.yaml` tags the address `corporate`,
//! `vpn`, `proxy` or `administrative`, which outranks every list); at low and medium sensitivity `shared_address`; at low
//! sensitivity `usual_in_organisation`.
//!
//! # References
//! The reference product's policy "activity from suspicious IP addresses" (password spray, botnet).

use serde::{Deserialize, Serialize};

use super::{About, Detector};
use crate::context::{Context, Relief};
use crate::event::Event;
use crate::incident::Incidents;
use crate::listed::Category;
use crate::model::Outcome;
use crate::networks::NetworkId;
use crate::plan::LaneKind;
use crate::radius::is_mobile;
use crate::reputation::{Case, Limits, Told, Watch, habit, shared_address, unsure, vouched_for};
use crate::time::day_of;

/// Parameters of `suspicious_ip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What a list says with less confidence than this is not looked at.
    pub confidence_min: u8,
    /// Below this confidence the severity is a step lower.
    pub confidence_sure: u8,
    /// From a network the user was on for this many different days before it was listed, the severity is a step lower.
    pub usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    pub usual_forget_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        self.limits().faults()
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
        &["known_good", "own_network", "shared_address", "usual_in_organisation"];

    const READS_LISTS: bool = true;

    const CHECKS_LATE: bool = true;

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place() else { return };
        let limits = params.limits();
        // The addresses of a mobile carrier are everybody's by turns.
        let is_shared = is_mobile(seen.location.carrier);
        let network = if is_shared { NetworkId::of_carrier(&seen) } else { NetworkId::of_block(&seen) };
        let of_lists = || Told::of_lists(&seen, &limits, is_suspicious);
        let told = Told::of_organisation(context.networks, &seen).or_else(of_lists);
        let Some(told) = told else {
            return self.watch.note(network, &limits, context);
        };
        let days = self.watch.days(network, day_of(context.event.time), limits.usual_forget_days);
        let mut blocks = vouched_for(context, &seen, &limits);
        blocks.extend(shared_address(days, &seen, &told, &limits));
        blocks.extend(context.usual_in_organisation(&seen));
        let baseline = habit(days, context);
        let reliefs = vec![
            unsure(&told, &limits),
            Relief { reason: "the user has long worked from this network", holds: days >= params.usual_days_min },
        ];
        let worse = Vec::from_iter(told.category.and_then(graver));
        self.watch.raise(context, Case { told, seen, limits, blocks, worse, reliefs, baseline, aside: "" });
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

const fn is_suspicious(category: Category) -> bool {
    matches!(
        category,
        Category::Botnet
            | Category::CommandAndControl
            | Category::Malware
            | Category::PasswordSpray
            | Category::Scanner
    )
}

/// Why an address of this category is graver than others.
const fn graver(category: Category) -> Option<&'static str> {
    match category {
        Category::Botnet => Some("from a botnet"),
        Category::CommandAndControl => Some("from a control server of a botnet"),
        Category::PasswordSpray => Some("from a source of password sprays"),
        _ => None,
    }
}
