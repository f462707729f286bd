//! What `frostwatch peers` would say of the people of a simulated company, week after week, from what they did before.

use std::collections::BTreeMap;

use anyhow::Context as _;
use frostwatch_detect::time::{DAY, MINUTE, Millis, rfc3339};
use frostwatch_runtime::peers::{By, People, Span, measure, record_of};
use frostwatch_simulator::{AccountKind, Company};
use frostwatch_wire::activity::decode::{Activity, decode};
use serde_json::json;

use super::{Arrival, Form, each_record};

/// Length of the span that is measured, days: the command's default.
const SPAN_DAYS: u32 = 28;
/// Who runs the command does so once a week.
const EVERY_DAYS: u32 = 7;
/// Other people behind a number: the command's default.
const PEOPLE_MIN: u32 = 5;

/// A record that somebody publishes beside the company's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub(super) stamp_ms: Millis,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// The records of everybody's department, and of what colleagues do, in the order in which they are published.
pub fn colleagues(company: &Company, form: Form) -> anyhow::Result<Vec<Published>> {
    let start = company.config().start_ms;
    let ends = (SPAN_DAYS..company.config().days).step_by(EVERY_DAYS as usize);
    let mut measured: Vec<People> = ends
        .map(|day| Span { days: SPAN_DAYS, at: Some(start + Millis::from(day) * DAY) })
        .map(|span| People::new(By::Department, span))
        .collect();
    let mut published = profiles(company);
    for profile in &published {
        let activity = read(&profile.value)?;
        measured.iter_mut().try_for_each(|people| people.take(&activity, Some(profile.key.as_bytes())))?;
    }
    let mut fault = None;
    each_record(company, form, &[], &mut |Arrival { key, value, .. }| {
        let taken = read(value)
            .and_then(|activity| Ok(measured.iter_mut().try_for_each(|people| people.take(&activity, Some(key)))?));
        fault = fault.take().or(taken.err());
    })?;
    fault.map_or(Ok(()), Err)?;
    for people in measured {
        let measured = measure(people, PEOPLE_MIN);
        for (key, (name, peers)) in &measured.told {
            let record = record_of(key, name, peers, measured.at).context("a time that can be written")?;
            // Whoever runs the command at midnight has published what it says a little later.
            let stamp_ms = measured.at + 10 * MINUTE;
            published.push(Published { stamp_ms, key: key.to_string(), value: serde_json::to_vec(&record)? });
        }
    }
    published.sort_by(|a, b| (a.stamp_ms, &a.key).cmp(&(b.stamp_ms, &b.key)));
    Ok(published)
}

/// How many people there are in each department at the end, the largest first.
pub fn departments(company: &Company) -> Vec<(String, usize)> {
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for account in company.people() {
        let last = account.departments.into_iter().next_back();
        last.into_iter().for_each(|(_, name)| *sizes.entry(name).or_default() += 1);
    }
    let mut sizes: Vec<(String, usize)> = sizes.into_iter().collect();
    sizes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sizes
}

fn profiles(company: &Company) -> Vec<Published> {
    let instance = &company.config().instance;
    let mut published = Vec::new();
    let people =
        company.people().filter(|account| matches!(account.kind, AccountKind::Employee | AccountKind::External));
    for account in people {
        for (at, department) in account.departments.iter().filter(|(_, name)| !name.is_empty()) {
            let record = json!({
                "schema": "activity.v1", "id": format!("department:{}:{at}", account.name), "time": rfc3339(*at),
                "instance": instance, "user": { "name": account.name, "department": department },
                "action": "user_profile", "outcome": "success", "source": { "producer": "directory" },
            });
            let key = format!("{instance}|{}", account.name.to_lowercase());
            published.push(Published { stamp_ms: at + MINUTE, key, value: record.to_string().into_bytes() });
        }
    }
    published
}

fn read(value: &[u8]) -> anyhow::Result<Activity<'_>> {
    decode(value).map_err(|reject| anyhow::anyhow!("{reject}"))
}
