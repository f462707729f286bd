//! Made traffic: a company's day at any number of users, in the order in which a log would hold it.
//!
//! First every user is called once, over the day before, with two events from two networks. Then sessions begin at
//! chance, three a user and day, each a sign-in and about twenty things done within a quarter of an hour, so that the
//! events a user has in any hour do not depend on how many users there are, and most users are idle most of the time.
//! A stated share of events is held back by up to 50 minutes, as a poller would. Nobody travels, so without exports
//! nothing is found.

mod hours;
mod record;
mod steady;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND};
use frostwatch_runtime::ports::InputRecord;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub use hours::{Hour, Hours};
use record::Writer;
pub use steady::Steady;

/// When sessions begin: Monday, 2026-01-05T00:00:00Z.
pub const START: Millis = 1_767_571_200_000;
/// Events of the first call of every user.
pub const CALLS_PER_USER: usize = 2;
/// The last of them is this long before [`START`], so that all have gone idle.
const CALL_MARGIN: Millis = 3 * HOUR;
/// Sessions of a user in a day.
const SESSIONS_PER_DAY: u64 = 3;
/// Things done in a session beside the sign-in, on average.
const DEEDS_MEAN: u32 = 20;
/// Time between two of them, on average.
const PAUSE_MEAN: Millis = 45 * SECOND;
/// From an event to the log, at least.
const DELIVERY: Millis = 2 * SECOND;
/// The longest that an event is held back.
const HELD_BACK_MAX: Millis = 50 * MINUTE;

/// What the traffic is like.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Of chance.
    pub seed: u64,
    /// How many users.
    pub users: u32,
    /// Events held back, of a hundred.
    pub held_back_percent: f64,
    /// Exports over the limit, of a thousand events; each raises an alert unless the user's last one is still open.
    pub exports_permille: u32,
    /// What every rule that ships reads is there: devices, files that are put up and deleted, what is said of people.
    pub full: bool,
}

impl Config {
    /// Nothing held back, nothing to be found.
    pub const fn quiet(users: u32) -> Self {
        Self { seed: 1, users, held_back_percent: 0.0, exports_permille: 0, full: false }
    }
}

/// An endless stream of records.
pub struct Traffic {
    config: Config,
    chance: ChaCha8Rng,
    writer: Writer,
    called: usize,
    upcoming: BinaryHeap<Reverse<(Millis, u32)>>,
    sessions: Vec<Session>,
    free: Vec<u32>,
    held_back: BinaryHeap<Reverse<(Millis, u64, Deed)>>,
    serial: u64,
    newest: Vec<Millis>,
    delivered: u64,
    out_of_order: u64,
}

/// Something a user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    time: Millis,
    serial: u64,
    user: u32,
    session: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Login,
    FailedLogin,
    List,
    View,
    Update,
    Download,
    Export,
    Logout,
    Upload,
    Delete,
    Profile,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    user: u32,
    id: u64,
    left: u32,
    signed_in: bool,
}

/// Records in the order of the log.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
    stamp: Millis,
}

impl Batch {
    /// The records.
    pub fn records(&self) -> impl Iterator<Item = InputRecord<'_>> {
        self.entries.iter().map(|entry| InputRecord {
            offset: 0,
            stamp: Some(entry.stamp),
            key: self.bytes.get(entry.key.clone()),
            value: self.bytes.get(entry.value.clone()).unwrap_or_default(),
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of a value, on average.
    pub fn value_bytes_mean(&self) -> usize {
        self.records().map(|record| record.value.len()).sum::<usize>() / self.len().max(1)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    fn push(&mut self, writer: &Writer, stamp: Millis, deed: &Deed) {
        let key_start = self.bytes.len();
        writer.key(&mut self.bytes, deed.user);
        let value_start = self.bytes.len();
        writer.value(&mut self.bytes, deed);
        let value = value_start..self.bytes.len();
        self.entries.push(Entry { key: key_start..value_start, value, stamp });
    }
}

impl Traffic {
    /// The traffic of a seed.
    pub fn new(config: Config) -> Self {
        Self {
            chance: ChaCha8Rng::seed_from_u64(config.seed),
            writer: Writer::new(config.seed, config.full),
            called: 0,
            upcoming: BinaryHeap::from([Reverse((START, u32::MAX))]),
            sessions: Vec::new(),
            free: Vec::new(),
            held_back: BinaryHeap::new(),
            serial: 0,
            newest: vec![Millis::MIN; config.users as usize],
            delivered: 0,
            out_of_order: 0,
            config,
        }
    }

    /// Events of the first call of all users.
    pub const fn calls(&self) -> usize {
        self.config.users as usize * CALLS_PER_USER
    }

    /// Fills the batch with the next records.
    pub fn fill(&mut self, batch: &mut Batch, count: usize) {
        batch.clear();
        for _ in 0..count {
            let (stamp, deed) = if self.called < self.calls() { self.call() } else { self.next() };
            let newest = &mut self.newest[deed.user as usize];
            self.delivered += 1;
            self.out_of_order += u64::from(deed.time < *newest);
            *newest = deed.time.max(*newest);
            batch.push(&self.writer, stamp, &deed);
        }
    }

    /// Share of events delivered after a newer one of their user since this was last asked.
    pub fn out_of_order_share(&mut self) -> f64 {
        let share = self.out_of_order as f64 / self.delivered.max(1) as f64;
        (self.out_of_order, self.delivered) = (0, 0);
        share
    }

    fn call(&mut self) -> (Millis, Deed) {
        let (user, nth) = (self.called / CALLS_PER_USER, self.called % CALLS_PER_USER);
        let span = DAY - CALL_MARGIN;
        let begin = START - DAY + span * user as Millis / Millis::from(self.config.users);
        self.called += 1;
        // Odd sessions come from the user's other network, and the second event must not be nearer than travel.
        let what = if nth == 0 { What::Login } else { What::View };
        let deed = self.deed(begin, user as u32, user as u64 * 2, what);
        let deed = if nth == 0 { deed } else { Deed { session: deed.session + 1, ..deed } };
        (begin + DELIVERY, deed)
    }

    /// What the log holds next: what was held back and is due, else what happens next, unless it is held back.
    fn next(&mut self) -> (Millis, Deed) {
        loop {
            let next = self.upcoming.peek().map_or(Millis::MAX, |Reverse((time, _))| time + DELIVERY);
            if self.held_back.peek().is_some_and(|Reverse((due, _, _))| *due <= next)
                && let Some(Reverse((stamp, _, deed))) = self.held_back.pop()
            {
                return (stamp, deed);
            }
            let Some(deed) = self.happen() else { continue };
            let stamp = deed.time + DELIVERY;
            if !self.chance.random_bool(self.config.held_back_percent / 100.0) {
                return (stamp, deed);
            }
            let due = stamp + self.chance.random_range(SECOND..=HELD_BACK_MAX);
            self.held_back.push(Reverse((due, deed.serial, deed)));
        }
    }

    fn happen(&mut self) -> Option<Deed> {
        let Reverse((time, slot)) = self.upcoming.pop()?;
        if slot == u32::MAX {
            self.begin_session(time);
            return None;
        }
        let session = self.sessions[slot as usize];
        let what = self.what(session);
        let pause = self.chance.random_range(SECOND..2 * PAUSE_MEAN);
        let known = &mut self.sessions[slot as usize];
        known.signed_in |= what != What::FailedLogin;
        known.left -= 1;
        if known.left == 0 {
            self.free.push(slot);
        } else {
            self.upcoming.push(Reverse((time + pause, slot)));
        }
        // The source's clock has whole seconds.
        Some(self.deed(time - time % SECOND, session.user, session.id, what))
    }

    fn begin_session(&mut self, time: Millis) {
        let gap = DAY as u64 * 1_000 / (SESSIONS_PER_DAY * u64::from(self.config.users));
        // The rest of a whole number is left to chance, so that a million users do not need a finer clock.
        let wait = (self.chance.random_range(0..=2 * gap) + self.chance.random_range(0..1_000)) / 1_000;
        self.upcoming.push(Reverse((time + wait as Millis, u32::MAX)));
        let session = Session {
            user: self.chance.random_range(0..self.config.users),
            id: self.chance.random(),
            left: 1 + self.chance.random_range(1..2 * DEEDS_MEAN),
            signed_in: false,
        };
        let slot = self.free.pop().unwrap_or(self.sessions.len() as u32);
        if slot as usize == self.sessions.len() {
            self.sessions.push(session);
        } else {
            self.sessions[slot as usize] = session;
        }
        self.upcoming.push(Reverse((time, slot)));
    }

    fn what(&mut self, session: Session) -> What {
        if !session.signed_in {
            let fails = session.left > 1 && self.chance.random_bool(0.03);
            return if fails { What::FailedLogin } else { What::Login };
        }
        if self.chance.random_range(0..1_000) < self.config.exports_permille {
            return What::Export;
        }
        if self.config.full {
            match self.chance.random_range(0..1_000) {
                0..30 => return What::Upload,
                30..40 => return What::Delete,
                40..41 => return What::Profile,
                _ => {}
            }
        }
        match self.chance.random_range(0..100) {
            _ if session.left == 1 && self.chance.random_bool(0.3) => What::Logout,
            0..55 => What::View,
            55..80 => What::List,
            80..95 => What::Update,
            _ => What::Download,
        }
    }

    fn deed(&mut self, time: Millis, user: u32, session: u64, what: What) -> Deed {
        self.serial += 1;
        Deed { time, serial: self.serial, user, session, what }
    }
}
