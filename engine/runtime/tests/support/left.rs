//! What an owner of a partition leaves behind, and how another one takes it over.

use std::collections::{BTreeMap, BTreeSet};

use frostwatch_runtime::checkpoint::{Contents, Progress, Resumed, Room};
use frostwatch_runtime::pipeline::TaskSet;
use frostwatch_runtime::ports::Tasks;

/// The partition.
pub(crate) const PARTITION: i32 = 3;

/// What an owner leaves behind.
pub(crate) struct Left {
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) progress: Progress,
    pub(crate) contents: Contents,
}

impl Left {
    pub(crate) fn nothing() -> Self {
        Self { state: BTreeMap::new(), progress: Progress::new(1), contents: Contents::new() }
    }

    /// Writes what changed 40 records ago, and keeps what is named for the first time.
    pub(crate) fn commit(&mut self, tasks: &mut TaskSet, position: i64) {
        let mut written = Vec::new();
        let room = Room { keys: 100, bytes: usize::MAX };
        let low_water = tasks.checkpoint(PARTITION, position, position - 40, room, &mut written);
        written.into_iter().for_each(|record| drop(self.state.insert(record.key, record.value.unwrap())));
        let task = tasks.progress(PARTITION, low_water);
        for named in task.turns.iter().filter_map(|turn| task.named_at(*turn)) {
            let names = [named.rules].into_iter().chain(tasks.parts(PARTITION, &named.lists));
            self.contents.extend(names.filter_map(|name| Some((name.clone(), tasks.content(PARTITION, &name)?))));
        }
        self.progress = Progress { offset: position, low_water, task, ..self.progress.clone() };
        // As it goes over the wire.
        self.progress = Progress::read(&self.progress.to_bytes()).unwrap();
    }

    /// Gives it to tasks that are new.
    pub(crate) fn hand_over(&self, tasks: &mut TaskSet) -> Resumed {
        tasks.open(PARTITION);
        self.state.iter().for_each(|(key, value)| tasks.restore(PARTITION, key, Some(value)).unwrap());
        let found = |wanted: Vec<String>| {
            let wanted: BTreeSet<String> = wanted.into_iter().collect();
            self.contents.clone().into_iter().filter(|(name, _)| wanted.contains(name)).collect::<Contents>()
        };
        let mut contents = found(tasks.wanted(PARTITION, &self.progress));
        contents.extend(found(tasks.wanted_parts(PARTITION, &self.progress, &contents)));
        tasks.resume(PARTITION, &self.progress, &contents)
    }
}
