//! Why bytes are no activity, in words that are safe to pass on.
//!
//! A reason travels in headers and logs and is read by people: it is short, it is one line, and it tells of a value
//! only what is needed to find it, since the value may be a secret that stands in the wrong field.

use std::fmt;

/// Longest path of a reject, in characters.
pub const PATH_CHARS_MAX: usize = 200;
/// Longest reason of a reject, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// Why bytes are no activity: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Path of the field, empty for the whole record; at most [`PATH_CHARS_MAX`] characters.
    pub path: String,
    /// What is wrong with it; at most [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

impl Reject {
    /// A reject within the limits, whoever chose the words.
    pub fn new(path: &str, reason: &str) -> Self {
        Self { path: one_line(path, PATH_CHARS_MAX), reason: one_line(reason, REASON_CHARS_MAX) }
    }

    /// A reject of the record as a whole.
    pub fn whole(reason: &str) -> Self {
        Self::new("", reason)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

/// A text as one line of at most `chars_max` characters: what is longer ends in `…`, and characters that steer a
/// terminal, break a line or turn the direction of writing are replaced by U+FFFD.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.chars().take(chars_max).map(shown).collect();
    if text.chars().nth(chars_max).is_some() && shown.pop().is_some() {
        shown.push('…');
    }
    shown
}

fn shown(sign: char) -> char {
    let steers = matches!(sign, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if sign.is_control() || steers { char::REPLACEMENT_CHARACTER } else { sign }
}

/// What `serde_json` says, without the position, which tells nothing about a record of one line, and without the value
/// of a wrong type: its kind is enough.
pub(super) fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    for wrong in ["invalid type: ", "invalid value: "] {
        // The value may hold any words; what was expected is ours, and last.
        if let Some((found, expected)) = text.strip_prefix(wrong).and_then(|rest| rest.rsplit_once(", expected ")) {
            let kind = found.split(['"', '`']).next().unwrap_or(found).trim_end();
            return format!("{wrong}{kind}, expected {expected}");
        }
    }
    text.to_owned()
}
