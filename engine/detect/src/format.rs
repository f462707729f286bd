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
}
