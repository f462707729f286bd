//! `frostwatch record`.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use frostwatch_detect::lists::content::parts_of;
use frostwatch_detect::plan::Named;
use frostwatch_kafka::KafkaFault;
use frostwatch_kafka::record::{Recording, record};
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_kafka::state::{Standing, contents, survey};
use frostwatch_runtime::checkpoint::{Contents, RecordedTurn};
use serde::Serialize;
use serde_json::value::RawValue;

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
    /// Go on past the end, until stopped. Switches of rules that are made meanwhile are missing: a recording begins with
    /// those made before it.
    #[arg(long)]
    follow: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config)?.config.kafka;
    let topic = args.topic.clone().unwrap_or_else(|| settings.topics.activity());
    let stop = Arc::new(AtomicBool::new(false));
    let _signals = stop_on_signal(&stop)?;
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    if topic == settings.topics.activity() {
        write_switches(&settings, &mut out)?;
    }
    let recording = Recording { topic: topic.clone(), follow: args.follow, ..Recording::default() };
    let count = record(&settings, &recording, &stop, &mut out)?;
    out.flush()?;
    say(&format!("{count} records of {topic}"));
    Ok(ExitCode::SUCCESS)
}

/// The switches of rules come first, each with its place: a replay turns there too. What is recorded stands without them;
/// but a broker hides what one may not describe as if it were not there, so that is said.
fn write_switches(settings: &KafkaSettings, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = survey(settings, &[]).and_then(|standings| {
        let any = standings.iter().any(|standing| !standing.turns.is_empty());
        Ok((standings, if any { contents(settings)? } else { Contents::new() }))
    });
    let (standings, contents) = match found {
        Err(KafkaFault::MissingTopic { topic }) if topic != settings.topics.activity() => {
            say(&format!(
                "warning: '{topic}' does not exist, or this user may not see it (`frostwatch topics acls --for record`): \
                 the recording has no switches of rules"
            ));
            return Ok(());
        }
        Err(fault) if fault.lacks_a_right() => {
            say(&format!(
                "warning: {fault}: the recording has no switches of rules (`frostwatch topics acls --for record` prints \
                 the rights they take)"
            ));
            return Ok(());
        }
        found => found?,
    };
    let names = standings.iter().flat_map(|standing| &standing.turns).map(|turn| turn.named.lists.as_str());
    write_lists(names.filter(|lists| !lists.is_empty()).collect(), &contents, out)?;
    for Standing { partition, turns, .. } in &standings {
        let mut turns: Vec<&RecordedTurn> = turns.iter().collect();
        turns.sort_by_key(|turn| turn.offset);
        for RecordedTurn { offset, named } in turns {
            let Some(text) = contents.get(&named.rules).and_then(|text| std::str::from_utf8(text).ok()) else {
                say(&format!("warning: the rules {} of partition {partition} are not kept any more", named.rules));
                continue;
            };
            let rules = text.lines().map(serde_json::from_str::<&RawValue>).collect::<Result<Vec<_>, _>>()?;
            let switch = Switch { partition: *partition, offset: *offset, named, rules };
            serde_json::to_writer(&mut *out, &Line { switch })?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// What was kept of the lists of addresses with these digests: each a manifest, and the parts that it names.
fn write_lists(lists: BTreeSet<&str>, contents: &Contents, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut written = BTreeSet::new();
    for digest in lists {
        let parts = contents.get(digest).map(|manifest| parts_of(manifest)).unwrap_or_default();
        let names: Vec<String> = [digest.to_owned()].into_iter().chain(parts).collect();
        if names.iter().any(|name| !contents.contains_key(name)) {
            say(&format!("warning: the lists of addresses {digest} are not kept: a replay uses its own"));
            continue;
        }
        for name in names.iter().filter(|name| written.insert((*name).clone())) {
            let Some(text) = contents.get(name).and_then(|text| std::str::from_utf8(text).ok()) else { continue };
            serde_json::to_writer(&mut *out, &KeptLine { kept: Kept { name, text } })?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct KeptLine<'a> {
    kept: Kept<'a>,
}

/// What [`crate::file`] reads.
#[derive(Serialize)]
struct Kept<'a> {
    name: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    switch: Switch<'a>,
}

/// What [`crate::file`] reads.
#[derive(Serialize)]
struct Switch<'a> {
    partition: i32,
    offset: i64,
    named: &'a Named,
    rules: Vec<&'a RawValue>,
}
