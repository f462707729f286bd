//! Lists of JSON objects: elements are found first and read one by one, so that a broken one is told with its place and
//! nothing is held but where they lie.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::line::shown;
use super::sink::Sink;

/// Elements of one array at most: as many as a text has lines.
const ELEMENTS_MAX: usize = 8_000_000;

/// The elements of an array, unread, and at most so many: whoever sends many small ones takes no more memory than their bytes
/// and where they lie.
#[derive(Debug, Default)]
pub struct Elements<'a, const MAX: usize = ELEMENTS_MAX>(pub Vec<&'a RawValue>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Elements<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array<'a, const MAX: usize>(Vec<&'a RawValue>);
        impl<'de: 'a, 'a, const MAX: usize> Visitor<'de> for Array<'a, MAX> {
            type Value = Elements<'a, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(Elements(self.0))
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Self::Value, A::Error> {
                while let Some(element) = elements.next_element()? {
                    if self.0.len() >= MAX {
                        while elements.next_element::<IgnoredAny>()?.is_some() {}
                        return Err(A::Error::custom(format!("more than {MAX} elements in an array")));
                    }
                    self.0.push(element);
                }
                Ok(Elements(self.0))
            }
        }
        deserializer.deserialize_any(Array::<MAX>(Vec::new()))
    }
}

/// Lines of elements of a text. They are asked for in rising order, so the text is gone through once.
pub(super) struct Places<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Places<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Where an element of the text begins, bytes from its start.
    pub(super) fn offset(&self, element: &RawValue) -> usize {
        (element.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    pub(super) fn line(&mut self, element: &RawValue) -> u64 {
        let offset = self.offset(element);
        let between = self.text.get(self.at..offset).unwrap_or_default();
        self.line += between.split(|byte| *byte == b'\n').count() as u64 - 1;
        self.at = self.at.max(offset);
        self.line
    }
}

/// The text without a mark of its byte order.
pub(super) fn text_of(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads the text as a whole, or tells the line where that ends.
pub(super) fn whole<'a, T: Deserialize<'a>>(text: &'a [u8], sink: &mut Sink<'_>) -> Option<T> {
    let first = text.iter().position(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| matches!(text.get(first), Some(b'[' | b'"'))) {
        sink.fault(0, NO_OBJECT.to_owned());
        return None;
    }
    serde_json::from_slice(text).map_err(|error| sink.fault(error.line() as u64, words_of(&error))).ok()
}

/// An array would be read as the fields in their order, which nobody writes.
const NO_OBJECT: &str = "not a JSON object";

/// Reads an element that is an object.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    if raw.get().starts_with('[') { Err(NO_OBJECT.to_owned()) } else { element(raw) }
}

/// Reads an element.
pub(super) fn element<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| words_of(&error))
}

/// What is wrong, without the place within the element.
fn words_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    match error.classify() {
        serde_json::error::Category::Data => shown(words),
        serde_json::error::Category::Eof => "the JSON text ends too early; was it cut off?".to_owned(),
        _ => format!("not JSON: {}", shown(words)),
    }
}

/// A truth as a boolean, a number or a text, as they stand in older and newer files.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "Loose")]
pub(super) struct Truth(pub(super) bool);

/// A whole number, or a text of one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "Loose")]
pub(super) struct Number(pub(super) i64);

/// A value that some write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose {
    Truth(bool),
    Number(i64),
    Text(String),
}

impl From<Loose> for Truth {
    fn from(value: Loose) -> Self {
        Self(match value {
            Loose::Truth(truth) => truth,
            Loose::Number(number) => number != 0,
            Loose::Text(text) => text == "1" || text == "true",
        })
    }
}

impl TryFrom<Loose> for Number {
    type Error = &'static str;

    fn try_from(value: Loose) -> Result<Self, Self::Error> {
        let number = match value {
            Loose::Truth(_) => None,
            Loose::Number(number) => Some(number),
            Loose::Text(text) => text.parse().ok(),
        };
        number.map(Self).ok_or("not a whole number")
    }
}
