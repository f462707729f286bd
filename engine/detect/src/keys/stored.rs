//! A key's bytes: as it is kept while it is idle, and as it is written to the log of state.
//!
//! Both begin with the format and the form; what is written goes on with the header, which is all that must be understood when
//! a million keys are restored. Names of places are numbers inside the process and texts outside.

use serde::{Deserialize, Serialize};

use crate::catalogue::STATE_FORMAT;
use crate::context::Subject;
use crate::format::{STATE_FORMAT_OLDEST, in_format};
use crate::key::{Key, Scratch, Settled, Whole};
use crate::names::as_numbers;
use crate::plans::Plans;
use crate::time::Millis;

/// Nothing can join what is in it.
const SETTLED: u8 = 0;
/// With the events that late ones may still join.
const WHOLE: u8 = 1;
/// Names are texts, not numbers of this process.
const TEXTS: u8 = 2;
const FORMS: u8 = 4;

/// Why a record of state cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// A newer program wrote it.
    #[error(
        "written in state format {found}; this program reads {STATE_FORMAT_OLDEST} to {STATE_FORMAT}: start the newer program"
    )]
    Newer {
        /// Its format.
        found: u8,
    },
    /// A program wrote it that is too old.
    #[error(
        "written in state format {found}; this program reads {STATE_FORMAT_OLDEST} to {STATE_FORMAT}: start a version between"
    )]
    Older {
        /// Its format.
        found: u8,
    },
    /// It is no record of state.
    #[error("not a record of state: {0}")]
    Broken(&'static str),
}

/// What stands before a written key's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The input up to this offset is in it.
    pub(super) offset: i64,
    /// Stamp of its newest event.
    pub(super) newest_stamp: Option<Millis>,
    /// See [`Key::keep`].
    pub(super) keep: Millis,
}

/// Writes the record of an active key.
pub(super) fn write_active(
    (format, header): (u8, Header),
    key: &Key,
    out: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    begin(format, WHOLE | TEXTS, header, out)?;
    *out = in_format(format, || key.write(std::mem::take(out)))?;
    Ok(())
}

/// Writes the record of a key that is kept as bytes.
pub(super) fn write_idle(
    (format, header): (u8, Header),
    kept: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    let (kept_format, form, body) = form_of(kept).map_err(|_| postcard::Error::DeserializeBadEncoding)?;
    begin(format, form | TEXTS, header, out)?;
    if form & TEXTS != 0 && kept_format == format {
        out.extend_from_slice(body);
        return Ok(());
    }
    let taken = std::mem::take(out);
    *out = if form & WHOLE == 0 {
        let settled = unpack::<Settled>(kept_format, form, body)?;
        in_format(format, || postcard::to_extend(&settled, taken))?
    } else {
        let whole = unpack::<Whole>(kept_format, form, body)?;
        in_format(format, || postcard::to_extend(&whole, taken))?
    };
    Ok(())
}

/// The body of bytes of this format and form.
fn unpack<'a, T: Deserialize<'a>>(format: u8, form: u8, body: &'a [u8]) -> Result<T, postcard::Error> {
    let read = || in_format(format, || postcard::from_bytes(body));
    if form & TEXTS == 0 { as_numbers(read) } else { read() }
}

fn begin(format: u8, form: u8, header: Header, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    out.clear();
    out.extend([format, form]);
    *out = postcard::to_extend(&header, std::mem::take(out))?;
    Ok(())
}

/// The header of a written key; `kept` is made the bytes under which it is kept.
pub(super) fn read(record: &[u8], kept: &mut Vec<u8>) -> Result<Header, StateFault> {
    let (format, form, rest) = form_of(record)?;
    let (header, body) = postcard::take_from_bytes::<Header>(rest).map_err(|_| StateFault::Broken("its header"))?;
    kept.clear();
    // A body of an older format keeps its format's byte.
    kept.extend([format, form]);
    kept.extend_from_slice(body);
    Ok(header)
}

/// Bytes under which a key is kept while it is idle.
pub(super) fn freeze(key: &Key, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    out.clear();
    out.extend([STATE_FORMAT, SETTLED]);
    *out = as_numbers(|| key.freeze(std::mem::take(out)))?;
    Ok(())
}

/// The key of such bytes.
pub(super) fn thaw(kept: &[u8], plans: &Plans, subject: Subject<'_>, scratch: &mut Scratch) -> Option<Key> {
    let (format, form, body) = form_of(kept).ok()?;
    if form & WHOLE == 0 {
        unpack(format, form, body).ok().map(|settled| Key::thawed(settled, scratch))
    } else {
        unpack(format, form, body).ok().map(|whole| Key::restored(whole, plans, subject, scratch))
    }
}

/// A record of state, read and written again.
#[cfg(feature = "fuzzing")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// With the events that late ones may still join.
    pub whole: Vec<u8>,
    /// As it is kept while idle.
    pub settled: Vec<u8>,
    /// What of the key its hash is taken of.
    pub canonical: Vec<u8>,
}

/// Reads a record of state, wakes the key, and writes it again in both forms. `Ok(None)`: the record is none of a key.
#[cfg(feature = "fuzzing")]
pub fn written_again(record: &[u8], plans: &Plans, subject: Subject<'_>) -> Result<Option<Again>, StateFault> {
    let (mut kept, mut whole, mut settled) = (Vec::new(), Vec::new(), Vec::new());
    let header = (STATE_FORMAT, read(record, &mut kept)?);
    let Some(key) = thaw(&kept, plans, subject, &mut Scratch::default()) else { return Ok(None) };
    let unwritable = |_| StateFault::Broken("a key that cannot be written");
    write_active(header, &key, &mut whole).map_err(unwritable)?;
    freeze(&key, &mut kept).map_err(unwritable)?;
    write_idle(header, &kept, &mut settled).map_err(unwritable)?;
    let canonical = key.canonical(Vec::new()).map_err(unwritable)?;
    Ok(Some(Again { whole, settled, canonical }))
}

/// Do kept bytes hold events that late ones may still join?
pub(super) fn is_whole(kept: &[u8]) -> bool {
    matches!(kept, [_, form, ..] if form & WHOLE != 0)
}

fn form_of(bytes: &[u8]) -> Result<(u8, u8, &[u8]), StateFault> {
    match bytes {
        [format, ..] if *format > STATE_FORMAT => Err(StateFault::Newer { found: *format }),
        [format, ..] if *format < STATE_FORMAT_OLDEST => Err(StateFault::Older { found: *format }),
        [format, form, rest @ ..] if *form < FORMS => Ok((*format, *form, rest)),
        [_, _, ..] => Err(StateFault::Broken("its form is not known")),
        _ => Err(StateFault::Broken("it is shorter than two bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::place::GeoBuild;
    use crate::plan::Plan;
    use crate::time::Lateness;

    fn plans() -> Plans {
        let geo = GeoBuild { kind: "none".into(), built_at_secs: 0, digest: "0".into() };
        Plans::new(Arc::new(Plan::new(Vec::new(), "0".into(), Lateness::DEFAULT, geo)))
    }

    fn record_of(line: &str) -> (&str, Vec<u8>) {
        let (name, hex) = line.split_once(' ').unwrap();
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        (name, (0..hex.len()).step_by(2).map(byte).collect())
    }

    /// The record, read and written again from a key that is awake or asleep, whichever it was of.
    fn again((name, record): (&str, &[u8])) -> Vec<u8> {
        let (mut kept, mut frozen, mut written) = (Vec::new(), Vec::new(), Vec::new());
        let header = (record[0], read(record, &mut kept).unwrap());
        let mut direct = Vec::new();
        write_idle(header, &kept, &mut direct).unwrap();
        assert_eq!(direct, record, "{name}, which nothing woke");
        let key = thaw(&kept, &plans(), Subject { key: name }, &mut Scratch::default()).unwrap();
        if is_whole(&kept) {
            write_active(header, &key, &mut written).unwrap();
        } else {
            freeze(&key, &mut frozen).unwrap();
            write_idle(header, &frozen, &mut written).unwrap();
        }
        written
    }

    /// Records that programs wrote when these formats were the newest: `tests/checkpoint.rs` keeps them.
    #[test]
    fn records_of_every_format_are_written_again_as_they_were() {
        for text in [include_str!("../../tests/state/format-1.txt")] {
            assert!(text.lines().map(record_of).any(|(_, record)| record[1] & WHOLE == 0));
            assert!(text.lines().map(record_of).any(|(_, record)| record[1] & WHOLE != 0));
            for (name, record) in text.lines().map(record_of) {
                assert_eq!(again((name, &record)), record, "{name}");
            }
        }
    }
}
