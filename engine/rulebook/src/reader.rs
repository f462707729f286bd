//! A serde deserializer over a [`Node`] that goes on after a fault: it notes what is wrong, hands out a blank value and
//! continues, so that one pass finds every unknown key, missing key and wrong type of a file.
//!
//! Struct definitions stay the only place that names the fields: serde tells the reader which ones there are.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::fault::{Notes, Spot, allowed};
use crate::tree::{Node, Value};

/// Largest whole number of a value that may be of several kinds.
const WHOLE_MAX: i128 = u64::MAX as i128;

/// Reads what stands at a path.
pub(crate) struct Reader<'a> {
    state: State<'a>,
    path: String,
    notes: &'a Notes<'a>,
    optional: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum State<'a> {
    Node(&'a Node),
    /// The key is not there; the mapping that lacks it is here.
    Missing(Spot),
    /// Beneath a fault that is already noted.
    Blank,
}

/// Reading cannot go on. Faults of the text never cause it.
#[derive(Debug)]
pub(crate) struct Stop(pub(crate) String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(node: &'a Node, path: &str, notes: &'a Notes<'a>) -> Self {
        Self { state: State::Node(node), path: path.to_owned(), notes, optional: &[] }
    }

    /// The same, with fields that may be left out wherever they would stand.
    pub(crate) fn without(self, optional: &'static [&'static str]) -> Self {
        Self { optional, ..self }
    }

    /// Is it a field that may be left out, and is?
    fn may_lack(&self, field: &str) -> bool {
        matches!(self.state, State::Node(node) if self.optional.contains(&field) && node.get(field).is_none())
    }

    /// The node if it is of the wanted sort; else the fault is noted.
    fn take<T>(&self, wanted: &str, pick: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        match self.state {
            State::Node(node) => pick(&node.value).or_else(|| {
                let hint = match (&node.value, wanted) {
                    (Value::Whole(_) | Value::Real(_) | Value::Bool(_), "a text") => ": put it in quotes",
                    _ => "",
                };
                self.note(node.at, format!("expected {wanted}, found {}{hint}", node.describe()));
                None
            }),
            State::Missing(at) => {
                self.note(at, format!("missing: it is required and takes {wanted}"));
                None
            }
            State::Blank => None,
        }
    }

    fn whole(&self, high: i128) -> i128 {
        let value = self.take("a whole number", |value| match value {
            Value::Whole(number) => Some(*number),
            _ => None,
        });
        match (value, self.state) {
            (Some(number), State::Node(node)) if number < 0 || number > high => {
                self.note(node.at, format!("{number} is outside 0–{high}"));
                0
            }
            (number, _) => number.unwrap_or_default(),
        }
    }

    fn note(&self, at: Spot, message: String) {
        self.notes.add(at, &self.path, message);
    }

    fn note_keys(&self, entries: &[(crate::tree::Key, Node)], fields: &[&str]) {
        for (index, (key, _)) in entries.iter().enumerate() {
            let path = join(&self.path, &crate::fault::shortened(&key.name));
            if !fields.contains(&key.name.as_str()) {
                self.notes.add(key.at, &path, format!("unknown key; {}", allowed(&key.name, fields)));
            } else if entries.iter().take(index).any(|(other, _)| other.name == key.name) {
                self.notes.add(key.at, &path, "stands here twice; keep one");
            }
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

macro_rules! whole {
    ($($method:ident $visit:ident $type:ty,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.$visit(self.whole(i128::from(<$type>::MAX)) as $type)
        }
    )+};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Stop;

    /// A value that may be a text, a whole number, or true or false.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let value = self.take("a text, a whole number, or true or false", |value| match value {
            Value::Text(_) | Value::Whole(0..=WHOLE_MAX) | Value::Bool(_) => Some(value),
            _ => None,
        });
        match value {
            Some(Value::Whole(number)) => visitor.visit_u64(*number as u64),
            Some(Value::Bool(value)) => visitor.visit_bool(*value),
            Some(Value::Text(text)) => visitor.visit_borrowed_str(text),
            _ => visitor.visit_borrowed_str(""),
        }
    }

    whole! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let value = self.take("a number", |value| match value {
            Value::Whole(number) => Some(*number as f64),
            Value::Real(number) if number.is_finite() => Some(*number),
            _ => None,
        });
        visitor.visit_f64(value.unwrap_or_default())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let value = self.take("true or false", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        });
        visitor.visit_bool(value.unwrap_or_default())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let value = self.take("a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        visitor.visit_borrowed_str(value.unwrap_or_default())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.state {
            State::Node(_) => visitor.visit_some(self),
            State::Missing(_) | State::Blank => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let items = self.take("a list", |value| match value {
            Value::List(items) => Some(items.as_slice()),
            _ => None,
        });
        visitor.visit_seq(Items { nodes: items.unwrap_or_default(), index: 0, reader: self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let wanted = format!("a mapping with {}", fields.join(", "));
        let entries = self.take(&wanted, |value| match value {
            Value::Map(entries) => Some(entries.as_slice()),
            _ => None,
        });
        self.note_keys(entries.unwrap_or_default(), fields);
        let known = entries.is_some();
        visitor.visit_map(Fields { names: fields.iter(), field: None, known, reader: self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let wanted = format!("one of {}", words.join(", "));
        let text = self.take(&wanted, |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let word = text.and_then(|text| words.iter().find(|word| **word == text));
        if let (Some(text), None, State::Node(node)) = (text, word, self.state) {
            self.note(node.at, format!("`{}` is not known; {}", crate::fault::shortened(text), allowed(text, words)));
        }
        let word = word.or(words.first()).ok_or_else(|| Stop::custom("a choice of nothing"))?;
        visitor.visit_enum(Word(word))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.take("a mapping", |_| Some(()));
        visitor.visit_unit()
    }

    /// Something of several forms, which `wanted` names.
    fn deserialize_unit_struct<V: Visitor<'de>>(self, wanted: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.take(wanted, |_| Some(()));
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 char bytes byte_buf unit tuple tuple_struct map identifier
    }
}

struct Items<'a> {
    nodes: &'a [Node],
    index: usize,
    reader: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        let Some(node) = self.nodes.get(self.index) else {
            return Ok(None);
        };
        let path = format!("{}[{}]", self.reader.path, self.index);
        self.index += 1;
        let Reader { notes, optional, .. } = self.reader;
        seed.deserialize(Reader { state: State::Node(node), path, notes, optional }).map(Some)
    }
}

/// Hands out every field of a struct in its declared order, present or not, but for those that may be left out and are.
struct Fields<'a> {
    names: std::slice::Iter<'static, &'static str>,
    field: Option<&'static str>,
    known: bool,
    reader: Reader<'a>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        self.field = self.names.find(|name| !self.reader.may_lack(name)).copied();
        self.field.map(|field| seed.deserialize(IntoDeserializer::<Stop>::into_deserializer(field))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        let field = self.field.take().ok_or_else(|| Stop::custom("a value without its key"))?;
        let state = match (self.reader.state, self.known) {
            (State::Node(node), true) => node.get(field).map_or(State::Missing(node.at), State::Node),
            _ => State::Blank,
        };
        let Reader { notes, optional, .. } = self.reader;
        seed.deserialize(Reader { state, path: join(&self.reader.path, field), notes, optional })
    }
}

/// A word of a closed vocabulary.
struct Word(&'static str);

impl<'de> EnumAccess<'de> for Word {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stop> {
        Ok((seed.deserialize(StrDeserializer::new(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Word {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Stop> {
        Err(Stop::custom("only a word can stand here"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("only a word can stand here"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("only a word can stand here"))
    }
}
