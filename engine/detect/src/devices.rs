//! The devices with which somebody works where no list names the address: another one at an address of which a list is
//! hardly sure is a second sign, and one of the user's own speaks against the list.

use serde::{Deserialize, Serialize};

use crate::detectors::unused_longest;

/// Devices of a key that are remembered; the one unused for longest gives way.
const DEVICES_MAX: usize = 8;
/// Whoever has more devices than this changes them as others change seats: another one says nothing.
const DEVICES_USUAL: usize = 4;

/// Devices by their hashes; that of 0 stands for records that name none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Devices(Vec<Device>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Device {
    #[serde(with = "postcard::fixint::le")]
    hash: u64,
    first_day: i32,
    last_day: i32,
}

impl Devices {
    /// Is it one of those of earlier days that are not forgotten? Records that name none are no device.
    pub(crate) fn knows(&self, hash: u64, day: i32, forget_days: u32) -> bool {
        hash != 0 && self.known(day, forget_days).any(|device| device.hash == hash)
    }

    /// Are one to four others known of earlier days, and not this one? Of records that name none the same is asked.
    pub(crate) fn are_others(&self, hash: u64, day: i32, forget_days: u32) -> bool {
        let named = self.known(day, forget_days).filter(|device| device.hash != 0).count();
        (1..=DEVICES_USUAL).contains(&named) && self.known(day, forget_days).all(|device| device.hash != hash)
    }

    /// Notes a day of use.
    pub(crate) fn note(&mut self, hash: u64, day: i32, forget_days: u32) {
        if let Some(device) = self.0.iter_mut().find(|device| device.hash == hash) {
            if day - device.last_day > forget_days as i32 {
                device.first_day = day;
            }
            device.last_day = device.last_day.max(day);
            return;
        }
        if self.0.len() >= DEVICES_MAX
            && let Some(oldest) = unused_longest(self.0.iter().map(|device| device.last_day))
        {
            self.0.remove(oldest);
        }
        self.0.push(Device { hash, first_day: day, last_day: day });
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }

    fn known(&self, day: i32, forget_days: u32) -> impl Iterator<Item = &Device> {
        self.0.iter().filter(move |device| device.first_day < day && day - device.last_day <= forget_days as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_the_users_from_the_next_day_on_and_until_it_is_forgotten() {
        let mut devices = Devices::default();
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
            assert_eq!(
                (devices.knows(hash, day, 30), devices.are_others(hash, day, 30)),
                (knows, others),
                "{hash} {day}"
            );
        }
        devices.note(0, 101, 30);
        assert!(!devices.are_others(0, 102, 30), "records of the user name none at times");
        devices.note(7, 140, 30);
        assert!(!devices.knows(7, 140, 30), "after a month it begins anew");
    }

    #[test]
    fn of_whoever_has_many_devices_another_one_says_nothing() {
        let mut devices = Devices::default();
        for (many, says) in [(1, true), (4, true), (5, false), (20, false)] {
            (1..=many).for_each(|hash| devices.note(hash, 100, 30));
            assert_eq!(devices.are_others(99, 101, 30), says, "{many}");
        }
        assert_eq!(devices.0.len(), DEVICES_MAX);
    }
}
