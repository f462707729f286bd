//! The commands of `frostwatch`: reads configuration, joins the edges, runs. Data goes to standard output, all else to
//! standard error. Nobody links this but the program beside it ([`main`]) and the fuzz targets (feature `fuzzing`).

mod admin;
mod check;
mod config;
mod console;
mod demo;
mod engine;
mod except;
mod feeds;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod lists;
mod metrics;
mod peers;
mod raw;
mod reading;
mod record;
mod rejected;
mod reload;
mod replay;
mod rule;
mod run;
mod schema;
mod shell;
mod simulate;
mod state;
mod topics;
mod usual_files;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use frostwatch_kafka::KafkaFault;

/// Exit code of a faulty configuration (`EX_CONFIG` of sysexits).
const EXIT_CONFIG: u8 = 78;
/// Exit code where the same command may succeed a little later, with nothing changed (`EX_TEMPFAIL` of sysexits).
const EXIT_LATER: u8 = 75;

/// Streaming detection for ServiceNow activity.
#[derive(Parser)]
#[command(name = "frostwatch", version, about, propagate_version = true)]
struct Cli {
    /// How much is logged to standard error: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, global = true, default_value = "warn", env = "FROSTWATCH_LOG")]
    log: String,
    /// How logs are written.
    #[arg(long, global = true, default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the whole path at work on a simulated company, with nothing to install.
    Demo(demo::Args),
    /// Runs the engine: Kafka in, Kafka out.
    Run(run::Args),
    /// Runs activity or raw rows of a file through the detectors and writes the alerts as JSON lines.
    Replay(replay::Args),
    /// Shows every fault of configuration, rules and GeoIP files at once.
    Check(check::Args),
    /// Fetches lists of addresses from where the configuration says.
    Lists(lists::Args),
    /// Makes and compares topics.
    Topics(topics::Args),
    /// Shows how the written state stands, and chooses where it does not agree with offsets and topic.
    State(state::Args),
    /// Writes a topic's records with their stamps to standard output, for `replay`.
    Record(record::Args),
    /// Measures what is usual among the colleagues of each person, and writes it as records to publish.
    Peers(peers::Args),
    /// Which extensions and names of notes people of the organisation write, measured over activity, as parameters of the rule `ransomware`.
    UsualFiles(usual_files::Args),
    /// Lists records that could not be read or came too late, and publishes them again.
    Rejected(rejected::Args),
    /// Begins a rule of one's own from a shipped one, or tests rules.
    Rule(rule::Args),
    /// Makes an exception of an alert, in its rule's file.
    Except(except::Args),
    /// Writes the activity of a simulated company.
    Simulate(simulate::Args),
    /// Prints the JSON Schema of a contract.
    Schema(schema::Args),
    /// Prints the completions of a shell.
    Completions(shell::CompletionsArgs),
    /// Writes manual pages.
    Man(shell::ManArgs),
}

/// Runs the command that the program was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    console::start_logs(&cli.log, matches!(cli.log_format, LogFormat::Json));
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Lists(args) => lists::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::State(args) => state::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::UsualFiles(args) => usual_files::run(&args),
        Command::Rejected(args) => rejected::run(&args),
        Command::Rule(args) => rule::run(&args),
        Command::Except(args) => except::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => shell::completions(&args, Cli::command()),
        Command::Man(args) => shell::man(&args, Cli::command()),
    };
    match done {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let error = match error.downcast::<KafkaFault>() {
                // It says what its source does.
                Ok(fault) => {
                    let fault = fault.explained();
                    console::say(&format!("error: {fault}"));
                    return exit_code(&fault.into());
                }
                Err(error) => error,
            };
            console::say(&format!("error: {error:#}"));
            exit_code(&error)
        }
    }
}

/// What a supervisor needs to know: whether to start again.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<config::Faults>() {
        return ExitCode::from(EXIT_CONFIG);
    }
    match error.downcast_ref::<KafkaFault>() {
        Some(fault) if fault.is_retriable() => ExitCode::from(EXIT_LATER),
        _ => ExitCode::FAILURE,
    }
}

/// The reader of our output went away, as `head` does: that is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
