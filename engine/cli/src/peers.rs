//! `frostwatch peers`: what is usual among the colleagues of each person, measured over activity, as records to publish.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_detect::time::Millis;
use frostwatch_runtime::peers::{self, Measured, People, Span, measure, record_of};
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::activity::time::UtcTime;
use frostwatch_wire::normalise::Normaliser;

use crate::config;
use crate::console::say;
use crate::file::{FileRecord, Lines, Read1, progress_bar};
use crate::replay::normaliser_of;

/// Unreadable lines that are shown; the rest is counted.
const SHOWN_MAX: u64 = 5;

/// What to measure, and over whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of recorded lines, activity or raw rows, one JSON object a line or exported pages of them (plain, gzip or
    /// zstd), in any order; `-`: standard input.
    #[arg(default_value = "-")]
    files: Vec<PathBuf>,
    /// Configuration for raw rows.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Instance that raw rows are from; needed for raw rows when there is no configuration.
    #[arg(long, conflicts_with = "config")]
    instance: Option<String>,
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

struct Reading<'a> {
    people: People,
    /// More than one file is read, so lines are told with their file.
    file: Option<&'a PathBuf>,
    records: u64,
    dropped: BTreeMap<&'static str, u64>,
    unreadable: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let normaliser = normaliser(args)?;
    let people = People::new(args.by.into(), Span { days: args.days, at: args.at });
    let mut reading = Reading { people, file: None, records: 0, dropped: BTreeMap::new(), unreadable: 0 };
    let mut read = Vec::new();
    for file in &args.files {
        reading.file = (args.files.len() > 1).then_some(file);
        let bar = progress_bar();
        let mut lines = Lines::open(file, normaliser.clone(), &bar)?;
        while lines.next(&mut |one| read.push(one))? {
            for one in read.drain(..) {
                reading.take(&one)?;
            }
        }
        bar.finish_and_clear();
    }
    let Reading { people, records, dropped, unreadable, .. } = reading;
    let read = people.counts();
    let measured = measure(people, args.people_min);
    write(&measured, args.keyed)?;
    say(&format!(
        "{records} records: {} downloads of {} people; {} groups measured, {} people told of theirs",
        read.downloads,
        read.people,
        measured.groups,
        measured.told.len(),
    ));
    say(&format!("left out: {} people without a group, {} in groups that are too small", measured.alone, measured.few));
    if !dropped.is_empty() {
        let by: Vec<String> = dropped.iter().map(|(why, count)| format!("{why} {count}")).collect();
        say(&format!("{} raw rows dropped: {}", dropped.values().sum::<u64>(), by.join(", ")));
    }
    if unreadable > SHOWN_MAX {
        say(&format!("{unreadable} unreadable lines in all"));
    }
    // Of files of which nothing could be read nothing was measured.
    let is_unread = unreadable > 0 && records == 0 && dropped.is_empty();
    Ok(if is_unread { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn normaliser(args: &Args) -> anyhow::Result<Option<Normaliser>> {
    if let Some(path) = &args.config {
        let checked = config::load_with(path, None)?;
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        return Ok(checked.into_ruling().1);
    }
    args.instance.as_deref().map(normaliser_of).transpose()
}

impl Reading<'_> {
    fn take(&mut self, one: &Read1) -> anyhow::Result<()> {
        match one {
            Read1::Record(record) => return Ok(self.record(record)?),
            Read1::Dropped(why) => *self.dropped.entry(why).or_default() += 1,
            Read1::Unreadable(line, why) => self.unreadable(*line, why),
            // Which rules held says nothing of what was done.
            Read1::Switch(_) | Read1::Kept(..) => {}
        }
        Ok(())
    }

    fn record(&mut self, record: &FileRecord) -> Result<(), peers::Overflow> {
        match decode(&record.value) {
            Ok(activity) => {
                self.records += 1;
                self.people.take(&activity, record.key.as_deref())?;
            }
            Err(reject) => self.unreadable(record.line, &reject.to_string()),
        }
        Ok(())
    }

    fn unreadable(&mut self, line: u64, why: &str) {
        self.unreadable += 1;
        if self.unreadable <= SHOWN_MAX {
            let file = self.file.map(|file| format!("{}: ", file.display())).unwrap_or_default();
            say(&format!("{file}line {line}: {why}"));
        }
    }
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
