//! Rows of `sys_audit`: one for each changed field; and of `sys_audit_delete`: one for each record that was deleted, of
//! tables that are not audited too.
//!
//! Old and new values are whatever people keep in their records, so they never pass, but for the
//! few that say who may do what: the switch of an account, user names, names of files, roles.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::people::Who;
use super::record::{CREATED_BY, CREATED_ON, DOMAIN, Draft, SYS_ID, TEXT_BYTES_MAX, keyed, note};
use super::{Column, Out, Skip, View, secret, text};
use crate::activity::USER_NAME_BYTES_MAX;
use crate::activity::record::{ActivityRecord, Object, Outcome, Parent, Person, Quantity, Word};
use crate::activity::time::UtcTime;

const TABLE: Column = Column::new("tablename");
const RECORD: Column = Column::new("documentkey");
const FIELD: Column = Column::new("fieldname");
const OLD: Column = Column::new("oldvalue");
const NEW: Column = Column::new("newvalue");
const CHECKPOINT: Column = Column::new("record_checkpoint");
const USER: Column = Column::new("user");

pub(super) const COLUMNS: &[Column] =
    &[SYS_ID, CREATED_ON, CREATED_BY, DOMAIN, TABLE, RECORD, FIELD, OLD, NEW, CHECKPOINT, USER];

const DISPLAY: Column = Column::new("display_value");

pub(super) const DELETED_COLUMNS: &[Column] = &[SYS_ID, CREATED_ON, CREATED_BY, DOMAIN, TABLE, RECORD, DISPLAY];

/// `fieldname` of the row that stands for the deletion of a whole record.
const DELETED: &str = "DELETED";
/// Who is in which group.
const GROUP_MEMBERS: &str = "sys_user_grmember";
/// Which role has another: whoever is given the one has both.
const ROLE_CONTAINS: &str = "sys_user_role_contains";
/// What a role is a record of.
const ROLES: &str = "sys_user_role";
/// Most roles of one changed list that are named; all of them are compared and counted.
const ROLES_MAX: usize = 64;
/// Tables that decide how the instance behaves and who may enter it.
const CONFIG_TABLES: &[&str] = &[
    "digest_properties",
    "ecc_agent_property",
    "ip_access",
    "ldap_server_config",
    "multi_factor_criteria",
    "oauth_entity",
    "saml2_update1_properties",
    "sso_properties",
    "sys_dictionary",
    "sys_properties",
    "sys_public",
    "sys_rate_limit_rules",
    "sys_script",
    "sys_script_fix",
    "sys_script_include",
    "sys_security_acl",
    "sys_security_acl_role",
    "sys_ws_operation",
    "sysauto_script",
    "sysevent_script_action",
];

/// The row, read.
struct Change<'c> {
    table: &'c str,
    record: &'c str,
    field: &'c str,
    old: &'c str,
    new: &'c str,
    time: (UtcTime, u32),
    save: String,
}

pub(super) fn normalise(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let name = view.text(&USER);
    let name = if name.is_empty() { view.text(&CREATED_BY) } else { name };
    let who = view.normaliser.people.who(name);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let change = read(view)?;
    match (change.table, change.field) {
        ("sys_user", "user_name") if !change.old.is_empty() => rename_user(view, &who, &change, out),
        ("sys_user", "roles") => roles(view, &who, &change, out),
        _ => {
            let mut record = record(view, &who, &change, action(&change), "");
            describe(&change, &mut record);
            view.emit(&who, record, out)
        }
    }
}

/// A row of `sys_audit_delete`. What the record was called is passed on of a file alone: others are called what people wrote
/// in them, as the payload is.
pub(super) fn normalise_deleted(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let who = view.normaliser.people.who(view.text(&CREATED_BY));
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let (table, deleted, time) = (required(view, &TABLE)?, required(view, &RECORD)?, view.time(&CREATED_ON)?);
    let save = format!("save|{table}|{deleted}|{}", time.0);
    let change = Change { table, record: deleted, field: DELETED, old: "", new: "", time, save };
    let mut record = record(view, &who, &change, action(&change), "");
    describe(&change, &mut record);
    if table == "sys_attachment" {
        record.object.get_or_insert_default().name = text::owned(view.text(&DISPLAY), TEXT_BYTES_MAX);
    }
    view.emit(&who, record, out)
}

fn required<'c>(view: &'c View<'_>, column: &Column) -> Result<&'c str, Skip> {
    match view.text(column) {
        "" => Err(Skip::Reject(column.name, "missing".to_owned())),
        text => Ok(text::clip(text, TEXT_BYTES_MAX)),
    }
}

fn read<'c>(view: &'c View<'_>) -> Result<Change<'c>, Skip> {
    let (table, record, field) = (required(view, &TABLE)?, required(view, &RECORD)?, required(view, &FIELD)?);
    let time = view.time(&CREATED_ON)?;
    // The checkpoint counts the saves of a record; a deletion has −1, and some exports have none.
    let save = match view.text(&CHECKPOINT).parse::<u64>() {
        Ok(checkpoint) => format!("save|{table}|{record}|{checkpoint}"),
        Err(_) => format!("save|{table}|{record}|{}", time.0),
    };
    let (old, new) = (view.text(&OLD), view.text(&NEW));
    Ok(Change { table, record, field, old, new, time, save })
}

/// What a change of this field of this table means.
fn action(change: &Change<'_>) -> &'static str {
    let deleted = change.field == DELETED;
    match change.table {
        "sys_user" if deleted => "delete",
        "sys_user" => match (change.field, switch(change.old), switch(change.new)) {
            ("active", Some(true), Some(false)) => "user_disable",
            ("active", Some(false), Some(true)) => "user_enable",
            // A new account: its switch had no value before.
            ("active", None, Some(_)) if change.old.is_empty() => "user_create",
            ("user_password" | "password", ..) => "password_change",
            ("enable_multifactor_authn", ..) => "mfa_change",
            _ => "update",
        },
        "sys_user_has_role" | "sys_group_has_role" | GROUP_MEMBERS | ROLE_CONTAINS if deleted => "role_revoke",
        "sys_user_has_role" | "sys_group_has_role"
            if matches!(change.field, "role" | "user") && !change.new.is_empty() =>
        {
            "role_grant"
        }
        // Who comes into a group has the roles of it.
        GROUP_MEMBERS if matches!(change.field, "group" | "user") && !change.new.is_empty() => "role_grant",
        // Whoever has a role has those that it contains.
        ROLE_CONTAINS if matches!(change.field, "contains" | "role") && !change.new.is_empty() => "role_grant",
        "user_multifactor_auth" | "sys_user_multi_factor_setup" | "sys_user_public_credential" => "mfa_change",
        "sys_attachment" if change.field == "file_name" && !change.old.is_empty() => "rename",
        table if CONFIG_TABLES.contains(&table) => "config_change",
        _ if deleted => "delete",
        _ => "update",
    }
}

/// What a grant gives, or takes away again.
fn granted(change: &Change<'_>) -> &'static str {
    if change.table == GROUP_MEMBERS { "group" } else { "role" }
}

/// True and false as the platform stores and exports them.
fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// Adds what the action says about the record, and the few values that may pass.
fn describe(change: &Change<'_>, record: &mut ActivityRecord) {
    let id = text::sys_id(change.record);
    let action = record.action.clone();
    let object = record.object.get_or_insert_default();
    match action.as_ref() {
        "user_disable" | "user_enable" | "user_create" | "password_change" => {
            record.target = Some(Person { id, ..Person::default() });
        }
        "mfa_change" | "delete" if change.table == "sys_user" => {
            record.target = Some(Person { id, ..Person::default() });
        }
        "rename" => {
            object.previous_name = text::owned(change.old, TEXT_BYTES_MAX);
            object.name = text::owned(change.new, TEXT_BYTES_MAX);
            record.action_key = keyed("rename", change.record);
        }
        // A grant is a new record: one of its rows names the account, another the role.
        "role_grant" if change.field == "user" => {
            object.kind = Some(Cow::Borrowed(granted(change)));
            let id = text::sys_id(change.new);
            record.target = Some(Person { id, ..Person::default() });
        }
        // What is given to is no account here, but all that have this role.
        "role_grant" if change.table == ROLE_CONTAINS && change.field == "role" => {
            object.kind = Some(Cow::Borrowed(granted(change)));
            object.parent = Some(Parent { table: Some(ROLES.to_owned()), id: text::owned(change.new, TEXT_BYTES_MAX) });
        }
        "role_grant" => {
            object.kind = Some(Cow::Borrowed(granted(change)));
            object.name = text::owned(change.new, TEXT_BYTES_MAX);
        }
        "role_revoke" => object.kind = Some(Cow::Borrowed(granted(change))),
        _ => {}
    }
    if change.field == DELETED {
        record.action_key = keyed("delete", change.record);
    } else if !secret::mentioned(change.field) {
        note(record, "field", change.field);
    }
}

/// A rename is written under both names, so that what was learned under the old one can move.
fn rename_user(view: &View<'_>, admin: &Who<'_>, change: &Change<'_>, out: Out<'_>) -> Result<(), Skip> {
    let id = text::sys_id(change.record);
    for (name, part) in [(change.old, ":old"), (change.new, ":new")] {
        let who = view.normaliser.people.who(name);
        let mut record = record(view, &who, change, "user_rename", part);
        record.user.id.clone_from(&id);
        record.actor = super::record::named(admin);
        record.target =
            Some(Person { name: text::owned(change.new, USER_NAME_BYTES_MAX), id: id.clone(), ..Person::default() });
        let object = record.object.get_or_insert_default();
        object.name = text::owned(change.new, TEXT_BYTES_MAX);
        object.previous_name = text::owned(change.old, TEXT_BYTES_MAX);
        view.emit(&who, record, out)?;
    }
    Ok(())
}

/// The audited list of a user's roles: what came is a grant, what went is a revocation.
fn roles(view: &View<'_>, who: &Who<'_>, change: &Change<'_>, out: Out<'_>) -> Result<(), Skip> {
    let (old, new) = (names(change.old), names(change.new));
    let differences = [("role_grant", ":grant", &new, &old), ("role_revoke", ":revoke", &old, &new)];
    for (action, part, these, others) in differences {
        let count = these.difference(others).count();
        if count == 0 {
            continue;
        }
        let named: Vec<&str> = these.difference(others).take(ROLES_MAX).copied().collect();
        let mut record = record(view, who, change, action, part);
        record.action_key = None;
        record.target = Some(Person { id: text::sys_id(change.record), ..Person::default() });
        record.quantity = Some(Quantity { objects: Some(count as u64), ..Quantity::default() });
        record.object = Some(Object {
            kind: Some(Cow::Borrowed("role")),
            name: text::owned(&named.join(","), TEXT_BYTES_MAX),
            ..Object::default()
        });
        view.emit(who, record, out)?;
    }
    Ok(())
}

/// The names of a list, whatever their order.
fn names(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// The record of this change; `part` tells several records of one row apart.
fn record(view: &View<'_>, who: &Who<'_>, change: &Change<'_>, action: &'static str, part: &str) -> ActivityRecord {
    // A save has many fields and is one update. What else it does must not hide behind that, nor
    // behind one another; of a grant, one row says to whom and another which role.
    let action_key = match action {
        "update" => Some(change.save.clone()),
        "role_grant" => None,
        other => Some(format!("{}|{other}", change.save)),
    };
    let draft = Draft { who, action, outcome: Outcome::Success, ip: None, user_agent: "", session: "", action_key };
    let mut record = view.record(view.id() + part, change.time, draft);
    record.action_raw = Some(Word::Borrowed(if change.field == DELETED { "delete" } else { "change" }));
    record.object = Some(Object {
        kind: Some(Cow::Borrowed("record")),
        table: Some(change.table.to_owned()),
        id: Some(change.record.to_owned()),
        ..Object::default()
    });
    record.quantity = Some(Quantity { objects: Some(1), ..Quantity::default() });
    record
}
