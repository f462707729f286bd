//! A few passwords tried on many accounts: each sees a failure or two, which no count of its own tells.

use rand::RngExt;

use crate::action::{Action, Client, Deed, Refusal};
use crate::addresses::{any_network, stranger};
use crate::attacks::{AttackKind, Draft};
use crate::chance::{Chance, Purpose, log_uniform, stream};
use crate::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::company::{Company, EARLIEST_ATTACK_DAY};
use crate::world::NetworkKind;

use super::densest;

/// Accounts that are tried, and how far these are apart, any order of magnitude alike: of a fast one and of a slow one.
const ACCOUNTS: (u32, u32) = (12, 60);
const STEP_MS: (i64, i64) = (2 * SECOND_MS, 4 * MINUTE_MS);
const ACCOUNTS_SLOW: (u32, u32) = (25, 70);
const STEP_SLOW_MS: (i64, i64) = (4 * MINUTE_MS, 50 * MINUTE_MS);
/// Addresses of one that changes them.
const EXITS: (u32, u32) = (3, 8);
/// So many accounts in a hundred see a second password.
const TWICE: u32 = 25;
/// Draws of a begin before the attack is given up.
const TRIES: u32 = 200;

/// From one address, or every fourth from several; every third finds an account whose password it is.
pub(super) fn spray(company: &Company, kind: AttackKind, number: u32) -> Option<Draft> {
    let mut chance = stream(company.config.seed, Purpose::Spray, kind as u32, number);
    (0..TRIES).find_map(|_| attempt(company, kind, number, &mut chance))
}

fn attempt(company: &Company, kind: AttackKind, number: u32, chance: &mut Chance) -> Option<Draft> {
    let is_slow = kind == AttackKind::SlowPasswordSpray;
    let (accounts, step) = if is_slow { (ACCOUNTS_SLOW, STEP_SLOW_MS) } else { (ACCOUNTS, STEP_MS) };
    let day = chance.random_range(EARLIEST_ATTACK_DAY..company.config.days - 2);
    let start_ms = company.config.start_ms + i64::from(day) * DAY_MS + chance.random_range(0..DAY_MS);
    let exits = if number % 4 == 3 { chance.random_range(EXITS.0..=EXITS.1) } else { 1 };
    let network = if chance.random_bool(0.5) { NetworkKind::Fixed } else { NetworkKind::Hosting };
    let mut clients = Vec::new();
    for _ in 0..exits {
        clients.push(stranger(company, any_network(company, network, chance)?, 0, chance));
    }
    let victims = victims(company, day, chance.random_range(accounts.0..=accounts.1), chance);
    let step_ms = log_uniform(chance, step);
    let (mut at, mut actions, mut tried) = (start_ms, Vec::new(), Vec::new());
    for (nth, account) in (0_u32..).zip(&victims) {
        let client = clients[nth as usize % clients.len()];
        let act = |time_ms, client, deed, chance: &mut Chance| Action {
            time_ms,
            account: *account,
            id: chance.random(),
            client,
            deed,
            label: None,
        };
        // As the instance's clock says it, which has whole seconds.
        tried.push((nth as usize % clients.len(), at.div_euclid(SECOND_MS) * SECOND_MS));
        actions.push(act(at, client, Deed::LoginFailed { refusal: Refusal::BadPassword }, chance));
        if chance.random_range(0..100) < TWICE {
            let again = at + chance.random_range(SECOND_MS..30 * SECOND_MS);
            actions.push(act(again, client, Deed::LoginFailed { refusal: Refusal::BadPassword }, chance));
        }
        at += step_ms * chance.random_range(60..140) / 100;
        if number % 3 == 2 && nth as usize + 1 == victims.len() {
            let client = Client { session: chance.random(), ..client };
            actions.push(act(at, client, Deed::SIGN_IN, chance));
            actions.push(act(at + 20 * SECOND_MS, client, Deed::List { table: 0 }, chance));
        }
    }
    actions.sort_by_key(|action| action.time_ms);
    let most = |span_ms| {
        let of_exit = |exit| tried.iter().filter(move |(of, _)| *of == exit).map(|(_, at)| *at).collect::<Vec<_>>();
        (0..clients.len()).map(|exit| densest(&of_exit(exit), span_ms)).max().unwrap_or_default()
    };
    let class = match (most(HOUR_MS), most(DAY_MS)) {
        (10.., _) => "ten accounts within an hour",
        (_, 20..) => "twenty accounts within a day",
        _ => "fewer at each address",
    };
    let hours = (at - start_ms) as f64 / HOUR_MS as f64;
    let note = format!(
        "{} accounts tried over {hours:.1} h from {exits} {}",
        victims.len(),
        if exits == 1 { "address" } else { "addresses" }
    );
    let is_over = at + HOUR_MS < company.end_ms();
    is_over.then(|| Draft { kind, actions, note, also_expected: Vec::new(), classes: vec![class] })
}

/// Different people who have an account by then.
fn victims(company: &Company, day: u32, count: u32, chance: &mut Chance) -> Vec<u32> {
    let has_account = |account: &u32| {
        let person = &company.people[*account as usize];
        person.is_human() && person.first_day <= day
    };
    let mut all: Vec<u32> = (0..company.people.len() as u32).filter(has_account).collect();
    let count = (count as usize).min(all.len());
    for nth in 0..count {
        let other = chance.random_range(nth..all.len());
        all.swap(nth, other);
    }
    all.truncate(count);
    all
}
