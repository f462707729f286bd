//! The part of a configuration that names lists of addresses.

use std::path::{Path, PathBuf};

use frostwatch_geoip::lists::{ListConfig, ListsLimits, OpenedLists, open};
use serde_json::Value;

/// Paths are relative to the configuration.
pub(super) fn resolve(lists: &mut [ListConfig], beside: &Path) {
    lists.iter_mut().for_each(|list| list.path = beside.join(&list.path));
}

/// Reads the lists, whose paths are resolved.
pub(super) fn opened(lists: &[ListConfig]) -> Result<OpenedLists, Vec<String>> {
    open(lists, ListsLimits::default())
}

/// The files that a configuration names, though it may be refused.
pub(super) fn named(parts: &Value, beside: &Path) -> Vec<PathBuf> {
    let lists = parts.get("lists").and_then(Value::as_array).into_iter().flatten();
    lists.filter_map(|list| Some(beside.join(list.get("path")?.as_str()?))).collect()
}
