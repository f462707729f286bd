//! Whom rules watch and what exceptions cover.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the lints spare only functions marked as tests"
)]

use std::borrow::Cow;

use frostwatch_detect::model::AccountKind;
use frostwatch_detect::place::Country;
use frostwatch_rulebook::{CompiledRules, Rulebook, Subject, default_rules};

const NOW: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;

/// A rule `name` with this scope and these exceptions, both in flow style.
fn rule(name: &str, scope: &str, exceptions: &str) -> String {
    let shipped = default_rules()[2].1;
    let start = shipped.find("scope:").unwrap();
    let end = shipped.find("sensitivity:").unwrap();
    let text = format!("{}scope: {scope}\nexceptions: {exceptions}\n{}", &shipped[..start], &shipped[end..]);
    text.replace("id: failed_logins", &format!("id: {name}"))
}

fn compiled(texts: &[String]) -> CompiledRules {
    let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    CompiledRules::new(&Rulebook::parse(&files, None).unwrap_or_else(|faults| panic!("{}", faults[0])))
}

fn address(text: &str) -> Option<u128> {
    text.parse().ok().map(|address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    })
}

fn ana<'a>(groups: &'a [Cow<'a, str>]) -> Subject<'a> {
    let country = Country::new("SE");
    Subject { user: "ana.lind", groups, kind: AccountKind::Employee, address: address("10.1.2.3"), country }
}

#[test]
fn scopes_take_what_include_selects_and_exclude_does_not() {
    let groups = [Cow::Borrowed("staff"), Cow::Borrowed("finance_se")];
    let nobody = Subject { user: "", groups: &[], kind: AccountKind::Unknown, address: None, country: None };
    for (scope, takes_ana, takes_nobody) in [
        ("{include: [], exclude: []}", true, true),
        ("{include: [{users: [Ana.Lind]}], exclude: []}", true, false),
        ("{include: [{users: ['ana.*']}], exclude: []}", true, false),
        ("{include: [{users: ['*']}], exclude: []}", true, false),
        ("{include: [{users: [bo]}], exclude: []}", false, false),
        ("{include: [{users: [bo]}, {groups: ['finance_*']}], exclude: []}", true, false),
        ("{include: [{users: [ana.lind], groups: [it]}], exclude: []}", false, false),
        ("{include: [{kinds: [employee, guest]}], exclude: []}", true, false),
        ("{include: [{kinds: [unknown]}], exclude: []}", false, true),
        ("{include: [{networks: [10.0.0.0/8]}], exclude: []}", true, false),
        ("{include: [{networks: [10.1.2.4-10.1.9.9, 10.1.2.0-10.1.2.2, '2001:db8::/64']}], exclude: []}", false, false),
        ("{include: [{networks: [10.0.0.0/8, 10.1.0.0/16, 9.0.0.0/8]}], exclude: []}", true, false),
        ("{include: [{countries: ['NO', SE]}], exclude: []}", true, false),
        ("{include: [], exclude: [{countries: [SE]}]}", false, true),
        ("{include: [], exclude: [{networks: [10.1.2.3]}]}", false, true),
        ("{include: [], exclude: [{groups: [staff], users: [bo]}]}", true, true),
        ("{include: [{groups: [staff]}], exclude: [{users: ['ana*']}]}", false, false),
    ] {
        let rules = compiled(&[rule("one", scope, "[]")]);
        assert_eq!(rules.admit(&ana(&groups), NOW).rules, u128::from(takes_ana), "{scope}");
        assert_eq!(rules.admit(&nobody, NOW).rules, u128::from(takes_nobody), "{scope}, nothing known");
    }
}

#[test]
fn the_bit_is_the_place_in_the_order_of_ids() {
    let everybody = "{include: [], exclude: []}";
    let bo = "{include: [{users: [bo]}], exclude: []}";
    let rules = compiled(&[rule("c", everybody, "[]"), rule("a", everybody, "[]"), rule("b", bo, "[]")]);
    assert_eq!(rules.admit(&ana(&[]), NOW).rules, 0b101);
    assert_eq!(rules.admit(&Subject { user: "bo", ..ana(&[]) }, NOW).rules, 0b111);
}

fn exception(id: &str, covers: &str) -> String {
    format!("{{id: {id}, reason: r, owner: o, expires: 2026-01-01, covers: {covers}}}")
}

#[test]
fn exceptions_cover_until_they_expire_and_one_a_rule_is_enough() {
    let everybody = "{include: [], exclude: []}";
    let several = [
        exception("other", "{users: [bo]}"),
        exception("wild", "{users: ['a*']}"),
        exception("plain", "{users: [ana.lind, cy]}"),
    ];
    let rules = compiled(&[rule("one", everybody, &format!("[{}]", several.join(", ")))]);
    assert_eq!(rules.exceptions().len(), 3);
    assert_eq!(rules.admit(&ana(&[]), NOW - 1).exceptions.as_slice(), [1]);
    assert_eq!(rules.admit(&Subject { user: "cy", ..ana(&[]) }, NOW - 1).exceptions.as_slice(), [2]);
    assert!(rules.admit(&ana(&[]), NOW).exceptions.is_empty());
}

#[test]
fn an_exception_that_begins_covers_from_then_on_and_leaves_the_rule_to_others_before() {
    let everybody = "{include: [], exclude: []}";
    let announced = exception("announced", "{users: [ana.lind]}")
        .replace("expires: 2026-01-01", "from: 2025-12-31T22:00:00Z, expires: 2025-12-31T23:00:00Z");
    let rest = exception("rest", "{users: ['ana.*']}");
    let rules = compiled(&[rule("one", everybody, &format!("[{announced}, {rest}]"))]);
    for (at, covered) in [
        (NOW - 2 * HOUR - 1, [1].as_slice()),
        (NOW - 2 * HOUR, &[0]),
        (NOW - HOUR - 1, &[0]),
        (NOW - HOUR, &[1]),
        (NOW, &[]),
    ] {
        assert_eq!(rules.admit(&ana(&[]), at).exceptions.as_slice(), covered, "{at}");
    }
}

#[test]
fn at_most_four_exceptions_are_named_and_the_rest_is_counted() {
    let everybody = "{include: [], exclude: []}";
    let not_ana = "{include: [], exclude: [{users: [ana.lind]}]}";
    for (watching, named, dropped) in [(4, 4, 0), (5, 4, 1), (6, 4, 2)] {
        let mut texts = vec![rule("a_not_watching", not_ana, &format!("[{}]", exception("x", "{users: [ana.lind]}")))];
        for index in 0..watching {
            let covers = if index % 2 == 0 { "{users: [ana.lind]}" } else { "{countries: [SE]}" };
            texts.push(rule(&format!("b{index}"), everybody, &format!("[{}]", exception("x", covers))));
        }
        let admission = compiled(&texts).admit(&ana(&[]), NOW - 1);
        assert_eq!((admission.exceptions.len(), admission.exceptions_dropped), (named, dropped), "{watching}");
        assert_eq!(admission.exceptions.as_slice(), [1, 2, 3, 4]);
    }
}

#[test]
fn sensitivities_stand_behind_the_rules_and_the_first_that_selects_counts() {
    let groups = [Cow::Borrowed("staff"), Cow::Borrowed("admins")];
    let text = |name: &str, some: &str| {
        let plain = rule(name, "{include: [], exclude: []}", "[]");
        plain.replace("sensitivity: medium", &format!("sensitivity: {{default: medium, for: [{some}]}}"))
    };
    for (some, bits) in [
        ("{is: low, users: [bo]}", 0),
        ("{is: low, users: ['ana.*']}", 0b01),
        ("{is: medium, groups: [admins]}", 0b10),
        ("{is: high, kinds: [employee]}, {is: low, users: [ana.lind]}", 0b11),
        ("{is: high, kinds: [guest]}, {is: low, users: [ana.lind]}", 0b01),
        ("{is: high, kinds: [guest], users: [ana.lind]}", 0),
    ] {
        let plain = rule("b", "{include: [], exclude: []}", "[]");
        let rules = compiled(&[text("a", some), plain, text("c", "{is: high, users: [ana.lind]}")]);
        // Three rules, then two bits for each of the two that have sensitivities of their own.
        assert_eq!(rules.admit(&ana(&groups), NOW).rules, 0b111 | bits << 3 | 0b11 << 5, "{some}");
    }
}
