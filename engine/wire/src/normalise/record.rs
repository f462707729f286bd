//! The parts of a record that rows of all tables share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::people::Who;
use super::row::{Row, text_of};
use super::{Column, Normalised, Out, Skip, View, text};
use crate::activity::record::{
    ActivityRecord, Client, IpSource, Outcome, Person, Scalar, SchemaName, Source, User, Word,
};
use crate::activity::time::UtcTime;
use crate::activity::{ACTION_KEY_BYTES_MAX, ID_BYTES_MAX, SESSION_BYTES_MAX, USER_NAME_BYTES_MAX};

/// Name of the program that made a record, in `source.producer`.
const PRODUCER: &str = "frostwatch-normalise";
/// Longest text that is copied into a record where the contract states no limit, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 512;
/// Longest attribute, in bytes: a handful of them stays within the contract's 4 KiB even when every
/// character is escaped.
const NOTE_BYTES_MAX: usize = 128;
/// Bytes of a hash that are kept in an id or an action key.
const HASH_BYTES: usize = 16;

pub(super) const SYS_ID: Column = Column::new("sys_id");
pub(super) const CREATED_ON: Column = Column::known_as("sys_created_on", &["created_on", "@timestamp"]);
pub(super) const CREATED_BY: Column = Column::known_as("sys_created_by", &["created_by"]);
pub(super) const DOMAIN: Column = Column::new("sys_domain");

/// What a source knows about a record before the details of its action.
pub(super) struct Draft<'d> {
    pub(super) who: &'d Who<'d>,
    pub(super) action: &'static str,
    pub(super) outcome: Outcome,
    pub(super) ip: Option<IpAddr>,
    pub(super) user_agent: &'d str,
    pub(super) session: &'d str,
    pub(super) action_key: Option<String>,
}

impl View<'_> {
    /// The time of a column, or a reject that names it.
    pub(super) fn time(&self, column: &Column) -> Result<(UtcTime, u32), Skip> {
        let written = self.text(column);
        text::time(written).ok_or_else(|| {
            let reason = if written.is_empty() { "missing" } else { "not a time in UTC" };
            Skip::Reject(column.name, reason.to_owned())
        })
    }

    /// `table:<sys_id>`, or a hash of the columns for a row of an export without `sys_id`.
    pub(super) fn id(&self) -> String {
        let sys_id = self.text(&SYS_ID);
        let table = self.table.name();
        if sys_id.is_empty() || table.len() + 1 + sys_id.len() + ID_SUFFIX_BYTES_MAX > ID_BYTES_MAX {
            format!("{table}:h:{}", self.row.hash())
        } else {
            format!("{table}:{sys_id}")
        }
    }

    /// A record of this row; `action_raw` is what the source calls the action.
    pub(super) fn record(&self, id: String, (time, precision_ms): (UtcTime, u32), draft: Draft<'_>) -> ActivityRecord {
        let Draft { who, action, outcome, ip, user_agent, session, action_key } = draft;
        let domain = self.text(&DOMAIN);
        ActivityRecord {
            schema: SchemaName::ActivityV1,
            id,
            action_key,
            time,
            time_precision_ms: Some(precision_ms),
            observed_time: None,
            instance: self.normaliser.instance.clone(),
            domain: text::owned(domain, TEXT_BYTES_MAX).filter(|domain| domain != "global"),
            user: User { name: who.name.to_owned(), kind: who.kind.map(Cow::Borrowed), ..User::default() },
            actor: None,
            target: None,
            action: Cow::Borrowed(action),
            action_raw: None,
            outcome,
            reason: None,
            effective_at: None,
            auth: None,
            channel: None,
            interactive: None,
            client: client(ip, user_agent),
            session: text::owned(session, SESSION_BYTES_MAX),
            object: None,
            quantity: None,
            recipients: Vec::new(),
            inspection: None,
            source: self.source(),
            attributes: BTreeMap::new(),
            test: None,
            entity: None,
        }
    }

    /// Hands over a record under the key of `who`. Nothing can be concluded from what nobody did
    /// from nowhere, unless it was done to somebody, or gave rights away: of a grant one row says to whom, another which.
    pub(super) fn emit(&self, who: &Who<'_>, mut record: ActivityRecord, out: Out<'_>) -> Result<(), Skip> {
        bound(&mut record);
        let ip = record.client.as_ref().and_then(|client| client.ip);
        let says_something = record.target.is_some() || record.action == "role_grant";
        if who.is_placeholder() && ip.is_none() && !says_something {
            return Err(Skip::Noise("neither user nor address"));
        }
        let key = who.key(&self.normaliser.instance, ip);
        out(Normalised::Activity { key, record: Box::new(record) });
        Ok(())
    }

    fn source(&self) -> Source {
        let row = text::sys_id(self.text(&SYS_ID));
        let url = self
            .normaliser
            .config
            .base_url
            .as_ref()
            .zip(row.as_ref())
            .map(|(base, row)| format!("{}/{}.do?sys_id={row}", base.trim_end_matches('/'), self.table.name()));
        Source {
            producer: Cow::Borrowed(PRODUCER),
            version: Some(Cow::Borrowed(env!("CARGO_PKG_VERSION"))),
            table: Some(Cow::Borrowed(self.table.name())),
            row,
            url,
        }
    }
}

/// Room that sources need after `table:<sys_id>` for a revision or a part.
const ID_SUFFIX_BYTES_MAX: usize = 24;

impl Row<'_> {
    /// A hash of the columns and their raw values, whatever their order.
    pub(super) fn hash(&self) -> String {
        let mut cells: Vec<(&str, &str)> =
            self.cells.iter().map(|(name, cell)| (name.as_ref(), text_of(cell))).collect();
        cells.sort_unstable();
        let mut hasher = Sha256::new();
        for part in cells.iter().flat_map(|&(name, value)| [name, value]) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hex(&hasher.finalize())
    }
}

/// A short hash of one text, for ids and keys.
pub(super) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(HASH_BYTES).fold(String::with_capacity(2 * HASH_BYTES), |mut all, byte| {
        // Writing to a String cannot fail.
        let _ = write!(all, "{byte:02x}");
        all
    })
}

/// A text that keys must share or not share as a whole: too long, its hash stands for it.
fn bounded(key: String, bytes_max: usize) -> String {
    if key.len() <= bytes_max { key } else { hash(&key) }
}

/// Cuts whatever the contract or [`TEXT_BYTES_MAX`] bounds. It is done where records leave, so that
/// no source can forget it.
fn bound(record: &mut ActivityRecord) {
    let texts = [&mut record.domain, &mut record.session].into_iter();
    let object = record.object.iter_mut().flat_map(|object| {
        let parent = object.parent.iter_mut().flat_map(|parent| [&mut parent.table, &mut parent.id]);
        let own = [
            &mut object.table,
            &mut object.id,
            &mut object.name,
            &mut object.previous_name,
            &mut object.content_type,
            &mut object.hash,
        ];
        own.into_iter().chain(parent)
    });
    let client = record.client.iter_mut().map(|client| &mut client.user_agent);
    texts.chain(object).chain(client).flatten().for_each(|text| cut(text, TEXT_BYTES_MAX));
    if let Some(session) = &mut record.session {
        cut(session, SESSION_BYTES_MAX);
    }
    for person in record.actor.iter_mut().chain(&mut record.target) {
        person.name.iter_mut().for_each(|name| cut(name, USER_NAME_BYTES_MAX));
    }
    cut(&mut record.user.name, USER_NAME_BYTES_MAX);
    for word in record.action_raw.iter_mut().chain(&mut record.reason) {
        if word.len() > TEXT_BYTES_MAX {
            *word = Cow::Owned(text::clip(word, TEXT_BYTES_MAX).to_owned());
        }
    }
    record.action_key = record.action_key.take().map(|key| bounded(key, ACTION_KEY_BYTES_MAX));
    record.id = bounded(std::mem::take(&mut record.id), ID_BYTES_MAX);
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text::clip(text, bytes_max).len());
}

fn client(ip: Option<IpAddr>, user_agent: &str) -> Option<Client> {
    let user_agent = text::owned(user_agent, TEXT_BYTES_MAX);
    (ip.is_some() || user_agent.is_some()).then(|| Client {
        ip,
        ip_source: ip.map(|_| IpSource::Direct),
        user_agent,
        ..Client::default()
    })
}

/// `name|part` if there is a part.
pub(super) fn keyed(name: &str, part: &str) -> Option<String> {
    (!part.is_empty()).then(|| format!("{name}|{part}"))
}

/// A person of whom only the name is known.
pub(super) fn named(who: &Who<'_>) -> Option<Person> {
    (!who.name.is_empty()).then(|| Person {
        name: Some(who.name.to_owned()),
        kind: who.kind.map(Cow::Borrowed),
        ..Person::default()
    })
}

/// Notes `value` under `name` in the record's attributes, cut to [`NOTE_BYTES_MAX`].
pub(super) fn note(record: &mut ActivityRecord, name: &'static str, value: &str) {
    if let Some(value) = text::owned(value, NOTE_BYTES_MAX) {
        record.attributes.insert(Word::Borrowed(name), Scalar::Text(value));
    }
}
