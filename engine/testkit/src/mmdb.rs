//! A writer of `MaxMind` DB files (format 2.0), for the demo's databases and for the fixtures of tests.
//!
//! Written after the public specification of the format (<https://maxmind.github.io/MaxMind-DB/>). The same input gives
//! the same bytes: nothing here asks for the time or a random number.

mod demo;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

pub use demo::{DEMO_BUILD_EPOCH, DemoError, demo_files, files_of};

/// A value as the format knows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// 64-bit floating point.
    Double(f64),
    /// 32-bit floating point.
    Float(f32),
    /// Unsigned 16 bits.
    U16(u16),
    /// Unsigned 32 bits.
    U32(u32),
    /// Unsigned 64 bits.
    U64(u64),
    /// Signed 32 bits.
    I32(i32),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// A map; its order is kept.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A map from pairs, in their order.
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

/// What stands in the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The type, e.g. `GeoLite2-City`.
    pub database_type: String,
    /// A sentence in English.
    pub description: String,
    /// 4, or 6 for both families.
    pub ip_version: u16,
    /// 24, 28 or 32 bits for each side of a node.
    pub record_bits: u16,
    /// When it was built, seconds since the epoch.
    pub build_epoch: u64,
    /// Should `::ffff:0:0/96`, `2002::/16` and `2001::/32` lead into the IPv4 networks, as in `MaxMind`'s files?
    pub aliases: bool,
}

/// Why a file cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MmdbError {
    /// The prefix is zero or longer than the address, or the address has bits after it.
    #[error("{0}/{1} is not a network")]
    BadNetwork(IpAddr, u8),
    /// An IPv6 network in an IPv4 file.
    #[error("{0} does not fit into an IPv4 file")]
    WrongFamily(IpAddr),
    /// Not 24, 28 or 32 bits, or too few for this many nodes and bytes.
    #[error("{0} bits are not a record size for this file")]
    RecordBits(u16),
    /// A text, list or map longer than the format can say.
    #[error("a value of length {0} is too long")]
    TooLong(usize),
}

/// Where one side of a node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Nothing,
    Node(usize),
    /// Offset in the data section.
    Data(usize),
}

const SEPARATOR_BYTES: usize = 16;
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A file in the making.
#[derive(Debug)]
pub struct Writer {
    meta: Meta,
    nodes: Vec<[Side; 2]>,
    data: Data,
}

impl Writer {
    /// An empty file.
    pub fn new(meta: Meta) -> Self {
        Self { meta, nodes: vec![[Side::Nothing; 2]], data: Data::default() }
    }

    /// Says `value` for a network. A network given later wins over an earlier one where they overlap, so wide networks
    /// come first.
    pub fn insert(&mut self, address: IpAddr, prefix: u8, value: &Value) -> Result<(), MmdbError> {
        let (bits, depth) = self.path(address, prefix)?;
        let offset = self.data.record(value)?;
        self.set(bits, depth, Side::Data(offset));
        Ok(())
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Result<Vec<u8>, MmdbError> {
        if self.meta.aliases && self.meta.ip_version == 6 {
            self.add_aliases();
        }
        let node_count = self.nodes.len();
        let bits = self.meta.record_bits;
        let largest = node_count + SEPARATOR_BYTES + self.data.bytes.len();
        if !matches!(bits, 24 | 28 | 32) || largest as u64 >= 1 << bits {
            return Err(MmdbError::RecordBits(bits));
        }
        let mut file = Vec::with_capacity(largest + node_count * usize::from(bits) / 4);
        for [left, right] in &self.nodes {
            write_node(&mut file, bits, number(*left, node_count), number(*right, node_count));
        }
        file.extend_from_slice(&[0; SEPARATOR_BYTES]);
        file.append(&mut self.data.bytes);
        file.extend_from_slice(MARKER);
        let mut meta = Data::default();
        meta.write(&self.meta.value(node_count))?;
        file.append(&mut meta.bytes);
        Ok(file)
    }

    /// The path to a network from the root, its bits at the upper end.
    fn path(&self, address: IpAddr, prefix: u8) -> Result<(u128, u32), MmdbError> {
        let (bits, depth) = match (address, self.meta.ip_version) {
            (IpAddr::V4(v4), 4) => (u128::from(v4.to_bits()) << 96, u32::from(prefix)),
            (IpAddr::V4(v4), _) => (u128::from(v4.to_bits()), u32::from(prefix) + 96),
            (IpAddr::V6(_), 4) => return Err(MmdbError::WrongFamily(address)),
            (IpAddr::V6(v6), _) => (v6.to_bits(), u32::from(prefix)),
        };
        let family_max = if address.is_ipv4() { 32 } else { 128 };
        let after = bits.checked_shl(depth).unwrap_or(0);
        if prefix == 0 || prefix > family_max || after != 0 {
            return Err(MmdbError::BadNetwork(address, prefix));
        }
        Ok((bits, depth))
    }

    /// Walks to the network, opening nodes on the way; a value met on the way is handed down to both sides.
    fn set(&mut self, bits: u128, depth: u32, side: Side) {
        let mut node = 0;
        for level in 0..depth {
            let right = usize::from(bits >> (127 - level) & 1 == 1);
            if level + 1 == depth {
                self.nodes[node][right] = side;
                return;
            }
            node = match self.nodes[node][right] {
                Side::Node(next) => next,
                inherited => {
                    self.nodes.push([inherited; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][right] = Side::Node(next);
                    next
                }
            };
        }
    }

    fn add_aliases(&mut self) {
        let mut node = 0;
        for _ in 0..96 {
            match self.nodes[node][0] {
                Side::Node(next) => node = next,
                Side::Nothing | Side::Data(_) => return,
            }
        }
        let aliases: [(Ipv6Addr, u32); 3] = [
            (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
            (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
            (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
        ];
        for (address, depth) in aliases {
            self.set(address.to_bits(), depth, Side::Node(node));
        }
    }
}

impl Meta {
    fn value(&self, node_count: usize) -> Value {
        Value::map([
            ("binary_format_major_version", Value::U16(2)),
            ("binary_format_minor_version", Value::U16(0)),
            ("build_epoch", Value::U64(self.build_epoch)),
            ("database_type", Value::text(&self.database_type)),
            ("description", Value::map([("en", Value::text(&self.description))])),
            ("ip_version", Value::U16(self.ip_version)),
            ("languages", Value::List(vec![Value::text("en")])),
            ("node_count", Value::U32(node_count as u32)),
            ("record_size", Value::U16(self.record_bits)),
        ])
    }
}

fn number(side: Side, node_count: usize) -> u32 {
    let number = match side {
        Side::Nothing => node_count,
        Side::Node(node) => node,
        Side::Data(offset) => node_count + SEPARATOR_BYTES + offset,
    };
    number as u32
}

fn write_node(file: &mut Vec<u8>, bits: u16, left: u32, right: u32) {
    let ([l3, l2, l1, l0], [r3, r2, r1, r0]) = (left.to_be_bytes(), right.to_be_bytes());
    match bits {
        24 => file.extend_from_slice(&[l2, l1, l0, r2, r1, r0]),
        28 => file.extend_from_slice(&[l2, l1, l0, (l3 << 4) | (r3 & 0x0f), r2, r1, r0]),
        _ => file.extend_from_slice(&[l3, l2, l1, l0, r3, r2, r1, r0]),
    }
}

/// The data section: equal records and repeated texts stand once.
#[derive(Debug, Default)]
struct Data {
    bytes: Vec<u8>,
    records: HashMap<Vec<u8>, usize>,
    texts: HashMap<String, usize>,
}

impl Data {
    /// The offset of a record, written if it is new. Equality is that of the plain encoding, without pointers.
    fn record(&mut self, value: &Value) -> Result<usize, MmdbError> {
        let mut plain = Self::default();
        plain.encode(value, false)?;
        if let Some(offset) = self.records.get(&plain.bytes) {
            return Ok(*offset);
        }
        let offset = self.bytes.len();
        self.encode(value, true)?;
        self.records.insert(plain.bytes, offset);
        Ok(offset)
    }

    /// Writes a value without pointers, as readers expect it in the metadata.
    fn write(&mut self, value: &Value) -> Result<(), MmdbError> {
        self.encode(value, false)
    }

    fn encode(&mut self, value: &Value, pointers: bool) -> Result<(), MmdbError> {
        match value {
            Value::Text(text) => self.text(text, pointers)?,
            Value::Double(double) => self.head(3, 8).map(|()| self.bytes.extend_from_slice(&double.to_be_bytes()))?,
            Value::Float(float) => self.head(15, 4).map(|()| self.bytes.extend_from_slice(&float.to_be_bytes()))?,
            Value::U16(whole) => self.whole(5, &whole.to_be_bytes())?,
            Value::U32(whole) => self.whole(6, &whole.to_be_bytes())?,
            Value::U64(whole) => self.whole(9, &whole.to_be_bytes())?,
            Value::I32(whole) => self.head(8, 4).map(|()| self.bytes.extend_from_slice(&whole.to_be_bytes()))?,
            Value::Bool(yes) => self.head(14, usize::from(*yes))?,
            Value::List(items) => {
                self.head(11, items.len())?;
                for item in items {
                    self.encode(item, pointers)?;
                }
            }
            Value::Map(pairs) => {
                self.head(7, pairs.len())?;
                for (key, item) in pairs {
                    self.text(key, pointers)?;
                    self.encode(item, pointers)?;
                }
            }
        }
        Ok(())
    }

    /// A text, or a pointer to where it stood before if that is shorter.
    fn text(&mut self, text: &str, pointers: bool) -> Result<(), MmdbError> {
        const POINTER_BYTES: usize = 4;
        if pointers && text.len() >= POINTER_BYTES {
            if let Some(offset) = self.texts.get(text) {
                self.pointer(*offset);
                return Ok(());
            }
            self.texts.insert(text.to_owned(), self.bytes.len());
        }
        self.head(2, text.len())?;
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Unsigned numbers lose their leading zeros.
    fn whole(&mut self, kind: u8, bytes: &[u8]) -> Result<(), MmdbError> {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.head(kind, bytes.len() - zeros)?;
        self.bytes.extend_from_slice(&bytes[zeros..]);
        Ok(())
    }

    /// The control bytes: type (those over 7 in a second byte) and size (28 and more in up to three further ones).
    fn head(&mut self, kind: u8, size: usize) -> Result<(), MmdbError> {
        let (first, rest): (u8, &[u8]) = match size {
            0..29 => (size as u8, &[]),
            29..285 => (29, &[(size - 29) as u8]),
            285..65_821 => (30, &((size - 285) as u16).to_be_bytes()),
            65_821..16_843_037 => (31, &((size - 65_821) as u32).to_be_bytes()[1..]),
            _ => return Err(MmdbError::TooLong(size)),
        };
        if kind > 7 {
            self.bytes.extend_from_slice(&[first, kind - 7]);
        } else {
            self.bytes.push((kind << 5) | first);
        }
        self.bytes.extend_from_slice(rest);
        Ok(())
    }

    fn pointer(&mut self, offset: usize) {
        const KIND: u8 = 1 << 5;
        const SECOND: usize = 1 << 11;
        const THIRD: usize = SECOND + (1 << 19);
        const FOURTH: usize = THIRD + (1 << 27);
        let (size, base, bytes) = match offset {
            0..SECOND => (0, 0, 1),
            SECOND..THIRD => (1, SECOND, 2),
            THIRD..FOURTH => (2, THIRD, 3),
            _ => (3, 0, 4),
        };
        let value = ((offset - base) as u64).to_be_bytes();
        let upper = if size == 3 { 0 } else { value[7 - bytes] & 0x07 };
        self.bytes.push(KIND | (size << 3) | upper);
        self.bytes.extend_from_slice(&value[8 - bytes..]);
    }
}
