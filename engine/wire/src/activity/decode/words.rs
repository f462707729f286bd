//! Texts of a record that must be one of few words, or have a form.

use std::borrow::Cow;

use frostwatch_detect::model::Outcome;
use serde::de;

use crate::activity::INSTANCE_BYTES_MAX;
use crate::activity::fields::{FromText, Named, by_text, refused};

/// `schema`.
#[derive(Debug, Default)]
pub(super) struct Schema;

by_text!(['a] Schema);

impl FromText<'_> for Schema {
    fn from_text<E: de::Error>(text: Cow<'_, str>) -> Result<Self, E> {
        if text == "activity.v1" { Ok(Self) } else { Err(refused("not activity.v1", &text)) }
    }
}

/// `outcome`: a closed list.
#[derive(Debug, Default)]
pub(super) struct Ended(pub(super) Outcome);

by_text!(['a] Ended);

impl FromText<'_> for Ended {
    fn from_text<E: de::Error>(text: Cow<'_, str>) -> Result<Self, E> {
        let outcome = Outcome::from_word(&text);
        if outcome.as_str() == text {
            Ok(Self(outcome))
        } else {
            Err(refused("not success, failure or unknown", &text))
        }
    }
}

/// `client.ip_source`: a closed list.
#[derive(Debug, Default)]
pub(super) struct AddressSource<'a>(pub(super) Cow<'a, str>);

by_text!(['a] AddressSource<'a>);

impl<'a> FromText<'a> for AddressSource<'a> {
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E> {
        if matches!(&*text, "direct" | "session" | "nearest" | "none") {
            return Ok(Self(text));
        }
        Err(refused("not direct, session, nearest or none", &text))
    }
}

/// `instance`: a host label in lower case.
#[derive(Debug, Default)]
pub(super) struct Instance<'a>(pub(super) Cow<'a, str>);

by_text!(['a] Instance<'a>);

impl<'a> FromText<'a> for Instance<'a> {
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E> {
        let Named(text) = Named::<'a, INSTANCE_BYTES_MAX>::from_text(text)?;
        let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let bytes = text.as_bytes();
        if edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| inner(*byte)) {
            return Ok(Self(text));
        }
        Err(de::Error::custom("not a host label in lower case (a-z, 0-9, - and _), without the domain"))
    }
}
