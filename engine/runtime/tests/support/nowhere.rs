//! Places for tests that ask for none.

use std::net::IpAddr;

use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};

/// No address has a place.
pub(crate) struct Nowhere(GeoBuild);

impl Nowhere {
    /// Under a build of this digest.
    pub(crate) fn new(digest: &str) -> Self {
        Self(GeoBuild { kind: "none".to_owned(), built_at_secs: 0, digest: digest.to_owned() })
    }
}

impl Locate for Nowhere {
    fn locate(&self, _address: IpAddr) -> Location {
        Location { place: Err(NoPlace::Unknown), carrier: Carrier::NONE }
    }

    fn build(&self) -> &GeoBuild {
        &self.0
    }
}
