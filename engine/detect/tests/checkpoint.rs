//! The promise of the checkpoint: whoever takes keys over from their written records and runs again what those do not
//! hold sends what the first would have sent, and ends in the same state.
#![allow(clippy::unwrap_used, reason = "the lints spare only functions marked as tests")]

#[path = "rewind/rulings.rs"]
mod rulings;
#[path = "rewind/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use frostwatch_detect::catalogue::STATE_FORMAT;
use frostwatch_detect::event::Event;
use frostwatch_detect::format::STATE_FORMAT_OLDEST;
use frostwatch_detect::keys::{Keys, Room, StateFault};
use frostwatch_detect::plan::Plan;
use frostwatch_detect::plans::Plans;
use frostwatch_detect::sent::Change;
use frostwatch_detect::time::{DAY, MINUTE};
use proptest::prelude::*;
use rulings::{history, plan_sets, switches};
use world::{START, Sketch, cases, events, plans, sketches};

/// The log of state, compacted, and what a commit says beside it.
#[derive(Clone, Default)]
struct Written {
    records: BTreeMap<String, Vec<u8>>,
    offset: i64,
    low_water: i64,
}

impl Written {
    /// A commit at `offset`.
    fn commit(&mut self, keys: &mut Keys, offset: i64, below: i64, room: usize) {
        self.commit_in(STATE_FORMAT, keys, offset, below, room);
    }

    fn commit_in(&mut self, format: u8, keys: &mut Keys, offset: i64, below: i64, room: usize) {
        let records = &mut self.records;
        keys.write(format, offset, below, Room { keys: room, bytes: usize::MAX }, &mut |name, record| {
            match record {
                Some(record) => records.insert(name.to_owned(), record.to_vec()),
                None => records.remove(name),
            };
        });
        (self.offset, self.low_water) = (offset, keys.low_water(offset));
    }
}

/// Takes the state over: what is below the commit is run again in silence.
fn taken_over(written: &Written, log: &[(String, Event)], plans: &Plans) -> Keys {
    let mut keys = Keys::default();
    for (name, record) in &written.records {
        keys.restore(name, Some(record)).unwrap();
    }
    let mut silent = Vec::new();
    for offset in written.low_water..written.offset {
        let (name, event) = &log[offset as usize];
        keys.accept_logged(name, offset, event, plans, &mut silent);
    }
    keys
}

fn log_of(sketches: &[Sketch]) -> Vec<(String, Event)> {
    let mut events = events(sketches);
    events.sort_by_key(|event| event.stamp);
    // Keys of one event a day are idle in between, and one key is never seen again.
    let busy = START + DAY;
    let mut log: Vec<(String, Event)> =
        events.into_iter().map(|event| (format!("acme|user-{}", event.content % 5), event)).collect();
    for beat in 0..40_i64 {
        let second = (busy - START) / 1_000 + beat * 300;
        let sketch = Sketch { number: 800_000 + beat as u32, ..Sketch::view(second, second) };
        log.push(("acme|somebody.else".to_owned(), sketch.event()));
    }
    log.sort_by_key(|(_, event)| event.stamp);
    log
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_crash_anywhere_changes_nothing(
        sketches in sketches(1..160),
        crashes in prop::collection::vec(1_usize..60, 0..6),
        every in 1_usize..20,
        tail in 0_i64..60,
        room in 1_usize..8,
        sets in plan_sets(),
        at in switches(),
        format in STATE_FORMAT_OLDEST..=STATE_FORMAT,
    ) {
        let sets: Vec<Plan> = sets.into_iter().map(|plan| plan.with_state_format(format)).collect();
        let (names, events): (Vec<String>, Vec<Event>) = log_of(&sketches).into_iter().unzip();
        let (arriving, plans) = history(events, &sets, &at);
        let log: Vec<(String, Event)> = names.into_iter().zip(arriving).collect();
        let mut alone = Keys::default();
        let wanted: Vec<Vec<Change>> = log.iter().map(|(name, event)| {
            let mut changes = Vec::new();
            alone.accept(name, event, &plans, &mut changes);
            changes
        }).collect();

        let (mut keys, mut written) = (Keys::default(), Written::default());
        let mut crashes = crashes.into_iter().scan(0, |at, gap| { *at += gap; Some(*at) }).peekable();
        let mut sent: Vec<Vec<Change>> = Vec::new();
        while sent.len() < log.len() {
            let offset = sent.len();
            let (name, event) = &log[offset];
            let mut changes = Vec::new();
            let verdict = keys.accept_logged(name, offset as i64, event, &plans, &mut changes);
            prop_assert!(verdict.is_some(), "what was not committed is in no record");
            sent.push(changes);
            if sent.len().is_multiple_of(every) {
                let offset = sent.len() as i64;
                written.commit_in(format, &mut keys, offset, offset - tail, room);
                prop_assert!(room < every || offset - written.low_water <= tail + every as i64, "the tail is bounded");
            }
            if crashes.next_if(|at| *at <= sent.len()).is_some() {
                // What was sent and not committed was not seen by anybody.
                sent.truncate(written.offset as usize);
                keys = taken_over(&written, &log, &plans);
            }
        }
        prop_assert!(sent == wanted);
        let now = log.iter().filter_map(|(_, event)| event.stamp).max().unwrap_or(0);
        prop_assert_eq!(keys.state_hash(&plans, now), alone.state_hash(&plans, now));
        prop_assert_eq!(keys.counters().unreadable, 0);
        // A graceful stop leaves nothing to be run again.
        let end = log.len() as i64;
        written.commit_in(format, &mut keys, end, i64::MAX, usize::MAX);
        prop_assert_eq!(written.low_water, end);
        prop_assert!(written.records.values().all(|record| record[0] == format));
        let next = taken_over(&written, &log, &plans);
        prop_assert_eq!(next.state_hash(&plans, now), alone.state_hash(&plans, now));
    }

    #[test]
    fn any_bytes_are_a_key_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..300), sane in any::<bool>()) {
        let plans = plans();
        let mut record = bytes;
        if sane && record.len() > 2 {
            (record[0], record[1]) = (STATE_FORMAT, record[1] % 4);
        }
        let mut keys = Keys::default();
        if keys.restore("acme|ana", Some(&record)).is_ok() {
            let mut changes = Vec::new();
            keys.accept_logged("acme|ana", i64::MAX, &Sketch::view(0, 0).event(), &plans, &mut changes);
        }
    }
}

#[test]
fn a_key_that_is_let_go_has_its_record_deleted() {
    let plans = plans();
    let (mut keys, mut written, mut changes) = (Keys::default(), Written::default(), Vec::new());
    let day = DAY / 1_000;
    keys.accept_logged("acme|ana", 0, &Sketch::view(0, 0).event(), &plans, &mut changes);
    written.commit(&mut keys, 1, i64::MAX, usize::MAX);
    assert_eq!(written.records.len(), 1);
    for step in 0..200_i64 {
        let second = 92 * day + step * 600;
        let event = Sketch { number: step as u32 + 1, ..Sketch::view(second, second) }.event();
        keys.accept_logged("acme|busy", step + 1, &event, &plans, &mut changes);
    }
    written.commit(&mut keys, 201, i64::MAX, usize::MAX);
    assert_eq!(written.records.keys().collect::<Vec<_>>(), ["acme|busy"]);
    let mut next = taken_over(&written, &[], &plans);
    assert_eq!(next.len(), 1);
    next.restore("acme|busy", None).unwrap();
    assert_eq!(next.len(), 0);
}

#[test]
fn of_a_newer_program_and_of_none_nothing_is_taken() {
    let fault = |record: &[u8]| Keys::default().restore("acme|ana", Some(record)).unwrap_err();
    assert_eq!(fault(&[STATE_FORMAT + 1, 0, 0]), StateFault::Newer { found: STATE_FORMAT + 1 });
    assert_eq!(fault(&[STATE_FORMAT_OLDEST - 1, 0]), StateFault::Older { found: STATE_FORMAT_OLDEST - 1 });
    assert!(matches!(fault(&[STATE_FORMAT, 9, 0]), StateFault::Broken(_)));
    assert!(matches!(fault(&[]), StateFault::Broken(_)));
}

/// That they are written again as they were is a test beside the encoding.
#[test]
fn records_of_every_format_are_kept_and_read() {
    for format in STATE_FORMAT_OLDEST..STATE_FORMAT {
        let path = format!("{}/tests/state/format-{format}.txt", env!("CARGO_MANIFEST_DIR"));
        let plans = Plans::new(Arc::new(world::plan().with_state_format(format)));
        if std::env::var_os("FROSTWATCH_WRITE_GOLDEN").is_some() && !Path::new(&path).exists() {
            std::fs::write(&path, records_in(format, &plans)).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| {
            panic!("{path}: {fault}; with FROSTWATCH_WRITE_GOLDEN=1 this test writes what is missing")
        });
        for line in text.lines() {
            let (name, hex) = line.split_once(' ').unwrap();
            let record: Vec<u8> = (0..hex.len() / 2).map(|at| byte(hex, at)).collect();
            let mut keys = Keys::default();
            keys.restore(name, Some(&record)).unwrap();
            let mut changes = Vec::new();
            keys.accept_logged(name, i64::MAX, &Sketch::view(400_000, 400_000).event(), &plans, &mut changes);
            assert_eq!((keys.counters().unreadable, record[0]), (0, format), "{path}: {name}");
        }
    }
}

fn byte(hex: &str, at: usize) -> u8 {
    u8::from_str_radix(hex.get(2 * at..2 * at + 2).unwrap(), 16).unwrap()
}

/// Records of keys asleep and awake, as lines.
fn records_in(format: u8, plans: &Plans) -> String {
    let sketches: Vec<Sketch> = (0..160_u8)
        .map(|number| {
            let second = i64::from(number) * 700;
            let (what, place) = (number % 11, number % 5);
            Sketch { number: u32::from(number), what, place, object: number % 4, ..Sketch::view(second, second) }
        })
        .collect();
    // While one of them goes on the others are packed.
    let beat = |number: i64| Sketch {
        number: 900 + number as u32,
        ..Sketch::view(120_000 + number * 30, 120_000 + number * 30)
    };
    let beats = (0..300).map(|number| ("acme|awake".to_owned(), beat(number).event()));
    let (mut keys, mut written, mut changes) = (Keys::default(), Written::default(), Vec::new());
    for (offset, (name, event)) in log_of(&sketches).into_iter().chain(beats).enumerate() {
        keys.accept_logged(&name, offset as i64, &event, plans, &mut changes);
    }
    written.commit_in(format, &mut keys, i64::MAX, i64::MAX, usize::MAX);
    let mut lines = String::new();
    for (name, record) in &written.records {
        write!(lines, "{name} ").unwrap();
        record.iter().for_each(|byte| write!(lines, "{byte:02x}").unwrap());
        lines.push('\n');
    }
    lines
}

#[test]
fn what_is_in_a_restored_key_is_not_taken_twice() {
    let plans = plans();
    let (mut keys, mut written, mut changes) = (Keys::default(), Written::default(), Vec::new());
    let event = |second| Sketch { number: second as u32, ..Sketch::view(second, second) }.event();
    for offset in 0..3 {
        keys.accept_logged("acme|ana", offset, &event(offset * 10), &plans, &mut changes);
    }
    written.commit(&mut keys, 3, i64::MAX, usize::MAX);
    let mut next = Keys::default();
    next.restore("acme|ana", written.records.get("acme|ana").map(Vec::as_slice)).unwrap();
    assert_eq!(next.accept_logged("acme|ana", 2, &event(20), &plans, &mut changes), None);
    assert!(next.accept_logged("acme|ana", 3, &event(MINUTE / 1_000), &plans, &mut changes).is_some());
}

#[test]
fn keys_restored_with_their_events_are_packed_once_they_are_idle() {
    let plans = plans();
    let (mut keys, mut written, mut changes) = (Keys::default(), Written::default(), Vec::new());
    let event = |second: i64| Sketch { number: second as u32, ..Sketch::view(second, second) }.event();
    for number in 0..50 {
        keys.accept_logged(&format!("acme|user-{number}"), number, &event(number), &plans, &mut changes);
    }
    written.commit(&mut keys, 50, i64::MAX, usize::MAX);
    let mut next = taken_over(&written, &[], &plans);
    // One of them goes on, and is not packed under its own feet.
    for beat in 0..450_i64 {
        next.accept_logged("acme|user-7", 50 + beat, &event(100 + beat * 20), &plans, &mut changes);
    }
    assert_eq!((next.counters().packed, next.active(), next.len()), (49, 1, 50));
    // What they hold is as it was, and each is packed only once more however often it wakes.
    for number in 0..50 {
        next.accept_logged(&format!("acme|user-{number}"), 600 + number, &event(9_200), &plans, &mut changes);
    }
    assert_eq!((next.counters().unpacked, next.counters().unreadable), (50, 0));
    for beat in 0..200_i64 {
        next.accept_logged("acme|user-7", 700 + beat, &event(9_300 + beat * 90), &plans, &mut changes);
    }
    assert_eq!((next.counters().packed, next.active()), (98, 1));
}

#[test]
fn keys_restored_asleep_take_as_little_memory_as_those_put_to_sleep() {
    let plans = plans();
    let (mut keys, mut written, mut changes) = (Keys::default(), Written::default(), Vec::new());
    let sketch = |user: i64, second: i64| Sketch { number: (second + user) as u32, ..Sketch::view(second, second) };
    for beat in 0..2_i64 {
        for user in 0..1_000_i64 {
            let second = beat * 3_000 + user;
            let event = Sketch { object: (user % 7) as u8, ..sketch(user, second) }.event();
            keys.accept_logged(&format!("acme|user-{user}"), beat * 1_000 + user, &event, &plans, &mut changes);
        }
    }
    // One goes on while the others fall asleep.
    for beat in 0..600_i64 {
        let event = sketch(900, 60_000 + beat * 60).event();
        keys.accept_logged("acme|awake", 2_400 + beat, &event, &plans, &mut changes);
    }
    written.commit(&mut keys, 3_000, i64::MAX, usize::MAX);
    let next = taken_over(&Written { low_water: 3_000, ..written.clone() }, &[], &plans);
    assert_eq!((keys.active(), next.active(), next.len()), (1, 0, 1_001));
    let (asleep, restored) = (keys.packed_bytes(), next.packed_bytes());
    let logged: usize = written.records.values().map(Vec::len).sum();
    assert!(restored < asleep + asleep / 4 && restored < logged, "{restored} of {logged}, {asleep} asleep");
}
