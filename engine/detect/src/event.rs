//! An event as the core keeps it: fixed size, nothing borrowed, texts reduced to numbers.
//!
//! About 300 bytes; a key holds at most [`crate::lane::LANE_EVENTS_MAX`] of them a lane.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroU128};

use arrayvec::ArrayVec;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::files::FileFacts;
use crate::listed::Listed;
use crate::model::{AccountKind, Action, Channel, ObjectTable, Os, Outcome, Reason};
use crate::place::{Carrier, NoPlace, Place};
use crate::profile::{Apart, Parties, Statement};
use crate::time::{Millis, SECOND};

/// Exceptions of one event that are kept; further ones are dropped and counted where the event is made.
pub const EVENT_EXCEPTIONS_MAX: usize = 4;

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub time: Millis,
    /// When the log took it in, if the source says.
    pub stamp: Option<Millis>,
    /// Its identity in the instance.
    pub id: EventId,
    /// Hash of the record's bytes: of two copies the smaller wins.
    pub content: u64,
    /// Hash of the action key; 0: none.
    pub action_key: u64,
    /// How much the record tells; of the records of one action the richest is kept.
    pub richness: u16,
    /// Hash of the session; 0: none.
    pub session: u64,
    /// Hash of the device's id; 0: none.
    pub device: u64,
    /// What the record says of the device.
    pub device_facts: DeviceFacts,
    /// Hash of the user agent; 0: none.
    pub agent: u64,
    /// Hash of the object; 0: none.
    pub object: u64,
    /// The object, where it is a row.
    pub object_row: Option<ObjectRow>,
    /// The client's address, if the record carries it.
    pub address: Option<Address>,
    /// What the `GeoIP` build says of the address.
    pub location: EventLocation,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    pub reason: Reason,
    /// The way in.
    pub channel: Channel,
    /// What sort of account it is.
    pub kind: AccountKind,
    /// A second factor was used; `None`: not known.
    pub mfa: Option<bool>,
    /// What the record says of the account beside that.
    pub account: AccountFacts,
    /// Synthetic or canary.
    pub test: bool,
    /// What was carried.
    pub quantity: Quantity,
    /// Rules whose scope takes the event, one bit each by their place in the plan, and behind them the sensitivities
    /// that hold for it and what its record says of conditions ([`crate::rule::shifts`]).
    pub rules: u128,
    /// Exceptions that cover the event, by their place in the plan.
    pub exceptions: ArrayVec<u16, EVENT_EXCEPTIONS_MAX>,
    /// The plan the event arrived under.
    pub version: u8,
    /// Where this is about the account of the key itself, that it is switched on or off, that its person has left, or who it
    /// is: from when that counts, seconds since the epoch.
    #[serde(with = "crate::format::since_2")]
    pub effective: Option<NonZeroU32>,
    /// What few records say.
    #[serde(with = "crate::format::since_2")]
    pub apart: Option<Box<Apart>>,
    /// What lists say, from a later time on, of its address, and of those from which its user was before: see
    /// [`crate::afterwards`].
    #[serde(with = "crate::format::since_2")]
    pub later: Option<Box<[Later]>>,
}

/// What lists say of an address from a time on that is later than an event from there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Later {
    /// The address.
    pub address: Address,
    /// From when on; earlier than the event where lists say now what they did not say then.
    pub from: Millis,
    /// What they say.
    pub listed: Listed,
}

/// What a record of an activity says of the account itself. It outranks what others say ([`crate::profile`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The account holds privileged roles.
    pub privileged: bool,
    /// The record says whether it does.
    pub says_privileged: bool,
    /// The record names groups.
    pub names_groups: bool,
}

impl AccountFacts {
    /// As one byte; an older format has room for the first alone.
    const fn bits(self) -> u8 {
        self.privileged as u8 | (self.says_privileged as u8) << 1 | (self.names_groups as u8) << 2
    }
}

impl Serialize for AccountFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(if crate::format::is_at_least(2) { self.bits() } else { self.bits() & 1 })
    }
}

impl<'de> Deserialize<'de> for AccountFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = u8::deserialize(deserializer)?;
        let is = |bit: u8| bits >> bit & 1 == 1;
        Ok(Self { privileged: is(0), says_privileged: is(1), names_groups: is(2) })
    }
}

/// What the `GeoIP` build and lists say of an event's address.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventLocation {
    /// The place, or why there is none.
    pub place: Result<Place, NoPlace>,
    /// The network's operator.
    pub carrier: Carrier,
    /// What lists said of the address at the time of the event.
    #[serde(with = "crate::format::since_2")]
    pub listed: Listed,
}

impl EventLocation {
    /// No address, no place.
    pub const NONE: Self = Self { place: Err(NoPlace::Unknown), carrier: Carrier::NONE, listed: Listed::NONE };
}

/// What a record says of the device it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Something manages it.
    pub managed: Option<bool>,
    /// It meets its policy.
    pub compliant: Option<bool>,
    /// Its operating system.
    pub os: Os,
}

/// An object that is a row of the instance, so that alerts can name it: a few bytes and no allocation. Names of files
/// and ids of another form are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// The table, if it is on the list.
    pub table: ObjectTable,
    sys_id: [u8; 16],
}

impl ObjectRow {
    /// The row with an id of 32 hex digits in lower case; none of any other form.
    pub fn new(table: &str, id: &str) -> Option<Self> {
        Some(Self { table: ObjectTable::from_word(table), sys_id: hex_128(id)?.to_be_bytes() })
    }

    /// Its `sys_id`.
    pub const fn sys_id(&self) -> u128 {
        u128::from_be_bytes(self.sys_id)
    }
}

/// What an event carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// Files or documents.
    pub objects: u32,
    /// Rows of tables.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Quantity {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_add(other.objects),
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left without the other, of each 0 at least.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(other.objects),
            rows: self.rows.saturating_sub(other.rows),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl Event {
    /// See [`Event::effective`], in milliseconds.
    pub fn counts_from(&self) -> Option<Millis> {
        self.effective.map(|secs| Millis::from(secs.get()) * SECOND)
    }

    /// What the record says of a file, where that may harm it.
    pub fn file(&self) -> Option<&FileFacts> {
        match self.apart.as_deref() {
            Some(Apart::File(facts)) => Some(facts),
            Some(Apart::Parties(parties)) => parties.file.as_ref(),
            _ => None,
        }
    }

    /// Whom the record is about beside the user or entity whose key it has, where that is kept.
    pub fn parties(&self) -> Option<&Parties> {
        match self.apart.as_deref() {
            Some(Apart::Parties(parties)) => Some(parties),
            _ => None,
        }
    }

    /// What the record says of the account, if it is about that and nothing else.
    pub fn statement(&self) -> Option<&Statement> {
        match self.apart.as_deref() {
            Some(Apart::Statement(statement)) => Some(statement),
            _ => None,
        }
    }

    /// Its place in the order of its key.
    pub const fn order(&self) -> Order<'_> {
        Order { time: self.time, class: self.class(), id: &self.id }
    }

    /// Starts come before what they start, failures before the success they lead to, and a logout comes last:
    /// `ServiceNow`'s clock has whole seconds, so events of one second need an order that makes sense.
    pub const fn class(&self) -> u8 {
        class_of(self.action, self.outcome)
    }
}

/// See [`Event::class`].
pub(crate) const fn class_of(action: Action, outcome: Outcome) -> u8 {
    match (action, outcome) {
        (_, Outcome::Failure) => 1,
        (Action::Login | Action::SessionStart | Action::UserProfile, _) => 0,
        (Action::MfaChallenge, _) => 2,
        (Action::Logout, _) => 4,
        _ => 3,
    }
}

/// The order of a key's events: time, class, id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order<'a> {
    /// Event time.
    pub time: Millis,
    /// See [`Event::class`].
    pub class: u8,
    /// The event's id.
    pub id: &'a EventId,
}

impl Order<'_> {
    /// A copy that can be kept.
    pub fn to_owned(self) -> OwnedOrder {
        OwnedOrder { time: self.time, class: self.class, id: self.id.clone() }
    }
}

/// A place in the order of a key's events, kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OwnedOrder {
    /// Event time.
    pub time: Millis,
    /// See [`Event::class`].
    pub class: u8,
    /// The event's id.
    pub id: EventId,
}

impl OwnedOrder {
    /// The borrowed form.
    pub const fn as_order(&self) -> Order<'_> {
        Order { time: self.time, class: self.class, id: &self.id }
    }
}

/// The tables whose row ids are kept as numbers.
const ROW_TABLES: [&str; 4] = ["sysevent", "syslog_transaction", "sys_audit", "sys_attachment"];

/// An event's identity. Ids of `ServiceNow` rows (`sysevent:<32 hex>`, `sys_attachment:<32 hex>:<revision>`) are kept
/// as numbers and cost no allocation; every other id is kept as text. The same text is always kept the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventId {
    /// A row of a known table.
    Row {
        /// Place in the list of tables.
        table: u8,
        /// The row's `sys_id`.
        #[serde(with = "postcard::fixint::le")]
        sys_id: u128,
        /// The row's revision, where the id carries one.
        revision: Option<u32>,
    },
    /// Anything else.
    Text(Box<str>),
}

impl EventId {
    /// The identity of an id text.
    pub fn new(text: &str) -> Self {
        Self::row(text).unwrap_or_else(|| Self::Text(text.into()))
    }

    fn row(text: &str) -> Option<Self> {
        let (table, rest) = text.split_once(':')?;
        let table = ROW_TABLES.iter().position(|known| *known == table)? as u8;
        let (hex, revision) = match rest.split_once(':') {
            Some((hex, revision)) => (hex, Some(canonical_number(revision)?)),
            None => (rest, None),
        };
        Some(Self::Row { table, sys_id: hex_128(hex)?, revision })
    }

    /// The row's table and `sys_id`, if it is one.
    pub fn as_row(&self) -> Option<(&'static str, u128)> {
        match self {
            Self::Row { table, sys_id, .. } => Some((ROW_TABLES.get(usize::from(*table))?, *sys_id)),
            Self::Text(_) => None,
        }
    }

    /// A 64-bit hash, the same on every machine.
    pub fn hash64(&self) -> u64 {
        match self {
            Self::Row { table, sys_id, revision } => {
                let mut bytes = [0_u8; 22];
                bytes[..16].copy_from_slice(&sys_id.to_le_bytes());
                bytes[16] = *table;
                bytes[17] = u8::from(revision.is_some());
                bytes[18..].copy_from_slice(&revision.unwrap_or(0).to_le_bytes());
                crate::hash::hash64(&bytes)
            }
            Self::Text(text) => crate::hash::hash64(text.as_bytes()),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { table, sys_id, revision } => {
                write!(f, "{}:{sys_id:032x}", ROW_TABLES.get(usize::from(*table)).copied().unwrap_or("?"))?;
                revision.map_or(Ok(()), |revision| write!(f, ":{revision}"))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A decimal number without leading zeros, so that the text can be made again.
fn canonical_number(text: &str) -> Option<u32> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if leading_zero || !digits { None } else { text.parse().ok() }
}

/// What a byte is worth as a hex digit in lower case; [`NO_DIGIT`]: it is none.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

/// 32 hex digits in lower case. Ids are random, so nothing may branch on a digit: every second guess of the processor
/// would be wrong.
fn hex_128(text: &str) -> Option<u128> {
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let (mut value, mut any) = ([0_u64; 2], 0);
    for (half, digits) in value.iter_mut().zip(digits.as_chunks::<16>().0) {
        for digit in digits {
            let digit = HEX_DIGITS[usize::from(*digit)];
            any |= digit;
            *half = *half << 4 | u64::from(digit & 15);
        }
    }
    (any < 16).then_some(u128::from(value[0]) << 64 | u128::from(value[1]))
}

/// An address, IPv4 mapped into IPv6, so that both compare and hash alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(NonZeroU128);

impl Address {
    /// The address; the unspecified address `::` is none.
    pub fn new(address: IpAddr) -> Option<Self> {
        let bits = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        NonZeroU128::new(bits).map(Self)
    }

    /// The 128 bits.
    pub const fn bits(self) -> u128 {
        self.0.get()
    }

    /// A 64-bit hash that is never 0, the same on every machine.
    pub fn hash64(self) -> u64 {
        crate::hash::hash64_some(&self.bits().to_le_bytes())
    }

    /// The address in its own family.
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self.bits()).to_canonical()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_came() {
        let hex = "0f3c5a0011223344556677889900aabb";
        for text in [
            format!("sysevent:{hex}"),
            format!("sys_attachment:{hex}:3"),
            format!("sys_attachment:{hex}:03"),
            format!("sys_attachment:{hex}:"),
            format!("sysevent:{}", hex.to_uppercase()),
            format!("incident:{hex}"),
            "my-own-id".to_owned(),
            String::new(),
        ] {
            assert_eq!(EventId::new(&text).to_string(), text);
        }
        assert!(EventId::new(&format!("sysevent:{hex}")).as_row().is_some());
        assert!(EventId::new(&format!("sys_attachment:{hex}:03")).as_row().is_none());
    }

    #[test]
    fn both_families_compare_as_one_kind_of_address() {
        let v4 = Address::new("203.0.113.9".parse().unwrap()).unwrap();
        let mapped = Address::new("::ffff:203.0.113.9".parse().unwrap()).unwrap();
        assert_eq!(v4, mapped);
        assert_eq!(v4.to_string(), "203.0.113.9");
        assert_eq!(Address::new("::".parse().unwrap()), None);
    }
}
