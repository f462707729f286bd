//! `frostwatch schema`.

use std::io::Write;
use std::process::ExitCode;

/// Which contract.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `activity.v1`, `alert.v1` or `rule.v1`; without it the names are listed.
    name: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut all: Vec<(String, String)> = frostwatch_wire::schema::all();
    all.extend(frostwatch_rulebook::schema::all().into_iter().map(|(name, text)| (name.to_owned(), text)));
    let mut out = std::io::stdout().lock();
    let Some(wanted) = &args.name else {
        for (name, _) in &all {
            writeln!(out, "{}", name.trim_end_matches(".json"))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let known = |name: &str| name.trim_end_matches(".json") == wanted.trim_end_matches(".json");
    let Some((_, text)) = all.iter().find(|(name, _)| known(name)) else {
        anyhow::bail!("no contract is called '{wanted}'; `frostwatch schema` lists them");
    };
    out.write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
