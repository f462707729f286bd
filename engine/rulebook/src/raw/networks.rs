//! What an organisation says of networks as it is written, `networks.v1`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::limits::{ENTRIES_MAX, NETWORK_NAME_CHARS_MAX, NETWORK_RANGES_MAX, TAGGED_MAX};

/// What an organisation says of networks. One file in a set of rules, or none.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Networks")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNetworks {
    /// The version of this format.
    #[expect(dead_code, reason = "reading it is the check")]
    pub(crate) schema: NetworksFormat,
    /// Networks with what they are. No two entries may share an address or an autonomous system.
    #[schemars(length(max = TAGGED_MAX))]
    pub(crate) networks: Vec<RawTagged>,
    /// What is usual in the organisation: a suppression of rules whose sensitivity is low.
    pub(crate) usual: RawUsual,
}

/// The version of the format.
#[derive(Deserialize, JsonSchema)]
pub(crate) enum NetworksFormat {
    /// The first and only one.
    #[serde(rename = "networks.v1")]
    V1,
}

/// Networks of one sort under one name.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Tagged")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTagged {
    /// What they are.
    pub(crate) tag: RawTag,
    /// What people call them.
    #[schemars(length(min = 1, max = NETWORK_NAME_CHARS_MAX))]
    pub(crate) name: String,
    /// Ranges of addresses: `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`.
    #[schemars(length(max = NETWORK_RANGES_MAX))]
    pub(crate) networks: Vec<String>,
    /// Numbers of autonomous systems.
    #[schemars(length(max = NETWORK_RANGES_MAX), inner(range(min = 1)))]
    pub(crate) asns: Vec<u32>,
}

/// What a network is.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "Tag")]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawTag {
    /// The organisation's own.
    Corporate,
    /// Where tunnels of the organisation or of its people end.
    Vpn,
    /// Where a service that stands between people and the net ends.
    Proxy,
    /// A hoster.
    CloudProvider,
    /// From where the organisation's systems are administered.
    Administrative,
    /// Of bad repute.
    Risky,
}

/// What is usual in the organisation.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Usual")]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUsual {
    /// Countries as two letters (ISO 3166-1).
    #[schemars(length(max = ENTRIES_MAX), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub(crate) countries: Vec<String>,
    /// Numbers of autonomous systems.
    #[schemars(length(max = ENTRIES_MAX), inner(range(min = 1)))]
    pub(crate) asns: Vec<u32>,
}
