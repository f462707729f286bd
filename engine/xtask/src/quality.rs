//! How well the detectors do on a large simulated company: `tests/quality/README.md` holds what this prints.

use std::process::{Command, ExitCode};

use clap::Args;
use frostwatch_testkit::broker::checkout;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Quality {
    /// What the program that measures takes; `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(quality: &Quality) -> anyhow::Result<ExitCode> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--release", "--package", "frostwatch-tests", "--bin", "quality", "--"])
        .args(&quality.arguments);
    let ended = cargo.current_dir(checkout()).status()?;
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
