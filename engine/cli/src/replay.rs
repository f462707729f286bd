//! `frostwatch replay`: the same core over a file.

mod tasks;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use frostwatch_detect::time::Lateness;
use frostwatch_runtime::pipeline::{Counters, Origin};
use frostwatch_runtime::ports::{Channel, OutputRecord};
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::alert::AlertRecord;
use frostwatch_wire::normalise::Normaliser;

use crate::config::{self, Faults, GeoConfig};
use crate::console::say;
use crate::engine::{Located, ruling, shared};
use crate::file::{FileRecord, Lines, Read1, progress_bar};
use tasks::{SwitchArg, Tasks, switch_arg};

/// Unreadable lines that are shown; the rest is counted.
const SHOWN_MAX: u64 = 5;

/// What to replay, and how.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Args {
    /// A file of recorded lines, activity or raw rows, one JSON object a line or exported pages of them (plain, gzip or
    /// zstd); `-`: standard input.
    file: PathBuf,
    /// Configuration for rules, GeoIP, raw rows and lateness.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of rules; without it the configuration's, else the shipped ones.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// GeoIP city file; twice for separate IPv4 and IPv6 files.
    #[arg(long = "geoip-city", value_name = "FILE", conflicts_with = "config")]
    geoip_city: Vec<PathBuf>,
    /// GeoIP ASN file.
    #[arg(long = "geoip-asn", value_name = "FILE", conflicts_with = "config")]
    geoip_asn: Vec<PathBuf>,
    /// Use the GeoIP table of the demo's invented networks.
    #[arg(long, conflicts_with_all = ["config", "geoip_city"])]
    demo_geoip: bool,
    /// Instance that raw rows are from; needed for raw rows when there is no configuration.
    #[arg(long, conflicts_with = "config")]
    instance: Option<String>,
    /// Only the last revision of each alert, without retracted ones, in order of time.
    #[arg(long = "final")]
    only_final: bool,
    /// Suppressed findings too.
    #[arg(long)]
    suppressed: bool,
    /// Sort by event time first (holds the file in memory): for exports of several tables one after the other.
    #[arg(long)]
    sort: bool,
    /// Count by entity (`per`) over copies that the replay makes itself, in place of those that were recorded: for rules that came
    /// after the recording. Where lines tell no offsets it does so anyway.
    #[arg(long)]
    own_copies: bool,
    /// Other rules from a record on: from the one with this index in the file, from 0, or from this offset of a partition
    /// on where the file tells offsets. May be given several times.
    #[arg(long, value_name = "INDEX|PARTITION:OFFSET=RULES_FOLDER", value_parser = switch_arg)]
    switch: Vec<SwitchArg>,
}

struct Replay<'a> {
    tasks: Tasks,
    args: &'a Args,
    outputs: Vec<OutputRecord>,
    finals: BTreeMap<String, (String, Vec<u8>)>,
    out: BufWriter<std::io::StdoutLock<'static>>,
    dropped: BTreeMap<&'static str, u64>,
    unreadable: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (tasks, normaliser) = assemble(args)?;
    let bar = progress_bar();
    let mut lines = Lines::open(&args.file, normaliser, &bar)?;
    let mut replay = Replay {
        tasks,
        args,
        outputs: Vec::new(),
        finals: BTreeMap::new(),
        out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
        dropped: BTreeMap::new(),
        unreadable: 0,
    };
    let mut held: Vec<FileRecord> = Vec::new();
    let mut read = Vec::new();
    while lines.next(&mut |one| read.push(one))? {
        for one in read.drain(..) {
            match one {
                Read1::Record(record) if args.sort => held.push(record),
                Read1::Record(record) => replay.record(&record)?,
                Read1::Switch(_) if args.sort => {
                    bail!("a recorded switch has its place in the order of arrival: leave out `--sort`")
                }
                Read1::Switch(switch) => replay.tasks.switch(*switch)?,
                Read1::Kept(name, text) => replay.tasks.keep(name, text),
                other => replay.not_a_record(&other),
            }
        }
    }
    held.sort_by_cached_key(|record| decode(&record.value).map_or(i64::MAX, |activity| activity.time));
    for record in &held {
        replay.record(record)?;
    }
    bar.finish_and_clear();
    replay.finish()
}

fn assemble(args: &Args) -> anyhow::Result<(Tasks, Option<Normaliser>)> {
    let folder_rules = |folder| config::rules(folder).map_err(Faults);
    if let Some(path) = &args.config {
        let checked = config::load_with(path, args.rules.as_deref())?;
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        let (ruling, normaliser) = checked.into_ruling();
        return Ok((Tasks::new(shared(Origin::default()), ruling, args.own_copies, &args.switch)?, normaliser));
    }
    let files = GeoConfig { city: args.geoip_city.clone(), asn: args.geoip_asn.clone() };
    let located = if args.demo_geoip {
        Located::Table(frostwatch_geoip::demo()?)
    } else {
        config::located(&files).map_err(|fault| Faults(vec![fault]))?
    };
    located.warnings().iter().for_each(|warning| say(&format!("warning: {warning}")));
    let normaliser = match &args.instance {
        Some(instance) => Some(normaliser_of(instance)?),
        None => None,
    };
    let rulebook = folder_rules(args.rules.as_deref())?;
    let ruling = std::sync::Arc::new(ruling(rulebook, located, Lateness::DEFAULT));
    Ok((Tasks::new(shared(Origin::default()), ruling, args.own_copies, &args.switch)?, normaliser))
}

/// A normaliser with nothing but the instance's name.
pub(crate) fn normaliser_of(instance: &str) -> anyhow::Result<Normaliser> {
    let config = serde_json::from_value(serde_json::json!({ "instance": instance }))?;
    let faults = |faults: Vec<_>| Faults(faults.iter().map(|fault| format!("--instance: {fault}")).collect());
    Ok(Normaliser::new(config).map_err(faults)?)
}

impl Replay<'_> {
    fn record(&mut self, record: &FileRecord) -> anyhow::Result<()> {
        self.tasks.record(record, &mut self.outputs)?;
        for output in std::mem::take(&mut self.outputs) {
            match output.channel {
                Channel::Alerts => self.alert(output.value)?,
                Channel::Suppressions if self.args.suppressed => self.alert(output.value)?,
                Channel::Rejected => {
                    let message = output.headers.iter().find(|(name, _)| name.ends_with("exception.message"));
                    let message = message.map(|(_, text)| String::from_utf8_lossy(text).into_owned());
                    self.unreadable(record.line, &message.unwrap_or_default());
                }
                Channel::Suppressions | Channel::Late | Channel::Activity => {}
            }
        }
        Ok(())
    }

    fn alert(&mut self, value: Vec<u8>) -> anyhow::Result<()> {
        if !self.args.only_final {
            self.out.write_all(&value)?;
            return Ok(self.out.write_all(b"\n")?);
        }
        let alert: AlertRecord = serde_json::from_slice(&value)?;
        match alert.body {
            Some(body) => drop(self.finals.insert(alert.id, (body.last_event_time, value))),
            None => drop(self.finals.remove(&alert.id)),
        }
        Ok(())
    }

    fn not_a_record(&mut self, read: &Read1) {
        match read {
            Read1::Dropped(why) => *self.dropped.entry(why).or_default() += 1,
            Read1::Unreadable(line, why) => self.unreadable(*line, why),
            Read1::Record(_) | Read1::Switch(_) | Read1::Kept(..) => {}
        }
    }

    fn unreadable(&mut self, line: u64, why: &str) {
        self.unreadable += 1;
        if self.unreadable <= SHOWN_MAX {
            say(&format!("line {line}: {why}"));
        }
    }

    fn finish(mut self) -> anyhow::Result<ExitCode> {
        let mut finals: Vec<_> = std::mem::take(&mut self.finals).into_iter().collect();
        finals.sort_by(|(id, (time, _)), (other, (later, _))| (time, id).cmp(&(later, other)));
        for (_, (_, value)) in finals {
            self.out.write_all(&value)?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()?;
        let counts = self.tasks.counters();
        self.summary(&counts);
        // A file of which nothing could be read was not replayed.
        let is_unread = self.unreadable > 0 && counts.received == counts.rejected && self.dropped.is_empty();
        Ok(if is_unread { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn summary(&self, counts: &Counters) {
        let dropped: u64 = self.dropped.values().sum();
        say(&format!(
            "{} records: {} scored, {} duplicates, {} late, {} over the cap, {} rejected; {} users",
            counts.received,
            counts.scored,
            counts.duplicates,
            counts.late,
            counts.over_cap,
            counts.rejected,
            self.tasks.users(),
        ));
        say(&format!(
            "alerts: {} opened, {} brought up to date, {} taken back; {} suppressed",
            counts.opened, counts.updated, counts.retracted, counts.suppressed
        ));
        if dropped > 0 {
            let by: Vec<String> = self.dropped.iter().map(|(why, count)| format!("{why} {count}")).collect();
            say(&format!("{dropped} raw rows dropped: {}", by.join(", ")));
        }
        if self.unreadable > SHOWN_MAX {
            say(&format!("{} unreadable lines in all", self.unreadable));
        }
        let missing = self.tasks.missing_copies();
        if missing > 0 {
            say(&format!(
                "{missing} records are counted by something else than their user, and the recording has no copies of them, since \
                 its rules did not: `--own-copies` makes them"
            ));
        }
        if self.tasks.unused() > 0 {
            say(&format!("{} switches are for records that did not come", self.tasks.unused()));
        }
        if counts.unstamped > 0 {
            say(&format!("{} records had no stamp: the skew limit was not applied to them", counts.unstamped));
        }
        if counts.late > counts.received / 100 && !self.args.sort {
            say("many records are late: if the file is not in the order of arrival, try `--sort`");
        }
        say(&format!("state {:032x}", self.tasks.state_hash()));
    }
}
