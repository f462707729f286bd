//! What an operator says about the instance whose rows are normalised.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::{Table, secret};
use crate::activity::{INSTANCE_BYTES_MAX, USER_KINDS};
pub use crate::subject::PLACEHOLDERS;

/// Most names or patterns in one list.
pub const LIST_MAX: usize = 1_024;
/// Accounts that are named in full at most.
pub const ACCOUNTS_MAX: usize = 20_000;
/// What is wild in a pattern.
pub(super) const WILD: [char; 2] = ['*', '?'];
/// Longest name or pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// `sysevent.name` that is normalised unless the operator says otherwise. Any other event is
/// never logged, stored or published: the table also holds one-time codes and reset links.
pub const EVENTS: &[&str] = &[
    "SNC.Auth.*",
    "attachment.deleted",
    "attachment.read",
    "attachment.renamed",
    "attachment.uploaded",
    "external.authentication.failed",
    "external.authentication.succeeded",
    "impersonation.end",
    "impersonation.start",
    "login",
    "login.failed",
    "logout",
    "saml2.logout.validation.failed",
    "session.established",
];
/// Names of support staff of the vendor.
pub const VENDORS: &[&str] = &["*@snc", "*@snc.*"];
/// How the rows of one instance are read. Only `instance` has no default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormaliseConfig {
    /// Name of the instance: `acme`, or its host `acme.service-now.com`.
    pub instance: String,
    /// Where the instance is reached (`https://acme.service-now.com`); links back are made of it.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Accounts that our own connectors use: what they do is dropped as noise.
    #[serde(default)]
    pub connector_users: Vec<String>,
    /// Names, or starts of names that end in `*`, of the events that may be read.
    #[serde(default = "default_events")]
    pub events: Vec<String>,
    /// Kind of account by user name; the first pattern that fits wins.
    #[serde(default)]
    pub accounts: Vec<AccountPattern>,
    /// Patterns of the vendor's own accounts; looked at after `accounts`.
    #[serde(default = "default_vendors")]
    pub vendor_patterns: Vec<String>,
    /// Names that are nobody's: their records are keyed by address.
    #[serde(default = "default_placeholders")]
    pub placeholders: Vec<String>,
    /// Other names of columns: table → our column → its name there.
    #[serde(default)]
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
    /// A read over the Table API that asks for at least this many rows is a bulk read.
    #[serde(default = "default_bulk_rows_min")]
    pub bulk_rows_min: u64,
}

/// User names and the kind of account they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountPattern {
    /// User name; `*` stands for any characters, `?` for one; case does not matter.
    pub pattern: String,
    /// One of [`USER_KINDS`].
    pub kind: String,
}

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The field, such as `accounts[2].kind`.
    pub path: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

fn default_events() -> Vec<String> {
    owned(EVENTS)
}

fn default_vendors() -> Vec<String> {
    owned(VENDORS)
}

fn default_placeholders() -> Vec<String> {
    owned(PLACEHOLDERS)
}

fn default_bulk_rows_min() -> u64 {
    1_000
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

impl NormaliseConfig {
    /// The defaults for one instance.
    pub fn for_instance(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            base_url: None,
            connector_users: Vec::new(),
            events: default_events(),
            accounts: Vec::new(),
            vendor_patterns: default_vendors(),
            placeholders: default_placeholders(),
            columns: BTreeMap::new(),
            bulk_rows_min: default_bulk_rows_min(),
        }
    }

    /// The instance's name as records carry it: lower case, without the domain suffix.
    pub fn instance_name(&self) -> String {
        let label = self.instance.trim().split('.').next().unwrap_or_default();
        label.to_ascii_lowercase()
    }

    /// Every fault at once; none if the configuration can be used.
    pub fn check(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        self.check_instance(&mut faults);
        self.check_lists(&mut faults);
        self.check_events(&mut faults);
        self.check_accounts(&mut faults);
        self.check_columns(&mut faults);
        if self.bulk_rows_min == 0 {
            fault(&mut faults, "bulk_rows_min", "must be at least 1");
        }
        faults
    }

    fn check_instance(&self, faults: &mut Vec<ConfigFault>) {
        let name = self.instance_name();
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = name.bytes().all(|byte| word(byte) || byte == b'-' || byte == b'_');
        let ends = [name.bytes().next(), name.bytes().last()];
        if !inner || !ends.iter().all(|end| end.is_some_and(word)) || name.len() > INSTANCE_BYTES_MAX {
            let rule = "must be a host name such as 'acme': letters, digits, '-' and '_'";
            fault(faults, "instance", &format!("{rule}, at most {INSTANCE_BYTES_MAX} bytes"));
        }
        let base = self.base_url.as_deref().unwrap_or("https://");
        let plain = base.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'@');
        if !base.starts_with("https://") || !plain || base.len() > PATTERN_BYTES_MAX {
            fault(faults, "base_url", "must be https://<host>, without user, query or spaces");
        }
    }

    fn check_lists(&self, faults: &mut Vec<ConfigFault>) {
        let lists = [
            ("connector_users", &self.connector_users, false),
            ("events", &self.events, false),
            ("vendor_patterns", &self.vendor_patterns, false),
            ("placeholders", &self.placeholders, true),
        ];
        for (path, list, may_be_empty_text) in lists {
            check_length(faults, path, list.len());
            for (at, text) in list.iter().enumerate() {
                let empty = text.trim().is_empty() && !may_be_empty_text;
                if empty || text.len() > PATTERN_BYTES_MAX {
                    let reason = format!("must have 1 to {PATTERN_BYTES_MAX} bytes");
                    fault(faults, &format!("{path}[{at}]"), &reason);
                }
            }
        }
    }

    fn check_events(&self, faults: &mut Vec<ConfigFault>) {
        for (at, name) in self.events.iter().enumerate() {
            let path = format!("events[{at}]");
            let stem = name.strip_suffix('*').unwrap_or(name);
            if stem.contains('*') || stem.is_empty() {
                fault(faults, &path, "'*' may only stand at the end of a name, and not alone");
            }
            if secret::mentioned(name) && !EVENTS.contains(&name.as_str()) {
                fault(faults, &path, &format!("'{name}' may carry a secret and is never read"));
            }
        }
    }

    fn check_accounts(&self, faults: &mut Vec<ConfigFault>) {
        if self.accounts.len() > ACCOUNTS_MAX {
            fault(faults, "accounts", &format!("{} entries, at most {ACCOUNTS_MAX}", self.accounts.len()));
        }
        let wild = self.accounts.iter().filter(|account| account.pattern.contains(WILD)).count();
        if wild > LIST_MAX {
            let reason = format!("{wild} patterns with `*` or `?`, at most {LIST_MAX}; name the accounts in full");
            fault(faults, "accounts", &reason);
        }
        for (at, account) in self.accounts.iter().enumerate() {
            if account.pattern.trim().is_empty() || account.pattern.len() > PATTERN_BYTES_MAX {
                let reason = format!("must have 1 to {PATTERN_BYTES_MAX} bytes");
                fault(faults, &format!("accounts[{at}].pattern"), &reason);
            }
            if !USER_KINDS.contains(&account.kind.as_str()) {
                let reason = format!("'{}' is none of {}", account.kind, USER_KINDS.join(", "));
                fault(faults, &format!("accounts[{at}].kind"), &reason);
            }
        }
    }

    fn check_columns(&self, faults: &mut Vec<ConfigFault>) {
        for (name, columns) in &self.columns {
            let Some(table) = Table::from_name(name) else {
                let known = Table::ALL.map(Table::name).join(", ");
                fault(faults, &format!("columns.{name}"), &format!("is none of {known}"));
                continue;
            };
            for (ours, theirs) in columns {
                let path = format!("columns.{name}.{ours}");
                if !table.columns().iter().any(|column| column.name == ours) {
                    fault(faults, &path, "is no column that is read");
                }
                if theirs.trim().is_empty() || theirs.len() > PATTERN_BYTES_MAX {
                    fault(faults, &path, &format!("must have 1 to {PATTERN_BYTES_MAX} bytes"));
                }
            }
        }
    }
}

fn check_length(faults: &mut Vec<ConfigFault>, path: &str, len: usize) {
    if len > LIST_MAX {
        fault(faults, path, &format!("{len} entries, at most {LIST_MAX}"));
    }
}

fn fault(faults: &mut Vec<ConfigFault>, path: &str, reason: &str) {
    faults.push(ConfigFault { path: path.to_owned(), reason: reason.to_owned() });
}

/// Whether `text` fits `pattern`, where `*` is any characters and `?` is one. Both in lower case.
/// Takes at most the product of both lengths in steps.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the current try fails: after the last star, one character later.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(&sign) if sign == b'?' || sign == byte => (p, t) = (p + 1, t + 1),
            _ => match retry.as_mut() {
                Some((after_star, from)) => {
                    *from += 1;
                    (p, t) = (*after_star, *from);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&sign| sign == b'*'))
}
