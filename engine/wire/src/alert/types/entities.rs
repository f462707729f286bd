//! Whom and what an alert names.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TAGS_MAX;

/// Somebody or something an alert is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entity {
    /// The user.
    User {
        /// Name in lower case, or `@` and an address for somebody without a name.
        name: String,
        /// Instance.
        instance: String,
        /// The name as people write it, where somebody has said it by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        /// Mail address, likewise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// Department, likewise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        department: Option<String>,
    },
    /// An address.
    Address {
        /// The address.
        ip: IpAddr,
        /// Its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<PlaceRecord>,
        /// Why it has none: `private`, `reserved` or `unknown`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_place: Option<String>,
        /// Autonomous system number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asn: Option<u32>,
        /// Its organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organisation: Option<String>,
        /// What the set of rules says of its network: `corporate`, `vpn`, `proxy`, `cloud_provider`, `administrative` or
        /// `risky`; other words may follow.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = TAGS_MAX))]
        tags: Vec<String>,
    },
    /// A device.
    Device {
        /// Hash of its id: the engine does not keep the id itself.
        hash: String,
        /// Whether something manages it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        managed: Option<bool>,
        /// Whether it meets its policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compliant: Option<bool>,
        /// Family of its operating system: `android`, `chromeos`, `ios`, `linux`, `macos` or `windows`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        os: Option<String>,
    },
    /// What something was done to: a row of the instance. Objects with ids of another form are not named.
    Object {
        /// Table it lives in, if it is one that the engine knows by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<String>,
        /// Its id in that table.
        id: String,
        /// Its name, such as a file name; nothing fills it yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its size in bytes; nothing fills it yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
        /// Sensitivity labels; nothing fills them yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<String>,
    },
    /// What a policy counted by in place of the user: it comes first, and the users that took part follow.
    Counted {
        /// The field of the activity: `client.ip`, `target.name`, `object.table`, …
        by: String,
        /// What stood there.
        value: String,
        /// Instance.
        instance: String,
    },
    /// A session.
    Session {
        /// Its hash: the session id itself is a secret and is not written.
        hash: String,
    },
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceRecord {
    /// ISO 3166-1, two letters.
    pub country: String,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Latitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Longitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Radius that holds the true place with about 67 % confidence, km; absent when the file gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius_km: Option<u16>,
}
