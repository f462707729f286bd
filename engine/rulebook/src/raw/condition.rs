//! Conditions as the JSON Schema shows them. Reading goes through the detector's own type.

use frostwatch_detect::condition::{CONDITION_VALUES_MAX, VALUE_BYTES_MAX, field_names};
use frostwatch_detect::entity::Per;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A condition: one of `all`, `any`, `not` and `field`, and with a field one thing that is asked of it. What is asked of a
/// field that the record lacks is unknown, and so is its negation; only what is true counts.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "required" = [],
        "oneOf" = [{ "required": ["all"] }, { "required": ["any"] }, { "required": ["not"] }, { "required": ["field"] }]
    )
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct Condition {
    /// Each of these holds.
    #[schemars(with = "Vec<Condition>", length(min = 1))]
    all: Option<Vec<Self>>,
    /// One of these holds.
    #[schemars(with = "Vec<Condition>", length(min = 1))]
    any: Option<Vec<Self>>,
    /// This does not hold.
    #[schemars(with = "Condition")]
    not: Option<Box<Self>>,
    /// What is asked: a field of the activity, or what is known of its address.
    #[schemars(schema_with = "field")]
    field: Option<String>,
    /// It is one of these.
    #[schemars(rename = "in", with = "Vec<Value>", length(min = 1, max = CONDITION_VALUES_MAX))]
    is_in: Option<Vec<Value>>,
    /// It begins with one of these.
    #[schemars(with = "Vec<String>", length(min = 1, max = CONDITION_VALUES_MAX), inner(length(min = 1, max = VALUE_BYTES_MAX)))]
    starts_with: Option<Vec<String>>,
    /// It ends with one of these.
    #[schemars(with = "Vec<String>", length(min = 1, max = CONDITION_VALUES_MAX), inner(length(min = 1, max = VALUE_BYTES_MAX)))]
    ends_with: Option<Vec<String>>,
    /// One of these stands in it.
    #[schemars(with = "Vec<String>", length(min = 1, max = CONDITION_VALUES_MAX), inner(length(min = 1, max = VALUE_BYTES_MAX)))]
    contains: Option<Vec<String>>,
    /// It lies in one of these: `10.0.0.0/8`, `2001:db8::1` or `192.0.2.1-192.0.2.9`.
    #[schemars(with = "Vec<String>", length(min = 1, max = CONDITION_VALUES_MAX))]
    networks: Option<Vec<String>>,
    /// It is so much or more.
    #[schemars(with = "u64")]
    at_least: Option<u64>,
    /// It is so much or less.
    #[schemars(with = "u64")]
    at_most: Option<u64>,
    /// The record has it, or has it not.
    #[schemars(with = "bool")]
    is_set: Option<bool>,
}

/// A text, a whole number, or true or false.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum Value {
    Flag(bool),
    Number(u64),
    Text(String),
}

/// What is counted once.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum Distinct {
    /// An object, by its table and id.
    #[schemars(rename = "object.id")]
    Object,
    /// An address.
    #[schemars(rename = "client.ip")]
    Address,
    /// A session.
    #[schemars(rename = "session")]
    Session,
    /// A device.
    #[schemars(rename = "client.device.id")]
    Device,
    /// A browser or program.
    #[schemars(rename = "client.user_agent")]
    Agent,
    /// An account that something is aimed at.
    #[schemars(rename = "target.name")]
    Target,
    /// A user, where `per` counts by something else.
    #[schemars(rename = "user.name")]
    User,
}

/// What a policy tells.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum About {
    /// How somebody got in.
    Entry,
    /// From where they work.
    Whereabouts,
    /// What they do.
    Deeds,
    /// Whether they may be there at all.
    Account,
}

pub(super) fn per(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Per::ALL.map(Per::as_str) })
}

fn field(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": field_names() })
}
