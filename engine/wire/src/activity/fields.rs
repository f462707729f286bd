//! Reading a JSON object field by field without keeping what nobody asks for.
//!
//! [`object`] writes a visitor per object of the contract. What the contract names is checked, what it does not name is
//! passed over, but never deeper than [`DEPTH_MAX`].

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::time::UtcTime;
use super::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_KEYS_MAX, COUNT_MAX, DEPTH_MAX};

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

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields<'a>(std::marker::PhantomData<&'a ()>);

                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Fields<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                        $(let mut $required: Option<$required_type> = None;)*
                        $(let mut $optional: Option<Option<$optional_type>> = None;)*
                        while let Some(name) = map.next_key::<$crate::activity::fields::Key<'de>>()? {
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
    };
}
pub(super) use object;

/// A field's name, borrowed unless it is written with escapes.
pub(super) struct Key<'a>(Cow<'a, str>);

impl Key<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<'de, { usize::MAX }>::deserialize(deserializer).map(|text| Self(text.0))
    }
}

/// A text of at most `MAX` bytes, borrowed unless it is written with escapes.
#[derive(Debug, Default)]
pub(super) struct Text<'a, const MAX: usize>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Text<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow<const MAX: usize>;

        impl<'de, const MAX: usize> Visitor<'de> for Borrow<MAX> {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                within(text.len(), MAX)?;
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                within(text.len(), MAX)?;
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Borrow::<MAX>).map(Self)
    }
}

/// Like [`Text`], and not empty.
#[derive(Debug, Default)]
pub(super) struct Named<'a, const MAX: usize>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Named<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<'a, MAX>::deserialize(deserializer)?;
        if text.0.is_empty() { Err(de::Error::custom("empty")) } else { Ok(Self(text.0)) }
    }
}

/// Any text, checked and passed over.
#[derive(Debug, Default)]
pub(super) struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<'de, { usize::MAX }>::deserialize(deserializer).map(|_| Self)
    }
}

/// Any text that is not empty, checked and passed over.
#[derive(Debug, Default)]
pub(super) struct SomeText;

impl<'de> Deserialize<'de> for SomeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Named::<'de, { usize::MAX }>::deserialize(deserializer).map(|_| Self)
    }
}

/// A `sys_id`: 32 hexadecimal digits in lower case.
#[derive(Debug, Default)]
pub(super) struct SysId;

impl<'de> Deserialize<'de> for SysId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<'de, { usize::MAX }>::deserialize(deserializer)?;
        let hex = text.0.len() == 32 && text.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Self) } else { Err(refused("not 32 hexadecimal digits in lower case", &text.0)) }
    }
}

/// An instant, as milliseconds.
#[derive(Debug, Default)]
pub(super) struct Instant(pub(super) i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<'de, { usize::MAX }>::deserialize(deserializer)?;
        let time = UtcTime::parse(&text.0).map_err(|_| refused("not an RFC 3339 time in UTC", &text.0))?;
        Ok(Self(time.ms()))
    }
}

/// An address.
#[derive(Debug)]
pub(super) struct Ip(pub(super) IpAddr);

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<'de, { usize::MAX }>::deserialize(deserializer)?;
        text.0.parse().map(Self).map_err(|_| refused("not an IP address", &text.0))
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub(super) u64);

/// A count or size.
pub(super) type Count = Whole<0, COUNT_MAX>;

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(de::Error::custom(format_args!("{number} is outside {MIN} to {MAX}")))
    }
}

/// Up to `MAX` texts, the first eight without allocation.
#[derive(Debug, Default)]
pub(super) struct Texts<'a, const MAX: usize>(pub(super) SmallVec<[Cow<'a, str>; 8]>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Texts<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = SmallVec::new();
        each::<Text<'de, { usize::MAX }>, D>(deserializer, MAX, |text| texts.push(text.0))?;
        Ok(Self(texts))
    }
}

/// Up to `MAX` values, each checked and passed over.
#[derive(Debug, Default)]
pub(super) struct Checked<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Checked<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        each::<T, D>(deserializer, MAX, drop)?;
        Ok(Self(std::marker::PhantomData))
    }
}

fn each<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    max: usize,
    take: impl FnMut(T),
) -> Result<(), D::Error> {
    struct Each<T, F>(usize, F, std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<S: SeqAccess<'de>>(mut self, mut seq: S) -> Result<(), S::Error> {
            let mut count = 0;
            while let Some(value) = seq.next_element()? {
                count += 1;
                if count > self.0 {
                    return Err(de::Error::custom(format_args!("more than {} entries", self.0)));
                }
                (self.1)(value);
            }
            Ok(())
        }
    }

    deserializer.deserialize_seq(Each(max, take, std::marker::PhantomData))
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

/// Passes over a value at this level of nesting, and refuses what lies deeper than [`DEPTH_MAX`].
pub(super) struct Skip(pub(super) usize);

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Skip {
    fn enter<E: de::Error>(&self) -> Result<(), E> {
        if self.0 > DEPTH_MAX { Err(E::custom(format_args!("deeper than {DEPTH_MAX} levels"))) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.enter()?;
        while seq.next_element_seed(Self(self.0 + 1))?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.enter()?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Self(self.0 + 1))?;
        }
        Ok(())
    }
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
