//! A ruling: what decides, beside the records, what is found. It is switched between two records of a partition.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use frostwatch_detect::lists::{Lists, ListsDigest};
use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};
use frostwatch_detect::plan::{Named, Plan};
use frostwatch_detect::profile::Readmit;
use frostwatch_detect::time::{Lateness, SECOND};
use frostwatch_rulebook::{CompiledRules, Rulebook};

use crate::checkpoint::{Contents, RulingRecord};

/// The format of state that has room for what lists say of addresses.
const LISTS_SINCE_FORMAT: u8 = 2;

/// Rules, places, lists and limits of time that hold together. Those of the past live on as their [`Plan`] alone, for as long as
/// an event, a finding or a session refers to them: a record is admitted once, under the ruling it arrives under.
#[derive(Clone)]
pub struct Ruling {
    /// Rules and limits as the detectors run them.
    pub plan: Arc<Plan>,
    /// Scopes and exceptions of the same rules.
    pub rules: Arc<CompiledRules>,
    /// Where addresses are.
    pub locate: Arc<dyn Locate>,
    /// What lists say of addresses; `None`: there are none, or the format of state has no room for what they say.
    pub lists: Option<Arc<Lists>>,
    /// Those that were loaded, whether there is room or not: a partition may be in a later format already.
    loaded: Option<Arc<Lists>>,
    /// The rules as a text that stands for itself, named by their hash.
    pub content: Arc<str>,
}

impl Ruling {
    /// The ruling of a set of rules.
    pub fn new(book: Rulebook, locate: Arc<dyn Locate>, lateness: Lateness) -> Self {
        let rules = Arc::new(CompiledRules::new(&book));
        let content = book.to_content().into();
        let plan = Plan::new(book.rules, book.hash, lateness, locate.build().clone());
        let plan = plan.with_networks(book.networks).with_readmission(Arc::clone(&rules) as Arc<dyn Readmit>);
        let plan = Arc::new(plan);
        Self { plan, rules, locate, lists: None, loaded: None, content }
    }

    /// The same with lists of addresses.
    #[must_use]
    pub fn with_lists(mut self, lists: Option<Arc<Lists>>) -> Self {
        let has_room = self.plan.state_format() >= LISTS_SINCE_FORMAT;
        self.lists = lists.clone().filter(|_| has_room);
        self.loaded = lists;
        self.plan = Arc::new(Plan::clone(&self.plan).with_lists(self.lists.is_some()));
        self
    }

    /// The same with state in another format: see [`Named::state_format`].
    #[must_use]
    pub fn with_state_format(mut self, format: u8) -> Self {
        self.plan = Arc::new(Plan::clone(&self.plan).with_state_format(format));
        let lists = self.loaded.take();
        self.with_lists(lists)
    }

    /// What tells it from other rulings.
    pub fn named(&self) -> Named {
        Named { lists: self.lists_digest().to_string(), ..self.plan.named() }
    }

    /// What the same with state in another format is known by.
    pub(super) fn named_in(&self, state_format: u8) -> Named {
        let lists = self.loaded.as_ref().filter(|_| state_format >= LISTS_SINCE_FORMAT);
        let digest = lists.map_or(ListsDigest::NONE, |lists| lists.digest());
        Named { state_format, lists: digest.to_string(), ..self.plan.named() }
    }

    /// Digest of its lists.
    pub(super) fn lists_digest(&self) -> ListsDigest {
        self.lists.as_ref().map_or(ListsDigest::NONE, |lists| lists.digest())
    }

    /// The text of its rules under their hash.
    pub(super) fn named_content(&self) -> (String, Arc<str>) {
        (self.plan.rules_hash.clone(), Arc::clone(&self.content))
    }

    /// The record by which it is known again.
    pub(super) fn record(version: u8, plan: &Plan) -> RulingRecord {
        let GeoBuild { kind, built_at_secs, .. } = plan.geo.clone();
        RulingRecord { version, named: plan.named(), geo_kind: kind, geo_built_at_secs: built_at_secs }
    }

    /// The ruling of a record, made from the text of its rules; `None` where that is not at hand. Under a build that is
    /// not `self`'s no address has a place: such a ruling is for what was admitted already. Its lists are those of a turn
    /// ([`Ruling::recalled_with`]).
    pub(super) fn recalled(self: &Arc<Self>, record: &RulingRecord, contents: &Contents) -> Option<Arc<Self>> {
        let Named { rules, geoip, lateness_secs, skew_secs, semantics, state_format, lists } = &record.named;
        if self.plan.named() == record.named {
            return Some(Arc::clone(self));
        }
        let text = if self.plan.rules_hash == *rules { &self.content } else { text_of(contents.get(rules)?)? };
        let book = Rulebook::from_content(text).ok().filter(|book| book.hash == *rules)?;
        let own = self.plan.geo.digest == *geoip;
        let locate: Arc<dyn Locate> =
            if own { Arc::clone(&self.locate) } else { Arc::new(Forgotten(record.geo_build())) };
        let millis = |secs: i64| secs.saturating_mul(SECOND);
        let lateness = Lateness { lateness: millis(*lateness_secs), skew: millis(*skew_secs) };
        let mut ruling = Self::new(book, locate, lateness).with_state_format(*state_format);
        let mut plan = Plan::clone(&ruling.plan).with_lists(!lists.is_empty());
        plan.semantics = *semantics;
        ruling.plan = Arc::new(plan);
        Some(Arc::new(ruling))
    }

    /// A ruling that was recalled, with the lists that it had at a turn.
    pub(super) fn recalled_with(self: &Arc<Self>, lists: Option<&Arc<Lists>>) -> Arc<Self> {
        let has = |own: &Arc<Lists>| lists.is_some_and(|lists| lists.digest() == own.digest());
        if self.lists.as_ref().map_or(lists.is_none(), has) {
            return Arc::clone(self);
        }
        Arc::new(Self { lists: lists.cloned(), ..Self::clone(self) })
    }

    /// Can records be scored as they were under the recorded ruling, given its rules?
    pub(super) fn scores_as(&self, record: &RulingRecord) -> bool {
        let Named { geoip, semantics, .. } = &record.named;
        self.plan.geo.digest == *geoip && self.plan.semantics == *semantics
    }
}

fn text_of(content: &[u8]) -> Option<&str> {
    std::str::from_utf8(content).ok()
}

impl RulingRecord {
    fn geo_build(&self) -> GeoBuild {
        let (kind, digest) = (self.geo_kind.clone(), self.named.geoip.clone());
        GeoBuild { kind, built_at_secs: self.geo_built_at_secs, digest }
    }
}

/// A build that is not at hand.
struct Forgotten(GeoBuild);

impl Locate for Forgotten {
    fn locate(&self, _address: IpAddr) -> Location {
        Location { place: Err(NoPlace::Unknown), carrier: Carrier::NONE }
    }

    fn build(&self) -> &GeoBuild {
        &self.0
    }
}

/// The ruling of the process: whoever loads another one sets it, and every partition turns to it at an offset of its own,
/// which is recorded.
pub struct CurrentRuling(RwLock<Arc<Ruling>>);

impl CurrentRuling {
    /// The first.
    pub fn new(ruling: Arc<Ruling>) -> Self {
        Self(RwLock::new(ruling))
    }

    /// The ruling now.
    pub fn get(&self) -> Arc<Ruling> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets another one.
    pub fn set(&self, ruling: Arc<Ruling>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ruling;
    }
}
