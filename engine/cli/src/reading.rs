//! Reading activity from files, record by record, for what is measured over it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_wire::activity::decode::{Activity, decode};
use frostwatch_wire::normalise::Normaliser;

use crate::config;
use crate::console::say;
use crate::file::{FileRecord, Lines, Read1, progress_bar};
use crate::replay::normaliser_of;

/// Unreadable lines that are shown; the rest is counted.
const SHOWN_MAX: u64 = 5;

/// Which files, and how raw rows in them are read.
#[derive(clap::Args)]
pub(crate) struct Files {
    /// Files of recorded lines, activity or raw rows, one JSON object a line or exported pages of them (plain, gzip or
    /// zstd), in any order; `-`: standard input.
    #[arg(id = "files", default_value = "-")]
    paths: Vec<PathBuf>,
    /// Configuration for raw rows.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Instance that raw rows are from; needed for raw rows when there is no configuration.
    #[arg(long, conflicts_with = "config")]
    instance: Option<String>,
}

/// What became of the lines.
#[derive(Default)]
pub(crate) struct ReadLines {
    /// Those that were activity.
    pub(crate) records: u64,
    dropped: BTreeMap<&'static str, u64>,
    unreadable: u64,
}

type Take<'a> = dyn FnMut(&FileRecord, &Activity<'_>) -> anyhow::Result<()> + 'a;

/// Reads all files. Lines that cannot be read are told, the first of them one by one.
pub(crate) fn each(files: &Files, take: &mut Take<'_>) -> anyhow::Result<ReadLines> {
    let normaliser = normaliser(files)?;
    let (mut lines_read, mut read) = (ReadLines::default(), Vec::new());
    for file in &files.paths {
        // More than one file is read, so lines are told with their file.
        let named = (files.paths.len() > 1).then_some(file);
        let bar = progress_bar();
        let mut lines = Lines::open(file, normaliser.clone(), &bar)?;
        while lines.next(&mut |one| read.push(one))? {
            for one in read.drain(..) {
                lines_read.take(&one, named, take)?;
            }
        }
        bar.finish_and_clear();
    }
    Ok(lines_read)
}

fn normaliser(files: &Files) -> anyhow::Result<Option<Normaliser>> {
    if let Some(path) = &files.config {
        let checked = config::load_with(path, None)?;
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        return Ok(checked.into_ruling().1);
    }
    files.instance.as_deref().map(normaliser_of).transpose()
}

impl ReadLines {
    fn take(&mut self, one: &Read1, file: Option<&PathBuf>, take: &mut Take<'_>) -> anyhow::Result<()> {
        match one {
            Read1::Record(record) => match decode(&record.value) {
                Ok(activity) => {
                    self.records += 1;
                    take(record, &activity)?;
                }
                Err(reject) => self.unreadable(record.line, &reject.to_string(), file),
            },
            Read1::Dropped(why) => *self.dropped.entry(why).or_default() += 1,
            Read1::Unreadable(line, why) => self.unreadable(*line, why, file),
            // Which rules held says nothing of what was done.
            Read1::Switch(_) | Read1::Kept(..) => {}
        }
        Ok(())
    }

    fn unreadable(&mut self, line: u64, why: &str, file: Option<&PathBuf>) {
        self.unreadable += 1;
        if self.unreadable <= SHOWN_MAX {
            let file = file.map(|file| format!("{}: ", file.display())).unwrap_or_default();
            say(&format!("{file}line {line}: {why}"));
        }
    }

    /// Says what was left out. Of files of which nothing could be read nothing was measured.
    pub(crate) fn ended(&self) -> ExitCode {
        if !self.dropped.is_empty() {
            let by: Vec<String> = self.dropped.iter().map(|(why, count)| format!("{why} {count}")).collect();
            say(&format!("{} raw rows dropped: {}", self.dropped.values().sum::<u64>(), by.join(", ")));
        }
        if self.unreadable > SHOWN_MAX {
            say(&format!("{} unreadable lines in all", self.unreadable));
        }
        let is_unread = self.unreadable > 0 && self.records == 0 && self.dropped.is_empty();
        if is_unread { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
