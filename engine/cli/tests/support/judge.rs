//! What was sent against what a replay of the log sends.

use std::collections::{BTreeMap, BTreeSet};

use frostwatch_wire::alert::canonical;
use serde_json::Value;

/// Id, epoch and revision name a record of a finding.
pub(crate) type Revision = (String, u64, u64);

/// The canonical bodies by id, of the last revision, without what was retracted.
pub(crate) fn finals(alerts: &[Value]) -> BTreeMap<String, Value> {
    let mut last = BTreeMap::new();
    for ((id, ..), alert) in revisions(alerts) {
        // Revisions of an id come in their order.
        last.insert(id, canonical(alert));
    }
    last.into_iter().filter_map(|(id, body)| Some((id, body?))).collect()
}

/// Every record but for where it was delivered. Repeats are allowed where they repeat.
pub(crate) fn revisions(alerts: &[Value]) -> BTreeMap<Revision, Value> {
    let mut all = BTreeMap::new();
    for alert in alerts {
        let revision = revision(alert);
        let mut said = alert.clone();
        said.as_object_mut().unwrap().remove("delivery");
        if let Some(earlier) = all.insert(revision.clone(), said.clone()) {
            assert_eq!(earlier, said, "a repeat of {revision:?} says something else");
        }
    }
    all
}

/// The records that came more than once.
pub(crate) fn repeats(alerts: &[Value]) -> BTreeMap<Revision, usize> {
    let mut counts = BTreeMap::new();
    alerts.iter().for_each(|alert| *counts.entry(revision(alert)).or_default() += 1);
    counts.retain(|_, count| *count > 1);
    counts
}

#[track_caller]
pub(crate) fn same<K: Ord + std::fmt::Debug>(what: &str, live: &BTreeMap<K, Value>, replayed: &BTreeMap<K, Value>) {
    let differs = |key: &&K| live.get(*key) != replayed.get(*key);
    let keys: BTreeSet<&K> = live.keys().chain(replayed.keys()).collect();
    if let Some(key) = keys.iter().copied().find(differs) {
        let differing: Vec<&K> = keys.iter().copied().filter(differs).collect();
        let missing = differing.iter().filter(|key| !live.contains_key(**key)).count();
        let added = differing.iter().filter(|key| !replayed.contains_key(**key)).count();
        let (live, replayed) = (live.get(key), replayed.get(key));
        panic!(
            "{what}: {} of {} differ, {missing} were never sent, {added} not replayed; first {key:?}\n\
             live     {live:?}\nreplayed {replayed:?}",
            differing.len(),
            keys.len()
        );
    }
}

/// The JSON of lines.
pub(crate) fn values(lines: &[u8]) -> Vec<Value> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The records of recorded lines.
pub(crate) fn recorded(lines: &[u8]) -> Vec<Value> {
    values(lines).into_iter().map(|mut line| line["value"].take()).collect()
}

fn revision(alert: &Value) -> Revision {
    let number = |field: &str| alert[field].as_u64().unwrap();
    (alert["id"].as_str().unwrap().to_owned(), number("epoch"), number("revision"))
}
