//! `frostwatch peers`: what is usual among the colleagues of each person, measured over activity, as records to publish.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use frostwatch_detect::time::Millis;
use frostwatch_runtime::peers::{self, Measured, People, Span, measure, record_of};
use frostwatch_wire::activity::time::UtcTime;

use crate::console::say;
use crate::reading::{self, Files};

/// What to measure, and over whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// Who are colleagues: the people of a department, or of the smallest group that is large enough.
    #[arg(long, value_enum, default_value_t = By::Department)]
    by: By,
    /// Fewest other people behind a number.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    people_min: u32,
    /// Length of the span that is measured, days up to `--at`.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
    /// The end of the span and the time of the records, RFC 3339 in UTC; without it the time of the newest activity.
    #[arg(long, value_parser = at_arg)]
    at: Option<Millis>,
    /// Put the key of each record and a tab before it, as console producers read them.
    #[arg(long)]
    keyed: bool,
}

/// Who are colleagues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// Of one `user.department`.
    Department,
    /// Of one of `user.groups`.
    Group,
}

impl From<By> for peers::By {
    fn from(by: By) -> Self {
        match by {
            By::Department => Self::Department,
            By::Group => Self::Group,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut people = People::new(args.by.into(), Span { days: args.days, at: args.at });
    let lines = reading::each(&args.files, &mut |record, activity| Ok(people.take(activity, record.key.as_deref())?))?;
    let read = people.counts();
    let measured = measure(people, args.people_min);
    write(&measured, args.keyed)?;
    say(&format!(
        "{} records: {} downloads of {} people; {} groups measured, {} people told of theirs",
        lines.records,
        read.downloads,
        read.people,
        measured.groups,
        measured.told.len(),
    ));
    say(&format!("left out: {} people without a group, {} in groups that are too small", measured.alone, measured.few));
    Ok(lines.ended())
}

fn write(measured: &Measured, keyed: bool) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for (key, (name, peers)) in &measured.told {
        let Some(record) = record_of(key, name, peers, measured.at) else { continue };
        if keyed {
            write!(out, "{key}\t")?;
        }
        serde_json::to_writer(&mut out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn at_arg(text: &str) -> Result<Millis, String> {
    UtcTime::parse(text).map(UtcTime::ms).map_err(|_| "not an RFC 3339 time in UTC".to_owned())
}
