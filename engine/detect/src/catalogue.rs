//! The closed, alphabetical list of detectors. A detector is a file under `detectors/`, a rule under `rules/`, vectors
//! under `tests/vectors/`, and one line here.

use serde::{Deserialize, Serialize};

use crate::detectors::{failed_logins, impossible_travel, infrequent_country, mass_download};

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

        impl Params {
            /// The detector's id.
            pub const fn detector(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($module),)+ }
            }

            /// What is wrong with the values, each as parameter name and explanation; empty when all is well.
            pub fn faults(&self) -> Vec<(&'static str, String)> {
                match self { $(Self::$variant(params) => params.faults(),)+ }
            }
        }
    };
}

catalogue! {
    FailedLogins(failed_logins),
    ImpossibleTravel(impossible_travel),
    InfrequentCountry(infrequent_country),
    MassDownload(mass_download),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_alphabetical() {
        assert!(DETECTORS.is_sorted());
    }
}
