//! The whole of activity.v1 as one owned type.
//!
//! Its doc comments are the descriptions of the JSON Schema. `null` and an absent field mean the
//! same. Fields that are not named here are accepted and left alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::time::UtcTime;
use super::whole;
use super::{
    ACTION_BYTES_MAX, ACTION_KEY_BYTES_MAX, ACTIONS, ATTRIBUTES_KEYS_MAX, AUTH_METHODS, CHANNELS, CLASSES_MAX,
    COUNT_MAX, DEPARTMENT_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, ENTITY_KEY_BYTES_MAX, ENTITY_VALUE_BYTES_MAX,
    ENTROPY_CENTIBITS_MAX, FORWARDED_FOR_MAX, GROUPS_MAX, ID_BYTES_MAX, INSTANCE_BYTES_MAX, INSTANCE_PATTERN,
    LABELS_MAX, PERCENT_MAX, REASONS, RECIPIENT_KINDS, RECIPIENTS_MAX, SESSION_BYTES_MAX, SYS_ID_PATTERN, TESTS,
    USER_KINDS, USER_NAME_BYTES_MAX, VISIBILITIES,
};

/// A word of an open vocabulary: borrowed where it is one of ours, owned where it was read.
pub type Word = Cow<'static, str>;

/// One thing that one user did, or failed to do, in one ServiceNow instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActivityRecord {
    /// Name and version of this contract.
    pub schema: SchemaName,
    /// Identity of the activity, unique in the instance; a copy with the same id is a duplicate.
    /// Ids of rows that change carry their revision (`sys_attachment:<sys_id>:<sys_mod_count>`).
    /// At most 128 bytes of UTF-8.
    #[schemars(length(min = 1, max = ID_BYTES_MAX))]
    pub id: String,
    /// What several records of one action share (a login: event, session, transaction). Records
    /// of one user with the same key within 30 seconds are one action: counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ACTION_KEY_BYTES_MAX))]
    pub action_key: Option<String>,
    /// When it happened, by the instance's clock.
    pub time: UtcTime,
    /// Resolution of `time` in milliseconds; 1000 for rows of ServiceNow. Absent: 1.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub time_precision_ms: Option<u32>,
    /// When the producer saw it. No detector reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_time: Option<UtcTime>,
    /// Name of the instance, lower case, without the domain suffix.
    #[schemars(length(min = 1, max = INSTANCE_BYTES_MAX), regex(pattern = INSTANCE_PATTERN))]
    pub instance: String,
    /// Domain, where the instance separates domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whose activity it is; its name is in the record's key.
    pub user: User,
    /// Who really acts, where that is not `user`: the impersonator, the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    /// The account that a grant, a disabling or an impersonation is aimed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Person>,
    /// What was done. An unknown word is kept, and read as `other`. `user_profile` is no activity: it says who and what the
    /// user is (`user`), from `effective_at` on, for all activity that does not say it itself.
    #[schemars(length(min = 1, max = ACTION_BYTES_MAX), extend("examples" = ACTIONS))]
    pub action: Word,
    /// What the source calls it (`login.failed`, `POST /api/now/table/incident`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_raw: Option<Word>,
    /// Whether it succeeded.
    pub outcome: Outcome,
    /// Why it failed. An unknown word is read as `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = REASONS))]
    pub reason: Option<Word>,
    /// From when a `user_terminate`, `user_disable`, `user_enable`, `user_create` or `user_profile` counts; absent: from `time`
    /// on. Without a `target`, or with the user as target, these are about the user's own account. A `user_profile` counts
    /// from its `time` at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<UtcTime>,
    /// How the user proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Which door it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = CHANNELS))]
    pub channel: Option<Word>,
    /// Whether a person was at the keyboard, as far as the source can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
    /// From where and with what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Opaque session id, equal for all activity of one session. Hashed at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = SESSION_BYTES_MAX))]
    pub session: Option<String>,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// How much: an export is 10,000 rows, a zip is many files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// To whom something was sent or shown.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<Recipient>>", length(max = RECIPIENTS_MAX))]
    pub recipients: Vec<Recipient>,
    /// What was found inside a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection: Option<Inspection>,
    /// Where the record comes from.
    pub source: Source,
    /// Anything else, flat: at most 64 keys and 4 KiB of compact JSON.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, Scalar>>", extend("maxProperties" = ATTRIBUTES_KEYS_MAX))]
    pub attributes: BTreeMap<Word, Scalar>,
    /// Set on records that are no real activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = TESTS))]
    pub test: Option<Word>,
    /// Only the engine writes it: the record is a copy, made to be counted by something else than its user. Whoever reads activity
    /// passes over records that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<CountedBy>,
}

/// What a copy of a record is counted by; its own key is made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountedBy {
    /// The field of the record: `client.ip`, `client.device.id`, `client.user_agent`, `target.name`, `object.id`, `object.table` or
    /// `instance`. Copies with other words are counted by nothing.
    #[schemars(length(min = 1, max = ACTION_BYTES_MAX))]
    pub by: Word,
    /// What stands there, as it is compared.
    #[schemars(length(min = 1, max = ENTITY_VALUE_BYTES_MAX))]
    pub value: String,
    /// Key of the record that it is a copy of.
    #[schemars(length(min = 1, max = ENTITY_KEY_BYTES_MAX))]
    pub key: String,
}

/// The value of `schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum SchemaName {
    /// The first version of this contract.
    #[default]
    #[serde(rename = "activity.v1")]
    ActivityV1,
}

/// Whether an action succeeded. A closed list: failures neither move nor teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or went wrong.
    Failure,
    /// The source does not say.
    #[default]
    Unknown,
}

/// How the address of a record was found. A closed list: only the first two open a finding about place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum IpSource {
    /// The row itself carries it.
    Direct,
    /// Another record of the same session carries it.
    Session,
    /// The nearest record of the same user carries it.
    Nearest,
    /// There is none.
    None,
}

/// The account whose activity a record is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// User name as the row has it; compared in lower case. Empty for a nameless placeholder.
    #[schemars(length(max = USER_NAME_BYTES_MAX))]
    pub name: String,
    /// `sys_id` of the account, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = SYS_ID_PATTERN))]
    pub id: Option<String>,
    /// The name as people write it; read of a `user_profile`. At most 256 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DISPLAY_NAME_BYTES_MAX))]
    pub display_name: Option<String>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Department; read of a `user_profile`. At most 256 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DEPARTMENT_BYTES_MAX))]
    pub department: Option<String>,
    /// Kind of account. An unknown word is read as `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = USER_KINDS))]
    pub kind: Option<Word>,
    /// Whether the account holds a role that can change the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Names of its groups. An empty list says of a `user_profile` that there are none, and of an activity nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = GROUPS_MAX))]
    pub groups: Option<Vec<String>>,
    /// What is usual among the person's colleagues; read of a `user_profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
}

/// What the other people of a user's group did at most, as somebody has measured it: of each person the busiest hour of the
/// span that was measured, and of these the one that 19 of 20 did not exceed. It counts for 45 days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peers {
    /// Name of the group, for whoever reads an alert. At most 256 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DEPARTMENT_BYTES_MAX))]
    pub group: Option<String>,
    /// People that were measured, the user not among them. Without it nothing is said; 0 takes back what was.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub people: Option<u64>,
    /// Different objects that were carried off in such an hour, apart from the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub objects_hour: Option<u64>,
    /// Rows that were carried off in such an hour, apart from the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub rows_hour: Option<u64>,
    /// Bytes that were carried off in such an hour, apart from the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub bytes_hour: Option<u64>,
    /// Different objects in such an hour around the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub turn_objects_hour: Option<u64>,
    /// Rows in such an hour around the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub turn_rows_hour: Option<u64>,
    /// Bytes in such an hour around the turn of a month.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub turn_bytes_hour: Option<u64>,
}

/// Another account that takes part: the one who acts, or the one aimed at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// User name, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = USER_NAME_BYTES_MAX))]
    pub name: Option<String>,
    /// `sys_id` of the account, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = SYS_ID_PATTERN))]
    pub id: Option<String>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Kind of account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = USER_KINDS))]
    pub kind: Option<Word>,
}

/// How the user proved who they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Auth {
    /// Method of the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = AUTH_METHODS))]
    pub method: Option<Word>,
    /// Whether a second factor was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
}

/// From where and with what something was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Address of the client, IPv4 or IPv6, without port or zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ip_schema")]
    pub ip: Option<IpAddr>,
    /// How `ip` was found. Absent: `direct` where there is an `ip`, else `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_source: Option<IpSource>,
    /// Addresses that proxies reported, nearest first, as text.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>", length(max = FORWARDED_FOR_MAX))]
    pub forwarded_for: Vec<String>,
    /// User agent, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The device, where something manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A device as its manager knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Opaque id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it is managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<bool>,
    /// Whether it meets its policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliant: Option<bool>,
    /// Operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

/// What something was done to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    /// Kind of thing: attachment, record, list, role, page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Word>,
    /// Table it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its id in that table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, such as a file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its name before a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_name: Option<String>,
    /// The record it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub size_bytes: Option<u64>,
    /// Media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Digest of the content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Sensitivity labels.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>", length(max = LABELS_MAX))]
    pub labels: Vec<String>,
    /// Who can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = VISIBILITIES))]
    pub visibility: Option<Word>,
}

/// The record that an object belongs to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parent {
    /// Table of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its id in that table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// How much one activity carries; download detectors count these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity {
    /// Files or records. Absent: one.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub objects: Option<u64>,
    /// Rows of a list, an export or a bulk read.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub rows: Option<u64>,
    /// Bytes that went over the wire, or of the file.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub bytes: Option<u64>,
}

/// One address that something was sent or shown to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recipient {
    /// Mail address, or the address of a public link.
    pub address: String,
    /// In which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = RECIPIENT_KINDS))]
    pub kind: Option<Word>,
}

/// What an inspector found in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inspection {
    /// The classes of sensitive content.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<InspectionClass>>", length(max = CLASSES_MAX))]
    pub classes: Vec<InspectionClass>,
    /// Whether only a part of the file was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// Version of the inspector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Shannon entropy of the file's bytes, in hundredths of a bit a byte: 800 where they look drawn at random, as in what is
    /// encrypted or packed.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = ENTROPY_CENTIBITS_MAX))]
    pub entropy_centibits: Option<u16>,
}

/// One class of sensitive content in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InspectionClass {
    /// Name of the class, such as `payment_card`.
    pub kind: String,
    /// How many matches.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub count: Option<u64>,
    /// How many different matches.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = COUNT_MAX))]
    pub distinct: Option<u64>,
    /// How sure the inspector is, in percent.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = PERCENT_MAX))]
    pub confidence: Option<u8>,
    /// One match with all but a few characters masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// Where a record comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Name of the program that made the record.
    #[schemars(length(min = 1))]
    pub producer: Word,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Word>,
    /// Table of the row it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Word>,
    /// `sys_id` of that row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Address of that row in the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A value of `attributes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Count(i64),
    /// Any other number.
    Number(f64),
    /// Text.
    Text(String),
}

/// A `null` list or map is an empty one.
fn null_as_empty<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

fn ip_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"],
        "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }],
        "examples": ["198.51.100.7", "2001:db8::7"],
    })
}
