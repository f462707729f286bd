//! From the bytes of the files to ranges and facts: each file is read, walked once and forgotten.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use frostwatch_detect::place::GeoBuild;
use maxminddb::{Reader, WithinOptions};
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::error::{Family, GeoError, GeoWarning, Role};
use crate::facts::{Facts, Pairs};
use crate::limits::{BUILT_SECS_MAX, BUILT_SECS_MIN, GeoLimits};
use crate::record::{RawRecord, Record, quote};
use crate::special;
use crate::table::GeoTable;
use frostwatch_detect::ranges::{NOTHING, Ranges, V4Index, V6Index};

/// Leaves per node that a sound tree cannot exceed by far: it has one leaf more than nodes, and a file that shares
/// subtrees a few times as many. A tree bent back on itself has up to 2^128.
const LEAVES_PER_NODE_MAX: usize = 4;
const V6_FIRST: u128 = 0x2000 << 112;
/// At least one in this many different records of a file says what the file was given for.
const TELLING_ONE_IN: usize = 2;

/// Collects files into a table.
pub(crate) struct Loader {
    limits: GeoLimits,
    digest: Sha256,
    kinds: Vec<String>,
    built_at_secs: Option<i64>,
    facts: Facts,
    held: [Held; 2],
    warnings: Vec<GeoWarning>,
}

/// What the files of one role hold, and which file holds it.
#[derive(Default)]
struct Held {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    v4_file: Option<String>,
    v6_file: Option<String>,
}

/// How many of a file's different records say what.
#[derive(Default)]
struct Seen {
    records: usize,
    places: usize,
    points: usize,
    radii: usize,
    carriers: usize,
    /// Keys of the first record that said nothing.
    strange_keys: Option<String>,
}

impl Loader {
    pub(crate) fn new(limits: GeoLimits) -> Self {
        Self {
            limits,
            digest: Sha256::new(),
            kinds: Vec::new(),
            built_at_secs: None,
            facts: Facts::new(limits),
            held: [Held::default(), Held::default()],
            warnings: Vec::new(),
        }
    }

    /// Reads one file.
    pub(crate) fn add(&mut self, role: Role, file: &str, bytes: &[u8]) -> Result<(), GeoError> {
        if bytes.len() as u64 > self.limits.file_bytes_max {
            return Err(GeoError::TooLarge { file: file.to_owned(), limit_bytes: self.limits.file_bytes_max });
        }
        let reader = open(file, bytes)?;
        let kind = quote(&reader.metadata().database_type);
        let built_at_secs = built_at_secs(file, reader.metadata().build_epoch)?;
        let (v4, v6, seen) = Walk::new(file, &reader, &mut self.facts, self.limits).run()?;
        judge(role, file, &kind, &seen)?;
        if v4.is_empty() && v6.is_empty() {
            return Err(GeoError::NoNetworks { file: file.to_owned(), kind });
        }
        self.held[role as usize].take(file, v4, v6)?;
        if seen.places > 0 && seen.points == 0 {
            self.warnings.push(GeoWarning::NoPoints { file: file.to_owned() });
        } else if seen.points > 0 && seen.radii == 0 {
            self.warnings.push(GeoWarning::NoRadius { file: file.to_owned() });
        }
        self.digest.update(bytes);
        self.kinds.push(kind);
        self.built_at_secs = Some(self.built_at_secs.map_or(built_at_secs, |oldest| oldest.min(built_at_secs)));
        Ok(())
    }

    /// The table of all files read.
    pub(crate) fn finish(mut self) -> Result<GeoTable, GeoError> {
        let [places, carriers] = self.held;
        if places.v4.is_empty() && places.v6.is_empty() {
            return Err(GeoError::NoFiles);
        }
        places.warn(Role::Place, &mut self.warnings);
        let (v4, v6, locations) = if carriers.v4.is_empty() && carriers.v6.is_empty() {
            (places.v4, places.v6, self.facts.locations)
        } else {
            carriers.warn(Role::Carrier, &mut self.warnings);
            let mut pairs = Pairs::new(self.facts.locations, self.limits);
            let file = carriers.file();
            let v4 = places.v4.cross(&carriers.v4, |place, carrier| pairs.number(file, place, carrier))?;
            let v6 = places.v6.cross(&carriers.v6, |place, carrier| pairs.number(file, place, carrier))?;
            (v4, v6, pairs.locations)
        };
        let digest = self.digest.finalize();
        let build = GeoBuild {
            kind: self.kinds.join(" + "),
            built_at_secs: self.built_at_secs.unwrap_or(0),
            digest: short_hex(&digest),
        };
        Ok(GeoTable::new(V4Index::new(&v4), V6Index::new(&v6), locations, build, self.warnings))
    }
}

/// The first 16 hex digits of a digest.
pub(crate) fn short_hex(digest: &[u8]) -> String {
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{number:016x}")
}

impl Held {
    fn take(&mut self, file: &str, v4: Ranges<u32>, v6: Ranges<u128>) -> Result<(), GeoError> {
        hold(file, Family::V4, &mut self.v4_file, v4.is_empty())?;
        hold(file, Family::V6, &mut self.v6_file, v6.is_empty())?;
        if !v4.is_empty() {
            self.v4 = v4;
        }
        if !v6.is_empty() {
            self.v6 = v6;
        }
        Ok(())
    }

    /// A file to name when something is wrong with all of them.
    fn file(&self) -> &str {
        self.v4_file.as_deref().or(self.v6_file.as_deref()).unwrap_or("")
    }

    fn warn(&self, role: Role, warnings: &mut Vec<GeoWarning>) {
        for (family, empty) in [(Family::V4, self.v4.is_empty()), (Family::V6, self.v6.is_empty())] {
            if empty {
                warnings.push(GeoWarning::NoFamily { role, family });
            }
        }
    }
}

fn hold(file: &str, family: Family, holder: &mut Option<String>, empty: bool) -> Result<(), GeoError> {
    match holder {
        _ if empty => Ok(()),
        Some(first) => Err(GeoError::TwoAnswers { first: first.clone(), second: file.to_owned(), family }),
        None => {
            *holder = Some(file.to_owned());
            Ok(())
        }
    }
}

fn open<'a>(file: &str, bytes: &'a [u8]) -> Result<Reader<&'a [u8]>, GeoError> {
    const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
    let file = file.to_owned();
    if bytes.is_empty() {
        return Err(GeoError::Empty { file });
    }
    let foreign = [
        (&b"\x1f\x8b"[..], "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"<", "a web page"),
    ];
    Reader::from_source(bytes).map_err(|error| {
        if bytes.windows(MARKER.len()).any(|window| window == MARKER) {
            return GeoError::Damaged { file, detail: error.to_string() };
        }
        if let Some((_, looks_like)) = foreign.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return GeoError::NotMmdb { file, looks_like };
        }
        if bytes.iter().take(512).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            return GeoError::NotMmdb { file, looks_like: "text" };
        }
        GeoError::NoMetadata { file }
    })
}

/// When a file was built. A time that cannot be would say of every alert that it was found with a file of 1970.
fn built_at_secs(file: &str, build_epoch: u64) -> Result<i64, GeoError> {
    let secs = i64::try_from(build_epoch).ok().filter(|secs| (BUILT_SECS_MIN..=BUILT_SECS_MAX).contains(secs));
    secs.ok_or_else(|| GeoError::BuildTime { file: file.to_owned(), build_epoch })
}

/// Is this the file that the role asks for?
fn judge(role: Role, file: &str, kind: &str, seen: &Seen) -> Result<(), GeoError> {
    let (file, kind) = (file.to_owned(), kind.to_owned());
    if seen.records == 0 {
        return Err(GeoError::NoNetworks { file, kind });
    }
    let (telling, other, other_role) = match role {
        Role::Place => (seen.places, seen.carriers > 0, Role::Carrier),
        Role::Carrier => (seen.carriers, seen.places > 0, Role::Place),
    };
    match (telling > 0, other) {
        // A sound file leaves few networks without; one that leaves most is about something else, and every detector
        // of places would go blind without a word.
        (true, _) if telling < seen.records.div_ceil(TELLING_ONE_IN) => {
            Err(GeoError::MostlySilent { file, given: role, kind, telling, records: seen.records })
        }
        (true, _) => Ok(()),
        (false, true) => Err(GeoError::WrongRole { file, given: role, found: other_role, kind }),
        (false, false) => {
            let keys = seen.strange_keys.clone().unwrap_or_else(|| "none".to_owned());
            Err(GeoError::UnknownShape { file, kind, keys })
        }
    }
}

/// One pass over the tree of a file.
struct Walk<'r, 'b> {
    file: &'r str,
    reader: &'r Reader<&'b [u8]>,
    facts: &'r mut Facts,
    limits: GeoLimits,
    by_offset: HashMap<usize, u32>,
    seen: Seen,
}

type Leaf<'r, 'b> = maxminddb::LookupResult<'r, &'b [u8]>;

impl<'r, 'b> Walk<'r, 'b> {
    fn new(file: &'r str, reader: &'r Reader<&'b [u8]>, facts: &'r mut Facts, limits: GeoLimits) -> Self {
        Self { file, reader, facts, limits, by_offset: HashMap::new(), seen: Seen::default() }
    }

    /// Visits every leaf, those without data too, so that each counts towards the limits; aliases of the IPv4 subtree
    /// are passed over by the reader.
    fn run(mut self) -> Result<(Ranges<u32>, Ranges<u128>, Seen), GeoError> {
        let (mut v4, mut v6) = (Ranges::default(), Ranges::default());
        let options = WithinOptions::default().include_networks_without_data();
        let leaves_max = (self.reader.metadata().node_count as usize).saturating_mul(LEAVES_PER_NODE_MAX) + 1;
        let mut leaves = 0;
        for leaf in self.reader.networks(options).map_err(|error| self.damaged(&error))? {
            leaves += 1;
            if leaves > leaves_max {
                return Err(self.damaged(&"its search tree runs in circles"));
            }
            if leaves > self.limits.networks_max {
                let (file, limit) = (self.file.to_owned(), self.limits.networks_max);
                return Err(GeoError::TooMany { file, what: "networks", limit });
            }
            let leaf = leaf.map_err(|error| self.damaged(&error))?;
            let fact = self.fact(&leaf)?;
            let network = leaf.network().map_err(|error| self.damaged(&error))?;
            match network.ip() {
                IpAddr::V4(start) => v4.push(start.to_bits(), fact),
                IpAddr::V6(start) => {
                    let start = start.to_bits();
                    let end = start | u128::MAX.checked_shr(u32::from(network.prefix())).unwrap_or(0);
                    if special::kept_v6(start, end) {
                        v6.push(start.max(V6_FIRST), fact);
                    }
                }
            }
        }
        Ok((v4, v6, self.seen))
    }

    /// The number of what the leaf says; each record of the file is read once, however many networks share it.
    fn fact(&mut self, leaf: &Leaf<'r, 'b>) -> Result<u32, GeoError> {
        let Some(offset) = leaf.offset() else {
            return Ok(NOTHING);
        };
        if let Some(fact) = self.by_offset.get(&offset) {
            return Ok(*fact);
        }
        let record = self.read(leaf)?;
        self.seen.note(&record, leaf);
        let fact = self.facts.number(self.file, &record)?;
        self.by_offset.insert(offset, fact);
        Ok(fact)
    }

    fn read(&self, leaf: &Leaf<'r, 'b>) -> Result<Record<'r>, GeoError> {
        let raw = match leaf.decode::<RawRecord<'_>>() {
            Ok(raw) => raw.unwrap_or_default(),
            // A record that is no map at all is another kind of file, not a damaged one.
            Err(_) if leaf.decode::<IgnoredAny>().is_ok() && keys(leaf).is_none() => RawRecord::default(),
            Err(error) => return Err(self.damaged(&error)),
        };
        raw.understand().map_err(|bad| GeoError::BadValue {
            file: self.file.to_owned(),
            network: leaf.network().map_or_else(|_| "a network".to_owned(), |network| network.to_string()),
            field: bad.field,
            value: bad.value,
        })
    }

    fn damaged(&self, detail: &dyn std::fmt::Display) -> GeoError {
        GeoError::Damaged { file: self.file.to_owned(), detail: detail.to_string() }
    }
}

impl Seen {
    fn note(&mut self, record: &Record<'_>, leaf: &Leaf<'_, '_>) {
        self.records += 1;
        self.places += usize::from(record.has_place());
        self.points += usize::from(record.point.is_some());
        self.radii += usize::from(record.radius_km > 0);
        self.carriers += usize::from(record.has_carrier());
        if self.strange_keys.is_none() && !record.has_place() && !record.has_carrier() {
            self.strange_keys = Some(keys(leaf).unwrap_or_else(|| "not a map".to_owned()));
        }
    }
}

/// The keys of a record that is a map, as they may stand in an error message.
#[allow(clippy::zero_sized_map_values, reason = "a map is what the file has; its values are skipped")]
fn keys(leaf: &Leaf<'_, '_>) -> Option<String> {
    const KEYS_SHOWN_MAX: usize = 12;
    let map = leaf.decode::<BTreeMap<&str, IgnoredAny>>().ok()??;
    let shown: Vec<String> = map.keys().take(KEYS_SHOWN_MAX).map(|key| quote(key)).collect();
    Some(if shown.is_empty() { "no keys".to_owned() } else { shown.join(", ") })
}
