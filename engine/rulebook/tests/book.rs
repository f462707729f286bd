//! Sets of rules: hashes, limits, warnings, changes, schema, and text that nobody meant as a rule.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the lints spare only functions marked as tests"
)]

use frostwatch_detect::rule::RULES_MAX;
use frostwatch_rulebook::limits::{FILE_BYTES_MAX, FILES_MAX};
use frostwatch_rulebook::{Effect, Rulebook, default_rules, schema};

const SHIPPED: &str = include_str!("../../../rules/failed_logins.yaml");

fn book(text: &str) -> Rulebook {
    Rulebook::parse(&[("rule.yaml", text)], Some(1_767_225_600_000)).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SHIPPED.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn hashes_follow_meaning_and_not_writing() {
    let shipped = book(SHIPPED);
    let same = [
        ("# Guessing", "# Other words about guessing"),
        ("quiet: 5m", "quiet: 300s"),
        ("severity: medium", "severity:    'medium'"),
    ];
    assert_eq!(book(&edited(&same)).hash, shipped.hash);
    for edit in [
        ("failures_max: 10", "failures_max: 11"),
        ("version: 2", "version: 3"),
        ("title: \"M", "title: \"m"),
        ("sensitivity: medium", "sensitivity: high"),
        ("exclude:", "exclude:\n    - users: [bo]"),
        ("exceptions: []", "exceptions: [{id: x, reason: r, owner: o, expires: 2027-01-01, covers: {users: [a]}}]"),
    ] {
        let other = book(&edited(&[edit]));
        assert_ne!(other.hash, shipped.hash, "{edit:?}");
        assert_ne!(other.rules[0].hash, shipped.rules[0].hash, "{edit:?}");
    }
    let travel = include_str!("../../../rules/impossible_travel.yaml");
    let off = |names| book(&travel.replacen("quiet: 24h", &format!("quiet: 24h\n  off: [{names}]"), 1)).hash;
    assert_ne!(off("same_device"), book(travel).hash);
    assert_eq!(off("same_device, learning"), off("learning, same_device"));
    let mut backwards = default_rules().to_vec();
    backwards.reverse();
    assert_eq!(Rulebook::parse(&backwards, None).unwrap(), Rulebook::parse(default_rules(), None).unwrap());
}

#[test]
fn a_disabled_rule_is_checked_and_left_out() {
    assert!(book(&edited(&[("enabled: true", "enabled: false")])).rules.is_empty());
    let broken = edited(&[("enabled: true", "enabled: false"), ("failures_max: 10", "failures_max: 0")]);
    assert_eq!(Rulebook::parse(&[("rule.yaml", &broken)], None).unwrap_err().len(), 1);
}

#[test]
fn limits_hold_at_their_edge() {
    let padded = |bytes: usize| format!("{SHIPPED}#{}", "x".repeat(bytes - SHIPPED.len() - 1));
    book(&padded(FILE_BYTES_MAX));
    let faults = Rulebook::parse(&[("big.yaml", &padded(FILE_BYTES_MAX + 1))], None).unwrap_err();
    assert!(faults[0].to_string().starts_with("big.yaml: the file has 262145 bytes"), "{}", faults[0]);

    let texts: Vec<String> =
        (0..=RULES_MAX).map(|index| edited(&[("id: failed_logins", &format!("id: r{index}"))])).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    assert_eq!(Rulebook::parse(&files[..RULES_MAX], None).unwrap().rules.len(), RULES_MAX);
    // A rule with sensitivities for some takes the bits of three.
    let some = |text: &String| {
        text.replace("sensitivity: medium", "sensitivity: {default: low, for: [{is: high, users: [a]}]}")
    };
    let scoped: Vec<String> = texts.iter().map(some).collect();
    let thirds: Vec<(&str, &str)> = scoped.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    assert_eq!(Rulebook::parse(&thirds[..RULES_MAX / 3], None).unwrap().rules.len(), RULES_MAX / 3);
    let faults = Rulebook::parse(&thirds[..=RULES_MAX / 3], None).unwrap_err();
    assert!(faults[0].message.contains("counts as 3; a set holds at most 128"), "{}", faults[0]);
    let faults = Rulebook::parse(&files, None).unwrap_err();
    assert!(faults[0].message.contains("129 rules are enabled"), "{}", faults[0]);
    assert!(
        Rulebook::parse(&vec![("x", ""); FILES_MAX + 1], None).unwrap_err()[0].message.contains("files in one set")
    );
}

#[test]
fn what_is_left_to_a_policy_that_is_not_there_is_a_warning() {
    let country = include_str!("../../../rules/infrequent_country.yaml");
    let tunnels = include_str!("../../../rules/anonymous_ip.yaml");
    let edit = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    for (country, others, warned) in [
        (country.to_owned(), vec![], true),
        (country.to_owned(), vec![tunnels.to_owned()], false),
        (country.to_owned(), vec![edit(tunnels, "enabled: true", "enabled: false")], true),
        (edit(country, "sensitivity: medium", "sensitivity: high"), vec![], false),
        (edit(country, "quiet: 7d", "quiet: 7d\n  off: [listed_tunnel]"), vec![], false),
    ] {
        let texts: Vec<String> = [country].into_iter().chain(others).collect();
        let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
        let warnings = Rulebook::parse(&files, None).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
        assert!(warnings.iter().all(|found| found.message.contains("leaves what it holds back to `anonymous_ip`")));
    }
}

#[test]
fn an_expired_exception_is_a_warning() {
    let with = |expires: &str| {
        let exception =
            format!("exceptions: [{{id: x, reason: r, owner: o, expires: {expires}, covers: {{users: [a]}}}}]");
        book(&edited(&[("exceptions: []", &exception)])).warnings
    };
    assert!(with("2026-01-01T00:00:01Z").is_empty());
    let warnings = with("2026-01-01");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].path, "exceptions[0].expires");
    assert!(warnings[0].line > 0);
}

#[test]
fn only_another_detector_or_id_takes_what_a_rule_has_learned() {
    let other_detector =
        include_str!("../../../rules/mass_download.yaml").replace("id: mass_download", "id: failed_logins");
    for (text, effects, says) in [
        (SHIPPED.to_owned(), vec![], ""),
        (edited(&[("# Guessing", "# Words")]), vec![], ""),
        (
            edited(&[("window_secs: 300", "window_secs: 200"), ("severity: medium", "severity: high")]),
            vec![Effect::StateKept],
            "failed_logins: window_secs 300 → 200, severity medium → high; what it has learned is kept.",
        ),
        (
            edited(&[("sensitivity: medium", "sensitivity: {default: low, for: [{is: high, users: [bo]}]}")]),
            vec![Effect::StateKept],
            "failed_logins: sensitivity medium → low, sensitivity of some edited; what",
        ),
        (edited(&[("*@snc", "*@vendor")]), vec![Effect::StateKept], "failed_logins: scope edited; what"),
        (
            edited(&[("    stuffing_networks_min: 5\n", "")]),
            vec![Effect::StateKept],
            "failed_logins: stuffing_networks_min 5 → nothing; what",
        ),
        (other_detector, vec![Effect::StateReset], "failed_logins: detector failed_logins → mass_download"),
        (
            edited(&[("id: failed_logins", "id: guessing")]),
            vec![Effect::Removed, Effect::Added],
            "failed_logins: removed",
        ),
        (
            edited(&[("enabled: true", "enabled: false")]),
            vec![Effect::Removed],
            "failed_logins: removed or switched off",
        ),
    ] {
        let changes = book(&text).change_from(&book(SHIPPED));
        assert_eq!(changes.iter().map(|change| change.effect).collect::<Vec<_>>(), effects, "{changes:?}");
        assert!(changes.first().is_none_or(|change| change.sentence.starts_with(says)), "{changes:?}");
    }
}

#[test]
fn the_schema_takes_what_the_rulebook_takes() {
    let [(name, text), (_, of_networks)] = &schema::all()[..] else { panic!("two schemas") };
    let (file, shipped) = default_rules().iter().find(|(file, _)| *file == "networks.yaml").unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(of_networks).unwrap()).unwrap();
    assert!(validator.is_valid(&serde_saphyr::from_str(shipped).unwrap()), "{file}");
    assert_eq!(*name, "rule.v1.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap();
    for (file, text) in default_rules().iter().filter(|(file, _)| *file != "networks.yaml") {
        let mut rule: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        // That the quiet time is no shorter than the window is more than a schema can say.
        rule["suppression"]["quiet"] = "90d".into();
        assert!(validator.is_valid(&rule), "{file}: {}", validator.iter_errors(&rule).next().unwrap());
        for edge in parameters(&rule) {
            let in_schema = validator.is_valid(&edge);
            let yaml = serde_json::to_string(&edge).unwrap();
            let in_book = match Rulebook::parse(&[("edge.yaml", &yaml)], None) {
                Ok(_) => true,
                // That one number is more than another is more than a schema can say.
                Err(faults) => faults.iter().all(|fault| fault.message.contains(" is not more than `")),
            };
            assert_eq!(in_schema, in_book, "{file}: {}", edge["detector"]);
        }
    }
}

/// The rule with each of its parameters removed, renamed, set to other types, and moved over every bound by one.
fn parameters(rule: &serde_json::Value) -> Vec<serde_json::Value> {
    let names: Vec<String> = rule["detector"]["params"].as_object().unwrap().keys().cloned().collect();
    let bounds = [0_u64, 1, 10, 59, 60, 90, 99, 100, 365, 1_000, 3_600, 5_000, 20_000, 86_400, 100_000, 604_800];
    let mut cases = Vec::new();
    for name in names {
        let set = |value: serde_json::Value| {
            let mut rule = rule.clone();
            rule["detector"]["params"][&name] = value;
            rule
        };
        let mut without = rule.clone();
        let value = without["detector"]["params"].as_object_mut().unwrap().remove(&name).unwrap();
        let mut renamed = without.clone();
        renamed["detector"]["params"][format!("{name}_")] = value;
        cases.extend([
            without,
            renamed,
            set("10".into()),
            set(serde_json::Value::Null),
            set(true.into()),
            set(10.5.into()),
        ]);
        cases.extend(bounds.iter().flat_map(|bound| [set((*bound).into()), set((bound + 1).into())]));
        cases.push(set((-1).into()));
    }
    cases
}

#[test]
fn no_mutation_of_a_rule_panics() {
    // SplitMix64 (Steele, Lea, Flood 2014): the same mutations in every run.
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    };
    let pieces =
        ["[", "]", "{", "}", ": ", "- ", "\n", "&a ", "*a", "!!int ", "\"", "'", "|", "~", "é", "\u{0}", "9e999", "\t"];
    let mut refused = 0;
    for round in 0..3_000 {
        let mut text: Vec<char> = default_rules()[round % 7].1.chars().collect();
        for _ in 0..=random(4) {
            let at = random(text.len());
            match random(3) {
                0 => drop(text.drain(at..(at + 1 + random(30)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[random(pieces.len())].chars())),
                _ => text[at] = char::from(32 + random(95) as u8),
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(faults) = Rulebook::parse(&[("mutant.yaml", &text)], None) {
            assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
            refused += 1;
        }
    }
    assert!((500..3_000).contains(&refused), "{refused} refused: the mutations are too tame or too wild");
}
