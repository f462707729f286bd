//! Small random histories of one user, and the rules that they run through.

mod rules;

use std::num::NonZeroU32;
use std::sync::Arc;

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::event::{
    AccountFacts, Address, DeviceFacts, Event, EventId, EventLocation, Later, ObjectRow, Quantity,
};
use frostwatch_detect::files::{FileFacts, FileTexts};
use frostwatch_detect::hash::hash64_some;
use frostwatch_detect::listed::{Category, ListEntry, Listed};
use frostwatch_detect::model::{AccountKind, Action, Channel, Outcome, Reason};
use frostwatch_detect::names::Name;
use frostwatch_detect::networks::{Networks, Tag, Tagged};
use frostwatch_detect::peers::Peers;
use frostwatch_detect::place::{Carrier, Country, GeoBuild, Place, Point};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::profile::{Apart, Facts, Parties, Person, Statement};
use frostwatch_detect::rule::{Exception, Rule, Scope, Selector, Sensitivity, Severity};
use frostwatch_detect::time::{DAY, Lateness, MINUTE, Millis, SECOND};
use proptest::prelude::*;

pub(crate) use rules::rules;

pub(crate) const START: Millis = 1_767_225_600_000;
/// From then on the machine in Kiruna is listed.
const BAD_FROM: Millis = START + 60 * MINUTE;
/// The number of a place that stands for none.
const NOWHERE: u8 = 4;

/// From here on up to [`SAID_FROM`] what is done is done to files.
const FILES_FROM: u8 = 160;
/// From here on up to 240 something is said of the account.
const SAID_FROM: u8 = 230;

pub(crate) fn plan() -> Plan {
    plan_without(|_| false)
}

/// The same without some rules.
pub(crate) fn plan_without(gone: impl Fn(&Params) -> bool) -> Plan {
    let geo = GeoBuild { kind: "test".into(), built_at_secs: 0, digest: "0".into() };
    let rules = rules().into_iter().filter(|rule| !gone(&rule.params)).collect();
    Plan::new(rules, "0".into(), Lateness::DEFAULT, geo).with_networks(networks()).with_lists(true)
}

/// One of the places is where a proxy ends.
fn networks() -> Arc<Networks> {
    let proxy = Tagged { tag: Tag::Proxy, name: "Cloud".into(), networks: Vec::new(), asns: vec![64_504] };
    Arc::new(Networks::new(vec![proxy], Vec::new(), Vec::new()).expect("one entry has no other to overlap"))
}

pub(crate) fn plans() -> Plans {
    Plans::new(Arc::new(plan()))
}

fn file(action: Action, object: u8, place: u8) -> Option<Box<Apart>> {
    let extension = ["q7x", "vlt", "locked", "docx"][usize::from(place % 4)];
    let old = format!("plan-{}.docx", object % 4);
    let name = match (action, object) {
        (Action::Delete, _) => old.clone(),
        (_, 7) => "HOW_TO_DECRYPT.txt".to_owned(),
        _ => format!("{old}.{extension}"),
    };
    let parent = format!("{object}");
    let texts = FileTexts {
        table: "sys_attachment",
        name: &name,
        previous_name: if action == Action::Rename { &old } else { "" },
        content_type: if place == 2 { "application/pdf" } else { "" },
        parent: ("incident", &parent),
        ..FileTexts::default()
    };
    FileFacts::of(action, &texts).map(Apart::File).map(Box::new)
}

/// Policies of one's own side by side: one that counts what the record alone decides, one that tells each where the place
/// decides as well, one over sign-ins.
fn rule(id: &str, params: Params, quiet_secs: u32) -> Rule {
    Rule {
        id: id.into(),
        version: 1,
        hash: "0".into(),
        params,
        severity: Severity::Medium,
        confidence: 50,
        title: id.into(),
        recommended_actions: Vec::new(),
        runbook_url: String::new(),
        attack: Vec::new(),
        scope: Scope::default(),
        exceptions: vec![Exception {
            id: "fair".into(),
            reason: "at the fair".into(),
            owner: "sec".into(),
            from: Some(START + DAY),
            expires_at: START + 10 * DAY,
            covers: Selector::default(),
        }],
        sensitivity: Sensitivity::Medium,
        sensitivity_for: Vec::new(),
        off: Vec::new(),
        quiet_secs,
    }
}

/// An event in few numbers.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) second: i64,
    pub(crate) delay: i64,
    pub(crate) number: u32,
    pub(crate) what: u8,
    pub(crate) place: u8,
    pub(crate) session: u8,
    pub(crate) object: u8,
    pub(crate) action_key: u8,
}

impl Sketch {
    /// Who else is named by some records.
    fn parties(&self) -> Option<Parties> {
        let name = |number: u8| ["ana", "bo", "cy", "dan", "eva"][usize::from(number % 5)];
        let user = self.number.is_multiple_of(3).then(|| name(self.object));
        Parties::new(user, self.number.is_multiple_of(4).then(|| name(self.place)), None)
    }

    pub(crate) fn view(second: i64, stamp: i64) -> Self {
        Self {
            second,
            delay: (stamp - second) * SECOND,
            number: 0,
            what: 9,
            place: 0,
            session: 1,
            object: 0,
            action_key: 0,
        }
    }

    pub(crate) fn event(&self) -> Event {
        let (action, outcome) = match self.what % 10 {
            _ if self.what >= 250 => (Action::UserTerminate, Outcome::Success),
            _ if self.what >= 245 => (Action::UserDisable, Outcome::Success),
            _ if self.what >= 240 => (Action::UserEnable, Outcome::Success),
            _ if self.what >= SAID_FROM => (Action::UserProfile, Outcome::Success),
            _ if self.what >= FILES_FROM => (
                [Action::Upload, Action::Rename, Action::Delete, Action::Update][usize::from(self.what % 4)],
                Outcome::Success,
            ),
            0 | 1 => (Action::Login, Outcome::Failure),
            2 => (Action::Login, Outcome::Success),
            3 | 4 => (Action::Download, Outcome::Success),
            5 => (Action::Export, Outcome::Success),
            6 => (Action::Logout, Outcome::Success),
            7 => (Action::Update, Outcome::Unknown),
            _ => (Action::View, Outcome::Success),
        };
        let time = START + self.second * SECOND;
        let (address, location) = place(self.place, time);
        let number = u128::from(self.number);
        // A leaving is told up to some hours late, or before.
        let counts_from = time / SECOND + (2 - i64::from(self.object)) * 3_600;
        Event {
            time,
            stamp: Some(time + self.delay),
            id: if self.number.is_multiple_of(3) {
                EventId::new(&format!("own-{number}"))
            } else {
                EventId::new(&format!("sysevent:{number:032x}"))
            },
            content: u64::from(self.number) * 2,
            action_key: u64::from(self.action_key),
            richness: u16::from(self.object) + u16::from(address.is_some()) * 10,
            session: u64::from(self.session),
            device: u64::from(self.session),
            device_facts: DeviceFacts { managed: Some(self.place == 0), ..DeviceFacts::default() },
            agent: hash64_some(&[self.place % 2]),
            object: u64::from(self.object) + 1,
            object_row: ObjectRow::new("incident", &format!("{:032x}", self.object)),
            address,
            location,
            action,
            outcome,
            reason: Reason::BadPassword,
            channel: if self.what.is_multiple_of(7) { Channel::Mobile } else { Channel::Ui },
            // Half of what is done to files is done by a program.
            kind: match self.what {
                FILES_FROM..200 => AccountKind::Service,
                0..40 => AccountKind::Unknown,
                _ => AccountKind::Employee,
            },
            mfa: (self.place > 0 && self.place < 4).then_some(self.place != 2),
            account: AccountFacts {
                says_privileged: self.number.is_multiple_of(7),
                names_groups: self.number.is_multiple_of(11),
                ..AccountFacts::default()
            },
            test: false,
            quantity: Quantity { objects: 1, rows: u64::from(self.object) * 700, bytes: 1_000 },
            rules: u128::MAX,
            // Some of what is done in Lagos is covered, by the exceptions of four rules.
            exceptions: (0..if self.place == 1 && self.object.is_multiple_of(2) { 4 } else { 0 }).collect(),
            version: 0,
            effective: NonZeroU32::new(counts_from as u32).filter(|_| self.what >= SAID_FROM && self.action_key != 1),
            apart: match self.what {
                FILES_FROM..SAID_FROM => file(action, self.object, self.place),
                SAID_FROM..240 => Some(Box::new(Apart::Statement(self.statement(time)))),
                _ => self.parties().map(Apart::Parties).map(Box::new),
            },
            later: address.and_then(|address| later(address, self.place, time)),
        }
    }
}

impl Sketch {
    /// What is said of the account, some of it by a record that came late.
    fn statement(&self, time: Millis) -> Statement {
        let groups = [None, Some(&[][..]), Some(&["finance"][..]), Some(&["finance", "temp"][..])];
        let groups = groups[usize::from(self.object % 4)];
        let said_at = if self.number.is_multiple_of(5) { time - 3 * DAY } else { time };
        let facts = Facts {
            kind: [AccountKind::Unknown, AccountKind::Service, AccountKind::Guest][usize::from(self.place % 3)],
            privileged: [None, Some(true), Some(false)][usize::from(self.session % 3)],
            groups: groups.map(|names| Facts::groups_of(names.iter().copied())),
            person: Person::new(if self.place < 2 { "Ana Lind" } else { "" }, "", "Sales").map(Arc::new),
            peers: self.number.is_multiple_of(2).then(|| Arc::new(self.peers(said_at))),
        };
        Statement { said_at, facts }
    }

    /// What colleagues do: of some it is said that they do little, of some that they do much, and of one that nobody knows.
    fn peers(&self, said_at: Millis) -> Peers {
        let number = u64::from(self.place);
        let hour = [Some(number * 2), (self.session > 0).then_some(number * 1_000), Some(number * 4_000)];
        // Some of what is said is too old on some of the days of a history.
        let said_at = said_at - Millis::from(self.session) * 14 * DAY;
        Peers::new(said_at, "finance", u64::from(self.object), hour, hour.map(|most| most.map(|most| most + 3)))
    }
}

fn place(number: u8, time: Millis) -> (Option<Address>, EventLocation) {
    let places = [
        ("11.0.0.1", "SE", "Malmö", 55.6, 13.0, 64_500, ""),
        ("22.0.0.1", "NG", "Lagos", 6.45, 3.39, 64_501, ""),
        ("26.0.0.1", "US", "Seattle", 47.6, -122.3, 64_502, ""),
        ("28.0.0.1", "SE", "Kiruna", 67.9, 20.2, 64_500, ""),
        // From here on what says less of its user: gateways of a mobile carrier, the other family, a proxy.
        ("29.0.0.1", "SE", "Umeå", 63.8, 20.3, 64_503, "Any Mobile"),
        ("29.0.1.1", "US", "Denver", 39.7, -105.0, 64_503, "Any Mobile"),
        ("2e00::1", "NO", "Tromsø", 69.6, 19.0, 64_500, ""),
        ("31.0.0.1", "SG", "Singapore", 1.3, 103.8, 64_504, ""),
    ];
    let index = usize::from(if number > NOWHERE { number - 1 } else { number });
    let Some((address, country, city, lat, lon, asn, organisation)) = places.get(index).filter(|_| number != NOWHERE)
    else {
        return (None, EventLocation::NONE);
    };
    let place = Place {
        country: Country::new(country).expect("a constant"),
        city: Name::new(city),
        point: Point::from_degrees(*lat, *lon),
        radius_km: if number > NOWHERE && number.is_multiple_of(2) { 0 } else { 20 },
    };
    let carrier = Carrier { asn: *asn, organisation: Name::new(organisation) };
    (
        Address::new(address.parse().expect("a constant")),
        EventLocation { place: Ok(place), carrier, listed: listed(number, time) },
    )
}

/// What lists say of a place: a tunnel in Lagos; in Seattle an exit of Tor on a machine of bad repute; from some time on the
/// same of one in Kiruna.
fn listed(number: u8, time: Millis) -> Listed {
    let entry = |category, confidence, list| {
        let (list, tag) = (Name::new(list), Name::EMPTY);
        ListEntry { category, confidence, list, tag, digest: 7 }
    };
    let entries = match number {
        1 => vec![entry(Category::Vpn, 70, "tunnels")],
        2 => vec![entry(Category::Tor, 90, "exits"), entry(Category::Botnet, 40, "bots")],
        3 if time >= BAD_FROM => vec![entry(Category::PasswordSpray, 80, "bots")],
        _ => Vec::new(),
    };
    Listed::new(&entries).expect("there is room")
}

/// What lists say of the place from a later time on.
fn later(address: Address, number: u8, time: Millis) -> Option<Box<[Later]>> {
    let listed = listed(number, BAD_FROM);
    (number == 3 && time < BAD_FROM).then(|| [Later { address, from: BAD_FROM, listed }].into())
}

/// Histories over some hours or days, dense enough for bursts, each event with a delay within the lateness.
pub(crate) fn sketches(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sketch>> {
    let spread = prop_oneof![Just(300_i64), Just(7_200), Just(4 * 86_400), Just(20 * 86_400)];
    (spread, prop::collection::vec((any::<u32>(), 0_i64..=60 * MINUTE, any::<[u8; 5]>(), 0_u8..4), count)).prop_map(
        |(spread, raw)| {
            raw.into_iter()
                .enumerate()
                .map(|(index, (second, delay, [what, place, session, object, eager], action_key))| Sketch {
                    second: i64::from(second) % spread,
                    // Half of the records come at once, some even ahead of their time, as far as clocks may be.
                    delay: if eager.is_multiple_of(2) { delay } else { (i64::from(eager % 100) - 90) * 3 * SECOND },
                    number: index as u32 + 1,
                    what,
                    place: place % 9,
                    session: session % 4,
                    object: object % 8,
                    action_key: if action_key == 3 { 1 + object % 3 } else { 0 },
                })
                .collect()
        },
    )
}

pub(crate) fn events(sketches: &[Sketch]) -> Vec<Event> {
    sketches.iter().map(Sketch::event).collect()
}

/// Cases of each property: few in everyday runs, `FROSTWATCH_PROPERTY_CASES` for a long one.
pub(crate) fn cases() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "the number of cases is the test runner's to choose")]
    let cases = std::env::var("FROSTWATCH_PROPERTY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
