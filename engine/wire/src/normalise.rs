//! Rows of ServiceNow's tables become activity.v1.
//!
//! Rows of `sysevent`, `syslog_transaction`, `sys_audit`, `sys_audit_delete`, `sys_attachment` and `sys_user` are read as
//! ServiceNow's API returns them, as its Kafka export and connectors put them on topics, and as
//! lines of a file ([`row`]). One row becomes no, one or (a rename, a change of several roles)
//! more records. Nothing is joined and nothing is remembered: the same row always gives the same
//! records, whoever reads it and in whatever order.
//!
//! # Key
//! `instance|name` in lower case. Placeholders (guest, system, the empty name …) are keyed
//! `instance|@<address>`, or `instance|@none` without one, so that they never share state. A
//! rename is written under both names.
//!
//! # Action key
//! One action of a person often makes several rows; they get the same `action_key`, from what
//! each row carries by itself:
//!
//! | Action | Rows | `action_key` |
//! |---|---|---|
//! | login | `login`, `session.established`, `external.authentication.succeeded`, `SNC.Auth.*` success, transaction of the login page | `login\|<session>` |
//! | logout | event, transaction | `logout\|<session>` |
//! | download | `attachment.read`, transaction of either URL | `download\|<attachment>` |
//! | download of all files of a record | transaction, its polls | `archive\|<record>` |
//! | upload, rename, deletion of a file | event, `sys_attachment` row, `sys_audit` row, `sys_audit_delete` row | `upload\|…`, `rename\|…`, `delete\|<attachment>` |
//! | deletion of a record | `sys_audit` row, `sys_audit_delete` row | `delete\|<record>` |
//! | pieces of a large export | polls of one session | `export\|poll\|<session>` |
//! | save of a record | `sys_audit` rows of one checkpoint (else second) | `save\|<table>\|<record>\|<checkpoint>`, and `\|<action>` unless it is an update |
//!
//! A failed login has none: each row is one try, and a burst inside one second must not become
//! one. Its twin `SNC.Auth.*` failure is therefore the action `other`: method detail that no
//! detector counts. Exports and reads over the Table API have none either: no other row tells of
//! them, and each request takes its rows away once more.
//!
//! # Secrets
//! `sysevent` holds one-time codes and reset links. A row whose name is not on the list is
//! [`Normalised::Secret`]: no part of it is passed on. Of `sys_audit`, old and new values never
//! pass, but for names, roles and switches of accounts. Of URLs, only the path and named
//! parameters pass.

mod attachment;
mod audit;
pub mod config;
mod people;
mod record;
pub mod row;
mod secret;
mod sysevent;
mod text;
mod transaction;
mod url;
mod user;

use std::fmt;

use crate::activity::record::ActivityRecord;

use config::{ConfigFault, NormaliseConfig};
use people::People;
use row::{Found, Row};

/// A table whose rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The event queue: logins, impersonation, attachments.
    Sysevent,
    /// One row for each request.
    SyslogTransaction,
    /// Changes of fields.
    SysAudit,
    /// Records that were deleted.
    SysAuditDelete,
    /// Files.
    SysAttachment,
    /// Accounts.
    SysUser,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Normalised {
    /// A record to publish under `key`.
    Activity {
        /// The record's key, see the module.
        key: String,
        /// The record.
        record: Box<ActivityRecord>,
    },
    /// Nothing that anybody did: counted by `why` and dropped.
    Noise {
        /// Why, from a short fixed list.
        why: &'static str,
    },
    /// May hold a secret: counted by `why`; no byte of the row may be logged, stored or published.
    Secret {
        /// Why, from a short fixed list.
        why: &'static str,
    },
    /// Rows that could not be read: one for a value, after all else that came of it.
    Reject(Rejected),
}

/// The rows of one value that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The first of them, at most [`REJECTED_ROWS_MAX`].
    pub rows: Vec<RejectedRow>,
    /// How many there were.
    pub count: usize,
    /// How many rows beyond [`row::VALUE_ROWS_MAX`] nobody looked at.
    pub unread: usize,
    /// Whether the whole value may be kept for the operator. False where any part of it, read or
    /// not, may hold a secret: what is kept is the value, with the neighbours of its bad rows.
    pub keep_raw: bool,
}

/// One row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The column (`sys_created_on`), with its row where the value holds several (`[3].url`).
    pub path: String,
    /// What is wrong. Never quotes the row.
    pub reason: String,
}

/// Most rows of one value whose faults are told one by one.
pub const REJECTED_ROWS_MAX: usize = 8;

/// Reads rows of one instance.
#[derive(Debug, Clone)]
pub struct Normaliser {
    config: NormaliseConfig,
    instance: String,
    people: People,
    /// Names of columns in the operator's instance: (table, ours, theirs).
    renamed: Vec<(Table, String, String)>,
}

/// A column that is read, with the spellings it is known by.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    aliases: &'static [&'static str],
}

/// Why a row gives no record.
pub(crate) enum Skip {
    Noise(&'static str),
    Secret(&'static str),
    Reject(&'static str, String),
}

/// Receives what became of a row.
type Out<'o> = &'o mut dyn FnMut(Normalised);

impl Normalised {
    /// The record as compact JSON, if this is one.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Activity { record, .. } => serde_json::to_vec(record).ok(),
            _ => None,
        }
    }
}

impl Rejected {
    /// A value of which no row could be read.
    fn whole(reason: String) -> Self {
        Self { rows: vec![RejectedRow { path: String::new(), reason }], count: 1, unread: 0, keep_raw: false }
    }

    fn add(&mut self, index: Option<usize>, column: &str, reason: String) {
        self.count += 1;
        if self.rows.len() == REJECTED_ROWS_MAX {
            return;
        }
        let path = match index {
            Some(index) if column.is_empty() => format!("[{index}]"),
            Some(index) => format!("[{index}].{column}"),
            None => column.to_owned(),
        };
        self.rows.push(RejectedRow { path, reason });
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for RejectedRow { path, reason } in &self.rows {
            write!(f, "{between}{path}: {reason}")?;
            between = "; ";
        }
        if self.count > self.rows.len() {
            write!(f, "; and {} rows more", self.count - self.rows.len())?;
        }
        if self.unread > 0 {
            write!(f, "{between}{} rows over the limit of {} were not read", self.unread, row::VALUE_ROWS_MAX)?;
        }
        Ok(())
    }
}

impl Table {
    /// Every table, in the order of this type.
    pub const ALL: [Self; 6] = [
        Self::Sysevent,
        Self::SyslogTransaction,
        Self::SysAudit,
        Self::SysAuditDelete,
        Self::SysAttachment,
        Self::SysUser,
    ];

    /// Its name in ServiceNow.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sysevent => "sysevent",
            Self::SyslogTransaction => "syslog_transaction",
            Self::SysAudit => "sys_audit",
            Self::SysAuditDelete => "sys_audit_delete",
            Self::SysAttachment => "sys_attachment",
            Self::SysUser => "sys_user",
        }
    }

    /// The table of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The table whose name ends a topic's name, after a `.`: `frostwatch.raw.sysevent`,
    /// `snc.acme.sys_audit`.
    pub fn from_topic_suffix(topic: &str) -> Option<Self> {
        Self::from_name(topic.rsplit('.').next()?)
    }

    /// The table that a bare row must be from, by the columns only it has.
    fn detect(row: &Row<'_>) -> Option<Self> {
        let has = |columns: &[&str]| columns.iter().all(|column| row.has(column));
        if has(&["tablename", "fieldname"]) {
            Some(Self::SysAudit)
        } else if has(&["tablename", "documentkey", "display_value"]) {
            Some(Self::SysAuditDelete)
        } else if has(&["name", "parm1"]) || has(&["name", "parm2"]) {
            Some(Self::Sysevent)
        } else if has(&["file_name", "table_name"]) {
            Some(Self::SysAttachment)
        } else if has(&["user_name", "active"]) {
            Some(Self::SysUser)
        } else if has(&["url"]) && ["remote_ip", "response_time", "session"].iter().any(|c| row.has(c)) {
            Some(Self::SyslogTransaction)
        } else {
            None
        }
    }

    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            Self::Sysevent => sysevent::COLUMNS,
            Self::SyslogTransaction => transaction::COLUMNS,
            Self::SysAudit => audit::COLUMNS,
            Self::SysAuditDelete => audit::DELETED_COLUMNS,
            Self::SysAttachment => attachment::COLUMNS,
            Self::SysUser => user::COLUMNS,
        }
    }
}

impl Column {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, aliases: &[] }
    }

    pub(crate) const fn known_as(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self { name, aliases }
    }
}

impl Normaliser {
    /// A reader of rows, or every fault of the configuration.
    pub fn new(config: NormaliseConfig) -> Result<Self, Vec<ConfigFault>> {
        let faults = config.check();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut renamed = Vec::new();
        for (name, columns) in &config.columns {
            let Some(table) = Table::from_name(name) else {
                continue;
            };
            for (ours, theirs) in columns {
                renamed.push((table, ours.clone(), theirs.clone()));
            }
        }
        let (instance, people) = (config.instance_name(), People::new(&config));
        Ok(Self { config, instance, people, renamed })
    }

    /// Reads one value of a topic that carries rows of `table`.
    pub fn row(&self, table: Table, value: &[u8], out: &mut impl FnMut(Normalised)) {
        self.value(Some(table), value, out);
    }

    /// Reads one line of a file: the wrapper or the columns say which table it is from.
    pub fn line(&self, value: &[u8], out: &mut impl FnMut(Normalised)) {
        self.value(None, value, out);
    }

    /// Whether the operator lets events of this name be read.
    fn lists_event(&self, name: &str) -> bool {
        !name.is_empty()
            && self.config.events.iter().any(|listed| match listed.strip_suffix('*') {
                Some(stem) => name.starts_with(stem) && !secret::mentioned(name),
                None => listed == name,
            })
    }

    fn value(&self, table: Option<Table>, value: &[u8], out: Out<'_>) {
        if value.is_empty() {
            return out(Normalised::Noise { why: "deleted row" });
        }
        let cell = match row::read(value) {
            Ok(cell) => cell,
            // What cannot be read cannot be known to hold no secret.
            Err(reason) => return out(Normalised::Reject(Rejected::whole(reason))),
        };
        let page = matches!(&cell, row::Cell::List(..)) || row::is_page(&cell);
        let mut bad = Rejected { rows: Vec::new(), count: 0, unread: 0, keep_raw: true };
        let mut count = 0;
        row::rows(cell, table, &mut |found| {
            let index = page.then_some(count);
            count += 1;
            match found {
                Found::Row(row) => self.one(&row, index, &mut bad, out),
                Found::Deleted => out(Normalised::Noise { why: "deleted row" }),
                Found::Odd(reason) => {
                    bad.add(index, "", reason.to_owned());
                    bad.keep_raw = false;
                }
                Found::More(more) => (bad.unread, bad.keep_raw) = (more, false),
            }
        });
        if bad.count + bad.unread > 0 {
            bad.keep_raw = bad.keep_raw && row::may_be_kept(value);
            out(Normalised::Reject(bad));
        }
    }

    fn one(&self, row: &Row<'_>, index: Option<usize>, bad: &mut Rejected, out: Out<'_>) {
        let Some(table) = row.table.or_else(|| Table::detect(row)) else {
            bad.add(index, "", "not a row of a table that is read".to_owned());
            bad.keep_raw = false;
            return;
        };
        // The values of a changed field may be anything, and its name need not tell; what was deleted may be in its row with
        // all its fields; an account's row may hold the hash of its password.
        bad.keep_raw &= !matches!(table, Table::SysAudit | Table::SysAuditDelete | Table::SysUser);
        let view = View { normaliser: self, row, table };
        let made = match table {
            Table::Sysevent => sysevent::normalise(&view, out),
            Table::SyslogTransaction => transaction::normalise(&view, out),
            Table::SysAudit => audit::normalise(&view, out),
            Table::SysAuditDelete => audit::normalise_deleted(&view, out),
            Table::SysAttachment => attachment::normalise(&view, out),
            Table::SysUser => user::normalise(&view, out),
        };
        match made {
            Ok(()) => {}
            Err(Skip::Noise(why)) => out(Normalised::Noise { why }),
            Err(Skip::Secret(why)) => {
                bad.keep_raw = false;
                out(Normalised::Secret { why });
            }
            Err(Skip::Reject(column, reason)) => bad.add(index, column, reason),
        }
    }
}

/// One row with what is needed to read it.
pub(crate) struct View<'v> {
    normaliser: &'v Normaliser,
    row: &'v Row<'v>,
    table: Table,
}

impl View<'_> {
    /// The trimmed text of a column under the operator's name for it, ours, or another spelling.
    fn text(&self, column: &Column) -> &str {
        self.names(column).map(|name| self.row.text(name)).find(|text| !text.is_empty()).unwrap_or("")
    }

    /// The names that a column may have, the operator's first.
    fn names<'a>(&'a self, column: &'a Column) -> impl Iterator<Item = &'a str> {
        let renamed = self.normaliser.renamed.iter();
        let theirs = renamed
            .filter(|(table, ours, _)| *table == self.table && ours == column.name)
            .map(|(_, _, theirs)| theirs.as_str());
        theirs.chain([column.name]).chain(column.aliases.iter().copied())
    }
}

#[cfg(test)]
mod tests;
