//! Files that are generated from code and committed, so that readers find them and a stale one is noticed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use frostwatch_testkit::broker::checkout;

/// A file as it should be; the path is relative to the checkout.
struct Generated {
    path: PathBuf,
    content: String,
}

/// Everything that is generated, by what it is made from. To add to it, append what a function yields.
fn all() -> Vec<Generated> {
    Vec::new()
}

/// Writes every generated file that is missing or differs, or with `check` only names them and fails.
pub(crate) fn run(check: bool) -> anyhow::Result<ExitCode> {
    let root = checkout();
    let files = all();
    let stale = stale(&root, &files)?;
    for file in &stale {
        if check {
            println!("stale: {} (cargo xtask generate writes it)", file.path.display());
        } else {
            write(&root, file)?;
            println!("wrote {}", file.path.display());
        }
    }
    println!("{} generated files, {} of them {}", files.len(), stale.len(), if check { "stale" } else { "written" });
    Ok(if check && !stale.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn stale<'a>(root: &Path, files: &'a [Generated]) -> anyhow::Result<Vec<&'a Generated>> {
    let mut stale = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        match fs::read(&path) {
            Ok(have) if have == file.content.as_bytes() => {}
            Ok(_) => stale.push(file),
            Err(error) if error.kind() == ErrorKind::NotFound => stale.push(file),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(stale)
}

fn write(root: &Path, file: &Generated) -> anyhow::Result<()> {
    let path = root.join(&file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    fs::write(&path, &file.content).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(on_disk: Option<&str>, generated: &str, is_stale: bool) {
        let root = tempfile::tempdir().unwrap();
        let file = Generated { path: "schemas/x.json".into(), content: generated.to_owned() };
        if let Some(text) = on_disk {
            write(root.path(), &Generated { path: file.path.clone(), content: text.to_owned() }).unwrap();
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
        check(None, "{}\n", true);
        check(Some("{}"), "{}\n", true);
        check(Some("{}\r\n"), "{}\n", true);
        check(Some("{}\n"), "{}\n", false);
        check(Some(""), "", false);
    }

    #[test]
    fn what_is_committed_is_what_the_code_generates() {
        let stale: Vec<_> =
            stale(&checkout(), &all()).unwrap().iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert!(stale.is_empty(), "run cargo xtask generate: {stale:?}");
    }

    #[test]
    fn no_two_generators_write_one_file() {
        let mut paths: Vec<_> = all().into_iter().map(|file| file.path).collect();
        let count = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }
}
