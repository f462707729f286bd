//! A long rough run of real processes on a real broker: `engine/cli/tests/e2e_chaos.rs`, larger.

use std::process::{Command, ExitCode};

use clap::Args;
use frostwatch_testkit::broker::checkout;

#[derive(Args)]
pub(crate) struct Soak {
    /// Records in the log, the last 2,000 beside
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Processes killed (SIGKILL)
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// Processes stopped for longer than the session timeout and woken again
    #[arg(long, default_value_t = 10)]
    freezes: u64,
    /// Restarts of the broker
    #[arg(long, default_value_t = 5)]
    restarts: u64,
    /// Faults of the wire: delays, silence, half-closed, deaf and cut connections
    #[arg(long, default_value_t = 40)]
    wire: u64,
    /// Times that members are put out of the group in the midst of joining it
    #[arg(long, default_value_t = 10)]
    expulsions: u64,
    /// Seed of the log, the order of the faults and their choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(soak: &Soak) -> anyhow::Result<ExitCode> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--release", "--package", "frostwatch", "--test", "e2e_chaos", "--", "--nocapture"])
        .current_dir(checkout())
        .env("FROSTWATCH_E2E", "required");
    for (name, value) in [
        ("RECORDS", soak.records),
        ("KILLS", soak.kills),
        ("FREEZES", soak.freezes),
        ("RESTARTS", soak.restarts),
        ("WIRE", soak.wire),
        ("EXPULSIONS", soak.expulsions),
        ("SEED", soak.seed),
    ] {
        cargo.env(format!("FROSTWATCH_SOAK_{name}"), value.to_string());
    }
    Ok(if cargo.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
