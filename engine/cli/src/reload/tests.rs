use std::fs;

use frostwatch_rulebook::default_rules;

use super::*;

const CONFIG: &str = "schema: config.v1\nkafka: {bootstrap_servers: 'b:1'}\nworkers: 1\n";

struct Folder {
    folder: tempfile::TempDir,
    reloader: Reloader,
}

impl Folder {
    /// A configuration that was read when a process began, with the shipped rules.
    fn new() -> Self {
        Self::changed_while_read(|_| ())
    }

    /// The same, where something was changed just after it was read.
    fn changed_while_read(change: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frostwatch.yaml");
        fs::write(&path, CONFIG).unwrap();
        let look = look_before(&path);
        let checked = config::load(&path).unwrap();
        change(&path);
        let config = checked.config.clone();
        let current = CurrentRuling::new(checked.into_ruling().0);
        Self { folder, reloader: Reloader::new(&path, look, &config, Arc::new(current)) }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn is_stale(&self) -> bool {
        self.reloader.is_stale(&self.reloader.look())
    }
}

#[test]
fn a_configuration_that_is_refused_has_its_new_files_watched() {
    let folder = Folder::new();
    assert!(!folder.is_stale());
    folder.write("frostwatch.yaml", &format!("{CONFIG}rules: rules\nworker: 2\n"));
    folder.write("rules/a.yaml", "nonsense");
    assert!(folder.is_stale());
    let refused = folder.reloader.reload().unwrap_err();
    assert!(matches!(refused, NotSwitched::Refused(_)), "{refused}");
    assert!(refused.to_string().starts_with("nothing is switched: "), "{refused}");
    assert!(!folder.is_stale(), "not told again and again");
    folder.write("rules/a.yaml", default_rules()[0].1);
    assert!(folder.is_stale(), "the rules were mended");
    folder.write("frostwatch.yaml", &format!("{CONFIG}rules: rules\n"));
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("switched: "), "{told}");
    assert!(!folder.is_stale());
}

#[test]
fn what_was_changed_while_the_process_began_is_read_again() {
    let folder = Folder::changed_while_read(|path| fs::write(path, format!("{CONFIG}lateness_secs: 1800\n")).unwrap());
    assert!(folder.is_stale());
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("switched: "), "{told}");
    assert!(!folder.is_stale());
}

#[test]
fn a_list_that_is_to_be_fetched_is_awaited_and_its_feed_waits_for_a_restart() {
    let folder = Folder::new();
    let feed = "lists: [{name: a, path: a.txt, format: plain, category: vpn, confidence: 50}]\n\
                feeds: [{list: a, kind: file, url: 'https://f.example/a'}]\n";
    folder.write("frostwatch.yaml", &format!("{CONFIG}{feed}"));
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("nothing of rules") && told.ends_with("differs from the start: feeds"), "{told}");
    folder.write("a.txt", "11.2.3.4\n");
    assert!(folder.is_stale());
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("switched: "), "{told}");
}

#[test]
fn a_list_whose_file_is_gone_goes_on_as_it_was() {
    let folder = Folder::new();
    let feed = "lists: [{name: a, path: a.txt, format: plain, category: vpn, confidence: 50}]\n\
                feeds: [{list: a, kind: file, url: 'https://f.example/a'}]\n";
    folder.write("a.txt", "11.2.3.4\n");
    folder.write("frostwatch.yaml", &format!("{CONFIG}{feed}"));
    folder.reloader.reload().unwrap();
    let before = folder.reloader.current.get().named();
    fs::remove_file(folder.folder.path().join("a.txt")).unwrap();
    assert!(folder.is_stale());
    let refused = folder.reloader.reload().unwrap_err().to_string();
    assert!(refused.contains("lists 'a': the file was there and is gone"), "{refused}");
    assert_eq!(folder.reloader.current.get().named(), before);
    folder.write("frostwatch.yaml", CONFIG);
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("switched: lists"), "{told}");
}

#[test]
fn only_one_reads_at_a_time() {
    let folder = Folder::new();
    let held = folder.reloader.reading.lock().unwrap();
    assert!(matches!(folder.reloader.reload(), Err(NotSwitched::UnderWay)));
    drop(held);
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.starts_with("nothing of rules") && !told.contains("restart"), "{told}");
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    let folder = Folder::new();
    let changing = folder.reloader.reload_with(|path| {
        let loaded = config::load(path);
        folder.write("frostwatch.yaml", &format!("{CONFIG}lateness_secs: 60\n"));
        loaded
    });
    assert!(matches!(changing, Err(NotSwitched::Changing)), "{changing:?}");
    assert!(folder.is_stale());
    assert!(folder.reloader.reload().unwrap().to_string().starts_with("switched: "));
}

#[test]
fn what_needs_a_restart_is_said() {
    let folder = Folder::new();
    folder.write("frostwatch.yaml", &format!("{}admin: {{listen: '127.0.0.1:1'}}\n", CONFIG.replace("s: 1", "s: 2")));
    let told = folder.reloader.reload().unwrap().to_string();
    assert!(told.ends_with("a restart is needed for what else differs from the start: workers, admin"), "{told}");
}
