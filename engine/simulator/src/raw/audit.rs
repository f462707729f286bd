//! Rows of `sys_audit`: one per changed field, without any address.

use crate::action::{Deed, record_id, table_name};
use crate::clock::TableTime;

use super::{Hex, RawRow, RowWriter, Scene};

/// Row number of the first changed field.
const FIRST: u64 = 40;
/// Fields that people change, with a value before and after.
const CHANGES: [(&str, &str, &str); 6] = [
    ("state", "2", "6"),
    ("work_notes", "", "Called the user back, \"fixed\" on second try"),
    ("assigned_to", "", "46d44a23a9fe19810012d100cca80666"),
    ("priority", "3", "2"),
    ("close_code", "", "Solved (Permanently)"),
    ("short_description", "Printer", "Printer on floor 3"),
];

/// Adds the changed fields of a save.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    let Deed::Update { table, record, fields } = scene.action.deed else { return };
    let created_ms = scene.created_ms(0);
    let checkpoint = scene.action.row_id(FIRST - 1);
    let first = scene.action.incidental(50, CHANGES.len() as u64) as usize;
    for number in 0..usize::from(fields) {
        let (field, before, after) = CHANGES[(first + number) % CHANGES.len()];
        let sys_id = scene.action.row_id(FIRST + number as u64);
        let mut writer = RowWriter::new();
        writer
            .text("sys_id", Hex::lower(sys_id).as_str())
            .text("tablename", table_name(table))
            .text("documentkey", Hex::lower(record_id(table, record)).as_str())
            .text("fieldname", field)
            .text("oldvalue", before)
            .text("newvalue", after)
            .empty(&["reason"])
            .plain("record_checkpoint", 1 + scene.action.incidental(51, 40))
            .text("internal_checkpoint", Hex::lower(checkpoint).as_str())
            .text("user", scene.subject)
            .plain("sys_created_on", TableTime(created_ms))
            .text("sys_created_by", scene.subject);
        rows.push(RawRow { table: "sys_audit", created_ms, sys_id, json: writer.finish() });
    }
}
