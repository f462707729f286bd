//! An exception made of an alert, put into a rule's text: refused, or the rule with that exception and nothing else
//! changed. The text and the alert are parted by a zero byte.
#![no_main]

use chrono::DateTime;
use frostwatch_cli::fuzzing::except;
use frostwatch_rulebook::Rulebook;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((rule, alert)) = text.split_once('\0') else { return };
    let expires = DateTime::from_timestamp(1_798_761_600, 0).expect("2027-01-01");
    let Ok((id, edited)) = except(rule, alert, expires, rule.len() % 2 == 0) else { return };
    let parsed = |text: &str| Rulebook::parse(&[("rule.yaml", text)], None).expect("checked before");
    let (before, mut after) = (parsed(rule), parsed(&edited));
    for (before, after) in before.rules.iter().zip(&mut after.rules) {
        let added = after.exceptions.pop().expect("the exception that was added");
        assert_eq!((added.id, added.expires_at), (id.clone(), expires.timestamp_millis()));
        after.hash.clone_from(&before.hash);
    }
    assert_eq!(after.rules, before.rules);
    let kept = |line: &&str| !line.starts_with("exceptions:");
    assert!(rule.lines().filter(kept).all(|line| edited.lines().any(|other| other == line)), "a line is gone");
});
