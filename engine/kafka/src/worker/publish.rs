//! The end of a batch: outputs, state and offsets, in one transaction or one after the other.

use std::time::{Duration, Instant};

use frostwatch_detect::plan::Named;
use frostwatch_runtime::board::Phase;
use frostwatch_runtime::checkpoint::{
    PROGRESS_KEY, PROGRESS_SCHEMA, Progress, RecordedTurn, Room, StateRecord, TaskProgress,
};
use frostwatch_runtime::ports::{Channel, Tasks, Turned};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::aloud::Aloud;
use super::assignment::{Past, Written};
use super::collected::{Collected, topic_of};
use super::{EVENTS_WAIT, Refused, Sender, Worker, is_live};
use crate::codes::is_fenced;
use crate::fault::KafkaFault;
use crate::fetch::{RecordView, known_ends};
use crate::group::{self, Due};
use crate::note::Note;
use crate::outbox::Delivered;
use crate::transaction::{Batch, Owner, Undone};

/// Once a producer is fenced when its transaction was open for too long. More often with one batch is another process that
/// has its name, and is fenced in turn.
const FENCED_MAX: u32 = 3;
/// Between two attempts at a transaction.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// How long a member that the group does not know may take to join again.
const MEMBERSHIP_WAIT: Duration = Duration::from_secs(30);
/// State written with one commit at most. As many keys as a batch has records, so that what changes is written as fast as
/// it changes.
const STATE_BYTES_MAX: usize = 32 << 20;

/// What a worker has collected, borrowed field by field: its sender is borrowed beside.
macro_rules! collected {
    ($worker:ident) => {
        Collected {
            out: &$worker.out,
            contents: &$worker.content_out,
            state: &$worker.state_out,
            channels: &$worker.channels,
            tables: &$worker.tables,
            changelog: &$worker.changelog,
        }
    };
}

impl<T: Tasks> Worker<'_, T> {
    /// Delivers the batch's outputs and a slice of state, commits its offsets, tells the tasks and the board.
    pub(super) fn finish_batch(&mut self) -> Result<(), KafkaFault> {
        self.pass_marks()?;
        self.turn();
        self.collect_parts();
        self.collect_state();
        let (begun, is_due) = (Instant::now(), self.is_pending());
        if self.publish_until(None)? && is_due {
            self.stopwatch.committed(begun);
        }
        self.note_ends();
        self.stopwatch.note_round_trips(self.sender.take_round_trips());
        // Before the board: whoever sees a partition live there finds counted what made it so.
        self.counters_folded();
        for index in 0..self.owned.len() {
            let Some(owned) = self.owned.get_mut(index).and_then(Option::as_mut) else { continue };
            if !std::mem::take(&mut owned.touched) {
                continue;
            }
            let partition = index as i32;
            if let Some((_, end)) = known_ends(&self.consumer, &self.topic, partition) {
                owned.status.end = owned.status.end.max(end);
            }
            self.tasks.batch_done(partition);
            self.tasks.describe(partition, &mut owned.status);
            if owned.status.phase == Phase::Live {
                owned.awaited.take().into_iter().for_each(|since| self.stopwatch.restored(since));
            }
            self.shared.board.set(partition, owned.status);
        }
        Ok(())
    }

    /// Collects the state that is due with this commit: of keys that changed longest ago, so that no more than the tail
    /// would have to be run again, and the progress of every partition that has any.
    fn collect_state(&mut self) {
        let tail = self.settings.state.tail_records as i64;
        let mut room = Room { keys: self.batch.records, bytes: STATE_BYTES_MAX };
        for index in 0..self.owned.len() {
            let Some(owned) = self.owned.get(index).and_then(Option::as_ref) else { continue };
            if owned.dirty && is_live(owned.status.phase) {
                room = self.collect_of(index as i32, owned.status.position - tail, room);
            }
        }
    }

    /// Collects what is not written yet of partitions that go. Is there anything to commit?
    pub(super) fn collect_leaving(&mut self, leaving: &[i32]) -> bool {
        let mut room = Room { keys: self.batch.records, bytes: STATE_BYTES_MAX };
        for partition in leaving {
            let may_be_told = self.may_be_told(*partition);
            let Some(owned) = self.owned.get_mut(*partition as usize).and_then(Option::as_mut) else { continue };
            if !may_be_told || !is_live(owned.status.phase) || owned.last.is_none() {
                continue;
            }
            if owned.written != Written::All {
                if owned.past != Past::Behind {
                    let position = owned.status.position;
                    self.go_live(*partition, position);
                }
                self.owned.get_mut(*partition as usize).into_iter().flatten().for_each(|owned| owned.dirty = true);
                room = self.collect_of(*partition, i64::MAX, room);
            }
        }
        self.is_pending()
    }

    fn collect_of(&mut self, partition: i32, below: i64, room: Room) -> Room {
        let Some(owned) = self.owned.get_mut(partition as usize).and_then(Option::as_mut) else { return room };
        let (first, position) = (self.state_out.len(), owned.status.position);
        let low_water = self.tasks.checkpoint(partition, position, below, room, &mut self.state_out);
        let now = if low_water == position { Written::All } else { Written::Part };
        let is_first = std::mem::replace(&mut owned.written, now) == Written::Nothing;
        let written = self.state_out.get(first..).unwrap_or_default();
        let bytes: usize =
            written.iter().map(|record| record.key.len() + record.value.as_ref().map_or(0, Vec::len)).sum();
        let room = Room { keys: room.keys.saturating_sub(written.len()), bytes: room.bytes.saturating_sub(bytes) };
        let task = self.tasks.progress(partition, low_water);
        let progress = Progress {
            schema: PROGRESS_SCHEMA.to_owned(),
            offset: position,
            low_water,
            rebuild: false,
            unsettled: false,
            epoch: owned.epoch,
            partitions: self.partition_count,
            last: owned.last,
            misrouted: owned.misrouted,
            task,
        };
        self.keep_contents(partition, &progress.task);
        let first = progress.task.turns.first().filter(|_| is_first);
        if let Some(named) = first.and_then(|turn| progress.task.named_at(*turn)) {
            self.record_turn(partition, &RecordedTurn { offset: 0, named });
        }
        self.state_out.push(StateRecord { partition, key: PROGRESS_KEY.to_vec(), value: Some(progress.to_bytes()) });
        room
    }

    /// The texts of rules and lists under which records were scored go with the first progress that names them, so that
    /// whoever takes the partition over has them, whatever it has itself.
    fn keep_contents(&mut self, partition: i32, task: &TaskProgress) {
        for Named { rules, lists, .. } in task.turns.iter().filter_map(|turn| task.named_at(*turn)) {
            self.keep_content(partition, rules);
            if !lists.is_empty() && !self.kept.contains(&lists) {
                self.tasks.parts(partition, &lists).into_iter().for_each(|part| self.keep_content(partition, part));
            }
        }
    }

    fn keep_content(&mut self, partition: i32, name: String) {
        let is_there = self.kept.contains(&name) || self.content_out.iter().any(|(known, _)| *known == name);
        if !is_there && let Some(content) = self.tasks.content(partition, &name) {
            self.content_out.push((name, content));
        }
    }

    /// What a partition is scored under stays recorded, for replays of its log.
    fn record_turn(&mut self, partition: i32, turn: &RecordedTurn) {
        self.state_out.push(StateRecord { partition, key: turn.key(), value: Some(turn.to_bytes()) });
    }

    /// Every partition turns to the ruling of the process between two batches; where it does is written with its progress.
    fn turn(&mut self) {
        for index in 0..self.owned.len() {
            let Some(owned) = self.owned.get(index).and_then(Option::as_ref) else { continue };
            if is_live(owned.status.phase) {
                let (told, partition, position) = (owned.past == Past::Behind, index as i32, owned.status.position);
                if told { self.turn_one(partition, position) } else { self.go_live(partition, position) }
            }
        }
    }

    /// The past of a partition is behind it: from the record at `position` on its outputs flow, under the ruling of the
    /// process. A former owner's may be one under which no record can be scored.
    pub(super) fn go_live(&mut self, partition: i32, position: i64) {
        if let Some(owned) = self.owned.get_mut(partition as usize).and_then(Option::as_mut)
            && std::mem::replace(&mut owned.past, Past::Behind) == Past::AheadUnderAnother
        {
            owned.dirty = true;
            // What was sent of it aloud is what the present ruling finds from its first record on.
            let from = owned.aloud.as_ref().map_or(position, |aloud| aloud.span().start);
            let void: Vec<Vec<u8>> = owned.aloud.iter().flat_map(Aloud::void_turns).collect();
            self.state_out.extend(void.into_iter().map(|key| StateRecord { partition, key, value: None }));
            let named = self.tasks.progress(partition, position).named();
            let turn = named.map(|named| RecordedTurn { offset: from, named });
            turn.iter().for_each(|turn| self.record_turn(partition, turn));
        }
        self.settle(partition);
        self.tasks.restored(partition);
        self.turn_one(partition, position);
    }

    fn turn_one(&mut self, partition: i32, position: i64) {
        match self.tasks.turn(partition, position) {
            Turned::No => {}
            Turned::To { named } => {
                tracing::info!(partition, position, %named, "from here on under another ruling");
                self.counts.turns += 1;
                if let Some(owned) = self.owned.get_mut(partition as usize).and_then(Option::as_mut) {
                    owned.dirty = true;
                }
                self.record_turn(partition, &RecordedTurn { offset: position, named });
            }
            Turned::Refused { why } => tracing::error!(partition, why, "the ruling is not switched"),
        }
    }

    /// Partitions may end in marks of transactions, of which no record tells: a past that is run again would seem not to end, and
    /// what has been read, where nothing more comes, to lag behind.
    fn pass_marks(&mut self) -> Result<(), KafkaFault> {
        let is_idle = self.owned.iter().flatten().all(|owned| !owned.touched);
        if !is_idle && self.owned.iter().flatten().all(|owned| is_live(owned.status.phase)) {
            return Ok(());
        }
        for elem in self.consumer.position().map_err(KafkaFault::Consumer)?.elements() {
            if let Offset::Offset(position) = elem.offset()
                && let Some(owned) = self.owned.get_mut(elem.partition() as usize).and_then(Option::as_mut)
            {
                owned.reach(position);
            }
        }
        Ok(())
    }

    /// Counts new outputs' bytes and tells the topic of the originals of late and rejected records, as Kafka Connect does;
    /// partition and offset the task has told.
    pub(super) fn note_outputs(&mut self, first: usize, source: &RecordView<'_>) {
        self.stopwatch.found(source.stamp, self.out.get(first..).unwrap_or_default());
        for output in self.out.iter_mut().skip(first) {
            self.out_bytes += output.key.len() + output.value.len();
            if matches!(output.channel, Channel::Late | Channel::Rejected) {
                output.headers.push(("__connect.errors.topic", source.topic.as_bytes().to_vec()));
            }
        }
    }

    /// Delivers what is collected and commits. `until`: the partitions go, and nobody waits for longer; `false` if it was
    /// not committed by then.
    pub(super) fn publish_until(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        Ok(self.send_parts(until)? && self.publish(until)?)
    }

    /// Is anything collected that is to be sent?
    fn is_pending(&self) -> bool {
        !(self.out.is_empty() && self.state_out.is_empty() && self.parts.is_empty())
    }

    /// The same for what goes together.
    pub(super) fn publish(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        if self.out.is_empty() && self.state_out.is_empty() {
            return Ok(true);
        }
        self.published += 1;
        self.serial = format!("{}-{}", self.name, self.published);
        if matches!(self.sender, Sender::Transactions(_)) {
            return self.transact(until);
        }
        // State follows outputs, and offsets follow state: what a record of state has in it was sent.
        if !self.out.is_empty() {
            self.deliver_plain(0, self.out.len())?;
        }
        // Whoever has the partitions by now writes their state.
        if !self.await_membership()? {
            self.clear_out();
            return Ok(false);
        }
        self.deliver_plain(self.out.len(), self.content_out.len() + self.state_out.len())?;
        self.kept.extend(self.content_out.drain(..).map(|(name, _)| name));
        self.clear_out();
        let due = if until.is_some() { Due::Now } else { Due::Later };
        let offsets = self.offsets_to_commit()?;
        match self.commits.commit(&self.consumer, &offsets, due)? {
            None => {}
            Some(false) => self.counts.commits_failed += 1,
            Some(true) => self.note_committed(),
        }
        Ok(true)
    }

    /// Delivers `count` of what is collected, outputs before state, from the one at `first` on.
    fn deliver_plain(&mut self, first: usize, count: usize) -> Result<(), KafkaFault> {
        let (shared, number) = (self.shared, self.number);
        let collected = collected!(self);
        let Sender::Plain(outbox) = &mut self.sender else { return Ok(()) };
        let record = |index: usize| collected.outgoing(first + index);
        let mut delivered = outbox.deliver(count, record, || shared.must_not_wait_on(number))?;
        delivered.refused.iter_mut().for_each(|index| *index += first);
        self.delivered(&delivered, first..first + count)
    }

    /// Sends outputs and offsets as one transaction, again until it commits. What was collected for partitions that the
    /// group has given to others is dropped: whoever has them now makes it anew.
    fn transact(&mut self, until: Option<Instant>) -> Result<bool, KafkaFault> {
        let begun = Instant::now();
        let (mut attempts, mut fenced) = (0, 0);
        loop {
            if !self.await_membership()? {
                tracing::warn!(outputs = self.out.len(), "partitions lost before their outputs were committed");
                self.clear_out();
                return Ok(false);
            }
            attempts += 1;
            let code = match self.attempt()? {
                Attempt::Committed(delivered) => {
                    self.counts.resent += u64::from(attempts > 1);
                    self.delivered(&delivered, 0..collected!(self).len())?;
                    self.note_committed();
                    self.clear_out();
                    return Ok(true);
                }
                Attempt::Undone(code) => code,
            };
            self.counts.commits_failed += 1;
            let failed_for = begun.elapsed();
            tracing::warn!(%code, attempts, ?failed_for, "transaction not committed");
            // Seen from outside while it lasts, not when it is over.
            self.counters_folded();
            fenced += u32::from(is_fenced(code));
            let is_pushed_out = fenced >= FENCED_MAX && self.settings.instance.is_some();
            if failed_for > self.uncommitted_max || is_refusal_of_transactions(code) || is_pushed_out {
                return Err(KafkaFault::Transaction { attempts, secs: failed_for.as_secs(), code });
            }
            if until.is_some_and(|until| Instant::now() > until) {
                self.clear_out();
                return Ok(false);
            }
            // A member that is to join the group again does so while it is polled.
            let again_at = Instant::now() + RETRY_WAIT;
            while Instant::now() < again_at {
                self.serve_events(EVENTS_WAIT)?;
            }
        }
    }

    /// Waits until the group knows the member, for a bounded time: between two generations it has none, and what was
    /// collected for partitions that it keeps must be committed. `false`: the group has given them to others, who make it
    /// anew. A member that does not come back in time is started again, with nothing committed of what it holds.
    fn await_membership(&mut self) -> Result<bool, KafkaFault> {
        let until = Instant::now() + MEMBERSHIP_WAIT;
        loop {
            if self.consumer.assignment_lost() {
                return Ok(false);
            }
            if self.still_member()? {
                return Ok(true);
            }
            if Instant::now() > until || self.shared.is_stopping() {
                return Err(KafkaFault::Forgotten { group: self.group.clone() });
            }
            self.decline_take_over()?;
            self.serve_events(EVENTS_WAIT)?;
        }
    }

    fn attempt(&mut self) -> Result<Attempt, KafkaFault> {
        if !self.still_member()? {
            return Ok(Attempt::Undone(RDKafkaErrorCode::UnknownMemberId));
        }
        let offsets = self.offsets_to_commit()?;
        let (collected, shared, number) = (collected!(self), self.shared, self.number);
        let Sender::Transactions(transactions) = &mut self.sender else { return Err(KafkaFault::GaveUp) };
        let (count, record) = (collected.len(), |index| collected.outgoing(index));
        let owner = Owner { consumer: &self.consumer, member: self.member.as_deref() };
        let batch = Batch { count, may_refuse: self.out.len() };
        match transactions.commit(&owner, &offsets, batch, record, || shared.must_not_wait_on(number)) {
            Ok(delivered) => Ok(Attempt::Committed(delivered)),
            Err(Undone::Aborted(code)) => Ok(Attempt::Undone(code)),
            Err(Undone::Fault(fault)) => Err(fault),
            Err(Undone::Unknown(code)) => {
                tracing::warn!(%code, "outcome of a transaction unknown: a new producer asks for it");
                transactions.renew()?;
                let committed = self.is_committed(&offsets)?;
                Ok(if committed { Attempt::Committed(Delivered::default()) } else { Attempt::Undone(code) })
            }
        }
    }

    /// Do the group's stable offsets say that a transaction with these committed?
    fn is_committed(&self, offsets: &TopicPartitionList) -> Result<bool, KafkaFault> {
        let elements = offsets.elements();
        let partitions: Vec<_> = elements.iter().map(|elem| (self.topic.clone(), elem.partition())).collect();
        let found = group::committed(&self.consumer, &partitions)?;
        // The same offset may have been committed before; the note tells which commit it was.
        Ok(elements.iter().all(|elem| {
            let known = found.iter().find(|known| known.partition == elem.partition());
            known.is_some_and(|known| {
                known.offset.map(Offset::Offset) == Some(elem.offset()) && known.note == elem.metadata()
            })
        }))
    }

    fn note_committed(&mut self) {
        self.counts.commits += 1;
        self.kept.extend(self.content_out.drain(..).map(|(name, _)| name));
        if self.part.is_some() {
            return;
        }
        for owned in self.owned.iter_mut().flatten() {
            if is_live(owned.status.phase) && std::mem::take(&mut owned.dirty) {
                owned.status.committed = owned.status.position;
            }
        }
    }

    /// Tells of what was refused among those collected at `sent`, and counts the rest. State is never left out.
    fn delivered(&mut self, delivered: &Delivered, sent: std::ops::Range<usize>) -> Result<(), KafkaFault> {
        for index in &delivered.refused {
            let Some(record) = self.out.get(*index) else {
                let refused = collected!(self).outgoing(*index);
                let bytes = refused.value.map_or(0, <[u8]>::len);
                return Err(KafkaFault::StateRefused { topic: refused.topic.to_owned(), bytes });
            };
            (self.shared.on_refused)(&Refused { topic: topic_of(&self.channels, record.channel), record });
            tracing::error!(
                channel = record.channel.as_str(),
                bytes = record.value.len(),
                "output refused for its size"
            );
        }
        self.counts.refused += delivered.refused.len() as u64;
        self.counts.resent += u64::from(delivered.rounds > 1);
        self.counts.state_written += sent.end.saturating_sub(sent.start.max(self.out.len())) as u64;
        self.stopwatch.seen();
        for index in sent {
            if let Some(record) = self.out.get(index)
                && delivered.refused.binary_search(&index).is_err()
            {
                self.counts.add_produced(record.channel, 1);
            }
        }
        Ok(())
    }

    pub(super) fn clear_out(&mut self) {
        self.parts.clear();
        self.out.clear();
        self.out_bytes = 0;
        self.content_out.clear();
        self.state_out.clear();
        self.stopwatch.dropped();
    }

    fn offsets_to_commit(&self) -> Result<TopicPartitionList, KafkaFault> {
        let mut offsets = TopicPartitionList::new();
        for (partition, owned) in self.owned.iter().enumerate() {
            let Some(owned) = owned else { continue };
            let offset = match self.part {
                // With a part of a past goes the offset that stands already: its note tells whether the part was committed.
                Some(part) => (part.partition == partition as i32).then_some(part.offset),
                None => (owned.dirty && is_live(owned.status.phase)).then_some(owned.status.position),
            };
            if let Some(offset) = offset {
                let (epoch, partitions) = (owned.epoch, self.partition_count);
                let note = Note { epoch, partitions, serial: self.serial.clone() };
                let mut elem = offsets.add_partition(&self.topic, partition as i32);
                elem.set_offset(Offset::Offset(offset)).map_err(KafkaFault::Consumer)?;
                elem.set_metadata(note.written());
            }
        }
        Ok(offsets)
    }
}

/// How an attempt at a transaction ended.
enum Attempt {
    Committed(Delivered),
    /// It has no effect and may be tried again.
    Undone(RDKafkaErrorCode),
}

/// Will no transaction ever commit?
const fn is_refusal_of_transactions(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::UnsupportedFeature
    )
}
