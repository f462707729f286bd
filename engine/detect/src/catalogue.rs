//! The closed, alphabetical list of detectors. A detector is a file under `detectors/`, a rule under `rules/`, vectors
//! under `tests/vectors/`, and one line here.

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::detectors::{
    Detector, failed_logins, impossible_travel, infrequent_country, mass_download, terminated_user,
};
use crate::event::Event;
use crate::incident::Incidents;
use crate::plan::LaneKind;

/// Raised with every change of what is kept for a key: see [`crate::format`].
pub const STATE_FORMAT: u8 = 2;

/// Raised by hand with every change of the program after which the same records give other findings: what was found is
/// part of what a ruling is known by ([`crate::plan::Named`]). The golden stream of the tests tells when that was
/// forgotten.
pub const SEMANTICS_VERSION: u32 = 2;

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

            /// The format of state since which the detector is there.
            pub const fn since(&self) -> u8 {
                match self { $(Self::$variant(_) => <$module::State as Detector>::SINCE,)+ }
            }

            /// Which history the detector reads.
            pub const fn lane(&self) -> LaneKind {
                match self { $(Self::$variant(_) => <$module::State as Detector>::LANE,)+ }
            }
        }

        /// What a detector keeps for a key. The order is part of the state encoding: see [`STATE_FORMAT`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum State {
            $(
                #[doc = concat!("Of [`", stringify!($module), "`](crate::detectors::", stringify!($module), ").")]
                $variant($module::State),
            )+
        }

        impl State {
            /// A detector that has seen nothing.
            pub fn of(params: &Params) -> Self {
                match params { $(Params::$variant(_) => Self::$variant($module::State::default()),)+ }
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

            /// Takes the next event in order. A rule's key contains its detector, so parameters always fit the state.
            pub fn step(&mut self, params: &Params, context: &mut Context<'_>) {
                match (self, params) {
                    $((Self::$variant(state), Params::$variant(params)) => state.step(params, context),)+
                    _ => debug_assert!(false, "state and parameters of different detectors"),
                }
            }

            /// The detector's incidents.
            pub fn incidents(&self) -> &Incidents {
                match self { $(Self::$variant(state) => state.incidents(),)+ }
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

catalogue! {
    FailedLogins(failed_logins),
    ImpossibleTravel(impossible_travel),
    InfrequentCountry(infrequent_country),
    MassDownload(mass_download),
    TerminatedUser(terminated_user),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_alphabetical() {
        assert!(DETECTORS.is_sorted());
    }

    #[test]
    fn suppressions_are_alphabetical_and_each_is_one() {
        let lists = [
            <failed_logins::State as Detector>::SUPPRESSIONS,
            <impossible_travel::State as Detector>::SUPPRESSIONS,
            <infrequent_country::State as Detector>::SUPPRESSIONS,
            <mass_download::State as Detector>::SUPPRESSIONS,
        ];
        assert!(lists.iter().all(|list| list.is_sorted_by(|a, b| a < b)));
    }
}
