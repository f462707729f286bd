//! What lists say of an address: which list, of what category, how sure.
//!
//! An answer sits in every event and session, so it costs four bytes and no allocation: each different one is held once,
//! as names are ([`crate::names`]). Only lists that the operator loads and state that the engine wrote add answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, RwLock};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{Name, is_as_numbers};

/// Entries of one answer at most; beyond, those of the least confidence are left out, and none that speaks for the address
/// before one that speaks against it.
pub const LISTED_ENTRIES_MAX: usize = 8;
/// Different answers that are held at most, over the life of the process; a further one reads as none and is counted. The
/// last quarter of them is for answers without the digest of their lists.
pub const LISTED_ANSWERS_MAX: usize = 1 << 20;
/// Answers that tell the digest of their lists' content at most; a further one tells it no more (0). Lists that change every
/// hour and have a tag for each thing fill this in weeks, and what they say must not be lost with it.
const WITH_DIGESTS_MAX: usize = 3 << 18;
/// How far a list can be trusted at most.
pub const CONFIDENCE_MAX: u8 = 100;

static REFUSED: AtomicU64 = AtomicU64::new(0);

/// What a list says that an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// An exit of Tor.
    Tor,
    /// An end of a tunnel that anybody can rent.
    Vpn,
    /// An open proxy.
    Proxy,
    /// A household's line that is rented out as a proxy.
    ResidentialProxy,
    /// A hoster: people seldom work from there.
    Hosting,
    /// A machine that takes orders from a botnet.
    Botnet,
    /// A machine that gives them.
    CommandAndControl,
    /// A source of malware.
    Malware,
    /// A machine that tries passwords on many accounts.
    PasswordSpray,
    /// A machine that scans the net.
    Scanner,
    /// Known to be harmless, whatever other lists say.
    KnownGood,
}

impl Category {
    /// Every category, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Tor,
        Self::Vpn,
        Self::Proxy,
        Self::ResidentialProxy,
        Self::Hosting,
        Self::Botnet,
        Self::CommandAndControl,
        Self::Malware,
        Self::PasswordSpray,
        Self::Scanner,
        Self::KnownGood,
    ];

    /// The word as it stands in configuration, lists and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tor => "tor",
            Self::Vpn => "vpn",
            Self::Proxy => "proxy",
            Self::ResidentialProxy => "residential_proxy",
            Self::Hosting => "hosting",
            Self::Botnet => "botnet",
            Self::CommandAndControl => "command_and_control",
            Self::Malware => "malware",
            Self::PasswordSpray => "password_spray",
            Self::Scanner => "scanner",
            Self::KnownGood => "known_good",
        }
    }

    /// The category of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == word)
    }

    /// As a sentence has it.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Tor => "a Tor exit",
            Self::Vpn => "a VPN for anybody",
            Self::Proxy => "an open proxy",
            Self::ResidentialProxy => "a rented household line",
            Self::Hosting => "a hosting provider",
            Self::Botnet => "a botnet",
            Self::CommandAndControl => "a control server of a botnet",
            Self::Malware => "a source of malware",
            Self::PasswordSpray => "a source of password sprays",
            Self::Scanner => "a scanner",
            Self::KnownGood => "a network that is known to be harmless",
        }
    }
}

/// What one list says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListEntry {
    /// What the address is.
    pub category: Category,
    /// How far that can be trusted, 0–100.
    pub confidence: u8,
    /// Name of the list.
    pub list: Name,
    /// What the list calls it, or empty.
    pub tag: Name,
    /// Digest of the list's content; 0: see [`LISTED_ANSWERS_MAX`].
    #[serde(with = "postcard::fixint::le")]
    pub digest: u64,
}

/// What all lists say of an address at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed(u32);

#[derive(Default)]
struct Answers {
    numbers: HashMap<&'static [ListEntry], u32>,
    entries: Vec<&'static [ListEntry]>,
}

fn answers() -> &'static RwLock<Answers> {
    static ANSWERS: OnceLock<RwLock<Answers>> = OnceLock::new();
    ANSWERS.get_or_init(|| RwLock::new(Answers { numbers: HashMap::from([(&[][..], 0)]), entries: vec![&[]] }))
}

impl Listed {
    /// On no list.
    pub const NONE: Self = Self(0);

    /// The answer of these entries. Of more than [`LISTED_ENTRIES_MAX`] what speaks for the address is taken, and then those
    /// of most confidence.
    pub fn new(entries: &[ListEntry]) -> Self {
        if entries.is_empty() {
            return Self::NONE;
        }
        let mut sorted = entries.to_vec();
        sorted.sort_by(|a, b| {
            let words = |entry: &ListEntry| (entry.category, entry.list.as_str(), entry.tag.as_str(), entry.digest);
            let against = |entry: &ListEntry| entry.category != Category::KnownGood;
            let first = against(a).cmp(&against(b)).then(b.confidence.cmp(&a.confidence));
            first.then_with(|| words(a).cmp(&words(b)))
        });
        sorted.dedup();
        sorted.truncate(LISTED_ENTRIES_MAX);
        Self::held(sorted)
    }

    /// What the lists say: what speaks for the address, and then what speaks against it, most confidence first.
    pub fn entries(self) -> &'static [ListEntry] {
        if self.is_empty() {
            return &[];
        }
        answers().read().ok().and_then(|held| held.entries.get(self.0 as usize).copied()).unwrap_or(&[])
    }

    /// On no list?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The answer with this number of the process.
    fn numbered(number: u32) -> Option<Self> {
        let known = answers().read().is_ok_and(|held| (number as usize) < held.entries.len());
        known.then_some(Self(number))
    }

    fn held(mut entries: Vec<ListEntry>) -> Self {
        let table = answers();
        if let Ok(read) = table.read()
            && let Some(number) = read.numbers.get(entries.as_slice())
        {
            return Self(*number);
        }
        let Ok(mut write) = table.write() else {
            return Self::NONE;
        };
        if let Some(number) = write.numbers.get(entries.as_slice()) {
            return Self(*number);
        }
        if write.entries.len() >= WITH_DIGESTS_MAX && entries.iter().any(|entry| entry.digest != 0) {
            drop(write);
            entries.iter_mut().for_each(|entry| entry.digest = 0);
            return Self::held(entries);
        }
        if write.entries.len() >= LISTED_ANSWERS_MAX {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Self::NONE;
        }
        let entries: &'static [ListEntry] = Box::leak(entries.into_boxed_slice());
        let number = write.entries.len() as u32;
        write.entries.push(entries);
        write.numbers.insert(entries, number);
        Self(number)
    }
}

/// Answers refused because the table was full, since the start.
pub fn refused() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_as_numbers() { serializer.serialize_u32(self.0) } else { serializer.collect_seq(self.entries()) }
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if is_as_numbers() {
            let number = u32::deserialize(deserializer)?;
            return Self::numbered(number).ok_or_else(|| D::Error::custom("an answer of lists that is not held"));
        }
        deserializer.deserialize_seq(Entries)
    }
}

/// Reads the entries of an answer as they were written: nothing that was no answer is taken.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what lists say of an address")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Listed, A::Error> {
        let mut entries: Vec<ListEntry> = Vec::new();
        while let Some(entry) = from.next_element::<ListEntry>()? {
            if entries.len() == LISTED_ENTRIES_MAX || entry.confidence > CONFIDENCE_MAX {
                return Err(A::Error::custom("too many lists, or too much confidence"));
            }
            entries.push(entry);
        }
        Ok(Listed::new(&entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::as_numbers;

    fn entry(category: Category, confidence: u8, list: &str) -> ListEntry {
        ListEntry { category, confidence, list: Name::new(list), tag: Name::EMPTY, digest: 7 }
    }

    #[test]
    fn an_answer_is_the_same_in_whatever_order_its_lists_are_asked() {
        let (tor, vpn) = (entry(Category::Tor, 90, "a"), entry(Category::Vpn, 95, "b"));
        assert_eq!(Listed::new(&[tor, vpn, tor]), Listed::new(&[vpn, tor]));
        assert_eq!(Listed::new(&[tor, vpn]).entries(), [vpn, tor]);
        assert_ne!(Listed::new(&[tor]), Listed::new(&[vpn]));
        assert!(Listed::new(&[]).is_empty() && Listed::default().entries().is_empty());
        let many: Vec<ListEntry> = (0..20).map(|index| entry(Category::Vpn, index, "c")).collect();
        let kept: Vec<u8> = Listed::new(&many).entries().iter().map(|entry| entry.confidence).collect();
        assert_eq!(kept, [19, 18, 17, 16, 15, 14, 13, 12]);
        let with_good = Listed::new(&[many.as_slice(), &[entry(Category::KnownGood, 1, "d")]].concat());
        assert_eq!((with_good.entries()[0].confidence, with_good.entries().len()), (1, LISTED_ENTRIES_MAX));
    }

    #[test]
    fn an_answer_is_written_as_its_entries_and_inside_the_process_as_a_number() {
        let listed = Listed::new(&[entry(Category::Botnet, 60, "bots")]);
        let text = postcard::to_stdvec(&listed).unwrap();
        assert_eq!(postcard::from_bytes::<Listed>(&text).unwrap(), listed);
        assert_eq!(postcard::to_stdvec(&Listed::NONE).unwrap(), [0], "on no list is a byte");
        let number = as_numbers(|| postcard::to_stdvec(&listed).unwrap());
        assert!(number.len() < text.len());
        assert_eq!(as_numbers(|| postcard::from_bytes::<Listed>(&number).unwrap()), listed);
        let unknown = as_numbers(|| postcard::from_bytes::<Listed>(&[0xff, 0xff, 0xff, 0xff, 0x0f]));
        assert!(unknown.is_err(), "a number that nobody gave");
        let too_sure = postcard::to_stdvec(&[ListEntry { confidence: 101, ..entry(Category::Tor, 0, "a") }][..]);
        assert!(postcard::from_bytes::<Listed>(&too_sure.unwrap()).is_err());
    }

    #[test]
    fn every_category_has_a_word_of_its_own() {
        for category in Category::ALL {
            assert_eq!(Category::from_word(category.as_str()), Some(category));
            let json = serde_name(category);
            assert_eq!(json, category.as_str());
        }
        assert_eq!(Category::from_word("tunnel"), None);
    }

    /// The variant's name as serde has it.
    fn serde_name(category: Category) -> String {
        format!("{category:?}").chars().fold(String::new(), |mut name, sign| {
            if sign.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(sign.to_ascii_lowercase());
            name
        })
    }
}
