//! What the organisation writes, as parameters have it.

use schemars::JsonSchema;

/// How many people write an extension.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct WrittenExtension {
    /// In lower case without the dot.
    #[schemars(regex(pattern = r"^[^.A-Z]+$"))]
    name: String,
    /// People who write it.
    #[schemars(range(min = 0, max = 1_000))]
    people: u32,
}

/// How many people write files that are called like a note.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct WrittenNote {
    /// The words, as `frostwatch usual-files` tells them.
    name: String,
    /// People who write it.
    #[schemars(range(min = 0, max = 1_000))]
    people: u32,
}
