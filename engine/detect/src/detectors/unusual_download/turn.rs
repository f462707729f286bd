//! The turn of the month: what is carried off then is measured by what was at earlier turns too.

use chrono::{DateTime, Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use super::MEASURES;
use super::days::{amount, codes};
use crate::event::Quantity;
use crate::time::{Millis, SECOND};

/// The most that was carried off within the window at turns of the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    /// The month that began with the last one, counted from the year 0.
    month: i32,
    peak: [u8; MEASURES],
    /// At the turn before.
    before: [u8; MEASURES],
}

impl Turn {
    /// Takes note of what the window holds at the turn into a month.
    pub(super) fn take(&mut self, month: i32, in_window: Quantity) {
        if self.month != month {
            (self.month, self.before, self.peak) = (month, self.peak, [0; MEASURES]);
        }
        for (peak, code) in self.peak.iter_mut().zip(codes(in_window)) {
            *peak = code.max(*peak);
        }
    }

    /// The most at an earlier turn than that into this month.
    pub(super) fn usual(&self, month: i32) -> [f64; MEASURES] {
        let known = if self.month == month { self.before } else { self.peak };
        std::array::from_fn(|measure| amount(measure, known[measure]))
    }
}

/// The month, counted from the year 0, at whose turn this is: one of the last working days before it, of its first ones, or
/// a day between them. Working days are those from Monday to Friday, in UTC.
pub fn month_of(now: Millis, days: u32) -> Option<i32> {
    if days == 0 {
        return None;
    }
    let date = DateTime::from_timestamp(now.div_euclid(SECOND), 0)?.date_naive();
    let month = date.year() * 12 + i32::try_from(date.month0()).ok()?;
    let first = date.with_day(1)?;
    if working_days(first, date) <= days {
        return Some(month);
    }
    let next = if date.month() == 12 {
        NaiveDate::from_ymd_opt(date.year() + 1, 1, 1)
    } else {
        NaiveDate::from_ymd_opt(date.year(), date.month() + 1, 1)
    }?;
    (working_days(date, next.pred_opt()?) <= days).then_some(month + 1)
}

/// Working days from one day to another, both counted.
fn working_days(from: NaiveDate, to: NaiveDate) -> u32 {
    let is_working = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    from.iter_days().take_while(|day| *day <= to).filter(is_working).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_of_a_month_is_its_first_working_days_and_the_last_before_it() {
        let at = |date: &str| NaiveDate::parse_from_str(date, "%Y-%m-%d").unwrap().and_hms_opt(12, 0, 0).unwrap();
        let march = 2026 * 12 + 2;
        for (date, month) in [
            // 31 March 2026 is a Tuesday, 3 April a Friday.
            ("2026-03-26", None),
            ("2026-03-27", Some(march + 1)),
            ("2026-03-29", Some(march + 1)),
            ("2026-03-31", Some(march + 1)),
            ("2026-04-01", Some(march + 1)),
            ("2026-04-05", Some(march + 1)),
            ("2026-04-06", None),
            ("2026-12-31", Some(2027 * 12)),
            ("2027-01-02", Some(2027 * 12)),
        ] {
            assert_eq!(month_of(at(date).and_utc().timestamp_millis(), 3), month, "{date}");
        }
        assert_eq!(month_of(at("2026-03-31").and_utc().timestamp_millis(), 0), None);
    }

    #[test]
    fn a_turn_is_measured_by_the_one_before_and_not_by_itself() {
        let objects = |objects| Quantity { objects, ..Quantity::default() };
        let mut turn = Turn::default();
        turn.take(10, objects(40));
        assert!(turn.usual(10)[0] < 1.0);
        assert!((39.0..41.0).contains(&turn.usual(11)[0]));
        turn.take(11, objects(100));
        assert!((39.0..41.0).contains(&turn.usual(11)[0]));
        assert!((97.0..103.0).contains(&turn.usual(12)[0]));
    }
}
