//! What was held back: each a record that says by what and why, and as many as the engine counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use frostwatch_detect::time::DAY;
use frostwatch_runtime::pipeline::Task;
use frostwatch_wire::alert::{AlertChange, AlertRecord};

use super::Final;

/// What is told where nothing holds anything back, and where things do neither told nor held back by a record: of the same policy
/// and user, within a day of it: what holds a jump there back leaves the person where they were, so that there is none back. Of a
/// country that was found before: what is held back teaches that it is the person's, what is told does not. A sentence each.
pub fn unexplained(with: &[Final], without: &[Final]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), Vec<&Final>> = BTreeMap::new();
    for finding in with {
        found.entry((&finding.policy, &finding.user)).or_default().push(finding);
    }
    let is_of = |told: &Final, finding: &Final| {
        let is_known = || {
            told.policy == "infrequent_country"
                && !told.countries.is_empty()
                && told.countries.iter().all(|country| finding.countries.contains(country))
        };
        finding.first_ms <= told.last_ms + DAY && (told.first_ms <= finding.last_ms + DAY || is_known())
    };
    let is_found = |told: &Final| {
        let of_user = found.get(&(told.policy.as_str(), told.user.as_str())).map_or(&[][..], Vec::as_slice);
        of_user.iter().any(|finding| is_of(told, finding))
    };
    // Of stories the parts are told or held back.
    let told = without.iter().filter(|told| told.held_by.is_none() && told.policy != "incident");
    told.filter(|told| !is_found(told)).map(|told| format!("{}: {}", told.policy, told.summary)).collect()
}

/// The records of a run on both channels.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Findings by rule and by what held them back: each once, however often it was brought up to date.
    by: BTreeMap<(String, String), u64>,
    /// Records by what became of a finding: opened, updated, retracted, suppressed.
    became: [u64; 4],
}

impl Held {
    /// Takes a record.
    ///
    /// # Errors
    ///
    /// If it is one of a finding held back and does not say by what, why and of which events.
    pub(super) fn note(&mut self, record: &AlertRecord) -> anyhow::Result<()> {
        let became = match record.change {
            AlertChange::Opened => 0,
            AlertChange::Updated => 1,
            AlertChange::Retracted => 2,
            AlertChange::Suppressed => 3,
        };
        self.became[became] += 1;
        if record.change != AlertChange::Suppressed {
            return Ok(());
        }
        let explained = || format!("{} of {} says what held it back", record.id, record.rule.id);
        let body = record.body.as_ref().with_context(explained)?;
        let by = body.suppressed_by.as_ref().with_context(explained)?;
        ensure!(!by.by.is_empty() && !by.reason.is_empty() && body.count > 0, explained());
        ensure!(body.evidence.total > 0, "{} of {} names an event", record.id, record.rule.id);
        if record.revision == 1 {
            *self.by.entry((record.rule.id.clone(), by.by.clone())).or_default() += 1;
        }
        Ok(())
    }

    /// Holds the records against what the engine counted.
    ///
    /// # Errors
    ///
    /// If they differ.
    pub(super) fn check(&self, task: &Task) -> anyhow::Result<()> {
        let counters = task.counters();
        let counted = [counters.opened, counters.updated, counters.retracted, counters.suppressed];
        ensure!(self.became == counted, "records {:?}, counted {counted:?}", self.became);
        let counted: BTreeMap<(String, String), u64> = task
            .findings()
            .suppressed
            .iter()
            .map(|((rule, by), count)| ((rule.to_string(), by.to_string()), *count))
            .collect();
        ensure!(self.by == counted, "held back {:?}, counted {counted:?}", self.by);
        Ok(())
    }
}
