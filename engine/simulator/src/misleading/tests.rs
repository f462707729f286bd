//! What is written down as harmless is what was done, all of it, and within the run.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Deed};
use crate::clock::MINUTE_MS;
use crate::company::CompanyConfig;
use crate::delivery::Actions;
use crate::files::FilePlan;

use super::*;

/// Monday, 2 March 2026, in UTC.
const START_MS: i64 = 1_772_409_600_000;

fn company() -> Company {
    let files = FilePlan { fast: 4, slow: 2, work: true };
    let config = CompanyConfig::confounded(5, 300, 48, START_MS, 2).with_downloads(2).with_files(files);
    Company::new(config).expect("a company")
}

fn actions_of(company: &Company) -> Vec<Action> {
    let mut actions = Actions::new(company);
    std::iter::from_fn(|| actions.next_slot()).flat_map(|(_, slot)| slot).collect()
}

#[test]
fn everybody_who_was_given_something_misleading_is_written_down_within_the_run() {
    let company = company();
    let all: Vec<Misleading> = company.misleading().collect();
    for misleading in &all {
        let Misleading { from_ms, to_ms, .. } = *misleading;
        assert!(company.config.start_ms <= from_ms && from_ms <= to_ms && to_ms <= company.end_ms(), "{misleading:?}");
    }
    let kinds: BTreeSet<Misleads> = all.iter().map(|misleading| misleading.harmless).collect();
    assert!(kinds.len() >= 30, "{kinds:?}");
    for person in &company.people {
        for confounder in &person.confounders {
            // Whoever travels may have been given no journey.
            let may_be_absent = matches!(confounder, Confounder::BusinessTravel | Confounder::RoadWarrior);
            let is_own = |found: &&Misleading| found.user == person.name;
            let is_there = all.iter().filter(is_own).any(|found| found.harmless == Misleads::Habit(*confounder));
            assert!(is_there || may_be_absent && person.trips.is_empty(), "{}: {confounder:?}", person.name);
        }
    }
}

#[test]
fn moments_and_work_in_bulk_are_where_the_actions_are() {
    let company = company();
    let (actions, all) = (actions_of(&company), company.misleading().collect::<Vec<_>>());
    let mut by_user: BTreeMap<&str, Vec<&Action>> = BTreeMap::new();
    for action in &actions {
        by_user.entry(&company.people[action.account as usize].name).or_default().push(action);
    }
    let of_span = |misleading: &Misleading, is_one: fn(&Action) -> bool| {
        let Misleading { user, from_ms, to_ms, .. } = misleading;
        let is_within = |action: &&&Action| (*from_ms..=*to_ms).contains(&action.time_ms) && is_one(action);
        by_user.get(user.as_str()).map_or(0, |own| own.iter().filter(is_within).count())
    };
    let is_failure = |action: &Action| matches!(action.deed, Deed::LoginFailed { .. });
    let is_probe = |action: &Action| matches!(action.deed, Deed::VendorProbe);
    let is_download = |action: &Action| matches!(action.deed, Deed::Download { .. });
    let is_export = |action: &Action| matches!(action.deed, Deed::Export { .. });
    let is_of_files = |action: &Action| matches!(action.deed, Deed::File(_));
    let mut of_strangers = 0;
    for misleading in &all {
        let (least, is_one): (usize, fn(&Action) -> bool) = match misleading.harmless {
            Misleads::Moment(Moment::StrangersGuesses) => (1, Action::is_strangers),
            Misleads::Moment(Moment::AnalyserKnocks) => (48 * 11, is_probe),
            Misleads::Moment(Moment::OwnGuesses) => (8, is_failure),
            Misleads::Moment(Moment::ReportsAtOnce) => (44, is_download),
            Misleads::Moment(Moment::WholeTables) => (2, is_export),
            Misleads::Files(FileWork::AttachesGuide) => (1, is_of_files),
            Misleads::Files(
                FileWork::RenamesFiles | FileWork::MarksFiles | FileWork::ConvertsImages | FileWork::CleansUpFiles,
            ) => (30, is_of_files),
            Misleads::Habit(Confounder::ExpiredClient) => (1, is_failure),
            _ => continue,
        };
        let count = of_span(misleading, is_one);
        // A day may end, or a journey begin, in the midst of it.
        let is_cut = misleading.to_ms - misleading.from_ms < MINUTE_MS && least > 1;
        assert!(count >= least || is_cut && count > 0, "{misleading:?}: {count}");
        of_strangers += usize::from(misleading.harmless == Misleads::Moment(Moment::StrangersGuesses)) * count;
    }
    assert_eq!(of_strangers, actions.iter().filter(|action| action.is_strangers()).count());
}
