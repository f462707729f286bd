//! `frostwatch usual-files`: which extensions and names of notes people of the organisation have written, as parameters of the rule
//! `ransomware`, so that what is usual weighs nothing and what is rare weighs most.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use frostwatch_detect::detectors::ransomware::{PEOPLE_MAX, SEEN_MAX, Written};
use frostwatch_detect::files::{Extension, Signs, is_sure, note_words};
use frostwatch_detect::model::{AccountKind, Outcome};
use frostwatch_detect::time::{day_of, rfc3339};
use frostwatch_runtime::pipeline::file_of;
use frostwatch_wire::activity::decode::{Activity, key_of};

use crate::console::say;
use crate::file::FileRecord;
use crate::reading::{self, Files};

/// People and what they wrote that are told apart at most.
const PAIRS_MAX: usize = 1_000_000;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// So many different people who write an extension, or a file of such a name, make it usual: it weighs nothing. Of fewer each
    /// takes his part of the weight.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(PEOPLE_MAX)))]
    usual_people: u32,
    /// Different days on which somebody wrote it, or it does not count: what happens on one day may be what is looked for.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=90))]
    days_min: u32,
}

/// Days on which somebody wrote something, no more than are asked for.
type Days = BTreeSet<i32>;

#[derive(Default)]
struct Seen {
    by_extension: BTreeMap<(Extension, Box<str>), Days>,
    by_note: BTreeMap<(&'static str, Box<str>), Days>,
    records: u64,
    span: Option<(i64, i64)>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut seen = Seen::default();
    let read = reading::each(&args.files, &mut |record, activity| seen.take(args, record, activity))?;
    let (extensions, notes) = (people(&seen.by_extension, args), people(&seen.by_note, args));
    let extensions: BTreeMap<String, u32> =
        extensions.into_iter().map(|(extension, people)| (extension.to_string(), people)).collect();
    let notes: BTreeMap<String, u32> = notes.into_iter().map(|(note, people)| (note.to_owned(), people)).collect();
    let mut out = std::io::stdout().lock();
    if let Some((from, until)) = seen.span {
        let (from, until) = (rfc3339(from), rfc3339(until));
        writeln!(out, "    # Measured over {} records from {from} to {until}.", seen.records)?;
    }
    writeln!(out, "    usual_people: {}", args.usual_people)?;
    writeln!(out, "    seen_extensions: {}", most(&extensions)?)?;
    writeln!(out, "    seen_notes: {}", most(&notes)?)?;
    say(&format!("{} extensions that no usual program writes, {} names of notes", extensions.len(), notes.len()));
    Ok(read.ended())
}

impl Seen {
    fn take(&mut self, args: &Args, record: &FileRecord, activity: &Activity<'_>) -> anyhow::Result<()> {
        self.records += 1;
        let is_colleague = matches!(activity.kind, AccountKind::Employee | AccountKind::Unknown);
        if activity.test || activity.counted.is_some() || activity.outcome != Outcome::Success || !is_colleague {
            return Ok(());
        }
        let (time, at) = (activity.time, self.span.get_or_insert((activity.time, activity.time)));
        *at = (at.0.min(time), at.1.max(time));
        let Some(facts) = file_of(activity) else { return Ok(()) };
        let own = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).filter(|key| key.contains('|'));
        let person: Box<str> = own.map_or_else(|| key_of(activity).into(), Into::into);
        // Nobody's, and what is written in signs that are not kept may be anything.
        if person.contains("|@") {
            return Ok(());
        }
        let day = day_of(time);
        if facts.signs.has(Signs::UNUSUAL) && !facts.signs.has(Signs::KNOWN) && !facts.extension.as_str().contains('?')
        {
            note(self.by_extension.entry((facts.extension, person.clone())).or_default(), day, args);
        }
        if facts.note != 0 && is_sure(facts.note) {
            note(self.by_note.entry((note_words(facts.note), person)).or_default(), day, args);
        }
        if self.by_extension.len() + self.by_note.len() > PAIRS_MAX {
            bail!("more than {PAIRS_MAX} people and extensions: measure a shorter time");
        }
        Ok(())
    }
}

fn note(days: &mut Days, day: i32, args: &Args) {
    if days.len() < args.days_min as usize {
        days.insert(day);
    }
}

/// How many people wrote each, on days enough.
fn people<T: Ord + Copy>(seen: &BTreeMap<(T, Box<str>), Days>, args: &Args) -> BTreeMap<T, u32> {
    let mut people: BTreeMap<T, u32> = BTreeMap::new();
    for ((what, _), _) in seen.iter().filter(|(_, days)| days.len() >= args.days_min as usize) {
        let count = people.entry(*what).or_default();
        *count = (*count + 1).min(PEOPLE_MAX);
    }
    people
}

/// Those of most people, as many as a rule takes, as YAML.
fn most(seen: &BTreeMap<String, u32>) -> anyhow::Result<String> {
    let mut all: Vec<(&String, &u32)> = seen.iter().collect();
    all.sort_by_key(|(what, people)| (std::cmp::Reverse(**people), *what));
    if all.len() > SEEN_MAX {
        say(&format!("warning: of {} the {SEEN_MAX} of most people are told, as many as a rule takes", all.len()));
        all.truncate(SEEN_MAX);
    }
    all.sort_unstable();
    let all: Vec<Written> =
        all.into_iter().map(|(name, people)| Written { name: name.clone(), people: *people }).collect();
    // JSON is YAML.
    Ok(serde_json::to_string(&all)?)
}
