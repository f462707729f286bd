//! Conditions on an activity, as a rule writes them: tests of fields, joined by `all`, `any` and `not`.
//!
//! **Absent attributes.** A test of a field that the record lacks is neither true nor false but unknown, and so is its
//! negation (Kleene's strong logic of three values, 1938): `all` is false where one part is, `any` is true where one part
//! is, and what remains is unknown. Only what is true counts. `is_set` alone is never unknown.
//!
//! **Two places.** A test of the record itself is made where the whole record is at hand, and only what came of it stands
//! in the event, in bits beside those of the rules. A test of where the activity came from is made in the machine of the
//! key, since a record may take its address from its session, whose start may arrive later.

mod check;
mod fields;
mod program;
mod words;

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use check::{
    CONDITION_DEPTH_MAX, CONDITION_VALUES_MAX, CONDITIONS_MAX, ConditionFault, FACTS_MAX, VALUE_BYTES_MAX,
};
pub use fields::{
    Field, FlagField, ListField, NumberField, TextField, WORD_NONE, WordField, field, field_names, hour_of,
};
pub use fields::{weekday_of, word_of};
pub use program::{CONTAINS_BYTES_MAX, Conditions, FromWhere, Record, Truth};

/// A condition: one of `all`, `any`, `not` and `field`, and with a field one thing that is asked of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Each of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<Self>>,
    /// One of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Self>>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Self>>,
    /// What is asked: a field of the activity, or what is known of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// It is one of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Vec<Scalar>>,
    /// It begins with one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<Vec<Scalar>>,
    /// It ends with one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_with: Option<Vec<Scalar>>,
    /// One of these stands in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<Vec<Scalar>>,
    /// It lies in one of these networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Scalar>>,
    /// It is so much or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// It is so much or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// The record has it, or has it not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// A text.
    Text(Box<str>),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number or true or false")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.into()))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests;
