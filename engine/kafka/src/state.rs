//! What is written of a group's state, and the choices of an operator where state, offsets and topic do not agree.
//!
//! A choice is written as any progress is: a record in the log of state, and the group's offset. The next process that
//! takes the partition over acts on it. Nothing is chosen while the group has members.
//!
//! Where records of keys are deleted, a progress that no process goes on with is written first: a choice that is broken off
//! is refused at the next start, and can be made again.

use std::collections::BTreeSet;
use std::time::Duration;

use frostwatch_runtime::checkpoint::{
    Contents, PROGRESS_KEY, PROGRESS_SCHEMA, Progress, RecordedTurn, TaskProgress, is_turn_key,
};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::changelog::{StateReader, read_contents};
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

/// Offset of a progress under which records of keys are being deleted. No group's offset agrees with it.
const UNDER_WAY: i64 = -1;

/// What an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Go on where the state stands: the group's offset is put there.
    Resume {
        /// Also where records that are needed are not held any more: what they held is given up. Where the end of the
        /// topic is lost, that is all that was learned, since it may come of records that are gone.
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
    /// Partitions of the topic when the state was begun, as far as anything tells.
    pub built_on: Option<i32>,
    /// First offset the topic holds.
    pub low: i64,
    /// Offset after the last.
    pub high: i64,
}

impl Standing {
    /// Was a choice broken off while records of keys were deleted?
    pub fn is_broken_off(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.offset == UNDER_WAY)
    }

    /// Where the state stands; a progress of a choice that was broken off keeps that in the other field.
    fn offset(&self) -> Option<i64> {
        let progress = self.progress.as_ref()?;
        let offset = if self.is_broken_off() { progress.low_water } else { progress.offset };
        (offset >= 0).then_some(offset)
    }
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

/// Reads how partitions of a group stand: those named, or all.
pub fn survey(settings: &KafkaSettings, only: &[i32]) -> Result<Vec<Standing>, KafkaFault> {
    settings.checked()?;
    survey_with(settings, &client(settings)?, only)
}

fn survey_with(settings: &KafkaSettings, client: &EngineConsumer, only: &[i32]) -> Result<Vec<Standing>, KafkaFault> {
    let topic = settings.topics.activity();
    let count = group::partition_counts(client, &[&topic])?.first().copied().unwrap_or_default();
    if let Some(partition) = only.iter().copied().find(|one| !(0..count).contains(one)) {
        return Err(KafkaFault::NoPartition { topic, partition, count });
    }
    let wanted = (0..count).filter(|partition| only.is_empty() || only.contains(partition));
    let partitions: Vec<_> = wanted.map(|partition| (topic.clone(), partition)).collect();
    let mut standings = Vec::new();
    for Committed { partition, offset, note, .. } in group::committed(client, &partitions)? {
        let (low, high) = group::ends(client, &topic, partition)?;
        let note = Note::read(&note);
        standings.push(Standing {
            partition,
            progress: None,
            keys: BTreeSet::new(),
            turns: Vec::new(),
            committed: offset,
            epoch: note.as_ref().map(|note| note.epoch),
            built_on: note.map(|note| note.partitions),
            low,
            high,
        });
    }
    read_state(settings, client, &mut standings)?;
    Ok(standings)
}

/// Makes a choice for partitions, those named or all; returns what was chosen for each. All are refused where one is.
pub fn choose(settings: &KafkaSettings, choice: Choice, only: &[i32]) -> Result<Vec<Chosen>, KafkaFault> {
    settings.checked()?;
    let client = client(settings)?;
    // While there are members, what is read is not what will stand when they have gone.
    check_no_members(&client, &settings.group)?;
    let mut standings = survey_with(settings, &client, only)?;
    if choice == Choice::Forget {
        in_one_epoch(&mut standings);
    }
    let count = check_counts(settings, &client)?;
    let mut decided = Vec::new();
    for standing in &standings {
        check_allowed(settings, choice, standing, count)?;
        decided.extend(decide(choice, standing, count).map(|decision| (standing, decision)));
    }
    check_no_members(&client, &settings.group)?;
    let mut outbox = Outbox::new(&settings.producer_config())?;
    let mut chosen = Vec::new();
    for (standing, decision) in decided {
        write(&mut outbox, &settings.changelog(), standing, &decision)?;
        commit(settings, &client, standing.partition, &decision.progress)?;
        let Progress { offset, epoch, .. } = decision.progress;
        chosen.push(Chosen { partition: standing.partition, offset, epoch, dropped: decision.keys_dropped });
    }
    Ok(chosen)
}

/// All is scored again, and a user may lie in another partition than before: every partition goes above the highest epoch
/// there was, those too that had not begun.
fn in_one_epoch(standings: &mut [Standing]) {
    let epoch_of = |standing: &Standing| standing.progress.as_ref().map(|it| it.epoch).max(standing.epoch);
    let Some(highest) = standings.iter().filter_map(epoch_of).max() else { return };
    for standing in standings {
        standing.epoch = Some(highest);
        if standing.progress.is_none() {
            standing.committed.get_or_insert(standing.low);
        }
    }
}

/// What is to be written of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    /// The group's offset is put where it stands.
    progress: Progress,
    /// What stands in the log of state while records are deleted, and stays there if that is broken off.
    under_way: Progress,
    /// Keys of records that are deleted.
    deleted: Vec<Vec<u8>>,
    /// How many of them are those of users.
    keys_dropped: usize,
}

/// What is decided of a partition; `None` where there is nothing to choose.
fn decide(choice: Choice, standing: &Standing, partitions: i32) -> Option<Decision> {
    let progress = decide_progress(choice, standing, partitions)?;
    let drops = choice == Choice::Forget || progress.rebuild && standing.progress.as_ref() != Some(&progress);
    let keys = standing.keys.iter().filter(|_| drops).cloned();
    // What lies beyond the offset is scored again, or is gone: what it was scored under before says nothing of it.
    let is_void = |turn: &&RecordedTurn| choice == Choice::Forget || drops && turn.offset > progress.offset;
    let turns = standing.turns.iter().filter(is_void).map(RecordedTurn::key);
    let keys_dropped = if drops { standing.keys.len() } else { 0 };
    let before = standing.progress.clone().unwrap_or_else(|| progress.clone());
    let under_way = Progress {
        offset: UNDER_WAY,
        low_water: standing.offset().or(standing.committed).unwrap_or(UNDER_WAY),
        epoch: standing.progress.as_ref().map(|progress| progress.epoch).max(standing.epoch).unwrap_or_default(),
        partitions: standing.built_on.unwrap_or(partitions),
        ..before
    };
    Some(Decision { under_way, deleted: keys.chain(turns).collect(), keys_dropped, progress })
}

/// The progress that says what is chosen.
fn decide_progress(choice: Choice, standing: &Standing, partitions: i32) -> Option<Progress> {
    let Standing { progress, committed, epoch, low, high, .. } = standing;
    let (low, high) = (*low, *high);
    let before = progress.as_ref().map(|progress| progress.epoch).max(*epoch);
    let raised = before.map_or(0, |epoch| epoch.saturating_add(1));
    let fresh = |offset, low_water, rebuild| Progress {
        schema: PROGRESS_SCHEMA.to_owned(),
        offset,
        low_water,
        rebuild,
        // What was sent of a part goes on to be so, unless all is made anew.
        unsettled: !rebuild && choice != Choice::Forget && progress.as_ref().is_some_and(|it| it.unsettled),
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
        Choice::Resume { .. } if standing.is_broken_off() => None,
        Choice::Resume { lossy: false } => progress.clone(),
        Choice::Resume { lossy: true } => {
            let known = progress.as_ref()?;
            if known.offset > high {
                // Other records come at the offsets that are lost: records of keys may stand ahead of them.
                return Some(fresh(high, low, true));
            }
            let (offset, low_water) = (known.offset.max(low), known.low_water.max(low));
            let is_whole = (offset, low_water) == (known.offset, known.low_water);
            Some(if is_whole { known.clone() } else { fresh(offset, low_water, known.rebuild) })
        }
        Choice::Rebuild => {
            let offset = committed.or(standing.offset())?;
            Some(fresh(offset.clamp(low, high), low, true))
        }
        Choice::Forget => {
            // Nobody has begun where there is neither.
            if progress.is_none() && committed.is_none() {
                return None;
            }
            // Every count begins anew: what was counted is counted again.
            Some(Progress { last: None, misrouted: 0, task: TaskProgress::default(), ..fresh(low, low, false) })
        }
    }
}

/// The state of a partition lies under its own number.
fn check_counts(settings: &KafkaSettings, client: &EngineConsumer) -> Result<i32, KafkaFault> {
    let (topic, changelog) = (settings.topics.activity(), settings.changelog());
    match group::partition_counts(client, &[&topic, &changelog])?[..] {
        [wanted, found] if wanted != found => Err(KafkaFault::StatePartitions { topic, changelog, wanted, found }),
        [wanted, ..] => Ok(wanted),
        [] => Ok(0),
    }
}

fn check_allowed(
    settings: &KafkaSettings,
    choice: Choice,
    standing: &Standing,
    partitions: i32,
) -> Result<(), KafkaFault> {
    let (topic, group) = (settings.topics.activity(), settings.group.clone());
    // Keys lie elsewhere when the count changes: only who drops all of the past may go on.
    if let Some(built_on) = standing.built_on.filter(|built_on| *built_on != partitions && choice != Choice::Forget) {
        return Err(KafkaFault::PartitionCount { topic, group, built_on, now: partitions });
    }
    if standing.is_broken_off() && matches!(choice, Choice::Resume { .. }) {
        return Err(KafkaFault::ChoiceBrokenOff { topic, partition: standing.partition, group });
    }
    Ok(())
}

/// Writes what was decided, in an order in which it can be broken off anywhere.
fn write(outbox: &mut Outbox, changelog: &str, standing: &Standing, decision: &Decision) -> Result<(), KafkaFault> {
    let (before, after) = (decision.under_way.to_bytes(), decision.progress.to_bytes());
    let mut deliver = |records: &[(&[u8], Option<&[u8]>)]| {
        let outgoing = |index: usize| {
            let (key, value) = records.get(index).copied().unwrap_or_default();
            let partition = Some(standing.partition);
            Outgoing { topic: changelog, partition, key: Some(key), value, headers: &[], stamp: None }
        };
        let delivered = outbox.deliver(records.len(), outgoing, || false)?;
        // Given up for its size: the choice is not whole.
        let refused = delivered.refused.first().and_then(|index| records.get(*index));
        refused.map_or(Ok(()), |(key, value)| {
            let bytes = key.len() + value.map_or(0, <[u8]>::len);
            Err(KafkaFault::StateRefused { topic: changelog.to_owned(), bytes })
        })
    };
    if !decision.deleted.is_empty() {
        deliver(&[(PROGRESS_KEY, Some(&before))])?;
        let deleted: Vec<_> = decision.deleted.iter().map(|key| (key.as_slice(), None)).collect();
        deliver(&deleted)?;
    }
    deliver(&[(PROGRESS_KEY, Some(&after))])
}

/// Puts the group's offset where a progress stands.
fn commit(
    settings: &KafkaSettings,
    client: &EngineConsumer,
    partition: i32,
    progress: &Progress,
) -> Result<(), KafkaFault> {
    let mut offsets = TopicPartitionList::new();
    let mut elem = offsets.add_partition(&settings.topics.activity(), partition);
    elem.set_offset(Offset::Offset(progress.offset)).map_err(KafkaFault::Consumer)?;
    elem.set_metadata(
        Note { epoch: progress.epoch, partitions: progress.partitions, serial: "chosen".to_owned() }.written(),
    );
    client.commit(&offsets, CommitMode::Sync).map_err(KafkaFault::Consumer)
}

/// Reads the texts of all rules that are kept.
pub fn contents(settings: &KafkaSettings) -> Result<Contents, KafkaFault> {
    read_contents(settings, &client(settings)?)
}

fn read_state(settings: &KafkaSettings, client: &EngineConsumer, standings: &mut [Standing]) -> Result<(), KafkaFault> {
    let changelog = settings.changelog();
    let count = group::partition_counts(client, &[&changelog])?.first().copied().unwrap_or_default();
    let numbers: Vec<i32> = standings.iter().map(|standing| standing.partition).filter(|it| *it < count).collect();
    let mut reader = StateReader::open(settings, &changelog, &numbers)?;
    let mut done = false;
    while !done {
        done = reader.read(READ_STEP, &mut |record| {
            let Some(standing) = standings.iter_mut().find(|it| it.partition == record.partition) else {
                return Ok(());
            };
            let key = record.key.unwrap_or_default();
            if key == PROGRESS_KEY {
                let read = (!record.value.is_empty()).then(|| Progress::read(record.value)).transpose();
                let (topic, partition, offset) = (changelog.clone(), record.partition, record.offset);
                standing.progress = read.map_err(|source| KafkaFault::State { topic, partition, offset, source })?;
            } else if is_turn_key(key) {
                standing.turns.retain(|turn| turn.key() != key);
                standing.turns.extend(RecordedTurn::read(record.value).ok());
            } else if record.value.is_empty() {
                standing.keys.remove(key);
            } else {
                standing.keys.insert(key.to_vec());
            }
            Ok(())
        })?;
    }
    for standing in standings {
        standing.built_on = standing.progress.as_ref().map(|progress| progress.partitions).or(standing.built_on);
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
mod tests;
