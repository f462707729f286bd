//! `cargo xtask new-detector ID`: the files of a detector, and the lines that name it, each in its alphabetical place.
//!
//! What is written compiles and counts something simple; the words "To be written" stand wherever somebody must think,
//! and the tests name each of them until it is gone. The template of the detector is compiled with the tests of
//! `frostwatch-detect`.

mod edits;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Args;
use frostwatch_detect::catalogue::DETECTORS;
use frostwatch_testkit::broker::checkout;

use edits::EDITS;

/// Longest id of a detector, characters.
const ID_CHARS_MAX: usize = 40;
/// The id that stands in the templates.
const IN_TEMPLATES: &str = "new_detector";
/// What stands in the templates where somebody must think.
pub(crate) const LEFT: &str = "To be written";

/// Files that are made, with `{}` for the id, and what they begin as.
const FILES: [(&str, &str); 4] = [
    ("engine/detect/src/detectors/{}.rs", include_str!("../templates/detector.rs")),
    ("rules/{}.yaml", include_str!("../templates/rule.yaml")),
    ("tests/vectors/detectors/{}.jsonl", include_str!("../templates/vectors.jsonl")),
    ("docs/runbooks/{}.md", include_str!("../templates/runbook.md")),
];

#[derive(Args)]
pub(crate) struct NewDetector {
    /// Its id: small letters, digits and underscores, as in `mass_download`
    id: String,
}

/// A detector's names.
pub(crate) struct Names<'a> {
    /// As rules, files and metrics have it.
    id: &'a str,
    /// As the code has it.
    variant: String,
}

pub(crate) fn run(new: &NewDetector) -> anyhow::Result<ExitCode> {
    let changed = write(&checkout(), &new.id)?;
    // Lists that have grown over the width of a line are broken.
    let rust = changed.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let formatted = Command::new("rustfmt").args(["--edition", "2024"]).args(rust).current_dir(checkout()).status();
    if !formatted.is_ok_and(|status| status.success()) {
        println!("not formatted: run cargo fmt --all");
    }
    changed.iter().for_each(|path| println!("{}", path.display()));
    println!(
        "\nNext: raise STATE_FORMAT in engine/detect/src/catalogue.rs if a release has been made with the one that is\n\
         there, write what is marked \"{LEFT}\" (the tests of xtask name each place), then\n  \
         cargo xtask generate\n  \
         cargo test -p xtask -p frostwatch-detect -p frostwatch-rulebook\n  \
         cargo test -p frostwatch-tests --test detectors {}",
        new.id
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes all of it under `root`, or nothing where something is not as it is known. Returns the paths that changed.
fn write(root: &Path, id: &str) -> anyhow::Result<Vec<PathBuf>> {
    let names = Names::new(id)?;
    let mut all = Vec::new();
    for (path, template) in FILES {
        let path = PathBuf::from(path.replace("{}", id));
        ensure!(!root.join(&path).exists(), "{} is there already: the detector was begun before", path.display());
        all.push((path, template.replace(IN_TEMPLATES, id)));
    }
    for (path, edit) in EDITS {
        let file = root.join(path);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let edited = edit(&text, &names).with_context(|| (*path).to_owned())?;
        all.push((PathBuf::from(path), edited));
    }
    for (path, text) in &all {
        fs::write(root.join(path), text).with_context(|| path.display().to_string())?;
    }
    Ok(all.into_iter().map(|(path, _)| path).collect())
}

impl<'a> Names<'a> {
    fn new(id: &'a str) -> anyhow::Result<Self> {
        let words: Vec<&str> = id.split('_').collect();
        let is_word = |word: &&str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        ensure!(
            words.iter().all(is_word) && id.len() <= ID_CHARS_MAX,
            "'{id}' is no id: words of small letters and digits joined by underscores, each beginning with a letter, at \
             most {ID_CHARS_MAX} characters, as in `mass_download`"
        );
        ensure!(id != IN_TEMPLATES, "'{id}' stands in the templates; choose what it finds as its name");
        ensure!(!DETECTORS.contains(&id), "there is a detector '{id}' already");
        Ok(Self { id, variant: Self::variant(id) })
    }

    /// `MassDownload` of `mass_download`.
    fn variant(id: &str) -> String {
        let mut is_first = true;
        let mut variant = String::new();
        for sign in id.chars() {
            if sign == '_' {
                is_first = true;
            } else {
                variant.push(if std::mem::take(&mut is_first) { sign.to_ascii_uppercase() } else { sign });
            }
        }
        variant
    }
}

#[cfg(test)]
mod tests;
