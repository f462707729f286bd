//! What lists say of an address: which list, of what category, how sure.
//!
//! An answer sits in every event and session, so it costs four bytes and no allocation: each different one is held once,
//! as names are ([`crate::names`]). Only lists that the operator loads and state that the engine wrote add answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, RwLock};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{self, Name, is_as_numbers};

/// Entries of one answer at most: one that speaks for the address, and of the others the gravest (see `chosen`). Answers
/// lie in every event that is held, so that this bounds a record of state.
pub const LISTED_ENTRIES_MAX: usize = 3;
/// Different answers that are held at most, over the life of the process. One more is no answer: state that has it is not
/// read. Two processes with the same lists must say the same, so nothing is ever left out of an answer.
pub const LISTED_ANSWERS_MAX: usize = 1 << 20;
/// Answers up to which lists are loaded: the last quarter is for those in stored state.
const BEFORE_LOADS_MAX: usize = LISTED_ANSWERS_MAX / 4 * 3;
/// Different answers of the lists of one ruling at most.
pub const LOADED_ANSWERS_MAX: usize = 65_536;
/// How far a list can be trusted at most.
pub const CONFIDENCE_MAX: u8 = 100;
/// From this confidence on a list is rather right than wrong.
const LIKELY_CONFIDENCE: u8 = 50;

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
    /// A relay that a maker runs for those who have its devices, and which lets them out near where they are.
    PrivateRelay,
}

impl Category {
    /// Every category, in the order of their declaration.
    pub const ALL: [Self; 12] = [
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
        Self::PrivateRelay,
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
            Self::PrivateRelay => "private_relay",
        }
    }

    /// Which of two that hold is told: the smaller. What anybody may use by habit comes after what nobody does; that it is a
    /// maker's relay explains why others call an address a proxy.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Tor | Self::CommandAndControl | Self::Botnet | Self::PasswordSpray => 0,
            Self::ResidentialProxy | Self::Malware => 1,
            Self::PrivateRelay => 2,
            Self::Vpn | Self::Proxy | Self::Scanner => 3,
            Self::Hosting | Self::KnownGood => 4,
        }
    }

    /// Which of those that judge addresses looks at it: nobody's entry takes the place of all of another's.
    const fn side(self) -> Side {
        match self {
            Self::KnownGood => Side::For,
            Self::Tor | Self::Vpn | Self::Proxy | Self::ResidentialProxy | Self::Hosting | Self::PrivateRelay => {
                Side::Hidden
            }
            _ => Side::Repute,
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
            Self::PrivateRelay => "a private relay",
        }
    }
}

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// It speaks for the address.
    For,
    /// Anybody can hide behind it.
    Hidden,
    /// It is of bad repute.
    Repute,
}

/// What one list says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListEntry {
    /// What the address is.
    pub category: Category,
    /// How far that can be trusted, 0–100.
    pub confidence: u8,
    /// Name of the list.
    #[serde(deserialize_with = "names::deserialize_whole")]
    pub list: Name,
    /// What the list calls it, or empty.
    #[serde(deserialize_with = "names::deserialize_whole")]
    pub tag: Name,
    /// Digest of the list's content.
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

    /// The answer of these entries; `None` where the process holds [`LISTED_ANSWERS_MAX`] others.
    pub fn new(entries: &[ListEntry]) -> Option<Self> {
        if entries.is_empty() {
            return Some(Self::NONE);
        }
        let entries = chosen(entries.to_vec());
        if let Some(number) = answers().read().ok()?.numbers.get(entries.as_slice()) {
            return Some(Self(*number));
        }
        answers().write().ok()?.hold(entries, LISTED_ANSWERS_MAX)
    }

    /// The answers of entries that [`chosen`] gave, all or none: `None` where too many others were held since the start.
    pub(crate) fn loaded(all: impl Iterator<Item = Vec<ListEntry>>) -> Option<Vec<Self>> {
        let mut write = answers().write().ok()?;
        let all: Vec<Vec<ListEntry>> = all.collect();
        let new = all.iter().filter(|entries| !write.numbers.contains_key(entries.as_slice())).count();
        if new > 0 && write.entries.len() + new > BEFORE_LOADS_MAX {
            return None;
        }
        all.into_iter().map(|entries| write.hold(entries, BEFORE_LOADS_MAX)).collect()
    }

    /// What the lists say: what speaks for the address, and then what speaks against it, the gravest first.
    pub fn entries(self) -> &'static [ListEntry] {
        if self.is_empty() {
            return &[];
        }
        answers().read().ok().and_then(|held| held.entries.get(self.0 as usize).copied()).unwrap_or(&[])
    }

    /// The most confidence with which a list says that the address is of bad repute; 0: none does.
    pub fn repute(self) -> u8 {
        let bad = self.entries().iter().filter(|entry| entry.category.side() == Side::Repute);
        bad.map(|entry| entry.confidence).max().unwrap_or(0)
    }

    /// The most confidence with which a list says anything against the address, of the entries that are kept; 0: none does. A
    /// hoster's machines and a maker's relay are nothing bad by themselves.
    pub fn confidence(self) -> u8 {
        let is_harmless =
            |category| matches!(category, Category::Hosting | Category::PrivateRelay | Category::KnownGood);
        let against = self.entries().iter().filter(|entry| !is_harmless(entry.category));
        against.map(|entry| entry.confidence).max().unwrap_or(0)
    }

    /// Does no list say anything but that the address is harmless? Organisations list their own offices so.
    pub fn is_harmless(self) -> bool {
        self.entries().iter().all(|entry| entry.category.side() == Side::For)
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
}

impl Answers {
    /// The number of an answer, made when it is new and fewer than `max` are held.
    fn hold(&mut self, entries: Vec<ListEntry>, max: usize) -> Option<Listed> {
        if let Some(number) = self.numbers.get(entries.as_slice()) {
            return Some(Listed(*number));
        }
        if self.entries.len() >= max {
            return None;
        }
        let entries: &'static [ListEntry] = Box::leak(entries.into_boxed_slice());
        let number = self.entries.len() as u32;
        self.entries.push(entries);
        self.numbers.insert(entries, number);
        Some(Listed(number))
    }
}

/// What an answer is made of, in its order: of what speaks for the address the surest; then what is rather right than
/// wrong before what is not, by [`Category::rank`] and confidence. Where not all have room, the first of what hides people
/// and the first of what is of bad repute have it before others, then one of each category; hosters come last, since most
/// rules do not ask for them.
pub(crate) fn chosen(mut entries: Vec<ListEntry>) -> Vec<ListEntry> {
    entries.sort_by(|a, b| {
        let first = |entry: &ListEntry| {
            let is_for = entry.category == Category::KnownGood;
            let doubt = CONFIDENCE_MAX.saturating_sub(entry.confidence);
            (!is_for, !is_for && entry.confidence < LIKELY_CONFIDENCE, entry.category.rank(), doubt, entry.category)
        };
        let words = |entry: &ListEntry| (entry.list.as_str(), entry.tag.as_str(), entry.digest);
        first(a).cmp(&first(b)).then_with(|| words(a).cmp(&words(b)))
    });
    entries.dedup();
    let surest_for = entries.iter().position(|entry| entry.category == Category::KnownGood);
    let counts =
        |(place, entry): &(usize, ListEntry)| entry.category != Category::KnownGood || Some(*place) == surest_for;
    let placed: Vec<(usize, ListEntry)> = entries.into_iter().enumerate().filter(counts).collect();
    let turn = |at: usize, category: Category| {
        let before = || placed.iter().take(at).map(|(_, entry)| entry.category);
        let is_of_side = |other: Category| other != Category::Hosting && other.side() == category.side();
        match category {
            Category::Hosting if before().any(|other| other == category) => 3,
            Category::Hosting => 2,
            _ if !before().any(is_of_side) => 0,
            _ if !before().any(|other| other == category) => 1,
            _ => 3,
        }
    };
    let mut turns: Vec<(u8, usize, ListEntry)> =
        placed.iter().enumerate().map(|(at, (place, entry))| (turn(at, entry.category), *place, *entry)).collect();
    turns.sort_by_key(|(turn, place, _)| (*turn, *place));
    turns.truncate(LISTED_ENTRIES_MAX);
    turns.sort_by_key(|(_, place, _)| *place);
    turns.into_iter().map(|(_, _, entry)| entry).collect()
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
        Listed::new(&entries).ok_or_else(|| A::Error::custom("no room for a further answer of lists"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::as_numbers;

    fn entry(category: Category, confidence: u8, list: &str) -> ListEntry {
        ListEntry { category, confidence, list: Name::new(list), tag: Name::EMPTY, digest: 7 }
    }

    fn told(entries: &[ListEntry]) -> Vec<ListEntry> {
        Listed::new(entries).unwrap().entries().to_vec()
    }

    #[test]
    fn an_answer_is_the_same_in_whatever_order_its_lists_are_asked() {
        let (tor, vpn) = (entry(Category::Tor, 90, "a"), entry(Category::Vpn, 95, "b"));
        assert_eq!(Listed::new(&[tor, vpn, tor]), Listed::new(&[vpn, tor]));
        assert_eq!(told(&[vpn, tor]), [tor, vpn], "the graver first");
        assert_ne!(Listed::new(&[tor]), Listed::new(&[vpn]));
        assert!(told(&[]).is_empty() && Listed::default().entries().is_empty());
    }

    #[test]
    fn what_has_no_room_in_an_answer_is_what_is_less_grave_and_less_sure() {
        let of = |category, confidence| entry(category, confidence, "a");
        let [good, less_good] = [of(Category::KnownGood, 9), of(Category::KnownGood, 8)];
        let [tor, vpn, hosting] = [of(Category::Tor, 60), of(Category::Vpn, 90), of(Category::Hosting, 99)];
        let [doubtful, bots, scanner] = [of(Category::Tor, 49), of(Category::Botnet, 40), of(Category::Scanner, 100)];
        for (entries, expected) in [
            (vec![hosting, vpn, tor], vec![tor, vpn, hosting]),
            (vec![less_good, good, hosting, vpn, tor], vec![good, tor, vpn]),
            (vec![tor, vpn, hosting, bots], vec![tor, vpn, bots]),
            (vec![good, tor, vpn, bots, scanner], vec![good, tor, scanner]),
            (vec![doubtful, vpn], vec![vpn, doubtful]),
            (
                vec![hosting, doubtful, of(Category::Botnet, 60), scanner],
                vec![of(Category::Botnet, 60), scanner, doubtful],
            ),
            (vec![less_good, hosting, of(Category::Hosting, 98), doubtful], vec![less_good, hosting, doubtful]),
            (vec![good; 8], vec![good]),
            (
                (0..8).map(|of| entry(Category::KnownGood, 90 + of, "b")).chain([bots]).collect(),
                vec![entry(Category::KnownGood, 97, "b"), bots],
            ),
        ] {
            assert_eq!(told(&entries), expected);
            assert_eq!(told(&told(&entries)), expected, "an answer is its own");
        }
    }

    #[test]
    fn answers_that_do_not_fit_are_refused_and_change_nothing() {
        let mut held = Answers { numbers: HashMap::from([(&[][..], 0)]), entries: vec![&[]] };
        let [one, two] = [vec![entry(Category::Tor, 1, "a")], vec![entry(Category::Tor, 2, "a")]];
        assert_eq!(held.hold(one.clone(), 2), Some(Listed(1)));
        assert_eq!(held.hold(two.clone(), 2), None);
        assert_eq!((held.hold(one, 2), held.entries.len()), (Some(Listed(1)), 2));
        assert_eq!(held.hold(two, 3), Some(Listed(2)));
    }

    #[test]
    fn an_answer_is_written_as_its_entries_and_inside_the_process_as_a_number() {
        let listed = Listed::new(&[entry(Category::Botnet, 60, "bots")]).unwrap();
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
