//! Objects by their ids, each as it was changed last, written one a line so that a fault has a line.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fault::FetchFault;
use crate::http::unexpected;

/// Largest element that is read, bytes.
const ELEMENT_BYTES_MAX: usize = 1 << 20;

/// The elements of an array of an answer, unread.
pub(crate) type Elements<'a> = frostwatch_geoip::lists::Elements<'a, 4_000_000>;

/// Is the element of another `type`? What no list is made of, as a file that is attached, may be of any size.
pub(crate) fn is_other(raw: &RawValue, kinds: &[&str]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_str(raw.get()).is_ok_and(|Head { kind }| !kinds.contains(&kind.as_str()))
}

/// An element that must be an object, and small: read, it takes many times its bytes.
pub(crate) fn object(raw: &RawValue, array: &str, url: &Url) -> Result<Map<String, Value>, FetchFault> {
    if raw.get().len() > ELEMENT_BYTES_MAX {
        return Err(unexpected(url, &format!("an element of `{array}` has more than {ELEMENT_BYTES_MAX} bytes")));
    }
    serde_json::from_str(raw.get()).map_err(|_| unexpected(url, &format!("an element of `{array}` is no object")))
}

/// The objects of a feed.
#[derive(Default)]
pub(crate) struct Merged {
    by_id: BTreeMap<String, (i64, String)>,
}

impl Merged {
    /// Takes an object unless a later version of it is there. One without id stands for itself.
    pub(crate) fn take(&mut self, id: Option<&str>, version: i64, text: &str) {
        let id = id.unwrap_or(text);
        if self.by_id.get(id).is_none_or(|(known, _)| *known <= version) {
            self.by_id.insert(id.to_owned(), (version, text.to_owned()));
        }
    }

    /// Drops objects, when all versions were taken.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.by_id.retain(|_, (_, text)| keeps(text));
    }

    /// All objects in the order of their ids, between what opens and closes their array.
    pub(crate) fn written(&self, opens: &str, closes: &str) -> Vec<u8> {
        written(self.by_id.values().map(|(_, text)| text.as_str()), opens, closes)
    }
}

/// Elements of an array, one a line.
pub(crate) fn written<'a>(elements: impl Iterator<Item = &'a str>, opens: &str, closes: &str) -> Vec<u8> {
    let mut text = opens.to_owned();
    for (at, element) in elements.enumerate() {
        text += if at == 0 { "\n" } else { ",\n" };
        text += element;
    }
    text += "\n";
    text += closes;
    text += "\n";
    text.into_bytes()
}

/// The object with these fields alone.
pub(crate) fn reduced(object: &Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let kept = fields.iter().filter_map(|field| Some(((*field).to_owned(), object.get(*field)?.clone())));
    kept.filter(|(_, value)| !value.is_null()).collect()
}
