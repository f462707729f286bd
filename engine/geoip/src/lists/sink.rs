//! Where the entries and faults of a file go, within the limits.

use std::collections::HashMap;

use frostwatch_detect::listed::{CONFIDENCE_MAX, Category};
use frostwatch_detect::lists::{LIST_TAG_BYTES_MAX, List, Listing};
use frostwatch_detect::names::Name;
use frostwatch_detect::time::Millis;

use super::line::{ListFault, Network, shown};
use super::{Decoded, ListConfig, ListsLimits};

/// Faults of a file that are told at most.
const FAULTS_MAX: usize = 50;

/// What a line says; what it leaves out the configuration says.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) category: Option<Category>,
    pub(super) confidence: Option<u8>,
    pub(super) tag: Option<&'a str>,
    pub(super) from: Option<Millis>,
    pub(super) until: Option<Millis>,
}

/// A list of which more than one in so many entries cannot be read is refused: half a list looks like a whole one.
const UNREADABLE_ONE_IN: usize = 10;

/// Collects a list.
pub(super) struct Sink<'c> {
    config: &'c ListConfig,
    limits: ListsLimits,
    entries: Vec<Listing>,
    faults: Vec<ListFault>,
    /// Faults that are not told.
    more_faults: u64,
    tags: HashMap<String, Name>,
    /// Private and reserved networks, and the line of the first.
    special: (u64, u64),
    /// Entries that hold at no time.
    never: (u64, u64),
    /// What is none of ours: how much, and where first.
    left_out: Vec<(&'static str, u64, u64)>,
    /// Values of feeds that cannot be read: the first ones, and how many more.
    unreadable: (Vec<ListFault>, usize),
    /// Values of feeds that were read, before what says the same became one entry.
    taken: usize,
    is_full: bool,
}

impl<'c> Sink<'c> {
    pub(super) fn new(config: &'c ListConfig, limits: ListsLimits) -> Self {
        Self {
            config,
            limits,
            entries: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
            tags: HashMap::new(),
            special: (0, 0),
            never: (0, 0),
            left_out: Vec::new(),
            unreadable: (Vec::new(), 0),
            taken: 0,
            is_full: false,
        }
    }

    pub(super) fn fault(&mut self, line: u64, message: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(ListFault { line, message });
        } else {
            self.more_faults += 1;
        }
    }

    /// Counts what a feed has beside what is read of it.
    pub(super) fn leave_out(&mut self, what: &'static str, line: u64) {
        match self.left_out.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, count, _)) => *count += 1,
            None => self.left_out.push((what, 1, line)),
        }
    }

    /// Notes a value of a feed that cannot be read. Nobody here can mend it, so a few do not keep the others out.
    pub(super) fn unreadable(&mut self, line: u64, message: String) {
        if self.unreadable.0.len() < FAULTS_MAX {
            self.unreadable.0.push(ListFault { line, message });
        } else {
            self.unreadable.1 += 1;
        }
    }

    /// Counts a value of a feed that was read.
    pub(super) const fn take(&mut self) {
        self.taken += 1;
    }

    pub(super) const fn entries_max(&self) -> usize {
        self.limits.entries_max
    }

    /// Room for different tags, before the configuration's own.
    pub(super) const fn tags_max(&self) -> usize {
        self.limits.tags_max.saturating_sub(1)
    }

    /// Is a line within the limits, and not what comes of no text? `false` after the last that is read.
    pub(super) fn takes_line(&mut self, number: u64) -> bool {
        if number > self.limits.lines_max as u64 && !self.is_full {
            self.is_full = true;
            self.fault(number, format!("more than {} lines; is it the right file?", self.limits.lines_max));
        }
        !self.is_full
    }

    /// The text of a line within the limits.
    pub(super) fn text<'a>(&mut self, number: u64, line: Option<&'a str>) -> Option<&'a str> {
        match line {
            None => self.fault(number, "not UTF-8 text".to_owned()),
            Some(line) if line.len() > self.limits.line_bytes_max => {
                self.fault(number, format!("longer than {} bytes", self.limits.line_bytes_max));
            }
            Some(line) => return Some(line),
        }
        None
    }

    /// Takes an entry.
    pub(super) fn entry(&mut self, line: u64, network: &Network, said: &Said<'_>) {
        let Network::Public(first, prefix) = *network else {
            self.special = (self.special.0 + 1, if self.special.0 == 0 { line } else { self.special.1 });
            return;
        };
        let Some(category) = said.category.or(self.config.category) else {
            return self.fault(line, "no category, and the configuration has none".to_owned());
        };
        let Some(confidence) = said.confidence.or(self.config.confidence) else {
            return self.fault(line, "no confidence, and the configuration has none".to_owned());
        };
        if confidence > CONFIDENCE_MAX {
            return self.fault(line, format!("confidence {confidence} is outside 0–100"));
        }
        let Some(tag) = self.tag(line, said.tag) else { return };
        let later = |a: Option<Millis>, b: Option<Millis>| a.max(b).unwrap_or(Listing::ALWAYS);
        let earlier = |a: Option<Millis>, b: Option<Millis>| a.into_iter().chain(b).min().unwrap_or(Listing::FOREVER);
        let (from, until) = (later(said.from, self.config.from()), earlier(said.until, self.config.until()));
        if from >= until {
            self.never = (self.never.0 + 1, if self.never.0 == 0 { line } else { self.never.1 });
            return;
        }
        if self.entries.len() >= self.limits.entries_max {
            if !self.is_full {
                self.is_full = true;
                self.fault(line, format!("more than {} entries; is it the right file?", self.limits.entries_max));
            }
            return;
        }
        self.entries.push(Listing { first, prefix, category, confidence, tag, from, until });
    }

    /// The name of a tag: counted here before it enters the process's table, which never shrinks.
    fn tag(&mut self, line: u64, said: Option<&str>) -> Option<Name> {
        let text = said.or(self.config.tag.as_deref()).unwrap_or("");
        if let Some(name) = self.tags.get(text) {
            return Some(*name);
        }
        if text.len() > LIST_TAG_BYTES_MAX || text.chars().any(char::is_control) {
            self.fault(line, format!("tag '{}' is longer than {LIST_TAG_BYTES_MAX} bytes or no text", shown(text)));
            return None;
        }
        if self.tags.len() >= self.limits.tags_max {
            if !self.is_full {
                self.is_full = true;
                self.fault(line, format!("more than {} different tags", self.limits.tags_max));
            }
            return None;
        }
        let Some(name) = Name::whole(text) else {
            self.is_full = true;
            self.fault(line, "no room for further names; a restart makes room".to_owned());
            return None;
        };
        self.tags.insert(text.to_owned(), name);
        Some(name)
    }

    /// The list, or its faults.
    pub(super) fn finish(mut self) -> Result<Decoded, Vec<ListFault>> {
        let unreadable = self.unreadable.0.len() + self.unreadable.1;
        let others: u64 = self.left_out.iter().map(|(_, count, _)| *count).sum();
        let read = self.entries.len().max(self.taken) + others as usize;
        if unreadable * UNREADABLE_ONE_IN > unreadable + read {
            let (told, more) = std::mem::take(&mut self.unreadable);
            told.into_iter().for_each(|fault| self.fault(fault.line, fault.message));
            self.more_faults += more as u64;
        }
        if self.faults.is_empty() && self.entries.is_empty() && self.never.0 == 0 {
            self.faults.push(ListFault::names_nothing());
        }
        if self.more_faults > 0 {
            let message = format!("{} faults more", self.more_faults);
            self.faults.push(ListFault { line: 0, message });
        }
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let mut warnings = Vec::new();
        if let Some(ListFault { line, message }) = self.unreadable.0.first() {
            warnings.push(format!(
                "{unreadable} values cannot be read and are left out; the first on line {line}: {message}"
            ));
        }
        for (what, count, line) in &self.left_out {
            warnings.push(format!("{count} {what}, which are left out; the first on line {line}"));
        }
        for ((count, line), what) in [
            (self.special, "of private or reserved networks, which are left out"),
            (self.never, "that end before they begin, which are left out"),
        ] {
            if count > 0 {
                warnings.push(format!("{count} entries {what}; the first on line {line}"));
            }
        }
        if self.entries.is_empty() {
            warnings.push("no entry holds at any time".to_owned());
        }
        Ok(Decoded { list: List { name: self.config.name.clone(), entries: self.entries }, warnings })
    }
}
