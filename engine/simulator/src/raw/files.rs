//! Rows of what is made of attached files.

use crate::action::Deed;
use crate::clock::{DAY_MS, TableTime};
use crate::files::{FileDeed, State};

use super::attachment::{self, Metadata};
use super::sysevent::{self, Event};
use super::{Hex, RawRow, RowWriter, Scene};

/// Row number of the audited change.
const AUDITED: u64 = 70;

/// Adds the rows of a deed with a file.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    let Deed::File(deed) = scene.action.deed else { return };
    let state = deed.state(scene.action);
    let name = match deed {
        FileDeed::Rename { .. } => "attachment.renamed",
        FileDeed::Delete { .. } => "attachment.deleted",
        FileDeed::Put { .. } | FileDeed::Text { .. } => "attachment.uploaded",
    };
    // Of a rename the event has the former name in one half of the instances, and the new one in the other.
    let former = state.previous_name.as_deref().filter(|_| scene.instance.len().is_multiple_of(2));
    let event = Event {
        parm1: former.unwrap_or(&state.name),
        parm2: state.table,
        table: "sys_attachment",
        instance: Hex::lower(state.sys_id),
        ..sysevent::base(scene, name, 1)
    };
    rows.push(sysevent::row(scene, &event));
    if deed.is_audited() {
        rows.push(audited(scene, &state));
    }
    let changed = matches!(deed, FileDeed::Rename { .. });
    if changed || deed.word() == "upload" {
        let metadata = Metadata {
            sys_id: state.sys_id,
            file_name: &state.name,
            content_type: state.content_type,
            bytes: state.bytes,
            table: state.table,
            record: state.record,
            created_ms: scene.created_ms(0) - if changed { 40 * DAY_MS } else { 0 },
            mod_count: if changed { 1 + (scene.action.time_ms / 1_000 % 100_000) as u32 } else { 0 },
        };
        rows.push(attachment::row(scene, &metadata));
    }
}

/// The changed name, or the deletion.
fn audited(scene: &Scene<'_>, state: &State) -> RawRow {
    let created_ms = scene.created_ms(0);
    let sys_id = scene.action.row_id(AUDITED);
    let renamed = state.previous_name.is_some();
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(sys_id).as_str())
        .text("tablename", "sys_attachment")
        .text("documentkey", Hex::lower(state.sys_id).as_str())
        .text("fieldname", if renamed { "file_name" } else { "DELETED" })
        .text("oldvalue", state.previous_name.as_deref().unwrap_or(""))
        .text("newvalue", if renamed { &state.name } else { "DELETED" })
        .empty(&["reason"])
        .text("record_checkpoint", if renamed { "1" } else { "-1" })
        .empty(&["internal_checkpoint"])
        .text("user", scene.subject)
        .plain("sys_created_on", TableTime(created_ms))
        .text("sys_created_by", scene.subject);
    RawRow { table: "sys_audit", created_ms, sys_id, json: writer.finish() }
}
