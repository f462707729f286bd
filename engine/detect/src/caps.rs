//! How often the caps of a key's state were met: beyond a cap something is forgotten, and that must show.

/// Times each cap made a key forget something; what a rewind runs again counts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// [`crate::sessions::SESSIONS_MAX`].
    pub sessions: u64,
    /// [`crate::incident::INCIDENTS_MAX`].
    pub incidents: u64,
    /// [`crate::detectors::impossible_travel::NETWORKS_MAX`], and as many networks of the detectors of listed addresses.
    pub networks: u64,
    /// [`crate::detectors::infrequent_country::COUNTRIES_MAX`].
    pub countries: u64,
    /// [`crate::machine::PARKED_MAX`].
    pub parked_rules: u64,
    /// [`crate::window::WINDOW_SLOTS_MAX`].
    pub window_slots: u64,
    /// [`crate::window::WINDOW_OBJECTS_MAX`].
    pub window_objects: u64,
    /// [`crate::profile::ANNOUNCED_MAX`].
    pub announced: u64,
    /// Exceptions of an event that was admitted anew ([`crate::profile::Readmit`]) and that found no place in it.
    pub exceptions: u64,
}
