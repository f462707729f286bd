//! A line of a vectors file: its shorthand, and the `activity.v1` records it stands for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_simulator::world::{ListedNetwork, listed_networks};
use serde::Deserialize;
use serde_json::{Value, json};

/// What all offsets count from: Monday, 2 March 2026, 09:00 UTC.
pub(crate) const BASE: Millis = 1_772_442_000_000;

static NETWORKS: LazyLock<Vec<ListedNetwork>> = LazyLock::new(|| listed_networks().unwrap());

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The behaviour it shows.
    pub(crate) name: String,
    /// Replacements in the text of the shipped rule, as pairs of what stands there and what shall.
    #[serde(default)]
    pub(crate) edit: Vec<(String, String)>,
    /// Further rules beside it: the shipped one with replacements, an id of its own among them.
    #[serde(default)]
    pub(crate) beside: Vec<Vec<(String, String)>>,
    /// Templates of policies that are switched on beside the shipped rules.
    #[serde(default)]
    pub(crate) templates: Vec<String>,
    /// The file of networks in place of the shipped one.
    pub(crate) networks: Option<String>,
    /// What the file of places says otherwise of single addresses.
    #[serde(default)]
    pub(crate) places: Vec<PlaceSketch>,
    /// Lists of addresses: what the configuration says of each, and the lines of its file.
    #[serde(default)]
    pub(crate) lists: Vec<ListSketch>,
    /// What is done, in any order; it arrives in the order of its stamps.
    pub(crate) records: Vec<Sketch>,
    pub(crate) expect: Expect,
    /// Every delivery within the lateness must end the same. `false` where the scenario is about what comes too late.
    #[serde(default = "yes")]
    pub(crate) order_free: bool,
    /// The alerts of all rules are expected and not just those of the file's.
    #[serde(default)]
    pub(crate) all_rules: bool,
}

/// What the file says of an address; what is not given is as it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceSketch {
    /// As in a record.
    pub(crate) ip: String,
    pub(crate) city: Option<String>,
    /// 0: the file gives none.
    pub(crate) radius_km: Option<u16>,
}

/// A list of addresses, plain unless it says otherwise; the words of a line that name an operator stand for its address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListSketch {
    pub(crate) config: Value,
    pub(crate) lines: Vec<String>,
}

impl ListSketch {
    /// The bytes of the file: `{Cable Lagos / 7}` is the address of that host.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = self.lines.join("\n");
        while let Some((before, rest)) = text.split_once('{') {
            let (name, after) = rest.split_once('}').unwrap();
            text = format!("{before}{}{after}", address(name));
        }
        text.into_bytes()
    }
}

/// A record or a series of them. `{n}` in a text is the number in the series, from 0, and `{row}` the same as a `sys_id`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sketch {
    /// Event time from [`BASE`] on: `-8d +12:00:00`, `+00:05:00`, `3d`, `90s`, `250ms`.
    at: String,
    repeat: Option<Repeat>,
    /// From the event to its stamp; a second if nothing is said.
    delay: Option<String>,
    /// The stamp itself, from [`BASE`] on or as RFC 3339; several records with one stamp arrive in the order of the line.
    stamp: Option<String>,
    #[serde(default = "ana")]
    user: String,
    #[serde(default = "employee")]
    kind: String,
    privileged: Option<bool>,
    groups: Option<Vec<String>>,
    #[serde(default = "login")]
    action: String,
    #[serde(default = "success")]
    outcome: String,
    reason: Option<String>,
    /// An address, or the operator of an invented network, its listed city where it has several, and the host where it
    /// is not the first: `Cable Lagos`, `Tellus Mobile US @ Honolulu`, `Cable Lagos / 7`.
    ip: Option<String>,
    ip_source: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    device: Option<String>,
    /// What else the record says of the device.
    device_facts: Option<Value>,
    channel: Option<String>,
    mfa: Option<bool>,
    object: Option<String>,
    quantity: Option<Value>,
    /// One of its own for each record if nothing is said.
    id: Option<String>,
    action_key: Option<String>,
    test: Option<String>,
    /// Whose account it is about, if not the user's own.
    target: Option<String>,
    /// From when it counts, as `at`.
    effective_at: Option<String>,
    /// What else the record says, laid over it, with the same numbers in its texts.
    also: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    times: usize,
    every: String,
}

/// What must come out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The final alerts by the time of their first event.
    #[serde(default)]
    pub(crate) alerts: Vec<Expected>,
    /// The final suppressed findings, likewise.
    #[serde(default)]
    pub(crate) suppressed: Vec<Expected>,
    /// Every record about the file's rule, in order: `opened 11`, `updated 20`, `retracted superseded`,
    /// `opened 12 supersedes`, `opened 1 late`.
    pub(crate) changes: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) late: u64,
    #[serde(default)]
    pub(crate) rejected: u64,
    #[serde(default)]
    pub(crate) duplicates: u64,
}

/// A finding; what is not given is not looked at, but for what held it back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) policy: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) severity: Option<u8>,
    pub(crate) count: Option<u64>,
    /// Time of the first and of the last event, from [`BASE`] on.
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
    #[serde(default)]
    pub(crate) summary_contains: Vec<String>,
    /// Which of the kinds of its policy.
    pub(crate) kind: Option<String>,
    /// Techniques, complete.
    pub(crate) techniques: Option<Vec<String>>,
    /// Why the severity differs, complete.
    pub(crate) reasons: Option<Vec<String>>,
    /// Numbers among `observed` and `baseline`.
    #[serde(default)]
    pub(crate) numbers: BTreeMap<String, f64>,
    /// Limits among `threshold`.
    #[serde(default)]
    pub(crate) threshold: BTreeMap<String, f64>,
    /// Entities that must be among those of the alert.
    #[serde(default)]
    pub(crate) entities: Vec<Value>,
    /// The mechanism that held it back.
    pub(crate) by: Option<String>,
    /// All that it tells of are tests.
    pub(crate) test: Option<bool>,
}

/// A record as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) time: Millis,
    pub(crate) stamp: Millis,
    pub(crate) value: Vec<u8>,
}

impl Scenario {
    /// Its records in the order of their stamps.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals: Vec<Arrival> =
            self.records.iter().enumerate().flat_map(|(line, sketch)| sketch.arrivals(line)).collect();
        arrivals.sort_by_key(|arrival| arrival.stamp);
        arrivals
    }
}

impl Sketch {
    fn arrivals(&self, line: usize) -> Vec<Arrival> {
        let (times, every) = self.repeat.as_ref().map_or((1, 0), |repeat| (repeat.times, offset(&repeat.every)));
        let start = BASE + offset(&self.at);
        (0..times)
            .map(|n| {
                let time = start + every * n as Millis;
                let stamp = match (&self.stamp, &self.delay) {
                    (Some(stamp), None) => moment(stamp),
                    (None, delay) => time + delay.as_deref().map_or(SECOND, offset),
                    (Some(_), Some(_)) => panic!("{self:?}: either a stamp or a delay"),
                };
                Arrival { time, stamp, value: serde_json::to_vec(&self.record(line, n, time)).unwrap() }
            })
            .collect()
    }

    fn record(&self, line: usize, n: usize, time: Millis) -> Value {
        let numbered = |text: &String| text.replace("{n}", &n.to_string()).replace("{row}", &format!("{n:032x}"));
        let text = |text: &Option<String>| text.as_ref().map(numbered);
        let mut device = self.device_facts.clone().unwrap_or_else(|| json!({}));
        device["id"] = json!(self.device.as_ref().map(numbered));
        let mut record = json!({
            "schema": "activity.v1",
            "id": text(&self.id).unwrap_or_else(|| format!("vector-{line:02}-{n:04}")),
            "time": rfc3339(time),
            "instance": "acme",
            "user": { "name": text(&Some(self.user.clone())), "kind": self.kind, "privileged": self.privileged,
                      "groups": self.groups },
            "action": self.action,
            "outcome": self.outcome,
            "reason": self.reason,
            "channel": self.channel,
            "client": {
                "ip": text(&self.ip).map(|name| address(&name)),
                "ip_source": self.ip_source,
                "user_agent": text(&self.agent),
                "device": device,
            },
            "session": text(&self.session),
            "auth": self.mfa.map(|mfa| json!({ "mfa": mfa })),
            "object": text(&self.object).map(|id| json!({ "table": "sys_attachment", "id": id })),
            "quantity": self.quantity,
            "action_key": text(&self.action_key),
            "test": self.test,
            "target": text(&self.target).map(|name| json!({ "name": name })),
            "effective_at": self.effective_at.as_ref().map(|at| rfc3339(moment(at))),
            "source": { "producer": "vectors" },
        });
        self.also.iter().for_each(|also| lay_over(&mut record, &numbered_within(also, &numbered)));
        strip_nulls(&mut record);
        record
    }
}

/// A time given as an offset from [`BASE`] or as RFC 3339.
pub(crate) fn moment(text: &str) -> Millis {
    match text.split_once('T') {
        Some(_) => frostwatch_wire::activity::time::UtcTime::parse(text).unwrap().ms(),
        None => BASE + offset(text),
    }
}

/// The length of time a text says: the sum of `HH:MM:SS` and numbers with their units, each with its sign or the sign
/// of the part before.
pub(crate) fn offset(text: &str) -> Millis {
    let (mut sum, mut sign) = (0, 1);
    for text in text.split(' ') {
        let (signed, rest) = match text.split_at(1) {
            ("-", rest) => (-1, rest),
            ("+", rest) => (1, rest),
            _ => (sign, text),
        };
        sign = signed;
        sum += sign * part(rest);
    }
    sum
}

fn part(text: &str) -> Millis {
    if let Some((hours, rest)) = text.split_once(':') {
        let (minutes, seconds) = rest.split_once(':').unwrap();
        let [hours, minutes, seconds] = [hours, minutes, seconds].map(|number| number.parse::<Millis>().unwrap());
        return hours * HOUR + minutes * MINUTE + seconds * SECOND;
    }
    let units = [("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];
    let found = units.iter().find_map(|(unit, length)| Some(text.strip_suffix(unit)?.parse::<Millis>().ok()? * length));
    found.unwrap_or_else(|| panic!("'{text}' is no length of time"))
}

pub(crate) fn address(name: &str) -> IpAddr {
    if let Ok(address) = name.parse() {
        return address;
    }
    let (name, host) = name.split_once(" / ").map_or((name, 1), |(name, host)| (name, host.parse().unwrap()));
    let (org, city) = name.split_once(" @ ").map_or((name, None), |(org, city)| (org, Some(city)));
    let mut known = NETWORKS.iter().filter(|listed| listed.org == org && listed.network.addr().is_ipv4());
    let listed = known.find(|listed| city.is_none_or(|city| listed.city == city));
    let listed = listed.unwrap_or_else(|| panic!("no network of '{name}'"));
    match listed.network.network() {
        IpAddr::V4(first) => IpAddr::from((u32::from(first) + host).to_be_bytes()),
        IpAddr::V6(_) => unreachable!("only networks of IPv4 were looked at"),
    }
}

/// The same with the numbers of the series in its texts.
fn numbered_within(also: &Value, numbered: &impl Fn(&String) -> String) -> Value {
    match also {
        Value::String(text) => numbered(text).into(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), numbered_within(value, numbered))).collect()
        }
        other => other.clone(),
    }
}

fn lay_over(record: &mut Value, also: &Value) {
    match also.as_object() {
        Some(fields) => fields.iter().for_each(|(name, value)| lay_over(&mut record[name], value)),
        None => *record = also.clone(),
    }
}

fn strip_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.values_mut().for_each(strip_nulls);
        object.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|inner| !inner.is_empty()));
    }
}

const fn yes() -> bool {
    true
}

fn ana() -> String {
    "ana.lind".to_owned()
}

fn employee() -> String {
    "employee".to_owned()
}

fn login() -> String {
    "login".to_owned()
}

fn success() -> String {
    "success".to_owned()
}
