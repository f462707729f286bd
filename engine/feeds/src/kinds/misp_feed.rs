//! A folder of events as MISP publishes it: `manifest.json` says which there are and when each changed, and `<uuid>.json` is
//! an event. What did not change is not asked for again: events lie in a folder beside the list, with what a list is made
//! of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::misp::{TYPES, below, kept};
use super::{Context, Gained};
use crate::fault::FetchFault;
use crate::http::{Answer, Ask, Validators, read_json, shown, unexpected};
use crate::merge::{Elements, is_other, object, written};
use crate::place::write;
use crate::spool::Spool;
use crate::state::State;

/// Most bytes of an event, and of the manifest.
const EVENT_BYTES_MAX: u64 = 64 << 20;
/// Tags of an event that are kept: as many words as a list looks at.
const EVENT_TAGS_MAX: usize = 256;
/// Events of a folder at most.
const EVENTS_MAX: usize = 200_000;

/// What the manifest says of an event.
#[derive(Deserialize)]
struct Named {
    timestamp: Value,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(rename = "Event", borrow)]
    event: Event<'a>,
}

/// An event, or an object of one: its elements are read one by one.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Attribute", borrow, default)]
    attributes: Elements<'a>,
    #[serde(rename = "Object", borrow, default)]
    objects: Elements<'a>,
    #[serde(rename = "Tag", borrow, default)]
    tags: Elements<'a>,
    #[serde(borrow)]
    deleted: Option<&'a RawValue>,
}

/// An event as it lies beside the list.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    changed: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

pub(super) async fn fetch(context: &Context<'_>, state: &State) -> Result<Gained, FetchFault> {
    let url = below(context.http.home(), "manifest.json")?;
    let validators = if context.is_full { Validators::default() } else { state.validators.clone() };
    let ask = Ask { validators, bytes_max: EVENT_BYTES_MAX, ..Ask::get(url.clone()) };
    let body = match context.http.ask(&ask).await? {
        Answer::NotModified => return Ok(Gained::Unchanged(state.clone())),
        Answer::Whole(body) => body,
    };
    let named: BTreeMap<String, Named> = read_json(&url, &body.bytes)?;
    if named.len() > EVENTS_MAX {
        return Err(unexpected(&url, &format!("more than {EVENTS_MAX} events")));
    }
    if let Some(uuid) = named.keys().find(|uuid| !is_uuid(uuid)) {
        let shown: String = uuid.chars().filter(char::is_ascii_graphic).take(40).collect();
        return Err(unexpected(&url, &format!("'{shown}' is no UUID")));
    }
    let folder = folder_of(context.path);
    fs::create_dir_all(&folder).map_err(|error| FetchFault::file(&folder, &error))?;
    let mut spool = Spool::new(context.path, context.config.bytes_max)?;
    let mut missing = 0_usize;
    for (uuid, Named { timestamp }) in &named {
        let path = folder.join(format!("{uuid}.json"));
        let changed = timestamp.as_str().map_or_else(|| timestamp.to_string(), str::to_owned);
        let event_url = below(context.http.home(), &format!("{uuid}.json"))?;
        match event(context, &path, &changed, &event_url).await {
            Ok(event) => spool.push(&event, &shown(&event_url))?,
            // One that is named and not there keeps no other out.
            Err(FetchFault::Status { status: 404 | 410, .. }) => missing += 1,
            Err(fault) => return Err(fault),
        }
    }
    if missing > 0 {
        tracing::warn!(list = context.config.list, missing, "events of the manifest are not there");
    }
    sweep(&folder, &named);
    let mut events = Vec::new();
    spool.each(|event| events.push(event.to_owned()))?;
    let content = written(events.iter().map(String::as_str), "{\"response\": [", "]}");
    // With an event missing the manifest is asked for again as a whole.
    let validators = if missing == 0 { body.validators } else { Validators::default() };
    Ok(Gained::Content(content, State { validators, full_at: context.now, ..state.clone() }))
}

/// The event as an element of an answer: from beside the list if it did not change, else from the server.
async fn event(context: &Context<'_>, path: &Path, changed: &str, url: &Url) -> Result<String, FetchFault> {
    let is_small = fs::metadata(path).is_ok_and(|about| about.len() <= context.config.bytes_max);
    let text = if is_small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    if let Ok(kept) = serde_json::from_slice::<Kept<'_>>(&text)
        && kept.changed == changed
        && !context.is_full
    {
        return Ok(kept.event.get().to_owned());
    }
    let ask = Ask { bytes_max: EVENT_BYTES_MAX, ..Ask::get(url.clone()) };
    let body = context.http.whole(&ask).await?;
    let Answered { event } = read_json(url, &body.bytes)?;
    let text = reduced_event(&event, url)?;
    let raw = RawValue::from_string(text.clone()).map_err(|_| unexpected(url, "not an event"))?;
    let kept = serde_json::to_vec(&Kept { changed: changed.to_owned(), event: &raw }).unwrap_or_default();
    write(path, &kept)?;
    Ok(text)
}

/// The attributes about addresses, those of objects too, and the tags.
fn reduced_event(event: &Event<'_>, url: &Url) -> Result<String, FetchFault> {
    let mut attributes = Vec::new();
    let mut take = |elements: &Elements<'_>| -> Result<(), FetchFault> {
        for raw in elements.0.iter().filter(|raw| !is_other(raw, &TYPES)) {
            attributes.extend(kept(&object(raw, "Attribute", url)?));
        }
        Ok(())
    };
    take(&event.attributes)?;
    for raw in &event.objects.0 {
        let of_event: Event<'_> = read_json(url, raw.get().as_bytes())?;
        if of_event.deleted.is_none_or(|deleted| deleted.get() != "true") {
            take(&of_event.attributes)?;
        }
    }
    let mut names = Vec::new();
    for raw in event.tags.0.iter().take(EVENT_TAGS_MAX) {
        names.extend(object(raw, "Tag", url)?.get("name").map(|name| json!({ "name": name })));
    }
    let (attributes, tags) = (attributes.join(","), Value::Array(names));
    Ok(format!("{{\"Event\":{{\"Attribute\":[{attributes}],\"Tag\":{tags}}}}}"))
}

/// Takes away what the manifest no longer names.
fn sweep(folder: &Path, named: &BTreeMap<String, Named>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let uuid = name.to_str().and_then(|name| name.strip_suffix(".json"));
        if uuid.is_some_and(|uuid| is_uuid(uuid) && !named.contains_key(uuid)) {
            // What stays is only room on the disk.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// `lists/misp.json` has its events in `lists/misp.json.events`.
fn folder_of(list: &Path) -> PathBuf {
    let mut path = std::ffi::OsString::from(list);
    path.push(".events");
    path.into()
}

/// A name that is nothing but a UUID leads nowhere else.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
