//! The days as they stand in state.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DAYS_MAX, Day, Past};

/// In state a day is eight bytes, and one on which nothing was carried off is three.
impl Serialize for Past {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() * 8);
        for day in &self.0 {
            bytes.extend([day.gap, day.work]);
            if (day.carried, day.peak) == Default::default() {
                bytes.push(0);
            } else {
                let [objects, rows, kib] = day.carried;
                bytes.extend([objects + 1, rows, kib]);
                bytes.extend(day.peak);
            }
        }
        bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Past {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let mut left = bytes.iter().copied();
        let mut days = Vec::new();
        while let Some(gap) = left.next() {
            let mut next = || left.next().ok_or_else(|| serde::de::Error::custom("a day that does not end"));
            let (work, objects) = (next()?, next()?);
            let mut day = Day { work, gap, ..Day::default() };
            if objects > 0 {
                day.carried = [objects - 1, next()?, next()?];
                day.peak = [next()?, next()?, next()?];
            }
            if days.len() == DAYS_MAX {
                return Err(serde::de::Error::custom("more days than are remembered"));
            }
            days.push(day);
        }
        Ok(Self(days))
    }
}
