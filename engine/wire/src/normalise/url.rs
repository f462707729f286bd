//! What the URL of a transaction asks for.
//!
//! URLs come from whoever sends requests: they are cut at a limit, decoded once, and only the
//! path and named parameters are read.

use std::borrow::Cow;

use super::{secret, text};

/// Longest URL that is read, in bytes; the rest is cut off.
pub(super) const URL_BYTES_MAX: usize = 8 * 1024;

/// Endings of files that pages are made of.
const STATIC_ENDINGS: &[&str] = &[
    ".css", ".cssdbx", ".cssx", ".gif", ".ico", ".jpg", ".js", ".jsdbx", ".jsx", ".map", ".png", ".svg", ".ttf",
    ".woff", ".woff2",
];
/// Starts of paths that pages ask for by themselves, again and again.
const BACKGROUND_PATHS: &[&str] = &[
    "amb",
    "angular.do",
    "api/now/ui/",
    "api/now/uxf/",
    "cometd",
    "heartbeat.do",
    "keepalive.do",
    "scripts/",
    "styles/",
    "uxasset/",
    "xmlhttp.do",
];
/// What ends a path, also where it was escaped: parameters in any dress.
const PATH_ENDS: &[char] = &['?', ';', '#', '&', '='];
/// The same, and `%` itself, escaped once more than it is decoded: what stands after `%`.
const PATH_ENDS_ESCAPED: &[&str] = &["23", "25", "26", "3b", "3d", "3f"];
/// Where the classic interface's shell carries the URL of the page inside it. That page is asked
/// for by a request of its own.
const SHELL_TARGET: &str = "/params/target/";
/// Longest name of a table, in bytes.
const TABLE_BYTES_MAX: usize = 80;
/// Longest path in a record, in bytes.
const PATH_BYTES_MAX: usize = 128;
/// Formats that a list or form can be exported in, as the parameter that asks for them.
const FORMATS: &[&str] = &["CSV", "EXCEL", "JSON", "JSONv2", "PDF", "UNL", "XLS", "XLSX", "XML"];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Part of a page, or a page asking by itself.
    Background,
    /// The page to sign in at.
    LoginPage,
    /// The page that checks a second factor.
    SecondFactor,
    /// The page to sign out at.
    Logout,
    /// One attachment, as a file.
    Attachment { id: Option<String> },
    /// One attachment, shown as an image in a page.
    Image { id: Option<String> },
    /// All attachments of a record in one file.
    Archive { record: Option<String> },
    /// Rows of `table` as a file; `record` for a form.
    Export { table: String, format: &'static str, record: Option<String> },
    /// The next piece of a large export that the page polls for.
    ExportPoll,
    /// Records over the Table API, or one record.
    TableApi { table: String, record: Option<String> },
    /// Records of attachments over the Attachment API, or one.
    AttachmentApi { record: Option<String> },
    /// A file sent over the Attachment API.
    AttachmentUpload,
    /// Anything else over REST.
    Api,
    /// A list page.
    List { table: String },
    /// A form page, or another page of the classic interface.
    Form { table: String, record: Option<String> },
    /// A background script page.
    Script,
    /// Any other page: its path.
    Page { path: String },
}

/// A URL without scheme and host, cut to its limit.
#[derive(Debug, Clone)]
pub(super) struct Url<'u> {
    /// Decoded, without slashes at its ends and whatever is no path.
    shown: Cow<'u, str>,
    /// [`Self::shown`] in lower case.
    path: String,
    query: &'u str,
}

impl<'u> Url<'u> {
    pub(super) fn parse(url: &'u str) -> Self {
        let url = text::clip(url.trim(), URL_BYTES_MAX);
        let local = match url.split_once("://") {
            // A scheme stands before any slash or question mark; else it is part of a parameter.
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("")
            }
            _ => url,
        };
        let local = local.split('#').next().unwrap_or("");
        let (path, query) = local.split_once('?').unwrap_or((local, ""));
        let path = path.split(';').next().unwrap_or("");
        let shown = match decode(path, false) {
            Cow::Borrowed(path) => Cow::Borrowed(only_path(path)),
            Cow::Owned(path) => Cow::Owned(only_path(&path).to_owned()),
        };
        Self { path: shown.to_ascii_lowercase(), shown, query }
    }

    /// The decoded path in lower case, without slashes at its ends.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path in lower case with whatever may be an id or a secret left out, so that it names a
    /// service or a page and neither a record nor a person.
    pub(super) fn service(&self) -> String {
        let mut all = String::with_capacity(self.shown.len().min(PATH_BYTES_MAX));
        for part in self.shown.split('/').filter(|part| !part.is_empty()) {
            let name = named(part);
            if all.len() + name.len() >= PATH_BYTES_MAX {
                break;
            }
            if !all.is_empty() {
                all.push('/');
            }
            all.push_str(&name);
            // A link to reset a password carries its token in what follows.
            if secret::mentioned(part) {
                break;
            }
        }
        all
    }

    /// The decoded value of a parameter; `Some("")` for one without value.
    pub(super) fn param(&self, name: &str) -> Option<Cow<'u, str>> {
        self.params().find(|(key, _)| key == name).map(|(_, value)| decode(value, true))
    }

    /// Every parameter: its decoded name and its raw value.
    fn params(&self) -> impl Iterator<Item = (Cow<'u, str>, &'u str)> {
        self.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), value)
        })
    }

    fn id(&self, name: &str) -> Option<String> {
        text::sys_id(self.param(name)?.trim())
    }

    /// What is asked for.
    pub(super) fn target(&self) -> Target {
        let path = self.path.as_str();
        let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
        let is_part = |start: &str| {
            path.strip_prefix(start)
                .is_some_and(|rest| start.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(id) = path.strip_suffix(".iix") {
            let id = id.rsplit('/').next().unwrap_or("");
            return Target::Image { id: text::sys_id(id).or_else(|| self.id("sys_id")) };
        }
        if ends(STATIC_ENDINGS) || BACKGROUND_PATHS.iter().any(|start| is_part(start)) {
            return Target::Background;
        }
        if path.contains(SHELL_TARGET) {
            return Target::Page { path: self.service() };
        }
        if let Some(rest) = path.strip_prefix("api/") {
            return self.api(rest);
        }
        // Portals serve pages of the classic interface under their own path: the last part counts.
        let page = path.rsplit('/').next().unwrap_or("");
        self.page(page)
    }

    fn page(&self, page: &str) -> Target {
        match page {
            "login.do" | "login_with_sso.do" | "login_redirect.do" | "auth_redirect.do" | "side_door.do"
            | "welcome.do" => Target::LoginPage,
            "validate_multifactor_auth_code.do" | "multifactor_auth_view.do" => Target::SecondFactor,
            "logout.do" | "logout_redirect.do" => Target::Logout,
            "sys_attachment.do" if self.format().is_none() => Target::Attachment { id: self.id("sys_id") },
            "download_all_attachments.do" | "exportattachmentstozip.do" | "exportattachmentstozip" => {
                Target::Archive { record: self.id("sysparm_sys_id").or_else(|| self.id("sys_id")) }
            }
            "sys.scripts.do" => Target::Script,
            "sys_poll.do" if self.speaks_of_export() => Target::ExportPoll,
            "sys_poll.do" => Target::Background,
            "sys_report_template.do" if self.format().is_some() || self.speaks_of_export() => {
                let format = self.format().unwrap_or("PDF");
                Target::Export { table: "sys_report".to_owned(), format, record: None }
            }
            _ if page.starts_with("export_poll") => Target::ExportPoll,
            _ => self.list_or_form(page),
        }
    }

    fn list_or_form(&self, page: &str) -> Target {
        let Some(name) = page.strip_suffix(".do") else {
            return Target::Page { path: self.service() };
        };
        let (table, list) = match name.strip_suffix("_list") {
            Some(table) => (short(table), true),
            None => (short(name), false),
        };
        let record = self.id("sys_id").filter(|_| !list);
        match self.format() {
            Some(format) => Target::Export { table, format, record },
            None if list => Target::List { table },
            None => Target::Form { table, record },
        }
    }

    /// `rest` is the path after `api/`.
    fn api(&self, rest: &str) -> Target {
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let name = parts.next().unwrap_or("");
        let mut second = parts.next().unwrap_or("");
        if second.len() > 1 && second.starts_with('v') && second.bytes().skip(1).all(|b| b.is_ascii_digit()) {
            second = parts.next().unwrap_or("");
        }
        let third = parts.next().unwrap_or("");
        let fourth = parts.next().unwrap_or("");
        match (name, second) {
            ("now", "table") if !third.is_empty() => {
                Target::TableApi { table: short(third), record: text::sys_id(fourth) }
            }
            ("now", "attachment") if matches!(third, "file" | "upload") => Target::AttachmentUpload,
            ("now", "attachment") if fourth == "file" => Target::Attachment { id: text::sys_id(third) },
            ("now", "attachment") => Target::AttachmentApi { record: text::sys_id(third) },
            ("now", "export") => {
                let format = self.format().unwrap_or("JSON");
                Target::Export { table: short(third), format, record: None }
            }
            _ => Target::Api,
        }
    }

    /// The format that a bare parameter asks for (`?CSV`), however it is written or escaped.
    fn format(&self) -> Option<&'static str> {
        self.params().find_map(|(key, value)| {
            let same = |format: &&&str| ***format == *key || (value.is_empty() && format.eq_ignore_ascii_case(&key));
            FORMATS.iter().find(same).copied()
        })
    }

    fn speaks_of_export(&self) -> bool {
        self.query.to_ascii_lowercase().contains("export")
    }
}

/// The name of a table out of a path.
fn short(name: &str) -> String {
    text::clip(&named(name), TABLE_BYTES_MAX).to_owned()
}

/// The start of a decoded path before parameters that were escaped with it.
fn only_path(path: &str) -> &str {
    let path = path.split(PATH_ENDS).next().unwrap_or("");
    let is_end = |at: &usize| {
        let code = path.get(at + 1..at + 3).unwrap_or("");
        PATH_ENDS_ESCAPED.iter().any(|end| end.eq_ignore_ascii_case(code))
    };
    let end = path.match_indices('%').map(|(at, _)| at).find(is_end);
    end.and_then(|end| path.get(..end)).unwrap_or(path).trim_matches('/')
}

/// A part of a path in lower case, or what stands for it where it is an id.
fn named(part: &str) -> Cow<'_, str> {
    if is_opaque(part) {
        Cow::Borrowed("{id}")
    } else if part.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(part.to_ascii_lowercase())
    } else {
        Cow::Borrowed(part)
    }
}

/// Whether a part of a path is no word that a developer chose: an id, a token, a code.
fn is_opaque(part: &str) -> bool {
    let name = part.strip_suffix(".do").unwrap_or(part);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'$');
    let mixed = digits > 0 && !name.bytes().all(is_word);
    let unbroken = digits > 0 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text::sys_id(name).is_some()
        || name.len() > TABLE_BYTES_MAX
        || (name.len() >= 8 && digits == name.len())
        || (name.len() >= 12 && (mixed || digits * 3 > name.len()))
        || (name.len() >= 16 && unbroken)
}

/// Percent-decodes once; what is no escape stays. Bytes that are no UTF-8 are replaced.
fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let escaped = |byte: u8| byte == b'%' || (plus_is_space && byte == b'+');
    if !text.bytes().any(escaped) {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.bytes();
    let mut all = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut ahead = bytes.clone();
            if let (Some(high), Some(low)) = (nibble(ahead.next()), nibble(ahead.next())) {
                all.push(high << 4 | low);
                bytes = ahead;
                continue;
            }
        }
        all.push(if plus_is_space && byte == b'+' { b' ' } else { byte });
    }
    Cow::Owned(String::from_utf8(all).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

fn nibble(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
