//! The lines that name a detector, each put in its place. An edit that does not find its place says what it looked for.

use anyhow::{Context, Result};
use frostwatch_detect::catalogue::STATE_FORMAT;

use super::Names;

/// An edit of a text.
type Edit = fn(&str, &Names<'_>) -> Result<String>;

/// Every file that names the detectors, and what names them there.
pub(super) const EDITS: &[(&str, Edit)] = &[
    ("engine/detect/src/detectors.rs", |text, Names { id, .. }| {
        let module = format!("pub mod {id};\n");
        sorted_block(text, "pub mod ", &module)
    }),
    ("engine/detect/src/catalogue.rs", |text, Names { id, variant }| {
        let text = sorted_list(text, "use crate::detectors::{Detector, ", "}", ", ", id)
            .or_else(|_| sorted_list(text, "use crate::detectors::{\n    Detector, ", "\n}", ", ", id))?;
        let text = sorted_between(&text, "catalogue! {\n", "}\n", &format!("    {variant}({id}),\n"))?;
        behind_the_last(&text, "const CAME: ", "];\n", &format!("    (\"{id}\", {STATE_FORMAT}),\n"))
    }),
    ("engine/rulebook/src/check.rs", |text, Names { variant, .. }| {
        let arm = format!("Params::{variant}(_)");
        let (from, until) = ("=> (WINDOW, params.window_secs),\n        Params::", " => (WINDOW, 0),");
        let begin = text.rfind(from).context("no arms of detectors that do not count")? + from.len() - "Params::".len();
        let (before, rest) = text.split_at_checked(begin).context("a boundary")?;
        Ok(before.to_owned() + &sorted_list(rest, "", until, " | ", &arm)?)
    }),
    ("engine/rulebook/src/defaults.rs", |text, Names { id, .. }| {
        let line = format!("        (\"{id}.yaml\", include_str!(\"../../../rules/{id}.yaml\")),\n");
        sorted_block(text, "        (\"", &line)
    }),
    ("engine/rulebook/src/raw/params.rs", params),
    ("engine/wire/src/alert/types.rs", |text, Names { id, .. }| {
        // Ids that are planned stand there before their detectors do.
        let line = format!("    \"{id}\",\n");
        if text.contains(&line) { Ok(text.to_owned()) } else { sorted_block(text, "    \"", &line) }
    }),
    ("tests/tests/detectors.rs", |text, Names { id, .. }| {
        let test = format!(
            "#[test]\nfn {id}() {{\n    check(\"{id}\", include_str!(\"../vectors/detectors/{id}.jsonl\"));\n}}\n\n"
        );
        let begins = |part: &str| part.starts_with("#[test]\nfn ") && part.contains("../vectors/detectors/");
        sorted_parts(text, begins, &test)
    }),
    ("docs/runbooks/README.md", |text, Names { id, .. }| {
        let link = format!("[{id}]({id}.md)");
        let text = sorted_list(text, "One page a rule: ", ". What a detector", ", ", &link)?;
        Ok(text.replacen("# Runbooks: what all four have in common", "# Runbooks: what all have in common", 1))
    }),
];

/// The parameters as the schema shows them: a variant of the enum, and the structure that it holds.
fn params(text: &str, names: &Names<'_>) -> Result<String> {
    let Names { id, variant } = names;
    let told = format!("    /// To be written: what it finds.\n    {variant}({variant}),\n");
    let (before, rest) = text.split_once("pub(crate) enum Detector {\n").context("no `enum Detector {`")?;
    let (variants, after) = rest.split_once("}\n").context("`Detector` does not end")?;
    let mut all = in_pieces(variants, |line| line.ends_with("),\n"));
    all.push(told);
    all.sort_by_key(|piece| piece.lines().last().unwrap_or_default().to_owned());
    let text = format!("{before}pub(crate) enum Detector {{\n{}}}\n{after}", all.concat());
    let structure = format!(
        "/// Parameters of `{id}`.\n#[derive(JsonSchema)]\n#[schemars(deny_unknown_fields)]\n\
         #[expect(dead_code, reason = \"it only describes\")]\npub(crate) struct {variant} {{\n    \
         /// Events allowed in one incident; one more raises the alert.\n    \
         #[schemars(range(min = 1, max = 100_000))]\n    events_max: u32,\n}}\n\n"
    );
    sorted_parts(&text, |part| part.starts_with("/// Parameters of `"), &structure)
}

/// Puts a line into the first run of lines that begin alike.
fn sorted_block(text: &str, begins: &str, line: &str) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = lines.iter().position(|one| one.starts_with(begins));
    let first = first.with_context(|| format!("no line begins with '{begins}'"))?;
    let run = lines.iter().skip(first).take_while(|one| one.starts_with(begins));
    let at = first + run.take_while(|one| **one < line).count();
    Ok([&lines[..at], &[line], &lines[at..]].concat().concat())
}

/// Puts a line into the sorted lines between two texts.
fn sorted_between(text: &str, from: &str, until: &str, line: &str) -> Result<String> {
    let begin = text.rfind(from).with_context(|| format!("no '{}'", from.trim()))? + from.len();
    let (before, rest) = text.split_at_checked(begin).context("a boundary")?;
    let end = rest.find(until).with_context(|| format!("'{}' does not end", from.trim()))?;
    let (inside, after) = rest.split_at_checked(end).context("a boundary")?;
    let mut lines: Vec<&str> = inside.split_inclusive('\n').collect();
    lines.push(line);
    lines.sort_unstable();
    Ok(format!("{before}{}{after}", lines.concat()))
}

/// Puts a line behind the last before a text.
fn behind_the_last(text: &str, from: &str, until: &str, line: &str) -> Result<String> {
    let begin = text.find(from).with_context(|| format!("no '{}'", from.trim()))?;
    let (before, rest) = text.split_at_checked(begin).context("a boundary")?;
    let (inside, after) = rest.split_once(until).with_context(|| format!("'{}' does not end", from.trim()))?;
    Ok(format!("{before}{inside}{line}{until}{after}"))
}

/// Puts an entry into a list that may be broken over lines; the list is written on one line.
fn sorted_list(text: &str, from: &str, until: &str, between: &str, entry: &str) -> Result<String> {
    let begin = text.find(from).with_context(|| format!("no '{}'", from.trim()))? + from.len();
    let (before, rest) = text.split_at_checked(begin).context("a boundary")?;
    let end = rest.find(until).with_context(|| format!("no '{}' behind '{}'", until.trim(), from.trim()))?;
    let (inside, after) = rest.split_at_checked(end).context("a boundary")?;
    let sign = between.trim();
    let mut all: Vec<&str> = inside.split(sign).map(str::trim).filter(|one| !one.is_empty()).collect();
    all.push(entry);
    all.sort_unstable();
    Ok(format!("{before}{}{after}", all.join(between)))
}

/// Puts a part, which ends in an empty line, before the first of its kind that comes after it, or behind the last.
fn sorted_parts(text: &str, is_of_the_kind: impl Fn(&str) -> bool, part: &str) -> Result<String> {
    let mut parts = in_pieces(text, |line| line == "\n");
    let last = parts.iter().rposition(|one| is_of_the_kind(one)).context("no part like the new one")?;
    if !parts[last].ends_with("\n\n") {
        parts[last].push('\n');
    }
    let later = parts.iter().position(|one| is_of_the_kind(one) && one.as_str() > part);
    parts.insert(later.unwrap_or(last + 1), part.to_owned());
    Ok(parts.concat().trim_end().to_owned() + "\n")
}

/// The text in pieces, each with the line that ends it.
fn in_pieces(text: &str, ends: impl Fn(&str) -> bool) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if let Some(piece) = pieces.last_mut() {
            piece.push_str(line);
        }
        if ends(line) {
            pieces.push(String::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
