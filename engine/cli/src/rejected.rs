//! `frostwatch rejected`: what could not be read or came too late, listed, and published again once the cause is mended.

pub(crate) mod line;
mod replay;

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND};
use frostwatch_kafka::originals::{Original, read_originals};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_runtime::ports::Channel;

use crate::config;
use crate::console::say;
use crate::run::stop_on_signal;

/// What to do with records that were not scored.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Prints a line for each record: when, where it came from, why, and its size; values are masked.
    List(List),
    /// Publishes the original bytes to the topic they came from, for records whose cause was mended.
    Replay(Replay),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    chosen: Chosen,
    /// Events that came too late too.
    #[arg(long)]
    late: bool,
    /// Show keys and values, which hold personal data; a value up to 2,000 characters.
    #[arg(long)]
    show: bool,
    /// JSON lines.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// Publish nothing, only say what would be.
    #[arg(long)]
    dry_run: bool,
}

/// Which records.
#[derive(clap::Args)]
struct Chosen {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Only records whose reason is this word, or whose message contains it.
    #[arg(long)]
    reason: Option<String>,
    /// Only records put there since: a time (RFC 3339), or a span until now such as 90s, 15m, 2h or 7d.
    #[arg(long, value_parser = since)]
    since: Option<Millis>,
    /// At most so many records.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signal(&stop)?;
    match &args.what {
        What::List(list) => run_list(list, &stop),
        What::Replay(replay) => {
            let settings = config::load(&replay.chosen.config)?.config.kafka;
            replay::run(&replay.chosen, replay.dry_run, &settings, &stop)
        }
    }
}

fn run_list(list: &List, stop: &AtomicBool) -> anyhow::Result<ExitCode> {
    let settings = config::load(&list.chosen.config)?.config.kafka;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let channels = [Some(Channel::Rejected), list.late.then_some(Channel::Late)];
    let mut left = list.chosen.limit.unwrap_or(u64::MAX);
    for channel in channels.into_iter().flatten() {
        if left == 0 {
            break;
        }
        let listed = list.chosen.each(&settings, channel, left, stop, &mut |original| {
            line::write(&mut out, &original, list.json, list.show)
        })?;
        left -= listed;
        out.flush()?;
        say(&format!("{listed} records of {}", settings.topics.channel(channel)));
    }
    Ok(ExitCode::SUCCESS)
}

impl Chosen {
    /// Hands on the records that were chosen, at most so many; returns how many.
    fn each(
        &self,
        settings: &KafkaSettings,
        channel: Channel,
        limit: u64,
        stop: &AtomicBool,
        take: &mut dyn FnMut(Original) -> std::io::Result<()>,
    ) -> anyhow::Result<u64> {
        let mut taken = 0;
        read_originals(settings, &settings.topics.channel(channel), self.since, stop, &mut |original| {
            if self.is_chosen(&original) {
                taken += 1;
                take(original)?;
            }
            Ok(if taken < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(taken)
    }

    fn is_chosen(&self, original: &Original) -> bool {
        let wanted = self.reason.as_ref();
        wanted.is_none_or(|reason| original.reason() == *reason || original.message().contains(reason.as_str()))
    }
}

/// A time, or a span before now.
fn since(text: &str) -> Result<Millis, String> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let span = span(text).ok_or("not a time such as 2026-01-05T09:00:00Z, nor a span such as 90s, 15m, 2h or 7d")?;
    Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX).saturating_sub(span))
}

fn span(text: &str) -> Option<Millis> {
    let unit = text.chars().last()?;
    let number: Millis = text.strip_suffix(unit)?.parse().ok().filter(|number| *number >= 0)?;
    let unit = match unit {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_number_and_a_unit() {
        for (text, wanted) in [
            ("90s", Some(90 * SECOND)),
            ("15m", Some(15 * MINUTE)),
            ("2h", Some(2 * HOUR)),
            ("7d", Some(7 * DAY)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("7", None),
            ("2é", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(span(text), wanted, "{text}");
        }
        assert_eq!(since("2026-01-05T00:00:00Z"), Ok(1_767_571_200_000));
        assert!(since("yesterday").is_err());
    }
}
