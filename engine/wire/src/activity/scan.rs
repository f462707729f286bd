//! The short way through a record: one pass over the plain JSON that producers write.
//!
//! The scanner takes a part of JSON: no escapes in texts, no fractions, exponents or signs in numbers, no nesting that
//! the contract does not name. What it takes, `serde_json` takes too and reads the same; whatever else comes, good or
//! bad, it leaves to `serde_json` by saying `None`. Both read by the same declarations, see
//! [`object!`](super::fields::object).

use std::fmt;

/// The most digits of a number that surely fits into 64 bits.
const DIGITS_MAX: usize = 18;
/// Bytes of a text looked at together.
const WORD: usize = 8;

/// What can be read by the scanner.
pub(super) trait Scan<'a> {
    /// Reads the value that comes next into `self`; `None`: not plain, or wrong.
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Option<()>;
}

impl<'a, T: Scan<'a>> Scan<'a> for Box<T> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        (**self).scan(scanner)
    }
}

/// A place in a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Why the scanner does not take a value: it does not say, since `serde_json` will.
#[derive(Debug)]
pub(super) struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unfit")
    }
}

impl std::error::Error for Unfit {}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'a> Scanner<'a> {
    /// Reads a text that holds one value and nothing else.
    pub(super) fn whole_text<T: Scan<'a> + Default>(text: &'a str) -> Option<T> {
        let mut scanner = Self { text, at: 0 };
        let mut value = T::default();
        value.scan(&mut scanner)?;
        scanner.peek().is_none().then_some(value)
    }

    /// Goes into an object or a list. Is there anything in it?
    pub(super) fn open(&mut self, open: u8, close: u8) -> Option<bool> {
        self.take(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Goes on after a value. Does another one follow?
    pub(super) fn more(&mut self, close: u8) -> Option<bool> {
        let next = self.peek()?;
        self.at += 1;
        match next {
            b',' => Some(true),
            _ if next == close => Some(false),
            _ => None,
        }
    }

    /// A field's name and its colon.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let name = self.text()?;
        self.take(b':')?;
        Some(name)
    }

    /// Passes over `null`, if that is what comes.
    pub(super) fn null(&mut self) -> Option<bool> {
        if self.peek()? == b'n' { self.word("null").map(|()| true) } else { Some(false) }
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self) -> Option<bool> {
        let value = self.peek()? == b't';
        self.word(if value { "true" } else { "false" })?;
        Some(value)
    }

    /// A whole number.
    pub(super) fn whole(&mut self) -> Option<u64> {
        self.peek()?;
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest().split_at_checked(digits)?;
        let leading_zero = digits > 1 && number.first() == Some(&b'0');
        if digits == 0 || digits > DIGITS_MAX || leading_zero || matches!(rest.first(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += digits;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }

    /// A text.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let length = plain_length(self.rest());
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length;
        // Straight after the text: nothing may be skipped here.
        (*self.rest().first()? == b'"').then_some(())?;
        self.at += 1;
        Some(text)
    }

    /// Up to `max` values of a list.
    pub(super) fn each(&mut self, max: usize, mut take: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let mut count = 0;
        let mut more = self.open(b'[', b']')?;
        while more {
            count += 1;
            if count > max {
                return None;
            }
            take(self)?;
            more = self.more(b']')?;
        }
        Some(())
    }

    /// Passes over a text, number or switch; how many bytes it takes.
    pub(super) fn pass_over(&mut self) -> Option<usize> {
        match self.peek()? {
            b'"' => self.text().map(|text| text.len() + 2),
            b't' | b'f' => self.switch().map(|value| if value { 4 } else { 5 }),
            b'0'..=b'9' => {
                let start = self.at;
                self.whole()?;
                Some(self.at - start)
            }
            _ => None,
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.rest().first()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest().starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Bytes before the first quote, backslash or control character.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        let found = stops(u64::from_le_bytes(*word));
        if found != 0 {
            return index * WORD + found.trailing_zeros() as usize / 8;
        }
    }
    let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    words.len() * WORD + stop.unwrap_or(rest.len())
}

/// The high bit of every byte of the word that ends a plain text; above the lowest one there may be false ones.
/// By Mycroft's test for a zero byte, see "Bit Twiddling Hacks", S. E. Anderson.
const fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; WORD]);
    const HIGHS: u64 = ONES << 7;
    const fn is_zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    is_zero(word ^ (ONES * b'"' as u64)) | is_zero(word ^ (ONES * b'\\' as u64)) | control
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_the_first_byte_that_is_not_plain() {
        for length in 0..40 {
            for stop in [b'"', b'\\', 0, 0x1f, b'\n'] {
                for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut bytes = vec![filler; length];
                    assert_eq!(plain_length(&bytes), length, "{filler}");
                    bytes.push(stop);
                    bytes.extend([b'"'; 9]);
                    assert_eq!(plain_length(&bytes), length, "{filler} {stop}");
                }
            }
        }
    }
}
