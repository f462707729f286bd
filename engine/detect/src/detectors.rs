//! The detectors, one file each. See [`crate::catalogue`] for the list.

pub mod failed_logins;
pub mod impossible_travel;
pub mod infrequent_country;
pub mod mass_download;

/// Adds a fault when a value is outside its bounds.
fn bounded<T: PartialOrd + std::fmt::Display>(
    faults: &mut Vec<(&'static str, String)>,
    name: &'static str,
    value: T,
    low: T,
    high: T,
) {
    if value < low || value > high {
        faults.push((name, format!("{value} is outside {low}–{high}")));
    }
}
