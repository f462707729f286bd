//! `MaxMind`'s Anonymous IP: networks with a flag for each thing they are. The lines that faults name are those of no
//! text: the file is told as a whole.

use frostwatch_detect::listed::Category;
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

use super::line::network_of;
use super::sink::{Said, Sink};
use super::{Decode, ListConfig, needed};

pub(super) struct Mmdb;

/// The flags of a network; a file of another kind has none of them.
#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "as the file has them")]
struct Flags {
    is_anonymous: bool,
    is_anonymous_vpn: bool,
    is_hosting_provider: bool,
    is_public_proxy: bool,
    is_residential_proxy: bool,
    is_tor_exit_node: bool,
}

impl Flags {
    fn categories(&self) -> impl Iterator<Item = Category> {
        let named = [
            (self.is_tor_exit_node, Category::Tor),
            (self.is_anonymous_vpn, Category::Vpn),
            (self.is_public_proxy, Category::Proxy),
            (self.is_residential_proxy, Category::ResidentialProxy),
            (self.is_hosting_provider, Category::Hosting),
        ];
        // Anonymous by nothing that has a name of its own.
        let nameless = self.is_anonymous && named.iter().all(|(is, _)| !is);
        named.into_iter().chain([(nameless, Category::Proxy)]).filter_map(|(is, category)| is.then_some(category))
    }
}

impl Decode for Mmdb {
    fn decode(&self, _config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        if let Err(message) = walk(bytes, sink) {
            sink.fault(0, message);
        }
    }

    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)> {
        let own = config.category.map(|_| ("category", "a file of this format says it itself".to_owned()));
        own.into_iter().chain(needed("confidence", config.confidence.as_ref())).collect()
    }
}

fn walk(bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
    let damaged = |error: maxminddb::MaxMindDbError| format!("no sound mmdb file ({error})");
    let reader = Reader::from_source(bytes).map_err(damaged)?;
    // One leaf more than nodes, and a few times as many where subtrees are shared: a tree in circles has 2^128.
    let leaves_max = (reader.metadata().node_count as usize).saturating_mul(LEAVES_PER_NODE_MAX) + 1;
    // Leaves without data too, so that each counts.
    let options = WithinOptions::default().include_networks_without_data();
    for (count, leaf) in reader.networks(options).map_err(damaged)?.enumerate() {
        if count > leaves_max {
            return Err("no sound mmdb file (its search tree runs in circles)".to_owned());
        }
        let leaf = leaf.map_err(damaged)?;
        if !leaf.has_data() {
            continue;
        }
        let at = leaf.network().map_err(damaged)?;
        let flags = leaf.decode::<Flags>().map_err(damaged)?.unwrap_or_default();
        for category in flags.categories() {
            let Some(network) = network_of(at.ip(), at.prefix()) else {
                return Err(format!("it says that all of {at} is {}", category.as_str()));
            };
            if !sink.takes_line(0) {
                return Ok(());
            }
            sink.entry(0, &network, &Said { category: Some(category), ..Said::default() });
        }
    }
    Ok(())
}

/// See [`walk`].
const LEAVES_PER_NODE_MAX: usize = 4;
