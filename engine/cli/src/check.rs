//! `frostwatch check`.

use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_kafka::probe::{Seen, probe};

use crate::config;
use crate::console::say;

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration; without it only the rules are checked.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// A folder of rules, in place of the one the configuration names.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Ask the brokers too, as every command does at its start: by address, TLS and credentials.
    #[arg(long, requires = "config")]
    brokers: bool,
    /// Warnings are faults too.
    #[arg(long)]
    deny_warnings: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut kafka = None;
    let mut lists = None;
    let (rules, warnings) = if let Some(path) = &args.config {
        let checked = config::load_with(path, args.rules.as_deref())?;
        kafka = Some(checked.config.kafka).filter(|_| args.brokers);
        lists = checked.lists.lists;
        (checked.rulebook, checked.warnings)
    } else {
        let rules = config::rules(args.rules.as_deref()).map_err(config::Faults)?;
        let warnings = rules.warnings.iter().map(ToString::to_string).collect();
        (rules, warnings)
    };
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    if args.deny_warnings && !warnings.is_empty() {
        return Err(config::Faults(warnings).into());
    }
    for rule in &rules.rules {
        say(&format!("rule {} version {} ({}): {}", rule.id, rule.version, rule.hash, rule.params.detector()));
    }
    for list in lists.iter().flat_map(|lists| lists.builds()) {
        say(&format!("list {} ({}): {} entries", list.name, list.digest, list.entries));
    }
    if let Some(kafka) = &kafka {
        let Seen { brokers, topics } = probe(kafka)?;
        say(&format!("{} answers: brokers {brokers}, topics {topics}", kafka.bootstrap_servers));
    }
    say("no faults");
    Ok(ExitCode::SUCCESS)
}
