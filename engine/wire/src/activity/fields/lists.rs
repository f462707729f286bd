//! Lists of values, read one by one.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::{Scan, Scanner};

/// Up to `MAX` values, each checked and passed over.
#[derive(Debug, Default)]
pub(in crate::activity) struct Checked<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Checked<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        each::<T, D>(deserializer, MAX, drop)?;
        Ok(Self(std::marker::PhantomData))
    }
}

impl<'a, T: Scan<'a> + Default, const MAX: usize> Scan<'a> for Checked<T, MAX> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        scanner.each(MAX, |scanner| T::default().scan(scanner))
    }
}

/// Up to `MAX` values. Only a record that has some pays for their room.
#[derive(Debug)]
pub(in crate::activity) struct Kept<T, const MAX: usize>(pub(in crate::activity) Vec<T>);

impl<T, const MAX: usize> Default for Kept<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Kept<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Vec::new();
        each::<T, D>(deserializer, MAX, |value| values.push(value))?;
        Ok(Self(values))
    }
}

impl<'a, T: Scan<'a> + Default, const MAX: usize> Scan<'a> for Kept<T, MAX> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        scanner.each(MAX, |scanner| {
            let mut value = T::default();
            value.scan(scanner)?;
            self.0.push(value);
            Some(())
        })
    }
}

pub(super) fn each<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
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
