//! What may be said on a bench's command line.

use std::str::FromStr;

/// The arguments after `--`.
#[derive(Clone, Debug)]
pub struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self { words: std::env::args().skip(1).collect() }
    }

    /// Is the switch there?
    pub fn has(&self, switch: &str) -> bool {
        self.words.iter().any(|word| word == switch)
    }

    /// The words after a name, separated by commas.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        let given = self.words.iter().position(|word| word == name).and_then(|at| self.words.get(at + 1))?;
        Some(given.split(',').filter(|word| !word.is_empty()).collect())
    }

    /// The numbers after a name, else `quick` in a smoke run and `full` otherwise.
    pub fn numbers(&self, name: &str, quick: &[u32], full: &[u32]) -> Vec<u32> {
        let default = if self.is_quick() { quick } else { full };
        let read = |text: &str| text.parse().unwrap_or_else(|_| unreadable(name, text));
        self.list(name).map_or_else(|| default.to_vec(), |words| words.into_iter().map(read).collect())
    }

    /// A smoke run?
    pub fn is_quick(&self) -> bool {
        self.has("--quick")
    }

    /// The value after a name, else `quick` in a smoke run and `full` otherwise.
    pub fn number<T: FromStr>(&self, name: &str, quick: T, full: T) -> T {
        let given = self.words.iter().position(|word| word == name).and_then(|at| self.words.get(at + 1));
        let default = if self.is_quick() { quick } else { full };
        given.map_or(default, |text| text.parse().unwrap_or_else(|_| unreadable(name, text)))
    }
}

#[allow(clippy::panic, reason = "a bench stops at the first surprise")]
fn unreadable(name: &str, text: &str) -> ! {
    panic!("{name}: '{text}' is not a number in range")
}
