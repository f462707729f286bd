//! Raw rows of `ServiceNow`: what is made of them is activity that is accepted, the same each time, and told in few words.
//! The first byte chooses the table.
#![no_main]

use std::sync::OnceLock;

use frostwatch_fuzz::bounded;
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::normalise::config::NormaliseConfig;
use frostwatch_wire::normalise::{Normalised, Normaliser, REJECTED_ROWS_MAX, Table};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fn normaliser() -> &'static Normaliser {
    static NORMALISER: OnceLock<Normaliser> = OnceLock::new();
    NORMALISER.get_or_init(|| {
        let config = NormaliseConfig {
            connector_users: vec!["svc.frostwatch".to_owned()],
            ..NormaliseConfig::for_instance("acme")
        };
        Normaliser::new(config).expect("a sound configuration")
    })
}

fn made_of(table: Option<Table>, value: &[u8]) -> Vec<Normalised> {
    let mut made = Vec::new();
    match table {
        Some(table) => normaliser().row(table, value, &mut |one| made.push(one)),
        None => normaliser().line(value, &mut |one| made.push(one)),
    }
    made
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, value)) = bytes.split_first() else { return };
    let table = Table::ALL.get(usize::from(*choice) % (Table::ALL.len() + 1)).copied();
    let made = bounded((1 << 20) + 1_024 * value.len(), || made_of(table, value));
    assert_eq!(made, made_of(table, value), "the same row gives the same records");
    for one in &made {
        match one {
            Normalised::Activity { key, .. } => {
                let record = one.to_bytes().expect("a record is JSON");
                let activity = decode(&record).unwrap_or_else(|reject| panic!("{reject}"));
                assert_eq!(activity.instance, "acme");
                assert!(key.starts_with("acme|"), "{key}");
            }
            Normalised::Noise { why } | Normalised::Secret { why } => assert!(!why.is_empty()),
            Normalised::Reject(rejected) => {
                assert!(rejected.rows.len() <= REJECTED_ROWS_MAX && rejected.rows.len() <= rejected.count);
                assert!(rejected.count + rejected.unread > 0);
                assert!(!rejected.to_string().contains('\n'), "{rejected}");
            }
        }
    }
    let rejects = made.iter().filter(|one| matches!(one, Normalised::Reject(_))).count();
    assert!(rejects <= 1, "one reject for a value");
    // Some serializers put five bytes before the JSON.
    let json = if value.first() == Some(&0) { value.get(5..).unwrap_or(value) } else { value };
    if serde_json::from_slice::<&RawValue>(json).is_err() {
        let kept = |one: &Normalised| matches!(one, Normalised::Reject(rejected) if rejected.keep_raw);
        assert!(!made.iter().any(kept), "what cannot be read cannot be known to hold no secret");
    }
});
