use frostwatch_rulebook::default_rules;

use super::*;

const BLOCK: &str = "  - id: ana\n    reason: \"r\"\n    owner: \"o\"\n    expires: \"2027-01-01T00:00:00Z\"\n    covers:\n      users: [\"ana\"]\n";

/// A shipped rule with the item put in, which must be a rule still.
fn edited(from: &str, to: &str) -> anyhow::Result<Vec<String>> {
    let (_, text) = default_rules()[0];
    assert!(text.contains(from), "{text}");
    let edited = insert(&text.replacen(from, to, 1), BLOCK)?;
    let book = Rulebook::parse(&[("a.yaml", &edited)], None).unwrap();
    Ok(book.rules[0].exceptions.iter().map(|exception| exception.id.clone()).collect())
}

#[test]
fn an_exception_comes_last_in_the_list_wherever_that_ends() {
    let other = "  - id: other\n    reason: r\n    owner: o\n    expires: 2030-01-01\n    covers: { users: [bob] }\n";
    for (to, wanted) in [
        ("exceptions: []\n".to_owned(), vec!["ana"]),
        ("exceptions: [] # none yet\n".to_owned(), vec!["ana"]),
        (format!("exceptions:\n{other}"), vec!["other", "ana"]),
        (format!("exceptions: # some\n  # the first\n{other}\n\n# of the next field\n"), vec!["other", "ana"]),
    ] {
        assert_eq!(edited("exceptions: []\n", &to).unwrap(), wanted, "{to}");
    }
}

#[test]
fn a_list_of_another_shape_is_left_to_people() {
    let faults = [
        ("exceptions: [{ id: a }]\n", "stands on one line"),
        ("exceptions:\n- id: other\n", "not indented"),
        ("exceptions:\n    - id: other\n", "not indented"),
        ("# none\n", "no line begins"),
    ];
    for (to, wanted) in faults {
        let fault = edited("exceptions: []\n", to).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{fault}");
    }
}

#[test]
fn ids_are_free_and_well_formed() {
    assert_eq!(free_id("Marco.Costa", &[]), "marco_costa");
    assert_eq!(free_id("@10.0.0.1", &[]), "user__10_0_0_1");
    assert_eq!(free_id("ana", &["ana".to_owned(), "ana_2".to_owned()]), "ana_3");
    assert!(free_id(&"x".repeat(200), &[]).len() <= 64);
}

#[test]
fn lives_are_days_or_weeks_of_a_year_at_most() {
    assert_eq!((days("30d"), days("4w")), (Ok(30), Ok(28)));
    for text in ["", "d", "30", "30h", "0d", "367d", "-1d", "99999999999999999999w"] {
        assert!(days(text).is_err(), "{text}");
    }
}

#[test]
fn an_alert_of_the_golden_records_becomes_an_exception_that_the_rules_take() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/alert");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let Ok(alert) = last_alert(line) else { continue };
            let expires = DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap().to_utc();
            let wanted = Wanted { alert: &alert, reason: "it's \"known\": #1", owner: "ana: - id: x", expires };
            if alert.policy == "incident" {
                let fault = wanted.block(&[], false).unwrap_err().to_string();
                assert!(fault.contains("among its parts"), "{fault}");
                continue;
            }
            let (id, block) = wanted.block(&[], false).unwrap();
            let files: Vec<(String, String)> =
                default_rules().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            let (name, text) = file_of(&files, &alert.rule.id).unwrap();
            let edited = insert(text, &block).unwrap();
            check(&files, name, &edited, &alert.rule.id, &id).unwrap();
            tried += 1;
        }
    }
    assert!(tried > 0);
}
