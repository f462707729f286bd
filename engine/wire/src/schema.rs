//! The JSON Schemas of the contracts, generated from the types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::activity::record::ActivityRecord;
use crate::alert::{AlertBody, AlertRecord};

/// Every schema as (file name in `schemas/`, content with a newline at its end).
pub fn all() -> Vec<(String, String)> {
    vec![("activity.v1.json".to_owned(), activity_v1()), ("alert.v1.json".to_owned(), alert_v1())]
}

/// The JSON Schema (draft 2020-12) of activity.v1, indented, equal for equal types.
pub fn activity_v1() -> String {
    text("activity.v1", schema_of::<ActivityRecord>())
}

/// The JSON Schema (draft 2020-12) of alert.v1, likewise.
pub fn alert_v1() -> String {
    let mut schema = schema_of::<AlertRecord>();
    // The generator knows that a retraction has no body, but not that everything else has one, and that revision 0 takes back.
    let body = schema_of::<AlertBody>().remove("required");
    let rest = json!({
        "if": { "properties": { "change": { "const": "suppressed" } } },
        "then": { "required": ["suppressed_by"] },
        "required": body,
        "properties": { "revision": { "minimum": 1 } },
    });
    schema.insert("if".to_owned(), json!({ "properties": { "change": { "const": "retracted" } } }));
    schema.insert("else".to_owned(), rest);
    text("alert.v1", schema)
}

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

fn text(name: &str, mut schema: Schema) -> String {
    schema.insert("$id".to_owned(), format!("urn:frostwatch:schema:{name}").into());
    schema.insert("title".to_owned(), name.into());
    format!("{:#}\n", sorted(schema.as_value()))
}

/// The same value with its keys in order, whether or not a feature of some other crate makes maps
/// keep the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            let sorted_member = |key: &String| Some((key.clone(), sorted(map.get(key)?)));
            Value::Object(keys.into_iter().filter_map(sorted_member).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        scalar => scalar.clone(),
    }
}
