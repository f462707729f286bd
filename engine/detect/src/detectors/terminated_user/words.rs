//! What is said of an account that ended and was used.

use super::{After, Ended, Params, RETURNED, is_told_in_grace};
use crate::context::Explanation;
use crate::detectors::{counted, from_where, who};
use crate::finding::Measure;
use crate::incident::Incident;
use crate::time::{MINUTE, date, spoken, to_the_minute};

pub(super) struct Words<'a> {
    pub(super) user: &'a str,
    pub(super) ended: Ended,
    /// What was found when it was told.
    pub(super) before: Option<After>,
}

impl Words<'_> {
    /// `was recorded as having left at 2026-03-02 09:00 UTC, told 3 days later`
    fn since(&self, params: &Params) -> String {
        let (ended, begins) = (self.ended, self.ended.begins(params));
        let late = ended.told - begins;
        let told = if late > MINUTE { format!(", told {} later", spoken(late)) } else { String::new() };
        let from = if ended.is_day(params) {
            format!("on {}, a day that ends at {} UTC where it ends last", date(ended.from), to_the_minute(begins))
        } else {
            format!("at {} UTC", to_the_minute(ended.from))
        };
        format!("{} {from}{told}", ended.word())
    }

    /// What a return says of it that was told since.
    fn returned(&self, incident: &Incident) -> String {
        let returned = incident.severity_reasons.iter().any(|known| known == RETURNED);
        let at = self.ended.until.filter(|_| returned).map(to_the_minute);
        at.map_or_else(String::new, |at| {
            format!("; by a record that was told later the account counts as on again from {at} UTC on")
        })
    }

    pub(super) fn explain(&self, params: &Params, incident: &Incident) -> Explanation {
        let ended = self.ended;
        let begins = ended.begins(params);
        let told_in_grace = self.before.is_none() && incident.first <= begins + params.grace();
        let days = counted(u64::from(ended.days), "day", "days");
        let what = match self.before {
            Some(After { first, last, .. }) if first < last => {
                format!("had been active on {days} since, from {} on, last at {} UTC", date(first), to_the_minute(last))
            }
            Some(After { last, .. }) => format!("had been active since, last at {} UTC", to_the_minute(last)),
            None => {
                let before =
                    if ended.days > 0 { format!("had been active on {days} by then, and ") } else { String::new() };
                let events = counted(incident.count, "event", "events");
                let until = to_the_minute(incident.last);
                let span = match to_the_minute(incident.first) {
                    first if first == until || ended.days > 0 => format!("last at {until}"),
                    first => format!("from {first} to {until}"),
                };
                let taken = if told_in_grace && ended.taken > 0 {
                    let objects = counted(u64::from(ended.taken), "object", "objects");
                    format!(", {objects} carried out in the first {}", spoken(params.grace()))
                } else {
                    String::new()
                };
                format!("{before}has been active since: {events}, {span} UTC, {}{taken}", from_where(incident))
            }
        };
        let last = self.before.map_or(incident.last, |before| before.last);
        let mut observed = vec![
            Measure::new("events", incident.count as f64, "events"),
            Measure::new("after", ((last - begins) / MINUTE) as f64, "min"),
        ];
        if ended.taken > 0 {
            observed.push(Measure::new("objects_in_grace", f64::from(ended.taken), "objects"));
        }
        if ended.days > 0 {
            observed.push(Measure::new("days_active", f64::from(ended.days), "days"));
        }
        let mut threshold = vec![Measure::new("grace_minutes", f64::from(params.grace_minutes), "min")];
        if params.grace_objects_max > 0 {
            threshold.push(Measure::new("grace_objects_max", f64::from(params.grace_objects_max), "objects"));
        }
        // What is told within the grace is told whenever that ends.
        let whenever = told_in_grace || is_told_in_grace(params, incident);
        Explanation {
            summary: format!("{} {}, and {what}{}.", who(self.user), self.since(params), self.returned(incident)),
            observed,
            baseline: Vec::new(),
            threshold,
            counterfactual: format!(
                "It would not have fired if the account had been enabled again before that, or if it had counted from {} \
                 UTC or later.",
                // To the next whole minute, or it would still fire.
                to_the_minute(if whenever { last } else { last - params.grace() } + MINUTE - 1),
            ),
            kind: None,
        }
    }
}
