//! The shapes that a row arrives in, read once into borrowed cells.
//!
//! A value is a bare row, a page `{"result":[…]}` or `{"records":[…]}`, a Kafka Connect envelope
//! `{"schema":…,"payload":…}`, a change record `{"before":…,"after":…}` or a wrapper
//! `{"table":…,"row":…}`. A cell is a scalar, `{"value":…,"display_value":…}` or
//! `{"link":…,"value":…}`. A value may be framed as serializers for a schema registry do it, if what
//! they frame is JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Table, secret};

/// Largest value, in bytes: a page of rows is one value in an exported file.
pub const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting of a value.
pub const VALUE_DEPTH_MAX: usize = 8;
/// Most rows in one value; the largest page of the Table API by default.
pub const VALUE_ROWS_MAX: usize = 10_000;
/// Most columns of one row.
pub const ROW_COLUMNS_MAX: usize = 512;
/// Most cells of one value, at any depth: a cell takes up to a hundred times its bytes in memory,
/// so the limit of bytes alone bounds nothing. A page of rows as large as it may be has fewer.
pub const VALUE_CELLS_MAX: usize = 256 * 1024;

/// One cell of a row, or a container on the way to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    /// The first [`VALUE_ROWS_MAX`] cells, and how many more there were.
    List(Vec<Cell<'a>>, usize),
    Map(Vec<(Cow<'a, str>, Cell<'a>)>),
}

/// One row: its columns in the order they came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) cells: Vec<(Cow<'a, str>, Cell<'a>)>,
    /// What the wrapper around the row says it is.
    pub(super) table: Option<Table>,
}

/// What a value holds.
pub(super) enum Found<'a> {
    Row(Row<'a>),
    /// A change record without a row after the change, or an empty value.
    Deleted,
    /// Not a row at all.
    Odd(&'static str),
    /// So many rows beyond [`VALUE_ROWS_MAX`], which nobody looked at.
    More(usize),
}

/// Reads a value. The error says where, and never quotes the value: it may hold a secret.
pub(super) fn read(value: &[u8]) -> Result<Cell<'_>, String> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("{} bytes, at most {VALUE_BYTES_MAX}", value.len()));
    }
    // No JSON begins with a zero byte: it is the frame of a schema registry, with the schema's id.
    let (json, framed) = match value {
        [0, _, _, _, _, json @ ..] => (json, true),
        json => (json, false),
    };
    // As a whole, since what is passed over would not be looked at.
    let text = std::str::from_utf8(json).map_err(|_| "not UTF-8".to_owned());
    text.and_then(|text| read_json(text).map_err(|fault| reason(&fault))).map_err(|reason| {
        if framed { format!("framed for a schema registry, and behind the frame {reason}") } else { reason }
    })
}

fn read_json(json: &str) -> Result<Cell<'_>, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(json);
    let left = std::cell::Cell::new(VALUE_CELLS_MAX);
    let cell = CellSeed { depth: 1, left: &left }.deserialize(&mut from)?;
    from.end()?;
    Ok(cell)
}

fn reason(fault: &serde_json::Error) -> String {
    let (line, column) = (fault.line(), fault.column());
    let what = match fault.classify() {
        serde_json::error::Category::Eof => "ends too early",
        // Only our own seeds raise data errors, and only about limits.
        serde_json::error::Category::Data => "too deep, or too many columns or cells",
        _ => "not JSON",
    };
    format!("{what} (line {line}, column {column})")
}

/// Takes the envelopes off and hands over each row, at most [`VALUE_ROWS_MAX`] of them; how many
/// there were beyond comes last.
pub(super) fn rows<'a>(cell: Cell<'a>, table: Option<Table>, out: &mut dyn FnMut(Found<'a>)) {
    let (mut count, mut more) = (0, 0);
    unwrap(cell, table, &mut |found| match found {
        Found::More(unread) => more += unread,
        _ if count == VALUE_ROWS_MAX => more += 1,
        found => {
            count += 1;
            out(found);
        }
    });
    if more > 0 {
        out(Found::More(more));
    }
}

/// Whether no part of a value may hold a secret: neither its rows, as far as names tell, nor what
/// lies beside them and is never read.
pub(super) fn may_be_kept(value: &[u8]) -> bool {
    // The bytes show what reading leaves out, the cells what is escaped in the bytes.
    !secret::mentioned(&String::from_utf8_lossy(value)) && read(value).is_ok_and(|cell| is_open(&cell))
}

/// Recursion ends because [`read`] bounds the depth.
fn is_open(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Null => true,
        Cell::Text(text) => !secret::mentioned(text),
        Cell::List(list, more) => *more == 0 && list.iter().all(is_open),
        Cell::Map(cells) => {
            let inner = envelope(cells);
            cells.iter().enumerate().all(|(at, (name, cell))| {
                // Beside the rows of an envelope may lie others, such as those before a change.
                let is_beside = inner.is_some_and(|inner| inner != at) && name != "source";
                let is_read = !is_beside || matches!(cell, Cell::Null | Cell::Text(_));
                is_read && !secret::mentioned(name) && is_open(cell)
            })
        }
    }
}

/// Whether the value carries its rows in a list.
pub(super) fn is_page(cell: &Cell<'_>) -> bool {
    let Cell::Map(cells) = cell else { return false };
    envelope(cells).and_then(|at| cells.get(at)).is_some_and(|(_, cell)| match cell {
        Cell::List(..) => true,
        inner => is_page(inner),
    })
}

/// Recursion ends because [`read`] bounds the depth.
fn unwrap<'a>(cell: Cell<'a>, table: Option<Table>, out: &mut dyn FnMut(Found<'a>)) {
    let cells = match cell {
        Cell::Map(cells) => cells,
        Cell::List(list, more) => {
            list.into_iter().for_each(|cell| unwrap(cell, table, out));
            if more > 0 {
                out(Found::More(more));
            }
            return;
        }
        Cell::Null => return out(Found::Deleted),
        Cell::Text(_) => return out(Found::Odd("not an object")),
    };
    match envelope(&cells) {
        Some(at) => {
            let table = table.or_else(|| named_table(&cells));
            if let Some((_, inner)) = cells.into_iter().nth(at) {
                unwrap(inner, table, out);
            }
        }
        None => out(Found::Row(Row { cells, table })),
    }
}

/// The position of the cell that holds the row or rows, if this is an envelope.
fn envelope(cells: &[(Cow<'_, str>, Cell<'_>)]) -> Option<usize> {
    let has = |name: &str| cells.iter().any(|(key, _)| key == name);
    cells.iter().position(|(key, cell)| match (key.as_ref(), cell) {
        ("result" | "records", Cell::List(..) | Cell::Map(_)) | ("row", Cell::Map(_)) => true,
        ("payload", Cell::Map(_) | Cell::Null) => has("schema") || matches!(cell, Cell::Map(_)),
        ("after", Cell::Map(_) | Cell::Null) => has("before") || has("op"),
        _ => false,
    })
}

fn named_table(cells: &[(Cow<'_, str>, Cell<'_>)]) -> Option<Table> {
    let (_, cell) = cells.iter().find(|(key, _)| key == "table")?;
    Table::from_name(text_of(cell))
}

impl<'a> Row<'a> {
    /// The text of a column, trimmed; empty where it is absent, null or no scalar. Names are
    /// compared without regard to case, since exports differ in it.
    pub(super) fn text(&self, column: &str) -> &str {
        self.find(column).map_or("", |cell| text_of(cell).trim())
    }

    /// The words for a column that refers to other rows: the display value where there is one, else the text.
    pub(super) fn words(&self, column: &str) -> &str {
        self.find(column).map_or("", words_of)
    }

    /// The texts of a column that holds a list of them, or one text with commas between. `None`: the row does not say.
    pub(super) fn list(&self, column: &str) -> Option<Vec<&str>> {
        let full = |text: &&str| !text.is_empty();
        match self.find(column)? {
            Cell::Null => None,
            Cell::List(cells, _) => Some(cells.iter().map(words_of).filter(full).collect()),
            _ => Some(self.words(column).split(',').map(str::trim).filter(full).collect()),
        }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.find(column).is_some()
    }

    fn find(&self, column: &str) -> Option<&Cell<'a>> {
        let same = |key: &str| key.len() == column.len() && key.eq_ignore_ascii_case(column);
        self.cells.iter().find(|(key, _)| same(key)).map(|(_, cell)| cell)
    }
}

/// The words of a cell that refers to another row: its display value where it has one, else its text.
fn words_of<'c>(cell: &'c Cell<'_>) -> &'c str {
    let displayed = match cell {
        Cell::Map(cells) => cells.iter().find(|(key, _)| key == "display_value"),
        _ => None,
    };
    match displayed {
        Some((_, Cell::Text(text))) if !text.trim().is_empty() => text.trim(),
        _ => text_of(cell).trim(),
    }
}

/// The raw value of a cell: never the display value, which is in a user's language and zone.
pub(super) fn text_of<'c>(cell: &'c Cell<'_>) -> &'c str {
    match cell {
        Cell::Text(text) => text,
        Cell::Map(cells) => {
            let scalar = |name: &str| match cells.iter().find(|(key, _)| key == name) {
                Some((_, Cell::Text(text))) => Some(text.as_ref()),
                _ => None,
            };
            let linked = || scalar("link").and_then(|link| link.rsplit('/').next());
            scalar("value").or_else(linked).unwrap_or("")
        }
        Cell::Null | Cell::List(..) => "",
    }
}

/// Reads one cell at `depth`, if any is `left` to read.
struct CellSeed<'l> {
    depth: usize,
    left: &'l std::cell::Cell<usize>,
}

impl CellSeed<'_> {
    /// The seed of a cell inside this one.
    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth > VALUE_DEPTH_MAX {
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, left: self.left })
    }

    fn spend<E: de::Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| E::custom("too many cells"))?;
        self.left.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cell<'de>, D::Error> {
        self.spend()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_string())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Cell<'de>, A::Error> {
        let mut list = Vec::new();
        while list.len() < VALUE_ROWS_MAX {
            match from.next_element_seed(self.inner()?)? {
                Some(cell) => list.push(cell),
                None => return Ok(Cell::List(list, 0)),
            }
        }
        let mut more = 0;
        while from.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(Cell::List(list, more))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Cell<'de>, A::Error> {
        let mut cells = Vec::new();
        while let Some(key) = from.next_key_seed(KeySeed)? {
            if cells.len() == ROW_COLUMNS_MAX {
                return Err(de::Error::custom("too many columns"));
            }
            // The description of a Connect envelope is larger than the row and says nothing we need.
            if self.depth == 1 && key == "schema" {
                from.next_value::<IgnoredAny>()?;
                cells.push((key, Cell::Null));
            } else {
                cells.push((key, from.next_value_seed(self.inner()?)?));
            }
        }
        Ok(Cell::Map(cells))
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cow<'de, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
