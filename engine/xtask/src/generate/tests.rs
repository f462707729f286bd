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
    for (folder, ending) in [("engine/detect/src/detectors", ".rs"), ("rules", ".yaml")] {
        let mut found = stems(folder, ending);
        // Not of a detector.
        found.remove("networks");
        assert_eq!(found, catalogue, "{folder}");
    }
}

/// Where rules lie, and what goes with each.
const FOLDERS: [(&str, &str, &str); 2] = [
    ("rules", "docs/detectors", "tests/vectors/detectors"),
    ("rules/policies", "docs/policies", "tests/vectors/policies"),
];

#[test]
fn every_rule_has_a_page_a_runbook_of_its_own_and_vectors_that_find_and_that_do_not() {
    let mut runbooks = BTreeSet::from(["README".to_owned()]);
    for (rules, pages, vectors) in FOLDERS {
        let mut ids = stems(rules, ".yaml");
        ids.remove("networks");
        let [mut with_page, with_vectors] = [stems(pages, ".md"), stems(vectors, ".jsonl")];
        with_page.remove("README");
        assert_eq!((&with_page, &with_vectors), (&ids, &ids), "{pages}, {vectors}");
        for id in &ids {
            let text = |folder: &str, ending: &str| read(&checkout().join(format!("{folder}/{id}{ending}"))).unwrap();
            let url =
                format!("\nrunbook_url: https://github.com/frostwatch/frostwatch/blob/main/docs/runbooks/{id}.md\n");
            assert_eq!(text(rules, ".yaml").matches(&url).count(), 1, "{id}: runbook_url");
            let link = format!("(../runbooks/{id}.md)");
            assert!(text(pages, ".md").contains(&link), "{pages}/{id}.md: {link}");
            let scenarios = text(vectors, ".jsonl");
            let count = |is_told: bool| {
                let told = |line: &&str| {
                    let scenario: serde_json::Value = serde_json::from_str(line).unwrap();
                    scenario["expect"]["alerts"].as_array().is_some_and(|alerts| !alerts.is_empty())
                };
                scenarios.lines().filter(|line| told(line) == is_told).count()
            };
            assert!(
                count(true) > 0 && count(false) > 0,
                "{vectors}/{id}.jsonl: {} told, {} not",
                count(true),
                count(false)
            );
        }
        runbooks.extend(ids);
    }
    assert_eq!(stems("docs/runbooks", ".md"), runbooks);
    let index = read(&checkout().join("docs/runbooks/README.md")).unwrap();
    assert!(runbooks.iter().all(|id| id == "README" || index.contains(&format!("[{id}]({id}.md)"))), "{index}");
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
    for one in templates(&checkout()).unwrap() {
        let page = one.page();
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, template::HEADINGS, "{}", one.id);
        for parameter in &one.parameters {
            assert!(page.contains(&format!("| `{}` |", parameter.name)), "{}: {}", one.id, parameter.name);
        }
    }
}

#[test]
fn every_table_of_the_documentation_is_one() {
    let is_row = |line: Option<&&str>| line.is_some_and(|line| line.starts_with('|') && line.ends_with('|'));
    let is_rule = |line: &str| line.chars().all(|letter| "|-: ".contains(letter));
    let mut tables = 0;
    for (path, text) in pages() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("|---")) {
            let around = is_row(lines.get(at.wrapping_sub(1))) && is_row(lines.get(at + 1));
            assert!(is_rule(line) && around, "{}, line {}: a table in one line: {line}", path.display(), at + 1);
            tables += 1;
        }
    }
    assert!(tables > 0);
}

/// The pages of the documentation and those at the root, as path from the checkout and text.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "docs/detectors", "docs/policies", "docs/runbooks"].map(PathBuf::from);
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
        let templates = stems("rules/policies", ".yaml");
        let id = if DETECTORS.contains(&stem) { stem } else { DETECTORS[0] };
        let file = if templates.contains(stem) { format!("rules/policies/{stem}") } else { format!("rules/{id}") };
        let rule = read(&checkout().join(format!("{file}.yaml"))).unwrap().replace("enabled: false", "enabled: true");
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
    let templates = stems("rules/policies", ".yaml");
    let mut ids = DETECTORS.iter().copied().chain(templates.iter().map(String::as_str));
    assert!(ids.all(shows), "a runbook shows no exception: {seen:?}");
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
