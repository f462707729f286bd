//! Ways into the readers of files for the fuzz targets: bytes in, and what the reader made of them. No file is opened.

use std::io::Cursor;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use frostwatch_kafka::originals::Original;
use frostwatch_rulebook::Rulebook;
use frostwatch_wire::normalise::Normaliser;
use frostwatch_wire::normalise::config::NormaliseConfig;

use crate::file::{Lines, Read1};
use crate::{config, except, rejected};

/// What a line of a file, or an element of a page, gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// A record: its line, partition and offset, stamp, key and value.
    Record(u64, Option<(i32, i64)>, Option<i64>, Option<Vec<u8>>, Vec<u8>),
    /// A switch to rules, by their hash and content.
    Switch(String, String),
    /// What was kept of lists: name and text.
    Kept(String, String),
    /// A raw row that was dropped, and why.
    Dropped(&'static str),
    /// The line of what is no record, and why.
    Unreadable(u64, String),
}

/// Reads the first pieces of a file as `frostwatch replay` does, raw rows as those of `acme`; an error is one of the
/// packing.
pub fn recorded(bytes: Vec<u8>, pieces_max: usize) -> (Vec<Recorded>, Option<String>) {
    let mut found = Vec::new();
    let error = read_pieces(bytes, pieces_max, &mut found).err();
    (found, error.map(|error| format!("{error:#}")))
}

fn read_pieces(bytes: Vec<u8>, pieces_max: usize, found: &mut Vec<Recorded>) -> anyhow::Result<()> {
    let normaliser = Normaliser::new(NormaliseConfig::for_instance("acme")).ok().context("a normaliser of one name")?;
    let mut lines = Lines::of(Box::new(Cursor::new(bytes)), Some(normaliser))?;
    let mut pieces = 0;
    while pieces < pieces_max
        && lines.next(&mut |one| {
            found.push(match one {
                Read1::Record(record) => {
                    let place = record.place.map(|place| (place.partition, place.offset));
                    Recorded::Record(record.line, place, record.stamp, record.key, record.value)
                }
                Read1::Switch(switch) => Recorded::Switch(switch.rules.hash.clone(), switch.rules.to_content()),
                Read1::Kept(name, text) => Recorded::Kept(name, text),
                Read1::Dropped(why) => Recorded::Dropped(why),
                Read1::Unreadable(line, why) => Recorded::Unreadable(line, why),
            });
        })?
    {
        pieces += 1;
    }
    Ok(())
}

/// Reads a configuration, and checks what needs neither a file nor a client: every fault in words.
pub fn configuration(text: &str) -> Result<(), Vec<String>> {
    config::read_alone(text)
}

/// What `frostwatch except` makes of a rule's text and an alert: the exception's id and the edited text.
pub fn except(
    rule: &str,
    alert: &str,
    expires: DateTime<Utc>,
    from_its_addresses: bool,
) -> anyhow::Result<(String, String)> {
    let alert = except::last_alert(alert)?;
    let wanted = except::Wanted { alert: &alert, reason: "known: \"so\"", owner: "sec", expires };
    let (id, block) = wanted.block(&except::taken_ids(rule), from_its_addresses)?;
    let edited = except::insert(rule, &block)?;
    let files = [("rule.yaml".to_owned(), rule.to_owned())];
    ensure!(Rulebook::parse(&[("rule.yaml", rule)], None).is_ok(), "the rule had faults before");
    except::check(&files, "rule.yaml", &edited, &alert.rule.id, &id)?;
    Ok((id, edited))
}

/// A record of the rejected topic as `frostwatch rejected list` shows it.
pub fn rejected_line(original: &Original, as_json: bool, show: bool) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    rejected::line::write(&mut line, original, as_json, show)?;
    Ok(line)
}
