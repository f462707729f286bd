//! Lists of addresses fetched over HTTP: files, collections of TAXII, searches and folders of MISP, written where the
//! configuration says that the list lies. Whoever reads the list notices that its file changed.
//!
//! An answer is read as the list would be before it takes its place, so that what is broken, empty or suspiciously small
//! never replaces what is good. Time, waiting and chance come through [`Clock`], so that tests own them.

mod clock;
mod config;
mod counts;
mod fault;
mod feed;
mod http;
mod judge;
mod kinds;
mod merge;
mod place;
mod retry;
mod secret;
mod spool;
mod state;

pub use clock::{Clock, SystemClock};
pub use config::{Credentials, CredentialsKind, FeedConfig, FeedKind};
pub use counts::{Counts, ListCounts};
pub use fault::FetchFault;
pub use feed::{Allowed, Feed, Feeds, Fetched, Outcome};
