//! A record as the conditions of rules ask for its fields.

use std::borrow::Cow;

use frostwatch_detect::condition::{
    FlagField, ListField, NumberField, Record, TextField, WordField, hour_of, weekday_of, word_of,
};
use frostwatch_detect::event::Address;
use frostwatch_detect::model::{Channel, Os};
use frostwatch_wire::activity::decode::Activity;

/// A record that is being admitted.
pub(super) struct Asked<'a, 'r, 'g> {
    pub(super) activity: &'a Activity<'r>,
    /// The user's name in lower case, or `@` and an address.
    pub(super) user: &'a str,
    /// The user's groups in lower case.
    pub(super) groups: &'a [Cow<'g, str>],
}

impl Record for Asked<'_, '_, '_> {
    fn words(&self, field: WordField) -> Option<u64> {
        let activity = self.activity;
        let number = match field {
            WordField::Action => activity.action as usize,
            WordField::Outcome => activity.outcome as usize,
            WordField::Reason if activity.told.has_reason => activity.reason as usize,
            WordField::Channel if activity.channel != Channel::Unknown => activity.channel as usize,
            WordField::Kind => activity.kind as usize,
            WordField::Os if activity.device_facts.os != Os::Unknown => activity.device_facts.os as usize,
            WordField::Weekday => weekday_of(activity.time),
            WordField::Reason | WordField::Channel | WordField::Os | WordField::Tag | WordField::Listed => return None,
        };
        Some(word_of(number))
    }

    fn text(&self, field: TextField) -> Option<&str> {
        let told = &self.activity.told;
        let text = match field {
            TextField::ActionRaw => &told.action_raw,
            TextField::Actor => &told.actor,
            TextField::Target => &told.target,
            TextField::Email => &told.email,
            TextField::Method => &told.method,
            TextField::Agent => &told.agent,
            TextField::Device => &told.device,
            TextField::ObjectKind => &told.object_kind,
            TextField::ObjectTable => &told.object_table,
            TextField::ObjectId => &told.object_id,
            TextField::ObjectName => &told.object_name,
            TextField::ContentType => &told.content_type,
            TextField::Visibility => &told.visibility,
            TextField::ParentTable => &told.parent_table,
            TextField::Domain => &told.domain,
            TextField::SourceTable => &told.source_table,
            TextField::User => {
                // Of somebody without a name the key has the address.
                let name = if self.user.starts_with('@') { self.activity.user.trim() } else { self.user };
                return Some(name).filter(|name| !name.is_empty());
            }
            TextField::Instance => return Some(&self.activity.instance),
            TextField::Producer => return Some(&told.producer),
            TextField::Country | TextField::City | TextField::Organisation | TextField::NetworkName => return None,
        };
        text.as_deref()
    }

    fn texts(&self, field: ListField) -> Option<&[Cow<'_, str>]> {
        let texts = match field {
            ListField::Groups => self.groups,
            ListField::Labels => &self.activity.told.labels,
            ListField::Recipients => &self.activity.told.recipients,
        };
        Some(texts).filter(|texts| !texts.is_empty())
    }

    fn number(&self, field: NumberField) -> Option<u64> {
        let told = &self.activity.told;
        let [objects, rows, bytes] = told.quantity;
        match field {
            NumberField::Size => told.size_bytes,
            NumberField::Objects => objects,
            NumberField::Rows => rows,
            NumberField::Bytes => bytes,
            NumberField::Hour => Some(hour_of(self.activity.time)),
            NumberField::Asn | NumberField::Confidence => None,
        }
    }

    fn flag(&self, field: FlagField) -> Option<bool> {
        let activity = self.activity;
        match field {
            FlagField::Mfa => activity.mfa,
            FlagField::Interactive => activity.told.interactive,
            FlagField::Privileged => activity.told.privileged,
            FlagField::Managed => activity.device_facts.managed,
            FlagField::Compliant => activity.device_facts.compliant,
            FlagField::Mobile => None,
            FlagField::Test => Some(activity.test),
        }
    }

    fn address(&self) -> Option<Address> {
        None
    }
}
