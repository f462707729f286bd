//! The parts of a configuration that name lists of addresses and where they are fetched from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use frostwatch_feeds::{Feed, FeedConfig};
use frostwatch_geoip::lists::{ListConfig, ListsLimits, OpenedLists, open};
use serde_json::Value;

/// Paths are relative to the configuration.
pub(super) fn resolve(lists: &mut [ListConfig], feeds: &mut [FeedConfig], beside: &Path) {
    lists.iter_mut().for_each(|list| list.path = beside.join(&list.path));
    feeds.iter_mut().for_each(|feed| feed.resolve(beside));
}

/// Reads the lists, whose paths are resolved. One that is fetched and is not there yet says nothing until it is.
pub(super) fn opened(lists: &[ListConfig], feeds: &[FeedConfig]) -> Result<OpenedLists, Vec<String>> {
    // A file that is there and cannot be reached is a fault, not one that is still to come.
    let is_gone = |list: &ListConfig| matches!(list.path.try_exists(), Ok(false));
    let is_awaited = |list: &&ListConfig| feeds.iter().any(|feed| feed.list == list.name) && is_gone(list);
    let (awaited, there): (Vec<_>, Vec<_>) = lists.iter().partition(is_awaited);
    let there: Vec<ListConfig> = there.into_iter().cloned().collect();
    let mut opened = open(&there, ListsLimits::default())?;
    opened.warnings.extend(awaited.iter().map(|list| {
        let (name, path) = (&list.name, list.path.display());
        format!("lists '{name}': {path} is not fetched yet, so it says nothing; `frostwatch lists fetch` fetches it")
    }));
    Ok(opened)
}

/// What is wrong with feeds, before anything is asked.
pub(super) fn feed_faults(feeds: &[FeedConfig], lists: &[ListConfig]) -> Vec<String> {
    let of = |feed: &FeedConfig| feed.faults(lists.iter().find(|list| list.name == feed.list));
    let mut faults: Vec<String> = feeds.iter().flat_map(of).collect();
    let mut seen = BTreeSet::new();
    let twice = feeds.iter().filter(|feed| !seen.insert(&feed.list));
    faults.extend(twice.map(|feed| format!("feeds '{}': a list has one feed", feed.list)));
    let mut written = BTreeMap::new();
    for list in lists.iter().filter(|list| feeds.iter().any(|feed| feed.list == list.name)) {
        if let Some(other) = written.insert(&list.path, &list.name) {
            let (name, path) = (&list.name, list.path.display());
            faults.push(format!(
                "lists '{name}': {path} is fetched for '{other}' already; each list needs a file of its own"
            ));
        }
    }
    faults
}

/// Feeds with their lists. One whose list is not named is a fault elsewhere.
pub(super) fn feeds_with_lists(feeds: &[FeedConfig], lists: &[ListConfig]) -> Vec<Feed> {
    let list_of = |feed: &FeedConfig| lists.iter().find(|list| list.name == feed.list).cloned();
    feeds.iter().filter_map(|feed| Some(Feed { config: feed.clone(), list: list_of(feed)? })).collect()
}

/// The files that a configuration names, though it may be refused.
pub(super) fn named(parts: &Value, beside: &Path) -> Vec<PathBuf> {
    let lists = parts.get("lists").and_then(Value::as_array).into_iter().flatten();
    lists.filter_map(|list| Some(beside.join(list.get("path")?.as_str()?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_lists_that_are_fetched_have_files_of_their_own() {
        let feed = |name: &str| json!({ "list": name, "kind": "file", "url": "https://f.example/a" });
        let list = |name: &str, path: &str| json!({ "name": name, "path": path, "format": "plain", "category": "vpn", "confidence": 50 });
        for (other, is_fetched, faults) in [("a.txt", true, 1), ("b.txt", true, 0), ("a.txt", false, 0)] {
            let lists = [list("a", "a.txt"), list("b", other)].map(|list| serde_json::from_value(list).unwrap());
            let names: &[&str] = if is_fetched { &["a", "b"] } else { &["a"] };
            let feeds: Vec<FeedConfig> = names.iter().map(|name| serde_json::from_value(feed(name)).unwrap()).collect();
            assert_eq!(feed_faults(&feeds, &lists).len(), faults, "{other} {is_fetched}");
        }
    }

    #[test]
    fn only_a_list_whose_file_is_not_there_is_awaited() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "11.2.3.4\n").unwrap();
        let feed =
            serde_json::from_value(json!({ "list": "a", "kind": "file", "url": "https://f.example/a" })).unwrap();
        let feeds: [FeedConfig; 1] = [feed];
        for (path, is_fetched, wanted) in [
            ("a.txt", true, Some(0)),
            ("b.txt", true, Some(1)),
            ("none/b.txt", true, Some(1)),
            ("b.txt", false, None),
            // Nobody knows what lies below a file.
            ("a.txt/b.txt", true, None),
        ] {
            let list = json!({ "name": "a", "path": folder.path().join(path), "format": "plain", "category": "vpn",
                               "confidence": 50 });
            let list: ListConfig = serde_json::from_value(list).unwrap();
            let read = opened(&[list], if is_fetched { &feeds } else { &[] });
            assert_eq!(read.ok().map(|opened| opened.warnings.len()), wanted, "{path}");
        }
    }
}
