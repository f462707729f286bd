//! Rows of `syslog_transaction`: one for each request, with the address it came from.

use std::borrow::Cow;

use super::people::Who;
use super::record::{CREATED_BY, CREATED_ON, DOMAIN, Draft, SYS_ID, keyed, note};
use super::url::{Target, Url};
use super::{Column, Out, Skip, View, secret, text};
use crate::activity::record::{ActivityRecord, Auth, Object, Outcome, Quantity, Scalar, Word};

const URL: Column = Column::new("url");
const TYPE: Column = Column::new("type");
const REMOTE_IP: Column = Column::known_as("remote_ip", &["client_ip"]);
const SESSION: Column = Column::known_as("session", &["session_id"]);
const USER_AGENT: Column = Column::known_as("user_agent", &["useragent"]);
const METHOD: Column = Column::known_as("http_method", &["method", "request_method"]);
const STATUS: Column = Column::known_as("response_status", &["status", "http_status"]);
const OUTPUT_LENGTH: Column = Column::new("output_length");
const GZIPPED: Column = Column::new("gzipped");

pub(super) const COLUMNS: &[Column] = &[
    SYS_ID,
    CREATED_ON,
    CREATED_BY,
    DOMAIN,
    URL,
    TYPE,
    REMOTE_IP,
    SESSION,
    USER_AGENT,
    METHOD,
    STATUS,
    OUTPUT_LENGTH,
    GZIPPED,
];

/// Fewest bytes that one row takes in an answer of the Table API: `{"sys_id":"<32 digits>"},`.
/// A limit in the URL is no proof of rows; an answer of 300 bytes cannot hold 10,000.
const API_ROW_BYTES_MIN: u64 = 45;
/// The same where the answer was compressed: the 32 random digits of an id hold 16 bytes, and
/// nothing makes them less.
const API_ROW_GZIPPED_BYTES_MIN: u64 = 16;
/// Rows that the Table API returns when the URL sets no limit.
const API_ROWS_DEFAULT: u64 = 10_000;
/// Marks of the vendor's mobile apps and of browsers on phones.
const MOBILE_MARKS: &[&str] = &["Android", "CFNetwork", "Mobile", "NowAgent", "NowMobile", "iPad", "iPhone", "okhttp"];
/// First parts of the paths of portals.
const PORTALS: &[&str] = &["csm", "csp", "ec", "esc", "sp", "$sp.do", "sp.do"];

/// What a request did, as far as its row can tell.
struct Deed {
    action: &'static str,
    action_key: Option<String>,
    object: Object,
    quantity: Quantity,
    /// What `quantity.rows` was read from.
    rows_basis: Option<&'static str>,
}

pub(super) fn normalise(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let who = view.normaliser.people.who(view.text(&CREATED_BY));
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let url = Url::parse(view.text(&URL));
    let target = url.target();
    refuse_noise(view, &who, &target)?;
    let deed = deed(view, &url, target);
    if who.is_placeholder() && matches!(deed.action, "view" | "list" | "search" | "other") {
        return Err(Skip::Noise("anonymous page view"));
    }
    let outcome = outcome(view, &who);
    let draft = Draft {
        who: &who,
        action: deed.action,
        outcome,
        ip: text::ip(view.text(&REMOTE_IP)),
        user_agent: view.text(&USER_AGENT),
        session: view.text(&SESSION),
        action_key: deed.action_key,
    };
    let mut record = view.record(view.id(), view.time(&CREATED_ON)?, draft);
    if outcome == Outcome::Failure {
        let denied = matches!(view.text(&STATUS), "401" | "403");
        record.reason = Some(Cow::Borrowed(if denied { "denied" } else { "other" }));
    }
    set_channel(view, &who, &url, &mut record);
    record.action_raw = Some(raw_action(view, &url));
    record.object = (deed.object != Object::default()).then_some(deed.object);
    record.quantity = Some(deed.quantity);
    if let Some(basis) = deed.rows_basis {
        note(&mut record, "rows_basis", basis);
    }
    note_query(&url, &mut record);
    view.emit(&who, record, out)
}

fn refuse_noise(view: &View<'_>, who: &Who<'_>, target: &Target) -> Result<(), Skip> {
    match target {
        Target::Background => Err(Skip::Noise("page part")),
        Target::LoginPage | Target::SecondFactor if who.is_placeholder() => Err(Skip::Noise("login page")),
        _ if view.text(&URL).is_empty() && view.text(&REMOTE_IP).is_empty() => Err(Skip::Noise("background job")),
        _ if is_scheduled(view) && who.is_placeholder() => Err(Skip::Noise("background job")),
        _ => Ok(()),
    }
}

impl Deed {
    fn plain(bytes: Option<u64>, action: &'static str, object: Object) -> Self {
        let quantity = Quantity { bytes, ..Quantity::default() };
        Self { action, action_key: None, object, quantity, rows_basis: None }
    }

    fn keyed(self, action_key: Option<String>) -> Self {
        Self { action_key, ..self }
    }
}

fn deed(view: &View<'_>, url: &Url<'_>, target: Target) -> Deed {
    let bytes = text::count(view.text(&OUTPUT_LENGTH));
    let session = view.text(&SESSION);
    match target {
        Target::LoginPage => Deed::plain(bytes, "login", page(url)).keyed(keyed("login", session)),
        Target::SecondFactor => Deed::plain(bytes, "mfa_challenge", page(url)),
        Target::Logout => Deed::plain(bytes, "logout", page(url)).keyed(keyed("logout", session)),
        Target::Attachment { id } => file(method(view), bytes, id),
        Target::Archive { record } => {
            let key = record.as_deref().and_then(|id| keyed("archive", id));
            Deed::plain(bytes, "download", object("archive", None, record)).keyed(key)
        }
        Target::ExportPoll => {
            Deed::plain(bytes, "export", object("list", None, None)).keyed(keyed("export|poll", session))
        }
        Target::Export { table, format, record } => export(url, bytes, table, format, record),
        Target::Form { table, record } => form(view, url, bytes, table, record),
        Target::Script if method(view) == "POST" => Deed::plain(bytes, "script_run", page(url)),
        Target::Image { id } => Deed::plain(bytes, "view", attachment(id)),
        Target::List { table } => Deed::plain(bytes, "list", object("list", Some(table), None)),
        Target::Page { path } => Deed::plain(bytes, "view", Object { name: Some(path), ..object("page", None, None) }),
        Target::Background | Target::Script => Deed::plain(bytes, "view", page(url)),
        Target::TableApi { .. } | Target::AttachmentApi { .. } | Target::AttachmentUpload | Target::Api => {
            service(view, url, bytes, target)
        }
    }
}

/// An attachment as a file: read, or sent to the same address.
fn file(method: &str, bytes: Option<u64>, id: Option<String>) -> Deed {
    match method {
        "GET" | "HEAD" => {
            let key = id.as_deref().and_then(|id| keyed("download", id));
            let mut deed = Deed::plain(bytes, "download", attachment(id)).keyed(key);
            deed.quantity.objects = Some(1);
            deed
        }
        // Neither the new file's id nor its size is in the row: the file's own row has them.
        "POST" | "PUT" => Deed::plain(None, "upload", attachment(id)),
        method => Deed::plain(bytes, api_action(method), attachment(id)),
    }
}

/// What a call of a REST service did.
fn service(view: &View<'_>, url: &Url<'_>, bytes: Option<u64>, target: Target) -> Deed {
    let method = method(view);
    match target {
        Target::TableApi { table, record: None } if method == "GET" => {
            table_read(view, url, Deed::plain(bytes, "list", object("list", Some(table), None)))
        }
        Target::TableApi { table, record } => {
            Deed::plain(bytes, api_action(method), object("record", Some(table), record))
        }
        Target::AttachmentApi { record: None } if method == "GET" => {
            let object = object("list", Some("sys_attachment".to_owned()), None);
            table_read(view, url, Deed::plain(bytes, "list", object))
        }
        Target::AttachmentApi { record } => Deed::plain(bytes, api_action(method), attachment(record)),
        Target::AttachmentUpload if matches!(method, "POST" | "PUT") => file(method, bytes, None),
        _ => {
            let object = Object { name: Some(url.service()), ..object("api", None, None) };
            let action = match method {
                "GET" | "HEAD" => "view",
                "DELETE" => "delete",
                // What a service does with what it is sent, its path does not say.
                _ => "other",
            };
            Deed::plain(bytes, action, object)
        }
    }
}

/// A form that is sent saves a record; what it changed is in `sys_audit`.
fn form(view: &View<'_>, url: &Url<'_>, bytes: Option<u64>, table: String, record: Option<String>) -> Deed {
    let new = url.param("sys_id").is_some_and(|id| id == "-1");
    let soap = view.text(&TYPE).eq_ignore_ascii_case("soap");
    let action = match method(view) {
        _ if soap => "other",
        "POST" if new => "create",
        "POST" if record.is_some() => "update",
        _ => "view",
    };
    let kind = if record.is_some() || new { "record" } else { "page" };
    Deed::plain(bytes, action, object(kind, Some(table), record))
}

/// Rows of a list or one record as a file. No row of another table tells of it, so it has no action
/// key: the same rows asked for again are taken away again.
fn export(url: &Url<'_>, bytes: Option<u64>, table: String, format: &'static str, record: Option<String>) -> Deed {
    let mut deed = Deed::plain(bytes, "export", Object::default());
    if record.is_some() {
        deed.quantity.rows = Some(1);
    } else {
        let said = url.param("sysparm_record_count");
        deed.quantity.rows = said.and_then(|rows| text::count(&rows));
        deed.rows_basis = deed.quantity.rows.map(|_| "record_count");
    }
    let kind = if record.is_some() { "record" } else { "list" };
    deed.object = Object { content_type: Some(format.to_owned()), ..object(kind, Some(table), record) };
    deed
}

/// Records over the Table API: as many as the limit says, but no more than fit in the answer. A
/// limit alone says nothing about rows: without the answer's length there are none to count.
fn table_read(view: &View<'_>, url: &Url<'_>, mut deed: Deed) -> Deed {
    let Some(bytes) = deed.quantity.bytes else { return deed };
    let said = url.param("sysparm_limit").or_else(|| url.param("limit"));
    let limit = said.and_then(|limit| text::count(&limit)).unwrap_or(API_ROWS_DEFAULT);
    let gzipped = matches!(view.text(&GZIPPED), "true" | "1");
    let fit = bytes / if gzipped { API_ROW_GZIPPED_BYTES_MIN } else { API_ROW_BYTES_MIN };
    let (rows, basis) = if fit < limit { (fit, "size") } else { (limit, "limit") };
    deed.quantity.rows = Some(rows);
    deed.rows_basis = Some(basis);
    if rows >= view.normaliser.config.bulk_rows_min {
        deed.action = "bulk_read";
    }
    deed
}

fn api_action(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "view",
        "POST" => "create",
        "PUT" | "PATCH" => "update",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// The method in upper case; releases that do not log it log reads far more than writes.
fn method(view: &View<'_>) -> &'static str {
    let said = view.text(&METHOD);
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    match known.into_iter().find(|known| known.eq_ignore_ascii_case(said)) {
        Some(known) => known,
        None if said.is_empty() => "GET",
        None => "other",
    }
}

/// A status where there is one; else a request that a signed-in user made was served.
fn outcome(view: &View<'_>, who: &Who<'_>) -> Outcome {
    match view.text(&STATUS).parse::<u16>() {
        Ok(100..=399) => Outcome::Success,
        Ok(400..=599) => Outcome::Failure,
        _ if who.is_placeholder() => Outcome::Unknown,
        _ => Outcome::Success,
    }
}

fn set_channel(view: &View<'_>, who: &Who<'_>, url: &Url<'_>, record: &mut ActivityRecord) {
    let agent = view.text(&USER_AGENT);
    let kind = view.text(&TYPE);
    let service = kind.eq_ignore_ascii_case("rest") || kind.eq_ignore_ascii_case("soap");
    let browser = agent.starts_with("Mozilla/");
    let mobile = MOBILE_MARKS.iter().any(|mark| agent.contains(mark));
    let portal = url.path().split('/').next().is_some_and(|first| PORTALS.contains(&first));
    let (channel, interactive) = if is_scheduled(view) {
        ("scheduled", false)
    } else if who.is_machine() {
        ("integration", false)
    } else if mobile {
        ("mobile", true)
    } else if service || url.path().starts_with("api/") {
        ("api", browser)
    } else if portal {
        ("portal", true)
    } else {
        ("ui", true)
    };
    record.channel = Some(Cow::Borrowed(channel));
    record.interactive = Some(interactive);
    if record.action == "login" {
        let method = if url.path().contains("sso") { "saml" } else { "local" };
        record.auth = Some(Auth { method: Some(Cow::Borrowed(method)), mfa: None });
    }
}

fn is_scheduled(view: &View<'_>) -> bool {
    view.text(&TYPE).eq_ignore_ascii_case("scheduler")
}

/// Type, method and page or service: parameters and ids of the URL may hold anything.
fn raw_action(view: &View<'_>, url: &Url<'_>) -> Word {
    let kind = text::clip(view.text(&TYPE), 32);
    Cow::Owned(format!("{kind} {} /{}", method(view), url.service()).trim_start().to_owned())
}

/// Which rows were asked for is what an analyst wants to know of an export.
fn note_query(url: &Url<'_>, record: &mut ActivityRecord) {
    if !matches!(record.action.as_ref(), "export" | "bulk_read") {
        return;
    }
    if let Some(query) = url.param("sysparm_query").filter(|query| !secret::mentioned(query)) {
        note(record, "query", &query);
    }
    if let Some(offset) = url.param("sysparm_offset").and_then(|offset| text::count(&offset)) {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        record.attributes.insert(Cow::Borrowed("offset"), Scalar::Count(offset));
    }
}

fn attachment(id: Option<String>) -> Object {
    object("attachment", Some("sys_attachment".to_owned()), id)
}

fn page(url: &Url<'_>) -> Object {
    Object { name: Some(url.service()), ..object("page", None, None) }
}

fn object(kind: &'static str, table: Option<String>, id: Option<String>) -> Object {
    Object { kind: Some(Cow::Borrowed(kind)), table, id, ..Object::default() }
}
