//! What is written of a group's state, and the choices of an operator where state, offsets and topic do not agree.
//!
//! A choice is written as any progress is: a record in the log of state, and the group's offset. The next process that
//! takes the partition over acts on it. Nothing is chosen while the group has members.

use std::collections::BTreeSet;
use std::time::Duration;

use frostwatch_runtime::checkpoint::{
    Contents, PROGRESS_KEY, PROGRESS_SCHEMA, Progress, RecordedTurn, TaskProgress, is_turn_key,
};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::changelog::StateReader;
use crate::client::ConsumerSide;
use crate::fault::KafkaFault;
use crate::fetch::EngineConsumer;
use crate::group::{self, Committed};
use crate::note::Note;
use crate::outbox::{Outbox, Outgoing};
use crate::settings::KafkaSettings;
use crate::worker::ANSWER_WAIT;

/// How long state is read before anybody asks whether to go on.
const READ_STEP: Duration = Duration::from_secs(1);

/// What an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Go on where the state stands: the group's offset is put there.
    Resume {
        /// Also where records that are needed are not held any more: what they held is given up.
        lossy: bool,
    },
    /// Make the state anew, in silence, of what the topic holds before the group's offset.
    Rebuild,
    /// Drop state and offsets: all that the topic holds is scored, and its alerts flow.
    Forget,
}

/// A partition as it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The partition.
    pub partition: i32,
    /// What the log of state says of it.
    pub progress: Option<Progress>,
    /// Keys that have a record there.
    pub keys: BTreeSet<Vec<u8>>,
    /// Under which rulings its records were scored.
    pub turns: Vec<RecordedTurn>,
    /// The group's offset.
    pub committed: Option<i64>,
    /// Epoch of the last commit, where the engine made it.
    pub epoch: Option<u32>,
    /// First offset the topic holds.
    pub low: i64,
    /// Offset after the last.
    pub high: i64,
}

/// What was chosen for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The partition.
    pub partition: i32,
    /// Where it will go on.
    pub offset: i64,
    /// Under which epoch.
    pub epoch: u32,
    /// Keys whose records are deleted.
    pub dropped: usize,
}

/// Reads how the partitions of a group stand.
pub fn survey(settings: &KafkaSettings) -> Result<Vec<Standing>, KafkaFault> {
    settings.checked()?;
    let topic = settings.topics.activity();
    let client = client(settings)?;
    let count = group::partition_counts(&client, &[&topic])?.first().copied().unwrap_or_default();
    let partitions: Vec<_> = (0..count).map(|partition| (topic.clone(), partition)).collect();
    let mut standings = Vec::new();
    for Committed { partition, offset, note, .. } in group::committed(&client, &partitions)? {
        let (low, high) = group::ends(&client, &topic, partition)?;
        let epoch = Note::read(&note).map(|note| note.epoch);
        standings.push(Standing {
            partition,
            progress: None,
            keys: BTreeSet::new(),
            turns: Vec::new(),
            committed: offset,
            epoch,
            low,
            high,
        });
    }
    read_state(settings, &client, &mut standings)?;
    Ok(standings)
}

/// Writes a choice for partitions; returns what was chosen for each.
pub fn choose(settings: &KafkaSettings, choice: Choice, standings: &[Standing]) -> Result<Vec<Chosen>, KafkaFault> {
    let client = client(settings)?;
    let topic = settings.topics.activity();
    check_no_members(&client, &settings.group)?;
    let count = group::partition_counts(&client, &[&topic])?.first().copied().unwrap_or_default();
    let mut outbox = Outbox::new(&settings.producer_config())?;
    let mut offsets = TopicPartitionList::new();
    let mut chosen = Vec::new();
    for standing in standings {
        let Some(progress) = decide(choice, standing, count) else { continue };
        let dropped: Vec<&Vec<u8>> = match choice {
            Choice::Resume { .. } => Vec::new(),
            Choice::Rebuild | Choice::Forget => standing.keys.iter().collect(),
        };
        write(&mut outbox, &settings.changelog(), standing.partition, &dropped, &progress)?;
        let mut elem = offsets.add_partition(&topic, standing.partition);
        elem.set_offset(Offset::Offset(progress.offset)).map_err(KafkaFault::Consumer)?;
        elem.set_metadata(Note { epoch: progress.epoch, partitions: count, serial: "chosen".to_owned() }.written());
        let Progress { offset, epoch, .. } = progress;
        chosen.push(Chosen { partition: standing.partition, offset, epoch, dropped: dropped.len() });
    }
    if offsets.count() > 0 {
        client.commit(&offsets, CommitMode::Sync).map_err(KafkaFault::Consumer)?;
    }
    Ok(chosen)
}

/// The progress that says what is chosen; `None` where there is nothing to choose.
fn decide(choice: Choice, standing: &Standing, partitions: i32) -> Option<Progress> {
    let Standing { progress, committed, epoch, low, high, .. } = standing;
    let (low, high) = (*low, *high);
    let before = progress.as_ref().map(|progress| progress.epoch).max(*epoch);
    let raised = before.map_or(0, |epoch| epoch.saturating_add(1));
    let fresh = |offset, low_water, rebuild| Progress {
        schema: PROGRESS_SCHEMA.to_owned(),
        offset,
        low_water,
        rebuild,
        epoch: raised,
        partitions,
        last: progress.as_ref().and_then(|progress| progress.last).filter(|last| last.offset + 1 == offset),
        misrouted: progress.as_ref().map_or(0, |progress| progress.misrouted),
        task: match progress {
            // What is made anew is made under the ruling of its time; nothing refers to the former ones.
            Some(progress) if rebuild => {
                TaskProgress { account: progress.task.account.clone(), ..TaskProgress::default() }
            }
            Some(progress) => progress.task.clone(),
            None => TaskProgress::default(),
        },
    };
    match choice {
        Choice::Resume { lossy: false } => progress.clone(),
        Choice::Resume { lossy: true } => {
            let known = progress.as_ref()?;
            let (offset, low_water) = (known.offset.clamp(low, high), known.low_water.clamp(low, high));
            let is_whole = (offset, low_water) == (known.offset, known.low_water);
            Some(if is_whole { known.clone() } else { fresh(offset, low_water, known.rebuild) })
        }
        Choice::Rebuild => {
            let offset = committed.or(progress.as_ref().map(|progress| progress.offset))?;
            Some(fresh(offset.clamp(low, high), low, true))
        }
        Choice::Forget => {
            before?;
            // Every count begins anew: what was counted is counted again.
            Some(Progress { last: None, misrouted: 0, task: TaskProgress::default(), ..fresh(low, low, false) })
        }
    }
}

fn write(
    outbox: &mut Outbox,
    changelog: &str,
    partition: i32,
    dropped: &[&Vec<u8>],
    progress: &Progress,
) -> Result<(), KafkaFault> {
    let bytes = progress.to_bytes();
    let record = |index: usize| {
        let dropped = dropped.get(index);
        Outgoing {
            topic: changelog,
            partition: Some(partition),
            key: Some(dropped.map_or(PROGRESS_KEY, |key| key.as_slice())),
            value: if dropped.is_some() { None } else { Some(&bytes) },
            headers: &[],
            stamp: None,
        }
    };
    // The choice comes last: a log that ends before it stands as it stood, but for keys that are made anew in any case.
    outbox.deliver(dropped.len() + 1, record, || false)?;
    Ok(())
}

/// Reads the texts of all rules that are kept.
pub fn contents(settings: &KafkaSettings) -> Result<Contents, KafkaFault> {
    let (client, tables) = (client(settings)?, settings.topics.tables());
    let count = group::partition_counts(&client, &[&tables])?.first().copied().unwrap_or_default();
    let mut reader = StateReader::open(settings, &tables, &(0..count).collect::<Vec<_>>())?;
    let mut contents = Contents::new();
    let mut done = false;
    while !done {
        done = reader.read(READ_STEP, &mut |record| {
            let name = record.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
            contents.insert(name.to_owned(), record.value.to_vec());
            Ok(())
        })?;
    }
    Ok(contents)
}

fn read_state(settings: &KafkaSettings, client: &EngineConsumer, standings: &mut [Standing]) -> Result<(), KafkaFault> {
    let changelog = settings.changelog();
    let count = group::partition_counts(client, &[&changelog])?.first().copied().unwrap_or_default();
    let numbers: Vec<i32> = (0..count).collect();
    let mut reader = StateReader::open(settings, &changelog, &numbers)?;
    let mut done = false;
    while !done {
        done = reader.read(READ_STEP, &mut |record| {
            let Some(standing) = standings.get_mut(record.partition as usize) else { return Ok(()) };
            let key = record.key.unwrap_or_default();
            if key == PROGRESS_KEY {
                let read = (!record.value.is_empty()).then(|| Progress::read(record.value)).transpose();
                let (topic, partition, offset) = (changelog.clone(), record.partition, record.offset);
                standing.progress = read.map_err(|source| KafkaFault::State { topic, partition, offset, source })?;
            } else if is_turn_key(key) {
                standing.turns.extend(RecordedTurn::read(record.value).ok());
            } else if record.value.is_empty() {
                standing.keys.remove(key);
            } else {
                standing.keys.insert(key.to_vec());
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// An offset that is set under members would be overwritten by their next commit.
fn check_no_members(client: &EngineConsumer, group: &str) -> Result<(), KafkaFault> {
    let list = client
        .fetch_group_list(Some(group), ANSWER_WAIT)
        .map_err(|source| KafkaFault::NoAnswer { question: "the members of the group", source })?;
    let members = list.groups().iter().map(|group| group.members().len()).sum();
    if members == 0 { Ok(()) } else { Err(KafkaFault::GroupInUse { group: group.to_owned(), members }) }
}

fn client(settings: &KafkaSettings) -> Result<EngineConsumer, KafkaFault> {
    let mut config = settings.consumer_config(&settings.group, 0);
    config.remove("group.instance.id");
    let client: EngineConsumer = config
        .create_with_context(ConsumerSide::default())
        .map_err(|source| KafkaFault::Client { client: "consumer", source })?;
    // Nobody serves a group here.
    client.context().close();
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(progress: Option<(i64, i64, u32)>, committed: Option<i64>) -> Standing {
        let progress = progress.map(|(offset, low_water, epoch)| Progress {
            schema: PROGRESS_SCHEMA.to_owned(),
            offset,
            low_water,
            rebuild: false,
            epoch,
            partitions: 1,
            last: None,
            misrouted: 0,
            task: TaskProgress::default(),
        });
        Standing {
            partition: 0,
            progress,
            keys: BTreeSet::new(),
            turns: Vec::new(),
            committed,
            epoch: Some(2),
            low: 10,
            high: 90,
        }
    }

    #[track_caller]
    fn check(choice: Choice, standing: &Standing, wanted: Option<(i64, i64, bool, u32)>) {
        let decided = decide(choice, standing, 1);
        assert_eq!(decided.map(|it| (it.offset, it.low_water, it.rebuild, it.epoch)), wanted, "{choice:?}");
    }

    #[test]
    fn the_state_goes_on_where_it_stands_and_what_is_lost_raises_the_epoch() {
        let whole = standing(Some((50, 40, 2)), Some(70));
        check(Choice::Resume { lossy: false }, &whole, Some((50, 40, false, 2)));
        check(Choice::Resume { lossy: true }, &whole, Some((50, 40, false, 2)));
        check(Choice::Resume { lossy: true }, &standing(Some((50, 4, 2)), Some(50)), Some((50, 10, false, 3)));
        check(Choice::Resume { lossy: true }, &standing(Some((7, 4, 2)), Some(7)), Some((10, 10, false, 3)));
        check(Choice::Resume { lossy: true }, &standing(Some((95, 93, 2)), Some(95)), Some((90, 90, false, 3)));
        check(Choice::Resume { lossy: false }, &standing(None, Some(50)), None);
    }

    #[test]
    fn state_is_made_anew_before_the_offset_of_the_group_or_else_of_the_state() {
        check(Choice::Rebuild, &standing(Some((50, 40, 2)), Some(70)), Some((70, 10, true, 3)));
        check(Choice::Rebuild, &standing(Some((50, 40, 5)), None), Some((50, 10, true, 6)));
        check(Choice::Rebuild, &standing(None, Some(50)), Some((50, 10, true, 3)));
        check(Choice::Rebuild, &Standing { epoch: None, ..standing(None, None) }, None);
    }

    #[test]
    fn what_is_forgotten_is_scored_again_in_an_epoch_of_its_own() {
        check(Choice::Forget, &standing(Some((50, 40, 2)), Some(70)), Some((10, 10, false, 3)));
        check(Choice::Forget, &Standing { epoch: None, ..standing(None, None) }, None);
    }
}
