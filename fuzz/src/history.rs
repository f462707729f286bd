//! A partition's history made of bytes, and the tasks that score it under the shipped rules.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use frostwatch_detect::names::Name;
use frostwatch_detect::place::{Carrier, Country, GeoBuild, Locate, Location, NoPlace, Place, Point};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::time::{Lateness, Millis, SECOND, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, TaskSet};
use frostwatch_runtime::ports::{InputRecord, OutputRecord, Tasks};

/// When every history begins: 2026-01-01.
const START: Millis = 1_767_225_600_000;
/// Bytes of one record.
const RECORD_BYTES: usize = 4;
/// From here on a record says something of the account.
const SAID_FROM: u8 = 243;
/// Records of one history at most.
const RECORDS_MAX: usize = 48;

/// Records of one user, each of four bytes: how far time goes on, what is done, where, and how.
pub struct History {
    records: Vec<(Millis, Millis, String)>,
}

impl History {
    /// The key of the user.
    pub const KEY: &str = "acme|ana";
    /// The partition.
    pub const PARTITION: i32 = 0;

    /// The history that the bytes tell, and the bytes after it. The first says how many records there are.
    pub fn of(bytes: &[u8]) -> (Self, &[u8]) {
        let Some((count, rest)) = bytes.split_first() else { return (Self { records: Vec::new() }, bytes) };
        let count = (usize::from(*count) % (RECORDS_MAX + 1)).min(rest.len() / RECORD_BYTES);
        let (told, rest) = rest.split_at(count * RECORD_BYTES);
        let (mut records, mut now) = (Vec::new(), START);
        for (number, bytes) in told.chunks_exact(RECORD_BYTES).enumerate() {
            let [step, what, place, how] = bytes else { continue };
            now += i64::from(*step) * if how & 1 == 0 { 2 * SECOND } else { 1_800 * SECOND };
            // Some of it arrives late, within the lateness.
            let time = now - i64::from(how >> 4) * 60 * SECOND;
            records.push((now, time, record(number, time, *what, *place, *how)));
        }
        (Self { records }, rest)
    }

    /// Records in it.
    pub fn len(&self) -> i64 {
        self.records.len() as i64
    }

    /// Is there no record in it?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Scores the records at the offsets from `from` on, and pushes what follows.
    pub fn score(&self, tasks: &mut impl Tasks, from: i64, until: i64, out: &mut Vec<OutputRecord>) {
        for (offset, (stamp, _, value)) in (0..).zip(&self.records) {
            if offset >= from && offset < until {
                let (key, value) = (Some(Self::KEY.as_bytes()), value.as_bytes());
                let input = InputRecord { offset, stamp: Some(*stamp), key, value };
                tasks.record(Self::PARTITION, &input, out);
            }
        }
    }
}

fn record(number: usize, time: Millis, what: u8, place: u8, how: u8) -> String {
    if what >= SAID_FROM {
        return said(number, time, place, how);
    }
    let (action, outcome) = match what % 9 {
        0..=2 => ("login", "failure"),
        3 => ("login", "success"),
        4 | 5 => ("download", "success"),
        6 => ("export", "success"),
        7 => ("logout", "success"),
        _ => ("view", "success"),
    };
    let (time, session, object) = (rfc3339(time), how >> 1 & 1, what / 9);
    let client = if place % 5 == 0 { String::new() } else { format!(r#","client":{{"ip":"11.0.{}.1"}}"#, place % 5) };
    let objects = u64::from(place / 5) * 40;
    format!(
        r#"{{"schema":"activity.v1","id":"{number}","time":"{time}","instance":"acme","user":{{"name":"ana"}},"action":"{action}","outcome":"{outcome}","source":{{"producer":"fuzz"}},"session":"s{session}","object":{{"table":"incident","id":"{object:032x}"}},"quantity":{{"objects":{objects}}}{client}}}"#
    )
}

/// What is said of the account, some of it for a later hour.
fn said(number: usize, time: Millis, place: u8, how: u8) -> String {
    let from = rfc3339(time + i64::from(place % 4) * 3_600 * SECOND);
    let (time, privileged, kind) = (rfc3339(time), place & 4 == 0, if place & 8 == 0 { "service" } else { "unknown" });
    let groups = if how & 2 == 0 { "[]" } else { r#"["finance"]"# };
    format!(
        r#"{{"schema":"activity.v1","id":"{number}","time":"{time}","instance":"acme","user":{{"name":"ana","display_name":"Ana {place}","kind":"{kind}","privileged":{privileged},"groups":{groups}}},"action":"user_profile","outcome":"success","effective_at":"{from}","source":{{"producer":"fuzz"}}}}"#
    )
}

/// Four countries far from one another.
struct FourPlaces(GeoBuild);

impl Locate for FourPlaces {
    fn locate(&self, address: IpAddr) -> Location {
        let network = match address {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(v6) => v6.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        let (country, lat, lon) = match network.octets()[2] {
            1 => ("SE", 55.6, 13.0),
            2 => ("NG", 6.45, 3.39),
            3 => ("US", 47.6, -122.3),
            _ => ("AU", -33.9, 151.2),
        };
        let place = Country::new(country)
            .map(|country| Place { country, city: Name::EMPTY, point: Point::from_degrees(lat, lon), radius_km: 20 })
            .ok_or(NoPlace::Unknown);
        Location { place, carrier: Carrier::NONE }
    }

    fn build(&self) -> &GeoBuild {
        &self.0
    }
}

fn ruling() -> &'static Arc<Ruling> {
    static RULING: OnceLock<Arc<Ruling>> = OnceLock::new();
    RULING.get_or_init(|| {
        let rules = Rulebook::parse(default_rules(), None).expect("the shipped rules hold");
        let build = GeoBuild { kind: "four".to_owned(), built_at_secs: 0, digest: String::new() };
        Arc::new(Ruling::new(rules, Arc::new(FourPlaces(build)), Lateness::DEFAULT))
    })
}

/// Tasks under the shipped rules, with the partition open.
pub fn task_set() -> TaskSet {
    let shared = Shared::new(0, Origin::default(), "fuzz");
    let mut tasks = TaskSet::new(Arc::new(shared), Arc::new(CurrentRuling::new(Arc::clone(ruling()))));
    tasks.open(History::PARTITION);
    tasks
}

/// The plans of such a task.
pub fn plans() -> Plans {
    let plan: &Arc<Plan> = &ruling().plan;
    Plans::new(Arc::clone(plan))
}
