//! One record of a file, whichever shape it has: `MaxMind`'s nested maps, or the flat fields of DB-IP and others.
//!
//! The shape is read from the data and not from the file's name or type: both sets of keys are looked for in every
//! record, and numbers may be written as text.

use std::borrow::Cow;
use std::fmt;

use frostwatch_detect::place::{Country, Point};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// Half the Earth's circumference in km: no radius can be larger.
const RADIUS_KM_MAX: f64 = 20_038.0;
/// Codes that stand for "no country" in one file or another.
const NO_COUNTRY: [&str; 4] = ["", "-", "XX", "ZZ"];

/// A record as the file has it. Keys that are not named here are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawRecord<'a> {
    #[serde(borrow)]
    country: Option<Named<'a>>,
    #[serde(borrow)]
    city: Option<Named<'a>>,
    #[serde(borrow)]
    location: Option<RawLocation<'a>>,
    #[serde(borrow)]
    traits: Option<RawTraits<'a>>,
    #[serde(borrow)]
    country_code: Option<Scalar<'a>>,
    #[serde(borrow, alias = "lat")]
    latitude: Option<Scalar<'a>>,
    #[serde(borrow, alias = "lng", alias = "lon")]
    longitude: Option<Scalar<'a>>,
    #[serde(borrow)]
    accuracy_radius: Option<Scalar<'a>>,
    #[serde(borrow, alias = "asn", alias = "as_number")]
    autonomous_system_number: Option<Scalar<'a>>,
    #[serde(borrow, alias = "as_name", alias = "as_organization")]
    autonomous_system_organization: Option<Scalar<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLocation<'a> {
    #[serde(borrow)]
    latitude: Option<Scalar<'a>>,
    #[serde(borrow)]
    longitude: Option<Scalar<'a>>,
    #[serde(borrow)]
    accuracy_radius: Option<Scalar<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTraits<'a> {
    #[serde(borrow)]
    autonomous_system_number: Option<Scalar<'a>>,
    #[serde(borrow)]
    autonomous_system_organization: Option<Scalar<'a>>,
}

/// A record understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record<'a> {
    pub(crate) country: Option<Country>,
    pub(crate) city: Cow<'a, str>,
    pub(crate) point: Option<Point>,
    pub(crate) radius_km: u16,
    pub(crate) asn: u32,
    pub(crate) organisation: Cow<'a, str>,
}

/// A field whose value cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadField {
    pub(crate) field: &'static str,
    pub(crate) value: String,
}

impl Record<'_> {
    /// Does it say where? Without a country it does not say enough.
    pub(crate) fn has_place(&self) -> bool {
        self.country.is_some()
    }

    /// Does it say who runs the network?
    pub(crate) fn has_carrier(&self) -> bool {
        self.asn != 0 || !self.organisation.is_empty()
    }
}

impl<'a> RawRecord<'a> {
    /// Reads the fields of either shape.
    pub(crate) fn understand(self) -> Result<Record<'a>, BadField> {
        let country = self.country.unwrap_or_default();
        let code = country.iso_code.or(self.country_code.as_ref().and_then(Scalar::text)).or(country.text);
        let location = self.location.unwrap_or_default();
        let traits = self.traits.unwrap_or_default();
        let city = self.city.unwrap_or_default();
        let number = self.autonomous_system_number.or(traits.autonomous_system_number);
        let organisation = self.autonomous_system_organization.or(traits.autonomous_system_organization);
        Ok(Record {
            country: country_of(code.unwrap_or(""))?,
            city: clean(city.name.or(city.text).unwrap_or("")),
            point: point_of(location.latitude.or(self.latitude), location.longitude.or(self.longitude))?,
            radius_km: radius_of(location.accuracy_radius.or(self.accuracy_radius))?,
            asn: asn_of(number)?,
            organisation: clean(organisation.as_ref().and_then(Scalar::text).unwrap_or("")),
        })
    }
}

fn country_of(code: &str) -> Result<Option<Country>, BadField> {
    if NO_COUNTRY.contains(&code) {
        return Ok(None);
    }
    Country::new(code).map(Some).ok_or_else(|| BadField { field: "country", value: quote(code) })
}

/// Both coordinates or none. 0, 0 lies in the sea and is how a file says that it does not know.
fn point_of(lat: Option<Scalar<'_>>, lon: Option<Scalar<'_>>) -> Result<Option<Point>, BadField> {
    let (Some(lat), Some(lon)) = (number_of("latitude", lat)?, number_of("longitude", lon)?) else {
        return Ok(None);
    };
    match Point::from_degrees(lat, lon) {
        Some(Point { lat_e4: 0, lon_e4: 0 }) => Ok(None),
        Some(point) => Ok(Some(point)),
        None => Err(BadField { field: "coordinates", value: format!("{lat}, {lon}") }),
    }
}

fn radius_of(radius: Option<Scalar<'_>>) -> Result<u16, BadField> {
    let radius_km = number_of("accuracy_radius", radius)?.unwrap_or(0.0);
    if (0.0..=RADIUS_KM_MAX).contains(&radius_km) {
        return Ok(radius_km.ceil() as u16);
    }
    Err(BadField { field: "accuracy_radius", value: radius_km.to_string() })
}

/// A number, or text such as `64496` and `AS64496`.
fn asn_of(number: Option<Scalar<'_>>) -> Result<u32, BadField> {
    let bad = |value: String| BadField { field: "autonomous_system_number", value };
    match number {
        None | Some(Scalar::Text("")) => Ok(0),
        Some(Scalar::Text(text)) => {
            let digits = text.strip_prefix("AS").unwrap_or(text);
            digits.parse().map_err(|_| bad(quote(text)))
        }
        Some(Scalar::Whole(whole)) => u32::try_from(whole).map_err(|_| bad(whole.to_string())),
        Some(Scalar::Real(real)) => Err(bad(real.to_string())),
    }
}

fn number_of(field: &'static str, scalar: Option<Scalar<'_>>) -> Result<Option<f64>, BadField> {
    match scalar {
        None => Ok(None),
        Some(Scalar::Real(real)) => Ok(Some(real)),
        Some(Scalar::Whole(whole)) => Ok(Some(whole as f64)),
        Some(Scalar::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(Scalar::Text(text)) => text.trim().parse().map(Some).map_err(|_| BadField { field, value: quote(text) }),
    }
}

/// Names stand in log lines and on terminals: no control character may come along.
fn clean(name: &str) -> Cow<'_, str> {
    if name.chars().any(char::is_control) {
        Cow::Owned(name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(name)
    }
}

/// A foreign text as it may stand in an error message.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    text.chars().take(SHOWN_CHARS).collect::<String>().escape_debug().to_string()
}

/// A value of one piece, as files write them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scalar<'a> {
    Text(&'a str),
    Whole(i64),
    Real(f64),
}

impl<'a> Scalar<'a> {
    fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(i64::try_from(whole).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(whole))
    }

    fn visit_f64<E>(self, real: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Real(real))
    }
}

/// A thing with a name: a text in the flat shape, a map with `iso_code` and `names` in the nested one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Named<'a> {
    text: Option<&'a str>,
    iso_code: Option<&'a str>,
    name: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNames<'a> {
    #[serde(borrow)]
    en: Option<&'a str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a map with names")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Named { text: Some(text), ..Named::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = Named::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "iso_code" => named.iso_code = Some(map.next_value()?),
                "names" => named.name = map.next_value::<RawNames<'de>>()?.en,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(named)
    }
}
