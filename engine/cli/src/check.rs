//! `frostwatch check`.

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Warnings are faults too.
    #[arg(long)]
    deny_warnings: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (rules, mut warnings) = match &args.config {
        Some(path) => {
            let checked = config::load(path)?;
            (checked.rulebook, checked.warnings)
        }
        None => (config::rules(args.rules.as_deref()).map_err(config::Faults)?, Vec::new()),
    };
    let rules = match (&args.config, &args.rules) {
        (Some(_), Some(folder)) => config::rules(Some(folder)).map_err(config::Faults)?,
        _ => rules,
    };
    if args.config.is_none() {
        warnings.extend(rules.warnings.iter().map(ToString::to_string));
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    if args.deny_warnings && !warnings.is_empty() {
        return Err(config::Faults(warnings).into());
    }
    for rule in &rules.rules {
        say(&format!("rule {} version {} ({}): {}", rule.id, rule.version, rule.hash, rule.params.detector()));
    }
    say("no faults");
    Ok(ExitCode::SUCCESS)
}
