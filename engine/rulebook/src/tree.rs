//! YAML text as a tree whose every node knows its line: what makes it possible to report all faults of a file at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Options, Spanned};

use crate::fault::Spot;
use crate::limits::{DEPTH_MAX, FILE_BYTES_MAX};

/// A node of the text.
pub(crate) struct Node {
    pub(crate) at: Spot,
    pub(crate) value: Value,
}

/// What stands at a node.
pub(crate) enum Value {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping; the same one may stand there twice.
pub(crate) struct Key {
    pub(crate) at: Spot,
    pub(crate) name: String,
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Node, (Spot, String)> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        return Err((Spot::default(), message));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let at = error.location().map(spot).unwrap_or_default();
        (at, format!("not a YAML document that can be read: {}", brief(&error)))
    })
}

impl Node {
    /// The value under a key, the first one if it stands there twice.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The place of the deepest node on this path, e.g. `exceptions[0].covers`.
    pub(crate) fn locate(&self, path: &str) -> Spot {
        let mut node = self;
        for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
            let next = match &node.value {
                Value::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.at
    }

    /// What it is, for a message.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Whole(value) => format!("the number {value}"),
            Value::Real(value) => format!("the number {value:?}"),
            Value::Text(text) => format!("the text `{}`", crate::fault::shortened(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Anchors, aliases and merge keys are refused outright: a rule needs none, and they are how small files grow large.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_documents: 1,
            max_aliases: 0,
            max_anchors: 0,
        },
        // Reported with all the others, see the reader.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        // `NO` is Norway.
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn spot(location: Location) -> Spot {
    Spot {
        line: u32::try_from(location.line()).unwrap_or(u32::MAX),
        column: u32::try_from(location.column()).unwrap_or(u32::MAX),
    }
}

/// The parser's words without the place, which the fault has itself; its limits in ours.
fn brief(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or("");
    let text = text.rsplit_once(" at line ").map_or(text, |(message, _)| message);
    let known = [
        ("budget breached: Anchors", "anchors and aliases are not allowed; write it out"),
        ("budget breached: Alias", "anchors and aliases are not allowed; write it out"),
        ("budget breached: Depth", "nested too deeply"),
        ("budget breached: Documents", "one file holds one rule, so one document"),
        ("YAML merge keys", "merge keys (`<<`) are not allowed; write it out"),
    ];
    let ours = known.iter().find(|(theirs, _)| text.starts_with(theirs)).map(|(_, ours)| (*ours).to_owned());
    ours.unwrap_or_else(|| crate::fault::shortened(text).into_owned())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { at: spot(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((Key { at: spot(key.referenced), name: key.value }, map.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}
