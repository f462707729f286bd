//! `frostwatch record`.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use frostwatch_kafka::record::{Recording, record};

use crate::config;
use crate::console::say;
use crate::run::stop_on_signal;

/// What to record.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// The topic; without it the activity topic.
    topic: Option<String>,
    /// Go on past the end, until stopped.
    #[arg(long)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config)?.config.kafka;
    let topic = args.topic.clone().unwrap_or_else(|| settings.topics.activity());
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signal(&stop)?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let recording = Recording { topic: topic.clone(), follow: args.follow, ..Recording::default() };
    let count = record(&settings, &recording, &stop, &mut out)?;
    out.flush()?;
    say(&format!("{count} records of {topic}"));
    Ok(ExitCode::SUCCESS)
}
