//! alert.v1 as it is read back: what is read is written and read again as it was.
#![no_main]

use frostwatch_fuzz::bounded;
use frostwatch_wire::alert::{AlertRecord, NOT_CANONICAL, canonical};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let alert = bounded((256 << 10) + 64 * bytes.len(), || serde_json::from_slice::<AlertRecord>(bytes));
    let Ok(alert) = alert else { return };
    let written = serde_json::to_vec(&alert).expect("an alert is JSON");
    let again: AlertRecord = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(again, alert);
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written.clone()));

    let value: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
    if let Some(body) = canonical(value) {
        assert!(NOT_CANONICAL.iter().all(|field| body.get(field).is_none()), "{body}");
    }
});
