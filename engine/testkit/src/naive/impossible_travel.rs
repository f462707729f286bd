//! Two records of a user, one after the other as they arrive, in different cities and faster than an airliner. Without
//! radii, learning, sessions or channels, and whatever the outcome.

use std::collections::BTreeMap;

use frostwatch_detect::place::Place;
use frostwatch_wire::activity::decode::Activity;
use geo::{Distance as _, Haversine, Point};

const DISTANCE_KM_MIN: f64 = 100.0;
const SPEED_KMH_MAX: f64 = 900.0;
const HOUR_MS: f64 = 3_600_000.0;

/// When and where each user was last.
#[derive(Debug, Default)]
pub(super) struct Script {
    last: BTreeMap<String, (i64, Place, Point)>,
}

impl Script {
    /// Was the way here too fast?
    pub(super) fn observe(&mut self, activity: &Activity<'_>, key: &str, place: Place) -> bool {
        let Some(point) = place.point else { return false };
        let here = Point::new(point.lon_degrees(), point.lat_degrees());
        let Some((time, from, there)) = self.last.insert(key.to_owned(), (activity.time, place, here)) else {
            return false;
        };
        let distance_km = Haversine.distance(there, here) / 1_000.0;
        // Records come out of order; the script takes the time between them, whichever was first.
        let hours = (activity.time - time).abs() as f64 / HOUR_MS;
        let same_city = (from.city.as_str(), from.country) == (place.city.as_str(), place.country);
        !same_city && distance_km > DISTANCE_KM_MIN && distance_km > SPEED_KMH_MAX * hours
    }
}
