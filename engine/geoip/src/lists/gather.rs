//! Where the entries of a feed meet before they are those of a list: a feed names one address in many reports.

use std::collections::HashMap;

use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{LIST_TAG_BYTES_MAX, Listing};
use frostwatch_detect::time::Millis;

use super::ListConfig;
use super::line::Network;
use super::sink::{Said, Sink};
use super::words::Meant;

/// Entries of one network that are kept: the surest, and of these the latest. A list may have twice as many.
const NETWORK_ENTRIES_MAX: usize = 32;

/// What one report says of its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) line: u64,
    pub(super) confidence: Option<u8>,
    pub(super) from: Option<Millis>,
    pub(super) until: Option<Millis>,
}

struct Entry {
    first: u128,
    prefix: u8,
    category: Category,
    confidence: u8,
    from: Millis,
    until: Millis,
    tag: usize,
    line: u64,
}

/// Gathers the entries of a feed.
pub(super) struct Gather<'c> {
    config: &'c ListConfig,
    entries: Vec<Entry>,
    tags: Vec<String>,
    known_tags: HashMap<String, usize>,
    is_full: bool,
}

impl<'c> Gather<'c> {
    pub(super) fn new(config: &'c ListConfig) -> Self {
        let own = config.tag.clone().unwrap_or_default();
        let known_tags = HashMap::from([(own.clone(), 0)]);
        Self { config, entries: Vec::new(), tags: vec![own], known_tags, is_full: false }
    }

    /// Takes a network of a report, under each of its categories.
    pub(super) fn take(&mut self, sink: &mut Sink<'_>, report: &Report, network: &Network, meant: &Meant) {
        let Network::Public(first, prefix) = *network else {
            return sink.entry(report.line, network, &Said::default());
        };
        if meant.is_unwanted() {
            return sink.leave_out("addresses whose words the configuration takes out", report.line);
        }
        let configured = self.config.category.filter(|_| meant.categories().is_empty());
        sink.take();
        if meant.categories().is_empty() && configured.is_none() {
            return sink.leave_out("addresses of which nothing says what they are", report.line);
        }
        let (from, until) = (report.from.unwrap_or(Listing::ALWAYS), report.until.unwrap_or(Listing::FOREVER));
        let confidence = report.confidence.or(self.config.confidence).unwrap_or(0);
        let own = configured.map(|category| (category, 0));
        let said: Vec<_> =
            meant.categories().iter().map(|(category, word)| (*category, self.tag(sink, word))).collect();
        for (category, tag) in said.into_iter().chain(own) {
            if self.entries.len() >= sink.entries_max() {
                if !self.is_full {
                    sink.fault(report.line, format!("more than {} entries; is it the right file?", sink.entries_max()));
                }
                self.is_full = true;
                return;
            }
            self.entries.push(Entry { first, prefix, category, confidence, from, until, tag, line: report.line });
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// The place of a tag. What is none, or one too many, has the configuration's own.
    fn tag(&mut self, sink: &Sink<'_>, word: &str) -> usize {
        if let Some(place) = self.known_tags.get(word) {
            return *place;
        }
        let is_tag = word.len() <= LIST_TAG_BYTES_MAX && !word.chars().any(char::is_control);
        if !is_tag || self.tags.len() >= sink.tags_max() {
            return 0;
        }
        self.tags.push(word.to_owned());
        self.known_tags.insert(word.to_owned(), self.tags.len() - 1);
        self.tags.len() - 1
    }

    /// Hands what was gathered to the sink: what says the same at times that meet is one entry.
    pub(super) fn finish(mut self, sink: &mut Sink<'_>) {
        self.entries.sort_unstable_by_key(|entry| {
            (entry.first, entry.prefix, entry.category, entry.confidence, entry.from, entry.until, entry.line)
        });
        self.entries.dedup_by(|next, before| {
            let same = |entry: &Entry| (entry.first, entry.prefix, entry.category, entry.confidence);
            let meets = same(next) == same(before) && next.from <= before.until && before.from < before.until;
            if meets {
                before.until = before.until.max(next.until);
            }
            meets
        });
        let mut rest = self.entries;
        rest.sort_by_key(|entry| (entry.first, entry.prefix));
        for of_network in rest.chunk_by_mut(|a, b| (a.first, a.prefix) == (b.first, b.prefix)) {
            of_network.sort_by_key(|entry| std::cmp::Reverse((entry.confidence, entry.until, entry.from)));
            for (count, entry) in of_network.iter().enumerate() {
                if count >= NETWORK_ENTRIES_MAX {
                    sink.leave_out("entries beyond 32 for one network", entry.line);
                    continue;
                }
                let time =
                    |time: Millis| Some(time).filter(|time| !matches!(*time, Listing::ALWAYS | Listing::FOREVER));
                let said = Said {
                    category: Some(entry.category),
                    confidence: Some(entry.confidence),
                    tag: self.tags.get(entry.tag).map(String::as_str).filter(|tag| !tag.is_empty()),
                    from: time(entry.from),
                    until: time(entry.until),
                };
                sink.entry(entry.line, &Network::Public(entry.first, entry.prefix), &said);
            }
        }
    }
}
