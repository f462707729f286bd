//! The closed, alphabetical list of detectors. A detector is a file under `detectors/`, a rule under `rules/`, vectors
//! under `tests/vectors/`, and one line here.

use std::fmt;

use serde::de::{EnumAccess, Error, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::condition::Condition;
use crate::context::Context;
use crate::detectors::{
    Detector, activity_policy, anonymous_ip, failed_logins, impossible_travel, incident, infrequent_country,
    mass_download, new_device, ransomware, suspicious_ip, terminated_user, unusual_download,
};
use crate::entity::Per;
use crate::event::Event;
use crate::incident::Incidents;
use crate::plan::LaneKind;

/// Raised with every change of what is kept for a key: see [`crate::format`].
pub const STATE_FORMAT: u8 = 2;

/// Raised by hand with every change of the program after which the same records give other findings: what was found is
/// part of what a ruling is known by ([`crate::plan::Named`]). The golden stream of the tests tells when that was
/// forgotten.
pub const SEMANTICS_VERSION: u32 = 2;

/// The detectors in the order in which they came, each with the format of state that brought it. The place of each is its
/// number in the bytes of state: it never changes, and a new one is put behind the last.
const CAME: &[(&str, u8)] = &[
    // Those of the first release are in alphabetical order.
    ("failed_logins", 1),
    ("impossible_travel", 1),
    ("infrequent_country", 1),
    ("mass_download", 1),
    ("anonymous_ip", 2),
    ("suspicious_ip", 2),
    ("terminated_user", 2),
    ("activity_policy", 2),
    ("unusual_download", 2),
    ("ransomware", 2),
    ("incident", 2),
    ("new_device", 2),
];

/// The number of no detector.
const NO_NUMBER: u32 = u32::MAX;

/// The number of a detector in the bytes of state.
const fn number_of(id: &str) -> u32 {
    let mut number = 0;
    while number < CAME.len() {
        if is_same(CAME[number].0.as_bytes(), id.as_bytes()) {
            return number as u32;
        }
        number += 1;
    }
    NO_NUMBER
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

/// The format of state that brought a detector: under an older one it does not run.
pub fn since_format(detector: &str) -> u8 {
    CAME.iter().find(|(id, _)| *id == detector).map_or(STATE_FORMAT, |(_, format)| *format)
}

macro_rules! catalogue {
    ($($variant:ident($module:ident),)+) => {
        /// A detector and its parameters, as a rule names them (`kind` and `params`).
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "params", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Params {
            $(
                #[doc = concat!("See [`", stringify!($module), "`](crate::detectors::", stringify!($module), ").")]
                $variant($module::Params),
            )+
        }

        /// The ids of all detectors, in alphabetical order.
        pub const DETECTORS: &[&str] = &[$(stringify!($module)),+];

        /// The parameters that a rule of this detector may leave out; none where there is no such detector.
        pub fn optional(detector: &str) -> &'static [&'static str] {
            $(if detector == stringify!($module) {
                return <$module::State as Detector>::OPTIONAL;
            })+
            &[]
        }

        impl Params {
            /// The detector's id.
            pub const fn detector(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($module),)+ }
            }

            /// What is wrong with the values, each as parameter name and explanation; empty when all is well.
            pub fn faults(&self) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant(params) => params.faults(),)+ }
            }

            /// Length of the window in which events are counted together, seconds; 0: none.
            pub fn window_secs(&self) -> u32 {
                match self { $(Self::$variant(params) => <$module::State as Detector>::window_secs(params),)+ }
            }

            /// The names of what may hold a finding back, in alphabetical order: what a rule can switch off.
            pub const fn suppressions(&self) -> &'static [&'static str] {
                match self { $(Self::$variant(_) => <$module::State as Detector>::SUPPRESSIONS,)+ }
            }

            /// Does the detector read what lists say of addresses?
            pub const fn reads_lists(&self) -> bool {
                match self { $(Self::$variant(_) => <$module::State as Detector>::READS_LISTS,)+ }
            }

            /// What the detector's findings are about.
            pub fn about(&self) -> crate::detectors::About {
                match self { $(Self::$variant(params) => <$module::State as Detector>::about(params),)+ }
            }

            /// Does the detector read what the others have found, and no events?
            pub const fn reads_alerts(&self) -> bool {
                match self { $(Self::$variant(_) => <$module::State as Detector>::READS_ALERTS,)+ }
            }

            /// Does the detector check events that came too late for the others?
            pub fn checks_late(&self) -> bool {
                match self { $(Self::$variant(params) => <$module::State as Detector>::checks_late(params),)+ }
            }

            /// Does this kind of event concern the detector?
            pub fn wants(&self, event: &Event) -> bool {
                match self {
                    $(Self::$variant(_) => {
                        (<$module::State as Detector>::ASKS_STATUS || event.effective.is_none())
                            && <$module::State as Detector>::wants(event)
                    })+
                }
            }

            /// Does this kind of event begin the detector's state?
            pub fn begins(&self, event: &Event) -> bool {
                match self { $(Self::$variant(_) => <$module::State as Detector>::begins(event),)+ }
            }

            /// Which history the detector reads.
            pub fn lane(&self) -> LaneKind {
                match self { $(Self::$variant(params) => <$module::State as Detector>::lane(params),)+ }
            }

            /// What the detector counts by in place of the user.
            pub fn per(&self) -> Option<Per> {
                match self { $(Self::$variant(params) => <$module::State as Detector>::per(params),)+ }
            }

            /// What an activity must be for the detector to be asked.
            pub fn condition(&self) -> Option<&Condition> {
                match self { $(Self::$variant(params) => <$module::State as Detector>::condition(params),)+ }
            }
        }

        /// What a detector keeps for a key. Its bytes begin with the detector's number: see `CAME`.
        #[derive(Clone, Debug, PartialEq)]
        pub enum State {
            $(
                #[doc = concat!("Of [`", stringify!($module), "`](crate::detectors::", stringify!($module), ").")]
                $variant($module::State),
            )+
        }

        impl Serialize for State {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(state) => {
                        let number = const { number_of(stringify!($module)) };
                        serializer.serialize_newtype_variant("State", number, stringify!($module), state)
                    })+
                }
            }
        }

        impl<'de> Visitor<'de> for AnyState {
            type Value = State;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the state of a detector")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, from: A) -> Result<State, A::Error> {
                let (number, state) = from.variant::<u32>()?;
                $(if number == const { number_of(stringify!($module)) } {
                    return state.newtype_variant().map(State::$variant);
                })+
                Err(A::Error::custom("a detector that this program does not know"))
            }
        }

        impl State {
            /// A detector that has seen nothing.
            pub fn of(params: &Params) -> Self {
                match params { $(Params::$variant(_) => Self::$variant($module::State::default()),)+ }
            }

            /// Takes the next event in order. A rule's key contains its detector, so parameters always fit the state.
            pub fn step(&mut self, params: &Params, context: &mut Context<'_>) {
                match (self, params) {
                    $((Self::$variant(state), Params::$variant(params)) => state.step(params, context),)+
                    _ => debug_assert!(false, "state and parameters of different detectors"),
                }
            }

            /// See [`Params::checks_late`].
            pub(crate) const fn checks_late(&self) -> bool {
                match self { $(Self::$variant(_) => <$module::State as Detector>::CHECKS_LATE,)+ }
            }

            /// The detector's incidents.
            pub fn incidents(&self) -> &Incidents {
                match self { $(Self::$variant(state) => state.incidents(),)+ }
            }

            /// Addresses of which nothing was said when somebody was there.
            pub(crate) fn strangers(&self) -> &[crate::afterwards::Stranger] {
                match self { $(Self::$variant(state) => state.strangers(),)+ }
            }

            /// What a copy of it costs, beyond the usual.
            pub(crate) fn weight(&self) -> usize {
                match self { $(Self::$variant(state) => state.weight(),)+ }
            }

            /// Brings near what lies apart from the state itself.
            pub(crate) fn bring(&self) {
                match self { $(Self::$variant(state) => state.bring(),)+ }
            }

            /// Copies without giving memory back.
            pub fn copy_from(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$variant(mine), Self::$variant(theirs)) => mine.copy_from(theirs),)+
                    (mine, theirs) => mine.clone_from(theirs),
                }
            }
        }
    };
}

/// Reads the state of a detector by its number.
struct AnyState;

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("State", DETECTORS, AnyState)
    }
}

catalogue! {
    ActivityPolicy(activity_policy),
    AnonymousIp(anonymous_ip),
    FailedLogins(failed_logins),
    ImpossibleTravel(impossible_travel),
    Incident(incident),
    InfrequentCountry(infrequent_country),
    MassDownload(mass_download),
    NewDevice(new_device),
    Ransomware(ransomware),
    SuspiciousIp(suspicious_ip),
    TerminatedUser(terminated_user),
    UnusualDownload(unusual_download),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_alphabetical() {
        assert!(DETECTORS.is_sorted());
    }

    #[test]
    fn every_detector_has_a_number_of_its_own_and_a_format_that_brought_it() {
        let came: Vec<&str> = CAME.iter().map(|(id, _)| *id).collect();
        assert_eq!(came.iter().copied().collect::<BTreeSet<_>>(), DETECTORS.iter().copied().collect());
        assert_eq!(came.len(), DETECTORS.len());
        assert_eq!(DETECTORS.iter().map(|id| number_of(id)).collect::<BTreeSet<_>>().len(), DETECTORS.len());
        assert!(CAME.is_sorted_by_key(|(_, format)| *format) && CAME.iter().all(|(_, format)| *format <= STATE_FORMAT));
        assert_eq!((number_of("mass_download"), number_of("none")), (3, NO_NUMBER), "as the first release wrote it");
    }

    #[test]
    fn suppressions_are_alphabetical_and_each_is_one() {
        let lists = [
            <failed_logins::State as Detector>::SUPPRESSIONS,
            <impossible_travel::State as Detector>::SUPPRESSIONS,
            <infrequent_country::State as Detector>::SUPPRESSIONS,
            <mass_download::State as Detector>::SUPPRESSIONS,
            <unusual_download::State as Detector>::SUPPRESSIONS,
        ];
        assert!(lists.iter().all(|list| list.is_sorted_by(|a, b| a < b)));
    }
}
