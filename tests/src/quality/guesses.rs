//! As what guessed passwords are told: the kind of their alerts, held against how they were guessed.

use std::collections::{BTreeMap, BTreeSet};

use frostwatch_simulator::{AttackKind, Company, Confounder, Label, Misleads};

use super::Final;

/// The policy whose alerts say by their kind how passwords were guessed.
const POLICY: &str = "failed_logins";
/// What the simulator calls an attack that ends with the right password, and one from many addresses.
const SUCCEEDS: &str = "the right one at last";
const MANY: &str = "many addresses";
/// What guesses nothing and is told beside.
const CLIENT: &str = "a client with an expired password";

/// As what attacks of one class are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfGuesses {
    /// The kind that says what they are.
    pub expected: &'static str,
    /// Attacks with an alert that names an event of them; of clients, alerts.
    pub told: usize,
    /// Of these, with an alert of that kind.
    pub fit: usize,
    /// How many have an alert of a kind, by the kind. Who has alerts of several kinds is counted for each.
    pub kinds: BTreeMap<String, usize>,
    /// What is said of those that are told as something else, a sentence each.
    pub others: Vec<String>,
}

impl OfGuesses {
    /// Share of those that are told that are told as what they are.
    pub fn share(&self) -> f64 {
        self.fit as f64 / self.told.max(1) as f64
    }

    fn take(&mut self, expected: &'static str, alerts: &[&Final]) {
        let kinds: BTreeSet<&str> = alerts.iter().map(|alert| alert.kind.as_deref().unwrap_or("none")).collect();
        self.expected = expected;
        self.told += 1;
        if kinds.contains(expected) {
            self.fit += 1;
        } else {
            let said = alerts.iter().map(|alert| alert.summary.as_str()).collect::<Vec<_>>().join(" ");
            self.others.push(format!("{}: {said}", kinds.iter().copied().collect::<Vec<_>>().join(", ")));
        }
        for kind in kinds {
            *self.kinds.entry(kind.to_owned()).or_default() += 1;
        }
    }
}

/// As what guesses are told, by how they were made: `fast, one address, in vain`.
pub(super) fn guesses(company: &Company, finals: &[Final]) -> BTreeMap<String, OfGuesses> {
    let told = || finals.iter().filter(|alert| alert.policy == POLICY && alert.held_by.is_none());
    let mut found: BTreeMap<String, OfGuesses> = BTreeMap::new();
    for (number, label) in (0..).zip(company.labels()) {
        let Some((class, expected)) = class_of(label) else { continue };
        let alerts: Vec<&Final> = told().filter(|alert| alert.labels.contains(&number)).collect();
        if !alerts.is_empty() {
            found.entry(class).or_default().take(expected, &alerts);
        }
    }
    let knocking: Vec<_> = company
        .misleading()
        .filter(|misleading| misleading.harmless == Misleads::Habit(Confounder::ExpiredClient))
        .map(|knocks| (knocks.user.to_lowercase(), knocks.from_ms, knocks.to_ms))
        .collect();
    for alert in told().filter(|alert| alert.labels.is_empty()) {
        let is_of = |(user, from_ms, to_ms): &(String, i64, i64)| {
            alert.user == *user && *from_ms <= alert.last_ms && alert.first_ms < *to_ms
        };
        if knocking.iter().any(is_of) {
            found.entry(CLIENT.to_owned()).or_default().take("old_password", &[alert]);
        }
    }
    found
}

/// How an attack guesses, and the kind of alert that says so; `None`: it guesses nothing.
fn class_of(label: &Label) -> Option<(String, &'static str)> {
    let (speed, in_vain) = match label.kind {
        AttackKind::FailedLogins if label.classes.contains(&MANY) => ("fast", "stuffing"),
        AttackKind::FailedLogins => ("fast", "brute_force"),
        AttackKind::SlowFailedLogins => ("slow", "slow_guessing"),
        _ => return None,
    };
    let place = if label.classes.contains(&MANY) { MANY } else { "one address" };
    let (end, expected) = if label.classes.contains(&SUCCEEDS) { (SUCCEEDS, "guessed") } else { ("in vain", in_vain) };
    Some((format!("{speed}, {place}, {end}"), expected))
}
