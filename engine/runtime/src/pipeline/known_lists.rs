//! The lists of a task's turns: what of them is to be kept, and made again from what was kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use frostwatch_detect::lists::content::Contents as Kept;
use frostwatch_detect::lists::{Lists, ListsDigest};

use super::ruling::Ruling;
use crate::checkpoint::{Contents, Turn};

/// Lists by their digest.
#[derive(Debug, Default)]
pub(super) struct KnownLists(BTreeMap<ListsDigest, Arc<Lists>>);

impl KnownLists {
    /// Those of a ruling.
    pub(super) fn of(ruling: &Ruling) -> Self {
        let mut known = Self::default();
        known.add(ruling);
        known
    }

    /// Adds those of a ruling.
    pub(super) fn add(&mut self, ruling: &Ruling) {
        self.0.extend(ruling.lists.iter().map(|lists| (lists.digest(), Arc::clone(lists))));
    }

    /// The lists with this digest.
    pub(super) fn get(&self, digest: ListsDigest) -> Option<&Arc<Lists>> {
        self.0.get(&digest)
    }

    /// The lists of turns that are not at hand.
    pub(super) fn missing<'a>(&'a self, turns: &'a [Turn]) -> impl Iterator<Item = ListsDigest> + 'a {
        let digests = turns.iter().map(|turn| turn.lists);
        digests.filter(|digest| !digest.is_none() && !self.0.contains_key(digest))
    }

    /// Makes the lists of turns from what was kept of them, as far as it was.
    pub(super) fn recall(&mut self, turns: &[Turn], contents: &Contents) {
        let kept: Kept<'_> = contents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        let missing: Vec<ListsDigest> = self.missing(turns).collect();
        for digest in missing {
            if !self.0.contains_key(&digest)
                && let Some(lists) = Lists::recalled(digest, &kept)
            {
                self.0.insert(digest, lists);
            }
        }
    }

    /// Lets go of all but those of turns and of the present ruling.
    pub(super) fn keep_only(&mut self, turns: &[Turn], ruling: &Ruling) {
        let own = ruling.lists_digest();
        self.0.retain(|digest, _| *digest == own || turns.iter().any(|turn| turn.lists == *digest));
    }

    /// A manifest or a part by its name.
    pub(super) fn content(&self, name: &str) -> Option<&[u8]> {
        if !name.contains('/') {
            let lists = self.0.get(&ListsDigest::read(name)?)?;
            return Some(lists.kept().manifest().as_bytes());
        }
        self.0.values().find_map(|lists| lists.kept().part(name))
    }

    /// The names of all that is kept of lists.
    pub(super) fn parts(&self, digest: &str) -> Vec<String> {
        let lists = ListsDigest::read(digest).and_then(|digest| self.0.get(&digest));
        lists.map(|lists| [digest.to_owned()].into_iter().chain(lists.kept().names()).collect()).unwrap_or_default()
    }
}
