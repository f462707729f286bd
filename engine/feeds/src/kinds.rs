//! Kinds of feeds: what each asks, and what it makes of the answers.

mod file;
mod misp;
mod misp_feed;
mod taxii;

use std::path::Path;

use crate::clock::Millis;
use crate::config::{FeedConfig, FeedKind};
use crate::fault::FetchFault;
use crate::http::Http;
use crate::state::State;

/// What a fetch goes by.
pub(crate) struct Context<'c> {
    pub(crate) http: &'c Http<'c>,
    pub(crate) config: &'c FeedConfig,
    /// The list's file.
    pub(crate) path: &'c Path,
    /// What is there now, if it is what was fetched last.
    pub(crate) current: Option<&'c [u8]>,
    pub(crate) now: Millis,
    /// Is it to be read from its beginning?
    pub(crate) is_full: bool,
}

/// What a fetch gave.
pub(crate) enum Gained {
    /// The server says that nothing changed.
    Unchanged(State),
    /// The content of the list's file, and what is to be remembered once it is there.
    Content(Vec<u8>, State),
}

/// Fetches a feed after what is remembered of it.
pub(crate) async fn fetch(context: &Context<'_>, state: &State) -> Result<Gained, FetchFault> {
    match context.config.kind {
        FeedKind::File => file::fetch(context, state).await,
        FeedKind::Taxii => taxii::fetch(context, state).await,
        FeedKind::Misp => misp::fetch(context, state).await,
        FeedKind::MispFeed => misp_feed::fetch(context, state).await,
    }
}
