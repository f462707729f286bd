//! The tasks of a replay: one for each partition that the file names, and the switches between their records.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use frostwatch_detect::catalogue::SEMANTICS_VERSION;
use frostwatch_detect::context::Subject;
use frostwatch_detect::entity::Per;
use frostwatch_detect::lists::{Lists, ListsDigest};
use frostwatch_detect::time::{Lateness, Millis, SECOND};
use frostwatch_runtime::pipeline::{Counters, Ruling, Shared, Task};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord};
use frostwatch_wire::activity::decode::COPY_BEGINS;

use crate::config::{self, Faults};
use crate::console::say;
use crate::file::{FileRecord, Place, RecordedSwitch};

/// A switch of the command line: `AT=RULES_FOLDER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SwitchArg {
    at: At,
    folder: PathBuf,
}

/// Before which record a switch comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The record of the file with this index, from 0.
    Index(i64),
    /// The record of this partition with this offset, or the first after it.
    Place(Place),
}

/// What a copy that the engine made is counted by.
fn counted_by(key: &[u8], value: &[u8]) -> Option<Per> {
    let key = std::str::from_utf8(key).ok().filter(|_| value.starts_with(COPY_BEGINS))?;
    Subject { key }.entity().map(|(per, _)| per)
}

/// Reads `INDEX=FOLDER` or `PARTITION:OFFSET=FOLDER`.
pub(crate) fn switch_arg(text: &str) -> Result<SwitchArg, String> {
    let wrong = || format!("'{text}' is not INDEX=RULES_FOLDER or PARTITION:OFFSET=RULES_FOLDER");
    let (at, folder) = text.split_once('=').filter(|(_, folder)| !folder.is_empty()).ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(wrong);
    let at = match at.split_once(':') {
        None => At::Index(number(at)?),
        Some((partition, offset)) => {
            let partition = i32::try_from(number(partition)?).map_err(|_| wrong())?;
            At::Place(Place { partition, offset: number(offset)? })
        }
    };
    Ok(SwitchArg { at, folder: folder.into() })
}

/// The tasks.
pub(super) struct Tasks {
    shared: Arc<Shared>,
    /// What records of a partition that was not seen yet begin under.
    ruling: Arc<Ruling>,
    by_partition: BTreeMap<i32, Task>,
    /// Switches that are to come, in the order in which they were told.
    pending: Vec<(At, Arc<Ruling>)>,
    /// Records so far.
    count: i64,
    copies: Copies,
    /// What was kept of lists of addresses, by name.
    kept: BTreeMap<String, String>,
    /// Lists that recorded switches name, made of that; `None`: what was kept does not make them.
    lists: BTreeMap<ListsDigest, Option<Arc<Lists>>>,
}

/// Records that rules count by something else than their user. A recording has the engine's copies in it, and what is not one
/// has none.
#[derive(Default)]
struct Copies {
    /// The replay makes its own of a recording too.
    own: bool,
    /// Where its own are counted: one place for all, that of the first.
    partition: Option<i32>,
    /// Those that were recorded.
    recorded: BTreeMap<Per, u64>,
    /// Those that the rules of the replay ask for and that were left to the recording.
    left: BTreeMap<Per, u64>,
}

impl Tasks {
    pub(super) fn new(
        shared: Arc<Shared>,
        ruling: Arc<Ruling>,
        own_copies: bool,
        switches: &[SwitchArg],
    ) -> anyhow::Result<Self> {
        let mut tasks = Self {
            shared,
            ruling,
            by_partition: BTreeMap::new(),
            pending: Vec::new(),
            count: 0,
            copies: Copies { own: own_copies, ..Copies::default() },
            kept: BTreeMap::new(),
            lists: BTreeMap::new(),
        };
        let limits = tasks.ruling.plan.lateness;
        for SwitchArg { at, folder } in switches {
            let rules = config::rules(Some(folder)).map_err(Faults)?;
            let ruling = Ruling::new(rules, Arc::clone(&tasks.ruling.locate), limits);
            let ruling = ruling.with_state_format(tasks.ruling.plan.state_format());
            let ruling = ruling.with_lists(tasks.ruling.lists.clone());
            tasks.pending.push((*at, Arc::new(ruling)));
        }
        Ok(tasks)
    }

    /// Takes a recorded switch: from its place on, or from here on.
    pub(super) fn switch(&mut self, switch: RecordedSwitch) -> anyhow::Result<()> {
        let RecordedSwitch { at, named, rules } = switch;
        let lateness = Lateness { lateness: named.lateness_secs * SECOND, skew: named.skew_secs * SECOND };
        let ruling = Ruling::new(rules, Arc::clone(&self.ruling.locate), lateness);
        let lists = self.lists_of(&named.lists);
        let ruling = ruling.with_state_format(named.state_format).with_lists(lists);
        let ruling = Arc::new(ruling);
        if ruling.plan.geo.digest != named.geoip {
            say("warning: a recorded switch was to other GeoIP files; those of the replay are used");
        }
        if ruling.named().lists != named.lists {
            say("warning: a recorded switch was to other lists of addresses; those of the replay are used");
        }
        if named.semantics != SEMANTICS_VERSION {
            say("warning: a recorded switch was to a program that found otherwise; this one is used");
        }
        match at {
            Some(place) => self.pending.push((At::Place(place), ruling)),
            None => self.switch_all(&ruling)?,
        }
        Ok(())
    }

    /// Takes what was kept of lists, which switches name.
    pub(super) fn keep(&mut self, name: String, text: String) {
        self.kept.insert(name, text);
    }

    /// The lists that a recorded switch names: the replay's own, or those made of what was kept. Where these are not at
    /// hand, the own stand in, and that is said.
    fn lists_of(&mut self, named: &str) -> Option<Arc<Lists>> {
        let own = &self.ruling.lists;
        let digest = ListsDigest::read(named).filter(|digest| !digest.is_none())?;
        if own.as_ref().is_some_and(|own| own.digest() == digest) {
            return own.clone();
        }
        let kept = &self.kept;
        let found = self.lists.entry(digest).or_insert_with(|| {
            let contents = kept.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
            Lists::recalled(digest, &contents).unwrap_or_else(|fault| {
                say(&format!("warning: lists that a recorded switch names have no room here: {fault}"));
                None
            })
        });
        found.clone().or_else(|| own.clone())
    }

    pub(super) fn record(&mut self, record: &FileRecord, out: &mut Vec<OutputRecord>) -> anyhow::Result<()> {
        let index = self.count;
        self.count += 1;
        let Place { partition, offset } = record.place.unwrap_or(Place { partition: 0, offset: index });
        self.switch_due(index, partition, offset)?;
        let makes_own = self.copies.own || record.place.is_none();
        if let Some(per) = counted_by(record.key.as_deref().unwrap_or_default(), &record.value) {
            *self.copies.recorded.entry(per).or_default() += 1;
            if makes_own {
                return Ok(());
            }
        }
        let (stamp, key, first) = (record.stamp, record.key.as_deref(), out.len());
        self.task(partition).record(&InputRecord { offset, stamp, key, value: &record.value }, out);
        let copies: Vec<OutputRecord> = out.extract_if(first.., |output| output.channel == Channel::Activity).collect();
        if !makes_own {
            for per in copies.iter().filter_map(|copy| counted_by(&copy.key, &copy.value)) {
                *self.copies.left.entry(per).or_default() += 1;
            }
            return Ok(());
        }
        for OutputRecord { key, value, .. } in &copies {
            let partition = *self.copies.partition.get_or_insert(partition);
            self.task(partition).record(&InputRecord { offset, stamp, key: Some(key), value }, out);
        }
        Ok(())
    }

    fn task(&mut self, partition: i32) -> &mut Task {
        let (shared, ruling) = (&self.shared, &self.ruling);
        let new = || Task::new(Arc::clone(shared), Arc::clone(ruling), partition);
        self.by_partition.entry(partition).or_insert_with(new)
    }

    /// How many copies the rules ask for that the recording does not have.
    pub(super) fn missing_copies(&self) -> u64 {
        let recorded = |per: &Per| self.copies.recorded.get(per).copied().unwrap_or(0);
        self.copies.left.iter().map(|(per, left)| left.saturating_sub(recorded(per))).sum()
    }

    /// Switches that no record has come to.
    pub(super) fn unused(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.by_partition.values().for_each(|task| sum.add(&task.counters()));
        sum
    }

    pub(super) fn users(&self) -> usize {
        self.by_partition.values().map(|task| task.keys().len()).sum()
    }

    pub(super) fn state_hash(&self) -> u128 {
        let now = self.by_partition.values().map(Task::newest_stamp).max().unwrap_or(Millis::MIN);
        self.by_partition.values().fold(0, |sum, task| sum.wrapping_add(task.state_hash(now)))
    }

    fn switch_due(&mut self, index: i64, partition: i32, offset: i64) -> anyhow::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let is_due = |at: &At| match at {
            At::Index(at) => *at == index,
            At::Place(place) => place.partition == partition && place.offset <= offset,
        };
        let (due, pending) = std::mem::take(&mut self.pending).into_iter().partition(|(at, _)| is_due(at));
        self.pending = pending;
        let due: Vec<(At, Arc<Ruling>)> = due;
        for (at, ruling) in due {
            match at {
                At::Index(_) => self.switch_all(&ruling)?,
                At::Place(_) => {
                    let (shared, begins) = (&self.shared, &self.ruling);
                    let new = || Task::new(Arc::clone(shared), Arc::clone(begins), partition);
                    self.by_partition.entry(partition).or_insert_with(new).switch(ruling).context("a switch")?;
                }
            }
        }
        Ok(())
    }

    fn switch_all(&mut self, ruling: &Arc<Ruling>) -> anyhow::Result<()> {
        for task in self.by_partition.values_mut() {
            task.switch(Arc::clone(ruling)).context("a switch")?;
        }
        self.ruling = Arc::clone(ruling);
        Ok(())
    }
}
