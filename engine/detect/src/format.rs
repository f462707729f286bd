//! Formats of the bytes that are kept of a key, and how one that is older is read and written.
//!
//! What a format adds are fields at the end of what was there. They are marked `#[serde(with = "crate::format::since_2")]`:
//! in bytes of an older format such a field is not there, and reads as empty. A detector asks
//! [`crate::context::Context::keeps`] before it uses such a field, so that under an older format it stays empty in memory
//! too, and whoever restores the key goes on with the same.

use std::cell::Cell;

use crate::catalogue::STATE_FORMAT;

/// The oldest format that is read and written.
pub const STATE_FORMAT_OLDEST: u8 = 1;

thread_local! {
    static FORMAT: Cell<u8> = const { Cell::new(STATE_FORMAT) };
}

/// Reads and writes within `act` in this format.
pub(crate) fn in_format<T>(format: u8, act: impl FnOnce() -> T) -> T {
    struct Restore(u8);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORMAT.set(self.0);
        }
    }
    let _restore = Restore(FORMAT.replace(format));
    act()
}

/// Is what is read or written in this format or a later one?
pub(crate) fn is_at_least(format: u8) -> bool {
    FORMAT.get() >= format
}

/// Fields of format 2 and later.
pub(crate) mod since_2 {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::FORMAT;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(field: &T, serializer: S) -> Result<S::Ok, S::Error> {
        // In the encoding of state a unit has no bytes.
        if FORMAT.get() < 2 { serializer.serialize_unit() } else { field.serialize(serializer) }
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        if FORMAT.get() < 2 { Ok(T::default()) } else { T::deserialize(deserializer) }
    }
}

/// Two things that are seldom there: one byte says which are, the byte that says it of the first where there was no second.
pub(crate) mod seldom {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const FIRST: u8 = 1;
    const SECOND: u8 = 2;

    pub(crate) fn write<A: Serialize, B: Serialize, S: Serializer>(
        (first, second): (Option<&A>, Option<&B>),
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let parts = 1 + usize::from(first.is_some()) + usize::from(second.is_some());
        let mut tuple = serializer.serialize_tuple(parts)?;
        let which = if first.is_some() { FIRST } else { 0 } | if second.is_some() { SECOND } else { 0 };
        tuple.serialize_element(&which)?;
        if let Some(first) = first {
            tuple.serialize_element(first)?;
        }
        if let Some(second) = second {
            tuple.serialize_element(second)?;
        }
        tuple.end()
    }

    pub(crate) fn read<'de, A: Deserialize<'de>, B: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Option<A>, Option<B>), D::Error> {
        struct Both<A, B>(PhantomData<(A, B)>);

        impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for Both<A, B> {
            type Value = (Option<A>, Option<B>);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte and what it says is there")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut from: S) -> Result<Self::Value, S::Error> {
                let short = || S::Error::custom("ends too early");
                let which: u8 = from.next_element()?.ok_or_else(short)?;
                if which & !(FIRST | SECOND) != 0 {
                    return Err(S::Error::custom("says that something is there that this program does not know"));
                }
                let first = if which & FIRST == 0 { None } else { Some(from.next_element()?.ok_or_else(short)?) };
                let second = if which & SECOND == 0 { None } else { Some(from.next_element()?.ok_or_else(short)?) };
                Ok((first, second))
            }
        }

        deserializer.deserialize_tuple(3, Both(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Grown {
        old: u16,
        #[serde(with = "since_2")]
        new: Vec<u8>,
    }

    #[test]
    fn a_field_of_a_newer_format_is_not_in_the_bytes_of_an_older_one() {
        let grown = |new: &[u8]| Grown { old: 300, new: new.to_vec() };
        let older = in_format(1, || postcard::to_stdvec(&grown(b"")).unwrap());
        assert_eq!(older, postcard::to_stdvec(&300_u16).unwrap());
        assert_eq!(in_format(1, || postcard::from_bytes::<Grown>(&older).unwrap()), grown(b""));
        let newer = postcard::to_stdvec(&grown(b"ab")).unwrap();
        assert_eq!(postcard::from_bytes::<Grown>(&newer).unwrap(), grown(b"ab"));
    }

    #[derive(Debug, PartialEq)]
    struct Both(Option<u16>, Option<u16>);

    impl Serialize for Both {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            seldom::write((self.0.as_ref(), self.1.as_ref()), serializer)
        }
    }

    impl<'de> Deserialize<'de> for Both {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            seldom::read(deserializer).map(|(first, second)| Self(first, second))
        }
    }

    #[test]
    fn what_is_seldom_there_costs_no_byte_beside_its_neighbour() {
        for first in [None, Some(300)] {
            assert_eq!(postcard::to_stdvec(&Both(first, None)).unwrap(), postcard::to_stdvec(&first).unwrap());
            for second in [None, Some(7)] {
                let bytes = postcard::to_stdvec(&Both(first, second)).unwrap();
                assert_eq!(postcard::from_bytes::<Both>(&bytes).unwrap(), Both(first, second));
            }
        }
        assert!(postcard::from_bytes::<Both>(&[4, 1, 1]).is_err());
    }
}
