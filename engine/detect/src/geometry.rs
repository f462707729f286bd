//! Distances on the globe, with the same result on every machine: only `libm`, multiply, add and square root.

use crate::place::Point;

/// Mean radius of the Earth, km (IUGG).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// Great-circle distance, km. The chord between two unit vectors has no trouble at the antimeridian or the poles.
pub fn distance_km(a: Point, b: Point) -> f64 {
    let (from, to) = (unit(a), unit(b));
    let squares = from.iter().zip(to).map(|(from, to)| (from - to) * (from - to));
    let chord = libm::sqrt(squares.sum());
    2.0 * EARTH_RADIUS_KM * libm::asin((chord / 2.0).min(1.0))
}

fn unit(point: Point) -> [f64; 3] {
    let (lat, lon) = (point.lat_degrees().to_radians(), point.lon_degrees().to_radians());
    [libm::cos(lat) * libm::cos(lon), libm::cos(lat) * libm::sin(lon), libm::sin(lat)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_at_the_antimeridian_the_poles_and_between_antipodes() {
        for (a, b, km) in [
            ((55.605, 13.0), (6.4541, 3.3947), 5_531.3),
            ((0.0, 179.9), (0.0, -179.9), 22.2),
            ((90.0, 0.0), (90.0, 120.0), 0.0),
            ((90.0, 0.0), (-90.0, 0.0), 20_015.1),
            ((89.9, 0.0), (89.9, 180.0), 22.2),
            ((10.0, 20.0), (-10.0, -160.0), 20_015.1),
        ] {
            let point = |(lat, lon)| Point::from_degrees(lat, lon).unwrap();
            let seen = distance_km(point(a), point(b));
            assert!((seen - km).abs() < km * 0.001 + 0.1, "{a:?} {b:?}: {seen} instead of {km}");
        }
    }
}
