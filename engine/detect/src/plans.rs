//! The plans that the events of a task arrived under, each under a byte, and which of them is current.
//!
//! Rules, `GeoIP` builds, limits and the program are switched between two records of the log. An event carries the byte
//! of the plan it arrived under and is run under that plan however often a late event makes it run again, so what is
//! found at it does not depend on when the switch came.

use std::cell::Cell;
use std::sync::Arc;

use serde::Serializer;

use crate::lists::Lists;
use crate::plan::Plan;
use crate::time::Millis;

/// Plans that are known at once at most: a byte names each, and [`NO_VERSION`] names none.
pub const PLANS_MAX: usize = 255;
/// The byte that no plan has.
pub const NO_VERSION: u8 = u8::MAX;

/// The plans of a task by their bytes.
#[derive(Clone, Debug)]
pub struct Plans {
    known: Vec<Option<Arc<Plan>>>,
    version: u8,
    current: Arc<Plan>,
    window_max: Millis,
    lists: Option<Arc<Lists>>,
}

/// No byte is free for another plan: keys still refer to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was learned and sent under {PLANS_MAX} different rulings is still kept: no other can be switched to")]
pub struct NoVersionLeft;

impl Plans {
    /// One plan, under byte 0.
    pub fn new(plan: Arc<Plan>) -> Self {
        let window_max = plan.lateness.window();
        Self { known: vec![Some(Arc::clone(&plan))], version: 0, current: plan, window_max, lists: None }
    }

    /// The plans that restored keys refer to, under the bytes that they had. `None` if the current one is not among them
    /// or a byte is [`NO_VERSION`].
    pub fn restored(plans: impl IntoIterator<Item = (u8, Arc<Plan>)>, current: u8) -> Option<Self> {
        let mut known: Vec<Option<Arc<Plan>>> = Vec::new();
        for (version, plan) in plans {
            let index = usize::from(version);
            if version == NO_VERSION {
                return None;
            }
            if known.len() <= index {
                known.resize(index + 1, None);
            }
            known[index] = Some(plan);
        }
        let plan = Arc::clone(known.get(usize::from(current))?.as_ref()?);
        let window_max = known.iter().flatten().map(|plan| plan.lateness.window()).max().unwrap_or_default();
        Some(Self { known, version: current, current: plan, window_max, lists: None })
    }

    /// The plan under which records arrive.
    pub fn current(&self) -> &Plan {
        &self.current
    }

    /// The lists of addresses under which records arrive.
    pub(crate) fn lists(&self) -> Option<&Lists> {
        self.lists.as_deref()
    }

    /// Records arrive under these lists from here on.
    #[inline]
    pub fn look_in(&mut self, lists: Option<&Arc<Lists>>) {
        if self.lists.as_ref().map(Arc::as_ptr) != lists.map(Arc::as_ptr) {
            self.lists = lists.cloned();
        }
    }

    /// The byte of the current plan.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The plan of a byte. Every byte that an event, a finding or a session carries is known; for any other the current
    /// plan stands in.
    pub fn of(&self, version: u8) -> &Plan {
        if version == self.version {
            return &self.current;
        }
        self.known.get(usize::from(version)).and_then(Option::as_ref).unwrap_or(&self.current)
    }

    /// The known plans with their bytes, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Arc<Plan>)> {
        self.known.iter().enumerate().filter_map(|(version, plan)| Some((version as u8, plan.as_ref()?)))
    }

    /// The widest window of lateness and skew that was ever in force: a key that has been idle for longer has settled,
    /// whatever was switched since.
    pub const fn window_max(&self) -> Millis {
        self.window_max
    }

    /// Makes the plan current and returns its byte. A plan that is known already ([`Plan::named`]) has its byte again, so
    /// a switch that changes nothing cannot be seen, and neither can the byte of one that is taken back. When every byte
    /// is taken, those that `in_use` does not name are free.
    pub fn switch(&mut self, plan: Arc<Plan>, in_use: impl FnOnce() -> VersionSet) -> Result<u8, NoVersionLeft> {
        let named = plan.named();
        let same = self.iter().find(|(_, known)| known.named() == named).map(|(version, _)| version);
        let version = if let Some(version) = same.or_else(|| self.free()) {
            version
        } else {
            self.forget(in_use());
            self.free().ok_or(NoVersionLeft)?
        };
        let index = usize::from(version);
        if self.known.len() <= index {
            self.known.resize(index + 1, None);
        }
        let plan = self.known[index].get_or_insert(plan);
        self.window_max = self.window_max.max(plan.lateness.window());
        (self.version, self.current) = (version, Arc::clone(plan));
        Ok(version)
    }

    fn free(&self) -> Option<u8> {
        let gap = self.known.iter().position(Option::is_none);
        let index = gap.unwrap_or(self.known.len());
        (index < PLANS_MAX).then_some(index as u8)
    }

    fn forget(&mut self, in_use: VersionSet) {
        for (index, plan) in self.known.iter_mut().enumerate() {
            if index != usize::from(self.version) && !in_use.contains(index as u8) {
                *plan = None;
            }
        }
    }
}

/// A set of version bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionSet([u128; 2]);

impl VersionSet {
    /// Every byte.
    pub const ALL: Self = Self([u128::MAX; 2]);

    /// Adds a byte.
    pub const fn insert(&mut self, version: u8) {
        self.0[(version >> 7) as usize] |= 1 << (version & 127);
    }

    /// Is the byte in it?
    pub const fn contains(self, version: u8) -> bool {
        self.0[(version >> 7) as usize] & 1 << (version & 127) != 0
    }
}

thread_local! {
    static NAMELESS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which version bytes are written as 0: two runs over one history are compared by what they hold and not by
/// the bytes under which they hold it.
pub fn without_versions<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            NAMELESS.set(self.0);
        }
    }
    let _restore = Restore(NAMELESS.replace(true));
    f()
}

/// Writes a version byte.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn write_version<S: Serializer>(version: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(if NAMELESS.get() { 0 } else { *version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::GeoBuild;
    use crate::time::Lateness;

    fn plan(rules_hash: usize) -> Arc<Plan> {
        let geo = GeoBuild { kind: "test".into(), built_at_secs: 0, digest: "0".into() };
        Arc::new(Plan::new(Vec::new(), rules_hash.to_string(), Lateness::DEFAULT, geo))
    }

    fn none() -> VersionSet {
        VersionSet::default()
    }

    #[test]
    fn a_plan_that_is_known_has_its_byte_again() {
        let mut plans = Plans::new(plan(0));
        for (number, version) in [(0, 0), (1, 1), (2, 2), (1, 1), (0, 0), (3, 3), (3, 3)] {
            assert_eq!(plans.switch(plan(number), none), Ok(version));
            assert_eq!((plans.version(), plans.current().rules_hash.as_str()), (version, &*number.to_string()));
        }
        assert_eq!(plans.iter().count(), 4);
        assert_eq!(plans.of(2).rules_hash, "2");
        assert_eq!(plans.of(77).rules_hash, "3", "never asked for: the current plan stands in");
    }

    #[test]
    fn a_byte_is_used_again_only_when_nothing_carries_it() {
        let mut plans = Plans::new(plan(0));
        let never = || unreachable!("nobody is asked while a byte is free");
        for number in 1..PLANS_MAX {
            assert_eq!(plans.switch(plan(number), never), Ok(number as u8));
        }
        let mut all = none();
        (0..NO_VERSION).for_each(|version| all.insert(version));
        assert!(!all.contains(NO_VERSION));
        let full = plans.clone();
        assert_eq!(plans.switch(plan(1_000), || all), Err(NoVersionLeft));
        assert_eq!((plans.version(), plans.iter().count()), (full.version(), PLANS_MAX), "a refusal changes nothing");
        assert_eq!(plans.switch(plan(7), never), Ok(7), "one that is known needs no byte");
        let mut some = none();
        (0..NO_VERSION).filter(|version| ![3, 130].contains(version)).for_each(|version| some.insert(version));
        assert_eq!(plans.switch(plan(1_000), || some), Ok(3));
        assert_eq!(plans.switch(plan(1_001), never), Ok(130));
        assert_eq!(plans.switch(plan(1_002), || all), Err(NoVersionLeft));
        assert_eq!(plans.switch(plan(1_003), none), Ok(0));
        assert_eq!(plans.iter().map(|(version, _)| version).collect::<Vec<_>>(), [0, 130], "and the one before");
    }

    #[test]
    fn plans_are_restored_under_the_bytes_they_had() {
        let plans = Plans::restored([(9, plan(9)), (4, plan(4))], 4).unwrap();
        assert_eq!((plans.version(), plans.of(9).rules_hash.as_str()), (4, "9"));
        assert_eq!(plans.iter().map(|(version, _)| version).collect::<Vec<_>>(), [4, 9]);
        assert!(Plans::restored([(9, plan(9))], 4).is_none());
        assert!(Plans::restored([(4, plan(4)), (NO_VERSION, plan(9))], 4).is_none());
    }
}
