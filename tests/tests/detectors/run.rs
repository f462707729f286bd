//! Arrivals through the pipeline of a task, and what readers of its topics are left with.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use frostwatch_detect::lists::Lists;
use frostwatch_detect::names::Name;
use frostwatch_detect::place::{GeoBuild, Locate, Location};
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::GeoTable;
use frostwatch_geoip::lists::{ListConfig, ListsLimits, decode};
use frostwatch_rulebook::{Rulebook, default_rules, policy_templates};
use frostwatch_runtime::pipeline::{Counters, Origin, Ruling, Shared, Task};
use frostwatch_runtime::ports::{Channel, InputRecord};
use frostwatch_wire::alert::{AlertChange, AlertRecord, canonical};
use serde_json::Value;

use crate::scenario::{Arrival, ListSketch, PlaceSketch, Scenario, address};

static GEO: LazyLock<Arc<GeoTable>> = LazyLock::new(|| Arc::new(frostwatch_geoip::demo().unwrap()));

/// The demo's places but for what a scenario says of some.
struct Edited {
    places: BTreeMap<IpAddr, PlaceSketch>,
}

impl Locate for Edited {
    fn locate(&self, address: IpAddr) -> Location {
        let mut location = GEO.locate(address);
        if let (Some(sketch), Ok(place)) = (self.places.get(&address), &mut location.place) {
            place.city = sketch.city.as_deref().map_or(place.city, Name::new);
            place.radius_km = sketch.radius_km.unwrap_or(place.radius_km);
        }
        location
    }

    fn build(&self) -> &GeoBuild {
        GEO.build()
    }
}

/// What came out of a run.
pub(crate) struct Outcome {
    /// Alerts and suppressed findings in the order in which they were written.
    pub(crate) written: Vec<AlertRecord>,
    /// The same as the bytes that were written.
    pub(crate) bytes: Vec<String>,
    /// The last record of each id, retracted ones left out.
    pub(crate) last: Vec<AlertRecord>,
    /// Their canonical bodies by id.
    pub(crate) canonical: BTreeMap<String, Value>,
    pub(crate) counters: Counters,
    /// Records on the late topic.
    pub(crate) late_topic: u64,
    /// The state after all records.
    pub(crate) state_hash: u128,
}

/// The shipped rules, and the templates of policies that a scenario is about or names, with the scenario's edits of its own, over
/// the demo's places.
pub(crate) fn ruling(scenario: &Scenario, rule: &str) -> Arc<Ruling> {
    let mut texts: Vec<(&str, String)> =
        default_rules().iter().map(|(file, text)| (*file, (*text).to_owned())).collect();
    let is_on = |id: &str| id == rule || scenario.templates.iter().any(|template| template == id);
    let templates = policy_templates().iter().filter(|(file, _)| file.strip_suffix(".yaml").is_some_and(is_on));
    texts.extend(templates.map(|(file, text)| (*file, text.replace("enabled: false", "enabled: true"))));
    let shipped = texts.iter().find(|(file, _)| file.strip_suffix(".yaml") == Some(rule)).unwrap().1.clone();
    texts.extend(scenario.beside.iter().map(|edits| ("beside.yaml", edited(&shipped, edits, &scenario.name))));
    if let Some(networks) = &scenario.networks {
        texts.retain(|(file, _)| *file != "networks.yaml");
        texts.push(("networks.yaml", networks.clone()));
    }
    let (_, own) = texts.iter_mut().find(|(file, _)| file.strip_suffix(".yaml") == Some(rule)).unwrap();
    *own = edited(&shipped, &scenario.edit, &scenario.name);
    let files: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (*file, text.as_str())).collect();
    let book = Rulebook::parse(&files, None).unwrap_or_else(|faults| panic!("{}: {faults:?}", scenario.name));
    let places = scenario.places.iter().map(|sketch| (address(&sketch.ip), sketch.clone())).collect();
    let ruling = Ruling::new(book, Arc::new(Edited { places }) as Arc<dyn Locate>, Lateness::DEFAULT);
    Arc::new(ruling.with_lists(lists(scenario)))
}

fn edited(text: &str, edits: &[(String, String)], scenario: &str) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{scenario}: the rule has no '{from}'");
        text.replace(from, to)
    })
}

fn lists(scenario: &Scenario) -> Option<Arc<Lists>> {
    let list = |sketch: &ListSketch| {
        let mut config = sketch.config.clone();
        config["path"] = "vectors".into();
        let config: ListConfig = serde_json::from_value(config).unwrap();
        assert_eq!(config.faults(), Vec::<String>::new(), "{}", scenario.name);
        decode(&config, &sketch.bytes(), ListsLimits::default()).unwrap().list
    };
    Lists::new(scenario.lists.iter().map(list).collect()).unwrap()
}

/// Runs the records in the order given.
pub(crate) fn run(ruling: &Arc<Ruling>, arrivals: &[Arrival]) -> Outcome {
    run_from(Origin::default(), ruling, arrivals)
}

/// The same with records of an origin.
pub(crate) fn run_from(origin: Origin, ruling: &Arc<Ruling>, arrivals: &[Arrival]) -> Outcome {
    let shared = Arc::new(Shared::new(0, origin, "vectors"));
    let mut task = Task::new(shared, Arc::clone(ruling), 0);
    let mut out = Vec::new();
    for (offset, arrival) in arrivals.iter().enumerate() {
        let (offset, stamp) = (offset as i64, Some(arrival.stamp));
        task.record_alone(&InputRecord { offset, stamp, key: None, value: &arrival.value }, &mut out);
    }
    assert!(task.counters().is_conserved(), "{:?}", task.counters());
    let late_topic = out.iter().filter(|record| record.channel == Channel::Late).count() as u64;
    let mut bodies: BTreeMap<(String, u32, u32), Value> = BTreeMap::new();
    let (mut written, mut bytes) = (Vec::new(), Vec::new());
    for record in out.iter().filter(|record| matches!(record.channel, Channel::Alerts | Channel::Suppressions)) {
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        let alert: AlertRecord = serde_json::from_value(value.clone()).unwrap();
        let known = bodies.insert((alert.id.clone(), alert.epoch, alert.revision), value);
        assert!(known.is_none(), "{}: revision {} was written twice", alert.id, alert.revision);
        written.push(alert);
        bytes.push(String::from_utf8(record.value.clone()).unwrap());
    }
    // In the order of id, epoch and revision: the last of an id stays.
    let newest: BTreeMap<String, Value> = bodies.into_iter().map(|((id, ..), value)| (id, value)).collect();
    let mut last: Vec<AlertRecord> =
        newest.values().map(|value| serde_json::from_value(value.clone()).unwrap()).collect();
    last.retain(|alert: &AlertRecord| alert.change != AlertChange::Retracted);
    let canonical = newest.into_iter().filter_map(|(id, value)| Some((id, canonical(value)?))).collect();
    Outcome {
        written,
        bytes,
        last,
        canonical,
        counters: task.counters(),
        late_topic,
        state_hash: task.state_hash(task.newest_stamp()),
    }
}
