//! Indicators of STIX 2.1: a bundle, or objects as TAXII hands them out. Of an object that is there in several versions
//! the one that was modified last counts.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::DateTime;
use frostwatch_detect::listed::CONFIDENCE_MAX;
use frostwatch_detect::time::Millis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::gather::{Gather, Report};
use super::json::{Elements, Places, object, text_of, whole};
use super::line::{network, shown, time};
use super::pattern::{self, NotRead};
use super::sink::Sink;
use super::words::{Meant, WORDS_MAX, Words};
use super::{Decode, ListConfig, needed};

pub(super) struct Stix;

/// A bundle, or an envelope of TAXII, which has no type.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    objects: Elements<'a>,
}

/// What tells versions of an object apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    modified: Option<Cow<'a, str>>,
    #[serde(default)]
    revoked: Option<bool>,
}

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator<'a> {
    #[serde(borrow)]
    pattern: Cow<'a, str>,
    #[serde(borrow)]
    pattern_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    valid_from: Cow<'a, str>,
    #[serde(borrow)]
    valid_until: Option<Cow<'a, str>>,
    confidence: Option<i64>,
    #[serde(rename = "indicator_types", default)]
    types: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    kill_chain_phases: Option<Vec<Phase>>,
}

#[derive(Deserialize)]
struct Phase {
    phase_name: String,
}

struct Candidate<'a> {
    raw: &'a RawValue,
    number: usize,
    line: u64,
    modified_us: i64,
    is_revoked: bool,
}

impl Decode for Stix {
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        let text = text_of(bytes);
        let Some(Whole { kind, objects }) = whole(text, sink) else { return };
        if let Some(kind) = kind.filter(|kind| kind != "bundle") {
            return sink.fault(0, format!("a '{}', and no bundle; is it the right file?", shown(&kind)));
        }
        let mut latest = latest(text, &objects, sink);
        latest.sort_unstable_by_key(|candidate| candidate.number);
        let words = Words::new(config);
        let mut gather = Gather::new(config);
        for candidate in latest {
            let Candidate { raw, number, line, is_revoked, .. } = candidate;
            if is_revoked {
                sink.leave_out("revoked indicators", line);
            } else if let Err(message) = indicator(raw, line, &words, &mut gather, sink) {
                sink.unreadable(line, format!("objects[{number}]: {message}"));
            }
            if gather.is_full() {
                return;
            }
        }
        gather.finish(sink);
    }

    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)> {
        needed("confidence", config.confidence.as_ref()).into_iter().collect()
    }
}

/// The last version of each indicator.
fn latest<'a>(text: &'a [u8], objects: &Elements<'a>, sink: &mut Sink<'_>) -> Vec<Candidate<'a>> {
    let mut places = Places::new(text);
    let mut latest: HashMap<String, Candidate<'a>> = HashMap::new();
    for (number, raw) in objects.0.iter().enumerate() {
        let line = places.line(raw);
        if !sink.takes_line(number as u64 + 1) {
            break;
        }
        match head(raw, number, line) {
            Err(message) => sink.unreadable(line, format!("objects[{number}]: {message}")),
            Ok(None) => sink.leave_out("objects that are no indicators", line),
            Ok(Some((id, candidate))) => {
                let later = |known: &Candidate<'_>| {
                    (candidate.modified_us, candidate.is_revoked) > (known.modified_us, known.is_revoked)
                };
                if latest.get(&id).is_none_or(later) {
                    latest.insert(id, candidate);
                }
            }
        }
    }
    latest.into_values().collect()
}

fn head(raw: &RawValue, number: usize, line: u64) -> Result<Option<(String, Candidate<'_>)>, String> {
    let head: Head<'_> = object(raw)?;
    if head.kind != "indicator" {
        return Ok(None);
    }
    let id = head.id.filter(|id| !id.is_empty()).ok_or("an indicator without id")?;
    let modified = head.modified.ok_or("an indicator without modified")?;
    let at =
        DateTime::parse_from_rfc3339(&modified).map_err(|_| format!("modified: '{}' is no time", shown(&modified)))?;
    let is_revoked = head.revoked.unwrap_or(false);
    Ok(Some((id.into_owned(), Candidate { raw, number, line, modified_us: at.timestamp_micros(), is_revoked })))
}

fn indicator(
    raw: &RawValue,
    line: u64,
    words: &Words,
    gather: &mut Gather<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), String> {
    let indicator: Indicator<'_> = object(raw)?;
    if indicator.pattern_type.as_deref() != Some("stix") {
        sink.leave_out("indicators whose pattern_type is not stix", line);
        return Ok(());
    }
    let named = match pattern::read(&indicator.pattern) {
        Ok(named) => named,
        Err(NotRead::Beyond) => {
            sink.leave_out("patterns that ask for more than an address", line);
            return Ok(());
        }
        Err(NotRead::Broken(why)) => return Err(format!("pattern '{}': {why}", shown(&indicator.pattern))),
    };
    if named.networks.is_empty() {
        sink.leave_out("patterns about other things than addresses", line);
        return Ok(());
    }
    if named.others > 0 {
        sink.leave_out("alternatives of patterns about other things than addresses", line);
    }
    let moment = |field: &str, text: &str| -> Result<Millis, String> {
        time(text).ok_or_else(|| format!("{field}: '{}' is no time", shown(text)))
    };
    let confidence = indicator.confidence.map(u8::try_from).transpose().ok();
    let confidence = confidence.filter(|confidence| confidence.is_none_or(|confidence| confidence <= CONFIDENCE_MAX));
    let report = Report {
        line,
        confidence: confidence.ok_or("confidence outside 0 to 100")?,
        from: Some(moment("valid_from", &indicator.valid_from)?),
        until: indicator.valid_until.as_deref().map(|until| moment("valid_until", until)).transpose()?,
    };
    let meant = meant(&indicator, words);
    for (text, is_v4) in named.networks {
        if is_v4 == text.contains(':') {
            sink.unreadable(line, format!("'{}' is of the other family than its path says", shown(&text)));
            continue;
        }
        match network(&text) {
            Ok(network) => gather.take(sink, &report, &network, &meant),
            Err(message) => sink.unreadable(line, message),
        }
    }
    Ok(())
}

fn meant(indicator: &Indicator<'_>, words: &Words) -> Meant {
    let mut meant = Meant::default();
    let phases = indicator.kill_chain_phases.iter().flatten().map(|phase| &phase.phase_name);
    let labels = indicator.labels.iter().flatten();
    let all = labels.chain(indicator.types.iter().flatten()).chain(phases);
    all.take(WORDS_MAX).for_each(|word| meant.word(words, word));
    meant
}
