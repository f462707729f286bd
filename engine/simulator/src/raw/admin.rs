//! Rows of what is done to the instance itself: records deleted, people impersonated, roles given, settings changed. A request
//! that is a row too is written with the other requests.

use crate::action::Deed;
use crate::clock::TableTime;
use crate::policies::{
    AdminDeed, How, account_id, account_name, deleted, group_id, group_of, is_audited, role_id, role_name,
};

use super::sysevent::{self, Event};
use super::{Hex, RawRow, RowWriter, Scene};

/// Row numbers of the deleted record, and of the first audited field.
const DELETED: u64 = 79;
const FIRST: u64 = 80;
/// What a setting was and is.
const BEFORE_AND_AFTER: (&str, &str) = ("false", "true");

/// One audited field.
struct Field<'a> {
    table: &'a str,
    record: u128,
    name: &'a str,
    old: &'a str,
    new: &'a str,
}

/// Adds the rows of a deed.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    let Deed::Admin(deed) = scene.action.deed else { return };
    match deed {
        AdminDeed::Delete { table, record, .. } => {
            let (name, id) = deleted(table, record);
            rows.push(deletion(scene, name, id));
            if is_audited(table) {
                rows.push(audited(
                    scene,
                    0,
                    &Field { table: name, record: id, name: "DELETED", old: "", new: "DELETED" },
                ));
            }
        }
        AdminDeed::Impersonate { whom, starts } => impersonation(scene, whom, starts, rows),
        AdminDeed::Grant { role, how, whom } => grant(scene, (role, how, whom), rows),
        AdminDeed::Revoke { .. } => rows.push(deletion(scene, "sys_user_has_role", scene.action.row_id(FIRST - 2))),
        AdminDeed::CreateUser { whom } => {
            let record = account_id(scene.people, whom);
            rows.push(audited(scene, 0, &Field { table: "sys_user", record, name: "active", old: "", new: "1" }));
        }
        AdminDeed::Configure { property } => {
            let record = crate::chance::mix_wide(0x70_726f_7073, u64::from(property));
            let (old, new) = BEFORE_AND_AFTER;
            rows.push(audited(scene, 0, &Field { table: "sys_properties", record, name: "value", old, new }));
        }
        AdminDeed::Script => {}
    }
}

/// The event names who is acted as, and who does.
fn impersonation(scene: &Scene<'_>, whom: u32, starts: bool, rows: &mut Vec<RawRow>) {
    let other = account_name(scene.people, whom);
    let event = Event {
        parm1: &other,
        parm2: scene.subject,
        instance: scene.session(),
        actor: if starts { scene.subject } else { &other },
        ..sysevent::base(scene, if starts { "impersonation.start" } else { "impersonation.end" }, 1)
    };
    rows.push(sysevent::row(scene, &event));
}

fn grant(scene: &Scene<'_>, (role, how, whom): (u8, How, u32), rows: &mut Vec<RawRow>) {
    let (account, given) = (account_id(scene.people, whom), Hex::lower(role_id(role)));
    let (whose, new_row) = (Hex::lower(account), scene.action.row_id(FIRST - 2));
    let group = Hex::lower(group_id(group_of(role)));
    let of = |table, record, name, old, new| Field { table, record, name, old, new };
    let list = format!("itil,{}", role_name(role));
    let fields = match how {
        How::Row => vec![
            of("sys_user_has_role", new_row, "user", "", whose.as_str()),
            of("sys_user_has_role", new_row, "role", "", given.as_str()),
        ],
        How::Group => vec![
            of("sys_user_grmember", new_row, "user", "", whose.as_str()),
            of("sys_user_grmember", new_row, "group", "", group.as_str()),
        ],
        How::List => vec![of("sys_user", account, "roles", "itil", &list)],
        How::Contained => vec![of("sys_user_role_contains", new_row, "contains", "", given.as_str())],
    };
    for (nth, field) in (0..).zip(&fields) {
        rows.push(audited(scene, nth, field));
    }
}

/// The record that is kept of what was deleted, whether the table is audited or not.
fn deletion(scene: &Scene<'_>, table: &str, record: u128) -> RawRow {
    let (created_ms, sys_id) = (scene.created_ms(0), scene.action.row_id(DELETED));
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(sys_id).as_str())
        .text("tablename", table)
        .text("documentkey", Hex::lower(record).as_str())
        .plain("display_value", format_args!("{}", scene.action.incidental(80, 10_000_000)))
        .empty(&["payload"])
        .plain("sys_created_on", TableTime(created_ms))
        .text("sys_created_by", scene.subject);
    RawRow { table: "sys_audit_delete", created_ms, sys_id, json: writer.finish() }
}

fn audited(scene: &Scene<'_>, nth: u64, field: &Field<'_>) -> RawRow {
    let (created_ms, sys_id) = (scene.created_ms(0), scene.action.row_id(FIRST + nth));
    // What is new has been saved once, what is deleted never again.
    let checkpoint = match field {
        Field { name: "DELETED", .. } => "-1".to_owned(),
        Field { old: "", .. } => "0".to_owned(),
        _ => (1 + scene.action.incidental(81, 400)).to_string(),
    };
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(sys_id).as_str())
        .text("tablename", field.table)
        .text("documentkey", Hex::lower(field.record).as_str())
        .text("fieldname", field.name)
        .text("oldvalue", field.old)
        .text("newvalue", field.new)
        .empty(&["reason"])
        .text("record_checkpoint", &checkpoint)
        .empty(&["internal_checkpoint"])
        .text("user", scene.subject)
        .plain("sys_created_on", TableTime(created_ms))
        .text("sys_created_by", scene.subject);
    RawRow { table: "sys_audit", created_ms, sys_id, json: writer.finish() }
}
