//! Files that are generated from code and committed, so that readers find them and a stale one is noticed.

mod filter;
mod page;
mod source;
mod table;
mod template;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use frostwatch_detect::catalogue::DETECTORS;
use frostwatch_rulebook::policy_templates;
use frostwatch_testkit::broker::checkout;
use frostwatch_testkit::mmdb::demo_files;

use page::Described;
use template::Template;

/// A file as it should be; the path is relative to the checkout.
struct Generated {
    path: PathBuf,
    content: Vec<u8>,
}

impl Generated {
    fn new(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}

/// Everything that is generated, by what it is made from. To add to it, append what a function yields.
fn all(root: &Path) -> anyhow::Result<Vec<Generated>> {
    let mut files = schemas();
    files.extend(demo_files()?.into_iter().map(|(path, bytes)| Generated::new(path, bytes)));
    let detectors = described(root)?;
    files.extend(detectors.iter().map(|one| Generated::new(format!("docs/detectors/{}.md", one.id), one.page())));
    files.push(Generated::new("docs/detectors/README.md", table::index(&detectors)));
    files.extend(readme(root, &detectors)?);
    let templates = templates(root)?;
    files.extend(templates.iter().map(|one| Generated::new(format!("docs/policies/{}.md", one.id), one.page())));
    files.push(policies(root, &templates)?);
    Ok(files)
}

fn schemas() -> Vec<Generated> {
    let schema = |name: &str, text: String| Generated::new(Path::new("schemas").join(name), text);
    let wire = frostwatch_wire::schema::all().into_iter().map(|(name, text)| schema(&name, text));
    wire.chain(frostwatch_rulebook::schema::all().into_iter().map(|(name, text)| schema(name, text))).collect()
}

/// Every detector of the catalogue, as its file and its rule describe it.
fn described(root: &Path) -> anyhow::Result<Vec<Described>> {
    DETECTORS
        .iter()
        .map(|id| {
            let code = code_of(root, id)?;
            let rule = read(&root.join(format!("rules/{id}.yaml")))?;
            Described::new(id, &code, &rule).with_context(|| format!("detector {id}"))
        })
        .collect()
}

/// Every template of a policy, as its text and the documentation of the detector's parameters describe it.
fn templates(root: &Path) -> anyhow::Result<Vec<Template>> {
    let code = code_of(root, template::DETECTOR)?;
    policy_templates()
        .iter()
        .map(|(file, _)| {
            let id = file.trim_end_matches(".yaml");
            let text = read(&root.join("rules/policies").join(file))?;
            Template::new(id, &code, &text).with_context(|| format!("template {id}"))
        })
        .collect()
}

/// The file of a detector, and that of its parameters where they have one of their own.
fn code_of(root: &Path, id: &str) -> anyhow::Result<String> {
    let detectors = root.join("engine/detect/src/detectors");
    let code = read(&detectors.join(format!("{id}.rs")))?;
    let params = detectors.join(id).join("params.rs");
    if !params.exists() {
        return Ok(code);
    }
    let params = read(&params)?;
    let (_, params) = params.split_once("\n\n").context("params.rs has nothing behind its first lines")?;
    Ok(format!("{code}\n{params}"))
}

/// The front page with its table of detectors brought up to date, if there is a front page.
fn readme(root: &Path, detectors: &[Described]) -> anyhow::Result<Option<Generated>> {
    let path = root.join("README.md");
    if !path.exists() {
        return Ok(None);
    }
    let text = table::with_detectors(&read(&path)?, detectors).context("README.md")?;
    Ok(Some(Generated::new("README.md", text)))
}

/// The page on policies with its table of templates brought up to date.
fn policies(root: &Path, templates: &[Template]) -> anyhow::Result<Generated> {
    let path = "docs/policies.md";
    let text = table::with_templates(&read(&root.join(path))?, templates).context(path)?;
    Ok(Generated::new(path, text))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Writes every generated file that is missing or differs, or with `check` only names them and fails.
pub(crate) fn run(check: bool) -> anyhow::Result<ExitCode> {
    let root = checkout();
    let files = all(&root)?;
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
            Ok(have) if have == file.content => {}
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
mod tests;
