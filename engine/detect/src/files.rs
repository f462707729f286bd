//! What a record says of a file: facts that are made where the whole record is at hand, since the core keeps no names.
//!
//! Only what may be part of making files useless is looked at: deletions, and files that come, are renamed or changed and are
//! called, or are, what no usual program writes. Of all other records there are no facts, and they cost no state.

mod words;

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::hash64;
use crate::model::Action;

pub use words::{WORDS_VERSION, is_known, is_note, is_sure, is_tool, note_of, note_words};

/// Bytes of an extension that are kept; longer ones that agree in these are one.
pub const EXTENSION_BYTES_MAX: usize = 12;
/// What stands behind the last dot of a name is an extension up to this length, bytes.
const SUFFIX_BYTES_MAX: usize = 40;
/// Bytes that look random, in hundredths of a bit a byte: what is encrypted has more than 7.9 bits, text less than 6.
pub const RANDOM_CENTIBITS: u16 = 780;
/// The media type of what nobody could tell.
const GENERIC_TYPE: &str = "application/octet-stream";
/// Kinds of object that are files, where the table does not say so.
const KINDS: [&str; 4] = ["attachment", "file", "image", "document"];
const TABLE: &str = "sys_attachment";

/// What a record says of a file, as texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileTexts<'a> {
    /// `object.table`.
    pub table: &'a str,
    /// `object.kind`.
    pub kind: &'a str,
    /// `object.name`; empty: not told.
    pub name: &'a str,
    /// `object.previous_name`; empty: not told.
    pub previous_name: &'a str,
    /// `object.content_type`; empty: not told.
    pub content_type: &'a str,
    /// `object.parent`: table and id; empty: not told.
    pub parent: (&'a str, &'a str),
    /// `inspection.entropy_centibits`.
    pub entropy: Option<u16>,
}

/// What is kept of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The extension it has now.
    pub extension: Extension,
    /// Hash of the name in lower case; 0: not told.
    pub name: u32,
    /// The same without the extension.
    pub stem: u32,
    /// Hash of the record that it hangs on; 0: not told.
    pub record: u32,
    /// What else is the case.
    pub signs: Signs,
    /// Which note of a blackmailer it is called like, by its number from 1 ([`note_of`], [`is_sure`]); 0: none.
    pub note: u8,
}

/// What may be the case with a file, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs(u16);

impl Signs {
    /// No usual program writes files with this extension.
    pub const UNUSUAL: Self = Self(1);
    /// It got this extension in place of another one, or behind it.
    pub const CHANGED: Self = Self(1 << 1);
    /// The extension is one of known ransomware and of nothing else.
    pub const KNOWN: Self = Self(1 << 2);
    /// The extension is one of ransomware, and of honest programs too.
    pub const SHARED: Self = Self(1 << 3);
    /// The extension is that of a well-known program for encryption.
    pub const TOOL: Self = Self(1 << 4);
    /// The media type is that of documents or images, which never have this extension.
    pub const MISMATCH: Self = Self(1 << 5);
    /// A document by its name, and by its media type nobody knows what.
    pub const GENERIC: Self = Self(1 << 6);
    /// Its bytes look random, and those of such files do not.
    pub const RANDOM: Self = Self(1 << 7);

    /// Are all of these the case?
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is one of these the case?
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn when(self, holds: bool) -> Self {
        if holds { self } else { Self(0) }
    }
}

impl FileFacts {
    /// The facts of a record of this action; `None`: it is of no interest.
    pub fn of(action: Action, texts: &FileTexts<'_>) -> Option<Self> {
        let is_change = matches!(action, Action::Upload | Action::Rename | Action::Delete | Action::Update);
        if !is_change || !(texts.table == TABLE || KINDS.contains(&texts.kind)) {
            return None;
        }
        let facts = Self::made(action, texts);
        (action == Action::Delete || facts.is_odd()).then_some(facts)
    }

    /// Is it a sign of something by itself?
    pub fn is_odd(&self) -> bool {
        self.note != 0 || self.signs != Signs::default()
    }

    fn made(action: Action, texts: &FileTexts<'_>) -> Self {
        let name = texts.name.to_lowercase();
        let previous = texts.previous_name.to_lowercase();
        let (stem, suffix) = split(&name);
        let extension = Extension::of(suffix);
        let parent = texts.parent;
        let (table, id) = parent;
        let facts = Self {
            extension,
            name: hash32(&name),
            stem: hash32(stem),
            record: if id.is_empty() { 0 } else { hash32(&format!("{table} {id}")) },
            signs: Signs::default(),
            // Of what goes nobody is told anything.
            note: if action == Action::Delete { 0 } else { note_of(stem, suffix).unwrap_or(0) },
        };
        if action == Action::Delete {
            return facts;
        }
        let is_unusual = !suffix.is_empty() && words::is_unusual(suffix);
        let (_, before) = split(if previous.is_empty() { stem } else { &previous });
        let has_changed = if previous.is_empty() { is_usual(before) } else { before != suffix };
        let is_generic = texts.content_type == GENERIC_TYPE && action == Action::Upload;
        let looks_random = texts.entropy.is_some_and(|entropy| entropy >= RANDOM_CENTIBITS);
        let signs = [
            Signs::UNUSUAL.when(is_unusual),
            Signs::CHANGED.when(is_unusual && has_changed && action != Action::Upload),
            Signs::KNOWN.when(words::KNOWN.binary_search(&suffix).is_ok()),
            Signs::SHARED.when(words::SHARED.binary_search(&suffix).is_ok()),
            Signs::TOOL.when(is_tool(suffix)),
            Signs::MISMATCH.when(is_unusual && words::is_of_documents(texts.content_type)),
            Signs::GENERIC.when(is_generic && words::DOCUMENTS.binary_search(&suffix).is_ok()),
            Signs::RANDOM.when(looks_random && (is_unusual || words::PLAIN.binary_search(&suffix).is_ok())),
        ];
        Self { signs: signs.into_iter().fold(Signs::default(), Signs::with), ..facts }
    }
}

fn is_usual(suffix: &str) -> bool {
    !suffix.is_empty() && !words::is_unusual(suffix)
}

/// A name without its extension, and that.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, suffix)) if is_suffix(suffix) && !stem.is_empty() => (stem, suffix),
        _ => (name, ""),
    }
}

fn is_suffix(suffix: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    !suffix.is_empty() && suffix.len() <= SUFFIX_BYTES_MAX && !suffix.contains(is_odd)
}

/// 32 bits of a text that are never 0; 0: there is none.
fn hash32(text: &str) -> u32 {
    if text.is_empty() { 0 } else { (hash64(text.as_bytes()) as u32).max(1) }
}

/// An extension in lower case without its dot, cut to [`EXTENSION_BYTES_MAX`]. What is no letter, digit or one of `-_+@!#$~`
/// stands as `?`: it is text that anybody can type, and alerts show it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension([u8; EXTENSION_BYTES_MAX]);

impl Extension {
    /// None.
    pub const EMPTY: Self = Self([0; EXTENSION_BYTES_MAX]);

    /// The extension that a text in lower case says.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; EXTENSION_BYTES_MAX];
        let shown = |byte: u8| if byte.is_ascii_alphanumeric() || b"-_+@!#$~".contains(&byte) { byte } else { b'?' };
        bytes.iter_mut().zip(text.bytes()).for_each(|(kept, byte)| *kept = shown(byte));
        Self(bytes)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(EXTENSION_BYTES_MAX);
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Extension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let mut bytes = [0; EXTENSION_BYTES_MAX];
        let place = bytes.get_mut(..text.len()).ok_or_else(|| D::Error::custom("an extension that is too long"))?;
        place.copy_from_slice(text.as_bytes());
        let read = Self(bytes);
        // What does not read back as it was written would have two forms.
        if read.as_str() == text { Ok(read) } else { Err(D::Error::custom("no extension")) }
    }
}

#[cfg(test)]
mod tests;
