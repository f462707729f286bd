//! Rows of `sys_attachment`: a new row is an upload, a changed one a rename.

use crate::action::{Deed, file, record_id, table_name, upload_name, upload_type};
use crate::clock::TableTime;

use super::{Hex, RawRow, RowWriter, Scene};

/// One state of an attachment's row.
pub(super) struct Metadata<'a> {
    pub(super) sys_id: u128,
    pub(super) file_name: &'a str,
    pub(super) content_type: &'a str,
    pub(super) bytes: u64,
    pub(super) table: &'a str,
    pub(super) record: u128,
    pub(super) created_ms: i64,
    pub(super) mod_count: u32,
}

/// Adds the row of an upload or of a rename.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    match scene.action.deed {
        Deed::Upload { table, record, bytes } => {
            let metadata = Metadata {
                sys_id: scene.action.row_id(0),
                file_name: &upload_name(scene.action),
                content_type: upload_type(scene.action),
                bytes: u64::from(bytes),
                table: table_name(table),
                record: record_id(table, record),
                created_ms: scene.created_ms(0),
                mod_count: 0,
            };
            rows.push(row(scene, &metadata));
        }
        Deed::Rename { file: number } => {
            let old = file(number);
            let metadata = Metadata {
                sys_id: old.sys_id,
                file_name: &format!("final-{}", old.name),
                content_type: old.content_type,
                bytes: u64::from(old.bytes),
                table: old.table,
                record: old.record,
                // Files that existed before the run began.
                created_ms: scene.created_ms(0) - 40 * crate::clock::DAY_MS,
                mod_count: (scene.action.time_ms / 60_000 % 100_000) as u32,
            };
            rows.push(row(scene, &metadata));
        }
        _ => {}
    }
}

pub(super) fn row(scene: &Scene<'_>, metadata: &Metadata<'_>) -> RawRow {
    let updated_ms = scene.created_ms(0);
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(metadata.sys_id).as_str())
        .text("file_name", metadata.file_name)
        .text("content_type", metadata.content_type)
        .plain("size_bytes", metadata.bytes)
        .plain("size_compressed", metadata.bytes * 7 / 10)
        .text("compressed", "true")
        .text("table_name", metadata.table)
        .text("table_sys_id", Hex::lower(metadata.record).as_str())
        .plain("hash", format_args!("{0}{0}", Hex::lower(scene.action.row_id(60)).as_str()))
        .text("state", "available")
        .text("chunk_size_bytes", "700000")
        .empty(&["encryption_context"])
        .plain("sys_created_on", TableTime(metadata.created_ms))
        .text("sys_created_by", scene.subject)
        .plain("sys_updated_on", TableTime(updated_ms))
        .text("sys_updated_by", scene.subject)
        .plain("sys_mod_count", metadata.mod_count)
        .empty(&["sys_tags"]);
    let sys_id = metadata.sys_id ^ u128::from(metadata.mod_count);
    RawRow { table: "sys_attachment", created_ms: updated_ms, sys_id, json: writer.finish() }
}
