//! Processes of a group under faults: those that end by themselves are started again, as systemd would, and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use frostwatch_detect::format::STATE_FORMAT_OLDEST;
use frostwatch_testkit::broker::Broker;
use frostwatch_testkit::chance::Chance;
use frostwatch_testkit::proxy::{Proxy, Side};

use super::group::{Engine, Group, Membership, PARTITIONS};

/// Most processes at once. The first and third come to the broker directly, the others through the proxy; the first two
/// are members for as long as they live, the others under a name that stays.
pub(crate) const PROCESSES_MAX: usize = 4;
/// Exit code of a faulty configuration, which no restart mends.
const EXIT_CONFIG: i32 = 78;
/// A process that ends by itself more often than this is not on its way anywhere.
const RESTARTS_MAX: u64 = 200;
/// Records that the others see while some are put out, and all see afterwards.
pub(crate) const EXPELLED_RECORDS: u64 = 1_000;
/// How long a process may take to end when it is asked to: systemd would then kill it.
const STOP_MAX: Duration = Duration::from_secs(90);
/// Longest reason that is shown.
const REASON_CHARS_MAX: usize = 110;

/// What is done to processes, broker and wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to a process.
    Kill,
    /// SIGSTOP for longer than the session timeout, then SIGCONT.
    Freeze,
    /// The broker ends and comes back.
    Broker,
    /// Connections through the proxy are delayed, held, half-closed, made deaf or cut.
    Wire,
    /// Nothing passes the proxy while the group changes: those behind it are put out in the midst of joining.
    Expel,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    /// Of these, processes whose commit failed once they were awake, or that ended by themselves.
    pub(crate) woken_in_commit: u64,
    pub(crate) broker_restarts: u64,
    pub(crate) expulsions: u64,
    pub(crate) connections_met: u64,
    /// Processes that ended by themselves, by what they said.
    pub(crate) exits: BTreeMap<String, u64>,
}

/// The processes of a group, with the broker and the proxy between them.
pub(crate) struct Fleet<'a> {
    group: &'a Group,
    broker: &'a Broker,
    proxy: &'a Proxy,
    folder: PathBuf,
    chance: Chance,
    members: Vec<Member>,
    pub(crate) tally: Tally,
}

struct Member {
    membership: Membership,
    starts: u32,
    engine: Option<Engine>,
    /// It is stopped by SIGSTOP and tells nothing.
    frozen: bool,
}

impl<'a> Fleet<'a> {
    /// No process yet.
    pub(crate) fn new(group: &'a Group, broker: &'a Broker, proxy: &'a Proxy, folder: &Path, seed: u64) -> Self {
        let member = |index: usize| {
            let bootstrap = (index % 2 == 1).then(|| format!("127.0.0.1:{}", proxy.port()));
            let instance = (index >= 2).then(|| format!("host-{index}"));
            let membership = Membership { bootstrap, instance, ..Membership::default() };
            Member { membership, starts: 0, engine: None, frozen: false }
        };
        let members = (0..PROCESSES_MAX).map(member).collect();
        let (folder, chance) = (folder.to_owned(), Chance::new(seed));
        Self { group, broker, proxy, folder, chance, members, tally: Tally::default() }
    }

    /// Starts or stops processes until so many run.
    pub(crate) fn resize(&mut self, count: usize) {
        for index in 0..PROCESSES_MAX {
            if index < count && self.members[index].engine.is_none() {
                self.start(index);
            }
            // The one that stays is the last: it takes over what the others leave.
            let from_above = PROCESSES_MAX - 1 - index;
            if from_above >= count && self.members[from_above].engine.is_some() {
                self.stop(from_above);
            }
        }
    }

    /// Starts again whoever ended.
    pub(crate) fn tend(&mut self) {
        for index in 0..PROCESSES_MAX {
            let ended = self.members[index].engine.as_ref().and_then(Engine::ended);
            if let Some(status) = ended {
                let code = status.code();
                let said = self.said(index);
                let may_start_again = code.is_some_and(|code| code != 0 && code != EXIT_CONFIG);
                assert!(may_start_again && !said.contains("panicked"), "process {index} ended with {status}: {said}");
                self.note_exit(&said);
                self.start(index);
            }
        }
    }

    /// Waits for a state of the group, while whoever ends is started again.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, limit: Duration, mut reached: impl FnMut(&mut Self) -> bool) {
        assert!(self.waited_for(limit, &mut reached), "not reached in {limit:?}: {what}\n{self}");
    }

    /// The same, for a state that may also not come.
    pub(crate) fn waited_for(&mut self, limit: Duration, mut reached: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            self.tend();
            if reached(self) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Do the processes that are not stopped have all partitions, live?
    pub(crate) fn holds_all(&self) -> bool {
        let engines = self.members.iter().filter(|member| !member.frozen).filter_map(|member| member.engine.as_ref());
        let live = engines.map(|engine| value(engine, "frostwatch_partitions{phase=\"live\"} ").unwrap_or_default());
        live.sum::<u64>() == PARTITIONS
    }

    /// Sum of a metric over its labels and all processes.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let texts = self.members.iter().filter_map(|member| member.engine.as_ref()?.metrics());
        let sum = |text: String| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>()
        };
        texts.map(sum).sum()
    }

    /// Does it; `publish` makes so many records more.
    pub(crate) fn suffer(&mut self, fault: Fault, publish: &mut dyn FnMut(u64)) {
        match fault {
            Fault::Kill => self.kill_one(),
            Fault::Freeze => self.freeze_one(),
            Fault::Broker => {
                if self.chance.one_in(2) {
                    self.broker.kill().unwrap();
                }
                self.broker.restart().unwrap();
                self.tally.broker_restarts += 1;
            }
            Fault::Wire => self.disturb_wire(),
            Fault::Expel => self.expel(publish),
        }
    }

    fn kill_one(&mut self) {
        let index = self.pick(|_| true);
        if let Some(engine) = self.members[index].engine.take() {
            engine.kill();
        }
        self.tally.kills += 1;
        // Sometimes its successor is there at once, sometimes the others have taken over before.
        let others = self.members.iter().any(|member| member.engine.is_some());
        if others && self.chance.one_in(2) {
            self.waited_for(Duration::from_secs(8), |fleet| fleet.holds_all());
        }
        self.start(index);
    }

    /// A process that sleeps while its partitions go to others, and wakes in the midst of what it did: most often it
    /// was waiting for the answers of a commit, which were made slow.
    fn freeze_one(&mut self) {
        if self.members.iter().filter(|member| member.engine.is_some()).count() < 2 {
            self.resize(2);
            self.wait_for("two processes hold all", Duration::from_mins(2), |fleet| fleet.holds_all());
        }
        self.proxy.delay(Duration::from_millis(300));
        let before = self.group.committed();
        self.waited_for(Duration::from_secs(3), |fleet| fleet.group.committed() > before);
        let index = self.pick(|member| member.membership.bootstrap.is_some());
        self.signal(index, "STOP");
        self.members[index].frozen = true;
        self.proxy.pass();
        self.wait_for("the others have taken over", Duration::from_mins(2), |fleet| fleet.holds_all());
        self.members[index].frozen = false;
        let (starts, failed) = (self.members[index].starts, "frostwatch_kafka_events_total{event=\"commit_failed\"} ");
        self.signal(index, "CONT");
        let told = |fleet: &Self, name| fleet.members[index].engine.as_ref().and_then(|engine| value(engine, name));
        let before = told(self, failed);
        let is_put_out = self.waited_for(Duration::from_secs(5), |fleet| {
            fleet.members[index].starts > starts || before.is_some() && told(fleet, failed) > before
        });
        self.tally.freezes += 1;
        self.tally.woken_in_commit += u64::from(is_put_out);
    }

    /// Somebody leaves, which makes the group form anew; before those behind the proxy have heard of it and joined, nothing
    /// they say arrives, until the others have taken over and gone on.
    fn expel(&mut self, publish: &mut dyn FnMut(u64)) {
        const TAKEN_OVER: Duration = Duration::from_mins(2);
        self.resize(PROCESSES_MAX);
        self.wait_for("all processes hold all", TAKEN_OVER, |fleet| fleet.holds_all());
        // Slow enough that the word to join is under way when everything stops.
        self.proxy.delay(Duration::from_millis(800));
        self.stop(0);
        let wait = Duration::from_millis(self.chance.within(100..900));
        self.waited_for(wait, |_| false);
        self.proxy.hold();
        self.start(0);
        self.members.iter_mut().for_each(|member| member.frozen = member.membership.bootstrap.is_some());
        self.wait_for("the others have taken over", TAKEN_OVER, |fleet| fleet.holds_all());
        publish(EXPELLED_RECORDS);
        let before = self.group.committed();
        self.waited_for(Duration::from_secs(5), |fleet| fleet.group.committed() > before.map(|before| before + 500));
        self.members.iter_mut().for_each(|member| member.frozen = false);
        self.proxy.pass();
        self.tally.expulsions += 1;
        self.wait_for("all processes hold all", TAKEN_OVER, |fleet| fleet.holds_all());
        // Those who were put out go on with what they hold now.
        publish(EXPELLED_RECORDS);
    }

    fn disturb_wire(&mut self) {
        let one_in = self.chance.within(1..4);
        let side = if self.chance.one_in(2) { Side::Client } else { Side::Server };
        let met = match self.chance.within(0..6) {
            0 => {
                self.proxy.delay(Duration::from_millis(self.chance.within(50..800)));
                0
            }
            1 => {
                self.proxy.hold();
                0
            }
            2 => self.proxy.half_close(side, one_in),
            3 => {
                self.proxy.refuse();
                self.proxy.cut(1)
            }
            4 => self.proxy.lose(Side::Client, one_in),
            _ => self.proxy.cut(one_in),
        };
        self.tally.connections_met += met as u64;
        let before = self.group.committed();
        let lasts = Duration::from_millis(self.chance.within(200..4_000));
        self.waited_for(lasts, |fleet| fleet.group.committed() > before.map(|before| before + 2_000));
        // What is deaf stays so until somebody gives up, which takes longer than there is time.
        self.tally.connections_met += self.proxy.cut(2) as u64;
        self.proxy.pass();
    }

    fn pick(&mut self, wanted: impl Fn(&Member) -> bool) -> usize {
        let running = |member: &Member| member.engine.is_some();
        let all: Vec<usize> = (0..PROCESSES_MAX).filter(|index| running(&self.members[*index])).collect();
        let best: Vec<usize> = all.iter().copied().filter(|index| wanted(&self.members[*index])).collect();
        let from = if best.is_empty() { all } else { best };
        from[self.chance.within(0..from.len() as u64) as usize]
    }

    fn start(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.starts += 1;
        // As in a rolling upgrade: whoever is started again no longer writes the oldest format.
        member.membership.state_format = (member.starts == 1).then_some(STATE_FORMAT_OLDEST);
        member.membership.said = Some(self.folder.join(format!("process-{index}-{}.log", member.starts)));
        member.engine = Some(self.group.join_as(&member.membership));
    }

    fn stop(&mut self, index: usize) {
        let Some(engine) = self.members[index].engine.take() else { return };
        engine.signal("TERM");
        let deadline = Instant::now() + STOP_MAX;
        let status = loop {
            if let Some(status) = engine.ended() {
                break status;
            }
            assert!(Instant::now() < deadline, "process {index} does not end when asked to: {}", self.said(index));
            std::thread::park_timeout(Duration::from_millis(20));
        };
        let said = self.said(index);
        assert!(!said.contains("panicked"), "process {index} ended with {status}: {said}");
        if !status.success() {
            self.note_exit(&said);
        }
    }

    fn signal(&self, index: usize, name: &str) {
        if let Some(engine) = &self.members[index].engine {
            engine.signal(name);
        }
    }

    fn said(&self, index: usize) -> String {
        let said = self.members[index].membership.said.as_ref().map(std::fs::read_to_string);
        said.and_then(Result::ok).unwrap_or_default()
    }

    fn note_exit(&mut self, said: &str) {
        let reason = said.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("nothing was said");
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        *self.tally.exits.entry(reason).or_default() += 1;
        let exits: u64 = self.tally.exits.values().sum();
        assert!(exits <= RESTARTS_MAX, "processes end again and again: {:#?}", self.tally.exits);
    }
}

/// What each process says of itself, for whoever looks for the cause.
impl fmt::Display for Fleet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}\ncommitted {:?}", self.tally, self.group.committed())?;
        for (index, member) in self.members.iter().enumerate() {
            let ready = member.engine.as_ref().map(|engine| engine.page("/readyz").unwrap_or_default());
            writeln!(f, "process {index}: {ready:?}\n{}", self.said(index))?;
        }
        Ok(())
    }
}

fn value(engine: &Engine, name: &str) -> Option<u64> {
    engine.metrics()?.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}
