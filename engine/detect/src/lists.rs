//! Lists of addresses: what each says of a network, and from when to when. All lists of a ruling are laid out in one
//! table; an answer is a function of the address, of event time and of the lists' content alone.
//!
//! Whoever reads files makes [`List`]s of them; what is kept of a list is its [content], so that a machine that
//! has only the newer files can run the past again under the old ones.

pub mod content;
mod table;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::afterwards::Rises;
use crate::event::Address;
use crate::listed::{Category, LOADED_ANSWERS_MAX, Listed};
use crate::names::Name;
use crate::time::{DAY, Millis};
use content::{Contents, Kept};
use table::{Budget, Table};

/// Lists of a ruling at most.
pub const LISTS_MAX: usize = 64;
/// Entries of all lists at most.
pub const LIST_ENTRIES_MAX: usize = 8_000_000;
/// Characters of a list's name at most.
pub const LIST_NAME_CHARS_MAX: usize = 40;
/// Bytes of a tag at most.
pub const LIST_TAG_BYTES_MAX: usize = 60;
/// Time windows over all different answers at most.
pub const LIST_SPANS_MAX: usize = 16_000_000;
/// Entries of one list for one and the same network at most, over all its times.
pub const LIST_NETWORK_ENTRIES_MAX: usize = 64;
/// Entries that are looked at while lists are laid out, at most: a second or two. A network is looked at where it begins,
/// where one within it ends, and at each time at which one of those around it begins or ends to hold.
pub const LIST_STEPS_MAX: usize = 1 << 29;
/// Entries that different answers come of at most, over all of them: memory while lists are laid out, 32 bytes each.
pub const LIST_PARTS_MAX: usize = 24_000_000;

/// How long after an event what lists say of its address is looked for, at most.
pub const AFTERWARDS_MAX: Millis = 7 * DAY;

/// What a list says of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// First address, IPv4 mapped into IPv6.
    pub first: u128,
    /// Leading bits that all its addresses share, of 128.
    pub prefix: u8,
    /// What it is.
    pub category: Category,
    /// How far that can be trusted, 0–100.
    pub confidence: u8,
    /// What the list calls it, or empty.
    pub tag: Name,
    /// From this event time on.
    pub from: Millis,
    /// Up to but without this one.
    pub until: Millis,
}

impl Listing {
    /// From the beginning of time.
    pub const ALWAYS: Millis = Millis::MIN;
    /// To its end.
    pub const FOREVER: Millis = Millis::MAX;

    /// The last address.
    pub const fn last(&self) -> u128 {
        self.first | host_bits(self.prefix)
    }
}

/// Does the network hold no address of both families?
pub const fn is_of_one_family(first: u128, prefix: u8) -> bool {
    // Wider ones hold all of IPv4 or begin behind it.
    prefix >= 96 || first > 0xffff_ffff_ffff
}

/// The bits that tell apart the addresses of a network with this prefix.
pub const fn host_bits(prefix: u8) -> u128 {
    match u128::MAX.checked_shr(prefix as u32) {
        Some(bits) => bits,
        None => 0,
    }
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its name, unique among the lists of a ruling: small letters, digits and underscores.
    pub name: String,
    /// What it says, in any order.
    pub entries: Vec<Listing>,
}

/// Digest of lists; [`ListsDigest::NONE`]: there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListsDigest(pub u64);

impl ListsDigest {
    /// No list.
    pub const NONE: Self = Self(0);

    /// Is there no list?
    pub const fn is_none(&self) -> bool {
        self.0 == 0
    }

    /// The digest of its text; empty: no list.
    pub fn read(text: &str) -> Option<Self> {
        match text.len() {
            0 => Some(Self::NONE),
            16 => u64::from_str_radix(text, 16).ok().map(Self),
            _ => None,
        }
    }
}

impl fmt::Display for ListsDigest {
    /// 16 hex digits; nothing where there is no list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { Ok(()) } else { write!(f, "{:016x}", self.0) }
    }
}

impl Serialize for ListsDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListsDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("not the digest of lists"))
    }
}

/// Which lists there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBuild {
    /// Its name.
    pub name: String,
    /// Digest of its content.
    pub digest: ListsDigest,
    /// Entries.
    pub entries: usize,
}

/// What the table of lists takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListsFootprint {
    /// IPv4 ranges.
    pub v4_ranges: usize,
    /// IPv6 ranges.
    pub v6_ranges: usize,
    /// Different answers, over all times.
    pub spans: usize,
    /// Bytes of all of that.
    pub bytes: usize,
}

/// Why lists cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListsFault {
    /// More lists than allowed.
    #[error("{found} lists; at most {LISTS_MAX} are allowed")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A name that no list may have.
    #[error("'{name}' is no name of a list: 1 to {LIST_NAME_CHARS_MAX} small letters, digits and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// Two lists of one name.
    #[error("two lists are called '{name}'")]
    Twice {
        /// The name.
        name: String,
    },
    /// More entries than allowed.
    #[error("{found} entries in all lists; at most {LIST_ENTRIES_MAX} are allowed")]
    TooManyEntries {
        /// How many.
        found: usize,
    },
    /// More windows of time than allowed.
    #[error("'{list}': more than {LIST_SPANS_MAX} different answers over all times, with those of the other lists")]
    TooManySpans {
        /// The list that most entries at that point are of.
        list: String,
    },
    /// More entries of one list for one network than allowed.
    #[error("'{list}': {found} entries for one network; at most {LIST_NETWORK_ENTRIES_MAX} are allowed")]
    TooManyOfNetwork {
        /// The list.
        list: String,
        /// How many.
        found: usize,
    },
    /// Networks in networks, and times within times, beyond [`LIST_STEPS_MAX`] or [`LIST_PARTS_MAX`].
    #[error("'{list}': too many networks lie in one another or hold at too many different times to be laid out")]
    TooEntangled {
        /// The list that most entries at that point are of.
        list: String,
    },
    /// More different answers than allowed.
    #[error("'{list}': more than {LOADED_ANSWERS_MAX} different answers, with those of the other lists")]
    TooManyAnswers {
        /// The list that most entries at that point are of.
        list: String,
    },
    /// The process holds as many names or answers as it can.
    #[error("no room for further names or answers beside those that lists had since the start; a restart makes room")]
    NoRoom,
}

/// Lists that hold together. They never change; another content is another value.
pub struct Lists {
    table: Table,
    builds: Vec<ListBuild>,
    digest: ListsDigest,
    kept: Kept,
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lists").field("builds", &self.builds).field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Lists {
    /// Lays out lists; `None` where there is none.
    ///
    /// # Errors
    /// Names that clash or are none, and limits.
    pub fn new(lists: Vec<List>) -> Result<Option<Arc<Self>>, ListsFault> {
        Self::within(lists, Budget::default())
    }

    fn within(mut lists: Vec<List>, budget: Budget) -> Result<Option<Arc<Self>>, ListsFault> {
        if lists.is_empty() {
            return Ok(None);
        }
        check(&lists)?;
        lists.sort_by(|a, b| a.name.cmp(&b.name));
        let mut builds = Vec::with_capacity(lists.len());
        let mut contents = Vec::with_capacity(lists.len());
        for list in &mut lists {
            content::sort(&mut list.entries);
            let content = content::content(list);
            builds.push(ListBuild { name: list.name.clone(), digest: content.digest, entries: list.entries.len() });
            contents.push(content);
        }
        let kept = Kept::new(&builds, contents);
        let digest = content::digest(kept.manifest().as_bytes());
        let table = Table::new(&lists, &builds, budget)?;
        Ok(Some(Arc::new(Self { table, builds, digest, kept })))
    }

    /// The lists with this digest, made from what was kept of them; `None` where that is not at hand.
    ///
    /// # Errors
    /// They were laid out once, and there is no room for them in this process or program.
    pub fn recalled(digest: ListsDigest, contents: &Contents<'_>) -> Result<Option<Arc<Self>>, ListsFault> {
        let Some(lists) = content::recall(digest, contents) else { return Ok(None) };
        Ok(Self::new(lists)?.filter(|found| found.digest == digest))
    }

    /// What the lists say of an address at this event time.
    #[inline]
    pub fn of(&self, address: Address, at: Millis) -> Listed {
        self.table.find(address.bits(), at)
    }

    /// The same, and what they say of bad repute from later times on, within [`AFTERWARDS_MAX`]: each time that they are surer
    /// than before.
    #[inline]
    pub fn of_and_later(&self, address: Address, at: Millis) -> (Listed, Rises) {
        let (_, listed, after) = self.table.find_and_after(address.bits(), at);
        (listed, rises(at, listed.repute(), after))
    }

    /// What they say of bad repute at this time, and within [`AFTERWARDS_MAX`] of it each time that they are surer than before.
    pub fn afterwards(&self, address: Address, at: Millis) -> Vec<(Millis, Listed)> {
        let (from, listed, after) = self.table.find_and_after(address.bits(), at);
        let now = (listed.repute() > 0).then_some((from, listed));
        now.into_iter().chain(rises(at, listed.repute(), after)).collect()
    }

    /// Which lists these are, in the order of their names.
    pub fn builds(&self) -> &[ListBuild] {
        &self.builds
    }

    /// Digest of all of them.
    pub const fn digest(&self) -> ListsDigest {
        self.digest
    }

    /// What is kept of them.
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What the table takes.
    pub fn footprint(&self) -> ListsFootprint {
        self.table.footprint()
    }
}

/// What is surer than all before.
fn rises(at: Millis, mut most: u8, after: impl Iterator<Item = (Millis, Listed)>) -> Rises {
    let mut rises = Rises::new();
    for (from, listed) in after.take_while(|(from, _)| *from - at <= AFTERWARDS_MAX) {
        if listed.repute() > most {
            most = listed.repute();
            if rises.is_full() {
                rises.pop();
            }
            rises.push((from, listed));
        }
    }
    rises
}

fn check(lists: &[List]) -> Result<(), ListsFault> {
    if lists.len() > LISTS_MAX {
        return Err(ListsFault::TooMany { found: lists.len() });
    }
    for (index, list) in lists.iter().enumerate() {
        let name = || list.name.clone();
        if !is_list_name(&list.name) {
            return Err(ListsFault::Name { name: name() });
        }
        if lists.iter().take(index).any(|other| other.name == list.name) {
            return Err(ListsFault::Twice { name: name() });
        }
    }
    let found: usize = lists.iter().map(|list| list.entries.len()).sum();
    if found > LIST_ENTRIES_MAX { Err(ListsFault::TooManyEntries { found }) } else { Ok(()) }
}

/// May a list be called so?
pub fn is_list_name(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LIST_NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(sign)
}

#[cfg(test)]
mod tests;
