//! A recorded switch: a line of its own among the records.
//!
//! ```json
//! {"switch":{"partition":3,"offset":41,
//!   "named":{"rules":"5f…","geoip":"4b…","lateness_secs":3600,"skew_secs":300,"semantics":1},
//!   "rules":[{"id":"failed_logins",…},…]}}
//! ```
//!
//! Written on one line. It stands before the records it is for: it holds from the record of that partition with that
//! offset, or the first after it, on. Without a place it holds for all records from there on. `rules` are the lines of the
//! set's content ([`Rulebook::to_content`]); `named` is what the ruling is known by, and its hash of rules is theirs.
//!
//! What was kept of the lists of addresses that `named` names stands before the switches, a line a part:
//! `{"kept":{"name":"9f…/0","text":"ffff0b020304/128 tor 95 …"}}`.

use frostwatch_detect::plan::Named;
use frostwatch_rulebook::Rulebook;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A switch as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordedSwitch {
    /// From which record on; `None`: from here on.
    pub(crate) at: Option<Place>,
    /// What the ruling is known by.
    pub(crate) named: Named,
    /// Its rules.
    pub(crate) rules: Rulebook,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    switch: Body<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    partition: Option<i32>,
    offset: Option<i64>,
    named: Named,
    #[serde(borrow)]
    rules: Vec<&'a RawValue>,
}

/// Whether this is a line of a switch, however it is printed.
pub(super) fn is_switch(line: &[u8]) -> bool {
    begins_with(line, b"\"switch\"")
}

/// Whether this is a line of what was kept of lists.
pub(super) fn is_kept(line: &[u8]) -> bool {
    begins_with(line, b"\"kept\"")
}

fn begins_with(line: &[u8], field: &[u8]) -> bool {
    line.strip_prefix(b"{").is_some_and(|inside| inside.trim_ascii_start().starts_with(field))
}

#[derive(Deserialize)]
struct KeptLine {
    kept: Kept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    text: String,
}

/// Reads such a line: name and text.
pub(super) fn read_kept(line: &[u8]) -> Result<(String, String), String> {
    let line: KeptLine = serde_json::from_slice(line).map_err(|error| format!("what was kept of lists: {error}"))?;
    Ok((line.kept.name, line.kept.text))
}

/// Reads such a line.
pub(super) fn read(line: &[u8]) -> Result<RecordedSwitch, String> {
    let Line { switch } = serde_json::from_slice(line).map_err(|error| format!("a switch: {error}"))?;
    let at = match (switch.partition, switch.offset) {
        (Some(partition), Some(offset)) => Some(Place { partition, offset }),
        (None, None) => None,
        _ => return Err("a switch with half of a place: partition and offset stand together".to_owned()),
    };
    let lines: Vec<&str> = switch.rules.iter().map(|rule| rule.get()).collect();
    let rules = Rulebook::from_content(&lines.join("\n")).map_err(|fault| format!("a switch: {fault}"))?;
    if rules.hash != switch.named.rules {
        return Err(format!("a switch to rules {}, but its rules are {}", switch.named.rules, rules.hash));
    }
    Ok(RecordedSwitch { at, named: switch.named, rules })
}
