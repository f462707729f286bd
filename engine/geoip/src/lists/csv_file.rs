//! Columns under a header. Which column says what is found by its name.

use csv::{ReaderBuilder, StringRecord};
use frostwatch_detect::listed::Category;
use frostwatch_detect::time::Millis;
use serde::Deserialize;

use super::line::{network, shown, time};
use super::sink::{Said, Sink};
use super::{Decode, ListConfig};

/// The names of the columns; what is left out is called as it is here, and need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The address or network.
    #[serde(default)]
    pub network: Option<String>,
    /// What it is.
    #[serde(default)]
    pub category: Option<String>,
    /// How sure that is, 0–100.
    #[serde(default)]
    pub confidence: Option<String>,
    /// What the list calls it.
    #[serde(default)]
    pub tag: Option<String>,
    /// From when on.
    #[serde(default)]
    pub valid_from: Option<String>,
    /// Until when.
    #[serde(default)]
    pub valid_until: Option<String>,
}

pub(super) struct Csv;

/// Where each column stands.
struct Places {
    network: usize,
    category: Option<usize>,
    confidence: Option<usize>,
    tag: Option<usize>,
    from: Option<usize>,
    until: Option<usize>,
}

impl Decode for Csv {
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(bytes);
        let places = match reader.headers() {
            Ok(header) => Places::new(config, header),
            Err(error) => Err(vec![words_of(&error)]),
        };
        let places = match places {
            Ok(places) => places,
            Err(faults) => return faults.into_iter().for_each(|fault| sink.fault(1, fault)),
        };
        let mut record = StringRecord::new();
        loop {
            let before = reader.position().line();
            match reader.read_record(&mut record) {
                Ok(false) => return,
                Ok(true) => {
                    let number = record.position().map_or(before, csv::Position::line);
                    if !sink.takes_line(number) {
                        return;
                    }
                    if sink.text(number, Some(record.as_slice())).is_some()
                        && let Err(message) = places.entry(number, &record, sink)
                    {
                        sink.fault(number, message);
                    }
                }
                Err(error) => {
                    let number = error.position().map_or(before, csv::Position::line);
                    sink.fault(number, words_of(&error));
                    // A reader that does not get on would tell the same for ever.
                    if error.is_io_error() || !sink.takes_line(number) {
                        return;
                    }
                }
            }
        }
    }

    fn faults(&self, _config: &ListConfig) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

fn words_of(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns; the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        _ => "not readable as CSV".to_owned(),
    }
}

impl Places {
    fn new(config: &ListConfig, header: &StringRecord) -> Result<Self, Vec<String>> {
        let none = Columns::default();
        let columns = config.columns.as_ref().unwrap_or(&none);
        let mut faults = Vec::new();
        let mut place = |own: &Option<String>, usual: &str, is_needed: bool| {
            let name = own.as_deref().unwrap_or(usual);
            let found = header.iter().position(|column| column == name);
            if found.is_none() && (is_needed || own.is_some()) {
                faults.push(format!("no column is called '{}'", shown(name)));
            }
            found
        };
        let network = place(&columns.network, "network", true);
        let category = place(&columns.category, "category", false);
        let confidence = place(&columns.confidence, "confidence", false);
        let tag = place(&columns.tag, "tag", false);
        let from = place(&columns.valid_from, "valid_from", false);
        let until = place(&columns.valid_until, "valid_until", false);
        match network {
            Some(network) if faults.is_empty() => Ok(Self { network, category, confidence, tag, from, until }),
            _ => Err(faults),
        }
    }

    fn entry(&self, number: u64, record: &StringRecord, sink: &mut Sink<'_>) -> Result<(), String> {
        let text = |place: Option<usize>| place.and_then(|place| record.get(place)).filter(|text| !text.is_empty());
        let moment = |place: Option<usize>| -> Result<Option<Millis>, String> {
            let told = text(place).map(|text| time(text).ok_or_else(|| format!("'{}' is no time", shown(text))));
            told.transpose()
        };
        let category = text(self.category).map(|word| {
            Category::from_word(word).ok_or_else(|| {
                let known: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
                format!("'{}' is no category; there are {}", shown(word), known.join(", "))
            })
        });
        let confidence = text(self.confidence)
            .map(|text| text.parse::<u8>().map_err(|_| format!("'{}' is no confidence of 0 to 100", shown(text))));
        let said = Said {
            category: category.transpose()?,
            confidence: confidence.transpose()?,
            tag: text(self.tag),
            from: moment(self.from)?,
            until: moment(self.until)?,
        };
        let network = network(record.get(self.network).unwrap_or(""))?;
        sink.entry(number, &network, &said);
        Ok(())
    }
}
