//! What a record tells beyond what the detectors keep: the texts that conditions of rules ask for. It lives no longer than
//! the record.

use std::borrow::Cow;

/// What a record tells; what is empty is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told<'a> {
    /// `action_raw`.
    pub action_raw: Option<Cow<'a, str>>,
    /// `actor.name`.
    pub actor: Option<Cow<'a, str>>,
    /// `target.name`.
    pub target: Option<Cow<'a, str>>,
    /// `user.email`.
    pub email: Option<Cow<'a, str>>,
    /// `auth.method`.
    pub method: Option<Cow<'a, str>>,
    /// `client.user_agent`.
    pub agent: Option<Cow<'a, str>>,
    /// `client.device.id`.
    pub device: Option<Cow<'a, str>>,
    /// `object.kind`.
    pub object_kind: Option<Cow<'a, str>>,
    /// `object.table`.
    pub object_table: Option<Cow<'a, str>>,
    /// `object.id`.
    pub object_id: Option<Cow<'a, str>>,
    /// `object.name`.
    pub object_name: Option<Cow<'a, str>>,
    /// `object.content_type`.
    pub content_type: Option<Cow<'a, str>>,
    /// `object.visibility`.
    pub visibility: Option<Cow<'a, str>>,
    /// `object.parent.table`.
    pub parent_table: Option<Cow<'a, str>>,
    /// `domain`.
    pub domain: Option<Cow<'a, str>>,
    /// `source.producer`.
    pub producer: Cow<'a, str>,
    /// `source.table`.
    pub source_table: Option<Cow<'a, str>>,
    /// `object.labels`.
    pub labels: Vec<Cow<'a, str>>,
    /// The addresses of `recipients`.
    pub recipients: Vec<Cow<'a, str>>,
    /// `object.size_bytes`.
    pub size_bytes: Option<u64>,
    /// `quantity`: objects, rows and bytes.
    pub quantity: [Option<u64>; 3],
    /// Is there a `reason`?
    pub has_reason: bool,
    /// `user.privileged`.
    pub privileged: Option<bool>,
    /// `interactive`.
    pub interactive: Option<bool>,
}
