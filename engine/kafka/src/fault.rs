//! What can go wrong between the engine and the brokers: whose fault it is, whether trying again helps, and what to do.

mod meaning;

use frostwatch_runtime::checkpoint::StateFault;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::settings::SettingFault;
use crate::trouble::Trouble;

/// Why a loop stopped or could not start.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFault {
    /// The settings are wrong.
    #[error("kafka settings:\n  {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Settings(Vec<SettingFault>),
    /// librdkafka refused to make a client.
    #[error("cannot make the {client} client: {source}")]
    Client {
        /// Which client.
        client: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// The brokers did not answer a question in time.
    #[error("no answer from the brokers on {question}: {source}; check `bootstrap_servers` and the network")]
    NoAnswer {
        /// What was asked.
        question: &'static str,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// A broker does not let this process in.
    #[error("{0}")]
    NotLetIn(Trouble),
    /// A topic is missing.
    #[error("topic '{topic}' does not exist; `frostwatch topics create` makes it, `frostwatch topics check` shows all")]
    MissingTopic {
        /// Its name.
        topic: String,
    },
    /// The group's offset does not lie in what the topic still holds.
    #[error(
        "{topic}[{partition}]: group '{group}' has committed offset {committed}, but the topic holds {low} to {high}: \
         {}. Nothing is skipped in silence; choose: `frostwatch state resume --lossy` {} and raises the epoch; `frostwatch state forget` drops state and offsets and scores \
         all that is held, its alerts flow",
        if committed < low { "records were deleted before they were read" } else { "the end of the log was lost" },
        if committed < low {
            "goes on with the first record held (what lies between is given up)"
        } else {
            "goes on at its end, makes the state anew from what is held before,"
        }
    )]
    OutOfRange {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Its committed offset.
        committed: i64,
        /// First offset held.
        low: i64,
        /// Offset after the last one held.
        high: i64,
    },
    /// A raw topic no longer holds the offset of the normaliser's group.
    #[error(
        "{topic}[{partition}]: group '{group}' has committed offset {committed}, but the topic holds {low} to {high}: \
         {}. Nothing is skipped in silence: stop every process of the group and say where to go on, `kafka-consumer-groups \
         --bootstrap-server … --group {group} --topic {topic}:{partition} --reset-offsets {} --execute`; {}. (`frostwatch \
         state` is about the state of users, which this group has none of)",
        if committed < low { "rows were deleted before they were read" } else { "the end of the log was lost" },
        if committed < low { "--to-earliest" } else { "--to-latest" },
        if committed < low {
            "the rows between are given up, unless the connector fetches them once more"
        } else {
            "what is held is normalised already, or `--to-earliest` does so once more"
        }
    )]
    RawOutOfRange {
        /// A raw topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The normaliser's group.
        group: String,
        /// Its committed offset.
        committed: i64,
        /// First offset held.
        low: i64,
        /// Offset after the last one held.
        high: i64,
    },
    /// The oldest part of a partition's past was deleted while it was run again.
    #[error(
        "{topic}[{partition}]: records below {low} were deleted by retention while the past up to {committed} was being run \
         again. All that was not scored yet is still held. Start again: the next start either runs what is left of the past, or \
         says that its state needs what was deleted and which choices there are. If it happens again, records are deleted \
         faster than they are run: keep activity for longer (`retention.ms`)"
    )]
    PastDeleted {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// First offset held.
        low: i64,
        /// The group's offset.
        committed: i64,
    },
    /// The group forgot the member, which has joined again without being told that its partitions were lost.
    #[error(
        "group '{group}' put this member out and took it in again under another name, without telling: others may have gone \
         on with its partitions in between. Start again: nothing that was not committed is lost"
    )]
    Forgotten {
        /// The group.
        group: String,
    },
    /// Another process has taken the place of this one in the group, or its transactional name.
    #[error(
        "another process runs with `kafka.instance: {instance}` in this group and has taken this one's place: that name \
         is of one process at a time. Nothing that was not committed is lost. Give each process an `instance` of its own \
         (of a StatefulSet, the name of its pod), or leave it out"
    )]
    InstanceTaken {
        /// The name they share.
        instance: String,
    },
    /// The topic has another number of partitions than the group's state was built for.
    #[error(
        "topic '{topic}' has {now} partitions, group '{group}' was built on {built_on}: keys lie elsewhere now and their \
         history would be split. Either copy the activity into a new topic with {now} partitions from its start, or name \
         another `group`, which reads what the topic holds from the beginning and sends its alerts anew; or `frostwatch state \
         forget`, which does so under this one and raises the epoch"
    )]
    PartitionCount {
        /// Topic.
        topic: String,
        /// Consumer group.
        group: String,
        /// Partitions the state was built on.
        built_on: i32,
        /// Partitions it has.
        now: i32,
    },
    /// The group's offset is not where the state is.
    #[error(
        "{topic}[{partition}]: {}",
        if *state < 0 {
            format!(
                "`frostwatch state rebuild` or `forget` was broken off for group '{group}', and part of its state is deleted: \
                 make that choice again"
            )
        } else {
            format!(
                "the state of group '{group}' stands at offset {state}, its committed offset is {committed}: it was set by \
                 another tool, or has expired. Nothing is skipped or sent twice in silence; choose: `frostwatch state resume` \
                 goes on where the state stands; `frostwatch state rebuild` takes the committed offset (the state's where \
                 there is none), makes the state anew from what the topic holds before it, and raises the epoch"
            )
        }
    )]
    OffsetsMoved {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Its offset, or `none`.
        committed: String,
        /// Offset the state stands at.
        state: i64,
    },
    /// The engine has committed an offset beyond the state, however often that is read.
    #[error(
        "{topic}[{partition}]: the state of group '{group}' stands at offset {state}, and the engine has committed {committed}: \
         another member's last commit was not in the log of state yet. Start again. If it stays so, that log has lost its end: \
         `frostwatch state resume` goes on where the state stands, and what was sent since is sent again; `frostwatch state \
         rebuild` takes the committed offset, makes the state anew from what the topic holds before it, and raises the epoch"
    )]
    StateBehind {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Its offset.
        committed: i64,
        /// Offset the state stands at.
        state: i64,
    },
    /// The engine has committed an offset, and the log of state holds nothing of the partition.
    #[error(
        "{topic}[{partition}]: group '{group}' has committed offset {committed}, and '{changelog}' holds nothing of its \
         state: the topic was deleted or emptied. `frostwatch state rebuild` makes the state anew from what the activity \
         topic still holds, in silence, and raises the epoch"
    )]
    StateGone {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// The log of state.
        changelog: String,
        /// The group's offset.
        committed: i64,
    },
    /// Records that must be run again to complete the state are not held any more.
    #[error(
        "{topic}[{partition}]: the state of group '{group}' needs the records from {low_water} on, and the topic holds them \
         from {low} on: they were deleted before they could be run again, and another start does not help. Choose: `frostwatch state resume --lossy` goes on with \
         what is written (users of the deleted part have lost some of their past) and raises the epoch; `frostwatch state \
         rebuild` makes the state anew from what is held"
    )]
    TailGone {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// First record needed.
        low_water: i64,
        /// First offset held.
        low: i64,
    },
    /// The record at a known place is another one.
    #[error(
        "{topic}[{partition}]: the record at offset {offset} is not the one that was scored there: the topic was made anew, \
         or its records were replaced. State and offsets of group '{group}' belong to the old one. Choose: another `group`; \
         or `frostwatch state forget`, which drops both and scores all that the topic holds"
    )]
    Recreated {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Where.
        offset: i64,
    },
    /// A choice was broken off while records of keys were deleted: no state is left to go on with.
    #[error(
        "{topic}[{partition}]: a choice for group '{group}' was broken off, and part of its state is deleted: after `rebuild` \
         or `resume --lossy` run `frostwatch state rebuild`, after `forget` run `frostwatch state forget`"
    )]
    ChoiceBrokenOff {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
    },
    /// The topic has no such partition.
    #[error("partition {partition}: '{topic}' has {count}, numbered from 0")]
    NoPartition {
        /// Topic.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// Partitions it has.
        count: i32,
    },
    /// A choice is to be written while the group has members.
    #[error(
        "group '{group}' has {members} members: stop every process of it first, else its next commit undoes the choice"
    )]
    GroupInUse {
        /// Consumer group.
        group: String,
        /// How many.
        members: usize,
    },
    /// A record of state cannot be used.
    #[error("{topic}[{partition}] at offset {offset}: {source}")]
    State {
        /// The log of state.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset of the record.
        offset: i64,
        /// Why not.
        source: StateFault,
    },
    /// The log of state has another number of partitions than its input.
    #[error(
        "'{changelog}' has {found} partitions and '{topic}' has {wanted}: the state of a partition lies under its own \
         number. Delete '{changelog}' and let `frostwatch topics create` make it. If '{topic}' still has as many partitions as \
         when the group began, `frostwatch state rebuild` then makes the state anew; if it has others, keys lie elsewhere now: \
         name another `group`, or choose `frostwatch state forget`, which scores all that is held and raises the epoch"
    )]
    StatePartitions {
        /// The input.
        topic: String,
        /// The log of state.
        changelog: String,
        /// Partitions of the input.
        wanted: i32,
        /// Partitions of the log of state.
        found: i32,
    },
    /// The broker refused a record of state for its size.
    #[error(
        "'{topic}' does not take a record of state of {bytes} bytes; nothing of its batch is committed. `kafka-configs \
         --alter --topic {topic} --add-config max.message.bytes={}` lets it pass",
        crate::topics::STATE_RECORD_BYTES
    )]
    StateRefused {
        /// The log of state.
        topic: String,
        /// The record's bytes.
        bytes: usize,
    },
    /// The outputs that would be made again were made under other rules, tables or another program.
    #[error(
        "{topic}[{partition}]: the last {tail} records were scored by group '{group}' under what is not at hand: {changes}; \
         and the process that did so died before it had written all of their state. Choose: `frostwatch run \
         --accept-change` runs them again under the present rules, GeoIP files and program, sends what these find under \
         epoch {}, and takes back what was sent about them and is not found again; or start once with what was there before \
         and stop it gracefully, then nothing is left to be run again and all that was sent stands",
        epoch + 1
    )]
    Changed {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// What differs, in words.
        changes: String,
        /// Epoch of the commit.
        epoch: u32,
        /// Records that would be run again.
        tail: i64,
    },
    /// What must be run again cannot be run under the ruling of the process.
    #[error(
        "{topic}[{partition}]: what group '{group}' must run again was scored under what is not at hand, and cannot be run under \
         the present rules, GeoIP files and program either: {why}. Choose: start once with what was there before and stop it \
         gracefully; or `frostwatch state rebuild`, which makes the state anew under the present ones, in silence"
    )]
    NotTurned {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Why not.
        why: String,
    },
    /// What must be run again was scored under lists for which this process has no room.
    #[error(
        "{topic}[{partition}]: what group '{group}' must run again was scored under lists for which this process has no room: \
         {why}. Start it again: a process that begins anew holds no lists of before"
    )]
    NoRoom {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Consumer group.
        group: String,
        /// Why not.
        why: String,
    },
    /// What was sent about a past that is to be run again aloud was not read back in time.
    #[error(
        "what was sent before could not be read back within {secs} s; nothing was sent. Start again with fewer partitions a \
         process (more processes), or with what was there before, and stop that gracefully"
    )]
    ReadBack {
        /// How long was waited.
        secs: u64,
    },
    /// More was sent about a past that is to be run again aloud than is compared.
    #[error(
        "'{topic}': more than {max} findings were sent about what is to be run again of a partition, too many to be compared \
         with what is found now. Start once with what was there before and stop it gracefully, then nothing is left to be run \
         again; a smaller `kafka.state.tail_records` leaves less after a crash. Where that was begun and broken off, `frostwatch state \
         rebuild` makes the state anew in silence"
    )]
    TooManySent {
        /// Where the one too many lies.
        topic: String,
        /// Findings that are compared at most.
        max: usize,
    },
    /// Raw topics have different numbers of partitions.
    #[error(
        "raw topics must have the same number of partitions: '{topic}' has {count}, '{other}' has {other_count}. Rows of \
         one user would be read by several members, and the activity of whoever is behind would be late. Make the \
         smaller topic anew with as many partitions, or name another topic for its table under `topics.raw`"
    )]
    RawPartitions {
        /// A raw topic.
        topic: String,
        /// Its partitions.
        count: i32,
        /// The first that differs.
        other: String,
        /// Its partitions.
        other_count: i32,
    },
    /// Outputs could not be delivered; their inputs are not committed and will be read again.
    #[error(
        "{count} records for '{topic}' were not accepted after {rounds} rounds: {code}; their input is not committed{}",
        if matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed) {
            ". `frostwatch topics acls` prints the rights that each command needs"
        } else {
            ""
        }
    )]
    Delivery {
        /// Topic of the first of them.
        topic: String,
        /// How many.
        count: usize,
        /// Rounds of sending.
        rounds: u32,
        /// The broker's or librdkafka's reason.
        code: RDKafkaErrorCode,
    },
    /// The producer cannot go on; a new one can.
    #[error("the producer failed for good: {reason}; start again")]
    Producer {
        /// Its code.
        code: RDKafkaErrorCode,
        /// What librdkafka says.
        reason: String,
    },
    /// Transactions do not commit.
    #[error(
        "outputs and offsets were not committed for {secs} s, in {attempts} transactions: {code}; their input will be \
         read again"
    )]
    Transaction {
        /// How many were tried.
        attempts: u32,
        /// For how long.
        secs: u64,
        /// Why the last one failed.
        code: RDKafkaErrorCode,
    },
    /// The consumer cannot go on.
    #[error("the consumer failed: {0}")]
    Consumer(KafkaError),
    /// Offsets could not be committed time after time.
    #[error("offsets could not be committed for {secs} s, {attempts} times in a row: {source}")]
    Commit {
        /// Attempts in a row.
        attempts: u32,
        /// Since the first of them, seconds.
        secs: u64,
        /// The last reason.
        source: KafkaError,
    },
    /// Asked to stop, but the brokers did not take the last outputs in time.
    #[error("stopped with {0} outputs not acknowledged; their input is not committed and will be read again")]
    StoppedUnacknowledged(usize),
    /// The group did not take its partitions back in time at a stop.
    #[error("stopped, but the group did not let go of {0} partitions in time; they move when the session times out")]
    LeftHanging(usize),
    /// A producer that is held back by its reader was told to wait no longer.
    #[error("the reader fell behind and the producer was told not to wait for it")]
    GaveUp,
    /// A thread died of a bug of ours.
    #[error("{thread} panicked: {message}")]
    Panicked {
        /// Which thread.
        thread: String,
        /// The panic's message.
        message: String,
    },
    /// Writing to the caller's sink failed.
    #[error("writing failed: {0}")]
    Sink(#[from] std::io::Error),
    /// An administrative request failed.
    #[error("{what} '{topic}': {code}")]
    Admin {
        /// What was asked for.
        what: &'static str,
        /// Of which topic.
        topic: String,
        /// The reason.
        code: RDKafkaErrorCode,
    },
}
