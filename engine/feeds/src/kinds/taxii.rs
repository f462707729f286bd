//! A collection of TAXII 2.1: from a discovery or an API root to the collection, and through its pages.
//!
//! Between readings from the beginning only what came since is asked for, and laid over what is there by id and time of
//! change.

use std::collections::HashSet;

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Context, Gained};
use crate::clock::Millis;
use crate::fault::FetchFault;
use crate::http::{Ask, read_json, shown, unexpected};
use crate::merge::{Elements, Merged, is_other, object, reduced};
use crate::place::digest;
use crate::spool::Spool;
use crate::state::State;

const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";
/// Objects of a page that are asked for.
const PAGE_OBJECTS: &str = "1000";
/// Most bytes of a page, and of what says which collections there are.
const PAGE_BYTES_MAX: u64 = 128 << 20;
const ABOUT_BYTES_MAX: u64 = 8 << 20;
/// Pages of one fetch at most.
const PAGES_MAX: usize = 100_000;
/// The finest step of a server's times: so far before an instant it is asked for what came at that instant or later.
const INSTANT: TimeDelta = TimeDelta::microseconds(1);
/// API roots that are looked through for a collection.
const API_ROOTS_MAX: usize = 32;
/// How long after its end an indicator is kept: as long as a record may be late.
const KEPT_AFTER_END: Millis = 7 * 86_400_000;
/// What a list is made of.
const FIELDS: [&str; 13] = [
    "type",
    "id",
    "modified",
    "revoked",
    "pattern",
    "pattern_type",
    "valid_from",
    "valid_until",
    "confidence",
    "indicator_types",
    "labels",
    "kill_chain_phases",
    "spec_version",
];

/// A discovery, or an API root.
#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    api_roots: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Collections {
    #[serde(default)]
    collections: Vec<Collection>,
}

#[derive(Deserialize)]
struct Collection {
    id: String,
    title: Option<String>,
    alias: Option<String>,
    can_read: Option<bool>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    more: bool,
    next: Option<String>,
    #[serde(borrow, default)]
    objects: Elements<'a>,
}

pub(super) async fn fetch(context: &Context<'_>, state: &State) -> Result<Gained, FetchFault> {
    let objects = objects_of(context).await?;
    let since = state.added_after.clone().filter(|_| !context.is_full && context.current.is_some());
    let mut spool = Spool::new(context.path, context.config.bytes_max)?;
    let added_last = pages(context, &objects, since.as_deref(), &mut spool).await?;
    let mut merged = Merged::default();
    if let Some(current) = context.current.filter(|_| since.is_some()) {
        each_of(current, |text| take(&mut merged, text))?;
    }
    spool.each(|text| take(&mut merged, text))?;
    merged.retain(|text| !is_over(text, context.now));
    let full_at = if since.is_some() { state.full_at } else { context.now };
    let added_after = added_last.or(since);
    Ok(Gained::Content(merged.written("{\"objects\": [", "]}"), State { full_at, added_after, ..state.clone() }))
}

/// Where the next page begins.
#[derive(Clone, Default, PartialEq, Eq)]
struct Place {
    /// The server's own mark.
    next: Option<String>,
    /// What is asked for was added after this.
    after: Option<String>,
    /// Without a mark: it begins again with what came at this instant, since a page may end in the midst of it.
    from: Option<DateTime<FixedOffset>>,
}

impl Place {
    /// The page after one that gave this mark and whose last object was added then.
    fn further(&self, given: Option<String>, added: Option<DateTime<FixedOffset>>) -> Result<Self, &'static str> {
        const NOWHERE: &str = "says that there is more, and not where";
        if let Some(given) = given {
            let is_other = self.next.as_ref() != Some(&given);
            return if is_other { Ok(Self { next: Some(given), ..self.clone() }) } else { Err(NOWHERE) };
        }
        let added = added.ok_or(NOWHERE)?;
        match self.from {
            Some(from) if from == added => {
                Err("a whole page was added at one instant, and no `next` says what follows")
            }
            Some(from) if from > added => Err(NOWHERE),
            _ => {
                let after = (added - INSTANT).to_rfc3339_opts(SecondsFormat::Micros, true);
                Ok(Self { next: None, after: Some(after), from: Some(added) })
            }
        }
    }
}

/// Goes through the pages. Returns when the last object came to the collection, if the server says it.
async fn pages(
    context: &Context<'_>,
    objects: &Url,
    since: Option<&str>,
    spool: &mut Spool,
) -> Result<Option<String>, FetchFault> {
    let mut place = Place { after: since.map(str::to_owned), ..Place::default() };
    let mut added_last = None;
    // What the page before had, which one that begins with its last instant has again.
    let mut before = HashSet::new();
    for _ in 0..PAGES_MAX {
        let mut url = objects.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("match[type]", "indicator").append_pair("limit", PAGE_OBJECTS);
            query.extend_pairs(place.after.iter().map(|after| ("added_after", after)));
            query.extend_pairs(place.next.iter().map(|next| ("next", next)));
        }
        let body = context.http.whole(&ask(url.clone(), PAGE_BYTES_MAX)).await?;
        let envelope: Envelope<'_> = read_json(&url, &body.bytes)?;
        let mut page = HashSet::new();
        for raw in envelope.objects.0.iter().filter(|raw| !is_other(raw, &["indicator"])) {
            let object = object(raw, "objects", &url)?;
            if object.get("type").and_then(Value::as_str) == Some("indicator") {
                let text = Value::Object(reduced(&object, &FIELDS)).to_string();
                let id = digest(text.as_bytes());
                if !before.contains(&id) {
                    spool.push(&text, &shown(&url))?;
                }
                page.insert(id);
            }
        }
        before = page;
        let added = body.added_last.filter(|added| DateTime::parse_from_rfc3339(added).is_ok());
        let added_at = time(added.clone());
        added_last = added.or(added_last);
        if !envelope.more {
            return Ok(added_last);
        }
        place = place.further(envelope.next, added_at).map_err(|why| unexpected(&url, why))?;
    }
    Err(unexpected(objects, &format!("more than {PAGES_MAX} pages")))
}

/// Where the objects of the collection are.
async fn objects_of(context: &Context<'_>) -> Result<Url, FetchFault> {
    let home = context.http.home();
    let Some(wanted) = &context.config.collection else {
        let path = home.path().trim_end_matches('/').trim_end_matches("/objects").to_owned();
        let mut url = home.clone();
        url.set_path(&format!("{path}/objects/"));
        return Ok(url);
    };
    let about = context.http.whole(&ask(home.clone(), ABOUT_BYTES_MAX)).await?;
    let root: Root = read_json(home, &about.bytes)?;
    let roots = match root.api_roots {
        None => vec![folder(home)],
        Some(roots) => {
            let all = root.default.into_iter().chain(roots).take(API_ROOTS_MAX);
            all.filter_map(|root| home.join(&root).ok()).map(|root| folder(&root)).collect()
        }
    };
    let mut seen = Vec::new();
    for root in roots {
        if seen.contains(&root) {
            continue;
        }
        if root.origin() != home.origin() {
            return Err(unexpected(
                home,
                &format!("names {} on another host; if that is right, name it in `url`", shown(&root)),
            ));
        }
        let collections = join(&root, "collections/")?;
        let about = context.http.whole(&ask(collections.clone(), ABOUT_BYTES_MAX)).await?;
        let found: Collections = read_json(&collections, &about.bytes)?;
        let is_wanted =
            |one: &&Collection| [Some(&one.id), one.alias.as_ref(), one.title.as_ref()].contains(&Some(wanted));
        if let Some(found) = found.collections.iter().find(is_wanted) {
            if found.can_read == Some(false) {
                return Err(unexpected(&collections, "these credentials may not read the collection"));
            }
            // One segment, whatever the server calls it.
            let mut url = collections;
            url.path_segments_mut().map_err(|()| unexpected(home, "no address with a path"))?.pop_if_empty().extend([
                found.id.as_str(),
                "objects",
                "",
            ]);
            return Ok(url);
        }
        seen.push(root);
    }
    Err(unexpected(home, "has no collection of the id, alias or title that `collection` says"))
}

fn ask(url: Url, bytes_max: u64) -> Ask {
    Ask { accept: Some(MEDIA_TYPE), bytes_max, ..Ask::get(url) }
}

/// The address as that of a folder, so that names are joined below it.
fn folder(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("{}/", url.path().trim_end_matches('/')));
    url
}

fn join(root: &Url, name: &str) -> Result<Url, FetchFault> {
    root.join(name).map_err(|_| unexpected(root, "no address with a path"))
}

/// The objects of a file as it was written here.
fn each_of(current: &[u8], mut take: impl FnMut(&str)) -> Result<(), FetchFault> {
    #[derive(Deserialize)]
    struct Written<'a> {
        #[serde(borrow)]
        objects: Vec<&'a RawValue>,
    }
    let unread = |_| FetchFault::File { path: "the list".to_owned(), why: "not as it was written".to_owned() };
    let written: Written<'_> = serde_json::from_slice(current).map_err(unread)?;
    written.objects.into_iter().for_each(|object| take(object.get()));
    Ok(())
}

fn take(merged: &mut Merged, text: &str) {
    #[derive(Deserialize)]
    struct Head {
        id: Option<String>,
        modified: Option<String>,
    }
    let Ok(Head { id, modified }) = serde_json::from_str(text) else { return merged.take(None, 0, text) };
    let modified = time(modified).map_or(0, |at| at.timestamp_micros());
    merged.take(id.as_deref(), modified, text);
}

/// Did the indicator end so long ago that no record asks for it? Only the version that counts may say so.
fn is_over(text: &str, now: Millis) -> bool {
    #[derive(Deserialize)]
    struct End {
        valid_until: Option<String>,
    }
    let Ok(End { valid_until }) = serde_json::from_str(text) else { return false };
    time(valid_until).is_some_and(|until| until.timestamp_millis() < now - KEPT_AFTER_END)
}

fn time(text: Option<String>) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(&text?).ok()
}
