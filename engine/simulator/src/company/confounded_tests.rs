//! A confounded company is possible too, has what it says in the shares it says, and can be had without any of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Deed, Device};
use crate::attacks::AttackKind;
use crate::clock::{HOUR_MS, MINUTE_MS};
use crate::confounders::Confounder;
use crate::delivery::Actions;
use crate::world::NetworkKind;

use super::*;

/// Monday, 2 March 2026, in UTC.
const START_MS: i64 = 1_772_409_600_000;
/// Faster than this nobody gets from door to door.
const AIRCRAFT_KMH: f64 = 900.0;

fn company(confounders: Confounders, attacks: u32) -> Company {
    let config =
        CompanyConfig { confounders: Some(confounders), ..CompanyConfig::confounded(3, 400, 30, START_MS, attacks) };
    Company::new(config).expect("a company")
}

fn actions_by_account(company: &Company) -> BTreeMap<u32, Vec<Action>> {
    let mut actions = Actions::new(company);
    let mut by_account: BTreeMap<u32, Vec<Action>> = BTreeMap::new();
    for action in std::iter::from_fn(|| actions.next_slot()).flat_map(|(_, slot)| slot) {
        if action.label.is_none() && !action.is_strangers() && company.people[action.account as usize].is_human() {
            by_account.entry(action.account).or_default().push(action);
        }
    }
    by_account
}

#[test]
fn confounded_people_move_no_faster_than_an_aircraft() {
    let company = company(Confounders::EVERYDAY, 0);
    let mut journeys = 0;
    for (account, actions) in actions_by_account(&company) {
        for pair in actions.windows(2) {
            let km = company.world.apart_km(pair[0].client.body, pair[1].client.body);
            let hours = (pair[1].time_ms - pair[0].time_ms) as f64 / HOUR_MS as f64;
            let name = &company.people[account as usize].name;
            assert!(km <= AIRCRAFT_KMH * hours, "{name}: {km} km in {hours} h");
            journeys += u32::from(km > 0.0);
        }
    }
    assert!(journeys >= 300, "{journeys} journeys are too few to say anything");
}

#[test]
fn every_confounder_has_its_share() {
    let company = company(Confounders::EVERYDAY, 0);
    let people: Vec<Account> =
        company.people().filter(|p| matches!(p.kind.as_str(), "employee" | "external")).collect();
    let check = |confounder: Confounder, share: u16| {
        let found = people.iter().filter(|person| person.confounders.contains(&confounder)).count() as f64;
        let expected = f64::from(share) * people.len() as f64 / 1_000.0;
        // Three standard deviations of so many draws, and those who cannot have it at their place or with what they have.
        assert!(found <= expected + 3.0 * expected.sqrt() + 1.0, "{confounder:?}: {found} of {expected}");
        assert!(found >= expected * 0.8 - 3.0 * expected.sqrt() - 1.0, "{confounder:?}: {found} of {expected}");
        assert!(found > 0.0, "{confounder:?}");
    };
    let shares = Confounders::EVERYDAY;
    check(Confounder::CorporateVpn, shares.corporate_vpn);
    check(Confounder::SplitTunnel, shares.split_tunnel);
    check(Confounder::CloudProxy, shares.cloud_proxy);
    check(Confounder::ConsumerVpn, shares.consumer_vpn);
    check(Confounder::Commuting, shares.commuting);
    check(Confounder::BusinessTravel, shares.business_travel);
    check(Confounder::Relocation, shares.relocation);
    check(Confounder::RoadWarrior, shares.road_warrior);
    check(Confounder::MobileJitter, shares.mobile_jitter);
    check(Confounder::DualStack, shares.dual_stack);
    check(Confounder::ForgottenPassword, shares.forgotten_password);
    check(Confounder::ExpiredClient, shares.expired_client);
    check(Confounder::MonthEnd, shares.month_end);
    check(Confounder::Kiosk, shares.kiosk);
}

#[test]
fn without_confounders_people_only_work_where_they_live() {
    let company = company(Confounders::NONE, 0);
    assert!(company.people().all(|person| person.confounders.is_empty()));
    for (account, actions) in actions_by_account(&company) {
        let home = company.people[account as usize].home;
        for action in actions {
            let network = company.world.network(action.client.network);
            assert_eq!((action.client.body, network.true_city), (home, home));
            let usual = [NetworkKind::Fixed, NetworkKind::Mobile, NetworkKind::Corporate];
            assert!(usual.contains(&network.kind), "{:?}", network.kind);
        }
    }
}

#[test]
fn one_session_is_at_two_places_within_minutes_as_its_confounder_says() {
    let company = company(Confounders::EVERYDAY, 0);
    let mut seen: BTreeMap<Confounder, u32> = BTreeMap::new();
    for (account, actions) in actions_by_account(&company) {
        let person = &company.people[account as usize];
        for pair in actions.windows(2) {
            let [one, two] =
                [&pair[0], &pair[1]].map(|action| (action.client, company.world.network(action.client.network)));
            let near = pair[1].time_ms - pair[0].time_ms <= 10 * MINUTE_MS;
            let same = one.0.session == two.0.session && one.0.body == two.0.body;
            if !near || !same || one.1.listed_city == two.1.listed_city {
                continue;
            }
            let kinds = BTreeSet::from([one.1.kind, two.1.kind]);
            for (confounder, kind) in [
                (Confounder::SplitTunnel, NetworkKind::CorporateVpn),
                (Confounder::CorporateVpn, NetworkKind::CorporateVpn),
                (Confounder::CloudProxy, NetworkKind::Proxy),
                (Confounder::DualStack, NetworkKind::TwoFaced),
                (Confounder::MobileJitter, NetworkKind::Mobile),
            ] {
                let is = person.has(confounder) && kinds.contains(&kind);
                *seen.entry(confounder).or_default() += u32::from(is);
            }
        }
    }
    // A phone keeps its gateway for two hours, so it is the rarest.
    assert!(seen.values().all(|count| *count > 30), "{seen:?}");
}

#[test]
fn a_client_with_an_expired_password_knocks_in_a_steady_rhythm() {
    let company = company(Confounders::EVERYDAY, 0);
    let mut days = 0;
    for (account, actions) in actions_by_account(&company) {
        let Some(hammering) = company.people[account as usize].habits.hammering else { continue };
        let knocks: Vec<i64> = actions
            .iter()
            .filter(|action| matches!(action.deed, Deed::LoginFailed { .. }) && action.client.device == Device::Phone)
            .map(|action| action.time_ms)
            .collect();
        for pair in knocks.windows(2).filter(|pair| pair[1] - pair[0] < HOUR_MS) {
            assert!((pair[1] - pair[0] - hammering.every_ms).abs() <= 300, "{pair:?}");
        }
        days += knocks.len() / 400;
    }
    assert!(days >= 5, "{days}");
}

#[test]
fn attackers_of_a_confounded_company_come_in_all_their_ways_from_networks_of_their_own() {
    let company = company(Confounders::EVERYDAY, 12);
    let owners = actions_by_account(&company);
    let notes: Vec<&str> = company.labels().iter().map(|label| label.note.as_str()).collect();
    for way in [
        "session goes on with a copied user agent",
        "session goes on with another browser",
        "password is used at a hoster",
        "many addresses, all of them wrong",
        "many addresses, then the right one",
        "attachments within a minute",
        "exports of 10,000 rows",
        "one archive of",
        "REST pages",
    ] {
        assert!(notes.iter().any(|note| note.contains(way)), "{way}");
    }
    let mut hosted = 0;
    for action in
        company.attack_actions.iter().filter(|a| matches!(a.client.device, Device::Unmanaged | Device::Impostor))
    {
        let own = owners[&action.account].iter().any(|other| other.client.network == action.client.network);
        assert!(!own || matches!(action.deed, Deed::LoginFailed { .. }), "{action:?}");
        hosted += usize::from(company.world.network(action.client.network).kind == NetworkKind::Hosting);
    }
    assert!(hosted > 100, "{hosted}");
    let domestic = company.labels().iter().filter(|label| label.kind == AttackKind::ImpossibleTravel);
    assert!(domestic.filter(|label| label.also_expected.is_empty()).count() >= 3);
}

#[test]
fn first_stays_are_told_where_people_travel_and_move() {
    let company = company(Confounders::EVERYDAY, 0);
    let visits = company.first_visits();
    assert!(visits.len() > 20);
    for visit in &visits {
        let person = company.people.iter().find(|person| person.name == visit.user).expect("a person");
        assert_ne!(company.world.city(person.home).country, visit.country);
    }
    assert!(visits.iter().any(|visit| visit.to_ms == company.end_ms()), "somebody stays for good");
}

#[test]
fn shares_of_more_than_everybody_are_refused() {
    let shares = Confounders { corporate_vpn: 900, cloud_proxy: 101, ..Confounders::NONE };
    let config = CompanyConfig { confounders: Some(shares), ..CompanyConfig::confounded(1, 60, 20, START_MS, 0) };
    assert_eq!(Company::new(config).err(), Some(ConfigError::Shares("ways to the network")));
}
