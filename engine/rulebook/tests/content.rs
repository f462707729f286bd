//! Rules by content: what is written comes back as the same rules under the same hash, and what was tampered with does
//! not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the lints spare only functions marked as tests")]

use std::fs;
use std::path::Path;

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::rule::RULES_MAX;
use frostwatch_rulebook::limits::CONTENT_BYTES_MAX;
use frostwatch_rulebook::{Rulebook, default_rules};

/// The shipped rule about failed sign-ins with this scope and these exceptions, and an id.
fn rule(id: &str, scope: &str, exceptions: &str) -> String {
    let (_, shipped) = default_rules()[2];
    let (head, rest) = shipped.split_once("\nscope:").unwrap();
    let (_, tail) = rest.split_once("\nsensitivity:").unwrap();
    let text = format!("{head}\nscope: {scope}\nexceptions: {exceptions}\nsensitivity:{tail}");
    text.replacen("id: failed_logins", &format!("id: {id}"), 1)
}

fn book(texts: &[String]) -> Rulebook {
    let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
    Rulebook::parse(&files, None).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

#[track_caller]
fn comes_back(book: &Rulebook) {
    let content = book.to_content();
    let back = Rulebook::from_content(&content).unwrap();
    assert_eq!((&back.rules, &back.hash), (&book.rules, &book.hash));
    assert_eq!(back.to_content(), content);
    assert!(content.len() <= CONTENT_BYTES_MAX);
}

#[test]
fn the_shipped_rules_come_back() {
    let book = Rulebook::parse(default_rules(), None).unwrap();
    comes_back(&book);
    for file in default_rules() {
        comes_back(&Rulebook::parse(&[*file], None).unwrap());
    }
    comes_back(&Rulebook::parse(&[], None).unwrap());
}

#[test]
fn every_scope_exception_text_and_number_comes_back() {
    let everything = "{users: [ANA, 'b\\*o?'], groups: ['åäö \"quoted\" \u{2028}x'], kinds: [employee, unknown], \
                      networks: [10.0.0.0/8, '2001:db8::1', 192.0.2.1-192.0.2.9, '::/0'], countries: [SE, 'NO']}";
    let exception = |id: &str| {
        format!(
            "{{id: {id}, reason: 'é \u{1f600} \\ /', owner: o, expires: 2027-03-31T12:00:00.250+01:00, covers: {everything}}}"
        )
    };
    let announced = exception("announced").replace("expires: ", "from: 2027-03-01, expires: ");
    comes_back(&book(&[
        rule("b", &format!("{{include: [{everything}], exclude: [{{kinds: [guest]}}, {{users: [eve]}}]}}"), "[]"),
        rule("a", "{include: [], exclude: []}", &format!("[{}, {}, {}]", exception("z"), exception("a"), announced)),
    ]));
    let (_, country) = default_rules().iter().find(|(file, _)| *file == "infrequent_country.yaml").unwrap();
    let off = |names| country.replacen("quiet: 7d", &format!("quiet: 7d\n  off: [{names}]"), 1);
    comes_back(&book(&[off("learning")]));
    let some = "sensitivity: {default: low, for: [{is: high, groups: [Admins, 'b*']}, {is: medium, users: [bo], kinds: [guest]}]}";
    comes_back(&book(&[country.replacen("sensitivity: medium", some, 1)]));
    // Numbers that need all of their digits.
    for weight in
        ["0.1", "0.30000000000000004", "1.0000000000000002", "99.99999999999999", "0.012345678901234567", "33"]
    {
        let book = book(&[country.replacen("known_weight_min: 0.5", &format!("known_weight_min: {weight}"), 1)]);
        let Params::InfrequentCountry(params) = &book.rules[0].params else { panic!("another detector") };
        assert_eq!(params.known_weight_min.to_bits(), weight.parse::<f64>().unwrap().to_bits());
        comes_back(&book);
    }
}

/// Siblings of the broken rules: each is mended by what the shipped rule has, as far as that mends it.
#[test]
fn whatever_can_be_read_comes_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad/rules");
    let (mut mended, (_, shipped)) = (0, default_rules()[2]);
    for entry in fs::read_dir(folder).unwrap() {
        let broken = fs::read_to_string(entry.unwrap().path()).unwrap();
        for from in broken.lines() {
            let key = from.split(':').next().unwrap_or_default();
            let Some(good) =
                shipped.lines().find(|line| !key.trim().is_empty() && line.starts_with(&format!("{key}:")))
            else {
                continue;
            };
            let text = broken.replacen(from, good, 1);
            if let Ok(book) = Rulebook::parse(&[("mended.yaml", &text)], None) {
                comes_back(&book);
                mended += 1;
            }
        }
    }
    assert!(mended >= 10, "{mended}");
}

#[test]
fn what_was_tampered_with_is_refused_or_has_another_hash() {
    let everything = "{users: [ana], networks: [10.0.0.0/8], countries: [SE], kinds: [guest]}";
    let book = book(&[
        rule("a", &format!("{{include: [{everything}], exclude: []}}"), "[]"),
        rule(
            "b",
            "{include: [], exclude: []}",
            &format!("[{{id: x, reason: r, owner: o, from: 2026-12-01, expires: 2027-01-01, covers: {everything}}}]"),
        ),
    ]);
    let content = book.to_content();
    for (from, to, says) in [
        ("\"id\":\"a\"", "\"id\":\"b\"", "order of their ids"),
        ("\"id\":\"a\"", "\"id\":\"c\"", "order of their ids"),
        ("\"failures_max\":10", "\"failures_max\":0", "line 1: a: failures_max: 0 is outside"),
        ("\"failures_max\":10", "\"failures_max\":10,\"more\":1", "unknown field"),
        ("\"severity\":3", "\"severity\":6", "severity is outside"),
        ("\"confidence\":70", "\"confidence\":101", "confidence outside"),
        ("\"sensitivity\":\"Medium\"", "\"sensitivity\":\"medium\"", "no sensitivity is called"),
        ("\"quiet_secs\":300", "\"quiet_secs\":300,\"sensitivity_for\":[[\"High\",{}]]", "missing field"),
        ("[\"guest\"]", "[\"visitor\"]", "no kind of account is called"),
        ("[\"SE\"]", "[\"S\"]", "is no country"),
        ("ffff0a000000-", "ffff0affffff0-", "no range of addresses"),
        ("\"quiet_secs\"", "\"loud_secs\"", "unknown field"),
        ("\"quiet_secs\":300", "\"quiet_secs\":300,\"off\":\"learning\"", "invalid type"),
        ("\"exceptions_from\":[[0,", "\"exceptions_from\":[[1,", "there is no exception 1"),
        ("\"title\"", "\"title\":\"x\",\"title\"", "duplicate field"),
        ("\n", "", "trailing characters"),
        ("{", "", "line 1"),
    ] {
        let text = content.replacen(from, to, 1);
        assert_ne!(text, content, "{from}");
        let fault = Rulebook::from_content(&text).unwrap_err().to_string();
        assert!(fault.contains(says), "{from}: {fault}");
    }
    let edited = Rulebook::from_content(&content.replacen("\"failures_max\":10", "\"failures_max\":11", 1)).unwrap();
    assert_ne!(edited.hash, book.hash);
    let spaced = Rulebook::from_content(&content.replacen("{\"id\"", "{ \"id\" ", 1)).unwrap();
    assert_eq!(spaced.hash, book.hash, "the hash is over the meaning");
}

#[test]
fn a_set_is_as_large_as_a_record_may_be() {
    // Distinct names of 100 characters, many a rule.
    let texts = |rules: usize, names: usize| -> Vec<String> {
        let list: Vec<String> = (0..names).map(|index| format!("{index:0>100}")).collect();
        let scope = format!("{{include: [{{users: ['{}']}}], exclude: []}}", list.join("', '"));
        (0..rules).map(|index| rule(&format!("r{index:03}"), &scope, "[]")).collect()
    };
    let parsed = |texts: &[String]| {
        let files: Vec<(&str, &str)> = texts.iter().map(|text| ("rule.yaml", text.as_str())).collect();
        Rulebook::parse(&files, None)
    };
    comes_back(&parsed(&texts(40, 1_000)).unwrap());
    let faults = parsed(&texts(41, 1_000)).unwrap_err();
    assert!(faults[0].to_string().contains("bytes of rules in one set; at most 4194304"), "{}", faults[0]);
    let most = parsed(&texts(RULES_MAX, 1)).unwrap();
    comes_back(&most);
    let more = format!("{}{}", most.to_content(), most.to_content().lines().last().unwrap().replace("r127", "r128"));
    assert!(Rulebook::from_content(&more).unwrap_err().message.contains("129 rules"));
    assert!(
        Rulebook::from_content(&" ".repeat(CONTENT_BYTES_MAX + 1)).unwrap_err().message.contains("at most 4194304")
    );
}

#[test]
fn rules_that_were_kept_before_a_parameter_are_read_and_keep_their_hash() {
    // As the first release wrote it.
    let old = r#"{"id":"failed_logins","version":1,"detector":{"kind":"failed_logins","params":{"failures_max":10,"window_secs":300,"success_within_secs":900}},"severity":3,"confidence":70,"title":"Multiple failed login attempts: {user}","runbook_url":"https://example.org/","recommended_actions":["See whether a success follows."],"attack":[["TA0006","T1110.001"]],"include":[],"exclude":[],"exceptions":[],"sensitivity":"Medium","quiet_secs":300}
"#;
    let book = Rulebook::from_content(old).unwrap();
    assert_eq!(book.to_content(), old);
    let Params::FailedLogins(params) = &book.rules[0].params else { panic!("another detector") };
    assert_eq!((params.baseline_window_secs, params.rhythm_intervals), (0, 0), "what is newer is off");
}
