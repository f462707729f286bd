//! The lists of a task's turns: what of them is to be kept, and made again from what was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use frostwatch_detect::lists::content::Contents as Kept;
use frostwatch_detect::lists::{Lists, ListsDigest};

use super::ruling::Ruling;
use crate::checkpoint::{Contents, Turn};

/// Lists that the tasks of a process have, by their digest.
#[derive(Debug, Default)]
pub(super) struct HeldLists(Mutex<BTreeMap<ListsDigest, Weak<Lists>>>);

impl HeldLists {
    fn get(&self, digest: ListsDigest) -> Option<Arc<Lists>> {
        self.0.lock().ok()?.get(&digest)?.upgrade()
    }

    fn note(&self, lists: &Arc<Lists>) {
        if let Ok(mut held) = self.0.lock() {
            held.retain(|_, lists| lists.strong_count() > 0);
            held.insert(lists.digest(), Arc::downgrade(lists));
        }
    }
}

/// Lists by their digest.
#[derive(Debug, Default)]
pub(super) struct KnownLists {
    known: BTreeMap<ListsDigest, Arc<Lists>>,
    /// Those for which there was no room, and why.
    refused: BTreeMap<ListsDigest, String>,
}

impl KnownLists {
    /// Those of a ruling.
    pub(super) fn of(ruling: &Ruling, held: &HeldLists) -> Self {
        let mut known = Self::default();
        known.add(ruling, held);
        known
    }

    /// Adds those of a ruling.
    pub(super) fn add(&mut self, ruling: &Ruling, held: &HeldLists) {
        if let Some(lists) = &ruling.lists
            && self.known.insert(lists.digest(), Arc::clone(lists)).is_none()
        {
            held.note(lists);
        }
    }

    /// Why there was no room for lists that were to be made again.
    pub(super) fn refused(&self, digest: ListsDigest) -> Option<&str> {
        self.refused.get(&digest).map(String::as_str)
    }

    /// The lists with this digest.
    pub(super) fn get(&self, digest: ListsDigest) -> Option<&Arc<Lists>> {
        self.known.get(&digest)
    }

    /// The lists of turns that are not at hand.
    pub(super) fn missing<'a>(&'a self, turns: &'a [Turn]) -> impl Iterator<Item = ListsDigest> + 'a {
        let digests = turns.iter().map(|turn| turn.lists);
        digests.filter(|digest| !digest.is_none() && !self.known.contains_key(digest))
    }

    /// Makes the lists of turns from what was kept of them, as far as it was, or takes them from another task.
    pub(super) fn recall(&mut self, turns: &[Turn], contents: &Contents, held: &HeldLists) {
        let kept: Kept<'_> = contents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        let missing: BTreeSet<ListsDigest> = self.missing(turns).collect();
        for digest in missing {
            let found = held.get(digest).map_or_else(|| Lists::recalled(digest, &kept), |lists| Ok(Some(lists)));
            match found {
                Ok(Some(lists)) => {
                    held.note(&lists);
                    self.known.insert(digest, lists);
                }
                Ok(None) => {}
                Err(fault) => drop(self.refused.insert(digest, fault.to_string())),
            }
        }
    }

    /// Lets go of all but those of turns and of the present ruling.
    pub(super) fn keep_only(&mut self, turns: &[Turn], ruling: &Ruling) {
        let own = ruling.lists_digest();
        self.known.retain(|digest, _| *digest == own || turns.iter().any(|turn| turn.lists == *digest));
    }

    /// A manifest or a part by its name.
    pub(super) fn content(&self, name: &str) -> Option<&[u8]> {
        if !name.contains('/') {
            let lists = self.known.get(&ListsDigest::read(name)?)?;
            return Some(lists.kept().manifest().as_bytes());
        }
        self.known.values().find_map(|lists| lists.kept().part(name))
    }

    /// The names of all that is kept of lists.
    pub(super) fn parts(&self, digest: &str) -> Vec<String> {
        let lists = ListsDigest::read(digest).and_then(|digest| self.known.get(&digest));
        lists.map(|lists| [digest.to_owned()].into_iter().chain(lists.kept().names()).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use frostwatch_detect::lists::List;

    use super::*;

    #[test]
    fn partitions_that_recall_the_same_lists_share_them() {
        let lists = Lists::new(vec![List { name: "exits".to_owned(), entries: Vec::new() }]).unwrap().unwrap();
        let parts = lists.kept().names().map(|name| (name.clone(), lists.kept().part(&name).unwrap().to_vec()));
        let manifest = (lists.digest().to_string(), lists.kept().manifest().as_bytes().to_vec());
        let contents: Contents = parts.chain([manifest]).collect();
        let turns = [Turn { offset: 0, version: 0, lists: lists.digest() }];
        let held = HeldLists::default();
        let recalled = |contents: &Contents| {
            let mut known = KnownLists::default();
            known.recall(&turns, contents, &held);
            known.get(lists.digest()).cloned()
        };
        assert!(recalled(&Contents::new()).is_none());
        let first = recalled(&contents).unwrap();
        assert!(!Arc::ptr_eq(&first, &lists));
        assert!(Arc::ptr_eq(&recalled(&Contents::new()).unwrap(), &first));
        drop(first);
        assert!(recalled(&Contents::new()).is_none(), "nobody holds them any more");
    }
}
