//! Rows of `sys_attachment`: a file that came, and its changes.

use std::borrow::Cow;

use super::record::{CREATED_BY, CREATED_ON, DOMAIN, Draft, SYS_ID, TEXT_BYTES_MAX, keyed};
use super::{Column, Out, Skip, View, text};
use crate::activity::record::{Object, Outcome, Parent, Quantity, Word};

const FILE_NAME: Column = Column::new("file_name");
const CONTENT_TYPE: Column = Column::new("content_type");
const SIZE_BYTES: Column = Column::new("size_bytes");
const TABLE_NAME: Column = Column::new("table_name");
const TABLE_SYS_ID: Column = Column::new("table_sys_id");
const HASH: Column = Column::new("hash");
const MOD_COUNT: Column = Column::new("sys_mod_count");
const UPDATED_ON: Column = Column::new("sys_updated_on");
const UPDATED_BY: Column = Column::new("sys_updated_by");

pub(super) const COLUMNS: &[Column] = &[
    SYS_ID,
    CREATED_ON,
    CREATED_BY,
    DOMAIN,
    FILE_NAME,
    CONTENT_TYPE,
    SIZE_BYTES,
    TABLE_NAME,
    TABLE_SYS_ID,
    HASH,
    MOD_COUNT,
    UPDATED_ON,
    UPDATED_BY,
];

/// The platform itself touches a new row (state, hash) in its first seconds: until then a changed
/// row is still the upload, in milliseconds.
const SETTLES_MS: i64 = 60_000;
/// What the platform puts before the table of an image field.
const IMAGE_FIELD_PREFIX: &str = "ZZ_YY";

pub(super) fn normalise(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let Some(id) = text::sys_id(view.text(&SYS_ID)) else {
        return Err(Skip::Reject(SYS_ID.name, "not a sys_id".to_owned()));
    };
    let created = view.time(&CREATED_ON)?;
    let revision = text::count(view.text(&MOD_COUNT)).unwrap_or(0);
    // A row that says it was changed, but not when, is the upload as far as anybody can tell.
    let updated = text::time(view.text(&UPDATED_ON)).unwrap_or(created);
    let new = revision == 0 || updated.0.ms() - created.0.ms() <= SETTLES_MS;
    let (action, time, by) =
        if new { ("upload", created, view.text(&CREATED_BY)) } else { ("update", updated, view.text(&UPDATED_BY)) };
    let who = view.normaliser.people.who(by);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let draft = Draft {
        who: &who,
        action,
        outcome: Outcome::Success,
        ip: None,
        user_agent: "",
        session: "",
        action_key: keyed(action, &id),
    };
    let mut record = view.record(format!("sys_attachment:{id}:{revision}"), time, draft);
    record.action_raw = Some(Word::Borrowed(if new { "insert" } else { "update" }));
    let object = object(view, id);
    record.quantity = Some(Quantity { objects: Some(1), rows: None, bytes: object.size_bytes });
    record.object = Some(object);
    view.emit(&who, record, out)
}

fn object(view: &View<'_>, id: String) -> Object {
    let table = view.text(&TABLE_NAME);
    let (kind, table) = match table.strip_prefix(IMAGE_FIELD_PREFIX) {
        Some(table) => ("image", table),
        None => ("attachment", table),
    };
    let parent =
        Parent { table: text::owned(table, TEXT_BYTES_MAX), id: text::owned(view.text(&TABLE_SYS_ID), TEXT_BYTES_MAX) };
    Object {
        kind: Some(Cow::Borrowed(kind)),
        table: Some("sys_attachment".to_owned()),
        id: Some(id),
        name: text::owned(view.text(&FILE_NAME), TEXT_BYTES_MAX),
        parent: (parent != Parent::default()).then_some(parent),
        size_bytes: text::count(view.text(&SIZE_BYTES)),
        content_type: text::owned(view.text(&CONTENT_TYPE), TEXT_BYTES_MAX),
        hash: text::owned(view.text(&HASH), TEXT_BYTES_MAX),
        ..Object::default()
    }
}
