//! Policies of one's own: the templates that ship, what documents say of them, and who is asked about which record.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the lints spare only functions marked as tests")]

use std::borrow::Cow;
use std::cell::Cell;

use frostwatch_detect::condition::{
    FlagField, ListField, NumberField, Record, TextField, WordField, field_names, word_of,
};
use frostwatch_detect::event::Address;
use frostwatch_detect::model::{AccountKind, Action};
use frostwatch_rulebook::limits::FILES_MAX;
use frostwatch_rulebook::{CompiledRules, Rulebook, Subject, default_rules, policy_templates, schema};

const DOCS: &str = include_str!("../../../docs/policies.md");

fn shipped() -> &'static str {
    default_rules().iter().find(|(file, _)| *file == "activity_policy.yaml").unwrap().1
}

/// The shipped policy with another filter, under an id.
fn policy(id: &str, condition: &str) -> String {
    let text = shipped().replace("\nid: activity_policy\n", &format!("\nid: {id}\n"));
    let (before, after) = text.split_once("      all:\n").unwrap();
    let (_, after) = after.split_once("    # A list lets").unwrap();
    format!("{before}      all:\n        - {condition}\n    # A list lets{after}")
}

fn book(texts: &[String]) -> Rulebook {
    let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    Rulebook::parse(&files, None).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

#[test]
fn every_template_holds_is_off_and_fits_the_schema() {
    let (_, text) = schema::all().into_iter().find(|(name, _)| *name == "rule.v1.json").unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    for (file, text) in policy_templates() {
        let id = file.strip_suffix(".yaml").unwrap();
        assert!(book(&[(*text).to_owned()]).rules.is_empty(), "{file} is on");
        let on = book(&[text.replace("enabled: false", "enabled: true")]);
        assert_eq!((on.rules[0].id.as_str(), on.rules[0].params.detector()), (id, "activity_policy"));
        let rule: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert!(validator.is_valid(&rule), "{file}: {}", validator.iter_errors(&rule).next().unwrap());
        assert!(DOCS.contains(&format!("`{id}`")), "{file} is not in docs/policies.md");
    }
}

#[test]
fn the_document_names_every_field_and_its_example_holds() {
    for field in field_names() {
        assert!(DOCS.contains(&format!("`{field}`")), "docs/policies.md does not name {field}");
    }
    let (_, after) = DOCS.split_once("```yaml\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    assert_eq!(book(&[example.to_owned()]).rules[0].id, "personnel_files_deleted");
}

#[test]
fn a_filter_comes_back_from_the_content_of_a_set() {
    let conditions = [
        "{ field: object.table, starts_with: [x_hr_, sn_hr] }",
        "{ any: [{ not: { field: place.country, in: [SE, NG] } }, { field: quantity.rows, at_least: 5, at_most: 9 }] }",
        "{ all: [{ field: auth.mfa, in: [false] }, { field: client.ip, networks: [10.0.0.0/8, '2001:db8::1'] }] }",
        "{ all: [{ field: network.asn, in: [7, 8] }, { field: domain, is_set: false }] }",
    ];
    let texts: Vec<String> =
        conditions.iter().enumerate().map(|(index, condition)| policy(&format!("p{index}"), condition)).collect();
    let book = book(&texts);
    let back = Rulebook::from_content(&book.to_content()).unwrap();
    assert_eq!(back, book);
    let of_order = |condition: &str| self::book(&[policy("p", condition)]).hash;
    assert_ne!(of_order("{ field: domain, in: [a] }"), of_order("{ field: domain, in: [b] }"));
}

#[test]
fn a_tag_that_no_network_has_is_a_warning() {
    let asks = policy("p", "{ not: { field: network.tag, in: [corporate, vpn, none] } }");
    let networks = |tag: &str| {
        format!(
            "schema: networks.v1\nnetworks: [{{ tag: {tag}, name: n, networks: [203.0.113.0/24], asns: [] }}]\n\
             usual: {{ countries: [], asns: [] }}\n"
        )
    };
    for (set, warned) in [
        (vec![asks.clone()], Some("`network.tag` corporate, vpn, and")),
        (vec![asks.clone(), networks("vpn")], Some("`network.tag` corporate, and")),
        (vec![policy("p", "{ field: network.tag, in: [vpn] }"), networks("vpn")], None),
    ] {
        let warnings = book(&set).warnings;
        assert_eq!(warnings.len(), usize::from(warned.is_some()), "{warnings:?}");
        assert!(warned.is_none_or(|warned| warnings[0].message.contains(warned)), "{warnings:?}");
    }
}

#[test]
fn rules_of_filters_take_their_bits_and_no_more() {
    let plain: Vec<String> =
        (0..FILES_MAX.min(65)).map(|index| policy(&format!("p{index}"), "{ field: domain, in: [x] }")).collect();
    assert_eq!(book(&plain[..64]).rules.len(), 64);
    let files: Vec<(&str, &str)> = plain.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    let faults = Rulebook::parse(&files, None).unwrap_err();
    assert!(faults[0].message.contains("a rule with a filter counts as 2; a set holds at most 128"), "{}", faults[0]);
    let of_place: Vec<String> =
        (0..128).map(|index| policy(&format!("p{index}"), "{ field: place.country, in: [SE] }")).collect();
    assert_eq!(book(&of_place).rules.len(), 128);
}

/// A record of an action that counts how often it is asked.
struct Counting {
    action: Action,
    asked: Cell<usize>,
}

impl Record for Counting {
    fn words(&self, field: WordField) -> Option<u64> {
        (field == WordField::Action).then_some(word_of(self.action as usize))
    }

    fn text(&self, field: TextField) -> Option<&str> {
        self.asked.set(self.asked.get() + 1);
        (field == TextField::ObjectTable).then_some("incident")
    }

    fn texts(&self, _: ListField) -> Option<&[Cow<'_, str>]> {
        None
    }

    fn number(&self, _: NumberField) -> Option<u64> {
        None
    }

    fn flag(&self, _: FlagField) -> Option<bool> {
        None
    }

    fn address(&self) -> Option<Address> {
        None
    }
}

#[test]
fn only_rules_that_the_action_may_fulfil_and_that_take_the_event_are_asked() {
    let of = |id: &str, action: &str| {
        policy(
            id,
            &format!("{{ all: [{{ field: action, in: [{action}] }}, {{ field: object.table, in: [incident] }}] }}"),
        )
    };
    let placed = of("placed", "delete").replace("  include: []", "  include: [{ countries: [SE] }]");
    let book = book(&[of("a", "delete"), of("b", "view"), of("c", "delete"), placed]);
    let rules = CompiledRules::new(&book);
    assert!(rules.asks_records() && !CompiledRules::new(&Rulebook::parse(&[], None).unwrap()).asks_records());
    // Of four rules the bits of the answers come next. What cannot fulfil a rule is none for it, but where the rule asks for
    // a place: the record may answer for its session.
    for (action, taking, asked, bits) in [
        (Action::Delete, 0b1111, 3, 0b1101_1101),
        (Action::Delete, 0b0011, 2, 0b1001_0001),
        (Action::View, 0b1111, 1, 0b0010_1010),
        (Action::Export, 0b1111, 0, 0b1000),
        (Action::Delete, 0, 1, 0b1000_0000),
    ] {
        let record = Counting { action, asked: Cell::new(0) };
        assert_eq!(rules.asked(action, &record, taking), bits, "{action:?} {taking:b}");
        assert_eq!(record.asked.get(), asked, "{action:?} {taking:b}");
    }
}

#[test]
fn exceptions_of_rules_that_the_action_cannot_fulfil_leave_room_for_those_it_may() {
    const NOW: i64 = 1_772_442_000_000;
    let excepted =
        "exceptions:\n  - { id: jobs, reason: nightly, owner: ops, expires: 2099-01-01, covers: { users: [svc] } }";
    let of = |(id, action): (&str, &str)| {
        policy(id, &format!("{{ field: action, in: [{action}] }}")).replace("exceptions: []", excepted)
    };
    let rules = [("a", "delete"), ("b", "view"), ("c", "export"), ("d", "login"), ("e", "update")];
    let book = book(&rules.map(of));
    let compiled = CompiledRules::new(&book);
    let kind = AccountKind::Employee;
    let subject = Subject { user: "svc", groups: &[], kind, address: None, country: None };
    for (index, action) in
        [Action::Delete, Action::View, Action::Export, Action::Login, Action::Update].iter().enumerate()
    {
        let admission = compiled.admit_as(*action, &subject, NOW);
        assert_eq!(admission.exceptions_dropped, 1, "one more than there is room for");
        assert!(admission.exceptions.contains(&(index as u16)) && admission.exceptions.is_sorted(), "{action:?}");
    }
}
