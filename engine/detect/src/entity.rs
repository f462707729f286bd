//! What activity is counted by in place of its user: an address, an object, the whole instance.
//!
//! A user's records lie in one log, in order; those of an address lie in many, and nothing records how they lie beside each
//! other. So what a policy counts by something else than its user is written once more, under the key of that (see
//! [`subject`]): there it has its place in a log like every record, is late or a duplicate like every record, and a replay sees
//! what live saw. A key of this kind runs the rules that count by it and no others, and those rules run nowhere else.

use serde::{Deserialize, Serialize};

use crate::hash::hash64;

/// Bytes of what stands in a key for an entity at most; what is longer is cut and ends in a hash.
pub const VALUE_BYTES_MAX: usize = 256;
/// Begins the second part of such a key, where a user's name or `@` stands in others.
const BEGINS: char = '|';

/// What activity is counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Per {
    /// The user: under the key that the record has.
    #[default]
    #[serde(rename = "user.name")]
    User,
    /// The address that the record itself gives.
    #[serde(rename = "client.ip")]
    Address,
    /// A device.
    #[serde(rename = "client.device.id")]
    Device,
    /// A browser or program.
    #[serde(rename = "client.user_agent")]
    Agent,
    /// An account that something is aimed at.
    #[serde(rename = "target.name")]
    Target,
    /// An object, by its table and id.
    #[serde(rename = "object.id")]
    Object,
    /// A table.
    #[serde(rename = "object.table")]
    Table,
    /// The whole instance.
    #[serde(rename = "instance")]
    Instance,
}

impl Per {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Address, Self::Device, Self::Agent, Self::Target, Self::Object, Self::Table, Self::Instance];

    /// The field of an activity that says it, the word in rules, records and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user.name",
            Self::Address => "client.ip",
            Self::Device => "client.device.id",
            Self::Agent => "client.user_agent",
            Self::Target => "target.name",
            Self::Object => "object.id",
            Self::Table => "object.table",
            Self::Instance => "instance",
        }
    }

    /// What the word stands for, if it is no user and this program knows it.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|per| *per != Self::User && per.as_str() == word)
    }

    /// What people call it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Address => "address",
            Self::Device => "device",
            Self::Agent => "client",
            Self::Target => "account",
            Self::Object => "object",
            Self::Table => "table",
            Self::Instance => "instance",
        }
    }
}

/// The second part of the key of an entity: `|client.ip|203.0.113.9`. No other record's begins so, unless somebody's name does.
pub fn subject(word: &str, value: &str) -> String {
    if value.len() <= VALUE_BYTES_MAX {
        return format!("{BEGINS}{word}{BEGINS}{value}");
    }
    let hash = format!("…{:016x}", hash64(value.as_bytes()));
    let begin = (0..=VALUE_BYTES_MAX - hash.len()).rev().find_map(|end| value.get(..end)).unwrap_or_default();
    format!("{BEGINS}{word}{BEGINS}{begin}{hash}")
}

/// What [`subject`] was made of; `None` for a user.
pub fn entity(subject: &str) -> Option<(Per, &str)> {
    let (word, value) = subject.strip_prefix(BEGINS)?.split_once(BEGINS)?;
    Some((Per::from_word(word)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_read_from_its_key_and_no_user_is_one() {
        for per in Per::ALL.into_iter().filter(|per| *per != Per::User) {
            for value in ["x", "a|b", "é", "@10.0.0.1"] {
                assert_eq!(entity(&subject(per.as_str(), value)), Some((per, value)));
            }
            assert_eq!(serde_json::to_value(per).unwrap(), per.as_str());
        }
        for user in ["ana", "@10.0.0.1", "|", "|ana", "|user.name|ana", "|client.ip", "|country|SE"] {
            assert_eq!(entity(user), None, "{user}");
        }
    }

    #[test]
    fn a_long_value_is_cut_and_told_from_others_by_its_hash() {
        for sign in ["x", "é", "…"] {
            let long = sign.repeat(VALUE_BYTES_MAX);
            let (one, other) =
                (subject("client.user_agent", &format!("{long}a")), subject("client.user_agent", &format!("{long}b")));
            assert_ne!(one, other);
            let (_, value) = entity(&one).unwrap();
            assert!(value.len() <= VALUE_BYTES_MAX && value.len() + sign.len() > VALUE_BYTES_MAX, "{}", value.len());
        }
    }
}
