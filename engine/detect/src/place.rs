//! Where an address is, as a `GeoIP` build says, and the port through which the pipeline asks.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::names::Name;

/// Units of a coordinate: one ten-thousandth of a degree (about 11 m), fixed point so that it is the same everywhere.
pub const COORDINATE_SCALE: f64 = 10_000.0;

/// A country as two capital letters (ISO 3166-1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of a two-letter code in any case; `None` for anything else.
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    /// The two bytes, for the state encoding.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A point on the globe in fixed point ([`COORDINATE_SCALE`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Latitude, north positive, −90°…90°.
    pub lat_e4: i32,
    /// Longitude, east positive, −180°…180°.
    pub lon_e4: i32,
}

impl Point {
    /// A point from degrees; `None` when out of range or not a number.
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let inside = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        inside.then(|| Self {
            lat_e4: libm::round(lat * COORDINATE_SCALE) as i32,
            lon_e4: libm::round(lon * COORDINATE_SCALE) as i32,
        })
    }

    /// Latitude in degrees.
    pub fn lat_degrees(self) -> f64 {
        f64::from(self.lat_e4) / COORDINATE_SCALE
    }

    /// Longitude in degrees.
    pub fn lon_degrees(self) -> f64 {
        f64::from(self.lon_e4) / COORDINATE_SCALE
    }
}

/// Where an address is. A country-only file gives a place without a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The country.
    pub country: Country,
    /// The city's name in English, or empty.
    pub city: Name,
    /// The coordinates, if the file has them.
    pub point: Option<Point>,
    /// Radius in km that holds the true place with about 67 % confidence (`MaxMind`'s `accuracy_radius`); 0: the file
    /// gives none.
    pub radius_km: u16,
}

/// Why an address has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NoPlace {
    /// A private or shared network (RFC 1918, 4193, 6598), loopback or link-local.
    Private,
    /// Reserved, documentation, multicast or unspecified.
    Reserved,
    /// A public address that the file does not know.
    Unknown,
}

impl NoPlace {
    /// The word as it stands in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::Unknown => "unknown",
        }
    }
}

/// Who runs the network of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// Autonomous system number; 0: unknown.
    pub asn: u32,
    /// Its organisation, or empty.
    pub organisation: Name,
}

/// What a build knows of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The place, or why there is none.
    pub place: Result<Place, NoPlace>,
    /// The network's operator.
    pub carrier: Carrier,
}

/// Which build answered: it stands in every alert, so that a replay can use the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoBuild {
    /// The file's own description of its type, e.g. `GeoLite2-City`.
    pub kind: String,
    /// When the file was built, seconds since the epoch.
    pub built_at_secs: i64,
    /// SHA-256 over the files' bytes, first 16 hex digits.
    pub digest: String,
}

/// The port through which the pipeline asks where an address is. Answers are a function of the build alone.
pub trait Locate: Send + Sync {
    /// What this build knows of the address.
    fn locate(&self, address: IpAddr) -> Location;

    /// Which build this is.
    fn build(&self) -> &GeoBuild;
}

impl Carrier {
    /// Not known.
    pub const NONE: Self = Self { asn: 0, organisation: Name::EMPTY };
}
