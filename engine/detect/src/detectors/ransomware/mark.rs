//! What files of one sort have in common: what their owner may be used to.

use serde::{Deserialize, Serialize};

use crate::files::{Extension, Signs};

/// How a file looks, and its extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) look: Look,
    pub(super) extension: Extension,
}

/// How a file looks. An account that is used to one look under an extension is not used to another: who uploads the same
/// reports every night does not change documents and images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Look {
    /// Nothing strikes about it.
    #[default]
    Plain,
    /// No usual program writes its extension.
    Unusual,
    /// It took the place of one of its name, and nobody told what it is.
    Untyped,
    /// Its bytes look random though they should not.
    Random,
}

impl Mark {
    /// The mark of a file with these signs; `overwrites`: it took the place of one of its name.
    pub(super) const fn of(extension: Extension, signs: Signs, overwrites: bool) -> Self {
        let look = if signs.has(Signs::UNUSUAL) {
            Look::Unusual
        } else if signs.has(Signs::RANDOM) {
            Look::Random
        } else if overwrites && signs.has(Signs::GENERIC) {
            Look::Untyped
        } else {
            return Self { look: Look::Plain, extension: Extension::EMPTY };
        };
        Self { look, extension }
    }

    /// Does nothing strike about such files?
    pub(super) const fn is_plain(self) -> bool {
        matches!(self.look, Look::Plain)
    }
}
