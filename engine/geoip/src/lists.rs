//! Lists of addresses from files: which of them tunnels, proxies and machines of bad repute answer from.
//!
//! A format is a `Decode`: bytes in, entries and faults out. All faults of a file are told at once, each with its line;
//! a list with a fault is not loaded at all, since half a list looks like a whole one.

mod csv_file;
mod gather;
mod json;
mod line;
mod misp;
mod mmdb_file;
mod pattern;
mod plain;
mod sink;
mod stix;
mod tor_exit;
mod warninglist;
mod words;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use frostwatch_detect::listed::{CONFIDENCE_MAX, Category};
use frostwatch_detect::lists::{LIST_TAG_BYTES_MAX, List, Lists, is_list_name};
use frostwatch_detect::time::{HOUR, Millis};
use serde::Deserialize;

pub use csv_file::Columns;
pub use json::Elements;
pub use line::ListFault;
use line::time;
use sink::Sink;

/// The whole content, in any format, of a list that is meant to be empty. A file that merely names nothing is refused, since
/// it may be half of one.
pub const EMPTY_LIST: &[u8] = b"# frostwatch: this list is empty, and somebody said that it is right so\n";

/// Hours for which an address counts beyond the times at which it was seen, if nothing is said.
const HOLD_HOURS: u32 = 24;
/// The same of an exit of Tor: lists are made of looks now and then, and relays come and go in between.
const HOLD_HOURS_TOR: u32 = 48;
/// The longest such time.
const HOLD_HOURS_MAX: u32 = 8_760;

/// A list as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListConfig {
    /// Its name in alerts and metrics: small letters, digits and underscores.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// What its addresses are, where the file does not say it.
    #[serde(default)]
    pub category: Option<Category>,
    /// What it calls them, where the file does not say it.
    #[serde(default)]
    pub tag: Option<String>,
    /// How far it can be trusted, 0–100, where the file does not say it.
    #[serde(default)]
    pub confidence: Option<u8>,
    /// It says nothing of events before this time, RFC 3339.
    #[serde(default)]
    pub valid_from: Option<String>,
    /// It says nothing of events from this time on, RFC 3339.
    #[serde(default)]
    pub valid_until: Option<String>,
    /// Of `tor_exit` and `misp`: an address counts from so long before it was first seen to so long after it was last
    /// seen, hours.
    #[serde(default)]
    pub hold_hours: Option<u32>,
    /// Of `stix` and `misp`: what words of the feed mean, beside and before those of the table; `null`: what has only such
    /// words is left out.
    #[serde(default)]
    pub categories: Option<BTreeMap<String, Option<Category>>>,
    /// Of `csv`: the names of its columns.
    #[serde(default)]
    pub columns: Option<Columns>,
}

/// How a file of a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An address or network a line.
    Plain,
    /// Columns under a header.
    Csv,
    /// Exits of Tor as its project publishes them, with the times at which they were seen.
    TorExit,
    /// `MaxMind`'s Anonymous IP.
    Mmdb,
    /// A STIX 2.1 bundle, or the objects of TAXII.
    Stix,
    /// Attributes or events of MISP.
    Misp,
    /// A warning list of MISP: what is known to be harmless.
    MispWarninglist,
}

impl Format {
    fn decoder(self) -> &'static dyn Decode {
        match self {
            Self::Plain => &plain::Plain,
            Self::Csv => &csv_file::Csv,
            Self::TorExit => &tor_exit::TorExit,
            Self::Mmdb => &mmdb_file::Mmdb,
            Self::Stix => &stix::Stix,
            Self::Misp => &misp::Misp,
            Self::MispWarninglist => &warninglist::Warninglist,
        }
    }
}

/// How much the files of lists may hold. What is over a limit is refused, never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListsLimits {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Lines of one file.
    pub lines_max: usize,
    /// Bytes of one line.
    pub line_bytes_max: usize,
    /// Entries of one list.
    pub entries_max: usize,
    /// Different tags of one list.
    pub tags_max: usize,
}

impl Default for ListsLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 256 << 20,
            lines_max: 8_000_000,
            line_bytes_max: 4_096,
            entries_max: 4_000_000,
            tags_max: 4_096,
        }
    }
}

/// A format: reads bytes into the entries of a list.
trait Decode: Sync {
    /// Hands the entries and faults of a file to the sink, until it has enough.
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>);

    /// What the format asks of the configuration beyond what all do: field and explanation.
    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)>;
}

/// A list that was read.
#[derive(Debug)]
pub struct Decoded {
    /// What it says.
    pub list: List,
    /// What it says and cannot mean, in words.
    pub warnings: Vec<String>,
}

/// What is known of the file of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    /// The list's name.
    pub name: String,
    /// When the file was changed last, seconds since the epoch; `None`: the system does not say.
    pub changed_at_secs: Option<i64>,
}

/// Lists that were read from files.
#[derive(Debug, Default)]
pub struct OpenedLists {
    /// The lists; `None`: none was named.
    pub lists: Option<Arc<Lists>>,
    /// Their files.
    pub files: Vec<ListFile>,
    /// What people should know about them.
    pub warnings: Vec<String>,
}

impl ListConfig {
    /// What is wrong with it, before any file is read.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut note = |field: &str, text: &str| faults.push(format!("lists '{}': {field}: {text}", self.name));
        if !is_list_name(&self.name) {
            note("name", "1 to 40 small letters, digits and underscores");
        }
        if self.confidence.is_some_and(|confidence| confidence > CONFIDENCE_MAX) {
            note("confidence", "outside 0 to 100");
        }
        if self.tag.as_ref().is_some_and(|tag| tag.len() > LIST_TAG_BYTES_MAX || tag.chars().any(char::is_control)) {
            note("tag", "longer than 60 bytes, or not of one line");
        }
        for (field, text) in [("valid_from", &self.valid_from), ("valid_until", &self.valid_until)] {
            if text.as_deref().is_some_and(|text| time(text).is_none()) {
                note(field, "not a time as 2026-03-02T09:00:00Z");
            }
        }
        if let (Some(from), Some(until)) = (self.from(), self.until())
            && from >= until
        {
            note("valid_until", "not after valid_from");
        }
        if self.hold_hours.is_some() && !matches!(self.format, Format::TorExit | Format::Misp) {
            note("hold_hours", "only a list of format tor_exit or misp has it");
        }
        if self.hold_hours.is_some_and(|hours| hours == 0 || hours > HOLD_HOURS_MAX) {
            note("hold_hours", "outside 1 to 8760");
        }
        if self.categories.is_some() && !matches!(self.format, Format::Stix | Format::Misp) {
            note("categories", "only a list of format stix or misp has them");
        }
        if self.categories.as_ref().is_some_and(|words| words.len() > words::OWN_WORDS_MAX) {
            note("categories", "more than 1024 words");
        }
        if self.columns.is_some() && self.format != Format::Csv {
            note("columns", "only a list of format csv has them");
        }
        for (field, text) in self.format.decoder().faults(self) {
            note(field, &text);
        }
        faults
    }

    fn from(&self) -> Option<Millis> {
        self.valid_from.as_deref().and_then(time)
    }

    fn until(&self) -> Option<Millis> {
        self.valid_until.as_deref().and_then(time)
    }

    fn hold(&self) -> Millis {
        let usual = if self.format == Format::TorExit { HOLD_HOURS_TOR } else { HOLD_HOURS };
        Millis::from(self.hold_hours.unwrap_or(usual)) * HOUR
    }
}

/// A fault where a field is missing that the file does not make up for.
fn needed<T>(field: &'static str, value: Option<&T>) -> Option<(&'static str, String)> {
    value.is_none().then(|| (field, "missing; a file of this format does not say it".to_owned()))
}

/// Reads a list from the bytes of its file.
///
/// # Errors
/// All faults of the file, in the order of its lines; of very many the first.
pub fn decode(config: &ListConfig, bytes: &[u8], limits: ListsLimits) -> Result<Decoded, Vec<ListFault>> {
    if bytes == EMPTY_LIST {
        let list = List { name: config.name.clone(), entries: Vec::new() };
        return Ok(Decoded { list, warnings: vec!["is empty, as somebody said that it should be".to_owned()] });
    }
    let mut sink = Sink::new(config, limits);
    if bytes.len() as u64 > limits.file_bytes_max {
        sink.fault(0, format!("more than {} bytes; is it the right file?", limits.file_bytes_max));
    } else {
        config.format.decoder().decode(config, bytes, &mut sink);
    }
    sink.finish()
}

/// Reads all lists, whose paths are resolved already, and lays them out.
///
/// # Errors
/// All faults of all lists and files, in words.
pub fn open(configs: &[ListConfig], limits: ListsLimits) -> Result<OpenedLists, Vec<String>> {
    let mut opened = OpenedLists::default();
    let (mut lists, mut faults) = (Vec::new(), Vec::new());
    for config in configs {
        let own = config.faults();
        if !own.is_empty() {
            faults.extend(own);
            continue;
        }
        let file = config.path.display();
        match read(&config.path, limits.file_bytes_max) {
            Err(error) => faults.push(format!("lists '{}': cannot read {file}: {error}", config.name)),
            Ok((bytes, changed_at_secs)) => match decode(config, &bytes, limits) {
                Err(found) => {
                    faults.extend(found.iter().map(|fault| format!("lists '{}': {file}{fault}", config.name)));
                }
                Ok(Decoded { list, warnings }) => {
                    opened.files.push(ListFile { name: config.name.clone(), changed_at_secs });
                    let told = |warning| format!("lists '{}': {file}: {warning}", config.name);
                    opened.warnings.extend(warnings.into_iter().map(told));
                    lists.push(list);
                }
            },
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    opened.lists = Lists::new(lists).map_err(|fault| vec![format!("lists: {fault}")])?;
    if opened.lists.as_ref().is_some_and(|lists| !lists.kept().is_whole()) {
        opened.warnings.push(
            "lists: too long to be kept with the state (16 MiB); after a crash under other lists what must be run again \
             is refused until `--accept-change`"
                .to_owned(),
        );
    }
    Ok(opened)
}

/// The bytes of a file that may grow while it is read, one beyond the limit at most, and when it was changed last.
fn read(path: &Path, limit_bytes: u64) -> std::io::Result<(Vec<u8>, Option<i64>)> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let mut bytes = Vec::with_capacity(about.len().min(limit_bytes) as usize);
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes, changed.and_then(|at| i64::try_from(at.as_secs()).ok())))
}
