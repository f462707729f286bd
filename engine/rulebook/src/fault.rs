//! What is wrong with rule text, and where.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use crate::limits::FAULTS_PER_FILE_MAX;

/// Characters of a source line that are shown, at most.
const SHOWN_CHARS_MAX: usize = 160;
/// Characters of the file's text that a message repeats, at most.
const QUOTED_CHARS_MAX: usize = 80;

/// Something wrong in a rule file (or, in a list of warnings, something worth a look).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name as the caller gave it.
    pub file: String,
    /// Line, from 1; 0 when the fault is about the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 as above.
    pub column: u32,
    /// Where in the rule, e.g. `exceptions[0].covers.users[2]`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The line of the file it is about, cut to what fits a screen.
    pub source_line: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if self.line > 0 && !self.source_line.is_empty() {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(self.column.saturating_sub(1) as usize);
            write!(f, "\n {margin} |\n {number} | {}\n {margin} | {indent}^", self.source_line)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// A place in a text, line and column from 1; zeroes stand for the text as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Collects the faults of one file, at most one for each path and none beneath a path that has one: a value that could
/// not be read is not blamed twice.
pub(crate) struct Notes<'a> {
    file: &'a str,
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
    dropped: RefCell<usize>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, faults: RefCell::default(), dropped: RefCell::default() }
    }

    /// Adds a fault unless its path, or one above it, has one.
    pub(crate) fn add(&self, at: Spot, path: &str, message: impl Into<String>) {
        if self.covers(path) {
            return;
        }
        let fault = self.fault(at, path, message.into());
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_PER_FILE_MAX {
            faults.push(fault);
        } else {
            *self.dropped.borrow_mut() += 1;
        }
    }

    /// A fault of this file that is not collected here.
    pub(crate) fn fault(&self, at: Spot, path: &str, message: String) -> Fault {
        let line = if at.line == 0 { "" } else { self.text.lines().nth(at.line as usize - 1).unwrap_or("") };
        // One column a character, whatever it is: else the caret would stand beside its place.
        let shown = line.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c });
        Fault {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column.min(SHOWN_CHARS_MAX as u32),
            path: path.to_owned(),
            message,
            source_line: shown.collect::<String>().trim_end().to_owned(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// Is there a fault at this path or beneath it?
    pub(crate) fn has_beneath(&self, path: &str) -> bool {
        self.faults.borrow().iter().any(|fault| is_beneath(&fault.path, path))
    }

    /// The faults in the order of the file.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        let dropped = self.dropped.into_inner();
        if dropped > 0 {
            faults.push(Fault {
                file: self.file.to_owned(),
                line: 0,
                column: 0,
                path: String::new(),
                message: format!("{dropped} more faults; only the first {FAULTS_PER_FILE_MAX} are shown"),
                source_line: String::new(),
            });
        }
        faults
    }

    fn covers(&self, path: &str) -> bool {
        !path.is_empty()
            && self.faults.borrow().iter().any(|fault| !fault.path.is_empty() && is_beneath(path, &fault.path))
    }
}

/// Is it the other path, or one beneath that?
fn is_beneath(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A text of the file as a message may carry it: short, and without control characters.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) || text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        let cut: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED_CHARS_MAX).collect();
        return Cow::Owned(cut + "…");
    }
    Cow::Borrowed(text)
}

/// The words that are allowed, with the likeliest in front when the word looks like a slip.
pub(crate) fn allowed(word: &str, words: &[&str]) -> String {
    let list = words.join(", ");
    match nearest(word, words) {
        Some(guess) => format!("did you mean `{guess}`? Allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let word: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let limit = word.len().div_ceil(3);
    words
        .iter()
        .map(|candidate| (distance(&word, &candidate.chars().collect::<Vec<_>>()), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace) from one word to the other (Levenshtein 1966).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_get_a_guess_and_strangers_a_list() {
        let words = ["failures_max", "window_secs", "success_within_secs"];
        for (word, guess) in [
            ("window_sec", Some("window_secs")),
            ("Window_Secs", Some("window_secs")),
            ("falures_max", Some("failures_max")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &words), guess, "{word}");
        }
        assert_eq!(distance(&['a', 'b', 'c'], &['a', 'c']), 1);
        assert_eq!(distance(&[], &['a', 'c']), 2);
    }

    #[test]
    fn a_fault_shows_its_line_with_a_caret() {
        let notes = Notes::new("a.yaml", "id: x\nseverity: hgih\n");
        notes.add(Spot { line: 2, column: 11 }, "severity", "no");
        notes.add(Spot { line: 2, column: 11 }, "severity", "blamed twice");
        let shown: Vec<String> = notes.into_faults().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.yaml:2:11: severity: no\n   |\n 2 | severity: hgih\n   |           ^"]);
    }

    #[test]
    fn faults_of_one_file_are_capped_and_the_rest_is_counted() {
        let notes = Notes::new("a.yaml", "");
        for i in 0..=FAULTS_PER_FILE_MAX {
            notes.add(Spot::default(), &format!("x[{i}]"), "no");
        }
        let faults = notes.into_faults();
        assert_eq!(faults.len(), FAULTS_PER_FILE_MAX + 1);
        assert!(faults.iter().any(|fault| fault.message.starts_with("1 more")));
    }
}
