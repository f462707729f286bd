//! Pages in files: `{"result":[…]}`, `{"records":[…]}` or a bare array, on one line or printed over many. Their elements
//! are handed on one by one, so that an export may be larger than memory, and one bad row costs no other.

use std::io::{self, BufRead, Cursor, Read};
use std::mem;

/// Names of the list in an export.
const LIST_NAMES: [&[u8]; 2] = [b"\"result\"", b"\"records\""];

/// What a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A list: the elements begin at `at`; `wrapped` in an object.
    List { at: usize, wrapped: bool },
    /// An object printed over several lines.
    Object,
    /// More text is needed to tell.
    More,
    /// None of them.
    Other,
}

/// The next piece of a page, with the line it begins on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// One element as it is printed.
    Element(u64, Vec<u8>),
    /// An element over the limit.
    TooLong(u64),
    /// The page is no JSON from here on.
    Broken(u64, &'static str),
    /// The page is over.
    End,
}

/// A page being read.
pub(super) struct Page {
    /// What was read already, before the rest of the input.
    ahead: Cursor<Vec<u8>>,
    kind: Kind,
    line: u64,
    element_bytes_max: usize,
    is_first: bool,
    /// Whether a line has just ended.
    is_line_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    WrappedList,
    Object,
}

impl Opening {
    /// What `text`, the start of a line and perhaps lines after it, begins.
    pub(super) fn of(text: &[u8]) -> Self {
        let rest_of = |text: &[u8], sign: u8| Some(text.trim_ascii_start().strip_prefix(&[sign])?.len());
        if let Some(left) = rest_of(text, b'[') {
            return Self::List { at: text.len() - left, wrapped: false };
        }
        let Some(left) = rest_of(text, b'{') else { return Self::Other };
        let (before, inside) = text.split_at(text.len() - left);
        let inside_text = inside.trim_ascii_start();
        if inside_text.is_empty() {
            return Self::More;
        }
        let Some(after) = LIST_NAMES.iter().find_map(|name| inside_text.strip_prefix(*name)) else {
            let is_alone = inside.iter().take_while(|byte| byte.is_ascii_whitespace()).any(|&byte| byte == b'\n');
            return if is_alone && before.trim_ascii() == b"{" { Self::Object } else { Self::Other };
        };
        let after = after.trim_ascii_start();
        let value = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        match (after.is_empty(), value) {
            (true, _) | (_, Some([])) => Self::More,
            (_, Some([b'[', elements @ ..])) => Self::List { at: text.len() - elements.len(), wrapped: true },
            _ => Self::Other,
        }
    }
}

impl Page {
    /// The page that begins with `text`, which begins on `line`; nothing if that opens none.
    pub(super) fn open(text: &[u8], line: u64, element_bytes_max: usize) -> Option<Self> {
        let (at, kind) = match Opening::of(text) {
            Opening::List { at, wrapped: false } => (at, Kind::List),
            Opening::List { at, wrapped: true } => (at, Kind::WrappedList),
            Opening::Object => (0, Kind::Object),
            Opening::More | Opening::Other => return None,
        };
        let (opened, rest) = text.split_at_checked(at)?;
        let line = line + opened.split(|&byte| byte == b'\n').skip(1).count() as u64;
        Some(Self {
            ahead: Cursor::new(rest.to_vec()),
            kind,
            line,
            element_bytes_max,
            is_first: true,
            is_line_over: false,
        })
    }

    /// Reads up to the end of the next element.
    pub(super) fn next(&mut self, input: &mut dyn BufRead) -> io::Result<Piece> {
        let is_first = mem::take(&mut self.is_first);
        if self.kind == Kind::Object && !is_first {
            return Ok(Piece::End);
        }
        let Some(mut byte) = self.sign(input)? else { return Ok(self.broken("ends too early")) };
        if byte == b']' && self.kind != Kind::Object {
            return self.close(input);
        }
        if !is_first {
            if byte != b',' {
                return Ok(self.broken("no comma between the rows of a page"));
            }
            match self.sign(input)? {
                Some(next) => byte = next,
                None => return Ok(self.broken("ends too early")),
            }
        }
        if matches!(byte, b']' | b'}' | b',' | b':') {
            return Ok(self.broken("no row where a page must have one"));
        }
        self.element(byte, input)
    }

    /// Goes on to the end of the line. Returns the number of that line, and whether only space was left on it.
    pub(super) fn leave(mut self, input: &mut dyn BufRead) -> io::Result<(u64, bool)> {
        if self.is_line_over {
            return Ok((self.line - 1, true));
        }
        let (line, mut is_clean) = (self.line, true);
        while let Some(byte) = self.take(input)? {
            if byte == b'\n' {
                break;
            }
            is_clean &= byte.is_ascii_whitespace();
        }
        Ok((line, is_clean))
    }

    fn element(&mut self, first: u8, input: &mut dyn BufRead) -> io::Result<Piece> {
        let (line, mut bytes, mut is_over) = (self.line, Vec::new(), false);
        let mut nesting = Nesting::default();
        let mut byte = first;
        loop {
            if bytes.len() < self.element_bytes_max {
                bytes.push(byte);
            } else {
                is_over = true;
            }
            nesting.take(byte);
            if nesting.is_closed() {
                let is_scalar = !matches!(first, b'{' | b'[');
                // A bare number or word has no sign of its own that ends it.
                if !is_scalar || matches!(self.peek(input)?, None | Some(b',' | b']' | b'\n' | b'\r' | b' ' | b'\t')) {
                    break;
                }
            }
            match self.take(input)? {
                Some(b'\n') if nesting.in_text => return Ok(self.broken("a text that does not end on its line")),
                Some(next) => byte = next,
                None => return Ok(self.broken("ends too early")),
            }
        }
        Ok(if is_over { Piece::TooLong(line) } else { Piece::Element(line, bytes) })
    }

    /// Skips what follows the list in its object.
    fn close(&mut self, input: &mut dyn BufRead) -> io::Result<Piece> {
        let mut nesting = Nesting { depth: usize::from(self.kind == Kind::WrappedList), ..Nesting::default() };
        while !nesting.is_closed() {
            match self.take(input)? {
                Some(byte) => nesting.take(byte),
                None => return Ok(self.broken("ends too early")),
            }
        }
        Ok(Piece::End)
    }

    fn broken(&self, why: &'static str) -> Piece {
        Piece::Broken(self.line, why)
    }

    /// The next byte that is no space.
    fn sign(&mut self, input: &mut dyn BufRead) -> io::Result<Option<u8>> {
        loop {
            match self.take(input)? {
                Some(byte) if byte.is_ascii_whitespace() => {}
                other => return Ok(other),
            }
        }
    }

    fn take(&mut self, input: &mut dyn BufRead) -> io::Result<Option<u8>> {
        let byte = self.peek(input)?;
        let mut sink = [0];
        if self.ahead.read(&mut sink)? == 0 && byte.is_some() {
            input.consume(1);
        }
        self.is_line_over = byte == Some(b'\n');
        self.line += u64::from(self.is_line_over);
        Ok(byte)
    }

    fn peek(&mut self, input: &mut dyn BufRead) -> io::Result<Option<u8>> {
        match self.ahead.fill_buf()?.first() {
            Some(&byte) => Ok(Some(byte)),
            None => Ok(input.fill_buf()?.first().copied()),
        }
    }
}

/// How deep in containers, and whether in a text.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Nesting {
    fn take(&mut self, byte: u8) {
        if self.in_text {
            self.in_text = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn is_closed(&self) -> bool {
        self.depth == 0 && !self.in_text
    }
}
