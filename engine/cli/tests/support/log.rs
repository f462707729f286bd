//! Activity of a simulated company as a rough day delivers it: a sixth out of order, some twice, some with other content
//! under the same id, some beyond the lateness, a few unreadable, and attacks in bursts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_testkit::chance::Chance;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Days of the simulation; its attacks need no less.
const DAYS: i64 = 16;
/// Records of a user in these days, bursts and copies counted: measured, and a little less.
const RECORDS_PER_USER: u64 = 1_150;
/// Fewest users that the simulation takes with its attacks, and some room.
const USERS_MIN: u64 = 40;
/// One record in so many comes later than it would, still within the lateness.
const HELD_BACK_ONE_IN: u64 = 7;
/// No record that is held back comes later than this after its event.
const HELD_BACK_MAX: Millis = 55 * MINUTE;
/// One in so many comes long after the lateness.
const LATE_ONE_IN: u64 = 250;
const LATE: std::ops::Range<u64> = (70 * MINUTE) as u64..(8 * HOUR) as u64;
/// One in so many comes twice, and one copy in so many says something else.
const COPY_ONE_IN: u64 = 100;
const COPY_DIFFERS_ONE_IN: u64 = 10;
const COPY_AFTER_MAX: Millis = 30 * MINUTE;
/// One in so many is cut in the middle.
const UNREADABLE_ONE_IN: u64 = 2_000;
/// One in so many is followed by a burst of the same user.
const BURST_ONE_IN: u64 = 400;
/// The newest addresses, from which accounts are used that are not theirs.
const ADDRESSES: usize = 64;

/// A record to publish.
pub(crate) struct Record {
    pub(crate) stamp: Millis,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What was handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mixture {
    pub(crate) records: u64,
    /// Behind a newer event of their key.
    pub(crate) out_of_order: u64,
    pub(crate) copies: u64,
    pub(crate) unreadable: u64,
    pub(crate) bursts: u64,
}

/// Records in the order of their stamps, without end; the simulation runs beside and is read as it goes.
pub(crate) struct Log {
    simulation: Child,
    lines: Lines<BufReader<ChildStdout>>,
    chance: Chance,
    /// By stamp; the number breaks ties.
    held: BinaryHeap<Reverse<(Millis, u64, String, String)>>,
    now: Millis,
    number: u64,
    addresses: VecDeque<String>,
    newest: BTreeMap<String, Millis>,
    pub(crate) mixture: Mixture,
}

#[derive(Deserialize)]
struct Line {
    stamp_ms: Millis,
    key: String,
    value: Box<RawValue>,
}

impl Log {
    /// Simulates a company that makes at least so many records, up to yesterday, and writes its setup into the folder.
    pub(crate) fn simulate(folder: &Path, seed: u64, records: u64) -> Self {
        let users = (records / RECORDS_PER_USER + 1).max(USERS_MIN);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as Millis;
        let start = rfc3339(now - now.rem_euclid(DAY) - (DAYS + 1) * DAY);
        let mut simulation = Command::new(env!("CARGO_BIN_EXE_frostwatch"))
            .args(["simulate", "--as", "activity", "--seed", &seed.to_string(), "--users", &users.to_string()])
            .args(["--days", &DAYS.to_string(), "--start", &start, "--setup"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its setup is written before the first line.
        let mut lines = BufReader::with_capacity(1 << 16, simulation.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let mut log = Self {
            simulation,
            lines,
            chance: Chance::new(seed),
            held: BinaryHeap::new(),
            now: Millis::MIN,
            number: 0,
            addresses: VecDeque::new(),
            newest: BTreeMap::new(),
            mixture: Mixture::default(),
        };
        log.accept(&first);
        log
    }

    /// Takes a line of the simulation, and what comes with it.
    fn accept(&mut self, line: &str) {
        let line: Line = serde_json::from_str(line).unwrap();
        self.now = line.stamp_ms;
        let value = line.value.get();
        if self.chance.one_in(BURST_ONE_IN) && !value.contains("\"unknown_user\"") {
            self.burst(&line.key, &serde_json::from_str(value).unwrap());
        }
        let event = time_of(value);
        self.deliver(line.stamp_ms, event, line.key, value.to_owned());
    }

    fn deliver(&mut self, stamp: Millis, event: Millis, key: String, mut value: String) {
        let mut stamp = stamp;
        if self.chance.one_in(LATE_ONE_IN) {
            stamp = stamp.max(event + self.chance.within(LATE) as Millis);
        } else if self.chance.one_in(HELD_BACK_ONE_IN) {
            stamp += self.chance.within(0..(event + HELD_BACK_MAX - stamp).max(0) as u64) as Millis;
        }
        if self.chance.one_in(COPY_ONE_IN) {
            let copy = if self.chance.one_in(COPY_DIFFERS_ONE_IN) {
                value.replacen("\"channel\":\"ui\"", "\"channel\":\"mobile\"", 1)
            } else {
                value.clone()
            };
            let after = self.chance.within(0..COPY_AFTER_MAX as u64) as Millis;
            self.mixture.copies += 1;
            self.hold(stamp + after, key.clone(), copy);
        }
        if self.chance.one_in(UNREADABLE_ONE_IN) {
            value.truncate(value.char_indices().nth(60).map_or(0, |(at, _)| at));
        }
        self.hold(stamp, key, value);
    }

    fn hold(&mut self, stamp: Millis, key: String, value: String) {
        self.number += 1;
        self.held.push(Reverse((stamp, self.number, key, value)));
    }

    /// Somebody guesses passwords, carries files off, or uses the account from where somebody else is.
    fn burst(&mut self, key: &str, like: &Value) {
        let begun = time_of(&like.to_string());
        self.mixture.bursts += 1;
        let (count, step, change) = match self.chance.within(0..3) {
            0 => (self.chance.within(11..40), 4 * SECOND, guess as fn(&mut Value, &str)),
            1 => (self.chance.within(51..90), 500, download as fn(&mut Value, &str)),
            _ => (self.chance.within(1..4), MINUTE, work_elsewhere as fn(&mut Value, &str)),
        };
        let elsewhere = self.addresses.get(self.chance.within(0..ADDRESSES as u64) as usize).cloned();
        let elsewhere = elsewhere.unwrap_or_else(|| "26.0.36.2".to_owned());
        for index in 0..count as Millis {
            let mut record = like.clone();
            let id = format!("burst:{:016x}", self.chance.draw());
            let time = begun + index * step + SECOND;
            record["id"] = json!(id);
            record["time"] = json!(rfc3339(time));
            change(&mut record, &elsewhere);
            self.deliver(self.now.max(time + SECOND), time, key.to_owned(), record.to_string());
        }
    }

    fn note(&mut self, record: &Record) {
        self.mixture.records += 1;
        // Only here is known what was handed out before the end.
        self.mixture.unreadable += u64::from(!record.value.ends_with('}'));
        // A number that no reader of the log depends on: what cannot be read has no time.
        if let Some(event) = time_in(&record.value) {
            let newest = self.newest.entry(record.key.clone()).or_insert(event);
            self.mixture.out_of_order += u64::from(event < *newest);
            *newest = (*newest).max(event);
        }
        if let Some((_, rest)) = record.value.split_once("\"ip\":\"")
            && let Some((address, _)) = rest.split_once('"')
        {
            self.addresses.push_back(address.to_owned());
            self.addresses.drain(..self.addresses.len().saturating_sub(ADDRESSES));
        }
    }
}

impl Iterator for Log {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        // What is still to come has no older stamp than the newest line.
        while self.held.peek().is_none_or(|Reverse((stamp, ..))| *stamp > self.now) {
            match self.lines.next() {
                Some(line) => self.accept(&line.unwrap()),
                None => break,
            }
        }
        let Reverse((stamp, _, key, value)) = self.held.pop()?;
        let record = Record { stamp, key, value };
        self.note(&record);
        Some(record)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Nobody reads the rest of it.
        self.simulation.kill().ok();
        self.simulation.wait().ok();
    }
}

fn guess(record: &mut Value, elsewhere: &str) {
    come_from(record, elsewhere);
    record["action"] = json!("login");
    record["outcome"] = json!("failure");
    record["reason"] = json!("bad_password");
}

fn download(record: &mut Value, _: &str) {
    let file = record["id"].clone();
    record["action"] = json!("download");
    record["outcome"] = json!("success");
    record["object"] = json!({ "kind": "attachment", "table": "sys_attachment", "id": file });
    record["quantity"] = json!({ "objects": 1, "bytes": 20_000 });
}

fn work_elsewhere(record: &mut Value, elsewhere: &str) {
    come_from(record, elsewhere);
    record["action"] = json!("view");
    record["outcome"] = json!("success");
    record["session"] = json!(format!("stolen-{elsewhere}"));
}

fn come_from(record: &mut Value, address: &str) {
    record["client"] = json!({ "ip": address, "ip_source": "direct", "user_agent": "curl/8" });
    record.as_object_mut().unwrap().remove("action_key");
}

fn time_of(value: &str) -> Millis {
    time_in(value).unwrap()
}

fn time_in(value: &str) -> Option<Millis> {
    let (_, rest) = value.split_once("\"time\":\"")?;
    let (time, _) = rest.split_once('"')?;
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp_millis())
}
