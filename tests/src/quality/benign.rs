//! What is harmless and looks like an attack: of each kind how often it was there, and what was said of it.

use std::collections::BTreeMap;

use frostwatch_simulator::{Company, FirstVisit, Harmless};

use super::Final;

/// What was said of a kind of harmless work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Benign {
    /// Times, stays or accounts of the kind.
    pub injected: usize,
    /// Of these, with a false alert of anything meanwhile.
    pub with_false: usize,
    /// Of the others, with an alert that says what is true.
    pub with_true: usize,
    /// Of the others, with a finding that was held back.
    pub held: usize,
}

impl Benign {
    /// Those of which nothing was found.
    pub const fn silent(&self) -> usize {
        self.injected - self.with_false - self.with_true - self.held
    }

    fn count(&mut self, said: &[Said]) {
        self.injected += 1;
        match said.iter().max() {
            Some(Said::False) => self.with_false += 1,
            Some(Said::True) => self.with_true += 1,
            Some(Said::Held) => self.held += 1,
            None => {}
        }
    }
}

/// What a finding that comes of no attack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Held,
    True,
    False,
}

/// The findings that come of no attack, by their user in lower case.
#[derive(Debug, Default)]
pub(super) struct OfNobody<'a>(BTreeMap<&'a str, Vec<(&'a Final, Said)>>);

impl<'a> OfNobody<'a> {
    pub(super) fn take(&mut self, finding: &'a Final, said: Said) {
        self.0.entry(finding.user.as_str()).or_default().push((finding, said));
    }

    /// What was said of a user between two times.
    fn meanwhile(&self, user: &str, from_ms: i64, to_ms: i64) -> Vec<Said> {
        let of_user = self.0.get(user.to_lowercase().as_str()).map_or(&[][..], Vec::as_slice);
        let meanwhile = of_user.iter().filter(|(found, _)| found.first_ms <= to_ms && from_ms <= found.last_ms);
        meanwhile.map(|(_, said)| *said).collect()
    }
}

/// Each kind that was injected, by its word: work that is harmless for a time, first stays in a country, and what is true of
/// accounts all the time.
pub(super) fn benign(company: &Company, visits: &[FirstVisit], found: &OfNobody<'_>) -> BTreeMap<String, Benign> {
    let mut kinds: BTreeMap<String, Benign> = BTreeMap::new();
    for Harmless { user, harmless, from_ms, to_ms } in company.harmless() {
        kinds.entry(format!("{harmless:?}")).or_default().count(&found.meanwhile(user, *from_ms, *to_ms));
    }
    for FirstVisit { user, from_ms, to_ms, .. } in visits {
        let stays = kinds.entry("first stay in a country".to_owned()).or_default();
        stays.count(&found.meanwhile(user, *from_ms, *to_ms));
    }
    for account in company.people() {
        let said = found.meanwhile(&account.name, i64::MIN, i64::MAX);
        for confounder in &account.confounders {
            kinds.entry(format!("account: {}", confounder.as_str())).or_default().count(&said);
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_that_was_said_counts_and_nothing_is_silence() {
        let mut benign = Benign::default();
        for said in [&[][..], &[Said::Held], &[Said::Held, Said::False, Said::True], &[Said::True, Said::Held]] {
            benign.count(said);
        }
        assert_eq!(benign, Benign { injected: 4, with_false: 1, with_true: 1, held: 1 });
        assert_eq!(benign.silent(), 1);
    }
}
