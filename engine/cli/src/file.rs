//! Lines of files: plain, gzip or zstd, of records as recorded, of activity, or of raw rows.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::Context as _;
use frostwatch_detect::time::Millis;
use frostwatch_runtime::ports::RawOutcome;
use frostwatch_wire::activity::RECORD_BYTES_MAX;
use frostwatch_wire::normalise::{Normaliser, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::raw;

/// Longest line, bytes: a record at its limit with what is written beside it, and escaped.
const LINE_BYTES_MAX: u64 = 4 * RECORD_BYTES_MAX as u64;
const BUFFER_BYTES: usize = 1 << 16;
/// How far into a line the name of the contract is looked for.
const CONTRACT_WITHIN_BYTES: usize = 4_096;

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRecord {
    pub(crate) line: u64,
    pub(crate) stamp: Option<Millis>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// What a line gave.
#[derive(Debug)]
pub(crate) enum Read1 {
    /// A record.
    Record(FileRecord),
    /// A raw row that was counted and dropped.
    Dropped(&'static str),
    /// Something that is no record: the line and why.
    Unreadable(u64, String),
}

/// A file being read.
pub(crate) struct Lines {
    input: Box<dyn BufRead>,
    normaliser: Option<Normaliser>,
    number: u64,
    buffer: Vec<u8>,
}

/// A line as `record` writes it.
#[derive(Deserialize)]
struct Recorded<'a> {
    stamp_ms: Millis,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    table: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    value_text: Option<String>,
}

impl Lines {
    /// Opens a file, or standard input for `-`. The bar follows what is read from the file.
    pub(crate) fn open(path: &Path, normaliser: Option<Normaliser>, bar: &ProgressBar) -> anyhow::Result<Self> {
        let raw: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            bar.set_length(file.metadata().map_or(0, |metadata| metadata.len()));
            Box::new(file)
        };
        let input = unpacked(Box::new(bar.wrap_read(raw)))?;
        Ok(Self { input, normaliser, number: 0, buffer: Vec::new() })
    }

    /// Reads the next line and hands on what it gave. False at the end.
    pub(crate) fn next(&mut self, take: &mut dyn FnMut(Read1)) -> anyhow::Result<bool> {
        self.buffer.clear();
        let read = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if read as u64 == LINE_BYTES_MAX && !self.buffer.ends_with(b"\n") {
            take(Read1::Unreadable(self.number, format!("longer than {LINE_BYTES_MAX} bytes")));
            self.skip_line()?;
            return Ok(true);
        }
        let line = self.buffer.trim_ascii();
        if !line.is_empty() {
            self.line(line, take);
        }
        Ok(true)
    }

    fn line(&self, line: &[u8], take: &mut dyn FnMut(Read1)) {
        if is_activity(line) && !line.starts_with(b"{\"stamp_ms\"") {
            take(Read1::Record(FileRecord { line: self.number, stamp: None, key: None, value: line.to_vec() }));
            return;
        }
        let Ok(recorded) = serde_json::from_slice::<Recorded<'_>>(line) else {
            return self.raw(None, None, line, take);
        };
        let value = match (recorded.value, &recorded.value_text) {
            (Some(value), _) => value.get().as_bytes(),
            (None, Some(text)) => text.as_bytes(),
            (None, None) => return take(Read1::Unreadable(self.number, "a recorded line without value".to_owned())),
        };
        let named = recorded.table.as_deref().and_then(Table::from_name);
        let table = named.or_else(|| Table::from_topic_suffix(recorded.topic.as_deref()?));
        if table.is_some() && !is_activity(value) {
            return self.raw(table, Some(recorded.stamp_ms), value, take);
        }
        take(Read1::Record(FileRecord {
            line: self.number,
            stamp: Some(recorded.stamp_ms),
            key: recorded.key.map(|key| key.into_owned().into_bytes()),
            value: value.to_vec(),
        }));
    }

    fn raw(&self, table: Option<Table>, stamp: Option<Millis>, value: &[u8], take: &mut dyn FnMut(Read1)) {
        let Some(normaliser) = &self.normaliser else {
            let why = "neither activity.v1 nor a recorded line; raw rows need `--instance NAME` or a configuration";
            return take(Read1::Unreadable(self.number, why.to_owned()));
        };
        let mut hand_on = |normalised: frostwatch_wire::normalise::Normalised| {
            take(match raw::outcome(&normalised) {
                RawOutcome::Activity { key, value } => {
                    Read1::Record(FileRecord { line: self.number, stamp, key: Some(key), value })
                }
                RawOutcome::Dropped { why } => Read1::Dropped(why),
                RawOutcome::Rejected { reason } => Read1::Unreadable(self.number, reason),
            });
        };
        match table {
            Some(table) => normaliser.row(table, value, &mut hand_on),
            None => normaliser.line(value, &mut hand_on),
        }
    }

    fn skip_line(&mut self) -> anyhow::Result<()> {
        loop {
            self.buffer.clear();
            let read = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer)?;
            if read == 0 || self.buffer.ends_with(b"\n") {
                return Ok(());
            }
        }
    }
}

/// A bar on standard error when that is a terminal, else nothing.
pub(crate) fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn is_activity(line: &[u8]) -> bool {
    let head = line.get(..CONTRACT_WITHIN_BYTES).unwrap_or(line);
    let name = b"\"activity.v1\"";
    head.windows(name.len()).any(|window| window == name)
}

/// Unpacks gzip and zstd by their first bytes.
fn unpacked(mut raw: Box<dyn Read>) -> anyhow::Result<Box<dyn BufRead>> {
    let mut head = Vec::new();
    (&mut raw).take(4).read_to_end(&mut head)?;
    let whole = Cursor::new(head.clone()).chain(raw);
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::read::MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::stream::read::Decoder::new(whole)?))
        }
        _ => Box::new(BufReader::with_capacity(BUFFER_BYTES, whole)),
    })
}
