//! How well the detectors do on a large simulated company: `tests/quality/README.md` holds what this prints.

use std::process::{Command, ExitCode};

use clap::Args;
use frostwatch_testkit::broker::checkout;

#[derive(Args)]
pub(crate) struct Quality {
    /// Accounts
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Days
    #[arg(long, default_value_t = 60)]
    days: u32,
    /// Attacks of each kind
    #[arg(long, default_value_t = 60)]
    attacks: u32,
    /// Seed of the company
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sensitivities only: no suppression is switched off, and no other stream is tried
    #[arg(long)]
    short: bool,
    /// Name every attack that was missed and every false alert at medium
    #[arg(long)]
    cases: bool,
}

pub(crate) fn run(quality: &Quality) -> anyhow::Result<ExitCode> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--release", "--package", "frostwatch-tests", "--bin", "quality", "--"]).current_dir(checkout());
    for (name, value) in [
        ("--users", u64::from(quality.users)),
        ("--days", u64::from(quality.days)),
        ("--attacks", u64::from(quality.attacks)),
        ("--seed", quality.seed),
    ] {
        cargo.args([name, &value.to_string()]);
    }
    cargo.args(quality.short.then_some("--short")).args(quality.cases.then_some("--cases"));
    Ok(if cargo.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
