//! Reading a JSON object field by field without keeping what nobody asks for.
//!
//! [`object`] writes a visitor per object of the contract. What the contract names is checked, what it does not name is
//! passed over, but never deeper than [`DEPTH_MAX`].

mod lists;
mod skip;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use smallvec::SmallVec;

pub(super) use lists::{Checked, Kept};
pub(super) use skip::Skip;

use super::scan::{Scan, Scanner};
use super::time::UtcTime;
use super::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_KEYS_MAX, COUNT_MAX};

/// Declares an object of the contract: its level of nesting, the fields that must be there and those that may.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $name:ident at $level:literal {
            required { $($required:ident: $required_type:ty,)* }
            optional { $($optional:ident: $optional_type:ty,)* }
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        #[allow(dead_code, reason = "most fields are only checked")]
        struct $name<'a> {
            $($required: $required_type,)*
            $($optional: Option<$optional_type>,)*
            marker: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> serde::Deserialize<'a> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields<'a>(std::marker::PhantomData<&'a ()>);

                impl<'a> serde::de::Visitor<'a> for Fields<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                        $(let mut $required: Option<$required_type> = None;)*
                        $(let mut $optional: Option<Option<$optional_type>> = None;)*
                        while let Some(name) = map.next_key::<$crate::activity::fields::Key<'a>>()? {
                            match name.as_str() {
                                $(stringify!($required) => {
                                    if $required.is_some() {
                                        return Err(serde::de::Error::duplicate_field(stringify!($required)));
                                    }
                                    $required = Some(map.next_value()?);
                                })*
                                $(stringify!($optional) => {
                                    if $optional.is_some() {
                                        return Err(serde::de::Error::duplicate_field(stringify!($optional)));
                                    }
                                    $optional = Some(map.next_value()?);
                                })*
                                _ => map.next_value_seed($crate::activity::fields::Skip($level + 1))?,
                            }
                        }
                        Ok($name {
                            $($required: $required
                                .ok_or_else(|| serde::de::Error::missing_field(stringify!($required)))?,)*
                            $($optional: $optional.flatten(),)*
                            marker: std::marker::PhantomData,
                        })
                    }
                }

                deserializer.deserialize_map(Fields(std::marker::PhantomData))
            }
        }

        impl<'a> $crate::activity::scan::Scan<'a> for $name<'a> {
            fn scan(&mut self, scanner: &mut $crate::activity::scan::Scanner<'a>) -> Option<()> {
                #[allow(non_camel_case_types, reason = "named as the fields are")]
                enum Field { $($required,)* $($optional,)* }
                let (mut seen, needed) = (0_u32, 0_u32 $(| 1 << Field::$required as u32)*);
                let mut more = scanner.open(b'{', b'}')?;
                while more {
                    let field = match scanner.name()? {
                        $(stringify!($required) => {
                            self.$required.scan(scanner)?;
                            Field::$required
                        })*
                        $(stringify!($optional) => {
                            if !scanner.null()? {
                                self.$optional.insert(<$optional_type>::default()).scan(scanner)?;
                            }
                            Field::$optional
                        })*
                        // A field that is not named may come twice.
                        _ => {
                            scanner.pass_over()?;
                            more = scanner.more(b'}')?;
                            continue;
                        }
                    };
                    let bit = 1 << field as u32;
                    if seen & bit != 0 {
                        return None;
                    }
                    seen |= bit;
                    more = scanner.more(b'}')?;
                }
                (seen & needed == needed).then_some(())
            }
        }
    };
}
pub(super) use object;

/// Lets a type that is made of a text be read by serde and by the scanner.
macro_rules! by_text {
    ([$lifetime:lifetime $($generics:tt)*] $name:ty) => {
        impl<$lifetime $($generics)*> serde::Deserialize<$lifetime> for $name {
            fn deserialize<D: serde::Deserializer<$lifetime>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as $crate::activity::fields::FromText<$lifetime>>::from_text(
                    $crate::activity::fields::text(deserializer)?
                )
            }
        }

        impl<$lifetime $($generics)*> $crate::activity::scan::Scan<$lifetime> for $name {
            fn scan(&mut self, scanner: &mut $crate::activity::scan::Scanner<$lifetime>) -> Option<()> {
                let text = std::borrow::Cow::Borrowed(scanner.text()?);
                *self = <Self as $crate::activity::fields::FromText<$lifetime>>::from_text::<
                    $crate::activity::scan::Unfit
                >(text).ok()?;
                Some(())
            }
        }
    };
}
pub(super) use by_text;

/// What is made of a text, or refuses it.
pub(super) trait FromText<'a>: Sized {
    /// Takes the text, or says why not.
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E>;
}

/// A text, borrowed unless it is written with escapes.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    struct Borrow;

    impl<'de> Visitor<'de> for Borrow {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }

    deserializer.deserialize_str(Borrow)
}

/// A field's name or a plain text, borrowed unless it is written with escapes.
pub(super) struct Key<'a>(Cow<'a, str>);

impl Key<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Self)
    }
}

/// A text of at most `MAX` bytes, borrowed unless it is written with escapes.
#[derive(Debug, Default)]
pub(super) struct Text<'a, const MAX: usize>(pub(super) Cow<'a, str>);

by_text!(['a, const MAX: usize] Text<'a, MAX>);

impl<'a, const MAX: usize> FromText<'a> for Text<'a, MAX> {
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E> {
        within(text.len(), MAX)?;
        Ok(Self(text))
    }
}

/// Like [`Text`], and not empty.
#[derive(Debug, Default)]
pub(super) struct Named<'a, const MAX: usize>(pub(super) Cow<'a, str>);

by_text!(['a, const MAX: usize] Named<'a, MAX>);

impl<'a, const MAX: usize> FromText<'a> for Named<'a, MAX> {
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E> {
        within(text.len(), MAX)?;
        if text.is_empty() { Err(E::custom("empty")) } else { Ok(Self(text)) }
    }
}

/// Any text, checked and passed over.
#[derive(Debug, Default)]
pub(super) struct AnyText;

by_text!(['a] AnyText);

impl FromText<'_> for AnyText {
    fn from_text<E: de::Error>(_: Cow<'_, str>) -> Result<Self, E> {
        Ok(Self)
    }
}

/// A `sys_id`: 32 hexadecimal digits in lower case.
#[derive(Debug, Default)]
pub(super) struct SysId<'a>(pub(super) Cow<'a, str>);

by_text!(['a] SysId<'a>);

impl<'a> FromText<'a> for SysId<'a> {
    fn from_text<E: de::Error>(text: Cow<'a, str>) -> Result<Self, E> {
        let hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Self(text)) } else { Err(refused("not 32 hexadecimal digits in lower case", &text)) }
    }
}

/// An instant, as milliseconds.
#[derive(Debug, Default)]
pub(super) struct Instant(pub(super) i64);

by_text!(['a] Instant);

impl FromText<'_> for Instant {
    fn from_text<E: de::Error>(text: Cow<'_, str>) -> Result<Self, E> {
        let time = UtcTime::parse(&text).map_err(|_| refused("not an RFC 3339 time in UTC", &text))?;
        Ok(Self(time.ms()))
    }
}

/// An address; the default only waits for one.
#[derive(Debug)]
pub(super) struct Ip(pub(super) IpAddr);

by_text!(['a] Ip);

impl FromText<'_> for Ip {
    fn from_text<E: de::Error>(text: Cow<'_, str>) -> Result<Self, E> {
        text.parse().map(Self).map_err(|_| refused("not an IP address", &text))
    }
}

impl Default for Ip {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub(super) u64);

/// A count or size.
pub(super) type Count = Whole<0, COUNT_MAX>;

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = super::whole::whole(deserializer)?;
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(de::Error::custom(format_args!("{number} is outside {MIN} to {MAX}")))
    }
}

impl<const MIN: u64, const MAX: u64> Scan<'_> for Whole<MIN, MAX> {
    fn scan(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        self.0 = scanner.whole()?;
        (MIN..=MAX).contains(&self.0).then_some(())
    }
}

/// Up to `MAX` texts, the first eight without allocation.
#[derive(Debug, Default)]
pub(super) struct Texts<'a, const MAX: usize>(pub(super) SmallVec<[Cow<'a, str>; 8]>);

impl<'a, const MAX: usize> Deserialize<'a> for Texts<'a, MAX> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = SmallVec::new();
        lists::each::<Key<'a>, D>(deserializer, MAX, |text| texts.push(text.0))?;
        Ok(Self(texts))
    }
}

impl<'a, const MAX: usize> Scan<'a> for Texts<'a, MAX> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        scanner.each(MAX, |scanner| {
            self.0.push(Cow::Borrowed(scanner.text()?));
            Some(())
        })
    }
}

/// `attributes`: a flat map, bounded in keys and in bytes of its compact JSON.
#[derive(Debug, Default)]
pub(super) struct Attributes;

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;

        impl<'de> Visitor<'de> for Flat {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flat object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let (mut keys, mut bytes) = (0, 1);
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    keys += 1;
                    bytes += written(key.as_str()) + 2 + map.next_value::<Scalar>()?.0;
                    if keys > ATTRIBUTES_KEYS_MAX {
                        return Err(de::Error::custom(format_args!("more than {ATTRIBUTES_KEYS_MAX} attributes")));
                    }
                }
                if bytes.max(2) > ATTRIBUTES_BYTES_MAX {
                    return Err(de::Error::custom(format_args!("more than {ATTRIBUTES_BYTES_MAX} bytes")));
                }
                Ok(Attributes)
            }
        }

        deserializer.deserialize_map(Flat)
    }
}

impl Scan<'_> for Attributes {
    fn scan(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let (mut keys, mut bytes) = (0, 1);
        let mut more = scanner.open(b'{', b'}')?;
        while more {
            keys += 1;
            // What the scanner takes is written as compactly as can be.
            bytes += scanner.name()?.len() + 4 + scanner.pass_over()?;
            more = scanner.more(b'}')?;
        }
        (keys <= ATTRIBUTES_KEYS_MAX && bytes.max(2) <= ATTRIBUTES_BYTES_MAX).then_some(())
    }
}

impl Scan<'_> for bool {
    fn scan(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        *self = scanner.switch()?;
        Some(())
    }
}

/// A value of `attributes`: the bytes it takes in compact JSON.
struct Scalar(usize);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Plain;

        impl Visitor<'_> for Plain {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a switch")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(if value { 4 } else { 5 }))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string().len()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.checked_ilog10().unwrap_or(0) as usize + 1))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string().len()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(written(text)))
            }
        }

        deserializer.deserialize_any(Plain)
    }
}

/// The bytes a text takes in compact JSON, quotes included.
fn written(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..=0x1f => 5,
        _ => 0,
    });
    text.len() + 2 + escapes.sum::<usize>()
}

fn within<E: de::Error>(bytes: usize, max: usize) -> Result<(), E> {
    if bytes > max { Err(E::custom(format_args!("{bytes} bytes, at most {max} are allowed"))) } else { Ok(()) }
}

/// What was wrong and, shortened, the value: a reason is read by people and must not carry a record along.
pub(super) fn refused<E: de::Error>(what: &str, value: &str) -> E {
    let shown: String = value.chars().take(40).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    E::custom(format_args!("{what}: '{shown}{more}'"))
}
