//! From the shape of a file of networks to its meaning.

use frostwatch_detect::networks::{Networks, Overlap, Tag, Tagged};
use serde::Deserialize;

use super::Check;
use super::scope::country;
use crate::fault::shortened;
use crate::limits::{ENTRIES_MAX, NETWORK_NAME_CHARS_MAX, NETWORK_RANGES_MAX, TAGGED_MAX};
use crate::parse;
use crate::raw::networks::{RawNetworks, RawTag, RawTagged};
use crate::reader::Reader;
use crate::tree::{Node, Value};

/// What the file's `schema` begins with.
const FORMAT: &str = "networks.";

/// Is this a file of networks and no rule?
pub(crate) fn is_networks(root: &Node) -> bool {
    matches!(root.get("schema"), Some(Node { value: Value::Text(format), .. }) if format.starts_with(FORMAT))
}

impl Check<'_> {
    /// The networks, if nothing at all is wrong with them.
    pub(crate) fn of_networks(&self) -> Option<Networks> {
        let raw = RawNetworks::deserialize(Reader::new(self.root, "", self.notes));
        let raw = raw.map_err(|stop| self.notes.add(self.root.at, "", stop.0)).ok()?;
        self.count("networks", raw.networks.len(), TAGGED_MAX);
        let size = |entry: &RawTagged| entry.networks.len() + entry.asns.len();
        let total: usize = raw.networks.iter().map(size).sum();
        if total > NETWORK_RANGES_MAX {
            let message = format!("has {total} ranges and systems; at most {NETWORK_RANGES_MAX} are allowed");
            self.note("networks", message);
            return None;
        }
        let entries = raw.networks.iter().enumerate().map(|(index, raw)| self.tagged(index, raw)).collect();
        let countries =
            self.entries_or_none("usual.countries", &raw.usual.countries, ENTRIES_MAX, |code| country(code.as_str()));
        let asns = self.entries_or_none("usual.asns", &raw.usual.asns, ENTRIES_MAX, |asn| system(*asn));
        match Networks::new(entries, countries, asns) {
            Ok(networks) => self.notes.is_empty().then_some(networks),
            Err(Overlap { first, second }) => {
                let name = |index: usize| raw.networks.get(index).map_or("", |entry| entry.name.as_str());
                let (one, other) = (shortened(name(second)), shortened(name(first)));
                let message = format!("`{one}` overlaps with `{other}` (entry {first}); an address has one tag");
                self.note(&format!("networks[{second}]"), message);
                None
            }
        }
    }

    fn tagged(&self, index: usize, raw: &RawTagged) -> Tagged {
        let path = format!("networks[{index}]");
        self.text(&format!("{path}.name"), &raw.name, NETWORK_NAME_CHARS_MAX);
        if raw.networks.is_empty() && raw.asns.is_empty() {
            self.note(&path, "has neither networks nor asns; give it some or take it out");
        }
        let ranges = self.entries_or_none(&format!("{path}.networks"), &raw.networks, NETWORK_RANGES_MAX, |text| {
            parse::network(text).map(|range| (range.first, range.last))
        });
        let asns = self.entries_or_none(&format!("{path}.asns"), &raw.asns, NETWORK_RANGES_MAX, |asn| system(*asn));
        let networks =
            ranges.into_iter().map(|(first, last)| frostwatch_detect::rule::Network { first, last }).collect();
        Tagged { tag: tag(raw.tag), name: raw.name.clone(), networks, asns }
    }

    /// The entries of a list that may be empty.
    fn entries_or_none<R, T: Ord>(
        &self,
        path: &str,
        raw: &[R],
        max: usize,
        read: impl Fn(&R) -> Result<T, String>,
    ) -> Vec<T> {
        self.entries(path, (!raw.is_empty()).then_some(raw), max, read)
    }
}

fn system(asn: u32) -> Result<u32, String> {
    if asn == 0 { Err("0 is no autonomous system".to_owned()) } else { Ok(asn) }
}

const fn tag(raw: RawTag) -> Tag {
    match raw {
        RawTag::Corporate => Tag::Corporate,
        RawTag::Vpn => Tag::Vpn,
        RawTag::Proxy => Tag::Proxy,
        RawTag::CloudProvider => Tag::CloudProvider,
        RawTag::Administrative => Tag::Administrative,
        RawTag::Risky => Tag::Risky,
    }
}
