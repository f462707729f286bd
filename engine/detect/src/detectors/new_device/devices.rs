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

    /// What is kept longest where there is no room for all: what is not forgotten, of that what was used on more days than one, and
    /// of that what was used last.
    pub(super) fn rank(&self, day: i32, forget_days: u32) -> (bool, bool, i32) {
        (self.is_kept(day, forget_days), self.trust != Trust::New, self.last_day)
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
