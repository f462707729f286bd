use super::*;

/// A copy of what the scaffold reads and writes.
fn copy() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, _) in EDITS {
        let to = root.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(checkout().join(path), to).unwrap();
    }
    for (path, _) in FILES {
        fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
    }
    root
}

fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap()
}

/// Where the first of these stands, in the order in which they must stand.
fn stand_in_order(text: &str, all: &[&str]) {
    let mut from = 0;
    for one in all {
        let found = text.get(from..).unwrap().find(one);
        from += found.unwrap_or_else(|| panic!("'{one}' is not there, or not behind the one before")) + one.len();
    }
}

#[test]
fn each_list_has_the_detector_in_its_alphabetical_place() {
    for (id, variant) in [("aaa_first", "AaaFirst"), ("kept_for_a_test", "KeptForATest"), ("zzz_last2", "ZzzLast2")] {
        let root = copy();
        let changed = write(root.path(), id).unwrap();
        assert_eq!(changed.len(), FILES.len() + EDITS.len());
        let mut ids = DETECTORS.to_vec();
        ids.push(id);
        ids.sort_unstable();
        let each = |form: &dyn Fn(&str) -> String| ids.iter().map(|id| form(id)).collect::<Vec<_>>();
        for (path, wanted) in [
            ("engine/detect/src/detectors.rs", each(&|id| format!("pub mod {id};\n"))),
            ("engine/detect/src/catalogue.rs", each(&|id| format!("{id},").replace("mass_download,", "mass_download"))),
            ("engine/detect/src/catalogue.rs", each(&|id| format!("    {}({id}),\n", Names::variant(id)))),
            ("engine/rulebook/src/defaults.rs", each(&|id| format!("(\"{id}.yaml\", include_str!"))),
            ("engine/rulebook/src/raw/params.rs", each(&|id| format!("    {0}({0}),\n", Names::variant(id)))),
            ("engine/rulebook/src/raw/params.rs", each(&|id| format!("/// Parameters of `{id}`"))),
            ("engine/wire/src/alert/types.rs", each(&|id| format!("    \"{id}\",\n"))),
            ("tests/tests/detectors.rs", each(&|id| format!("fn {id}() {{\n    check(\"{id}\","))),
            ("docs/runbooks/README.md", each(&|id| format!("[{id}]({id}.md)"))),
        ] {
            let wanted: Vec<&str> = wanted.iter().map(|one| one.trim_end_matches(',')).collect();
            stand_in_order(&text(root.path(), path), &wanted);
        }
        let check = text(root.path(), "engine/rulebook/src/check.rs");
        assert!(check.contains(&format!("Params::{variant}(_)")));
        for (path, _) in FILES {
            let made = text(root.path(), &path.replace("{}", id));
            assert!(!made.contains(IN_TEMPLATES) && made.contains(LEFT), "{path}");
        }
    }
}

#[test]
fn nothing_else_of_the_edited_files_changes() {
    let root = copy();
    write(root.path(), "kept_for_a_test").unwrap();
    for (path, _) in EDITS {
        let (before, after) = (text(&checkout(), path), text(root.path(), path));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut left = words(&after);
        // The title of the runbooks counts them no longer.
        for word in words(&before).iter().filter(|word| *word != "four") {
            let at = left.iter().position(|one| one.trim_end_matches(',') == word.trim_end_matches(','));
            left.remove(at.unwrap_or_else(|| panic!("{path}: '{word}' is gone")));
        }
    }
}

#[test]
fn a_second_time_and_a_bad_id_are_refused_and_write_nothing() {
    let root = copy();
    write(root.path(), "kept_for_a_test").unwrap();
    let before = text(root.path(), "engine/detect/src/catalogue.rs");
    for (id, wanted) in [
        ("kept_for_a_test", "is there already: the detector was begun before"),
        ("mass_download", "there is a detector 'mass_download' already"),
        ("new_detector", "stands in the templates"),
        ("MassDownload", "is no id"),
        ("mass__download", "is no id"),
        ("mass_2", "is no id"),
        ("../mass", "is no id"),
        ("", "is no id"),
        ("a_name_that_is_longer_than_any_that_can_be_read", "is no id"),
    ] {
        let fault = write(root.path(), id).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{id}: {fault}");
    }
    assert_eq!(text(root.path(), "engine/detect/src/catalogue.rs"), before);
}

#[test]
fn an_edit_that_does_not_find_its_place_writes_nothing() {
    let root = copy();
    fs::write(root.path().join("docs/runbooks/README.md"), "# Other words\n").unwrap();
    let fault = format!("{:#}", write(root.path(), "kept_for_a_test").unwrap_err());
    assert!(fault.contains("docs/runbooks/README.md: no 'One page a rule:'"), "{fault}");
    assert!(!root.path().join("rules/kept_for_a_test.yaml").exists());
}

#[test]
fn the_rule_of_the_template_is_sound_but_for_its_detector() {
    let (_, rule) = FILES[1];
    let faults = frostwatch_rulebook::Rulebook::parse(&[("rule.yaml", rule)], None).unwrap_err();
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["detector.kind"], "{faults:?}");
}

#[test]
fn nothing_of_a_detector_is_left_to_be_written() {
    let mut left = Vec::new();
    for id in DETECTORS {
        for path in FILES.map(|(path, _)| path).iter().chain(&["engine/rulebook/src/raw/params.rs"]) {
            let path = path.replace("{}", id);
            let lines = text(&checkout(), &path);
            left.extend((1..).zip(lines.lines()).filter(|(_, line)| line.contains(LEFT)).map(|(number, line)| {
                format!("{path}:{number}: {}", line.trim().chars().take(80).collect::<String>())
            }));
        }
    }
    left.dedup();
    assert!(left.is_empty(), "to be written:\n{}", left.join("\n"));
}
