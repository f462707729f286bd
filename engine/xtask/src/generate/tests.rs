use std::collections::BTreeSet;

use frostwatch_rulebook::Rulebook;

use super::*;

fn check(on_disk: Option<&[u8]>, generated: &[u8], is_stale: bool) {
    let root = tempfile::tempdir().unwrap();
    let file = Generated::new("schemas/x.json", generated);
    if let Some(bytes) = on_disk {
        write(root.path(), &Generated::new(&file.path, bytes)).unwrap();
    }
    let files = [file];
    let found = stale(root.path(), &files).unwrap();
    assert_eq!(found.len(), usize::from(is_stale), "{on_disk:?} against {generated:?}");
    for file in found {
        write(root.path(), file).unwrap();
    }
    assert!(stale(root.path(), &files).unwrap().is_empty(), "{on_disk:?}: still stale after writing");
}

#[test]
fn a_file_that_is_missing_or_differs_is_stale_until_it_is_written() {
    check(None, b"{}\n", true);
    check(Some(b"{}"), b"{}\n", true);
    check(Some(b"{}\r\n"), b"{}\n", true);
    check(Some(b"{}\n"), b"{}\n", false);
    check(Some(b""), b"", false);
    check(Some(b"\xff\x00"), b"\xff\x01", true);
}

#[test]
fn what_is_committed_is_what_the_code_generates() {
    let files = all(&checkout()).unwrap();
    let stale: Vec<_> = stale(&checkout(), &files).unwrap().iter().map(|file| &file.path).collect();
    assert!(stale.is_empty(), "run cargo xtask generate: {stale:?}");
}

#[test]
fn no_two_generators_write_one_file() {
    let mut paths: Vec<_> = all(&checkout()).unwrap().into_iter().map(|file| file.path).collect();
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

/// The stems of the files of a folder with this ending.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    fs::read_dir(checkout().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

#[test]
fn the_catalogue_and_the_folders_name_the_same_detectors() {
    let catalogue: BTreeSet<String> = DETECTORS.iter().map(|id| (*id).to_owned()).collect();
    for (folder, ending) in [
        ("engine/detect/src/detectors", ".rs"),
        ("rules", ".yaml"),
        ("docs/detectors", ".md"),
        ("docs/runbooks", ".md"),
    ] {
        let mut found = stems(folder, ending);
        found.remove("README");
        // Not of a detector.
        found.remove("networks");
        assert_eq!(found, catalogue, "{folder}");
    }
}

#[test]
fn the_runbook_of_a_shipped_rule_is_in_this_repository() {
    for one in described(&checkout()).unwrap() {
        let end = format!("/blob/main/docs/runbooks/{}.md", one.id);
        assert!(one.rule.runbook_url.ends_with(&end), "{} links {}", one.id, one.rule.runbook_url);
    }
}

#[test]
fn every_page_has_its_headings_and_all_parameters() {
    for one in described(&checkout()).unwrap() {
        let page = one.page();
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, source::HEADINGS, "{}", one.id);
        for parameter in &one.parameters {
            assert!(page.contains(&format!("| `{}` |", parameter.name)), "{}: {}", one.id, parameter.name);
        }
    }
}

/// The pages of the documentation and those at the root, as path from the checkout and text.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "docs/detectors", "docs/runbooks"].map(PathBuf::from);
    let files = folders.iter().flat_map(|folder| {
        let names = stems(&folder.to_string_lossy(), ".md").into_iter();
        names.map(|name| folder.join(format!("{name}.md")))
    });
    files.map(|path| (path.clone(), read(&checkout().join(path)).unwrap())).collect()
}

#[test]
fn every_exception_that_a_runbook_shows_is_accepted_in_its_rule() {
    let mut seen = BTreeSet::new();
    for (path, text) in pages().into_iter().filter(|(path, _)| path.starts_with("docs/runbooks")) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let id = if DETECTORS.contains(&stem) { stem } else { DETECTORS[0] };
        let rule = read(&checkout().join(format!("rules/{id}.yaml"))).unwrap();
        for block in text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let changed = rule.replacen("exceptions: []\n", block, 1);
            let book =
                Rulebook::parse(&[("shown.yaml", &changed)], None).unwrap_or_else(|faults| panic!("{faults:#?}"));
            assert_eq!(book.rules[0].exceptions.len(), 1, "{stem}");
            seen.insert(stem.to_owned());
        }
    }
    // An incident has none: it is told of alerts, whose rules have them.
    let shows = |id: &str| id == "incident" || seen.contains(id);
    assert!(DETECTORS.iter().all(|id| shows(id)), "a runbook shows no exception: {seen:?}");
}

#[test]
fn every_relative_link_of_the_documentation_leads_somewhere() {
    let mut links = 0;
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || target.contains("://") {
                continue;
            }
            let from = checkout().join(&path);
            assert!(from.parent().unwrap().join(file).exists(), "{} links {target}", path.display());
            links += 1;
        }
    }
    assert!(links > 0);
}
