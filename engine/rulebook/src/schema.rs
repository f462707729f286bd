//! The JSON Schemas of `rule.v1` and `networks.v1`, for editors and other programs that write rules.

use schemars::generate::SchemaSettings;

use crate::raw::RawRule;
use crate::raw::networks::RawNetworks;

/// All schemas as file name and text.
pub fn all() -> Vec<(&'static str, String)> {
    vec![("rule.v1.json", text::<RawRule>()), ("networks.v1.json", text::<RawNetworks>())]
}

/// JSON Schema (draft 2020-12) of one file. Whatever it refuses, the rulebook refuses; the rulebook also refuses what
/// no schema can say.
fn text<T: schemars::JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
