use super::*;

/// What the rules of these files are, by id, version and title.
fn parsed(files: &[(&str, &str)]) -> Vec<(String, u32, String)> {
    // What is not enabled is left out of a set.
    let enabled: Vec<_> =
        files.iter().map(|(file, text)| (*file, text.replace("enabled: false", "enabled: true"))).collect();
    let files: Vec<_> = enabled.iter().map(|(file, text)| (*file, text.as_str())).collect();
    let book = Rulebook::parse(&files, None).unwrap();
    book.rules.into_iter().map(|rule| (rule.id, rule.version, rule.title)).collect()
}

#[test]
fn every_shipped_rule_can_be_begun_from_and_keeps_its_comments_and_values() {
    for from in templates() {
        let text = from.renamed("of_our_own").unwrap();
        let shipped = parsed(&[("a.yaml", from.text)]).remove(0);
        let (id, version, title) = parsed(&[("a.yaml", &text)]).remove(0);
        assert_eq!((id.as_str(), version), ("of_our_own", 1), "{}", from.id);
        assert_eq!(title.replace(" (of_our_own)", ""), shipped.2);
        assert_ne!(title, shipped.2);
        let changed = |line: &&str| ["id: ", "version: ", "title: "].iter().any(|field| line.starts_with(field));
        let kept: Vec<&str> = from.text.lines().filter(|line| !changed(line)).collect();
        assert_eq!(text.lines().skip(1).filter(|line| !changed(line)).collect::<Vec<_>>(), kept);
        if from.id == "incident" {
            // Its kind is there once.
            let both = [("a.yaml", from.text), ("b.yaml", text.as_str())];
            assert!(Rulebook::parse(&both, None).unwrap_err()[0].message.contains("another rule of this kind"));
            continue;
        }
        // Both of them in one set.
        assert_eq!(parsed(&[("a.yaml", from.text), ("b.yaml", &text)]).len(), 2);
    }
}

#[test]
fn under_its_own_id_a_shipped_rule_is_copied_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for from in templates() {
        write_new(from, from.id, folder.path()).unwrap();
        let written = std::fs::read_to_string(folder.path().join(format!("{}.yaml", from.id))).unwrap();
        assert_eq!(written, from.text);
    }
    let rules: Vec<_> = default_rules().iter().copied().filter(|(file, _)| *file != "networks.yaml").collect();
    let shipped = Rulebook::parse(&rules, None).unwrap();
    assert_eq!(config::rules(Some(folder.path())).unwrap().hash, shipped.hash);
}

#[test]
fn nothing_is_written_over_and_no_bad_id_becomes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let from = template("mass_download").unwrap();
    let write = |id: &str, out: &Path| write_new(from, id, out).map_err(|error| error.to_string());
    write("exports", folder.path()).unwrap();
    assert!(write("exports", folder.path()).unwrap_err().contains("is there already"));
    // The id of another file's rule.
    std::fs::rename(folder.path().join("exports.yaml"), folder.path().join("a.yaml")).unwrap();
    assert!(write("exports", folder.path()).unwrap_err().contains("is taken by"));
    for id in ["../exports", "Exports", "", "a b", "x: y", "9", "a\nid: b"] {
        let fault = write(id, folder.path()).unwrap_err();
        assert!(fault.contains("nothing is written"), "{id}: {fault}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(template("mass_downloads").err().unwrap().to_string().contains("there are activity_policy, anonymous_ip"));
}

#[test]
fn what_is_said_next_fits_the_rule_and_its_folder() {
    let said =
        |from: &str, id: &str, is_alone| template(from).unwrap().next_steps(id, Path::new("r"), is_alone).join("\n");
    for (from, id, is_alone, word, wanted) in [
        ("failed_logins", "of_admins", false, "learning_days", false),
        ("infrequent_country", "of_admins", false, "learning_days", true),
        ("infrequent_country", "infrequent_country", false, "learn", false),
        ("failed_logins", "of_admins", true, "in place of the shipped ones", true),
        ("failed_logins", "of_admins", false, "in place of the shipped ones", false),
        ("failed_logins", "of_admins", false, "a state of its own", true),
        ("risky_ip_logon", "of_admins", false, "a state of its own", false),
        ("risky_ip_logon", "of_admins", false, "it is not enabled", true),
    ] {
        let said = said(from, id, is_alone);
        assert_eq!(said.contains(word), wanted, "{from} {id}: {said}");
    }
}

#[test]
fn the_list_names_every_shipped_rule_with_what_it_finds() {
    let list = listed();
    assert_eq!(list.lines().count(), templates().count());
    for (id, finds) in [("activity_policy", "Many records deleted"), ("risky_ip_logon", "Sign-in from a risky address")]
    {
        let line = list.lines().find_map(|line| line.strip_prefix(id));
        assert!(line.is_some_and(|line| line.trim_start().starts_with(finds)), "{list}");
    }
}
