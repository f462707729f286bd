//! Conditions as they are run: flat, without a text to be read and without allocating.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::fields::{FlagField, ListField, NumberField, TextField, WordField};
use crate::event::Address;
use crate::finding::SeenAddress;
use crate::networks::{Networks, Tag};
use crate::radius::is_mobile;
use crate::rule::Network;

/// Bytes of a text in which `contains` looks at most: a record can hold far longer ones, and every event pays.
pub const CONTAINS_BYTES_MAX: usize = 4_096;

/// Bits in which an event keeps what came of one part.
const TRUTH_BITS: usize = 2;
const TRUTH_MASK: u128 = (1 << TRUTH_BITS) - 1;

/// A value of Kleene's logic. The order is what `and` (the lesser) and `or` (the greater) are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not hold.
    False,
    /// The record does not say.
    Unknown,
    /// It holds.
    True,
}

impl Truth {
    /// The negation: what is unknown stays so.
    #[must_use]
    pub const fn negated(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    const fn of(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }

    const fn bits(self) -> u128 {
        self as u128
    }

    const fn from_bits(bits: u128) -> Self {
        match bits & TRUTH_MASK {
            0 => Self::False,
            2 => Self::True,
            _ => Self::Unknown,
        }
    }
}

/// What can be asked for its fields. What is not there is `None`, and so is what it is not about.
pub trait Record {
    /// The words that stand there, as a set by their numbers.
    fn words(&self, field: WordField) -> Option<u64>;
    /// The text that stands there; never empty.
    fn text(&self, field: TextField) -> Option<&str>;
    /// The texts that stand there; never none.
    fn texts(&self, field: ListField) -> Option<&[Cow<'_, str>]>;
    /// The number that stands there.
    fn number(&self, field: NumberField) -> Option<u64>;
    /// Is it so?
    fn flag(&self, field: FlagField) -> Option<bool>;
    /// Its address.
    fn address(&self) -> Option<Address>;
}

/// What is known of where an activity came from.
#[derive(Clone, Copy, Debug)]
pub struct FromWhere<'a> {
    /// The address: the record's own, or its session's.
    pub seen: Option<SeenAddress>,
    /// What the set of rules says of networks.
    pub networks: &'a Networks,
    /// Are there lists of addresses?
    pub has_lists: bool,
}

impl Record for FromWhere<'_> {
    fn words(&self, field: WordField) -> Option<u64> {
        let seen = self.seen.as_ref()?;
        let none = |set: u64| if set == 0 { 1 << (field.words().len() - 1) } else { set };
        match field {
            WordField::Tag => {
                let tag = self.networks.tagged(seen).map(|entry| entry.tag);
                let number = tag.and_then(|tag| Tag::ALL.iter().position(|known| *known == tag));
                Some(number.map_or(1 << Tag::ALL.len(), |number| 1 << number))
            }
            WordField::Listed => self.has_lists.then(|| {
                let entries = seen.location.listed.entries().iter();
                none(entries.fold(0, |set, entry| set | 1 << (entry.category as usize)))
            }),
            _ => None,
        }
    }

    fn text(&self, field: TextField) -> Option<&str> {
        let seen = self.seen.as_ref()?;
        let place = seen.location.place.as_ref().ok();
        let text = match field {
            TextField::Country => place?.country.as_str(),
            TextField::City => place?.city.as_str(),
            TextField::Organisation => seen.location.carrier.organisation.as_str(),
            TextField::NetworkName => self.networks.tagged(seen)?.name.as_str(),
            _ => "",
        };
        Some(text).filter(|text| !text.is_empty())
    }

    fn texts(&self, _: ListField) -> Option<&[Cow<'_, str>]> {
        None
    }

    fn number(&self, field: NumberField) -> Option<u64> {
        let location = &self.seen.as_ref()?.location;
        match field {
            NumberField::Asn => Some(location.carrier.asn.into()).filter(|asn| *asn != 0),
            NumberField::Confidence => self.has_lists.then(|| location.listed.confidence().into()),
            _ => None,
        }
    }

    fn flag(&self, field: FlagField) -> Option<bool> {
        let carrier = self.seen.as_ref()?.location.carrier;
        (field == FlagField::Mobile && !carrier.organisation.is_empty()).then(|| is_mobile(carrier))
    }

    fn address(&self) -> Option<Address> {
        self.seen.as_ref().map(|seen| seen.address)
    }
}

/// How a text is compared. Letters of ASCII are compared in any case, others as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It is one of them. They are in order.
    Is,
    /// It begins with one of them.
    Starts,
    /// It ends with one of them.
    Ends,
    /// One of them stands in its first [`CONTAINS_BYTES_MAX`] bytes.
    Contains,
}

/// One test of one field. Values are in small letters, as far as ASCII goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// One of the words is among these.
    Words { field: WordField, among: u64 },
    /// The text fits one of these.
    Text { field: TextField, how: How, values: Box<[Box<str>]> },
    /// One of the texts fits one of these.
    List { field: ListField, how: How, values: Box<[Box<str>]> },
    /// The number is one of these, which are in order.
    Among { field: NumberField, values: Box<[u64]> },
    /// The number lies between these, both included.
    Between { field: NumberField, low: u64, high: u64 },
    /// It is so, or not so.
    Flag { field: FlagField, is: bool },
    /// The address lies in one of these.
    Networks { networks: Box<[Network]> },
    /// The record has the field.
    Set { field: super::Field, is: bool },
}

impl Test {
    fn truth<R: Record>(&self, record: &R) -> Truth {
        let found = match self {
            Self::Words { field, among } => record.words(*field).map(|words| words & among != 0),
            Self::Text { field, how, values } => record.text(*field).map(|text| fits(text, *how, values)),
            Self::List { field, how, values } => {
                record.texts(*field).map(|texts| texts.iter().any(|text| fits(text, *how, values)))
            }
            Self::Among { field, values } => record.number(*field).map(|number| values.binary_search(&number).is_ok()),
            Self::Between { field, low, high } => record.number(*field).map(|number| *low <= number && number <= *high),
            Self::Flag { field, is } => record.flag(*field).map(|flag| flag == *is),
            Self::Networks { networks } => {
                record.address().map(|address| networks.iter().any(|network| network.contains(address.bits())))
            }
            Self::Set { field, is } => Some(has(record, *field) == *is),
        };
        found.map_or(Truth::Unknown, Truth::of)
    }
}

fn has<R: Record>(record: &R, field: super::Field) -> bool {
    match field {
        super::Field::Words(field) => record.words(field).is_some(),
        super::Field::Text(field) => record.text(field).is_some(),
        super::Field::List(field) => record.texts(field).is_some(),
        super::Field::Number(field) => record.number(field).is_some(),
        super::Field::Flag(field) => record.flag(field).is_some(),
        super::Field::Address => record.address().is_some(),
    }
}

fn fits(text: &str, how: How, values: &[Box<str>]) -> bool {
    let bytes = text.as_bytes();
    match how {
        How::Is => values.binary_search_by(|value| compared(value.as_bytes(), bytes)).is_ok(),
        How::Starts => values
            .iter()
            .any(|value| bytes.get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value.as_bytes()))),
        How::Ends => values.iter().any(|value| {
            let begin = bytes.len().checked_sub(value.len());
            let end = begin.and_then(|begin| bytes.get(begin..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(value.as_bytes()))
        }),
        How::Contains => {
            let bytes = bytes.get(..CONTAINS_BYTES_MAX).unwrap_or(bytes);
            values.iter().any(|value| stands_in(value.as_bytes(), bytes))
        }
    }
}

/// A value in small letters beside a text in any.
fn compared(value: &[u8], text: &[u8]) -> Ordering {
    value.iter().copied().cmp(text.iter().map(u8::to_ascii_lowercase))
}

fn stands_in(value: &[u8], text: &[u8]) -> bool {
    text.windows(value.len()).any(|window| window.eq_ignore_ascii_case(value))
}

/// A condition, its parts in the order in which they are asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    pub(super) nodes: Box<[Node]>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Where the next node that is not within this one stands.
    pub(super) end: u16,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    All,
    Any,
    Not,
    Test(Test),
    /// What came of a part that was asked before.
    Fact(u8),
}

impl Program {
    fn truth<R: Record>(&self, record: &R, facts: u128) -> Truth {
        self.at(0, record, facts)
    }

    /// No deeper than [`super::CONDITION_DEPTH_MAX`].
    fn at<R: Record>(&self, index: usize, record: &R, facts: u128) -> Truth {
        let Some(node) = self.nodes.get(index) else { return Truth::Unknown };
        match &node.what {
            What::Test(test) => test.truth(record),
            What::Fact(number) => Truth::from_bits(facts >> (TRUTH_BITS * usize::from(*number))),
            What::Not => self.at(index + 1, record, facts).negated(),
            What::All => self.fold(index, Truth::True, Truth::False, Truth::and, record, facts),
            What::Any => self.fold(index, Truth::False, Truth::True, Truth::or, record, facts),
        }
    }

    fn fold<R: Record>(
        &self,
        index: usize,
        begin: Truth,
        settled: Truth,
        join: fn(Truth, Truth) -> Truth,
        record: &R,
        facts: u128,
    ) -> Truth {
        let end = self.nodes.get(index).map_or(0, |node| usize::from(node.end));
        let (mut truth, mut part) = (begin, index + 1);
        while part < end && truth != settled {
            truth = join(truth, self.at(part, record, facts));
            part = self.nodes.get(part).map_or(end, |node| usize::from(node.end));
        }
        truth
    }
}

/// What a rule asks of an activity, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// What is asked of the record alone.
    pub(super) record: Option<Program>,
    /// Parts that are asked of the record, of what is asked of both.
    pub(super) facts: Box<[Program]>,
    /// What is asked of the address, and of both.
    pub(super) place: Option<Program>,
    /// Actions that may fulfil it, as a set by their numbers.
    pub(super) actions: u64,
    /// Tags of networks that it names, as a set by their numbers.
    pub(super) tags: u64,
    /// All of it in words.
    pub(super) words: Box<str>,
}

impl Conditions {
    /// Bits of an event that the answers of the record take.
    pub fn bits(&self) -> usize {
        usize::from(self.record.is_some()) + TRUTH_BITS * self.facts.len()
    }

    /// Does the record alone decide a part that must hold? Then that is the first of the bits.
    pub const fn has_own_bit(&self) -> bool {
        self.record.is_some()
    }

    /// The actions that may fulfil it, as a set by their numbers.
    pub const fn actions(&self) -> u64 {
        self.actions
    }

    /// Tags of networks that it names.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        let named = (0..).zip(Tag::ALL).filter(|(number, _)| self.tags & 1_u64 << number != 0);
        named.map(|(_, tag)| tag)
    }

    /// It in words.
    pub const fn words(&self) -> &str {
        &self.words
    }

    /// The answers of a record.
    pub fn ask<R: Record>(&self, record: &R) -> u128 {
        if self.record.as_ref().is_some_and(|program| program.truth(record, 0) != Truth::True) {
            return 0;
        }
        let own = usize::from(self.record.is_some());
        let facts = self.facts.iter().enumerate();
        facts.fold(own as u128, |bits, (number, fact)| {
            bits | fact.truth(record, 0).bits() << (own + TRUTH_BITS * number)
        })
    }

    /// Does all of it hold, given the record's answers (from their first bit on) and where the activity came from?
    pub fn hold(&self, answers: u128, from: &FromWhere<'_>) -> bool {
        let own = usize::from(self.record.is_some());
        (own == 0 || answers & 1 != 0)
            && self.place.as_ref().is_none_or(|program| program.truth(from, answers >> own) == Truth::True)
    }

    /// Does what the address is matter?
    pub const fn asks_place(&self) -> bool {
        self.place.is_some()
    }
}
