//! Accounts without hands: nightly jobs, steady interfaces, the vendor's support, and `guest`.

use rand::RngExt;

use crate::action::{Client, Deed, Device, ExportFormat, RECORD_COUNT, Refusal};
use crate::chance::pick;
use crate::clock::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::world::NetworkKind;

use super::{Line, Planner};

impl Planner<'_> {
    /// A run of REST pages at the same time every night, from one address; an export on Sundays.
    pub(super) fn nightly_job(&mut self, midnight_ms: i64) {
        let client = self.script_client();
        let mut at = midnight_ms + self.person.habits.start_min * MINUTE_MS + self.between(0, 60 * SECOND_MS);
        let table = (self.account % 6) as u8;
        let page_rows = 10_000;
        for page in 0..self.chance.random_range(25..45_u32) {
            let bytes = u64::from(page_rows) * self.chance.random_range(400..700_u64);
            self.push(at, client, Deed::RestRead { table, rows: page_rows, offset: page * page_rows, bytes });
            at += self.between(3 * SECOND_MS, 9 * SECOND_MS);
        }
        if self.day.rem_euclid(7) == 3 {
            for part in 0..4 {
                let format = ExportFormat::Csv;
                let deed = Deed::Export { table, format, rows: 10_000, first_row: part * 10_000, bytes: 6_400_000 };
                self.push(at, client, deed);
                at += self.between(20 * SECOND_MS, 60 * SECOND_MS);
            }
        }
    }

    /// A small read or write every twenty minutes, day and night.
    pub(super) fn steady_calls(&mut self, midnight_ms: i64) {
        let client = self.script_client();
        let mut at = midnight_ms + self.between(0, 20 * MINUTE_MS);
        while at < midnight_ms + DAY_MS {
            let record = self.chance.random_range(0..RECORD_COUNT);
            let rows = self.chance.random_range(5..200_u32);
            let deed = if self.chance.random_bool(0.3) {
                Deed::Update { table: 6, record, fields: 2 }
            } else {
                Deed::RestRead { table: 6, rows, offset: 0, bytes: u64::from(rows) * 700 }
            };
            self.push(at, client, deed);
            at += 20 * MINUTE_MS + self.between(-30 * SECOND_MS, 30 * SECOND_MS);
        }
    }

    /// Support looks in about once a week.
    pub(super) fn vendor_visit(&mut self, midnight_ms: i64) {
        if !self.chance.random_bool(0.15) {
            return;
        }
        let line = self.line(self.person.home, self.person.home_line, self.person.line_number % 8, false);
        let session = self.chance.random();
        let client = self.client(line, Device::Unmanaged, 1, session);
        let mut at = midnight_ms + self.person.habits.start_min * MINUTE_MS;
        self.push(at, client, Deed::SIGN_IN);
        for _ in 0..self.chance.random_range(4..12) {
            at += self.between(30 * SECOND_MS, 4 * MINUTE_MS);
            let record = self.chance.random_range(0..RECORD_COUNT);
            self.push(at, client, Deed::View { table: 0, record });
        }
        self.push(at + MINUTE_MS, client, Deed::Logout);
    }

    /// Failures that belong to nobody: strangers at the login page, mistyped names, the vendor's own probe.
    pub(super) fn guest_day(&mut self, midnight_ms: i64) {
        for _ in 0..self.chance.random_range(3..9) {
            let at = midnight_ms + self.between(0, DAY_MS);
            let line = self.stranger();
            let client = self.client(line, Device::Unmanaged, 2, 0);
            let refusal = if self.chance.random_bool(0.4) { Refusal::UnknownUser } else { Refusal::BadPassword };
            self.push(at, client, Deed::LoginFailed { refusal });
        }
        let mut at = midnight_ms + self.between(0, 120 * MINUTE_MS);
        while at < midnight_ms + DAY_MS {
            let line = self.line(self.person.home, self.person.home_line, 7, false);
            let client = self.client(line, Device::Script, 0, 0);
            self.push(at, client, Deed::VendorProbe);
            at += 120 * MINUTE_MS;
        }
    }

    fn script_client(&mut self) -> Client {
        let line = self.line(self.person.home, self.person.home_line, self.person.line_number % 64, false);
        self.client(line, Device::Script, (self.account % 4) as u8, 0)
    }

    fn stranger(&mut self) -> Line {
        let lines = self.world.access_of_kind(NetworkKind::Fixed);
        let (body, access) =
            pick(&mut self.chance, &lines).copied().unwrap_or((self.person.home, self.person.home_line));
        let number = self.chance.random();
        self.line(body, access, number, false)
    }
}
