//! Names that come from trusted tables (cities, carriers), held once and passed as a number.
//!
//! A place sits in every event and session, so its city must cost four bytes and no allocation. Only tables loaded by
//! the operator and state written by the engine add names; nothing a user can type does. The table only grows and is
//! bounded: at [`NAMES_MAX`] further names read as empty and are counted.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, RwLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::radius;

/// Names the table holds at most.
pub const NAMES_MAX: usize = 4_000_000;
/// Bytes of one name at most; longer ones are cut at a character.
pub const NAME_BYTES_MAX: usize = 120;

static REFUSED: AtomicU64 = AtomicU64::new(0);

/// A name in the table: twice its place there, and one more where it is that of a mobile carrier, which is asked at nearly
/// every event. Two names are equal exactly if their texts are. The number differs from run to run and is never written
/// anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name(u32);

#[derive(Default)]
struct Names {
    numbers: HashMap<&'static str, u32>,
    texts: Vec<&'static str>,
}

fn names() -> &'static RwLock<Names> {
    static NAMES: OnceLock<RwLock<Names>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = Names::default();
        names.numbers.insert("", 0);
        names.texts.push("");
        RwLock::new(names)
    })
}

impl Name {
    /// No name.
    pub const EMPTY: Self = Self(0);

    /// The number of a text, made when it is new.
    pub fn new(text: &str) -> Self {
        let text = cut(text);
        let table = names();
        if let Ok(read) = table.read()
            && let Some(number) = read.numbers.get(text)
        {
            return Self(*number);
        }
        let Ok(mut write) = table.write() else {
            return Self::EMPTY;
        };
        if let Some(number) = write.numbers.get(text) {
            return Self(*number);
        }
        if write.texts.len() >= NAMES_MAX {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Self::EMPTY;
        }
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let number = write.texts.len() as u32 * 2 + u32::from(radius::is_name_of_mobile(text));
        write.texts.push(text);
        write.numbers.insert(text, number);
        Self(number)
    }

    /// The number of a text; `None` where the table is full or the text too long to be held whole.
    pub fn whole(text: &str) -> Option<Self> {
        Some(Self::new(text)).filter(|name| name.as_str() == text)
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        names().read().ok().and_then(|read| read.texts.get((self.0 / 2) as usize).copied()).unwrap_or("")
    }

    /// Does it say that it is the name of a mobile carrier?
    pub(crate) const fn is_of_mobile(self) -> bool {
        self.0 % 2 == 1
    }

    /// Is there no name?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

thread_local! {
    static AS_NUMBERS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which names are written and read as their numbers: for state that never leaves the process, where that
/// is a tenth of the bytes and spares the look-up.
pub fn as_numbers<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            AS_NUMBERS.set(self.0);
        }
    }
    let _restore = Restore(AS_NUMBERS.replace(true));
    f()
}

/// Are names written and read as their numbers here?
pub(crate) fn is_as_numbers() -> bool {
    AS_NUMBERS.get()
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if AS_NUMBERS.get() { serializer.serialize_u32(self.0) } else { serializer.serialize_str(self.as_str()) }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if AS_NUMBERS.get() {
            return u32::deserialize(deserializer).map(Self);
        }
        Ok(Self::new(<&str>::deserialize(deserializer)?))
    }
}

/// Reads a name without which nothing else may be read.
pub(crate) fn deserialize_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    if AS_NUMBERS.get() {
        return Name::deserialize(deserializer);
    }
    Name::whole(<&str>::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no room for a name"))
}

/// Names refused because the table was full, since the start.
pub fn refused() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_texts_and_inside_the_process_as_numbers() {
        let name = Name::new("Ljungbyhed");
        let text = postcard::to_stdvec(&name).unwrap();
        assert_eq!(text, b"\x0aLjungbyhed");
        assert_eq!(postcard::from_bytes::<Name>(&text).unwrap(), name);
        let number = as_numbers(|| postcard::to_stdvec(&name).unwrap());
        assert!(number.len() < 4);
        assert_eq!(as_numbers(|| postcard::from_bytes::<Name>(&number).unwrap()), name);
    }

    #[test]
    fn the_same_text_is_the_same_name_and_long_texts_are_cut_at_a_character() {
        assert_eq!(Name::new("Malmö"), Name::new("Malmö"));
        assert_ne!(Name::new("Malmö"), Name::new("Lagos"));
        assert_eq!(Name::new("Malmö").as_str(), "Malmö");
        assert!(Name::new("").is_empty());
        let long = "ö".repeat(NAME_BYTES_MAX);
        assert_eq!(Name::new(&long).as_str().len(), NAME_BYTES_MAX);
    }
}
