//! Cities and distances between them.

use geo::{Destination, Distance, Haversine, Point};
use serde::Serialize;

use super::WorldError;

/// Position of a city in the table of cities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CityId(pub(crate) u16);

/// A real city.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct City {
    /// Name in ASCII.
    pub name: String,
    /// ISO 3166 country code.
    pub country: String,
    /// Degrees north of the centre.
    pub latitude: f64,
    /// Degrees east of the centre.
    pub longitude: f64,
    /// Inhabitants, rounded.
    pub population: u32,
    /// Standard time, minutes ahead of UTC.
    pub utc_offset_minutes: i16,
}

impl City {
    /// `Name/CC`: unique in the table.
    pub fn key(&self) -> String {
        format!("{}/{}", self.name, self.country)
    }

    fn point(&self) -> Point<f64> {
        Point::new(self.longitude, self.latitude)
    }
}

/// Kilometres between two cities along the great circle.
pub fn distance_km(a: &City, b: &City) -> f64 {
    Haversine.distance(a.point(), b.point()) / 1_000.0
}

/// Latitude and longitude of the point at a distance and bearing from a city's centre, to four decimals.
pub(super) fn displaced(city: &City, offset_km: f64, bearing_deg: f64) -> (f64, f64) {
    let point = Haversine.destination(city.point(), bearing_deg, offset_km * 1_000.0);
    let rounded = |degrees: f64| (degrees * 10_000.0).round() / 10_000.0;
    (rounded(point.y()), rounded(point.x()))
}

/// Kilometres from a city's centre to a point given in degrees.
pub(super) fn distance_to_km(city: &City, latitude: f64, longitude: f64) -> f64 {
    Haversine.distance(city.point(), Point::new(longitude, latitude)) / 1_000.0
}

pub(super) fn parse_cities(text: &str) -> Result<Vec<City>, WorldError> {
    let mut cities = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let fault = |reason: String| WorldError { table: "cities.csv", line: index + 1, reason };
        let fields: Vec<&str> = line.split(',').collect();
        let [name, country, latitude, longitude, population, offset] = fields[..] else {
            return Err(fault(format!("{} fields where 6 belong", fields.len())));
        };
        let degrees = |text: &str| text.parse::<f64>().map_err(|e| fault(format!("'{text}': {e}")));
        cities.push(City {
            name: name.to_owned(),
            country: country.to_owned(),
            latitude: degrees(latitude)?,
            longitude: degrees(longitude)?,
            population: population.parse().map_err(|e| fault(format!("'{population}': {e}")))?,
            utc_offset_minutes: offset.parse().map_err(|e| fault(format!("'{offset}': {e}")))?,
        });
    }
    Ok(cities)
}
