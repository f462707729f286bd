//! Writes actions as activity records, for producers that publish activity themselves.

use serde::Serialize;

use crate::action::{
    Action, Deed, Device, ExportFormat, Refusal, Status, file, record_id, table_name, upload_name, upload_type,
};
use crate::clock::Rfc3339;
use crate::files::{FileDeed, State};
use crate::people::{AccountKind, Person};
use crate::policies::{
    AdminDeed, How, account_id, account_name, deleted, group_id, group_name, group_of, role_id, role_name,
};
use crate::raw::{Hex, RawRow, Scene, user_agent};

#[derive(Serialize, Default)]
struct Record<'a> {
    schema: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_key: Option<String>,
    time: String,
    time_precision_ms: u32,
    instance: &'a str,
    user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    action: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth>,
    channel: &'static str,
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Quantity>,
    source: Source,
}

#[derive(Serialize, Default)]
struct User<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    kind: &'static str,
}

/// Whom an action is aimed at.
#[derive(Serialize)]
struct Target {
    name: String,
    id: String,
}

#[derive(Serialize)]
struct Auth {
    method: &'static str,
    mfa: bool,
}

#[derive(Serialize, Default)]
struct ClientPart {
    ip: String,
    ip_source: &'static str,
    user_agent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DevicePart>,
}

#[derive(Serialize)]
struct DevicePart {
    id: String,
    managed: bool,
    compliant: bool,
    os: &'static str,
}

#[derive(Serialize, Default)]
struct Object {
    kind: &'static str,
    table: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
}

#[derive(Serialize)]
struct Parent {
    table: &'static str,
    id: String,
}

#[derive(Serialize, Default)]
struct Quantity {
    objects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Serialize, Default)]
struct Source {
    producer: &'static str,
    version: &'static str,
}

/// What differs between deeds.
struct Content {
    action: &'static str,
    object: Option<Object>,
    quantity: Option<Quantity>,
}

/// The key of a record: instance and name in lower case; an address where nobody has a name.
pub(crate) fn key(scene: &Scene<'_>) -> String {
    if scene.subject.eq_ignore_ascii_case("guest") {
        return format!("{}|@{}", scene.instance, scene.action.client.ip);
    }
    format!("{}|{}", scene.instance, scene.subject).to_lowercase()
}

/// Adds the records of an action: a login makes two with the same action key, everything else one.
pub(crate) fn write_records(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    let action = scene.action;
    let record = record(scene);
    if let Deed::Status { counts_from_ms, .. } = action.deed {
        // Told by a directory: nobody's client, and the account's own record.
        let effective_at = Some(Rfc3339(counts_from_ms).to_string());
        let told =
            Record { effective_at, client: None, session: None, channel: "integration", interactive: false, ..record };
        push(action, 0, told, rows);
    } else if matches!(action.deed, Deed::Login { .. }) {
        let action_key = Some(format!("login:{}", Hex::upper(action.client.session).as_str()));
        let login = Record { action_key: action_key.clone(), ..record };
        push(action, 0, login, rows);
        let session = Record { action: "session_start", action_key, auth: None, ..self::record(scene) };
        push(action, 1, session, rows);
    } else {
        push(action, 0, record, rows);
    }
}

fn push(action: &Action, nth: u64, mut record: Record<'_>, rows: &mut Vec<RawRow>) {
    let sys_id = action.row_id(nth);
    record.id = format!("act:{}", Hex::lower(sys_id).as_str());
    // A record of strings and numbers always serialises.
    let Ok(json) = serde_json::to_string(&record) else { return };
    rows.push(RawRow { table: "activity", created_ms: action.time_ms, sys_id, json });
}

fn record<'a>(scene: &Scene<'a>) -> Record<'a> {
    let action = scene.action;
    let content = content(action);
    let (outcome, reason) = match action.deed {
        Deed::LoginFailed { refusal: Refusal::BadPassword } => ("failure", Some("bad_password")),
        Deed::LoginFailed { refusal: Refusal::Expired } => ("failure", Some("expired")),
        Deed::LoginFailed { refusal: Refusal::UnknownUser } => ("failure", Some("unknown_user")),
        Deed::VendorProbe => ("failure", Some("other")),
        Deed::SecondFactorDenied => ("failure", Some("mfa_failed")),
        _ => ("success", None),
    };
    let script = action.client.device == Device::Script;
    let channel = match action.client.device {
        Device::Phone => "mobile",
        Device::Script if scene.person.kind == AccountKind::Integration => "integration",
        Device::Script => "api",
        Device::Laptop | Device::Unmanaged | Device::Impostor | Device::Other { .. } => "ui",
    };
    Record {
        schema: "activity.v1",
        time: Rfc3339(action.time_ms).to_string(),
        time_precision_ms: 1,
        instance: scene.instance,
        user: user(scene),
        target: target(action, scene.people),
        action: content.action,
        outcome,
        reason,
        auth: auth(action),
        channel,
        interactive: !script,
        client: Some(client(scene)),
        session: (action.client.session != 0).then(|| Hex::upper(action.client.session).as_str().to_owned()),
        object: content.object,
        quantity: content.quantity,
        source: Source { producer: "nordvik-gateway", version: "3.1" },
        ..Record::default()
    }
}

fn user<'a>(scene: &Scene<'a>) -> User<'a> {
    if !scene.subject.eq_ignore_ascii_case(&scene.person.name) {
        return User { name: scene.subject, kind: "unknown", ..User::default() };
    }
    User {
        name: scene.subject,
        id: Some(Hex::lower(scene.person.sys_id).as_str().to_owned()),
        email: &scene.person.email,
        kind: scene.person.kind.as_str(),
    }
}

fn auth(action: &Action) -> Option<Auth> {
    match action.deed {
        Deed::Login { sso: true, .. } => Some(Auth { method: "saml", mfa: true }),
        Deed::Login { code_by_mail, .. } => Some(Auth { method: "local", mfa: code_by_mail }),
        Deed::LoginFailed { .. } | Deed::SecondFactorDenied => Some(Auth { method: "local", mfa: false }),
        _ => None,
    }
}

fn client(scene: &Scene<'_>) -> ClientPart {
    let client = scene.action.client;
    let device = |id, managed, os| {
        let id = format!("dev-{}", Hex::lower(id).as_str());
        Some(DevicePart { id, managed, compliant: managed, os })
    };
    let agent = user_agent(scene.action);
    let systems = [("Windows", "windows"), ("Mac OS X 10", "macos"), ("iOS", "ios"), ("Android", "android")];
    let os = systems.iter().find(|(sign, _)| agent.contains(sign)).map_or("linux", |(_, os)| os);
    let own = |is_phone| scene.person.device_id(is_phone, scene.action.time_ms);
    let device = match client.device {
        Device::Laptop => device(own(false), true, os),
        Device::Phone => device(own(true), true, os),
        Device::Other { number, managed } => device(scene.person.other_device_id(number), managed, os),
        Device::Script | Device::Unmanaged | Device::Impostor => None,
    };
    ClientPart { ip: client.ip.to_string(), ip_source: "direct", user_agent: agent, device }
}

fn content(action: &Action) -> Content {
    let plain = |word| Content { action: word, object: None, quantity: None };
    let on_record = |word, table, record| {
        let id = Some(Hex::lower(record_id(table, record)).as_str().to_owned());
        let object = Object { kind: "record", table: table_name(table).to_owned(), id, ..Object::default() };
        Content { action: word, object: Some(object), quantity: None }
    };
    match action.deed {
        Deed::Login { .. } | Deed::LoginFailed { .. } | Deed::VendorProbe => plain("login"),
        Deed::Logout => plain("logout"),
        Deed::SecondFactorDenied => plain("mfa_challenge"),
        Deed::Status { status, .. } => plain(match status {
            Status::Terminated => "user_terminate",
            Status::Disabled => "user_disable",
            Status::Enabled => "user_enable",
        }),
        Deed::View { table, record } => on_record("view", table, record),
        Deed::Update { table, record, .. } => on_record("update", table, record),
        Deed::List { table } => Content { action: "list", object: Some(list(table)), quantity: None },
        Deed::Zip { table, record, objects, bytes } => {
            let quantity = Quantity { objects: u64::from(objects), bytes: Some(bytes), rows: None };
            Content { quantity: Some(quantity), ..on_record("download", table, record) }
        }
        Deed::Export { table, format, rows, bytes, .. } => {
            let object = Object { content_type: Some(export_type(format)), ..list(table) };
            Content { action: "export", object: Some(object), quantity: Some(bulk(rows, bytes)) }
        }
        Deed::RestRead { table, rows, bytes, .. } => {
            Content { action: "bulk_read", object: Some(list(table)), quantity: Some(bulk(rows, bytes)) }
        }
        Deed::Download { file: number } => attached("download", number),
        Deed::Rename { file: number } => attached("rename", number),
        Deed::Upload { table, record, bytes } => uploaded(action, table, record, bytes),
        Deed::File(deed) => of_file(action, deed),
        Deed::Admin(deed) => of_admin(action, deed),
    }
}

/// What is done to the instance itself.
fn of_admin(action: &Action, deed: AdminDeed) -> Content {
    let hex = |id| Hex::lower(id).as_str().to_owned();
    let object = |kind, table: &str, id, name: Option<&str>| Object {
        kind,
        table: table.to_owned(),
        id: Some(hex(id)),
        name: name.map(str::to_owned),
        ..Object::default()
    };
    let row = action.row_id(1);
    let (word, object) = match deed {
        AdminDeed::Delete { table, record, .. } => {
            let (table, id) = deleted(table, record);
            ("delete", object("record", table, id, None))
        }
        AdminDeed::Impersonate { starts, .. } => {
            return Content {
                action: if starts { "impersonate_start" } else { "impersonate_end" },
                object: None,
                quantity: None,
            };
        }
        AdminDeed::Grant { role, how: How::Row | How::List, .. } => {
            ("role_grant", object("role", "sys_user_has_role", role_id(role), Some(role_name(role))))
        }
        AdminDeed::Grant { role, how: How::Group, .. } => {
            let group = group_of(role);
            ("role_grant", object("group", "sys_user_grmember", group_id(group), Some(group_name(group))))
        }
        AdminDeed::Grant { role, how: How::Contained, .. } => {
            ("role_grant", object("role", "sys_user_role_contains", role_id(role), Some(role_name(role))))
        }
        AdminDeed::Revoke { .. } => ("role_revoke", object("role", "sys_user_has_role", row, None)),
        AdminDeed::CreateUser { .. } => ("user_create", object("record", "sys_user", row, None)),
        AdminDeed::Configure { .. } => ("config_change", object("record", "sys_properties", row, None)),
        AdminDeed::Script => ("script_run", object("page", "sys.scripts.do", row, None)),
    };
    Content { action: word, object: Some(object), quantity: None }
}

/// Whom an action is aimed at, where it is aimed at somebody.
fn target(action: &Action, people: &[Person]) -> Option<Target> {
    let Deed::Admin(
        AdminDeed::Impersonate { whom, .. }
        | AdminDeed::Grant { whom, .. }
        | AdminDeed::Revoke { whom }
        | AdminDeed::CreateUser { whom },
    ) = action.deed
    else {
        return None;
    };
    Some(Target { name: account_name(people, whom), id: Hex::lower(account_id(people, whom)).as_str().to_owned() })
}

fn list(table: u8) -> Object {
    Object { kind: "list", table: table_name(table).to_owned(), ..Object::default() }
}

fn bulk(rows: u32, bytes: u64) -> Quantity {
    Quantity { objects: 1, rows: Some(u64::from(rows)), bytes: Some(bytes) }
}

fn attached(word: &'static str, number: u32) -> Content {
    let file = file(number);
    let renamed = word == "rename";
    let new_name = format!("final-{}", file.name);
    let bytes = u64::from(file.bytes);
    let object = Object {
        kind: "attachment",
        table: "sys_attachment".to_owned(),
        id: Some(Hex::lower(file.sys_id).as_str().to_owned()),
        previous_name: renamed.then(|| file.name.clone()),
        name: Some(if renamed { new_name } else { file.name }),
        parent: Some(Parent { table: file.table, id: Hex::lower(file.record).as_str().to_owned() }),
        size_bytes: Some(bytes),
        content_type: Some(file.content_type),
    };
    let quantity = (!renamed).then_some(Quantity { objects: 1, rows: None, bytes: Some(bytes) });
    Content { action: word, object: Some(object), quantity }
}

fn uploaded(action: &Action, table: u8, record: u32, bytes: u32) -> Content {
    let object = Object {
        kind: "attachment",
        table: "sys_attachment".to_owned(),
        id: Some(Hex::lower(action.row_id(0)).as_str().to_owned()),
        name: Some(upload_name(action)),
        previous_name: None,
        parent: Some(Parent { table: table_name(table), id: Hex::lower(record_id(table, record)).as_str().to_owned() }),
        size_bytes: Some(u64::from(bytes)),
        content_type: Some(upload_type(action)),
    };
    let quantity = Quantity { objects: 1, rows: None, bytes: Some(u64::from(bytes)) };
    Content { action: "upload", object: Some(object), quantity: Some(quantity) }
}

/// What is made of files; a producer of its own tells the former name of what is renamed, and the record of all.
fn of_file(action: &Action, deed: FileDeed) -> Content {
    let State { sys_id, name, previous_name, content_type, table, record, bytes } = deed.state(action);
    let object = Object {
        kind: "attachment",
        table: "sys_attachment".to_owned(),
        id: Some(Hex::lower(sys_id).as_str().to_owned()),
        name: Some(name),
        previous_name,
        parent: Some(Parent { table, id: Hex::lower(record).as_str().to_owned() }),
        size_bytes: Some(bytes),
        content_type: Some(content_type),
    };
    Content { action: deed.word(), object: Some(object), quantity: None }
}

fn export_type(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Csv => "text/csv",
        ExportFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ExportFormat::Json => "application/json",
    }
}
