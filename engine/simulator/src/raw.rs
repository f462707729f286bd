//! Writes actions as the raw rows that ServiceNow's Table API returns: every value a string, times in UTC.
//!
//! One action makes several rows in several tables, each with a fixed set of columns.

mod admin;
mod attachment;
mod audit;
mod files;
mod sysevent;
mod transaction;

use std::fmt::{Display, Write};

use crate::action::Action;
use crate::people::Person;

/// User agents of laptops.
pub(crate) const LAPTOP_BROWSERS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
];

/// User agents of phones; the last is a mail client.
pub(crate) const PHONE_BROWSERS: [&str; 5] = [
    "ServiceNow/19.3.1 (iPhone; iOS 26.1; Scale/3.00)",
    "ServiceNow/19.3.1 (iPhone; iOS 18.7; Scale/2.00)",
    "ServiceNow/19.2.0 (Android 16; Pixel 9)",
    "ServiceNow/19.3.0 (Android 15; SM-S921B)",
    "Outlook-iOS/745.3245 (iPhone; iOS 26.1)",
];

/// User agents of programs.
pub(crate) const SCRIPT_BROWSERS: [&str; 4] =
    ["python-requests/2.32.5", "Apache-HttpClient/5.5 (Java/21.0.9)", "Go-http-client/2.0", "curl/8.17.0"];

/// User agents of computers the company does not manage.
pub(crate) const UNMANAGED_BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
];

/// A raw row before delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawRow {
    /// The table it is in.
    pub(crate) table: &'static str,
    /// When the table says it was written, milliseconds since the epoch, whole seconds.
    pub(crate) created_ms: i64,
    /// Its `sys_id`.
    pub(crate) sys_id: u128,
    /// The row as JSON.
    pub(crate) json: String,
}

/// Everything a row writer may look at.
pub(crate) struct Scene<'a> {
    pub(crate) action: &'a Action,
    pub(crate) person: &'a Person,
    /// Everybody, in the order of account numbers.
    pub(crate) people: &'a [Person],
    pub(crate) instance: &'a str,
    /// The name the action is about: the account's, or the one typed at the login page.
    pub(crate) subject: &'a str,
}

/// Adds the rows that an action makes.
pub(crate) fn write_rows(scene: &Scene<'_>, rows: &mut Vec<RawRow>) {
    sysevent::write(scene, rows);
    transaction::write(scene, rows);
    audit::write(scene, rows);
    attachment::write(scene, rows);
    files::write(scene, rows);
    admin::write(scene, rows);
}

/// The name that an action is about.
pub(crate) fn subject<'a>(action: &Action, person: &'a Person) -> std::borrow::Cow<'a, str> {
    use crate::action::{Deed, Refusal};
    match action.deed {
        Deed::LoginFailed { refusal: Refusal::UnknownUser } => format!("j.doe{}", action.incidental(90, 10_000)).into(),
        // What was typed is logged as typed.
        Deed::LoginFailed { refusal: Refusal::BadPassword }
            if action.label.is_none() && person.is_human() && action.incidental(91, 6) == 0 =>
        {
            person.name.to_uppercase().into()
        }
        _ => person.name.as_str().into(),
    }
}

impl Scene<'_> {
    /// When the row's table says it was written: some rows of an action are a second later than others.
    fn created_ms(&self, later_secs: i64) -> i64 {
        self.action.time_ms.div_euclid(1_000) * 1_000 + later_secs * 1_000
    }

    fn user_agent(&self) -> &'static str {
        user_agent(self.action)
    }

    /// The session id as ServiceNow prints it; empty where there is none.
    fn session(&self) -> Hex {
        Hex::upper(self.action.client.session)
    }
}

/// The user agent of an action's client.
pub(crate) fn user_agent(action: &Action) -> &'static str {
    use crate::action::Device;
    let browser = usize::from(action.client.browser);
    match action.client.device {
        Device::Laptop | Device::Impostor | Device::Other { managed: true, .. } => {
            LAPTOP_BROWSERS[browser % LAPTOP_BROWSERS.len()]
        }
        Device::Phone => PHONE_BROWSERS[browser % PHONE_BROWSERS.len()],
        Device::Script => SCRIPT_BROWSERS[browser % SCRIPT_BROWSERS.len()],
        Device::Unmanaged | Device::Other { managed: false, .. } => {
            UNMANAGED_BROWSERS[browser % UNMANAGED_BROWSERS.len()]
        }
    }
}

/// A 128-bit id as 32 hexadecimal digits; zero is no id and prints as nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 32],
    len: usize,
}

impl Hex {
    /// With small letters, as `sys_id`s are.
    pub(crate) fn lower(value: u128) -> Self {
        Self::with_alphabet(value, *b"0123456789abcdef")
    }

    /// With capitals, as session ids are.
    pub(crate) fn upper(value: u128) -> Self {
        Self::with_alphabet(value, *b"0123456789ABCDEF")
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len]).unwrap_or_default()
    }

    fn with_alphabet(value: u128, alphabet: [u8; 16]) -> Self {
        let mut digits = [b'0'; 32];
        for (index, digit) in digits.iter_mut().rev().enumerate() {
            *digit = alphabet[(value >> (4 * index)) as usize & 0xf];
        }
        Self { digits, len: if value == 0 { 0 } else { 32 } }
    }
}

/// Writes a JSON object whose values are all strings.
pub(crate) struct RowWriter {
    json: String,
}

impl RowWriter {
    /// Begins an object.
    pub(crate) fn new() -> Self {
        let mut json = String::with_capacity(900);
        json.push('{');
        Self { json }
    }

    /// A column with any text.
    pub(crate) fn text(&mut self, column: &str, value: &str) -> &mut Self {
        self.column(column);
        escape(&mut self.json, value);
        self.json.push('"');
        self
    }

    /// A column whose printed value needs no escapes: a number, a date, an address.
    pub(crate) fn plain(&mut self, column: &str, value: impl Display) -> &mut Self {
        self.column(column);
        // Writing to a String cannot fail.
        let _ = write!(self.json, "{value}");
        self.json.push('"');
        self
    }

    /// Columns that are empty.
    pub(crate) fn empty(&mut self, columns: &[&str]) -> &mut Self {
        for column in columns {
            self.column(column);
            self.json.push('"');
        }
        self
    }

    /// Ends the object.
    pub(crate) fn finish(mut self) -> String {
        self.json.push('}');
        self.json
    }

    fn column(&mut self, column: &str) {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        self.json.push('"');
        self.json.push_str(column);
        self.json.push_str("\":\"");
    }
}

/// Adds text with JSON's escapes.
fn escape(json: &mut String, value: &str) {
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !value.bytes().any(needs_escape) {
        json.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(json, "\\u{:04x}", c as u32);
            }
            c => json.push(c),
        }
    }
}
