//! Whether the program still finds what it found: a stream that is the same byte for byte runs through rules that are
//! kept by content, and what readers are left with is compared by its hash with what that gave under the same version of
//! the semantics. Neither an edit of the shipped rules nor of a text around the alert is a change of the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stop at what is broken")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frostwatch_detect::catalogue::{DETECTORS, SEMANTICS_VERSION};
use frostwatch_detect::event::Address;
use frostwatch_detect::hash::hash128;
use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{List, Listing, Lists};
use frostwatch_detect::names::Name;
use frostwatch_detect::place::Locate;
use frostwatch_detect::time::{DAY, Lateness, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::{Origin, Ruling, Shared, Task};
use frostwatch_runtime::ports::{Channel, InputRecord};
use frostwatch_simulator::world::{NetworkKind, listed_networks};
use frostwatch_simulator::{Company, CompanyConfig, Delivery, FilePlan};
use frostwatch_wire::alert::canonical;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A small company with all that confounds.
const SEED: u64 = 7;
const USERS: u32 = 140;
const DAYS: u32 = 21;
/// Of each kind.
const ATTACKS: u32 = 3;
/// A Monday.
const START_MS: i64 = 1_767_571_200_000;

/// What went in, and what came out under each version of the semantics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Golden {
    /// Hash of the records.
    stream: String,
    /// Digest of the places.
    places: String,
    /// Hash of what readers are left with, by version of the semantics.
    alerts: BTreeMap<u32, String>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/semantics").join(name)
}

/// A company's activity, and in the middle of it people leave who are active afterwards.
fn stream() -> Vec<Delivery> {
    let files = FilePlan { fast: ATTACKS, slow: 1, work: true };
    let config = CompanyConfig::confounded(SEED, USERS, DAYS, START_MS, ATTACKS).with_files(files);
    let company = Company::new(config).unwrap();
    let mut stream: Vec<Delivery> = company.activity().collect();
    for (number, part) in [4, 5, 6].into_iter().enumerate() {
        let at = stream.len() * part / 10;
        let (stamp_ms, key) = (stream[at].stamp_ms, stream[at].key.clone());
        let (instance, user) = key.split_once('|').unwrap();
        let record = serde_json::json!({
            "schema": "activity.v1", "id": format!("left-{number}"), "time": rfc3339(stamp_ms), "instance": instance,
            "user": { "name": user }, "action": "user_terminate", "outcome": "success",
            "effective_at": rfc3339(stamp_ms - number as i64 * DAY), "source": { "producer": "personnel" },
        });
        let left = Delivery { row: record.to_string(), ..stream[at].clone() };
        stream.insert(at, left);
    }
    stream
}

fn hex(text: &str) -> String {
    format!("{:032x}", hash128(text.as_bytes()))
}

fn ruling(content: &str) -> Arc<Ruling> {
    let locate: Arc<dyn Locate> = Arc::new(frostwatch_geoip::demo().unwrap());
    Arc::new(Ruling::new(Rulebook::from_content(content).unwrap(), locate, Lateness::DEFAULT).with_lists(lists()))
}

/// Where anybody rents a tunnel, and, as if they were of bad repute, a server.
fn lists() -> Option<Arc<Lists>> {
    let networks = listed_networks().unwrap();
    let list = |name: &str, kind: NetworkKind, category: Category| {
        let of_kind = networks.iter().filter(|listed| listed.kind == kind && listed.network.addr().is_ipv4());
        let entries = of_kind.map(|listed| Listing {
            first: Address::new(listed.network.network()).unwrap().bits(),
            prefix: listed.network.prefix_len() + 96,
            category,
            confidence: 80,
            tag: Name::EMPTY,
            from: Listing::ALWAYS,
            until: Listing::FOREVER,
        });
        List { name: name.to_owned(), entries: entries.collect() }
    };
    let lists = [("tunnels", NetworkKind::Vpn, Category::Vpn), ("servers", NetworkKind::Hosting, Category::Botnet)];
    Lists::new(lists.map(|(name, kind, category)| list(name, kind, category)).into()).unwrap()
}

/// What readers of alerts and suppressed findings are left with, without the versions of what is compared apart. Before
/// the records with these places in the stream the rules are switched.
fn left(stream: &[Delivery], rules: &Arc<Ruling>, switches: &[(usize, &Arc<Ruling>)]) -> BTreeMap<String, Value> {
    let shared = Shared::new(0, Origin::default(), "golden");
    let mut task = Task::new(Arc::new(shared), Arc::clone(rules), 0);
    let (mut out, mut left) = (Vec::new(), BTreeMap::new());
    for (index, delivery) in stream.iter().enumerate() {
        for (_, ruling) in switches.iter().filter(|(at, _)| *at == index) {
            task.switch(Arc::clone(ruling)).unwrap();
        }
        let (offset, stamp) = (index as i64, Some(delivery.stamp_ms));
        let (key, value) = (Some(delivery.key.as_bytes()), delivery.row.as_bytes());
        task.record(&InputRecord { offset, stamp, key, value }, &mut out);
        for record in out.drain(..).filter(|record| matches!(record.channel, Channel::Alerts | Channel::Suppressions)) {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            let name = format!("{} {}", record.channel.as_str(), alert["id"].as_str().unwrap());
            let mut body = canonical(alert);
            if let Some(body) = body.as_mut().and_then(Value::as_object_mut) {
                body.remove("versions");
                body.remove("rule");
            }
            left.insert(name, body.unwrap_or_default());
        }
    }
    left.retain(|_, body| !body.is_null());
    left
}

/// The alerts of the stream under the kept rules, and under those with switches: one rule gone for two days, another
/// with other numbers from then on.
fn found(stream: &[Delivery], content: &str) -> String {
    let (rules, others): (Vec<&str>, Vec<&str>) = (
        content.lines().collect(),
        content.lines().filter(|line| !line.contains(r#""id":"impossible_travel""#)).collect(),
    );
    let [whole, others] = [rules, others].map(|lines| lines.join("\n"));
    let edited = whole.replace(r#""objects_max":50"#, r#""objects_max":40"#);
    assert_ne!(edited, whole);
    let [whole, others, edited] = [whole, others, edited].map(|content| ruling(&content));
    let (gone, back) = (stream.len() * 14 / 21, stream.len() * 16 / 21);
    let plain = left(stream, &whole, &[]);
    let switched = left(stream, &whole, &[(gone, &others), (back, &edited)]);
    for policy in DETECTORS {
        assert!(plain.values().any(|body| body["policy"] == **policy), "{policy} finds nothing");
    }
    assert_ne!(plain, switched, "the switches show");
    hex(&serde_json::to_string(&(plain, switched)).unwrap())
}

#[test]
fn the_same_records_give_what_they_gave_or_the_semantics_have_another_version() {
    let write = std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some();
    if write && !file("rules.jsonl").exists() {
        fs::create_dir_all(file("")).unwrap();
        fs::write(file("rules.jsonl"), Rulebook::parse(default_rules(), None).unwrap().to_content()).unwrap();
    }
    let rules = fs::read_to_string(file("rules.jsonl")).unwrap();
    let stream = stream();
    let records: Vec<(i64, &str, &str)> =
        stream.iter().map(|one| (one.stamp_ms, one.key.as_str(), one.row.as_str())).collect();
    let now = Golden {
        stream: hex(&serde_json::to_string(&records).unwrap()),
        places: frostwatch_geoip::demo().unwrap().build().digest.clone(),
        alerts: BTreeMap::from([(SEMANTICS_VERSION, found(&stream, &rules))]),
    };
    let kept: Option<Golden> =
        fs::read_to_string(file("golden.json")).ok().map(|text| serde_json::from_str(&text).unwrap());
    let same_input = kept.as_ref().filter(|kept| (&kept.stream, &kept.places) == (&now.stream, &now.places));
    if let Some(then) = same_input.and_then(|kept| kept.alerts.get(&SEMANTICS_VERSION)) {
        assert_eq!(
            &now.alerts[&SEMANTICS_VERSION], then,
            "the same records under the same rules give other alerts than before: if that is meant, raise \
             SEMANTICS_VERSION in engine/detect/src/catalogue.rs by one and run this test with FROSTWATCH_WRITE_GOLDEN=1"
        );
        return;
    }
    assert!(
        write,
        "{}: FROSTWATCH_WRITE_GOLDEN=1 writes vectors/semantics/golden.json again",
        if same_input.is_some() {
            "this version of the semantics is new"
        } else {
            "the simulator or the places are others, so this test cannot tell whether the detectors are: do that in a \
             commit that changes no detector"
        }
    );
    let mut golden = now.clone();
    golden.alerts.extend(same_input.map(|kept| kept.alerts.clone()).unwrap_or_default());
    fs::write(file("golden.json"), serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
}

#[test]
fn records_taken_together_give_what_they_give_one_by_one() {
    let content = Rulebook::parse(default_rules(), None).unwrap().to_content();
    let (stream, rules) = (stream(), ruling(&content));
    let task = || {
        let shared = Shared::new(0, Origin::default(), "golden");
        Task::new(Arc::new(shared), Arc::clone(&rules), 0)
    };
    let input = |(index, delivery): (usize, &Delivery)| {
        let (offset, stamp) = (index as i64, Some(delivery.stamp_ms));
        (offset, stamp, delivery.key.clone(), delivery.row.clone())
    };
    let owned: Vec<_> = stream.iter().enumerate().map(input).collect();
    let records: Vec<InputRecord<'_>> = owned
        .iter()
        .map(|(offset, stamp, key, value)| InputRecord {
            offset: *offset,
            stamp: *stamp,
            key: Some(key.as_bytes()),
            value: value.as_bytes(),
        })
        .collect();
    let (mut one, mut together) = (task(), task());
    let (mut by_one, mut by_many) = (Vec::new(), Vec::new());
    records.iter().for_each(|record| one.record(record, &mut by_one));
    records.chunks(500).for_each(|chunk| together.records(chunk, &mut by_many));
    assert!(by_one.len() > 10);
    assert_eq!(by_one, by_many);
    let now = one.newest_stamp();
    assert_eq!(one.state_hash(now), together.state_hash(now));
}
