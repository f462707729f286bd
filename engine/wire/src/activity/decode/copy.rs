//! Copies of records, made to be counted by something else than their user.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::activity::record::CountedBy;

/// How a copy that the engine made begins.
pub const COPY_BEGINS: &[u8] = br#"{"entity":{"#;
/// The field's name.
const NAME: &[u8] = br#""entity""#;

/// What a copy of a record is counted by.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<'a> {
    /// The word for it; a newer program may have others.
    pub by: Cow<'a, str>,
    /// What stands there.
    pub value: Cow<'a, str>,
    /// Key of the record that it is a copy of.
    pub key: Cow<'a, str>,
}

/// A copy of a record, to be counted by something else than its user.
///
/// # Errors
///
/// `record` is not one that [`super::decode`] reads.
pub fn copy(record: &[u8], counted: &CountedBy) -> Result<Vec<u8>, serde_json::Error> {
    let entity = serde_json::to_vec(counted)?;
    let start = record.iter().position(|byte| *byte == b'{').map_or(record.len(), |brace| brace + 1);
    let whole;
    let may_name_it =
        record.windows(NAME.len()).any(|part| part == NAME) || record.windows(2).any(|part| part == b"\\u");
    let rest = if may_name_it {
        // Named, and perhaps null: a record names a field once.
        let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(record)?;
        fields.remove("entity");
        whole = serde_json::to_vec(&fields)?;
        &whole[1..]
    } else {
        &record[start..]
    };
    Ok([&COPY_BEGINS[..COPY_BEGINS.len() - 1], &entity, b",", rest].concat())
}
