//! Lines of files: plain, gzip or zstd, of records as recorded, of activity, or of raw rows; and exported pages of them.

mod page;
mod switch;

pub(crate) use switch::{Place, RecordedSwitch};

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frostwatch_detect::time::Millis;
use frostwatch_rulebook::limits::CONTENT_BYTES_MAX;
use frostwatch_runtime::ports::RawOutcome;
use frostwatch_wire::activity::RECORD_BYTES_MAX;
use frostwatch_wire::normalise::{Normaliser, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::raw;
use page::{Opening, Page, Piece};

/// Longest element of a page, bytes: a record at its limit with what is written beside it, and escaped.
const ELEMENT_BYTES_MAX: u64 = 4 * RECORD_BYTES_MAX as u64;
/// Longest line, bytes: as much, and a switch to the largest set of rules.
const LINE_BYTES_MAX: u64 = ELEMENT_BYTES_MAX + CONTENT_BYTES_MAX as u64;
/// How far a page's opening may be spread over lines, bytes.
const OPENING_BYTES_MAX: usize = 4_096;
const BUFFER_BYTES: usize = 1 << 16;
/// How far into a line the name of the contract is looked for.
const CONTRACT_WITHIN_BYTES: usize = 4_096;

/// The first field of a line of `record`, with and without a stamp and a key.
const RECORDED_BEGINS: [&[u8]; 4] = [b"\"stamp_ms\"", b"\"key\"", b"\"key_base64\"", b"\"partition\""];

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRecord {
    pub(crate) line: u64,
    /// Where it lay in the log, if the file says.
    pub(crate) place: Option<Place>,
    pub(crate) stamp: Option<Millis>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// What a line gave.
#[derive(Debug)]
pub(crate) enum Read1 {
    /// A record.
    Record(FileRecord),
    /// From here on, or from its place on, other rules hold.
    Switch(Box<RecordedSwitch>),
    /// What was kept of lists of addresses: name and text.
    Kept(String, String),
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
    page: Option<Page>,
}

/// A line as `record` writes it.
#[derive(Deserialize)]
struct Recorded<'a> {
    stamp_ms: Option<Millis>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    key_base64: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    #[serde(borrow)]
    table: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    value_text: Option<String>,
    value_base64: Option<String>,
}

impl Recorded<'_> {
    /// Is it a line of ours, and not a row or activity of which no field has these names?
    const fn is_recorded(&self) -> bool {
        self.stamp_ms.is_some() || self.has_place()
    }

    const fn has_place(&self) -> bool {
        self.partition.is_some() && self.offset.is_some()
    }

    fn place(&self) -> Option<Place> {
        Some(Place { partition: self.partition?, offset: self.offset? })
    }

    /// The bytes of the record; those of a tombstone are none.
    fn bytes(&self) -> Result<Vec<u8>, String> {
        match (self.value, &self.value_text, &self.value_base64) {
            (Some(value), ..) => Ok(value.get().as_bytes().to_vec()),
            (None, Some(text), _) => Ok(text.as_bytes().to_vec()),
            (None, None, Some(base64)) => STANDARD.decode(base64).map_err(|error| format!("value_base64: {error}")),
            (None, None, None) if self.has_place() => Ok(Vec::new()),
            (None, None, None) => Err("a recorded line without value".to_owned()),
        }
    }

    fn key_bytes(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.key, &self.key_base64) {
            (Some(key), _) => Ok(Some(key.as_bytes().to_vec())),
            (None, Some(base64)) => STANDARD.decode(base64).map(Some).map_err(|error| format!("key_base64: {error}")),
            (None, None) => Ok(None),
        }
    }
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
        Self::of(Box::new(bar.wrap_read(raw)), normaliser)
    }

    /// The lines of what is packed or not, told by its first bytes.
    pub(crate) fn of(raw: Box<dyn Read>, normaliser: Option<Normaliser>) -> anyhow::Result<Self> {
        Ok(Self { input: unpacked(raw)?, normaliser, number: 0, buffer: Vec::new(), page: None })
    }

    /// Reads the next line, or the next element of a page, and hands on what it gave. False at the end.
    pub(crate) fn next(&mut self, take: &mut dyn FnMut(Read1)) -> anyhow::Result<bool> {
        if let Some(page) = self.page.take() {
            self.piece(page, take)?;
            return Ok(true);
        }
        self.buffer.clear();
        let read = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        let is_cut = read as u64 == LINE_BYTES_MAX && !self.buffer.ends_with(b"\n");
        self.page = self.opened(is_cut)?;
        if self.page.is_some() {
            return Ok(true);
        }
        if is_cut {
            take(Read1::Unreadable(self.number, format!("longer than {LINE_BYTES_MAX} bytes")));
            self.skip_line()?;
            return Ok(true);
        }
        let line = self.buffer.trim_ascii();
        if !line.is_empty() {
            self.line(self.number, line, take);
        }
        Ok(true)
    }

    /// The page that the line in the buffer begins, if it begins one and is not a whole value by itself.
    fn opened(&mut self, is_cut: bool) -> anyhow::Result<Option<Page>> {
        let (first, mut count) = (self.number, 0);
        while Opening::of(&self.buffer) == Opening::More && self.buffer.len() < OPENING_BYTES_MAX {
            let limit = (OPENING_BYTES_MAX - self.buffer.len()) as u64;
            if (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
                break;
            }
            count += 1;
        }
        let opening = Opening::of(&self.buffer);
        let is_page = matches!(opening, Opening::List { .. } | Opening::Object);
        if is_page && (is_cut || count > 0 || serde_json::from_slice::<IgnoredAny>(&self.buffer).is_err()) {
            return Ok(Page::open(&self.buffer, first, ELEMENT_BYTES_MAX as usize));
        }
        self.number += count;
        Ok(None)
    }

    fn piece(&mut self, mut page: Page, take: &mut dyn FnMut(Read1)) -> anyhow::Result<()> {
        match page.next(&mut *self.input)? {
            Piece::Element(line, bytes) => self.line(line, &bytes, take),
            Piece::TooLong(line) => {
                take(Read1::Unreadable(line, format!("a row of a page longer than {ELEMENT_BYTES_MAX} bytes")));
            }
            Piece::Broken(line, why) => {
                take(Read1::Unreadable(line, format!("not JSON: {why}")));
                (self.number, _) = page.leave(&mut *self.input)?;
                return Ok(());
            }
            Piece::End => {
                let (line, is_clean) = page.leave(&mut *self.input)?;
                self.number = line;
                if !is_clean {
                    take(Read1::Unreadable(line, "text behind the end of a page".to_owned()));
                }
                return Ok(());
            }
        }
        self.page = Some(page);
        Ok(())
    }

    fn line(&self, number: u64, line: &[u8], take: &mut dyn FnMut(Read1)) {
        if is_activity(line) && !is_recorded(line) {
            let (place, stamp, key) = (None, None, None);
            take(Read1::Record(FileRecord { line: number, place, stamp, key, value: line.to_vec() }));
            return;
        }
        if switch::is_switch(line) {
            take(
                switch::read(line)
                    .map_or_else(|why| Read1::Unreadable(number, why), |switch| Read1::Switch(Box::new(switch))),
            );
            return;
        }
        if switch::is_kept(line) {
            take(
                switch::read_kept(line)
                    .map_or_else(|why| Read1::Unreadable(number, why), |(name, text)| Read1::Kept(name, text)),
            );
            return;
        }
        let recorded = serde_json::from_slice::<Recorded<'_>>(line).ok().filter(Recorded::is_recorded);
        let Some(recorded) = recorded else { return self.raw(number, None, None, line, take) };
        let (value, key) = match (recorded.bytes(), recorded.key_bytes()) {
            (Ok(value), Ok(key)) => (value, key),
            (Err(why), _) | (_, Err(why)) => return take(Read1::Unreadable(number, why)),
        };
        let named = recorded.table.as_deref().and_then(Table::from_name);
        let table = named.or_else(|| Table::from_topic_suffix(recorded.topic.as_deref()?));
        if table.is_some() && !is_activity(&value) {
            return self.raw(number, table, recorded.stamp_ms, &value, take);
        }
        let (place, stamp) = (recorded.place(), recorded.stamp_ms);
        take(Read1::Record(FileRecord { line: number, place, stamp, key, value }));
    }

    fn raw(&self, number: u64, table: Option<Table>, stamp: Option<Millis>, value: &[u8], take: &mut dyn FnMut(Read1)) {
        let Some(normaliser) = &self.normaliser else {
            let why = "neither activity.v1 nor a recorded line; raw rows need `--instance NAME` or a configuration";
            return take(Read1::Unreadable(number, why.to_owned()));
        };
        let mut hand_on = |normalised: frostwatch_wire::normalise::Normalised| {
            take(match raw::outcome(&normalised) {
                RawOutcome::Activity { key, value } => {
                    Read1::Record(FileRecord { line: number, place: None, stamp, key: Some(key), value })
                }
                RawOutcome::Dropped { why } => Read1::Dropped(why),
                RawOutcome::Rejected { reason } => Read1::Unreadable(number, reason),
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

/// Whether this is a line as `record` writes it, however it is printed.
fn is_recorded(line: &[u8]) -> bool {
    line.strip_prefix(b"{").is_some_and(|inside| {
        let inside = inside.trim_ascii_start();
        RECORDED_BEGINS.iter().any(|begin| inside.starts_with(begin))
    })
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

#[cfg(test)]
mod tests;
