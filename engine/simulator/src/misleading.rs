//! What is harmless and looks like an attack, written down as the attacks are: whose it is, what it is, and when.

use serde::Serialize;

use crate::addresses::HarmlessKind;
use crate::behaviour::{is_month_end, is_quarter_end, near_misses};
use crate::clock::DAY_MS;
use crate::company::Company;
use crate::confounders::Confounder;
use crate::people::{AccountKind, Person};

/// Why something harmless looks like an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Misleads {
    /// How somebody lives and works.
    Habit(Confounder),
    /// A moment of a day.
    Moment(Moment),
    /// Work with files.
    Files(FileWork),
    /// An address, a device, a leaving, or administration.
    Episode(HarmlessKind),
}

/// A moment that looks like an attack by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A stay in a country in which the person has never been.
    FirstVisit,
    /// Guesses their own password.
    OwnGuesses,
    /// Somebody elsewhere tries a leaked password, in vain, and goes to the next account.
    StrangersGuesses,
    /// Fetches the reports of a morning all at once.
    ReportsAtOnce,
    /// Exports whole tables for the auditors.
    WholeTables,
    /// The vendor's instance analyser knocks at the placeholder every two hours, in vain and without a name.
    AnalyserKnocks,
}

/// Work with files that looks like their destruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileWork {
    /// Signs documents day by day, under an extension that no list knows.
    SignsDocuments,
    /// Replaces and deletes files all day long.
    KeepsFilesInOrder,
    /// Has a script that uploads the same reports anew each day, as what nobody knows.
    UploadsReports,
    /// Attaches a guide whose name a blackmailer might have chosen.
    AttachesGuide,
    /// Renames the files of a project.
    RenamesFiles,
    /// Has a script that marks files as done, by their extension.
    MarksFiles,
    /// Converts images.
    ConvertsImages,
    /// Cleans old files up.
    CleansUpFiles,
    /// A program that archives once a week.
    ArchivesWeekly,
    /// A program that encrypts every night, as a known one does.
    EncryptsNightly,
    /// The same with one of the organisation's own.
    EncryptsInItsOwnWay,
    /// A program that marks what it has imported.
    MarksImports,
}

/// Something that looks like an attack and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misleading {
    /// The account.
    pub user: String,
    /// Why it looks like one.
    pub harmless: Misleads,
    /// From when, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
}

impl Company {
    /// All that is harmless in the run and looks like an attack: habits by the spans in which they show (all of the run where
    /// that is not known beforehand), first visits, moments of days, work with files, and [`Company::harmless`].
    pub fn misleading(&self) -> impl Iterator<Item = Misleading> + '_ {
        let of_people = self.people.iter().enumerate().flat_map(|(account, person)| {
            let mut own = self.habits_of(person);
            own.extend(self.moments_of(account as u32, person));
            own
        });
        let visits = self.first_visits().into_iter().map(|visit| {
            let (from_ms, to_ms) = (visit.from_ms.max(self.config.start_ms), visit.to_ms.min(self.end_ms()));
            Misleading { user: visit.user, harmless: Misleads::Moment(Moment::FirstVisit), from_ms, to_ms }
        });
        let episodes = self.harmless().iter().map(|harmless| Misleading {
            user: harmless.user.clone(),
            harmless: Misleads::Episode(harmless.harmless),
            from_ms: harmless.from_ms,
            to_ms: harmless.to_ms,
        });
        let is_there = |(account, work): &&(u32, Misleading)| !self.is_absent_at(*account, work.from_ms);
        let of_files = self.file_work.iter().filter(is_there).map(|(_, work)| work.clone());
        of_people.chain(visits).chain(of_files).chain(episodes)
    }

    fn habits_of(&self, person: &Person) -> Vec<Misleading> {
        let run = (self.config.start_ms, self.end_ms());
        let mut found = Vec::new();
        for confounder in &person.confounders {
            let spans = self.spans_of(*confounder, person);
            let within = spans.into_iter().map(|(from_ms, to_ms)| (from_ms.max(run.0), to_ms.min(run.1)));
            let harmless = Misleads::Habit(*confounder);
            found.extend(within.filter(|(from_ms, to_ms)| from_ms < to_ms).map(|(from_ms, to_ms)| Misleading {
                user: person.name.clone(),
                harmless,
                from_ms,
                to_ms,
            }));
        }
        found
    }

    /// When a habit shows.
    fn spans_of(&self, confounder: Confounder, person: &Person) -> Vec<(i64, i64)> {
        let (habits, end_ms) = (&person.habits, self.end_ms());
        let first_day = self.config.start_ms.div_euclid(DAY_MS);
        let midnight_ms = |day: i64| self.world.midnight_ms(person.home, first_day + day);
        let of_days = |(from, to): (i64, i64)| (midnight_ms(from), midnight_ms(to));
        // From the first of each of these days to the end of the last one.
        let days_that = |is_one: fn(i64) -> bool| {
            let is_day = |day: i64| is_one(first_day + day);
            let begins = (0..i64::from(self.config.days)).filter(|day| is_day(*day) && (*day == 0 || !is_day(day - 1)));
            // What is cut to the run ends with it.
            let behind = i64::from(self.config.days) + 1;
            let ends = |from: i64| (from..behind).find(|day| !is_day(*day)).unwrap_or(behind);
            begins.map(|from| of_days((from, ends(from)))).collect()
        };
        match confounder {
            Confounder::BusinessTravel | Confounder::RoadWarrior => {
                person.trips.iter().map(|trip| (trip.out_ms, trip.home_ms)).collect()
            }
            Confounder::Relocation => habits.moved.iter().map(|moved| (moved.out_ms, end_ms)).collect(),
            Confounder::ExpiredClient => habits.hammering.iter().map(|knocks| of_days(knocks.days)).collect(),
            Confounder::Crunch => habits.crunch.into_iter().map(of_days).collect(),
            Confounder::NewRole => habits.new_role.iter().map(|role| (midnight_ms(role.from), end_ms)).collect(),
            Confounder::MonthEnd => days_that(is_month_end),
            Confounder::QuarterEnd => days_that(is_quarter_end),
            Confounder::NewHire
            | Confounder::CorporateVpn
            | Confounder::SplitTunnel
            | Confounder::CloudProxy
            | Confounder::ConsumerVpn
            | Confounder::Commuting
            | Confounder::MobileJitter
            | Confounder::DualStack
            | Confounder::ForgottenPassword
            | Confounder::Kiosk => vec![(midnight_ms(i64::from(person.first_day)), end_ms)],
        }
    }

    fn moments_of(&self, account: u32, person: &Person) -> Vec<Misleading> {
        let (context, run) = (self.day_context(), self.config.start_ms..self.end_ms());
        let of = |moment, from_ms, to_ms| Misleading {
            user: person.name.clone(),
            harmless: Misleads::Moment(moment),
            from_ms,
            to_ms,
        };
        let mut found = Vec::new();
        if person.kind == AccountKind::Placeholder {
            // One moment after the other, all day long.
            found.extend(
                [Moment::StrangersGuesses, Moment::AnalyserKnocks].map(|moment| of(moment, run.start, run.end)),
            );
        }
        // Where the sun rises first the next day begins before the run ends.
        for day in i64::from(person.first_day)..=i64::from(self.config.days) {
            for (moment, mut actions) in near_misses(context, account, person, day) {
                actions.retain(|action| run.contains(&action.time_ms) && !self.is_absent(action));
                if let (Some(first), Some(last)) = (actions.first(), actions.last()) {
                    found.push(of(moment, first.time_ms, last.time_ms));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
