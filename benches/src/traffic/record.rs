//! A deed as `activity.v1`: 16 fields, about 580 bytes, ids as `ServiceNow` makes them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frostwatch_detect::time::rfc3339;
use frostwatch_simulator::world::{NetworkKind, listed_networks};
use ipnet::IpNet;

use super::{Deed, What};

const INSTANCE: &str = "acme";
const FIRST_NAMES: [&str; 8] = ["ana", "bo", "carla", "dmitri", "elif", "farid", "grace", "hiro"];
const LAST_NAMES: [&str; 8] = ["lind", "okafor", "moreau", "petrov", "tanaka", "silva", "novak", "haddad"];
const AGENTS: [&str; 3] = ["Chrome/140 Windows", "Safari/605 Mac", "Firefox/142 Linux"];
const TABLES: [&str; 4] = ["incident", "change_request", "sc_task", "kb_knowledge"];
/// In how many of a user's 16 sessions the second network is used.
const AWAY_OF_16: u64 = 4;

/// Writes records.
pub(super) struct Writer {
    seed: u64,
    /// See [`super::Config::full`].
    full: bool,
    /// Networks by the city they are listed in, at least two each, so that a user can be on two without travelling.
    cities: Vec<Vec<IpNet>>,
}

/// What a record says of a deed.
struct Words {
    table: &'static str,
    action: &'static str,
    action_raw: &'static str,
    outcome: &'static str,
    rest: Rest,
}

enum Rest {
    SignIn,
    Object,
    Rows(u32),
    File,
    Person,
}

impl Writer {
    pub(super) fn new(seed: u64, full: bool) -> Self {
        let mut cities: BTreeMap<(String, String), Vec<IpNet>> = BTreeMap::new();
        for listed in listed_networks().unwrap() {
            if matches!(listed.kind, NetworkKind::Fixed | NetworkKind::Corporate) {
                cities.entry((listed.country, listed.city)).or_default().push(listed.network);
            }
        }
        Self { seed, full, cities: cities.into_values().filter(|networks| networks.len() > 1).collect() }
    }

    pub(super) fn key(&self, out: &mut Vec<u8>, user: u32) {
        out.extend_from_slice(INSTANCE.as_bytes());
        out.push(b'|');
        self.name(out, user);
    }

    pub(super) fn value(&self, out: &mut Vec<u8>, deed: &Deed) {
        let Words { table, action, action_raw, outcome, rest } = words(deed.what);
        let user = mix(self.seed, u64::from(deed.user));
        let row = wide(self.seed ^ 0xa5, deed.serial);
        let time = rfc3339(deed.time);
        let session = wide(self.seed ^ 0x5a, deed.session);
        write!(out, r#"{{"schema":"activity.v1","id":"{table}:{row:032x}","time":"{time}","time_precision_ms":1000,"#)
            .unwrap();
        write!(out, r#""instance":"{INSTANCE}","user":{{"name":""#).unwrap();
        self.name(out, deed.user);
        write!(out, r#"","kind":"employee""#).unwrap();
        if matches!(rest, Rest::Person) {
            write!(out, r#","department":"Department {}","privileged":false"#, user % 40).unwrap();
        }
        write!(out, r#"}},"action":"{action}","#).unwrap();
        write!(
            out,
            r#""action_raw":"{action_raw}","outcome":"{outcome}","channel":"ui","interactive":true,"client":{{"#
        )
        .unwrap();
        // What a browser does without the address being noted takes the session's.
        if !deed.serial.is_multiple_of(8) || matches!(rest, Rest::SignIn) {
            write!(out, r#""ip":"{}","ip_source":"direct","#, self.address(user, deed.session)).unwrap();
        }
        let agent = AGENTS[(user >> 40) as usize % AGENTS.len()];
        write!(out, r#""user_agent":"{agent}""#).unwrap();
        if self.full {
            // At the second network they have a second device.
            let device = wide(user, u64::from(is_away(deed.session)));
            write!(out, r#","device":{{"id":"{device:032x}","managed":true}}"#).unwrap();
        }
        write!(out, r#"}},"session":"{session:032x}","#).unwrap();
        self.rest(out, deed, &rest);
        write!(out, r#""source":{{"producer":"servicenow","table":"{table}"}}}}"#).unwrap();
    }

    fn rest(&self, out: &mut Vec<u8>, deed: &Deed, rest: &Rest) {
        let object = wide(self.seed ^ 0x77, mix(deed.serial, 0) % 100_000);
        let table = TABLES[(object >> 8) as usize % TABLES.len()];
        match rest {
            Rest::SignIn => {
                write!(out, r#""action_key":"sign-in:{:016x}","auth":{{"method":"saml","mfa":true}},"#, deed.serial)
                    .unwrap();
            }
            Rest::Object => {
                write!(out, r#""object":{{"table":"{table}","id":"{object:032x}"}},"#).unwrap();
                write!(out, r#""attributes":{{"ms":{}}},"#, object as u8).unwrap();
            }
            Rest::Rows(rows) => {
                write!(out, r#""object":{{"table":"{table}"}},"#).unwrap();
                write!(out, r#""quantity":{{"objects":1,"rows":{rows}}},"#).unwrap();
            }
            Rest::File => {
                let parent = wide(self.seed ^ 0x33, mix(deed.serial, 1) % 100_000);
                write!(out, r#""object":{{"table":"sys_attachment","id":"{object:032x}","kind":"attachment","#)
                    .unwrap();
                write!(out, r#""name":"Report {}.xlsx","size_bytes":{},"#, deed.serial, object as u16).unwrap();
                write!(out, r#""parent":{{"table":"{table}","id":"{parent:032x}"}}}},"#).unwrap();
            }
            Rest::Person => {}
        }
    }

    fn name(&self, out: &mut Vec<u8>, user: u32) {
        let chance = mix(self.seed, u64::from(user)) as usize;
        let (first, last) = (FIRST_NAMES[chance % 8], LAST_NAMES[chance / 8 % 8]);
        write!(out, "{first}.{last}.{user:07}").unwrap();
    }

    /// The address of a session: the user's line at one of two networks of one city.
    fn address(&self, user: u64, session: u64) -> IpAddr {
        let city = &self.cities[(user >> 8) as usize % self.cities.len()];
        let away = is_away(session);
        let home = (user >> 24) as usize % city.len();
        let network = city[if away { (home + 1) % city.len() } else { home }];
        let line = mix(user, u64::from(away));
        match network {
            IpNet::V4(network) => {
                let host = (line as u32) & u32::from(network.hostmask());
                IpAddr::V4(Ipv4Addr::from_bits(u32::from(network.network()) | host))
            }
            IpNet::V6(network) => {
                let host = u128::from(line) << 32 & u128::from(network.hostmask());
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(network.network()) | host))
            }
        }
    }
}

/// Of numbered sessions the odd ones are away, of the others a quarter.
const fn is_away(session: u64) -> bool {
    if session < 1 << 32 { session % 2 == 1 } else { session % 16 < AWAY_OF_16 }
}

const fn words(what: What) -> Words {
    let (table, action, action_raw, outcome, rest) = match what {
        What::Login => ("sysevent", "login", "login", "success", Rest::SignIn),
        What::FailedLogin => ("sysevent", "login", "login.failed", "failure", Rest::SignIn),
        What::Logout => ("sysevent", "logout", "logout", "success", Rest::SignIn),
        What::List => ("syslog_transaction", "list", "/incident_list.do", "success", Rest::Object),
        What::View => ("syslog_transaction", "view", "/incident.do", "success", Rest::Object),
        What::Update => ("sys_audit", "update", "update", "success", Rest::Object),
        What::Download => ("syslog_transaction", "download", "/sys_attachment.do", "success", Rest::Object),
        What::Upload => ("sys_attachment", "upload", "insert", "success", Rest::File),
        What::Delete => ("sys_audit_delete", "delete", "delete", "success", Rest::File),
        What::Profile => ("sys_user", "user_profile", "update", "success", Rest::Person),
        What::Export => ("syslog_transaction", "export", "/incident_list.do?CSV", "success", Rest::Rows(60_000)),
    };
    Words { table, action, action_raw, outcome, rest }
}

/// A well-spread number of two: the finaliser of `SplitMix64`.
const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn wide(a: u64, b: u64) -> u128 {
    u128::from(mix(a, b)) << 64 | u128::from(mix(b, !a))
}
