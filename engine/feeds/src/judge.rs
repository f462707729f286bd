//! Whether an answer may take the place of a list: it is read as the list would be.

use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{Lists, ListsFault};
use frostwatch_geoip::lists::{Format, ListConfig, ListFault, ListsLimits, decode};

use crate::feed::Outcome;

/// Faults of an answer that are told.
const FAULTS_TOLD_MAX: usize = 5;

/// Entries of a list; `None`: it cannot be read as one.
pub(crate) fn entries(list: &ListConfig, bytes: &[u8]) -> Option<usize> {
    decode(list, bytes, ListsLimits::default()).ok().map(|decoded| decoded.list.entries.len())
}

/// What the answer must hold to.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Entries of the list that is there.
    pub(crate) before: Option<usize>,
    pub(crate) shrink_max_percent: u8,
    /// May nothing be left? Somebody said so, now or when the list that is there was taken.
    pub(crate) may_be_empty: bool,
}

/// Judges the answer against what is there: its entries, or why it does not take the list's place.
pub(crate) fn judge(
    list: &ListConfig,
    bytes: &[u8],
    Bounds { before, shrink_max_percent, may_be_empty }: Bounds,
) -> Result<usize, Outcome> {
    let decoded = match decode(list, bytes, ListsLimits::default()) {
        Ok(decoded) => decoded,
        Err(faults) if faults.iter().all(ListFault::is_of_empty) && may_be_empty => return Ok(0),
        Err(faults) => return Err(refused(&list.name, &faults)),
    };
    let entries = decoded.list.entries.len();
    if entries == 0 {
        let refused = Outcome::Refused(vec!["no entry holds at any time".to_owned(), if_right(&list.name)]);
        return if may_be_empty { Ok(0) } else { Err(refused) };
    }
    // What others send holds no finding back unless the configuration says so. Formats of feeds see to that themselves.
    let is_unasked = |word: &Category| {
        list.category != Some(*word) && decoded.list.entries.iter().any(|entry| entry.category == *word)
    };
    let unasked = [Category::KnownGood, Category::PrivateRelay].into_iter().find(is_unasked);
    if let Some(word) = unasked.filter(|_| list.format == Format::Csv) {
        let word = word.as_str();
        return Err(Outcome::Refused(vec![format!(
            "says {word}, which what is fetched may only under `category: {word}` of the list"
        )]));
    }
    if let Some(before) = before.filter(|before| is_shrunk(*before, entries, shrink_max_percent)) {
        return Err(Outcome::Held { entries, before });
    }
    // Last, since what is laid out enters tables of the process that never shrink.
    match Lists::new(vec![decoded.list]) {
        // That those are full is no fault of the list: it comes when its limits are known to hold.
        Ok(_) | Err(ListsFault::NoRoom) => Ok(entries),
        Err(fault) => Err(Outcome::Refused(vec![fault.to_string()])),
    }
}

/// Faults of an answer, the first of many.
fn refused(list: &str, faults: &[ListFault]) -> Outcome {
    let shown = faults.iter().take(FAULTS_TOLD_MAX);
    let mut told: Vec<String> = shown.map(|fault| format!("line {}: {}", fault.line, fault.message)).collect();
    if faults.len() > told.len() {
        told.push(format!("{} faults more", faults.len() - told.len()));
    }
    if faults.iter().all(ListFault::is_of_empty) {
        told.push(if_right(list));
    }
    Outcome::Refused(told)
}

/// What takes an answer of which nothing is left.
fn if_right(list: &str) -> String {
    format!("if nothing is left of it, `frostwatch lists fetch --once --accept-shrunk {list}`")
}

/// Did more than this share of the entries go?
fn is_shrunk(before: usize, entries: usize, max_percent: u8) -> bool {
    let gone = before.saturating_sub(entries);
    gone * 100 > before * usize::from(max_percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_held_only_when_more_than_the_share_is_gone() {
        for (before, entries, max_percent, wanted) in [
            (100, 50, 50, false),
            (100, 49, 50, true),
            (3, 1, 50, true),
            (100, 0, 100, false),
            (100, 99, 0, true),
            (1, 9, 0, false),
        ] {
            assert_eq!(is_shrunk(before, entries, max_percent), wanted, "{before} {entries} {max_percent}");
        }
    }
}
