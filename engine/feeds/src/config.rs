//! What the configuration says of a feed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use frostwatch_geoip::lists::{Format, ListConfig};
use reqwest::Url;
use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Shortest and longest time between two fetches, seconds.
const INTERVAL_SECS: (u64, u64) = (60, 30 * 86_400);
/// Bounds of the time a request may take, seconds.
const TIMEOUT_SECS: (u64, u64) = (1, 3_600);
/// Most bytes of an answer, and of what is made of several: as a list may have.
const BYTES_MAX: u64 = 256 << 20;
/// Bounds of the hours after which a feed is read from its beginning.
const FULL_HOURS: (u32, u32) = (1, 8_760);

/// What a search may not ask for: the server takes it out of each page after that is cut, so that nothing tells which is
/// the last.
const SEARCH_REFUSED: [&str; 3] = ["enforceWarninglist", "excludeDecayed", "proposals_block_attributes"];

/// Where a list is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// The list, by its name; its path is where the feed is written.
    pub list: String,
    /// What answers there.
    pub kind: FeedKind,
    /// Where. Of `taxii`: a discovery, an API root or a collection; of `misp`: the instance; of `misp_feed`: the folder.
    pub url: String,
    /// Of `taxii`: id, alias or title of the collection, unless `url` is one.
    #[serde(default)]
    pub collection: Option<String>,
    /// Of `misp`: what the search asks for beyond addresses, as `tags` or `last`.
    #[serde(default)]
    pub search: Option<Map<String, Value>>,
    /// Seconds between two fetches.
    #[serde(default = "interval_secs")]
    pub interval_secs: u64,
    /// How long one request may take, with its answer, seconds.
    #[serde(default = "timeout_secs")]
    pub timeout_secs: u64,
    /// Most bytes of an answer, and of the file that is made of several.
    #[serde(default = "bytes_max")]
    pub bytes_max: u64,
    /// Of `taxii` and `misp`: after so many hours it is read from its beginning, which also tells what is gone.
    #[serde(default = "full_hours")]
    pub full_hours: u32,
    /// A list that loses more than this share of its entries at once is held back, percent.
    #[serde(default = "shrink_max_percent")]
    pub shrink_max_percent: u8,
    /// Who asks.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Authorities that are trusted in place of the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Is the server's certificate checked?
    #[serde(default = "yes")]
    pub tls_verify: bool,
    /// May the address be one of `http`?
    #[serde(default)]
    pub allow_http: bool,
    /// The proxy; absent: as the environment says; `none`: no proxy.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// What answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// The list itself, in any format.
    File,
    /// TAXII 2.1.
    Taxii,
    /// The search of a MISP instance.
    Misp,
    /// A folder of events, as MISP publishes and reads it.
    MispFeed,
}

/// Who asks. The secret is never part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// How it is sent.
    pub kind: CredentialsKind,
    /// Of `basic`: the user.
    #[serde(default)]
    pub user: Option<String>,
    /// Of `header`: its name.
    #[serde(default)]
    pub name: Option<String>,
    /// The file that holds the secret, read at each fetch.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The variable of the environment that holds it.
    #[serde(default)]
    pub env: Option<String>,
}

/// How a secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsKind {
    /// User and password.
    Basic,
    /// A token.
    Bearer,
    /// The header `Authorization` is the secret itself, as MISP wants it.
    Key,
    /// A header of another name.
    Header,
}

const fn interval_secs() -> u64 {
    3_600
}

const fn timeout_secs() -> u64 {
    60
}

const fn bytes_max() -> u64 {
    BYTES_MAX
}

const fn full_hours() -> u32 {
    24
}

const fn shrink_max_percent() -> u8 {
    50
}

const fn yes() -> bool {
    true
}

impl FeedConfig {
    /// Paths are relative to the configuration.
    pub fn resolve(&mut self, beside: &Path) {
        let secret = self.credentials.as_mut().and_then(|credentials| credentials.file.as_mut());
        self.ca_file.iter_mut().chain(secret).for_each(|file| *file = beside.join(&*file));
    }

    /// What is wrong with it, before anything is asked; `list` is the one it names.
    pub fn faults(&self, list: Option<&ListConfig>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut note = |field: &str, text: &str| faults.push(format!("feeds '{}': {field}: {text}", self.list));
        match list.map(|list| list.format) {
            None => note("list", "no list has this name"),
            Some(format) if !self.kind.gives(format) => note("kind", "not of the format that the list has"),
            Some(_) => {}
        }
        if let Err(text) = self.address() {
            note("url", text);
        }
        for (field, value, (least, most)) in [
            ("interval_secs", self.interval_secs, INTERVAL_SECS),
            ("timeout_secs", self.timeout_secs, TIMEOUT_SECS),
            ("bytes_max", self.bytes_max, (1, BYTES_MAX)),
            ("full_hours", self.full_hours.into(), (FULL_HOURS.0.into(), FULL_HOURS.1.into())),
            ("shrink_max_percent", self.shrink_max_percent.into(), (0, 100)),
        ] {
            if !(least..=most).contains(&value) {
                note(field, &format!("{value} is outside {least} to {most}"));
            }
        }
        if self.collection.is_some() && self.kind != FeedKind::Taxii {
            note("collection", "only a feed of kind taxii has one");
        }
        let is_collection = self.url.contains("/collections/");
        if self.kind == FeedKind::Taxii && self.collection.is_some() == is_collection {
            note("collection", "either the url is that of a collection, or it is named here");
        }
        if self.search.is_some() && self.kind != FeedKind::Misp {
            note("search", "only a feed of kind misp has one");
        }
        for word in SEARCH_REFUSED {
            if self.search.as_ref().is_some_and(|search| search.contains_key(word)) {
                note(
                    "search",
                    &format!(
                        "{word} takes attributes out of pages after these are cut, so the last cannot be told; a list of \
                         format misp_warninglist says what is harmless"
                    ),
                );
            }
        }
        if !self.tls_verify && self.ca_file.is_some() {
            note("ca_file", "nothing is checked by it, since tls_verify is off");
        }
        if self.proxy.as_deref().is_some_and(|proxy| proxy != "none" && !is_plain_address(proxy)) {
            note("proxy", "neither none nor an address as http://proxy:3128 without user and password");
        }
        for (field, text) in self.credentials.iter().flat_map(Credentials::faults) {
            note(&format!("credentials.{field}"), text);
        }
        faults
    }

    /// What people should know about it.
    pub fn warnings(&self) -> Vec<String> {
        let told = |text: &str| format!("feeds '{}': {text}", self.list);
        let unchecked = (!self.tls_verify).then(|| told("tls_verify is off: anybody on the way can write this list"));
        let is_open = self.url.starts_with("http://");
        let open = is_open.then(|| match self.credentials {
            Some(_) => told("http: anybody on the way can write this list and read its credentials"),
            None => told("http: anybody on the way can write this list"),
        });
        unchecked.into_iter().chain(open).collect()
    }

    /// The address, read.
    pub(crate) fn address(&self) -> Result<Url, &'static str> {
        let url = Url::parse(&self.url).map_err(|_| "not an address as https://feeds.example/list")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("neither https nor http");
        }
        if url.scheme() == "http" && !self.allow_http {
            return Err("http: whoever stands between can write the list; https, or `allow_http: true`");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("no user and password here; they belong to `credentials`");
        }
        if url.fragment().is_some() {
            return Err("a '#' says nothing to a server");
        }
        Ok(url)
    }

    /// The interval.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_secs)
    }
}

impl FeedKind {
    const fn gives(self, format: Format) -> bool {
        match self {
            Self::File => true,
            Self::Taxii => matches!(format, Format::Stix),
            Self::Misp | Self::MispFeed => matches!(format, Format::Misp),
        }
    }
}

impl Credentials {
    fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        if self.file.is_some() == self.env.is_some() {
            faults.push(("file", "either the file or the variable of the environment (env) that holds the secret"));
        }
        if self.user.is_some() != (self.kind == CredentialsKind::Basic) {
            faults.push(("user", "basic has one, and no other kind"));
        }
        if self.user.as_ref().is_some_and(|user| user.contains(':')) {
            faults.push(("user", "has a ':', which nothing could tell from the password's"));
        }
        if self.name.is_some() != (self.kind == CredentialsKind::Header) {
            faults.push(("name", "header has one, and no other kind"));
        }
        if self.name.as_ref().is_some_and(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            faults.push(("name", "not the name of a header"));
        }
        faults
    }
}

fn is_plain_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    })
}
