//! The detectors, one file each. See [`crate::catalogue`] for the list.

pub mod activity_policy;
pub mod anonymous_ip;
pub mod failed_logins;
pub mod impossible_travel;
pub mod incident;
pub mod infrequent_country;
pub mod mass_download;
pub mod new_device;
pub mod ransomware;
pub mod suspicious_ip;
pub mod terminated_user;
pub mod unusual_download;

use serde::{Deserialize, Serialize};

use crate::afterwards::Stranger;
use crate::condition::Condition;
use crate::context::Context;
use crate::entity::{Per, entity};
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::incident::{Incident, Incidents};
use crate::plan::LaneKind;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// How somebody got in.
    Entry,
    /// From where they work.
    Whereabouts,
    /// What they do.
    Deeds,
    /// Whether they may be there at all.
    Account,
    /// Any of that: what an organisation describes itself, and says no more of.
    #[serde(skip)]
    Anything,
}

impl About {
    /// May two findings on the same events be one sign?
    pub fn meets(self, other: Self) -> bool {
        self == other || self == Self::Anything || other == Self::Anything
    }
}

/// A detector: a plain state machine over a key's events in order. Lateness, duplicates and revisions are solved
/// beneath it.
pub trait Detector {
    /// What a rule sets.
    type Params;

    /// Which history it reads, unless its parameters say otherwise.
    const LANE: LaneKind;

    /// Which history it reads.
    fn lane(_params: &Self::Params) -> LaneKind {
        Self::LANE
    }

    /// What an activity must be for it to be asked, beside [`Detector::wants`].
    fn condition(_params: &Self::Params) -> Option<&Condition> {
        None
    }

    /// What it counts by in place of the user: see [`crate::entity`].
    fn per(_params: &Self::Params) -> Option<Per> {
        None
    }

    /// The names of what may hold its findings back, in alphabetical order: a rule switches them off by these
    /// ([`crate::rule::Rule::off`]).
    const SUPPRESSIONS: &'static [&'static str] = &[];

    /// Parameters that a rule may leave out, which switches off what they are of.
    const OPTIONAL: &'static [&'static str] = &[];

    /// Does it read what lists say of addresses? Without a list it does not run.
    const READS_LISTS: bool = false;

    /// Length of the window in which it counts events together, seconds; 0: it has none.
    fn window_secs(_params: &Self::Params) -> u32 {
        0
    }

    /// Does it ask what is said of the account itself ([`Event::effective`])? To all others that is no event: nobody did it
    /// from anywhere, and nobody is known since.
    const ASKS_STATUS: bool = false;

    /// What its findings are about: two that name mostly the same events, and are about the same, are one sign.
    const ABOUT: About = About::Deeds;

    /// The same, where the parameters say it.
    fn about(_params: &Self::Params) -> About {
        Self::ABOUT
    }

    /// Does it read what the others have found, and no events? See [`crate::stories`].
    const READS_ALERTS: bool = false;

    /// Does what it finds rest on the event alone, so that it checks events that came too late to be put in order
    /// ([`Context::late`]) as well?
    const CHECKS_LATE: bool = false;

    /// The same, where it depends on the parameters. Only what reads the history of activity can.
    fn checks_late(_params: &Self::Params) -> bool {
        Self::CHECKS_LATE
    }

    /// Does this kind of event concern it?
    fn wants(event: &Event) -> bool;

    /// Does this kind of event begin its state? Others are passed over where there is none.
    fn begins(_event: &Event) -> bool {
        true
    }

    /// Takes the next event in order.
    fn step(&mut self, params: &Self::Params, context: &mut Context<'_>);

    /// Its incidents.
    fn incidents(&self) -> &Incidents;

    /// Addresses of which nothing was said when somebody was there: lists are asked for them again.
    fn strangers(&self) -> &[Stranger] {
        &[]
    }

    /// How many times it keeps apart in its windows: what a copy of it costs, beyond the usual.
    fn weight(&self) -> usize {
        0
    }

    /// Brings near what lies apart from the state itself and is needed at nearly every event.
    fn bring(&self) {}

    /// Copies without giving memory back.
    fn copy_from(&mut self, other: &Self);
}

/// Is a number of parameters absent? Rules that were written before it do what they did.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) const fn is_nothing(value: &u32) -> bool {
    *value == 0
}

/// Which of several gives way that were last used on these days: the first of those unused for longest.
pub(crate) fn unused_longest(last_days: impl Iterator<Item = i32>) -> Option<usize> {
    last_days.enumerate().min_by_key(|(_, day)| *day).map(|(index, _)| index)
}

/// Adds a fault when a value is outside its bounds.
pub(crate) fn bounded<T: PartialOrd + std::fmt::Display + Copy>(
    faults: &mut Vec<(&'static str, String)>,
    name: &'static str,
    value: T,
    low: T,
    high: T,
) {
    let inside = low <= value && value <= high;
    if !inside {
        faults.push((name, format!("{value} is outside {low}–{high}")));
    }
}

/// A count with its noun.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(count)) }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as people say them, in powers of 1,024.
fn sized(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} bytes"),
    }
}

/// A place as `Malmö SE`, `SE` or `an unknown place`.
pub(crate) fn named(place: Option<crate::place::Place>) -> String {
    match place {
        Some(place) if place.city.is_empty() => place.country.to_string(),
        Some(place) => format!("{} {}", place.city.as_str(), place.country),
        None => "an unknown place".to_owned(),
    }
}

/// Whence the events of an incident came.
fn from_where(incident: &Incident) -> String {
    from_addresses(&incident.evidence.addresses())
}

/// Whence what came from these addresses came.
pub(crate) fn from_addresses(addresses: &[SeenAddress]) -> String {
    match addresses {
        [] => "from an address that the source does not give".to_owned(),
        [only] => format!("from {} ({})", only.address, named(only.location.place.ok())),
        [first, rest @ ..] => format!("from {} addresses, first {}", rest.len() + 1, first.address),
    }
}

/// The first letters of a sentence: the user, the address that stands for a nameless one, or the entity that is counted by.
pub(crate) fn who(user: &str) -> String {
    if let Some((per, value)) = entity(user) {
        let (first, rest) = per.noun().split_at(1);
        return format!("{}{rest} {value}", first.to_uppercase());
    }
    match user.strip_prefix('@') {
        Some(address) => format!("Somebody without a name at {address}"),
        None => user.to_owned(),
    }
}

/// What a new detector begins as: it must compile. See `cargo xtask new-detector`.
#[cfg(test)]
#[allow(dead_code, reason = "the catalogue does not know it")]
#[path = "../../xtask/templates/detector.rs"]
pub mod template;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_the_template_have_bounds() {
        for (events_max, faults) in [(0, 1), (1, 0), (100_000, 0), (100_001, 1)] {
            assert_eq!(template::Params { events_max }.faults().len(), faults, "{events_max}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (grouped(5), grouped(51_200), grouped(1_000_000)),
            ("5".into(), "51,200".into(), "1,000,000".into())
        );
        assert_eq!((sized(512), sized(3 << 29)), ("512 bytes".into(), "1.5 GiB".into()));
        assert_eq!((counted(1, "row", "rows"), counted(0, "row", "rows")), ("1 row".into(), "0 rows".into()));
    }
}
