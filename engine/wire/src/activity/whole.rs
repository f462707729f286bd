//! Whole numbers as JSON has them: `50.0` and `5e1` are 50. Readers that make tables of records write them so.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};

use super::COUNT_MAX;

/// From here on a number is told in powers of ten, and not with all its digits.
const LONG: f64 = 1e18;

/// Reads a whole number from 0 to [`COUNT_MAX`], with or without a fraction of zero.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            if number > COUNT_MAX { Err(outside(number)) } else { Ok(number) }
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number).map_err(|_| outside(number)).and_then(|number| self.visit_u64(number))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
            // A number that is not finite has a fraction that is not zero.
            if number.fract().abs() > 0.0 || !number.is_finite() {
                return Err(E::invalid_type(Unexpected::Float(number), &self));
            }
            // Every whole number up to the largest is a double of its own.
            if (0.0..=COUNT_MAX as f64).contains(&number) {
                Ok(number as u64)
            } else if number.abs() < LONG {
                Err(outside(number))
            } else {
                Err(outside(format_args!("{number:e}")))
            }
        }
    }

    from.deserialize_u64(Whole)
}

/// The same where `null` is no number and the type may be narrower.
pub(super) fn optional<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    struct Number(u64);

    impl<'de> Deserialize<'de> for Number {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            whole(from).map(Self)
        }
    }

    let number = Option::<Number>::deserialize(from)?;
    number.map(|Number(number)| T::try_from(number).map_err(|_| outside(number))).transpose()
}

fn outside<E: de::Error>(number: impl fmt::Display) -> E {
    E::custom(format_args!("{number} is outside 0 to {COUNT_MAX}"))
}
