//! `frostwatch except`: an exception made of an alert, written into its rule's file.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Days, SecondsFormat, Utc};
use frostwatch_rulebook::Rulebook;
use frostwatch_wire::alert::{AlertRecord, Entity};
use serde_json::{Value, json};

use crate::config;
use crate::console::say;

/// Largest input, bytes: an alert has 64 KiB of evidence at most.
const INPUT_BYTES_MAX: u64 = 16 << 20;
/// Longest life of an exception, days; what should hold for longer is looked at again.
const DAYS_MAX: u64 = 366;

/// What to leave out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File with the alert as JSON, or `-`; of several records the last is taken.
    alert: PathBuf,
    /// Folder of the rules.
    #[arg(long)]
    rules: PathBuf,
    /// How long it holds from now on, in days (`30d`) or weeks (`4w`).
    #[arg(long = "for", value_parser = days)]
    days: u64,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who answers for it.
    #[arg(long, env = "USER")]
    owner: String,
    /// Only from the addresses that the alert names, not from everywhere.
    #[arg(long)]
    from_its_addresses: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let alert = last_alert(&input(&args.alert)?)?;
    let files = config::rule_files(&args.rules)?;
    let (name, text) = file_of(&files, &alert.rule.id)?;
    let now = DateTime::<Utc>::from(SystemTime::now());
    let expires = now.checked_add_days(Days::new(args.days)).context("--for: too long")?;
    let wanted = Wanted { alert: &alert, reason: &args.reason, owner: &args.owner, expires };
    let (id, block) = wanted.block(&taken_ids(text), args.from_its_addresses)?;
    let edited = insert(text, &block).with_context(|| name.to_owned())?;
    check(&files, name, &edited, &alert.rule.id, &id)?;
    std::io::stdout().lock().write_all(block.as_bytes())?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    replace(Path::new(name), &edited)?;
    say(&format!(
        "exception '{id}' written to {name}; a running process takes it within ten seconds. It covers that name on every \
         instance. What it hides goes to the suppressions topic and is counted as frostwatch_exception_hidden_total"
    ));
    Ok(ExitCode::SUCCESS)
}

fn days(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let each = match unit {
        "d" => 1,
        "w" => 7,
        _ => return Err("a number and `d` or `w`, as in `30d`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a number and `d` or `w`, as in `30d`".to_owned())?;
    let days = number.saturating_mul(each);
    if (1..=DAYS_MAX).contains(&days) { Ok(days) } else { Err(format!("{days} days are outside 1 to {DAYS_MAX}")) }
}

fn input(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut read = |source: &mut dyn std::io::Read| source.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text);
    if path == Path::new("-") {
        read(&mut std::io::stdin().lock()).context("standard input")?;
    } else {
        let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        read(&mut file).with_context(|| path.display().to_string())?;
    }
    ensure!(text.len() as u64 <= INPUT_BYTES_MAX, "more than {INPUT_BYTES_MAX} bytes; give the one alert");
    Ok(text)
}

/// The last record; pretty-printed or a line each.
pub(crate) fn last_alert(text: &str) -> anyhow::Result<AlertRecord> {
    let mut last = None;
    for record in serde_json::Deserializer::from_str(text).into_iter::<AlertRecord>() {
        last = Some(record.context("not an alert.v1")?);
    }
    last.context("there is no alert in it")
}

/// The file of the rule, with its text.
fn file_of<'a>(files: &'a [(String, String)], rule: &str) -> anyhow::Result<(&'a str, &'a str)> {
    let is_it = |text: &str| {
        let parsed: Option<Value> = serde_saphyr::from_str(text).ok();
        parsed.is_some_and(|parsed| parsed.get("id").and_then(Value::as_str) == Some(rule))
    };
    let found = files.iter().find(|(_, text)| is_it(text));
    found
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .with_context(|| format!("no file of the folder has the rule '{rule}' that the alert names"))
}

pub(crate) fn taken_ids(text: &str) -> Vec<String> {
    let parsed: Value = serde_saphyr::from_str(text).unwrap_or_default();
    let exceptions = parsed.get("exceptions").and_then(Value::as_array).cloned().unwrap_or_default();
    exceptions.iter().filter_map(|one| one.get("id")?.as_str().map(str::to_owned)).collect()
}

pub(crate) struct Wanted<'a> {
    pub(crate) alert: &'a AlertRecord,
    pub(crate) reason: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) expires: DateTime<Utc>,
}

impl Wanted<'_> {
    /// The exception's id, and its lines as an item of a YAML list.
    pub(crate) fn block(&self, taken: &[String], from_its_addresses: bool) -> anyhow::Result<(String, String)> {
        let parts = self.alert.body.iter().flat_map(|body| &body.parts);
        let rules: Vec<&str> = parts.map(|part| part.rule.as_str()).collect();
        ensure!(
            self.alert.policy != "incident",
            "an incident has no exceptions: give the alert among its parts that was harmless ({})",
            rules.join(", ")
        );
        let is_counted = |entity: &Entity| matches!(entity, Entity::Counted { .. });
        ensure!(
            !self.alert.entities.iter().any(is_counted),
            "the alert is about no user but what the policy counts by: except its network in the rule, or the users who may, by hand"
        );
        let user = self.alert.entities.iter().find_map(|entity| match entity {
            Entity::User { name, .. } => Some(name),
            _ => None,
        });
        let user = user.context("the alert is about no user")?;
        ensure!(
            !user.contains(['*', '?']),
            "the name '{user}' has a character that is wild in a rule; write it by hand"
        );
        let id = free_id(user, taken);
        // JSON's strings and lists are YAML's too, and every odd character is quoted.
        let mut lines = vec![
            format!("  - id: {id}"),
            format!("    reason: {}", json!(self.reason)),
            format!("    owner: {}", json!(self.owner)),
            format!("    expires: {}", json!(self.expires.to_rfc3339_opts(SecondsFormat::Secs, true))),
            "    covers:".to_owned(),
            format!("      users: {}", json!([user])),
        ];
        if from_its_addresses {
            let addresses: Vec<IpAddr> = self
                .alert
                .entities
                .iter()
                .filter_map(|entity| if let Entity::Address { ip, .. } = entity { Some(*ip) } else { None })
                .collect();
            ensure!(!addresses.is_empty(), "--from-its-addresses: the alert names no address");
            lines.push(format!("      networks: {}", json!(addresses)));
        }
        lines.push(String::new());
        Ok((id, lines.join("\n")))
    }
}

/// An id of the user's name that no other exception of the rule has.
fn free_id(user: &str, taken: &[String]) -> String {
    let word: String =
        user.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let mut word = if word.starts_with(|c: char| c.is_ascii_lowercase()) { word } else { format!("user_{word}") };
    word.truncate(56);
    (1..=taken.len() + 1)
        .map(|number| if number == 1 { word.clone() } else { format!("{word}_{number}") })
        .find(|id| !taken.contains(id))
        .unwrap_or(word)
}

/// The text with the item at the end of its list of exceptions. Comments and all else stay as they are.
pub(crate) fn insert(text: &str, block: &str) -> anyhow::Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(at) = lines.iter().position(|line| line.starts_with("exceptions:")) else {
        bail!("no line begins with `exceptions:`; add `exceptions: []` and try again");
    };
    let head = lines.get(at).copied().unwrap_or_default().trim_end_matches('\n');
    let rest = head.strip_prefix("exceptions:").unwrap_or_default();
    let (value, comment) =
        rest.split_once('#').map_or((rest, String::new()), |(value, comment)| (value, format!(" #{comment}")));
    let end = match value.trim() {
        "[]" => at + 1,
        "" => end_of_list(&lines, at + 1)?,
        _ => bail!("exceptions: stands on one line; write the list with one item a line, and try again"),
    };
    let mut edited: String = lines.iter().take(at).copied().collect();
    edited.extend(["exceptions:", &comment, "\n"]);
    edited.extend(lines.iter().take(end).skip(at + 1).copied());
    if !edited.ends_with('\n') {
        edited.push('\n');
    }
    edited.push_str(block);
    edited.extend(lines.iter().skip(end).copied());
    Ok(edited)
}

/// The line after the last item of a list that begins at `first`, with items two spaces in.
fn end_of_list(lines: &[&str], first: usize) -> anyhow::Result<usize> {
    let mut end = first;
    for (index, line) in lines.iter().enumerate().skip(first) {
        let is_of_the_list = line.starts_with("  ");
        let is_empty = line.trim().is_empty() || line.trim_start().starts_with('#');
        let begins_item = line.trim_start().starts_with("- ");
        if !is_empty && begins_item && (!is_of_the_list || end == first) {
            ensure!(
                line.starts_with("  - "),
                "exceptions: its items are not indented by two spaces; indent them so, and try again"
            );
        }
        if !is_of_the_list && !is_empty {
            break;
        }
        if is_of_the_list && !is_empty {
            end = index + 1;
        }
    }
    Ok(end)
}

/// The set of rules must hold as a whole with the edited file, and have the exception.
pub(crate) fn check(files: &[(String, String)], name: &str, edited: &str, rule: &str, id: &str) -> anyhow::Result<()> {
    let all: Vec<(&str, &str)> =
        files.iter().map(|(file, text)| (file.as_str(), if file == name { edited } else { text.as_str() })).collect();
    let book = Rulebook::parse(&all, None).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("nothing is written, since the rules would have faults:\n{}", faults.join("\n"))
    })?;
    // Of a rule that is switched off the book has nothing.
    let has = book.rule(rule).is_none_or(|(_, rule)| rule.exceptions.iter().any(|exception| *exception.id == *id));
    ensure!(has, "nothing is written: the exception did not find its place; write it by hand");
    Ok(())
}

/// Exchanges a file in one step: a process that reads it meanwhile reads the old one or the new one.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    // Of a link the file behind it is exchanged, and the link stays.
    let path = &std::fs::canonicalize(path).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = std::fs::metadata(path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests;
