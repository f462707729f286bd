//! The fields that a condition may ask for, by the names that `activity.v1` gives them, and what is known of the address.

use crate::listed::Category;
use crate::model::{AccountKind, Action, Channel, Os, Outcome, Reason};
use crate::networks::Tag;
use crate::time::{DAY, HOUR, Millis};

/// The word of `network.tag` and `network.listed` for an address of which nothing is said: that is known, and not absent.
pub const WORD_NONE: &str = "none";

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days from Monday to the Thursday on which the epoch began.
const EPOCH_WEEKDAY: i64 = 3;

/// A field, by what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Words of a closed vocabulary.
    Words(WordField),
    /// A text.
    Text(TextField),
    /// Texts of which any may do.
    List(ListField),
    /// A whole number.
    Number(NumberField),
    /// True or false.
    Flag(FlagField),
    /// The address.
    Address,
}

macro_rules! fields {
    ($(#[$meta:meta])* $name:ident($kind:ident) { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
        }

        impl $name {
            const NAMED: &'static [(&'static str, Field)] = &[$(($text, Field::$kind(Self::$variant)),)+];
        }
    };
}

fields! {
    /// Fields with words of a closed vocabulary.
    WordField(Words) {
        /// What was done.
        Action = "action",
        /// How it ended.
        Outcome = "outcome",
        /// Why it failed.
        Reason = "reason",
        /// The way in.
        Channel = "channel",
        /// What sort of account it is; never absent.
        Kind = "user.kind",
        /// The family of operating systems.
        Os = "client.device.os",
        /// The day of the week, UTC.
        Weekday = "time.weekday",
        /// What `networks.yaml` says of the address.
        Tag = "network.tag",
        /// What lists say of the address.
        Listed = "network.listed",
    }
}

fields! {
    /// Fields with a text.
    TextField(Text) {
        /// What the source calls what was done.
        ActionRaw = "action_raw",
        /// Who really acted.
        Actor = "actor.name",
        /// Whom it was aimed at.
        Target = "target.name",
        /// Name of the user, in lower case.
        User = "user.name",
        /// Mail address of the user.
        Email = "user.email",
        /// How the user proved who they are.
        Method = "auth.method",
        /// The browser or program.
        Agent = "client.user_agent",
        /// The device.
        Device = "client.device.id",
        /// What sort of thing it was done to.
        ObjectKind = "object.kind",
        /// The table.
        ObjectTable = "object.table",
        /// The row.
        ObjectId = "object.id",
        /// The name, such as that of a file.
        ObjectName = "object.name",
        /// The media type.
        ContentType = "object.content_type",
        /// Who can see it.
        Visibility = "object.visibility",
        /// The table of the record that it belongs to.
        ParentTable = "object.parent.table",
        /// The domain, where the instance separates them.
        Domain = "domain",
        /// The instance.
        Instance = "instance",
        /// The program that made the record.
        Producer = "source.producer",
        /// The table of the row that it was made from.
        SourceTable = "source.table",
        /// The country of the address.
        Country = "place.country",
        /// The city of the address.
        City = "place.city",
        /// Who runs the network of the address.
        Organisation = "network.organisation",
        /// What `networks.yaml` calls the network of the address.
        NetworkName = "network.name",
    }
}

fields! {
    /// Fields with several texts.
    ListField(List) {
        /// Groups of the user, in lower case.
        Groups = "user.groups",
        /// Labels of sensitivity.
        Labels = "object.labels",
        /// To whom it was sent or shown.
        Recipients = "recipients.address",
    }
}

fields! {
    /// Fields with a whole number.
    NumberField(Number) {
        /// Bytes of the object.
        Size = "object.size_bytes",
        /// Objects that were carried.
        Objects = "quantity.objects",
        /// Rows that were carried.
        Rows = "quantity.rows",
        /// Bytes that were carried.
        Bytes = "quantity.bytes",
        /// The hour of the day, UTC.
        Hour = "time.hour",
        /// The autonomous system of the address.
        Asn = "network.asn",
        /// The most confidence with which a list says something against the address; 0: none does.
        Confidence = "network.confidence",
    }
}

fields! {
    /// Fields that are true or false.
    FlagField(Flag) {
        /// A second factor was checked.
        Mfa = "auth.mfa",
        /// A person was at the keyboard.
        Interactive = "interactive",
        /// The account holds privileged roles.
        Privileged = "user.privileged",
        /// Something manages the device.
        Managed = "client.device.managed",
        /// The device meets its policy.
        Compliant = "client.device.compliant",
        /// A mobile carrier runs the network of the address, by its name.
        Mobile = "network.mobile",
        /// The record is no real activity; never absent.
        Test = "test",
    }
}

const ADDRESS: &[(&str, Field)] = &[("client.ip", Field::Address)];

fn named() -> impl Iterator<Item = (&'static str, Field)> {
    let all = [WordField::NAMED, TextField::NAMED, ListField::NAMED, NumberField::NAMED, FlagField::NAMED, ADDRESS];
    all.into_iter().flatten().copied()
}

/// The field of a name.
pub fn field(name: &str) -> Option<Field> {
    named().find(|(known, _)| *known == name).map(|(_, field)| field)
}

/// The names of all fields, in alphabetical order.
pub fn field_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = named().map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

impl Field {
    /// Is it known only once the address is: the record's own or its session's?
    pub const fn is_of_place(self) -> bool {
        match self {
            Self::Address
            | Self::Flag(FlagField::Mobile)
            | Self::Number(NumberField::Asn | NumberField::Confidence)
            | Self::Words(WordField::Tag | WordField::Listed) => true,
            Self::Text(field) => {
                matches!(field, TextField::Country | TextField::City | TextField::Organisation | TextField::NetworkName)
            }
            _ => false,
        }
    }
}

impl WordField {
    /// The words that may stand there, each by its number.
    pub fn words(self) -> Vec<&'static str> {
        let none = std::iter::once(WORD_NONE);
        match self {
            // What is said of an account is no activity. It has the last number.
            Self::Action => {
                Action::ALL.iter().filter(|word| **word != Action::UserProfile).map(|word| word.as_str()).collect()
            }
            Self::Outcome => Outcome::ALL.iter().map(|word| word.as_str()).collect(),
            Self::Reason => Reason::ALL.iter().map(|word| word.as_str()).collect(),
            Self::Kind => AccountKind::ALL.iter().map(|word| word.as_str()).collect(),
            // What is unknown is absent.
            Self::Channel => {
                Channel::ALL.iter().filter(|word| **word != Channel::Unknown).map(|word| word.as_str()).collect()
            }
            Self::Os => Os::ALL.iter().filter(|word| **word != Os::Unknown).map(|word| word.as_str()).collect(),
            Self::Weekday => WEEKDAYS.to_vec(),
            Self::Tag => Tag::ALL.iter().map(|tag| tag.as_str()).chain(none).collect(),
            Self::Listed => Category::ALL.iter().map(|category| category.as_str()).chain(none).collect(),
        }
    }
}

/// A set of one word, by its number.
pub const fn word_of(number: usize) -> u64 {
    1 << number
}

/// The hour of the day, UTC.
pub const fn hour_of(time: Millis) -> u64 {
    (time.rem_euclid(DAY) / HOUR) as u64
}

/// The number of the day of the week, UTC, from Monday on.
pub const fn weekday_of(time: Millis) -> usize {
    (time.div_euclid(DAY) + EPOCH_WEEKDAY).rem_euclid(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_of_its_own_and_every_vocabulary_fits_its_set() {
        let names = field_names();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        assert!(names.iter().all(|name| field(name).is_some()));
        assert_eq!(field("action_"), None);
        for (_, field) in WordField::NAMED {
            let Field::Words(field) = field else { panic!("{field:?}") };
            assert!(field.words().len() <= 64, "{field:?}");
        }
    }

    #[test]
    fn times_of_the_week_are_those_of_utc() {
        // 1 January 1970 was a Thursday; 2 March 2026, 09:00, a Monday.
        for (time, hour, weekday) in
            [(0, 0, "thu"), (-1, 23, "wed"), (1_772_442_000_000, 9, "mon"), (1_772_442_000_000 + 6 * DAY, 9, "sun")]
        {
            assert_eq!((hour_of(time), WEEKDAYS[weekday_of(time)]), (hour, weekday));
        }
    }
}
