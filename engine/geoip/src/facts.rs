//! What networks say, each different thing kept once and passed as a number.

use std::collections::HashMap;

use frostwatch_detect::names::Name;
use frostwatch_detect::place::{Carrier, Country, Location, NoPlace, Place, Point};

use crate::error::GeoError;
use crate::limits::GeoLimits;
use crate::record::Record;
use frostwatch_detect::ranges::NOTHING;

/// What is known of an address that no network holds.
pub(crate) const UNKNOWN: Location =
    Location { place: Err(NoPlace::Unknown), carrier: Carrier { asn: 0, organisation: Name::EMPTY } };

/// The different records of all files. Number [`NOTHING`] knows nothing.
pub(crate) struct Facts {
    pub(crate) locations: Vec<Location>,
    numbers: HashMap<Key, u32>,
    names: Names,
    records_max: usize,
}

/// Everything that makes two records different, names by their number here.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    country: Option<Country>,
    city: u32,
    point: Option<(i32, i32)>,
    radius_km: u16,
    asn: u32,
    organisation: u32,
}

impl Facts {
    pub(crate) fn new(limits: GeoLimits) -> Self {
        Self {
            locations: vec![UNKNOWN],
            numbers: HashMap::new(),
            names: Names::new(limits.names_max),
            records_max: limits.records_max,
        }
    }

    /// The number of this record. One without a country has no place: detectors could not say where it is.
    pub(crate) fn number(&mut self, file: &str, record: &Record<'_>) -> Result<u32, GeoError> {
        let placed = record.country.is_some();
        if !placed && !record.has_carrier() {
            return Ok(NOTHING);
        }
        let city = self.names.number(file, if placed { &record.city } else { "" })?;
        let organisation = self.names.number(file, &record.organisation)?;
        let point = record.point.filter(|_| placed);
        let key = Key {
            country: record.country,
            city,
            point: point.map(|point| (point.lat_e4, point.lon_e4)),
            radius_km: if placed { record.radius_km } else { 0 },
            asn: record.asn,
            organisation,
        };
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let location = Location {
            place: self.place(&key, point),
            carrier: Carrier { asn: record.asn, organisation: self.names.name(organisation) },
        };
        let number = push(&mut self.locations, location, self.records_max, file)?;
        self.numbers.insert(key, number);
        Ok(number)
    }

    fn place(&self, key: &Key, point: Option<Point>) -> Result<Place, NoPlace> {
        let country = key.country.ok_or(NoPlace::Unknown)?;
        Ok(Place { country, city: self.names.name(key.city), point, radius_km: key.radius_km })
    }
}

/// Pairs of a place from one file and a carrier from another.
pub(crate) struct Pairs {
    facts: Vec<Location>,
    numbers: HashMap<(u32, u32), u32>,
    pub(crate) locations: Vec<Location>,
    records_max: usize,
}

impl Pairs {
    pub(crate) fn new(facts: Vec<Location>, limits: GeoLimits) -> Self {
        Self { facts, numbers: HashMap::new(), locations: vec![UNKNOWN], records_max: limits.records_max }
    }

    /// The number of the place of one fact with the carrier of another; a city file's own carrier stands where the
    /// ASN file has none.
    pub(crate) fn number(&mut self, file: &str, place: u32, carrier: u32) -> Result<u32, GeoError> {
        if (place, carrier) == (NOTHING, NOTHING) {
            return Ok(NOTHING);
        }
        if let Some(number) = self.numbers.get(&(place, carrier)) {
            return Ok(*number);
        }
        let fact = |number: u32| self.facts.get(number as usize).copied().unwrap_or(UNKNOWN);
        let (city, network) = (fact(place), fact(carrier));
        let carrier_known = network.carrier != UNKNOWN.carrier;
        let location =
            Location { place: city.place, carrier: if carrier_known { network.carrier } else { city.carrier } };
        let number = push(&mut self.locations, location, self.records_max, file)?;
        self.numbers.insert((place, carrier), number);
        Ok(number)
    }
}

fn push(locations: &mut Vec<Location>, location: Location, limit: usize, file: &str) -> Result<u32, GeoError> {
    if locations.len() > limit {
        return Err(GeoError::TooMany { file: file.to_owned(), what: "different records", limit });
    }
    locations.push(location);
    Ok(locations.len() as u32 - 1)
}

/// The names met so far. They are counted here before they enter the process's table, which never shrinks.
struct Names {
    numbers: HashMap<String, u32>,
    texts: Vec<Name>,
    limit: usize,
}

impl Names {
    fn new(limit: usize) -> Self {
        Self { numbers: HashMap::from([(String::new(), 0)]), texts: vec![Name::EMPTY], limit }
    }

    fn number(&mut self, file: &str, text: &str) -> Result<u32, GeoError> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        if self.texts.len() > self.limit {
            return Err(GeoError::TooMany { file: file.to_owned(), what: "different names", limit: self.limit });
        }
        let number = self.texts.len() as u32;
        self.texts.push(Name::new(text));
        self.numbers.insert(text.to_owned(), number);
        Ok(number)
    }

    fn name(&self, number: u32) -> Name {
        self.texts.get(number as usize).copied().unwrap_or(Name::EMPTY)
    }
}
