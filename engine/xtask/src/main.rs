//! Development tasks: `cargo xtask kafka …` runs a local Apache Kafka, `cargo xtask generate` writes the generated files,

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to whoever started it")]

mod fuzz;
mod generate;
mod kafka;
mod quality;
mod scaffold;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Hand broken bytes to every reader of untrusted or stored bytes
    Fuzz(fuzz::Fuzz),
    /// Write the files that are generated from code
    Generate {
        /// Write nothing; fail and name the files that are stale
        #[arg(long)]
        check: bool,
    },
    /// Write the files of a new detector and the lines that name it
    NewDetector(scaffold::NewDetector),
    /// Run a local Apache Kafka broker on loopback
    #[command(subcommand)]
    Kafka(kafka::Kafka),
    /// Run processes on Apache Kafka under faults and compare their alerts with a replay of the log
    Soak(soak::Soak),
    /// Measure recall, precision and false alerts of the detectors on a simulated company with all confounders
    Quality(quality::Quality),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Fuzz(fuzz) => fuzz::run(&fuzz),
        Task::Generate { check } => generate::run(check),
        Task::NewDetector(new) => scaffold::run(&new),
        Task::Kafka(kafka) => kafka::run(&kafka),
        Task::Soak(soak) => soak::run(&soak),
        Task::Quality(quality) => quality::run(&quality),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
