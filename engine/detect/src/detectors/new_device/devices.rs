//! The devices of a user.

use serde::{Deserialize, Serialize};

/// A device with which the user has signed in, or somebody else under their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
pub(super) struct Device {
    pub(super) hash: u64,
    pub(super) last_day: i32,
    trust: Trust,
}

/// Does it speak for the user?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It is of one day.
    New,
    /// It was used on another day after its first, and nothing was told of it.
    Theirs,
    /// Its first use was told as somebody else's perhaps.
    Told,
}

/// The same as it is written: the trust is in the lowest two bits of the day.
#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(with = "postcard::fixint::le")]
    hash: u64,
    day: i32,
}

impl From<Packed> for Device {
    fn from(Packed { hash, day }: Packed) -> Self {
        let trust = match day & 3 {
            0 => Trust::New,
            1 => Trust::Theirs,
            _ => Trust::Told,
        };
        Self { hash, last_day: day >> 2, trust }
    }
}

impl From<Device> for Packed {
    fn from(Device { hash, last_day, trust }: Device) -> Self {
        Self { hash, day: last_day << 2 | trust as i32 }
    }
}

impl Device {
    pub(super) const fn new(hash: u64, day: i32) -> Self {
        Self { hash, last_day: day, trust: Trust::New }
    }

    /// Is it not forgotten?
    pub(super) const fn is_kept(&self, day: i32, forget_days: u32) -> bool {
        day - self.last_day <= forget_days as i32
    }

    /// Was it used on two days or more before it is forgotten, and was nothing told of it?
    pub(super) fn is_theirs(&self) -> bool {
        self.trust == Trust::Theirs
    }

    /// Was its first use told as somebody else's, and has nothing said since that it is the user's?
    pub(super) fn is_told(&self) -> bool {
        self.trust == Trust::Told
    }

    /// Which gives way where there is no room for all: what is forgotten, then what is not the user's and of that what is of one day,
    /// then what was used longest ago. Half the room is for what is theirs, so that who changes devices gets to know new ones.
    pub(super) fn least(devices: &[Self], day: i32, forget_days: u32) -> Option<usize> {
        let is_theirs = |device: &&Self| device.is_theirs() && device.is_kept(day, forget_days);
        let are_many = devices.iter().filter(is_theirs).count() > devices.len() / 2;
        let trust = |device: &Self| match device.trust {
            _ if are_many => 0,
            Trust::New => 0,
            Trust::Told => 1,
            Trust::Theirs => 2,
        };
        let rank = |device: &Self| (device.is_kept(day, forget_days), trust(device), device.last_day);
        devices.iter().enumerate().min_by_key(|(_, device)| rank(device)).map(|(index, _)| index)
    }

    /// Takes note that it is the user's after all.
    pub(super) const fn trust(&mut self) {
        self.trust = Trust::Theirs;
    }

    /// Takes note of its use.
    pub(super) fn pass(&mut self, day: i32, forget_days: u32) {
        if !self.is_kept(day, forget_days) {
            self.trust = Trust::New;
        } else if self.trust == Trust::New && day > self.last_day {
            self.trust = Trust::Theirs;
        }
        self.last_day = day;
    }

    /// Takes note that its first use is told.
    pub(super) const fn tell(&mut self) {
        self.trust = Trust::Told;
    }
}

#[cfg(test)]
mod tests {
    use super::{Device, Trust};

    #[test]
    fn what_is_theirs_gives_way_last_but_for_more_than_half_of_the_room() {
        let device = |(hash, last_day, trust)| Device { hash, last_day, trust };
        let (new, told, theirs) = (Trust::New, Trust::Told, Trust::Theirs);
        for (devices, gives_way) in [
            (vec![(1, 90, theirs), (2, 99, new), (3, 98, new), (4, 97, told)], 3),
            (vec![(1, 90, theirs), (2, 99, told), (3, 98, told), (4, 97, told)], 4),
            (vec![(1, 90, theirs), (2, 91, theirs), (3, 98, told), (4, 99, new)], 4),
            // A new one among many of theirs becomes one of them, or it would never be known.
            (vec![(1, 90, theirs), (2, 91, theirs), (3, 98, theirs), (4, 97, new)], 1),
            // What is forgotten goes first.
            (vec![(1, 9, theirs), (2, 91, theirs), (3, 98, theirs), (4, 97, new)], 1),
            (vec![(1, 9, theirs), (2, 91, theirs), (3, 98, new), (4, 97, new)], 1),
        ] {
            let devices: Vec<Device> = devices.into_iter().map(device).collect();
            let least = Device::least(&devices, 100, 60).map(|index| devices[index].hash);
            assert_eq!(least, Some(gives_way), "{devices:?}");
        }
        assert_eq!(Device::least(&[], 100, 60), None);
    }
}
