//! The JSON Schemas of the contracts, generated from the types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::activity::record::ActivityRecord;
use crate::alert::AlertRecord;

/// Every schema as (file name in `schemas/`, content with a newline at its end).
pub fn all() -> Vec<(String, String)> {
    vec![("activity.v1.json".to_owned(), activity_v1()), ("alert.v1.json".to_owned(), alert_v1())]
}

/// The JSON Schema (draft 2020-12) of activity.v1, indented, equal for equal types.
pub fn activity_v1() -> String {
    text_of::<ActivityRecord>("activity.v1")
}

/// The JSON Schema (draft 2020-12) of alert.v1, likewise.
pub fn alert_v1() -> String {
    text_of::<AlertRecord>("alert.v1")
}

fn text_of<T: JsonSchema>(name: &str) -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
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
