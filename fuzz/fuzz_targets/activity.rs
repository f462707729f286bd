//! activity.v1: the scanner finds what `serde_json` finds, limits hold, and what is accepted is accepted again once it
//! was written by the whole contract.
#![no_main]

use frostwatch_fuzz::bounded;
use frostwatch_wire::activity::decode::{Activity, copy, decode, decode_by_serde, key_of};
use frostwatch_wire::activity::record::{ActivityRecord, CountedBy};
use frostwatch_wire::activity::reject::{PATH_CHARS_MAX, REASON_CHARS_MAX};
use frostwatch_wire::activity::{
    ACTION_KEY_BYTES_MAX, GROUPS_MAX, ID_BYTES_MAX, INSTANCE_BYTES_MAX, USER_NAME_BYTES_MAX,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let decoded = bounded((256 << 10) + 16 * bytes.len(), || decode(bytes));
    assert_eq!(decoded.as_ref().ok(), decode_by_serde(bytes).as_ref());
    match decoded {
        Ok(activity) => accepted(bytes, &activity),
        Err(reject) => {
            let (path, reason) = (&reject.path, &reject.reason);
            assert!(path.chars().count() <= PATH_CHARS_MAX && reason.chars().count() <= REASON_CHARS_MAX);
            assert!(!reason.is_empty() && !reject.to_string().contains(char::is_control), "{reject:?}");
        }
    }
});

fn accepted(bytes: &[u8], activity: &Activity<'_>) {
    let Activity { id, instance, user, groups, action_key, .. } = activity;
    assert!((1..=ID_BYTES_MAX).contains(&id.len()) && (1..=INSTANCE_BYTES_MAX).contains(&instance.len()));
    assert!(user.len() <= USER_NAME_BYTES_MAX && groups.len() <= GROUPS_MAX);
    assert!(action_key.as_ref().is_none_or(|key| key.len() <= ACTION_KEY_BYTES_MAX));
    assert!(key_of(activity).starts_with(&format!("{instance}|")));

    let counted = CountedBy { by: "client.ip".into(), value: "192.0.2.1".to_owned(), key: "acme|ana".to_owned() };
    let copied = copy(bytes, &counted).expect("what is accepted can be copied");
    let of_copy = decode(&copied).expect("and its copy is accepted");
    let seen = of_copy.counted.as_deref().map(|counted| (&*counted.by, &*counted.value, &*counted.key));
    assert_eq!((&*of_copy.id, seen), (&**id, Some(("client.ip", "192.0.2.1", "acme|ana"))));

    let whole: ActivityRecord = serde_json::from_slice(bytes).expect("the whole contract reads what is accepted");
    let written = serde_json::to_vec(&whole).expect("a record is JSON");
    assert_eq!(serde_json::from_slice::<ActivityRecord>(&written).ok(), Some(whole));
    let Ok(again) = decode(&written) else {
        // Escapes may be longer than what they stand for.
        assert!(written.len() > bytes.len(), "what was accepted is refused once it was written again");
        return;
    };
    // Compared as told, since the two borrow of different bytes.
    let again = Activity { content: activity.content, richness: activity.richness, ..again };
    assert_eq!(format!("{again:?}"), format!("{activity:?}"));
}
