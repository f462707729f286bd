use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{Address, EventLocation};
use crate::finding::SeenAddress;
use crate::listed::{Category, ListEntry, Listed};
use crate::model::Action;
use crate::names::Name;
use crate::networks::{Networks, Tag, Tagged};
use crate::place::{Carrier, Country, Place};
use crate::rule::Network;

const F: Truth = Truth::False;
const U: Truth = Truth::Unknown;
const T: Truth = Truth::True;

/// A record by the names of its fields, with nothing else.
struct Sketch(BTreeMap<&'static str, Value>, Vec<Cow<'static, str>>);

impl Sketch {
    fn new(fields: &Value) -> Self {
        let fields = fields.as_object().unwrap().clone();
        let list = fields.values().find_map(Value::as_array).cloned().unwrap_or_default();
        let texts = list.iter().map(|text| Cow::Owned(text.as_str().unwrap().to_owned())).collect();
        let known = field_names();
        let name = |name: &String| *known.iter().find(|known| **known == *name).unwrap();
        Self(fields.iter().map(|(field, value)| (name(field), value.clone())).collect(), texts)
    }

    fn find(&self, wanted: Field) -> Option<&Value> {
        self.0.iter().find(|(name, _)| field(name) == Some(wanted)).map(|(_, value)| value)
    }
}

impl Record for Sketch {
    fn words(&self, field: WordField) -> Option<u64> {
        let word = self.find(Field::Words(field))?.as_str()?.to_owned();
        Some(word_of(field.words().iter().position(|known| *known == word).unwrap()))
    }

    fn text(&self, field: TextField) -> Option<&str> {
        self.find(Field::Text(field))?.as_str()
    }

    fn texts(&self, field: ListField) -> Option<&[Cow<'_, str>]> {
        self.find(Field::List(field)).map(|_| self.1.as_slice())
    }

    fn number(&self, field: NumberField) -> Option<u64> {
        self.find(Field::Number(field))?.as_u64()
    }

    fn flag(&self, field: FlagField) -> Option<bool> {
        self.find(Field::Flag(field))?.as_bool()
    }

    fn address(&self) -> Option<Address> {
        None
    }
}

fn condition(json: &Value) -> Condition {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn compiled(json: &Value) -> Conditions {
    condition(json).compile().unwrap_or_else(|faults| panic!("{json}: {faults:?}"))
}

/// Where somebody is: `Some` with the number of a place.
fn from(networks: &Networks, place: Option<u8>) -> FromWhere<'_> {
    let seen = place.map(|number| {
        let address = Address::new(format!("10.0.0.{number}").parse().unwrap()).unwrap();
        let country = Country::new(if number == 1 { "SE" } else { "NG" }).unwrap();
        let known = Place { country, city: Name::EMPTY, point: None, radius_km: 0 };
        let organisation = Name::new(if number == 2 { "Tellus Mobile" } else { "Fibernet" });
        let organisation = if number == 9 { Name::EMPTY } else { organisation };
        let carrier = Carrier { asn: 64_500 + u32::from(number), organisation };
        let place = if number == 9 { Err(crate::place::NoPlace::Private) } else { Ok(known) };
        SeenAddress { address, location: EventLocation { place, carrier, ..EventLocation::NONE } }
    });
    FromWhere { seen, networks, has_lists: false }
}

/// The first address is the organisation's own.
fn networks() -> Networks {
    let first = rule_network("10.0.0.1");
    let own = Tagged { tag: Tag::Corporate, name: "Head office".into(), networks: vec![first], asns: Vec::new() };
    Networks::new(vec![own], Vec::new(), Vec::new()).unwrap()
}

fn rule_network(text: &str) -> Network {
    Network::parse(text).unwrap()
}

fn holds(conditions: &Conditions, record: &Sketch, from: &FromWhere<'_>) -> bool {
    conditions.hold(conditions.ask(record), from)
}

/// What is asked, the record, and the truth of it; its negation must be the negation.
fn check(asked: &Value, record: &Value, truth: Truth) {
    let record = Sketch::new(record);
    let networks = Networks::default();
    for (asked, truth) in [(asked.clone(), truth), (json!({ "not": asked }), truth.negated())] {
        let conditions = compiled(&asked);
        let found = holds(&conditions, &record, &from(&networks, None));
        assert_eq!(found, truth == T, "{asked} of {:?}", record.0);
    }
}

#[test]
fn the_tables_are_those_of_kleene() {
    for (a, b, and, or) in [
        (F, F, F, F),
        (F, U, F, U),
        (F, T, F, T),
        (U, F, F, U),
        (U, U, U, U),
        (U, T, U, T),
        (T, F, F, T),
        (T, U, U, T),
        (T, T, T, T),
    ] {
        assert_eq!((a.and(b), a.or(b)), (and, or), "{a:?} {b:?}");
    }
    assert_eq!([F, U, T].map(Truth::negated), [T, U, F]);
}

#[test]
fn joined_conditions_follow_the_tables_and_only_what_is_true_counts() {
    let part = |truth: Truth| match truth {
        T => json!({ "field": "action_raw", "in": ["x"] }),
        F => json!({ "field": "action_raw", "in": ["y"] }),
        U => json!({ "field": "object.name", "in": ["x"] }),
    };
    let record = json!({ "action_raw": "x" });
    for a in [F, U, T] {
        for b in [F, U, T] {
            check(&json!({ "all": [part(a), part(b)] }), &record, a.and(b));
            check(&json!({ "any": [part(a), part(b)] }), &record, a.or(b));
            check(&json!({ "all": [part(a), { "not": { "any": [part(b), part(a)] } }] }), &record, {
                a.and(b.or(a).negated())
            });
        }
    }
}

#[test]
fn a_test_is_true_or_false_of_what_is_there_and_unknown_of_what_is_not() {
    let some = |field: &str, value: Value| json!({ field: value });
    for (asked, fitting, other) in [
        (json!({ "field": "action", "in": ["delete", "rename"] }), json!("rename"), json!("view")),
        (json!({ "field": "channel", "in": ["api"] }), json!("api"), json!("ui")),
        (json!({ "field": "object.table", "in": ["Incident", "problem"] }), json!("INCIDENT"), json!("incidents")),
        (json!({ "field": "object.table", "starts_with": ["x_hr_", "sn_hr"] }), json!("sn_hr_core"), json!("x_h")),
        (json!({ "field": "object.name", "ends_with": [".PST"] }), json!("all mail.pst"), json!("pst")),
        (json!({ "field": "client.user_agent", "contains": ["curl/"] }), json!("a Curl/8.1"), json!("curl")),
        (json!({ "field": "user.groups", "in": ["admins"] }), json!(["staff", "admins"]), json!(["staff"])),
        (json!({ "field": "recipients.address", "ends_with": ["@a.example"] }), json!(["x@A.example"]), json!(["x@b"])),
        (json!({ "field": "quantity.rows", "at_least": 10 }), json!(10), json!(9)),
        (json!({ "field": "quantity.rows", "at_most": 10 }), json!(0), json!(11)),
        (json!({ "field": "time.hour", "at_least": 22, "at_most": 23 }), json!(22), json!(21)),
        (json!({ "field": "quantity.rows", "in": [7, 5] }), json!(5), json!(6)),
        (json!({ "field": "auth.mfa", "in": [false] }), json!(false), json!(true)),
    ] {
        let field = asked["field"].as_str().unwrap();
        check(&asked, &some(field, fitting.clone()), T);
        check(&asked, &some(field, other), F);
        check(&asked, &json!({}), U);
        let is_set = |is: bool| json!({ "field": field, "is_set": is });
        for (is, present, absent) in [(true, T, F), (false, F, T)] {
            check(&is_set(is), &some(field, fitting.clone()), present);
            check(&is_set(is), &json!({}), absent);
        }
    }
}

#[test]
fn a_long_text_is_searched_up_to_a_limit_and_no_letter_is_split() {
    let asked = json!({ "field": "object.name", "contains": ["needle"] });
    let hay = |bytes: usize| json!({ "object.name": format!("{}needle", "x".repeat(bytes)) });
    check(&asked, &hay(CONTAINS_BYTES_MAX - 6), T);
    check(&asked, &hay(CONTAINS_BYTES_MAX - 5), F);
    check(&json!({ "field": "object.name", "starts_with": ["é"] }), &json!({ "object.name": "éa" }), T);
    check(&json!({ "field": "object.name", "ends_with": ["é"] }), &json!({ "object.name": "É" }), F);
}

#[test]
fn where_it_came_from_is_known_with_the_address() {
    let networks = networks();
    for (asked, of) in [
        // From the office, from elsewhere, from a place that no file knows, from nobody knows where.
        (json!({ "field": "client.ip", "networks": ["10.0.0.0/30"] }), [T, T, F, U]),
        (json!({ "field": "place.country", "in": ["SE"] }), [T, F, U, U]),
        (json!({ "field": "network.tag", "in": ["corporate"] }), [T, F, F, U]),
        (json!({ "field": "network.tag", "in": ["none"] }), [F, T, T, U]),
        (json!({ "field": "network.name", "starts_with": ["head"] }), [T, U, U, U]),
        (json!({ "field": "network.asn", "in": [64_502] }), [F, T, F, U]),
        (json!({ "field": "network.mobile", "in": [true] }), [F, T, U, U]),
        (json!({ "field": "network.organisation", "starts_with": ["fiber"] }), [T, F, U, U]),
        (json!({ "field": "network.listed", "in": ["tor"] }), [U, U, U, U]),
        (json!({ "field": "network.confidence", "at_least": 0 }), [U, U, U, U]),
        (json!({ "field": "client.ip", "is_set": true }), [T, T, T, F]),
    ] {
        for (place, truth) in [Some(1), Some(2), Some(9), None].into_iter().zip(of) {
            for (asked, truth) in [(asked.clone(), truth), (json!({ "not": asked }), truth.negated())] {
                let found = holds(&compiled(&asked), &Sketch::new(&json!({})), &from(&networks, place));
                assert_eq!(found, truth == T, "{asked} from {place:?}");
            }
        }
    }
    let listed = compiled(&json!({ "not": { "field": "network.listed", "in": ["tor", "botnet"] } }));
    let known = FromWhere { has_lists: true, ..from(&networks, Some(2)) };
    assert!(holds(&listed, &Sketch::new(&json!({})), &known), "lists say nothing of it, and that is known");
    let entry =
        |category, confidence| ListEntry { category, confidence, list: Name::new("any"), tag: Name::EMPTY, digest: 1 };
    let said = Listed::new(&[entry(Category::Tor, 60), entry(Category::KnownGood, 90)]).unwrap();
    let of_lists =
        |seen: SeenAddress| SeenAddress { location: EventLocation { listed: said, ..seen.location }, ..seen };
    let listed = FromWhere { seen: known.seen.map(of_lists), ..known };
    for (from, confidence) in [(known, 0), (listed, 60)] {
        let sure = |least: u64| compiled(&json!({ "field": "network.confidence", "at_least": least }));
        let found = [confidence, confidence + 1].map(|least| holds(&sure(least), &Sketch::new(&json!({})), &from));
        assert_eq!(found, [true, false], "what speaks for the address makes nothing surer");
    }
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let many = |count: usize| json!({ "any": vec![json!({ "field": "action_raw", "in": ["x"] }); count] });
    let deep =
        |depth: usize| (0..depth).fold(json!({ "field": "domain", "in": ["x"] }), |in_it, _| json!({ "not": in_it }));
    let values = |count: usize| json!({ "field": "quantity.rows", "in": (0..count).collect::<Vec<_>>() });
    let mixed = |count: usize| {
        let place = json!({ "field": "place.country", "in": ["SE"] });
        let record = json!({ "field": "domain", "in": ["x"] });
        json!({ "all": vec![json!({ "any": [place, record] }); count] })
    };
    for (asked, path, message) in [
        (json!({}), "", "one of `all`, `any`, `not` and `field`"),
        (json!({ "all": [], "field": "action" }), "", "one of `all`, `any`, `not` and `field`"),
        (json!({ "all": [{ "any": [] }] }), "all[0].any", "is empty"),
        (json!({ "not": { "field": "object.tabel", "in": ["x"] } }), "not.field", "`object.tabel` is no field"),
        (json!({ "any": [{ "field": "action" }] }), "any[0]", "asks nothing of `action`; it takes in, is_set"),
        (json!({ "field": "action", "in": ["view"], "is_set": true }), "", "asks in, is_set at once"),
        (json!({ "all": [{ "field": "domain", "is_set": true }], "in": ["x"] }), "", "asks something of no field"),
        (json!({ "field": "action", "starts_with": ["v"] }), "starts_with", "cannot be asked of `action`"),
        (json!({ "field": "client.ip", "in": ["10.0.0.1"] }), "in", "it takes networks, is_set"),
        (json!({ "field": "domain", "networks": ["10.0.0.1"] }), "networks", "it takes in, starts_with"),
        (json!({ "field": "action", "in": ["view", "delet"] }), "in[1]", "`delet` is not known"),
        (json!({ "field": "action", "in": ["view", "view"] }), "in[1]", "stands here twice"),
        (json!({ "field": "domain", "in": [7] }), "in[0]", "is not a text: put it in quotes"),
        (json!({ "field": "domain", "in": [" "] }), "in[0]", "is empty"),
        (json!({ "field": "domain", "in": ["a\nb"] }), "in[0]", "has a control character"),
        (json!({ "field": "domain", "in": ["x".repeat(VALUE_BYTES_MAX + 1)] }), "in[0]", "has 257 bytes"),
        (json!({ "field": "domain", "in": [] }), "in", "is empty"),
        (json!({ "field": "quantity.rows", "in": ["7"] }), "in[0]", "is not a whole number"),
        (json!({ "field": "quantity.rows", "at_least": 8, "at_most": 7 }), "", "no number is at least 8"),
        (json!({ "field": "auth.mfa", "in": [true, false] }), "in", "is always so"),
        (json!({ "field": "auth.mfa", "in": ["true"] }), "in[0]", "is not true or false"),
        (json!({ "field": "client.ip", "networks": ["10.1.0.0/8"] }), "networks[0]", "the network is `10.0.0.0/8`"),
        (json!({ "field": "outcome", "in": ["failure"] }), "", "asks how it ended"),
        (json!({ "not": { "field": "outcome", "in": ["success"] } }), "", "asks how it ended"),
        (
            json!({ "all": [{ "field": "action", "in": ["view"] }, { "not": { "field": "action", "in": ["view"] } }] }),
            "",
            "could never fire",
        ),
        (many(CONDITIONS_MAX), "", "has 65 conditions"),
        (deep(CONDITION_DEPTH_MAX + 1), "not.not.not.not.not", "lies deeper than 4"),
        (values(CONDITION_VALUES_MAX + 1), "in", "has 501 values"),
        (mixed(FACTS_MAX + 1), "", "5 conditions about the record"),
    ] {
        let faults = condition(&asked).compile().err().unwrap_or_default();
        let found = faults.iter().any(|fault| fault.path == path && fault.message.contains(message));
        assert!(found && faults.len() == 1, "{asked}: {faults:?}");
    }
    for asked in [many(CONDITIONS_MAX - 1), deep(CONDITION_DEPTH_MAX), values(CONDITION_VALUES_MAX), mixed(FACTS_MAX)] {
        compiled(&asked);
    }
}

#[test]
fn the_actions_that_may_fulfil_it_are_known() {
    let sign_ins = json!({ "field": "action", "in": ["login", "mfa_challenge"] });
    let set = |actions: &[Action]| actions.iter().fold(0, |set, action| set | 1_u64 << *action as u64);
    let any = set(Action::ALL);
    let delete = json!({ "field": "action", "in": ["delete"] });
    let table = json!({ "field": "object.table", "in": ["incident"] });
    for (asked, actions) in [
        (sign_ins.clone(), set(&[Action::Login, Action::MfaChallenge])),
        (json!({ "all": [table, delete] }), set(&[Action::Delete])),
        (json!({ "any": [table, delete] }), any),
        (json!({ "any": [sign_ins, delete] }), set(&[Action::Login, Action::MfaChallenge, Action::Delete])),
        (json!({ "not": delete }), any & !set(&[Action::Delete])),
        (json!({ "not": { "all": [table, delete] } }), any),
    ] {
        assert_eq!(compiled(&asked).actions(), actions, "{asked}");
    }
    let failed = json!({ "all": [sign_ins, { "field": "outcome", "in": ["failure"] }] });
    assert!(compiled(&failed).is_of_sign_ins() && !compiled(&delete).is_of_sign_ins());
}

#[test]
fn conditions_read_as_sentences_do() {
    for (asked, words) in [
        (json!({ "field": "action", "in": ["delete"] }), "action is delete"),
        (
            json!({ "all": [
                { "field": "object.table", "starts_with": ["x_hr_", "sn_hr"] },
                { "not": { "field": "client.ip", "networks": ["10.0.0.0/8"] } },
                { "any": [{ "field": "time.hour", "at_least": 22 }, { "field": "time.hour", "at_most": 5 }] },
            ] }),
            "object.table begins with x_hr_ or sn_hr and client.ip is not in 10.0.0.0/8 and (time.hour is at least 22 or \
             time.hour is at most 5)",
        ),
        (json!({ "field": "domain", "in": ["a", "b", "c", "d"] }), "domain is a, b, c or another"),
        (json!({ "field": "domain", "in": ["a", "b", "c", "d", "e"] }), "domain is a, b, c or 2 others"),
        (json!({ "not": { "field": "domain", "is_set": true } }), "domain is absent"),
        (json!({ "not": { "any": [{ "field": "domain", "is_set": false }] } }), "not domain is absent"),
        (json!({ "field": "quantity.rows", "at_least": 5, "at_most": 9 }), "quantity.rows is from 5 to 9"),
    ] {
        assert_eq!(compiled(&asked).words(), words);
    }
    let long = json!({ "any": vec![json!({ "field": "domain", "in": ["é".repeat(100)] }); 9] });
    assert!(compiled(&long).words().len() <= 404 && compiled(&long).words().ends_with('…'));
}

/// What a condition says read as it is written, of all that is known at once.
fn naive(condition: &Condition, record: &Sketch, from: &FromWhere<'_>) -> Truth {
    let Condition { all, any, not, field: name, .. } = condition;
    match (all, any, not, name) {
        (Some(parts), ..) => parts.iter().fold(T, |truth, part| truth.and(naive(part, record, from))),
        (_, Some(parts), ..) => parts.iter().fold(F, |truth, part| truth.or(naive(part, record, from))),
        (_, _, Some(part), _) => naive(part, record, from).negated(),
        (_, _, _, Some(name)) => {
            let text = match (field(name), name.as_str()) {
                (Some(Field::Text(field)), "place.country") => from.text(field).map(str::to_owned),
                (Some(Field::Text(field)), _) => record.text(field).map(str::to_owned),
                _ => panic!("{name}"),
            };
            let wanted = condition.is_in.as_ref().unwrap()[0].to_string();
            text.map_or(U, |text| if text == wanted { T } else { F })
        }
        _ => panic!("{condition:?}"),
    }
}

fn any_condition() -> impl Strategy<Value = Value> {
    let names = ["action_raw", "domain", "object.table", "place.country", "place.country"];
    let leaf = (0..names.len(), any::<bool>()).prop_map(move |(name, is)| {
        let value = match (names[name], is) {
            ("place.country", true) => "SE",
            ("place.country", false) => "NG",
            (_, true) => "x",
            (_, false) => "y",
        };
        json!({ "field": names[name], "in": [value] })
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            parts.clone().prop_map(|parts| json!({ "all": parts })),
            parts.prop_map(|parts| json!({ "any": parts })),
            inner.prop_map(|part| json!({ "not": part })),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn asked_in_two_places_a_condition_says_what_it_says(
        asked in any_condition(),
        texts in [prop::option::of(any::<bool>()), prop::option::of(any::<bool>()), prop::option::of(any::<bool>())],
        place in prop_oneof![Just(None), Just(Some(1_u8)), Just(Some(2)), Just(Some(9))],
    ) {
        let mut fields = json!({});
        for (name, text) in ["action_raw", "domain", "object.table"].iter().zip(texts) {
            if let Some(is) = text {
                fields[*name] = json!(if is { "x" } else { "y" });
            }
        }
        let (record, networks) = (Sketch::new(&fields), Networks::default());
        let from = from(&networks, place);
        let condition = condition(&asked);
        // What takes too many bits is refused.
        if let Ok(conditions) = condition.compile() {
            let truth = naive(&condition, &record, &from);
            prop_assert_eq!(holds(&conditions, &record, &from), truth == T, "{} {:?}", asked, conditions);
            prop_assert!(conditions.bits() <= 1 + 2 * FACTS_MAX);
        }
    }
}

#[test]
fn a_record_of_which_nothing_is_asked_takes_no_bits() {
    let place = json!({ "field": "place.country", "in": ["SE"] });
    let record = json!({ "field": "domain", "in": ["x"] });
    for (asked, bits) in [
        (place.clone(), 0),
        (record.clone(), 1),
        (json!({ "all": [place, record, record] }), 1),
        (json!({ "any": [place, record, record] }), 2),
        (json!({ "all": [record, { "any": [place, record, { "not": record }] }] }), 3),
    ] {
        assert_eq!(compiled(&asked).bits(), bits, "{asked}");
    }
}
