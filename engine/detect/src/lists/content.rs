//! What is kept of lists: a manifest under their digest, and the content of each list in parts under its own, so that a
//! list that did not change is not kept again.
//!
//! The content of a list is a line for each entry, in order, and nothing of the file that it was read from:
//!
//! ```text
//! ffff0b020300/120 tor 95 - 1772442000000 exit
//! ```
//!
//! First address and prefix (of 128 bits), category, confidence, from and until in milliseconds (`-`: without end), and
//! what is left of the line is the tag.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{
    LIST_ENTRIES_MAX, LIST_TAG_BYTES_MAX, LISTS_MAX, List, ListBuild, Listing, ListsDigest, host_bits, is_of_one_family,
};
use crate::listed::{CONFIDENCE_MAX, Category};
use crate::names::Name;
use crate::time::Millis;

/// Bytes of one part at most: a record of a topic must stay well below a megabyte.
pub const PART_BYTES_MAX: usize = 512 << 10;
/// Bytes of all lists of a ruling that are kept at most; beyond, only the manifest is.
pub const KEPT_BYTES_MAX: usize = 16 << 20;
/// First line of a manifest.
const MANIFEST: &str = "lists.v1";

/// What was kept, by name.
pub type Contents<'a> = BTreeMap<&'a str, &'a [u8]>;

/// What is kept of lists.
#[derive(Clone, Debug)]
pub struct Kept {
    manifest: Arc<str>,
    /// Digest and content of each list; empty where they are too long to be kept.
    texts: Vec<(ListsDigest, Arc<str>)>,
}

impl Kept {
    /// Of lists and their contents.
    pub(super) fn new(builds: &[ListBuild], contents: Vec<Content>) -> Self {
        let mut manifest = format!("{MANIFEST}\n");
        for (build, content) in builds.iter().zip(&contents) {
            let is_cut = content.bytes > content.text.len();
            let parts = if is_cut { content.bytes.div_ceil(PART_BYTES_MAX) } else { parts(&content.text).count() };
            // Writing to a string cannot fail.
            let _ = writeln!(manifest, "{} {} {parts}", build.name, build.digest);
        }
        let is_short = contents.iter().map(|content| content.bytes).sum::<usize>() <= KEPT_BYTES_MAX;
        let texts = contents.into_iter().filter(|_| is_short);
        let texts = texts.map(|content| (content.digest, content.text.into())).collect();
        Self { manifest: manifest.into(), texts }
    }

    /// The manifest.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// Are the lists kept, or are they too long for that?
    pub const fn is_whole(&self) -> bool {
        !self.texts.is_empty()
    }

    /// The names of the parts.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let names = |(digest, text): &(ListsDigest, Arc<str>)| {
            let digest = *digest;
            (0..parts(text).count()).map(move |part| part_name(digest, part))
        };
        self.texts.iter().flat_map(names)
    }

    /// The part with this name.
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        let (digest, part) = name.split_once('/')?;
        let (digest, part) = (ListsDigest::read(digest)?, part.parse::<usize>().ok()?);
        let (_, text) = self.texts.iter().find(|(known, _)| *known == digest)?;
        parts(text).nth(part).map(str::as_bytes)
    }
}

/// A text in parts, none of which ends within a character.
fn parts(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (part, rest) = text.split_at_checked(text.floor_char_boundary(PART_BYTES_MAX))?;
        text = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// The names of the parts that a manifest asks for; none where it is no manifest.
pub fn parts_of(manifest: &[u8]) -> Vec<String> {
    let lines = read_manifest(manifest).unwrap_or_default();
    let parts = |(_, digest, parts): &(String, ListsDigest, usize)| {
        let digest = *digest;
        (0..*parts).map(move |part| part_name(digest, part))
    };
    lines.iter().flat_map(parts).collect()
}

/// The lists whose manifest and parts are there.
pub(super) fn recall(digest: ListsDigest, contents: &Contents<'_>) -> Option<Vec<List>> {
    let manifest = contents.get(digest.to_string().as_str())?;
    let recalled = |(name, digest, parts): (String, ListsDigest, usize)| {
        let mut text = Vec::new();
        for part in 0..parts {
            text.extend_from_slice(contents.get(part_name(digest, part).as_str())?);
        }
        let is_whole = self::digest(&text) == digest;
        let text = String::from_utf8(text).ok().filter(|_| is_whole)?;
        Some(List { name, entries: read(&text)? })
    };
    read_manifest(manifest)?.into_iter().map(recalled).collect()
}

/// Name, digest and number of parts of each list.
fn read_manifest(manifest: &[u8]) -> Option<Vec<(String, ListsDigest, usize)>> {
    let mut lines = std::str::from_utf8(manifest).ok()?.lines();
    if lines.next() != Some(MANIFEST) {
        return None;
    }
    let mut bytes = 0_usize;
    let mut lists = Vec::new();
    for line in lines {
        let mut words = line.split(' ');
        let (name, digest, parts) = (words.next()?, ListsDigest::read(words.next()?)?, words.next()?.parse().ok()?);
        bytes = bytes.checked_add(PART_BYTES_MAX.checked_mul(parts)?)?;
        lists.push((name.to_owned(), digest, parts));
        // A part may be nearly empty, so each list has one more than its bytes make.
        if lists.len() > LISTS_MAX || bytes > KEPT_BYTES_MAX + lists.len() * PART_BYTES_MAX {
            return None;
        }
    }
    Some(lists)
}

fn part_name(digest: ListsDigest, part: usize) -> String {
    format!("{digest}/{part}")
}

/// SHA-256, its first eight bytes; never that of no list.
pub(super) fn digest(bytes: &[u8]) -> ListsDigest {
    first_of(Sha256::new_with_prefix(bytes))
}

fn first_of(hash: Sha256) -> ListsDigest {
    let digest: [u8; 32] = hash.finalize().into();
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    ListsDigest(first.max(1))
}

/// Brings entries into the order in which they are kept, each once.
pub(super) fn sort(entries: &mut Vec<Listing>) {
    let key = |entry: &Listing| {
        let Listing { first, prefix, category, confidence, from, until, .. } = *entry;
        (first, prefix, category, confidence, from, until)
    };
    entries.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.tag.as_str().cmp(b.tag.as_str())));
    entries.dedup();
}

/// The content of a list.
pub(super) struct Content {
    pub(super) digest: ListsDigest,
    bytes: usize,
    /// Cut off where it is too long to be kept.
    text: String,
}

/// The content of a list whose entries are in order.
pub(super) fn content(list: &List) -> Content {
    let (mut hash, mut bytes, mut text, mut line) = (Sha256::new(), 0, String::new(), String::new());
    let time = |time: Millis, open: Millis| if time == open { "-".to_owned() } else { time.to_string() };
    for entry in &list.entries {
        let (from, until) = (time(entry.from, Listing::ALWAYS), time(entry.until, Listing::FOREVER));
        let Listing { first, prefix, category, confidence, tag, .. } = entry;
        let (category, tag) = (category.as_str(), tag.as_str());
        line.clear();
        // Writing to a string cannot fail.
        let _ = writeln!(line, "{first:x}/{prefix} {category} {confidence} {from} {until} {tag}");
        hash.update(&line);
        bytes += line.len();
        if bytes <= KEPT_BYTES_MAX {
            text.push_str(&line);
        }
    }
    Content { digest: first_of(hash), bytes, text }
}

/// The entries of a content; `None` where it is none.
fn read(text: &str) -> Option<Vec<Listing>> {
    let mut entries = Vec::new();
    for line in text.lines() {
        if entries.len() == LIST_ENTRIES_MAX {
            return None;
        }
        entries.push(entry(line)?);
    }
    Some(entries)
}

fn entry(line: &str) -> Option<Listing> {
    let time = |text: &str, open: Millis| if text == "-" { Some(open) } else { text.parse().ok() };
    let mut words = line.splitn(6, ' ');
    let (first, prefix) = words.next()?.split_once('/')?;
    let entry = Listing {
        first: u128::from_str_radix(first, 16).ok()?,
        prefix: prefix.parse().ok()?,
        category: Category::from_word(words.next()?)?,
        confidence: words.next()?.parse().ok()?,
        from: time(words.next()?, Listing::ALWAYS)?,
        until: time(words.next()?, Listing::FOREVER)?,
        tag: words.next().filter(|tag| tag.len() <= LIST_TAG_BYTES_MAX).and_then(Name::whole)?,
    };
    let is_network = entry.prefix <= 128
        && entry.first & host_bits(entry.prefix) == 0
        && is_of_one_family(entry.first, entry.prefix);
    (is_network && entry.confidence <= CONFIDENCE_MAX && entry.from < entry.until).then_some(entry)
}
