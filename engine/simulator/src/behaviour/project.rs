//! What makes people carry off more than they did, for a while or from now on: a project before its deadline, another role,
//! the end of a quarter.
//!
//! It comes from a stream of its own, so that the rest of a day is the same with and without it.

use rand::RngExt;

use crate::action::{Deed, RECORD_COUNT};
use crate::chance::{Purpose, stream};
use crate::clock::{MINUTE_MS, SECOND_MS, civil_date};

use super::human::{Block, EVENING, Places, SHORTEST_BLOCK_MS};
use super::{Planner, Window};

/// Length of an evening before a deadline, and of one at the end of a quarter, minutes.
const CRUNCH_MIN: (i64, i64) = (150, 300);
const QUARTER_MIN: (i64, i64) = (60, 120);
/// Of a hundred things done then, so many are documents beside those of any work.
const DOCUMENTS: u32 = 6;
/// Pages that lead to a document, least and most.
const PAGES: (i64, i64) = (2, 4);
/// Reports of a day at the end of a quarter, least and most.
const REPORTS: (i64, i64) = (6, 14);
/// A quarter's last days.
const QUARTER_DAYS: i64 = 7;

impl Planner<'_> {
    /// Adds to a working day, from its begin to its end.
    pub(super) fn project_day(&mut self, window: Window, span: (i64, i64), places: Places, session: u128) {
        let habits = &self.person.habits;
        let (is_crunch, role) = (self.is_crunch(), habits.new_role.filter(|role| role.from <= self.day));
        let is_quarter_end = habits.quarter_end && is_quarter_end(self.epoch_day);
        if !is_crunch && role.is_none() && !is_quarter_end {
            return;
        }
        let own = stream(self.seed, Purpose::ProjectDay, self.account, (self.day + 1) as u32);
        let kept = std::mem::replace(&mut self.chance, own);
        if let Some(role) = role {
            let documents = self.between(role.documents * 7 / 10, role.documents * 13 / 10 + 1);
            self.documents(window, span, places, (session, documents));
        }
        if is_quarter_end {
            let reports = self.between(REPORTS.0, REPORTS.1 + 1);
            self.documents(window, span, places, (session, reports));
        }
        if is_crunch || is_quarter_end {
            let least = if is_crunch { CRUNCH_MIN } else { QUARTER_MIN };
            let from_ms = span.1 + self.between(30, 60) * MINUTE_MS;
            let to_ms = from_ms + self.between(least.0, least.1) * MINUTE_MS;
            self.long_hours(window, (from_ms, to_ms), places);
        }
        self.chance = kept;
    }

    /// A week-end before a deadline.
    pub(super) fn project_weekend(&mut self, window: Window, places: Places) {
        if !self.is_crunch() {
            return;
        }
        let own = stream(self.seed, Purpose::ProjectDay, self.account, (self.day + 1) as u32);
        let kept = std::mem::replace(&mut self.chance, own);
        if self.chance.random_bool(0.6) {
            let from_ms = window.midnight_ms + self.between(570, 690) * MINUTE_MS;
            let to_ms = from_ms + self.between(180, 360) * MINUTE_MS;
            self.long_hours(window, (from_ms, to_ms), places);
        }
        self.chance = kept;
    }

    /// Work at home like that of the day, with somewhat more documents.
    fn long_hours(&mut self, window: Window, span: (i64, i64), places: Places) {
        let (from_ms, to_ms) = (span.0.max(window.from_ms), span.1.min(window.to_ms));
        if to_ms - from_ms < SHORTEST_BLOCK_MS {
            return;
        }
        let places = Places { desk: places.bed, at_office: false, ..places };
        let tunnel = self.tunnel(places, from_ms, to_ms, EVENING);
        let block = Block { from_ms, line: places.desk, tunnel };
        let session = self.chance.random();
        self.sign_in(&block, session);
        let mut at = from_ms + self.between(20 * SECOND_MS, 90 * SECOND_MS);
        while at < to_ms {
            let is_document = self.chance.random_range(0..100_u32) < DOCUMENTS;
            let deed = if is_document { self.download() } else { self.office_deed() };
            self.laptop_deed(&block, at, session, deed);
            at += self.pause();
        }
    }

    /// So many documents over the day, each with the pages that lead to it.
    fn documents(&mut self, window: Window, span: (i64, i64), places: Places, (session, number): (u128, i64)) {
        let block = Block { from_ms: span.0, line: places.desk, tunnel: None };
        for _ in 0..number {
            let mut at = self.between(span.0 + MINUTE_MS, span.1);
            for _ in 0..self.between(PAGES.0, PAGES.1 + 1) {
                let record = self.chance.random_range(0..RECORD_COUNT);
                let table = self.chance.random_range(0..5);
                self.at_desk(window, &block, at, session, Deed::View { table, record });
                at += self.between(5 * SECOND_MS, 60 * SECOND_MS);
            }
            let deed = if self.chance.random_bool(0.15) { self.export(800) } else { self.download() };
            self.at_desk(window, &block, at, session, deed);
        }
    }

    fn at_desk(&mut self, window: Window, block: &Block, at: i64, session: u128, deed: Deed) {
        if (window.from_ms..window.to_ms).contains(&at) {
            self.laptop_deed(block, at, session, deed);
        }
    }

    fn is_crunch(&self) -> bool {
        self.person.habits.crunch.is_some_and(|(from, to)| (from..to).contains(&self.day))
    }
}

/// One of the last days of a quarter?
pub(crate) fn is_quarter_end(epoch_day: i64) -> bool {
    let (_, month, _) = civil_date(epoch_day);
    month % 3 == 0 && civil_date(epoch_day + QUARTER_DAYS).1 != month
}
