//! One request and its answer, within limits: redirects that never leave TLS and never carry a secret elsewhere, bodies
//! that are counted while they come.

use std::error::Error;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Certificate, Client, Method, Proxy, Response, Url, redirect};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::FeedConfig;
use crate::fault::FetchFault;
use crate::retry::{retry_after, with_retries};
use crate::secret::{ReadVariable, SecretHeader, header};

/// Redirects that are followed at most.
const REDIRECTS_MAX: usize = 5;
/// How long a connection may take to stand.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// Largest file of authorities, bytes.
const CA_BYTES_MAX: u64 = 4 << 20;
/// From so many signs on a part of a path of letters and digits may be a key.
const KEY_CHARS_MIN: usize = 20;
/// Signs of such a part that a message shows.
const KEY_CHARS_SHOWN: usize = 4;
/// Signs of what failed that a message shows.
const WHY_CHARS_MAX: usize = 300;

/// What a server said of the version of a thing: sent back, it answers only if there is another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) url: Url,
    pub(crate) accept: Option<&'static str>,
    pub(crate) validators: Validators,
    /// JSON to be posted; without it the request is a GET.
    pub(crate) body: Option<String>,
    /// Most bytes of the answer, where that is less than the feed's.
    pub(crate) bytes_max: u64,
}

impl Ask {
    pub(crate) fn get(url: Url) -> Self {
        Self { url, accept: None, validators: Validators::default(), body: None, bytes_max: u64::MAX }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There is no other version.
    NotModified,
    /// This is it.
    Whole(Body),
}

/// A whole body, and what was said of it.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) validators: Validators,
    /// When the last of these objects came to a collection of TAXII.
    pub(crate) added_last: Option<String>,
}

/// Asks one feed.
pub(crate) struct Http<'c> {
    client: Client,
    clock: &'c dyn Clock,
    /// Where the configuration sends the secret, and nowhere else.
    home: Url,
    secret: Option<SecretHeader>,
    config: &'c FeedConfig,
    received: AtomicU64,
}

impl<'c> Http<'c> {
    /// A client as the configuration wants it: authorities and secrets are read anew for each fetch.
    pub(crate) fn new(
        config: &'c FeedConfig,
        clock: &'c dyn Clock,
        variable: ReadVariable,
    ) -> Result<Self, FetchFault> {
        // Whoever is first in the process sets it, and it is always the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = config.address().map_err(|why| FetchFault::Client(why.to_owned()))?;
        let secret = config.credentials.as_ref().map(|credentials| header(credentials, variable)).transpose()?;
        let mut builder = Client::builder()
            .user_agent(concat!("frostwatch/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(Duration::from_secs(config.timeout_secs))
            .connect_timeout(CONNECT_MAX.min(Duration::from_secs(config.timeout_secs)));
        let failed = |error: reqwest::Error| FetchFault::Client(why(&error.without_url()));
        if let Some(path) = &config.ca_file {
            let bytes = bounded(path)?;
            let authorities = Certificate::from_pem_bundle(&bytes).map_err(failed)?;
            if authorities.is_empty() {
                return Err(FetchFault::Client(format!("{}: no certificate in PEM", path.display())));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if !config.tls_verify {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder = match config.proxy.as_deref() {
            None => builder,
            Some("none") => builder.no_proxy(),
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(failed)?),
        };
        let client = builder.build().map_err(failed)?;
        Ok(Self { client, clock, home, secret, config, received: AtomicU64::new(0) })
    }

    /// The address that the configuration gives.
    pub(crate) const fn home(&self) -> &Url {
        &self.home
    }

    /// Bytes of bodies received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Asks until there is an answer.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Answer, FetchFault> {
        with_retries(self.clock, || self.once(ask)).await
    }

    /// Asks for an answer whatever was answered before.
    pub(crate) async fn whole(&self, ask: &Ask) -> Result<Body, FetchFault> {
        match self.ask(ask).await? {
            Answer::Whole(body) => Ok(body),
            Answer::NotModified => Err(not_asked(&ask.url)),
        }
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, FetchFault> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&url, ask).await?;
            match response.status().as_u16() {
                200 => return self.body(&url, response, ask.bytes_max).await.map(Answer::Whole),
                304 if ask.validators == Validators::default() => return Err(not_asked(&url)),
                304 => return Ok(Answer::NotModified),
                status @ (301 | 302 | 303 | 307 | 308) => url = self.next(&url, status, &response, ask)?,
                status => {
                    let text = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    let retry_after = text.and_then(|text| retry_after(text, self.clock.now()));
                    return Err(FetchFault::Status { url: shown(&url), status, retry_after });
                }
            }
        }
        Err(FetchFault::Redirected { url: shown(&ask.url), why: format!("more than {REDIRECTS_MAX} redirects") })
    }

    async fn send(&self, url: &Url, ask: &Ask) -> Result<Response, FetchFault> {
        let method = if ask.body.is_some() { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, url.clone());
        if let Some(secret) = self.secret.as_ref().filter(|_| url.origin() == self.home.origin()) {
            let name = HeaderName::from_bytes(secret.name.as_bytes()).unwrap_or(AUTHORIZATION);
            request = request.header(name, secret.value.clone());
        }
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(etag) = &ask.validators.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(at) = &ask.validators.last_modified {
            request = request.header(IF_MODIFIED_SINCE, at);
        }
        if let Some(body) = &ask.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        request.send().await.map_err(|error| self.fault(url, error))
    }

    /// Where a redirect leads, if we go there.
    fn next(&self, from: &Url, status: u16, response: &Response, ask: &Ask) -> Result<Url, FetchFault> {
        let refused = |why: String| FetchFault::Redirected { url: shown(from), why };
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = target.and_then(|target| from.join(target).ok());
        let target = target.ok_or_else(|| refused("redirects to no address".to_owned()))?;
        if !matches!(target.scheme(), "http" | "https") {
            return Err(refused(format!("redirects to {}, which is not followed", target.scheme())));
        }
        if target.scheme() == "http" && (from.scheme() == "https" || !self.config.allow_http) {
            return Err(refused(format!("redirects from https to {}, which is not followed", shown(&target))));
        }
        if ask.body.is_some() && !matches!(status, 307 | 308) {
            return Err(refused(format!("redirects a search to {}; name that in `url`", shown(&target))));
        }
        Ok(target)
    }

    async fn body(&self, url: &Url, mut response: Response, bytes_max: u64) -> Result<Body, FetchFault> {
        let limit_bytes = self.config.bytes_max.min(bytes_max);
        let too_large = || FetchFault::TooLarge { url: shown(url), limit_bytes };
        if response.content_length().is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }
        let text =
            |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validators = Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
        let added_last = text(HeaderName::from_static("x-taxii-date-added-last"));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(url, error))? {
            self.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if bytes.len() as u64 + chunk.len() as u64 > limit_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, validators, added_last })
    }

    fn fault(&self, url: &Url, error: reqwest::Error) -> FetchFault {
        let error = error.without_url();
        let url = shown(url);
        if error.is_timeout() {
            return FetchFault::TimedOut { url, secs: self.config.timeout_secs };
        }
        if let Some(why) = distrust(&error) {
            return FetchFault::Untrusted { url, why };
        }
        let why = why(&error);
        if error.is_body() || error.is_decode() {
            FetchFault::BrokeOff { url, why }
        } else {
            FetchFault::Unreachable { url, why }
        }
    }
}

/// Reads JSON that a server answered.
pub(crate) fn read_json<'a, T: Deserialize<'a>>(url: &Url, bytes: &'a [u8]) -> Result<T, FetchFault> {
    serde_json::from_slice(bytes).map_err(|error| {
        unexpected(url, &format!("not what is expected there (line {}, {:?})", error.line(), error.classify()))
    })
}

pub(crate) fn unexpected(url: &Url, why: &str) -> FetchFault {
    FetchFault::Unexpected { url: shown(url), why: why.to_owned() }
}

fn not_asked(url: &Url) -> FetchFault {
    unexpected(url, "says that nothing changed, and was not asked for that")
}

/// An address as a message shows it: a query may hold a key, and so may a path. Of a part of the path that looks like one
/// only the first signs are shown, which tell events of a feed apart.
pub(crate) fn shown(url: &Url) -> String {
    let path: Vec<String> = url.path().split('/').map(shown_part).collect();
    format!("{}{}", url.origin().ascii_serialization(), path.join("/"))
}

/// Long, of letters and digits: a key, or at least no word.
fn shown_part(part: &str) -> String {
    let has = |is: fn(&char) -> bool| part.chars().any(|sign| is(&sign));
    if part.len() >= KEY_CHARS_MIN && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) {
        return part.chars().take(KEY_CHARS_SHOWN).chain(['…']).collect();
    }
    part.to_owned()
}

/// What is wrong with a certificate, if that is the cause: another attempt does not change it.
fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(of_tls @ rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return Some(of_tls.to_string());
        }
        // What an error of the system carries is not among its sources.
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        source = carried.map(|carried| carried as &(dyn Error + 'static)).or_else(|| cause.source());
    }
    None
}

/// What failed, down to the cause.
fn why(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.ends_with(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words.chars().filter(|sign| !sign.is_control()).take(WHY_CHARS_MAX).collect()
}

fn bounded(path: &Path) -> Result<Vec<u8>, FetchFault> {
    let failed = |error: io::Error| FetchFault::file(path, &error);
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(CA_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_a_key() {
        for (url, wanted) in [
            ("https://user:word@f.example:8443/lists/tor?key=hidden#x", "https://f.example:8443/lists/tor"),
            ("https://f.example/", "https://f.example/"),
            ("https://f.example/v1/0a1b2c3d4e5f60718293/list.txt", "https://f.example/v1/0a1b…/list.txt"),
            ("https://f.example/v1/0a1b2c3d4e5f6071829/list.txt", "https://f.example/v1/0a1b2c3d4e5f6071829/list.txt"),
            ("https://f.example/indicators-of-the-whole-sector/", "https://f.example/indicators-of-the-whole-sector/"),
            ("https://f.example/20260301000000000000/", "https://f.example/20260301000000000000/"),
            ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), wanted);
        }
    }
}
