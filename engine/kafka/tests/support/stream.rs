//! A small stream: tasks that count per key, members that run them, and what their outputs must be.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frostwatch_detect::lists::ListsDigest;
use frostwatch_detect::plan::Named;
use frostwatch_kafka::mock::MockKafka;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::{Counters, KafkaFault, KafkaSettings, Pulse, Shared, run_worker};
use frostwatch_runtime::board::Board;
use frostwatch_runtime::checkpoint::{
    Contents, Progress, Resumed, Room, RulingRecord, StateFault, StateRecord, TaskProgress, Turn,
};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord, Tasks, TooManySent, Turned};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// Deadline of every wait: a state that is not reached by then is a failure.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Waits for a state.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < deadline, "not reached in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Settings, and the cluster if it is a mock one.
pub(crate) struct Stream {
    pub(crate) mock: Option<MockKafka>,
    pub(crate) settings: KafkaSettings,
    pub(crate) partitions: i32,
    /// Time stamp of record 0.
    pub(crate) first_stamp: i64,
}

impl Stream {
    /// A mock cluster with the topics.
    pub(crate) fn new(group: &str, partitions: i32) -> Self {
        let mock = MockKafka::start().unwrap();
        let mut stream = Self::on(&mock.bootstrap_servers(), group, partitions);
        mock.create_topic(&stream.settings.topics.activity(), partitions).unwrap();
        for channel in Channel::OUTPUTS {
            mock.create_topic(&stream.settings.topics.channel(channel), 1).unwrap();
        }
        mock.create_topic(&stream.settings.changelog(), partitions).unwrap();
        mock.create_topic(&stream.settings.topics.tables(), 1).unwrap();
        stream.settings.delivery = mock.settings().delivery;
        stream.mock = Some(mock);
        stream
    }

    /// A stream on brokers where the topics are made already, or will be.
    pub(crate) fn on(bootstrap_servers: &str, group: &str, partitions: i32) -> Self {
        let mut settings = KafkaSettings::new(bootstrap_servers);
        group.clone_into(&mut settings.group);
        settings.batch.time_ms = 20;
        // The mock's group waits for the session timeout of members that have not heard of a rebalance yet.
        let quick = settings.consumer.with("session.timeout.ms", "6000").with("heartbeat.interval.ms", "100");
        settings.consumer = quick.with("fetch.wait.max.ms", "10");
        Self { mock: None, settings, partitions, first_stamp: STAMP }
    }

    pub(crate) fn create_mock_topic(&self, topic: &str, partitions: i32) {
        self.mock.as_ref().unwrap().create_topic(topic, partitions).unwrap();
    }

    /// Sends records `from..to`, of keys in turn, and returns when all are acknowledged.
    pub(crate) fn send(&self, from: u32, to: u32) {
        let mut producer = TopicProducer::connect(&self.settings, &self.settings.topics.activity()).unwrap();
        for number in from..to {
            let key = format!("acme|user-{}", number % KEYS);
            producer
                .send(key.as_bytes(), number.to_string().as_bytes(), Some(self.first_stamp + i64::from(number)))
                .unwrap();
        }
        producer.flush().unwrap();
    }

    /// Everything on a channel's topic, in order: key, value.
    pub(crate) fn outputs(&self, channel: Channel) -> Vec<(String, String)> {
        read_all(&self.settings, &self.settings.topics.channel(channel))
            .into_iter()
            .map(|record| (text(record.key()), text(record.payload())))
            .collect()
    }

    /// Offsets the group has committed, by partition; 0 where it has none.
    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            list.add_partition(&self.settings.topics.activity(), partition);
        }
        // A broker that has just begun does not know yet that it coordinates the group.
        let mut asked = self.reader().committed_offsets(list.clone(), DEADLINE);
        wait_for("the group's coordinator", || {
            if asked.is_err() {
                asked = self.reader().committed_offsets(list.clone(), DEADLINE);
            }
            asked.is_ok()
        });
        let asked = asked.unwrap();
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        asked.elements().iter().map(|elem| (elem.partition(), offset(elem.offset()))).collect()
    }

    /// Sets a group's offset as an operator would.
    pub(crate) fn commit(&self, partition: i32, offset: i64, note: &str) {
        let mut list = TopicPartitionList::new();
        let mut elem = list.add_partition(&self.settings.topics.activity(), partition);
        elem.set_offset(Offset::Offset(offset)).unwrap();
        elem.set_metadata(note);
        self.reader().commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }

    fn reader(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.settings.bootstrap_servers)
            .set("group.id", &self.settings.group)
            .create()
            .unwrap()
    }
}

/// Time stamp of record 0.
pub(crate) const STAMP: i64 = 1_767_225_600_000;
/// Keys of the stream.
pub(crate) const KEYS: u32 = 20;

/// Everything a topic holds now.
pub(crate) fn read_all(settings: &KafkaSettings, topic: &str) -> Vec<rdkafka::message::OwnedMessage> {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let metadata = reader.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let mut all = Vec::new();
    for partition in 0..metadata.topics()[0].partitions().len() as i32 {
        let (low, high) = reader.fetch_watermarks(topic, partition, DEADLINE).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
        reader.assign(&list).unwrap();
        // A log may end in marks of transactions, which only the position passes.
        let position = || reader.position().unwrap().elements()[0].offset();
        wait_for("the end of a topic", || {
            while let Some(message) = reader.poll(Duration::from_millis(50)) {
                all.push(message.unwrap().detach());
            }
            high == low || matches!(position(), Offset::Offset(at) if at >= high)
        });
    }
    all
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// What happened to the tasks, for the tests to look at.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Partition and whether it was opened (or closed).
    pub(crate) moves: Mutex<Vec<(i32, bool)>>,
    /// Epoch each partition was last opened in.
    pub(crate) epochs: Mutex<BTreeMap<i32, u32>>,
    /// Records handed over.
    pub(crate) records: AtomicUsize,
    /// Offset of each, and the rules that held.
    pub(crate) rules: Mutex<Vec<(i64, String)>>,
    /// What was read back of what was sent before.
    pub(crate) sent_before: Mutex<Vec<(Channel, String)>>,
    /// Refuse to turn early, and why.
    pub(crate) refuse_turns: Mutex<Option<String>>,
    /// Take so many findings that were sent before, and no more.
    pub(crate) sent_max: Mutex<Option<usize>>,
    /// How many outputs settle a past, if not one.
    pub(crate) settles: Mutex<usize>,
    /// Wait when a partition is opened for this time until it is taken back.
    pub(crate) hold_opening: Mutex<Option<usize>>,
    /// Wait at this record number until it is taken back.
    pub(crate) hold_at: Mutex<Option<u32>>,
    /// Panic when this record number is handed over: a crash between reading and committing.
    pub(crate) die_at: Mutex<Option<u32>>,
}

/// Tasks that count per key: each record's output names its key, its number and how many the key has had.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) seen: Arc<Seen>,
    /// The rules of the process.
    rules: String,
    /// Their text is kept.
    has_content: bool,
    turns: BTreeMap<i32, (Vec<RulingRecord>, Vec<Turn>)>,
    partitions: BTreeMap<i32, BTreeMap<Vec<u8>, Count>>,
    aloud: BTreeMap<i32, Range<i64>>,
}

/// What a key has had.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    records: u64,
    /// The input up to here is in it.
    offset: i64,
    /// The first record that is in no written one.
    dirty: Option<i64>,
}

impl Counting {
    pub(crate) fn watched_by(seen: &Arc<Seen>) -> Self {
        Self { seen: Arc::clone(seen), rules: "1".to_owned(), has_content: true, ..Self::default() }
    }
}

impl Tasks for Counting {
    fn open(&mut self, partition: i32) {
        assert!(self.partitions.insert(partition, BTreeMap::new()).is_none(), "opened twice");
        self.seen.moves.lock().unwrap().push((partition, true));
        let opened = self.seen.moves.lock().unwrap().iter().filter(|(_, opened)| *opened).count();
        wait_for("the opening is let go", || *self.seen.hold_opening.lock().unwrap() != Some(opened));
    }

    fn restore(&mut self, partition: i32, key: &[u8], record: Option<&[u8]>) -> Result<(), StateFault> {
        let keys = self.partitions.get_mut(&partition).expect("open");
        let Some(record) = record else {
            keys.remove(key);
            return Ok(());
        };
        let text = std::str::from_utf8(record).map_err(|_| StateFault::Broken("a count"))?;
        let (records, offset) = text.split_once(' ').ok_or(StateFault::Broken("a count"))?;
        let count = Count { records: records.parse().unwrap(), offset: offset.parse().unwrap(), dirty: None };
        keys.insert(key.to_vec(), count);
        Ok(())
    }

    fn wanted(&self, _partition: i32, progress: &Progress) -> Vec<String> {
        let rules = progress.task.rulings.iter().map(|ruling| ruling.named.rules.clone());
        rules.filter(|rules| *rules != self.rules).collect()
    }

    fn resume(&mut self, partition: i32, progress: &Progress, contents: &Contents) -> Resumed {
        let task = &progress.task;
        self.turns.insert(partition, (task.rulings.clone(), task.turns.clone()));
        let at_hand = |rules: &String| *rules == self.rules || contents.contains_key(rules);
        let lost = task.rulings.iter().find(|it| !at_hand(&it.named.rules));
        match lost.filter(|_| progress.low_water < progress.offset) {
            Some(lost) => Resumed::Other { changes: format!("rules {} → {}", lost.named.rules, self.rules) },
            None => Resumed::Same,
        }
    }

    fn set_epoch(&mut self, partition: i32, epoch: u32) {
        self.seen.epochs.lock().unwrap().insert(partition, epoch);
    }

    fn turn(&mut self, partition: i32, position: i64) -> Turned {
        let (rulings, turns) = self.turns.entry(partition).or_default();
        let holds = turns.last().and_then(|turn| rulings.iter().find(|it| it.version == turn.version));
        if holds.is_some_and(|holds| holds.named.rules == self.rules) {
            return Turned::No;
        }
        let version = rulings.len() as u8;
        let named = Named {
            rules: self.rules.clone(),
            geoip: String::new(),
            lateness_secs: 0,
            skew_secs: 0,
            semantics: 1,
            state_format: 1,
            lists: String::new(),
        };
        let geo_kind = String::new();
        rulings.push(RulingRecord { version, named: named.clone(), geo_kind, geo_built_at_secs: 0 });
        turns.push(Turn { offset: position, version, lists: ListsDigest::NONE });
        Turned::To { named }
    }

    fn turn_early(&mut self, partition: i32, first: i64) -> Turned {
        if let Some(why) = self.seen.refuse_turns.lock().unwrap().clone() {
            return Turned::Refused { why };
        }
        self.turn(partition, first)
    }

    fn progress(&mut self, partition: i32, _low_water: i64) -> TaskProgress {
        let (rulings, turns) = self.turns.entry(partition).or_default().clone();
        TaskProgress { rulings, turns, ..TaskProgress::default() }
    }

    fn content(&self, _partition: i32, _rules: &str) -> Option<Vec<u8>> {
        self.has_content.then(|| b"text".to_vec())
    }

    fn aloud(&mut self, partition: i32, span: Range<i64>) {
        self.aloud.insert(partition, span);
    }

    fn sent_before(&mut self, channel: Channel, key: &[u8], value: &[u8]) -> Result<(), TooManySent> {
        let said = format!("{}: {}", String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let mut noted = self.seen.sent_before.lock().unwrap();
        match *self.seen.sent_max.lock().unwrap() {
            Some(max) if noted.len() >= max => Err(TooManySent { max }),
            _ => {
                noted.push((channel, said));
                Ok(())
            }
        }
    }

    fn settle(&mut self, partition: i32, out: &mut Vec<OutputRecord>) {
        let Some(span) = self.aloud.remove(&partition) else { return };
        let mut push = |value: String| {
            let (key, value) = (b"acme|all".to_vec(), value.into_bytes());
            out.push(OutputRecord { channel: Channel::Alerts, key, value, headers: Vec::new(), stamp: None });
        };
        match *self.seen.settles.lock().unwrap() {
            0 => push(format!("{}..{} is settled", span.start, span.end)),
            count => (0..count).for_each(|number| push(format!("{}..{} is {number} settled", span.start, span.end))),
        }
    }

    fn close(&mut self, partition: i32) {
        assert!(self.partitions.remove(&partition).is_some(), "closed without having been opened");
        self.seen.moves.lock().unwrap().push((partition, false));
    }

    fn checkpoint(&mut self, partition: i32, position: i64, below: i64, room: Room, out: &mut Vec<StateRecord>) -> i64 {
        let keys = self.partitions.get_mut(&partition).expect("open");
        let mut due: Vec<_> =
            keys.iter_mut().filter(|(_, count)| count.dirty.is_some_and(|dirty| dirty < below)).collect();
        due.sort_by_key(|(_, count)| count.dirty);
        for (key, count) in due.into_iter().take(room.keys) {
            (count.offset, count.dirty) = (position, None);
            let value = format!("{} {position}", count.records).into_bytes();
            out.push(StateRecord { partition, key: key.clone(), value: Some(value) });
        }
        keys.values().filter_map(|count| count.dirty).min().unwrap_or(position)
    }

    fn record(&mut self, partition: i32, record: &InputRecord<'_>, out: &mut Vec<OutputRecord>) {
        self.seen.records.fetch_add(1, Ordering::Relaxed);
        let (rulings, turns) = self.turns.entry(partition).or_default();
        let holds = turns.last().and_then(|turn| rulings.iter().find(|it| it.version == turn.version));
        let rules = holds.map_or(&self.rules, |ruling| &ruling.named.rules).clone();
        self.seen.rules.lock().unwrap().push((record.offset, rules));
        let value = String::from_utf8_lossy(record.value).into_owned();
        let is_held = || self.seen.hold_at.lock().unwrap().is_some_and(|at| at.to_string() == value);
        if is_held() {
            wait_for("the record is let go", || !is_held());
        }
        // Not held while dying: a lock that a dead thread held kills the others too.
        let die_at = *self.seen.die_at.lock().unwrap();
        if let Some(die_at) = die_at {
            assert_ne!(value, die_at.to_string(), "told to die");
        }
        let key = record.key.unwrap_or_default().to_vec();
        let count = self.partitions.get_mut(&partition).expect("open").entry(key.clone()).or_default();
        if record.offset < count.offset {
            return;
        }
        count.records += 1;
        count.dirty.get_or_insert(record.offset);
        let count = count.records;
        let channel = if value.parse::<u32>().is_ok() { Channel::Alerts } else { Channel::Rejected };
        let value = match channel {
            Channel::Alerts => format!("{value} is number {count}").into_bytes(),
            _ => record.value.to_vec(),
        };
        out.push(OutputRecord { channel, key, value, headers: vec![("policy", b"counting".to_vec())], stamp: None });
    }

    fn batch_done(&mut self, partition: i32) {
        assert!(self.partitions.contains_key(&partition));
    }
}

/// Under which rules a member works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) name: &'static str,
    pub(crate) has_content: bool,
    pub(crate) accept_change: bool,
}

impl Rules {
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, has_content: true, accept_change: false }
    }
}

/// A member of the group on a thread of its own.
pub(crate) struct Member {
    pub(crate) board: Arc<Board>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Result<(), KafkaFault>>>,
}

impl Member {
    pub(crate) fn start(settings: &KafkaSettings) -> Self {
        Self::start_with(settings, Arc::default())
    }

    pub(crate) fn start_with(settings: &KafkaSettings, seen: Arc<Seen>) -> Self {
        Self::start_under(settings, seen, Rules::named("1"))
    }

    pub(crate) fn start_under(settings: &KafkaSettings, seen: Arc<Seen>, rules: Rules) -> Self {
        let (board, counters) = (Arc::<Board>::default(), Arc::<Counters>::default());
        let stop = Arc::<AtomicBool>::default();
        let shared =
            (settings.clone(), Arc::clone(&board), Arc::clone(&counters), Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let (settings, board, counters, stop, seen) = shared;
            let Rules { name, has_content, accept_change } = rules;
            let shared = Shared {
                stop: &stop,
                board: &board,
                counters: &counters,
                pulse: &Pulse::default(),
                accept_change,
                on_refused: &|_| {},
            };
            let tasks = Counting { rules: name.to_owned(), has_content, ..Counting::watched_by(&seen) };
            run_worker(&settings, 0, tasks, shared)
        });
        Self { board, counters, seen, stop, thread: Some(thread) }
    }

    /// Stops it gracefully.
    pub(crate) fn stop(mut self) -> Result<(), KafkaFault> {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits until it ends by itself: `Err` of the outer result is a panic.
    /// Has the worker ended by itself?
    #[allow(dead_code, reason = "not every suite asks")]
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    }

    pub(crate) fn ended(mut self) -> std::thread::Result<Result<(), KafkaFault>> {
        wait_for("the member's end", || self.thread.as_ref().is_some_and(std::thread::JoinHandle::is_finished));
        self.thread.take().unwrap().join()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// What the outputs of records `0..count` must be, by key, when each key's records are counted in order.
pub(crate) fn wanted(count: u32) -> BTreeMap<String, Vec<String>> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..count {
        let of_key = wanted.entry(format!("acme|user-{}", number % KEYS)).or_default();
        of_key.push(format!("{number} is number {}", of_key.len() + 1));
    }
    wanted
}

/// Outputs by key, in order.
pub(crate) fn by_key(outputs: Vec<(String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in outputs {
        found.entry(key).or_default().push(value);
    }
    found
}
