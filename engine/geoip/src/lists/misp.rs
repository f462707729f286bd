//! Addresses of MISP: attributes or events as `restSearch` answers them, and events as they lie in the folder of a feed.
//! Of an attribute that is there several times the one that was changed last counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use frostwatch_detect::time::Millis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::gather::{Gather, Report};
use super::json::{Elements, Number, Places, Truth, element, object, text_of, whole};
use super::line::{network, shown, time};
use super::sink::Sink;
use super::words::{Meant, WORDS_MAX, Words};
use super::{Decode, ListConfig, needed};

pub(super) struct Misp;

/// How sure words of the taxonomies are, by the scales of STIX 2.1's appendix A.
const SURE: [(&str, u8); 20] = [
    ("admiralty-scale:information-credibility=\"1\"", 90),
    ("admiralty-scale:information-credibility=\"2\"", 70),
    ("admiralty-scale:information-credibility=\"3\"", 50),
    ("admiralty-scale:information-credibility=\"4\"", 30),
    ("admiralty-scale:information-credibility=\"5\"", 10),
    ("admiralty-scale:source-reliability=\"a\"", 90),
    ("admiralty-scale:source-reliability=\"b\"", 70),
    ("admiralty-scale:source-reliability=\"c\"", 50),
    ("admiralty-scale:source-reliability=\"d\"", 30),
    ("admiralty-scale:source-reliability=\"e\"", 10),
    ("estimative-language:confidence-in-analytic-judgment=\"high\"", 85),
    ("estimative-language:confidence-in-analytic-judgment=\"low\"", 15),
    ("estimative-language:confidence-in-analytic-judgment=\"moderate\"", 50),
    ("estimative-language:likelihood-probability=\"almost-certain\"", 95),
    ("estimative-language:likelihood-probability=\"almost-no-chance\"", 5),
    ("estimative-language:likelihood-probability=\"likely\"", 70),
    ("estimative-language:likelihood-probability=\"roughly-even-chance\"", 50),
    ("estimative-language:likelihood-probability=\"unlikely\"", 30),
    ("estimative-language:likelihood-probability=\"very-likely\"", 85),
    ("estimative-language:likelihood-probability=\"very-unlikely\"", 15),
];

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
}

/// What `restSearch` says of attributes.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(rename = "Attribute", borrow, default)]
    attributes: Elements<'a>,
}

#[derive(Deserialize)]
struct OfEvent<'a> {
    #[serde(rename = "Event", borrow)]
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Attribute", borrow, default)]
    attributes: Elements<'a>,
    #[serde(rename = "Object", borrow, default)]
    objects: Elements<'a>,
    #[serde(rename = "Tag", default)]
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(rename = "Attribute", borrow, default)]
    attributes: Elements<'a>,
    #[serde(default)]
    deleted: Truth,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow)]
    uuid: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(default)]
    to_ids: Truth,
    timestamp: Option<Number>,
    #[serde(default)]
    deleted: Truth,
    #[serde(borrow)]
    first_seen: Option<Cow<'a, str>>,
    #[serde(borrow)]
    last_seen: Option<Cow<'a, str>>,
    #[serde(rename = "Tag", default)]
    tags: Option<Vec<Tag>>,
    #[serde(rename = "Event")]
    event: Option<Tagged>,
}

/// The event of an attribute, of which its tags are of interest.
#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "Tag", default)]
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

/// An attribute about an address, and the tags of its event.
struct Candidate<'a> {
    attribute: Attribute<'a>,
    of_event: Rc<[Tag]>,
    line: u64,
}

/// Goes through a text.
struct Walk<'a, 's, 'c> {
    places: Places<'a>,
    sink: &'s mut Sink<'c>,
    found: Vec<Candidate<'a>>,
    count: u64,
}

impl Decode for Misp {
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        let text = text_of(bytes);
        let Some(Whole { response, event }) = whole(text, sink) else { return };
        let mut walk = Walk { places: Places::new(text), sink, found: Vec::new(), count: 0 };
        match (response, event) {
            (Some(response), None) => walk.response(response),
            (None, Some(event)) => walk.event(event),
            _ => return walk.sink.fault(0, "neither an answer of restSearch nor an event of MISP".to_owned()),
        }
        let found = latest(walk.found);
        let words = Words::new(config);
        let mut gather = Gather::new(config);
        for candidate in found {
            if let Err(message) = address(config, &candidate, &words, &mut gather, sink) {
                sink.unreadable(candidate.line, message);
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

impl<'a> Walk<'a, '_, '_> {
    /// Attributes, or a list of events.
    fn response(&mut self, raw: &'a RawValue) {
        if raw.get().starts_with('{') {
            match object::<Attributes<'_>>(raw) {
                Ok(Attributes { attributes }) => self.attributes(attributes.0, &Rc::default()),
                Err(message) => self.sink.fault(0, format!("response: {message}")),
            }
            return;
        }
        match element::<Elements<'_>>(raw) {
            Err(message) => self.sink.fault(0, format!("response: {message}")),
            Ok(Elements(events)) => {
                for (number, raw) in events.into_iter().enumerate() {
                    match object::<OfEvent<'_>>(raw) {
                        Ok(OfEvent { event }) => self.event(event),
                        Err(message) => {
                            let line = self.places.line(raw);
                            self.sink.unreadable(line, format!("response[{number}]: {message}"));
                        }
                    }
                }
            }
        }
    }

    fn event(&mut self, raw: &'a RawValue) {
        let event = match object::<Event<'_>>(raw) {
            Ok(event) => event,
            Err(message) => {
                let line = self.places.line(raw);
                return self.sink.unreadable(line, format!("Event: {message}"));
            }
        };
        let tags: Rc<[Tag]> = event.tags.unwrap_or_default().into();
        let mut attributes = event.attributes.0;
        let mut broken = Vec::new();
        for raw in event.objects.0 {
            match object::<Object<'_>>(raw) {
                Ok(Object { deleted: Truth(true), .. }) => {}
                Ok(of_object) => attributes.extend(of_object.attributes.0),
                Err(message) => broken.push((raw, message)),
            }
        }
        // In the order of the text, whichever of the two lists stands first.
        attributes.sort_by_key(|raw| self.places.offset(raw));
        self.attributes(attributes, &tags);
        for (raw, message) in broken {
            let line = self.places.line(raw);
            self.sink.unreadable(line, format!("Object: {message}"));
        }
    }

    fn attributes(&mut self, attributes: Vec<&'a RawValue>, of_event: &Rc<[Tag]>) {
        for raw in attributes {
            let line = self.places.line(raw);
            self.count += 1;
            if !self.sink.takes_line(self.count) {
                return;
            }
            match object::<Attribute<'_>>(raw) {
                Err(message) => self.sink.unreadable(line, format!("Attribute: {message}")),
                Ok(attribute) if is_about_addresses(&attribute.kind) => {
                    self.found.push(Candidate { attribute, of_event: Rc::clone(of_event), line });
                }
                Ok(_) => self.sink.leave_out("attributes of other types", line),
            }
        }
    }
}

fn is_about_addresses(kind: &str) -> bool {
    matches!(kind, "ip-src" | "ip-dst" | "ip-src|port" | "ip-dst|port")
}

/// Each attribute as it was changed last, in the order in which they stand. One that was deleted comes after what has the
/// same time.
fn latest(found: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let age = |candidate: &Candidate<'_>| (candidate.attribute.timestamp, candidate.attribute.deleted.0);
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for (at, candidate) in found.iter().enumerate() {
        let Some(uuid) = candidate.attribute.uuid.as_deref() else { continue };
        let known = latest.entry(uuid).or_insert(at);
        if found.get(*known).is_some_and(|known| age(candidate) > age(known)) {
            *known = at;
        }
    }
    let stays: Vec<bool> = (0..)
        .zip(&found)
        .map(|(at, candidate)| candidate.attribute.uuid.as_deref().is_none_or(|uuid| latest.get(uuid) == Some(&at)))
        .collect();
    found.into_iter().zip(stays).filter_map(|(candidate, stays)| stays.then_some(candidate)).collect()
}

fn address(
    config: &ListConfig,
    candidate: &Candidate<'_>,
    words: &Words,
    gather: &mut Gather<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), String> {
    let Candidate { attribute, of_event, line } = candidate;
    if attribute.deleted.0 {
        sink.leave_out("deleted attributes", *line);
        return Ok(());
    }
    if !attribute.to_ids.0 {
        sink.leave_out("attributes without to_ids", *line);
        return Ok(());
    }
    let value = attribute.value.trim();
    let value =
        if attribute.kind.ends_with("|port") { value.split_once('|').map_or(value, |(ip, _)| ip) } else { value };
    let network = network(value)?;
    let moment = |field: &str, text: Option<&str>| -> Result<Option<Millis>, String> {
        let read = |text| time(text).ok_or_else(|| format!("{field}: '{}' is no time", shown(text)));
        text.map(read).transpose()
    };
    let (first, last) =
        (moment("first_seen", attribute.first_seen.as_deref())?, moment("last_seen", attribute.last_seen.as_deref())?);
    let of_event = of_event.iter().chain(attribute.event.iter().flat_map(|event| event.tags.iter().flatten()));
    let tags = || attribute.tags.iter().flatten().chain(of_event.clone()).take(WORDS_MAX).map(|tag| tag.name.as_str());
    let mut meant = Meant::default();
    tags().for_each(|tag| meant.tag(words, tag));
    let report = Report {
        line: *line,
        confidence: tags().filter_map(sure).min(),
        from: first.map(|first| first - config.hold()),
        until: last.map(|last| last + config.hold()),
    };
    gather.take(sink, &report, &network, &meant);
    Ok(())
}

/// How sure a tag is. Of several the most careful counts.
fn sure(tag: &str) -> Option<u8> {
    let tag = tag.to_ascii_lowercase();
    SURE.iter().find(|(known, _)| *known == tag).map(|(_, sure)| *sure)
}
