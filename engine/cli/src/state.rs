//! `frostwatch state`: how the group's state stands, and the choices where it does not agree with offsets and topic.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_kafka::state::{Choice, choose, survey};

use crate::config;

/// What to do with the state.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Shows how each partition stands.
    Show {
        #[command(flatten)]
        of: Of,
        /// As JSON lines: the record of progress with the group's offset and the ends of the topic.
        #[arg(long)]
        json: bool,
    },
    /// Goes on where the state stands: puts the group's offset there.
    Resume {
        #[command(flatten)]
        of: Of,
        /// Also where records that are needed are not held any more. What they held is given up, and the epoch is raised;
        /// where the end of the topic is lost, the state is made anew of what is left.
        #[arg(long)]
        lossy: bool,
    },
    /// Makes the state anew, in silence, of what the topic holds before the group's offset, and raises the epoch. Refused
    /// where the topic has another number of partitions than the state was begun with.
    Rebuild(Of),
    /// Drops state, offsets and the record of switches: all that the topic holds is scored, its alerts flow, and the epoch
    /// is raised.
    Forget(Of),
}

#[derive(clap::Args)]
struct Of {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Only this partition; may be given several times.
    #[arg(long)]
    partition: Vec<i32>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (of, choice) = match &args.what {
        What::Show { of, json } => return show(of, *json),
        What::Resume { of, lossy } => (of, Choice::Resume { lossy: *lossy }),
        What::Rebuild(of) => (of, Choice::Rebuild),
        What::Forget(of) => (of, Choice::Forget),
    };
    let settings = config::load(&of.config)?.config.kafka;
    let chosen = choose(&settings, choice, &of.partition)?;
    if chosen.is_empty() {
        anyhow::bail!("nothing to choose: group '{}' has neither state nor offset there", settings.group);
    }
    let mut out = std::io::stdout().lock();
    for one in &chosen {
        let dropped = if one.dropped > 0 { format!(", {} keys dropped", one.dropped) } else { String::new() };
        writeln!(out, "partition {}: goes on at offset {} in epoch {}{dropped}", one.partition, one.offset, one.epoch)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(of: &Of, json: bool) -> anyhow::Result<ExitCode> {
    let standings = survey(&config::load(&of.config)?.config.kafka, &of.partition)?;
    let mut out = std::io::stdout().lock();
    if json {
        for it in &standings {
            let line = serde_json::json!({
                "partition": it.partition, "progress": it.progress, "keys": it.keys.len(), "committed": it.committed,
                "first": it.low, "end": it.high,
            });
            writeln!(out, "{line}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["partition", "offset", "committed", "end", "to re-run", "keys", "epoch", "received", "not scored"];
    writeln!(out, "{}", head.map(|name| format!("{name:>10}")).join(" "))?;
    for it in &standings {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        // Of a choice that was broken off nothing holds but that it is to be made again.
        let is_broken_off = it.is_broken_off();
        let progress = it.progress.as_ref().filter(|_| !is_broken_off);
        let counted =
            |name: &str| progress.map_or(0, |it| it.task.account.records.get(name).copied().unwrap_or_default());
        let cells = [
            it.partition.to_string(),
            or_none(progress.map_or(is_broken_off.then(|| "broken off".to_owned()), |it| Some(it.offset.to_string()))),
            or_none(it.committed.map(|offset| offset.to_string())),
            it.high.to_string(),
            or_none(progress.map(|progress| {
                let first = if progress.rebuild { it.low } else { progress.low_water };
                (progress.offset - first).to_string()
            })),
            it.keys.len().to_string(),
            or_none(progress.map(|progress| progress.epoch.to_string())),
            counted("received").to_string(),
            (counted("received") - counted("scored").min(counted("received"))).to_string(),
        ];
        writeln!(out, "{}", cells.map(|cell| format!("{cell:>10}")).join(" "))?;
    }
    Ok(ExitCode::SUCCESS)
}
