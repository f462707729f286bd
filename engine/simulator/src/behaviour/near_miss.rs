//! What is harmless and looks like an attack: many wrong guesses of one's own password, a morning's reports fetched all
//! at once, whole tables exported for the auditors, and strangers who try a leaked password on a real account.
//!
//! It comes from a stream of its own, so that the rest of a day is the same with and without it.

use rand::RngExt;

use crate::action::{Deed, Device, ExportFormat, FILE_COUNT, RECORD_COUNT, Refusal};
use crate::chance::pick;
use crate::clock::{MINUTE_MS, SECOND_MS, weekday};
use crate::misleading::Moment;
use crate::people::Stay;
use crate::world::NetworkKind;

use super::{Line, Planner, Window};

/// Wrong guesses of one's own password in a row, least and most.
const OWN_FAILURES: (i64, i64) = (8, 10);
/// Reports fetched within a minute, least and most.
const REPORTS: (u32, u32) = (44, 50);
/// Reports are this far apart.
const REPORT_STEP_MS: i64 = 1_150;
/// Full exports within a minute, least and most.
const EXPORTS: (u32, u32) = (2, 4);
/// Guesses of a stranger in one night, least and most.
const STRANGE_FAILURES: (i64, i64) = (1, 3);

impl Planner<'_> {
    /// A stay's early morning, before anybody begins to work.
    pub(super) fn early_morning(&mut self, stay: Stay) -> Option<Moment> {
        let window = self.window(stay)?;
        if stay.away || weekday(self.epoch_day) >= 5 {
            return None;
        }
        let (home_line, _) = self.lines_at(stay);
        let line = self.line(stay.city, home_line, self.person.line_number, false);
        let at = window.midnight_ms + self.between(330 * MINUTE_MS, 350 * MINUTE_MS);
        if self.person.habits.forgets_password && self.chance.random_bool(0.25) {
            self.guesses_own_password(window, at, line);
            Some(Moment::OwnGuesses)
        } else if self.person.habits.month_end && self.chance.random_bool(0.2) {
            self.fetches_reports(window, at, line);
            Some(Moment::ReportsAtOnce)
        } else if self.person.habits.month_end && self.chance.random_bool(0.1) {
            self.exports_tables(window, at, line);
            Some(Moment::WholeTables)
        } else {
            None
        }
    }

    /// Somebody elsewhere tries a leaked password, and again the next one.
    pub(super) fn strangers_at_the_door(&mut self) -> Option<Moment> {
        if !self.chance.random_bool(0.04) {
            return None;
        }
        let lines = self.world.access_of_kind(NetworkKind::Hosting);
        let (body, access) = pick(&mut self.chance, &lines).copied()?;
        let number = self.chance.random();
        let line = self.line(body, access, number, false);
        let client = self.client(line, Device::Unmanaged, 3, 0);
        let midnight_ms = self.world.midnight_ms(self.person.home, self.epoch_day);
        let mut at = midnight_ms + self.between(60 * MINUTE_MS, 240 * MINUTE_MS);
        for _ in 0..self.between(STRANGE_FAILURES.0, STRANGE_FAILURES.1 + 1) {
            self.push(at, client, Deed::LoginFailed { refusal: Refusal::BadPassword });
            at += self.between(2 * SECOND_MS, 40 * SECOND_MS);
        }
        Some(Moment::StrangersGuesses)
    }

    fn guesses_own_password(&mut self, window: Window, start: i64, line: Line) {
        let mut at = start;
        for _ in 0..self.between(OWN_FAILURES.0, OWN_FAILURES.1 + 1) {
            self.at_laptop(window, at, line, 0, Deed::LoginFailed { refusal: Refusal::BadPassword });
            at += self.between(4 * SECOND_MS, 12 * SECOND_MS);
        }
        let session = self.chance.random();
        self.at_laptop(window, at, line, session, Deed::SIGN_IN);
        let record = self.chance.random_range(0..RECORD_COUNT);
        self.at_laptop(window, at + 30 * SECOND_MS, line, session, Deed::View { table: 0, record });
    }

    fn fetches_reports(&mut self, window: Window, start: i64, line: Line) {
        let session = self.morning_session(window, start, line);
        let first = self.chance.random_range(0..FILE_COUNT);
        for number in 0..self.chance.random_range(REPORTS.0..=REPORTS.1) {
            let at = start + i64::from(number) * REPORT_STEP_MS;
            self.at_laptop(window, at, line, session, Deed::Download { file: (first + number * 11) % FILE_COUNT });
        }
    }

    fn exports_tables(&mut self, window: Window, start: i64, line: Line) {
        let session = self.morning_session(window, start, line);
        let table = self.chance.random_range(0..5);
        for part in 0..self.chance.random_range(EXPORTS.0..=EXPORTS.1) {
            let bytes = 21_000_000 + u64::from(part) * 400_000;
            let deed = Deed::Export { table, format: ExportFormat::Csv, rows: 10_000, first_row: part * 330, bytes };
            self.at_laptop(window, start + i64::from(part) * 12 * SECOND_MS, line, session, deed);
        }
    }

    /// Signs in a minute before `start`.
    fn morning_session(&mut self, window: Window, start: i64, line: Line) -> u128 {
        let (session, sso) = (self.chance.random(), self.person.habits.sso);
        self.at_laptop(window, start - MINUTE_MS, line, session, Deed::Login { sso, code_by_mail: false });
        session
    }

    fn at_laptop(&mut self, window: Window, at: i64, line: Line, session: u128, deed: Deed) {
        if (window.from_ms..window.to_ms).contains(&at) {
            let client = self.client(line, Device::Laptop, self.person.habits.laptop_browser, session);
            self.push(at, client, deed);
        }
    }
}
