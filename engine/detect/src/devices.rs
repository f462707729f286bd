//! The devices with which somebody works where no list says anything against the address: another one at an address of which a list is
//! hardly sure is a second sign, and one of the user's own speaks against the list.

use serde::{Deserialize, Serialize};

/// Devices of a key that are remembered; of those with the fewest days the one unused for longest gives way: ids that somebody
/// makes up push out none that is used.
const DEVICES_MAX: usize = 8;
/// A device is the user's own after so many days of use, this one not among them: one evening is a thief's as well.
const DAYS_MIN: u16 = 2;
/// Whoever has more devices than this changes them as others change seats: another one says nothing.
const DEVICES_USUAL: usize = 4;

/// Devices by their hashes; that of 0 stands for records that name none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Devices(Vec<Device>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Device {
    #[serde(with = "postcard::fixint::le")]
    hash: u64,
    /// Days of use, until they are forgotten.
    days: u16,
    last_day: i32,
}

impl Devices {
    /// Was it used on enough days before that are not forgotten? Records that name none are no device.
    pub(crate) fn knows(&self, hash: u64, day: i32, forget_days: u32) -> bool {
        hash != 0 && self.known(day, forget_days).any(|device| device.hash == hash)
    }

    /// Are one to four others known so, and not this one? Of records that name none the same is asked.
    pub(crate) fn are_others(&self, hash: u64, day: i32, forget_days: u32) -> bool {
        let named = self.known(day, forget_days).filter(|device| device.hash != 0).count();
        (1..=DEVICES_USUAL).contains(&named) && self.known(day, forget_days).all(|device| device.hash != hash)
    }

    /// Did records name a device, be it on one day, and did they name none on fewer days than would make that usual?
    pub(crate) fn always_name_one(&self, day: i32, forget_days: u32) -> bool {
        let is_lately = |device: &&Device| day - device.last_day <= forget_days as i32;
        let names_some = self.0.iter().filter(is_lately).any(|device| device.hash != 0);
        names_some && self.known(day, forget_days).all(|device| device.hash != 0)
    }

    /// Notes a day of use.
    pub(crate) fn note(&mut self, hash: u64, day: i32, forget_days: u32) {
        if let Some(device) = self.0.iter_mut().find(|device| device.hash == hash) {
            if day - device.last_day > forget_days as i32 {
                device.days = 0;
            }
            if device.days == 0 || day > device.last_day {
                (device.days, device.last_day) = (device.days.saturating_add(1), day);
            }
            return;
        }
        if self.0.len() >= DEVICES_MAX
            && let Some((least, _)) =
                self.0.iter().enumerate().min_by_key(|(_, device)| (device.days.min(DAYS_MIN), device.last_day))
        {
            self.0.remove(least);
        }
        self.0.push(Device { hash, days: 1, last_day: day });
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }

    fn known(&self, day: i32, forget_days: u32) -> impl Iterator<Item = &Device> {
        self.0.iter().filter(move |device| {
            let days = device.days - u16::from(device.last_day == day && device.days > 0);
            days >= DAYS_MIN && day - device.last_day <= forget_days as i32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_the_users_after_two_days_and_until_it_is_forgotten() {
        let mut devices = Devices::default();
        devices.note(7, 99, 30);
        assert!(!devices.knows(7, 100, 30), "one day is a thief's as well");
        devices.note(7, 100, 30);
        for (hash, day, knows, others) in [
            (7, 100, false, false),
            (7, 101, true, false),
            (7, 130, true, false),
            (7, 131, false, false),
            (8, 100, false, false),
            (8, 101, false, true),
            (0, 101, false, true),
            (8, 131, false, false),
        ] {
            let found = (devices.knows(hash, day, 30), devices.are_others(hash, day, 30));
            assert_eq!(found, (knows, others), "{hash} {day}");
        }
        (101..103).for_each(|day| devices.note(0, day, 30));
        assert!(!devices.are_others(0, 103, 30), "records of the user name none at times");
        let mut named = Devices::default();
        assert!(!named.always_name_one(100, 30), "nothing is known");
        named.note(7, 100, 30);
        assert!(named.always_name_one(101, 30) && !named.always_name_one(131, 30), "one day is enough, for a month");
        (101..103).for_each(|day| named.note(0, day, 30));
        assert!(!named.always_name_one(103, 30), "at times none is named");
        (140..142).for_each(|day| devices.note(7, day, 30));
        assert!(!devices.knows(7, 141, 30) && devices.knows(7, 142, 30), "after a month it begins anew");
    }

    #[test]
    fn of_whoever_has_many_devices_another_one_says_nothing() {
        let mut devices = Devices::default();
        for (many, says) in [(1, true), (4, true), (5, false), (8, false)] {
            (1..=many).for_each(|hash| (98..100).for_each(|day| devices.note(hash, day, 30)));
            assert_eq!(devices.are_others(99, 101, 30), says, "{many}");
        }
        assert_eq!(devices.0.len(), DEVICES_MAX);
    }

    #[test]
    fn ids_that_somebody_makes_up_push_out_none_that_is_used() {
        let mut devices = Devices::default();
        (90..100).for_each(|day| devices.note(7, day, 30));
        (1_000..1_040).for_each(|hash| devices.note(hash, 100, 30));
        assert!(devices.knows(7, 101, 30) && devices.are_others(1_039, 101, 30));
    }
}
