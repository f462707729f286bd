//! The table that answers: networks of all lists cut into sorted ranges, each with what holds there from when on.

use std::collections::{BTreeSet, HashMap};

use super::{
    LIST_NETWORK_ENTRIES_MAX, LIST_PARTS_MAX, LIST_SPANS_MAX, LIST_STEPS_MAX, List, ListBuild, Listing, ListsFault,
    ListsFootprint,
};
use crate::listed::{Category, LOADED_ANSWERS_MAX, ListEntry, Listed, chosen};
use crate::names::Name;
use crate::ranges::{NOTHING, Ranges, V4Index, V6Index};
use crate::time::Millis;

/// `::ffff:0:0/96`: where IPv4 addresses lie.
const MAPPED: u128 = 0xffff << 32;

/// From an event time on, what the lists say.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Millis,
    listed: Listed,
}

/// What it may take to lay out lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) steps_max: usize,
    pub(super) parts_max: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps_max: LIST_STEPS_MAX, parts_max: LIST_PARTS_MAX }
    }
}

/// Ranges of addresses over spans of time.
pub(super) struct Table {
    v4: V4Index,
    v6: V6Index,
    /// Where the spans of each answer begin; one more at the end. Answer [`NOTHING`] has none.
    answers: Vec<u32>,
    spans: Vec<Span>,
}

/// An entry of one list.
#[derive(Clone, Copy)]
struct Item {
    listing: Listing,
    list: u16,
}

impl Table {
    pub(super) fn new(lists: &[List], builds: &[ListBuild], budget: Budget) -> Result<Self, ListsFault> {
        let mut items: Vec<Item> = Vec::with_capacity(lists.iter().map(|list| list.entries.len()).sum());
        for (list, of) in (0_u16..).zip(lists) {
            items.extend(of.entries.iter().map(|listing| Item { listing: *listing, list }));
        }
        items.sort_by_key(|item| (item.listing.first, item.listing.prefix, item.list));
        let named = |build: &ListBuild| Name::whole(&build.name).map(|name| (name, build.digest.0));
        let digests = builds.iter().map(named).collect::<Option<_>>().ok_or(ListsFault::NoRoom)?;
        let mut sweep = Sweep::new(digests, budget);
        for network in items.chunk_by(|a, b| (a.listing.first, a.listing.prefix) == (b.listing.first, b.listing.prefix))
        {
            sweep.enter(network)?;
        }
        sweep.leave_until(u128::MAX)?;
        let Sweep { v4, v6, mut answers, spans, told, .. } = sweep;
        answers.push(spans.len() as u32);
        answers.shrink_to_fit();
        // The process's table never shrinks: nothing enters it before all limits are known to hold.
        let mut told: Vec<(Vec<ListEntry>, u32)> = told.into_iter().collect();
        told.sort_unstable_by_key(|(_, number)| *number);
        let listed = Listed::loaded(told.into_iter().map(|(entries, _)| entries)).ok_or(ListsFault::NoRoom)?;
        let span = |(from, told): (Millis, u32)| listed.get(told as usize).map(|listed| Span { from, listed: *listed });
        let spans = spans.into_iter().filter_map(span).collect();
        Ok(Self { v4: V4Index::new(&v4), v6: V6Index::new(&v6), answers, spans })
    }

    #[inline]
    pub(super) fn find(&self, bits: u128, at: Millis) -> Listed {
        let spans = self.spans_of(bits);
        let after = spans.partition_point(|span| span.from <= at);
        after.checked_sub(1).and_then(|index| spans.get(index)).map_or(Listed::NONE, |span| span.listed)
    }

    /// Since when that is said, the same, and what is said from later times on.
    #[inline]
    pub(super) fn find_and_after(
        &self,
        bits: u128,
        at: Millis,
    ) -> (Millis, Listed, impl Iterator<Item = (Millis, Listed)>) {
        let spans = self.spans_of(bits);
        let (before, after) = spans.split_at(spans.partition_point(|span| span.from <= at));
        let (from, now) = before.last().map_or((at, Listed::NONE), |span| (span.from, span.listed));
        (from, now, after.iter().map(|span| (span.from, span.listed)))
    }

    /// What is said of an address, by the times from which it is.
    #[inline]
    fn spans_of(&self, bits: u128) -> &[Span] {
        let is_v4 = bits >> 32 == MAPPED >> 32;
        let answer = if is_v4 { self.v4.find(bits as u32) } else { self.v6.find(bits) };
        if answer == NOTHING {
            return &[];
        }
        let answer = answer as usize;
        match (self.answers.get(answer), self.answers.get(answer + 1)) {
            (Some(first), Some(end)) => self.spans.get(*first as usize..*end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    pub(super) fn footprint(&self) -> ListsFootprint {
        let answers = self.answers.len() * size_of::<u32>() + self.spans.len() * size_of::<Span>();
        ListsFootprint {
            v4_ranges: self.v4.count(),
            v6_ranges: self.v6.count(),
            spans: self.spans.len(),
            bytes: self.v4.bytes() + self.v6.bytes() + answers,
        }
    }
}

/// A pass over networks in order: those that hold at a point are nested, the innermost last.
struct Sweep<'a> {
    /// Name and digest of each list.
    lists: Vec<(Name, u64)>,
    open: Vec<&'a [Item]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    answers: Vec<u32>,
    /// From when on, and the number of what is told.
    spans: Vec<(Millis, u32)>,
    /// What is told, by numbers of this pass.
    told: HashMap<Vec<ListEntry>, u32>,
    budget: Budget,
    /// Entries looked at: see [`LIST_STEPS_MAX`].
    steps: usize,
    /// Entries in `known`: see [`LIST_PARTS_MAX`].
    parts: usize,
    /// Answers that are there already, by the entries they come of.
    known: HashMap<Vec<Part>, u32>,
    scratch: Vec<Part>,
}

/// What an answer depends on of an entry: how deep its network lies, and what it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Part {
    depth: u8,
    list: u16,
    category: Category,
    confidence: u8,
    tag: Name,
    from: Millis,
    until: Millis,
}

impl<'a> Sweep<'a> {
    fn new(lists: Vec<(Name, u64)>, budget: Budget) -> Self {
        Self {
            lists,
            open: Vec::new(),
            v4: Ranges::default(),
            v6: Ranges::default(),
            // Of nothing there are no spans. The end of the last answer's is added when all are there.
            answers: vec![0],
            spans: Vec::new(),
            told: HashMap::from([(Vec::new(), NONE)]),
            budget,
            steps: 0,
            parts: 0,
            known: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    /// The entries of one network.
    fn enter(&mut self, network: &'a [Item]) -> Result<(), ListsFault> {
        let Some(first) = network.first().map(|item| item.listing.first) else { return Ok(()) };
        if let Some(before) = first.checked_sub(1) {
            self.leave_until(before)?;
        }
        for of_list in network.chunk_by(|a, b| a.list == b.list) {
            let found = of_list.len();
            if let Some(item) = of_list.first().filter(|_| found > LIST_NETWORK_ENTRIES_MAX) {
                return Err(ListsFault::TooManyOfNetwork { list: self.name(item.list), found });
            }
        }
        self.open.push(network);
        self.push(first)
    }

    /// Leaves the networks that end at or before an address.
    fn leave_until(&mut self, address: u128) -> Result<(), ListsFault> {
        while let Some(last) = self.open.last().and_then(|network| network.first()).map(|item| item.listing.last()) {
            if last > address {
                break;
            }
            self.open.pop();
            if let Some(next) = last.checked_add(1) {
                self.push(next)?;
            }
        }
        Ok(())
    }

    /// From this address on the open networks hold.
    fn push(&mut self, start: u128) -> Result<(), ListsFault> {
        let answer = self.answer()?;
        if start >> 32 == MAPPED >> 32 {
            self.v4.push(start as u32, answer);
        } else {
            self.v6.push(start, answer);
        }
        Ok(())
    }

    /// The number of what the open networks say.
    fn answer(&mut self) -> Result<u32, ListsFault> {
        if self.open.is_empty() {
            return Ok(NOTHING);
        }
        let mut parts = std::mem::take(&mut self.scratch);
        parts.clear();
        for (depth, network) in self.open.iter().enumerate() {
            parts.extend(network.iter().map(|Item { listing, list }| Part {
                depth: depth as u8,
                list: *list,
                category: listing.category,
                confidence: listing.confidence,
                tag: listing.tag,
                from: listing.from,
                until: listing.until,
            }));
        }
        self.take(parts.len(), &parts)?;
        if let Some(answer) = self.known.get(parts.as_slice()) {
            self.scratch = parts;
            return Ok(*answer);
        }
        let answer = self.answers.len() as u32;
        self.answers.push(self.spans.len() as u32);
        let mut times: BTreeSet<Millis> = parts.iter().map(|part| part.from).collect();
        times.extend(parts.iter().map(|part| part.until).filter(|until| *until != Listing::FOREVER));
        let mut last = None;
        for from in times {
            let (entries, steps) = at(&parts, from, &self.lists);
            self.take(steps, &parts)?;
            let told = self.tell(entries, &parts)?;
            if last.map_or(told != NONE, |last| last != told) {
                self.spans.push((from, told));
                last = Some(told);
            }
        }
        if self.spans.len() > LIST_SPANS_MAX {
            return Err(ListsFault::TooManySpans { list: self.most_of(&parts) });
        }
        self.parts += parts.len();
        if self.parts > self.budget.parts_max {
            return Err(ListsFault::TooEntangled { list: self.most_of(&parts) });
        }
        self.known.insert(parts, answer);
        Ok(answer)
    }

    /// The number of what is told.
    fn tell(&mut self, entries: Vec<ListEntry>, parts: &[Part]) -> Result<u32, ListsFault> {
        if let Some(number) = self.told.get(&entries) {
            return Ok(*number);
        }
        // That of nothing is there from the first on and not counted.
        if self.told.len() > LOADED_ANSWERS_MAX {
            return Err(ListsFault::TooManyAnswers { list: self.most_of(parts) });
        }
        let number = self.told.len() as u32;
        self.told.insert(entries, number);
        Ok(number)
    }

    /// Counts steps for an answer of these entries.
    fn take(&mut self, steps: usize, parts: &[Part]) -> Result<(), ListsFault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.budget.steps_max {
            Err(ListsFault::TooEntangled { list: self.most_of(parts) })
        } else {
            Ok(())
        }
    }

    /// The name of the list that most of these entries are of.
    fn most_of(&self, parts: &[Part]) -> String {
        let mut counts = vec![0_usize; self.lists.len()];
        for part in parts {
            if let Some(count) = counts.get_mut(usize::from(part.list)) {
                *count += 1;
            }
        }
        let most = (0_u16..).zip(counts).max_by_key(|(_, count)| *count);
        most.map_or_else(String::new, |(list, _)| self.name(list))
    }

    fn name(&self, list: u16) -> String {
        self.lists.get(usize::from(list)).map_or("", |(name, _)| name.as_str()).to_owned()
    }
}

/// The number of a pass for what is told where nothing is.
const NONE: u32 = 0;

/// What the entries of nested networks say at a time, and in how many steps that is found: of each list its innermost
/// network that says anything then, once a category, with the most confidence.
fn at(parts: &[Part], time: Millis, lists: &[(Name, u64)]) -> (Vec<ListEntry>, usize) {
    let holds = |part: &&Part| part.from <= time && time < part.until;
    let mut entries: Vec<(Part, ListEntry)> = Vec::new();
    let mut steps = parts.len();
    for part in parts.iter().filter(holds) {
        steps += entries.len();
        let (list, digest) = lists.get(usize::from(part.list)).copied().unwrap_or_default();
        let Part { category, confidence, tag, .. } = *part;
        let entry = ListEntry { category, confidence, list, tag, digest };
        // Deeper networks come later.
        entries.retain(|(known, _)| known.list != part.list || known.depth == part.depth);
        let same = |(known, _): &&mut (Part, ListEntry)| known.list == part.list && known.category == category;
        match entries.iter_mut().find(same) {
            // The smaller tag of two of one confidence, so that the order of lines decides nothing.
            Some((_, known)) if (known.confidence, tag.as_str()) < (confidence, known.tag.as_str()) => *known = entry,
            Some(_) => {}
            None => entries.push((*part, entry)),
        }
    }
    (chosen(entries.into_iter().map(|(_, entry)| entry).collect()), steps)
}
