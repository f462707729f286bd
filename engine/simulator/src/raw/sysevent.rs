//! Rows of `sysevent`: logins, failures, sessions, attachment events.

use crate::action::{Deed, Refusal, file, upload_name};
use crate::clock::TableTime;
use crate::people::AccountKind;

use super::{Hex, RawRow, RowWriter, Scene};

/// What the instance analyser's certificate looks like in a parameter.
const CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2FsbGluZyBob21lIG5vd2hlcmU\n-----END CERTIFICATE-----";

/// One event before it is written.
pub(super) struct Event<'a> {
    pub(super) nth: u64,
    pub(super) name: &'a str,
    pub(super) parm1: &'a str,
    pub(super) parm2: &'a str,
    pub(super) table: &'a str,
    pub(super) instance: Hex,
    pub(super) actor: &'a str,
    pub(super) uri: &'a str,
    pub(super) later_secs: i64,
}

/// Adds the events of an action.
pub(super) fn write(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    match scene.action.deed {
        Deed::Login { sso, code_by_mail } => login(scene, sso, code_by_mail, rows),
        Deed::LoginFailed { refusal } => failure(scene, refusal, rows),
        Deed::VendorProbe => {
            let event = Event { parm1: CERTIFICATE, parm2: "10.0.0.1", ..base(scene, "login.failed", 1) };
            rows.push(row(scene, &event));
        }
        Deed::Logout => {
            let ip = scene.action.client.ip.to_string();
            let event =
                Event { parm1: scene.subject, parm2: &ip, instance: scene.session(), ..base(scene, "logout", 1) };
            rows.push(row(scene, &event));
        }
        Deed::Download { file: number } => attachment(scene, "attachment.read", number, rows),
        Deed::Rename { file: number } => attachment(scene, "attachment.renamed", number, rows),
        Deed::Upload { table, .. } => {
            let name = upload_name(scene.action);
            let event = Event {
                parm1: &name,
                parm2: crate::action::table_name(table),
                table: "sys_attachment",
                // The first row id of an upload is the new attachment's.
                instance: Hex::lower(scene.action.row_id(0)),
                ..base(scene, "attachment.uploaded", 1)
            };
            rows.push(row(scene, &event));
        }
        _ => {}
    }
}

/// A login by the identity provider tells of the session and the page, and of no address.
fn login(scene: &Scene<'_>, sso: bool, code_by_mail: bool, rows: &mut Vec<RawRow>) {
    let ip = scene.action.client.ip.to_string();
    let session = scene.session();
    if code_by_mail {
        let code = format!("{:06}", scene.action.incidental(40, 1_000_000));
        let event = Event { parm1: &scene.person.email, parm2: &code, ..base(scene, "multifactor.email.otp", 1) };
        rows.push(row(scene, &event));
    }
    if sso {
        let sys_id = Hex::lower(scene.person.sys_id);
        let page = format!("https://{}.service-now.com/navpage.do", scene.instance);
        let event = Event {
            parm1: sys_id.as_str(),
            parm2: &page,
            instance: session,
            ..base(scene, "external.authentication.succeeded", 2)
        };
        rows.push(row(scene, &event));
    }
    for (nth, name, later_secs) in [(3, "login", 0), (4, "session.established", 1)] {
        let event = Event { parm1: scene.subject, parm2: &ip, instance: session, later_secs, ..base(scene, name, nth) };
        rows.push(row(scene, &event));
    }
}

/// Written by the session that is not signed in: the subject is in the first parameter only.
fn failure(scene: &Scene<'_>, refusal: Refusal, rows: &mut Vec<RawRow>) {
    let ip = failure_address(scene);
    let uri = match refusal {
        Refusal::Expired => "/api/now/mobile/login",
        _ => "/login.do",
    };
    let event = Event { parm1: scene.subject, parm2: &ip, actor: "guest", uri, ..base(scene, "login.failed", 1) };
    rows.push(row(scene, &event));
}

/// Strangers come through custom login pages too, which log a port with the address, or no address at all.
fn failure_address(scene: &Scene<'_>) -> String {
    let ip = scene.action.client.ip;
    match (scene.person.kind, scene.action.incidental(41, 8)) {
        (AccountKind::Placeholder, 0) => String::new(),
        (AccountKind::Placeholder, 1) if ip.is_ipv4() => {
            format!("{ip}:{}", 20_000 + scene.action.incidental(42, 40_000))
        }
        _ => ip.to_string(),
    }
}

fn attachment(scene: &Scene<'_>, name: &'static str, number: u32, rows: &mut Vec<RawRow>) {
    let file = file(number);
    let event = Event {
        parm1: &file.name,
        parm2: file.table,
        table: "sys_attachment",
        instance: Hex::lower(file.sys_id),
        ..base(scene, name, 1)
    };
    rows.push(row(scene, &event));
}

pub(super) fn base<'a>(scene: &Scene<'a>, name: &'a str, nth: u64) -> Event<'a> {
    Event {
        nth,
        name,
        parm1: "",
        parm2: "",
        table: "",
        instance: Hex::lower(0),
        actor: scene.subject,
        uri: "",
        later_secs: 0,
    }
}

pub(super) fn row(scene: &Scene<'_>, event: &Event<'_>) -> RawRow {
    let created_ms = scene.created_ms(event.later_secs);
    let sys_id = scene.action.row_id(event.nth);
    let user_id = Hex::lower(scene.person.sys_id);
    let mut writer = RowWriter::new();
    writer
        .text("sys_id", Hex::lower(sys_id).as_str())
        .text("name", event.name)
        .text("parm1", event.parm1)
        .text("parm2", event.parm2)
        .text("table", event.table)
        .text("instance", event.instance.as_str())
        .text("user_id", if event.actor == "guest" { "" } else { user_id.as_str() })
        .text("user_name", event.actor)
        .text("uri", event.uri)
        .empty(&["queue"])
        .text("state", "processed")
        .plain("process_on", TableTime(created_ms))
        .plain("processed", TableTime(created_ms + 1_000))
        .empty(&["claimed_by", "descriptive_name"])
        .plain("sys_created_on", TableTime(created_ms))
        .text("sys_created_by", event.actor)
        .plain("sys_updated_on", TableTime(created_ms + 1_000));
    RawRow { table: "sysevent", created_ms, sys_id, json: writer.finish() }
}
