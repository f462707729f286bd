//! Rows of `syslog_transaction`: one per request.

use crate::action::{Deed, ExportFormat, file, record_id, table_name};
use crate::clock::TableTime;
use crate::policies::{AdminDeed, deleted};

use super::{Hex, RawRow, RowWriter, Scene};

/// Row number of an action's transaction.
const NTH: u64 = 20;

/// What differs between requests.
struct Request {
    url: String,
    kind: &'static str,
    method: &'static str,
    bytes: u64,
}

/// Adds the transaction of an action, if it is a request that is logged.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    let Some(request) = request(scene) else { return };
    let action = scene.action;
    let created_ms = scene.created_ms(0);
    let sys_id = action.row_id(NTH);
    let response_ms = 60 + action.incidental(10, 700) + request.bytes / 20_000;
    let sql_count = 4 + action.incidental(11, 60);
    let rest = request.kind == "rest";
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(sys_id).as_str())
        .text("type", request.kind)
        .text("url", &request.url)
        .plain("remote_ip", action.client.ip)
        .text("sys_created_by", scene.subject)
        .text("session", scene.session().as_str())
        .text("user_agent", scene.user_agent())
        .text("http_method", request.method)
        .text("response_status", "200")
        .text("protocol", "TLSv1.3")
        .plain("response_time", response_ms)
        .plain("network_time", 5 + action.incidental(12, 90))
        .plain("output_length", request.bytes)
        .plain("sql_count", sql_count)
        .plain("business_rule_count", action.incidental(13, 12))
        .plain("acl_time", action.incidental(14, 20))
        .plain("cpu_time", response_ms / 2)
        .text("transaction_pattern", if rest { "rest" } else { "" })
        .text("client_transaction", if rest { "false" } else { "true" })
        .text("origin_scope", "global")
        .plain("system_id", format_args!("app{:02}.{}:node", 1 + action.client.session % 4, scene.instance))
        .text("gzipped", if action.incidental(17, 8) == 0 { "false" } else { "true" })
        .plain("sys_created_on", TableTime(created_ms));
    rows.push(RawRow { table: "syslog_transaction", created_ms, sys_id, json: writer.finish() });
}

fn request(scene: &Scene<'_>) -> Option<Request> {
    let action = scene.action;
    let get = |url: String, kind, bytes| Some(Request { url, kind, method: "GET", bytes });
    let page_bytes = 9_000 + action.incidental(15, 60_000);
    match action.deed {
        Deed::Login { .. } => get("/navpage.do".to_owned(), "form", page_bytes),
        Deed::View { table, record } => {
            let (table_name, id) = (table_name(table), Hex::lower(record_id(table, record)));
            get(format!("/{table_name}.do?sys_id={}", id.as_str()), "form", page_bytes)
        }
        Deed::List { table } => {
            let offset = action.incidental(16, 5) * 20;
            get(
                format!("/{}_list.do?sysparm_query=active=true&sysparm_first_row={offset}", table_name(table)),
                "list",
                page_bytes,
            )
        }
        Deed::Download { file: number } => {
            let file = file(number);
            let id = Hex::lower(file.sys_id);
            let url = format!("/sys_attachment.do?sys_id={}&sysparm_viewer_table={}", id.as_str(), file.table);
            get(url, "processor", u64::from(file.bytes))
        }
        Deed::Zip { table, record, bytes, .. } => {
            let id = Hex::lower(record_id(table, record));
            get(format!("/download_all_attachments.do?sysparm_sys_id={}", id.as_str()), "processor", bytes)
        }
        Deed::Export { table, format, rows, first_row, bytes } => {
            get(export_url(table, format, rows, first_row), "list", bytes)
        }
        Deed::RestRead { table, rows, offset, bytes } => {
            let table = table_name(table);
            get(format!("/api/now/table/{table}?sysparm_limit={rows}&sysparm_offset={offset}"), "rest", bytes)
        }
        Deed::Update { table, .. } => {
            let (url, kind) = if action.client.device == crate::action::Device::Script {
                (format!("/api/now/table/{}", table_name(table)), "rest")
            } else {
                (format!("/{}.do", table_name(table)), "form")
            };
            Some(Request { url, kind, method: "POST", bytes: page_bytes })
        }
        Deed::Upload { .. } => {
            let url = "/sys_attachment.do".to_owned();
            Some(Request { url, kind: "processor", method: "POST", bytes: 800 })
        }
        Deed::Admin(AdminDeed::Delete { table, record, rest: true }) => {
            let (name, id) = deleted(table, record);
            let url = format!("/api/now/table/{name}/{}", Hex::lower(id).as_str());
            Some(Request { url, kind: "rest", method: "DELETE", bytes: 0 })
        }
        Deed::Admin(AdminDeed::Script) => {
            let url = "/sys.scripts.do".to_owned();
            Some(Request { url, kind: "form", method: "POST", bytes: page_bytes })
        }
        Deed::LoginFailed { .. }
        | Deed::VendorProbe
        | Deed::Logout
        | Deed::Rename { .. }
        | Deed::File(_)
        | Deed::Admin(_)
        | Deed::SecondFactorDenied
        | Deed::Status { .. } => None,
    }
}

fn export_url(table: u8, format: ExportFormat, rows: u32, first_row: u32) -> String {
    let word = match format {
        ExportFormat::Csv => "CSV",
        ExportFormat::Xlsx => "XLSX",
        ExportFormat::Json => "JSONv2",
    };
    let query = if first_row == 0 {
        "active=true".to_owned()
    } else {
        format!("sys_id>{}", Hex::lower(record_id(table, first_row)).as_str())
    };
    let table = table_name(table);
    format!(
        "/{table}_list.do?{word}&sysparm_query={query}^ORDERBYsys_id&sysparm_record_count={rows}&sysparm_default_export_fields=all"
    )
}
