//! The hot path: bytes to what the detectors need, borrowed.
//!
//! Every field that the contract names is checked; those nobody needs are not kept. The plain records that producers
//! write are scanned; what the scanner does not take is read by `serde_json`, and what that refuses is read once more
//! to say where it is wrong, so that the good ones do not pay for the path.

mod copy;
mod told;
mod words;

use std::borrow::Cow;
use std::net::IpAddr;

use frostwatch_detect::entity;
use frostwatch_detect::event::{DeviceFacts, ObjectRow};
use frostwatch_detect::hash::{hash64, hash64_some};
use frostwatch_detect::model::{AccountKind, Action, Channel, Os, Outcome, Reason};
use frostwatch_detect::time::Millis;
use smallvec::SmallVec;

use super::fields::{AnyText, Attributes, Checked, Count, Instant, Ip, Kept, Named, SysId, Text, Texts, Whole, object};
use super::reject::{Reject, reason_of};
use super::scan::Scanner;
use super::{
    ACTION_BYTES_MAX, ACTION_KEY_BYTES_MAX, CLASSES_MAX, DEPARTMENT_BYTES_MAX, DISPLAY_NAME_BYTES_MAX,
    ENTITY_BYTES_MAX, ENTITY_KEY_BYTES_MAX, ENTITY_VALUE_BYTES_MAX, ENTROPY_CENTIBITS_MAX, FORWARDED_FOR_MAX,
    GROUPS_MAX, ID_BYTES_MAX, LABELS_MAX, RECIPIENTS_MAX, RECORD_BYTES_MAX, SESSION_BYTES_MAX, USER_NAME_BYTES_MAX,
};
use crate::subject;

pub use copy::{COPY_BEGINS, Counted, copy};
pub use told::{Told, ToldPeers};
use words::{AddressSource, Ended, Instance, Schema};

/// Longest precision of a time, milliseconds: a day.
const PRECISION_MS_MAX: u64 = 86_400_000;

/// An activity as the detectors need it, borrowed from the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity<'a> {
    /// Identity in the instance.
    pub id: Cow<'a, str>,
    /// The action it is a record of.
    pub action_key: Option<Cow<'a, str>>,
    /// Event time.
    pub time: Millis,
    /// Instance.
    pub instance: Cow<'a, str>,
    /// The user's name as the row has it.
    pub user: Cow<'a, str>,
    /// Kind of account.
    pub kind: AccountKind,
    /// Groups.
    pub groups: SmallVec<[Cow<'a, str>; 8]>,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    pub reason: Reason,
    /// A second factor was used; `None`: not known.
    pub mfa: Option<bool>,
    /// The way in.
    pub channel: Channel,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Is the address the record's own, or was it joined by the producer?
    pub ip_is_direct: bool,
    /// Hash of the user agent; 0: none.
    pub agent: u64,
    /// Hash of the device's id; 0: none.
    pub device: u64,
    /// What the record says of the device.
    pub device_facts: DeviceFacts,
    /// Hash of the session; 0: none.
    pub session: u64,
    /// Hash of what tells the object from others; 0: none.
    pub object: u64,
    /// The object, where it is a row.
    pub object_row: Option<ObjectRow>,
    /// Objects, rows and bytes carried.
    pub quantity: (u32, u64, u64),
    /// Where this is about the user's own account, that it is switched on or off, that the person has left, or who the person
    /// is: from when it counts.
    pub effective: Option<Millis>,
    /// Synthetic or canary.
    pub test: bool,
    /// How much the record tells.
    pub richness: u16,
    /// Hash of the record's bytes.
    pub content: u64,
    /// What is told beyond that, for the conditions of rules.
    pub told: Told<'a>,
    /// The record is a copy to be counted by this.
    pub counted: Option<Box<Counted<'a>>>,
}

/// Reads a record.
pub fn decode(bytes: &[u8]) -> Result<Activity<'_>, Reject> {
    if bytes.len() > most_of(bytes) {
        let reason = format!("{} bytes, at most {RECORD_BYTES_MAX} are allowed", bytes.len());
        return Err(Reject::whole(&reason));
    }
    // One look at all bytes is cheaper than one at every text.
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::whole("not UTF-8"))?;
    let record = match Scanner::whole_text(text) {
        Some(record) => record,
        None => by_serde(text).map_err(|_| explain(bytes))?,
    };
    Ok(record.into_activity(hash64(bytes)))
}

/// How many bytes a record may have: a copy as many as what it is a copy of, and what is added.
fn most_of(bytes: &[u8]) -> usize {
    RECORD_BYTES_MAX + if bytes.starts_with(COPY_BEGINS) { ENTITY_BYTES_MAX } else { 0 }
}

/// Reads a record by `serde_json` alone: slower than [`decode`], and what it is measured against.
pub fn decode_by_serde(bytes: &[u8]) -> Option<Activity<'_>> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= most_of(bytes))?;
    Some(by_serde(text).ok()?.into_activity(hash64(bytes)))
}

/// Does [`decode`] read this record the short way?
pub fn is_plain(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| Scanner::whole_text::<Record<'_>>(text).is_some())
}

fn by_serde(text: &str) -> Result<Record<'_>, serde_json::Error> {
    serde_json::from_str(text)
}

/// The key of an activity that comes without one: `instance|name` in lower case, or `instance|@address` where the name
/// stands for nobody, by its kind or by itself.
pub fn key_of(activity: &Activity<'_>) -> String {
    if let Some(counted) = &activity.counted {
        return format!("{}|{}", activity.instance, entity::subject(&counted.by, &counted.value));
    }
    let placeholders = subject::PLACEHOLDERS.iter().copied();
    if activity.kind == AccountKind::Placeholder || subject::is_nobody(&activity.user, placeholders) {
        subject::key_by_address(&activity.instance, activity.ip)
    } else {
        subject::key_by_name(&activity.instance, &activity.user)
    }
}

object! {
    /// The record.
    Record at 1 {
        required {
            schema: Schema,
            id: Named<'a, ID_BYTES_MAX>,
            time: Instant,
            instance: Instance<'a>,
            user: User<'a>,
            action: Named<'a, ACTION_BYTES_MAX>,
            outcome: Ended,
            source: Source<'a>,
        }
        optional {
            action_key: Text<'a, ACTION_KEY_BYTES_MAX>,
            time_precision_ms: Whole<1, PRECISION_MS_MAX>,
            observed_time: Instant,
            domain: Text<'a, { usize::MAX }>,
            actor: Person<'a>,
            target: Person<'a>,
            action_raw: Text<'a, { usize::MAX }>,
            reason: Text<'a, { usize::MAX }>,
            effective_at: Instant,
            auth: Auth<'a>,
            channel: Text<'a, { usize::MAX }>,
            interactive: bool,
            client: Client<'a>,
            session: Text<'a, SESSION_BYTES_MAX>,
            object: Object<'a>,
            quantity: Quantity<'a>,
            recipients: Kept<Recipient<'a>, RECIPIENTS_MAX>,
            inspection: Inspection<'a>,
            attributes: Attributes,
            test: AnyText,
            entity: Box<CountedBy<'a>>,
        }
    }
}

object! {
    /// `entity`.
    CountedBy at 2 {
        required {
            by: Named<'a, ACTION_BYTES_MAX>,
            value: Named<'a, ENTITY_VALUE_BYTES_MAX>,
            key: Named<'a, ENTITY_KEY_BYTES_MAX>,
        }
        optional {}
    }
}

object! {
    /// `user`.
    User at 2 {
        required { name: Text<'a, USER_NAME_BYTES_MAX>, }
        optional {
            id: SysId<'a>,
            display_name: Text<'a, DISPLAY_NAME_BYTES_MAX>,
            email: Text<'a, { usize::MAX }>,
            department: Text<'a, DEPARTMENT_BYTES_MAX>,
            kind: Text<'a, { usize::MAX }>,
            privileged: bool,
            groups: Texts<'a, GROUPS_MAX>,
            peers: Box<Peers<'a>>,
        }
    }
}

object! {
    /// `user.peers`.
    Peers at 3 {
        required {}
        optional {
            group: Text<'a, DEPARTMENT_BYTES_MAX>,
            people: Count,
            objects_hour: Count,
            rows_hour: Count,
            bytes_hour: Count,
            turn_objects_hour: Count,
            turn_rows_hour: Count,
            turn_bytes_hour: Count,
        }
    }
}

object! {
    /// `actor` and `target`.
    Person at 2 {
        required {}
        optional { name: Text<'a, USER_NAME_BYTES_MAX>, id: SysId<'a>, email: AnyText, kind: AnyText, }
    }
}

object! {
    /// `auth`.
    Auth at 2 {
        required {}
        optional { method: Text<'a, { usize::MAX }>, mfa: bool, }
    }
}

object! {
    /// `client`.
    Client at 2 {
        required {}
        optional {
            ip: Ip,
            ip_source: AddressSource<'a>,
            forwarded_for: Checked<AnyText, FORWARDED_FOR_MAX>,
            user_agent: Text<'a, { usize::MAX }>,
            device: Device<'a>,
        }
    }
}

object! {
    /// `client.device`.
    Device at 3 {
        required {}
        optional { id: Text<'a, { usize::MAX }>, managed: bool, compliant: bool, os: Text<'a, { usize::MAX }>, }
    }
}

object! {
    /// `object`.
    Object at 2 {
        required {}
        optional {
            kind: Text<'a, { usize::MAX }>,
            table: Text<'a, { usize::MAX }>,
            id: Text<'a, { usize::MAX }>,
            name: Text<'a, { usize::MAX }>,
            previous_name: Text<'a, { usize::MAX }>,
            parent: Parent<'a>,
            size_bytes: Count,
            content_type: Text<'a, { usize::MAX }>,
            hash: AnyText,
            labels: Kept<Text<'a, { usize::MAX }>, LABELS_MAX>,
            visibility: Text<'a, { usize::MAX }>,
        }
    }
}

object! {
    /// `object.parent`.
    Parent at 3 {
        required {}
        optional { table: Text<'a, { usize::MAX }>, id: Text<'a, { usize::MAX }>, }
    }
}

object! {
    /// `quantity`.
    Quantity at 2 {
        required {}
        optional { objects: Count, rows: Count, bytes: Count, }
    }
}

object! {
    /// An entry of `recipients`.
    Recipient at 3 {
        required { address: Text<'a, { usize::MAX }>, }
        optional { kind: AnyText, }
    }
}

object! {
    /// `inspection`.
    Inspection at 2 {
        required {}
        optional {
            classes: Checked<Class<'a>, CLASSES_MAX>,
            partial: bool,
            version: AnyText,
            entropy_centibits: Whole<0, ENTROPY_CENTIBITS_MAX>,
        }
    }
}

object! {
    /// An entry of `inspection.classes`.
    Class at 4 {
        required { kind: AnyText, }
        optional { count: Count, distinct: Count, confidence: Whole<0, 100>, sample: AnyText, }
    }
}

object! {
    /// `source`.
    Source at 2 {
        required { producer: Named<'a, { usize::MAX }>, }
        optional { version: AnyText, table: Text<'a, { usize::MAX }>, row: AnyText, url: AnyText, }
    }
}

impl<'a> Record<'a> {
    fn into_activity(mut self, content: u64) -> Activity<'a> {
        let richness = self.richness();
        let hash =
            |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or(0, |text| hash64_some(text.as_bytes()));
        let client = self.client.as_ref();
        let device = client.and_then(|client| client.device.as_ref());
        let quantity = self.quantity.as_ref();
        let count = |count: Option<Count>| count.map_or(0, |count| count.0);
        let size = self.object.as_ref().and_then(|object| object.size_bytes);
        let action = Action::from_word(&self.action.0);
        let carried = quantity.and_then(|quantity| quantity.bytes).or(size.filter(|_| action.is_download()));
        let objects = count(quantity.and_then(|quantity| quantity.objects));
        let ip_source = client.and_then(|client| client.ip_source.as_ref());
        Activity {
            action_key: self.action_key.take().map(|key| key.0).filter(|key| !key.is_empty()),
            time: self.time.0,
            kind: self.user.kind.as_ref().map_or(AccountKind::Unknown, |kind| AccountKind::from_word(&kind.0)),
            action,
            outcome: self.outcome.0,
            reason: self.reason.as_ref().map_or(Reason::Other, |reason| Reason::from_word(&reason.0)),
            mfa: self.auth.as_ref().and_then(|auth| auth.mfa),
            channel: self.channel.as_ref().map_or(Channel::Unknown, |channel| Channel::from_word(&channel.0)),
            ip: client.and_then(|client| client.ip.as_ref()).map(|ip| ip.0),
            ip_is_direct: ip_source.is_none_or(|source| matches!(&*source.0, "direct" | "session")),
            agent: hash(client.and_then(|client| client.user_agent.as_ref()).map(|agent| &*agent.0)),
            device_facts: device.map_or_else(DeviceFacts::default, device_facts),
            device: hash(device.and_then(|device| device.id.as_ref()).map(|id| &*id.0)),
            session: hash(self.session.as_ref().map(|session| &*session.0)),
            object_row: self.object.as_ref().and_then(object_row),
            object: self.object.as_ref().map_or(0, object_hash),
            quantity: (
                u32::try_from(objects).unwrap_or(u32::MAX),
                count(quantity.and_then(|quantity| quantity.rows)),
                count(carried),
            ),
            effective: self.effective(action),
            test: self.test.is_some(),
            richness,
            content,
            counted: self.entity.take().map(|counted| {
                let CountedBy { by, value, key, .. } = *counted;
                Box::new(Counted { by: by.0, value: value.0, key: key.0 })
            }),
            told: self.told(),
            groups: self.user.groups.take().unwrap_or_default().0,
            id: self.id.0,
            instance: self.instance.0,
            user: self.user.name.0,
        }
    }

    /// From when it counts what this is about the user's own account.
    fn effective(&self, action: Action) -> Option<Millis> {
        let is_own = |target: &Person<'_>| {
            let is_id = matches!((&target.id, &self.user.id), (Some(target), Some(user)) if target.0 == user.0);
            is_id || target.name.as_ref().is_some_and(|name| name.0.to_lowercase() == self.user.name.0.to_lowercase())
        };
        let is_own = action.is_of_account() && self.target.as_ref().is_none_or(is_own);
        is_own.then(|| self.effective_at.as_ref().map_or(self.time.0, |at| at.0))
    }

    /// Of the records of one action the one that tells most is kept: what was carried, then from where, then the rest.
    fn richness(&self) -> u16 {
        let client = self.client.as_ref();
        let quantity = self.quantity.as_ref();
        let action = Action::from_word(&self.action.0);
        // Of the rows of one rename or deletion the one that says what is no more.
        let says_what_is_gone = self.object.as_ref().is_some_and(|object| match action {
            Action::Rename => object.previous_name.is_some(),
            Action::Delete => object.name.is_some(),
            _ => false,
        });
        let told = [
            says_what_is_gone,
            // A sign-in is more than the session it starts, and a download more than the page it came from.
            action.is_authentication() || action.is_download(),
            quantity.is_some_and(|quantity| quantity.rows.is_some()),
            quantity.is_some_and(|quantity| quantity.objects.is_some_and(|objects| objects.0 > 1)),
            quantity.is_some_and(|quantity| quantity.bytes.is_some()),
            client.is_some_and(|client| client.ip.is_some()),
            self.session.is_some(),
            client.is_some_and(|client| client.device.is_some()),
            client.is_some_and(|client| client.user_agent.is_some()),
            self.auth.is_some(),
            self.object.is_some(),
        ];
        told.into_iter().fold(0, |sum, told| sum << 1 | u16::from(told))
    }
}

fn device_facts(device: &Device<'_>) -> DeviceFacts {
    let os = device.os.as_ref().map_or(Os::Unknown, |os| Os::of(&os.0));
    DeviceFacts { managed: device.managed, compliant: device.compliant, os }
}

fn object_row(object: &Object<'_>) -> Option<ObjectRow> {
    let table = object.table.as_ref().map_or("", |table| &*table.0);
    ObjectRow::new(table, &object.id.as_ref()?.0)
}

fn object_hash(object: &Object<'_>) -> u64 {
    let table = object.table.as_ref().map_or("", |table| &*table.0);
    let id = object.id.as_ref().or(object.name.as_ref()).map(|id| &*id.0).filter(|id| !id.is_empty());
    let Some(id) = id else { return 0 };
    hash64(table.as_bytes()).rotate_left(1).wrapping_add(hash64(id.as_bytes())).max(1)
}

/// Reads a refused record again to say where it is wrong.
fn explain(bytes: &[u8]) -> Reject {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, Record<'_>>(&mut json) else {
        return match json.end() {
            Err(error) => Reject::whole(&reason_of(&error)),
            Ok(()) => Reject::whole("not readable"),
        };
    };
    let path = error.path().to_string();
    let mut path = if path == "." { String::new() } else { path };
    let reason = reason_of(error.inner());
    if reason.starts_with("deeper than") {
        // The way down is as long as whoever wrote it likes; the fault is the record's.
        path.clear();
    }
    for kind in ["missing field `", "duplicate field `"] {
        if let Some(field) = reason.strip_prefix(kind).and_then(|rest| rest.strip_suffix('`')) {
            // The path leads to the object; the field is the point.
            if !path.ends_with(field) {
                path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            }
        }
    }
    Reject::new(&path, &reason)
}
