//! The search of a MISP instance, page by page.
//!
//! Between readings from the beginning only what was changed since is asked for, with what was deleted.

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Context, Gained};
use crate::fault::FetchFault;
use crate::http::{Ask, read_json, shown, unexpected};
use crate::merge::{Elements, Merged, is_other, object, reduced};
use crate::place::digest;
use crate::spool::Spool;
use crate::state::State;

/// Attributes of a page that are asked for.
const PAGE_ATTRIBUTES: usize = 5_000;
/// Most bytes of a page.
const PAGE_BYTES_MAX: u64 = 128 << 20;
/// Pages of one fetch at most.
const PAGES_MAX: usize = 100_000;
/// How far before the last change the next search begins, seconds: attributes may be saved in another order.
const OVERLAP_SECS: i64 = 3_600;
/// Types of attributes that are about addresses.
pub(super) const TYPES: [&str; 4] = ["ip-src", "ip-dst", "ip-src|port", "ip-dst|port"];
/// What a list is made of.
const FIELDS: [&str; 8] = ["uuid", "type", "value", "to_ids", "timestamp", "deleted", "first_seen", "last_seen"];

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    response: Attributes<'a>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(rename = "Attribute", borrow, default)]
    attributes: Elements<'a>,
}

pub(super) async fn fetch(context: &Context<'_>, state: &State) -> Result<Gained, FetchFault> {
    let since = state.changed_after.filter(|_| !context.is_full && context.current.is_some());
    let mut spool = Spool::new(context.path, context.config.bytes_max)?;
    pages(context, since, &mut spool).await?;
    let mut merged = Merged::default();
    let mut newest = since;
    if let Some(current) = context.current.filter(|_| since.is_some()) {
        each_of(current, |text| take(&mut merged, text, &mut newest))?;
    }
    spool.each(|text| take(&mut merged, text, &mut newest))?;
    // A time that is still to come would hide what is changed until then.
    let newest = newest.map(|newest| newest.min(context.now / 1_000));
    let full_at = if since.is_some() { state.full_at } else { context.now };
    let content = merged.written("{\"response\": {\"Attribute\": [", "]}}");
    Ok(Gained::Content(content, State { changed_after: newest, full_at, ..state.clone() }))
}

async fn pages(context: &Context<'_>, since: Option<i64>, spool: &mut Spool) -> Result<(), FetchFault> {
    let url = below(context.http.home(), "attributes/restSearch")?;
    let mut before = None;
    for page in 1..=PAGES_MAX {
        let ask = Ask {
            accept: Some("application/json"),
            body: Some(search(context, since, page).to_string()),
            bytes_max: PAGE_BYTES_MAX,
            ..Ask::get(url.clone())
        };
        let body = context.http.whole(&ask).await?;
        let Found { response: Attributes { attributes: elements } } = read_json(&url, &body.bytes)?;
        let attributes = elements.0;
        // A page may be short before the last: a server takes attributes out of it after it is cut.
        if attributes.is_empty() {
            return Ok(());
        }
        // A server that does not know pages would say the same for ever.
        let first = attributes.first().map(|first| digest(first.get().as_bytes()));
        if before == first {
            return Err(unexpected(&url, "answers two pages alike"));
        }
        for raw in attributes.iter().filter(|raw| !is_other(raw, &TYPES)) {
            let attribute = object(raw, "Attribute", &url)?;
            if let Some(text) = kept(&attribute) {
                spool.push(&text, &shown(&url))?;
            }
        }
        before = first;
    }
    Err(unexpected(&url, &format!("more than {PAGES_MAX} pages")))
}

/// What is asked for. What was changed is asked for whatever it is now, or what is gone would stay.
fn search(context: &Context<'_>, since: Option<i64>, page: usize) -> Value {
    let mut search = context.config.search.clone().unwrap_or_default();
    let ours = json!({
        "returnFormat": "json", "type": TYPES, "includeEventTags": true, "limit": PAGE_ATTRIBUTES, "page": page,
    });
    search.extend(ours.as_object().cloned().unwrap_or_default());
    match since {
        Some(since) => {
            search.insert("timestamp".to_owned(), json!(since.saturating_sub(OVERLAP_SECS).max(0).to_string()));
            search.insert("deleted".to_owned(), json!([0, 1]));
        }
        None => drop(search.insert("to_ids".to_owned(), json!(1))),
    }
    Value::Object(search)
}

/// An attribute about an address, with what a list is made of.
pub(super) fn kept(attribute: &Map<String, Value>) -> Option<String> {
    let kind = attribute.get("type").and_then(Value::as_str)?;
    if !TYPES.contains(&kind) {
        return None;
    }
    let mut kept = reduced(attribute, &FIELDS);
    if let Some(tags) = tags(attribute) {
        kept.insert("Tag".to_owned(), tags);
    }
    if let Some(tags) = attribute.get("Event").and_then(Value::as_object).and_then(tags) {
        kept.insert("Event".to_owned(), json!({ "Tag": tags }));
    }
    Some(Value::Object(kept).to_string())
}

/// The names of tags.
fn tags(tagged: &Map<String, Value>) -> Option<Value> {
    let tags = tagged.get("Tag")?.as_array()?;
    Some(tags.iter().filter_map(|tag| tag.get("name")).map(|name| json!({ "name": name })).collect())
}

/// An address below that of an instance or a folder.
pub(super) fn below(home: &Url, name: &str) -> Result<Url, FetchFault> {
    let mut folder = home.clone();
    folder.set_path(&format!("{}/", home.path().trim_end_matches('/')));
    let mut url = folder.join(name).map_err(|_| unexpected(home, "no address with a path"))?;
    url.set_query(home.query());
    Ok(url)
}

fn each_of(current: &[u8], mut take: impl FnMut(&str)) -> Result<(), FetchFault> {
    let unread = |_| FetchFault::File { path: "the list".to_owned(), why: "not as it was written".to_owned() };
    let written: Found<'_> = serde_json::from_slice(current).map_err(unread)?;
    written.response.attributes.0.into_iter().for_each(|attribute| take(attribute.get()));
    Ok(())
}

fn take(merged: &mut Merged, text: &str, newest: &mut Option<i64>) {
    #[derive(Deserialize)]
    struct Head {
        uuid: Option<String>,
        timestamp: Option<Value>,
    }
    let Ok(Head { uuid, timestamp }) = serde_json::from_str(text) else { return merged.take(None, 0, text) };
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let changed = timestamp.as_ref().and_then(number);
    *newest = (*newest).max(changed);
    merged.take(uuid.as_deref(), changed.unwrap_or(0), text);
}
