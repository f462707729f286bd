//! The company is what it says it is: possible people, labelled attacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Deed, Device};
use crate::attacks::AttackKind;
use crate::clock::{HOUR_MS, MINUTE_MS};
use crate::delivery::Actions;
use crate::people::AccountKind;
use crate::world::NetworkKind;

use super::*;

/// 1 January 2026 in UTC.
const START_MS: i64 = 1_767_225_600_000;
/// Faster than this nobody gets from door to door.
const AIRCRAFT_KMH: f64 = 900.0;

fn company(seed: u64, users: u32, days: u32) -> Company {
    Company::new(CompanyConfig::new(seed, users, days, START_MS)).expect("a company")
}

fn all_actions(company: &Company) -> Vec<Action> {
    let mut actions = Actions::new(company);
    std::iter::from_fn(|| actions.next_slot()).flat_map(|(_, slot)| slot).collect()
}

fn benign_by_account(company: &Company) -> BTreeMap<u32, Vec<Action>> {
    let mut by_account: BTreeMap<u32, Vec<Action>> = BTreeMap::new();
    for action in all_actions(company).into_iter().filter(|action| action.label.is_none() && !action.is_strangers()) {
        by_account.entry(action.account).or_default().push(action);
    }
    by_account
}

/// The most actions that fall into any span of the given length.
fn busiest(times_ms: &[i64], span_ms: i64) -> usize {
    let reach = |from: usize| times_ms[from..].iter().take_while(|t| **t < times_ms[from] + span_ms).count();
    (0..times_ms.len()).map(reach).max().unwrap_or(0)
}

#[test]
fn nobody_travels_faster_than_an_aircraft() {
    let company = company(3, 90, 36);
    let mut journeys = 0;
    for (account, actions) in benign_by_account(&company) {
        if !company.people[account as usize].is_human() {
            continue;
        }
        for pair in actions.windows(2) {
            let km = company.world.apart_km(pair[0].client.body, pair[1].client.body);
            let hours = (pair[1].time_ms - pair[0].time_ms) as f64 / HOUR_MS as f64;
            assert!(km <= AIRCRAFT_KMH * hours, "account {account}: {km} km in {hours} h");
            journeys += u32::from(km > 0.0);
        }
    }
    assert!(journeys >= 20, "{journeys} journeys are too few to say anything");
}

#[test]
fn addresses_belong_to_where_the_person_is_and_nobody_works_in_the_air() {
    let company = company(4, 90, 20);
    let mut tunnelled = 0;
    for (account, actions) in benign_by_account(&company) {
        let person = &company.people[account as usize];
        for action in &actions {
            let network = company.world.network(action.client.network);
            assert!(network.prefix.contains(&action.client.ip));
            let tunnel = matches!(network.kind, NetworkKind::Vpn | NetworkKind::CorporateVpn);
            assert!(tunnel || network.true_city == action.client.body);
            tunnelled += u32::from(tunnel);
            if person.is_human() {
                let stays = person.stays(action.time_ms, action.time_ms + 1);
                let here = stays.iter().any(|stay| stay.city == action.client.body);
                assert!(here, "{} acts at {} in a place of somebody else", person.name, action.time_ms);
            }
        }
    }
    assert!(tunnelled > 1_000, "{tunnelled} actions through a VPN");
}

#[test]
fn harmless_people_stay_below_what_attackers_do() {
    let company = company(5, 90, 36);
    let (mut month_end_hours, mut guessed, mut fetched) = (0, 0, 0);
    for (account, actions) in benign_by_account(&company) {
        let person = &company.people[account as usize];
        let times = |wanted: fn(&Deed) -> bool| -> Vec<i64> {
            actions.iter().filter(|action| wanted(&action.deed)).map(|action| action.time_ms).collect()
        };
        let failures = times(|deed| matches!(deed, Deed::LoginFailed { .. }));
        let failures = busiest(&failures, 5 * MINUTE_MS);
        assert!(failures <= 10, "{}", person.name);
        guessed += u32::from(failures >= 8);
        if person.is_human() {
            let downloads =
                times(|deed| matches!(deed, Deed::Download { .. } | Deed::Export { .. } | Deed::Zip { .. }));
            let minute = busiest(&downloads, MINUTE_MS);
            assert!(minute <= 50, "{}: {minute} downloads in a minute", person.name);
            fetched += u32::from(minute >= 44);
            let hour = busiest(&downloads, HOUR_MS);
            assert!(hour <= 130, "{}: {hour} downloads in an hour", person.name);
            month_end_hours += u32::from(hour >= 20);
        }
    }
    assert!(month_end_hours >= 3);
    assert!(guessed >= 3 && fetched >= 3, "{guessed} {fetched}: nobody comes near the attackers");
}

#[test]
fn strangers_try_real_accounts_and_some_bursts_go_over_the_full_hour() {
    let company = company(5, 90, 36);
    let people = |account: u32| company.people[account as usize].is_human();
    let actions = all_actions(&company);
    let strange: Vec<&Action> = actions.iter().filter(|a| a.is_strangers() && people(a.account)).collect();
    assert!(strange.len() >= 50, "{}", strange.len());
    for action in &strange {
        let same = |other: &&&Action| other.account == action.account;
        let times: Vec<i64> = strange.iter().filter(same).map(|a| a.time_ms).collect();
        assert!(busiest(&times, 5 * MINUTE_MS) <= 3);
        assert_eq!(company.world.network(action.client.network).kind, NetworkKind::Hosting);
    }
    let over =
        |label: &&Label| label.kind == AttackKind::FailedLogins && label.start_ms / HOUR_MS < label.end_ms / HOUR_MS;
    assert!(company.labels().iter().any(|label| over(&label)));
}

#[test]
fn every_role_has_somebody() {
    let company = company(6, 60, 36);
    let humans: Vec<_> = company.people.iter().filter(|person| person.is_human()).collect();
    let check = |role: &str, found: usize| assert!(found >= 1, "{role}");
    check("traveller", humans.iter().filter(|p| p.trips.len() >= 2).count());
    check("corporate VPN", humans.iter().filter(|p| p.habits.corporate_vpn.is_some()).count());
    check("consumer VPN", humans.iter().filter(|p| !p.habits.consumer_vpn.is_empty()).count());
    check("forgetful", humans.iter().filter(|p| p.habits.forgets_password).count());
    check("expired password", humans.iter().filter(|p| p.habits.expired_days.is_some()).count());
    check("new hire", humans.iter().filter(|p| p.first_day > 0).count());
    check("remote", humans.iter().filter(|p| p.office.is_none()).count());
    check("dual stack", humans.iter().filter(|p| p.habits.dual_stack).count());
    for kind in ["employee", "external", "service", "integration", "vendor", "placeholder"] {
        check(kind, company.people().filter(|account| account.kind.as_str() == kind).count());
    }
    let names: BTreeSet<String> = company.people().map(|account| account.name).collect();
    assert_eq!(names.len(), 60, "names are unique");
    assert!(company.people().any(|account| account.kind == AccountKind::Vendor && account.name.ends_with("@snc")));
}

#[test]
fn attacks_are_labelled_and_come_after_the_history() {
    let company = company(7, 90, 36);
    assert_eq!(company.labels().len(), company.config.attacks.total() as usize);
    let earliest_ms = START_MS + i64::from(EARLIEST_ATTACK_DAY) * DAY_MS - DAY_MS / 2;
    let victims: BTreeSet<&str> = company.labels().iter().map(|label| label.user.as_str()).collect();
    assert_eq!(victims.len(), company.labels().len(), "nobody is attacked twice");
    for (position, label) in company.labels().iter().enumerate() {
        let own = |action: &&Action| action.label == Some(position as u32);
        let actions: Vec<&Action> = company.attack_actions.iter().filter(own).collect();
        assert_eq!(actions.len(), label.actions as usize);
        assert!(label.start_ms >= earliest_ms && label.end_ms < company.end_ms() && label.start_ms <= label.end_ms);
        for action in actions {
            assert!((label.start_ms..=label.end_ms).contains(&action.time_ms));
            assert_eq!(company.people[action.account as usize].name, label.user);
        }
    }
}

#[test]
fn labels_are_true() {
    for seed in 0..4 {
        let company = company(seed, 90, 36);
        let benign = benign_by_account(&company);
        for (position, label) in company.labels().iter().enumerate() {
            let own = |action: &&Action| action.label == Some(position as u32);
            let attack: Vec<&Action> = company.attack_actions.iter().filter(own).collect();
            check_label(&company, label.kind, &attack, &benign[&attack[0].account], &label.also_expected);
        }
    }
}

fn check_label(
    company: &Company,
    kind: AttackKind,
    attack: &[&Action],
    owner: &[Action],
    also_expected: &[AttackKind],
) {
    let country = |action: &Action| {
        let network = company.world.network(action.client.network);
        company.world.city(network.true_city).country.as_str()
    };
    let successes: Vec<&&Action> = attack.iter().filter(|a| !matches!(a.deed, Deed::LoginFailed { .. })).collect();
    let known: BTreeSet<&str> = owner.iter().map(country).collect();
    let new_country = successes.iter().any(|action| !known.contains(country(action)));
    let expected = |wanted| kind == wanted || also_expected.contains(&wanted);
    assert_eq!(new_country, expected(AttackKind::InfrequentCountry), "{kind:?}: country");
    let fastest = successes.iter().map(|action| fastest_kmh(company, action, owner)).fold(0.0, f64::max);
    assert_eq!(fastest > 1_500.0, expected(AttackKind::ImpossibleTravel), "{kind:?}: {fastest} km/h");
    assert!(!(600.0..1_500.0).contains(&fastest), "{kind:?}: {fastest} km/h can be argued about");
    let times = |wanted: fn(&Deed) -> bool| -> Vec<i64> {
        attack.iter().filter(|action| wanted(&action.deed)).map(|action| action.time_ms).collect()
    };
    let failures = times(|deed| matches!(deed, Deed::LoginFailed { .. }));
    assert_eq!(busiest(&failures, 5 * MINUTE_MS) >= 12, kind == AttackKind::FailedLogins);
    let downloads = busiest(&times(|deed| matches!(deed, Deed::Download { .. })), MINUTE_MS);
    let bulk = attack.iter().any(|a| matches!(a.deed, Deed::Zip { .. } | Deed::Export { .. } | Deed::RestRead { .. }));
    assert_eq!(downloads >= 55 || bulk, kind == AttackKind::MassDownload);
}

/// The highest speed between an attacker's action and the owner's neighbouring ones, tunnels not counted as places.
fn fastest_kmh(company: &Company, action: &Action, owner: &[Action]) -> f64 {
    if action.client.device != Device::Unmanaged {
        return 0.0;
    }
    let position = owner.partition_point(|other| other.time_ms <= action.time_ms);
    let near = |other: Option<&Action>| {
        let Some(other) = other else { return 0.0 };
        let km = company.world.apart_km(other.client.body, action.client.body);
        let gap_ms = (other.time_ms - action.time_ms).abs().max(1_000);
        km / (gap_ms as f64 / HOUR_MS as f64)
    };
    near(position.checked_sub(1).and_then(|before| owner.get(before))).max(near(owner.get(position)))
}

#[test]
fn first_visits_happen_only_when_asked_for() {
    assert_eq!(company(8, 90, 36).first_visits(), Vec::new());
    let config = CompanyConfig { first_visits: 2, ..CompanyConfig::new(8, 90, 36, START_MS) };
    let company = Company::new(config).expect("a company");
    let visits = company.first_visits();
    assert_eq!(visits.len(), 2);
    assert!(visits.iter().all(|visit| visit.from_ms > START_MS + 10 * DAY_MS && visit.from_ms < visit.to_ms));
}

#[test]
fn a_configuration_that_cannot_be_simulated_is_refused_with_a_reason() {
    let base = || CompanyConfig::new(1, 60, 20, START_MS);
    let check = |config: CompanyConfig, expected: Option<ConfigError>| {
        assert_eq!(Company::new(config).err(), expected);
    };
    let quiet = AttackPlan::none();
    check(CompanyConfig { users: USERS_MIN, attacks: quiet, ..base() }, None);
    check(CompanyConfig { users: USERS_MIN - 1, ..base() }, Some(ConfigError::Users(USERS_MIN - 1)));
    check(CompanyConfig { users: USERS_MAX + 1, ..base() }, Some(ConfigError::Users(USERS_MAX + 1)));
    check(CompanyConfig { days: 1, attacks: quiet, ..base() }, None);
    check(CompanyConfig { days: 0, ..base() }, Some(ConfigError::Days(0)));
    check(CompanyConfig { days: DAYS_MAX + 1, ..base() }, Some(ConfigError::Days(DAYS_MAX + 1)));
    check(CompanyConfig { days: ATTACK_DAYS_MIN, attacks: AttackPlan { failed_logins: 1, ..quiet }, ..base() }, None);
    let few = ATTACK_DAYS_MIN - 1;
    check(CompanyConfig { days: few, ..base() }, Some(ConfigError::DaysForAttacks(few)));
    check(CompanyConfig { start_ms: START_MS + 1, ..base() }, Some(ConfigError::Start(START_MS + 1)));
    for name in ["", "Acme", "a b", &"a".repeat(INSTANCE_BYTES_MAX + 1)] {
        check(CompanyConfig { instance: name.to_owned(), ..base() }, Some(ConfigError::Instance(name.to_owned())));
    }
    check(CompanyConfig { instance: "a".repeat(INSTANCE_BYTES_MAX), attacks: quiet, ..base() }, None);
    let many = AttackPlan { mass_download: 61, ..quiet };
    let error = Company::new(CompanyConfig { attacks: many, ..base() }).expect_err("more attacks than people");
    assert!(matches!(error, ConfigError::NoVictim { kind: "mass_download", .. }), "{error}");
}

#[test]
fn regular_destinations_are_known_within_the_first_week() {
    for seed in 10..13 {
        let company = company(seed, 90, 36);
        for (account, actions) in benign_by_account(&company) {
            let person = &company.people[account as usize];
            let Some(first) = actions.first().filter(|_| person.is_human()) else { continue };
            let country = |action: &Action| {
                let network = company.world.network(action.client.network);
                &company.world.city(network.true_city).country
            };
            let (week, later): (Vec<_>, Vec<_>) =
                actions.iter().partition(|action| action.time_ms < first.time_ms + 7 * DAY_MS);
            let known: BTreeSet<&String> = week.into_iter().map(country).collect();
            let new = later.into_iter().find(|action| !known.contains(country(action)));
            assert!(new.is_none(), "{} of seed {seed} is in a new country: {new:?}", person.name);
        }
    }
}
