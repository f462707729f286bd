//! `frostwatch rule`: a rule of one's own, begun from a shipped one, and tested.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use frostwatch_rulebook::{Fault, Rulebook, default_rules, policy_templates};

use crate::config;
use crate::console::say;
use test::TestArgs;

mod scenario;
mod test;

/// What to do with rules.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Writes a new rule file from a shipped rule or template, with its comments, under an id of its own.
    New(New),
    /// Runs tests of rules: stated activity, and what is to come of it.
    Test(TestArgs),
}

/// Which rule.
#[derive(clap::Args)]
struct New {
    /// The shipped rule or template to begin with; `--list` names them.
    #[arg(long, value_name = "TEMPLATE", required_unless_present = "list")]
    from: Option<String>,
    /// Id of the new rule, in small letters, digits and underscores; its file is named after it.
    #[arg(required_unless_present = "list")]
    id: Option<String>,
    /// Folder of the rules; it is made if it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Lists the shipped rules and templates, and writes nothing.
    #[arg(long, conflicts_with_all = ["from", "id"])]
    list: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let new = match &args.what {
        What::New(new) => new,
        What::Test(tests) => return test::run(tests),
    };
    match (&new.from, &new.id) {
        (Some(from), Some(id)) => write_new(template(from)?, id, &new.out)?,
        _ => std::io::stdout().lock().write_all(listed().as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A shipped rule, or a policy that ships as a beginning and does not run.
#[derive(Clone, Copy)]
struct Template {
    id: &'static str,
    text: &'static str,
    runs: bool,
}

fn templates() -> impl Iterator<Item = Template> {
    // What is said of networks is no rule.
    let rules = default_rules().iter().filter(|(file, _)| *file != "networks.yaml");
    let policies = policy_templates().iter().map(|(file, text)| (file, text, false));
    let all = rules.map(|(file, text)| (file, text, true)).chain(policies);
    all.map(|(file, text, runs)| Template { id: file.trim_end_matches(".yaml"), text, runs })
}

fn template(id: &str) -> anyhow::Result<Template> {
    let ids = || templates().map(|one| one.id).collect::<Vec<_>>().join(", ");
    templates()
        .find(|one| one.id == id)
        .with_context(|| format!("no shipped rule is called '{id}'; there are {}", ids()))
}

/// The shipped rules, each with the comment that its file begins with.
fn listed() -> String {
    let width = templates().map(|one| one.id.len()).max().unwrap_or_default();
    templates().fold(String::new(), |list, Template { id, text, .. }| {
        let about = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        list + &format!("{id:width$}  {about}\n")
    })
}

fn write_new(from: Template, id: &str, folder: &Path) -> anyhow::Result<()> {
    let text = from.renamed(id)?;
    let path = folder.join(format!("{id}.yaml"));
    let name = path.display().to_string();
    // A bad id is refused here, before it becomes the name of a file.
    Rulebook::parse(&[(&name, &text)], None).map_err(|faults| refused(&faults))?;
    let others = if folder.is_dir() { config::rule_files(folder).unwrap_or_default() } else { Vec::new() };
    ensure!(!path.exists(), "{name} is there already, and is left as it is; choose another id or folder");
    let fault_of_others = check_beside(&others, &name, &text)?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).with_context(|| name.clone())?;
    file.write_all(text.as_bytes()).with_context(|| name.clone())?;
    say(&format!("{name} written from the shipped rule {}", from.id));
    from.next_steps(id, folder, others.is_empty()).iter().for_each(|line| say(line));
    if let Some(fault) = fault_of_others {
        say(&format!("warning: the other rules of the folder have faults already, the first of them\n{fault}"));
    }
    Ok(())
}

/// Holds the rule together with the others of its folder? Returns a fault that they had before.
fn check_beside(others: &[(String, String)], name: &str, text: &str) -> anyhow::Result<Option<Fault>> {
    let mut all: Vec<(&str, &str)> = others.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    if let Err(faults) = Rulebook::parse(&all, None) {
        return Ok(faults.into_iter().next());
    }
    all.push((name, text));
    Rulebook::parse(&all, None).map_err(|faults| refused(&faults))?;
    Ok(None)
}

fn refused(faults: &[Fault]) -> anyhow::Error {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    anyhow!("nothing is written, since the rule would have faults:\n{}", faults.join("\n"))
}

impl Template {
    /// The text under another id, which its title names too. Under its own id it stays as it is.
    fn renamed(self, id: &str) -> anyhow::Result<String> {
        if id == self.id {
            return Ok(self.text.to_owned());
        }
        let mut text = format!("# Begun from the shipped rule {}; say here what it is for.\n", self.id);
        let mut left = vec!["id: ", "version: ", "title: "];
        for line in self.text.split_inclusive('\n') {
            let at = left.iter().position(|field| line.starts_with(field));
            let line = match at.map(|at| left.swap_remove(at)) {
                None => line.to_owned(),
                Some("id: ") => format!("id: {id}\n"),
                Some("version: ") => "version: 1\n".to_owned(),
                Some(_) => titled(line, id),
            };
            text.push_str(&line);
        }
        if let Some(field) = left.first() {
            bail!("the shipped rule {} has no line that begins with '{field}'", self.id);
        }
        Ok(text)
    }

    fn next_steps(self, id: &str, folder: &Path, is_alone: bool) -> Vec<String> {
        let (own, folder) = (self.id, folder.display());
        let mut steps = vec![
            "edit next: detector.params (the limits), scope (whom it watches), title, severity and runbook_url"
                .to_owned(),
        ];
        if self.text.contains("\nenabled: false") {
            steps.push("it is not enabled: read in its comments why, and set `enabled: true`".to_owned());
        }
        if id != own && self.runs {
            steps.push(format!(
                "it runs beside {own} with a state of its own: what {own} has learned is not taken over, and where both \
                 apply both alert, so narrow one of them by scope"
            ));
            if self.text.contains("learning_days:") {
                steps.push(
                    "it learns each user anew: for learning_days what it finds is recorded as suppressed (`learning`)"
                        .into(),
                );
            }
        }
        if is_alone {
            steps.push(format!(
                "{folder} has no other rule: a folder of rules stands in place of the shipped ones, so add those that \
                 should go on, each by `frostwatch rule new --from RULE RULE --out {folder}`"
            ));
        }
        steps.push(format!(
            "then check it (`frostwatch check --rules {folder}`), write down what it must find and what not (`frostwatch rule \
             test --rules {folder} TESTS`), and try it on recorded activity (`frostwatch replay --rules {folder} FILE`)"
        ));
        steps
    }
}

/// The line of a title that also names the rule, or two rules of one detector could not be told apart.
fn titled(line: &str, id: &str) -> String {
    let at = line.rfind(": {user}").or_else(|| line.rfind('"')).unwrap_or(line.trim_end().len());
    let (before, after) = line.split_at(at);
    format!("{before} ({id}){after}")
}

#[cfg(test)]
mod tests;
